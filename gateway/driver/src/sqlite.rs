//! SQLite: a file, read on threads of our own.

mod allowed;
mod catalogue;
mod connection;
mod functions;
mod guard;
mod outbox;
mod queue;
mod types;
mod unasked;
mod wall;
mod worker;
mod writer;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use mountgate_core::{Catalogue, RelationName};
use rusqlite::ffi::{self, ErrorCode};

use self::{connection::Control, outbox::Event, queue::Queue, worker::Job};
use crate::{
    Batch, Behind, Call, Class, Rows, StoreError,
    pipe::{self, Receiver},
    rows::Source,
};

pub use self::{
    catalogue::FileView,
    wall::{BehindSqlite, Shown, SqliteWall, WalledView},
    writer::SqliteTransaction,
};

/// How to open a SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteConfig {
    /// The file; it must exist.
    pub path: PathBuf,
    /// Threads, each with a connection of its own.
    pub threads: usize,
    /// Statements that may wait for a thread; more are refused as `Unavailable`.
    pub queue: usize,
    /// Prepared statements kept per connection.
    pub statements: usize,
    /// The largest value or row, in bytes.
    pub max_value_bytes: usize,
    /// Page cache per connection, in KiB.
    pub cache_kib: u32,
    /// Bytes of the file mapped into memory.
    pub mmap_bytes: u64,
    /// The most that SQLite may allocate in the whole process, in bytes: the last line against memory bombs.
    pub heap_bytes: u64,
    /// How long in all a statement may wait for its caller to take rows, before it is given up as timed out: it holds
    /// a thread and a read lock meanwhile.
    pub patience: Duration,
    /// Whether statements run behind a wall, each [`Call`] with its own; those without one are then refused.
    pub walled: bool,
    /// Functions that statements behind a wall may call beside those on its list, by name in lower case.
    pub functions: Vec<String>,
}

impl SqliteConfig {
    /// The defaults for that file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let cores = std::thread::available_parallelism().map_or(4, std::num::NonZero::get);
        Self {
            path: path.into(),
            threads: cores.clamp(4, 32),
            queue: 1024,
            statements: 128,
            max_value_bytes: 16 << 20,
            cache_kib: 8192,
            mmap_bytes: 256 << 20,
            heap_bytes: 512 << 20,
            patience: Duration::from_secs(60),
            walled: false,
            functions: Vec::new(),
        }
    }
}

/// Batches that may wait in a stream for its caller.
const DEPTH: usize = 4;

/// An open SQLite file.
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

struct Inner {
    config: SqliteConfig,
    /// What the file is attached as, behind a wall.
    schema: Option<Arc<str>>,
    queue: Arc<Queue<Job>>,
    controls: Vec<Arc<Control>>,
    /// The one place for a writer.
    writers: Arc<tokio::sync::Semaphore>,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.inner.config.path).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The threads end by themselves: what runs is interrupted, what waits is refused. Not joined, since the last
        // clone may be dropped on an async thread.
        self.queue.close();
        for control in &self.controls {
            control.close();
        }
    }
}

impl SqliteStore {
    /// Opens the file on all threads.
    ///
    /// # Errors
    /// `Unavailable` where it doesn't exist or is no database.
    pub async fn open(config: SqliteConfig) -> Result<Self, StoreError> {
        blocking(move || Self::open_now(&config)).await
    }

    fn open_now(config: &SqliteConfig) -> Result<Self, StoreError> {
        let queue = Arc::new(Queue::new(config.queue));
        let schema = if config.walled { Some(Arc::from(wall::random_name()?)) } else { None };
        let inner = Arc::new(Inner {
            config: config.clone(),
            schema: schema.clone(),
            queue: Arc::clone(&queue),
            controls: (0..config.threads.max(1)).map(|_| Arc::default()).collect(),
            writers: Arc::new(tokio::sync::Semaphore::new(1)),
        });
        for (n, control) in inner.controls.iter().enumerate() {
            let (control, queue) = (Arc::clone(control), Arc::clone(&queue));
            let worker = worker::Worker::open(config.clone(), schema.clone(), control, queue)?;
            std::thread::Builder::new()
                .name(format!("sqlite-{n}"))
                .spawn(move || worker.run())
                .map_err(|e| StoreError::new(Class::Unavailable, format!("can't start a thread: {e}")))?;
        }
        Ok(Self { inner })
    }

    /// What the file says of these relations.
    ///
    /// # Errors
    /// Where it can't be read.
    pub async fn catalogue(&self, names: &[RelationName]) -> Result<Catalogue, StoreError> {
        let (path, names) = (self.inner.config.path.clone(), names.to_vec());
        blocking(move || {
            // A connection of its own, since those of the agents may not look at the schema.
            let connection = connection::open_plain(&path)?;
            catalogue::read(&connection, &names).map_err(|e| failed(&e))
        })
        .await
    }

    /// A name that nobody can guess, for a view of a wall.
    ///
    /// # Errors
    /// `Unavailable` where the system gives no randomness.
    pub fn fresh_name() -> Result<String, StoreError> {
        wall::random_name()
    }

    /// What the views of walls name the file's schema; `None` where no wall stands before it.
    pub fn schema(&self) -> Option<&str> {
        self.inner.schema.as_deref()
    }

