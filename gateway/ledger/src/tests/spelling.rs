//! What is written of a request, and what never is.

use mountgate_core::{Mask, RelationGrant};

use super::*;
use crate::{RefusalRecord, tail};

fn recorded(sample: &Sample, statement_text: bool) -> (serde_json::Value, String) {
    let dir = folder();
    let ledger = Ledger::open(&LedgerConfig { statement_text, ..config(dir.path()) }).unwrap();
    ledger.record((), &sample.decision()).unwrap().into_parts().1.finish(whole(1));
    drop(ledger);
    let entry = tail(dir.path(), 2).unwrap().remove(0);
    assert_eq!(entry.kind(), "decision");
    (entry.record().unwrap(), entry.line().to_owned())
}

#[test]
fn a_decision_is_written_with_all_that_replays_need() {
    let sample = Sample::new();
    let (record, _) = recorded(&sample, false);
    let request = &record["request"];
    assert_eq!(request["agent"], "support-bot");
    assert_eq!(request["session"], "0123456789abcdef");
    assert_eq!(request["claims"]["customer_id"], 42);
    assert_eq!(request["door"], "http");
    assert_eq!(request["touch"]["relations"][0]["relation"], "orders");
    assert_eq!(request["ceiling"][0]["name"], "orders");
    assert_eq!(record["generation"], 3);
    assert_eq!(record["plugin"], Digest::of(b"plugin").to_string());
    assert_eq!(record["verdict"]["allow"]["grant"], "ceiling");
    assert_eq!(record["caps"]["max_rows"], 500);
    assert_eq!(record["fenced"][0], "orders");
}

#[test]
fn values_of_the_request_are_digests_that_tell_equal_from_different() {
    let mut sample = Sample::new();
    let (first, line) = recorded(&sample, false);
    assert!(!line.contains("very-secret-status"), "neither a literal nor the statement's text is written");
    let digest = |record: &serde_json::Value, index: usize| {
        record["request"]["touch"]["predicates"][index]["digest"].as_str().unwrap().to_owned()
    };
    assert_eq!(digest(&first, 0), first["parameters"][0], "the parameter's digest is the predicate's");
    let (again, _) = recorded(&sample, false);
    assert_eq!(digest(&first, 1), digest(&again, 1));
    sample.parameters = vec![Value::Text("42".into())];
    let (other, _) = recorded(&sample, false);
    assert_ne!(digest(&first, 0), digest(&other, 0), "a value's type is part of it");
}

#[test]
fn an_equality_with_a_claim_is_told() {
    let claims = |sample: &Sample| recorded(sample, false).0["request"]["touch"]["predicates"][0]["claims"].clone();
    let mut sample = Sample::new();
    assert_eq!(claims(&sample), serde_json::json!(["customer_id"]));
    sample.parameters = vec![Value::Integer(43)];
    assert_eq!(claims(&sample), serde_json::json!([]), "another value");
    sample.parameters = vec![Value::Text("42".into())];
    assert_eq!(claims(&sample), serde_json::json!([]), "another type");
    sample.parameters = vec![Value::Integer(42)];
    let mut touch = Touch::clone(&sample.request.touch);
    touch.predicates[0].op = Some(CompareOp::Ge);
    sample.request.touch = Arc::new(touch);
    assert_eq!(claims(&sample), serde_json::json!([]), "not an equality");
}

#[test]
fn parameters_that_the_policy_saw_are_digests_too() {
    let mut sample = Sample::new();
    sample.parameters = vec![Value::Text("for-your-eyes-only".into())];
    sample.request.parameters = Some(sample.parameters.clone());
    let (record, line) = recorded(&sample, true);
    assert!(!line.contains("for-your-eyes-only"));
    assert_eq!(record["request"]["parameters"], record["parameters"]);
}

