//! The second wall: a call reads randomly named temporary views, each the ceiling's output of one relation, and nothing
//! else. The views' texts are made elsewhere (`backend`); here they are put on connections and guarded.
//!
//! What a statement may do is a matter of names. The file is attached under a random name instead of opened as `main`,
//! and each view has a random name: SQLite's authorizer tells who reads a column by the name of the innermost view *or
//! CTE*, and where no column is read it tells the table's schema as it is spelt. Names that a statement can't guess are
//! therefore the proof that a read comes from within a view.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use mountgate_core::Value;
use rusqlite::Connection;

use super::guard::Guard;
use crate::{Class, StoreError, mask::KeyedHash};

/// Views kept on one connection, of all walls: some 4 KiB of memory each.
const VIEWS: usize = 1024;

/// Ids are never used again within the process.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// A view of a wall; or a CTE within the text of one, for SQLite tells both as the one who reads.
#[derive(Clone)]
pub struct WalledView {
    /// Its columns' names, where its text does not name them.
    pub columns: Vec<String>,
    /// Its text after `AS`; `None` for a CTE. Tables are named by [`crate::SqliteStore::schema`]; a claim is
    /// `mountgate_wall_claim(n)`, a constant `mountgate_wall_value(n)`, a keyed hash `mountgate_wall_hash(n, x)`, each
    /// counted from 0.
    pub select: Option<String>,
    /// The tables of the file that it reads, with their columns, spelt as the file spells them: it can read nothing
    /// else, whatever its text says.
    pub reads: BTreeMap<String, BTreeSet<String>>,
    /// Who may read it.
    pub shown: Shown,
    /// Whether it is given claims, constants and keys.
    pub calls: bool,
}

/// Who may read a view of a wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Every call of the mount.
    Everyone,
    /// Calls that [lend](BehindSqlite::lends): it shows lent columns.
    Lenders,
    /// The wall's other views alone: it shows what they mask and filter.
    Views,
}

/// What the calls of one mount, in one generation, may see of a SQLite file.
pub struct SqliteWall {
    id: u64,
    views: HashMap<String, WalledView>,
    tables: HashSet<String>,
    constants: Vec<Value>,
    keys: Vec<Option<KeyedHash>>,
}

impl std::fmt::Debug for SqliteWall {
    // The names are what the wall stands on: no log shows them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteWall").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SqliteWall {
    /// A wall of these views, by their names, which nobody must be able to guess; with the constants and the keys of
    /// hash masks that their texts count.
    pub fn new(views: BTreeMap<String, WalledView>, constants: Vec<Value>, keys: &[[u8; 32]]) -> Self {
        let tables = views.values().flat_map(|view| view.reads.keys().cloned()).collect();
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            views: views.into_iter().collect(),
            tables,
            constants,
            keys: keys.iter().map(|key| KeyedHash::new(key)).collect(),
        }
    }

    /// The same with further views: another wall.
    #[must_use]
    pub fn with(&self, further: BTreeMap<String, WalledView>) -> Self {
        let mut views = self.views.clone();
        views.extend(further);
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            views,
            tables: self.tables.clone(),
            constants: self.constants.clone(),
            keys: self.keys.clone(),
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn has_view(&self, name: &str) -> bool {
        self.views.contains_key(name)
    }

    /// Whether the view of that name may be read, by a statement that lends or by another view.
    pub(super) fn shows(&self, name: &str, lends: bool, by_a_view: bool) -> bool {
        self.views.get(name).is_some_and(|view| match view.shown {
            Shown::Everyone => true,
            Shown::Lenders => lends,
            Shown::Views => by_a_view,
        })
    }

    /// Whether the view of that name is given claims and keys. A name that a statement can guess is that of none.
    pub(super) fn may_call(&self, view: &str) -> bool {
        self.views.get(view).is_some_and(|view| view.calls)
    }

    /// Whether any of its views reads the table.
    pub(super) fn has_table(&self, name: &str) -> bool {
        self.tables.contains(name)
    }

    /// Whether the view of that name may read the column; of the whole table where `column` is empty.
    pub(super) fn may_read(&self, view: &str, table: &str, column: &str) -> bool {
        let columns = self.views.get(view).and_then(|view| view.reads.get(table));
        columns.is_some_and(|columns| column.is_empty() || columns.contains(column))
    }

    pub(super) fn constant(&self, at: usize) -> Option<&Value> {
        self.constants.get(at)
    }

    pub(super) fn key(&self, at: usize) -> Option<&KeyedHash> {
        self.keys.get(at)?.as_ref()
    }

    /// The views that there are, by name; CTEs are none.
    pub(super) fn made(&self) -> impl Iterator<Item = (&str, &WalledView, &str)> {
        self.views.iter().filter_map(|(name, view)| Some((name.as_str(), view, view.select.as_deref()?)))
    }
}

