//! PostgreSQL: a pool of pinned, read-only sessions.
//!
//! Each statement is `BEGIN READ ONLY`, the prepared statement, and `ROLLBACK`, sent in one write; its answer is read
//! as far as its caller takes it. The protocol machine reads no further than one message ahead of that, so the rest
//! waits in the server.

mod admin;
mod bind;
mod catalogue;
mod config;
mod decode;
mod error;
mod guard;
mod pool;
mod rows;
mod session;
mod writer;

use std::{sync::Arc, time::Duration};

use mountgate_core::{Catalogue, RelationName};
use tokio::time::{Instant, timeout_at};

use self::{bind::Parameter, pool::Pool, rows::Running};
use crate::{Behind, Call, Class, Rows, StoreError, rows::Source};

pub use admin::{PostgresAdmin, scram_verifier};
pub use config::{PostgresConfig, Transactions};
pub(crate) use rows::PostgresRows;
pub use writer::PostgresTransaction;

/// An open PostgreSQL database.
#[derive(Clone)]
pub struct PostgresStore {
    pool: Arc<Pool>,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").field("config", &self.pool.config).finish_non_exhaustive()
    }
}

/// How long the gateway's own questions may take.
const OWN: Duration = Duration::from_secs(30);

/// By how much a seal outlives its statement, at the least.
const SLACK: Duration = Duration::from_secs(5);

impl PostgresStore {
    /// Connects once, to see that it can be done. Warns where the role may do more than a gateway's should.
    ///
    /// # Errors
    /// `Unavailable` where the server can't be reached or refuses the login.
    pub async fn open(config: PostgresConfig) -> Result<Self, StoreError> {
        let pool = Pool::new(config);
        let (mut lease, _) = pool.take(Instant::now() + OWN, true).await?;
        if let Some(session) = lease.session_mut() {
            let client = Arc::clone(&session.client);
            let ask = async move {
                client
                    .query_one(
                        "SELECT rolsuper, rolname::text FROM pg_catalog.pg_roles WHERE rolname = current_user",
                        &[],
                    )
                    .await
            };
            let row = session.drive(ask).await?.map_err(|e| error::failed(&e, error::Phase::Run))?;
            if row.try_get(0).unwrap_or(true) {
                let role: String = row.try_get(1).unwrap_or_default();
                tracing::warn!(role, "the gateway logs in to PostgreSQL as a superuser; give it a role of its own");
            }
        }
        lease.give_back(None);
        Ok(Self { pool })
    }

    /// What the database says of these relations.
    ///
    /// # Errors
    /// Where it can't be asked.
    pub async fn catalogue(&self, names: &[RelationName]) -> Result<Catalogue, StoreError> {
        let deadline = Instant::now() + OWN;
        let (mut lease, _) = self.pool.take(deadline, false).await?;
        let Some(session) = lease.session_mut() else { return Err(StoreError::timeout()) };
        let catalogue =
            timeout_at(deadline, catalogue::read(session, names)).await.map_err(|_| StoreError::timeout())??;
        lease.give_back(None);
        Ok(catalogue)
    }

    /// Runs a statement.
    ///
    /// # Errors
    /// See [`Class`].
    pub async fn stream(&self, call: Call) -> Result<Rows, StoreError> {
        let deadline = Instant::now() + call.timeout();
        let mut fresh = false;
        // At most one more try, and only before anything of an answer has come: on a session that the server had
        // closed meanwhile, or with a statement that a change of the schema has made stale.
        let mut again = true;
        loop {
            let (mut lease, used) = self.pool.take(deadline, fresh).await?;
            let Some(session) = lease.session_mut() else { return Err(StoreError::timeout()) };
            let prepared = match timeout_at(deadline, session.prepare(&call.sql)).await {
                Ok(Ok(prepared)) => prepared,
                Ok(Err(error)) if error.class == Class::Unavailable => {
                    lease.discard();
                    if used && again {
                        (fresh, again) = (true, false);
                        continue;
                    }
                    return Err(error);
                }
                Ok(Err(error)) => {
                    lease.give_back(None);
                    return Err(error);
                }
                // Whatever it is doing there, the connection ends.
                Err(_) => return Err(StoreError::timeout()),
            };
            let wanted = prepared.statement.params().len();
            if wanted != call.values.len() {
                lease.give_back(None);
                let detail = format!("{} values for {wanted} parameters", call.values.len());
                return Err(StoreError::new(Class::Parameter, detail));
            }
            let parameters = match call.values.iter().map(Parameter::new).collect::<Result<Vec<_>, _>>() {
                Ok(parameters) => parameters,
                Err(error) => {
                    lease.give_back(None);
                    return Err(error);
                }
            };
            let columns = prepared.columns.to_vec();
            let seal = match &call.behind {
                Some(Behind::Postgres(seal)) => session.sealing.as_ref().zip(Some(seal)),
                None => None,
                Some(Behind::Sqlite(_)) => {
                    lease.give_back(None);
                    return Err(StoreError::new(Class::Refused, "a call for a SQLite file"));
                }
            };
            let seal = seal.map(|(sealing, seal)| {
                // As long as the statement may run, and wait for its caller.
                let longest = call.timeout() + self.pool.config.patience + SLACK;
                seal.make(sealing.pid, sealing.until_ms(session.born, longest))
            });
            let mut running = Running::start(lease, prepared, parameters, seal, deadline);
            match running.next().await {
                Ok(first) => {
                    let rows = PostgresRows::new(first, running, self.pool.config.patience);
                    return Ok(Rows::new(columns, Source::Postgres(Box::new(rows))));
                }
                Err(_) if again && (running.stale || (running.lost && used)) => {
                    // A new session has prepared nothing yet, so nothing on it is stale.
                    (fresh, again) = (true, false);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests;
