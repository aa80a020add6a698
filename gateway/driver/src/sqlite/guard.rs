//! What a connection may do at the moment: the authorizer, and what it and the wall's functions look at. Locks are never
//! contended: SQLite calls back on the thread that called it.

use std::collections::HashSet;

use mountgate_core::{
    Value, Verb,
    weaken::{Defence, is_down},
};
use parking_lot::Mutex;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::{allowed, wall::BehindSqlite};
use crate::mask::KeyedHash;

/// The functions of the wall's views. They give claims away, or hash under a mount's keys, which in an agent's hands is
/// a dictionary: nothing but a view may call them.
pub(super) const OWN_FUNCTIONS: [&str; 3] = ["mountgate_wall_claim", "mountgate_wall_hash", "mountgate_wall_value"];

/// The functions that nobody may call: they reach out of the store.
const BARRED: [&str; 5] = ["load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"];

/// The table-valued functions that statements may read from.
const MODULES: [&str; 2] = ["json_each", "json_tree"];

pub(super) struct Guard {
    mode: Mutex<Mode>,
    /// What the file is attached as, where it is behind a wall.
    schema: Option<Box<str>>,
    /// Virtual tables that the build brings along.
    modules: HashSet<String>,
    /// Functions that configuration adds to the wall's list.
    functions: HashSet<String>,
}

enum Mode {
    /// Between calls, behind a wall: nothing.
    Idle,
    /// The gateway's own work: views are made.
    Own,
    /// A change of one row: a statement that the gateway made of keys and values.
    Writing(Writing),
    /// A statement of a file that no wall stands before.
    Open,
    /// A statement behind a wall.
    Walled {
        behind: BehindSqlite,
        /// While it is prepared: the names read that are not the wall's and that may be the statement's own CTEs.
        unknown: Option<Vec<String>>,
        /// Whether SQLite asked anything: it does whenever a statement is prepared.
        asked: bool,
    },
}

/// What a change may do.
pub(super) struct Writing {
    pub(super) verb: Verb,
    /// The table, as the file spells it.
    pub(super) table: String,
    /// The columns that an update may set.
    pub(super) columns: HashSet<String>,
    /// The file's own triggers: what they do is the file's doing.
    pub(super) triggers: HashSet<String>,
}

impl Writing {
    /// One table, one verb, those columns; whatever else is written, a trigger of the file's own writes. What is read
    /// tells nobody anything: no text of an agent's is in the statement, and its answer is the row's key.
    fn may(&self, context: &AuthContext<'_>, schema: &str) -> bool {
        let own = |table: &str| context.database_name == Some(schema) && table == self.table;
        let by_trigger = context.accessor.is_some_and(|name| self.triggers.contains(name));
        match context.action {
            AuthAction::Select | AuthAction::Recursive | AuthAction::Read { .. } => true,
            AuthAction::Function { function_name } => {
                let name = function_name.to_ascii_lowercase();
                !BARRED.contains(&name.as_str()) && !OWN_FUNCTIONS.contains(&name.as_str())
            }
            AuthAction::Insert { table_name } => by_trigger || self.verb == Verb::Insert && own(table_name),
            AuthAction::Delete { table_name } => by_trigger || self.verb == Verb::Delete && own(table_name),
            AuthAction::Update { table_name, column_name } => {
                by_trigger || self.verb == Verb::Update && own(table_name) && self.columns.contains(column_name)
            }
            _ => false,
        }
    }
}

impl Guard {
    /// Makes a change, and lets it do no more than that.
    pub(super) fn writing<T>(&self, writing: Writing, work: impl FnOnce() -> T) -> T {
        let before = std::mem::replace(&mut *self.mode.lock(), Mode::Writing(writing));
        let done = work();
        *self.mode.lock() = before;
        done
    }

    pub(super) fn new(schema: Option<&str>, modules: HashSet<String>, functions: HashSet<String>) -> Self {
        let mode = if schema.is_some() { Mode::Idle } else { Mode::Open };
        Self { mode: Mutex::new(mode), schema: schema.map(Into::into), modules, functions }
    }

