//! Policies that ran into their deadline are watched for a while: one decision at a time, away from the threads that
//! serve.
//!
//! A decision runs on the thread of its request, since it takes microseconds. One that spins takes its whole deadline,
//! and as many of those at once as there are threads would have every other agent wait for it.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::error::PolicyError;

/// For how long after it ran into its deadline a policy is watched.
const WATCHED: Duration = Duration::from_secs(30);

/// Whether a policy is watched.
pub(crate) struct Watch {
    since: Instant,
    /// Until when, in milliseconds since `since`.
    until: AtomicU64,
    busy: AtomicBool,
}

/// The one decision that a watched policy has under way.
struct Turn<'a>(&'a AtomicBool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), until: AtomicU64::new(0), busy: AtomicBool::new(false) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Watches it from now on.
    pub(crate) fn begin(&self) {
        let window = u64::try_from(WATCHED.as_millis()).unwrap_or(u64::MAX);
        self.until.store(self.now().saturating_add(window), Ordering::Relaxed);
    }

    /// Runs a decision: at once, or, where the policy is watched, as its only one and where it holds up nobody.
    ///
    /// # Errors
    /// As the decision; [`PolicyError::Overloaded`] where a watched policy has one under way.
    pub(crate) fn run<T>(&self, decide: impl FnOnce() -> Result<T, PolicyError>) -> Result<T, PolicyError> {
        let until = self.until.load(Ordering::Relaxed);
        let decided = if until == 0 || self.now() >= until {
            decide()
        } else {
            if self.busy.swap(true, Ordering::Acquire) {
                return Err(PolicyError::Overloaded);
            }
            let _turn = Turn(&self.busy);
            match Handle::try_current().map(|handle| handle.runtime_flavor()) {
                // The runtime gives this thread's other work to another one meanwhile.
                Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(decide),
                _ => decide(),
            }
        };
        if matches!(decided, Err(PolicyError::TimedOut(_))) {
            self.begin();
        }
        decided
    }
}
