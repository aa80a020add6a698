use std::collections::BTreeMap;

use super::{Scope, ScopeError};
use crate::{
    Aggregate, Catalogue, Ceiling, ColumnInfo, ColumnName, ColumnType, CompareOp, Filter, Grant, LimitKey, Limits,
    Mask, Node, RelationGrant, RelationInfo, RelationName, RelationTouch, Touch, Value, Verb, Walled,
    ceiling::RelationDeclaration,
};

fn eq(column: &str, value: Node) -> Filter {
    Filter::new(vec![Node::Column(column.into()), value, Node::Compare { op: CompareOp::Eq, left: 0, right: 1 }])
        .unwrap()
}

fn ceiling() -> Ceiling {
    demanding(None)
}

fn demanding(aggregate: Option<Aggregate>) -> Ceiling {
    let column = |name: &str, ty| ColumnInfo { name: name.into(), ty, store_type: "x".into(), loose_equality: false };
    let store = RelationInfo {
        schema: "main".into(),
        name: "customers".into(),
        columns: vec![
            column("id", ColumnType::Integer),
            column("tenant", ColumnType::Integer),
            column("email", ColumnType::Text),
            column("salary", ColumnType::Integer),
            column("region", ColumnType::Text),
        ],
        key: vec!["id".into()],
    };
    let declaration = RelationDeclaration {
        columns: vec!["id".into(), "email".into()],
        masks: [(ColumnName::from("email"), Mask::Hash)].into(),
        lend: vec!["region".into()],
        filter: Some(eq("tenant", Node::Claim("tenant".into()))),
        require: vec!["id".into()],
        aggregate,
        write: None,
    };
    Ceiling::build(
        &[(RelationName::from("customers"), declaration)].into(),
        &Catalogue { relations: [(RelationName::from("customers"), store)].into(), ..Catalogue::default() },
        vec![],
        Limits::default(),
        LimitKey::Agent,
        None,
        None,
    )
    .unwrap()
}

fn touch() -> Touch {
    Touch {
        verb: Verb::Read,
        relations: vec![RelationTouch { relation: "customers".into(), columns: vec![], references: 1 }],
        predicates: vec![],
    }
}

fn grant(columns: &[(&str, &[Mask])], filter: Option<Filter>) -> Grant {
    let columns = columns.iter().map(|(name, masks)| ((*name).into(), masks.to_vec())).collect();
    Grant::Narrowed(BTreeMap::from([("customers".into(), RelationGrant { columns, filter })]))
}

fn narrow(grant: &Grant) -> Result<Scope, ScopeError> {
    Scope::narrow(&ceiling(), &touch(), grant)
}

