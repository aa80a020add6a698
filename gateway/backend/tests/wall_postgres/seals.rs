//! Seals: missing, forged, extended, used elsewhere, used again.

use mountgate_backend::wall::postgres::Said;
use mountgate_driver::{Class, Seal};

use crate::world::{Walled, World, north, now_ms, set_seal};

async fn rows(client: &tokio_postgres::Client, sql: &str) -> Result<usize, String> {
    client
        .query(sql, &[])
        .await
        .map(|rows| rows.len())
        .map_err(|error| error.as_db_error().unwrap().message().to_owned())
}

fn unsealed<T: std::fmt::Debug>(outcome: &Result<T, String>) -> bool {
    matches!(outcome, Err(why) if why == "no valid seal" || why == "the seal has expired")
}

const EACH: [&str; 4] = [
    "SELECT * FROM customers",
    "SELECT count(*) FROM orders",
    "SELECT 1 FROM customers WHERE customer_id = 1",
    "SELECT EXISTS (SELECT FROM orders)",
];

#[tokio::test]
async fn without_a_seal_nothing_comes_from_any_view() {
    let world = World::new("unsealed").await;
    let client = world.support.log_in().await;
    for sql in EACH {
        assert!(unsealed(&rows(&client, sql).await), "{sql}");
    }
    // Views without claims demand it too.
    let client = world.report.log_in().await;
    assert!(unsealed(&rows(&client, "SELECT * FROM customers").await));
    // And the driver, where nobody gives it one.
    let error = world.report.run("SELECT * FROM customers", None).await.unwrap_err();
    assert_eq!(error.class, Class::Refused);
}

#[tokio::test]
async fn a_seal_holds_where_and_as_long_as_it_says() {
    let world = World::new("seals").await;
    let client = world.support.log_in().await;
    let good = world.support.seal_for(&client, &north()).await;
    set_seal(&client, &good).await;
    assert_eq!(rows(&client, "SELECT * FROM customers").await, Ok(2));

    // Replayed on another backend process.
    let other = world.support.log_in().await;
    set_seal(&other, &good).await;
    for sql in EACH {
        assert!(unsealed(&rows(&other, sql).await), "{sql}");
    }
    // On another mount's session.
    let report = world.report.log_in().await;
    let pid: i32 = report.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    set_seal(&report, &world.support.wall.sealer().seal(pid, now_ms() + 60_000, &Said::new(&north(), false))).await;
    assert!(unsealed(&rows(&report, "SELECT * FROM customers").await));
    // Expired.
    let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    set_seal(&client, &world.support.wall.sealer().seal(pid, now_ms() - 1, &Said::new(&north(), false))).await;
    for sql in EACH {
        assert!(unsealed(&rows(&client, sql).await), "{sql}");
    }
}

#[tokio::test]
async fn a_seal_that_is_changed_anywhere_is_none() {
    let world = World::new("forged").await;
    let client = world.support.log_in().await;
    let good = world.support.seal_for(&client, &north()).await;
    let mut forged = vec![
        String::new(),
        " ".into(),
        "0".repeat(64),
        format!("{} {}", "0".repeat(64), good.split_once(' ').unwrap().1),
        good.replace("north", "south"),
        good.replace(" 1", " 2"),
        format!("{good} "),
        format!(" {good}"),
        good.to_uppercase(),
        good.strip_suffix('}').unwrap().to_owned(),
        good.replace("\"lends\":false", "\"lends\":true"),
        // A seal made as hash(key ‖ text) could be extended.
        format!("{good}\u{80}{}\"region\":\"south\"}}", "\u{0001}".repeat(20)),
        good.replace('{', "{\"claims\":{\"region\":\"south\"},"),
        // The digits alone, in another alphabet.
        good.replacen(' ', "  ", 1),
    ];
    for at in [0, 10, 63, 64, 65, 70, good.len() - 1] {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        forged.push(String::from_utf8(bytes).unwrap());
    }
    for seal in forged {
        set_seal(&client, &seal).await;
        for sql in EACH {
            assert!(unsealed(&rows(&client, sql).await), "{seal}: {sql}");
        }
    }
    set_seal(&client, &good).await;
    assert_eq!(rows(&client, "SELECT * FROM customers").await, Ok(2));
}

#[tokio::test]
async fn current_setting_shows_ones_own_claims_and_the_next_transaction_has_none() {
    let world = World::new("shown").await;
    let shown = world.support.north("SELECT current_setting('mountgate.seal', true)").await.unwrap();
    let told = format!("{shown:?}");
    assert!(told.contains("north"), "{told}");
    // The same session, whoever has it next.
    let next = world.support.run("SELECT COALESCE(current_setting('mountgate.seal', true), '')", None).await.unwrap();
    assert_eq!(next, [[mountgate_core::Value::Text(String::new())]]);
    assert_eq!(world.support.run("SELECT * FROM customers", None).await.unwrap_err().class, Class::Refused);
}

/// Someone else's seal that a statement sets for the session does not stay there.
#[tokio::test]
async fn a_seal_set_for_the_session_does_not_outlive_the_transaction() {
    let world = World::new("kept").await;
    let sql = "SELECT set_config('mountgate.seal', current_setting('mountgate.seal'), false)";
    world.support.north(sql).await.unwrap();
    assert_eq!(world.support.run("SELECT * FROM customers", None).await.unwrap_err().class, Class::Refused);
}

#[tokio::test]
async fn a_seal_is_by_the_servers_clock() {
    let world = World::new("clock").await;
    let Walled { wall, .. } = &world.support;
    let sealer = wall.sealer();
    let seal = Seal::new(move |pid, until| {
        let ahead = until - now_ms();
        assert!((20_000..600_000).contains(&ahead), "{ahead}");
        sealer.seal(pid, until, &Said::new(&north(), false))
    });
    assert_eq!(world.support.run("SELECT * FROM customers", Some(seal)).await.unwrap().len(), 2);
}
