use std::{path::Path, sync::Arc};

use mountgate_core::{ColumnType, Value};

use super::*;

fn fixture(sql: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    (dir, path)
}

async fn open(path: &Path, threads: usize) -> SqliteStore {
    SqliteStore::open(SqliteConfig { threads, ..SqliteConfig::new(path) }).await.unwrap()
}

fn call(sql: &str, values: &[Value]) -> Call {
    Call { sql: Arc::from(sql), values: values.to_vec(), timeout: Duration::from_secs(20), behind: None }
}

async fn all(store: &SqliteStore, sql: &str, values: &[Value]) -> Result<Vec<Vec<Value>>, StoreError> {
    let mut rows = store.stream(call(sql, values)).await?;
    let mut out = Vec::new();
    while let Some(batch) = rows.next().await? {
        out.extend(batch.rows().map(<[Value]>::to_vec));
    }
    Ok(out)
}

async fn class(store: &SqliteStore, sql: &str) -> Class {
    match all(store, sql, &[]).await {
        Ok(rows) => panic!("`{sql}` gave {rows:?}"),
        Err(error) => error.class,
    }
}

const SHOP: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, status TEXT);
    INSERT INTO orders VALUES (1, 7, 'open'), (2, 8, 'paid');";

const ENDLESS: &str = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";

