//! Other paths to the same rows: children of a table, joins that name no columns, plans that are kept.

use mountgate_core::{ClaimValue, Code, Value};

use crate::world::{BEFORE, BOTH, Engine, World};

const DATA: &str = "
CREATE TABLE left_notes (id INTEGER, note VARCHAR(20), body VARCHAR(20), tenant VARCHAR(20));
CREATE TABLE right_notes (id INTEGER, note VARCHAR(20), word VARCHAR(20), tenant VARCHAR(20));
INSERT INTO left_notes VALUES (1, 'hidden one', 'x', 'a'), (2, 'hidden two', 'y', 'a'), (3, 'hidden three', 'z', 'b');
INSERT INTO right_notes VALUES (1, 'other one', 'u', 'a'), (2, NULL, 'v', 'a'), (3, 'hidden three', 'w', 'b');
";

const CHILDREN: &str = "
CREATE TABLE events (id INTEGER, day DATE, tenant VARCHAR(20), secret VARCHAR(20)) PARTITION BY RANGE (day);
CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO events VALUES (1, '2024-05-05', 'a', 'canary'), (2, '2024-06-06', 'b', 'canary'),
    (3, '2025-05-05', 'a', 'canary'), (4, '2025-06-06', 'b', 'canary');
CREATE TABLE animals (id INTEGER, tenant VARCHAR(20));
CREATE TABLE dogs (bark VARCHAR(20)) INHERITS (animals);
INSERT INTO animals VALUES (1, 'a'), (2, 'b');
INSERT INTO dogs VALUES (3, 'a', 'canary'), (4, 'b', 'canary');
";

const MOUNT: &str = r#"
name    = "test"
backend = "shop"
agents  = ["desk"]
policy  = "ceiling"

[tables.left_notes]
columns = ["id", "body"]
filter  = "tenant = claim.tenant"

[tables.right_notes]
columns = ["id", "word"]
filter  = "tenant = claim.tenant"
"#;

const CHILDREN_MOUNT: &str = r#"
[tables.events]
columns = ["id", "day"]
filter  = "tenant = claim.tenant"

[tables.animals]
columns = ["id"]
filter  = "tenant = claim.tenant"
"#;

async fn world(engine: Engine, name: &str) -> World {
    let (data, mount) = match engine {
        Engine::Sqlite => (DATA.to_owned(), MOUNT.to_owned()),
        Engine::Postgres => (format!("{DATA}{CHILDREN}"), format!("{MOUNT}{CHILDREN_MOUNT}")),
    };
    World::with(engine, name, &data, &mount, &[("tenant", "a")]).await
}

fn integers(rows: &[Vec<Value>]) -> Vec<i64> {
    let integer = |value: &Value| match value {
        Value::Integer(number) => *number,
        other => panic!("{other:?}"),
    };
    rows.iter().flatten().map(integer).collect()
}

/// "Partition children named directly, inheritance, `ONLY t`, `TABLESAMPLE`": PostgreSQL's alone.
#[tokio::test]
async fn partitions_and_inheritance() {
    let world = world(Engine::Postgres, "children").await;
    for (sql, wanted) in [
        ("SELECT id FROM events ORDER BY id", [1, 3]),
        ("SELECT id FROM animals ORDER BY id", [1, 3]),
        ("SELECT e.id FROM events e JOIN animals a ON a.id = e.id ORDER BY 1", [1, 3]),
    ] {
        assert_eq!(integers(&world.ask(sql, &[]).await.unwrap().rows), wanted, "{sql}");
    }
    for sql in [
        "SELECT id FROM events_old",
        "SELECT id FROM public.events_new",
        "SELECT bark FROM dogs",
        "SELECT id FROM ONLY events",
        "SELECT id FROM ONLY animals",
        "SELECT id FROM animals*",
        "SELECT id FROM events TABLESAMPLE SYSTEM (100)",
        "SELECT id FROM events TABLESAMPLE BERNOULLI (100) REPEATABLE (1)",
        "SELECT tableoid::text FROM events",
        "SELECT bark FROM animals",
        "SELECT secret FROM events",
        "TABLE events_old",
    ] {
        let refusal = world.ask(sql, &[]).await.expect_err(sql);
        assert!(BEFORE.contains(&refusal.code), "{sql}: {refusal:?}");
    }
}

/// "NATURAL JOIN and USING see visible columns only": by `note` and `tenant`, which are hidden, other rows would meet.
#[tokio::test]
async fn natural_join_and_using_see_visible_columns_only() {
    for engine in BOTH {
        let world = world(engine, "natural").await;
        let rows = world.ask("SELECT * FROM left_notes NATURAL JOIN right_notes ORDER BY id", &[]).await.unwrap();
        assert_eq!(rows.columns, ["id", "body", "word"], "{engine:?}");
        assert_eq!(integers(&rows.rows.iter().map(|row| row[..1].to_vec()).collect::<Vec<_>>()), [1, 2], "{engine:?}");
        for column in ["note", "tenant", "nosuch"] {
            let sql = format!("SELECT * FROM left_notes JOIN right_notes USING ({column})");
            assert_eq!(world.ask(&sql, &[]).await.unwrap_err().code, Code::NotInScope, "{engine:?} {sql}");
        }
    }
}

/// "A second path that skips the rewrite (…, a cached plan, …, a prepared statement)": one text, prepared once, kept by
/// the gateway and by the store, and each session's own rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_is_kept_serves_each_session_its_own_rows() {
    for engine in BOTH {
        let world = world(engine, "kept").await;
        let text = |text: &str| ClaimValue::Text(text.into());
        let sessions = [
            (world.session(&[("tenant", text("a"))]), vec![1, 2]),
            (world.session(&[("tenant", text("b"))]), vec![3]),
            (world.session(&[("tenant", text("none"))]), vec![]),
        ];
        for sql in [
            "SELECT id FROM left_notes ORDER BY id",
            "SELECT id FROM left_notes WHERE id IN (SELECT id FROM right_notes) ORDER BY id",
        ] {
            for _ in 0..5 {
                let (a, b, c) = tokio::join!(
                    world.ask_as(&sessions[0].0, sql, &[]),
                    world.ask_as(&sessions[1].0, sql, &[]),
                    world.ask_as(&sessions[2].0, sql, &[]),
                );
                for (answer, (_, wanted)) in [a, b, c].into_iter().zip(&sessions) {
                    assert_eq!(integers(&answer.unwrap().rows), *wanted, "{engine:?} {sql}");
                }
            }
        }
        let unclaimed = world.session(&[]);
        let refusal = world.ask_as(&unclaimed, "SELECT id FROM left_notes ORDER BY id", &[]).await.unwrap_err();
        assert_eq!(refusal.code, Code::ClaimMissing, "{engine:?}");
    }
}
