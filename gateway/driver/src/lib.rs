//! Raw access to stores: SQLite and PostgreSQL, streaming typed rows.
//!
//! It runs one read-only statement at a time, or a write transaction of changes told as keys and values, and knows nothing of agents, scopes or masks' meaning: what it is given
//! it runs. Only `backend`, the composition in the binary, and the benches' floor may therefore depend on it.
//!
//! What it does hold of a read, whatever it is given: one statement, nothing but reading, a deadline, bounded memory however
//! long the answer is, and no connection with another's state on it.

mod error;
mod mask;
mod pipe;
mod postgres;
mod rows;
mod sqlite;
mod write;

use std::{fmt, sync::Arc, time::Duration};

use mountgate_core::{Catalogue, RelationName, Value};

pub use error::{Class, StoreError};
pub use postgres::{PostgresAdmin, PostgresConfig, PostgresStore, PostgresTransaction, Transactions, scram_verifier};
pub use rows::{Batch, RowColumn, Rows};
pub use sqlite::{BehindSqlite, FileView, Shown, SqliteConfig, SqliteStore, SqliteTransaction, SqliteWall, WalledView};
pub use write::{Begin, Change, Transaction, TransactionRows, Uncommitted, Writable};

/// Which store to open, and how.
#[derive(Clone, Debug)]
pub enum StoreConfig {
    /// A SQLite file.
    Sqlite(SqliteConfig),
    /// A PostgreSQL database.
    Postgres(PostgresConfig),
}

/// One statement to run.
#[derive(Clone, Debug)]
pub struct Call {
    /// The statement: one, and one that only reads.
    pub sql: Arc<str>,
    /// The values of its parameters, the first at `?1` or `$1`.
    pub values: Vec<Value>,
    /// How long the store may work on it, its wait for a place included. Time spent waiting for the caller to take
    /// rows does not count, but is bounded by the store's own `patience`.
    pub timeout: Duration,
    /// The wall that it runs behind, in the store.
    pub behind: Option<Behind>,
}

/// A wall in the store, and the claims of a call.
#[derive(Clone, Debug)]
pub enum Behind {
    /// Of a SQLite file.
    Sqlite(BehindSqlite),
    /// Of a PostgreSQL database: what the session is told before the statement.
    Postgres(Seal),
}

/// Makes a seal for a session: from the id of the server's process, and the moment of the server's clock until which the
/// statement may run, in milliseconds since 1970-01-01T00:00Z.
#[derive(Clone)]
pub struct Seal(Arc<dyn Fn(i32, i64) -> String + Send + Sync>);

impl Seal {
    /// Takes what makes it. It must not block.
    pub fn new(make: impl Fn(i32, i64) -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    pub(crate) fn make(&self, pid: i32, until_ms: i64) -> String {
        (self.0)(pid, until_ms)
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

impl Call {
    /// No statement works for longer than this, whatever its limits say; it also keeps deadlines from overflowing.
    const LONGEST: Duration = Duration::from_secs(3600);

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.min(Self::LONGEST)
    }
}

/// An open store. Cheap to clone; the last clone dropped stops its threads and closes its connections.
#[derive(Clone, Debug)]
pub enum Store {
    /// A SQLite file.
    Sqlite(SqliteStore),
    /// A PostgreSQL database.
    Postgres(PostgresStore),
}

impl Store {
    /// Opens the store and makes sure that it answers.
    ///
    /// # Errors
    /// `Unavailable` where it can't be reached or opened, `Refused` where its configuration is unsound.
    pub async fn open(config: StoreConfig) -> Result<Self, StoreError> {
        Ok(match config {
            StoreConfig::Sqlite(config) => Self::Sqlite(SqliteStore::open(config).await?),
            StoreConfig::Postgres(config) => Self::Postgres(PostgresStore::open(config).await?),
        })
    }

    /// The name of the dialect that it speaks: `sqlite` or `postgres`.
    pub fn dialect_name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// What the store says of these relations. One that it doesn't have, or that can't be read safely, is absent.
    ///
    /// # Errors
    /// Where the store can't be asked.
    pub async fn catalogue(&self, names: &[RelationName]) -> Result<Catalogue, StoreError> {
        match self {
            Self::Sqlite(store) => store.catalogue(names).await,
            Self::Postgres(store) => store.catalogue(names).await,
        }
    }

    /// Runs a statement. Returns when its first rows, its end or its failure are known.
    ///
    /// # Errors
    /// See [`Class`].
    pub async fn stream(&self, call: Call) -> Result<Rows, StoreError> {
        match self {
            Self::Sqlite(store) => store.stream(call).await,
            // In a place of its own: it is large, and would be copied into each future around it.
            Self::Postgres(store) => Box::pin(store.stream(call)).await,
        }
    }
}
