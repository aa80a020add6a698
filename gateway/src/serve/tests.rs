use mountgate_core::{AgentName, ClaimValue, Code, Door, Value};
use mountgate_ledger::{Selection, export};
use mountgate_mediate::Query;

use super::*;
use crate::{
    shop::Shop,
    state::{Act, now_ms},
};

/// A session of `support-bot` for that customer.
pub(super) fn session(gateway: &Gateway, customer: i64) -> String {
    let agent = AgentName::from("support-bot");
    if gateway.identity().list_agents().unwrap().is_empty() {
        gateway.identity().add_agent("support-bot", &Default::default()).unwrap();
    }
    let claims = [("customer_id".into(), ClaimValue::Integer(customer))].into();
    gateway.identity().operator_mint(&agent, &claims, 60_000, now_ms()).unwrap().token.expose().to_owned()
}

pub(super) async fn rows(gateway: &Gateway, token: &str, sql: &str) -> Result<Vec<Vec<Value>>, Code> {
    let entered = gateway.enter(Some(token), Door::Http).map_err(|refused| refused.refusal.code)?;
    let query = Query { mount: "support".into(), sql: sql.into(), params: vec![], purpose: None };
    let mut reply = gateway.query(&entered, query).await.map_err(|refused| refused.refusal.code)?;
    let mut rows = Vec::new();
    while let Some(batch) = reply.answer.next().await.map_err(|refusal| refusal.code)? {
        rows.extend(batch.rows().map(|row| row.to_vec()));
    }
    Ok(rows)
}

pub(super) async fn start(shop: &Shop) -> Server {
    Server::start(&shop.config_path(), Overrides::default()).await.unwrap_or_else(|error| panic!("{error:#}"))
}

/// Runs the server beside `work`, and stops it after.
pub(super) async fn running<T>(
    server: Server,
    work: impl AsyncFnOnce(Gateway, tokio::sync::mpsc::Sender<()>) -> T,
) -> T {
    let gateway = server.gateway().clone();
    let (reload, reloads) = tokio::sync::mpsc::channel(1);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(reloads, async move {
        let _ = stopped.await;
    }));
    let done = work(gateway, reload).await;
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(20), serving).await.expect("it stops").unwrap().unwrap();
    done
}

/// Waits until `true`, for ten seconds at most.
pub(super) async fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..200 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} did not come");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_gets_its_scope_and_nothing_else() {
    let shop = Shop::new();
    running(start(&shop).await, async |gateway, _| {
        let token = session(&gateway, 1);
        let found = rows(&gateway, &token, "SELECT order_id, status FROM orders ORDER BY order_id").await.unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], [Value::Integer(1), Value::Text("open".into())]);
        let masked = rows(&gateway, &token, "SELECT email FROM customers").await.unwrap();
        assert_eq!(masked, [[Value::Text("a**********.com".into())]]);
        assert_eq!(rows(&gateway, &token, "SELECT secret FROM customers").await, Err(Code::NotInScope));
        assert_eq!(rows(&gateway, &token, "SELECT * FROM sqlite_master").await, Err(Code::NotInScope));
        assert_eq!(rows(&gateway, "mga_nonsense", "SELECT 1").await, Err(Code::Unauthenticated));
    })
    .await;
    assert!(mountgate_ledger::verify(&shop.path().join("state/ledger"), None).unwrap().is_sound());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_swaps_what_is_sound_and_keeps_the_last_good() {
    let shop = Shop::new();
    running(start(&shop).await, async |gateway, reload| {
        let token = session(&gateway, 1);
        assert_eq!(rows(&gateway, &token, "SELECT note FROM orders").await, Err(Code::NotInScope));
        shop.mount_with("\"status\"]", "\"status\", \"note\"]");
        reload.send(()).await.unwrap();
        eventually("generation 2", || gateway.generation().number() == 2).await;
        assert_eq!(rows(&gateway, &token, "SELECT note FROM orders").await.unwrap().len(), 2);

        // Wrong in the file, then wrong for the backend: both times what was in force stays.
        for bad in ["\"status\", \"noot\"]", "\"status\", 7]"] {
            shop.mount_with("\"status\"]", bad);
            let failed = || failed_reloads(&shop);
            let before = failed();
            reload.send(()).await.unwrap();
            eventually("the refusal of a reload", || failed() > before).await;
            assert_eq!(gateway.generation().number(), 2);
            assert_eq!(rows(&gateway, &token, "SELECT note FROM orders").await.unwrap().len(), 2);
        }
    })
    .await;
}

fn failed_reloads(shop: &Shop) -> usize {
    let admin = Selection { kind: Some("admin".into()), ..Selection::default() };
    export(&shop.path().join("state/ledger"), admin)
        .unwrap()
        .filter(|entry| {
            let record = entry.as_ref().unwrap().record().unwrap();
            record["act"] == "config.reload" && record["details"].get("failed").is_some()
        })
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_of_the_command_line_is_recorded_and_holds_at_once() {
    let shop = Shop::new();
    running(start(&shop).await, async |gateway, _| {
        let token = session(&gateway, 1);
        assert!(rows(&gateway, &token, "SELECT status FROM orders").await.is_ok());
        let state = State::open(&shop.config().main).unwrap();
        state.record(&Act::of_command_line("agent.revoke", serde_json::json!({"agent": "support-bot"}))).unwrap();
        state.identity().unwrap().revoke_agent("support-bot").unwrap();
        assert_eq!(rows(&gateway, &token, "SELECT status FROM orders").await, Err(Code::Unauthenticated));
        eventually("the act's record", || {
            let admin = Selection { kind: Some("admin".into()), ..Selection::default() };
            export(&shop.path().join("state/ledger"), admin)
                .unwrap()
                .any(|entry| entry.unwrap().record().unwrap()["act"] == "agent.revoke")
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_told_and_the_ledger_is_left_alone() {
    let shop = Shop::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let overrides =
        Overrides { data_port: Some(taken.local_addr().unwrap().port()), admin_port: None, ..Overrides::default() };
    let error = Server::start(&shop.config_path(), overrides).await.err().expect("the port is taken");
    assert!(format!("{error:#}").contains("the data port cannot listen"), "{error:#}");
    assert!(!shop.path().join("state/ledger").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_cannot_share_a_state_folder() {
    let shop = Shop::new();
    let first = start(&shop).await;
    let second = Server::start(&shop.config_path(), Overrides::default()).await;
    assert!(format!("{:#}", second.err().expect("the ledger is locked")).contains("in use"));
    drop(first);
}
