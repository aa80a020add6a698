//! A thread with its connection: takes a statement, runs it, sends its rows.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use mountgate_core::{
    ColumnType, Value,
    weaken::{Defence, is_down},
};
use rusqlite::{CachedStatement, Connection, Statement};

use super::{
    SqliteConfig,
    connection::{self, Control, Ended, Guarded},
    failed,
    guard::Guard,
    outbox::{Event, Outbox},
    queue::Queue,
    types::{self, Parameter},
    unasked,
    wall::{self, BehindSqlite, Walls},
};
use crate::{
    Class, RowColumn, StoreError,
    pipe::{SendError, Sender},
};

pub(super) struct Job {
    pub(super) sql: Arc<str>,
    pub(super) values: Vec<Value>,
    pub(super) behind: Option<BehindSqlite>,
    pub(super) deadline: Instant,
    pub(super) sender: Sender<Event>,
}

pub(super) struct Worker {
    config: SqliteConfig,
    /// What the file is attached as, behind a wall.
    schema: Option<Arc<str>>,
    guarded: Guarded,
    control: Arc<Control>,
    queue: Arc<Queue<Job>>,
}

impl Worker {
    pub(super) fn open(
        config: SqliteConfig,
        schema: Option<Arc<str>>,
        control: Arc<Control>,
        queue: Arc<Queue<Job>>,
    ) -> Result<Self, StoreError> {
        let guarded = connection::open(&config, schema.as_deref(), &control)?;
        Ok(Self { config, schema, guarded, control, queue })
    }

    pub(super) fn run(mut self) {
        while let Some(job) = self.queue.take() {
            let Job { sql, values, behind, deadline, sender } = job;
            self.control.begin(deadline, Outbox::new(sender));
            let mut sound = true;
            let outcome = match self.control.ended() {
                Some(ended) => Err(because(ended)),
                None => {
                    let Guarded { connection, guard, walls } = &mut self.guarded;
                    let mut run = Run { connection, guard, control: &self.control, patience: self.config.patience };
                    // rusqlite panics on names that are not UTF-8, which a hostile file may hold.
                    let outcome = catch_unwind(AssertUnwindSafe(|| match behind {
                        None => run.run(&sql, &values),
                        Some(behind) => run.behind(walls, behind, &sql, &values, &mut sound),
                    }));
                    outcome.unwrap_or_else(|_| {
                        sound = false;
                        Err(StoreError::new(Class::Refused, "reading the answer panicked"))
                    })
                }
            };
            self.guarded.guard.end();
            if let (Some(outbox), Err(error)) = (self.control.end(), outcome) {
                outbox.fail(error);
            }
            if (!sound || self.guarded.connection.is_busy()) && !self.reopen() {
                return;
            }
        }
    }

    /// A connection with a statement still under way, or one that may be able to do more than read, is not used again.
    fn reopen(&mut self) -> bool {
        match connection::open(&self.config, self.schema.as_deref(), &self.control) {
            Ok(guarded) => {
                self.guarded = guarded;
                true
            }
            Err(error) => {
                tracing::error!(detail = error.detail, "a SQLite connection can't be opened again; its thread ends");
                false
            }
        }
    }
}

fn because(ended: Ended) -> StoreError {
    match ended {
        Ended::Deadline => StoreError::timeout(),
        Ended::Gone => StoreError::new(Class::Timeout, "the caller has gone"),
        Ended::Closing => StoreError::new(Class::Unavailable, "the store is closing"),
    }
}

struct Run<'a> {
    connection: &'a Connection,
    guard: &'a Guard,
    control: &'a Control,
    /// What is left of it.
    patience: Duration,
}

