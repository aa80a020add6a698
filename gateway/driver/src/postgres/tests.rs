use std::collections::BTreeSet;

use mountgate_core::{ColumnType, Value};
use tokio_postgres::NoTls;

use super::*;

fn url() -> String {
    std::env::var("MOUNTGATE_TEST_POSTGRES").expect(
        "MOUNTGATE_TEST_POSTGRES must hold the URL of a superuser of a scratch PostgreSQL; `cargo xtask test` sets one up",
    )
}

/// A database of its own for each test, so that tests can run side by side.
async fn fixture(name: &str, sql: &str) -> PostgresConfig {
    let admin = admin(&url()).await;
    let database = format!("driver_{name}");
    admin.batch_execute(&format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)")).await.unwrap();
    admin.batch_execute(&format!("CREATE DATABASE {database} ENCODING 'UTF8' TEMPLATE template0")).await.unwrap();
    let mut url = url();
    let at = url.rfind('/').unwrap();
    url.replace_range(at + 1.., &database);
    super::tests::admin(&url).await.batch_execute(sql).await.unwrap();
    let mut config = PostgresConfig::new(&url).unwrap();
    config.connections = 1;
    config
}

async fn admin(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn open(name: &str, sql: &str) -> PostgresStore {
    PostgresStore::open(fixture(name, sql).await).await.unwrap()
}

fn call(sql: &str, values: &[Value]) -> Call {
    Call { sql: Arc::from(sql), values: values.to_vec(), timeout: Duration::from_secs(20), behind: None }
}

async fn all(store: &PostgresStore, sql: &str, values: &[Value]) -> Result<Vec<Vec<Value>>, StoreError> {
    let mut rows = store.stream(call(sql, values)).await?;
    let mut out = Vec::new();
    while let Some(batch) = rows.next().await? {
        out.extend(batch.rows().map(<[Value]>::to_vec));
    }
    Ok(out)
}

async fn class(store: &PostgresStore, sql: &str) -> Class {
    match all(store, sql, &[]).await {
        Ok(rows) => panic!("`{sql}` gave {rows:?}"),
        Err(error) => error.class,
    }
}

async fn pid(store: &PostgresStore) -> Value {
    all(store, "SELECT pg_backend_pid()", &[]).await.unwrap()[0][0].clone()
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

const SHOP: &str = "CREATE TABLE orders (id int8 PRIMARY KEY, customer int8, status text);
    INSERT INTO orders VALUES (1, 7, 'open'), (2, 8, 'paid'); CREATE SEQUENCE s;";

#[tokio::test]
async fn nothing_but_reading_is_done() {
    let store = open("deny", SHOP).await;
    for sql in [
        "INSERT INTO public.orders VALUES (3, 9, 'x')",
        "INSERT INTO public.orders VALUES (3, 9, 'x') RETURNING id",
        "UPDATE public.orders SET status = 'x' RETURNING id",
        "DELETE FROM public.orders RETURNING id",
        "WITH gone AS (DELETE FROM public.orders RETURNING id) SELECT id FROM gone",
        "SELECT nextval('public.s')",
        "SELECT id FROM public.orders FOR UPDATE",
        "DROP TABLE public.orders",
        "CREATE TABLE public.t (x int)",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SET search_path = public",
        "COPY public.orders TO STDOUT",
        "LISTEN x",
        "DO $$ BEGIN DELETE FROM public.orders; END $$",
        "SELECT 1; SELECT 2",
        "SELECT 1; COMMIT; DELETE FROM public.orders",
        "",
        "SELECT FROM public.orders",
        "SELECT * FROM orders",
        "SELECT nosuch FROM public.orders",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SELECT 1 +",
        "SELECT int4range(1, 2)",
        "SELECT o FROM public.orders AS o",
        "SELECT ROW(1, 2)",
        "SELECT '(1,2)'::point",
        "SELECT 'a'::tsvector",
        "SELECT 1::regclass",
    ] {
        assert_eq!(class(&store, sql).await, Class::Refused, "{sql}");
    }
    assert_eq!(all(&store, "SELECT count(*) FROM public.orders", &[]).await.unwrap(), [[Value::Integer(2)]]);
    let refused = all(&store, "SELECT int4range(1, 2)", &[]).await.unwrap_err();
    assert!(refused.detail.contains("int4range"), "{}", refused.detail);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let config = PostgresConfig::new("postgres://nobody@127.0.0.1:1/x").unwrap();
    assert_eq!(PostgresStore::open(config).await.unwrap_err().class, Class::Unavailable);
}

#[tokio::test]
async fn what_a_statement_leaves_in_its_session_goes_with_it() {
    let store = open("state", SHOP).await;
    let setting = "SELECT current_setting('statement_timeout'), current_setting('search_path'), current_setting('default_transaction_read_only')";
    let before = all(&store, setting, &[]).await.unwrap();
    let session = pid(&store).await;
    all(&store, "SELECT set_config('statement_timeout', '0', false), set_config('search_path', 'public', false), set_config('default_transaction_read_only', 'off', false)", &[])
        .await
        .unwrap();
    assert_eq!(pid(&store).await, session);
    assert_eq!(all(&store, setting, &[]).await.unwrap(), before);
    // Names are found in the catalogue's schema only.
    assert_eq!(class(&store, "SELECT * FROM orders").await, Class::Refused);
}

#[tokio::test]
async fn failures_have_their_class_and_leave_a_clean_session() {
    let store = open("classes", SHOP).await;
    let session = pid(&store).await;
    for (sql, wanted) in [
        ("SELECT 1 / (id - id) FROM public.orders", Class::Data),
        ("SELECT 1 / 0", Class::Data),
        ("SELECT status::int8 FROM public.orders", Class::Data),
        ("SELECT 'x'::int8", Class::Data),
        ("SELECT 9223372036854775807 + id FROM public.orders", Class::Data),
        ("SELECT json_object_agg(NULL, id) FROM public.orders", Class::Data),
        ("SELECT 1 FROM public.nosuch", Class::Refused),
        ("SELECT nosuch(1)", Class::Refused),
    ] {
        assert_eq!(class(&store, sql).await, wanted, "{sql}");
        assert_eq!(pid(&store).await, session, "{sql}");
    }
    let deep = format!("SELECT {}1", "1 + ".repeat(100_000));
    assert_eq!(class(&store, &deep).await, Class::Resource);
    for (sql, value) in [
        ("SELECT $1::int8", text("x")),
        ("SELECT $1::int4", Value::Integer(i64::MAX)),
        ("SELECT $1::date", text("2026-02-31")),
        ("SELECT $1::text", text("a\0b")),
        ("SELECT $1::jsonb", text("{")),
        ("SELECT $1::uuid", text("x")),
    ] {
        assert_eq!(all(&store, sql, &[value]).await.unwrap_err().class, Class::Parameter, "{sql}");
        assert_eq!(pid(&store).await, session, "{sql}");
    }
    for values in [&[][..], &[Value::Null, Value::Null][..]] {
        assert_eq!(all(&store, "SELECT $1::int8", values).await.unwrap_err().class, Class::Parameter);
    }
    assert_eq!(pid(&store).await, session);
}

#[tokio::test]
async fn an_endless_query_is_cancelled_and_its_session_serves_on() {
    let config = fixture("endless", SHOP).await;
    let admin = admin(&url()).await;
    let store = PostgresStore::open(config).await.unwrap();
    let session = pid(&store).await;
    for sql in [
        "SELECT pg_sleep(600)::text",
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n",
    ] {
        let call = Call { timeout: Duration::from_millis(80), ..call(sql, &[]) };
        assert_eq!(store.stream(call).await.unwrap_err().class, Class::Timeout, "{sql}");
        // The one place is free again only when the session is settled: cancelled, rolled back, the same.
        assert_eq!(pid(&store).await, session, "{sql}");
        let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND datname = 'driver_endless'";
        assert_eq!(admin.query_one(running, &[]).await.unwrap().get::<_, i64>(0), 0, "{sql}");
    }
    let dropped = store.stream(call("SELECT pg_sleep(600)::text", &[]));
    assert!(tokio::time::timeout(Duration::from_millis(80), dropped).await.is_err());
    assert_eq!(pid(&store).await, session);
}

#[tokio::test]
async fn the_wait_for_a_connection_counts() {
    let store = open("wait", SHOP).await;
    let other = store.clone();
    let busy = tokio::spawn(async move { all(&other, "SELECT pg_sleep(0.5)::text", &[]).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let call = Call { timeout: Duration::from_millis(50), ..call("SELECT 1", &[]) };
    assert_eq!(store.stream(call).await.unwrap_err().class, Class::Timeout);
    assert_eq!(busy.await.unwrap().unwrap().len(), 1);
    assert_eq!(all(&store, "SELECT 1", &[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_huge_row_is_refused_at_its_header() {
    let store = open("huge", SHOP).await;
    for sql in
        ["SELECT repeat('x', 100000000)", "SELECT string_agg(repeat('x', 1000000), '') FROM generate_series(1, 100)"]
    {
        assert_eq!(class(&store, sql).await, Class::Resource, "{sql}");
        assert_eq!(all(&store, "SELECT 1", &[]).await.unwrap(), [[Value::Integer(1)]]);
    }
    // More than PostgreSQL itself allows.
    assert_eq!(class(&store, "SELECT repeat('x', 1073741824)").await, Class::Resource);
    assert_eq!(
        all(&store, "SELECT length(repeat('x', 100000000))", &[]).await.unwrap(),
        [[Value::Integer(100_000_000)]]
    );
}

const MANY: &str = "SELECT g, 'row ' || g FROM (SELECT generate_series(1, $1::int8) AS g) AS x";

#[tokio::test]
async fn a_million_rows_stream_in_small_batches_as_fast_as_they_are_taken() {
    let store = open("many", SHOP).await;
    let session = pid(&store).await;
    let mut rows = store.stream(call(MANY, &[Value::Integer(1_000_000)])).await.unwrap();
    let mut count = 0i64;
    while let Some(batch) = rows.next().await.unwrap() {
        assert!(batch.len() <= 256 && batch.width() == 2);
        for row in batch.rows() {
            count += 1;
            assert_eq!(row[0], Value::Integer(count));
        }
        let Source::Postgres(inner) = rows.source() else { panic!("not PostgreSQL") };
        assert!(inner.depth() <= 4);
    }
    assert_eq!(count, 1_000_000);
    assert!(rows.next().await.unwrap().is_none());
    assert_eq!(pid(&store).await, session);
}

#[tokio::test]
async fn rows_not_taken_wait_in_the_server() {
    let config = fixture("wait_in_server", SHOP).await;
    let admin = admin(&url()).await;
    let store = PostgresStore::open(config).await.unwrap();
    let mut rows = store.stream(call(MANY, &[Value::Integer(100_000_000)])).await.unwrap();
    assert!(rows.next().await.unwrap().is_some());
    tokio::time::sleep(Duration::from_millis(500)).await;
    // Were anything read ahead without bound, the server would be busy and not waiting for its client.
    let waiting =
        "SELECT wait_event FROM pg_stat_activity WHERE datname = 'driver_wait_in_server' AND state = 'active'";
    assert_eq!(
        admin.query_one(waiting, &[]).await.unwrap().get::<_, Option<String>>(0).as_deref(),
        Some("ClientWrite")
    );
}

#[tokio::test]
async fn a_stream_dropped_in_the_middle_leaves_a_clean_session() {
    let store = open("dropped", SHOP).await;
    let session = pid(&store).await;
    for _ in 0..5 {
        let mut rows = store.stream(call(MANY, &[Value::Integer(100_000_000)])).await.unwrap();
        assert!(rows.next().await.unwrap().is_some());
        drop(rows);
        assert_eq!(pid(&store).await, session);
    }
    assert_eq!(store.pool.idle(), 1);
}

#[tokio::test]
async fn a_caller_that_takes_no_rows_is_given_up() {
    let mut config = fixture("patience", SHOP).await;
    config.patience = Duration::from_millis(100);
    let store = PostgresStore::open(config).await.unwrap();
    let mut rows = store.stream(call(MANY, &[Value::Integer(100_000_000)])).await.unwrap();
    assert_eq!(all(&store, "SELECT 1", &[]).await.unwrap().len(), 1, "the place is free though nobody read");
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
    let store = open("slow", SHOP).await;
    // Large rows, since the server itself holds back what is smaller than its buffer.
    let sql = "SELECT repeat('x', 10000), pg_sleep(CASE WHEN g > 2 THEN 600 ELSE 0 END)::text FROM generate_series(1, 3) AS g";
    let mut rows = store.stream(Call { timeout: Duration::from_secs(2), ..call(sql, &[]) }).await.unwrap();
    assert_eq!(rows.next().await.unwrap().unwrap().len(), 1);
    assert_eq!(rows.next().await.unwrap_err().class, Class::Timeout);
}

#[tokio::test]
async fn a_session_that_the_server_ended_is_replaced() {
    let config = fixture("ended", SHOP).await;
    let admin = admin(&url()).await;
    let store = PostgresStore::open(config).await.unwrap();
    for _ in 0..3 {
        assert_eq!(all(&store, "SELECT id FROM public.orders", &[]).await.unwrap().len(), 2);
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'driver_ended'";
        admin.query(end, &[]).await.unwrap();
    }
    assert_eq!(all(&store, "SELECT id FROM public.orders", &[]).await.unwrap().len(), 2);
    // One that ends under way is told as what it is.
    let other = store.clone();
    let under_way = tokio::spawn(async move { all(&other, "SELECT pg_sleep(20)::text", &[]).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    admin
        .query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'driver_ended' AND query LIKE '%pg_sleep%'", &[])
        .await
        .unwrap();
    assert_eq!(under_way.await.unwrap().unwrap_err().class, Class::Unavailable);
}

#[tokio::test]
async fn a_changed_table_has_its_statements_prepared_anew() {
    let config = fixture("stale", SHOP).await;
    let mut url = url();
    url.replace_range(url.rfind('/').unwrap() + 1.., "driver_stale");
    let admin = admin(&url).await;
    let store = PostgresStore::open(config).await.unwrap();
    let sql = "SELECT status FROM public.orders WHERE id = 1";
    assert_eq!(all(&store, sql, &[]).await.unwrap(), [[text("open")]]);
    admin.batch_execute("ALTER TABLE orders ALTER COLUMN status TYPE varchar(10)").await.unwrap();
    assert_eq!(all(&store, sql, &[]).await.unwrap(), [[text("open")]]);
    admin.batch_execute("ALTER TABLE orders ALTER COLUMN status TYPE bytea USING 'ab'").await.unwrap();
    assert_eq!(all(&store, sql, &[]).await.unwrap(), [[Value::Bytes(b"ab".to_vec())]]);
}

#[tokio::test]
async fn prepared_statements_are_reused_and_bounded() {
    let mut config = fixture("prepared", SHOP).await;
    config.statements = 5;
    let store = PostgresStore::open(config).await.unwrap();
    let count = "SELECT count(*) FROM pg_prepared_statements";
    for n in 0..20 {
        assert_eq!(all(&store, &format!("SELECT {n}"), &[]).await.unwrap().len(), 1);
    }
    let Value::Integer(held) = all(&store, count, &[]).await.unwrap()[0][0] else { panic!("no count") };
    assert!((2..=8).contains(&held), "{held} statements held");
    for _ in 0..5 {
        assert_eq!(all(&store, "SELECT 'again'", &[]).await.unwrap().len(), 1);
    }
    let uses = "SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE statement = 'SELECT ''again'''";
    assert_eq!(all(&store, uses, &[]).await.unwrap(), [[Value::Integer(5)]]);
}

#[tokio::test]
async fn values_come_out_exactly() {
    let store = open(
        "types",
        "CREATE TYPE mood AS ENUM ('ok', 'not ok'); CREATE DOMAIN score AS numeric(4,1) CHECK (VALUE > 0);",
    )
    .await;
    use ColumnType as T;
    let decimal = |x: &str| Value::Decimal(x.into());
    let stamp = |x: &str| Value::Timestamp(x.into());
    let moment = |x: &str| Value::TimestampTz(x.into());
    let date = |x: &str| Value::Date(x.into());
    let time = |x: &str| Value::Time(x.into());
    let span = |x: &str| Value::Interval(x.into());
    let list = |items: Vec<Value>| Value::Array(items);
    let array = |of: T| T::Array(Box::new(of));
    let table: Vec<(&str, T, Value)> = vec![
        ("NULL::int8", T::Integer, Value::Null),
        ("true", T::Boolean, Value::Boolean(true)),
        ("'-32768'::int2", T::Integer, Value::Integer(-32768)),
        ("'-2147483648'::int4", T::Integer, Value::Integer(-2147483648)),
        ("9007199254740993::int8", T::Integer, Value::Integer(9007199254740993)),
        ("4294967295::oid", T::Integer, Value::Integer(4294967295)),
        ("0.1::float4", T::Float, Value::Float(0.1)),
        ("0.1::float8", T::Float, Value::Float(0.1)),
        ("'-Infinity'::float8", T::Float, Value::Float(f64::NEG_INFINITY)),
        ("12.50::numeric", T::Decimal, decimal("12.50")),
        ("0::numeric", T::Decimal, decimal("0")),
        ("0.00::numeric", T::Decimal, decimal("0.00")),
        ("-0.000123::numeric", T::Decimal, decimal("-0.000123")),
        ("0.00001234::numeric", T::Decimal, decimal("0.00001234")),
        ("10000::numeric", T::Decimal, decimal("10000")),
        ("100000000::numeric", T::Decimal, decimal("100000000")),
        (
            "12345678901234567890123456789.987654321::numeric",
            T::Decimal,
            decimal("12345678901234567890123456789.987654321"),
        ),
        ("1e30::numeric", T::Decimal, decimal("1000000000000000000000000000000")),
        ("'NaN'::numeric", T::Decimal, decimal("NaN")),
        ("'-Infinity'::numeric", T::Decimal, decimal("-Infinity")),
        ("12.5::public.score", T::Decimal, decimal("12.5")),
        ("'é'::text", T::Text, text("é")),
        ("'ab'::char(4)", T::Text, text("ab  ")),
        ("'ab'::varchar(4)", T::Text, text("ab")),
        ("'x'::\"char\"", T::Text, text("x")),
        ("'n'::name", T::Text, text("n")),
        ("'unknown'", T::Text, text("unknown")),
        ("'not ok'::public.mood", T::Text, text("not ok")),
        ("'\\x00ff'::bytea", T::Bytes, Value::Bytes(vec![0, 255])),
        ("'2026-11-24'::date", T::Date, date("2026-11-24")),
        ("'2000-02-29'::date", T::Date, date("2000-02-29")),
        ("'0044-03-15 BC'::date", T::Date, date("0044-03-15 BC")),
        ("'12026-01-01'::date", T::Date, date("12026-01-01")),
        ("'infinity'::date", T::Date, date("infinity")),
        ("'08:53:01.25'::time", T::Time, time("08:53:01.25")),
        ("'24:00:00'::time", T::Time, time("24:00:00")),
        ("'08:53:01-03:30'::timetz", T::Time, time("08:53:01-03:30")),
        ("'2026-11-24 08:53:01.250000'::timestamp", T::Timestamp, stamp("2026-11-24T08:53:01.25")),
        ("'1969-12-31 23:59:59.999999'::timestamp", T::Timestamp, stamp("1969-12-31T23:59:59.999999")),
        ("'0044-03-15 10:00:00 BC'::timestamp", T::Timestamp, stamp("0044-03-15T10:00:00 BC")),
        ("'-infinity'::timestamp", T::Timestamp, stamp("-infinity")),
        ("'2026-11-24 08:53:01+01'::timestamptz", T::TimestampTz, moment("2026-11-24T07:53:01Z")),
        ("'infinity'::timestamptz", T::TimestampTz, moment("infinity")),
        ("'0'::interval", T::Interval, span("PT0S")),
        ("'1 year 2 mons -3 days 4 hours 5 mins 6.5 secs'::interval", T::Interval, span("P1Y2M-3DT4H5M6.5S")),
        ("'-0.25 secs'::interval", T::Interval, span("PT-0.25S")),
        (
            "'00112233-4455-6677-8899-AABBCCDDEEFF'::uuid",
            T::Uuid,
            Value::Uuid("00112233-4455-6677-8899-aabbccddeeff".into()),
        ),
        (
            "'{\"b\": 1, \"a\" : 9007199254740993}'::json",
            T::Json,
            Value::Json("{\"b\": 1, \"a\" : 9007199254740993}".into()),
        ),
        ("'{\"b\": 1, \"a\" : 2.50}'::jsonb", T::Json, Value::Json("{\"a\": 2.50, \"b\": 1}".into())),
        ("'10.0.0.1/8'::inet", T::Text, text("10.0.0.1/8")),
        ("'::1'::inet", T::Text, text("::1")),
        ("'10.0.0.0/8'::cidr", T::Text, text("10.0.0.0/8")),
        ("'08:00:2b:01:02:03'::macaddr", T::Text, text("08:00:2b:01:02:03")),
        ("B'101'::bit(3)", T::Text, text("101")),
        ("ARRAY[1, NULL, 3]::int8[]", array(T::Integer), list(vec![Value::Integer(1), Value::Null, Value::Integer(3)])),
        ("ARRAY[]::text[]", array(T::Text), list(vec![])),
        (
            "ARRAY[['a', 'b'], ['c', NULL]]",
            array(T::Text),
            list(vec![list(vec![text("a"), text("b")]), list(vec![text("c"), Value::Null])]),
        ),
        ("ARRAY[1.50]", array(T::Decimal), list(vec![decimal("1.50")])),
        ("ARRAY['ok']::public.mood[]", array(T::Text), list(vec![text("ok")])),
    ];
    for (sql, ty, value) in &table {
        let mut rows = store
            .stream(call(&format!("SELECT {sql} AS x"), &[]))
            .await
            .unwrap_or_else(|e| panic!("{sql}: {}", e.detail));
        assert_eq!((rows.columns()[0].name.as_str(), &rows.columns()[0].ty), ("x", ty), "{sql}");
        assert_eq!(rows.next().await.unwrap().unwrap().rows().next().unwrap(), std::slice::from_ref(value), "{sql}");
        // What came out goes in again, as the same.
        let Some(ty) = sql.rsplit_once("::").map(|(_, ty)| ty) else { continue };
        let again = format!("SELECT $1::{ty} IS NOT DISTINCT FROM {sql}");
        if !ty.contains("json") && !sql.contains("ARRAY[1.50]") {
            assert_eq!(
                all(&store, &again, std::slice::from_ref(value))
                    .await
                    .unwrap_or_else(|e| panic!("{sql}: {}", e.detail)),
                [[Value::Boolean(true)]],
                "{sql}"
            );
        }
    }
}

#[tokio::test]
async fn dates_agree_with_the_server_over_the_whole_calendar() {
    let store = open("calendar", "").await;
    let sql = "SELECT d, d::text, ts, ts::text FROM (SELECT ('4713-01-01 BC'::date + g * 997) AS d, ('4713-01-01 BC'::timestamp + g * interval '997 days 1.000001 s') AS ts FROM generate_series(0, 8000) AS g) AS x";
    for row in all(&store, sql, &[]).await.unwrap() {
        let [Value::Date(date), Value::Text(text), Value::Timestamp(stamp), Value::Text(stamp_text)] = &row[..] else {
            panic!("{row:?}")
        };
        assert_eq!((date, stamp), (text, &stamp_text.replacen(' ', "T", 1)));
    }
}

#[tokio::test]
async fn parameters_of_every_kind_arrive() {
    let store = open("parameters", "").await;
    let items = Value::Array(vec![text("a,b"), text("NULL"), Value::Null, text("\"\\{}")]);
    for (sql, value, wanted) in [
        ("$1::bool::text", Value::Boolean(false), "false"),
        ("$1::int8::text", Value::Integer(i64::MIN), "-9223372036854775808"),
        ("$1::numeric::text", Value::Float(0.1), "0.1"),
        ("encode($1::bytea, 'hex')", Value::Bytes(vec![0, 255]), "00ff"),
        ("array_to_string($1::text[], '|', '-')", items, "a,b|NULL|-|\"\\{}"),
        ("$1", text("'; DROP TABLE x; --"), "'; DROP TABLE x; --"),
    ] {
        assert_eq!(all(&store, &format!("SELECT {sql}"), &[value]).await.unwrap(), [[text(wanted)]], "{sql}");
    }
    let ids = Value::Array(vec![Value::Integer(1), Value::Integer(9007199254740993)]);
    let sql = "SELECT 9007199254740993 = ANY($1::int8[]), 2 = ANY($1::int8[])";
    assert_eq!(all(&store, sql, &[ids]).await.unwrap(), [[Value::Boolean(true), Value::Boolean(false)]]);
}

#[tokio::test]
async fn the_catalogue_holds_what_the_database_has() {
    let store = open(
        "catalogue",
        "CREATE EXTENSION IF NOT EXISTS citext;
         CREATE TYPE mood AS ENUM ('ok'); CREATE DOMAIN label AS varchar(9); CREATE DOMAIN tag AS label;
         CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         CREATE TABLE orders (id int8, line int4, total numeric(10,2), name citext, code char(4), tag tag, mood mood,
            folded text COLLATE loose, plain text, tags text[], labels tag[], span int4range, at timestamptz, doc jsonb, gone int,
            PRIMARY KEY (line, id) INCLUDE (total));
         ALTER TABLE orders DROP COLUMN gone;
         CREATE VIEW v AS SELECT id FROM orders; CREATE MATERIALIZED VIEW m AS SELECT 1 AS x;
         CREATE TABLE p (k int8) PARTITION BY RANGE (k); CREATE SCHEMA sales; CREATE TABLE sales.\"Odd.Name\" (x int8);
         CREATE INDEX i ON orders (total); CREATE SEQUENCE s; CREATE TEMP TABLE temporary (x int);",
    )
    .await;
    let names: Vec<RelationName> = [
        "orders",
        "public.orders",
        "v",
        "m",
        "p",
        "sales.Odd.Name",
        "Orders",
        "odd.name",
        "i",
        "s",
        "temporary",
        "pg_class",
        "pg_catalog.pg_class",
        "information_schema.tables",
        "nosuch",
        "a.b.c",
    ]
    .map(RelationName::from)
    .to_vec();
    let catalogue = store.catalogue(&names).await.unwrap();
    let found: BTreeSet<_> = catalogue.relations.keys().map(RelationName::as_str).collect();
    assert_eq!(found, BTreeSet::from(["orders", "public.orders", "v", "m", "p", "sales.Odd.Name"]));
    let orders = &catalogue.relations["orders"];
    assert_eq!((orders.schema.as_str(), orders.name.as_str()), ("public", "orders"));
    let key: Vec<_> = orders.key.iter().map(|k| k.as_str()).collect();
    assert_eq!(key, ["line", "id"]);
    use ColumnType as T;
    let array = |of: T| T::Array(Box::new(of));
    let columns: Vec<_> = orders
        .columns
        .iter()
        .map(|c| (c.name.as_str(), c.ty.clone(), c.store_type.as_str(), c.loose_equality))
        .collect();
    assert_eq!(
        columns,
        [
            ("id", T::Integer, "bigint", false),
            ("line", T::Integer, "integer", false),
            ("total", T::Decimal, "numeric(10,2)", false),
            ("name", T::Text, "public.citext", true),
            ("code", T::Text, "character(4)", true),
            ("tag", T::Text, "public.tag", false),
            ("mood", T::Text, "public.mood", false),
            ("folded", T::Text, "text", true),
            ("plain", T::Text, "text", false),
            ("tags", array(T::Text), "text[]", false),
            ("labels", array(T::Text), "public.tag[]", false),
            ("span", T::Any, "int4range", false),
            ("at", T::TimestampTz, "timestamp with time zone", false),
            ("doc", T::Json, "jsonb", false),
        ]
    );
    assert_eq!(catalogue.relations["sales.Odd.Name"].schema, "sales");
}

#[tokio::test]
async fn no_timeout_is_no_overflow() {
    let store = open("forever", SHOP).await;
    let call = Call { timeout: Duration::MAX, ..call("SELECT 1", &[]) };
    assert_eq!(store.stream(call).await.unwrap().next().await.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn implicit_transactions_read_only_and_close_a_changed_session() {
    let mut config = fixture("implicit", SHOP).await;
    config.transactions = Transactions::Implicit;
    let store = PostgresStore::open(config).await.unwrap();
    let session = pid(&store).await;
    for sql in [
        "DELETE FROM public.orders RETURNING id",
        "SELECT nextval('public.s')",
        "SELECT id FROM public.orders FOR UPDATE",
    ] {
        assert_eq!(class(&store, sql).await, Class::Refused, "{sql}");
    }
    assert_eq!(class(&store, "SELECT 1 / (id - id) FROM public.orders").await, Class::Data);
    let mut rows = store.stream(call(MANY, &[Value::Integer(100_000_000)])).await.unwrap();
    assert!(rows.next().await.unwrap().is_some());
    drop(rows);
    let endless = Call { timeout: Duration::from_millis(80), ..call("SELECT pg_sleep(600)::text", &[]) };
    assert_eq!(store.stream(endless).await.unwrap_err().class, Class::Timeout);
    assert_eq!(pid(&store).await, session, "clean all the while");
    all(&store, "SELECT set_config('default_transaction_read_only', 'off', false)", &[]).await.unwrap();
    assert_ne!(pid(&store).await, session);
    assert_eq!(class(&store, "DELETE FROM public.orders RETURNING id").await, Class::Refused);
    assert_eq!(all(&store, "SELECT count(*) FROM public.orders", &[]).await.unwrap(), [[Value::Integer(2)]]);
}
