//! Rewritten statements on a real SQLite, against the same statement on a database that holds the scoped, masked
//! copies and nothing else: they answer alike. And two databases that differ in hidden data only cannot be told apart.

use std::sync::Arc;

use mountgate_core::Value;
use rusqlite::{Connection, functions::FunctionFlags, types::Value as Cell};

use super::fixture::{Keys, claims, plan};
use crate::Dialect;

/// The store: `emp` of tenants a and b; only a is in scope.
fn full(hidden_salary: i64, hidden_name: &str) -> Connection {
    let db = Connection::open_in_memory().unwrap();
    masks(&db);
    db.execute_batch(
        "CREATE TABLE emp (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, dept INTEGER, salary INTEGER, email TEXT,
                           hired TEXT, tenant TEXT, data TEXT);
         CREATE TABLE dept (id INTEGER, title TEXT);
         CREATE INDEX emp_dept ON emp (dept);
         INSERT INTO dept VALUES (1, 'Sales'), (2, 'Tech'), (3, 'Empty'), (NULL, 'None');",
    )
    .unwrap();
    for (id, name, dept, email, hired, tenant) in [
        (1, Some("Ann"), Some(1), Some("ann@example.com"), "2020-05-01", "a"),
        (2, Some("bob"), Some(2), Some("bob@example.com"), "2021-06-02", "a"),
        (3, Some("Cid"), Some(2), None, "2021-07-03", "a"),
        (4, None, None, Some("d@e.x"), "2022-08-04", "a"),
        (5, Some("Bob"), Some(1), Some("abcd"), "2020-09-05", "a"),
        (11, Some(hidden_name), Some(1), Some("hidden@example.com"), "2019-01-01", "b"),
        (12, Some("0"), Some(0), Some("x"), "2018-01-01", "A"),
        (-9, Some("zero"), Some(2), Some("secret"), "2017-01-01", "b"),
    ] {
        db.execute(
            "INSERT INTO emp VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, '{\"k\": [1, 2]}')",
            rusqlite::params![id, name, dept, hidden_salary, email, hired, tenant],
        )
        .unwrap();
    }
    db
}

/// What the scope leaves, as tables.
fn copies() -> Connection {
    let from = full(100, "Hid");
    let to = Connection::open_in_memory().unwrap();
    to.execute_batch(
        "CREATE TABLE emp (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, dept INTEGER, email TEXT, hired TEXT, data TEXT);
         CREATE TABLE dept (id INTEGER, title TEXT);",
    )
    .unwrap();
    let mut rows = from
        .prepare(
            "SELECT id, name, dept, mountgate_partial(email, 1, 4, '*'), mountgate_truncate(hired, 'year'), data
             FROM emp WHERE tenant = 'a' COLLATE BINARY",
        )
        .unwrap();
    let mut rows = rows.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let cells: Vec<Cell> = (0..6).map(|at| row.get(at).unwrap()).collect();
        to.execute("INSERT INTO emp VALUES (?1, ?2, ?3, ?4, ?5, ?6)", rusqlite::params_from_iter(cells)).unwrap();
    }
    let mut rows = from.prepare("SELECT id, title FROM dept").unwrap();
    let mut rows = rows.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let cells: Vec<Cell> = (0..2).map(|at| row.get(at).unwrap()).collect();
        to.execute("INSERT INTO dept VALUES (?1, ?2)", rusqlite::params_from_iter(cells)).unwrap();
    }
    to
}

/// Masks as the driver has them, near enough for a comparison with themselves.
fn masks(db: &Connection) {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    db.create_scalar_function("mountgate_partial", 4, flags, |context| {
        let Some(text) = context.get::<Option<String>>(0)? else { return Ok(None) };
        let (first, last) = (context.get::<i64>(1)? as usize, context.get::<i64>(2)? as usize);
        let fill: String = context.get(3)?;
        let chars: Vec<char> = text.chars().collect();
        let whole = chars.len() <= first + last;
        Ok(Some(
            chars
                .iter()
                .enumerate()
                .map(
                    |(at, ch)| {
                        if whole || (at >= first && at < chars.len() - last) { fill.clone() } else { ch.to_string() }
                    },
                )
                .collect::<String>(),
        ))
    })
    .unwrap();
    db.create_scalar_function("mountgate_short", 2, flags, |context| Ok(context.get_arg(0))).unwrap();
    db.create_scalar_function("mountgate_truncate", 2, flags, |context| {
        let text: Option<String> = context.get(0)?;
        Ok(text.map(|text| format!("{}-01-01", text.get(..4).unwrap_or_default())))
    })
    .unwrap();
}

