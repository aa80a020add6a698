//! A policy as the attacker: a component that says what it is told to, against a ceiling that must hold whatever it says.

use mountgate_core::{ClaimValue, Code, Value};

use super::world::{BOTH, Engine, World, text};

const DATA: &str = "
CREATE TABLE staff (id INTEGER PRIMARY KEY, name VARCHAR(40), email VARCHAR(40), region VARCHAR(20), spent INTEGER, salary INTEGER);
CREATE TABLE secrets (id INTEGER PRIMARY KEY, word VARCHAR(40));
INSERT INTO staff VALUES (1, 'Ada', 'ada@example.org', 'north', 145, 120000), (2, 'Bob', 'bob@example.org', 'south', 260, 90000),
  (3, 'Cyd', 'cyd@example.org', 'north', 199, 150000);
INSERT INTO secrets VALUES (1, 'canary-secret');
";

/// The mount, with the policy's script.
async fn world(engine: Engine, name: &str, script: &str) -> World {
    let mount = format!(
        r#"
name    = "test"
backend = "shop"
agents  = ["desk"]
policy  = "test/puppet"

[settings]
{script}

[limits]
max_rows = 2
requests = "30/hour"

[tables.staff]
columns = ["id", "name", "email", "spent"]
masks   = {{ email = {{ partial = {{ first = 1, last = 4 }} }}, spent = {{ bucket = 100 }} }}
filter  = "region = claim.region"
"#
    );
    World::with(engine, &format!("policies_{name}"), DATA, &mount, &[("region", "north")]).await
}

fn names(rows: &[Vec<Value>]) -> Vec<Value> {
    rows.iter().filter_map(|row| row.first().cloned()).collect()
}