/// A wall, and the claims of one call.
#[derive(Clone, Debug)]
pub struct BehindSqlite {
    /// The mount's wall.
    pub wall: Arc<SqliteWall>,
    /// The claims that the views' texts count; NULL equals nothing. A list is JSON.
    pub claims: Vec<Value>,
    /// Whether the call may read views that show lent columns.
    pub lends: bool,
}

/// The walls whose views are on a connection, the one used last at the end.
#[derive(Default)]
pub(super) struct Walls {
    made: Vec<Made>,
}

struct Made {
    id: u64,
    wall: Weak<SqliteWall>,
    views: Vec<String>,
}

impl Walls {
    /// Makes the wall's views where they aren't there yet.
    ///
    /// # Errors
    /// Where SQLite doesn't take one. The connection must then not be used again: it may be less than read-only.
    pub(super) fn stand(
        &mut self,
        connection: &Connection,
        guard: &Guard,
        wall: &Arc<SqliteWall>,
    ) -> rusqlite::Result<()> {
        if self.made.last().is_some_and(|last| last.id == wall.id) {
            return Ok(());
        }
        if let Some(at) = self.made.iter().position(|made| made.id == wall.id) {
            let made = self.made.remove(at);
            self.made.push(made);
            return Ok(());
        }
        let gone = self.make_room(wall.views.len());
        guard.own(|| {
            // It forbids temporary views too.
            connection.pragma_update(None, "query_only", false)?;
            // Only as far as the temporary schema: the file itself is opened read-only.
            connection.execute_batch("BEGIN")?;
            for name in &gone {
                connection.execute_batch(&format!("DROP VIEW temp.{}", quoted(name)))?;
            }
            for (name, view, select) in wall.made() {
                let columns: Vec<String> = view.columns.iter().map(|column| quoted(column)).collect();
                let columns = if columns.is_empty() { String::new() } else { format!("({})", columns.join(", ")) };
                connection.execute_batch(&format!("CREATE TEMP VIEW {}{columns} AS {select}", quoted(name)))?;
            }
            connection.execute_batch("COMMIT")?;
            connection.pragma_update(None, "query_only", true)
        })?;
        let views = wall.made().map(|(name, _, _)| name.to_owned()).collect();
        self.made.push(Made { id: wall.id, wall: Arc::downgrade(wall), views });
        Ok(())
    }

    /// Forgets the walls of generations that are gone, and those not used for longest until there is room for so many
    /// views more; returns the views to drop.
    fn make_room(&mut self, more: usize) -> Vec<String> {
        let mut gone = Vec::new();
        self.made.retain_mut(|made| {
            let stays = made.wall.strong_count() > 0;
            if !stays {
                gone.append(&mut made.views);
            }
            stays
        });
        let mut kept: usize = self.made.iter().map(|made| made.views.len()).sum();
        while !self.made.is_empty() && kept.saturating_add(more) > VIEWS {
            let oldest = self.made.remove(0);
            kept -= oldest.views.len();
            gone.extend(oldest.views);
        }
        gone
    }
}

/// Whether the name, unqualified, is that of a table, a view or a module. What a statement reads and this says no to, is
/// a CTE of the statement's own.
pub(super) fn is_relation(connection: &Connection, guard: &Guard, name: &str) -> bool {
    let sql = format!("SELECT 1 FROM {}", quoted(name));
    let missing = format!("no such table: {name}");
    !guard.own(|| match connection.prepare(&sql) {
        Err(rusqlite::Error::SqlInputError { msg, .. } | rusqlite::Error::SqliteFailure(_, Some(msg))) => {
            msg == missing
        }
        Ok(_) | Err(_) => false,
    })
}

/// A name that nobody can guess: a letter and 128 random bits.
pub(super) fn random_name() -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::new(Class::Unavailable, format!("the system's randomness failed: {error}")))?;
    Ok(format!("w{}", data_encoding::HEXLOWER.encode(&bytes)))
}

/// The name as a quoted identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests;