    /// Does the gateway's own work with the ban lifted.
    pub(super) fn own<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = std::mem::replace(&mut *self.mode.lock(), Mode::Own);
        let done = work();
        *self.mode.lock() = before;
        done
    }

    /// From here on, the statement of a call is prepared.
    pub(super) fn begin(&self, behind: BehindSqlite) {
        *self.mode.lock() = Mode::Walled { behind, unknown: Some(Vec::new()), asked: false };
    }

    /// The statement is prepared: the names that it reads and that must turn out to be CTEs of its own. `None` where it
    /// was prepared, and found to be sound, before.
    pub(super) fn prepared(&self) -> Option<Vec<String>> {
        match &mut *self.mode.lock() {
            Mode::Walled { unknown, asked, .. } => {
                let unknown = unknown.take();
                asked.then(|| unknown.unwrap_or_default())
            }
            Mode::Idle | Mode::Own | Mode::Open | Mode::Writing(_) => None,
        }
    }

    /// The call is over: no claim of it is left.
    pub(super) fn end(&self) {
        *self.mode.lock() = if self.schema.is_some() { Mode::Idle } else { Mode::Open };
    }

    pub(super) fn claim(&self, at: usize) -> Value {
        self.behind(|behind| behind.claims.get(at).cloned()).unwrap_or(Value::Null)
    }

    pub(super) fn constant(&self, at: usize) -> Value {
        self.behind(|behind| behind.wall.constant(at).cloned()).unwrap_or(Value::Null)
    }

    pub(super) fn key(&self, at: usize) -> Option<KeyedHash> {
        self.behind(|behind| behind.wall.key(at).cloned())
    }

    fn behind<T>(&self, look: impl FnOnce(&BehindSqlite) -> Option<T>) -> Option<T> {
        match &*self.mode.lock() {
            Mode::Walled { behind, .. } => look(behind),
            Mode::Idle | Mode::Own | Mode::Open | Mode::Writing(_) => None,
        }
    }

    /// The authorizer: what isn't listed here is denied, whatever the rewriter let through.
    pub(super) fn authorize(&self, context: &AuthContext<'_>) -> Authorization {
        let allowed = match &mut *self.mode.lock() {
            Mode::Own => true,
            Mode::Idle => false,
            Mode::Open => self.may_open(context),
            Mode::Writing(_) | Mode::Walled { .. } if is_down(Defence::Authorizer) => true,
            Mode::Writing(writing) => writing.may(context, self.schema.as_deref().unwrap_or("main")),
            Mode::Walled { behind, unknown, asked } => {
                *asked = true;
                self.may(context, behind, unknown)
            }
        };
        if allowed { Authorization::Allow } else { Authorization::Deny }
    }

    /// Reading, and nothing else.
    fn may_open(&self, context: &AuthContext<'_>) -> bool {
        match context.action {
            AuthAction::Select | AuthAction::Recursive => true,
            AuthAction::Read { table_name, .. } => {
                let table = table_name.to_ascii_lowercase();
                let internal = table.starts_with("sqlite_") || table.starts_with("pragma_");
                let side_door = self.modules.contains(&table) && !MODULES.contains(&table.as_str());
                !internal && !side_door
            }
            AuthAction::Function { function_name } => {
                let name = function_name.to_ascii_lowercase();
                !BARRED.contains(&name.as_str()) && !OWN_FUNCTIONS.contains(&name.as_str())
            }
            _ => is_down(Defence::ReadOnly),
        }
    }

    /// What a statement behind a wall may do.
    ///
    /// INVARIANT: a table of the file is read by a view of the call's own wall only. A column's read is told with the
    /// name of the innermost view or CTE. The read of a table without any column (`count(*)`) is told with the schema as
    /// the text spells it, and, once SQLite has merged the view into the statement, without the view: there, the
    /// schema's random name stands for it, and that the view is the call's own is told by the name that it is selected
    /// under. A name without a schema may be a relation's or that of a CTE of the statement's own: that is looked up once
    /// the statement is prepared, and what was a CTE then stays one.
    fn may(&self, context: &AuthContext<'_>, behind: &BehindSqlite, unknown: &mut Option<Vec<String>>) -> bool {
        let wall = &behind.wall;
        let mut cte = |name: &str| {
            if let Some(unknown) = unknown
                && !unknown.iter().any(|known| known == name)
            {
                unknown.push(name.to_owned());
            }
            true
        };
        match context.action {
            AuthAction::Recursive => true,
            // What is read under a name: one of the wall's views, or a CTE.
            AuthAction::Select => match context.accessor {
                None => true,
                Some(view) if wall.has_view(view) => wall.shows(view, behind.lends, true),
                Some(name) => cte(name),
            },
            AuthAction::Read { table_name: table, column_name: column } => match context.database_name {
                Some(schema) if Some(schema) == self.schema.as_deref() => match context.accessor {
                    None if column.is_empty() => wall.has_table(table),
                    Some(view) if column.is_empty() && !wall.has_view(view) => wall.has_table(table),
                    Some(view) => wall.may_read(view, table, column),
                    None => false,
                },
                // Merged into the statement, one view's read of another is told without either.
                // A module's own table, where no table of the file can be taken for it. No view may be called so.
                Some("temp") if MODULES.contains(&table) => !wall.has_view(table),
                Some("temp") => {
                    let by_a_view = column.is_empty() || context.accessor.is_some_and(|view| wall.has_view(view));
                    wall.shows(table, behind.lends, by_a_view)
                }
                Some("main") => MODULES.contains(&table),
                Some(_) => false,
                None if !column.is_empty() => false,
                None if wall.has_view(table) => wall.shows(table, behind.lends, true),
                None if MODULES.contains(&table) => true,
                None => cte(table),
            },
            AuthAction::Function { function_name } => {
                if OWN_FUNCTIONS.contains(&function_name) {
                    context.accessor.is_some_and(|view| wall.may_call(view))
                } else {
                    allowed::is_allowed(function_name)
                        || self.functions.contains(function_name) && !BARRED.contains(&function_name)
                }
            }
            _ => false,
        }
    }
}
