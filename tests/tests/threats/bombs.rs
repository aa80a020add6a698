//! Statements that are small to send and large to run.

use std::time::{Duration, Instant};

use mountgate_core::{Code, Value};

use crate::world::{BOTH, Engine, Pair};

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
