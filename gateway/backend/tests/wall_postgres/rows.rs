//! What the views show: the ceiling's columns, masks and rows.

use mountgate_core::{ClaimValue, Mask, Value};

use crate::world::{Declared, Walled, World, claims, database, table, text};

fn value(text: &str) -> Value {
    Value::Text(text.into())
}

#[tokio::test]
async fn an_agents_own_text_gets_the_ceilings_columns_masks_and_rows() {
    let world = World::new("rows").await;
    let rows = world.support.north("SELECT * FROM customers ORDER BY customer_id").await.unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].len(), 5);
    assert_eq!(rows[0][2], value("a**********.org"));
    assert_eq!(rows[0][3], Value::Integer(51000));
    assert_eq!(rows[0][4], Value::Date("1990-01-01".into()));
    assert_eq!(rows[1][2..], [Value::Null, Value::Null, Value::Null]);
    let orders = world.support.north("SELECT count(*), min(customer_id), max(customer_id) FROM orders").await.unwrap();
    assert_eq!(orders, [[Value::Integer(1000), Value::Integer(1), Value::Integer(1)]]);
    // A mount without claims demands the seal and no claim.
    let all = world.report.ask(&[], "SELECT region FROM customers").await.unwrap();
    assert_eq!(all, [[value("north")], [value("north")]]);
}

/// The hash is the rewriter's, so that it stays the same when a wall is built: HMAC-SHA-256, 32 digits.
#[tokio::test]
async fn a_hash_is_the_hmac_under_the_columns_key() {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let world = World::new("hash").await;
    let rows = world.support.north("SELECT name FROM customers WHERE customer_id = 1").await.unwrap();
    let mac = Hmac::<sha2::Sha256>::new_from_slice(&[9; 32]).unwrap().chain_update(b"Ada").finalize().into_bytes();
    let hex: String = mac.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(rows, [[value(&hex)]]);
}

#[tokio::test]
async fn a_claim_that_is_missing_or_of_another_type_keeps_no_row() {
    let world = World::new("claims").await;
    for given in [
        vec![],
        claims(&[("customer_id", ClaimValue::Integer(1))]),
        claims(&[("region", ClaimValue::Integer(1))]),
        claims(&[("region", ClaimValue::Texts(vec!["north".into()]))]),
        claims(&[("region", ClaimValue::Boolean(true))]),
    ] {
        let rows = world.support.ask(&given, "SELECT * FROM customers").await.unwrap();
        assert!(rows.is_empty(), "{given:?}: {rows:?}");
    }
    let one = claims(&[("customer_id", text("1"))]);
    assert!(world.support.ask(&one, "SELECT * FROM orders").await.unwrap().is_empty());
}

const THINGS: &str = "
CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE mood AS ENUM ('calm', 'cross');
CREATE TABLE things (id int8 PRIMARY KEY, word text, folded text COLLATE loose, code char(4), mood mood, n int4,
    price numeric(10,2), rate float8, day date, at timestamptz, flag bool, span daterange, key uuid);
INSERT INTO things VALUES
  (1, 'Bob', 'Bob', 'ab', 'calm', 5, 1.50, 0.1, '2026-01-01', '2026-01-01 00:00Z', true, '[2026-01-01,2027-01-01)', '00000000-0000-0000-0000-000000000001'),
  (2, 'bob', 'bob', 'AB', 'cross', 6, 2.50, 0.2, '2026-06-01', '2026-06-01 00:00Z', false, '[2025-01-01,2026-01-01)', '00000000-0000-0000-0000-000000000002'),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
";

