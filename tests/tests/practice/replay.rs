//! What a candidate would newly grant is told, and nothing that is not on record is guessed.

use mountgate::cli::Exit;
use mountgate_core::{ClaimValue, Code, Value};
use mountgate_tests::{command, gateway::Fixture};
use serde_json::{Value as Json, json};

use super::settled;

const TABLES: &str = r#"
[tables.customers]
columns = ["customer_id", "name", "email", "region"]
filter  = "region = claim.region"

[tables.orders]
columns = ["order_id", "customer_id", "status"]
require = ["order_id"]

[tables.secrets]
columns = ["id", "word"]
"#;

/// Customers' names and regions, and orders; not what they are reached by, and no secrets.
const IN_FORCE: &str = r#"{ tiers = [{ when = { region = "north" }, tables = { customers = { columns = ["customer_id", "name", "region"], filter = "name <> 'Eve'" }, orders = {} } }] }"#;

fn mount(settings: &str) -> String {
    format!(
        "name = \"test\"\nbackend = \"shop\"\nagents = [\"desk\"]\npolicy = \"tiers\"\nsettings = {settings}\n{TABLES}"
    )
}

fn component(name: &str) -> String {
    std::path::Path::new(mountgate_tests::root()).join(name).display().to_string()
}

/// A shop with five requests: two are granted, and three refused, one of those before the policy was asked.
async fn shop() -> Fixture {
    let fixture = Fixture::shop(&mount(IN_FORCE)).await.unwrap();
    fixture.agent("desk").unwrap();
    let session = fixture.session("desk", &[("region", ClaimValue::Text("north".into()))]).unwrap();
    for (sql, params, expected) in [
        ("SELECT name FROM customers WHERE customer_id = ?1", vec![Value::Integer(1)], None),
        ("SELECT status FROM orders WHERE order_id = ?1", vec![Value::Integer(10)], None),
        ("SELECT word FROM secrets", vec![], Some(Code::NotInScope)),
        ("SELECT email FROM customers", vec![], Some(Code::NotInScope)),
        ("SELECT salary_canary FROM customers", vec![], Some(Code::NotInScope)),
    ] {
        assert_eq!(fixture.ask(&session, sql, &params).await.err().map(|refusal| refusal.code), expected, "{sql}");
    }
    settled().await;
    fixture
}

async fn replay(fixture: &Fixture, line: &[&str]) -> (Exit, Json) {
    let line: Vec<&str> = ["replay", "--since", "1d", "--json"].iter().chain(line).copied().collect();
    let (exit, printed) = command::run(fixture.folder(), &line).await.unwrap();
    (exit, serde_json::from_str(&printed).unwrap_or_default())
}

