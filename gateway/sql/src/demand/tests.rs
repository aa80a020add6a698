//! Deny first: what does not meet a demand, by every way around it that we know; then what does, and how it is printed.

use std::collections::BTreeMap;

use mountgate_core::{
    Aggregate, Catalogue, Ceiling, Code, ColumnInfo, ColumnName, ColumnType, CompareOp, Filter, Grant, LimitKey,
    Limits, Mask, Node, Refusal, RelationGrant, RelationInfo, RelationName, Scope, Value, ceiling::RelationDeclaration,
};

use crate::{Dialect, Plan, Statement};

const BOTH: [Dialect; 2] = [Dialect::Sqlite, Dialect::Postgres];

/// `tickets` by key, `staff` for statistics with a hidden unit, `dept` without demands.
fn ceiling() -> Ceiling {
    let column = |name: &str, text: bool| ColumnInfo {
        name: name.into(),
        ty: if text { ColumnType::Text } else { ColumnType::Integer },
        store_type: if text { "text" } else { "int8" }.into(),
        loose_equality: false,
    };
    let relation = |name: &str, columns: &[(&str, bool)]| {
        let columns = columns.iter().map(|(name, text)| column(name, *text)).collect();
        let key = vec!["id".into()];
        (RelationName::from(name), RelationInfo { schema: "main".into(), name: name.into(), columns, key })
    };
    let catalogue = Catalogue {
        relations: BTreeMap::from([
            relation("tickets", &[("id", false), ("code", true), ("owner", false), ("body", true)]),
            relation("staff", &[("person", false), ("dept", false), ("u0", true), ("salary", false), ("age", false)]),
            relation("dept", &[("id", false), ("title", true)]),
        ]),
        ..Catalogue::default()
    };
    let names = |list: &[&str]| list.iter().map(|name| ColumnName::from(*name)).collect::<Vec<_>>();
    let declared = BTreeMap::from([
        (
            RelationName::from("tickets"),
            RelationDeclaration {
                columns: names(&["id", "code", "owner", "body"]),
                require: names(&["id"]),
                ..RelationDeclaration::default()
            },
        ),
        (
            RelationName::from("staff"),
            RelationDeclaration {
                columns: names(&["dept", "u0", "salary", "age"]),
                aggregate: Some(Aggregate { unit: "person".into(), min_group: 5 }),
                ..RelationDeclaration::default()
            },
        ),
        (
            RelationName::from("dept"),
            RelationDeclaration { columns: names(&["id", "title"]), ..RelationDeclaration::default() },
        ),
    ]);
    Ceiling::build(&declared, &catalogue, vec![], Limits::default(), LimitKey::default(), None, None).unwrap()
}

fn under(dialect: Dialect, sql: &str, grant: &Grant) -> Result<Plan, Refusal> {
    let ceiling = ceiling();
    let statement = Statement::parse(dialect, sql)?;
    let touch = statement.touch(&ceiling)?;
    statement.enforce(&Scope::narrow(&ceiling, &touch, grant).unwrap())
}

fn plan(dialect: Dialect, sql: &str) -> Result<Plan, Refusal> {
    under(dialect, sql, &Grant::Ceiling)
}

fn refused(dialect: Dialect, sql: &str, code: Code) -> Refusal {
    match plan(dialect, sql) {
        Ok(plan) => panic!("{dialect:?} took {sql} as {}", plan.sql()),
        Err(refusal) => {
            assert_eq!(refusal.code, code, "{dialect:?} {sql}: {refusal:?}");
            refusal
        }
    }
}

fn printed(dialect: Dialect, sql: &str) -> String {
    plan(dialect, sql).unwrap_or_else(|refusal| panic!("{dialect:?} {sql}: {refusal:?}")).sql().to_string()
}

