//! A connection that can do nothing but read what the schema's tables and views hold.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, config::DbConfig, hooks::AuthContext, limits::Limit};

use super::{
    SqliteConfig, functions,
    guard::Guard,
    outbox::Outbox,
    wall::{Walls, quoted},
};
use crate::{Class, StoreError};
use mountgate_core::weaken::{Defence, is_down};

/// VDBE instructions between two looks at the clock: some tens of microseconds.
const PROGRESS_STEP: i32 = 1000;

/// What runs on a connection: what may end it, and its rows that are not yet sent. Looked at from within SQLite by the
/// progress handler, on the same thread; the lock is never contended.
#[derive(Default)]
pub(super) struct Control {
    job: Mutex<Option<Under>>,
    /// The store is closing.
    closing: AtomicBool,
    /// When a write transaction is over, on a connection that is for one.
    writing_until: Option<Instant>,
}

struct Under {
    deadline: Instant,
    outbox: Outbox,
}

/// Why a statement was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Deadline,
    Gone,
    Closing,
}

impl Control {
    /// What ends a write transaction.
    pub(super) fn writing(until: Instant) -> Self {
        Self { writing_until: Some(until), ..Self::default() }
    }

    pub(super) fn begin(&self, deadline: Instant, outbox: Outbox) {
        *self.job.lock() = Some(Under { deadline, outbox });
    }

    /// Moves the deadline by time that was not the store's doing.
    pub(super) fn extend(&self, by: Duration) {
        if let Some(under) = self.job.lock().as_mut() {
            under.deadline += by;
        }
    }

    pub(super) fn outbox<T>(&self, work: impl FnOnce(&mut Outbox) -> T) -> Option<T> {
        self.job.lock().as_mut().map(|under| work(&mut under.outbox))
    }

    /// Ends the statement's stay and gives back its way out.
    pub(super) fn end(&self) -> Option<Outbox> {
        self.job.lock().take().map(|under| under.outbox)
    }

    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Whether the statement must end, and why.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.job.lock().as_ref().and_then(|under| self.ended_of(under))
    }

    fn ended_of(&self, under: &Under) -> Option<Ended> {
        if self.closing.load(Ordering::Acquire) {
            Some(Ended::Closing)
        } else if under.outbox.gone() {
            Some(Ended::Gone)
        } else if Instant::now() >= under.deadline {
            Some(Ended::Deadline)
        } else {
            None
        }
    }

    /// The progress handler: rows that have waited are sent on while SQLite looks for the next one.
    fn progress(&self) -> bool {
        let mut job = self.job.lock();
        let Some(under) = job.as_mut() else {
            return self.closing.load(Ordering::Acquire)
                || self.writing_until.is_some_and(|until| Instant::now() >= until);
        };
        under.outbox.flush_stale();
        self.ended_of(under).is_some()
    }
}

/// A connection for agents' statements, and what guards it.
pub(super) struct Guarded {
    pub(super) connection: Connection,
    pub(super) guard: Arc<Guard>,
    pub(super) walls: Walls,
}

/// Opens a connection for agents' statements. Behind a wall the file is attached as `schema`.
pub(super) fn open(config: &SqliteConfig, schema: Option<&str>, control: &Arc<Control>) -> Result<Guarded, StoreError> {
    let mut connection = match schema {
        None => open_plain(&config.path)?,
        Some(schema) => open_attached(&config.path, schema, flags())?,
    };
    let guard = guard(&mut connection, config, schema, control).map_err(|e| super::failed(&e))?;
    Ok(Guarded { connection, guard, walls: Walls::default() })
}

/// Opens a connection for one write transaction. It is as guarded as the others: what it may write, and when, the guard
/// is told for each change.
pub(super) fn open_to_write(
    config: &SqliteConfig,
    schema: Option<&str>,
    control: &Arc<Control>,
) -> Result<Guarded, StoreError> {
    let mut connection = match schema {
        None => {
            let path = absolute(&config.path)?;
            let open = || {
                let connection = Connection::open_with_flags(&path, WRITING)?;
                harden(&connection, "main")?;
                Ok(connection)
            };
            open().map_err(|e: rusqlite::Error| unavailable(&path, &e))?
        }
        Some(schema) => open_attached(&config.path, schema, WRITING)?,
    };
    let set = |connection: &Connection| {
        // The tables' own triggers run: without them the file's rules would not hold.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true).map(drop)
    };
    set(&connection).map_err(|e| super::failed(&e))?;
    let guard = guard(&mut connection, config, schema, control).map_err(|e| super::failed(&e))?;
    connection.set_limit(Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 10).map_err(|e| super::failed(&e))?;
    Ok(Guarded { connection, guard, walls: Walls::default() })
}

