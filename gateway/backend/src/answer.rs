//! An answer on its way out.

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};

use mountgate_core::{ColumnType, Refusal, Value};
use mountgate_driver::{Batch, Call, RowColumn, Rows, Store, StoreError};
use mountgate_ledger::{Completion, DecisionId, Outcome, Status};
use mountgate_limits::{Caps, Permit};

use crate::refusal::refusal;

/// What an answer came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows handed out.
    pub rows: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// Whether a cap cut it; known only once [`Answer::next`] gave `None`.
    pub truncated: bool,
}

/// An answer under way. Dropped before its end, it counts as cancelled with what it handed out.
#[derive(Debug)]
pub struct Answer {
    columns: Vec<RowColumn>,
    /// For each column whether whole numbers 0 and 1 stand for false and true.
    booleans: Vec<usize>,
    /// `None` after the end.
    rows: Option<Rows>,
    account: Account,
    /// Dropped last.
    held: Option<Arc<dyn Any + Send + Sync>>,
}

/// What is owed to limits and ledger for an answer; paid once, at the latest when it is dropped.
#[derive(Debug)]
struct Account {
    owed: Option<(Permit, Completion)>,
    decision: DecisionId,
    caps: Caps,
    summary: Summary,
    since: Instant,
    backend: Duration,
}

impl Answer {
    pub(crate) async fn begin(
        store: &Store,
        call: Call,
        types: Vec<Option<ColumnType>>,
        permit: Permit,
        completion: Completion,
    ) -> Result<Self, Refusal> {
        let caps = permit.caps();
        // Before the first await: whoever drops this future has paid, too.
        let mut account = Account {
            decision: completion.id(),
            owed: Some((permit, completion)),
            caps,
            summary: Summary::default(),
            since: Instant::now(),
            backend: Duration::ZERO,
        };
        let rows = store.stream(call).await;
        account.backend += account.since.elapsed();
        let mut rows = rows.map_err(|error| account.fail(&error))?;
        let columns = rows.take_columns();
        // SQLite has no booleans, and declared types get lost in expressions; the plan still knows.
        let is_boolean = |(n, ty): (usize, Option<ColumnType>)| (ty == Some(ColumnType::Boolean)).then_some(n);
        let booleans = match store {
            Store::Sqlite(_) => types.into_iter().take(columns.len()).enumerate().filter_map(is_boolean).collect(),
            Store::Postgres(_) => Vec::new(),
        };
        Ok(Self { columns, booleans, rows: Some(rows), account, held: None })
    }

    /// Keeps that until the answer has ended and is dropped: the generation that it was decided in.
    pub fn hold(&mut self, what: Arc<dyn Any + Send + Sync>) {
        self.held = Some(what);
    }

    /// The columns as the store tells them.
    pub fn columns(&self) -> &[RowColumn] {
        &self.columns
    }

    /// The next rows, at least one; `None` when the answer is whole, or cut by a cap (see [`Answer::summary`]).
    ///
    /// What it returns counts as having left.
    ///
    /// # Errors
    /// A refusal that tells nothing of the store. What came before is then not the whole answer. After an error, and
    /// after `None`, it gives `None`.
    pub async fn next(&mut self) -> Result<Option<Batch>, Refusal> {
        let Some(rows) = &mut self.rows else { return Ok(None) };
        let start = Instant::now();
        let next = rows.next().await;
        self.account.backend += start.elapsed();
        let mut batch = match next {
            Ok(Some(batch)) => batch,
            Ok(None) => {
                self.rows = None;
                self.account.pay(Status::Whole);
                return Ok(None);
            }
            Err(error) => {
                self.rows = None;
                return Err(self.account.fail(&error));
            }
        };
        // Before they are counted: an answer weighs the same whatever the store holds a boolean as.
        for row in batch.rows_mut() {
            for n in &self.booleans {
                if let Some(cell) = row.get_mut(*n) {
                    match cell {
                        Value::Integer(0) => *cell = Value::Boolean(false),
                        Value::Integer(1) => *cell = Value::Boolean(true),
                        _ => {}
                    }
                }
            }
        }
        let fitting = self.account.take(&batch);
        if fitting < batch.len() {
            // Dropping the rows has the rest of the work cancelled.
            self.rows = None;
            self.account.summary.truncated = true;
            batch.truncate(fitting);
            self.account.pay(Status::Truncated);
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    /// Ends the answer here, because whoever takes it takes no more: it is cut as by a cap, and no client that went away.
    /// What was handed out stays counted. Nothing happens after the end.
    pub fn cut(&mut self) {
        // Dropping the rows has the rest of the work cancelled.
        if self.rows.take().is_some() {
            self.account.summary.truncated = true;
            self.account.pay(Status::Truncated);
        }
    }

    /// What has been handed out so far; after the end, what the answer came to.
    pub fn summary(&self) -> Summary {
        self.account.summary
    }
}

impl Account {
    /// Counts the rows of the batch that fit the caps, and says how many.
    fn take(&mut self, batch: &Batch) -> usize {
        let mut fitting = 0;
        for row in batch.rows() {
            let weight = row.iter().map(Value::weight).fold(0u64, |sum, weight| sum.saturating_add(weight as u64));
            let bytes = self.summary.bytes.saturating_add(weight);
            if self.summary.rows >= self.caps.max_rows || bytes > self.caps.max_bytes {
                break;
            }
            self.summary.rows += 1;
            self.summary.bytes = bytes;
            fitting += 1;
        }
        if let Some((_, completion)) = &mut self.owed {
            completion.progress(self.summary.rows, self.summary.bytes);
        }
        fitting
    }

    fn fail(&mut self, error: &StoreError) -> Refusal {
        let refusal = refusal(error, self.decision, self.caps.timeout);
        self.pay(Status::Failed(refusal.code));
        refusal
    }

    fn pay(&mut self, status: Status) {
        let Some((permit, completion)) = self.owed.take() else { return };
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        permit.settle(self.summary.rows, self.summary.bytes);
        completion.finish(Outcome {
            status,
            rows: self.summary.rows,
            bytes: self.summary.bytes,
            backend_us: micros(self.backend),
            total_us: micros(self.since.elapsed()),
        });
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.pay(Status::Cancelled);
    }
}

#[cfg(test)]
mod tests;
