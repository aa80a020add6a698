//! Different values that were looked up, each with when it was last.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use mountgate_core::Rate;

/// Values, by what stands for them. As many as a rate allows and one request adds, and no more.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    last: HashMap<Box<str>, Instant>,
    /// The longest window that they were counted for.
    window: Duration,
}

impl Seen {
    /// Whether these may be looked up now; else how long until one more may. A value that is counted already is no other.
    pub(crate) fn fits<'a>(
        &self,
        new: impl Iterator<Item = &'a str>,
        rate: Rate,
        now: Instant,
    ) -> Result<(), Duration> {
        let is_within = |at: &Instant| now.saturating_duration_since(*at) < rate.window();
        let mut unknown: Vec<&str> = new.filter(|value| !self.last.get(*value).is_some_and(is_within)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        let used = self.within(rate, now);
        if unknown.is_empty() || used.saturating_add(unknown.len() as u64) <= rate.amount {
            return Ok(());
        }
        let oldest = self.last.values().filter(|at| is_within(at)).min();
        Err(oldest.map_or(rate.window(), |at| rate.window().saturating_sub(now.saturating_duration_since(*at))))
    }

    /// How many were looked up within the rate's window.
    pub(crate) fn within(&self, rate: Rate, now: Instant) -> u64 {
        self.last.values().filter(|at| now.saturating_duration_since(**at) < rate.window()).count() as u64
    }

    /// Counts one, for so long at least.
    pub(crate) fn add(&mut self, value: &str, window: Duration, at: Instant) {
        self.window = self.window.max(window);
        match self.last.get_mut(value) {
            Some(last) => *last = at.max(*last),
            None => {
                let window = self.window;
                self.last.retain(|_, last| at.saturating_duration_since(*last) < window);
                self.last.insert(value.into(), at);
            }
        }
    }

    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        self.last.values().all(|at| now.saturating_duration_since(*at) >= self.window)
    }
}
