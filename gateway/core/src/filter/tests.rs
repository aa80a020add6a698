use proptest::prelude::*;

use super::{Filter, FilterError, MAX_NODES, Node};
use crate::{CompareOp, Value};

fn column(name: &str) -> Node {
    Node::Column(name.into())
}

fn int(value: i64) -> Node {
    Node::Literal(Value::Integer(value))
}

fn eq(left: u32, right: u32) -> Node {
    Node::Compare { op: CompareOp::Eq, left, right }
}

#[test]
fn lists_that_are_no_filter_are_refused() {
    for (nodes, error) in [
        (vec![], FilterError::Empty),
        (vec![column("a")], FilterError::Root),
        (vec![Node::Not(0)], FilterError::Forward { node: 0, child: 0 }),
        (vec![Node::Always(true), Node::And(vec![0, 2])], FilterError::Forward { node: 1, child: 2 }),
        (vec![Node::Not(u32::MAX)], FilterError::Forward { node: 0, child: u32::MAX }),
        (vec![column("a"), Node::Not(0)], FilterError::Kind { node: 1, child: 0, wanted: "truth" }),
        (vec![Node::Always(true), int(1), eq(0, 1)], FilterError::Kind { node: 2, child: 0, wanted: "value" }),
        (vec![column("a"), Node::Literal(Value::Null), eq(0, 1)], FilterError::Null),
        (vec![Node::Always(true); MAX_NODES + 1], FilterError::TooLarge(MAX_NODES + 1)),
    ] {
        assert_eq!(Filter::new(nodes.clone()), Err(error), "{nodes:?}");
    }
}

#[test]
fn a_filter_from_outside_is_checked_like_any_other() {
    assert!(serde_json::from_str::<Filter>(r#"[{"not":5}]"#).is_err());
    let filter = Filter::new(vec![column("a"), int(1), eq(0, 1)]).unwrap();
    let text = serde_json::to_string(&filter).unwrap();
    assert_eq!(serde_json::from_str::<Filter>(&text).unwrap(), filter);
}

#[test]
fn equal_conjuncts_are_equal_however_they_are_laid_out() {
    let one = Filter::new(vec![column("a"), int(1), eq(0, 1)]).unwrap();
    let padded =
        Filter::new(vec![int(9), column("a"), Node::Always(true), int(1), eq(1, 3), Node::And(vec![4])]).unwrap();
    assert_eq!(padded.conjuncts(), [one]);
}

#[test]
fn types_that_do_not_fit_are_found() {
    let columns = |name: &crate::ColumnName| match name.as_str() {
        "n" => Some(crate::ColumnType::Integer),
        "t" => Some(crate::ColumnType::Text),
        _ => None,
    };
    let check = |nodes| Filter::new(nodes).unwrap().check(&columns);
    assert!(check(vec![column("n"), int(1), eq(0, 1)]).is_ok());
    assert!(matches!(check(vec![column("t"), int(1), eq(0, 1)]), Err(FilterError::Type { .. })));
    assert!(matches!(check(vec![column("t"), column("n"), eq(0, 1)]), Err(FilterError::Type { .. })));
    assert!(matches!(check(vec![column("hidden"), int(1), eq(0, 1)]), Err(FilterError::Column(_))));
}

fn trees() -> impl Strategy<Value = Filter> {
    let leaf = (0..3_u32, 0..5_i64).prop_map(|(name, value)| {
        Filter::new(vec![column(&format!("c{name}")), int(value), eq(0, 1)]).expect("a comparison")
    });
    leaf.prop_recursive(4, 40, 3, |inner| (inner.clone(), inner).prop_map(|(a, b)| a.and(b).expect("small")))
}

proptest! {
    #[test]
    fn conjuncts_put_together_again_are_the_same(filter in trees()) {
        let parts = filter.conjuncts();
        let again = parts.iter().cloned().reduce(|a, b| a.and(b).expect("small")).expect("one at least");
        prop_assert_eq!(again.conjuncts(), parts);
    }

    #[test]
    fn no_list_of_nodes_makes_the_constructor_panic(indices in proptest::collection::vec((0..8_u8, any::<u32>(), 0..6_u32), 0..20)) {
        let nodes = indices.into_iter().map(|(kind, wild, near)| match kind {
            0 => column("a"),
            1 => int(i64::from(wild)),
            2 => Node::Not(near),
            3 => Node::And(vec![near, wild]),
            4 => Node::Or(vec![near]),
            5 => eq(near, near),
            6 => Node::In { needle: near, list: vec![near, wild] },
            _ => Node::Always(true),
        }).collect();
        if let Ok(filter) = Filter::new(nodes) {
            let _ = filter.conjuncts();
            let _ = filter.equalities();
        }
    }
}
