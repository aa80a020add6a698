use proptest::prelude::*;

use super::*;

fn rate(amount: u64, window_ms: u64) -> Rate {
    Rate { amount, window_ms }
}

#[test]
fn a_burst_then_nothing_then_one_after_its_share_of_the_window() {
    let start = Instant::now();
    let mut bucket = Bucket::new(rate(60, 60_000), start);
    assert_eq!(bucket.left(start), 60);
    bucket.take(60, start);
    assert_eq!(bucket.left(start), 0);
    assert_eq!(bucket.wait(start), Duration::from_secs(1));
    let almost = start + Duration::from_nanos(999_999_999);
    assert_eq!(bucket.left(almost), 0);
    assert_eq!(bucket.wait(almost), Duration::from_nanos(1));
    assert_eq!(bucket.left(start + Duration::from_secs(1)), 1);
    assert_eq!(bucket.left(start + Duration::from_secs(3_600)), 60);
}

#[test]
fn rates_at_the_edges_neither_overflow_nor_open() {
    let start = Instant::now();
    for (amount, window_ms) in [(0, 0), (0, u64::MAX), (u64::MAX, 1), (u64::MAX, u64::MAX), (1, u64::MAX)] {
        let mut bucket = Bucket::new(rate(amount, window_ms), start);
        assert_eq!(bucket.left(start), amount);
        bucket.take(u64::MAX, start);
        assert_eq!(bucket.left(start), 0, "{amount} per {window_ms} ms");
        let _ = bucket.wait(start);
        bucket.give_back(u64::MAX, start, start);
    }
    let none = Bucket::new(rate(0, 60_000), start);
    assert_eq!(none.left(start + Duration::from_secs(86_400)), 0, "nothing refills a rate of nothing");
    assert_eq!(none.wait(start), Duration::from_secs(60));
}

#[test]
fn a_fine_rate_is_exact() {
    // 10 TB an hour: 0.36 ns a byte.
    let start = Instant::now();
    let mut bucket = Bucket::new(rate(10_000_000_000_000, 3_600_000), start);
    bucket.take(10_000_000_000_000, start);
    assert_eq!(bucket.left(start + Duration::from_nanos(36)), 100);
    assert_eq!(bucket.left(start + Duration::from_secs(1)), 2_777_777_777);
}

#[test]
fn what_has_leaked_is_not_given_back_twice() {
    let start = Instant::now();
    let mut bucket = Bucket::new(rate(100, 100_000), start);
    bucket.take(100, start);
    let half = start + Duration::from_secs(50);
    // Half of the reservation has leaked, and others take that room.
    bucket.take(50, half);
    assert_eq!(bucket.left(half), 0);
    // The reservation was not used at all: the other half comes back, not the whole.
    bucket.give_back(100, start, half);
    assert_eq!(bucket.left(half), 50);
}

#[test]
fn time_that_goes_back_gives_nothing() {
    let start = Instant::now();
    let later = start + Duration::from_secs(10);
    let mut bucket = Bucket::new(rate(10, 10_000), start);
    bucket.take(10, later);
    bucket.take(0, start);
    assert_eq!(bucket.left(later), 0);
    assert_eq!(bucket.left(start), 0);
    assert_eq!(bucket.left(later + Duration::from_secs(1)), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is taken, used and given back, and however late: what was used within any span of time is at most the
    /// burst and the refill of that span.
    #[test]
    fn no_span_of_time_sees_more_than_burst_and_refill(
        amount in 1_u64..50,
        window_ms in 1_u64..5_000,
        steps in prop::collection::vec((0_u64..1_000_000_000, 1_u64..30, 0_u64..30, 0_usize..4), 1..60),
    ) {
        let start = Instant::now();
        let mut now = start;
        let mut bucket = Bucket::new(rate(amount, window_ms), start);
        let mut used: Vec<(Instant, u64)> = Vec::new();
        let mut open: Vec<(Instant, u64, u64)> = Vec::new();
        for (wait, wanted, uses, settle) in steps {
            now += Duration::from_nanos(wait);
            let reserved = wanted.min(bucket.left(now));
            if reserved > 0 {
                bucket.take(reserved, now);
                let uses = uses.min(reserved);
                used.push((now, uses));
                open.push((now, reserved, uses));
            }
            // Some settle at once, some much later, in another order.
            for _ in 0..settle.min(open.len()) {
                let (taken, reserved, uses) = open.remove(open.len() / 2);
                bucket.give_back(reserved - uses, taken, now);
            }
        }
        for (first, (from, _)) in used.iter().enumerate() {
            let mut sum = 0_u128;
            for (to, units) in &used[first..] {
                sum += u128::from(*units);
                let window = u128::from(window_ms) * 1_000_000;
                let refill = (*to - *from).as_nanos() * u128::from(amount);
                prop_assert!(sum * window <= u128::from(amount) * window + refill, "{sum} in {:?}", *to - *from);
            }
        }
    }
}