const WITHOUT_A_KEY: &[&str] = &[
    "SELECT * FROM tickets",
    "SELECT count(*) FROM tickets",
    "SELECT * FROM tickets WHERE code = 'x'",
    "SELECT * FROM tickets WHERE id > 1 AND id < 3",
    "SELECT * FROM tickets WHERE id BETWEEN 1 AND 1",
    "SELECT * FROM tickets WHERE id IN (1, 2)",
    "SELECT * FROM tickets WHERE id IN (SELECT 1)",
    "SELECT * FROM tickets WHERE id = (SELECT 1)",
    "SELECT * FROM tickets WHERE id = 1 OR code = 'x'",
    "SELECT * FROM tickets WHERE id = 1 OR id = 1",
    "SELECT * FROM tickets WHERE NOT id = 1",
    "SELECT * FROM tickets WHERE NOT (NOT id = 1)",
    "SELECT * FROM tickets WHERE (id = 1) IS NOT FALSE",
    "SELECT * FROM tickets WHERE id <> 1",
    "SELECT * FROM tickets WHERE id = id",
    "SELECT * FROM tickets WHERE id = owner",
    "SELECT * FROM tickets WHERE id + 0 = 1",
    "SELECT * FROM tickets WHERE coalesce(id, 1) = 1",
    "SELECT * FROM tickets WHERE id = abs(owner)",
    "SELECT * FROM tickets WHERE id IS NOT DISTINCT FROM NULL",
    "SELECT * FROM tickets WHERE id IS NULL",
    "SELECT * FROM tickets WHERE CASE WHEN id = 1 THEN TRUE ELSE TRUE END",
    "SELECT id, count(*) FROM tickets GROUP BY id HAVING id = 1",
    "SELECT *, id = 1 AS k FROM tickets ORDER BY id = 1",
    // Each reference needs its own.
    "SELECT * FROM tickets a, tickets b WHERE a.id = 1",
    "SELECT * FROM tickets a JOIN tickets b ON a.id = b.id WHERE a.id = 1",
    "SELECT * FROM tickets a JOIN tickets b USING (id) WHERE id = 1",
    "SELECT * FROM tickets a NATURAL JOIN tickets b WHERE a.id = 1",
    "SELECT * FROM dept d JOIN tickets t ON t.id = d.id WHERE d.id = 1",
    "SELECT * FROM tickets WHERE id = 1 UNION ALL SELECT * FROM tickets",
    "SELECT * FROM tickets UNION SELECT * FROM tickets WHERE id = 1",
    "SELECT id FROM tickets WHERE id = 1 EXCEPT SELECT id FROM tickets",
    "SELECT * FROM tickets WHERE id = 1 AND EXISTS (SELECT 1 FROM tickets)",
    "SELECT * FROM tickets t WHERE t.id = 1 AND EXISTS (SELECT 1 FROM tickets u WHERE u.owner = t.id)",
    "SELECT (SELECT max(body) FROM tickets) AS b FROM tickets WHERE id = 1",
    "SELECT 1 AS a ORDER BY (SELECT max(body) FROM tickets)",
    "SELECT 1 AS a LIMIT (SELECT max(id) FROM tickets)",
    "SELECT sum(id) OVER (PARTITION BY (SELECT max(body) FROM tickets)) FROM dept",
    "WITH t AS (SELECT * FROM tickets) SELECT * FROM t WHERE id = 1",
    "SELECT * FROM (SELECT * FROM tickets) t WHERE t.id = 1",
    // A condition of another query's.
    "SELECT * FROM tickets t WHERE EXISTS (SELECT 1 FROM dept WHERE t.id = 1)",
    "SELECT * FROM tickets t WHERE t.body = (SELECT 'x' FROM dept d WHERE t.id = 1)",
    // A join's condition that keeps the other rows.
    "SELECT * FROM tickets t LEFT JOIN dept d ON t.id = 1",
    "SELECT * FROM dept d RIGHT JOIN tickets t ON t.id = 1",
    "SELECT * FROM tickets t FULL JOIN dept d ON t.id = d.id AND t.id = 1",
    "SELECT * FROM dept d FULL JOIN tickets t ON t.id = d.id AND t.id = 1",
    "SELECT * FROM dept d CROSS JOIN tickets t",
    "SELECT * FROM tickets t JOIN dept d ON t.id = 1 OR d.id = 2",
    "SELECT * FROM (tickets t LEFT JOIN dept d ON t.id = 1) JOIN dept e ON e.id = 1",
];

