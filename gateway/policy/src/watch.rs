//! Policies that ran into their deadline are watched for a while: one decision at a time, away from the threads that
//! serve.
//!
//! A decision runs on the thread of its request, since it takes microseconds. One that spins takes its whole deadline,
//! and as many of those at once as there are threads would have every other agent wait for it.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::error::PolicyError;

/// For how long after it ran into its deadline a policy is watched.
const WATCHED: Duration = Duration::from_secs(30);

/// The processor time of a decision that spun, at least. Its deadline is one of the clock, so that on a busy machine a
/// decision may run into it that hardly ran at all; sound ones take microseconds.
const SPUN: Duration = Duration::from_millis(2);

/// The processor time that a call took, on whichever thread it was made.
#[derive(Default)]
pub(crate) struct Spent(AtomicU64);

impl Spent {
    /// Makes the call, and notes what it took.
    pub(crate) fn on<T>(&self, call: impl FnOnce() -> T) -> T {
        let before = of_this_thread();
        let out = call();
        let nanoseconds = of_this_thread().saturating_sub(before).as_nanos();
        self.0.store(u64::try_from(nanoseconds).unwrap_or(u64::MAX), Ordering::Relaxed);
        out
    }

    fn spun(&self) -> bool {
        Duration::from_nanos(self.0.load(Ordering::Relaxed)) >= SPUN
    }
}

/// The processor time of this thread so far.
fn of_this_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

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

    /// Whether it is watched now.
    pub(crate) fn is_on(&self) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        until != 0 && self.now() < until
    }

    /// Watches it from now on.
    pub(crate) fn begin(&self) {
        let window = u64::try_from(WATCHED.as_millis()).unwrap_or(u64::MAX);
        self.until.store(self.now().saturating_add(window), Ordering::Relaxed);
    }

    /// Runs a decision, whose call is made by `spent`: at once, or, where the policy is watched, as its only one and where it holds up nobody.
    ///
    /// # Errors
    /// As the decision; [`PolicyError::Overloaded`] where a watched policy has one under way.
    pub(crate) fn run<T>(
        &self,
        spent: &Spent,
        decide: impl FnOnce() -> Result<T, PolicyError>,
    ) -> Result<T, PolicyError> {
        let decided = if !self.is_on() {
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
        if matches!(decided, Err(PolicyError::TimedOut(_))) && spent.spun() {
            self.begin();
        }
        decided
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed_out() -> Result<(), PolicyError> {
        Err(PolicyError::TimedOut(50))
    }

    #[test]
    fn what_ran_into_its_deadline_without_running_is_not_watched() {
        let (watch, spent) = (Watch::new(), Spent::default());
        let slept = || {
            std::thread::sleep(Duration::from_millis(20));
            timed_out()
        };
        assert!(watch.run(&spent, || spent.on(slept)).is_err());
        assert_eq!(watch.until.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_spun_is_watched_and_has_one_decision_at_a_time() {
        let (watch, spent) = (Watch::new(), Spent::default());
        let spun = || {
            let begun = of_this_thread();
            while of_this_thread().saturating_sub(begun) < SPUN.saturating_mul(2) {}
            timed_out()
        };
        assert!(watch.run(&spent, || spent.on(spun)).is_err());
        let nested = watch.run(&Spent::default(), || watch.run(&Spent::default(), || Ok(())));
        assert!(matches!(nested, Err(PolicyError::Overloaded)));
        assert!(watch.run(&Spent::default(), || Ok(())).is_ok());
    }
}
