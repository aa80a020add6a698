//! A scripted middle and a plain client, for tests of doors: what a real gateway does once in a thousand hours
//! (break off, stall, panic) is done here when asked.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mountgate_backend::Batch;
use mountgate_core::{Code, Door, MountName, Refusal, Value};
use mountgate_mediate::{
    ColumnDetail, Explanation, Held, HoldId, HoldStatus, Mint, Minted, MountDetail, MountSummary, Query, Read, Refused,
    ReplyCaps, ReplyColumn, TableDetail, Write, WriteReply, Written,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

use crate::{
    encode::End,
    hosts::Hosts,
    http::serve_middle,
    limits::HttpLimits,
    middle::{Middle, Opened, Rows},
};

/// The token that is let in; `two-mounts` is too, and has two mounts.
pub(crate) const TOKEN: &str = "good";

/// What happened.
#[derive(Default)]
pub(crate) struct Seen {
    /// Batches asked for.
    pub(crate) batches: AtomicUsize,
    /// Answers dropped.
    pub(crate) dropped: AtomicUsize,
    /// Answers that the door cut.
    pub(crate) cut: AtomicUsize,
    /// Statements run.
    pub(crate) ran: AtomicUsize,
}

/// A middle whose answer is told by the statement: `rows N`, `observe N` (of a mount that is open for observation), `break N` (an error after N rows), `panic`,
/// `panic N` (after N rows), `never`, `stall N` (N rows, then never), `echo` (the parameters), `refuse`,
/// `endless`.
#[derive(Clone, Default)]
pub(crate) struct Script {
    pub(crate) seen: Arc<Seen>,
}

pub(crate) struct Scripted {
    left: usize,
    written: u64,
    then: Then,
    echo: Option<Batch>,
    seen: Arc<Seen>,
}

#[derive(Clone, Copy, PartialEq)]
enum Then {
    End,
    Break,
    Panic,
    Stall,
}

/// Rows of a batch.
const BATCH: usize = 100;

impl Rows for Scripted {
    async fn next(&mut self) -> Result<Option<Batch>, Refusal> {
        self.seen.batches.fetch_add(1, Ordering::SeqCst);
        if let Some(batch) = self.echo.take() {
            self.written += 1;
            return Ok(Some(batch));
        }
        if self.left == 0 {
            return match self.then {
                Then::End => Ok(None),
                Then::Break => Err(Refusal::new(Code::DataError, "a value in scope does not fit")),
                Then::Panic => panic!("scripted"),
                Then::Stall => std::future::pending().await,
            };
        }
        let rows = self.left.min(BATCH);
        self.left -= rows;
        let mut batch = Batch::new(2);
        for _ in 0..rows {
            self.written += 1;
            batch.push(Value::Integer(i64::try_from(self.written).unwrap()));
            batch.push(Value::Text("x".repeat(100)));
        }
        Ok(Some(batch))
    }

    fn cut(&mut self) {
        self.seen.cut.fetch_add(1, Ordering::SeqCst);
    }

    fn end(&self) -> End {
        End { rows: self.written, truncated: false }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.seen.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

fn refuse(code: Code, message: &str) -> Refused {
    Refused { refusal: Refusal::new(code, message).hint("do otherwise"), decision_id: Some("d-refused".into()) }
}

impl Script {
    fn open(&self, sql: &str, params: Vec<Value>) -> Result<Opened<Scripted>, Refused> {
        self.seen.ran.fetch_add(1, Ordering::SeqCst);
        let (word, count) = sql.split_once(' ').unwrap_or((sql, "0"));
        let count: usize = count.parse().unwrap_or(0);
        let (left, then) = match word {
            "rows" | "observe" => (count, Then::End),
            "break" => (count, Then::Break),
            "panic" if count == 0 => panic!("scripted"),
            "panic" => (count, Then::Panic),
            "stall" => (count, Then::Stall),
            "endless" => (usize::MAX, Then::End),
            "echo" => (0, Then::End),
            _ => return Err(refuse(Code::NotInScope, "no column `x` in scope; columns in scope of `orders`: `id`")),
        };
        let mut columns = vec![
            ReplyColumn { name: "id".into(), ty: "integer".into(), masks: vec![] },
            ReplyColumn { name: "note".into(), ty: "text".into(), masks: vec!["partial".into()] },
        ];
        let mut echo = None;
        if word == "echo" {
            columns = params
                .iter()
                .enumerate()
                .map(|(at, value)| ReplyColumn {
                    name: format!("p{at}"),
                    ty: value.column_type().map_or("any".into(), |ty| ty.label()),
                    masks: vec![],
                })
                .collect();
            let mut batch = Batch::new(params.len());
            params.into_iter().for_each(|value| batch.push(value));
            echo = Some(batch);
        }
        let rows = Scripted { left, written: 0, then, echo, seen: Arc::clone(&self.seen) };
        Ok(Opened { decision_id: "d-1".into(), observed: word == "observe", columns: columns.into(), rows })
    }
}

fn summary(name: &str) -> MountSummary {
    MountSummary {
        name: name.into(),
        dialect: "sqlite",
        tables: vec!["orders".into()],
        open: true,
        mode: None,
        until: None,
    }
}

impl Middle for Script {
    type Entered = String;
    type Rows = Scripted;

    fn enter(&self, token: Option<&str>, _: Door) -> Result<String, Refused> {
        match token {
            Some(token @ ("good" | "two-mounts")) => Ok(token.to_owned()),
            Some("often") => Err(Refusal::new(Code::RateLimited, "too often").retry_after(7).into()),
            _ => Err(Refusal::new(Code::Unauthenticated, "the token is missing or unknown").into()),
        }
    }

    async fn query(&self, _: &String, query: Query) -> Result<Opened<Scripted>, Refused> {
        if query.sql == "never" {
            std::future::pending::<()>().await;
        }
        if query.mount.as_str() == "elsewhere" {
            return Err(refuse(Code::MountNotFound, "no mount `elsewhere`"));
        }
        self.open(&query.sql, query.params)
    }

    async fn read(&self, _: &String, read: Read) -> Result<Opened<Scripted>, Refused> {
        self.open(&read.read.from, vec![])
    }

    async fn write(&self, _: &String, write: Write) -> Result<WriteReply, Refused> {
        match write.sql.as_str() {
            "refuse" => Err(refuse(Code::WriteNotAllowed, "this mount lets nobody update `orders`")),
            "hold" => Ok(WriteReply::Held(Held { decision_id: "d-4".into(), hold: HoldId("w-1".into()) })),
            _ => Ok(WriteReply::Written(Written {
                decision_id: "d-3".into(),
                rows: 1,
                columns: vec![ReplyColumn { name: "id".into(), ty: "integer".into(), masks: vec!["hash".into()] }],
                returned: vec![write.params],
            })),
        }
    }

    async fn write_status(&self, _: &String, id: &HoldId) -> Result<HoldStatus, Refused> {
        if id.0 == "gone" {
            return Err(refuse(Code::HoldNotFound, "there is no such hold"));
        }
        Ok(HoldStatus { hold: id.clone(), state: "pending", rows: None, expires_ms: Some(7) })
    }

    async fn explain(&self, _: &String, query: Query) -> Result<Explanation, Refused> {
        if query.sql == "refuse" {
            return Err(refuse(Code::NotInScope, "no table `x` in scope"));
        }
        Ok(Explanation {
            decision_id: "d-2".into(),
            verdict: "allow",
            mode: None,
            columns: vec![ReplyColumn { name: "id".into(), ty: "integer".into(), masks: vec![] }],
            relations: vec![],
            caps: ReplyCaps { max_rows: 10, max_bytes: 1000, timeout_ms: 1000 },
        })
    }

    fn mounts(&self, entered: &String) -> Result<Vec<MountSummary>, Refused> {
        let names: &[&str] = if entered == "two-mounts" { &["support", "sales"] } else { &["support"] };
        Ok(names.iter().map(|name| summary(name)).collect())
    }

    fn mount(&self, _: &String, name: &MountName) -> Result<MountDetail, Refused> {
        if !["support", "sales"].contains(&name.as_str()) {
            return Err(refuse(Code::MountNotFound, "no such mount"));
        }
        Ok(MountDetail {
            summary: summary(name.as_str()),
            hours: None,
            expires: Some("2027-03-31".into()),
            relations: vec![TableDetail {
                name: "orders".into(),
                columns: vec![ColumnDetail { name: "id".into(), ty: "integer".into(), key: true, masks: vec![] }],
                filtered: true,
                require: vec![],
                min_group: None,
                write: None,
            }],
            limits: BTreeMap::from([("requests", "60/minute".to_owned())]),
            left: None,
            keys_left: BTreeMap::new(),
        })
    }

    fn mint(&self, token: Option<&str>, mint: &Mint) -> Result<Minted, Refused> {
        match token {
            Some("minter") => Ok(Minted { token: format!("for-{}", mint.agent), session: "s-1".into(), until_ms: 1 }),
            Some(_) => Err(Refusal::new(Code::NotPermitted, "only minters mint").into()),
            None => Err(Refusal::new(Code::Unauthenticated, "the token is missing").into()),
        }
    }
}

/// A data port.
pub(crate) struct Server {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) seen: Arc<Seen>,
    stop: Option<oneshot::Sender<()>>,
    pub(crate) task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(limits: HttpLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Script::default();
        let seen = Arc::clone(&script.seen);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve_middle(listener, script, limits, Hosts::default(), async {
            let _ = stopped.await;
        }));
        Self { address, seen, stop: Some(stop), task }
    }

    pub(crate) fn stop(&mut self) {
        self.stop.take().map(|stop| stop.send(()));
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes as they are, and reads the answer.
    pub(crate) async fn raw(&self, request: &[u8]) -> Answered {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        answered(&mut stream).await
    }

    /// Sends a request; `headers` are lines without their ends, `host` is added.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answered {
        self.raw(&request(method, path, self.address, headers, body)).await
    }

    /// A JSON body with the good token.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Answered {
        let headers = ["authorization: Bearer good", "content-type: application/json"];
        self.send("POST", path, &headers, body.as_bytes()).await
    }
}

