//! What generated statements found, each with the smallest statement that showed it.

use mountgate_core::Code;

use super::fixture::{plan, printed, refused};
use crate::Dialect::{Postgres, Sqlite};

fn names(dialect: crate::Dialect, sql: &str) -> Vec<String> {
    let plan = plan(dialect, sql).unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
    plan.columns().iter().map(|column| column.name.clone()).collect()
}

#[test]
fn a_parenthesised_join_sees_nothing_to_its_left() {
    // SQLite makes a derived table of it: `name` is `e`'s, or the outer query's, and never the sibling's.
    let sql = "SELECT 1 FROM emp a JOIN (dept d JOIN emp e ON d.id = e.dept AND name = 'x') ON a.id = d.id";
    assert!(plan(Sqlite, sql).is_ok());
    let sql =
        "SELECT (SELECT 1 FROM dept a JOIN (dept b JOIN dept c ON b.id = c.id AND a.id = 1) ON a.id = b.id) FROM emp a";
    let printed = printed(Sqlite, sql);
    assert!(printed.contains("\"t1\".\"id\" = 1"), "the outer query's `a` is meant: {printed}");
    assert_eq!(refused(Sqlite, &sql.replace("FROM emp a", "FROM emp o")), Code::NotInScope);
}

#[test]
fn a_merged_column_is_spelt_as_its_store_spells_it() {
    assert_eq!(names(Sqlite, "SELECT * FROM dept JOIN emp USING (ID)")[0], "id");
    assert_eq!(names(Postgres, "SELECT * FROM dept JOIN emp USING (ID)")[0], "id");
}

#[test]
fn a_cte_of_sqlite_names_each_of_its_columns() {
    assert_eq!(refused(Sqlite, "WITH c (k) AS (SELECT id, title FROM dept) SELECT k FROM c"), Code::TypeMismatch);
    assert!(plan(Postgres, "WITH c (k) AS (SELECT id, title FROM dept) SELECT k FROM c").is_ok());
}

#[test]
fn postgres_names_casts_and_cases_by_what_is_in_them() {
    for (sql, name) in [
        ("SELECT (TIMESTAMP '2026-01-01')::date", "date"),
        ("SELECT CASE WHEN true THEN 1 ELSE coalesce(1, 2) END", "coalesce"),
        ("SELECT CASE WHEN true THEN 1 ELSE 1::int END", "case"),
        ("SELECT (CASE WHEN true THEN 1 ELSE 2 END)::int", "int4"),
        ("SELECT (coalesce(1, 2))::text", "coalesce"),
        ("SELECT (INTERVAL '1 day')::text", "text"),
    ] {
        assert_eq!(names(Postgres, sql), [name], "{sql}");
    }
}

