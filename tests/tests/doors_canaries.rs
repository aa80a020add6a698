//! Statements made at random, asked through the doors: no canary of a hidden cell in any byte that leaves (HTTP as JSON,
//! NDJSON and MessagePack; MCP) or is written down, and two stores that differ in what is hidden are answered alike.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use mountgate_tests::gateway::{Fixture, SHOP};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const MOUNT: &str = r#"
name    = "test"
backend = "shop"
agents  = ["desk"]
policy  = "ceiling"

[tables.customers]
columns = ["customer_id", "name", "email"]
masks   = { email = { partial = { first = 1, last = 4 } } }
filter  = "region = 'north'"

[tables.orders]
columns = ["order_id", "customer_id", "status", "total"]
filter  = "customer_id <> 2"

[limits]
requests = "1_000_000/minute"
"#;

/// What only hidden cells hold.
const CANARIES: [&str; 8] = ["canary", "777100", "Bob", "bob@", "ada@", "cyd@", "south", "placed_at"];

struct Draw(u64);

impl Draw {
    fn one<'l>(&mut self, list: &[&'l str]) -> &'l str {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        list[usize::try_from(self.0 >> 33).unwrap() % list.len()]
    }

    /// A column, one time in five one that is hidden or does not exist.
    fn column(&mut self) -> &'static str {
        match self.one(&["", "", "", "", "", "", "", "hidden"]) {
            "hidden" => self.one(&["region", "salary_x", "note_x", "rowid", "nosuch", "secrets.word", "o.note_x"]),
            _ => self.one(&["c.name", "c.email", "c.customer_id", "o.status", "o.total", "o.order_id"]),
        }
    }

    fn expression(&mut self) -> String {
        let column = self.column();
        match self.one(&["column", "column", "upper", "json", "abs", "case", "sub", "cast", "count"]) {
            "upper" => format!("upper({column})"),
            "json" => format!("json_extract({column}, '$.a')"),
            "abs" => format!("abs(CASE WHEN {column} = 'x' THEN 1 ELSE -9223372036854775807 - 1 END)"),
            "case" => format!("CASE WHEN {column} LIKE 'B%' THEN 1 ELSE {} END", self.column()),
            "sub" => {
                format!("(SELECT max({column}) FROM {} s)", self.one(&["orders", "customers", "secrets", "nosuch"]))
            }
            "cast" => format!("CAST({column} AS INTEGER)"),
            "count" => "count(*)".to_owned(),
            _ => column.to_owned(),
        }
    }

    fn statement(&mut self) -> String {
        let from = self.one(&[
            "customers c JOIN orders o ON o.customer_id = c.customer_id",
            "customers c LEFT JOIN orders o ON o.customer_id = c.customer_id",
            "customers c, orders o",
            "customers c JOIN orders o USING (customer_id)",
            "secrets c, orders o",
            "main.customers c CROSS JOIN main.orders o",
        ]);
        let first = match self.one(&["star", "", "", "", "", ""]) {
            "star" => self.one(&["*", "c.*", "o.*"]).to_owned(),
            _ => self.expression(),
        };
        let mut sql = format!("SELECT {first}, {} FROM {from}", self.expression());
        if self.one(&["", "where"]) == "where" {
            let op = self.one(&["=", "<>", "<", "IS", "LIKE", "IN"]);
            let right = if op == "IN" { "(1, 2, 'Bo' || 'b')".to_owned() } else { self.expression() };
            sql.push_str(&format!(" WHERE {} {op} {right}", self.expression()));
        }
        sql.push_str(self.one(&[
            "",
            "",
            " GROUP BY c.name",
            " ORDER BY 1, 2",
            " LIMIT 3",
            " UNION SELECT 1, word FROM secrets",
        ]));
        sql
    }
}

/// The fixture's folder, and where its data port listens.
async fn serve(data: &str) -> (Fixture, SocketAddr, String) {
    let mut fixture = Fixture::with(data, MOUNT, "").await.unwrap();
    let token = fixture.agent("desk").unwrap();
    let server = fixture.server().unwrap();
    let address = server.data_address().unwrap();
    let (send, reloads) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        let _send = send;
        server.run(reloads, std::future::pending()).await
    });
    (fixture, address, token)
}

