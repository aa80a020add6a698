//! References, names, early predicates, masked and hidden columns.

use mountgate_core::{Code, Value};

use crate::world::{BEFORE, BOTH, Engine, Pair, text};

#[tokio::test]
async fn missed_references() {
    for engine in BOTH {
        let pair = Pair::new(engine, "missed").await;
        for sql in [
            "SELECT 1 UNION TABLE secrets",
            "SELECT 1 WHERE EXISTS (TABLE secrets)",
            "SELECT order_id FROM orders ORDER BY (SELECT max(word) FROM secrets)",
            "SELECT order_id FROM orders LIMIT (SELECT max(id) FROM secrets)",
            "SELECT order_id FROM orders LIMIT 1 OFFSET (SELECT max(id) FROM secrets)",
            "SELECT count(*) FILTER (WHERE order_id IN (SELECT id FROM secrets)) FROM orders",
            "SELECT sum(total) OVER (PARTITION BY (SELECT max(word) FROM secrets)) FROM orders",
            "SELECT sum(total) OVER w FROM orders WINDOW w AS (ORDER BY (SELECT max(word) FROM secrets))",
            "SELECT lower((SELECT max(word) FROM secrets))",
            "SELECT * FROM (VALUES ((SELECT max(word) FROM secrets))) v",
            "SELECT o.order_id FROM orders o JOIN orders p ON o.order_id = (SELECT max(id) FROM secrets)",
            "SELECT status FROM orders GROUP BY status HAVING count(*) > (SELECT max(id) FROM secrets)",
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM secrets) THEN 1 END",
            "WITH x AS (SELECT * FROM secrets) SELECT 1",
            "SELECT 1 UNION SELECT 2 EXCEPT SELECT id FROM secrets",
            "SELECT * FROM orders NATURAL JOIN secrets",
            "SELECT order_id LIKE (SELECT word FROM secrets) FROM orders",
        ] {
            pair.refused(sql, BEFORE).await;
        }
        let own: &[&str] = match engine {
            Engine::Sqlite => &[
                "SELECT 1 WHERE 1 IN secrets",
                "SELECT 1 WHERE 'x' IN pragma_table_info('secrets')",
                "SELECT 1 WHERE 1 IS (SELECT word FROM secrets)",
                "WITH x AS MATERIALIZED (SELECT * FROM secrets) SELECT 1",
            ],
            Engine::Postgres => &[
                "SELECT DISTINCT ON ((SELECT max(word) FROM secrets)) order_id FROM orders",
                "SELECT ARRAY(SELECT word FROM secrets)",
                "SELECT * FROM orders, LATERAL (SELECT * FROM secrets) s",
                "SELECT * FROM generate_series(1, (SELECT max(id) FROM secrets)) g",
                "SELECT order_id FROM orders GROUP BY GROUPING SETS (((SELECT max(word) FROM secrets)), (order_id))",
                "SELECT 1 = ANY (SELECT id FROM secrets)",
                "SELECT status LIKE ANY (SELECT word FROM secrets) FROM orders",
                "SELECT ROW(1, (SELECT max(word) FROM secrets)) = ROW(1, 'x')",
                "SELECT * FROM ONLY secrets",
                "SELECT order_id FROM orders TABLESAMPLE SYSTEM (100)",
            ],
        };
        for sql in own {
            pair.refused(sql, BEFORE).await;
        }
    }
}

#[tokio::test]
async fn cte_names_are_scoped_exactly() {
    for engine in BOTH {
        let pair = Pair::new(engine, "ctes").await;
        let schema = if engine == Engine::Sqlite { "main" } else { "public" };
        // A qualified name is never a CTE.
        let sql = format!("WITH customers AS (SELECT 1 AS x) SELECT count(*) FROM {schema}.customers");
        assert_eq!(pair.answered(&sql).await, [[Value::Integer(3)]]);
        // A real table that shares a CTE's name elsewhere is still the real table, and is scoped.
        let sql = "SELECT (SELECT count(*) FROM orders), (WITH orders AS (SELECT 7 AS x) SELECT max(x) FROM orders)";
        assert_eq!(pair.answered(sql).await, [[Value::Integer(3), Value::Integer(7)]]);
        // A CTE that calls itself as a table does, hides no table behind it.
        pair.refused("WITH secrets AS (SELECT * FROM secrets) SELECT * FROM secrets", BEFORE).await;
        let out = "SELECT * FROM (WITH w AS (SELECT 1 AS x) SELECT x FROM w) s CROSS JOIN w";
        pair.refused(out, &[Code::NotInScope]).await;
        if engine == Engine::Postgres {
            let sql = "WITH orders AS (SELECT order_id FROM orders) SELECT count(*) FROM orders";
            assert_eq!(pair.answered(sql).await, [[Value::Integer(3)]]);
        }
    }
}

