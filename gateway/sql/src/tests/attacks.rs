//! THREATS.md, the lines about reads, each under its own name. Deny first.

use mountgate_core::Code;

use super::fixture::{BOTH, plan, printed, refused, touch};
use crate::Dialect::{Postgres, Sqlite};

#[test]
fn table_statement_within_a_query() {
    for sql in ["SELECT 1 UNION TABLE emp", "SELECT 1 WHERE EXISTS (TABLE emp)", "TABLE emp"] {
        for dialect in BOTH {
            let code = refused(dialect, sql);
            assert!(matches!(code, Code::Unsupported | Code::Unparseable), "{dialect:?} {sql}: {code}");
        }
    }
}

#[test]
fn sqlite_in_names_a_table() {
    for sql in [
        "SELECT 1 WHERE 1 IN emp",
        "SELECT 1 WHERE 'x' IN pragma_table_info('emp')",
        "SELECT id FROM dept WHERE id IN main.emp",
    ] {
        assert!(matches!(refused(Sqlite, sql), Code::Unsupported | Code::Unparseable), "{sql}");
    }
}

#[test]
fn subqueries_hide_everywhere() {
    // Each names a table that is not in scope in a place where walkers forget to look.
    for sql in [
        "SELECT id FROM dept ORDER BY (SELECT max(x) FROM secret)",
        "SELECT id FROM dept LIMIT (SELECT max(x) FROM secret)",
        "SELECT id FROM dept LIMIT 1 OFFSET (SELECT max(x) FROM secret)",
        "SELECT count(*) FILTER (WHERE id IN (SELECT x FROM secret)) FROM dept",
        "SELECT sum(id) OVER (PARTITION BY (SELECT max(x) FROM secret)) FROM dept",
        "SELECT sum(id) OVER (ORDER BY (SELECT max(x) FROM secret)) FROM dept",
        "SELECT sum(id) OVER w FROM dept WINDOW w AS (ORDER BY (SELECT max(x) FROM secret))",
        "SELECT sum(id) OVER (ORDER BY id ROWS BETWEEN (SELECT max(x) FROM secret) PRECEDING AND CURRENT ROW) FROM dept",
        "SELECT lower((SELECT max(x) FROM secret))",
        "SELECT * FROM (VALUES ((SELECT max(x) FROM secret))) v",
        "SELECT d.id FROM dept d JOIN dept e ON d.id = (SELECT max(x) FROM secret)",
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM secret) THEN 1 END",
        "SELECT CASE (SELECT 1 FROM secret) WHEN 1 THEN 1 END",
        "SELECT id FROM dept GROUP BY id HAVING count(*) > (SELECT max(x) FROM secret)",
        "SELECT id FROM dept GROUP BY (SELECT max(x) FROM secret)",
        "SELECT CAST((SELECT max(x) FROM secret) AS text)",
        "SELECT 1 BETWEEN (SELECT 1 FROM secret) AND 2",
        "SELECT id IN ((SELECT 1 FROM secret)) FROM dept",
        "SELECT id LIKE (SELECT 1 FROM secret) FROM dept",
        "WITH a AS (SELECT * FROM secret) SELECT 1",
        "SELECT 1 UNION SELECT 2 EXCEPT SELECT x FROM secret",
        "SELECT (id, 1) = ((SELECT 1 FROM secret), 2) FROM dept",
        "SELECT -(SELECT 1 FROM secret)",
        "SELECT (SELECT 1 FROM secret) IS NULL",
        "SELECT ((SELECT 1 FROM secret))",
        "SELECT * FROM dept NATURAL JOIN secret",
        "SELECT * FROM (dept CROSS JOIN secret)",
    ] {
        for dialect in BOTH {
            assert_eq!(refused(dialect, sql), Code::NotInScope, "{dialect:?} {sql}");
        }
    }
    for sql in [
        "SELECT DISTINCT ON ((SELECT max(x) FROM secret)) id FROM dept",
        "SELECT ARRAY(SELECT x FROM secret)",
        "SELECT ARRAY[(SELECT x FROM secret)]",
        "SELECT id FROM dept GROUP BY GROUPING SETS (((SELECT max(x) FROM secret)), ())",
        "SELECT id FROM dept GROUP BY ROLLUP (id, (SELECT max(x) FROM secret))",
        "SELECT * FROM dept, LATERAL (SELECT * FROM secret) s",
        "SELECT * FROM generate_series(1, (SELECT max(x) FROM secret)) g",
        "SELECT * FROM unnest(ARRAY(SELECT x FROM secret)) g",
        "SELECT (ARRAY[1, 2])[(SELECT 1 FROM secret)]",
        "SELECT 1 = ANY (SELECT x FROM secret)",
        "SELECT 1 = ALL (ARRAY(SELECT x FROM secret))",
        "SELECT EXTRACT(year FROM (SELECT x FROM secret))",
        "SELECT (SELECT x FROM secret) AT TIME ZONE 'UTC'",
        "SELECT array_agg(id ORDER BY (SELECT x FROM secret)) FROM dept",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY (SELECT x FROM secret)) FROM dept",
        "SELECT 1 FETCH FIRST (SELECT 1 FROM secret) ROWS ONLY",
    ] {
        let code = refused(Postgres, sql);
        assert!(matches!(code, Code::NotInScope | Code::Unparseable), "{sql}: {code}");
    }
}