#[test]
fn reaching_past_the_ceiling_is_an_error() {
    for (bad, says) in [
        (grant(&[("salary", &[])], None), "salary"),
        (grant(&[("nosuch", &[])], None), "nosuch"),
        // What is lent is for filters.
        (grant(&[("id", &[]), ("region", &[])], None), "region"),
        (grant(&[("region", &[Mask::Hash])], None), "region"),
        (grant(&[("id", &[])], Some(eq("region", Node::Literal(Value::Integer(1))))), "another type"),
        (grant(&[("id", &[]), ("id", &[])], None), "twice"),
        // A filter on a hidden column tells the column through the rows that stay.
        (grant(&[("id", &[])], Some(eq("salary", Node::Literal(Value::Integer(1))))), "salary"),
        (grant(&[("id", &[])], Some(eq("tenant", Node::Literal(Value::Integer(1))))), "tenant"),
        (grant(&[("id", &[Mask::Partial { first: 1, last: 1, fill: "*".into() }])], None), "partial"),
        (Grant::Narrowed(BTreeMap::from([("staff".into(), RelationGrant { columns: vec![], filter: None })])), "staff"),
    ] {
        let error = narrow(&bad).expect_err(says);
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_mask_of_the_ceiling_stays_and_is_not_applied_twice() {
    let masks = |grant: &Grant| narrow(grant).unwrap().relation(&"customers".into()).unwrap().columns[0].masks.clone();
    let partial = Mask::Partial { first: 1, last: 1, fill: "*".into() };
    assert_eq!(masks(&grant(&[("email", &[])], None)), [Mask::Hash]);
    assert_eq!(masks(&grant(&[("email", &[Mask::Hash])], None)), [Mask::Hash]);
    assert_eq!(masks(&grant(&[("email", std::slice::from_ref(&partial))], None)), [Mask::Hash, partial.clone()]);
    assert_eq!(masks(&grant(&[("email", &[Mask::Hash, partial.clone()])], None)), [Mask::Hash, partial]);
}

#[test]
fn filters_are_added_and_the_ceilings_stay() {
    let scope = narrow(&grant(&[("id", &[])], Some(eq("id", Node::Literal(Value::Integer(7)))))).unwrap();
    let relation = scope.relation(&"customers".into()).unwrap();
    assert_eq!(relation.base_filters, [eq("tenant", Node::Claim("tenant".into()))]);
    assert_eq!(relation.filters, [eq("id", Node::Literal(Value::Integer(7)))]);
    // What the policy repeats of the ceiling, hidden columns and all, changes nothing.
    let repeated = eq("tenant", Node::Claim("tenant".into())).and(eq("id", Node::Literal(Value::Integer(7)))).unwrap();
    assert_eq!(narrow(&grant(&[("id", &[])], Some(repeated))).unwrap(), scope);
}

/// A policy as the attacker: a filter tells a hidden column through the rows that stay, unless the ceiling lends it.
#[test]
fn a_lent_column_filters_and_is_not_seen() {
    let more = |column: &str, value| {
        let nodes = vec![
            Node::Column(column.into()),
            Node::Literal(value),
            Node::Compare { op: CompareOp::Gt, left: 0, right: 1 },
        ];
        grant(&[("id", &[])], Some(Filter::new(nodes).unwrap()))
    };
    let fault = narrow(&more("salary", Value::Integer(100_000))).unwrap_err();
    assert!(fault.to_string().contains("no column `salary` that a filter here may use"), "{fault}");
    let scope = narrow(&more("region", Value::Text("m".into()))).unwrap();
    let relation = scope.relation(&"customers".into()).unwrap();
    assert_eq!(relation.filters.len(), 1);
    assert!(relation.column(&"region".into()).is_none());
    assert_eq!(relation.visible_to_filters[&ColumnName::from("region")], (ColumnType::Text, vec![]));
    // As the ceiling has it, too.
    let scope = narrow(&Grant::Ceiling).unwrap();
    assert!(scope.relation(&"customers".into()).unwrap().column(&"region".into()).is_none());
}

#[test]
fn demands_hold_whatever_the_verdict_says() {
    let aggregate = Some(Aggregate { unit: "salary".into(), min_group: 5 });
    for grant in [Grant::Ceiling, grant(&[("email", &[])], None), grant(&[], None)] {
        let scope = Scope::narrow(&demanding(aggregate.clone()), &touch(), &grant).unwrap();
        let relation = scope.relation(&"customers".into()).unwrap();
        assert_eq!((&relation.require, &relation.aggregate), (&vec!["id".into()], &aggregate));
    }
}

#[test]
fn a_relation_that_is_not_granted_is_not_in_scope() {
    let scope = narrow(&Grant::Narrowed(BTreeMap::new())).unwrap();
    assert!(scope.relation(&RelationName::from("customers")).is_none());
}

#[test]
fn behind_a_wall_its_masks_are_not_applied_again_and_its_filters_are_where_they_can_be() {
    let walled =
        |name: &RelationName| Walled { schema: "w".into(), name: format!("w_{name}"), lending: format!("l_{name}") };
    let behind = ceiling().behind(walled);
    let partial = Mask::Partial { first: 1, last: 1, fill: "*".into() };
    let more = grant(
        &[("id", &[]), ("email", std::slice::from_ref(&partial))],
        Some(eq("id", Node::Literal(Value::Integer(7)))),
    );
    let scope = Scope::narrow(&behind, &touch(), &more).unwrap();
    let relation = scope.relation(&"customers".into()).unwrap();
    let names: Vec<&str> = relation.read().columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!((relation.read().name.as_str(), names.as_slice()), ("w_customers", ["id", "email"].as_slice()));
    let email = relation.column(&"email".into()).unwrap();
    assert_eq!((email.masks.as_slice(), email.applied), ([Mask::Hash, partial].as_slice(), 1));
    // The ceiling's filter names a column that the wall does not show; the policy's runs on this side.
    assert_eq!(relation.base_filters, []);
    assert_eq!(relation.walled_filters, [eq("tenant", Node::Claim("tenant".into()))]);
    assert_eq!(relation.filters.len(), 1);
    assert!(relation.is_filtered() && !relation.lends);
    // A filter on what is lent reads where that is shown.
    let lent = grant(&[("id", &[])], Some(eq("region", Node::Literal(Value::Text("north".into())))));
    let scope = Scope::narrow(&behind, &touch(), &lent).unwrap();
    let lending = scope.relation(&"customers".into()).unwrap();
    let names: Vec<&str> = lending.read().columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!((lending.read().name.as_str(), names.as_slice()), ("l_customers", ["id", "email", "region"].as_slice()));
    assert!(lending.lends && lending.column(&"region".into()).is_none());
    // Nor is a unit that agents don't see.
    let counted = demanding(Some(Aggregate { unit: "salary".into(), min_group: 5 }));
    let scope = Scope::narrow(&counted.behind(walled), &touch(), &Grant::Ceiling).unwrap();
    let lending = scope.relation(&"customers".into()).unwrap();
    let names: Vec<&str> = lending.read().columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(
        (lending.read().name.as_str(), names.as_slice()),
        ("l_customers", ["id", "email", "salary", "region"].as_slice())
    );
    assert!(lending.lends && lending.column(&"salary".into()).is_none());
    // What the scope shows is the same with and without.
    assert_eq!(narrow(&more).unwrap().relation(&"customers".into()).unwrap().columns[1].ty, email.ty);
    // Reaching past the ceiling is no less an error.
    assert!(Scope::narrow(&behind, &touch(), &grant(&[("salary", &[])], None)).is_err());
}