#[tokio::test]
async fn a_verdict_past_the_ceiling_is_the_policys_fault_and_denies() {
    let past = [
        ("column", r#"grant = { staff = { columns = { name = [], salary = [] } } }"#),
        ("relation", r#"grant = { staff = { columns = { name = [] } }, secrets = { columns = { word = [] } } }"#),
        ("filter", r#"grant = { staff = { columns = { name = [] }, filter = "salary > 100000" } }"#),
        ("or", r#"grant = { staff = { columns = { name = [] }, filter = "region = claim.region OR salary > 1" } }"#),
        ("mask", r#"grant = { staff = { columns = { name = [{ bucket = 10 }] } } }"#),
    ];
    for engine in BOTH {
        for (name, grant) in past {
            let world = world(engine, name, &format!("verdict = \"allow\"\n{grant}")).await;
            let refused = world.ask("SELECT name FROM staff", &[]).await.unwrap_err();
            assert_eq!(refused.code, Code::PolicyFailed, "{engine:?} {name}: {refused:?}");
            let told = format!("{refused:?}");
            assert!(!told.contains("salary") && !told.contains("secrets"), "{engine:?} {name}: {told}");
        }
    }
}

#[tokio::test]
async fn a_mask_that_the_verdict_lifts_stays() {
    for engine in BOTH {
        for (name, masks) in [
            ("lifted", "[]"),
            // An identity over the raw value; a mask that would keep all of it.
            ("identity", "[{ partial = { first = 80, last = 0 } }]"),
            ("replaced", "[{ partial = { first = 14, last = 4 } }, { partial = { first = 1, last = 4 } }]"),
        ] {
            let grant = format!("grant = {{ staff = {{ columns = {{ email = {masks}, spent = [] }} }} }}");
            let world = world(engine, name, &format!("verdict = \"allow\"\n{grant}")).await;
            let answer = world.ask("SELECT email, spent FROM staff ORDER BY spent, email", &[]).await.unwrap();
            for row in &answer.rows {
                let Value::Text(email) = &row[0] else { panic!("{row:?}") };
                assert!(email.bytes().skip(1).take(10).all(|byte| byte == b'*'), "{engine:?} {name}: {email}");
                assert_eq!(row[1], Value::Integer(100), "{engine:?} {name}");
            }
            assert_eq!(answer.rows.len(), 2, "{engine:?} {name}");
        }
    }
}

#[tokio::test]
async fn a_policys_filter_on_a_masked_column_sees_the_mask() {
    for engine in BOTH {
        for (name, filter, expected) in
            [("sees", "spent = 100", 2), ("raw", "spent = 145", 0), ("email", "email = 'ada@example.org'", 0)]
        {
            let grant = format!("grant = {{ staff = {{ columns = {{ name = [] }}, filter = \"{filter}\" }} }}");
            let world = world(engine, &format!("filter_{name}"), &format!("verdict = \"allow\"\n{grant}")).await;
            let answer = world.ask("SELECT name FROM staff", &[]).await.unwrap();
            assert_eq!(answer.rows.len(), expected, "{engine:?} {filter}");
        }
    }
}

#[tokio::test]
async fn rows_that_a_filter_adds_do_not_come() {
    for engine in BOTH {
        let everyone = r#"grant = { staff = { columns = { name = [] }, filter = "id > 0 OR name IS NULL" } }"#;
        let world = world(engine, "rows", &format!("verdict = \"allow\"\n{everyone}")).await;
        let answer = world.ask("SELECT name FROM staff ORDER BY name", &[]).await.unwrap();
        assert_eq!(names(&answer.rows), [text("Ada"), text("Cyd")], "{engine:?}");
    }
}

#[tokio::test]
async fn limits_that_the_verdict_raises_stay() {
    for engine in BOTH {
        let script = "verdict = \"allow\"\nmax_rows = 1000000\nper_minute = 1000000\ntimeout_ms = 3600000";
        let world = world(engine, "raised", script).await;
        let every = "SELECT a.id FROM staff a CROSS JOIN staff b";
        let answer = world.ask(every, &[]).await.unwrap();
        assert!(answer.rows.len() == 2 && answer.truncated, "{engine:?}: {answer:?}");
        let mut refused = None;
        for _ in 0..40 {
            refused = world.ask(every, &[]).await.err().or(refused);
        }
        assert_eq!(refused.map(|refusal| refusal.code), Some(Code::BudgetExhausted), "{engine:?}");
        // A lower one holds.
        let script = "verdict = \"allow\"\nmax_rows = 1";
        let answer = self::world(engine, "lowered", script).await.ask(every, &[]).await.unwrap();
        assert!(answer.rows.len() == 1 && answer.truncated, "{engine:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_reason_carries_no_claims_of_another_session() {
    for engine in BOTH {
        let world = world(engine, "tell", "verdict = \"tell\"").await;
        let other = world.session(&[("region", ClaimValue::Text("canary-south".into()))]);
        for _ in 0..20 {
            let told = world.ask_as(&other, "SELECT name FROM staff", &[]).await.unwrap_err();
            assert_eq!(told.message.matches("canary-south").count(), 1, "{engine:?}: {told:?}");
            let told = world.ask("SELECT name FROM staff", &[]).await.unwrap_err();
            assert!(told.message.contains("north") && !told.message.contains("canary"), "{engine:?}: {told:?}");
        }
    }
}

#[tokio::test]
async fn a_verdict_that_is_reused_binds_each_sessions_own_claims() {
    for engine in BOTH {
        let world = world(engine, "reused", "verdict = \"allow\"\nvalid_for_ms = 600000").await;
        let south = world.session(&[("region", ClaimValue::Text("south".into()))]);
        let none = world.session(&[]);
        let number = world.session(&[("region", ClaimValue::Integer(1))]);
        let sql = "SELECT name FROM staff ORDER BY name";
        for _ in 0..3 {
            let answer = world.ask(sql, &[]).await.unwrap();
            assert_eq!(names(&answer.rows), [text("Ada"), text("Cyd")], "{engine:?}");
            let answer = world.ask_as(&south, sql, &[]).await.unwrap();
            assert_eq!(names(&answer.rows), [text("Bob")], "{engine:?}");
            assert_eq!(world.ask_as(&none, sql, &[]).await.unwrap_err().code, Code::ClaimMissing, "{engine:?}");
            assert_eq!(world.ask_as(&number, sql, &[]).await.unwrap_err().code, Code::ClaimMistyped, "{engine:?}");
        }
    }
}

#[tokio::test]
async fn a_read_that_is_to_be_held_is_not_answered() {
    for engine in BOTH {
        let world = world(engine, "hold", "verdict = \"hold\"").await;
        assert!(world.ask("SELECT name FROM staff", &[]).await.is_err(), "{engine:?}");
    }
}
