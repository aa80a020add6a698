use std::sync::atomic::{AtomicU64, Ordering};

use mountgate_core::Principal;
use proptest::prelude::*;

use super::*;

fn caller(agent: &str, session: Option<&str>) -> Caller {
    Caller {
        agent: agent.into(),
        principal: session.map_or(Principal::Agent, |id| Principal::Session(id.into())),
        claims: Arc::default(),
        until_ms: None,
    }
}

fn key(agent: &str) -> BudgetKey {
    BudgetKey::new(LimitKey::Agent, &"support".into(), &caller(agent, None))
}

fn per_minute(amount: u64) -> Rate {
    Rate { amount, window_ms: 60_000 }
}

fn limits() -> Limits {
    Limits {
        requests: vec![per_minute(3)],
        rows: vec![Rate { amount: 100, window_ms: 3_600_000 }],
        bytes: vec![],
        max_rows: Some(60),
        max_bytes: Some(1000),
        timeout_ms: Some(5_000),
        concurrency: None,
        distinct: vec![],
    }
}

#[test]
fn the_gate_refuses_with_the_limit_and_the_time() {
    let limiter = Limiter::new();
    let now = Instant::now();
    let gate = GateKey::of(&caller("bot", None));
    for _ in 0..2 {
        let _ = limiter.gate(&gate, per_minute(2), now).unwrap();
    }
    let refusal = limiter.gate(&gate, per_minute(2), now).unwrap_err();
    assert_eq!(refusal.code, Code::RateLimited);
    assert_eq!(refusal.message, "2 requests per minute of agent `bot` are used up; try again in 30 s");
    assert_eq!(refusal.retry_after, Some(30));
    // What is told is true.
    assert!(limiter.gate(&gate, per_minute(2), now + Duration::from_secs(30)).is_ok());
}

#[test]
fn a_session_cannot_use_up_its_agents_gate() {
    let limiter = Limiter::new();
    let now = Instant::now();
    let misled = GateKey::of(&caller("bot", Some("s1")));
    let _ = limiter.gate(&misled, per_minute(1), now).unwrap();
    assert!(limiter.gate(&misled, per_minute(1), now).is_err());
    assert!(limiter.gate(&GateKey::of(&caller("bot", Some("s2"))), per_minute(1), now).is_ok());
    assert!(limiter.gate(&GateKey::of(&caller("bot", None)), per_minute(1), now).is_ok());
}

#[test]
fn caps_are_what_is_left_and_unused_comes_back() {
    let limiter = Limiter::new();
    let now = Instant::now();
    let first = limiter.permit((), key("bot"), &limits(), now).unwrap();
    assert_eq!(first.caps(), Caps { max_rows: 60, max_bytes: 1000, timeout: Duration::from_secs(5) });
    let second = limiter.permit((), key("bot"), &limits(), now).unwrap();
    assert_eq!(second.caps().max_rows, 40, "the first has reserved 60 of 100");
    first.into_parts().1.settle_at(10, 10, now);
    assert_eq!(limiter.usage(&key("bot"), &limits(), now).rows_left, Some(50));
    second.into_parts().1.settle_at(40, 10, now);
    assert_eq!(
        limiter.usage(&key("bot"), &limits(), now),
        Usage { requests_left: Some(1), rows_left: Some(50), bytes_left: None }
    );
}

#[test]
fn a_dropped_permit_keeps_its_reservation_but_not_its_place() {
    let limiter = Limiter::new();
    let now = Instant::now();
    let limits = Limits { concurrency: Some(1), ..limits() };
    let permitted = limiter.permit((), key("bot"), &limits, now).unwrap();
    let refusal = limiter.permit((), key("bot"), &limits, now).unwrap_err();
    assert_eq!(refusal.code, Code::TooManyConcurrent);
    assert_eq!(
        refusal.message,
        "1 request of agent `bot` on mount `support` may be under way at once; wait for one to end, then try again"
    );
    drop(permitted);
    let next = limiter.permit((), key("bot"), &limits, now).unwrap();
    assert_eq!(next.caps().max_rows, 40);
}