fn outcomes(told: &Json) -> Vec<(&str, &str)> {
    let all = told["differences"].as_array().unwrap().iter();
    all.map(|one| (one["outcome"].as_str().unwrap(), one["touch"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_newly_be_granted_stands_first_and_must_be_accepted() {
    let fixture = shop().await;
    // The same again is nothing new.
    let (exit, same) = replay(&fixture, &["--policy", "tiers"]).await;
    assert_eq!((exit, &same["same"], &same["differences"]), (Exit::Done, &json!(4), &json!([])), "{same:#}");
    assert_eq!(same["not_asked"], json!({ "not_in_scope": 1 }), "refused before the policy: {same:#}");

    let (exit, wide) = replay(&fixture, &["--policy", "ceiling", "--settings", "{}"]).await;
    assert_eq!(exit, Exit::NewGrants, "{wide:#}");
    assert_eq!(wide["new_grants"], 3);
    assert_eq!(
        outcomes(&wide),
        [
            ("granted", "read customers (email projected)"),
            ("granted", "read secrets (word projected)"),
            ("wider", "read customers (customer_id filtered, name projected)"),
        ],
        "{wide:#}"
    );
    assert_eq!(wide["differences"][2]["changes"], json!(["shows customers.email", "filters customers less"]));
    let ids: Vec<&str> =
        wide["differences"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();

    // All but one accepted is not enough; all of them are, for this candidate and no other.
    let file = fixture.folder().join("accepted.txt");
    let accept = file.display().to_string();
    let line = ["--policy", "ceiling", "--settings", "{}", "--accept", &accept];
    std::fs::write(&file, format!("# seen by Ada\n{}  secrets are public now\n\n{}\n", ids[1], ids[2])).unwrap();
    let (exit, told) = replay(&fixture, &line).await;
    assert_eq!((exit, &told["new_grants"]), (Exit::NewGrants, &json!(1)), "{told:#}");
    std::fs::write(&file, ids.join("\n")).unwrap();
    let (exit, told) = replay(&fixture, &line).await;
    assert_eq!((exit, &told["new_grants"]), (Exit::Done, &json!(0)), "{told:#}");
    let other = r#"{ "tiers": [{ "when": {}, "tables": { "customers": { "filter": "name <> 'Bob'" }, "orders": {}, "secrets": { "columns": ["word"] } } }] }"#;
    let (exit, told) = replay(&fixture, &["--policy", "tiers", "--settings", other, "--accept", &accept]).await;
    assert_eq!((exit, &told["new_grants"]), (Exit::NewGrants, &json!(3)), "a like grant is not the same: {told:#}");
    std::fs::write(&file, "all of it\n").unwrap();
    assert_eq!(replay(&fixture, &line).await.0, Exit::Failed);
    let (exit, _) = replay(&fixture, &["--policy", "ceiling", "--settings", "{}", "--allow-new-grants"]).await;
    assert_eq!(exit, Exit::Done);

    let (_, text) =
        command::run(fixture.folder(), &["replay", "--policy", "ceiling", "--settings", "{}", "--since", "1d"])
            .await
            .unwrap();
    assert!(text.starts_with("granted: ") && text.contains("3 new grants that are not accepted"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_lost_is_told_and_is_no_new_grant() {
    let fixture = shop().await;
    let narrow = r#"{ "tiers": [{ "when": {}, "limits": { "max_rows": 1 }, "tables": { "customers": { "columns": ["customer_id", "name"], "masks": { "name": "null" }, "filter": "name <> 'Eve' and customer_id > 1" } } }] }"#;
    let (exit, told) = replay(&fixture, &["--policy", "tiers", "--settings", narrow]).await;
    assert_eq!(exit, Exit::Done, "{told:#}");
    assert_eq!(
        outcomes(&told),
        [
            ("denied", "read orders (order_id filtered, status projected)"),
            ("narrower", "read customers (customer_id filtered, name projected)"),
        ],
        "{told:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_fails_or_reaches_past_the_ceiling_grants_nothing() {
    let fixture = shop().await;
    for (settings, outcome) in [
        (r#"{ "verdict": "nonsense" }"#, "failed"),
        (r#"{ "verdict": "allow", "grant": { "customers": { "columns": { "salary_canary": [] } } } }"#, "past_ceiling"),
    ] {
        let (exit, told) =
            replay(&fixture, &["--policy", &component("puppet/puppet.wasm"), "--settings", settings]).await;
        assert_eq!(exit, Exit::Done, "{told:#}");
        assert!(outcomes(&told).iter().all(|(found, _)| *found == outcome), "{told:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_that_shows_more_is_told_though_nobody_asked() {
    let fixture = shop().await;
    let new = fixture.folder().join("new.toml");
    let with = async |text: String| {
        std::fs::write(&new, text).unwrap();
        replay(&fixture, &["--mount", &new.display().to_string()]).await
    };
    let (exit, told) = with(mount(IN_FORCE)).await;
    assert_eq!((exit, &told["differences"]), (Exit::Done, &json!([])), "{told:#}");
    for (old, new, change) in [
        ("\"email\", \"region\"", "\"email\", \"region\", \"salary_canary\"", "shows customers.salary_canary"),
        ("require = [\"order_id\"]\n", "", "asks for orders.order_id no more"),
        ("filter  = \"region = claim.region\"\n", "", "filters customers less"),
        ("agents = [\"desk\"]", "agents = [\"desk\", \"other\"]", "serves agent other"),
        ("[tables.customers]", "[limits]\nmax_rows = 20_000\n[tables.customers]", "limits max_rows"),
    ] {
        let (exit, told) = with(mount(IN_FORCE).replacen(old, new, 1)).await;
        assert_eq!(exit, Exit::NewGrants, "{change}: {told:#}");
        let first = &told["differences"][0];
        assert!(first["agent"].is_null() || first["outcome"] == "granted", "{told:#}");
        let changes = told["differences"].as_array().unwrap().iter().flat_map(|one| one["changes"].as_array().unwrap());
        assert!(changes.clone().any(|found| found == change), "{change}: {told:#}");
    }
    let (exit, told) =
        with(mount(IN_FORCE).replacen("\n[tables.secrets]\ncolumns = [\"id\", \"word\"]\n", "", 1)).await;
    assert_eq!(exit, Exit::Done, "{told:#}");
    assert_eq!(outcomes(&told), [("narrower", "its ceiling")], "{told:#}");
    assert_eq!(with(mount(IN_FORCE).replacen("\"test\"", "\"nowhere\"", 1)).await.0, Exit::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_ledger_withholds_is_named_and_not_guessed() {
    // Policies of the first contract are told what a request looks for, and the ledger has digests of literals.
    let fixture = shop().await;
    let session = fixture.session("desk", &[("region", ClaimValue::Text("north".into()))]).unwrap();
    fixture.ask(&session, "SELECT name FROM customers WHERE customer_id = 3", &[]).await.unwrap();
    settled().await;
    let old = component("fixtures/v0.1/ceiling.wasm");
    let (exit, told) = replay(&fixture, &["--policy", &old, "--settings", "{}"]).await;
    assert_eq!(exit, Exit::NewGrants);
    let unjudged = told["unjudged"].as_object().unwrap();
    assert!(unjudged.iter().any(|(why, found)| why.contains("`predicates`") && found[0] == 1), "{told:#}");

    // A verdict of a warm instance is not one that another would give.
    let warm = mount(IN_FORCE).replacen("settings", "isolation = \"warm\"\nsettings", 1);
    std::fs::write(fixture.folder().join("mounts/test.toml"), warm).unwrap();
    let fixture = fixture.restarted().await.unwrap();
    let session = fixture.session("desk", &[("region", ClaimValue::Text("north".into()))]).unwrap();
    fixture.ask(&session, "SELECT name FROM customers", &[]).await.unwrap();
    settled().await;
    let (_, told) = replay(&fixture, &["--policy", "tiers"]).await;
    let unjudged = told["unjudged"].as_object().unwrap();
    assert!(unjudged.iter().any(|(why, found)| why.contains("warm") && found[0] == 1), "{told:#}");
}
