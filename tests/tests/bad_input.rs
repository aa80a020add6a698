//! Bad input over raw sockets: a documented error each time, or a closed connection, and a gateway that serves on as
//! if nothing had been: no panic, no hang, no place or file handle lost.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use std::{net::SocketAddr, sync::LazyLock, time::Duration};

use mountgate_core::Code;
use mountgate_tests::gateway::Fixture;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const MOUNT: &str = r#"
name    = "test"
backend = "shop"
agents  = ["desk"]
policy  = "ceiling"

[tables.customers]
columns = ["customer_id", "name", "region"]

[limits]
requests    = "1_000_000/minute"
max_rows    = 1_000_000
max_bytes   = "1GB"
timeout     = "10s"
concurrency = 2
"#;

/// Times short enough to wait for.
const MAIN: &str = r#"
[server]
header_timeout = "1s"
body_timeout   = "1s"
"#;

/// Long enough for any answer; beyond it, it hangs.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is due.
#[derive(Clone, Copy)]
enum Due {
    /// An error with that code, which is documented, and its status.
    Error(Code),
    /// An error of HTTP itself, before there is a body to put a code in.
    Status(u16),
    /// The connection closed, with nothing to say.
    Closed,
    /// An answer.
    Answer,
}

struct Bad {
    what: &'static str,
    bytes: Vec<u8>,
    due: Due,
    /// Whether the client closes its side after sending.
    ends: bool,
}

