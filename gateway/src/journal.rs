//! Idempotency keys, in a file of the state folder: what was asked under which key, and what was answered.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt as _, path::Path, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use mountgate_core::{Code, Refusal};
use mountgate_mediate::{Begun, Entry, Journal, WriteReply};
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

/// The file's name.
pub(crate) const WRITES: &str = "writes.db";

/// How long an answer is told again, in milliseconds.
const KEPT_MS: i64 = 7 * 24 * 3600 * 1000;

/// `run` tells this process's entries from those that a process before it left under way.
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS writes (
    key      TEXT PRIMARY KEY,
    request  TEXT NOT NULL,
    run      TEXT NOT NULL,
    begun_ms INTEGER NOT NULL,
    answer   TEXT
) STRICT";

/// The journal of a state folder.
#[derive(Clone)]
pub(crate) struct FileJournal {
    connection: Arc<Mutex<Connection>>,
    run: Arc<str>,
}

impl FileJournal {
    /// Opens the file, and makes it where it isn't there.
    ///
    /// # Errors
    /// Where it can't be had.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(WRITES);
        // Answers are in it: nobody else reads them.
        OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        let connection = Connection::open(&path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), run: uuid::Uuid::now_v7().to_string().into() })
    }

    async fn on_file<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let connection = Arc::clone(&self.connection);
        let done = tokio::task::spawn_blocking(move || work(&mut connection.lock())).await;
        match done {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(unkept(&error)),
            Err(error) => Err(unkept(&error)),
        }
    }
}

fn unkept(error: &dyn std::fmt::Display) -> Refusal {
    tracing::error!(%error, "idempotency keys cannot be kept");
    Refusal::new(Code::Overloaded, "the idempotency key cannot be kept now; nothing is changed").retry_after(5)
}

impl Journal for FileJournal {
    fn begin<'a>(&'a self, entry: &'a Entry, now_ms: i64) -> BoxFuture<'a, Result<Begun, Refusal>> {
        let (key, request, run) = (entry.key.to_string(), entry.request.to_string(), self.run.to_string());
        Box::pin(async move {
            let found = self
                .on_file(move |connection| {
                    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                    transaction.execute("DELETE FROM writes WHERE begun_ms < ?1", [now_ms - KEPT_MS])?;
                    let found = transaction
                        .query_row("SELECT request, run, answer FROM writes WHERE key = ?1", [&key], |row| {
                            Ok((
                                row.get::<_, String>(0)? == request,
                                row.get::<_, String>(1)? == run,
                                row.get::<_, Option<String>>(2)?,
                            ))
                        })
                        .optional()?;
                    if found.is_none() {
                        transaction.execute(
                            "INSERT INTO writes (key, request, run, begun_ms) VALUES (?1, ?2, ?3, ?4)",
                            params![key, request, run, now_ms],
                        )?;
                    }
                    transaction.commit()?;
                    Ok(found)
                })
                .await?;
            Ok(match found {
                None => Begun::New,
                Some((false, ..)) => Begun::Conflict,
                Some((true, _, Some(answer))) => match serde_json::from_str::<WriteReply>(&answer) {
                    Ok(reply) => Begun::Answered(reply),
                    Err(error) => return Err(unkept(&error)),
                },
                Some((true, true, None)) => Begun::UnderWay,
                Some((true, false, None)) => Begun::Lost,
            })
        })
    }

    fn retry<'a>(&'a self, entry: &'a Entry, now_ms: i64) -> BoxFuture<'a, Result<bool, Refusal>> {
        let (key, run) = (entry.key.to_string(), self.run.to_string());
        Box::pin(self.on_file(move |connection| {
            let taken = connection.execute(
                "UPDATE writes SET run = ?2, begun_ms = ?3 WHERE key = ?1 AND run <> ?2 AND answer IS NULL",
                params![key, run, now_ms],
            )?;
            Ok(taken == 1)
        }))
    }

    fn end<'a>(&'a self, entry: &'a Entry, answered: Option<&'a WriteReply>) -> BoxFuture<'a, ()> {
        let key = entry.key.to_string();
        let answer = answered.map(serde_json::to_string);
        Box::pin(async move {
            let ended = match answer {
                Some(Ok(answer)) => {
                    self.on_file(move |connection| {
                        connection.execute("UPDATE writes SET answer = ?2 WHERE key = ?1", [key, answer])
                    })
                    .await
                }
                // It then reads as lost.
                Some(Err(error)) => Err(unkept(&error)),
                None => {
                    self.on_file(move |connection| connection.execute("DELETE FROM writes WHERE key = ?1", [key])).await
                }
            };
            // Told already; the write itself is what it is.
            drop(ended);
        })
    }

    fn lose<'a>(&'a self, entry: &'a Entry) -> BoxFuture<'a, ()> {
        let key = entry.key.to_string();
        Box::pin(async move {
            let lost = self
                .on_file(move |connection| connection.execute("UPDATE writes SET run = '' WHERE key = ?1", [key]))
                .await;
            drop(lost);
        })
    }
}

#[cfg(test)]
mod tests;
