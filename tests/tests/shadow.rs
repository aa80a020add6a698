//! A shadow is asked and never obeyed. Deny first: whatever it says, fails at or wants, the answer is the one without it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use mountgate::shadow::Reporter;
use mountgate_core::{ClaimValue, Code, Door, Value};
use mountgate_ledger::{Selection, export, verify};
use mountgate_mediate::{Gateway, Query};
use mountgate_tests::gateway::{Fixture, SHOP};
use serde_json::{Value as Json, json};

const ASKED: &str = "SELECT customer_id, name FROM customers ORDER BY customer_id";

/// A shop whose mount has that policy, and that shadow beside it.
async fn shop(policy: &str, shadow: &str) -> Fixture {
    let mount = format!(
        r#"
name    = "test"
backend = "shop"
agents  = ["desk"]
{policy}

[shadow]
{shadow}

[tables.customers]
columns = ["customer_id", "name"]
filter  = "region = claim.region"

[limits]
requests = "1_000_000/minute"
concurrency = 10_000
"#
    );
    let puppet = std::path::Path::new(mountgate_tests::root()).join("puppet/puppet.wasm");
    let main = format!(
        "[plugins.\"test/puppet\"]\npath = {:?}\n[plugins_development]\nallow_unsigned_plugins = true\n",
        puppet.display().to_string()
    );
    let fixture = Fixture::with(SHOP, &mount, &main).await.unwrap_or_else(|error| panic!("{error:#}"));
    fixture.agent("desk").unwrap();
    fixture
}

fn session(fixture: &Fixture, region: &str) -> String {
    fixture.session("desk", &[("region", ClaimValue::Text(region.into()))]).unwrap()
}

/// Asks by the gateway itself: rows or refusal as text, with the decision's id.
async fn ask(gateway: &Gateway, token: &str) -> (String, String) {
    let entered = gateway.enter(Some(token), Door::Http).unwrap_or_else(|refused| panic!("{:?}", refused.refusal));
    let query = Query { mount: "test".into(), sql: ASKED.into(), params: vec![], purpose: None };
    match gateway.query(&entered, query).await {
        Ok(mut reply) => {
            let mut rows: Vec<Vec<Value>> = Vec::new();
            while let Some(batch) = reply.answer.next().await.unwrap() {
                rows.extend(batch.rows().map(<[Value]>::to_vec));
            }
            (format!("{:?} {rows:?}", reply.columns), reply.decision_id)
        }
        Err(refused) => (format!("{:?}", refused.refusal), refused.decision_id.unwrap()),
    }
}