#[test]
fn a_column_called_false_is_not_the_truth_of_a_filter() {
    // SQLite reads TRUE and FALSE as names where something is called so: a table's column, or an output.
    use mountgate_core::{
        Catalogue, Ceiling, ColumnInfo, ColumnName, ColumnType, Grant, LimitKey, Limits, RelationInfo, RelationName,
        Scope, ceiling::RelationDeclaration,
    };
    let column = |name: &str| ColumnInfo {
        name: ColumnName::from(name),
        ty: ColumnType::Integer,
        store_type: "INTEGER".into(),
        loose_equality: false,
    };
    let columns = vec![column("id"), column("FALSE"), column("true")];
    let info = RelationInfo { schema: "main".into(), name: "odd".into(), columns, key: vec![] };
    let catalogue = Catalogue { relations: [(RelationName::from("odd"), info)].into(), ..Catalogue::default() };
    let db = rusqlite::Connection::open_in_memory().unwrap();
    db.execute_batch(
        "CREATE TABLE odd (id INTEGER, \"FALSE\" INTEGER, \"true\" INTEGER); INSERT INTO odd VALUES (1, 1, 0);",
    )
    .unwrap();
    for (filter, sql, count) in [
        ("FALSE", "SELECT count(*) FROM odd", 0),
        ("NOT TRUE", "SELECT count(*) FROM odd", 0),
        ("id = 2 OR FALSE", "SELECT count(*) FROM odd", 0),
        ("TRUE", "SELECT count(*) FROM odd", 1),
        ("TRUE", "SELECT count(*) AS \"FALSE\" FROM (SELECT id FROM odd) WHERE 1 = 1", 1),
        // An output that is called so without the agent's doing.
        ("TRUE", "SELECT FALSE FROM odd UNION SELECT max(id) FROM odd WHERE 1 = 0 OR FALSE", 0),
    ] {
        let declaration = RelationDeclaration {
            columns: vec!["id".into()],
            filter: Some(crate::filter::parse(filter).unwrap()),
            ..RelationDeclaration::default()
        };
        let declared = [(RelationName::from("odd"), declaration)].into();
        let ceiling =
            Ceiling::build(&declared, &catalogue, vec![], Limits::default(), LimitKey::Agent, None, None).unwrap();
        let statement = crate::Statement::parse(Sqlite, sql).unwrap();
        let touch = statement.touch(&ceiling).unwrap();
        let plan = statement.enforce(&Scope::narrow(&ceiling, &touch, &Grant::Ceiling).unwrap()).unwrap();
        let found: Option<i64> =
            db.query_row(plan.sql(), [], |row| row.get(0)).unwrap_or_else(|error| panic!("{error}: {}", plan.sql()));
        assert_eq!(found.unwrap_or(0), count, "{filter}: {}", plan.sql());
    }
}

#[test]
fn a_mask_that_another_replaces_binds_nothing() {
    use mountgate_core::{Grant, Mask, RelationGrant, Scope};
    for dialect in super::fixture::BOTH {
        let ceiling = crate::fuzz::shop().unwrap();
        let statement = crate::Statement::parse(dialect, "SELECT email FROM emp").unwrap();
        let touch = statement.touch(ceiling).unwrap();
        for last in [Mask::Null, Mask::Fixed(mountgate_core::Value::Text("x".into()))] {
            let masks = vec![
                ceiling.relation(&"emp".into()).unwrap().column(&"email".into()).unwrap().masks[0].clone(),
                Mask::Hash,
                last,
            ];
            let grant = RelationGrant { columns: vec![("email".into(), masks)], filter: None };
            let scope = Scope::narrow(ceiling, &touch, &Grant::Narrowed([("emp".into(), grant)].into())).unwrap();
            let plan = statement.enforce(&scope).unwrap();
            for (at, bind) in plan.binds().iter().enumerate() {
                let sign = if dialect == Sqlite { "?" } else { "$" };
                assert!(plan.sql().contains(&format!("{sign}{}", at + 1)), "{bind:?} is in {}", plan.sql());
            }
        }
    }
}

#[test]
fn a_functions_alias_is_the_last_thing_that_a_name_means() {
    // A column of an outer query comes first.
    let sql = "SELECT (SELECT min(n) FROM generate_series(1, 4) AS id(n) WHERE id > 2) FROM dept";
    assert!(printed(Postgres, sql).contains("\"t1\".\"id\" > 2"));
}

#[test]
fn no_truth_of_sqlites_is_printed_by_its_word() {
    // Beside an output called TRUE, SQLite reads the word as that output.
    for (sql, how) in [
        ("SELECT id IS TRUE FROM emp", "(CASE WHEN \"t1\".\"id\" THEN 1 ELSE 0 END)"),
        ("SELECT id IS NOT TRUE FROM emp", "(CASE WHEN \"t1\".\"id\" THEN 0 ELSE 1 END)"),
        ("SELECT id IS FALSE FROM emp", "(CASE WHEN NOT \"t1\".\"id\" THEN 1 ELSE 0 END)"),
        ("SELECT id IS NOT FALSE FROM emp", "(CASE WHEN NOT \"t1\".\"id\" THEN 0 ELSE 1 END)"),
        // These ask for the truth too, and not whether it is 1.
        ("SELECT id IS (TRUE) FROM emp", "(CASE WHEN \"t1\".\"id\" THEN 1 ELSE 0 END)"),
        ("SELECT id IS NOT DISTINCT FROM FALSE FROM emp", "(CASE WHEN NOT \"t1\".\"id\" THEN 1 ELSE 0 END)"),
        ("SELECT id IS DISTINCT FROM TRUE FROM emp", "(CASE WHEN \"t1\".\"id\" THEN 0 ELSE 1 END)"),
    ] {
        let printed = printed(Sqlite, sql);
        assert!(printed.starts_with(&format!("SELECT {how} AS ")), "{sql}: {printed}");
    }
}