#[test]
fn without_its_key_a_look_up_is_refused() {
    for dialect in BOTH {
        for sql in WITHOUT_A_KEY {
            let refusal = refused(dialect, sql, Code::KeyRequired);
            assert!(refusal.message.contains("`tickets`") && refusal.message.contains("`id = …`"), "{refusal:?}");
            assert!(refusal.hint.is_some_and(|hint| hint.contains("`id = `")), "{sql}");
        }
    }
    // What only PostgreSQL has.
    for sql in [
        "SELECT * FROM tickets WHERE id = ANY (ARRAY[1, 2])",
        "SELECT * FROM tickets WHERE (id, owner) = (1, 2)",
        "SELECT * FROM tickets WHERE id::text = '1'",
        "SELECT * FROM dept d, LATERAL (SELECT * FROM tickets t WHERE t.id = d.id) x",
        "SELECT DISTINCT ON (id) * FROM tickets",
        "SELECT id, count(*) FROM tickets GROUP BY GROUPING SETS ((id), ())",
        "SELECT ARRAY(SELECT body FROM tickets)",
        "SELECT * FROM generate_series(1, (SELECT max(id) FROM tickets))",
    ] {
        refused(Dialect::Postgres, sql, Code::KeyRequired);
    }
    // And SQLite.
    for sql in ["SELECT * FROM tickets WHERE id = 1 COLLATE NOCASE", "SELECT id AS k FROM tickets WHERE k > 0"] {
        refused(Dialect::Sqlite, sql, Code::KeyRequired);
    }
}

const WITH_A_KEY: &[&str] = &[
    "SELECT * FROM tickets WHERE id = 1",
    "SELECT * FROM tickets WHERE 1 = id AND body LIKE 'x%'",
    "SELECT * FROM tickets WHERE (body = 'x' AND (code = 'y' AND id = -1))",
    "SELECT * FROM tickets WHERE id = $1 AND code = 'x'",
    "SELECT * FROM tickets WHERE id IN (7)",
    "SELECT * FROM tickets WHERE id = CAST('7' AS INTEGER)",
    "SELECT body AS id FROM tickets WHERE tickets.id = 1",
    "SELECT count(*) FROM tickets WHERE id = 1 GROUP BY code HAVING count(*) > 0",
    "SELECT * FROM tickets a, tickets b WHERE a.id = 1 AND b.id = 2",
    "SELECT * FROM tickets a JOIN tickets b USING (id) WHERE a.id = 1 AND b.id = 1",
    "SELECT * FROM tickets a JOIN dept d ON d.id = a.owner AND a.id = 1",
    "SELECT * FROM dept d LEFT JOIN tickets t ON t.owner = d.id AND t.id = 1",
    "SELECT * FROM tickets t RIGHT JOIN dept d ON t.owner = d.id AND t.id = 1",
    "SELECT * FROM dept d LEFT JOIN tickets t ON t.owner = d.id WHERE t.id = 1",
    "SELECT * FROM dept d FULL JOIN tickets t ON t.owner = d.id WHERE t.id = 1",
    "SELECT * FROM dept e LEFT JOIN (dept d JOIN tickets t ON t.owner = d.id AND t.id = 1) ON e.id = d.id",
    "SELECT * FROM tickets WHERE id = 1 UNION ALL SELECT * FROM tickets WHERE id = 2",
    "SELECT * FROM dept d WHERE EXISTS (SELECT 1 FROM tickets t WHERE t.owner = d.id AND t.id = 1)",
    "WITH t AS (SELECT * FROM tickets WHERE id = 1) SELECT * FROM t a JOIN t b ON a.id = b.id",
    "SELECT * FROM (SELECT * FROM tickets WHERE id = 1) t",
    "SELECT (SELECT body FROM tickets WHERE id = 1) AS b FROM dept",
    "SELECT 1 AS a ORDER BY (SELECT body FROM tickets WHERE id = 1)",
];

