//! A mount that is open for observation ends by itself, and until then says what it is.

use mountgate::cli::Exit;
use mountgate_core::{Code, Door, MountName};
use mountgate_mediate::Query;
use mountgate_tests::{command, gateway::Fixture};

use super::{run, settled};

fn mount(more: &str) -> String {
    format!(
        "name = \"test\"\nbackend = \"shop\"\nagents = [\"desk\"]\npolicy = \"ceiling\"\n{more}\n\
         [tables.customers]\ncolumns = [\"customer_id\", \"name\", \"email\"]\n[tables.secrets]\ncolumns = [\"id\", \"word\"]\n"
    )
}

fn day(from_now: i64) -> String {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * from_now);
    at.strftime("%Y-%m-%d").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn observation_is_over_with_its_day() {
    let fixture = Fixture::shop(&mount(&format!("mode = \"observe\"\nuntil = {}", day(-1)))).await.unwrap();
    let token = fixture.agent("desk").unwrap();
    let refusal = fixture.ask(&token, "SELECT name FROM customers", &[]).await.unwrap_err();
    assert_eq!(refusal.code, Code::MountExpired);
    assert!(refusal.message.contains("observation") && refusal.message.contains(&day(-1)), "{refusal:?}");
    let entered = fixture.gateway.enter(Some(&token), Door::Http).unwrap_or_else(|refused| panic!("{refused:?}"));
    assert!(!fixture.gateway.mounts(&entered).unwrap()[0].open);
    let warnings = fixture.gateway.health().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("does not serve any more")), "{warnings:?}");

    // Without an end it does not load, and an end alone is none of a mount in force.
    for wrong in ["mode = \"observe\"", "until = 2027-01-31"] {
        std::fs::write(fixture.folder().join("mounts/test.toml"), mount(wrong)).unwrap();
        assert_eq!(command::run(fixture.folder(), &["check"]).await.unwrap().0, Exit::Misconfigured, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_observed_it_says_so_and_what_is_used_is_learned() {
    let fixture = Fixture::shop(&mount(&format!("mode = \"observe\"\nuntil = {}", day(7)))).await.unwrap();
    let token = fixture.agent("desk").unwrap();
    let entered = fixture.gateway.enter(Some(&token), Door::Http).unwrap_or_else(|refused| panic!("{refused:?}"));
    let query = Query {
        mount: "test".into(),
        sql: "SELECT name FROM customers WHERE customer_id = 1".into(),
        params: vec![],
        purpose: None,
    };
    let mut reply =
        fixture.gateway.query(&entered, query.clone()).await.unwrap_or_else(|refused| panic!("{refused:?}"));
    assert!(reply.observed);
    while reply.answer.next().await.unwrap().is_some() {}
    let explained = fixture.gateway.explain(&entered, query).await.unwrap_or_else(|refused| panic!("{refused:?}"));
    assert_eq!(explained.mode, Some("observe"));
    let detail =
        fixture.gateway.mount(&entered, &MountName::from("test")).unwrap_or_else(|refused| panic!("{refused:?}"));
    assert_eq!((detail.summary.mode, detail.summary.until), (Some("observe"), Some(day(7))));
    let health = fixture.gateway.health();
    assert_eq!(health.status, "degraded");
    assert!(health.warnings.iter().any(|warning| warning.contains("open for observation")), "{:?}", health.warnings);
    assert!(fixture.gateway.metrics().contains("mountgate_mounts_observed 1"));
    let check = run(&fixture, &["check"]).await;
    assert!(check.contains("warning: mount `test` is open for observation until the end of"), "{check}");

    // What it learned is a mount in force, without what was not used.
    settled().await;
    let file = run(&fixture, &["suggest", "--agent", "desk", "--since", "1d"]).await;
    assert!(!file.contains("observe\"") && !file.contains("until ") && !file.contains("[tables.secrets]"), "{file}");
    std::fs::write(fixture.folder().join("mounts/test.toml"), &file).unwrap();
    let fixture = fixture.restarted().await.unwrap();
    let entered = fixture.gateway.enter(Some(&token), Door::Http).unwrap_or_else(|refused| panic!("{refused:?}"));
    assert_eq!(fixture.gateway.mounts(&entered).unwrap()[0].mode, None);
    assert_eq!(fixture.ask(&token, "SELECT word FROM secrets", &[]).await.unwrap_err().code, Code::NotInScope);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_that_is_overdue_is_told_everywhere() {
    let fixture = Fixture::shop(&mount(&format!("review_every = \"30d\"\nreviewed = {}", day(-40)))).await.unwrap();
    fixture.agent("desk").unwrap();
    let health = fixture.gateway.health();
    assert!(health.warnings.iter().any(|warning| warning.contains("was to be reviewed by")), "{:?}", health.warnings);
    assert!(fixture.gateway.metrics().contains("mountgate_mounts_review_overdue 1"));
    assert!(run(&fixture, &["check"]).await.contains("was to be reviewed by"));
    assert!(run(&fixture, &["review", "--unused", "60d"]).await.contains("which is over"));

    std::fs::write(fixture.folder().join("mounts/test.toml"), mount(&format!("review = {}", day(0)))).unwrap();
    let fixture = fixture.restarted().await.unwrap();
    assert_eq!(fixture.gateway.health().warnings.len(), 0, "the day itself is in time");
    assert!(fixture.gateway.metrics().contains("mountgate_mounts_review_overdue 0"));
    let told = run(&fixture, &["review", "--unused", "60d"]).await;
    assert!(told.contains("to be reviewed by") && !told.contains("which is over"), "{told}");
}