#[tokio::test]
async fn capture_of_the_policys_names() {
    for engine in BOTH {
        let pair = Pair::new(engine, "capture").await;
        // The filter's columns are hidden: an outer column of their name must not stand in for them.
        for (sql, wanted) in [
            ("SELECT (SELECT count(*) FROM orders) FROM (SELECT 'b' AS tenant) x", 3),
            ("SELECT (SELECT count(*) FROM customers) FROM (SELECT 'south' AS region) x", 3),
            ("SELECT (SELECT count(*) FROM notenant) FROM (SELECT 'a' AS tenant) x", 2),
            ("WITH s1 AS (SELECT 'b' AS tenant), s2 AS (SELECT 'b' AS tenant) SELECT count(*) FROM orders, s1, s2", 3),
            ("WITH t1 AS (SELECT 1 AS tenant) SELECT count(*) FROM t1 AS s1, orders AS t1", 3),
        ] {
            assert_eq!(pair.answered(sql).await, [[Value::Integer(wanted)]], "{sql}");
        }
        pair.refused("SELECT tenant FROM orders", &[Code::NotInScope]).await;
    }
}

#[tokio::test]
async fn error_text_is_the_gateways() {
    for engine in BOTH {
        let pair = Pair::new(engine, "errors").await;
        let own: &[(&str, &str)] = match engine {
            Engine::Sqlite => &[
                ("SELECT json_extract(name, '$.x') FROM customers", "malformed"),
                (
                    "SELECT abs(-9223372036854775807 - customer_id) FROM customers WHERE customer_id = 1",
                    "integer overflow",
                ),
            ],
            Engine::Postgres => &[
                ("SELECT 1 / (customer_id - customer_id) FROM customers", "22012"),
                ("SELECT name::int FROM customers", "invalid input"),
                ("SELECT (name || email)::date FROM customers", "invalid input"),
            ],
        };
        for (sql, theirs) in own {
            let refusal = pair.same(sql, &[]).await.expect_err(sql);
            let told = format!("{refusal:?}").to_lowercase();
            for word in ["ada", "cyd", "example", "pg_catalog", "\\\"t1\\\"", "\\\"s1\\\"", "sqlstate"] {
                assert!(!told.contains(word), "{sql}: {told}");
            }
            assert!(!told.contains(theirs), "{sql}: {told}");
            assert_eq!(refusal.message, "the statement failed on a value that it computes with", "{sql}");
        }
    }
}

#[tokio::test]
async fn a_masked_column_is_its_mask_everywhere() {
    for engine in BOTH {
        let pair = Pair::new(engine, "masked").await;
        let emails = pair.answered("SELECT email FROM customers ORDER BY customer_id").await;
        assert_eq!(emails, [[text("a**********.org")], [text("c**********.org")], [Value::Null]]);
        for sql in [
            "SELECT customer_id FROM customers WHERE email = 'ada@example.org'",
            "SELECT customer_id FROM customers WHERE email LIKE 'ada%' OR email LIKE '%example%'",
            "SELECT customer_id FROM customers WHERE joined = '2020-03-01' OR spent = 115",
            "SELECT c.customer_id FROM customers c JOIN (SELECT 'ada@example.org' AS e) x ON x.e = c.email",
            "SELECT customer_id FROM customers GROUP BY customer_id, email HAVING email = 'ada@example.org'",
            "SELECT customer_id FROM customers WHERE email IN (SELECT 'ada@example.org')",
        ] {
            assert_eq!(pair.answered(sql).await, Vec::<Vec<Value>>::new(), "{engine:?} {sql}");
        }
        for sql in [
            "SELECT * FROM customers",
            "SELECT customer_id FROM customers ORDER BY email, spent, joined, customer_id",
            "SELECT email, count(*) FROM customers GROUP BY email",
            "SELECT DISTINCT joined, spent FROM customers",
            "SELECT customer_id, rank() OVER (ORDER BY spent, customer_id) FROM customers",
            "SELECT max(email), min(joined), sum(spent), count(DISTINCT spent) FROM customers",
            "SELECT count(*) FROM customers HAVING max(spent) > 100",
            "SELECT a.customer_id, b.customer_id FROM customers a JOIN customers b ON a.spent = b.spent",
            "SELECT * FROM customers a NATURAL JOIN customers b",
            "SELECT email AS e FROM customers UNION SELECT 'x' ORDER BY e",
            "SELECT CASE WHEN email > 'b' THEN 1 ELSE 2 END, spent % 100, length(email) FROM customers",
            "SELECT customer_id FROM customers WHERE spent BETWEEN 101 AND 199 OR email < 'ad'",
            "WITH x AS (SELECT email, spent FROM customers) SELECT * FROM x WHERE spent <> 115",
        ] {
            assert!(!pair.answered(sql).await.is_empty() || sql.contains("BETWEEN"), "{engine:?} {sql}");
        }
    }
}

