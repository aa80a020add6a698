//! A write waits, is shown, approved and executed once, and taken back: over real ports, on SQLite and PostgreSQL.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use clap::Parser as _;
use mountgate::cli::{Cli, Exit, Output};
use mountgate_core::{ClaimValue, MountName};
use mountgate_identity::PersonGrant;
use mountgate_ledger::{Selection, export};
use mountgate_tests::gateway::Fixture;
use serde_json::{Value as Json, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
};

const TABLES: &str = "
CREATE TABLE tickets (ticket_id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL, body TEXT, pages INTEGER, secret TEXT);
INSERT INTO tickets VALUES (10, 1, 'no ink', 1, 'canary-10'), (11, 1, 'jam', 1, 'canary-11'), (20, 2, 'hid', 1, 'x');
";

const MOUNT: &str = r#"
name    = "test"
backend = "shop"
agents  = ["desk"]
policy  = "ceiling"

[tables.tickets]
columns = ["ticket_id", "customer_id", "body", "pages"]
filter  = "customer_id = claim.customer"
write   = { update = ["body", "pages"], approval = "required", max_rows = 2, approvals = APPROVALS }
"#;

/// A gateway that serves, and the people and agents who ask it.
struct World {
    fixture: Fixture,
    data: SocketAddr,
    admin: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<anyhow::Result<()>>,
    agent: String,
    other: String,
    alice: String,
    bob: String,
    carol: String,
    operator: String,
}

impl World {
    async fn serve(mut fixture: Fixture) -> Self {
        fixture.agent("desk").unwrap();
        let agent = fixture.session("desk", &[("customer", ClaimValue::Integer(1))]).unwrap();
        let other = fixture.session("desk", &[("customer", ClaimValue::Integer(2))]).unwrap();
        let person = |name: &str, mount: &str| {
            let grant = PersonGrant { approves: [MountName::new(mount)].into(), ..PersonGrant::default() };
            fixture.gateway.identity().add_person(name, &grant).unwrap().expose().to_owned()
        };
        let (alice, bob, carol) = (person("alice", "test"), person("bob", "test"), person("carol", "billing"));
        let operator = fixture.gateway.identity().add_operator("olaf").unwrap().expose().to_owned();
        let server = fixture.server().unwrap();
        let (data, admin) = (server.data_address().unwrap(), server.admin_address().unwrap());
        let (stop, stopped) = oneshot::channel();
        let (_reloads, reloaded) = tokio::sync::mpsc::channel(1);
        let served = tokio::spawn(async move {
            let _reloads = _reloads;
            server.run(reloaded, async { drop(stopped.await) }).await
        });
        Self { fixture, data, admin, stop: Some(stop), served, agent, other, alice, bob, carol, operator }
    }

    async fn end(mut self) -> Fixture {
        drop(self.stop.take());
        self.served.await.unwrap().unwrap();
        self.fixture
    }

    async fn write(&self, sql: &str) -> String {
        let body = json!({ "mount": "test", "sql": sql, "reason": "the customer asked" });
        let (status, held) = ask(self.data, "POST", "/v1/write", &self.agent, Some(&body)).await;
        assert_eq!(status, 202, "{held}");
        held["write"].as_str().unwrap().to_owned()
    }

    async fn status(&self, token: &str, id: &str) -> (u16, Json) {
        ask(self.data, "GET", &format!("/v1/writes/{id}"), token, None).await
    }

    async fn people(&self, method: &str, path: &str, token: &str, body: Option<&Json>) -> (u16, Json) {
        ask(self.admin, method, &format!("/v1/admin/approvals{path}"), token, body).await
    }

    async fn shown(&self, token: &str, id: &str) -> Json {
        let (status, shown) = self.people("GET", &format!("/{id}"), token, None).await;
        assert_eq!(status, 200, "{shown}");
        shown
    }

