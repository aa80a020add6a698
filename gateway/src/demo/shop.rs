//! The demo's shop: the same rows each time, in SQLite and PostgreSQL alike.
//!
//! Made here, not shipped: it is then the same for who has only the binary, and nobody's real data is ever in it.

mod random;
mod tables;
mod words;

use std::fmt::Write as _;

use mountgate_sql::Dialect;

pub(super) use self::tables::shop;

/// A column's type, as both stores have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Text,
    Boolean,
    Date,
    Timestamp,
}

impl Kind {
    fn declared(self, dialect: Dialect) -> &'static str {
        match (self, dialect) {
            (Self::Integer, Dialect::Sqlite) => "INTEGER",
            (Self::Integer, Dialect::Postgres) => "BIGINT",
            (Self::Text, _) => "TEXT",
            (Self::Boolean, _) => "BOOLEAN",
            (Self::Date, _) => "DATE",
            (Self::Timestamp, _) => "TIMESTAMP",
        }
    }
}

/// A value of the shop. Dates and timestamps are text in ISO 8601.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Text(String),
    Boolean(bool),
}

/// A table with its rows.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// Each with its type, and whether it may be NULL.
    pub(super) columns: Vec<(&'static str, Kind, bool)>,
    pub(super) key: &'static [&'static str],
    pub(super) indices: &'static [&'static str],
    pub(super) rows: Vec<Vec<Cell>>,
}

/// Rows of one INSERT.
const AT_ONCE: usize = 500;

impl Table {
    /// The statements that make the table and fill it.
    pub(super) fn script(&self, dialect: Dialect) -> String {
        let mut out = format!("CREATE TABLE {} (", self.name);
        for (name, kind, nullable) in &self.columns {
            let null = if *nullable { "" } else { " NOT NULL" };
            let _ = write!(out, "{name} {}{null}, ", kind.declared(dialect));
        }
        let _ = writeln!(out, "PRIMARY KEY ({}));", self.key.join(", "));
        for rows in self.rows.chunks(AT_ONCE) {
            let _ = write!(out, "INSERT INTO {} VALUES ", self.name);
            for (at, row) in rows.iter().enumerate() {
                out.push_str(if at == 0 { "\n(" } else { ",\n(" });
                for (at, cell) in row.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    match cell {
                        Cell::Null => out.push_str("NULL"),
                        Cell::Integer(number) => {
                            let _ = write!(out, "{number}");
                        }
                        Cell::Boolean(truth) => out.push_str(if *truth { "TRUE" } else { "FALSE" }),
                        Cell::Text(text) => {
                            let _ = write!(out, "'{}'", text.replace('\'', "''"));
                        }
                    }
                }
                out.push(')');
            }
            out.push_str(";\n");
        }
        for column in self.indices {
            let _ = writeln!(out, "CREATE INDEX {table}_{column} ON {table} ({column});", table = self.name);
        }
        out
    }
}

#[cfg(test)]
mod tests;
