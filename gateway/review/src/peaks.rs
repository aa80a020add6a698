//! The most that was asked for within a window, by whoever a limit counts together.

use std::{collections::HashMap, hash::Hash};

/// How many callers are watched at once; beyond that, those whose window is over are forgotten.
const WATCHED: usize = 65_536;

/// The highest sum of any caller within any one window. Windows are those of the clock: with the smooth rates that
/// limits are, an amount that no clock window passed is never passed by more than a burst of the same amount.
pub(crate) struct Peaks<K> {
    window_ms: i64,
    open: HashMap<K, (i64, u64)>,
    highest: u64,
}

impl<K: Hash + Eq> Peaks<K> {
    pub(crate) fn new(window_ms: i64) -> Self {
        Self { window_ms: window_ms.max(1), open: HashMap::new(), highest: 0 }
    }

    pub(crate) fn add(&mut self, caller: K, time_ms: i64, amount: u64) {
        let window = time_ms.div_euclid(self.window_ms);
        if self.open.len() >= WATCHED && !self.open.contains_key(&caller) {
            self.open.retain(|_, (of, _)| *of >= window);
            if self.open.len() >= WATCHED {
                self.open.clear();
            }
        }
        let (of, sum) = self.open.entry(caller).or_insert((window, 0));
        if *of != window {
            (*of, *sum) = (window, 0);
        }
        *sum = sum.saturating_add(amount);
        self.highest = self.highest.max(*sum);
    }

    pub(crate) fn highest(&self) -> u64 {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_window_of_any_one_caller_counts() {
        let mut peaks = Peaks::new(1000);
        for (caller, time, amount) in [("a", 0, 3), ("b", 10, 4), ("a", 999, 2), ("a", 1000, 4), ("b", 2500, 1)] {
            peaks.add(caller, time, amount);
        }
        assert_eq!(peaks.highest(), 5);
    }

    #[test]
    fn more_callers_than_are_watched_are_no_matter() {
        let mut peaks = Peaks::new(1000);
        for caller in 0..(WATCHED as i64 * 2) {
            peaks.add(caller, caller, 1);
        }
        assert!(peaks.open.len() <= WATCHED);
        assert_eq!(peaks.highest(), 1);
    }
}