    async fn approve(&self, token: &str, id: &str, digest: &Json) -> (u16, Json) {
        self.people("POST", &format!("/{id}/approve"), token, Some(&json!({ "digest": digest }))).await
    }
}

/// A request of its own connection.
async fn ask(address: SocketAddr, method: &str, path: &str, token: &str, body: Option<&Json>) -> (u16, Json) {
    let (status, text) = raw(address, method, path, token, body).await;
    let body = text.split_once("\r\n\r\n").unwrap().1.to_owned();
    (status, serde_json::from_str(&body).unwrap_or(Json::String(body)))
}

async fn raw(address: SocketAddr, method: &str, path: &str, token: &str, body: Option<&Json>) -> (u16, String) {
    let body = body.map(Json::to_string).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

/// The whole story, but for the engine. `look` gives one text as the store itself has it.
async fn story(world: &World, look: impl AsyncFn(&str) -> String) {
    const TEN: &str = "SELECT body || ',' || pages FROM tickets WHERE ticket_id = 10";
    let id = world.write("UPDATE tickets SET pages = pages + 1, body = 'fixed' WHERE ticket_id = 10").await;
    assert_eq!(look(TEN).await, "no ink,1", "it waits");
    let (status, told) = world.status(&world.agent, &id).await;
    assert_eq!((status, &told["state"]), (200, &"pending".into()));
    for stranger in [&world.other, &world.fixture.session("desk", &[]).unwrap()] {
        let (status, told) = world.status(stranger, &id).await;
        assert_eq!((status, &told["error"]["code"]), (404, &"hold_not_found".into()));
    }
    // Nobody but people of this mount.
    for token in [&world.agent, &world.operator] {
        assert_eq!(world.people("GET", "", token, None).await.0, 401);
        assert_eq!(world.approve(token, &id, &json!("sha256:00")).await.0, 401);
    }
    let (status, _) = world.people("GET", &format!("/{id}"), &world.carol, None).await;
    assert_eq!(status, 404);
    assert_eq!(world.people("GET", "", &world.carol, None).await.1["approvals"], json!([]));

    let shown = world.shown(&world.alice, &id).await;
    assert_eq!(shown["reason"], "the customer asked");
    assert_eq!(shown["changes"][0]["before"], json!([10, 1, "no ink", 1, "canary-10"]), "the whole row, unmasked");
    assert_eq!(shown["changes"][0]["after"], json!([10, 1, "fixed", 2, "canary-10"]));
    let other = world.write("UPDATE tickets SET pages = 0 WHERE ticket_id = 11").await;
    let foreign = world.shown(&world.alice, &other).await["digest"].clone();
    let (status, told) = world.approve(&world.alice, &id, &foreign).await;
    assert_eq!((status, &told["error"]["code"]), (409, &"hold_conflict".into()));
    assert_eq!(
        world.people("POST", &format!("/{other}/deny"), &world.bob, Some(&json!({}))).await.1["state"],
        "denied"
    );
    assert_eq!(look(TEN).await, "no ink,1");

    // Two people at once, several times.
    let digest = &shown["digest"];
    let (alice, bob) = (&world.alice, &world.bob);
    let tries = [alice, bob, alice, bob].map(|token| world.approve(token, &id, digest));
    let ended = futures::future::join_all(tries).await;
    assert!(ended.iter().any(|(status, told)| *status == 200 && told["state"] == "executed"), "{ended:?}");
    assert_eq!(look(TEN).await, "fixed,2", "once");
    let (_, told) = world.status(&world.agent, &id).await;
    assert_eq!((&told["state"], &told["rows"]), (&"executed".into(), &1.into()));
    assert!(!told.to_string().contains("canary"));
    let (status, _) = world.approve(alice, &id, digest).await;
    assert_eq!(status, 409);

    // What changed since it was shown is not written over.
    let stale = world.write("UPDATE tickets SET body = 'late' WHERE ticket_id = 10").await;
    let digest = world.shown(alice, &stale).await["digest"].clone();
    look("UPDATE tickets SET secret = 'changed' WHERE ticket_id = 10").await;
    for (token, state) in [(alice, "pending"), (bob, "stale")] {
        let (_, told) = world.approve(token, &stale, &digest).await;
        assert_eq!(told["state"], state, "{told}");
    }
    look("UPDATE tickets SET secret = 'canary-10' WHERE ticket_id = 10").await;
    assert_eq!(look(TEN).await, "fixed,2");

    // And it is taken back: asked for by one, approved by two others than the one.
    let (status, made) = world.people("POST", &format!("/{id}/revert"), alice, Some(&json!({}))).await;
    assert_eq!(status, 200, "{made}");
    let undo = made["id"].as_str().unwrap();
    let digest = world.shown(bob, undo).await["digest"].clone();
    let (status, told) = world.approve(alice, undo, &digest).await;
    assert_eq!((status, &told["error"]["code"]), (403, &"not_permitted".into()));
    let (_, told) = world.approve(bob, undo, &digest).await;
    assert_eq!(told["state"], "pending", "{told}");
    let grant = PersonGrant { approves: [MountName::new("test")].into(), ..PersonGrant::default() };
    world.fixture.gateway.identity().grant_person("carol", &grant).unwrap();
    let (_, told) = world.approve(&world.carol, undo, &digest).await;
    assert_eq!(told["state"], "executed", "{told}");
    assert_eq!(look(TEN).await, "no ink,1");
    assert_eq!(world.status(&world.agent, undo).await.0, 404, "it is a person's");

    let (_, metrics) = raw(world.admin, "GET", "/metrics", &world.operator, None).await;
    assert!(metrics.contains("mountgate_holds{state=\"executed\"} 2\n"), "{metrics}");
    assert!(metrics.contains("mountgate_holds{state=\"pending\"} 0\n") && metrics.contains("# EOF"));
    // Every change is on record, and none of the values.
    let ledger = world.fixture.folder().join("state/ledger");
    let only = Selection { kind: Some("hold".into()), ..Selection::default() };
    let changes: Vec<Json> = export(&ledger, only).unwrap().map(|entry| entry.unwrap().record().unwrap()).collect();
    let of_it: Vec<&str> =
        changes.iter().filter(|change| change["hold"] == *id).map(|change| change["to"].as_str().unwrap()).collect();
    assert_eq!(of_it, ["pending", "pending", "approved", "executing", "executed"]);
    let text = serde_json::to_string(&changes).unwrap();
    for value in ["canary", "no ink", "fixed", "the customer asked"] {
        assert!(!text.contains(value), "{value}");
    }
    // Nor is anything of them in the files.
    let written = String::from_utf8_lossy(&world.fixture.written().unwrap()).into_owned();
    for value in ["canary-10", "the customer asked", "'fixed'"] {
        assert!(!written.contains(value), "{value}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_waits_is_approved_once_and_taken_back_on_sqlite() {
    let data = format!("{TABLES} CREATE TABLE mountgate_marker (hold_id TEXT PRIMARY KEY, at TEXT);");
    let fixture = Fixture::with(&data, &MOUNT.replace("APPROVALS", "2"), "").await.unwrap();
    let world = World::serve(fixture).await;
    let path = world.fixture.folder().join("shop.db");
    story(&world, async |sql: &str| {
        let file = rusqlite::Connection::open(&path).unwrap();
        file.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        if sql.starts_with("UPDATE") {
            file.execute(sql, []).unwrap();
            return String::new();
        }
        file.query_row(sql, [], |row| row.get(0)).unwrap()
    })
    .await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_waits_is_approved_once_and_taken_back_on_postgresql() {
    let connect = async |url: &str| {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    };
    // A missing server is a failure: skipped tests pass for years.
    let url = std::env::var("MOUNTGATE_TEST_POSTGRES").expect("MOUNTGATE_TEST_POSTGRES: run `cargo xtask test`");
    let (scheme, rest) = url.split_once("://").unwrap();
    let server = format!("{scheme}://{}", rest.split('/').next().unwrap());
    let unique = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let name = format!("mountgate_approvals_{}_{unique}", std::process::id());
    let admin = connect(&format!("{server}/postgres")).await;
    admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let url = format!("{server}/{name}");
    let client = connect(&url).await;
    let marker = "CREATE SCHEMA mountgate; CREATE TABLE mountgate.marker (hold_id TEXT PRIMARY KEY, at TIMESTAMPTZ);";
    client.batch_execute(&format!("{TABLES} {marker}")).await.unwrap();

    let world = World::serve(Fixture::postgres(&url, &MOUNT.replace("APPROVALS", "2")).await.unwrap()).await;
    story(&world, async |sql: &str| {
        if sql.starts_with("UPDATE") {
            client.execute(sql, &[]).await.unwrap();
            return String::new();
        }
        client.query_one(sql, &[]).await.unwrap().get(0)
    })
    .await;
    world.end().await;
    drop(client);
    admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
}

/// A person at the command line, and a gateway that is started anew in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_survives_a_restart_and_is_decided_at_the_command_line() {
    let data = format!("{TABLES} CREATE TABLE mountgate_marker (hold_id TEXT PRIMARY KEY, at TEXT);");
    let fixture = Fixture::with(&data, &MOUNT.replace("APPROVALS", "1"), "").await.unwrap();
    let world = World::serve(fixture).await;
    let id = world.write("UPDATE tickets SET body = 'fixed' WHERE ticket_id = 10").await;
    let (agent, token) = (world.agent.clone(), world.alice.clone());
    let mut fixture = world.end().await.restarted().await.unwrap();
    let server = fixture.server().unwrap();
    let (data, admin) = (server.data_address().unwrap(), server.admin_address().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let (_reloads, reloaded) = tokio::sync::mpsc::channel(1);
    let served = tokio::spawn(server.run(reloaded, async { drop(stopped.await) }));

    let file = fixture.folder().join("token");
    std::fs::write(&file, token).unwrap();
    let config = fixture.folder().join("mountgate.toml");
    let run = async |args: &[&str]| {
        let mut all = vec!["mountgate".to_owned(), "--json".into(), "--config".into(), config.display().to_string()];
        all.extend(args.iter().map(|arg| (*arg).to_owned()));
        all.extend(["--admin".into(), admin.to_string(), "--token-file".into(), file.display().to_string()]);
        tokio::task::spawn_blocking(move || {
            let printed = Printed::default();
            let exit = Cli::parse_from(all).run_to(Output::to(true, printed.clone()));
            let text = printed.0.lock().unwrap().clone();
            (exit, serde_json::from_slice::<Json>(&text).unwrap_or_default())
        })
        .await
        .unwrap()
    };
    let (exit, listed) = run(&["approvals", "list"]).await;
    assert_eq!((exit, &listed[0]["id"]), (Exit::Done, &id.as_str().into()));
    let (_, shown) = run(&["approvals", "show", &id]).await;
    // Nobody is at the terminal to look, so nothing is approved without its digest.
    assert_eq!(run(&["approvals", "approve", &id]).await.0, Exit::Failed);
    let wrong = format!("sha256:{}", "0".repeat(64));
    assert_eq!(run(&["approvals", "approve", &id, "--digest", &wrong]).await.0, Exit::Failed);
    let digest = shown["digest"].as_str().unwrap();
    let (exit, ended) = run(&["approvals", "approve", &id, "--digest", digest]).await;
    assert_eq!((exit, &ended["state"]), (Exit::Done, &"executed".into()));
    let (status, told) = ask(data, "GET", &format!("/v1/writes/{id}"), &agent, None).await;
    assert_eq!((status, &told["state"]), (200, &"executed".into()));
    drop(stop);
    served.await.unwrap().unwrap();
}

#[derive(Clone, Default)]
struct Printed(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
