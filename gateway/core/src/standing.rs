//! Whether a policy that was admitted may still be asked.

use std::sync::atomic::{AtomicI64, Ordering};

/// How a signed plugin stands, shared between who watches its repository and the mounts that use it: a revocation, or
/// metadata that nobody renews, must reach the generation in force without a new one.
#[derive(Debug)]
pub struct Standing {
    until_ms: AtomicI64,
}

impl Standing {
    /// A plugin that may be asked until that moment (milliseconds since 1970-01-01T00:00Z).
    pub fn until(until_ms: i64) -> Self {
        Self { until_ms: AtomicI64::new(until_ms) }
    }

    /// Whether it may be asked at that moment.
    pub fn holds_at(&self, now_ms: i64) -> bool {
        now_ms <= self.until_ms.load(Ordering::Acquire)
    }

    /// Lets it be asked until another moment.
    pub fn extend(&self, until_ms: i64) {
        self.until_ms.store(until_ms, Ordering::Release);
    }

    /// Ends it at once.
    pub fn withdraw(&self) {
        self.extend(i64::MIN);
    }
}
