//! Masks and claims through the stores' real functions and collations.

use mountgate_core::Value;

use crate::world::{BOTH, Engine, World, text};

const MASKED: &str = r#"
name    = "test"
backend = "shop"
agents  = ["desk"]
policy  = "ceiling"

[tables.people]
columns = ["id", "name", "pay", "rate", "debt", "word"]
masks   = { name = "hash", pay = { bucket = 100 }, rate = { round = 1 }, debt = { round = -2 }, word = "null" }
"#;

#[tokio::test]
async fn hash_bucket_and_round_are_the_stores() {
    for engine in BOTH {
        let data = "CREATE TABLE people (id INTEGER, name VARCHAR(20), pay INTEGER, rate DOUBLE PRECISION, debt INTEGER, word VARCHAR(9));
            INSERT INTO people VALUES (1, 'Ann', 1234, 2.345, 149, 'a'), (2, 'Bob', -1, -2.36, 151, 'b'),
              (3, 'Ann', 1299, 0, -260, 'c'), (4, 'ann', 1300, NULL, NULL, 'd'), (5, NULL, NULL, 1e300, 0, NULL);";
        let world = World::with(engine, "masks", data, MASKED, &[]).await;
        let rows = world.ask("SELECT name, pay, rate, debt, word FROM people ORDER BY id", &[]).await.unwrap().rows;
        let hashes: Vec<&Value> = rows.iter().map(|row| &row[0]).collect();
        for hash in &hashes[..4] {
            let Value::Text(hash) = hash else { panic!("{engine:?} {hash:?}") };
            assert!(hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{engine:?} {hash}");
        }
        // Equal where the values are, and only there.
        assert!(hashes[0] == hashes[2] && hashes[0] != hashes[1] && hashes[0] != hashes[3], "{engine:?} {hashes:?}");
        assert_eq!(*hashes[4], Value::Null);
        let pays: Vec<&Value> = rows.iter().map(|row| &row[1]).collect();
        let int = Value::Integer;
        assert_eq!(pays, [&int(1200), &int(-100), &int(1200), &int(1300), &Value::Null], "{engine:?}");
        let rates: Vec<f64> = rows.iter().take(3).map(|row| number(&row[2])).collect();
        assert_eq!(rates, [2.3, -2.4, 0.0], "{engine:?}");
        let debts: Vec<f64> = rows.iter().take(3).map(|row| number(&row[3])).collect();
        assert_eq!(debts, [100.0, 200.0, -300.0], "{engine:?}");
        assert!(rows.iter().all(|row| row[4] == Value::Null), "{engine:?}");
        // And compared as what they are shown as.
        for (condition, wanted) in [
            ("pay = 1234", 0),
            ("pay = 1200", 2),
            ("rate = 2.345", 0),
            ("debt = 149", 0),
            ("debt = 100", 1),
            ("name = 'Ann'", 0),
            ("word IS NOT NULL", 0),
        ] {
            let sql = format!("SELECT count(*) FROM people WHERE {condition}");
            assert_eq!(world.ask(&sql, &[]).await.unwrap().rows, [[int(wanted)]], "{engine:?} {condition}");
        }
        let sql = "SELECT count(*) FROM people a JOIN people b ON a.name = b.name";
        assert_eq!(world.ask(sql, &[]).await.unwrap().rows, [[int(6)]], "{engine:?}");
    }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Integer(number) => *number as f64,
        Value::Float(number) => *number,
        Value::Decimal(digits) => digits.parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

const TENANTS: &str = r#"
name    = "test"
backend = "shop"
agents  = ["desk"]
policy  = "ceiling"

[tables.notes]
columns = ["id", "word"]
filter  = "tenant = claim.tenant"
"#;

#[tokio::test]
async fn a_claim_matches_bytewise_in_a_column_that_compares_loosely() {
    for engine in BOTH {
        let head = match engine {
            Engine::Sqlite => "CREATE TABLE notes (id INTEGER, tenant TEXT COLLATE NOCASE, word TEXT COLLATE NOCASE);",
            Engine::Postgres => {
                "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
                 CREATE TABLE notes (id INTEGER, tenant TEXT COLLATE loose, word TEXT COLLATE loose);"
            }
        };
        let data = format!("{head} INSERT INTO notes VALUES (1, 'Bob', 'Red'), (2, 'bob', 'red'), (3, 'BOB', 'RED');");
        for (tenant, id, word) in [("Bob", 1, "Red"), ("bob", 2, "red"), ("BOB", 3, "RED")] {
            let world = World::with(engine, "loose", &data, TENANTS, &[("tenant", tenant)]).await;
            let rows = world.ask("SELECT id, word FROM notes", &[]).await.unwrap().rows;
            assert_eq!(rows, [[Value::Integer(id), text(word)]], "{engine:?} {tenant}");
            // The agent's own comparisons are the store's, within the scope.
            let rows = world.ask("SELECT count(*) FROM notes WHERE word = 'rEd'", &[]).await.unwrap().rows;
            assert_eq!(rows, [[Value::Integer(1)]], "{engine:?} {tenant}");
            let rows =
                world.ask("SELECT count(*) FROM notes a JOIN notes b ON a.word = b.word", &[]).await.unwrap().rows;
            assert_eq!(rows, [[Value::Integer(1)]], "{engine:?} {tenant}");
        }
        let stranger = World::with(engine, "loose", &data, TENANTS, &[("tenant", "boB")]).await;
        assert_eq!(stranger.ask("SELECT id FROM notes", &[]).await.unwrap().rows, Vec::<Vec<Value>>::new());
    }
}
