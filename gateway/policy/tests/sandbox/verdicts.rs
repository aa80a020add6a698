use mountgate_core::{Grant, Verdict};
use mountgate_policy::{Contract, PolicyError};

use crate::fixtures::{BOTH, DENY, Fixture};

fn malformed(fixture: Fixture<'_>, says: &str) {
    match fixture.decide() {
        Err(PolicyError::Malformed(text)) => assert!(text.contains(says), "{text}"),
        other => panic!("{says}: {other:?}"),
    }
}

/// Grants relation `told` (the first one touched) with the filter whose nodes lie at 65536, so many.
fn filtered(contract: Contract, nodes: u32) -> String {
    let (named, filter) = match contract {
        Contract::V0_1 => {
            ("(i32.store (i32.const 2048) (i32.const 64)) (i32.store (i32.const 2052) (i32.const 4))", 2064)
        }
        Contract::V0_2 => ("(i32.store (i32.const 2048) (i32.const 0))", 2060),
    };
    format!(
        "(i32.store8 (i32.const 1216) (i32.const 1))
         (i32.store (i32.const 1220) (i32.const 2048)) (i32.store (i32.const 1224) (i32.const 1))
         {named}
         (i32.store8 (i32.const {filter}) (i32.const 1))
         (i32.store (i32.const {}) (i32.const 65536)) (i32.store (i32.const {}) (i32.const {nodes}))",
        filter + 4,
        filter + 8
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
    for base in BOTH.map(Fixture::of) {
        for child in [0, 1, u32::MAX] {
            let decide = format!("{} {}", filtered(base.contract, 1), node(0, NEGATED, child));
            malformed(Fixture { decide: &decide, ..base }, "not before it");
        }
        let decide = format!("{} {} {}", filtered(base.contract, 2), node(0, NEGATED, 1), node(1, ALWAYS, 1));
        malformed(Fixture { decide: &decide, ..base }, "not before it");
    }
}

#[test]
fn a_filter_without_nodes_or_with_too_many_is_refused() {
    for base in BOTH.map(Fixture::of) {
        malformed(Fixture { decide: &filtered(base.contract, 0), ..base }, "no nodes");
        // 513 nodes of the first case, a literal NULL each: refused for their number.
        let decide = filtered(base.contract, 513);
        malformed(Fixture { decide: &decide, extra: "", ..base }, "513");
    }
}

#[test]
fn a_filter_whose_root_is_a_value_is_refused() {
    for base in BOTH.map(Fixture::of) {
        let decide = filtered(base.contract, 1);
        malformed(Fixture { decide: &decide, ..base }, "value, not a condition");
    }
}

#[test]
fn a_case_that_does_not_exist_is_stopped() {
    for base in BOTH.map(Fixture::of) {
        let decide = format!("{} {}", filtered(base.contract, 1), node(0, 77, 0));
        let error = Fixture { decide: &decide, ..base }.decide().unwrap_err();
        assert_eq!(error.code(), "policy_trapped");
    }
}

#[test]
fn a_good_filter_is_taken() {
    for base in BOTH.map(Fixture::of) {
        let decide = format!("{} {} {}", filtered(base.contract, 2), node(0, ALWAYS, 1), node(1, NEGATED, 0));
        let decision = Fixture { decide: &decide, ..base }.decide().unwrap();
        let Verdict::Allow { grant: Grant::Narrowed(granted), .. } = decision.verdict else { panic!() };
        assert_eq!(granted["told"].filter.as_ref().unwrap().nodes().len(), 2);
    }
}

#[test]
fn a_relation_granted_twice_is_refused() {
    for base in BOTH.map(Fixture::of) {
        let named = match base.contract {
            Contract::V0_1 => {
                "(i32.store (i32.const 2048) (i32.const 64)) (i32.store (i32.const 2052) (i32.const 4))
                 (i32.store (i32.const 2076) (i32.const 64)) (i32.store (i32.const 2080) (i32.const 4))"
            }
            // Two relations of place 0: all is zero.
            Contract::V0_2 => "",
        };
        let decide = format!(
            "(i32.store8 (i32.const 1216) (i32.const 1))
             (i32.store (i32.const 1220) (i32.const 2048)) (i32.store (i32.const 1224) (i32.const 2))
             {named}"
        );
        malformed(Fixture { decide: &decide, ..base }, "twice");
    }
}

/// A grant of one relation at that place, with one column at that place.
fn granted(relation: i32, column: i32) -> String {
    format!(
        "(i32.store8 (i32.const 1216) (i32.const 1))
         (i32.store (i32.const 1220) (i32.const 2048)) (i32.store (i32.const 1224) (i32.const 1))
         (i32.store (i32.const 2048) (i32.const {relation}))
         (i32.store (i32.const 2052) (i32.const 4096)) (i32.store (i32.const 2056) (i32.const 1))
         (i32.store (i32.const 4096) (i32.const {column}))"
    )
}

#[test]
fn a_place_that_the_ceiling_does_not_have_is_past_it() {
    let decide = granted(0, 1);
    let decision = Fixture { decide: &decide, ..Fixture::of(Contract::V0_2) }.decide().unwrap();
    let Verdict::Allow { grant: Grant::Narrowed(granted_to), .. } = decision.verdict else { panic!() };
    assert_eq!(granted_to["told"].columns, vec![("b".into(), vec![])]);
    // The mount has a second relation; the request does not touch it. `told` has two columns.
    for (relation, column) in [(1, 0), (2, 0), (-1, 0), (0, 2), (0, -1), (i32::MIN, i32::MIN)] {
        let decide = granted(relation, column);
        let error = Fixture { decide: &decide, ..Fixture::of(Contract::V0_2) }.decide().unwrap_err();
        assert!(matches!(error, PolicyError::PastCeiling(_)), "{relation} {column}: {error}");
        assert_eq!(error.code(), "past_ceiling");
    }
}

#[test]
fn a_code_that_is_none_is_refused() {
    for base in BOTH.map(Fixture::of) {
        for byte in [b'A', b' ', b'\n', b'-', 0] {
            let decide = format!("{DENY} (i32.store8 (i32.const 68) (i32.const {byte}))");
            malformed(Fixture { decide: &decide, ..base }, "code of a denial");
        }
        for length in [0, 41] {
            let decide = format!("{DENY} (i32.store (i32.const 1220) (i32.const {length}))");
            malformed(Fixture { decide: &decide, ..base }, "code of a denial");
        }
    }
}

#[test]
fn a_reason_that_is_long_or_moves_the_cursor_is_refused() {
    for base in BOTH.map(Fixture::of) {
        let good = "(i32.store8 (i32.const 68) (i32.const 49))";
        let decide = format!("{DENY} {good} (i32.store (i32.const 1228) (i32.const 1001))");
        malformed(Fixture { decide: &decide, ..base }, "the reason has 1001 bytes");
        let decide = format!(
            "{DENY} {good} (i32.store (i32.const 1224) (i32.const 2048)) (i32.store (i32.const 1228) (i32.const 2))"
        );
        let fixture = Fixture { decide: &decide, extra: r#"(data (i32.const 2048) "\1b[")"#, ..base };
        malformed(fixture, "control character");
    }
}

#[test]
fn a_flood_is_stopped_before_it_is_copied() {
    for base in BOTH.map(Fixture::of) {
        let good = "(i32.store8 (i32.const 68) (i32.const 49))";
        // 100 KB of reason, past the 64 KiB that this host takes; there is memory for it.
        let decide = format!("{DENY} {good} (i32.store (i32.const 1228) (i32.const 100000))");
        assert_eq!(Fixture { decide: &decide, ..base }.decide().unwrap_err().code(), "policy_output");
        // A length past the end of memory is the policy's trap.
        let decide = format!("{DENY} {good} (i32.store (i32.const 1228) (i32.const -1))");
        let code = Fixture { decide: &decide, ..base }.decide().unwrap_err().code();
        assert!(matches!(code, "policy_trapped" | "policy_output"), "{code}");
    }
}

#[test]
fn limits_below_zero_are_refused() {
    for base in BOTH.map(Fixture::of) {
        // requests, rows, bytes end at 1256; max-rows is an option at 1256, its value at 1264.
        let decide = "(i32.store8 (i32.const 1256) (i32.const 1)) (i64.store (i32.const 1264) (i64.const -1))";
        malformed(Fixture { decide, ..base }, "max-rows is -1");
        let rate = "
        (i32.store (i32.const 1232) (i32.const 2048)) (i32.store (i32.const 1236) (i32.const 1))
        (i64.store (i32.const 2048) (i64.const 10)) (i64.store (i32.const 2056) (i64.const 0))";
        malformed(Fixture { decide: rate, ..base }, "10 per 0 ms");
        let valid_for = "(i32.store8 (i32.const 1312) (i32.const 1)) (i64.store (i32.const 1320) (i64.const -5))";
        malformed(Fixture { decide: valid_for, ..base }, "valid-for-ms is -5");
    }
}

#[test]
fn limits_are_taken() {
    for base in BOTH.map(Fixture::of) {
        let decide = "(i32.store8 (i32.const 1256) (i32.const 1)) (i64.store (i32.const 1264) (i64.const 7))";
        let decision = Fixture { decide, ..base }.decide().unwrap();
        let Verdict::Allow { limits, .. } = decision.verdict else { panic!() };
        assert_eq!(limits.max_rows, Some(7));
    }
}
