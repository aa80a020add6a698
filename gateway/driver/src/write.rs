//! Write transactions: one at a time on a SQLite file, each on a connection of its own, which ends with it.
//!
//! What is written is told as keys and values, never as text: the statements are made here, one for each row, and all
//! that they hold is bound. Dropped, a transaction is rolled back.

use std::sync::Arc;

use mountgate_core::{ColumnInfo, ColumnName, RelationInfo, Value, Verb};
use tokio::time::{Duration, Instant};

use crate::{Behind, Class, Store, StoreError, postgres::PostgresTransaction, sqlite::SqliteTransaction};

/// Rows as they are read within a transaction.
pub type TransactionRows = Vec<Vec<Value>>;

/// A write transaction to begin.
#[derive(Clone, Debug)]
pub struct Begin {
    /// How long it may take in all, its wait for other writers included.
    pub timeout: Duration,
    /// The wall that its reads run behind.
    pub behind: Option<Behind>,
    /// What it may write. The store refuses whatever else.
    pub writable: Writable,
}

/// What a transaction may write: made from a mount's ceiling, not from a statement.
#[derive(Clone, Debug)]
pub struct Writable {
    /// The table.
    pub table: RelationInfo,
    /// What may be done.
    pub verb: Verb,
    /// The columns that may be given values.
    pub columns: Vec<ColumnName>,
}

/// A change of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The key of the row that is updated or deleted; empty for an insertion.
    pub key: Vec<Value>,
    /// The columns that are given values, and those.
    pub set: Vec<(ColumnName, Value)>,
}

/// Why a transaction was not committed.
#[derive(Clone, Debug)]
pub struct Uncommitted {
    /// The failure.
    pub error: StoreError,
    /// Whether it is known that nothing was written.
    pub certain: bool,
}

/// A write transaction under way.
#[derive(Debug)]
pub enum Transaction {
    /// On a SQLite file.
    Sqlite(SqliteTransaction),
    /// On a PostgreSQL database.
    Postgres(Box<PostgresTransaction>),
}

impl Store {
    /// Begins a write transaction.
    ///
    /// # Errors
    /// `Refused` where the store is not opened so that it could be written, or where the table can't be; `Timeout` and
    /// `Unavailable` where there is no place for it in time.
    pub async fn begin(&self, begin: Begin) -> Result<Transaction, StoreError> {
        let deadline = Instant::now() + begin.timeout.min(Duration::from_secs(3600));
        Ok(match self {
            Self::Sqlite(store) => Transaction::Sqlite(store.begin(begin, deadline).await?),
            Self::Postgres(store) => Transaction::Postgres(Box::new(store.begin(begin, deadline).await?)),
        })
    }

    /// Whether the marker is in the store; `None` where it has no table for markers.
    ///
    /// # Errors
    /// Where it can't be asked.
    pub async fn marker(&self, id: &str) -> Result<Option<bool>, StoreError> {
        match self {
            Self::Sqlite(store) => store.marker(id).await,
            Self::Postgres(store) => store.marker(id).await,
        }
    }
}

impl Transaction {
    /// Runs a read, behind the wall where there is one. Of more than `most` rows one more than that comes.
    ///
    /// # Errors
    /// See [`Class`].
    pub async fn read(
        &mut self,
        sql: Arc<str>,
        values: Vec<Value>,
        most: usize,
    ) -> Result<TransactionRows, StoreError> {
        match self {
            Self::Sqlite(one) => one.read(sql, values, most).await,
            Self::Postgres(one) => one.read(&sql, values, most).await,
        }
    }

    /// The row of that key, whole and as the store holds it: for the gateway and for people, never for agents.
    ///
    /// # Errors
    /// See [`Class`].
    pub async fn row(&mut self, key: Vec<Value>) -> Result<Option<Vec<Value>>, StoreError> {
        match self {
            Self::Sqlite(one) => one.row(key).await,
            Self::Postgres(one) => one.row(key).await,
        }
    }

    /// Changes a row; gives the key of each row that was changed, as it then is: of one, or of none that had the key.
    ///
    /// # Errors
    /// `Constraint` where the store's constraints don't take it.
    pub async fn change(&mut self, change: Change) -> Result<TransactionRows, StoreError> {
        match self {
            Self::Sqlite(one) => one.change(change).await,
            Self::Postgres(one) => one.change(change).await,
        }
    }