fn run(db: &Connection, sql: &str, values: &[Value]) -> Result<(Vec<String>, Vec<String>), String> {
    let mut statement = db.prepare(sql).map_err(|error| format!("{error}"))?;
    let names = statement.column_names().map(str::to_owned).collect();
    let cells = values.iter().map(|value| match value {
        Value::Integer(number) => Cell::Integer(*number),
        Value::Text(text) => Cell::Text(text.clone()),
        Value::Bytes(bytes) => Cell::Blob(bytes.clone()),
        Value::Null => Cell::Null,
        other => panic!("{other:?}"),
    });
    let width = statement.column_count();
    let mut rows = statement.query(rusqlite::params_from_iter(cells)).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    loop {
        match rows.next() {
            Ok(Some(row)) => {
                found.push(
                    (0..width).map(|at| format!("{:?}", row.get::<_, Cell>(at).unwrap())).collect::<Vec<_>>().join("|"),
                );
            }
            Ok(None) => return Ok((names, found)),
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn rewritten(db: &Connection, sql: &str, parameters: &[Value]) -> Result<(Vec<String>, Vec<String>), String> {
    let plan = Arc::new(plan(Dialect::Sqlite, sql).unwrap_or_else(|refusal| panic!("{sql}: {refusal}")));
    let read = plan.authorize(parameters, &claims(), &Keys).unwrap();
    run(db, read.get().sql(), read.get().values())
}

const ALIKE: &[&str] = &[
    "SELECT * FROM emp",
    "SELECT id, name FROM emp WHERE id = 2",
    "SELECT emp.* FROM emp WHERE dept IN (1, 2) ORDER BY id DESC",
    "SELECT main.emp.name FROM main.emp",
    "SELECT count(*) FROM emp",
    "SELECT count(*), count(dept), count(DISTINCT dept), sum(id), min(name), max(email), avg(id) FROM emp",
    "SELECT name FROM emp WHERE name = 'BOB' ORDER BY id",
    "SELECT name FROM emp WHERE name = 'BOB' COLLATE BINARY",
    "SELECT email FROM emp WHERE email = 'a**********.com'",
    "SELECT id FROM emp WHERE email = 'ann@example.com'",
    "SELECT hired, count(*) FROM emp GROUP BY hired ORDER BY hired",
    "SELECT hired AS h, count(*) AS n FROM emp GROUP BY h HAVING n > 1 ORDER BY n, h",
    "SELECT dept, count(*) FROM emp GROUP BY 1 ORDER BY 2 DESC, 1",
    "SELECT e.name, d.title FROM emp e JOIN dept d ON d.id = e.dept ORDER BY e.id",
    "SELECT e.name, d.title FROM emp e LEFT JOIN dept d ON d.id = e.dept AND d.title = 'Tech' ORDER BY e.id",
    "SELECT e.name, d.title FROM emp e RIGHT JOIN dept d ON d.id = e.dept ORDER BY d.title, e.id",
    "SELECT e.name, d.title FROM emp e FULL JOIN dept d ON d.id = e.dept ORDER BY d.title, e.id",
    "SELECT * FROM emp JOIN dept USING (id)",
    "SELECT id FROM emp FULL JOIN dept USING (id) ORDER BY id",
    "SELECT * FROM emp a NATURAL JOIN (SELECT id, title FROM dept) b",
    "SELECT * FROM emp, dept WHERE emp.dept = dept.id ORDER BY emp.id",
    "SELECT * FROM (emp a JOIN dept d ON a.dept = d.id) JOIN dept f ON f.id = d.id",
    "SELECT (SELECT title FROM dept WHERE dept.id = emp.dept) AS t FROM emp ORDER BY id",
    "SELECT name FROM emp e WHERE EXISTS (SELECT 1 FROM dept d WHERE d.id = e.dept AND d.title = 'Tech')",
    "SELECT name FROM emp WHERE dept NOT IN (SELECT id FROM dept WHERE id IS NOT NULL AND title <> 'Tech')",
    "SELECT id FROM emp UNION SELECT id FROM dept ORDER BY 1",
    "SELECT id AS x FROM emp UNION ALL SELECT id FROM dept ORDER BY x",
    "SELECT id FROM emp EXCEPT SELECT id FROM dept INTERSECT SELECT 5",
    "SELECT 1 UNION SELECT 2 INTERSECT SELECT 2",
    "WITH x AS (SELECT id, name FROM emp), y(a) AS (SELECT id FROM x) SELECT * FROM y WHERE a > 2",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i, name FROM n LEFT JOIN emp ON id = i",
    "WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT * FROM n",
    "SELECT name, row_number() OVER (ORDER BY id) AS r FROM emp ORDER BY r",
    "SELECT dept, sum(id) OVER (PARTITION BY dept ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM emp ORDER BY id",
    "SELECT id, lag(name) OVER w, rank() OVER (w) FROM emp WINDOW w AS (ORDER BY hired, id)",
    "SELECT sum(id) FILTER (WHERE dept = 2) FROM emp",
    "SELECT DISTINCT dept FROM emp ORDER BY dept",
    "SELECT CASE WHEN dept = 1 THEN 'one' WHEN dept IS NULL THEN 'none' ELSE 'more' END AS c FROM emp ORDER BY id",
    "SELECT CASE dept WHEN 1 THEN name END FROM emp ORDER BY id",
    "SELECT CAST(id AS TEXT), CAST('7' AS INTEGER) + 1 FROM emp",
    "SELECT upper(name) || '-' || coalesce(email, '?') FROM emp ORDER BY id",
    "SELECT name FROM emp WHERE name LIKE 'b%' ORDER BY name COLLATE BINARY",
    "SELECT name FROM emp WHERE name GLOB 'B*'",
    "SELECT name FROM emp WHERE name LIKE '%\\_%' ESCAPE '\\'",
    "SELECT name FROM emp WHERE id BETWEEN 2 AND 3 AND NOT dept IS NULL",
    "SELECT data ->> '$.k[0]', json_extract(data, '$.k') FROM emp",
    "SELECT emp.id, j.value FROM emp, json_each(emp.data, '$.k') j ORDER BY emp.id, j.key",
    "SELECT id + 1 AS next, next * 2 FROM (SELECT id, id AS next FROM emp) ORDER BY next",
    "SELECT id * 2 AS twice FROM emp WHERE twice > 4 ORDER BY twice DESC LIMIT 2",
    "SELECT id FROM emp ORDER BY name COLLATE NOCASE, id LIMIT 2 OFFSET 1",
    "SELECT id FROM emp ORDER BY id LIMIT 1, 2",
    "SELECT id FROM emp ORDER BY dept NULLS LAST, id",
    "VALUES (1, 'a'), (2, NULL)",
    "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) v WHERE column1 = 2",
    "SELECT 1 + 2 || 'a', 2 * 3 || 4, 1 | 2 + 4, 1 < 2 = 1, NOT 1 = 2, - 2 * 3, 1 = 1 = 1",
    "SELECT 9223372036854775807, 1e3, .5, 2., X'00ff', TRUE, NULL, 'it''s'",
    "SELECT (1, 2) = (1, 2), (1, 'a') IN (VALUES (1, 'a'))",
    "SELECT (SELECT count(*) FROM emp b WHERE b.dept = a.dept) AS n, a.id FROM emp a ORDER BY 1 DESC, 2",
    "SELECT max(id), name FROM emp",
    "SELECT d.title, (SELECT group_concat(name) FROM (SELECT name FROM emp WHERE dept = d.id ORDER BY id)) FROM dept d ORDER BY 1",
    "SELECT id IS NULL, id IS NOT DISTINCT FROM 1, id IN () FROM emp",
    "SELECT s.* FROM (SELECT e.*, d.title FROM emp e, dept d WHERE d.id = e.dept) AS s WHERE s.title = 'Tech'",
    "SELECT \"id\" AS \"The \"\"Id\"\"\", [name], `dept` FROM \"emp\"",
    "SELECT count(*) AS n FROM emp GROUP BY dept HAVING count(*) > 1 ORDER BY n",
    r#"SELECT id FROM emp WHERE name = "bob" OR email LIKE "%cid%" ORDER BY id"#,
    r#"SELECT "salary", ("salami"), "a""b" FROM emp WHERE "salary" <> "dept" ORDER BY "salary""#,
    r#"SELECT * FROM (SELECT "salary", "a""b", "x" || 1 FROM emp)"#,
    "SELECT replace(name, upper('b'), name), instr(email, name), trim(name, id), instr(data, x'5b') FROM emp",
    r#"SELECT "one" UNION SELECT "two" ORDER BY 1"#,
    r#"SELECT "salary" AS s, count(*) FROM emp GROUP BY "salary", s HAVING "s" = "salary""#,
    r#"WITH c AS (SELECT "tenant" FROM emp) SELECT DISTINCT * FROM c"#,
    "SELECT e.name, e.title FROM emp e JOIN dept e ON e.dept = 1 AND e.title = 'Sales' WHERE e.hired > '2000' ORDER BY 1",
    "SELECT id FROM emp WHERE dept IN ((SELECT 1), (SELECT max(id) FROM dept)) AND id NOT IN ((SELECT 2), 3)",
    "SELECT id FROM emp WHERE dept IN ((SELECT id FROM dept WHERE title < 'Tech'))",
];

#[test]
fn answers_as_on_the_scoped_copies() {
    let (store, copy) = (full(100, "Hid"), copies());
    let mut compared = 0;
    for sql in ALIKE {
        let wanted = run(&copy, sql, &[]).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let mut found = rewritten(&store, sql, &[]).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let mut wanted = wanted;
        if !sql.contains("ORDER BY") {
            wanted.1.sort();
            found.1.sort();
        }
        assert_eq!(found, wanted, "{sql}\n{}", plan(Dialect::Sqlite, sql).unwrap().sql());
        compared += 1;
    }
    assert!(compared >= 60);
}

#[test]
fn parameters_bind_as_on_the_scoped_copies() {
    let (store, copy) = (full(100, "Hid"), copies());
    for (sql, parameters) in [
        ("SELECT name FROM emp WHERE id = ?", vec![Value::Integer(2)]),
        ("SELECT name FROM emp WHERE id = ?1 OR name = ?2", vec![Value::Integer(1), Value::Text("BOB".into())]),
        ("SELECT id FROM emp WHERE dept = $1 AND id > $1", vec![Value::Integer(1)]),
        ("SELECT ?2, ?1", vec![Value::Integer(1), Value::Text("x".into())]),
        ("SELECT id FROM emp LIMIT ?", vec![Value::Integer(2)]),
    ] {
        assert_eq!(rewritten(&store, sql, &parameters).unwrap().1, run(&copy, sql, &parameters).unwrap().1, "{sql}");
    }
}

#[test]
fn hidden_data_does_not_show() {
    let (one, other) = (full(100, "Hid"), full(-7, "0"));
    for sql in ALIKE.iter().copied().chain([
        // Predicates that raise on hidden rows, were they to see them.
        "SELECT id FROM emp WHERE abs(CASE WHEN name = '0' THEN -9223372036854775807 - 1 ELSE 1 END) = 1",
        "SELECT id FROM emp WHERE json_extract(CASE WHEN name = '0' THEN 'bad' ELSE '{}' END, '$') = 1",
        "SELECT e.id FROM dept d JOIN emp e ON abs(CASE WHEN e.name = '0' THEN -9223372036854775807 - 1 ELSE 1 END) = d.id",
        "SELECT x FROM (SELECT abs(CASE WHEN name = '0' THEN -9223372036854775807 - 1 ELSE id END) AS x FROM emp) WHERE x = 1",
    ]) {
        let answer = rewritten(&one, sql, &[]);
        assert_eq!(answer, rewritten(&other, sql, &[]), "{sql}");
        assert!(answer.is_ok(), "{sql}: {answer:?}");
    }
}

#[test]
fn without_its_fence_a_predicate_shows_hidden_data() {
    // What an index covers is looked at before the row and its filter are: row 12 is another tenant's.
    let sql = "SELECT id FROM emp WHERE dept BETWEEN -1 AND 9 \
        AND abs(CASE WHEN dept = 0 THEN -9223372036854775807 - 1 ELSE 1 END) = 1";
    let db = full(100, "Hid");
    assert!(rewritten(&db, sql, &[]).is_ok());
    let plan = plan(Dialect::Sqlite, sql).unwrap();
    let bare = plan.sql().replace(" LIMIT -1", "");
    assert_ne!(*bare, **plan.sql());
    let told = run(&db, &bare, &[Value::Text("a".into())]).unwrap_err();
    assert!(told.contains("overflow"), "{told}");
}

#[test]
fn a_claim_matches_bytewise() {
    // `tenant` of row 12 is `A`: under NOCASE it would be seen.
    let db = full(1, "x");
    db.execute_batch("DROP INDEX emp_dept; CREATE TABLE e2 AS SELECT * FROM emp; DROP TABLE emp;
        CREATE TABLE emp (id INTEGER, name TEXT, dept INTEGER, salary INTEGER, email TEXT, hired TEXT, tenant TEXT COLLATE BINARY, data TEXT);
        INSERT INTO emp SELECT * FROM e2;").unwrap();
    assert_eq!(rewritten(&db, "SELECT count(*) FROM emp", &[]).unwrap().1, ["Integer(5)"]);
}

#[test]
fn without_its_claim_nothing_is_authorized() {
    let plan = Arc::new(plan(Dialect::Sqlite, "SELECT * FROM emp").unwrap());
    let code = |claims| plan.authorize(&[], &claims, &Keys).unwrap_err().code;
    assert_eq!(code(Default::default()), mountgate_core::Code::ClaimMissing);
    for wrong in [
        mountgate_core::ClaimValue::Integer(1),
        mountgate_core::ClaimValue::Texts(vec!["a".into()]),
        mountgate_core::ClaimValue::Text("a\0".into()),
    ] {
        assert_eq!(code([("tenant".into(), wrong)].into()), mountgate_core::Code::ClaimMistyped);
    }
    let superfluous = plan.authorize(&[Value::Null], &claims(), &Keys).unwrap_err().code;
    assert_eq!(superfluous, mountgate_core::Code::ParameterInvalid);
}