#[test]
fn cte_names_are_scoped_exactly() {
    // A qualified name is never a CTE.
    for dialect in BOTH {
        let schema = "main";
        let sql = printed(dialect, &format!("WITH emp AS (SELECT 1 AS id) SELECT id FROM {schema}.emp"));
        assert!(sql.contains(r#""main"."emp""#), "{sql}");
        // A real table that shares a CTE's name elsewhere in the statement is still the real table.
        let sql = printed(
            dialect,
            "SELECT (SELECT max(id) FROM emp), (WITH emp AS (SELECT 7 AS id) SELECT max(id) FROM emp)",
        );
        assert_eq!(sql.matches(r#""main"."emp""#).count(), 1, "{sql}");
        // Inner before outer.
        let sql = printed(
            dialect,
            "WITH a AS (SELECT 1 AS x) SELECT * FROM (WITH a AS (SELECT id AS y FROM dept) SELECT y FROM a) s, a",
        );
        assert!(sql.contains(r#"AS "y", "t"#), "{sql}");
    }
    // Without RECURSIVE, its own name is the real table, and so is a later one's.
    let sql = printed(Postgres, "WITH emp AS (SELECT id FROM emp) SELECT id FROM emp");
    assert_eq!(sql.matches(r#""main"."emp""#).count(), 1, "{sql}");
    let sql = printed(Postgres, "WITH a AS (SELECT id FROM dept), dept AS (SELECT 1 AS id) SELECT id FROM a");
    assert_eq!(sql.matches(r#""main"."dept""#).count(), 1, "{sql}");
    assert_eq!(refused(Postgres, "WITH secret AS (SELECT * FROM secret) SELECT * FROM secret"), Code::NotInScope);
    // SQLite reads every WITH as recursive: circular there, refused here.
    assert_eq!(refused(Sqlite, "WITH emp AS (SELECT id FROM emp) SELECT id FROM emp"), Code::Unsupported);
    assert_eq!(refused(Postgres, "WITH RECURSIVE emp AS (SELECT id FROM emp) SELECT id FROM emp"), Code::Unsupported);
    // Out of its query, a CTE is gone.
    for dialect in BOTH {
        assert_eq!(
            refused(dialect, "SELECT * FROM (WITH a AS (SELECT 1 AS x) SELECT x FROM a) s JOIN a ON 1 = 1"),
            Code::NotInScope
        );
    }
}

#[test]
fn other_ways_to_a_table() {
    for (sql, code) in [
        ("SELECT * FROM ONLY emp", None),
        ("SELECT id FROM emp TABLESAMPLE SYSTEM (10)", None),
        ("SELECT * FROM emp_2024", Some(Code::NotInScope)),
        ("SELECT * FROM pg_catalog.pg_class", Some(Code::NotInScope)),
        ("SELECT * FROM information_schema.tables", Some(Code::NotInScope)),
        ("SELECT * FROM a.b.emp", Some(Code::NotInScope)),
        ("SELECT * FROM other.emp", Some(Code::NotInScope)),
    ] {
        let got = refused(Postgres, sql);
        assert!(
            code.map_or(matches!(got, Code::Unsupported | Code::Unparseable | Code::NotInScope), |c| c == got),
            "{sql}: {got}"
        );
    }
    for sql in [
        "SELECT * FROM sqlite_master",
        "SELECT * FROM sqlite_stat1",
        "SELECT * FROM temp.emp",
        "SELECT * FROM sqlite_schema",
        "SELECT * FROM dbstat",
        "SELECT * FROM pragma_table_info",
    ] {
        assert_eq!(refused(Sqlite, sql), Code::NotInScope, "{sql}");
    }
    assert_eq!(refused(Sqlite, "SELECT * FROM pragma_table_info('emp')"), Code::Unsupported);
}

#[test]
fn capture_of_the_policys_names() {
    for dialect in BOTH {
        // The filter's column is hidden: the agent's outer column of that name must not stand in for it.
        let sql = printed(dialect, "SELECT (SELECT count(*) FROM emp) FROM (SELECT 'a' AS tenant) x");
        assert!(sql.contains(r#"("s2"."tenant" = "#) || sql.contains(r#"("s1"."tenant" = "#), "{sql}");
        // Aliases as the gateway writes them are names like any other.
        let sql = printed(dialect, r#"WITH s1 AS (SELECT 1 AS id) SELECT t1.id FROM s1 AS t1, emp AS s2"#);
        let named = if dialect == Sqlite { r#" "mountgate_cte1""# } else { r#" "c1""# };
        assert!(sql.contains(named) && !sql.contains(r#"AS "s1"("#), "{sql}");
    }
    assert!(printed(Sqlite, "SELECT * FROM emp").contains(r#""main"."emp""#));
}

#[test]
fn settings_do_not_change_under_way() {
    for sql in [
        "WITH a AS MATERIALIZED (SELECT set_config('x', '2', false)) SELECT * FROM a, emp",
        "SELECT current_setting('x')",
        "SELECT pg_sleep(1)",
        "SELECT query_to_xml('SELECT 1', true, true, '')",
        "SELECT table_to_xml('emp', true, true, '')",
        "SELECT nextval('s')",
        "SELECT pg_read_file('x')",
        "SELECT lo_get(1)",
        "SELECT pg_advisory_lock(1)",
        "SELECT * FROM ts_stat('SELECT 1')",
        "SELECT * FROM dblink('x', 'y') AS t(a int)",
        "SELECT 'emp'::regclass",
        "SELECT 1 OPERATOR(pg_catalog.+) 2",
        "SELECT pg_catalog.lower('x')",
        "SELECT public.lower('x')",
        "SELECT current_user",
        "SELECT session_user",
        "SELECT \"current_user\"",
    ] {
        let code = refused(Postgres, sql);
        assert!(matches!(code, Code::Unsupported | Code::Unparseable | Code::NotInScope), "{sql}: {code}");
    }
    for sql in [
        "SELECT load_extension('x')",
        "SELECT readfile('x')",
        "SELECT fts3_tokenizer('x')",
        "SELECT sqlite_version()",
        "SELECT mountgate_hash(x'00', 'a')",
        "SELECT mountgate_partial('a', 1, 1, '*')",
        "SELECT name REGEXP 'x' FROM emp",
        "SELECT name MATCH 'x' FROM emp",
    ] {
        assert_eq!(refused(Sqlite, sql), Code::Unsupported, "{sql}");
    }
}

#[test]
fn predicates_that_run_too_early_are_fenced() {
    for sql in [
        "SELECT id FROM emp WHERE 1 / (CASE WHEN name = 'x' THEN 0 ELSE 1 END) = 1",
        "SELECT id FROM emp WHERE CAST(name AS int) = 1",
        "SELECT id FROM emp WHERE abs(id) = 1",
        "SELECT id FROM emp WHERE name LIKE lower('x%')",
        "SELECT id FROM emp WHERE name LIKE $1",
        "SELECT id FROM emp WHERE lower(name) LIKE 'x%'",
        "SELECT id FROM emp WHERE email LIKE 'x%' ESCAPE 'xx'",
        "SELECT id FROM emp WHERE email LIKE '%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a'",
        "SELECT e.id FROM emp e JOIN dept d ON 1 / e.id = d.id",
        "SELECT x FROM (SELECT 1 / id AS x FROM emp) s WHERE x = 1",
        "WITH s AS (SELECT 1 / id AS x FROM emp) SELECT x FROM s WHERE x = 1",
        "SELECT dept FROM emp GROUP BY dept HAVING 1 / dept = 1",
        "SELECT id FROM emp WHERE EXISTS (SELECT 1 FROM dept WHERE 1 / emp.id = 1)",
        "SELECT id FROM dept WHERE id IN (SELECT 1 / id FROM emp)",
        "SELECT id FROM emp WHERE (SELECT max(1 / emp.id + d.id) FROM dept d) = 1",
        "SELECT id FROM emp WHERE NOT (id = 1 OR id + 1 = 2)",
    ] {
        for dialect in BOTH {
            let plan = plan(dialect, sql).unwrap_or_else(|refusal| panic!("{dialect:?} {sql}: {refusal}"));
            assert_eq!(plan.fenced().len(), 1, "{dialect:?} {sql}: {}", plan.sql());
            let fence = if dialect == Sqlite { " LIMIT -1)" } else { " OFFSET 0)" };
            assert!(plan.sql().contains(fence), "{}", plan.sql());
        }
    }
    for sql in [
        "SELECT e.id FROM emp e, generate_series(1, 10 / e.id) g",
        "SELECT e.id FROM emp e, LATERAL (SELECT 1 / e.id AS x) s",
        "SELECT id FROM emp WHERE name::int = 1",
        "SELECT id FROM emp WHERE data @> '{}' ",
        // `name` compares loosely here: a collation that isn't deterministic, on which LIKE raises.
        "SELECT id FROM emp WHERE name LIKE 'x%'",
        "SELECT s.name FROM (SELECT name FROM emp) s WHERE s.name NOT LIKE 'x%'",
        r"SELECT id FROM emp WHERE email LIKE 'x\'",
        "SELECT id FROM emp WHERE email LIKE ANY (ARRAY['x%'])",
        "SELECT id FROM emp WHERE name ILIKE 'x'",
        "SELECT e.id FROM emp e, jsonb_array_elements(e.data) j",
    ] {
        assert_eq!(plan(Postgres, sql).unwrap().fenced().len(), 1, "{sql}");
    }
    // What cannot raise keeps its indexes.
    for sql in [
        "SELECT name FROM emp WHERE id = $1",
        "SELECT e.name, d.title FROM emp e JOIN dept d ON d.id = e.dept WHERE e.id IN (1, 2) AND d.title = 'x'",
        "SELECT 1 / id, lower(name) FROM emp WHERE id BETWEEN 1 AND 5 OR name IS NULL ORDER BY abs(id)",
        "SELECT id FROM emp WHERE email LIKE 'x%' OR email NOT LIKE '_y'",
        "SELECT s.e FROM (SELECT email AS e FROM emp) s WHERE s.e LIKE '%x%'",
        "SELECT dept, sum(id) FROM emp GROUP BY dept HAVING sum(id) > 5 AND dept <> 3",
        "SELECT id FROM emp WHERE hired >= '2020-01-01' AND NOT (id = 3)",
        "SELECT id FROM emp WHERE dept IN (SELECT id FROM dept WHERE title = 'x')",
        "SELECT s.n FROM (SELECT dept, count(*) AS n FROM emp GROUP BY dept) s WHERE s.n > 1",
        "SELECT * FROM emp LEFT JOIN dept USING (id)",
    ] {
        for dialect in BOTH {
            let plan = plan(dialect, sql).unwrap_or_else(|refusal| panic!("{dialect:?} {sql}: {refusal}"));
            assert!(plan.fenced().is_empty(), "{dialect:?} {sql}: {}", plan.sql());
        }
    }
}

#[test]
fn hidden_columns_are_as_columns_that_do_not_exist() {
    for template in [
        "SELECT {} FROM emp",
        "SELECT emp.{} FROM emp",
        "SELECT id FROM emp WHERE {} = 1",
        "SELECT id FROM emp ORDER BY {}",
        "SELECT id FROM emp GROUP BY id, {}",
        "SELECT id FROM emp GROUP BY id HAVING max({}) = 1",
        "SELECT sum(id) OVER (ORDER BY {}) FROM emp",
        "SELECT * FROM emp JOIN dept USING ({})",
        "SELECT (SELECT {} FROM dept WHERE dept.id = emp.id) FROM emp",
        "SELECT e.{} FROM (SELECT * FROM emp) e",
        "SELECT lower({}) FROM emp",
    ] {
        for dialect in BOTH {
            let [hidden, missing] = ["salary", "salami"].map(|name| {
                let refusal = plan(dialect, &template.replace("{}", name)).unwrap_err();
                (refusal.code, refusal.message.replace(name, "x"), refusal.hint.map(|hint| hint.replace(name, "x")))
            });
            assert_eq!(hidden.0, Code::NotInScope, "{dialect:?} {template}");
            assert_eq!(hidden, missing, "{dialect:?} {template}");
        }
    }
}

#[test]
fn hidden_tables_are_as_tables_that_do_not_exist() {
    for dialect in BOTH {
        let [one, other] = ["SELECT * FROM aaaa", "SELECT * FROM bbbb"].map(|sql| plan(dialect, sql).unwrap_err());
        assert_eq!(one.message.replace("aaaa", "bbbb"), other.message);
        assert_eq!(one.hint, other.hint);
    }
}

#[test]
fn natural_join_and_using_see_visible_columns_only() {
    for dialect in BOTH {
        // `tenant` and `salary` are hidden; were they seen, the join would be on them too.
        let sql = printed(dialect, "SELECT * FROM emp a NATURAL JOIN emp b");
        assert!(!sql.contains(r#""t1"."tenant""#) && !sql.contains(r#""t1"."salary""#), "{sql}");
        assert!(sql.contains(r#"("t1"."id" = "t2"."id")"#), "{sql}");
    }
}

#[test]
fn whole_rows_and_system_columns() {
    for sql in [
        "SELECT emp FROM emp",
        "SELECT row_to_json(emp) FROM emp",
        "SELECT emp.*::text FROM emp",
        "SELECT (emp).salary FROM emp",
        "SELECT (emp.*).salary FROM emp",
        "SELECT salary(emp) FROM emp",
        "SELECT count(emp.*) FROM emp",
        "SELECT to_jsonb(e) FROM emp e",
        "SELECT e FROM (SELECT * FROM emp) e",
        "SELECT count(e) FROM emp e",
        "SELECT ctid FROM emp",
        "SELECT emp.xmin FROM emp",
        "SELECT tableoid FROM emp",
        "SELECT ROW(emp.*) FROM emp",
    ] {
        let code = refused(Postgres, sql);
        assert!(matches!(code, Code::NotInScope | Code::Unsupported | Code::Unparseable), "{sql}: {code}");
    }
    for sql in ["SELECT rowid FROM emp", "SELECT emp.oid FROM emp", "SELECT _rowid_ FROM emp", "SELECT ROWID FROM emp"]
    {
        assert_eq!(refused(Sqlite, sql), Code::NotInScope, "{sql}");
    }
}

#[test]
fn a_text_in_double_quotes_is_never_a_hidden_column() {
    // SQLite's own rule, where no column of that name is visible. `salary` is hidden, `salami` does not exist.
    for (template, wanted) in [
        (r#"SELECT "{}" FROM emp"#, r#"SELECT '{}' AS """{}""" FROM"#),
        (r#"SELECT id FROM emp WHERE "{}" > 1"#, r#"WHERE ('{}' > 1)"#),
        (r#"SELECT id FROM emp ORDER BY "{}""#, r#"ORDER BY '{}'"#),
        (r#"SELECT count(*) FROM emp GROUP BY "{}""#, r#"GROUP BY '{}'"#),
        (r#"SELECT max("{}") FROM emp"#, r#"max('{}')"#),
        (r#"SELECT (SELECT "{}" FROM dept LIMIT 1) FROM emp"#, r#"SELECT '{}' AS "f1""#),
    ] {
        for name in ["salary", "salami", "it's"] {
            let sql = printed(Sqlite, &template.replace("{}", name));
            let wanted = wanted.replace("'{}'", &format!("'{}'", name.replace('\'', "''"))).replace("{}", name);
            assert!(sql.contains(&wanted), "{sql} has no {wanted}");
            let touch = touch(Sqlite, &template.replace("{}", name)).unwrap();
            assert!(
                touch
                    .relations
                    .iter()
                    .all(|relation| relation.columns.iter().all(|(column, _)| column.as_str() != name))
            );
        }
    }
    // A visible column and an output's name come first.
    assert!(!printed(Sqlite, r#"SELECT "NAME" FROM emp"#).contains("'"), "a column");
    assert!(printed(Sqlite, r#"SELECT id AS k FROM emp ORDER BY "k""#).ends_with("ORDER BY 1"));
    // Where SQLite wants a name, a text is none.
    for sql in [
        r#"SELECT * FROM emp JOIN dept USING ("salary")"#,
        r#"SELECT id FROM emp UNION SELECT id FROM dept ORDER BY "salary""#,
        r#"SELECT * FROM "salary""#,
    ] {
        assert_eq!(refused(Sqlite, sql), Code::NotInScope, "{sql}");
    }
}

#[test]
fn literals_that_parsers_read_differently() {
    for (dialect, sql) in [
        (Sqlite, "SELECT 0x1F"),
        (Postgres, "SELECT X'1F'"),
        (Postgres, "SELECT B'1'"),
        (Postgres, "SELECT N'x'"),
        (Postgres, "SELECT 0x1F"),
        (Sqlite, "SELECT 1_000"),
        (Sqlite, "SELECT X'1'"),
        (Postgres, r#"SELECT U&"\0073n" FROM emp"#),
        (Sqlite, r#"SELECT "rowid" FROM emp"#),
        (Sqlite, r#"SELECT "emp"."nosuch" FROM emp"#),
        (Sqlite, "SELECT [nosuch] FROM emp"),
        (Sqlite, "SELECT `nosuch` FROM emp"),
        (Postgres, r#"SELECT "nosuch" FROM emp"#),
        (Sqlite, "SELECT :name"),
        (Sqlite, "SELECT @name"),
        (Sqlite, "SELECT $name"),
        (Sqlite, "SELECT ?0"),
        (Postgres, "SELECT $0"),
        (Postgres, "SELECT -2 ^ 2"),
    ] {
        let code = refused(dialect, sql);
        assert!(matches!(code, Code::Unsupported | Code::Unparseable | Code::NotInScope), "{sql}: {code}");
    }
    assert_eq!(refused(Sqlite, "SELECT 1\0"), Code::Unparseable);
    // A backslash is a backslash, and a quote cannot end the string.
    insta::assert_snapshot!(
        printed(Postgres, r"SELECT 'a\' AS x, $$b'$$ AS y, E'c\'\\d' AS z, U&'\0073' AS s"),
        @r#"SELECT E'a\\' AS "x", 'b''' AS "y", E'c''\\d' AS "z", 's' AS "s""#
    );
    assert_eq!(printed(Sqlite, "SELECT 'it''s' AS \"a\"\"b\""), r#"SELECT 'it''s' AS "a""b""#);
}

#[test]
fn sqlites_operators_have_sqlites_precedence() {
    for (sql, wanted) in [
        ("SELECT id IS NULL + 1 FROM dept", r#"("t1"."id" IS NOT DISTINCT FROM (NULL + 1))"#),
        ("SELECT id IS NOT NULL = 0 FROM dept", r#"(("t1"."id" IS NOT NULL) = 0)"#),
        ("SELECT id IS NOT DISTINCT FROM NULL FROM dept", r#"("t1"."id" IS NULL)"#),
        ("SELECT id IS DISTINCT FROM TRUE FROM dept", r#"(CASE WHEN "t1"."id" THEN 0 ELSE 1 END)"#),
        ("SELECT id IS ?1 FROM dept", r#"("t1"."id" IS NOT DISTINCT FROM ?1)"#),
        ("SELECT NOT id ISNULL FROM dept", r#"(NOT ("t1"."id" IS NULL))"#),
        ("SELECT 1 = id NOTNULL FROM dept", r#"((1 = "t1"."id") IS NOT NULL)"#),
        ("SELECT title NOT GLOB 'a' = 1 FROM dept", r#"((NOT ("t1"."title" glob 'a')) = 1)"#),
        ("SELECT 1 << id + 1 >> 2 FROM dept", r#"((1 << ("t1"."id" + 1)) >> 2)"#),
    ] {
        let sql = printed(Sqlite, sql);
        assert!(sql.to_lowercase().contains(&wanted.to_lowercase()), "{sql}");
    }
    // A quoted word is a name.
    assert!(printed(Sqlite, r#"SELECT id "isnull" FROM dept"#).contains(r#"AS "isnull""#));
    assert_eq!(refused(Sqlite, "SELECT id IS (SELECT x FROM secret) FROM dept"), Code::NotInScope);
}

#[test]
fn a_hint_to_the_planner_hides_nothing() {
    for sql in [
        "WITH a AS MATERIALIZED (SELECT * FROM secret) SELECT 1",
        "WITH a(x) AS NOT MATERIALIZED (SELECT * FROM secret) SELECT 1",
        "WITH secret AS MATERIALIZED (SELECT * FROM main.secret) SELECT * FROM secret",
    ] {
        for dialect in BOTH {
            assert_eq!(refused(dialect, sql), Code::NotInScope, "{dialect:?} {sql}");
        }
    }
    for sql in ["SELECT 1 AS MATERIALIZED (SELECT 2)", "SELECT CAST(id AS MATERIALIZED (3)) FROM dept"] {
        let code = refused(Sqlite, sql);
        assert!(matches!(code, Code::Unsupported | Code::Unparseable), "{sql}: {code}");
    }
    assert!(plan(Sqlite, "SELECT id AS materialized FROM dept AS materialized").is_ok());
}

#[test]
fn quoted_types_are_other_types() {
    for sql in [r#"SELECT 'a'::"char""#, r#"SELECT CAST(1 AS "Text")"#, r#"SELECT ARRAY['a']::"text"[]"#] {
        assert_eq!(refused(Postgres, sql), Code::Unsupported, "{sql}");
    }
}

#[test]
fn names_follow_the_dialects_case() {
    assert!(plan(Sqlite, "SELECT NAME, \"Name\", [name], `nAmE` FROM EMP").is_ok());
    assert!(plan(Postgres, "SELECT NAME FROM EMP").is_ok());
    assert_eq!(refused(Postgres, "SELECT \"Name\" FROM emp"), Code::NotInScope);
    assert_eq!(refused(Postgres, "SELECT name FROM \"EMP\""), Code::NotInScope);
}

#[test]
fn other_statements() {
    for sql in [
        "SELECT 1; SELECT 2",
        "COMMIT; SELECT 1",
        "",
        ";",
        "COPY emp TO STDOUT",
        "SELECT * INTO x FROM emp",
        "SELECT id FROM emp FOR UPDATE",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "DECLARE c CURSOR FOR SELECT 1",
        "CALL f()",
        "SET x = 1",
        "LISTEN x",
        "ATTACH 'x' AS y",
        "PRAGMA table_info(emp)",
        "VACUUM",
        "EXPLAIN SELECT * FROM emp",
        "INSERT INTO emp VALUES (1)",
        "UPDATE emp SET id = 1",
        "DELETE FROM emp",
        "WITH x AS (DELETE FROM emp RETURNING *) SELECT * FROM x",
        "WITH x AS (INSERT INTO emp VALUES (1) RETURNING *) SELECT * FROM x",
        "CREATE TABLE x (a int)",
        "DROP TABLE emp",
        "MERGE INTO emp USING dept ON 1 = 1 WHEN MATCHED THEN DELETE",
    ] {
        for dialect in BOTH {
            let code = refused(dialect, sql);
            assert!(matches!(code, Code::Unsupported | Code::Unparseable), "{dialect:?} {sql}: {code}");
        }
    }
    assert!(plan(Sqlite, "SELECT 1 AS x;").is_ok());
}

#[test]
fn ambiguous_names() {
    for sql in [
        "SELECT id FROM emp, dept",
        "SELECT emp.id FROM emp, emp",
        "SELECT * FROM emp a JOIN emp b ON id = 1",
        "SELECT x FROM (SELECT 1 AS x, 2 AS x) s",
    ] {
        for dialect in BOTH {
            assert_eq!(refused(dialect, sql), Code::Ambiguous, "{dialect:?} {sql}");
        }
    }
}

#[test]
fn a_constant_that_is_worked_out_when_a_row_is_reached_is_fenced() {
    for (dialect, sql) in [
        (Sqlite, "SELECT id FROM emp WHERE id = abs(-9223372036854775808)"),
        (Sqlite, "SELECT id FROM emp WHERE id = 1 + 1"),
        (Postgres, "SELECT id FROM emp WHERE id = CAST(CAST(now() AS text) AS int)"),
    ] {
        assert_eq!(plan(dialect, sql).unwrap().fenced().len(), 1, "{sql}");
    }
}
