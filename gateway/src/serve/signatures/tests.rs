//! Signed plugins while a gateway serves: deny first.

use std::sync::atomic::{AtomicI64, Ordering};

use mountgate_core::{Code, Value};
use mountgate_ledger::{Selection, export};
use mountgate_mediate::reload::{Reloaded, Step};

use super::*;
use crate::{
    serve::{
        Overrides, Server,
        tests::{eventually, rows, running, session, start},
    },
    shop::{
        Shop,
        signed::{SignedShop, TRUST, component},
    },
};

const SQL: &str = "SELECT status FROM orders";

async fn reload(gateway: &Gateway) -> Arc<Reloaded> {
    gateway.reload(Trigger::Operator("ada".to_owned())).await.unwrap()
}

async fn ask(gateway: &Gateway, token: &str) -> Result<Vec<Vec<Value>>, Code> {
    rows(gateway, token, SQL).await
}

/// The acts of that name in the ledger.
fn recorded(shop: &Shop, act: &str) -> Vec<serde_json::Value> {
    let admin = Selection { kind: Some("admin".into()), ..Selection::default() };
    let all = export(&shop.path().join("state/ledger"), admin).unwrap();
    all.map(|entry| entry.unwrap().record().unwrap()).filter(|record| record["act"] == act).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_comes_by_a_reload_and_what_is_revoked_is_denied_at_the_next_refresh() {
    let mut signed = SignedShop::new();
    running(start(&signed.shop).await, async |gateway, _| {
        let token = session(&gateway, 1);
        assert_eq!(ask(&gateway, &token).await.unwrap().len(), 2);
        assert_eq!(gateway.full_health().status, "ok", "{:?}", gateway.full_health());

        signed.publish(2, |_| {});
        let Reloaded::Swapped { generation: 2, changed, .. } = &*reload(&gateway).await else { panic!("not taken") };
        assert!(changed.policies.contains("acme/support") && changed.changed.contains("support"), "{changed:?}");
        let last = recorded(&signed.shop, "config.reload").pop().unwrap();
        assert_eq!(last["details"]["after"]["releases"]["acme/support"], 2, "{last}");
        assert_eq!(ask(&gateway, &token).await.unwrap().len(), 2);

        // A request that is under way keeps the generation, and the next one on that very generation is denied.
        signed.revoke("acme/support@2");
        let Reloaded::Swapped { generation: 3, .. } = &*reload(&gateway).await else { panic!("not taken") };
        assert_eq!(ask(&gateway, &token).await, Err(Code::PolicyWithdrawn));
        let health = gateway.full_health();
        let told = health.signatures.as_ref().unwrap();
        assert_eq!((health.status, told.is_well, told.revoked), ("degraded", false, 1));
        assert!(told.revocations[0].contains("leaks"), "{told:?}");
        let open = serde_json::to_string(&gateway.health()).unwrap();
        assert!(!open.contains("leaks") && open.contains("\"revoked\":1"), "{open}");
        assert!(gateway.metrics().contains("mountgate_signatures_revoked 1"), "{}", gateway.metrics());
        eventually("the record", || {
            recorded(&signed.shop, "trust.state").iter().any(|record| record["details"]["revoked"][0]["release"] == 2)
        })
        .await;

        signed.publish(3, |_| {});
        let Reloaded::Swapped { generation: 4, .. } = &*reload(&gateway).await else { panic!("not taken") };
        assert_eq!(ask(&gateway, &token).await.unwrap().len(), 2);
        eventually("health", || gateway.full_health().status == "ok").await;
    })
    .await;
    assert!(mountgate_ledger::verify(&signed.shop.path().join("state/ledger"), None).unwrap().is_sound());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_need_ask_for_what_the_repository_brings() {
    let mut signed = SignedShop::new();
    signed.shop.main(&TRUST.replace("1h", "100ms"));
    running(start(&signed.shop).await, async |gateway, _| {
        let token = session(&gateway, 1);
        signed.publish(2, |_| {});
        eventually("generation 2", || gateway.generation().number() == 2).await;
        assert_eq!(recorded(&signed.shop, "config.reload")[0]["details"]["triggers"][0], "repository");
        signed.revoke("acme/support");
        let mut denied = false;
        for _ in 0..200 {
            denied = ask(&gateway, &token).await == Err(Code::PolicyWithdrawn);
            if denied {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(denied);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_fails_its_signed_cases_or_is_no_policy_changes_nothing() {
    let mut signed = SignedShop::new();
    running(start(&signed.shop).await, async |gateway, _| {
        let token = session(&gateway, 1);
        let case = crate::plugin::cases::Case::parse(
            "denied.toml",
            r#"
            [mount]
            name = "support"
            [mount.tables.orders]
            columns = ["status"]
            types = { status = "text" }
            [request]
            agent = "support-bot"
            touch.orders = ["status"]
            [expect]
            verdict = "deny"
            "#,
        );
        let case = serde_json::to_value(&case.unwrap()[0]).unwrap();
        signed.publish(2, |manifest| manifest.cases = vec![case.clone()]);
        let Reloaded::Failed { generation: 1, failed, .. } = &*reload(&gateway).await else { panic!("taken") };
        assert_eq!(failed.step, Step::SelfTest);
        assert!(failed.message.contains("its case `denied` fails"), "{failed:?}");
        assert_eq!(ask(&gateway, &token).await.unwrap().len(), 2);

        signed.publish_component(3, component(3)[..3_000].to_vec(), |_| {});
        let Reloaded::Failed { generation: 1, failed, .. } = &*reload(&gateway).await else { panic!("taken") };
        assert_eq!(failed.step, Step::Admit);
        assert_eq!(ask(&gateway, &token).await.unwrap().len(), 2);

        // A case that holds, and the release comes into force.
        let mut allowed = case;
        allowed["expect"]["verdict"] = "allow".into();
        signed.publish(4, |manifest| manifest.cases = vec![allowed]);
        let Reloaded::Swapped { generation: 2, .. } = &*reload(&gateway).await else { panic!("not taken") };
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_does_not_hold_changes_nothing_and_is_an_alarm() {
    let mut signed = SignedShop::new();
    let (there, away) = signed.folders();
    running(start(&signed.shop).await, async |gateway, _| {
        let token = session(&gateway, 1);
        let before = std::fs::read(there.join("metadata/timestamp.json")).unwrap();
        signed.publish(2, |_| {});
        assert!(matches!(&*reload(&gateway).await, Reloaded::Swapped { .. }));

        // Rolled back, then gone.
        std::fs::write(there.join("metadata/timestamp.json"), before).unwrap();
        let Reloaded::Unchanged { generation: 2, warnings } = &*reload(&gateway).await else { panic!("taken") };
        assert!(warnings[0].contains("could not be refreshed"), "{warnings:?}");
        let told = gateway.signatures().unwrap();
        assert_eq!((told.state, told.failure.as_ref().unwrap().kind), ("late", "rolled_back"));
        assert_eq!(gateway.full_health().status, "degraded");
        assert!(gateway.metrics().contains("mountgate_signature_refreshes_total{result=\"rolled_back\"} 1"));
        eventually("the record", || {
            let state = recorded(&signed.shop, "trust.state");
            state.iter().any(|record| record["details"]["failure"]["kind"] == "rolled_back")
        })
        .await;
        std::fs::rename(&there, &away).unwrap();
        let Reloaded::Unchanged { generation: 2, warnings } = &*reload(&gateway).await else { panic!("taken") };
        assert!(!warnings.is_empty());
        assert_eq!(ask(&gateway, &token).await.unwrap().len(), 2);
    })
    .await;
    // Started again with nothing but what it kept, it serves what it served, and takes nothing older.
    running(start(&signed.shop).await, async |gateway, _| {
        let token = session(&gateway, 1);
        assert_eq!(ask(&gateway, &token).await.unwrap().len(), 2);
        std::fs::rename(&away, &there).unwrap();
        let Reloaded::Unchanged { warnings, .. } = &*reload(&gateway).await else { panic!("taken") };
        assert!(!warnings.is_empty());
        assert_eq!(gateway.signatures().unwrap().failure.as_ref().unwrap().kind, "rolled_back");
    })
    .await;
}

const DAY: i64 = 24 * 3_600_000;
/// How far ahead the clock of the test below is.
static AHEAD: AtomicI64 = AtomicI64::new(0);

fn clock() -> i64 {
    now_ms() + AHEAD.load(Ordering::SeqCst)
}

async fn later(shop: &Shop, days: i64) -> Server {
    AHEAD.store(days * DAY, Ordering::SeqCst);
    let overrides = Overrides { clock: Some(clock), ..Overrides::default() };
    Server::start(&shop.config_path(), overrides).await.unwrap_or_else(|error| panic!("{error:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_signatures_keep_the_last_good_set_over_a_restart_then_deny() {
    let mut signed = SignedShop::new();
    let (there, away) = signed.folders();
    running(later(&signed.shop, 0).await, async |gateway, _| {
        let token = session(&gateway, 1);
        assert_eq!(ask(&gateway, &token).await.unwrap().len(), 2);
        std::fs::rename(&there, &away).unwrap();
        // The timestamp holds for seven days.
        AHEAD.store(8 * DAY, Ordering::SeqCst);
        reload(&gateway).await;
        assert_eq!(gateway.signatures().unwrap().state, "expired");
        assert_eq!(ask(&gateway, &token).await.unwrap().len(), 2);
    })
    .await;
    running(later(&signed.shop, 9).await, async |gateway, _| {
        let token = session(&gateway, 1);
        assert_eq!(gateway.signatures().unwrap().state, "expired");
        assert_eq!(gateway.full_health().status, "degraded");
        assert_eq!(ask(&gateway, &token).await.unwrap().len(), 2);
        eventually("the record", || {
            recorded(&signed.shop, "trust.state").iter().any(|record| record["details"]["state"] == "expired")
        })
        .await;
        // And seven more are what `deny_after` leaves.
        AHEAD.store(15 * DAY, Ordering::SeqCst);
        reload(&gateway).await;
        assert_eq!(gateway.signatures().unwrap().state, "denying");
        assert_eq!(ask(&gateway, &token).await, Err(Code::PolicyWithdrawn));
    })
    .await;
    // A clock that goes back brings nothing back, and neither does a restart.
    running(later(&signed.shop, 0).await, async |gateway, _| {
        let token = session(&gateway, 1);
        reload(&gateway).await;
        assert_eq!(gateway.signatures().unwrap().state, "denying");
        assert_eq!(ask(&gateway, &token).await, Err(Code::PolicyWithdrawn));
        // Renewed, it serves again: the same release on the same generation.
        std::fs::rename(&away, &there).unwrap();
        signed.repository.lifetimes.timestamp = 60;
        signed.repository.lifetimes.snapshot = 60;
        signed.repository.renew(false, &mut signed.keyring).unwrap();
        reload(&gateway).await;
        assert_eq!(gateway.signatures().unwrap().state, "current");
        assert_eq!(ask(&gateway, &token).await.unwrap().len(), 2);
    })
    .await;
}
