//! Deny first: what is wrong in any way changes nothing, and says so.

use mountgate_core::{Code, Door, Value};
use mountgate_ledger::{Selection, export};
use mountgate_mediate::Query;

use super::*;
use crate::{
    serve::tests::{eventually, rows, running, session, start},
    shop::{MOUNT, Shop},
};

const DEVELOPMENT: &str = "\n[plugins_development]\nallow_unsigned_plugins = true\n";

async fn reload(gateway: &Gateway) -> Arc<Reloaded> {
    gateway.reload(Trigger::Operator("ada".to_owned())).await.unwrap()
}

/// The acts `config.reload` in the ledger.
fn recorded(shop: &Shop) -> Vec<serde_json::Value> {
    let admin = Selection { kind: Some("admin".into()), ..Selection::default() };
    export(&shop.path().join("state/ledger"), admin)
        .unwrap()
        .map(|entry| entry.unwrap().record().unwrap())
        .filter(|record| record["act"] == "config.reload")
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_that_fails_is_told_and_the_last_good_stays() {
    let shop = Shop::new();
    std::fs::write(shop.path().join("whole.wasm"), mountgate_policy::bundled::CEILING).unwrap();
    let torn = mountgate_policy::bundled::CEILING.get(..2_000).unwrap();
    std::fs::write(shop.path().join("torn.wasm"), torn).unwrap();
    let socket = wat::parse_str("(component (import \"wasi:sockets/tcp@0.2.0\" (instance)))").unwrap();
    std::fs::write(shop.path().join("socket.wasm"), socket).unwrap();
    let plugin = |file: &str| format!("\n[plugins.\"acme/x\"]\npath = \"{file}\"\n{DEVELOPMENT}");
    running(start(&shop).await, async |gateway, _| {
        let token = session(&gateway, 1);
        let cases: [(&str, String, String, Step); 9] = [
            ("not TOML", "\n[server\n".into(), MOUNT.into(), Step::Read),
            ("a mount that is not TOML", String::new(), "name = ".into(), Step::Read),
            ("an unknown key", String::new(), MOUNT.replace("backend =", "backnd ="), Step::Read),
            ("a policy that is not there", String::new(), MOUNT.replace("\"ceiling\"", "\"acme/y\""), Step::Read),
            ("a component that is not there", plugin("none.wasm"), MOUNT.into(), Step::Verify),
            ("a torn component", plugin("torn.wasm"), MOUNT.into(), Step::Admit),
            ("an import", plugin("socket.wasm"), MOUNT.into(), Step::Admit),
            ("a column that is not there", String::new(), MOUNT.replace("\"status\"", "\"staus\""), Step::Fit),
            (
                "settings",
                plugin("whole.wasm"),
                MOUNT.replace("policy = \"ceiling\"", "policy = \"acme/x\"\nsettings = { a = 1 }"),
                Step::Fit,
            ),
        ];
        for (what, main, mount, step) in cases {
            shop.main(&main);
            shop.mount(&mount);
            let Reloaded::Failed { generation, failed, details } = &*reload(&gateway).await else {
                panic!("{what}: it came into force");
            };
            assert_eq!((*generation, failed.step), (1, step), "{what}: {failed:?}");
            assert!(failed.problems > 0 && !details.is_empty(), "{what}");
            assert_eq!(rows(&gateway, &token, "SELECT status FROM orders").await.unwrap().len(), 2, "{what}");

            let health = gateway.full_health();
            assert_eq!((health.status, health.generation), ("degraded", 1), "{what}");
            assert_eq!(health.reload.failed.as_ref(), Some(failed), "{what}");
            let metrics = gateway.metrics();
            assert!(metrics.contains("mountgate_generation 1\n"), "{metrics}");
            let counted = format!("mountgate_reloads_total{{result=\"failed\",step=\"{}\"}}", step.label());
            assert!(metrics.contains(&counted), "{what}: {metrics}");
            let last = recorded(&shop).pop().unwrap();
            assert_eq!(last["who"], "operator ada", "{what}");
            let details = &last["details"];
            assert_eq!((&details["result"], &details["step"]), (&"failed".into(), &step.label().into()), "{what}");
            assert_eq!(details["message"].as_str(), Some(failed.message.as_str()), "{what}");
            assert!(details["before"]["config"].is_string(), "{what}: {details}");
        }
        // Mended, it is as it was: nothing is different, and nothing has failed.
        shop.main("");
        shop.mount(MOUNT);
        assert_eq!(*reload(&gateway).await, Reloaded::Unchanged { generation: 1, warnings: vec![] });
        let health = gateway.full_health();
        assert_eq!((health.status, health.reload.failed), ("ok", None));
    })
    .await;
    assert!(mountgate_ledger::verify(&shop.path().join("state/ledger"), None).unwrap().is_sound());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_different_is_told_and_recorded_before_it_holds() {
    let shop = Shop::new();
    running(start(&shop).await, async |gateway, _| {
        let before = gateway.health().since_ms;
        shop.mount_with("\"status\"]", "\"status\", \"note\"]");
        std::fs::write(shop.path().join("mounts/two.toml"), MOUNT.replace("\"support\"", "\"two\"")).unwrap();
        let Reloaded::Swapped { generation: 2, changed, .. } = &*reload(&gateway).await else { panic!("not swapped") };
        assert!(changed.added.contains("two") && changed.changed.contains("support") && !changed.main, "{changed:?}");
        assert!(gateway.health().since_ms >= before);
        let last = recorded(&shop).pop().unwrap();
        let details = &last["details"];
        assert_eq!((&details["result"], &details["generation"]), (&"swapped".into(), &2.into()));
        assert_ne!(details["before"]["config"], details["after"]["config"]);
        assert_eq!(details["before"]["policies"], details["after"]["policies"]);

        // Again, and nothing is swapped; a mount that is gone is gone.
        assert_eq!(*reload(&gateway).await, Reloaded::Unchanged { generation: 2, warnings: vec![] });
        std::fs::remove_file(shop.path().join("mounts/two.toml")).unwrap();
        let Reloaded::Swapped { generation: 3, changed, .. } = &*reload(&gateway).await else { panic!("not swapped") };
        assert_eq!(changed.removed.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["two"]);
        assert!(changed.changed.is_empty(), "{changed:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_cannot_be_recorded_is_not_done() {
    let shop = Shop::new();
    running(start(&shop).await, async |gateway, _| {
        for entry in std::fs::read_dir(shop.path().join("state/ledger")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                std::fs::remove_file(path).unwrap();
            }
        }
        eventually("a ledger that fails", || !gateway.ready()).await;
        shop.mount_with("\"status\"]", "\"status\", \"note\"]");
        let Reloaded::Failed { generation: 1, failed, .. } = &*reload(&gateway).await else { panic!("it was done") };
        assert_eq!(failed.step, Step::Record);
        assert_eq!(gateway.generation().number(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_ends_with_its_last_request() {
    let shop = Shop::new();
    running(start(&shop).await, async |gateway, _| {
        let token = session(&gateway, 1);
        let entered = gateway.enter(Some(&token), Door::Http).unwrap();
        let query = Query {
            mount: "support".into(),
            sql: "SELECT order_id, status FROM orders".into(),
            params: vec![],
            purpose: None,
        };
        let mut reply = gateway.query(&entered, query).await.unwrap_or_else(|refused| panic!("{:?}", refused.refusal));
        let old = Arc::downgrade(&gateway.generation());
        shop.mount_with("\"status\"]", "\"note\"]");
        assert_eq!(reload(&gateway).await.generation(), 2);
        assert_eq!(rows(&gateway, &token, "SELECT status FROM orders").await, Err(Code::NotInScope));
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        assert!(old.upgrade().is_some() && gateway.health().retired == 1, "an answer is under way on it");

        // It ends as it began.
        let mut found = Vec::new();
        while let Some(batch) = reply.answer.next().await.unwrap() {
            found.extend(batch.rows().map(|row| row.to_vec()));
        }
        assert_eq!(found[0], [Value::Integer(1), Value::Text("open".into())]);
        drop(reply);
        eventually("the end of the generation", || old.upgrade().is_none()).await;
        eventually("its record", || gateway.health().retired == 0).await;
        assert!(gateway.metrics().contains("mountgate_generations_retired 0\n"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_refills_no_budget_and_ends_no_session() {
    let shop = Shop::new();
    let limited = |rate: &str| MOUNT.replace("max_rows = 100", &format!("max_rows = 100\nrequests = \"{rate}\""));
    shop.mount(&limited("3/hour"));
    running(start(&shop).await, async |gateway, _| {
        let token = session(&gateway, 1);
        let ask = async || rows(&gateway, &token, "SELECT status FROM orders").await.map(|rows| rows.len());
        for _ in 0..3 {
            assert_eq!(ask().await, Ok(2));
        }
        assert_eq!(ask().await, Err(Code::BudgetExhausted));
        for (rate, generation) in [("3/hour\"\n# the same, and\nrows = \"900/hour", 2), ("2/hour", 3), ("3/day", 4)] {
            shop.mount(&limited(rate));
            assert_eq!(reload(&gateway).await.generation(), generation, "{rate}");
            assert_eq!(ask().await, Err(Code::BudgetExhausted), "{rate}");
        }
        // What is raised is raised by the difference.
        shop.mount(&limited("4/day"));
        assert_eq!(reload(&gateway).await.generation(), 5);
        assert_eq!((ask().await, ask().await), (Ok(2), Err(Code::BudgetExhausted)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wishes_that_come_together_are_one_reload() {
    let shop = Shop::new();
    running(start(&shop).await, async |gateway, _| {
        shop.mount_with("\"status\"]", "\"status\", \"note\"]");
        let wishes: Vec<_> = (0..20)
            .map(|_| {
                let gateway = gateway.clone();
                tokio::spawn(async move { reload(&gateway).await })
            })
            .collect();
        for wish in wishes {
            assert_eq!(wish.await.unwrap().generation(), 2);
        }
        assert!(recorded(&shop).len() < 20, "each was a reload of its own");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_is_taken_by_itself() {
    let shop = Shop::new();
    std::fs::write(shop.path().join("x.wasm"), mountgate_policy::bundled::CEILING).unwrap();
    shop.main(&format!("\n[plugins.\"acme/x\"]\npath = \"x.wasm\"\n[reload]\nevery = \"100ms\"\n{DEVELOPMENT}"));
    running(start(&shop).await, async |gateway, _| {
        shop.mount_with("\"status\"]", "\"status\", \"note\"]");
        eventually("the mount", || gateway.generation().number() == 2).await;
        assert_eq!(recorded(&shop).pop().unwrap()["details"]["triggers"], serde_json::json!(["files"]));
        std::fs::write(shop.path().join("x.wasm"), mountgate_policy::bundled::TIERS).unwrap();
        eventually("the plugin", || gateway.generation().number() == 3).await;
        std::fs::write(shop.path().join("x.wasm"), "half a fi").unwrap();
        eventually("the refusal", || gateway.health().reload.failed.is_some()).await;
        assert_eq!(gateway.generation().number(), 3);
        std::fs::write(shop.path().join("x.wasm"), mountgate_policy::bundled::TIERS).unwrap();
        eventually("the plugin as it was", || gateway.health().reload.failed.is_none()).await;
        assert_eq!(gateway.generation().number(), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_stuck_says_so_and_the_next_one_is_done() {
    let shop = Shop::new();
    // A database that takes connections and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    shop.main("\n[reload]\ndeadline = \"1s\"\n");
    running(start(&shop).await, async |gateway, _| {
        let token = session(&gateway, 1);
        let url = format!("postgres://nobody@{}/none", silent.local_addr().unwrap());
        shop.main(&format!("\n[reload]\ndeadline = \"1s\"\n[backends.other]\nkind = \"postgres\"\nurl = \"{url}\"\n"));
        let Reloaded::Failed { failed, .. } = &*reload(&gateway).await else { panic!("it came into force") };
        assert_eq!(failed.step, Step::Fit);
        assert!(failed.message.contains("within 1 s"), "{failed:?}");
        assert_eq!(rows(&gateway, &token, "SELECT status FROM orders").await.unwrap().len(), 2);
        shop.main("\n[reload]\ndeadline = \"1s\"\n# mended\n");
        assert_eq!(reload(&gateway).await.label(), "swapped");
    })
    .await;
}