impl Run<'_> {
    /// Runs a statement behind a wall. `sound` tells whether the connection is as it was.
    fn behind(
        &mut self,
        walls: &mut Walls,
        behind: BehindSqlite,
        sql: &str,
        values: &[Value],
        sound: &mut bool,
    ) -> Result<(), StoreError> {
        let prepared = prepare_behind(self.connection, self.guard, walls, behind, sql, sound);
        let statement = prepared.map_err(|error| match self.control.ended() {
            Some(ended) => because(ended),
            None => error,
        })?;
        self.rows(statement, values)
    }

    fn run(&mut self, sql: &str, values: &[Value]) -> Result<(), StoreError> {
        let statement = self.connection.prepare_cached(sql).map_err(|e| self.failed(&e))?;
        self.rows(statement, values)
    }

    fn rows(&mut self, mut statement: CachedStatement<'_>, values: &[Value]) -> Result<(), StoreError> {
        // Whatever the authorizer says: a read, with columns, and not how it would be read.
        if !(statement.readonly() || is_down(Defence::ReadOnly))
            || statement.is_explain() != 0
            || statement.column_count() == 0
        {
            return Err(StoreError::new(Class::Refused, "not a statement that reads rows"));
        }
        let wanted = statement.parameter_count();
        if wanted != values.len() {
            let detail = format!("{} values for {wanted} parameters", values.len());
            return Err(StoreError::new(Class::Parameter, detail));
        }
        for (n, value) in values.iter().enumerate() {
            statement.raw_bind_parameter(n + 1, Parameter(value)).map_err(|e| self.failed(&e))?;
        }
        let mut types: Vec<ColumnType> = Vec::new();
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(|e| self.failed(&e))? {
            // Asked for after the first step: a changed schema may have had the statement prepared anew.
            if types.is_empty() {
                let columns = describe(row.as_ref());
                types = columns.iter().map(|column| column.ty.clone()).collect();
                self.control.outbox(|outbox| outbox.start(columns));
            }
            let due = self.control.outbox(|outbox| {
                for (n, ty) in types.iter().enumerate() {
                    outbox.push(types::value(row.get_ref(n)?, ty));
                }
                Ok(outbox.is_due())
            });
            if due.transpose().map_err(|e: rusqlite::Error| self.failed(&e))? == Some(true) {
                self.send(false)?;
            }
        }
        drop(rows);
        if types.is_empty() {
            let columns = describe(&statement);
            self.control.outbox(|outbox| outbox.start(columns));
        }
        self.send(true)
    }

    fn send(&mut self, last: bool) -> Result<(), StoreError> {
        let sent = self.control.outbox(|outbox| outbox.send(last, self.patience));
        match sent.unwrap_or(Err(SendError::Gone)) {
            Ok(waited) if waited > Duration::ZERO => {
                self.patience = self.patience.saturating_sub(waited);
                self.control.extend(waited);
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(SendError::Gone) => Err(because(Ended::Gone)),
            Err(SendError::Full) => Err(StoreError::new(Class::Timeout, "the caller takes its rows too slowly")),
        }
    }

    /// An interrupt is told as what caused it.
    fn failed(&self, error: &rusqlite::Error) -> StoreError {
        match self.control.ended() {
            Some(ended) => because(ended),
            None => failed(error),
        }
    }
}

/// Prepares a statement behind a wall, from where it reads the wall's views and nothing else. `sound` tells whether the
/// connection is as it was.
pub(super) fn prepare_behind<'c>(
    connection: &'c Connection,
    guard: &Guard,
    walls: &mut Walls,
    behind: BehindSqlite,
    sql: &str,
    sound: &mut bool,
) -> Result<CachedStatement<'c>, StoreError> {
    *sound = false;
    walls.stand(connection, guard, &behind.wall).map_err(|e| failed(&e))?;
    *sound = true;
    // What is kept prepared was authorized under its wall alone: under another, the same text is another statement.
    let text = format!("/*{} {}*/{sql}", behind.wall.id(), u8::from(behind.lends));
    guard.begin(behind);
    let statement = connection.prepare_cached(&text).map_err(|e| failed(&e))?;
    if let Some(unknown) = guard.prepared() {
        let relation = unknown.iter().find(|name| wall::is_relation(connection, guard, name));
        let why = relation.map(|name| format!("`{name}` is read from outside of the wall"));
        if let Some(why) = why.or_else(|| unasked::refused(sql).map(str::to_owned)) {
            // What is kept prepared is sound.
            statement.discard();
            return Err(StoreError::new(Class::Refused, why));
        }
    }
    Ok(statement)
}

fn describe(statement: &Statement<'_>) -> Vec<RowColumn> {
    statement
        .columns()
        .map(|column| RowColumn { name: column.name().to_owned(), ty: types::column_type(column.decl_type()) })
        .collect()
}