#[test]
fn parts_that_requests_share_are_spelt_as_they_are_for_each() {
    let dir = folder();
    let ledger = Ledger::open(&config(dir.path())).unwrap();
    let mut sample = Sample::new();
    for round in 0..2_400_u64 {
        // A part of its own at each third request: dropped ones must not lend their spelling to the next at their
        // address.
        if round % 3 == 0 {
            sample.request.limits = Arc::new(Limits { max_rows: Some(round), ..Limits::default() });
            let mut ceiling = Vec::clone(&sample.request.ceiling);
            ceiling[0].name = format!("orders{round}").into();
            sample.request.ceiling = Arc::new(ceiling);
            let mut touch = Touch::clone(&sample.request.touch);
            touch.relations[0].references = round as u32;
            sample.request.touch = Arc::new(touch);
        }
        let spelt = ledger.shared().spell(&sample.decision());
        let record: serde_json::Value = serde_json::from_slice(&spelt).unwrap();
        let request = &record["request"];
        assert_eq!(request["limits"], serde_json::to_value(&*sample.request.limits).unwrap());
        assert_eq!(request["ceiling"], serde_json::to_value(&*sample.request.ceiling).unwrap());
        assert_eq!(request["touch"]["relations"], serde_json::to_value(&sample.request.touch.relations).unwrap());
    }
}

#[test]
fn a_grant_that_decisions_share_is_spelt_as_each_ones_own() {
    let dir = folder();
    let ledger = Ledger::open(&config(dir.path())).unwrap();
    let mut sample = Sample::new();
    let granted = RelationGrant { columns: vec![("status".into(), vec![Mask::Hash])], filter: None };
    let grant = Arc::new(Grant::Narrowed(BTreeMap::from([("orders".into(), granted)])));
    sample.verdict = Verdict::Allow {
        grant: Grant::clone(&grant),
        limits: Limits { max_rows: Some(7), ..Limits::default() },
        valid_for_ms: Some(30_000),
    };
    let decision = sample.decision();
    let own = ledger.shared().spell(&decision);
    for _ in 0..2 {
        let shared = ledger.shared().spell(&DecisionRecord { grant: Some(&grant), ..decision.clone() });
        assert_eq!(String::from_utf8_lossy(&shared), String::from_utf8_lossy(&own));
    }
}

#[test]
fn the_statements_text_is_kept_where_asked_for() {
    let (without, _) = recorded(&Sample::new(), false);
    let (with, _) = recorded(&Sample::new(), true);
    assert!(without.get("text").is_none());
    assert!(with["text"].as_str().unwrap().contains("very-secret-status"));
    assert_eq!(without["statement"], with["statement"]);
}

#[test]
fn a_refusal_by_a_policy_keeps_what_was_asked_and_answered() {
    let dir = folder();
    let ledger = Ledger::open(&config(dir.path())).unwrap();
    let request = request();
    let verdict = Verdict::Deny { code: "no".into(), reason: "not you".into(), hint: None };
    ledger
        .refuse(&RefusalRecord {
            id: DecisionId::new(),
            time_ms: 1,
            generation: 1,
            agent: &request.agent,
            session: request.session.as_ref(),
            mount: Some(&request.mount),
            door: Door::Http,
            code: mountgate_core::Code::DeniedByPolicy,
            message: "not you",
            statement: Some("SELECT 'very-secret-status'"),
            plugin: Some(Digest::of(b"plugin")),
            request: Some(&request),
            verdict: Some(&verdict),
        })
        .unwrap();
    let entry = tail(dir.path(), 1).unwrap().remove(0);
    assert!(!entry.line().contains("very-secret-status"));
    let record = entry.record().unwrap();
    assert_eq!(record["code"], "denied_by_policy");
    assert_eq!(record["verdict"]["deny"]["reason"], "not you");
    assert_eq!(record["request"]["claims"]["customer_id"], 42);
}

#[test]
fn keys_are_in_no_debug_text() {
    let dir = folder();
    let text = format!("{:?} {:?}", config(dir.path()), Ledger::open(&config(dir.path())).unwrap());
    assert!(!text.contains("7, 7") && !text.contains("9, 9"), "{text}");
}
