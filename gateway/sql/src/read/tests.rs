use super::*;

fn read(from: &str) -> ReadRequest {
    ReadRequest { from: from.into(), select: vec![], r#where: vec![], order: vec![], limit: None }
}

#[test]
fn names_cannot_leave_their_quotes() {
    let mut request = read("emp\" UNION SELECT * FROM \"dept");
    request.select = vec!["id\", (SELECT 1) AS \"x".into()];
    let (statement, _) = statement(Dialect::Sqlite, &request).unwrap();
    let refusal = statement.touch(crate::fuzz::shop().unwrap()).unwrap_err();
    assert_eq!(refusal.code, Code::NotInScope);
}

#[test]
fn a_condition_takes_the_values_of_its_operator() {
    for (op, values) in [
        (ConditionOp::Eq, vec![]),
        (ConditionOp::Eq, vec![Value::Null, Value::Null]),
        (ConditionOp::In, vec![]),
        (ConditionOp::IsNull, vec![Value::Integer(1)]),
    ] {
        let mut request = read("emp");
        request.r#where = vec![Condition { column: "id".into(), op, values }];
        assert_eq!(statement(Dialect::Sqlite, &request).unwrap_err().code, Code::Malformed);
    }
}

#[test]
fn a_read_is_a_statement() {
    let mut request = read("emp");
    request.select = vec!["id".into(), "name".into()];
    request.r#where = vec![
        Condition { column: "dept".into(), op: ConditionOp::In, values: vec![Value::Integer(1), Value::Integer(2)] },
        Condition { column: "name".into(), op: ConditionOp::IsNotNull, values: vec![] },
    ];
    request.order = vec![OrderKey { column: "id".into(), descending: true }];
    request.limit = Some(5);
    let (statement, values) = statement(Dialect::Postgres, &request).unwrap();
    insta::assert_snapshot!(
        statement.text(),
        @r#"SELECT "id", "name" FROM "emp" WHERE "dept" IN ($1, $2) AND "name" IS NOT NULL ORDER BY "id" DESC LIMIT 5"#
    );
    assert_eq!(values.len(), 2);
    assert!(statement.touch(crate::fuzz::shop().unwrap()).is_ok());
}
