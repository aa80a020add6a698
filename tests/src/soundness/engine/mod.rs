//! A world laid out in real stores, and the two ways to ask them: as the gateway does, and directly.

pub mod postgres;
pub mod sqlite;

use mountgate_core::{Catalogue, Ceiling, Value};
use mountgate_driver::Class;
use mountgate_sql::{Dialect, Read};

use super::world::{Row, Table, World};

/// Which of a world's databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The store.
    One,
    /// The store with other hidden data.
    Other,
    /// The scoped, masked copies.
    Copy,
}

/// Which of a world's mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mount {
    /// The one with the ceiling.
    Narrow,
    /// The one that allows everything.
    Permissive,
}

/// What came of a statement.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Rows, each cell as text that tells types apart as far as the store's own typing is exact.
    Rows {
        /// The columns' names.
        columns: Vec<String>,
        /// The cells.
        rows: Vec<Vec<String>>,
    },
    /// It failed on a value, or on a limit.
    Failed {
        /// The driver's class.
        class: Class,
        /// The store's words.
        detail: String,
    },
    /// The store does not take the statement.
    Invalid(String),
}

impl Outcome {
    /// For a report.
    pub fn brief(&self) -> String {
        match self {
            Self::Rows { columns, rows } => {
                let shown: Vec<String> = rows.iter().take(12).map(|row| row.join(" | ")).collect();
                format!("{} rows of ({}): {}", rows.len(), columns.join(", "), shown.join(" ; "))
            }
            Self::Failed { class, detail } => format!("failed ({class}): {detail}"),
            Self::Invalid(why) => format!("invalid: {why}"),
        }
    }
}

/// The databases of a world.
#[expect(async_fn_in_trait, reason = "called in this crate only, on one thread")]
pub trait Stores {
    /// Of the first database.
    fn catalogue(&self) -> &Catalogue;
    /// The mount's ceiling as it is read from behind the store's own wall, which is raised now; as it was, where the
    /// world has none.
    ///
    /// # Errors
    /// Where the wall can't be made.
    async fn behind(&mut self, world: &World, which: Which, mount: Mount, ceiling: Ceiling) -> anyhow::Result<Ceiling>;
    /// Runs what the gateway sends.
    async fn gateway(&mut self, which: Which, mount: Mount, read: &Read) -> Outcome;
    /// Runs what the agent wrote.
    async fn direct(&mut self, which: Which, sql: &str, values: &[Value]) -> Outcome;
    /// Whether the statement's answer on that database depends on the order in which rows lie, on indexes, or on
    /// chance.
    async fn is_arbitrary(&mut self, world: &World, which: Which, sql: &str, values: &[Value], ordered: bool) -> bool;
}

/// What differs between two outcomes; nothing where they are one. Of failures only that they fail counts.
pub fn difference(one: &Outcome, other: &Outcome, ordered: bool) -> Option<String> {
    match (one, other) {
        (Outcome::Rows { columns, rows }, Outcome::Rows { columns: other_columns, rows: other_rows }) => {
            if columns != other_columns {
                return Some(format!("columns {columns:?} and {other_columns:?}"));
            }
            if rows.len() != other_rows.len() {
                return Some(format!("{} rows and {}", rows.len(), other_rows.len()));
            }
            let sorted = |rows: &Vec<Vec<String>>| {
                let mut rows = rows.clone();
                if !ordered {
                    rows.sort();
                }
                rows
            };
            let (rows, other_rows) = (sorted(rows), sorted(other_rows));
            rows.iter()
                .zip(&other_rows)
                .find(|(one, other)| one != other)
                .map(|(one, other)| format!("{one:?} and {other:?}"))
        }
        (Outcome::Failed { .. } | Outcome::Invalid(_), Outcome::Failed { .. } | Outcome::Invalid(_)) => None,
        (one, other) => Some(format!("{} and {}", one.brief(), other.brief())),
    }
}

/// A floating-point number as far as it is the same whatever the order of a sum.
pub fn float(number: f64) -> String {
    if number.abs() < 1e-9 { "0".into() } else { format!("{number:.9e}") }
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// How a database is laid out beyond its rows.
#[derive(Clone, Copy, Debug)]
struct Layout {
    reversed: bool,
    indexed: bool,
}

/// A table's definition and rows in that database; `None` where it is not there.
fn laid_out(world: &World, table: &Table, which: Which, layout: Layout) -> Option<(String, Vec<Row>)> {
    // The second database lacks the tables that the ceiling lacks: nobody may tell.
    if which == Which::Copy && !table.granted || which == Which::Other && !table.declared {
        return None;
    }
    let columns: Vec<String> = match which {
        Which::Copy => table
            .shown()
            .map(|(_, column)| format!("{} {}", quote(&column.name), column.copy_type(world.dialect)))
            .collect(),
        Which::One | Which::Other => table
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let key = if at == 0 { " PRIMARY KEY" } else { "" };
                format!("{} {}{key}", quote(&column.name), column.declared)
            })
            .collect(),
    };
    let mut ddl = format!("CREATE TABLE {} ({});\n", quote(&table.name), columns.join(", "));
    let indexes: Vec<usize> = match (which, layout.indexed) {
        (Which::Copy, true) => table.shown().map(|(at, _)| at).collect(),
        (Which::Copy, false) => vec![],
        (Which::One | Which::Other, _) => table.indexes.clone(),
    };
    for at in indexes {
        let column = &table.columns[at];
        if world.dialect == Dialect::Postgres
            && matches!(
                column.kind,
                super::world::Kind::Json | super::world::Kind::IntArr | super::world::Kind::TextArr
            )
        {
            continue;
        }
        ddl += &format!(
            "CREATE INDEX {} ON {} ({});\n",
            quote(&format!("{}_{at}", table.name)),
            quote(&table.name),
            quote(&column.name)
        );
    }
    let mut rows = match which {
        Which::One => table.rows.clone(),
        Which::Other => table.other.clone(),
        Which::Copy => world.copy(table),
    };
    if layout.reversed {
        rows.reverse();
    }
    Some((ddl, rows))
}
