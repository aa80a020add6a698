//! Limits on how much and how often. A policy's limits are added to the mount's, never put in their place.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ColumnName;

/// So much per window, smoothly (GCRA): a burst up to `amount`, refilled over `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rate {
    /// Requests, rows or bytes per window; above zero.
    pub amount: u64,
    /// The window in milliseconds; above zero.
    pub window_ms: u64,
}

impl Rate {
    /// The window.
    pub fn window(&self) -> Duration {
        Duration::from_millis(self.window_ms)
    }
}

/// So many different values of a column per window, counted over what is looked up: a relation that shows the column answers
/// only where a statement says its value ([`RelationCeiling::require`](crate::RelationCeiling)).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Distinct {
    /// The column, of whichever relation shows it.
    pub column: ColumnName,
    /// How many, in any window of that length.
    pub rate: Rate,
}

/// A value that a request looks up, where different ones are counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Counted {
    /// The column.
    pub column: ColumnName,
    /// Stands for the value: the same for the same, and another for another.
    pub digest: String,
}

/// Whose use of a limit is counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKey {
    /// Each session on its own (an agent without a session counts as one).
    Session,
    /// All of an agent's requests to the mount together.
    #[default]
    Agent,
    /// All requests to the mount together.
    Mount,
}

/// The limits in force for a request. `None` or an empty list: no limit of that kind at this level.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// Requests per window; all of them hold.
    pub requests: Vec<Rate>,
    /// Rows per window; all of them hold.
    pub rows: Vec<Rate>,
    /// Bytes per window; all of them hold.
    pub bytes: Vec<Rate>,
    /// The most rows of one answer; more are cut and the answer says `truncated`.
    pub max_rows: Option<u64>,
    /// The most bytes of one answer's values; more are cut and the answer says `truncated`.
    pub max_bytes: Option<u64>,
    /// How long the backend may work, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Requests of the same key under way at once.
    pub concurrency: Option<u32>,
    /// Different values that may be looked up; all of them hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distinct: Vec<Distinct>,
}

impl Limits {
    /// What holds where a mount's file is silent: 10,000 rows, 16 MiB, 10 s, 16 requests at once; no rates.
    pub fn defaults() -> Self {
        Self {
            max_rows: Some(10_000),
            max_bytes: Some(16 << 20),
            timeout_ms: Some(10_000),
            concurrency: Some(16),
            ..Self::default()
        }
    }

    /// These limits, with `defaults` where they are silent on a cap. Unlike [`Limits::tighten`] it may raise a cap
    /// above the default: only for what the operator wrote.
    #[must_use]
    pub fn or(mut self, defaults: &Self) -> Self {
        self.max_rows = self.max_rows.or(defaults.max_rows);
        self.max_bytes = self.max_bytes.or(defaults.max_bytes);
        self.timeout_ms = self.timeout_ms.or(defaults.timeout_ms);
        self.concurrency = self.concurrency.or(defaults.concurrency);
        self
    }

    /// Both at once: the smaller of each cap, all of the rates.
    pub fn tighten(&self, other: &Self) -> Self {
        Self {
            requests: both(&self.requests, &other.requests),
            rows: both(&self.rows, &other.rows),
            bytes: both(&self.bytes, &other.bytes),
            max_rows: smaller(self.max_rows, other.max_rows),
            max_bytes: smaller(self.max_bytes, other.max_bytes),
            timeout_ms: smaller(self.timeout_ms, other.timeout_ms),
            concurrency: smaller(self.concurrency, other.concurrency),
            distinct: both(&self.distinct, &other.distinct),
        }
    }
}

fn smaller<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn both<T: Clone + PartialEq>(one: &[T], other: &[T]) -> Vec<T> {
    let mut out = one.to_vec();
    out.extend(other.iter().filter(|rate| !one.contains(rate)).cloned());
    out
}
