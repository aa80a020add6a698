//! Statements over a store with a wall of its own.

use std::sync::Arc;

use mountgate_core::{
    Claims, Code, ColumnName, Filter, Grant, Mask, Node, RelationGrant, RelationName, Scope, Value, Walled,
};

use super::fixture::{BOTH, Keys, claims};
use crate::{Dialect, Plan, Statement, fuzz};

fn plan(dialect: Dialect, sql: &str, grant: &Grant) -> Plan {
    let walled =
        |name: &RelationName| Walled { schema: "w".into(), name: format!("w_{name}"), lending: format!("l_{name}") };
    let ceiling = fuzz::shop().unwrap().clone().behind(walled);
    let statement = Statement::parse(dialect, sql).unwrap();
    let touch = statement.touch(&ceiling).unwrap();
    statement.enforce(&Scope::narrow(&ceiling, &touch, grant).unwrap()).unwrap()
}

#[test]
fn the_walls_relation_is_read_and_its_masks_are_not_applied_again() {
    for dialect in BOTH {
        let plan = plan(dialect, "SELECT id, email FROM emp WHERE email = 'a'", &Grant::Ceiling);
        assert_eq!(
            plan.sql().as_ref(),
            r#"SELECT "t1"."id" AS "id", "t1"."email" AS "email" FROM (SELECT "s1"."id" AS "id", "s1"."email" AS "email" FROM "w"."w_emp" AS "s1") AS "t1" WHERE ("t1"."email" = 'a')"#
        );
        assert_eq!(plan.columns()[1].masks, ["partial"]);
        assert!(!plan.lends());
    }
}

#[test]
fn a_claim_that_only_the_wall_compares_is_wanted_all_the_same() {
    for dialect in BOTH {
        let plan = Arc::new(plan(dialect, "SELECT id FROM emp", &Grant::Ceiling));
        assert_eq!(plan.authorize(&[], &Claims::new(), &Keys).unwrap_err().code, Code::ClaimMissing);
        let read = plan.authorize(&[], &claims(), &Keys).unwrap().into_inner();
        assert!(read.values().is_empty());
        assert_eq!(read.claims(), claims().into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_predicate_that_may_raise_is_fenced_from_the_walls_filter_too() {
    for dialect in BOTH {
        let plan = plan(dialect, "SELECT id FROM emp WHERE 1 / id = 1", &Grant::Ceiling);
        assert_eq!(plan.fenced(), ["emp".into()]);
    }
}

#[test]
fn a_policys_masks_and_filters_come_after_the_walls() {
    for dialect in BOTH {
        let filter = Filter::new(vec![
            Node::Column("email".into()),
            Node::Literal(Value::Text("a***".into())),
            Node::Compare { op: mountgate_core::CompareOp::Eq, left: 0, right: 1 },
        ]);
        let hashed = (ColumnName::from("email"), vec![Mask::Hash]);
        let grant =
            Grant::Narrowed([("emp".into(), RelationGrant { columns: vec![hashed], filter: filter.ok() })].into());
        let sql = plan(dialect, "SELECT email FROM emp", &grant).sql().to_string();
        // The filter sees the wall's output, the hash is made of it, and the ceiling's own mask is nowhere.
        assert!(
            sql.contains(r#"("s1"."email" = "#) && !sql.contains("partial") && !sql.contains("char_length"),
            "{sql}"
        );
        assert!(
            sql.contains(if dialect == Dialect::Sqlite { r#"mountgate_hash(?1, "s1"."email")"# } else { "sha256" }),
            "{sql}"
        );
    }
}
