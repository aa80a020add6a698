use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use mountgate_core::Refusal;
use mountgate_mediate::Subject;
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};

use super::{Operations, serve_operations};
use crate::{
    hosts::Hosts,
    limits::HttpLimits,
    testing::{Answered, answered, request},
};

#[derive(Clone, Default)]
struct Scripted {
    failing: Arc<AtomicBool>,
    stopping: Arc<AtomicBool>,
}

impl Operations for Scripted {
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
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Scripted::default();
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