#[test]
fn with_its_key_a_look_up_is_answered_and_the_key_is_fixed_within() {
    for dialect in BOTH {
        for sql in WITH_A_KEY {
            let text = printed(dialect, sql);
            let references = text.matches("\"main\".\"tickets\"").count();
            assert!(references > 0);
            // Each reference has its key inside.
            let fixed = text.split("\"main\".\"tickets\" AS ").skip(1).filter(|rest| {
                let alias = rest.split(' ').next().unwrap();
                rest.starts_with(&format!("{alias} WHERE ({alias}.\"id\" = "))
            });
            assert_eq!(fixed.count(), references, "{dialect:?} {sql}\n{text}");
        }
        // Below the fence.
        let text = printed(dialect, "SELECT * FROM tickets WHERE id = 1 AND 1 / owner = 1");
        let fence = if dialect == Dialect::Sqlite { " LIMIT -1)" } else { " OFFSET 0)" };
        assert!(text.contains(&format!("(\"s1\".\"id\" = 1){fence}")), "{text}");
    }
}

#[test]
fn a_read_of_one_table_needs_the_key_too() {
    let condition = |op, values| crate::read::Condition { column: "id".into(), op, values };
    let read = |conditions| crate::ReadRequest {
        from: "tickets".into(),
        select: vec![],
        r#where: conditions,
        order: vec![],
        limit: Some(1),
    };
    for dialect in BOTH {
        let asked = |request: &crate::ReadRequest| {
            let (statement, _) = crate::read::statement(dialect, request).unwrap();
            plan(dialect, statement.text()).map_err(|refusal| refusal.code).map(drop)
        };
        use crate::read::ConditionOp as Op;
        let (one, two) = (Value::Integer(1), Value::Integer(2));
        assert_eq!(asked(&read(vec![])), Err(Code::KeyRequired));
        assert_eq!(asked(&read(vec![condition(Op::Ge, vec![one.clone()])])), Err(Code::KeyRequired));
        assert_eq!(asked(&read(vec![condition(Op::In, vec![one.clone(), two])])), Err(Code::KeyRequired));
        assert_eq!(asked(&read(vec![condition(Op::Eq, vec![one])])), Ok(()));
    }
}

#[test]
fn the_key_is_demanded_whatever_the_verdict_says() {
    let all = || ["id", "code", "owner", "body"].map(|name| (ColumnName::from(name), vec![])).to_vec();
    let granted = |columns, filter| Grant::Narrowed([("tickets".into(), RelationGrant { columns, filter })].into());
    let eq = |column: &str, value: Node| {
        Filter::new(vec![Node::Column(column.into()), value, Node::Compare { op: CompareOp::Eq, left: 0, right: 1 }])
            .ok()
    };
    let code = |sql, grant: &Grant| under(Dialect::Sqlite, sql, grant).map(drop).map_err(|refusal| refusal.code);
    let (every, one) = ("SELECT body FROM tickets", "SELECT body FROM tickets WHERE id = 1");
    assert_eq!(code(every, &granted(all(), None)), Err(Code::KeyRequired));
    assert_eq!(code(every, &granted(all(), eq("owner", Node::Claim("me".into())))), Err(Code::KeyRequired));
    // A filter that fixes the key itself: by a claim, say.
    assert_eq!(code(every, &granted(all(), eq("id", Node::Claim("ticket".into())))), Ok(()));
    // Without the column, or under a mask that many keys have in common, there are no look-ups.
    assert_eq!(code(every, &granted(all().split_off(1), None)), Err(Code::KeyRequired));
    let mut masked = all();
    masked[0].1 = vec![Mask::Bucket { width: 1000 }];
    let refusal = under(Dialect::Sqlite, one, &granted(masked, None)).unwrap_err();
    assert_eq!(refusal.code, Code::KeyRequired);
    assert!(refusal.hint.unwrap().contains("masked"));
}

