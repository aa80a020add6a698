//! Statements that are small to send and large to run.

use std::time::{Duration, Instant};

use mountgate_core::{Code, Value};

use crate::world::{BOTH, Engine, Pair, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bombs_end_in_a_refusal_or_a_cap() {
    for engine in BOTH {
        let pair = Pair::new(engine, "bombs").await;
        let deep = format!("SELECT {}1{}", "(".repeat(3000), ")".repeat(3000));
        let nested = format!("{}SELECT 1{}", "SELECT * FROM (".repeat(300), ") t".repeat(300));
        let joins =
            format!("SELECT 1 FROM orders o0{}", (1..200).map(|n| format!(", orders o{n}")).collect::<String>());
        let unions = format!("SELECT 1{}", " UNION SELECT 1".repeat(500));
        let long = format!("SELECT '{}'", "x".repeat(100_000));
        let columns = format!("SELECT 1{}", ",1".repeat(3000));
        for sql in [&deep, &nested, &joins, &unions, &long, &columns] {
            pair.refused(sql, &[Code::ResourceLimit, Code::TooLarge]).await;
        }
        // What cannot be seen in the text ends by the clock, by the store's bounds, or at the cap of rows.
        let cross = format!(
            "SELECT count(*) FROM orders o0{} WHERE o0.total{} < 0",
            (1..20).map(|n| format!(" CROSS JOIN orders o{n}")).collect::<String>(),
            (1..20).map(|n| format!(" + o{n}.total")).collect::<String>(),
        );
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i % 1000 + 1 FROM n) SELECT count(*) FROM n";
        for sql in [cross.as_str(), endless] {
            let started = Instant::now();
            pair.refused(sql, &[Code::ResourceLimit]).await;
            assert!(started.elapsed() < Duration::from_secs(20), "{engine:?} {sql}: {:?}", started.elapsed());
        }
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
        let answer = pair.same(endless, &[]).await;
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.truncated && answer.rows.len() == 1000));
        let large = match engine {
            Engine::Sqlite => "SELECT replace(printf('%1000000s', ''), ' ', printf('%1000000s', 'x'))",
            Engine::Postgres => "SELECT repeat('x', 1000000000)",
        };
        let refusal = pair.same(large, &[]).await;
        assert!(refusal.is_err() || refusal.is_ok_and(|answer| answer.truncated), "{engine:?}");
        // Hostile numbers in LIMIT are the store's to refuse, or numbers.
        for sql in ["SELECT order_id FROM orders LIMIT 9223372036854775807", "SELECT order_id FROM orders LIMIT 0"] {
            pair.answered(sql).await;
        }
        // The gateway still answers.
        assert_eq!(pair.answered("SELECT count(*) FROM orders").await, [[Value::Integer(3)]]);
    }
}

/// Each would take memory or time that others need, were nothing to stop it.
fn large(engine: Engine) -> &'static [&'static str] {
    match engine {
        Engine::Sqlite => &[
            // Longer than anyone waits, within one call that no clock interrupts.
            "SELECT length(trim(printf('%1000000s', ''), printf('%500000s', '') || 'x'))",
            "SELECT instr(printf('%9000000s', ''), printf('%4000000s', '') || 'x')",
            "SELECT length(replace(printf('%9000000s', ''), printf('%4000000s', '') || 'x', 'y'))",
            "SELECT length(replace(printf('%9000000s', ''), ' ', printf('%9000s', 'x')))",
            "SELECT printf('%.*c', 1000000000, 'x')",
            "SELECT printf('%1000000000s', 'x')",
            "WITH RECURSIVE r(s) AS (SELECT 'x' UNION ALL SELECT s || s FROM r) SELECT max(length(s)) FROM r",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
             SELECT length(group_concat(printf('%100000s', i))) FROM n",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
             SELECT count(*) FROM n a, n b, n c WHERE a.i + b.i + c.i < 0",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n) SELECT max(i) FROM n",
        ],
        Engine::Postgres => &[
            // Longer than anyone waits, within one call that no cancel interrupts.
            "SELECT strpos(repeat('a', 5000000), 'b' || repeat('a', 2500000))",
            "SELECT length(btrim(repeat('a', 200000), repeat('b', 50000) || 'a'))",
            "SELECT repeat('x', 1000000000)",
            "SELECT lpad('x', 1000000000), rpad('x', 1000000000)",
            "SELECT repeat(name, spent * 1000000) FROM customers WHERE spent > 0",
            "SELECT length(string_agg(repeat('x', 1000000), '')) FROM generate_series(1, 1200)",
            "SELECT count(*) FROM generate_series(1, 1000000000000)",
            "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b, generate_series(1, 9) c",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i % 9 + 1 FROM n) SELECT max(i) FROM n",
            "SELECT sum(power(9.999999::numeric, 60000 + g)) FROM generate_series(1, 1000) g",
            "SELECT 10::numeric ^ 1000000",
        ],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_served_while_a_bomb_is_stopped() {
    for engine in BOTH {
        let data = "CREATE TABLE customers (name VARCHAR(20), spent INTEGER); INSERT INTO customers VALUES ('Ada', 7);";
        let mount = "name = \"test\"\nbackend = \"shop\"\nagents = [\"desk\"]\npolicy = \"ceiling\"\n\n\
            [limits]\nmax_rows = 1000\ntimeout = \"2s\"\n\n[tables.customers]\ncolumns = [\"name\", \"spent\"]\n";
        let world = World::with(engine, "large", data, mount, &[]).await;
        for sql in large(engine) {
            let bomb = async {
                let started = Instant::now();
                (world.ask(sql, &[]).await, started.elapsed())
            };
            let other = async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                let started = Instant::now();
                (world.ask("SELECT spent FROM customers", &[]).await, started.elapsed())
            };
            let ((refused, took), (answer, waited)) = tokio::join!(bomb, other);
            let refusal = refused.expect_err(sql);
            let told = [Code::ResourceLimit, Code::DataError, Code::ParameterInvalid, Code::Unsupported];
            assert!(told.contains(&refusal.code), "{engine:?} {sql}: {refusal:?}");
            assert!(took < Duration::from_secs(10), "{engine:?} {sql} took {took:?}");
            assert_eq!(answer.expect(sql).rows, [[Value::Integer(7)]], "{engine:?} {sql}");
            assert!(waited < Duration::from_secs(5), "{engine:?} {sql}: another waited for {waited:?}");
        }
    }
}
