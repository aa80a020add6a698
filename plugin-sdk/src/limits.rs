//! Limits, one by one.

use crate::types::{Limits, Rate};

/// A rate: so much per so many milliseconds.
pub fn rate(amount: u32, window_ms: u32) -> Rate {
    Rate { amount: i64::from(amount), window_ms: i64::from(window_ms) }
}

/// A rate per minute.
pub fn per_minute(amount: u32) -> Rate {
    rate(amount, 60_000)
}

/// A rate per hour.
pub fn per_hour(amount: u32) -> Rate {
    rate(amount, 3_600_000)
}

#[expect(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Limits {
    fn default() -> Self {
        Self {
            requests: Vec::new(),
            rows: Vec::new(),
            bytes: Vec::new(),
            max_rows: None,
            max_bytes: None,
            timeout_ms: None,
            concurrency: None,
        }
    }
}

impl Limits {
    /// No limits beyond the mount's.
    pub fn none() -> Self {
        Self::default()
    }

    /// Requests per window; every rate given holds.
    #[must_use]
    pub fn requests(mut self, rate: Rate) -> Self {
        self.requests.push(rate);
        self
    }

    /// Rows per window; every rate given holds.
    #[must_use]
    pub fn rows(mut self, rate: Rate) -> Self {
        self.rows.push(rate);
        self
    }

    /// Bytes per window; every rate given holds.
    #[must_use]
    pub fn bytes(mut self, rate: Rate) -> Self {
        self.bytes.push(rate);
        self
    }

    /// The most rows of one answer.
    #[must_use]
    pub fn max_rows(mut self, rows: u32) -> Self {
        self.max_rows = Some(i64::from(rows));
        self
    }

    /// The most bytes of one answer.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u32) -> Self {
        self.max_bytes = Some(i64::from(bytes));
        self
    }

    /// How long the backend may work, in milliseconds.
    #[must_use]
    pub fn timeout_ms(mut self, milliseconds: u32) -> Self {
        self.timeout_ms = Some(i64::from(milliseconds));
        self
    }

    /// Requests under way at once.
    #[must_use]
    pub fn concurrency(mut self, requests: u32) -> Self {
        self.concurrency = Some(requests);
        self
    }
}
