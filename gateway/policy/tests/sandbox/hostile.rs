//! Components that mean harm, in both versions of the contract. Each is refused or stopped, and while it runs, others are
//! answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mountgate_core::DecisionRequest;
use mountgate_policy::{AdmissionError, Host, HostConfig, Policy, PolicyError};

use crate::fixtures::{BOTH, DENY, Fixture, PLAIN, config, host, mount, request};

fn on(host: &Host, fixture: Fixture<'_>) -> Arc<Policy> {
    host.admit(&fixture.component(PLAIN)).unwrap().configure("{}", &mount()).unwrap()
}

#[test]
fn traps_in_every_function_are_errors_and_the_next_one_is_served() {
    for base in BOTH.map(Fixture::of) {
        let host = host();
        let good = on(&host, base);
        let described = host.admit(&Fixture { describe: "unreachable", ..base }.component(PLAIN));
        assert!(matches!(described, Err(AdmissionError::Describe(PolicyError::Trapped(_)))));
        let configured = host.admit(&Fixture { configure: "unreachable", ..base }.component(PLAIN)).unwrap();
        assert_eq!(configured.configure("{}", &mount()).err().unwrap().code(), "policy_trapped");
        // `describe` is asked with nothing, so it allocates nothing: the first allocation is the settings'.
        let allocating = host.admit(&Fixture { realloc: "unreachable", ..base }.component(PLAIN)).unwrap();
        assert_eq!(allocating.configure("{}", &mount()).err().unwrap().code(), "policy_trapped");
        let torn_down = on(&host, Fixture { post_return: "unreachable", ..base });
        assert_eq!(torn_down.decide(&request()).unwrap_err().code(), "policy_trapped");
        let spinning = on(&host, Fixture { post_return: "(loop $forever (br $forever))", ..base });
        assert_eq!(spinning.decide(&request()).unwrap_err().code(), "policy_timed_out");
        good.decide(&request()).unwrap();
    }
}

#[test]
fn an_allocation_outside_memory_is_a_trap() {
    for base in BOTH.map(Fixture::of) {
        for realloc in ["(return (i32.const -8))", "(return (i32.const 131064))", "(return (i32.const 3))"] {
            let fixture = Fixture { realloc, ..base };
            let refused = match host().admit(&fixture.component(PLAIN)).unwrap().configure("{}", &mount()) {
                Ok(policy) => policy.decide(&request()).err(),
                Err(error) => Some(error),
            };
            assert_eq!(refused.unwrap().code(), "policy_trapped", "{realloc}");
        }
    }
}

#[test]
fn text_that_is_no_utf8_is_refused() {
    for base in BOTH.map(Fixture::of) {
        let decide =
            format!("{DENY} (i32.store8 (i32.const 68) (i32.const 49)) (i32.store8 (i32.const 65) (i32.const 255))");
        let error = Fixture { decide: &decide, ..base }.decide().unwrap_err();
        assert_eq!(error.code(), "policy_trapped", "{error}");
        let described = Fixture { describe: "(i32.store8 (i32.const 17) (i32.const 255))", ..base };
        assert!(matches!(host().admit(&described.component(PLAIN)), Err(AdmissionError::Describe(_))));
    }
}

#[test]
fn a_verdict_of_a_hundred_megabytes_is_stopped_before_it_is_copied() {
    let roomy = HostConfig { max_memory: 256 << 20, max_instances: 2, ready: 1, ..config() };
    for base in BOTH.map(Fixture::of) {
        let host = Host::new(roomy.clone()).unwrap();
        let decide = format!(
            "{DENY} (i32.store8 (i32.const 68) (i32.const 49)) (drop (memory.grow (i32.const 1700)))
             (i32.store (i32.const 1224) (i32.const 65536)) (i32.store (i32.const 1228) (i32.const 104857600))"
        );
        let policy = on(&host, Fixture { decide: &decide, ..base });
        assert_eq!(policy.decide(&request()).unwrap_err().code(), "policy_output");
        // As a filter of a million nodes, in 24 bytes each.
        let filter = match base.contract {
            mountgate_policy::Contract::V0_1 => 2064,
            mountgate_policy::Contract::V0_2 => 2060,
        };
        let decide = format!(
            "(drop (memory.grow (i32.const 1700)))
             (i32.store8 (i32.const 1216) (i32.const 1))
             (i32.store (i32.const 1220) (i32.const 2048)) (i32.store (i32.const 1224) (i32.const 1))
             (i32.store8 (i32.const {filter}) (i32.const 1))
             (i32.store (i32.const {}) (i32.const 65536)) (i32.store (i32.const {}) (i32.const 1000000))",
            filter + 4,
            filter + 8
        );
        let policy = on(&host, Fixture { decide: &decide, ..base });
        let code = policy.decide(&request()).unwrap_err().code();
        assert!(matches!(code, "policy_output" | "policy_malformed"), "{code}");
    }
}

