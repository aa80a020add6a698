//! A write transaction on a connection of its own, on a thread of its own: both end with it, and whatever was not
//! committed with them.

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::Instant,
};

use mountgate_core::{ColumnType, Value};
use rusqlite::{Connection, Statement};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    SqliteConfig, SqliteStore,
    connection::{self, Control, Guarded},
    failed,
    guard::Writing,
    types::{self, Parameter},
    wall::{self, BehindSqlite},
    worker,
};
use crate::{
    Behind, Class, StoreError,
    write::{Begin, Change, Spelling, TransactionRows, Uncommitted, Writable, check},
};

/// The table of markers, where the file has one: `CREATE TABLE mountgate_marker (hold_id TEXT PRIMARY KEY, at TEXT)`.
const MARKERS: &str = "mountgate_marker";

enum Order {
    Read { sql: Arc<str>, values: Vec<Value>, most: usize, reply: oneshot::Sender<Result<TransactionRows, StoreError>> },
    Row { key: Vec<Value>, reply: oneshot::Sender<Result<Option<Vec<Value>>, StoreError>> },
    Change { change: Change, reply: oneshot::Sender<Result<TransactionRows, StoreError>> },
    Mark { id: String, reply: oneshot::Sender<Result<bool, StoreError>> },
    Commit { reply: oneshot::Sender<Result<(), StoreError>> },
}

/// A write transaction under way.
#[derive(Debug)]
pub struct SqliteTransaction {
    orders: Sender<Order>,
    /// One writer at a time: SQLite has no more, and who waits here holds no thread.
    _place: OwnedSemaphorePermit,
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Order")
    }
}

impl SqliteStore {
    pub(crate) async fn begin(
        &self,
        begin: Begin,
        deadline: tokio::time::Instant,
    ) -> Result<SqliteTransaction, StoreError> {
        let Begin { timeout: _, behind, writable } = begin;
        let behind = match (behind, &self.inner.schema) {
            (None, None) => None,
            (Some(Behind::Sqlite(behind)), Some(_)) => Some(behind),
            (_, Some(_)) => return Err(super::unwalled("this file answers behind a wall only")),
            (_, None) => return Err(super::unwalled("this file is not opened behind a wall")),
        };
        let place = tokio::time::timeout_at(deadline, Arc::clone(&self.inner.writers).acquire_owned())
            .await
            .map_err(|_| StoreError::timeout())?
            .map_err(|_| StoreError::new(Class::Unavailable, "the store is closing"))?;
        let (orders, taken) = channel();
        let (ready, began) = oneshot::channel();
        let (config, schema) = (self.inner.config.clone(), self.inner.schema.clone());
        let until = deadline.into_std();
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || run(&config, schema.as_deref(), behind, &writable, until, ready, &taken))
            .map_err(|e| StoreError::new(Class::Unavailable, format!("can't start a thread: {e}")))?;
        began.await.unwrap_or_else(|_| Err(ended()))?;
        Ok(SqliteTransaction { orders, _place: place })
    }

    pub(crate) async fn marker(&self, id: &str) -> Result<Option<bool>, StoreError> {
        let (path, id) = (self.inner.config.path.clone(), id.to_owned());
        super::blocking(move || {
            let connection = connection::open_plain(&path)?;
            if !has_markers(&connection, "main").map_err(|e| failed(&e))? {
                return Ok(None);
            }
            let sql = format!("SELECT count(*) FROM main.{MARKERS} WHERE hold_id = ?1");
            let found: i64 = connection.query_row(&sql, [&id], |row| row.get(0)).map_err(|e| failed(&e))?;
            Ok(Some(found > 0))
        })
        .await
    }
}

