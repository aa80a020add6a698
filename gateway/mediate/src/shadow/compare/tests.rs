//! Deny first: whatever might show more is never `same`, `narrower` or `denied`.

use std::collections::BTreeMap;

use mountgate_core::{
    Catalogue, Ceiling, ColumnInfo, ColumnName, ColumnType, CompareOp, Grant, LimitKey, Mask, Node, RelationGrant,
    RelationInfo, RelationName, RelationTouch, Touch, Value, Verb, ceiling::RelationDeclaration,
};

use super::*;

fn ceiling() -> Ceiling {
    let column = |name: &str, ty| ColumnInfo { name: name.into(), ty, store_type: "x".into(), loose_equality: false };
    let relation = |name: &str| {
        let store = RelationInfo {
            schema: "main".into(),
            name: name.into(),
            columns: vec![column("id", ColumnType::Integer), column("email", ColumnType::Text)],
            key: vec!["id".into()],
        };
        (RelationName::from(name), store)
    };
    let declaration = RelationDeclaration { columns: vec!["id".into(), "email".into()], ..Default::default() };
    let names = ["customers", "orders"];
    Ceiling::build(
        &names.iter().map(|name| (RelationName::from(*name), declaration.clone())).collect(),
        &Catalogue { relations: names.iter().map(|name| relation(name)).collect(), ..Catalogue::default() },
        vec![],
        Limits::default(),
        LimitKey::Agent,
        None,
        None,
    )
    .unwrap()
}

fn scope(grant: &Grant) -> Scope {
    let touched = |name: &str| RelationTouch { relation: name.into(), columns: vec![], references: 1 };
    let touch =
        Touch { verb: Verb::Read, relations: vec![touched("customers"), touched("orders")], predicates: vec![] };
    Scope::narrow(&ceiling(), &touch, grant).unwrap()
}

fn eq(column: &str, value: i64) -> Filter {
    let nodes = vec![
        Node::Column(column.into()),
        Node::Literal(Value::Integer(value)),
        Node::Compare { op: CompareOp::Eq, left: 0, right: 1 },
    ];
    Filter::new(nodes).unwrap()
}

fn customers(columns: &[(&str, &[Mask])], filter: Option<Filter>) -> Grant {
    let columns = columns.iter().map(|(name, masks)| (ColumnName::from(*name), masks.to_vec())).collect();
    Grant::Narrowed(BTreeMap::from([("customers".into(), RelationGrant { columns, filter })]))
}

fn outcome(old: &Grant, new: &Grant) -> (&'static str, Vec<String>) {
    let limits = Limits::default();
    let found = compare(Some((&scope(old), &limits)), Some((&scope(new), &limits)));
    (found.outcome, found.changes)
}

#[test]
fn what_was_denied_and_would_be_granted_comes_first() {
    let limits = Limits::default();
    let all = scope(&Grant::Ceiling);
    let found = compare(None, Some((&all, &limits)));
    assert_eq!(found.outcome, "granted");
    assert_eq!(found.changes, ["shows customers (id, email)", "shows orders (id, email)"]);
    assert_eq!(compare(Some((&all, &limits)), None).outcome, "denied");
    assert_eq!(compare(None, None).outcome, SAME);
}

#[test]
fn more_is_wider_and_less_is_narrower() {
    let plain: &[(&str, &[Mask])] = &[("id", &[]), ("email", &[])];
    let hashed: &[(&str, &[Mask])] = &[("id", &[]), ("email", &[Mask::Hash])];
    let twice: &[(&str, &[Mask])] = &[("id", &[]), ("email", &[Mask::Hash, Mask::Null])];
    let other: &[(&str, &[Mask])] = &[("id", &[]), ("email", &[Mask::Null])];
    let key: &[(&str, &[Mask])] = &[("id", &[])];
    let (mine, yours) = (eq("id", 1), eq("id", 2));
    for (old, new, wanted, says) in [
        (customers(plain, None), Grant::Ceiling, "wider", "shows orders"),
        (customers(key, None), customers(plain, None), "wider", "shows customers.email"),
        (customers(hashed, None), customers(plain, None), "wider", "masks customers.email by no mask instead of hash"),
        (customers(hashed, None), customers(other, None), "wider", "masks customers.email by null instead of hash"),
        (customers(hashed, None), customers(twice, None), "narrower", "by hash and null instead of hash"),
        (customers(plain, Some(mine.clone())), customers(plain, None), "wider", "filters customers less"),
        (customers(plain, Some(mine.clone())), customers(plain, Some(yours)), "wider", "by something else"),
        (customers(plain, None), customers(plain, Some(mine)), "narrower", "filters customers further"),
        // One thing more and another less: the more decides.
        (customers(key, None), customers(plain, Some(eq("id", 3))), "wider", "shows customers.email"),
    ] {
        let (found, changes) = outcome(&old, &new);
        assert_eq!(found, wanted, "{changes:?}");
        assert!(changes[0].contains(says), "{changes:?} does not begin with `{says}`");
        assert_eq!(outcome(&new, &new).0, SAME);
        assert_ne!(outcome(&new, &old).0, SAME);
    }
    // Said otherwise, and the same.
    let spelt = Grant::Narrowed(
        ["customers", "orders"]
            .map(|name| {
                let columns = plain.iter().map(|(name, masks)| (ColumnName::from(*name), masks.to_vec())).collect();
                (RelationName::from(name), RelationGrant { columns, filter: None })
            })
            .into(),
    );
    assert_eq!(outcome(&Grant::Ceiling, &spelt).0, SAME);
}

#[test]
fn limits_that_are_raised_are_wider() {
    let all = scope(&Grant::Ceiling);
    let rate = |amount, window_ms| Rate { amount, window_ms };
    let limits = |requests: Vec<Rate>, max_rows| Limits { requests, max_rows, ..Limits::default() };
    for (old, new, wanted) in [
        (limits(vec![rate(5, 60_000)], None), limits(vec![], None), "wider"),
        (limits(vec![rate(5, 60_000)], None), limits(vec![rate(6, 60_000)], None), "wider"),
        (limits(vec![rate(5, 60_000)], None), limits(vec![rate(4, 60_000)], None), "narrower"),
        (limits(vec![], None), limits(vec![rate(4, 60_000)], None), "narrower"),
        (limits(vec![], Some(10)), limits(vec![], None), "wider"),
        (limits(vec![], Some(10)), limits(vec![], Some(9)), "narrower"),
        (limits(vec![], Some(10)), limits(vec![], Some(10)), SAME),
    ] {
        assert_eq!(compare(Some((&all, &old)), Some((&all, &new))).outcome, wanted, "{old:?} {new:?}");
    }
}
