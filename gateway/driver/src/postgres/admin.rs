//! An administrator's connection: for looking at a database, and for building walls in it. Never for agents' statements.

use postgres_protocol::password::scram_sha_256;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::{
    PostgresConfig,
    error::{Phase, failed},
    guard::Guarded,
};
use crate::{Class, StoreError};

/// A connection that may do whatever its login may.
pub struct PostgresAdmin {
    client: Client,
    connection: tokio::task::JoinHandle<()>,
}

impl std::fmt::Debug for PostgresAdmin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresAdmin").finish_non_exhaustive()
    }
}

impl PostgresAdmin {
    /// Connects.
    ///
    /// # Errors
    /// `Unavailable` where the server can't be reached or refuses the login.
    pub async fn connect(config: &PostgresConfig) -> Result<Self, StoreError> {
        let unreachable =
            |e: &dyn std::fmt::Display| StoreError::new(Class::Unavailable, format!("can't connect: {e}"));
        let socket = config.socket().await.map_err(|e| unreachable(&e))?;
        let start_up = config.start_up_as_admin()?;
        let log_in = start_up.connect_raw(Guarded::new(socket, 256 << 20), NoTls);
        let (client, connection) = tokio::time::timeout(config.connect_timeout, log_in)
            .await
            .map_err(|e| unreachable(&e))?
            .map_err(|e| StoreError::new(Class::Unavailable, failed(&e, Phase::Prepare).detail))?;
        // Its end shows in whatever is asked next.
        let connection = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { client, connection })
    }

    /// The rows of a question without parameters, as text; asked in a transaction that only reads, with names found in
    /// the system's catalogue only.
    ///
    /// # Errors
    /// Where the database refuses it.
    pub async fn rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, StoreError> {
        let whole = format!(
            "BEGIN READ ONLY; SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL quote_all_identifiers = off;\n{sql}\n;ROLLBACK"
        );
        let messages = match self.client.simple_query(&whole).await {
            Ok(messages) => messages,
            Err(error) => {
                let _ = self.client.batch_execute("ROLLBACK").await;
                return Err(failed(&error, Phase::Run));
            }
        };
        Ok(messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
                _ => None,
            })
            .collect())
    }

    /// Runs a script in one transaction: the whole of it, or nothing.
    ///
    /// # Errors
    /// Where the database refuses a statement.
    pub async fn run(&self, script: &str) -> Result<(), StoreError> {
        let whole = format!("BEGIN;\n{script}\n;COMMIT;");
        let done = self.client.batch_execute(&whole).await.map_err(|e| failed(&e, Phase::Run));
        if done.is_err() {
            // What was done so far is undone by the server; the connection is to be usable.
            let _ = self.client.batch_execute("ROLLBACK").await;
        }
        done
    }
}

impl Drop for PostgresAdmin {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// What PostgreSQL keeps of a password, with a salt of its own each time: so a script need not hold the password.
pub fn scram_verifier(password: &str) -> String {
    scram_sha_256(password.as_bytes())
}
