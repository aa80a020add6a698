//! A write transaction on a session of its own, which is closed with it: whatever was not committed is rolled back.

use std::sync::Arc;

use futures::TryStreamExt as _;
use mountgate_core::Value;
use tokio::time::{Instant, timeout_at};

use super::{
    PostgresStore, Transactions,
    bind::Parameter,
    error::{Phase, failed},
    pool::Lease,
    rows::Cell,
    session::Prepared,
};
use crate::{
    Class, StoreError,
    write::{Begin, Change, Spelling, TransactionRows, Uncommitted, Writable, check},
};

/// Whether the database has a table of markers that this login may write.
const MARKERS: &str = "SELECT pg_catalog.to_regclass('mountgate.marker') IS NOT NULL";

/// A write transaction under way.
pub struct PostgresTransaction {
    lease: Lease,
    writable: Writable,
    deadline: Instant,
}

impl std::fmt::Debug for PostgresTransaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresTransaction").field("writable", &self.writable).finish_non_exhaustive()
    }
}

impl PostgresStore {
    pub(crate) async fn begin(&self, begin: Begin, deadline: Instant) -> Result<PostgresTransaction, StoreError> {
        let Begin { timeout, behind, writable } = begin;
        if behind.is_some() || self.pool.config.is_walled() {
            return Err(StoreError::new(Class::Refused, "nothing is written behind a wall of PostgreSQL's"));
        }
        if self.pool.config.transactions != Transactions::Explicit {
            return Err(StoreError::new(Class::Refused, "nothing is written without transactions"));
        }
        let (lease, _) = self.pool.take(deadline, true).await?;
        let mut transaction = PostgresTransaction { lease, writable, deadline };
        let patience = timeout.as_millis().max(1);
        // Rows that something else changes meanwhile are told as a conflict, and what is read twice is read the same.
        transaction
            .run(format!(
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE; SET LOCAL statement_timeout = {patience}; \
                 SET LOCAL lock_timeout = {patience}; SET CONSTRAINTS ALL IMMEDIATE"
            ))
            .await?;
        Ok(transaction)
    }

    pub(crate) async fn marker(&self, id: &str) -> Result<Option<bool>, StoreError> {
        let deadline = Instant::now() + super::OWN;
        let (mut lease, _) = self.pool.take(deadline, false).await?;
        let Some(session) = lease.session_mut() else { return Err(StoreError::timeout()) };
        let (client, id) = (Arc::clone(&session.client), id.to_owned());
        let ask = async move {
            if !client.query_one(MARKERS, &[]).await?.try_get::<_, bool>(0)? {
                return Ok(None);
            }
            let found = client.query_one("SELECT count(*) FROM mountgate.marker WHERE hold_id = $1", &[&id]).await?;
            Ok(Some(found.try_get::<_, i64>(0)? > 0))
        };
        let asked = timeout_at(deadline, session.drive(ask)).await.map_err(|_| StoreError::timeout())??;
        lease.give_back(None);
        asked.map_err(|e: tokio_postgres::Error| failed(&e, Phase::Run))
    }
}

impl PostgresTransaction {
    async fn run(&mut self, sql: String) -> Result<(), StoreError> {
        let Some(session) = self.lease.session_mut() else { return Err(StoreError::timeout()) };
        let client = Arc::clone(&session.client);
        let done = session.drive(async move { client.batch_execute(&sql).await });
        timeout_at(self.deadline, done).await.map_err(|_| StoreError::timeout())??.map_err(|e| failed(&e, Phase::Run))
    }

    pub(crate) async fn read(
        &mut self,
        sql: &Arc<str>,
        values: Vec<Value>,
        most: usize,
    ) -> Result<TransactionRows, StoreError> {
        let deadline = self.deadline;
        let Some(session) = self.lease.session_mut() else { return Err(StoreError::timeout()) };
        let work = async {
            let Prepared { statement, decoders, .. } = session.prepare(sql).await?;
            let wanted = statement.params().len();
            if wanted != values.len() {
                let detail = format!("{} values for {wanted} parameters", values.len());
                return Err(StoreError::new(Class::Parameter, detail));
            }
            let parameters = values.iter().map(Parameter::new).collect::<Result<Vec<_>, _>>()?;
            let client = Arc::clone(&session.client);
            let stream = session
                .drive(async move { client.query_raw(&statement, parameters).await })
                .await?
                .map_err(|e| failed(&e, Phase::Bind))?;
            let mut stream = std::pin::pin!(stream);
            let mut out: TransactionRows = Vec::new();
            while let Some(row) = session.drive(stream.try_next()).await?.map_err(|e| failed(&e, Phase::Run))? {
                let mut cells = Vec::with_capacity(decoders.len());
                for (n, decoder) in decoders.iter().enumerate() {
                    let cell = row.try_get::<_, Cell<'_>>(n).map_err(|e| failed(&e, Phase::Run))?;
                    let odd = || StoreError::new(Class::Refused, format!("column {n} is not in the form of its type"));
                    cells.push(match cell {
                        Cell(None) => Value::Null,
                        Cell(Some(cell)) => decoder.decode(cell).map_err(|_| odd())?,
                    });
                }
                out.push(cells);
                if out.len() > most {
                    // The rest is on its way: nothing more can be asked here, and the transaction only ends.
                    break;
                }
            }
            Ok(out)
        };
        timeout_at(deadline, work).await.map_err(|_| StoreError::timeout())?
    }

    fn spelling(&self) -> Spelling<'_> {
        let table = &self.writable.table;
        Spelling { table, schema: &table.schema, mark: '$', as_text: Some("::text") }
    }

    pub(crate) async fn row(&mut self, key: Vec<Value>) -> Result<Option<Vec<Value>>, StoreError> {
        let sql = Arc::from(self.spelling().row());
        Ok(self.read(&sql, key, usize::MAX).await?.pop())
    }

    pub(crate) async fn change(&mut self, change: Change) -> Result<TransactionRows, StoreError> {
        check(&self.writable, &change)?;
        let (sql, values) = self.spelling().change(self.writable.verb, change);
        self.read(&Arc::from(sql), values, usize::MAX).await
    }

    pub(crate) async fn mark(&mut self, id: &str) -> Result<bool, StoreError> {
        let there = self.read(&Arc::from(MARKERS), vec![], 1).await?;
        if there.first().and_then(|row| row.first()) != Some(&Value::Boolean(true)) {
            return Ok(false);
        }
        let sql = "INSERT INTO mountgate.marker (hold_id, at) VALUES ($1, pg_catalog.now()) RETURNING hold_id";
        self.read(&Arc::from(sql), vec![Value::Text(id.to_owned())], 1).await.map(|_| true)
    }

    pub(crate) async fn commit(mut self) -> Result<(), Uncommitted> {
        let Some(session) = self.lease.session_mut() else {
            return Err(Uncommitted { error: StoreError::timeout(), certain: true });
        };
        let client = Arc::clone(&session.client);
        let done = session.drive(async move { client.batch_execute("COMMIT").await });
        match timeout_at(self.deadline, done).await {
            Ok(Ok(Ok(()))) => {
                self.lease.discard();
                Ok(())
            }
            // The server says that it did not; a connection that ended says nothing.
            Ok(Ok(Err(error))) => {
                Err(Uncommitted { certain: error.as_db_error().is_some(), error: failed(&error, Phase::Run) })
            }
            Ok(Err(error)) => Err(Uncommitted { error, certain: false }),
            Err(_) => Err(Uncommitted { error: StoreError::timeout(), certain: false }),
        }
    }
}