    /// Leaves a marker, which is there if and only if the transaction is committed; `false` where the store has no table
    /// for markers.
    ///
    /// # Errors
    /// `Constraint` where it is there already.
    pub async fn mark(&mut self, id: &str) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(one) => one.mark(id).await,
            Self::Postgres(one) => one.mark(id).await,
        }
    }

    /// Commits.
    ///
    /// # Errors
    /// Where it is not committed, or not known to be.
    pub async fn commit(self) -> Result<(), Uncommitted> {
        match self {
            Self::Sqlite(one) => one.commit().await,
            Self::Postgres(one) => one.commit().await,
        }
    }
}

/// The statements of a transaction, in one dialect's spelling.
pub(crate) struct Spelling<'a> {
    pub(crate) table: &'a RelationInfo,
    /// What the schema is called on this connection.
    pub(crate) schema: &'a str,
    /// The sign before a parameter's number.
    pub(crate) mark: char,
    /// How a column is read whose type is not read as it is.
    pub(crate) as_text: Option<&'static str>,
}

impl Spelling<'_> {
    fn table(&self) -> String {
        format!("{}.{}", quoted(self.schema), quoted(&self.table.name))
    }

    fn key(&self) -> String {
        self.table.key.iter().map(|column| quoted(column.as_str())).collect::<Vec<_>>().join(", ")
    }

    fn where_key(&self, after: usize) -> String {
        let columns = self.table.key.iter().enumerate();
        let pairs: Vec<String> = columns
            .map(|(at, column)| format!("{} = {}{}", quoted(column.as_str()), self.mark, after + at + 1))
            .collect();
        pairs.join(" AND ")
    }

    pub(crate) fn row(&self) -> String {
        let read = |column: &ColumnInfo| {
            let name = quoted(column.name.as_str());
            let odd = matches!(&column.ty, mountgate_core::ColumnType::Any)
                || matches!(&column.ty, mountgate_core::ColumnType::Array(of) if **of == mountgate_core::ColumnType::Any);
            match self.as_text.filter(|_| odd) {
                Some(cast) => format!("{name}{cast}"),
                None => name,
            }
        };
        let columns: Vec<String> = self.table.columns.iter().map(read).collect();
        format!("SELECT {} FROM {} WHERE {}", columns.join(", "), self.table(), self.where_key(0))
    }

    /// The statement of a change, and its values in order.
    pub(crate) fn change(&self, verb: Verb, change: Change) -> (String, Vec<Value>) {
        let Change { key, set } = change;
        let (columns, mut values): (Vec<_>, Vec<_>) = set.into_iter().unzip();
        let names: Vec<String> = columns.iter().map(|column| quoted(column.as_str())).collect();
        let (table, returned) = (self.table(), self.key());
        let sql = match verb {
            Verb::Insert => {
                let marks: Vec<String> = (1..=names.len()).map(|at| format!("{}{at}", self.mark)).collect();
                format!("INSERT INTO {table} ({}) VALUES ({}) RETURNING {returned}", names.join(", "), marks.join(", "))
            }
            Verb::Update => {
                let pairs: Vec<String> =
                    names.iter().enumerate().map(|(at, name)| format!("{name} = {}{}", self.mark, at + 1)).collect();
                let found = self.where_key(pairs.len());
                format!("UPDATE {table} SET {} WHERE {found} RETURNING {returned}", pairs.join(", "))
            }
            Verb::Delete | Verb::Read => {
                format!("DELETE FROM {table} WHERE {} RETURNING {returned}", self.where_key(0))
            }
        };
        values.extend(key);
        (sql, values)
    }
}

/// That the change is one of those that the transaction may make.
///
/// # Errors
/// `Refused` where it isn't.
pub(crate) fn check(writable: &Writable, change: &Change) -> Result<(), StoreError> {
    let keyed = match writable.verb {
        Verb::Read => return Err(StoreError::new(Class::Refused, "nothing may be written")),
        Verb::Insert => change.key.is_empty(),
        Verb::Update | Verb::Delete => !change.key.is_empty() && change.key.len() == writable.table.key.len(),
    };
    let set = match writable.verb {
        Verb::Insert | Verb::Update => !change.set.is_empty(),
        Verb::Delete | Verb::Read => change.set.is_empty(),
    };
    if !keyed || !set || !change.set.iter().all(|(column, _)| writable.columns.contains(column)) {
        return Err(StoreError::new(Class::Refused, "a change that the ceiling does not let through"));
    }
    Ok(())
}

/// The name as a quoted identifier.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