/// Filters of every kind; each shows what is written beside it.
#[tokio::test]
async fn filters_mean_what_the_configuration_says() {
    let list = |items: &[&str]| ClaimValue::Texts(items.iter().map(|item| (*item).to_owned()).collect());
    let numbers = |items: &[i64]| ClaimValue::Integers(items.to_vec());
    let cases: Vec<(&str, Option<ClaimValue>, &[i64])> = vec![
        ("word = claim.c", Some(text("Bob")), &[1]),
        ("folded = claim.c", Some(text("bob")), &[2]),
        ("folded = 'Bob'", None, &[1]),
        ("folded IN ('Bob', 'x')", None, &[1]),
        ("folded = word", None, &[1, 2]),
        ("code = claim.c", Some(text("ab")), &[1]),
        ("word < 'a'", None, &[1]),
        ("word > claim.c", Some(text("a")), &[2]),
        ("mood = claim.c", Some(text("calm")), &[1]),
        ("mood = 'cross'", None, &[2]),
        ("mood <> claim.c", Some(text("calm")), &[2]),
        ("n = claim.c", Some(ClaimValue::Integer(5)), &[1]),
        ("n IN (claim.c)", Some(numbers(&[5, 7])), &[1]),
        ("n IN (claim.c)", Some(ClaimValue::Integer(6)), &[2]),
        ("n IN (claim.c)", Some(numbers(&[])), &[]),
        ("NOT n IN (claim.c)", Some(numbers(&[])), &[1, 2, 3]),
        ("n = ANY(claim.c)", Some(numbers(&[6, 5])), &[1, 2]),
        ("NOT n IN (claim.c)", Some(numbers(&[5])), &[2]),
        ("NOT n IN (claim.c)", Some(list(&["5"])), &[]),
        ("NOT n IN (claim.c)", None, &[]),
        ("NOT n = claim.c", None, &[]),
        ("claim.c IS NULL", None, &[]),
        ("NOT claim.c IS NULL", None, &[]),
        ("NOT claim.c IS NULL", Some(text("x")), &[1, 2, 3]),
        ("mood IN (claim.c)", Some(list(&["cross", "x"])), &[2]),
        ("word IN (claim.c)", Some(list(&["bob", "'\"\\{},"])), &[2]),
        ("price = 1.5", None, &[1]),
        ("price > claim.c", Some(ClaimValue::Integer(2)), &[2]),
        ("rate < 0.15", None, &[1]),
        ("day = claim.c", Some(text("2026-06-01")), &[2]),
        ("day >= '2026-02-01'", None, &[2]),
        ("at < claim.c", Some(text("2026-01-01T00:00:01Z")), &[1]),
        ("at IN (claim.c)", Some(list(&["2026-06-01T00:00:00Z"])), &[2]),
        ("flag = claim.c", Some(ClaimValue::Boolean(true)), &[1]),
        ("flag = FALSE", None, &[2]),
        ("span = claim.c", Some(text("[2025-01-01,2026-01-01)")), &[2]),
        ("span <> claim.c", Some(text("[2025-01-01,2026-01-01)")), &[1]),
        ("key = claim.c", Some(text("00000000-0000-0000-0000-000000000001")), &[1]),
        ("word IS NULL", None, &[3]),
        ("word IS NOT NULL AND (n = 5 OR flag = FALSE)", None, &[1, 2]),
        ("n BETWEEN 5 AND 5", None, &[1]),
        ("claim.c = 'x'", Some(text("x")), &[1, 2, 3]),
        ("claim.c = 'x' AND n = 5", Some(text("y")), &[]),
        ("TRUE", None, &[1, 2, 3]),
        ("FALSE", None, &[]),
        ("word = 'O''Brien\\'", None, &[]),
    ];
    let (database, admin) = database("filters", THINGS).await;
    for (number, (filter, claim, wanted)) in cases.into_iter().enumerate() {
        let declared = Declared::from([("things".into(), table(&["id"], &[], Some(filter)))]);
        let walled = Walled::build(&admin, &database, &format!("f{number}"), &declared).await;
        let claims: Vec<_> = claim.map(|claim| ("c".into(), claim)).into_iter().collect();
        let rows = walled.ask(&claims, "SELECT id FROM things ORDER BY id").await;
        let rows = rows.unwrap_or_else(|e| panic!("{filter}: {}", e.detail));
        let wanted: Vec<Vec<Value>> = wanted.iter().map(|id| vec![Value::Integer(*id)]).collect();
        assert_eq!(rows, wanted, "{filter} {claims:?}");
    }
}