#[test]
fn files_sockets_environment_and_threads_are_refused_by_name() {
    for import in [
        "wasi:filesystem/types@0.3.0",
        "wasi:sockets/udp@0.2.0",
        "wasi:sockets/instance-network@0.2.3",
        "wasi:cli/command@0.2.0",
        "wasi:thread/spawn@0.1.0",
        "wasi:threads/threads@0.2.0",
    ] {
        let component = wat::parse_str(format!(r#"(component (import "{import}" (instance)))"#)).unwrap();
        let error = host().admit(&component).err().unwrap();
        assert!(error.to_string().contains(import), "{error}");
    }
    // Shared memory is what threads would need.
    let shared = wat::parse_str(
        r#"(component
            (core module (memory (export "m") 1 1 shared))
            (instance $d) (export "mountgate:policy/decisions@0.2.0" (instance $d)))"#,
    )
    .unwrap();
    assert!(host().admit(&shared).is_err());
}

/// A plugin that spins is asked one decision at a time; a shadow that spins must not bring that upon the policy in force.
#[test]
fn what_spins_beside_a_policy_has_no_consequence_for_it() {
    let policy = on(&host(), Fixture { decide: "(loop $forever (br $forever))", ..Fixture::default() });
    // Of one and the same plugin, so that whatever is the plugin's is shared.
    let shadow = policy.beside();
    assert_eq!(shadow.decide(&request()).unwrap_err().code(), "policy_timed_out");
    assert!(!policy.is_watched() && shadow.is_watched());
    assert_eq!(policy.decide(&request()).unwrap_err().code(), "policy_timed_out");
    assert!(policy.is_watched());
}

#[test]
fn a_nested_component_bomb_is_refused_before_it_unfolds() {
    // Each level instantiates the one within it many times: a few hundred bytes, and 30⁶ instances.
    let mut bomb = "(component $c (core module $m) (core instance (instantiate $m)))".to_owned();
    for _ in 0..6 {
        bomb = format!("(component $c {bomb} {})", "(instance (instantiate $c))".repeat(30));
    }
    let bytes = wat::parse_str(&bomb).unwrap();
    assert!(bytes.len() < 10_000);
    // Were it unfolded, this would not end.
    let error = host().admit(&bytes).err().unwrap();
    assert!(matches!(error, AdmissionError::TooComplex { what: "instances", .. }), "{error}");
    // By way of names: the same component under an alias, and taken out of an instance.
    let aliased = r#"(component
        (component $a (core module $m) (core instance (instantiate $m)))
        (component $b (alias outer 1 $a (component $x)) INSTANCES)
        (component $c (alias outer 1 $b (component $x)) INSTANCES)
        (instance (instantiate $c)))"#
        .replace("INSTANCES", &"(instance (instantiate $x))".repeat(40));
    let error = host().admit(&wat::parse_str(&aliased).unwrap()).err().unwrap();
    assert!(matches!(error, AdmissionError::TooComplex { what: "instances", .. }), "{error}");
    let passed = r#"(component (component $a) (component $b (import "x" (component)) (instance (instantiate 0)))
        (instance (instantiate $b (with "x" (component $a)))))"#;
    let error = host().admit(&wat::parse_str(passed).unwrap()).err().unwrap();
    assert!(error.to_string().contains("passes components on"), "{error}");
}

#[test]
fn a_function_that_is_huge_is_refused_before_it_is_compiled() {
    let body = "(drop (i32.const 1))".repeat(400_000);
    let huge = Fixture { extra: &format!("(func {body})"), ..Fixture::default() };
    let error = host().admit(&huge.component(PLAIN)).err().unwrap();
    assert!(matches!(error, AdmissionError::TooComplex { what: "bytes in one function", .. }), "{error}");
}

#[test]
fn a_compilation_that_takes_too_long_is_not_waited_for() {
    let functions = "(func (result i32) (i32.const 1))".repeat(20_000);
    let impatient = Host::new(HostConfig { compile_deadline: Duration::from_millis(1), ..config() }).unwrap();
    let slow = Fixture { extra: &functions, ..Fixture::default() }.component(PLAIN);
    let error = impatient.admit(&slow).err().unwrap();
    assert!(error.to_string().contains("to compile"), "{error}");
}

/// While a policy spins, on as many requests at once as there are threads and more, another agent's requests through
/// another policy are answered, each within its own deadline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_spins_holds_up_no_other_agent() {
    for base in BOTH.map(Fixture::of) {
        let host = host();
        let good = on(&host, base);
        let spins = on(&host, Fixture { decide: "(loop $forever (br $forever))", ..base });
        let over = Arc::new(AtomicBool::new(false));
        let hostile: Vec<_> = (0..6)
            .map(|_| {
                let (spins, over) = (Arc::clone(&spins), Arc::clone(&over));
                tokio::spawn(async move {
                    let mut asked = 0_u32;
                    while !over.load(Ordering::Relaxed) {
                        let error = spins.decide(&request()).unwrap_err();
                        assert!(matches!(error, PolicyError::TimedOut(_) | PolicyError::Overloaded), "{error}");
                        asked += 1;
                        tokio::task::yield_now().await;
                    }
                    asked
                })
            })
            .collect();
        for round in 0..100 {
            let good = Arc::clone(&good);
            let asked = tokio::spawn(async move {
                let request = DecisionRequest { agent: "other".into(), ..request() };
                good.decide(&request)
            });
            // A generous deadline of its own, which a queue of spinning decisions would miss by far.
            let answer = tokio::time::timeout(Duration::from_secs(5), asked).await;
            assert!(answer.unwrap_or_else(|_| panic!("round {round} waits")).unwrap().is_ok());
        }
        over.store(true, Ordering::Relaxed);
        for task in hostile {
            assert!(task.await.unwrap() > 0);
        }
    }
}
