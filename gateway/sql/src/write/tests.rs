use std::sync::Arc;

use mountgate_core::{Code, Grant, Refusal, Scope, Touch, Use, Value, Verb};

use super::{Assigned, BoundWrite, WriteStatement};
use crate::{
    Dialect, fuzz,
    tests::fixture::{BOTH, Keys, claims},
};

fn touch(dialect: Dialect, sql: &str) -> Result<Touch, Refusal> {
    WriteStatement::parse(dialect, sql, &Arc::from([]))?.touch(fuzz::shop().unwrap())
}

fn bound(dialect: Dialect, sql: &str, parameters: &[Value]) -> Result<BoundWrite, Refusal> {
    let ceiling = fuzz::shop().unwrap();
    let statement = WriteStatement::parse(dialect, sql, &Arc::from([]))?;
    let touch = statement.touch(ceiling)?;
    let scope = Scope::narrow(ceiling, &touch, &Grant::Ceiling).unwrap();
    Ok(statement.enforce(ceiling, &scope)?.authorize(parameters, &claims(), &Keys)?.into_inner())
}

#[test]
fn what_is_written_is_values_and_what_is_found_is_a_read_of_the_scope() {
    let sql = "UPDATE emp SET name = $2, dept = dept + $1 WHERE id = $3";
    let parameters = [Value::Integer(1), Value::Text("x'; --".into()), Value::Integer(7)];
    for dialect in BOTH {
        let write = bound(dialect, sql, &parameters).unwrap();
        assert_eq!((write.verb(), write.max_rows()), (Verb::Update, 3));
        assert_eq!(write.rows(), [vec![Assigned::Value(parameters[1].clone()), Assigned::Computed(1)]]);
        let read = write.read().unwrap();
        // What the agent wrote as a value is in no text, and PostgreSQL is sent no parameter that a text does not use.
        assert!(!read.sql().contains("--") && !read.values().contains(&parameters[1]), "{}", read.sql());
        assert!(
            read.values().starts_with(&[Value::Integer(1), Value::Integer(7)])
                || read.values().contains(&Value::Integer(7))
        );
        assert!(read.sql().contains("tenant"), "the filter is in it: {}", read.sql());
        assert!(write.lookup().read().sql().contains("tenant"), "{}", write.lookup().read().sql());
        assert!(write.lookup().values(&[Value::Integer(7)]).contains(&Value::Integer(7)));
    }
}

#[test]
fn an_insert_of_constants_reads_nothing() {
    for dialect in BOTH {
        let sql = "INSERT INTO emp (id, name) VALUES (1, 'a'), (-2, $1)";
        let write = bound(dialect, sql, &[Value::Null]).unwrap();
        assert!(write.read().is_none());
        let value = Assigned::Value;
        let rows = [
            vec![value(Value::Integer(1)), value(Value::Text("a".into()))],
            vec![value(Value::Integer(-2)), value(Value::Null)],
        ];
        assert_eq!(write.rows(), rows);
    }
}

#[test]
fn a_touch_says_what_is_assigned_and_what_is_read() {
    for dialect in BOTH {
        let touched =
            touch(dialect, "UPDATE emp SET name = 'x' WHERE dept IN (SELECT id FROM dept) RETURNING id").unwrap();
        assert_eq!(touched.verb, Verb::Update);
        let uses = |relation: &str, column: &str| {
            let touched = touched.relations.iter().find(|touched| touched.relation.as_str() == relation).unwrap();
            let found = touched.columns.iter().find(|(name, _)| name.as_str() == column);
            found.map(|(_, uses)| uses.iter().collect::<Vec<_>>()).unwrap_or_default()
        };
        assert_eq!(uses("emp", "name"), [Use::Assigned]);
        assert_eq!(uses("emp", "dept"), [Use::Filtered]);
        assert_eq!(uses("emp", "id"), [Use::Projected]);
        assert_eq!(uses("dept", "id"), [Use::Filtered]);
        assert_eq!(touch(dialect, "DELETE FROM emp WHERE id = 1").unwrap().verb, Verb::Delete);
    }
}

#[test]
fn what_the_ceiling_does_not_let_through_is_refused_before_any_policy_is_asked() {
    for dialect in BOTH {
        let code = |sql: &str| touch(dialect, sql).unwrap_err().code;
        assert_eq!(code("UPDATE emp SET id = 1"), Code::WriteNotAllowed);
        assert_eq!(code("UPDATE emp SET salary = 1"), Code::NotInScope);
        assert_eq!(code("DELETE FROM dept"), Code::WriteNotAllowed);
        assert_eq!(code("DELETE FROM nowhere"), Code::NotInScope);
        assert_eq!(code("INSERT INTO emp (id, id) VALUES (1, 2)"), Code::Ambiguous);
        assert_eq!(code("INSERT INTO emp (id) VALUES (1, 2)"), Code::TypeMismatch);
        assert_eq!(code("UPDATE emp e SET name = 'x' WHERE emp.id = 1"), Code::NotInScope);
    }
}