const NOT_STATISTICS: &[&str] = &[
    "SELECT * FROM staff",
    "SELECT salary FROM staff",
    "SELECT 1 FROM staff",
    "SELECT DISTINCT dept FROM staff",
    "SELECT DISTINCT dept, count(*) FROM staff GROUP BY dept",
    "SELECT salary, count(*) FROM staff GROUP BY dept, salary + 0",
    "SELECT max(salary) FROM staff",
    "SELECT min(salary) FROM staff GROUP BY dept",
    "SELECT string_agg(u0, ',') FROM staff",
    "SELECT count(DISTINCT salary) FROM staff",
    "SELECT sum(DISTINCT salary) FROM staff",
    "SELECT sum(salary) FILTER (WHERE age = 2) FROM staff",
    "SELECT sum(salary) OVER () FROM staff",
    "SELECT sum(salary) OVER (PARTITION BY age) FROM staff GROUP BY dept",
    "SELECT sum(sum(salary)) OVER (ORDER BY dept) FROM staff GROUP BY dept",
    "SELECT sum(salary * 2) FROM staff",
    "SELECT sum(CASE WHEN age = 2 THEN salary END) FROM staff",
    "SELECT sum(1) FROM staff",
    "SELECT avg(salary) / 2 FROM staff",
    "SELECT sum(salary) + count(*) FROM staff",
    "SELECT coalesce(sum(salary), 0) FROM staff",
    "SELECT count(*) FROM staff GROUP BY CASE WHEN age = 2 THEN 1 ELSE 0 END",
    "SELECT count(*) FROM staff GROUP BY dept, age + 1",
    "SELECT dept, count(*) FROM staff GROUP BY dept ORDER BY max(salary)",
    "SELECT dept, count(*) FROM staff GROUP BY dept ORDER BY sum(salary) / count(*)",
    "SELECT dept, count(*) FROM staff GROUP BY dept HAVING max(salary) > 1",
    "SELECT dept, count(*) FROM staff GROUP BY dept HAVING sum(salary) > sum(age)",
    "SELECT dept, count(*) FROM staff GROUP BY dept HAVING 1 / (sum(salary) - 7) = 1",
    "SELECT dept, count(*) FROM staff GROUP BY dept HAVING 1 / (count(*) - 1) = 1",
    // A condition that raises on one row tells of that row, however large its group.
    "SELECT count(*) FROM staff WHERE 1 / (salary - 100) = 1",
    "SELECT count(*) FROM staff WHERE CASE WHEN salary = 7 THEN 1 / age = 1 ELSE TRUE END",
    "SELECT count(*) FROM staff s JOIN dept d ON s.dept = d.id AND 1 / s.age = 1",
    // Other forms of a query around it, and beside it.
    "SELECT count(*) FROM (SELECT * FROM staff) s",
    "SELECT count(*) FROM (SELECT dept, count(*) AS n FROM staff GROUP BY dept) s",
    "SELECT n FROM (SELECT dept, count(*) AS n FROM staff GROUP BY dept) s",
    "WITH s AS (SELECT * FROM staff) SELECT count(*) FROM s",
    "WITH s AS (SELECT 1 AS x) SELECT count(*) FROM staff",
    "SELECT count(*) FROM staff UNION ALL SELECT count(*) FROM staff WHERE age = 2",
    "SELECT count(*) FROM dept UNION SELECT salary FROM staff",
    "SELECT (SELECT count(*) FROM staff) AS n",
    "SELECT (SELECT salary FROM staff LIMIT 1) AS n",
    "SELECT title FROM dept d WHERE EXISTS (SELECT 1 FROM staff s WHERE s.dept = d.id AND s.salary > 100)",
    "SELECT title FROM dept WHERE id IN (SELECT dept FROM staff)",
    "SELECT count(*) FROM staff WHERE dept IN (SELECT id FROM dept)",
    "SELECT count(*) FROM staff WHERE EXISTS (SELECT 1 FROM staff t WHERE t.salary > 100)",
    "SELECT count(*) FROM staff LIMIT (SELECT count(*) FROM dept)",
    "SELECT title FROM dept ORDER BY (SELECT sum(salary) FROM staff WHERE staff.dept = dept.id)",
    "SELECT count(*) FROM dept HAVING (SELECT max(salary) FROM staff) > 1",
    // Joins that add rows of their own, or of no relation.
    "SELECT count(*) FROM staff, dept",
    "SELECT count(*) FROM staff, dept WHERE staff.dept = dept.id",
    "SELECT count(*) FROM staff CROSS JOIN dept",
    "SELECT count(*) FROM staff s JOIN dept d ON s.dept > d.id",
    "SELECT count(*) FROM staff s JOIN dept d ON s.dept = 1",
    "SELECT count(*) FROM staff s JOIN dept d ON d.id = d.id",
    "SELECT count(*) FROM staff s JOIN dept d ON s.dept = d.id OR TRUE",
    "SELECT count(*) FROM staff s LEFT JOIN dept d ON s.dept = d.id",
    "SELECT count(*) FROM dept d LEFT JOIN staff s ON s.dept = d.id",
    "SELECT d.title, count(*) FROM dept d RIGHT JOIN staff s ON s.dept = d.id GROUP BY d.title",
    "SELECT count(*) FROM dept d FULL JOIN staff s ON s.dept = d.id",
    "SELECT count(*) FROM staff s JOIN (VALUES (1), (1), (1), (1), (1)) v ON v.column1 = s.dept",
    "SELECT count(*) FROM staff s JOIN (SELECT 1 AS x UNION ALL SELECT 1) v ON v.x = s.dept",
    "SELECT count(*) FROM (staff s JOIN dept d ON s.dept = d.id) JOIN dept e ON e.id = d.id",
];