async fn post(address: SocketAddr, token: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\n{headers}\
         content-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    all
}

/// Every way in, with everything that comes back: headers, body, chunks.
async fn ask(address: SocketAddr, token: &str, sql: &str) -> Vec<(&'static str, Vec<u8>)> {
    let query = serde_json::json!({ "mount": "test", "sql": sql });
    let (text, packed) = (query.to_string(), rmp_serde::to_vec_named(&query).unwrap());
    let call = |name: &str| {
        let params = serde_json::json!({ "name": name, "arguments": { "mount": "test", "sql": sql } });
        serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string()
    };
    let json = "content-type: application/json\r\n";
    let ndjson = "content-type: application/json\r\naccept: application/x-ndjson\r\n";
    let msgpack = "content-type: application/msgpack\r\naccept: application/msgpack\r\n";
    let mcp = "content-type: application/json\r\naccept: application/json, text/event-stream\r\nmcp-protocol-version: 2025-06-18\r\n";
    vec![
        ("JSON", post(address, token, "/v1/query", json, text.as_bytes()).await),
        ("NDJSON", post(address, token, "/v1/query", ndjson, text.as_bytes()).await),
        ("MessagePack", post(address, token, "/v1/query", msgpack, &packed).await),
        ("explain", post(address, token, "/v1/explain", json, text.as_bytes()).await),
        ("MCP", post(address, token, "/mcp", mcp, call("query").as_bytes()).await),
    ]
}

/// What an answer says, without what is another each time: the decision's number, the date.
fn said(door: &str, answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer).into_owned();
    let status = text.lines().next().unwrap_or_default().to_owned();
    if door == "MessagePack" {
        return status;
    }
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    let parts = body.split("decision").map(|part| match part.split_once([',', '}']) {
        Some((_, rest)) if body.starts_with('{') => rest.to_owned(),
        _ => part.to_owned(),
    });
    // The first part has no number in front.
    let first = body.split("decision").next().unwrap_or_default().to_owned();
    std::iter::once(status).chain(std::iter::once(first)).chain(parts.skip(1)).collect::<Vec<_>>().join("\n")
}

fn has(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|part| part == word.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_hidden_is_in_a_byte_that_leaves_by_any_door() {
    let data = SHOP.replace("salary_canary", "salary_x").replace("note_canary", "note_x");
    let hidden = data
        .replace("777100", "4")
        .replace("canary-", "other-")
        .replace("'Bob', 'bob@example.org'", "'Zed', 'zed@other.net'");
    assert_ne!(data, hidden);
    let (one, first, token) = serve(&data).await;
    let (_other, second, other_token) = serve(&hidden).await;
    let mut draw = Draw(0x5eed_cafe);
    let (mut answered, mut refused) = (0, 0);
    for _ in 0..250 {
        let sql = draw.statement();
        let (ours, theirs) = (ask(first, &token, &sql).await, ask(second, &other_token, &sql).await);
        for ((door, answer), (_, other)) in ours.iter().zip(&theirs) {
            for canary in CANARIES.iter().filter(|canary| !sql.contains(**canary)) {
                assert!(!has(answer, canary), "{door}: `{canary}` for {sql}\n{}", String::from_utf8_lossy(answer));
            }
            assert_eq!(said(door, answer), said(door, other), "{door}: {sql}");
            assert!(answer.starts_with(b"HTTP/1.1 "), "{door}: {sql}");
            let fine = answer.starts_with(b"HTTP/1.1 200") && !has(answer, "\"isError\":true");
            *(if fine { &mut answered } else { &mut refused }) += 1;
        }
    }
    println!("{answered} answered, {refused} refused");
    assert!(answered > 150 && refused > 150, "{answered} answered, {refused} refused");
    // The ledger, and whatever else is kept.
    let written = one.written().unwrap();
    for canary in ["canary", "7771001", "bob@", "ada@", "cyd@"] {
        assert!(!has(&written, canary), "`{canary}` is written down");
    }
}