#[test]
fn a_refused_request_takes_nothing() {
    let limiter = Limiter::new();
    let now = Instant::now();
    let limits = Limits { max_rows: None, concurrency: Some(1), ..limits() };
    let (_, permit) = limiter.permit((), key("bot"), &limits, now).unwrap().into_parts();
    assert_eq!(permit.caps().max_rows, 100);
    permit.settle_at(100, 0, now);
    for _ in 0..10 {
        let refusal = limiter.permit((), key("bot"), &limits, now).unwrap_err();
        assert_eq!(refusal.code, Code::BudgetExhausted);
        assert_eq!(
            refusal.message,
            "100 rows per hour of agent `bot` on mount `support` are used up; try again in 36 s"
        );
        assert_eq!(refusal.retry_after, Some(36));
    }
    // Neither a request nor a place went with the ten refusals.
    assert_eq!(limiter.usage(&key("bot"), &limits, now).requests_left, Some(2));
    let later = now + Duration::from_secs(36);
    assert_eq!(limiter.permit((), key("bot"), &limits, later).unwrap().caps().max_rows, 1);
}

#[test]
fn every_rate_of_a_kind_holds_and_the_tightest_is_told() {
    let limiter = Limiter::new();
    let now = Instant::now();
    let limits =
        Limits { requests: vec![per_minute(60), Rate { amount: 2, window_ms: 7_200_000 }], ..Limits::default() };
    for _ in 0..2 {
        drop(limiter.permit((), key("bot"), &limits, now).unwrap());
    }
    let refusal = limiter.permit((), key("bot"), &limits, now).unwrap_err();
    assert_eq!(
        refusal.message,
        "2 requests per 2 hours of agent `bot` on mount `support` are used up; try again in 3600 s"
    );
    assert_eq!(limiter.usage(&key("bot"), &limits, now).requests_left, Some(0));
}

#[test]
fn keys_count_together_what_they_say() {
    let mount = MountName::from("support");
    let (one, other) = (caller("one", Some("s1")), caller("other", Some("s2")));
    let sibling = caller("one", Some("s3"));
    let limits = Limits { requests: vec![per_minute(1)], ..Limits::default() };
    let now = Instant::now();
    for (per, sibling_passes, other_passes) in
        [(LimitKey::Session, true, true), (LimitKey::Agent, false, true), (LimitKey::Mount, false, false)]
    {
        let limiter = Limiter::new();
        let ask = |who: &Caller| limiter.permit((), BudgetKey::new(per, &mount, who), &limits, now).is_ok();
        assert!(ask(&one));
        assert!(!ask(&one));
        assert_eq!(ask(&sibling), sibling_passes, "{per:?}");
        assert_eq!(ask(&other), other_passes, "{per:?}");
    }
    let limiter = Limiter::new();
    let shared = BudgetKey::new(LimitKey::Mount, &mount, &one);
    drop(limiter.permit((), shared.clone(), &limits, now).unwrap());
    let refusal = limiter.permit((), shared, &limits, now).unwrap_err();
    assert_eq!(refusal.message, "1 request per minute of mount `support` is used up; try again in 60 s");
}

#[test]
fn more_used_than_reserved_is_charged() {
    let limiter = Limiter::new();
    let now = Instant::now();
    let limits = Limits { bytes: vec![per_minute(100)], max_bytes: Some(50), ..Limits::default() };
    limiter.permit((), key("bot"), &limits, now).unwrap().into_parts().1.settle_at(0, 80, now);
    assert_eq!(limiter.usage(&key("bot"), &limits, now).bytes_left, Some(20));
}

#[test]
fn without_limits_there_are_no_caps_and_nothing_is_left_to_count() {
    let limiter = Limiter::new();
    let now = Instant::now();
    let permitted = limiter.permit(7, key("bot"), &Limits::default(), now).unwrap().map(|n| n + 1);
    assert_eq!(*permitted.get(), 8);
    assert_eq!(permitted.caps(), Caps { max_rows: u64::MAX, max_bytes: u64::MAX, timeout: Duration::MAX });
    assert_eq!(limiter.usage(&key("bot"), &Limits::default(), now), Usage::default());
}

