use mountgate_core::{Grant, Verdict};
use mountgate_policy::PolicyError;

use crate::fixtures::{DENY, Fixture};

fn malformed(fixture: Fixture<'_>, says: &str) {
    match fixture.decide() {
        Err(PolicyError::Malformed(text)) => assert!(text.contains(says), "{text}"),
        other => panic!("{says}: {other:?}"),
    }
}

/// Grants relation `told` with the filter whose nodes lie at 65536, so many.
fn filtered(nodes: u32) -> String {
    format!(
        "(i32.store8 (i32.const 1216) (i32.const 1))
         (i32.store (i32.const 1220) (i32.const 2048)) (i32.store (i32.const 1224) (i32.const 1))
         (i32.store (i32.const 2048) (i32.const 64)) (i32.store (i32.const 2052) (i32.const 4))
         (i32.store8 (i32.const 2064) (i32.const 1))
         (i32.store (i32.const 2068) (i32.const 65536)) (i32.store (i32.const 2072) (i32.const {nodes}))"
    )
}

/// WAT for a node: its case, and a number where its payload begins.
fn node(at: u32, case: u32, payload: u32) -> String {
    let address = 65536 + 24 * at;
    format!(
        "(i32.store8 (i32.const {address}) (i32.const {case})) (i32.store (i32.const {}) (i32.const {payload}))",
        address + 8
    )
}

const ALWAYS: u32 = 3;
const NEGATED: u32 = 7;

#[test]
fn a_filter_that_points_forward_or_at_itself_is_refused() {
    for child in [0, 1, u32::MAX] {
        let decide = format!("{} {}", filtered(1), node(0, NEGATED, child));
        malformed(Fixture { decide: &decide, ..Fixture::default() }, "not before it");
    }
    let decide = format!("{} {} {}", filtered(2), node(0, NEGATED, 1), node(1, ALWAYS, 1));
    malformed(Fixture { decide: &decide, ..Fixture::default() }, "not before it");
}

#[test]
fn a_filter_without_nodes_or_with_too_many_is_refused() {
    malformed(Fixture { decide: &filtered(0), ..Fixture::default() }, "no nodes");
    // 513 nodes of the first case, a literal NULL each: refused for their number.
    let decide = filtered(513);
    malformed(Fixture { decide: &decide, extra: "", ..Fixture::default() }, "513");
}

#[test]
fn a_filter_whose_root_is_a_value_is_refused() {
    let decide = filtered(1);
    malformed(Fixture { decide: &decide, ..Fixture::default() }, "value, not a condition");
}

#[test]
fn a_case_that_does_not_exist_is_stopped() {
    let decide = format!("{} {}", filtered(1), node(0, 77, 0));
    let error = Fixture { decide: &decide, ..Fixture::default() }.decide().unwrap_err();
    assert_eq!(error.code(), "policy_trapped");
}

#[test]
fn a_good_filter_is_taken() {
    let decide = format!("{} {} {}", filtered(2), node(0, ALWAYS, 1), node(1, NEGATED, 0));
    let decision = Fixture { decide: &decide, ..Fixture::default() }.decide().unwrap();
    let Verdict::Allow { grant: Grant::Narrowed(granted), .. } = decision.verdict else { panic!() };
    assert_eq!(granted["told"].filter.as_ref().unwrap().nodes().len(), 2);
}

#[test]
fn a_relation_granted_twice_is_refused() {
    let decide = "
        (i32.store8 (i32.const 1216) (i32.const 1))
        (i32.store (i32.const 1220) (i32.const 2048)) (i32.store (i32.const 1224) (i32.const 2))
        (i32.store (i32.const 2048) (i32.const 64)) (i32.store (i32.const 2052) (i32.const 4))
        (i32.store (i32.const 2076) (i32.const 64)) (i32.store (i32.const 2080) (i32.const 4))";
    malformed(Fixture { decide, ..Fixture::default() }, "twice");
}

#[test]
fn a_code_that_is_none_is_refused() {
    for byte in [b'A', b' ', b'\n', b'-', 0] {
        let decide = format!("{DENY} (i32.store8 (i32.const 68) (i32.const {byte}))");
        malformed(Fixture { decide: &decide, ..Fixture::default() }, "code of a denial");
    }
    for length in [0, 41] {
        let decide = format!("{DENY} (i32.store (i32.const 1220) (i32.const {length}))");
        malformed(Fixture { decide: &decide, ..Fixture::default() }, "code of a denial");
    }
}

#[test]
fn a_reason_that_is_long_or_moves_the_cursor_is_refused() {
    let good = "(i32.store8 (i32.const 68) (i32.const 49))";
    let decide = format!("{DENY} {good} (i32.store (i32.const 1228) (i32.const 1001))");
    malformed(Fixture { decide: &decide, ..Fixture::default() }, "the reason has 1001 bytes");
    let decide = format!(
        "{DENY} {good} (i32.store (i32.const 1224) (i32.const 2048)) (i32.store (i32.const 1228) (i32.const 2))"
    );
    let fixture = Fixture { decide: &decide, extra: r#"(data (i32.const 2048) "\1b[")"#, ..Fixture::default() };
    malformed(fixture, "control character");
}

#[test]
fn a_flood_is_stopped_before_it_is_copied() {
    let good = "(i32.store8 (i32.const 68) (i32.const 49))";
    // 100 KB of reason, past the 64 KiB that this host takes; there is memory for it.
    let decide = format!("{DENY} {good} (i32.store (i32.const 1228) (i32.const 100000))");
    assert_eq!(Fixture { decide: &decide, ..Fixture::default() }.decide().unwrap_err().code(), "policy_output");
    // A length past the end of memory is the policy's trap.
    let decide = format!("{DENY} {good} (i32.store (i32.const 1228) (i32.const -1))");
    let code = Fixture { decide: &decide, ..Fixture::default() }.decide().unwrap_err().code();
    assert!(matches!(code, "policy_trapped" | "policy_output"), "{code}");
}

#[test]
fn limits_below_zero_are_refused() {
    // requests, rows, bytes end at 1256; max-rows is an option at 1256, its value at 1264.
    let decide = "(i32.store8 (i32.const 1256) (i32.const 1)) (i64.store (i32.const 1264) (i64.const -1))";
    malformed(Fixture { decide, ..Fixture::default() }, "max-rows is -1");
    let rate = "
        (i32.store (i32.const 1232) (i32.const 2048)) (i32.store (i32.const 1236) (i32.const 1))
        (i64.store (i32.const 2048) (i64.const 10)) (i64.store (i32.const 2056) (i64.const 0))";
    malformed(Fixture { decide: rate, ..Fixture::default() }, "10 per 0 ms");
    let valid_for = "(i32.store8 (i32.const 1312) (i32.const 1)) (i64.store (i32.const 1320) (i64.const -5))";
    malformed(Fixture { decide: valid_for, ..Fixture::default() }, "valid-for-ms is -5");
}

#[test]
fn limits_are_taken() {
    let decide = "(i32.store8 (i32.const 1256) (i32.const 1)) (i64.store (i32.const 1264) (i64.const 7))";
    let decision = Fixture { decide, ..Fixture::default() }.decide().unwrap();
    let Verdict::Allow { limits, .. } = decision.verdict else { panic!() };
    assert_eq!(limits.max_rows, Some(7));
}
