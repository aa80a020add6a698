//! How often something was seen, and when.

use serde::Serialize;

/// A count with its first and last moment, in milliseconds since 1970-01-01T00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// How often.
    pub count: u64,
    /// First; 0 where never.
    pub first_ms: i64,
    /// Last; 0 where never.
    pub last_ms: i64,
}

impl Seen {
    /// Counts once more.
    pub(crate) fn add(&mut self, time_ms: i64) {
        if self.count == 0 {
            (self.first_ms, self.last_ms) = (time_ms, time_ms);
        }
        self.count = self.count.saturating_add(1);
        self.first_ms = self.first_ms.min(time_ms);
        self.last_ms = self.last_ms.max(time_ms);
    }

    /// Which part of `all` it is, from 0 to 1; 0 where there is nothing.
    pub fn share(&self, all: u64) -> f64 {
        if all == 0 { 0.0 } else { self.count as f64 / all as f64 }
    }
}
