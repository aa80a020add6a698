use std::sync::Arc;

use mountgate_core::PredicateValue;
use mountgate_policy::{Host, HostConfig, bundled};

use super::*;
use crate::plugin::cases::run;

const RECORD: &str = r#"{"request":{"agent":"junior-bot","session":null,"claims":{"region":"north","role":"junior"},
"mount":"backoffice","door":"http","purpose":"a \"refund\"","time":{"unix_ms":1795510800000,"weekday":2,"minute":600,"date":"2026-11-24"},
"usage":null,"parameters":null,
"touch":{"verb":"read","relations":[{"relation":"sales.orders","columns":[["order_id",["projected","filtered"]],["email",["projected"]]],"references":2}],
"predicates":[{"relation":"sales.orders","column":"order_id","op":"eq","digest":"ab","claims":[]},{"relation":"sales.orders","column":"email","op":"eq","digest":"ab","claims":["region"]},{"relation":"sales.orders","column":"order_id","op":"lt","parameter":0,"digest":"ab","claims":[]}]},
"ceiling":[{"name":"sales.orders","columns":[{"name":"order_id","ty":"integer","key":true,"masks":[]},{"name":"email","ty":"text","key":false,"masks":["hash"]}],"lent":[{"name":"region","ty":"text","key":false,"masks":[]}],
"filter":[{"column":"tenant"},{"literal":{"integer":7}},{"compare":{"op":"eq","left":0,"right":1}}]}],
"limits":{"requests":[],"rows":[{"amount":5,"window_ms":60000}],"bytes":[],"max_rows":500,"max_bytes":null,"timeout_ms":5000,"concurrency":null}},
"verdict":{"allow":{"grant":{"narrowed":{"sales.orders":{"columns":[["order_id",[]],["email",["hash","null"]]],"filter":[{"column":"region"},{"claim":"region"},{"compare":{"op":"eq","left":0,"right":1}}]}}},"limits":{"requests":[],"rows":[],"bytes":[],"max_rows":50,"max_bytes":null,"timeout_ms":null,"concurrency":null},"valid_for_ms":30000}}}"#;

fn captured(record: &str) -> Captured {
    let record = serde_json::from_str(record).unwrap();
    of_record(record, "01931f5c-0000-7000-8000-000000000000".parse().unwrap(), None).unwrap()
}

#[test]
fn a_captured_case_is_read_back_as_it_is() {
    let found = captured(RECORD);
    let text = found.to_toml();
    let read = Case::parse("cases/x.toml", &text).unwrap_or_else(|why| panic!("{why}\n{text}"));
    let mut same = found.case.clone();
    same.name = "x".to_owned();
    assert_eq!(read, [same], "{text}");
    for says in ["a refund", "sales.orders", "digests"] {
        assert!(says == "a refund" || text.contains(says), "{says}: {text}");
    }
    assert_eq!(
        found.case.request.touch.predicates[1].value,
        PredicateValue::Literal(mountgate_core::Value::Text("north".into()))
    );
    assert_eq!(found.case.request.touch.predicates[0].value, PredicateValue::Other);
}

#[test]
fn what_was_decided_is_what_the_case_expects() {
    let mut case = captured(RECORD).case;
    case.settings = serde_json::json!({ "tiers": [{
        "when": { "role": "junior" }, "limits": { "max_rows": 50 }, "valid_for": "30s",
        "tables": { "sales.orders": { "masks": { "email": "null" }, "filter": "region = claim.region" } },
    }] });
    let host = Host::new(HostConfig { max_instances: 8, ready: 1, ..HostConfig::default() }).unwrap();
    let tiers = host.admit(bundled::TIERS).unwrap();
    let outcome = run(&case, &tiers);
    assert!(outcome.passed && outcome.unchecked.is_empty(), "{outcome:?}");
    case.settings["tiers"][0]["valid_for"] = "10s".into();
    assert_eq!(run(&case, &Arc::clone(&tiers)).differences.len(), 1);
}

#[test]
fn a_request_that_met_no_policy_is_no_case() {
    let id: DecisionId = "01931f5c-0000-7000-8000-000000000000".parse().unwrap();
    let record = serde_json::from_str(r#"{"code":"not_in_scope"}"#).unwrap();
    let why = of_record(record, id, None).unwrap_err().to_string();
    assert!(why.contains("before (not_in_scope)"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_a_gateway_decided_runs_as_a_case() {
    use mountgate_core::{ClaimValue, Door, Value};
    use mountgate_mediate::Query;

    use crate::{
        serve::{Overrides, Server},
        shop::Shop,
    };

    let shop = Shop::new();
    let server = Server::start(&shop.config_path(), Overrides::default()).await.unwrap();
    let gateway = server.gateway().clone();
    let claims = [("customer_id".into(), ClaimValue::Integer(1))].into();
    let token = gateway.identity().add_agent("support-bot", &claims).unwrap().expose().to_owned();
    let entered = gateway.enter(Some(&token), Door::Http).unwrap();
    let asked = "SELECT c.email FROM customers c JOIN orders o USING (customer_id) WHERE o.status = ?";
    let query = Query {
        mount: "support".into(),
        sql: asked.into(),
        params: vec![Value::Text("open".into())],
        purpose: Some("a \"refund\"".into()),
    };
    let mut reply = gateway.query(&entered, query).await.unwrap();
    while reply.answer.next().await.unwrap().is_some() {}
    drop((reply, gateway, server));

    let dir = shop.path().join("state/ledger");
    let recorded = export(&dir, Selection::default()).unwrap().map(Result::unwrap);
    let decision = recorded.filter(|entry| entry.kind() == "decision").last().unwrap().decision().unwrap();
    let found = capture(&shop.config_path(), &dir, decision).unwrap();
    assert!(found.notes.iter().all(|note| !note.contains("settings have changed")), "{:?}", found.notes);
    let text = found.to_toml();
    let cases = Case::parse("cases/x.toml", &text).unwrap_or_else(|why| panic!("{why}\n{text}"));
    let host = Host::new(HostConfig { max_instances: 8, ready: 1, ..HostConfig::default() }).unwrap();
    let outcome = tokio::task::spawn_blocking(move || run(&cases[0], &host.admit(bundled::CEILING).unwrap())).await;
    let outcome = outcome.unwrap();
    assert!(outcome.passed && outcome.unchecked.is_empty(), "{outcome:?}\n{text}");
    let nowhere = capture(&shop.config_path(), &dir, DecisionId::new()).unwrap_err().to_string();
    assert!(nowhere.contains("has no decision"), "{nowhere}");
}