#[tokio::test]
async fn nothing_but_reading_is_done() {
    let (_dir, path) = fixture(SHOP);
    let store = open(&path, 1).await;
    for sql in [
        "INSERT INTO orders VALUES (3, 9, 'x')",
        "INSERT INTO orders VALUES (3, 9, 'x') RETURNING id",
        "UPDATE orders SET status = 'x' RETURNING id",
        "DELETE FROM orders RETURNING id",
        "DROP TABLE orders",
        "CREATE TABLE t (x)",
        "CREATE TEMP TABLE t (x)",
        "CREATE TEMP VIEW v AS SELECT 1",
        "CREATE VIRTUAL TABLE temp.t USING fts5(x)",
        "ATTACH DATABASE ':memory:' AS other",
        "ATTACH DATABASE '/tmp/mountgate-attached.db' AS other",
        "DETACH DATABASE main",
        "PRAGMA table_info(orders)",
        "PRAGMA query_only = 0",
        "PRAGMA hard_heap_limit",
        "SELECT * FROM pragma_table_info('orders')",
        "SELECT 1 WHERE 'id' IN pragma_table_info('orders')",
        "SELECT * FROM PRAGMA_DATABASE_LIST",
        "SELECT load_extension('x')",
        "SELECT LOAD_EXTENSION('x')",
        "SELECT fts3_tokenizer('simple')",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM main.sqlite_schema",
        "SELECT (SELECT sql FROM SQLITE_SCHEMA LIMIT 1)",
        "SELECT count(*) FROM sqlite_temp_schema",
        "SELECT * FROM dbstat",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT a",
        "VACUUM",
        "VACUUM INTO '/tmp/mountgate-vacuumed.db'",
        "ANALYZE",
        "REINDEX",
        "EXPLAIN SELECT 1",
        "EXPLAIN QUERY PLAN SELECT 1",
        "SELECT 1; SELECT 2",
        "SELECT 1; DELETE FROM orders",
        "",
        "-- nothing",
        "SELECT \"nosuch\" FROM orders",
        "SELECT nosuch FROM orders",
        "SELECT * FROM nosuch",
        "SELECT 1 +",
    ] {
        assert_eq!(class(&store, sql).await, Class::Refused, "{sql}");
    }
    assert!(!Path::new("/tmp/mountgate-attached.db").exists() && !Path::new("/tmp/mountgate-vacuumed.db").exists());
    assert_eq!(all(&store, "SELECT id FROM orders ORDER BY id", &[]).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_file_that_is_absent_or_no_database_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    let absent = dir.path().join("absent.db");
    let open = SqliteStore::open(SqliteConfig::new(&absent)).await;
    assert_eq!(open.unwrap_err().class, Class::Unavailable);
    assert!(!absent.exists());
    let junk = dir.path().join("junk.db");
    std::fs::write(&junk, vec![7u8; 8192]).unwrap();
    assert_eq!(SqliteStore::open(SqliteConfig::new(&junk)).await.unwrap_err().class, Class::Unavailable);
}

#[tokio::test]
async fn bombs_of_size_end_in_an_error() {
    let (_dir, path) = fixture(SHOP);
    let store = open(&path, 1).await;
    for sql in [
        "SELECT zeroblob(1000000000)",
        "SELECT hex(zeroblob(16000000))",
        "SELECT printf('%*d', 1000000000, 1)",
        "SELECT length(printf('%.*c', 200000000, 'x'))",
        "SELECT replace(hex(zeroblob(4000000)), '0', hex(zeroblob(1000)))",
        "SELECT length(group_concat(hex(zeroblob(1000000)))) FROM json_each('[1,2,3,4,5,6,7,8,9,10]')",
        "SELECT 1 LIKE printf('%.*c', 2000, '%')",
        "WITH RECURSIVE n(x, y) AS (SELECT 1, 'x' UNION ALL SELECT x + 1, y || y FROM n) SELECT max(length(y)) FROM n",
    ] {
        assert_eq!(class(&store, sql).await, Class::Resource, "{sql}");
    }
    assert_eq!(class(&store, &format!("SELECT {}1", "-+".repeat(1500))).await, Class::Resource);
    assert_eq!(class(&store, &vec!["SELECT 1"; 501].join(" UNION ALL ")).await, Class::Resource);
    assert_eq!(class(&store, &format!("SELECT '{}'", "x".repeat(5 << 20))).await, Class::Resource);
    assert_eq!(all(&store, "SELECT 1", &[]).await.unwrap(), [[Value::Integer(1)]]);
}

#[tokio::test]
async fn what_is_looked_for_is_short() {
    let (_folder, path) = fixture("CREATE TABLE t (x)");
    let store = open(&path, 1).await;
    for x in ["'abc'", "x'00ff'", "1", "1.5", "NULL", "''"] {
        let sql = format!("SELECT mountgate_short({x}, 3) IS {x}, typeof(mountgate_short({x}, 3)) = typeof({x})");
        assert_eq!(all(&store, &sql, &[]).await.unwrap(), [[Value::Integer(1), Value::Integer(1)]], "{x}");
    }
    // Unbounded, this takes longer than anyone waits: 24 seconds for a tenth of it, and SQLite can't be stopped within.
    let trim = "SELECT length(trim(printf('%1000000s', ''), mountgate_short(printf('%500000s', '') || 'x', 64)))";
    assert_eq!(class(&store, trim).await, Class::Resource);
    assert_eq!(class(&store, "SELECT mountgate_short('abcd', 3)").await, Class::Resource);
    assert_eq!(class(&store, "SELECT mountgate_short('abcd', NULL)").await, Class::Resource);
}

#[tokio::test]
async fn errors_of_values_are_data_errors() {
    let (_dir, path) = fixture(SHOP);
    let store = open(&path, 1).await;
    for sql in [
        "SELECT abs(-9223372036854775808)",
        "SELECT json_extract('bad', '$.x')",
        "SELECT sum(x) FROM (SELECT 9223372036854775807 AS x UNION ALL SELECT 1)",
    ] {
        assert_eq!(class(&store, sql).await, Class::Data, "{sql}");
    }
}

#[tokio::test]
async fn an_endless_query_times_out_and_its_connection_serves_on() {
    let (_dir, path) = fixture(SHOP);
    let store = open(&path, 1).await;
    for _ in 0..3 {
        let call = Call { timeout: Duration::from_millis(50), ..call(ENDLESS, &[]) };
        assert_eq!(store.stream(call).await.unwrap_err().class, Class::Timeout);
        assert_eq!(all(&store, "SELECT count(*) FROM orders", &[]).await.unwrap(), [[Value::Integer(2)]]);
    }
}

#[tokio::test]
async fn an_endless_query_leaves_the_other_threads_to_others() {
    let (_dir, path) = fixture(SHOP);
    let store = open(&path, 2).await;
    let other = store.clone();
    let endless = tokio::spawn(async move {
        let call = Call { timeout: Duration::from_secs(2), ..call(ENDLESS, &[]) };
        other.stream(call).await.map(drop)
    });
    for _ in 0..100 {
        assert_eq!(all(&store, "SELECT count(*) FROM orders", &[]).await.unwrap(), [[Value::Integer(2)]]);
    }
    assert!(!endless.is_finished());
    assert_eq!(endless.await.unwrap().unwrap_err().class, Class::Timeout);
}

#[tokio::test]
async fn the_wait_for_a_thread_counts_and_the_queue_is_bounded() {
    let (_dir, path) = fixture(SHOP);
    let store = SqliteStore::open(SqliteConfig { threads: 1, queue: 1, ..SqliteConfig::new(&path) }).await.unwrap();
    let run = |timeout| {
        let store = store.clone();
        tokio::spawn(async move { store.stream(Call { timeout, ..call(ENDLESS, &[]) }).await.map(drop) })
    };
    let running = run(Duration::from_millis(400));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let waiting = run(Duration::from_millis(100));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(store.stream(call("SELECT 1", &[])).await.unwrap_err().class, Class::Unavailable);
    assert_eq!(running.await.unwrap().unwrap_err().class, Class::Timeout);
    assert_eq!(waiting.await.unwrap().unwrap_err().class, Class::Timeout);
    assert_eq!(all(&store, "SELECT 1", &[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_dropped_call_stops_its_work() {
    let (_dir, path) = fixture(SHOP);
    let store = open(&path, 1).await;
    let endless = store.stream(Call { timeout: Duration::from_secs(600), ..call(ENDLESS, &[]) });
    assert!(tokio::time::timeout(Duration::from_millis(50), endless).await.is_err());
    // The only thread is free again long before the deadline of the one that was dropped.
    assert_eq!(all(&store, "SELECT 1", &[]).await.unwrap().len(), 1);
}

const MANY: &str =
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT ?1) SELECT x, 'row ' || x FROM n";

#[tokio::test]
async fn a_million_rows_stream_in_small_batches() {
    let (_dir, path) = fixture(SHOP);
    let store = open(&path, 1).await;
    let mut rows = store.stream(call(MANY, &[Value::Integer(1_000_000)])).await.unwrap();
    let mut count = 0i64;
    while let Some(batch) = rows.next().await.unwrap() {
        assert!(batch.len() <= 256 && batch.width() == 2);
        for row in batch.rows() {
            count += 1;
            assert_eq!(row[0], Value::Integer(count));
        }
        let Source::Sqlite(SqliteRows { receiver, .. }) = rows.source() else { panic!("not SQLite") };
        assert!(receiver.as_ref().is_none_or(|receiver| receiver.depth() <= DEPTH));
    }
    assert_eq!(count, 1_000_000);
    assert!(rows.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_stream_dropped_in_the_middle_frees_its_thread() {
    let (_dir, path) = fixture(SHOP);
    let store = open(&path, 1).await;
    for _ in 0..5 {
        let mut rows = store.stream(call(MANY, &[Value::Integer(100_000_000)])).await.unwrap();
        assert!(rows.next().await.unwrap().is_some());
        drop(rows);
        assert_eq!(all(&store, "SELECT 1", &[]).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_caller_that_takes_no_rows_is_given_up() {
    let (_dir, path) = fixture(SHOP);
    let patience = Duration::from_millis(50);
    let store = SqliteStore::open(SqliteConfig { threads: 1, patience, ..SqliteConfig::new(&path) }).await.unwrap();
    let mut rows = store.stream(call(MANY, &[Value::Integer(10_000_000)])).await.unwrap();
    assert_eq!(all(&store, "SELECT 1", &[]).await.unwrap().len(), 1, "the thread is free though nobody read");
    let error = loop {
        match rows.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the cut answer looked whole"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.class, Class::Timeout);
    assert!(rows.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_first_row_does_not_wait_for_a_slow_second() {
    let (_dir, path) = fixture(SHOP);
    let store = open(&path, 1).await;
    let sql = format!("SELECT 0 UNION ALL SELECT * FROM ({ENDLESS})");
    let mut rows = store.stream(Call { timeout: Duration::from_secs(2), ..call(&sql, &[]) }).await.unwrap();
    assert_eq!(rows.next().await.unwrap().unwrap().len(), 1);
    assert_eq!(rows.next().await.unwrap_err().class, Class::Timeout);
}

#[tokio::test]
async fn values_come_out_as_they_were_stored() {
    let (_dir, path) = fixture(
        "CREATE TABLE v (i INTEGER, r REAL, t TEXT, b BLOB, n NUMERIC, f BOOLEAN, d DATE, ts TIMESTAMP, j JSON, a);
         INSERT INTO v VALUES (9223372036854775807, 0.1, 'é', x'00ff', 12.5, 1, '2026-11-24', '2026-11-24 08:53:01', '{}', NULL),
            (-9223372036854775808, 1e308, '', x'', '9007199254740993', 0, NULL, NULL, NULL, 'any'),
            ('text', 2, CAST(x'61ff' AS TEXT), 'text', 'x', 2, 5, 6, 7, 8);",
    );
    let store = open(&path, 1).await;
    let rows = store.stream(call("SELECT *, i AS e, i + 1 FROM v", &[])).await.unwrap();
    let types: Vec<_> = rows.columns().iter().map(|column| column.ty.clone()).collect();
    use ColumnType as T;
    assert_eq!(
        types,
        [
            T::Integer,
            T::Float,
            T::Text,
            T::Bytes,
            T::Decimal,
            T::Boolean,
            T::Date,
            T::Timestamp,
            T::Json,
            T::Any,
            T::Integer,
            T::Any
        ]
    );
    assert_eq!(rows.columns()[10].name, "e");
    drop(rows);
    let rows = all(&store, "SELECT * FROM v", &[]).await.unwrap();
    let text = |text: &str| Value::Text(text.into());
    assert_eq!(
        rows[0],
        [
            Value::Integer(i64::MAX),
            Value::Float(0.1),
            text("é"),
            Value::Bytes(vec![0, 255]),
            Value::Float(12.5),
            Value::Boolean(true),
            text("2026-11-24"),
            text("2026-11-24 08:53:01"),
            text("{}"),
            Value::Null
        ]
    );
    assert_eq!(
        rows[1],
        [
            Value::Integer(i64::MIN),
            Value::Float(1e308),
            text(""),
            Value::Bytes(vec![]),
            Value::Integer(9007199254740993),
            Value::Boolean(false),
            Value::Null,
            Value::Null,
            Value::Null,
            text("any")
        ]
    );
    assert_eq!(
        rows[2],
        [
            text("text"),
            Value::Float(2.0),
            Value::Bytes(b"a\xff".to_vec()),
            text("text"),
            text("x"),
            Value::Integer(2),
            Value::Integer(5),
            Value::Integer(6),
            Value::Integer(7),
            Value::Integer(8)
        ]
    );
}

#[tokio::test]
async fn parameters_keep_their_types() {
    let (_dir, path) = fixture(SHOP);
    let store = open(&path, 1).await;
    let list = Value::Array(vec![Value::Integer(9007199254740993), Value::Text("a\"b".into()), Value::Null]);
    for (value, kind, text) in [
        (Value::Null, "null", Value::Null),
        (Value::Boolean(true), "integer", Value::Text("1".into())),
        (Value::Integer(i64::MAX), "integer", Value::Text(i64::MAX.to_string())),
        (Value::Float(0.5), "real", Value::Text("0.5".into())),
        (Value::Decimal("12.50".into()), "text", Value::Text("12.50".into())),
        (Value::Text("x\0y".into()), "text", Value::Text("x\0y".into())),
        (Value::Bytes(b"ab".to_vec()), "blob", Value::Text("ab".into())),
        (Value::Date("2026-11-24".into()), "text", Value::Text("2026-11-24".into())),
        (list.clone(), "text", Value::Text("[9007199254740993,\"a\\\"b\",null]".into())),
    ] {
        let rows = all(&store, "SELECT typeof(?1), CAST(?1 AS TEXT)", std::slice::from_ref(&value)).await.unwrap();
        assert_eq!(rows, [[Value::Text(kind.into()), text]], "{value:?}");
    }
    let rows = all(&store, "SELECT value FROM json_each(?1)", &[list]).await.unwrap();
    assert_eq!(rows, [[Value::Integer(9007199254740993)], [Value::Text("a\"b".into())], [Value::Null]]);
    for values in [&[][..], &[Value::Null, Value::Null][..]] {
        assert_eq!(all(&store, "SELECT ?1", values).await.unwrap_err().class, Class::Parameter);
    }
    let bad = Value::Array(vec![Value::Bytes(vec![1])]);
    assert_eq!(all(&store, "SELECT ?1", &[bad]).await.unwrap_err().class, Class::Parameter);
}

#[tokio::test]
async fn masks_take_any_value_and_never_raise() {
    let (_dir, path) = fixture(
        "CREATE TABLE m (x); INSERT INTO m VALUES (NULL), (42), (-1.5), ('alice@example.org'), (x'00ff'),
         ('2026-11-24'), (CAST(x'ff' AS TEXT)), (-9223372036854775808), (9e999), ('');",
    );
    let store = open(&path, 1).await;
    let key = Value::Bytes(b"Jefe".to_vec());
    for masked in [
        "mountgate_hash(?1, x)",
        "mountgate_hash(NULL, x) || ?1",
        "mountgate_hash('text', x) || ?1",
        "mountgate_partial(x, 1, 4, '*') || ?1",
        "mountgate_partial(x, 'a', NULL, 3) || ?1",
        "mountgate_truncate(x, 'month') || ?1",
        "mountgate_truncate(x, 5) || ?1",
        "mountgate_bucket(x, 10) || ?1",
        "mountgate_bucket(x, 0) || ?1",
        "mountgate_round(x, -1) || ?1",
        "mountgate_round(x, 'x') || ?1",
    ] {
        let rows = all(&store, &format!("SELECT {masked} FROM m"), std::slice::from_ref(&key)).await.unwrap();
        assert_eq!(rows.len(), 10, "{masked}");
        assert_eq!(rows[0], [Value::Null], "{masked} of NULL");
    }
    let hash = |key: &[u8], x: Value| {
        let (store, key) = (store.clone(), Value::Bytes(key.to_vec()));
        async move { all(&store, "SELECT mountgate_hash(?1, ?2)", &[key, x]).await.unwrap()[0][0].clone() }
    };
    let jefe = hash(b"Jefe", Value::Text("what do ya want for nothing?".into())).await;
    assert_eq!(jefe, Value::Text("5bdcc146bf60754e6a042426089575c7".into()));
    // The same prepared statement with another key must not use the first key again.
    assert_ne!(jefe, hash(b"jefe", Value::Text("what do ya want for nothing?".into())).await);
    assert_eq!(hash(b"k", Value::Integer(42)).await, hash(b"k", Value::Text("42".into())).await);
}

#[tokio::test]
async fn the_catalogue_holds_tables_and_views_as_they_are_spelt() {
    let (_dir, path) = fixture(
        "CREATE TABLE \"Orders\" (Id INTEGER PRIMARY KEY, Name TEXT COLLATE NOCASE, total DECIMAL(10,2), code TEXT,
            twice INTEGER GENERATED ALWAYS AS (Id * 2) VIRTUAL);
         CREATE TABLE pairs (b INTEGER, a TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID;
         CREATE VIEW v AS SELECT Id, Name FROM \"Orders\";
         CREATE VIRTUAL TABLE f USING fts5(x);
         CREATE TABLE \"odd.name\" (x);",
    );
    let store = open(&path, 1).await;
    let names: Vec<RelationName> = [
        "orders",
        "MAIN.ORDERS",
        "pairs",
        "v",
        "f",
        "f_data",
        "odd.name",
        "nosuch",
        "sqlite_schema",
        "temp.orders",
        "main.nosuch",
        "pragma_table_list",
        "json_each",
    ]
    .into_iter()
    .map(RelationName::from)
    .collect();
    let catalogue = store.catalogue(&names).await.unwrap();
    let found: Vec<_> = catalogue.relations.keys().map(RelationName::as_str).collect();
    assert_eq!(found, ["MAIN.ORDERS", "odd.name", "orders", "pairs", "v"]);
    let orders = &catalogue.relations["orders"];
    assert_eq!((orders.schema.as_str(), orders.name.as_str()), ("main", "Orders"));
    let columns: Vec<_> = orders
        .columns
        .iter()
        .map(|c| (c.name.as_str(), c.ty.clone(), c.store_type.as_str(), c.loose_equality))
        .collect();
    assert_eq!(
        columns,
        [
            ("Id", ColumnType::Integer, "INTEGER", false),
            ("Name", ColumnType::Text, "TEXT", true),
            ("total", ColumnType::Decimal, "DECIMAL(10,2)", false),
            ("code", ColumnType::Text, "TEXT", false),
            ("twice", ColumnType::Integer, "INTEGER", false),
        ]
    );
    assert_eq!(orders.key, [mountgate_core::ColumnName::from("Id")]);
    let key: Vec<_> = catalogue.relations["pairs"].key.iter().map(|k| k.as_str()).collect();
    assert_eq!(key, ["a", "b"]);
    assert!(catalogue.relations["v"].columns.iter().all(|column| column.loose_equality));
}

#[tokio::test]
async fn rows_written_meanwhile_are_seen() {
    let (_dir, path) = fixture(SHOP);
    let store = open(&path, 2).await;
    let writer = rusqlite::Connection::open(&path).unwrap();
    writer.execute("INSERT INTO orders VALUES (3, 9, 'new')", []).unwrap();
    assert_eq!(all(&store, "SELECT count(*) FROM orders", &[]).await.unwrap(), [[Value::Integer(3)]]);
    writer.execute_batch("ALTER TABLE orders ADD COLUMN note TEXT DEFAULT 'none'").unwrap();
    assert_eq!(all(&store, "SELECT note FROM orders WHERE id = 1", &[]).await.unwrap(), [[Value::Text("none".into())]]);
}

#[tokio::test]
async fn closing_ends_what_runs() {
    let (_dir, path) = fixture(SHOP);
    let store = open(&path, 1).await;
    let mut rows = store.stream(call(MANY, &[Value::Integer(1_000_000_000)])).await.unwrap();
    drop(store);
    let error = loop {
        match rows.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the cut answer looked whole"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.class, Class::Unavailable);
}

#[tokio::test]
async fn no_timeout_is_no_overflow() {
    let (_dir, path) = fixture(SHOP);
    let store = open(&path, 1).await;
    let call = Call { timeout: Duration::MAX, ..call("SELECT 1", &[]) };
    assert_eq!(store.stream(call).await.unwrap().next().await.unwrap().unwrap().len(), 1);
}