#[test]
fn aggregates_over_an_outer_querys_columns_are_refused() {
    for sql in [
        "SELECT (SELECT sum(e.id) FROM dept) FROM emp e",
        "SELECT id FROM emp e GROUP BY id HAVING EXISTS (SELECT 1 FROM dept d WHERE d.id = max(e.dept))",
        "SELECT (SELECT count(e.id) FROM (SELECT 1 AS one) s) FROM emp e",
        "SELECT (SELECT (SELECT min(e.id) FROM dept d) FROM dept f) FROM emp e",
        "SELECT (SELECT max(x) FROM (SELECT 1 AS one) s) FROM (SELECT id AS x FROM emp) e",
    ] {
        for dialect in [Sqlite, Postgres] {
            let refusal = plan(dialect, sql).map(|plan| plan.sql().to_string()).unwrap_err();
            assert_eq!(refusal.code, Code::Unsupported, "{dialect:?} {sql}");
            assert!(refusal.message.contains("outer query"), "{dialect:?} {sql}: {refusal}");
        }
    }
    for sql in [
        // One column of its own, or none at all, and it is its own.
        "SELECT (SELECT sum(e.id + d.id) FROM dept d) FROM emp e",
        "SELECT (SELECT count(*) FROM dept d WHERE d.id = e.dept) FROM emp e",
        "SELECT (SELECT sum(1) FROM dept) FROM emp e",
        "SELECT (SELECT max(d.id) FROM dept d WHERE d.title = e.name) FROM emp e",
        "SELECT sum((SELECT max(d.id) FROM dept d WHERE d.id = e.dept)) FROM emp e",
        "SELECT (SELECT sum(e.id) OVER () FROM dept LIMIT 1) FROM emp e",
        "SELECT (SELECT max(j.id) FROM (emp j JOIN dept k ON j.dept = k.id)) FROM emp e",
    ] {
        for dialect in [Sqlite, Postgres] {
            plan(dialect, sql).unwrap_or_else(|refusal| panic!("{dialect:?} {sql}: {refusal}"));
        }
    }
}

#[test]
fn a_limit_names_nothing_of_its_own_query() {
    // PostgreSQL looks there first, and refuses what it finds; SQLite looks nowhere.
    let outer = "SELECT (SELECT d.title FROM dept d ORDER BY 1 LIMIT (SELECT e.dept)) FROM emp e";
    assert!(plan(Postgres, outer).is_ok());
    assert_eq!(refused(Sqlite, outer), Code::NotInScope);
    for sql in [
        "SELECT (SELECT d.title FROM dept d ORDER BY 1 LIMIT (SELECT id)) FROM emp e",
        "SELECT id FROM emp LIMIT (SELECT id)",
        "SELECT id FROM emp LIMIT 1 OFFSET (SELECT max(d.id) FROM dept d WHERE d.id = emp.dept)",
        "SELECT id FROM emp LIMIT id",
    ] {
        for dialect in [Sqlite, Postgres] {
            assert_eq!(refused(dialect, sql), Code::NotInScope, "{dialect:?} {sql}");
        }
    }
    for dialect in [Sqlite, Postgres] {
        plan(dialect, "SELECT id FROM emp LIMIT (SELECT max(id) FROM dept)").unwrap();
        plan(dialect, "SELECT (SELECT d.id FROM dept d WHERE d.id = e.dept LIMIT 1) FROM emp e").unwrap();
    }
}

