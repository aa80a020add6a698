//! Numbers that people write: 1, 2, 5, 10, 20, 50, …

/// The next of 1, 2 and 5 times a power of ten that is `least` or more.
pub(crate) fn nice(least: u64) -> u64 {
    let mut power: u64 = 1;
    loop {
        for step in [1, 2, 5] {
            let candidate = power.saturating_mul(step);
            if candidate >= least || candidate == u64::MAX {
                return candidate;
            }
        }
        power = power.saturating_mul(10);
    }
}

/// `value` times `headroom`, as a number that people write.
pub(crate) fn with_headroom(value: u64, headroom: f64) -> u64 {
    // A product past what fits saturates, which the conversion does by itself.
    nice(((value as f64) * headroom).ceil() as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_number_that_people_write() {
        for (least, expected) in [(0, 1), (1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 50), (501, 1000)] {
            assert_eq!(nice(least), expected, "{least}");
        }
        assert!(nice(u64::MAX) >= u64::MAX / 2);
        assert_eq!(with_headroom(0, 2.0), 1);
        assert_eq!(with_headroom(13, 2.0), 50);
    }
}