impl SqliteTransaction {
    async fn ask<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Order,
    ) -> Result<T, StoreError> {
        let (reply, replied) = oneshot::channel();
        self.orders.send(order(reply)).map_err(|_| ended())?;
        replied.await.unwrap_or_else(|_| Err(ended()))
    }

    pub(crate) async fn read(
        &mut self,
        sql: Arc<str>,
        values: Vec<Value>,
        most: usize,
    ) -> Result<TransactionRows, StoreError> {
        self.ask(|reply| Order::Read { sql, values, most, reply }).await
    }

    pub(crate) async fn row(&mut self, key: Vec<Value>) -> Result<Option<Vec<Value>>, StoreError> {
        self.ask(|reply| Order::Row { key, reply }).await
    }

    pub(crate) async fn change(&mut self, change: Change) -> Result<TransactionRows, StoreError> {
        self.ask(|reply| Order::Change { change, reply }).await
    }

    pub(crate) async fn mark(&mut self, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.ask(|reply| Order::Mark { id, reply }).await
    }

    pub(crate) async fn commit(self) -> Result<(), Uncommitted> {
        let (reply, replied) = oneshot::channel();
        if self.orders.send(Order::Commit { reply }).is_err() {
            return Err(Uncommitted { error: ended(), certain: true });
        }
        match replied.await {
            Ok(Ok(())) => Ok(()),
            // SQLite says whether it did; what it could not do is rolled back with the connection.
            Ok(Err(error)) => Err(Uncommitted { certain: error.class != Class::Unavailable, error }),
            Err(_) => Err(Uncommitted { error: ended(), certain: false }),
        }
    }
}

fn ended() -> StoreError {
    StoreError::new(Class::Timeout, "the transaction has ended")
}

fn run(
    config: &SqliteConfig,
    schema: Option<&str>,
    behind: Option<BehindSqlite>,
    writable: &Writable,
    until: Instant,
    ready: oneshot::Sender<Result<(), StoreError>>,
    taken: &Receiver<Order>,
) {
    // rusqlite panics on names that are not UTF-8, which a hostile file may hold. The channels then close.
    let _ = catch_unwind(AssertUnwindSafe(|| match Writer::open(config, schema, behind, writable, until) {
        Err(error) => drop(ready.send(Err(error))),
        Ok(mut writer) => {
            if ready.send(Ok(())).is_ok() {
                writer.serve(taken, until);
            }
        }
    }));
}

struct Writer<'a> {
    guarded: Guarded,
    schema: &'a str,
    behind: Option<BehindSqlite>,
    writable: &'a Writable,
    triggers: HashSet<String>,
}

impl<'a> Writer<'a> {
    fn open(
        config: &SqliteConfig,
        schema: Option<&'a str>,
        behind: Option<BehindSqlite>,
        writable: &'a Writable,
        until: Instant,
    ) -> Result<Self, StoreError> {
        let control = Arc::new(Control::writing(until));
        let mut guarded = connection::open_to_write(config, schema, &control)?;
        let name = schema.unwrap_or("main");
        let Guarded { connection, guard, walls } = &mut guarded;
        if let Some(behind) = &behind {
            walls.stand(connection, guard, &behind.wall).map_err(|e| failed(&e))?;
        }
        let triggers = guard
            .own(|| {
                connection.pragma_update(None, "query_only", false)?;
                connection.pragma_update(None, "foreign_keys", true)?;
                connection.busy_timeout(until.saturating_duration_since(Instant::now()))?;
                connection.execute_batch("BEGIN IMMEDIATE")?;
                let schema = wall::quoted(name);
                let sql = format!("SELECT name FROM {schema}.sqlite_schema WHERE type = 'trigger'");
                connection.prepare(&sql)?.query_map([], |row| row.get(0))?.collect::<Result<HashSet<String>, _>>()
            })
            .map_err(|e| failed(&e))?;
        Ok(Self { guarded, schema: name, behind, writable, triggers })
    }