#[test]
fn what_is_looked_for_may_come_through_values_and_derived_tables() {
    for sql in [
        "SELECT strpos(name, v.w) FROM emp, (VALUES ('a'), ('bc')) AS v(w)",
        "SELECT replace(name, d.t, '') FROM emp, (SELECT lower(title) AS t FROM dept) d",
        "WITH w AS (SELECT title || ' ' || id::text AS t FROM dept) SELECT split_part(name, t, 1) FROM emp, w",
        "SELECT strpos(name, (SELECT max(title) FROM dept)) FROM emp",
        "SELECT strpos(name, (SELECT title FROM dept LIMIT 1)) FROM emp",
        "SELECT btrim(name, w) FROM emp, unnest(ARRAY['a', 'b']) AS w",
        "SELECT replace(name, min(email), '') FROM emp GROUP BY name",
        "SELECT strpos(name, lag(name) OVER (ORDER BY id)) FROM emp",
    ] {
        plan(Postgres, sql).unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
    }
    let long = "x".repeat(1001);
    let doubled = |times: usize| {
        let inner = "(SELECT name AS s FROM emp) t0".to_owned();
        (0..times).fold(inner, |inner, at| format!("(SELECT s || s AS s FROM {inner}) t{}", at + 1))
    };
    for sql in [
        format!("SELECT strpos(name, v.w) FROM emp, (VALUES ('a'), ('{long}')) AS v(w)"),
        "SELECT btrim(name, v.w) FROM emp, (SELECT repeat('a', 5000) AS w) v".to_owned(),
        format!("SELECT strpos('a', s) FROM {}", doubled(7)),
        "WITH RECURSIVE r(s, n) AS (SELECT 'a'::text, 1 UNION ALL SELECT s || s, n + 1 FROM r WHERE n < 30) \
         SELECT strpos('b', s) FROM r"
            .to_owned(),
        "SELECT strpos(name, w) FROM emp, (SELECT string_agg(title, '') AS w FROM dept) d".to_owned(),
        "SELECT strpos(name, (10::numeric ^ 100000)::text) FROM emp".to_owned(),
        format!(
            "SELECT strpos(name, x) FROM emp, (SELECT {}id{} AS x FROM dept) d",
            "quote_literal(".repeat(9),
            ")".repeat(9)
        ),
        "SELECT strpos(name, x) FROM emp, (SELECT '' AS x UNION ALL SELECT string_agg(title, '') FROM dept) d"
            .to_owned(),
    ] {
        assert_eq!(refused(Postgres, &sql), Code::Unsupported, "{sql}");
    }
    plan(Postgres, &format!("SELECT strpos('a', s) FROM {}", doubled(6))).unwrap();
}

#[test]
fn a_table_called_like_a_function_in_from_does_not_stand_in_for_it() {
    // Its existence would show: hidden, it made `json_each` no function.
    let db = rusqlite::Connection::open_in_memory().unwrap();
    db.execute_batch(
        "CREATE TABLE json_each (value); INSERT INTO json_each VALUES ('canary'); CREATE TABLE json_tree (value);
         CREATE TABLE emp (id, name, dept, salary, email, hired, tenant, data);",
    )
    .unwrap();
    for sql in ["SELECT value FROM json_each('[7]')", "SELECT value FROM json_tree('[7]') WHERE atom IS NOT NULL"] {
        assert!(db.prepare(sql).is_err(), "{sql} is the table");
        let plan = plan(Sqlite, sql).unwrap();
        let found: i64 = db.query_row(plan.sql(), [], |row| row.get(0)).unwrap();
        assert_eq!(found, 7, "{sql}");
    }
}

#[test]
fn what_a_full_join_merged_is_named_by_its_text_in_sqlite() {
    assert_eq!(names(Sqlite, "SELECT \"id\", ID FROM emp FULL JOIN dept USING (id)"), ["\"id\"", "ID"]);
    assert_eq!(names(Sqlite, "SELECT * FROM emp FULL JOIN dept USING (id)")[0], "id");
    assert_eq!(names(Sqlite, "SELECT \"id\" FROM emp RIGHT JOIN dept USING (id)"), ["id"]);
    assert_eq!(names(Sqlite, "SELECT \"id\" FROM emp LEFT JOIN dept USING (id)"), ["id"]);
    assert_eq!(names(Postgres, "SELECT \"id\", ID FROM emp FULL JOIN dept USING (id)"), ["id", "id"]);
}

