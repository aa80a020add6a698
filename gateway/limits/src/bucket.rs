//! One rate's state, in whole numbers.

use std::time::{Duration, Instant};

use mountgate_core::Rate;

/// A leaky bucket. What is in it is counted in `units × window` (in nanoseconds), so that it leaks exactly `amount`
/// a nanosecond: no rounding, even at 0.06 ns a byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    level: u128,
    at: Instant,
}

impl Bucket {
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, level: 0, at: now }
    }

    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// What one unit weighs: the window in nanoseconds, at least 1 and below 2^63, so that no product overflows.
    fn unit(rate: Rate) -> u128 {
        u128::from(rate.window_ms).saturating_mul(1_000_000).clamp(1, 1 << 63)
    }

    fn leaked(rate: Rate, elapsed: Duration) -> u128 {
        elapsed.as_nanos().saturating_mul(u128::from(rate.amount))
    }

    /// Lets leak what has leaked by `now`. A `now` before the last one (two threads, one clock) leaks nothing.
    fn settle_to(&mut self, now: Instant) {
        self.level = self.level_at(now);
        self.at = self.at.max(now);
    }

    fn level_at(&self, now: Instant) -> u128 {
        self.level.saturating_sub(Self::leaked(self.rate, now.saturating_duration_since(self.at)))
    }

    fn capacity(&self) -> u128 {
        Self::unit(self.rate).saturating_mul(u128::from(self.rate.amount))
    }

    /// Units that may be taken now.
    pub(crate) fn left(&self, now: Instant) -> u64 {
        let room = self.capacity().saturating_sub(self.level_at(now));
        u64::try_from(room / Self::unit(self.rate)).unwrap_or(u64::MAX)
    }

    /// Units that count as used now, a part of one as a whole one.
    pub(crate) fn used(&self, now: Instant) -> u64 {
        u64::try_from(self.level_at(now).div_ceil(Self::unit(self.rate))).unwrap_or(u64::MAX)
    }

    /// How long until one unit may be taken.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        let full = self.level_at(now).saturating_add(Self::unit(self.rate));
        let excess = full.saturating_sub(self.capacity());
        match excess.checked_add(u128::from(self.rate.amount.saturating_sub(1))) {
            Some(excess) if self.rate.amount > 0 => {
                let nanos = excess / u128::from(self.rate.amount);
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
            _ => self.rate.window(),
        }
    }

    /// Takes units, also more than are left: what has left the gateway counts.
    pub(crate) fn take(&mut self, units: u64, now: Instant) {
        self.settle_to(now);
        self.level = self.level.saturating_add(Self::unit(self.rate).saturating_mul(u128::from(units)));
    }

    /// Gives back units taken at `taken`. What has leaked since may have been theirs, and is not given back a second
    /// time: else whoever reserves much and lets the reservation leak before he gives it back would gain.
    pub(crate) fn give_back(&mut self, units: u64, taken: Instant, now: Instant) {
        self.settle_to(now);
        let leaked = Self::leaked(self.rate, self.at.saturating_duration_since(taken));
        let back = Self::unit(self.rate).saturating_mul(u128::from(units)).saturating_sub(leaked);
        self.level = self.level.saturating_sub(back);
    }

    /// Whether it is as if it had never been used.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        self.level_at(now) == 0
    }
}

#[cfg(test)]
mod tests;
