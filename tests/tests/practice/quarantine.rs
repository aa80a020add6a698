//! A session that probes is set apart, its agent is not, and only a person lifts it.

use mountgate::cli::Exit;
use mountgate_core::{ClaimValue, Code};
use mountgate_ledger::{Selection, export};
use mountgate_mediate::Subject;
use mountgate_tests::{
    command,
    gateway::{Fixture, SHOP},
};
use serde_json::Value as Json;

use super::run;

const MOUNT: &str = "name = \"test\"\nbackend = \"shop\"\nagents = [\"desk\"]\npolicy = \"ceiling\"\n[tables.customers]\ncolumns = [\"customer_id\", \"name\"]\n";

async fn ask(fixture: &Fixture, token: &str, sql: &str) -> Option<Code> {
    fixture.ask(token, sql, &[]).await.err().map(|refusal| refusal.code)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_probes_is_set_apart_and_no_other() {
    let fixture = Fixture::with(SHOP, MOUNT, "[quarantine]\nrefusals = \"3/minute\"\n").await.unwrap();
    let key = fixture.agent("desk").unwrap();
    let session = |n: i64| fixture.session("desk", &[("customer_id", ClaimValue::Integer(n))]).unwrap();
    let (probing, other) = (session(1), session(2));
    // Slips of the pen are no probing, however many.
    for _ in 0..10 {
        assert_eq!(ask(&fixture, &probing, "SELEC name").await, Some(Code::Unparseable));
    }
    for _ in 0..4 {
        assert_eq!(ask(&fixture, &probing, "SELECT word FROM secrets").await, Some(Code::NotInScope));
    }
    assert_eq!(ask(&fixture, &probing, "SELECT name FROM customers").await, Some(Code::Quarantined));
    // One that was misled shuts nobody else out, and the agent's own key is never set apart by itself.
    assert_eq!(ask(&fixture, &other, "SELECT name FROM customers").await, None);
    for _ in 0..10 {
        assert_eq!(ask(&fixture, &key, "SELECT word FROM secrets").await, Some(Code::NotInScope));
    }
    assert_eq!(ask(&fixture, &key, "SELECT name FROM customers").await, None);

    // A restart lifts nothing.
    let fixture = fixture.restarted().await.unwrap();
    assert_eq!(ask(&fixture, &probing, "SELECT name FROM customers").await, Some(Code::Quarantined));
    let listed: Json = serde_json::from_str(&run(&fixture, &["quarantine", "list", "--json"]).await).unwrap();
    assert_eq!((listed[0]["by"].as_str(), listed.as_array().unwrap().len()), (Some("gateway"), 1), "{listed}");
    let set = fixture.gateway.set_apart();

    // A person does, and that is on record.
    assert!(fixture.gateway.lift(&set[0].subject, "ada").unwrap_or_else(|refused| panic!("{refused:?}")));
    assert!(!fixture.gateway.lift(&set[0].subject, "ada").unwrap_or_else(|refused| panic!("{refused:?}")));
    assert_eq!(ask(&fixture, &probing, "SELECT name FROM customers").await, None);
    let acts: Vec<Json> = export(
        &fixture.folder().join("state/ledger"),
        Selection { kind: Some("admin".into()), ..Selection::default() },
    )
    .unwrap()
    .map(|entry| entry.unwrap().record().unwrap())
    .filter(|record| record["act"].as_str().unwrap().starts_with("quarantine."))
    .collect();
    let told: Vec<_> = acts.iter().map(|act| (act["act"].as_str().unwrap(), act["who"].as_str().unwrap())).collect();
    assert_eq!(told, [("quarantine.set", "gateway"), ("quarantine.lift", "ada")], "{acts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_set_apart_by_a_person_with_all_of_its_sessions() {
    let fixture = Fixture::shop(MOUNT).await.unwrap();
    let key = fixture.agent("desk").unwrap();
    let session = fixture.session("desk", &[]).unwrap();
    // Without a limit, nobody is set apart by himself.
    for _ in 0..50 {
        assert_eq!(ask(&fixture, &session, "SELECT word FROM secrets").await, Some(Code::NotInScope));
    }
    let agent = Subject::Agent("desk".into());
    fixture.gateway.quarantine_by(agent.clone(), "ada", "leaked").unwrap_or_else(|refused| panic!("{refused:?}"));
    for token in [&key, &session] {
        assert_eq!(ask(&fixture, token, "SELECT name FROM customers").await, Some(Code::Quarantined));
    }
    let fixture = fixture.restarted().await.unwrap();
    assert_eq!(ask(&fixture, &key, "SELECT name FROM customers").await, Some(Code::Quarantined));
    assert!(fixture.gateway.lift(&agent, "ada").unwrap_or_else(|refused| panic!("{refused:?}")));
    assert_eq!(ask(&fixture, &key, "SELECT name FROM customers").await, None);

    // What tells who is set apart can't be read: then nobody is served.
    std::fs::write(fixture.folder().join("state/quarantine.json"), "[{").unwrap();
    assert!(fixture.restarted().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn setting_apart_wants_a_running_gateway_and_an_operator() {
    let fixture = Fixture::shop(MOUNT).await.unwrap();
    let none = fixture.folder().join("none").display().to_string();
    let line = ["quarantine", "set", "--agent", "desk", "--token-file", &none];
    assert_eq!(command::run(fixture.folder(), &line).await.unwrap().0, Exit::Failed);
    assert!(command::run(fixture.folder(), &["quarantine", "set"]).await.is_err(), "nobody is named");
}