#[test]
fn distinct_on_an_output_is_on_its_number() {
    for sql in ["SELECT DISTINCT ON (x) 1.5 AS x, id FROM emp", "SELECT DISTINCT ON (1) 'a', id FROM emp"] {
        assert!(printed(Postgres, sql).starts_with("SELECT DISTINCT ON (1) "), "{}", printed(Postgres, sql));
    }
    assert!(printed(Postgres, "SELECT DISTINCT ON (id) name FROM emp").contains("DISTINCT ON (\"t1\".\"id\") "));
}

#[test]
fn a_name_of_on_that_something_to_its_right_has_is_refused() {
    // SQLite looks in all of FROM before it looks further out, and takes `o`'s, which stands to the right.
    let around = |from: &str| format!("SELECT (SELECT 1 FROM {from} LIMIT 1) FROM emp o");
    for from in [
        "dept a JOIN dept b ON a.id = b.id AND o.dept = 1 LEFT JOIN emp o ON o.id = a.id",
        "dept a JOIN dept b ON a.id = b.id AND name = 'x' LEFT JOIN emp c ON c.id = a.id",
        "dept a JOIN dept b ON EXISTS (SELECT 1 FROM dept c WHERE c.id = o.dept), emp o",
        "dept a JOIN (dept b JOIN dept c ON o.dept = 1 JOIN emp o ON 1 = 1) ON a.id = b.id",
        "json_each(o.data), emp o",
    ] {
        assert_eq!(refused(Sqlite, &around(from)), Code::Ambiguous, "{from}");
    }
    for from in [
        "dept a JOIN dept b ON a.id = b.id AND o.dept = 1 LEFT JOIN emp p ON p.id = a.id",
        "dept a JOIN (dept b JOIN dept c ON o.dept = 1) ON a.id = b.id",
        "json_each(o.data), emp p",
    ] {
        assert!(plan(Sqlite, &around(from)).is_ok(), "{from}");
    }
    assert!(
        plan(Sqlite, "SELECT 1 FROM emp o WHERE o.id IN (SELECT a.id FROM dept a JOIN dept b ON a.id = o.dept)")
            .is_ok()
    );
}

#[test]
fn an_outer_column_without_regard_to_case_is_no_column_of_a_derived_table() {
    // Through two derived tables SQLite loses the collation, and compares otherwise than with the table itself.
    for sql in [
        "SELECT id FROM emp e WHERE EXISTS (SELECT 1 FROM (SELECT e.name AS n) m WHERE m.n = 'bob')",
        "SELECT id FROM emp e WHERE EXISTS (SELECT 1 FROM (SELECT e.name AS n UNION ALL SELECT 'z') m WHERE m.n = 'bob')",
        "SELECT id FROM emp e WHERE EXISTS (SELECT 1 FROM (VALUES (e.name)) m WHERE m.column1 = 'bob')",
        "SELECT id, (WITH m AS (SELECT name AS n) SELECT n = 'bob' FROM m) FROM emp",
        "SELECT id FROM (SELECT * FROM emp) e WHERE EXISTS (SELECT 1 FROM (SELECT CAST(e.name AS TEXT) AS n) m WHERE m.n = 'bob')",
    ] {
        assert_eq!(refused(Sqlite, sql), Code::Unsupported, "{sql}");
    }
    for sql in [
        "SELECT id FROM emp e WHERE EXISTS (SELECT 1 FROM (SELECT e.id AS n) m WHERE m.n = 1)",
        "SELECT id FROM emp e WHERE (SELECT e.name) = 'bob'",
        "SELECT n FROM (SELECT name AS n FROM emp) WHERE n = 'bob'",
        "SELECT id FROM emp e WHERE EXISTS (SELECT 1 FROM (SELECT id FROM dept) m WHERE e.name = 'bob')",
    ] {
        assert!(plan(Sqlite, sql).is_ok(), "{sql}");
    }
}
