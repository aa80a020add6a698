//! Functions, catalogues, other statements.

use mountgate_core::Code;

use crate::world::{BEFORE, BOTH, Engine, Pair};

#[tokio::test]
async fn catalogues() {
    for engine in BOTH {
        let pair = Pair::new(engine, "catalogues").await;
        let own: &[&str] = match engine {
            Engine::Sqlite => &[
                "SELECT * FROM sqlite_master",
                "SELECT sql FROM main.sqlite_schema",
                "SELECT * FROM temp.sqlite_master",
                "SELECT * FROM sqlite_stat1",
                "SELECT * FROM dbstat",
                "SELECT * FROM pragma_table_info('customers')",
                "SELECT * FROM pragma_database_list",
                "SELECT * FROM sqlite_dbpage",
            ],
            Engine::Postgres => &[
                "SELECT * FROM pg_catalog.pg_class",
                "SELECT * FROM pg_class",
                "SELECT * FROM pg_stats",
                "SELECT * FROM pg_catalog.pg_statistic",
                "SELECT * FROM information_schema.tables",
                "SELECT * FROM pg_prepared_statements",
                "SELECT * FROM pg_stat_activity",
                "SELECT * FROM pg_settings",
                "SELECT 'secrets'::regclass",
                "SELECT pg_get_viewdef(1)",
                "SELECT pg_relation_size(1)",
            ],
        };
        for sql in own {
            pair.refused(sql, BEFORE).await;
        }
    }
}

#[tokio::test]
async fn functions_off_the_list() {
    for engine in BOTH {
        let pair = Pair::new(engine, "functions").await;
        let own: &[&str] = match engine {
            Engine::Sqlite => &[
                "SELECT load_extension('x')",
                "SELECT readfile('/etc/passwd')",
                "SELECT fts3_tokenizer('x')",
                "SELECT sqlite_version()",
                "SELECT mountgate_hash(x'00', 'a')",
                "SELECT mountgate_partial(name, 9, 9, '*') FROM customers",
                "SELECT name FROM customers WHERE name REGEXP 'x'",
                "SELECT name FROM customers WHERE name MATCH 'x'",
                "SELECT last_insert_rowid()",
                "SELECT zeroblob(10)",
            ],
            Engine::Postgres => &[
                "SELECT query_to_xml('SELECT * FROM secrets', true, true, '')",
                "SELECT table_to_xml('secrets', true, true, '')",
                "SELECT * FROM ts_stat('SELECT word FROM secrets')",
                "SELECT * FROM dblink('x', 'SELECT 1') AS t(a int)",
                "SELECT lo_get(1)",
                "SELECT pg_read_file('postgresql.conf')",
                "SELECT pg_sleep(1)",
                "SELECT set_config('role', 'postgres', false)",
                "WITH x AS MATERIALIZED (SELECT set_config('a.b', '2', false)) SELECT * FROM x",
                "SELECT current_setting('a.b')",
                "SELECT nextval('s')",
                "SELECT pg_advisory_lock(1)",
                "SELECT current_user",
                "SELECT version()",
                "SELECT pg_backend_pid()",
                "SELECT 1 OPERATOR(pg_catalog.+) 2",
                "SELECT public.lower('x')",
                "SELECT pg_catalog.lower('x')",
            ],
        };
        for sql in own {
            pair.refused(sql, BEFORE).await;
        }
    }
}

#[tokio::test]
async fn several_and_other_statements() {
    for engine in BOTH {
        let pair = Pair::new(engine, "statements").await;
        for sql in [
            "SELECT 1; SELECT 2",
            "COMMIT; SELECT * FROM secrets",
            "SELECT 1; DROP TABLE orders",
            "COPY customers TO STDOUT",
            "SELECT * INTO x FROM customers",
            "SELECT order_id FROM orders FOR UPDATE",
            "PREPARE p AS SELECT 1",
            "EXECUTE p",
            "DECLARE c CURSOR FOR SELECT 1",
            "DO $$ BEGIN END $$",
            "CALL f()",
            "SET x = 1",
            "LISTEN x",
            "ATTACH 'x' AS y",
            "PRAGMA table_info(customers)",
            "VACUUM",
            "EXPLAIN SELECT * FROM customers",
            "INSERT INTO orders VALUES (1)",
            "UPDATE orders SET total = 1",
            "DELETE FROM orders",
            "WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x",
            "CREATE TABLE x (a int)",
            "DROP TABLE orders",
        ] {
            pair.refused(sql, &[Code::Unsupported, Code::Unparseable]).await;
        }
        // And nothing of it happened.
        assert_eq!(pair.answered("SELECT count(*) FROM orders").await, [[mountgate_core::Value::Integer(3)]]);
    }
}