    /// Makes the wall's views on a connection of its own, and prepares each: whether the wall can stand.
    ///
    /// # Errors
    /// Where SQLite doesn't take one, or one reads what it may not.
    pub async fn try_wall(&self, wall: Arc<SqliteWall>) -> Result<(), StoreError> {
        let (config, schema) = (self.inner.config.clone(), self.inner.schema.clone());
        blocking(move || {
            let Some(schema) = schema else { return Err(unwalled("this file is not opened behind a wall")) };
            let connection::Guarded { connection, guard, mut walls } =
                connection::open(&config, Some(&schema), &Arc::default())?;
            walls.stand(&connection, &guard, &wall).map_err(|e| failed(&e))?;
            // Those that views alone may read are tried with the views that read them.
            for (name, _, _) in wall.made().filter(|(_, view, _)| view.shown != Shown::Views) {
                guard.begin(BehindSqlite { wall: Arc::clone(&wall), claims: Vec::new(), lends: true });
                let tried = connection.prepare(&format!("SELECT * FROM temp.{}", wall::quoted(name)));
                tried.map(drop).map_err(|e| failed(&e))?;
                if let Some(name) = guard
                    .prepared()
                    .unwrap_or_default()
                    .iter()
                    .find(|name| wall::is_relation(&connection, &guard, name))
                {
                    return Err(unwalled(&format!("a view of the wall reads `{name}` without saying of which schema")));
                }
            }
            Ok(())
        })
        .await
    }

    /// The views of the file that can be read, by name in lower case.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub async fn views(&self) -> Result<BTreeMap<String, FileView>, StoreError> {
        let path = self.inner.config.path.clone();
        blocking(move || {
            let mut connection = connection::open_plain(&path)?;
            catalogue::views(&mut connection).map_err(|e| failed(&e))
        })
        .await
    }

    /// Runs a statement.
    ///
    /// # Errors
    /// See [`Class`].
    pub async fn stream(&self, call: Call) -> Result<Rows, StoreError> {
        let deadline = Instant::now() + call.timeout();
        let behind = match (call.behind, &self.inner.schema) {
            (None, None) => None,
            (Some(Behind::Sqlite(behind)), Some(_)) => Some(behind),
            (Some(Behind::Sqlite(_)), None) => return Err(unwalled("this file is not opened behind a wall")),
            (None, Some(_)) => return Err(unwalled("this file answers behind a wall only")),
            (Some(Behind::Postgres(_)), _) => return Err(unwalled("this call is for a PostgreSQL database")),
        };
        let (sender, mut receiver) = pipe::pipe(DEPTH);
        self.inner
            .queue
            .put(Job { sql: call.sql, values: call.values, behind, deadline, sender })
            .map_err(|_| StoreError::new(Class::Unavailable, "all threads are busy and the queue is full"))?;
        match receiver.next().await {
            Some(Event::Start { columns, first, last }) => {
                let first = (!first.is_empty()).then_some(first);
                Ok(Rows::new(columns, Source::Sqlite(SqliteRows { first, receiver: (!last).then_some(receiver) })))
            }
            Some(Event::Failed(error)) => Err(error),
            Some(Event::More { .. }) | None => Err(stopped()),
        }
    }
}

/// The rest of an answer.
#[derive(Debug)]
pub(crate) struct SqliteRows {
    first: Option<Batch>,
    receiver: Option<Receiver<Event>>,
}

impl SqliteRows {
    pub(crate) async fn next(&mut self) -> Result<Option<Batch>, StoreError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let Some(receiver) = &mut self.receiver else { return Ok(None) };
        let event = receiver.next().await;
        let (answer, ended) = match event {
            Some(Event::More { batch, last }) => (Ok((!batch.is_empty()).then_some(batch)), last),
            Some(Event::Failed(error)) => (Err(error), true),
            Some(Event::Start { .. }) | None => (Err(stopped()), true),
        };
        if ended {
            self.receiver = None;
        }
        answer
    }
}

fn unwalled(why: &str) -> StoreError {
    StoreError::new(Class::Refused, why)
}

fn stopped() -> StoreError {
    StoreError::new(Class::Unavailable, "the thread stopped before the end of the answer")
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|e| Err(StoreError::new(Class::Unavailable, format!("the work was ended: {e}"))))
}

/// The class of SQLite's errors.
fn failed(error: &rusqlite::Error) -> StoreError {
    let detail = error.to_string();
    let class = match error {
        rusqlite::Error::SqliteFailure(failure, text) => match failure.code {
            ErrorCode::TooBig | ErrorCode::OutOfMemory | ErrorCode::DiskFull => Class::Resource,
            ErrorCode::OperationInterrupted => Class::Timeout,
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::CannotOpen
            | ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::SchemaChanged
            | ErrorCode::FileLockingProtocolFailed => Class::Unavailable,
            ErrorCode::ParameterOutOfRange => Class::Parameter,
            ErrorCode::ConstraintViolation => Class::Constraint,
            ErrorCode::TypeMismatch => Class::Data,
            // SQLITE_ERROR: at preparing, a statement that SQLite doesn't take; at running, a value.
            ErrorCode::Unknown if failure.extended_code == ffi::SQLITE_ERROR => {
                by_text(text.as_deref().unwrap_or_default())
            }
            _ => Class::Refused,
        },
        rusqlite::Error::SqlInputError { error, msg, .. } if error.extended_code == ffi::SQLITE_ERROR => by_text(msg),
        rusqlite::Error::InvalidParameterCount(..) | rusqlite::Error::ToSqlConversionFailure(_) => Class::Parameter,
        _ => Class::Refused,
    };
    StoreError::new(class, detail)
}

/// SQLite has one code for all that is wrong with a statement; limits and values show in its text only.
fn by_text(text: &str) -> Class {
    const RESOURCE: &[&str] =
        &["too large", "too many", "too deep", "too big", "too long", "too complex", "exceeds", "Recursion limit"];
    const DATA: &[&str] = &["integer overflow", "malformed JSON", "JSON", "domain error", "out of range", "ESCAPE"];
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(RESOURCE) {
        Class::Resource
    } else if has(DATA) {
        Class::Data
    } else {
        Class::Refused
    }
}

#[cfg(test)]
mod tests;