#[test]
fn what_is_not_statistics_is_refused() {
    for dialect in BOTH {
        for sql in NOT_STATISTICS {
            let refusal = refused(dialect, sql, Code::AggregateOnly);
            assert!(refusal.message.contains("`staff` answers with statistics only"), "{refusal:?}");
            assert!(refusal.hint.is_some_and(|hint| hint.contains("fewer than 5")));
        }
        // The unit is a hidden column like any other.
        for sql in ["SELECT count(person) FROM staff", "SELECT person, count(*) FROM staff GROUP BY person"] {
            refused(dialect, sql, Code::NotInScope);
        }
    }
    for sql in [
        "SELECT count(*) FROM staff s, LATERAL (SELECT s.salary) x",
        "SELECT count(*) FROM staff s JOIN generate_series(1, 5) g ON g = s.dept",
        "SELECT array_agg(salary) FROM staff",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY salary) FROM staff",
        "SELECT count(*) FROM staff GROUP BY GROUPING SETS ((dept + 1), ())",
        "SELECT DISTINCT ON (dept) dept, count(*) FROM staff GROUP BY dept",
        "SELECT sum(salary ORDER BY age) FROM staff",
        "SELECT row_to_json(staff) FROM staff",
    ] {
        let refusal = plan(Dialect::Postgres, sql).map(|plan| plan.sql().to_string()).unwrap_err();
        assert!(matches!(refusal.code, Code::AggregateOnly | Code::NotInScope), "{sql}: {refusal:?}");
    }
    refused(Dialect::Sqlite, "SELECT total(salary) FROM staff", Code::AggregateOnly);
    refused(Dialect::Sqlite, "SELECT dept, salary, count(*) FROM staff GROUP BY dept", Code::AggregateOnly);
    refused(Dialect::Sqlite, "SELECT group_concat(u0) FROM staff", Code::AggregateOnly);
}

