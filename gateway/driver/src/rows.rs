//! An answer under way.

use mountgate_core::{ColumnType, Value};

use crate::{StoreError, postgres::PostgresRows, sqlite::SqliteRows};

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowColumn {
    /// Its name, as the statement gives it.
    pub name: String,
    /// Its type. SQLite knows it for plain columns only; an expression is `Any`.
    pub ty: ColumnType,
}

/// Some rows, one after another in one vector: a row costs no allocation of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    width: usize,
    values: Vec<Value>,
}

impl Batch {
    /// An empty batch of rows of `width` columns (at least one).
    pub fn new(width: usize) -> Self {
        Self { width: width.max(1), values: Vec::new() }
    }

    /// Adds a value; `width` of them are a row.
    pub fn push(&mut self, value: Value) {
        self.values.push(value);
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Columns per row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The rows.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, Value> {
        self.values.chunks_exact(self.width.max(1))
    }

    /// The rows, to change values in place.
    pub fn rows_mut(&mut self) -> std::slice::ChunksExactMut<'_, Value> {
        self.values.chunks_exact_mut(self.width.max(1))
    }

    /// Cuts to the first `rows` rows.
    pub fn truncate(&mut self, rows: usize) {
        self.values.truncate(rows.saturating_mul(self.width));
    }
}

/// An answer under way. Dropping it before its end cancels the work; the connection is used again only once it is
/// known to be clean.
#[derive(Debug)]
pub struct Rows {
    columns: Vec<RowColumn>,
    source: Source,
}

#[derive(Debug)]
pub(crate) enum Source {
    Sqlite(SqliteRows),
    Postgres(Box<PostgresRows>),
}

impl Rows {
    pub(crate) fn new(columns: Vec<RowColumn>, source: Source) -> Self {
        Self { columns, source }
    }

    #[cfg(test)]
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// The columns, at least one.
    pub fn columns(&self) -> &[RowColumn] {
        &self.columns
    }

    /// The columns, for good: [`Rows::columns`] has none from then on.
    pub fn take_columns(&mut self) -> Vec<RowColumn> {
        std::mem::take(&mut self.columns)
    }

    /// The next rows, at least one; `None` when the answer is whole.
    ///
    /// # Errors
    /// As [`crate::Store::stream`]; what came before is then not the whole answer. After an error, and after `None`,
    /// it gives `None`.
    pub async fn next(&mut self) -> Result<Option<Batch>, StoreError> {
        match &mut self.source {
            Source::Sqlite(rows) => rows.next().await,
            Source::Postgres(rows) => rows.next().await,
        }
    }
}
