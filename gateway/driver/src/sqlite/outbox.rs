//! Rows on their way out of a thread.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use mountgate_core::Value;

use crate::{
    Batch, RowColumn, StoreError,
    pipe::{SendError, Sender},
};

/// Rows, bytes and time after which a batch is sent.
const BATCH_ROWS: usize = 256;
const BATCH_BYTES: usize = 64 << 10;
const BATCH_TIME: Duration = Duration::from_millis(2);

/// What a thread tells of a statement: a start, any number of batches, and an end, which the last of them carries.
/// A look-up is one event.
pub(super) enum Event {
    Start { columns: Vec<RowColumn>, first: Batch, last: bool },
    More { batch: Batch, last: bool },
    Failed(StoreError),
}

/// Collects rows into batches and sends them.
pub(super) struct Outbox {
    sender: Sender<Event>,
    gone: Arc<AtomicBool>,
    /// Until they are sent, with the first batch.
    columns: Option<Vec<RowColumn>>,
    width: usize,
    batch: Batch,
    bytes: usize,
    since: Instant,
}

impl Outbox {
    pub(super) fn new(sender: Sender<Event>) -> Self {
        let gone = sender.gone();
        Self { sender, gone, columns: None, width: 1, batch: Batch::new(1), bytes: 0, since: Instant::now() }
    }

    /// Nobody listens any more.
    pub(super) fn gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    pub(super) fn start(&mut self, columns: Vec<RowColumn>) {
        self.width = columns.len();
        self.batch = Batch::new(self.width);
        self.columns = Some(columns);
    }

    pub(super) fn push(&mut self, value: Value) {
        self.bytes = self.bytes.saturating_add(value.weight());
        self.batch.push(value);
    }

    /// Whether what there is should go. A first row that took long goes at once.
    pub(super) fn is_due(&self) -> bool {
        self.batch.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES || self.since.elapsed() >= BATCH_TIME
    }

    /// Sends what there is, waiting for room for at most `patience`; returns how long it waited.
    pub(super) fn send(&mut self, last: bool, patience: Duration) -> Result<Duration, SendError> {
        let batch = std::mem::replace(&mut self.batch, Batch::new(self.width));
        self.bytes = 0;
        let event = match self.columns.take() {
            Some(columns) => Event::Start { columns, first: batch, last },
            None => Event::More { batch, last },
        };
        let sent = self.sender.send(event, patience);
        self.since = Instant::now();
        sent
    }

    /// Sends what has waited too long, if that needs no waiting. Called between rows only in part: SQLite may be
    /// inside a step, but never between two values of a row.
    pub(super) fn flush_stale(&mut self) {
        if !self.batch.is_empty() && self.since.elapsed() >= BATCH_TIME && self.sender.has_room() {
            // Whether the caller has gone is looked at next, by the one who called.
            let _ = self.send(false, Duration::ZERO);
        }
    }

    pub(super) fn fail(self, error: StoreError) {
        self.sender.finish(Event::Failed(error));
    }
}