#[test]
fn a_cap_of_no_rows_is_served_even_with_no_rows_left() {
    let limiter = Limiter::new();
    let now = Instant::now();
    let limits = Limits { rows: vec![per_minute(1)], max_rows: Some(1), ..Limits::default() };
    limiter.permit((), key("bot"), &limits, now).unwrap().into_parts().1.settle_at(1, 0, now);
    assert!(limiter.permit((), key("bot"), &limits, now).is_err());
    let none = Limits { max_rows: Some(0), ..limits };
    assert_eq!(limiter.permit((), key("bot"), &none, now).unwrap().caps().max_rows, 0);
}

#[test]
fn a_full_table_refuses_new_keys_until_old_ones_are_idle() {
    let limiter = Limiter::with_capacity(1);
    let now = Instant::now();
    let limits = Limits { requests: vec![per_minute(60)], ..Limits::default() };
    let mut held = Vec::new();
    let mut refused = 0;
    for number in 0..2_000 {
        match limiter.permit((), key(&format!("bot{number}")), &limits, now) {
            Ok(permitted) => held.push(permitted),
            Err(refusal) => {
                assert_eq!(refusal.code, Code::Overloaded);
                refused += 1;
            }
        }
    }
    assert!(held.len() <= 64 && refused >= 1_900, "{} held", held.len());
    // A minute later all have leaked, but those under way are not forgotten.
    let later = now + Duration::from_secs(120);
    assert!((0..200).all(|number| limiter.permit((), key(&format!("new{number}")), &limits, later).is_err()));
    drop(held);
    let later = later + Duration::from_secs(120);
    assert!(limiter.permit((), key("fresh"), &limits, later).is_ok());
    limiter.sweep(later + Duration::from_secs(120));
    assert_eq!(limiter.counted(), (0, 0));
}

#[test]
fn what_is_in_use_survives_a_sweep() {
    let limiter = Limiter::new();
    let now = Instant::now();
    let limits = Limits { requests: vec![per_minute(2)], concurrency: Some(1), ..Limits::default() };
    let held = limiter.permit((), key("bot"), &limits, now).unwrap();
    limiter.sweep(now + Duration::from_secs(3_600));
    assert_eq!(
        limiter.permit((), key("bot"), &limits, now + Duration::from_secs(3_600)).unwrap_err().code,
        Code::TooManyConcurrent
    );
    drop(held);
    let _ = limiter.gate(&GateKey::of(&caller("bot", None)), per_minute(1), now).unwrap();
    limiter.sweep(now + Duration::from_secs(1));
    assert!(limiter.gate(&GateKey::of(&caller("bot", None)), per_minute(1), now + Duration::from_secs(1)).is_err());
}

#[test]
fn a_policy_that_invents_rates_fills_no_memory() {
    let limiter = Limiter::new();
    let now = Instant::now();
    let mut refused = 0;
    for amount in 1..=1_000 {
        let limits = Limits { requests: vec![Rate { amount, window_ms: 86_400_000 }], ..Limits::default() };
        refused += u32::from(limiter.permit((), key("bot"), &limits, now).is_err());
    }
    assert_eq!(refused, 1_000 - MAX_RATES as u32);
}