    /// Takes orders until there are no more, or time is up.
    fn serve(&mut self, taken: &Receiver<Order>, until: Instant) {
        loop {
            let order = match taken.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(order) => order,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            };
            match order {
                Order::Read { sql, values, most, reply } => drop(reply.send(self.read(&sql, &values, most))),
                Order::Row { key, reply } => drop(reply.send(self.row(&key))),
                Order::Change { change, reply } => drop(reply.send(self.change(change))),
                Order::Mark { id, reply } => drop(reply.send(self.mark(&id))),
                Order::Commit { reply } => {
                    let Guarded { connection, guard, .. } = &self.guarded;
                    let done = guard.own(|| connection.execute_batch("COMMIT")).map_err(|e| failed(&e));
                    drop(reply.send(done));
                    return;
                }
            }
        }
    }

    fn read(&mut self, sql: &str, values: &[Value], most: usize) -> Result<TransactionRows, StoreError> {
        let Guarded { connection, guard, walls } = &mut self.guarded;
        let read = || {
            let mut statement = match &self.behind {
                None => connection.prepare_cached(sql).map_err(|e| failed(&e))?,
                Some(behind) => worker::prepare_behind(connection, guard, walls, behind.clone(), sql, &mut true)?,
            };
            if !statement.readonly() || statement.is_explain() != 0 || statement.column_count() == 0 {
                return Err(StoreError::new(Class::Refused, "not a statement that reads rows"));
            }
            rows(&mut statement, values, most)
        };
        let mut read = read;
        let rows = read();
        guard.end();
        rows
    }

    fn spelling(&self) -> Spelling<'_> {
        Spelling { table: &self.writable.table, schema: self.schema, mark: '?', as_text: None }
    }

    fn row(&self, key: &[Value]) -> Result<Option<Vec<Value>>, StoreError> {
        let Guarded { connection, guard, .. } = &self.guarded;
        let sql = self.spelling().row();
        guard.own(|| {
            let mut statement = connection.prepare_cached(&sql).map_err(|e| failed(&e))?;
            Ok(rows(&mut statement, key, 1)?.pop())
        })
    }

    fn change(&self, change: Change) -> Result<TransactionRows, StoreError> {
        check(self.writable, &change)?;
        let (sql, values) = self.spelling().change(self.writable.verb, change);
        let Guarded { connection, guard, .. } = &self.guarded;
        let writing = Writing {
            verb: self.writable.verb,
            table: self.writable.table.name.clone(),
            columns: self.writable.columns.iter().map(ToString::to_string).collect(),
            triggers: self.triggers.clone(),
        };
        guard.writing(writing, || {
            let mut statement = connection.prepare(&sql).map_err(|e| failed(&e))?;
            rows(&mut statement, &values, usize::MAX)
        })
    }

    fn mark(&self, id: &str) -> Result<bool, StoreError> {
        let Guarded { connection, guard, .. } = &self.guarded;
        guard
            .own(|| {
                if !has_markers(connection, self.schema)? {
                    return Ok(false);
                }
                let schema = wall::quoted(self.schema);
                let sql = format!("INSERT INTO {schema}.{MARKERS} (hold_id, at) VALUES (?1, datetime('now'))");
                connection.execute(&sql, [id]).map(|_| true)
            })
            .map_err(|e| failed(&e))
    }
}

fn has_markers(connection: &Connection, schema: &str) -> rusqlite::Result<bool> {
    let sql = format!(
        "SELECT count(*) FROM {}.sqlite_schema WHERE type = 'table' AND name = '{MARKERS}'",
        wall::quoted(schema)
    );
    connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).map(|found| found > 0)
}

/// The rows of a statement, one more than `most` at the most.
fn rows(statement: &mut Statement<'_>, values: &[Value], most: usize) -> Result<TransactionRows, StoreError> {
    let wanted = statement.parameter_count();
    if wanted != values.len() {
        return Err(StoreError::new(Class::Parameter, format!("{} values for {wanted} parameters", values.len())));
    }
    for (n, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(n + 1, Parameter(value)).map_err(|e| failed(&e))?;
    }
    let types: Vec<ColumnType> = statement.columns().map(|column| types::column_type(column.decl_type())).collect();
    let mut found = statement.raw_query();
    let mut out = Vec::new();
    while let Some(row) = found.next().map_err(|e| failed(&e))? {
        let cells = types.iter().enumerate().map(|(n, ty)| row.get_ref(n).map(|cell| types::value(cell, ty)));
        out.push(cells.collect::<Result<_, _>>().map_err(|e| failed(&e))?);
        if out.len() > most {
            break;
        }
    }
    Ok(out)
}
