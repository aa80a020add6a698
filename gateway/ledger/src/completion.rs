//! A recorded decision, and the record of how it ended.

use std::{fmt, sync::Arc};

use mountgate_core::{AgentName, Code, MountName};
use serde::Serialize;

use crate::{
    DecisionId,
    bodies::spell,
    commit::{Shared, now_ms},
};

/// Something whose decision is in the ledger. [`Ledger::record`](crate::Ledger::record) and
/// [`Ledger::record_durable`](crate::Ledger::record_durable) are the only constructors.
#[must_use = "a decision was recorded: run it, or finish its completion"]
#[derive(Debug)]
pub struct Recorded<T> {
    item: T,
    completion: Completion,
}

impl<T> Recorded<T> {
    pub(crate) fn new(item: T, completion: Completion) -> Self {
        Self { item, completion }
    }

    /// What was recorded.
    pub fn get(&self) -> &T {
        &self.item
    }

    /// The decision's id.
    pub fn id(&self) -> DecisionId {
        self.completion.id
    }

    /// The item, and the completion that must be finished when its answer has ended.
    pub fn into_parts(self) -> (T, Completion) {
        (self.item, self.completion)
    }
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Every row that the statement gives.
    Whole,
    /// Cut by a cap, and the answer says so.
    Truncated,
    /// An error, before or in the middle of the rows.
    Failed(Code),
    /// The caller went away, or the gateway stopped.
    Cancelled,
    /// Decided, and by the caller's wish not run.
    Explained,
    /// An answer told again, under its idempotency key; nothing was done.
    Repeated,
    /// A write that was carried out and rolled back, to be shown to people.
    Held,
}

/// What left the gateway, and how long it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// Rows.
    pub rows: u64,
    /// Bytes of values.
    pub bytes: u64,
    /// Microseconds of the backend.
    pub backend_us: u64,
    /// Microseconds in all.
    pub total_us: u64,
}

/// The duty to record how a decision ended.
///
/// Dropped unfinished, it records `cancelled`, with the rows and bytes last told by [`Completion::progress`]; where
/// none were told, the answer counts as large as its caps allowed.
pub struct Completion {
    shared: Arc<Shared>,
    id: DecisionId,
    agent: AgentName,
    mount: MountName,
    progress: Option<(u64, u64)>,
    finished: bool,
}

#[derive(Serialize)]
struct Body<'a> {
    kind: &'static str,
    id: DecisionId,
    time_ms: i64,
    agent: &'a AgentName,
    mount: &'a MountName,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    rows: Option<u64>,
    bytes: Option<u64>,
    backend_us: Option<u64>,
    total_us: Option<u64>,
}

impl Completion {
    pub(crate) fn new(shared: Arc<Shared>, id: DecisionId, agent: AgentName, mount: MountName) -> Self {
        shared.begun();
        Self { shared, id, agent, mount, progress: None, finished: false }
    }

    /// The decision's id.
    pub fn id(&self) -> DecisionId {
        self.id
    }

    /// Notes what has left so far, for the record of an answer that is dropped. Call it before the rows leave.
    pub fn progress(&mut self, rows: u64, bytes: u64) {
        self.progress = Some((rows, bytes));
    }

    /// Records how it ended. The record is written with the next decision, or within 50 ms.
    pub fn finish(mut self, outcome: Outcome) {
        self.finished = true;
        let (name, code) = match outcome.status {
            Status::Whole => ("whole", None),
            Status::Truncated => ("truncated", None),
            Status::Failed(code) => ("failed", Some(code)),
            Status::Cancelled => ("cancelled", None),
            Status::Explained => ("explained", None),
            Status::Held => ("held", None),
            Status::Repeated => ("repeated", None),
        };
        self.write(name, code, Some((outcome.rows, outcome.bytes)), Some((outcome.backend_us, outcome.total_us)));
    }

    fn write(&self, outcome: &'static str, code: Option<Code>, left: Option<(u64, u64)>, took: Option<(u64, u64)>) {
        let body = Body {
            kind: "completion",
            id: self.id,
            time_ms: now_ms(),
            agent: &self.agent,
            mount: &self.mount,
            outcome,
            code,
            rows: left.map(|(rows, _)| rows),
            bytes: left.map(|(_, bytes)| bytes),
            backend_us: took.map(|(backend, _)| backend),
            total_us: took.map(|(_, total)| total),
        };
        match spell(&body, |body| self.shared.queue(body)) {
            Ok(()) => {}
            // The decision then reads as interrupted, at its caps.
            Err(error) => tracing::error!(%error, decision = %self.id, "a completion cannot be encoded"),
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        self.shared.ended();
        if !self.finished {
            self.write("cancelled", None, self.progress, None);
        }
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion").field("id", &self.id).field("progress", &self.progress).finish_non_exhaustive()
    }
}