pub(crate) fn request(method: &str, path: &str, host: std::net::SocketAddr, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut out = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for header in headers {
        out.push_str(header);
        out.push_str("\r\n");
    }
    if !body.is_empty() {
        out.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    out.push_str("\r\n");
    let mut out = out.into_bytes();
    out.extend_from_slice(body);
    out
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its own end.
    pub(crate) whole: bool,
}

impl Answered {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The error's code, after checking the error's contract.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        let json = self.json();
        let error = json["error"].as_object().unwrap_or_else(|| panic!("no error: {json}"));
        let mut keys: Vec<&str> = error.keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["code", "decision_id", "hint", "message", "retry_after"]);
        assert_eq!(json.as_object().unwrap().len(), 1);
        error["code"].as_str().unwrap().to_owned()
    }
}

/// Reads to the connection's end, or for at most ten seconds.
pub(crate) async fn answered(stream: &mut TcpStream) -> Answered {
    let mut bytes = Vec::new();
    let reading = stream.read_to_end(&mut bytes);
    // A reset after the answer is as good as an end.
    let _ =
        tokio::time::timeout(Duration::from_secs(10), reading).await.expect("the server neither answers nor closes");
    parse(&bytes)
}

pub(crate) fn parse(bytes: &[u8]) -> Answered {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or_else(|| {
        panic!("no answer: {:?}", String::from_utf8_lossy(bytes));
    });
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let rest = &bytes[end + 4..];
    let find = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let (body, whole) = match (find("transfer-encoding"), find("content-length")) {
        (Some(_), _) => unchunk(rest),
        (None, Some(length)) => (rest.to_vec(), rest.len() == length.parse::<usize>().unwrap()),
        (None, None) => (rest.to_vec(), true),
    };
    Answered { status, headers, body, whole }
}

fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(line) = rest.windows(2).position(|window| window == b"\r\n") else { return (body, false) };
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        rest = &rest[line + 2..];
        if size == 0 {
            return (body, true);
        }
        if rest.len() < size + 2 {
            body.extend_from_slice(rest);
            return (body, false);
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}
