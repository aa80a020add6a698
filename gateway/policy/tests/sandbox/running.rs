use std::time::{Duration, Instant};

use mountgate_core::{Grant, Verdict};
use mountgate_policy::{Contract, Host, HostConfig, PolicyError, bundled};

use crate::fixtures::{BOTH, DENY, Fixture, PLAIN, config, mount, request};

#[test]
fn an_endless_decision_is_stopped_and_the_next_one_is_served() {
    for base in BOTH.map(Fixture::of) {
        let endless = Fixture { decide: "(loop $forever (br $forever))", ..base };
        let policy = endless.policy().unwrap();
        let begun = Instant::now();
        assert_eq!(policy.decide(&request()).unwrap_err(), PolicyError::TimedOut(50));
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert_eq!(policy.decide(&request()).unwrap_err().code(), "policy_timed_out");
    }
}

#[test]
fn an_endless_configure_is_stopped() {
    for base in BOTH.map(Fixture::of) {
        let endless = Fixture { configure: "(loop $forever (br $forever))", ..base };
        assert_eq!(endless.policy().err(), Some(PolicyError::TimedOut(100)));
    }
}

#[test]
fn a_trap_is_an_error() {
    for base in BOTH.map(Fixture::of) {
        let error = Fixture { decide: "unreachable", ..base }.decide().unwrap_err();
        assert_eq!(error.code(), "policy_trapped");
        let error = Fixture { decide: "(i32.store (i32.const -4) (i32.const 1))", ..base }.decide().unwrap_err();
        assert_eq!(error.code(), "policy_trapped");
    }
}

#[test]
fn memory_ends_where_the_host_says() {
    for base in BOTH.map(Fixture::of) {
        let greedy = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable";
        let error = Fixture { decide: greedy, ..base }.decide().unwrap_err();
        assert_eq!(error.code(), "policy_memory", "{error}");
    }
}

#[test]
fn tables_end_where_the_host_says() {
    for base in BOTH.map(Fixture::of) {
        let fixture = Fixture {
            extra: "(table $t 1 funcref)",
            decide: "(drop (table.grow $t (ref.null func) (i32.const 1000000))) unreachable",
            ..base
        };
        assert_eq!(fixture.decide().unwrap_err().code(), "policy_memory");
    }
}

#[test]
fn endless_recursion_is_stopped() {
    for base in BOTH.map(Fixture::of) {
        let fixture = Fixture { extra: "(func $deep (call $deep))", decide: "(call $deep)", ..base };
        assert_eq!(fixture.decide().unwrap_err(), PolicyError::Stack);
    }
}

#[test]
fn an_error_of_the_policys_is_for_the_log_and_cannot_forge_lines_there() {
    for base in BOTH.map(Fixture::of) {
        // result: err, its text at 2048.
        let decide = "
        (i32.store8 (i32.const 1200) (i32.const 1))
        (i32.store (i32.const 1208) (i32.const 2048)) (i32.store (i32.const 1212) (i32.const 9))";
        let fixture = Fixture { extra: r#"(data (i32.const 2048) "a\0aforged!")"#, decide, ..base };
        assert_eq!(fixture.decide().unwrap_err(), PolicyError::Failed("a forged!".into()));
    }
}

/// Every decision counts in memory and tells the count in its code.
const COUNT: &str = "(i32.store8 (i32.const 68) (i32.add (i32.load8_u (i32.const 68)) (i32.const 1)))";

#[test]
fn nothing_kept_in_memory_reaches_the_next_decision() {
    for base in BOTH.map(Fixture::of) {
        let decide = format!("{COUNT} {DENY}");
        let fixture = Fixture { extra: r#"(data (i32.const 68) "0")"#, decide: &decide, ..base };
        let policy = fixture.policy().unwrap();
        let code = |verdict: Verdict| match verdict {
            Verdict::Deny { code, .. } => code,
            other => panic!("{other:?}"),
        };
        for _ in 0..50 {
            assert_eq!(code(policy.decide(&request()).unwrap().verdict), "told1");
        }
        // The same instance asked again does tell: the fixture is able to.
        let mut warm = policy.warm().unwrap();
        assert_eq!(code(warm.decide(&request()).unwrap()), "told1");
        assert_eq!(code(warm.decide(&request()).unwrap()), "told2");
    }
}

#[test]
fn settings_are_told_to_configure_and_its_refusal_is_told_back() {
    for base in BOTH.map(Fixture::of) {
        // Settings and mount together are too many for parameters: 0.2 is given where they lie.
        let (at, length) = match base.contract {
            Contract::V0_1 => ("(local.get 0)", "(local.get 1)"),
            Contract::V0_2 => ("(i32.load (local.get 0))", "(i32.load offset=4 (local.get 0))"),
        };
        let configure = format!(
            "(i32.store8 (i32.const 1100) (i32.const 1))
             (i32.store (i32.const 1104) {at}) (i32.store (i32.const 1108) {length})"
        );
        let fixture = Fixture { configure: &configure, ..base };
        let plugin = Host::new(config()).unwrap().admit(&fixture.component(PLAIN)).unwrap();
        let refused = plugin.configure(r#"{"a":1}"#, &mount()).err();
        assert_eq!(refused, Some(PolicyError::Settings(r#"{"a":1}"#.into())));
    }
}

#[test]
fn when_all_places_are_taken_a_decision_is_refused_and_not_hung() {
    for base in BOTH.map(Fixture::of) {
        let host = Host::new(HostConfig { max_instances: 2, ready: 1, ..config() }).unwrap();
        let policy = host.admit(&base.component(PLAIN)).unwrap().configure("{}", &mount()).unwrap();
        let first = policy.warm().unwrap();
        let second = policy.warm().unwrap();
        assert_eq!(policy.decide(&request()).unwrap_err(), PolicyError::Overloaded);
        drop((first, second));
        assert!(policy.decide(&request()).is_ok());
    }
}

#[test]
fn many_at_once_are_all_served() {
    for base in BOTH.map(Fixture::of) {
        let policy = base.policy().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let decision = policy.decide(&request()).unwrap();
                        assert!(matches!(decision.verdict, Verdict::Allow { grant: Grant::Ceiling, .. }));
                    }
                });
            }
        });
    }
}

/// The bundled policies have little stack: what a mount's file can ask of them must be refused by their own words.
#[test]
fn the_deepest_settings_fit_the_stack_of_the_bundled_policies() {
    let host = Host::new(HostConfig::default()).unwrap();
    let tiers = host.admit(bundled::TIERS).unwrap();
    for (begin, end) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
        for depth in [10, 60, 126, 127, 128, 5_000] {
            let depth = if begin.len() > 5 { depth / 2 } else { depth };
            let deep = format!("{{\"tiers\":{}1{}}}", begin.repeat(depth), end.repeat(depth));
            let in_filter = serde_json::json!({ "tiers": [{
                "when": { "role": "a" },
                "tables": { "t": { "filter": format!("{}a = 1{}", "not (".repeat(depth), ")".repeat(depth)) } },
            }] });
            for settings in [deep, in_filter.to_string()] {
                match tiers.configure(&settings, &mount()) {
                    Ok(_) | Err(PolicyError::Settings(_)) => {}
                    Err(error) => panic!("{begin} {depth} deep: {error}"),
                }
            }
        }
    }
}
