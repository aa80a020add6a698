//! Predicates that a planner would run before the scope's filter, where nothing stops it.

use crate::world::{BOTH, Engine, Pair};

/// Each raises on a hidden row of one of the two worlds and on no row in scope, and finds rows.
const EARLY: &[&str] = &[
    "SELECT customer_id FROM customers WHERE 1 / (CASE WHEN name = '0' THEN 0 ELSE 1 END) = 1",
    "SELECT o.order_id FROM orders o JOIN customers c ON 1 / o.order_id = 0 AND o.customer_id = c.customer_id",
    "SELECT order_id FROM orders WHERE 100 / order_id > 8",
    "SELECT x FROM (SELECT 100 / order_id AS x FROM orders) s WHERE x > 8",
    "SELECT order_id FROM orders WHERE EXISTS (SELECT 1 FROM notenant WHERE 100 / orders.order_id > 8)",
    "SELECT status FROM orders GROUP BY status, order_id HAVING 100 / order_id > 8",
    "SELECT v FROM notenant WHERE 8 IN (SELECT 100 / order_id FROM orders)",
    "WITH x AS (SELECT 100 / order_id AS y FROM orders) SELECT y FROM x WHERE y > 8",
    "SELECT order_id FROM orders WHERE status LIKE 'open%' AND total > 5",
];

/// In SQLite a division by zero is NULL. What an index covers is looked at before the row is.
const SQLITE: &[&str] = &[
    "SELECT customer_id FROM customers WHERE abs(CASE WHEN name = '0' THEN -9223372036854775807 - 1 ELSE 1 END) = 1",
    "SELECT customer_id FROM customers WHERE json_extract(CASE WHEN name = '0' THEN 'bad' ELSE '{\"a\":1}' END, '$.a') = 1",
    "SELECT total FROM orders WHERE customer_id BETWEEN 0 AND 3 \
       AND abs(CASE WHEN customer_id = 2 THEN -9223372036854775807 - 1 ELSE 1 END) = 1",
];

const POSTGRES: &[&str] = &[
    "SELECT customer_id FROM customers WHERE (CASE WHEN name IN ('Bob', '0') THEN name ELSE '1' END)::int = 1",
    "SELECT o.order_id, g FROM orders o, generate_series(1, 100 / o.order_id) g",
    "SELECT o.order_id, s.x FROM orders o, LATERAL (SELECT 100 / o.order_id AS x) s WHERE s.x > 8",
];

fn statements(engine: Engine) -> impl Iterator<Item = &'static str> {
    let own = match engine {
        Engine::Sqlite => SQLITE,
        Engine::Postgres => POSTGRES,
    };
    EARLY.iter().chain(own).copied()
}

/// In a weakened build, tests that take a defence down must not meet those that want it up.
static DEFENCES: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test]
async fn predicates_that_run_too_early() {
    let _up = DEFENCES.lock().await;
    for engine in BOTH {
        let pair = Pair::new(engine, "early").await;
        for sql in statements(engine) {
            assert!(!pair.answered(sql).await.is_empty(), "{engine:?} {sql}");
        }
    }
}

#[cfg(mountgate_weaken)]
#[tokio::test]
async fn without_the_fence_they_tell() {
    use mountgate_core::weaken::{Defence, set};

    let _down = DEFENCES.lock().await;
    for engine in BOTH {
        let pair = Pair::new(engine, "early_down").await;
        set(Defence::Fence, true);
        let mut telling = 0;
        for sql in statements(engine) {
            let (one, other) = pair.each(sql, &[]).await;
            telling += usize::from(one.is_err() != other.is_err());
        }
        set(Defence::Fence, false);
        assert!(telling > 0, "{engine:?}: nothing tells, so the test with the fence up proves nothing");
    }
}