#[test]
fn every_group_is_guarded() {
    // The unit's name steps aside for a column of that name.
    let guard = |item: usize, of: &str| {
        let unit = format!("\"t{item}\".\"u00\"");
        if of.is_empty() {
            format!("(DISTINCT {unit}) >= 5)")
        } else {
            format!("(DISTINCT CASE WHEN {of} IS NOT NULL THEN {unit} END) >= 5)")
        }
    };
    for dialect in BOTH {
        for (sql, guards) in [
            ("SELECT count(*) FROM staff", vec![guard(1, "")]),
            ("SELECT count(1) AS n FROM staff WHERE age > 30 AND (dept = 1 OR u0 LIKE 'a%')", vec![guard(1, "")]),
            ("SELECT dept FROM staff GROUP BY dept", vec![guard(1, "")]),
            ("SELECT dept, 1 AS one, count(*) FROM staff GROUP BY 1 ORDER BY 3 DESC LIMIT 3", vec![guard(1, "")]),
            ("SELECT sum(salary) FROM staff", vec![guard(1, ""), guard(1, "\"t1\".\"salary\"")]),
            (
                "SELECT dept, sum(salary), avg(salary) FROM staff GROUP BY dept HAVING count(age) > 2 OR dept IN (1, 2)",
                vec![guard(1, ""), guard(1, "\"t1\".\"salary\""), guard(1, "\"t1\".\"age\"")],
            ),
            (
                "SELECT dept FROM staff GROUP BY dept ORDER BY sum(salary)",
                vec![guard(1, ""), guard(1, "\"t1\".\"salary\"")],
            ),
            (
                "SELECT d.title, avg(s.salary) FROM staff s JOIN dept d ON d.id = s.dept GROUP BY d.title",
                vec![guard(1, ""), guard(1, "\"t1\".\"salary\"")],
            ),
            // Each reference for itself, and each column in each of them.
            (
                "SELECT sum(b.salary) FROM staff a JOIN staff b ON a.dept = b.dept",
                vec![guard(1, ""), guard(2, ""), guard(1, "\"t2\".\"salary\""), guard(2, "\"t2\".\"salary\"")],
            ),
        ] {
            let text = printed(dialect, sql);
            let having = text.split(" HAVING ").nth(1).unwrap_or_default();
            for guard in &guards {
                assert!(having.contains(guard.as_str()), "{dialect:?} {sql}: {guard}\n{text}");
            }
            assert_eq!(having.matches("(DISTINCT ").count(), guards.len(), "{dialect:?} {sql}\n{text}");
            // Nothing of the agent's stands beside them but under AND.
            assert_eq!(
                having.matches(" AND (").count(),
                having.matches(" >= 5)").count() - 1 + usize::from(sql.contains("HAVING"))
            );
        }
    }
    let text =
        printed(Dialect::Postgres, "SELECT dept, age, grouping(dept), count(*) FROM staff GROUP BY ROLLUP (dept, age)");
    assert!(
        text.contains("GROUP BY ROLLUP") && text.ends_with(&format!("HAVING (pg_catalog.\"count\"{}", guard(1, "")))
    );
}

#[test]
fn groups_are_guarded_whatever_the_verdict_says() {
    let columns = vec![("dept".into(), vec![]), ("salary".into(), vec![Mask::Bucket { width: 100 }])];
    let grant = Grant::Narrowed([("staff".into(), RelationGrant { columns, filter: None })].into());
    for dialect in BOTH {
        assert_eq!(under(dialect, "SELECT salary FROM staff", &grant).unwrap_err().code, Code::AggregateOnly);
        let plan = under(dialect, "SELECT dept, sum(salary) FROM staff GROUP BY dept", &grant).unwrap();
        assert!(
            plan.sql().contains("\"s1\".\"person\" AS \"u0\"") && plan.sql().contains("\"u0\") >= 5)"),
            "{}",
            plan.sql()
        );
    }
}
