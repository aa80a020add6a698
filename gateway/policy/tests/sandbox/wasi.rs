use mountgate_core::{DecisionRequest, RequestTime, Verdict};
use mountgate_policy::Policy;

use crate::fixtures::{DENY, Fixture, host, mount, request};

const WORLDS: &str = "
package wasi:io@0.2.0;
interface poll {
    resource pollable { block: func(); }
}
---
package wasi:clocks@0.2.0;
interface wall-clock {
    record datetime { seconds: u64, nanoseconds: u32 }
    now: func() -> datetime;
}
interface monotonic-clock {
    use wasi:io/poll@0.2.0.{pollable};
    subscribe-duration: func(when: u64) -> pollable;
}
---
package wasi:random@0.2.0;
interface random {
    get-random-u64: func() -> u64;
}
---
package wasi:cli@0.2.0;
interface environment {
    get-environment: func() -> list<tuple<string, string>>;
    get-arguments: func() -> list<string>;
}
---
package test:wasi;
world fixture {
    import wasi:clocks/wall-clock@0.2.0;
    import wasi:clocks/monotonic-clock@0.2.0;
    import wasi:random/random@0.2.0;
    import wasi:cli/environment@0.2.0;
    include mountgate:policy/policy@VERSION;
}";

const IMPORTS: &str = r#"
    (import "wasi:clocks/wall-clock@0.2.0" "now" (func $now (param i32)))
    (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $timer (param i64) (result i32)))
    (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
    (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))
    (import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
    (import "wasi:cli/environment@0.2.0" "get-arguments" (func $arguments (param i32)))"#;

/// Writes sixteen letters at 3072, four bits of the number each.
const SPELL: &str = "
    (func $spell (param $n i64) (local $i i32)
      (loop $next
        (i32.store8 (i32.add (i32.const 3072) (local.get $i))
          (i32.add (i32.const 97) (i32.wrap_i64 (i64.and (local.get $n) (i64.const 15)))))
        (local.set $n (i64.shr_u (local.get $n) (i64.const 4)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $i) (i32.const 16)))))";

fn policy(number: &str, describe: &str) -> std::sync::Arc<Policy> {
    let decide = format!(
        "(call $spell {number}) {DENY}
         (i32.store (i32.const 1216) (i32.const 3072)) (i32.store (i32.const 1220) (i32.const 16))"
    );
    let fixture = Fixture { imports: IMPORTS, extra: SPELL, describe, decide: &decide, ..Fixture::default() };
    host().admit(&fixture.component(WORLDS)).unwrap().configure("{}", &mount()).unwrap()
}

fn told(policy: &Policy, request: &DecisionRequest) -> String {
    match policy.decide(request).unwrap().verdict {
        Verdict::Deny { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

fn at(unix_ms: i64) -> DecisionRequest {
    let time = RequestTime { unix_ms, weekday: 2, minute: 0, date: "2026-11-24".into() };
    DecisionRequest { time: Some(time), ..request() }
}

fn spelt(mut number: u64) -> String {
    (0..16)
        .map(|_| {
            let letter = char::from(b'a' + (number & 15) as u8);
            number >>= 4;
            letter
        })
        .collect()
}

const SECONDS: &str = "(block (result i64) (call $now (i32.const 3000)) (i64.load (i32.const 3000)))";

#[test]
fn a_policy_that_did_not_declare_time_finds_none_on_the_clock_nor_in_randomness() {
    let clock = policy(SECONDS, "");
    assert_eq!(told(&clock, &at(1_795_000_000_000)), spelt(0));
    let random = policy("(call $random)", "");
    assert_eq!(told(&random, &at(1)), told(&random, &at(2)));
}

#[test]
fn the_clock_stands_at_the_requests_time_where_time_is_declared() {
    // `inputs` is a list at 1040: one element, `time`, at 2048.
    let declared = "(i32.store (i32.const 1040) (i32.const 2048)) (i32.store (i32.const 1044) (i32.const 1))";
    let clock = policy(SECONDS, declared);
    assert_eq!(told(&clock, &at(1_795_000_000_000)), spelt(1_795_000_000));
    assert_eq!(told(&clock, &request()), spelt(0));
}

#[test]
fn randomness_is_the_requests_own() {
    let policy = policy("(call $random)", "");
    let once = told(&policy, &request());
    for _ in 0..5 {
        assert_eq!(told(&policy, &request()), once);
    }
    let other = DecisionRequest { agent: "b".into(), ..request() };
    assert_ne!(told(&policy, &other), once);
}

#[test]
fn environment_and_arguments_are_empty() {
    let counts = "(block (result i64)
        (call $environment (i32.const 3000)) (call $arguments (i32.const 3008))
        (i64.extend_i32_u (i32.add (i32.load (i32.const 3004)) (i32.load (i32.const 3012)))))";
    assert!(std::env::vars().count() > 0);
    assert_eq!(told(&policy(counts, ""), &request()), spelt(0));
}

/// A timer of an hour: asleep in host code, the deadline would not reach it.
const SLEEP: &str = "(block (result i64) (call $block (call $timer (i64.const 3600000000000))) (i64.const 5))";

#[test]
fn a_timer_is_due_at_once() {
    let begun = std::time::Instant::now();
    assert_eq!(told(&policy(SLEEP, ""), &request()), spelt(5));
    assert!(begun.elapsed() < std::time::Duration::from_secs(60));
}

#[tokio::test]
async fn wasi_is_answered_on_a_thread_of_the_async_runtime_too() {
    assert_eq!(told(&policy(SLEEP, ""), &request()), spelt(5));
}