const WRITING: OpenFlags =
    OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX).union(OpenFlags::SQLITE_OPEN_EXRESCODE);

fn flags() -> OpenFlags {
    let how =
        if is_down(Defence::ReadOnly) { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
    how.union(OpenFlags::SQLITE_OPEN_NO_MUTEX).union(OpenFlags::SQLITE_OPEN_EXRESCODE)
}

/// Opens a read-only connection for the gateway's own questions about the schema.
pub(super) fn open_plain(path: &Path) -> Result<Connection, StoreError> {
    let path = absolute(path)?;
    let connection = Connection::open_with_flags(&path, flags()).map_err(|e| unavailable(&path, &e))?;
    harden(&connection, "main").map_err(|e| unavailable(&path, &e))?;
    Ok(connection)
}

/// Opens a connection whose `main` is nothing, and attaches the file to it under a name of ours.
fn open_attached(path: &Path, schema: &str, flags: OpenFlags) -> Result<Connection, StoreError> {
    let path = absolute(path)?;
    let open = || {
        let connection = Connection::open_with_flags(":memory:", flags)?;
        let text = path.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(path.clone()))?;
        connection.execute(&format!("ATTACH DATABASE ?1 AS {}", quoted(schema)), [text])?;
        harden(&connection, schema)?;
        Ok(connection)
    };
    open().map_err(|e: rusqlite::Error| unavailable(&path, &e))
}

/// Made absolute: SQLite is built to take `file:…` as a URI, whose parameters could undo what is set below.
fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    path.canonicalize().map_err(|e| unavailable(path, &e))
}

fn unavailable(path: &Path, e: &dyn std::fmt::Display) -> StoreError {
    StoreError::new(Class::Unavailable, format!("can't open `{}`: {e}", path.display()))
}

fn harden(connection: &Connection, schema: &str) -> rusqlite::Result<()> {
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        // `"nosuch"` is an unknown column, never a string.
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_COMMENTS, true),
    ] {
        let now = connection.set_db_config(setting, on)?;
        if now != on {
            return Err(rusqlite::Error::InvalidParameterName(format!("{setting:?} can't be set")));
        }
    }
    connection.busy_timeout(Duration::from_millis(1000))?;
    // Reading the schema here makes a file that is no database fail at the start, not at the first request.
    connection.query_row(&format!("SELECT count(*) FROM {}.sqlite_schema", quoted(schema)), [], |_| Ok(()))
}

fn guard(
    connection: &mut Connection,
    config: &SqliteConfig,
    schema: Option<&str>,
    control: &Arc<Control>,
) -> rusqlite::Result<Arc<Guard>> {
    connection.pragma_update(None, "query_only", !is_down(Defence::ReadOnly))?;
    // Sorts and temporary tables stay in memory: no file with scoped rows is left behind, and the heap limit holds.
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(schema, "cache_size", -(i64::from(config.cache_kib)))?;
    connection.pragma_update(schema, "mmap_size", i64::try_from(config.mmap_bytes).unwrap_or(i64::MAX))?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // Of the whole process, the last line: a sort of a huge join ends in SQLITE_NOMEM, not in the OOM killer.
    connection
        .pragma_update_and_check(None, "hard_heap_limit", config.heap_bytes.to_string(), |row| row.get::<_, i64>(0))?;
    let guard = Arc::new(Guard::new(schema, modules(connection)?, config.functions.iter().cloned().collect()));
    functions::register(connection, &guard)?;
    for (limit, at_most) in [
        // The largest value or row: `zeroblob(1e9)`, `printf('%*d', 1e9, 1)`, `group_concat`, `replace`.
        (Limit::SQLITE_LIMIT_LENGTH, i32::try_from(config.max_value_bytes).unwrap_or(i32::MAX)),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 4 << 20),
        (Limit::SQLITE_LIMIT_COLUMN, 2000),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 1000),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 500),
        (Limit::SQLITE_LIMIT_VDBE_OP, 1_000_000),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, 100),
        // What is attached already stays.
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 32766),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, at_most)?;
    }
    connection.set_prepared_statement_cache_capacity(config.statements);
    let progress = Arc::clone(control);
    connection.progress_handler(PROGRESS_STEP, Some(move || progress.progress()))?;
    let authorizer = Arc::clone(&guard);
    connection.authorizer(Some(move |context: AuthContext<'_>| authorizer.authorize(&context)))?;
    Ok(guard)
}

/// The table-valued functions and virtual tables that the build brings along.
fn modules(connection: &Connection) -> rusqlite::Result<HashSet<String>> {
    let mut statement = connection.prepare("SELECT lower(name) FROM pragma_module_list")?;
    statement.query_map([], |row| row.get(0))?.collect()
}