#[tokio::test]
async fn whole_rows_and_system_columns() {
    for engine in BOTH {
        let pair = Pair::new(engine, "rows").await;
        let own: &[&str] = match engine {
            Engine::Sqlite => &[
                "SELECT rowid FROM customers",
                "SELECT customers.oid FROM customers",
                "SELECT _rowid_ FROM orders",
                "SELECT customers FROM customers",
                "SELECT \"rowid\" FROM customers",
            ],
            Engine::Postgres => &[
                "SELECT customers FROM customers",
                "SELECT row_to_json(customers) FROM customers",
                "SELECT customers.*::text FROM customers",
                "SELECT (customers).salary FROM customers",
                "SELECT salary(customers) FROM customers",
                "SELECT count(c) FROM customers c",
                "SELECT to_jsonb(c) FROM (SELECT * FROM customers) c",
                "SELECT ROW(customers.*) FROM customers",
                "SELECT ROW(customers, 1) FROM customers",
                "SELECT ctid FROM customers",
                "SELECT customers.xmin FROM customers",
                "SELECT tableoid FROM orders",
            ],
        };
        for sql in own {
            pair.refused(sql, BEFORE).await;
        }
    }
}

#[tokio::test]
async fn a_hidden_column_is_as_one_that_does_not_exist() {
    for engine in BOTH {
        let pair = Pair::new(engine, "hidden").await;
        for template in [
            "SELECT {} FROM customers",
            "SELECT customer_id FROM customers WHERE {} = 1",
            "SELECT customer_id FROM customers ORDER BY {}",
            "SELECT customer_id FROM customers GROUP BY customer_id, {}",
            "SELECT * FROM customers a JOIN customers b USING ({})",
            "SELECT (SELECT {} FROM orders LIMIT 1) FROM customers",
            "SELECT c.{} FROM (SELECT * FROM customers) c",
        ] {
            let mut told = vec![];
            for name in ["salary", "salami"] {
                let refusal = pair.refused(&template.replace("{}", name), &[Code::NotInScope]).await;
                told.push(format!("{refusal:?}").replace(name, "x"));
            }
            assert_eq!(told[0], told[1], "{engine:?} {template}");
        }
        let mut told = vec![];
        for name in ["secrets", "sekrets"] {
            let refusal = pair.refused(&format!("SELECT * FROM {name}"), &[Code::NotInScope]).await;
            told.push(format!("{refusal:?}").replace(name, "x"));
        }
        assert_eq!(told[0], told[1], "{engine:?}");
    }
}

#[tokio::test]
async fn a_name_in_double_quotes_is_a_text_where_it_is_no_column() {
    // SQLite reads `"nosuch"` as a string. A hidden column is as one that does not exist: never its values.
    let pair = Pair::new(Engine::Sqlite, "double_quotes").await;
    for name in ["salary", "region", "nosuch"] {
        let sql = format!("SELECT DISTINCT \"{name}\", \"{name}\" = '{name}' FROM customers ORDER BY \"{name}\"");
        assert_eq!(pair.answered(&sql).await, [[text(name), Value::Integer(1)]]);
        let sql = format!("SELECT count(*) FROM customers WHERE \"{name}\" > 0 AND \"{name}\" <> 'north'");
        assert_eq!(pair.answered(&sql).await, [[Value::Integer(3)]]);
        pair.refused(&format!("SELECT customers.\"{name}\" FROM customers"), &[Code::NotInScope]).await;
    }
    assert_eq!(pair.answered("SELECT \"name\" FROM customers WHERE name = \"Ada\"").await, [[text("Ada")]]);
    // To PostgreSQL it is a name, and nothing else.
    let pair = Pair::new(Engine::Postgres, "double_quotes").await;
    for name in ["salary", "region", "nosuch"] {
        pair.refused(&format!("SELECT \"{name}\" FROM customers"), &[Code::NotInScope]).await;
    }
}

#[tokio::test]
async fn literals_that_parsers_read_differently() {
    for engine in BOTH {
        let pair = Pair::new(engine, "literals").await;
        let own: &[&str] = match engine {
            Engine::Sqlite => &["SELECT 0x1F", "SELECT X'1'", "SELECT 1_000", "SELECT 1\0"],
            Engine::Postgres => &[
                r#"SELECT U&"\0073alary" FROM customers"#,
                "SELECT X'1F'",
                "SELECT B'1'",
                r#"SELECT 'a'::"char""#,
                "SELECT -2 ^ 2",
            ],
        };
        for sql in own {
            pair.refused(sql, BEFORE).await;
        }
        // A backslash ends no string.
        let rows = pair.answered(r"SELECT name FROM customers WHERE name = 'x\' OR name = ' OR 1 = 1 --'").await;
        assert_eq!(rows, Vec::<Vec<Value>>::new());
    }
}