/// The shadows' records, once there are so many.
async fn records(fixture: &Fixture, count: usize) -> Vec<Json> {
    let ledger = fixture.folder().join("state/ledger");
    for _ in 0..200 {
        let only = Selection { kind: Some("shadow".into()), ..Selection::default() };
        let found: Vec<Json> = export(&ledger, only).unwrap().map(|entry| entry.unwrap().record().unwrap()).collect();
        if found.len() >= count {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("there are not {count} records of shadows");
}

/// The sum of a metric's lines.
fn metric(gateway: &Gateway, name: &str) -> u64 {
    let text = gateway.metrics();
    let lines = text.lines().filter(|line| line.starts_with(name) && !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_changes_and_no_word_of_it_reaches_an_agent() {
    let alone = shop("policy = \"ceiling\"", "policy = \"ceiling\"").await;
    let (wanted, _) = ask(&alone.gateway, &session(&alone, "north")).await;
    assert!(wanted.contains("Ada") && !wanted.contains("Bob"), "{wanted}");
    for (shadow, outcome, says) in [
        ("policy = \"ceiling\"", "same", ""),
        ("policy = \"test/puppet\"\nsettings = { verdict = \"tell\" }", "denied", ""),
        ("policy = \"test/puppet\"\nsettings = { verdict = \"hold\" }", "denied", ""),
        ("policy = \"test/puppet\"\nsettings = { verdict = \"nonsense\" }", "failed", "policy_error"),
        (
            "policy = \"test/puppet\"\nsettings = { verdict = \"allow\", grant = { customers = { columns = { salary_canary = [] } } } }",
            "past_ceiling",
            "past the ceiling",
        ),
        (
            "policy = \"test/puppet\"\nsettings = { verdict = \"allow\", grant = { customers = { columns = { customer_id = [], name = [\"null\"] } } } }",
            "narrower",
            "masks customers.name",
        ),
        ("policy = \"test/puppet\"\nsettings = { verdict = \"allow\", max_rows = 1 }", "narrower", "limits max_rows"),
    ] {
        let fixture = shop("policy = \"ceiling\"", shadow).await;
        let (answer, decision) = ask(&fixture.gateway, &session(&fixture, "north")).await;
        assert_eq!(answer, wanted, "{shadow}");
        let record = records(&fixture, 1).await.remove(0);
        assert_eq!(record["outcome"], outcome, "{record}");
        assert_eq!(record["id"].as_str(), Some(decision.as_str()), "{record}");
        assert!(record["changes"].to_string().contains(says), "{record}");
        assert!(verify(&fixture.folder().join("state/ledger"), None).unwrap().is_sound());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_would_grant_is_denied_all_the_same_and_told() {
    let denying = "policy = \"test/puppet\"\nsettings = { verdict = \"tell\" }";
    let fixture = shop(denying, "policy = \"ceiling\"").await;
    let token = session(&fixture, "north");
    let refusal = fixture.ask(&token, ASKED, &[]).await.unwrap_err();
    assert_eq!(refusal.code, Code::DeniedByPolicy);
    let record = records(&fixture, 1).await.remove(0);
    assert_eq!(record["outcome"], "granted", "{record}");
    assert_eq!(record["changes"], json!(["shows customers (customer_id, name)"]));
    let mut reporter = Reporter::default();
    for entry in export(&fixture.folder().join("state/ledger"), Selection::default()).unwrap() {
        reporter.take(&entry.unwrap()).unwrap();
    }
    let report = reporter.report(3);
    assert_eq!((report.shadows.len(), report.missed), (1, 0));
    let told = &report.shadows[0].outcomes[0];
    assert_eq!((told.outcome, told.count), ("granted", 1));
    assert_eq!(Some(told.examples[0].decision.as_str()), record["id"].as_str());

    // More than the policy in force shows, in columns, masks, rows and limits.
    for (force, says) in [
        (
            "grant = { customers = { columns = { customer_id = [], name = [\"hash\"] } } }",
            "masks customers.name by no mask",
        ),
        (
            "grant = { customers = { columns = { customer_id = [], name = [] }, filter = \"customer_id = 1\" } }",
            "filters customers less",
        ),
        ("max_rows = 1", "limits max_rows"),
        ("per_minute = 50", "limits requests"),
    ] {
        let policy = format!("policy = \"test/puppet\"\nsettings = {{ verdict = \"allow\", {force} }}");
        let fixture = shop(&policy, "policy = \"ceiling\"").await;
        ask(&fixture.gateway, &session(&fixture, "north")).await;
        let record = records(&fixture, 1).await.remove(0);
        assert_eq!(record["outcome"], "wider", "{record}");
        assert!(record["changes"][0].as_str().unwrap().contains(says), "{record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_of_its_own_requests_claims_alone() {
    let fixture = shop("policy = \"ceiling\"", "policy = \"test/puppet\"\nsettings = { verdict = \"tell\" }").await;
    for (region, other) in [("north", "south"), ("south", "north"), ("north", "south")] {
        let before = records(&fixture, 0).await.len();
        let (answer, decision) = ask(&fixture.gateway, &session(&fixture, region)).await;
        let record = records(&fixture, before + 1).await.pop().unwrap();
        assert_eq!(record["id"].as_str(), Some(decision.as_str()));
        let told = record["verdict"].to_string();
        assert!(told.contains(region) && !told.contains(other), "{told}");
        // The words `told` and the claims are in its denial, and in no answer.
        assert!(!answer.contains("told") && !answer.contains(region), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_no_time_for_is_counted_and_every_request_is_answered() {
    let fixture = shop("policy = \"ceiling\"", "policy = \"test/puppet\"\nsettings = { verdict = \"tell\" }").await;
    let token = session(&fixture, "north");
    let asking: Vec<_> = (0..1_500)
        .map(|_| {
            let (gateway, token) = (fixture.gateway.clone(), token.clone());
            tokio::spawn(async move { ask(&gateway, &token).await.0 })
        })
        .collect();
    let count = asking.len() as u64;
    for asked in asking {
        assert!(asked.await.unwrap().contains("Ada"));
    }
    for _ in 0..400 {
        let (compared, missed) = (
            metric(&fixture.gateway, "mountgate_shadow_comparisons_total"),
            metric(&fixture.gateway, "mountgate_shadow_missed_total"),
        );
        assert!(compared + missed <= count, "{compared} + {missed}");
        if compared + missed == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("requests that are neither compared nor counted as missed: {}", fixture.gateway.metrics());
}