/// A session may change how values read as text. What compares texts, or hashes one, must not follow it.
#[tokio::test]
async fn settings_of_the_session_do_not_move_a_filter_or_a_mask() {
    let (database, admin) = database("settings", THINGS).await;
    let declared = Declared::from([(
        "things".into(),
        table(
            &["id", "at", "day", "rate"],
            &[("at", Mask::Hash), ("day", Mask::Hash), ("rate", Mask::Hash)],
            Some("span <> '[2025-01-01,2026-01-01)' AND at < claim.until"),
        ),
    )]);
    let walled = Walled::build(&admin, &database, "settings", &declared).await;
    let claims = claims(&[("until", text("2026-03-01"))]);
    let ids = async |settings: &str| {
        let sql = format!(
            "WITH s AS MATERIALIZED (SELECT {settings} AS x) SELECT t.id FROM s, things AS t WHERE s.x IS NOT NULL ORDER BY 1"
        );
        walled.ask(&claims, &sql).await.unwrap_or_else(|e| panic!("{settings}: {}", e.detail))
    };
    assert_eq!(ids("1").await, [[Value::Integer(1)]]);
    for settings in [
        "set_config('DateStyle', 'German', true)",
        "set_config('TimeZone', '<x>+100', true)",
        "set_config('TimeZone', 'America/New_York', true)",
        "set_config('search_path', 'pg_temp', true)",
    ] {
        // Rows may be missing then; none may come that the ceiling hides.
        let rows = ids(settings).await;
        assert!(rows.is_empty() || rows == [[Value::Integer(1)]], "{settings}: {rows:?}");
    }
    let plain = walled.ask(&claims, "SELECT at, day, rate FROM things").await.unwrap();
    for settings in [
        "set_config('DateStyle', 'German', true)",
        "set_config('TimeZone', 'Asia/Tokyo', true)",
        "set_config('extra_float_digits', '-10', true)",
    ] {
        let sql = format!(
            "WITH s AS MATERIALIZED (SELECT {settings} AS x) SELECT t.at, t.day, t.rate FROM s, things AS t WHERE s.x IS NOT NULL"
        );
        for row in walled.ask(&claims, &sql).await.unwrap() {
            for (cell, was) in row.iter().zip(&plain[0]) {
                assert!(cell == was || *cell == Value::Null, "{settings}: {cell:?}");
            }
        }
    }
}

/// The claims are read from what the check gave. A statement that changes the setting after the check changes nothing;
/// where each claim is read from the setting, it does.
#[tokio::test]
async fn claims_changed_after_the_check_change_nothing() {
    let data = "CREATE TABLE orders (order_id int8 PRIMARY KEY, customer_id int8);
        INSERT INTO orders VALUES (1, 1), (2, 2), (3, 3);";
    let (database, admin) = database("changed", data).await;
    let filter = "customer_id = claim.one OR customer_id = claim.two";
    let declared = Declared::from([("orders".into(), table(&["order_id", "customer_id"], &[], Some(filter)))]);
    let walled = Walled::build(&admin, &database, "changed", &declared).await;
    let given = claims(&[("one", ClaimValue::Integer(1)), ("two", ClaimValue::Integer(3))]);
    // Between the first row and the second, where the second claim is needed for the first time.
    let attack = "SELECT o.customer_id, set_config('mountgate.seal', 'x {\"claims\":{\"one\":1,\"two\":2}}', true) FROM orders AS o";
    let customers = async || {
        let rows = walled.ask(&given, attack).await.unwrap_or_else(|e| panic!("{}", e.detail));
        rows.into_iter().map(|mut row| row.swap_remove(0)).collect::<Vec<_>>()
    };
    assert_eq!(customers().await, [Value::Integer(1), Value::Integer(3)]);
    let names = walled.wall.names();
    let read = |claim: &str| {
        let setting = "current_setting('mountgate.seal')";
        format!("(SELECT (substr({setting}, strpos({setting}, '{{'))::jsonb -> 'claims' ->> '{claim}')::int8)")
    };
    let naive = format!(
        "CREATE OR REPLACE VIEW {}.orders WITH (security_barrier = true) AS SELECT t.order_id, t.customer_id FROM public.orders t
         WHERE (SELECT {}.sealed() IS NOT NULL) AND (t.customer_id = {} OR t.customer_id = {})",
        names.views,
        names.own,
        read("one"),
        read("two")
    );
    admin.run(&naive).await.unwrap();
    assert_eq!(customers().await, [Value::Integer(1), Value::Integer(2)], "the attack is none");
}