#[test]
fn reservations_are_atomic_across_threads() {
    let limiter = Limiter::new();
    let now = Instant::now();
    let limits = Limits {
        requests: vec![per_minute(1_000)],
        rows: vec![Rate { amount: 5_000, window_ms: 3_600_000 }],
        max_rows: Some(10),
        concurrency: Some(3),
        ..Limits::default()
    };
    let (passed, rows, under_way, most) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for round in 0..4_000_u64 {
                    match limiter.permit((), key("bot"), &limits, now) {
                        Ok(permitted) => {
                            most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                            passed.fetch_add(1, Ordering::SeqCst);
                            let used = (round % 11).min(permitted.caps().max_rows);
                            rows.fetch_add(used, Ordering::SeqCst);
                            std::thread::yield_now();
                            under_way.fetch_sub(1, Ordering::SeqCst);
                            permitted.into_parts().1.settle_at(used, 0, now);
                        }
                        Err(refusal) => {
                            assert!(matches!(refusal.code, Code::TooManyConcurrent | Code::BudgetExhausted))
                        }
                    }
                }
            });
        }
    });
    // Time stands still, so that what passed is exactly the burst, and what is left is exactly the rest.
    let usage = limiter.usage(&key("bot"), &limits, now);
    assert_eq!(passed.load(Ordering::SeqCst) as i64 + usage.requests_left.unwrap(), 1_000);
    assert_eq!(rows.load(Ordering::SeqCst) as i64 + usage.rows_left.unwrap(), 5_000);
    assert!(passed.load(Ordering::SeqCst) > 100, "the test must not pass by refusing everything");
    assert!(most.load(Ordering::SeqCst) <= 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Any mix of asking, settling late and dropping, over any time: no span sees more rows or requests than burst and
    /// refill, and never are more under way than allowed.
    #[test]
    fn no_mix_of_requests_gets_past_the_limits(
        steps in prop::collection::vec((0_u64..400, 0_u64..12, 0_usize..3, any::<bool>()), 1..80),
    ) {
        let limiter = Limiter::new();
        let start = Instant::now();
        let mut now = start;
        let limits = Limits {
            requests: vec![Rate { amount: 5, window_ms: 1_000 }],
            rows: vec![Rate { amount: 20, window_ms: 1_000 }, Rate { amount: 60, window_ms: 10_000 }],
            max_rows: Some(8),
            concurrency: Some(4),
            ..Limits::default()
        };
        let mut open: Vec<(Permit, u64)> = Vec::new();
        let mut used: Vec<(Instant, u64)> = Vec::new();
        for (wait, rows, settle, dropped) in steps {
            now += Duration::from_millis(wait);
            if let Ok(permitted) = limiter.permit((), key("bot"), &limits, now) {
                let rows = rows.min(permitted.caps().max_rows);
                used.push((now, rows));
                open.push((permitted.into_parts().1, rows));
            }
            prop_assert!(open.len() <= 4);
            for _ in 0..settle.min(open.len()) {
                let (permit, rows) = open.remove(open.len() / 2);
                if dropped { drop(permit) } else { permit.settle_at(rows, 0, now) }
            }
        }
        for (first, (from, _)) in used.iter().enumerate() {
            let (mut requests, mut rows) = (0_u128, 0_u128);
            for (to, count) in &used[first..] {
                requests += 1;
                rows += u128::from(*count);
                let ms = (*to - *from).as_millis();
                prop_assert!(requests * 1_000 <= 5 * 1_000 + 5 * ms);
                prop_assert!(rows * 1_000 <= 20 * 1_000 + 20 * ms);
                prop_assert!(rows * 10_000 <= 60 * 10_000 + 60 * ms);
            }
        }
    }
}

#[test]
fn other_rates_refill_no_budget() {
    let limiter = Limiter::new();
    let now = Instant::now();
    let hourly = |amount| Rate { amount, window_ms: 3_600_000 };
    let with = |requests: Vec<Rate>| Limits { requests, rows: vec![], ..limits() };
    let old = with(vec![per_minute(3)]);
    for _ in 0..3 {
        let (_, permit) = limiter.permit((), key("bot"), &old, now).unwrap().into_parts();
        permit.settle_at(0, 0, now);
    }
    assert_eq!(limiter.permit((), key("bot"), &old, now).unwrap_err().code, Code::BudgetExhausted);
    for (new, left) in [
        (vec![per_minute(4)], Some(1)),
        (vec![per_minute(2)], Some(0)),
        // Used within a minute is used within an hour; of a second nothing is known.
        (vec![hourly(5)], Some(2)),
        (vec![Rate { amount: 2, window_ms: 1_000 }], Some(2)),
    ] {
        let new = with(new);
        limiter.carry(&"support".into(), &old, &new, now);
        assert_eq!(limiter.usage(&key("bot"), &new, now).requests_left, left, "{new:?}");
    }
    // Another mount's are its own.
    let other = BudgetKey::new(LimitKey::Agent, &"other".into(), &caller("bot", None));
    assert_eq!(limiter.usage(&other, &with(vec![per_minute(4)]), now).requests_left, Some(4));
}
