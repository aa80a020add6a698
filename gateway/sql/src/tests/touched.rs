//! What a statement is said to touch.

use mountgate_core::{CompareOp, PredicateValue, Use, Value};

use super::fixture::{BOTH, touch};
use crate::Dialect;

fn uses(sql: &str) -> Vec<String> {
    let mut all = BOTH.map(|dialect| {
        let touch = touch(dialect, sql).unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
        touch
            .relations
            .iter()
            .flat_map(|relation| {
                relation.columns.iter().map(|(column, uses)| {
                    let uses: Vec<&str> = uses
                        .iter()
                        .map(|one| match one {
                            Use::Projected => "projected",
                            Use::Filtered => "filtered",
                            Use::Joined => "joined",
                            Use::Grouped => "grouped",
                            Use::Ordered => "ordered",
                            Use::Aggregated => "aggregated",
                            Use::Assigned => "assigned",
                        })
                        .collect();
                    format!("{}.{column}: {}", relation.relation, uses.join("+"))
                })
            })
            .collect::<Vec<_>>()
    });
    assert_eq!(all[0], all[1], "{sql}");
    std::mem::take(&mut all[0])
}

#[test]
fn uses_are_told_apart() {
    assert_eq!(uses("SELECT name FROM emp WHERE id = 1"), ["emp.id: filtered", "emp.name: projected"]);
    assert_eq!(
        uses(
            "SELECT d.title, count(e.id) FROM emp e JOIN dept d ON d.id = e.dept GROUP BY d.title ORDER BY max(e.name)"
        ),
        [
            "dept.id: joined",
            "dept.title: projected+grouped",
            "emp.id: aggregated",
            "emp.name: ordered+aggregated",
            "emp.dept: joined"
        ]
    );
    assert_eq!(
        uses("SELECT s.x FROM (SELECT name AS x, id FROM emp) s WHERE s.id = 1 ORDER BY s.x"),
        ["emp.id: projected+filtered", "emp.name: projected+ordered"]
    );
    assert_eq!(
        uses("SELECT 1 FROM dept WHERE id IN (SELECT dept FROM emp)"),
        ["dept.id: filtered", "emp.dept: filtered"]
    );
    assert_eq!(uses("SELECT count(*) FROM emp"), Vec::<String>::new());
    assert_eq!(uses("SELECT * FROM dept"), ["dept.id: projected", "dept.title: projected"]);
}

#[test]
fn references_are_counted() {
    for dialect in BOTH {
        let touch = touch(dialect, "SELECT a.id FROM emp a, emp b WHERE a.id = (SELECT max(id) FROM emp)").unwrap();
        assert_eq!(touch.relations[0].references, 3);
    }
}

#[test]
fn plain_predicates_are_gathered() {
    let touch = touch(
        Dialect::Sqlite,
        "SELECT 1 FROM emp e JOIN dept d ON d.id = e.dept WHERE e.id = ? AND 3 < e.dept AND (e.id = 5 OR e.id = 6) AND d.title LIKE 'x'",
    )
    .unwrap();
    let found: Vec<_> = touch.predicates.iter().map(|p| (p.column.as_str(), p.op, p.value.clone())).collect();
    assert!(found.contains(&("id", Some(CompareOp::Eq), PredicateValue::Parameter(0))));
    assert!(found.contains(&("dept", Some(CompareOp::Gt), PredicateValue::Literal(Value::Integer(3)))));
    assert!(found.contains(&("title", None, PredicateValue::Other)));
    assert!(!found.iter().any(|(_, _, value)| *value == PredicateValue::Literal(Value::Integer(5))));
}
