use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use mountgate_approvals::{HoldId, State};
use mountgate_core::{Code, Digest, MountName, Refusal};
use mountgate_identity::{Credential, Identity, IdentityConfig, Person, PersonGrant};
use mountgate_mediate::Subject;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};

use super::{Operations, approvals::Desk, serve_operations};
use crate::{
    hosts::Hosts,
    limits::HttpLimits,
    testing::{Answered, answered, request},
};

#[derive(Clone, Default)]
struct Scripted {
    failing: Arc<AtomicBool>,
    stopping: Arc<AtomicBool>,
    identity: Option<Arc<Identity>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    fn note(&self, act: &str, person: &Person, id: &HoldId) {
        self.asked.lock().push(format!("{act} {} {id}", person.name()));
    }
}

impl Desk for Scripted {
    fn list(&self, person: &Person) -> Result<Value, Refusal> {
        Ok(json!({ "approvals": [person.name()] }))
    }

    fn show(&self, person: &Person, id: &HoldId) -> Result<Value, Refusal> {
        self.note("show", person, id);
        Ok(json!({ "id": id }))
    }

    async fn approve(&self, person: &Person, id: &HoldId, digest: &Digest) -> Result<State, Refusal> {
        self.note("approve", person, id);
        if *digest == Digest::of(b"shown") { Ok(State::Executed) } else { Err(Refusal::new(Code::HoldConflict, "no")) }
    }

    fn deny(&self, person: &Person, id: &HoldId) -> Result<State, Refusal> {
        self.note("deny", person, id);
        Ok(State::Denied)
    }

    async fn revert(&self, person: &Person, id: &HoldId) -> Result<HoldId, Refusal> {
        self.note("revert", person, id);
        Ok(*id)
    }
}

impl Operations for Scripted {
    type Desk = Self;

    fn desk(&self) -> Self {
        self.clone()
    }

    fn person(&self, token: &str) -> Option<Person> {
        match self.identity.as_ref()?.authenticate(token, 0) {
            Ok(Credential::Person(person)) => Some(person),
            _ => None,
        }
    }

    fn operator(&self, token: &str) -> Option<String> {
        (token == "operator").then(|| "ops".to_owned())
    }

    fn health(&self, full: bool) -> Value {
        json!({ "status": if self.failing.load(Ordering::SeqCst) { "failing" } else { "degraded" }, "full": full })
    }

    async fn reload(&self, operator: String) -> Result<Value, String> {
        if self.stopping.load(Ordering::SeqCst) {
            return Err("it stops".into());
        }
        let result = if self.failing.load(Ordering::SeqCst) { "failed" } else { "unchanged" };
        Ok(json!({ "result": result, "generation": 3, "by": operator }))
    }

    fn ready(&self) -> bool {
        !self.failing.load(Ordering::SeqCst)
    }

    fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }

    fn generation(&self) -> Value {
        json!({ "generation": 3 })
    }

    fn set_apart(&self) -> Value {
        json!({ "set_apart": [] })
    }

    fn quarantine(&self, subject: Subject, lift: bool, operator: &str) -> Result<bool, Refusal> {
        assert_eq!(operator, "ops");
        Ok(!lift || subject != Subject::Agent("nobody".into()))
    }

    fn checkpoint(&self) -> Result<Value, String> {
        if self.failing.load(Ordering::SeqCst) { Err("the disk is full".into()) } else { Ok(json!({ "seq": 9 })) }
    }
}

struct Port {
    address: std::net::SocketAddr,
    script: Scripted,
}

impl Port {
    async fn start() -> Self {
        Self::with(Scripted::default()).await
    }

    async fn with(script: Scripted) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hosts = Hosts { hosts: vec!["admin.example".into()], origins: vec!["https://console.example".into()] };
        tokio::spawn(serve_operations(listener, script.clone(), HttpLimits::default(), hosts, std::future::pending()));
        Self { address, script }
    }

    async fn raw(&self, bytes: &[u8]) -> Answered {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        answered(&mut stream).await
    }

    async fn send(&self, method: &str, path: &str, headers: &[&str]) -> Answered {
        self.raw(&request(method, path, self.address, headers, b"")).await
    }
}

