//! SQLite's heap limit holds for the whole process, so its test has a process of its own.

use std::{sync::Arc, time::Duration};

use mountgate_core::Value;
use mountgate_driver::{Call, Class, SqliteConfig, SqliteStore};

#[tokio::test]
async fn a_bomb_of_memory_ends_in_an_error_and_gives_its_memory_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let config = SqliteConfig { threads: 1, heap_bytes: 48 << 20, ..SqliteConfig::new(&path) };
    let store = SqliteStore::open(config).await.unwrap();
    let call = |sql: &str| Call { sql: Arc::from(sql), values: vec![], timeout: Duration::from_secs(60), behind: None };
    for sql in [
        // A sort, a distinct, a materialised table, an aggregate: what needs memory for its work, however few its rows.
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT hex(randomblob(500)) AS r FROM n ORDER BY r",
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(DISTINCT randomblob(500)) FROM n",
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n), m AS MATERIALIZED (SELECT randomblob(500) AS r FROM n) SELECT count(*) FROM m a, m b",
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n UNION SELECT x FROM n",
    ] {
        match store.stream(call(sql)).await {
            Ok(_) => panic!("`{sql}` gave rows"),
            Err(error) => assert_eq!(error.class, Class::Resource, "{sql}: {}", error.detail),
        }
        let mut rows = store.stream(call("SELECT 1")).await.unwrap();
        assert_eq!(rows.next().await.unwrap().unwrap().rows().next().unwrap(), [Value::Integer(1)]);
    }
}