/// Lent columns are in a view of their own, which gives nothing unless the seal says that the policy filters by one.
#[tokio::test]
async fn lent_columns_show_under_a_seal_that_lends_and_in_no_other_view() {
    use mountgate_backend::wall::postgres::Said;
    use mountgate_driver::Seal;
    let (database, admin) = database("lent", THINGS).await;
    let mut things = table(&["id"], &[], Some("n < 7"));
    things.lend = vec!["word".into()];
    let walled = Walled::build(&admin, &database, "lent", &Declared::from([("things".into(), things)])).await;
    let names = walled.wall.walled(&"things".into());
    assert_ne!(names.name, names.lending);
    let ask = async |lends: bool, sql: &str| {
        let (sealer, said) = (walled.wall.sealer(), Said::new(&[], lends));
        walled.run(sql, Some(Seal::new(move |pid, until| sealer.seal(pid, until, &said)))).await
    };
    let lending = format!("SELECT id, word FROM {}.\"{}\" ORDER BY id", names.schema, names.lending);
    let rows = ask(true, &lending).await.unwrap();
    assert_eq!(rows, [[Value::Integer(1), value("Bob")], [Value::Integer(2), value("bob")]]);
    assert!(ask(false, &lending).await.unwrap().is_empty());
    for lends in [true, false] {
        assert!(ask(lends, "SELECT word FROM things").await.is_err());
        assert_eq!(ask(lends, "SELECT * FROM things").await.unwrap(), [[Value::Integer(1)], [Value::Integer(2)]]);
    }
}

/// Names that PostgreSQL would cut stay apart, and those of the wall's own can't be taken.
#[tokio::test]
async fn long_names_stay_apart_and_reserved_ones_are_refused() {
    let long = "x".repeat(60);
    let data = format!(
        "CREATE SCHEMA {long}; CREATE TABLE {long}.{long}a (id int8); CREATE TABLE {long}.{long}b (id int8);
         INSERT INTO {long}.{long}a VALUES (1); INSERT INTO {long}.{long}b VALUES (2);
         CREATE SCHEMA mountgate; CREATE TABLE mountgate.sealed (id int8);"
    );
    let (database, admin) = database("long", &data).await;
    let of = |name: String| (name.as_str().into(), table(&["id"], &[], None));
    let declared = Declared::from([of(format!("{long}.{long}a")), of(format!("{long}.{long}b"))]);
    let walled = Walled::build(&admin, &database, "long", &declared).await;
    for (letter, id) in [("a", 1), ("b", 2)] {
        let name = walled.wall.walled(&format!("{long}.{long}{letter}").into());
        let rows = walled.ask(&[], &format!("SELECT id FROM {}.\"{}\"", name.schema, name.name)).await.unwrap();
        assert_eq!(rows, [[Value::Integer(id)]]);
    }
    let reserved = Declared::from([of("mountgate.sealed".into())]);
    assert!(crate::world::wall(&database, "reserved", &reserved).await.unwrap_err().contains("the wall's own"));
}