const OPERATOR: &str = "authorization: Bearer operator";

#[tokio::test]
async fn what_tells_of_use_wants_an_operators_token() {
    let port = Port::start().await;
    for (method, path) in [
        ("GET", "/metrics"),
        ("GET", "/v1/admin/generation"),
        ("POST", "/v1/admin/reload"),
        ("POST", "/v1/admin/ledger/checkpoint"),
    ] {
        for headers in [&[][..], &["authorization: Bearer agent"], &["authorization: Basic operator"]] {
            assert_eq!(port.send(method, path, headers).await.refused(401), "unauthenticated", "{path}");
        }
        let both = [OPERATOR, "authorization: Bearer agent"];
        assert_eq!(port.send(method, path, &both).await.refused(400), "malformed");
        assert_eq!(port.send(method, path, &[OPERATOR]).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused_on_every_route() {
    let port = Port::start().await;
    for path in ["/healthz", "/readyz", "/metrics", "/v1/admin/generation", "/v1/admin/reload", "/nowhere"] {
        for host in ["evil.example", "127.0.0.1", &format!("evil.example:{}", port.address.port())] {
            let bytes = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{OPERATOR}\r\nconnection: close\r\n\r\n");
            assert_eq!(port.raw(bytes.as_bytes()).await.refused(403), "not_permitted", "{path} {host}");
        }
        for origin in ["https://evil.example", "null", "https://console.example.evil.example"] {
            let origin = format!("origin: {origin}");
            assert_eq!(port.send("GET", path, &[OPERATOR, &origin]).await.refused(403), "not_permitted", "{path}");
        }
    }
    for host in
        ["admin.example", "admin.example:80", &port.address.to_string(), &format!("localhost:{}", port.address.port())]
    {
        let bytes = format!(
            "GET /metrics HTTP/1.1\r\nhost: {host}\r\n{OPERATOR}\r\norigin: https://console.example\r\nconnection: close\r\n\r\n"
        );
        assert_eq!(port.raw(bytes.as_bytes()).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn health_and_readiness_are_states() {
    let port = Port::start().await;
    assert_eq!(port.send("GET", "/healthz", &[]).await.json()["status"], "degraded");
    assert_eq!(port.send("GET", "/readyz", &[]).await.json()["ready"], true);
    port.script.failing.store(true, Ordering::SeqCst);
    assert_eq!(port.send("GET", "/healthz", &[]).await.status, 503);
    let answer = port.send("GET", "/readyz", &[]).await;
    assert_eq!((answer.status, &answer.json()["ready"]), (503, &false.into()));
    let answer = port.send("POST", "/v1/admin/ledger/checkpoint", &[OPERATOR]).await;
    assert_eq!(answer.refused(503), "ledger_unavailable");
}

#[tokio::test]
async fn a_reload_says_how_it_ended() {
    let port = Port::start().await;
    let reload = async || port.send("POST", "/v1/admin/reload", &[OPERATOR]).await;
    let answer = reload().await;
    assert_eq!((answer.status, answer.json()["result"].as_str()), (200, Some("unchanged")));
    assert_eq!(answer.json()["by"], "ops");
    port.script.failing.store(true, Ordering::SeqCst);
    let answer = reload().await;
    assert_eq!((answer.status, answer.json()["result"].as_str()), (422, Some("failed")));
    port.script.stopping.store(true, Ordering::SeqCst);
    assert_eq!(reload().await.refused(503), "overloaded");
    assert_eq!(port.send("GET", "/v1/admin/reload", &[OPERATOR]).await.refused(405), "method_not_allowed");
}

#[tokio::test]
async fn reasons_in_full_are_for_operators() {
    let port = Port::start().await;
    assert_eq!(port.send("GET", "/healthz", &[OPERATOR]).await.json()["full"], true);
    for headers in [&[][..], &["authorization: Bearer agent"], &[OPERATOR, OPERATOR]] {
        let answer = port.send("GET", "/healthz", headers).await;
        assert_eq!((answer.status, &answer.json()["full"]), (200, &false.into()));
    }
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_for_the_method() {
    let port = Port::start().await;
    for path in ["/", "/v1/query", "/mcp", "/v1/admin", "/healthz/"] {
        assert_eq!(port.send("GET", path, &[OPERATOR]).await.refused(404), "route_not_found", "{path}");
    }
    let answer = port.send("GET", "/v1/admin/ledger/checkpoint", &[OPERATOR]).await;
    assert_eq!(answer.refused(405), "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("POST, OPTIONS"));
    assert_eq!(port.send("HEAD", "/healthz", &[]).await.status, 200);
    let answer = port.send("GET", "/metrics", &[OPERATOR]).await;
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert_eq!(answer.text(), "# EOF\n");
}

#[tokio::test]
async fn only_an_operator_sets_apart_and_lifts() {
    let port = Port::start().await;
    let operator = "authorization: Bearer operator";
    for (method, path) in [
        ("GET", "/v1/admin/quarantine"),
        ("POST", "/v1/admin/quarantine/set/agents/desk"),
        ("POST", "/v1/admin/quarantine/set/sessions/0190-a"),
        ("POST", "/v1/admin/quarantine/lift/agents/desk"),
        ("POST", "/v1/admin/quarantine/lift/sessions/0190-a"),
    ] {
        assert_eq!(port.send(method, path, &[]).await.refused(401), "unauthenticated", "{path}");
        let agent = "authorization: Bearer agent";
        assert_eq!(port.send(method, path, &[agent]).await.refused(401), "unauthenticated", "{path}");
        assert_eq!(port.send(method, path, &[operator]).await.status, 200, "{path}");
        let other = if method == "GET" { "POST" } else { "GET" };
        assert_eq!(port.send(other, path, &[operator]).await.refused(405), "method_not_allowed", "{path}");
    }
    for path in
        ["/v1/admin/quarantine/set/agents/", "/v1/admin/quarantine/set/agents/a/b", "/v1/admin/quarantine/set/agents"]
    {
        assert_eq!(port.send("POST", path, &[operator]).await.refused(404), "route_not_found", "{path}");
    }
    assert_eq!(
        port.send("POST", "/v1/admin/quarantine/lift/agents/nobody", &[operator]).await.refused(404),
        "route_not_found"
    );
}

const JSON: &str = "content-type: application/json";
const HOLDS: &str = "/v1/admin/approvals";

/// A port, and the tokens of a person, an operator and an agent.
async fn with_people() -> (tempfile::TempDir, Port, [String; 3]) {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::open(folder.path().join("identities.db"), IdentityConfig::default()).unwrap();
    let grant = PersonGrant { approves: [MountName::new("support")].into(), ..PersonGrant::default() };
    let tokens = [
        identity.add_person("alice", &grant).unwrap(),
        identity.add_operator("alice").unwrap(),
        identity.add_agent("alice", &mountgate_core::Claims::new()).unwrap(),
    ];
    let tokens = tokens.map(|token| format!("authorization: Bearer {}", token.expose()));
    let port = Port::with(Scripted { identity: Some(Arc::new(identity)), ..Scripted::default() }).await;
    (folder, port, tokens)
}

impl Port {
    async fn post(&self, path: &str, headers: &[&str], body: &str) -> Answered {
        self.raw(&request("POST", path, self.address, headers, body.as_bytes())).await
    }
}

#[tokio::test]
async fn writes_that_wait_are_for_people_and_nobody_else() {
    let (_folder, port, [person, operator, agent]) = with_people().await;
    let id = HoldId::new();
    let paths = ["", &format!("/{id}"), &format!("/{id}/approve"), &format!("/{id}/deny"), &format!("/{id}/revert")];
    for path in paths {
        let path = format!("{HOLDS}{path}");
        let method = if path.ends_with(|c: char| c.is_ascii_hexdigit()) || path == HOLDS { "GET" } else { "POST" };
        let method = if path.ends_with("approve") { "POST" } else { method };
        for headers in [&[JSON][..], &[OPERATOR, JSON], &[&operator, JSON], &[&agent, JSON]] {
            let answer = port.send(method, &path, headers).await;
            assert_eq!(answer.refused(401), "unauthenticated", "{method} {path}");
        }
        let twice = port.send(method, &path, &[&person, &operator, JSON]).await;
        assert_eq!(twice.refused(400), "malformed", "{path}");
        let foreign = port.send(method, &path, &[&person, JSON, "origin: https://evil.example"]).await;
        assert_eq!(foreign.refused(403), "not_permitted", "{path}");
    }
    assert!(port.script.asked.lock().is_empty());
    // And a person's token opens nothing else.
    for (method, path) in [("GET", "/metrics"), ("GET", "/v1/admin/generation"), ("POST", "/v1/admin/reload")] {
        assert_eq!(port.send(method, path, &[&person]).await.refused(401), "unauthenticated", "{path}");
    }
    assert_eq!(port.send("GET", HOLDS, &[&person]).await.json()["approvals"][0], "alice");
}

#[tokio::test]
async fn an_approval_names_one_digest_and_nothing_else() {
    let (_folder, port, [person, ..]) = with_people().await;
    let id = HoldId::new();
    let path = format!("{HOLDS}/{id}/approve");
    let shown = Digest::of(b"shown");
    for body in [
        String::new(),
        "{}".into(),
        "null".into(),
        r#"{"digest":"yes"}"#.into(),
        r#"{"digest":null}"#.into(),
        format!(r#"{{"digest":"{shown}","digest":"{shown}"}}"#),
        format!(r#"{{"digest":"{shown}","also":1}}"#),
        format!(r#"{{"digest":"{shown}"}} "#) + "x",
    ] {
        assert_eq!(port.post(&path, &[&person, JSON], &body).await.refused(400), "malformed", "{body}");
    }
    let good = format!(r#"{{"digest":"{shown}"}}"#);
    let long = format!(r#"{{"digest":"{}"}}"#, "x".repeat(5000));
    assert_eq!(port.post(&path, &[&person, JSON], &long).await.refused(413), "too_large");
    // A form of a page sends no JSON.
    assert_eq!(port.post(&path, &[&person, "content-type: text/plain"], &good).await.refused(415), "media_type");
    assert_eq!(port.post(&format!("{path}?digest={shown}"), &[&person, JSON], "{}").await.refused(400), "malformed");
    assert!(port.script.asked.lock().is_empty());
    let other = format!(r#"{{"digest":"{}"}}"#, Digest::of(b"other"));
    assert_eq!(port.post(&path, &[&person, JSON], &other).await.refused(409), "hold_conflict");
    assert_eq!(port.post(&path, &[&person, JSON], &good).await.json()["state"], "executed");
    let made = port.post(&format!("{HOLDS}/{id}/revert"), &[&person, JSON], "{}").await.json();
    assert_eq!((&made["state"], &made["reverts"]), (&"pending".into(), &id.to_string().into()));
    assert_eq!(port.post(&format!("{HOLDS}/{id}/deny"), &[&person, JSON], "{}").await.json()["state"], "denied");
    assert_eq!(
        port.post(&format!("{HOLDS}/{id}/deny"), &[&person, JSON], r#"{"a":1}"#).await.refused(400),
        "malformed"
    );
}

#[tokio::test]
async fn what_is_no_hold_and_what_is_not_for_the_method() {
    let (_folder, port, [person, ..]) = with_people().await;
    let id = HoldId::new().to_string();
    for path in ["/", "/x", "s", &format!("/{id}/"), &format!("/{id}/execute"), &format!("/{}", id.to_uppercase())] {
        assert_eq!(
            port.send("GET", &format!("{HOLDS}{path}"), &[&person]).await.refused(404),
            "route_not_found",
            "{path}"
        );
    }
    let answer = port.send("GET", &format!("{HOLDS}/{id}/approve"), &[&person]).await;
    assert_eq!(answer.refused(405), "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("POST, OPTIONS"));
    assert_eq!(port.send("POST", HOLDS, &[&person, JSON]).await.refused(405), "method_not_allowed");
    assert_eq!(port.send("HEAD", &format!("{HOLDS}/{id}"), &[&person]).await.status, 200);
}