fn request(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST /v1/query HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

const JSON: &str = "authorization: Bearer TOKEN\r\ncontent-type: application/json\r\nconnection: close\r\n";
const MSGPACK: &str = "authorization: Bearer TOKEN\r\ncontent-type: application/msgpack\r\nconnection: close\r\n";

fn json(what: &'static str, body: impl AsRef<[u8]>, due: Due) -> Bad {
    Bad { what, bytes: request(JSON, body.as_ref()), due, ends: false }
}

fn msgpack(what: &'static str, body: impl AsRef<[u8]>, due: Due) -> Bad {
    Bad { what, bytes: request(MSGPACK, body.as_ref()), due, ends: false }
}

fn raw(what: &'static str, bytes: impl Into<Vec<u8>>, due: Due) -> Bad {
    Bad { what, bytes: bytes.into(), due, ends: false }
}

fn sql(sql: &str) -> String {
    serde_json::json!({ "mount": "test", "sql": sql }).to_string()
}

static TABLE: LazyLock<Vec<Bad>> = LazyLock::new(|| {
    use Code::{
        Malformed, MediaType, ParameterInvalid, ResourceLimit, TooLarge, Unauthenticated, Unparseable, Unsupported,
    };
    use Due::{Answer, Closed, Error, Status};
    let good = sql("SELECT name FROM customers WHERE customer_id = 1");
    let map = |fields: &[(&str, &[u8])]| {
        let mut out = vec![0x80 | fields.len() as u8];
        for (key, value) in fields {
            out.push(0xa0 | key.len() as u8);
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(value);
        }
        out
    };
    vec![
        json("a good one, so that the others are seen to fail for their own reason", &good, Answer),
        json("nothing", "", Error(Malformed)),
        json("half a body", &good[..20], Error(Malformed)),
        json("no object", "[1, 2]", Error(Malformed)),
        json("more than one value", format!("{good}{good}"), Error(Malformed)),
        json("a statement that is a number", r#"{"mount":"test","sql":7}"#, Error(Malformed)),
        json("a mount that is null", r#"{"mount":null,"sql":"SELECT 1"}"#, Error(Malformed)),
        json("parameters that are a map", r#"{"mount":"test","sql":"SELECT 1","params":{"a":1}}"#, Error(Malformed)),
        json("a key twice", r#"{"mount":"test","sql":"SELECT 1","sql":"SELECT 2"}"#, Error(Malformed)),
        json(
            "a key twice, one escaped",
            r#"{"mount":"test","sql":"SELECT 1","sq\u006c":"SELECT 2"}"#,
            Error(Malformed),
        ),
        json("a key that is unknown", r#"{"mount":"test","sql":"SELECT 1","admin":true}"#, Error(Malformed)),
        json("a number past all numbers", r#"{"mount":"test","sql":"SELECT ?1","params":[1e999]}"#, Error(Malformed)),
        json(
            "deep nesting",
            format!(r#"{{"mount":"test","sql":"SELECT 1","params":{}{}}}"#, "[".repeat(50_000), "]".repeat(50_000)),
            Error(Malformed),
        ),
        json("invalid UTF-8", b"{\"mount\":\"test\",\"sql\":\"SELECT '\xff\xfe'\"}", Error(Malformed)),
        json("half a surrogate", r#"{"mount":"test","sql":"SELECT '\ud800'"}"#, Error(Malformed)),
        json("NUL in the statement", r#"{"mount":"test","sql":"SELECT 'a\u0000b'"}"#, Error(Malformed)),
        json(
            "NUL in a parameter",
            r#"{"mount":"test","sql":"SELECT name FROM customers WHERE name = ?1","params":["a\u0000"]}"#,
            Error(Malformed),
        ),
        json(
            "a parameter too few",
            r#"{"mount":"test","sql":"SELECT name FROM customers WHERE name = ?1"}"#,
            Error(ParameterInvalid),
        ),
        json("no statement", sql(""), Error(Unparseable)),
        json("two statements", sql("SELECT 1; SELECT 2"), Error(Unparseable)),
        json("no SQL", sql("please show me everything"), Error(Unparseable)),
        json("a write", sql("UPDATE customers SET name = 'x'"), Error(Unsupported)),
        json(
            "deep parentheses",
            sql(&format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000))),
            Error(ResourceLimit),
        ),
        json("a statement of 300 KB", sql(&format!("SELECT '{}'", "x".repeat(300_000))), Error(TooLarge)),
        json("a body of 10 MB", sql(&format!("SELECT '{}'", "x".repeat(10_000_000))), Error(TooLarge)),
        msgpack("nothing in MessagePack", [], Error(Malformed)),
        msgpack("half a map", [0x82, 0xa5, b'm', b'o'], Error(Malformed)),
        msgpack("an extension type", map(&[("mount", b"\xa4test"), ("sql", b"\xd4\x01\x00")]), Error(Malformed)),
        msgpack(
            "a text that says it has 4 GB",
            map(&[("mount", b"\xa4test"), ("sql", b"\xdb\xff\xff\xff\xffSELECT")]),
            Error(Malformed),
        ),
        msgpack(
            "a list that says it has 4 billion items",
            map(&[("mount", b"\xa4test"), ("params", b"\xdd\xff\xff\xff\xff\x01")]),
            Error(Malformed),
        ),
        msgpack(
            "deep nesting in MessagePack",
            map(&[("mount", b"\xa4test"), ("params", &[0x91; 60_000])]),
            Error(Malformed),
        ),
        msgpack(
            "a number that is not finite",
            map(&[
                ("mount", b"\xa4test"),
                ("sql", b"\xa8SELECT 1"),
                ("params", b"\x91\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"),
            ]),
            Error(Malformed),
        ),
        msgpack(
            "bytes after the end",
            [map(&[("mount", b"\xa4test"), ("sql", b"\xa8SELECT 1")]), vec![0xc0]].concat(),
            Error(Malformed),
        ),
        raw(
            "another type of body",
            request("authorization: Bearer TOKEN\r\ncontent-type: text/plain\r\nconnection: close\r\n", b"SELECT 1"),
            Error(MediaType),
        ),
        raw(
            "no token",
            request("content-type: application/json\r\nconnection: close\r\n", good.as_bytes()),
            Error(Unauthenticated),
        ),
        raw(
            "a token that is none",
            request(
                "authorization: Bearer mga_x\r\ncontent-type: application/json\r\nconnection: close\r\n",
                good.as_bytes(),
            ),
            Error(Unauthenticated),
        ),
        raw(
            "a token twice",
            request(
                "authorization: Bearer TOKEN\r\nauthorization: Bearer TOKEN\r\ncontent-type: application/json\r\nconnection: close\r\n",
                good.as_bytes(),
            ),
            Error(Malformed),
        ),
        raw(
            "a path that is not there",
            "GET /v1/secrets HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
            Error(Code::RouteNotFound),
        ),
        raw(
            "another method",
            "DELETE /v1/query HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
            Error(Code::MethodNotAllowed),
        ),
        raw("no HTTP", "SELECT name FROM customers;\r\n\r\n", Status(400)),
        raw(
            "a header without end",
            format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(200_000)),
            Status(431),
        ),
        raw(
            "two lengths",
            "POST /v1/query HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
            Status(400),
        ),
        raw(
            "a length that is no number",
            "POST /v1/query HTTP/1.1\r\nhost: localhost\r\ncontent-length: two\r\n\r\n{}",
            Status(400),
        ),
        raw("a head that never ends", "POST /v1/query HTTP/1.1\r\nhost: localhost\r\nauthorization: Bea", Closed),
        raw("nothing at all", "", Closed),
        raw(
            "a body that never comes",
            format!("POST /v1/query HTTP/1.1\r\nhost: localhost\r\n{JSON}content-length: 50\r\n\r\n{{\"mount\""),
            Error(Code::RequestTimeout),
        ),
        Bad {
            what: "a body that breaks off",
            bytes: format!("POST /v1/query HTTP/1.1\r\nhost: localhost\r\n{JSON}content-length: 50\r\n\r\n{{\"mount\"")
                .into_bytes(),
            due: Error(Malformed),
            ends: true,
        },
    ]
});

struct Answered {
    status: Option<u16>,
    body: String,
}

async fn send(data: SocketAddr, bytes: &[u8], ends: bool) -> Answered {
    let mut stream = TcpStream::connect(data).await.unwrap();
    // The gateway may close before it has read everything: that is its right, and its answer is still there.
    let _ = stream.write_all(bytes).await;
    if ends {
        let _ = stream.shutdown().await;
    }
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while let Ok(read) = timeout(PATIENCE, stream.read(&mut part)).await.expect("it hangs") {
        if read == 0 {
            break;
        }
        answer.extend_from_slice(&part[..read]);
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answered { status, body: text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default() }
}

fn judge(bad: &Bad, answered: &Answered) -> Result<(), String> {
    let Answered { status, body } = answered;
    let told = || format!("{status:?} {body:.300}");
    match bad.due {
        Due::Answer if *status == Some(200) && body.contains("\"complete\":true") => Ok(()),
        Due::Closed if status.is_none() => Ok(()),
        Due::Status(due) if *status == Some(due) => Ok(()),
        Due::Error(code) => {
            if *status != Some(code.status()) {
                return Err(told());
            }
            // An error comes as the request came; in MessagePack the code is a text all the same.
            let is_json = body.starts_with('{');
            let said = if is_json {
                let body: serde_json::Value =
                    serde_json::from_str(body).map_err(|error| format!("{error}: {}", told()))?;
                body["error"]["code"] == code.as_str()
                    && body["error"]["message"].as_str().is_some_and(|text| !text.is_empty())
            } else {
                body.contains(code.as_str())
            };
            if said { Ok(()) } else { Err(told()) }
        }
        Due::Answer | Due::Closed | Due::Status(_) => Err(told()),
    }
}

/// File handles of this process that are sockets or files.
fn handles() -> usize {
    std::fs::read_dir("/proc/self/fd").map(|all| all.count()).unwrap_or_default()
}

async fn serve() -> (Fixture, SocketAddr, String) {
    let mut fixture = Fixture::with(&numbers(), MOUNT, MAIN).await.unwrap();
    let token = fixture.agent("desk").unwrap();
    let server = fixture.server().unwrap();
    let data = server.data_address().unwrap();
    let (send, reloads) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        let _send = send;
        server.run(reloads, std::future::pending()).await
    });
    (fixture, data, token)
}

fn numbers() -> String {
    "CREATE TABLE customers (customer_id INTEGER PRIMARY KEY, name TEXT NOT NULL, region TEXT);
     WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x LIMIT 200000)
     INSERT INTO customers SELECT n, 'customer number ' || n, 'north' FROM x;"
        .to_owned()
}

fn with_token(bytes: &[u8], token: &str) -> Vec<u8> {
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let (head, body) = bytes.split_at(at);
    [String::from_utf8_lossy(head).replace("TOKEN", token).as_bytes(), body].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_gets_a_documented_error_and_leaves_nothing() {
    let (_fixture, data, token) = serve().await;
    let good = with_token(&TABLE[0].bytes, &token);
    // Once before anything is counted: pools and caches fill.
    assert_eq!(send(data, &good, false).await.status, Some(200));
    let before = handles();
    let mut wrong = Vec::new();
    for bad in TABLE.iter() {
        let answered = send(data, &with_token(&bad.bytes, &token), bad.ends).await;
        if let Err(told) = judge(bad, &answered) {
            wrong.push(format!("{}: {told}", bad.what));
        }
        assert_eq!(send(data, &good, false).await.status, Some(200), "after {}", bad.what);
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), TABLE.len(), wrong.join("\n"));
    // Connections that were closed may take a moment to go.
    for _ in 0..100 {
        if handles() <= before + 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{before} file handles before, {} after", handles());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_go_in_the_middle_hold_no_place() {
    let (_fixture, data, token) = serve().await;
    let long = request(JSON, sql("SELECT a.name, b.name FROM customers a CROSS JOIN customers b").as_bytes());
    let long = with_token(&long, &token);
    // Far more than the mount's concurrency: a place that is not given back would soon be missed.
    for n in 0..20 {
        let mut stream = TcpStream::connect(data).await.unwrap();
        stream.write_all(&long).await.unwrap();
        let mut part = vec![0; 1 + n * 3_000];
        let read = timeout(PATIENCE, stream.read(&mut part)).await.expect("it hangs").unwrap();
        assert!(read > 0, "no byte came in round {n}");
        let text = String::from_utf8_lossy(&part[..read]).into_owned();
        assert!(!text.starts_with("HTTP/1.1 4") && !text.starts_with("HTTP/1.1 5"), "round {n}: {text:.300}");
        drop(stream);
        // The gateway learns of it when it next writes.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let good = with_token(&TABLE[0].bytes, &token);
    assert_eq!(send(data, &good, false).await.status, Some(200));
}
