//! Instances that are asked again: by the same caller alone, and not for ever.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use mountgate_core::{ClaimValue, DecisionRequest, Verdict};
use mountgate_policy::{Host, HostConfig, Isolation, Policy, PolicyError};

use crate::fixtures::{BOTH, DENY, Fixture, PLAIN, config, mount, request};

/// Every decision counts in memory and tells the count in its code.
const COUNT: &str = "(i32.store8 (i32.const 68) (i32.add (i32.load8_u (i32.const 68)) (i32.const 1)))";

fn counting(base: Fixture<'_>, also: &str, config: HostConfig) -> Arc<Policy> {
    let decide = format!("{COUNT} {DENY} {also}");
    let fixture = Fixture { extra: r#"(data (i32.const 68) "0")"#, decide: &decide, ..base };
    let plugin = Host::new(config).unwrap().admit(&fixture.component(PLAIN)).unwrap();
    plugin.configure("{}", &mount()).unwrap().with_isolation(Isolation::Warm)
}

fn told(policy: &Policy, request: &DecisionRequest) -> String {
    let decision = policy.decide(request).unwrap();
    assert!(!decision.replayable);
    match decision.verdict {
        Verdict::Deny { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

fn with_claim(value: &str) -> DecisionRequest {
    let claims = BTreeMap::from([("customer".into(), ClaimValue::Text(value.into()))]);
    DecisionRequest { claims: Arc::new(claims), ..request() }
}

#[test]
fn a_warm_instance_serves_its_own_caller_and_no_other() {
    for base in BOTH.map(Fixture::of) {
        let policy = counting(base, "", config());
        let callers = [
            request(),
            DecisionRequest { agent: "b".into(), ..request() },
            DecisionRequest { session: Some("s1".into()), ..request() },
            DecisionRequest { session: Some("s2".into()), ..request() },
            with_claim("1"),
            with_claim("2"),
            DecisionRequest { agent: "b".into(), ..with_claim("1") },
        ];
        // One after another, so that each could meet what the one before it left.
        for round in 1..=3 {
            for caller in &callers {
                assert_eq!(told(&policy, caller), format!("told{round}"), "{caller:?}");
            }
        }
        // Nor does another mount's policy, of the same plugin, meet them.
        let other = policy.plugin().configure("{}", &mount()).unwrap().with_isolation(Isolation::Warm);
        assert_eq!(told(&other, &request()), "told1");
        // And what is fresh stays so, and can be replayed.
        let fresh = policy.with_isolation(Isolation::Fresh);
        for _ in 0..3 {
            let decision = fresh.decide(&request()).unwrap();
            assert!(decision.replayable);
            assert!(matches!(decision.verdict, Verdict::Deny { code, .. } if code == "told1"));
        }
    }
}

#[test]
fn claims_are_compared_by_what_they_say() {
    let policy = counting(Fixture::default(), "", config());
    assert_eq!(told(&policy, &with_claim("1")), "told1");
    // Equal claims of another request are the same caller; the type of a claim counts.
    assert_eq!(told(&policy, &with_claim("1")), "told2");
    let claims = BTreeMap::from([("customer".into(), ClaimValue::Integer(1))]);
    assert_eq!(told(&policy, &DecisionRequest { claims: Arc::new(claims), ..request() }), "told1");
}

#[test]
fn a_warm_instance_is_retired_after_its_calls() {
    let policy = counting(Fixture::default(), "", HostConfig { warm_calls: 3, ..config() });
    let codes: Vec<String> = (0..7).map(|_| told(&policy, &request())).collect();
    assert_eq!(codes, ["told1", "told2", "told3", "told1", "told2", "told3", "told1"]);
}

#[test]
fn one_that_idled_too_long_is_retired_by_the_next_that_is_kept() {
    let policy = counting(Fixture::default(), "", HostConfig { warm_idle: Duration::from_millis(50), ..config() });
    assert_eq!(told(&policy, &request()), "told1");
    std::thread::sleep(Duration::from_millis(120));
    assert_eq!(told(&policy, &with_claim("x")), "told1");
    assert_eq!(told(&policy, &request()), "told1");
}

#[test]
fn a_warm_instance_that_failed_is_thrown_away() {
    for base in BOTH.map(Fixture::of) {
        let third = |then: &str| format!("(if (i32.eq (i32.load8_u (i32.const 68)) (i32.const 51)) (then {then}))");
        for (how, code) in [
            (third("unreachable"), "policy_trapped"),
            (third("(loop $forever (br $forever))"), "policy_timed_out"),
            // An error of the policy's own.
            (
                third("(i32.store8 (i32.const 1200) (i32.const 1)) (i32.store (i32.const 1212) (i32.const 0))"),
                "policy_error",
            ),
            // A verdict that is none: its code is in capitals.
            (third("(i32.store8 (i32.const 67) (i32.const 65))"), "policy_malformed"),
        ] {
            let policy = counting(base, &how, config());
            assert_eq!(told(&policy, &request()), "told1");
            assert_eq!(told(&policy, &request()), "told2");
            assert_eq!(policy.decide(&request()).unwrap_err().code(), code);
            assert_eq!(told(&policy, &request()), "told1", "{code}");
        }
        // One that was refused memory answers cleanly, and is not kept all the same.
        let greedy = third("(drop (memory.grow (i32.const 1000)))");
        let policy = counting(base, &greedy, config());
        let codes: Vec<String> = (0..4).map(|_| told(&policy, &request())).collect();
        assert_eq!(codes, ["told1", "told2", "told3", "told1"]);
    }
}

#[test]
fn the_number_kept_is_bounded_and_a_caller_without_an_instance_comes_first() {
    let few = HostConfig { max_warm: 2, ..config() };
    let policy = counting(Fixture::default(), "", few);
    for name in ["1", "2", "3"] {
        assert_eq!(told(&policy, &with_claim(name)), "told1");
    }
    // The oldest went.
    assert_eq!(told(&policy, &with_claim("3")), "told2");
    assert_eq!(told(&policy, &with_claim("2")), "told2");
    assert_eq!(told(&policy, &with_claim("1")), "told1");
    // As many are kept as there are places: one more caller takes the place of the oldest.
    let full = HostConfig { max_instances: 3, ready: 1, max_warm: 100, ..config() };
    let policy = counting(Fixture::default(), "", full);
    for name in 0..20 {
        assert_eq!(told(&policy, &with_claim(&name.to_string())), "told1");
    }
}

#[test]
fn when_a_policy_goes_its_instances_go() {
    let tight = HostConfig { max_instances: 2, ready: 1, max_warm: 100, wait: Duration::from_millis(500), ..config() };
    let host = Host::new(tight).unwrap();
    let decide = format!("{COUNT} {DENY}");
    let fixture = Fixture { extra: r#"(data (i32.const 68) "0")"#, decide: &decide, ..Fixture::default() };
    let plugin = host.admit(&fixture.component(PLAIN)).unwrap();
    for _ in 0..10 {
        let policy = plugin.configure("{}", &mount()).unwrap().with_isolation(Isolation::Warm);
        assert_eq!(told(&policy, &request()), "told1");
        assert_eq!(told(&policy, &request()), "told2");
    }
    assert!(matches!(plugin.configure("{}", &mount()), Ok(_) | Err(PolicyError::Overloaded)));
}
