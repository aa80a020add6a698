//! `kill -9` at any moment, a hundred times under load: the ledger verifies, and holds a decision for every answer of
//! which a byte got out. The real binary over real sockets; what is killed is a process.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mountgate_ledger::{Selection, export, verify};
use mountgate_tests::{binary, gateway::SHOP};

const ROUNDS: u64 = 100;
const CLIENTS: u64 = 3;
/// Requests of one client in one round, at most.
const MOST: u64 = 60;

const MOUNT: &str = r#"
name    = "test"
backend = "shop"
agents  = ["desk"]
policy  = "ceiling"

[tables.customers]
columns = ["customer_id", "name", "region"]

[tables.numbers]
columns = ["n", "note"]

[limits]
requests = "1_000_000/minute"
max_rows = 100_000
"#;

/// What a client got of one answer before it ended or was cut.
struct Got {
    bytes: Vec<u8>,
    whole: bool,
}

struct Gateway {
    process: Child,
    data: SocketAddr,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn start(folder: &Path) -> Gateway {
    let mut process = Command::new(binary())
        .args(["serve", "--data-port", "0", "--admin-port", "0", "--json", "--config"])
        .arg(folder.join("mountgate.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut text = String::new();
    let mut lines = BufReader::new(process.stdout.take().unwrap());
    while !text.trim_end().ends_with('}') {
        assert!(lines.read_line(&mut text).unwrap() > 0, "the gateway did not start: `{text}`");
    }
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    let data = told["data_url"].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
    Gateway { process, data }
}

/// Asks once, and gives back every byte that came.
fn ask(data: SocketAddr, token: &str, n: u64) -> Got {
    // Small answers, and some that are long enough to be cut in the middle.
    let sql = if n.is_multiple_of(7) {
        "SELECT n, note FROM numbers"
    } else {
        "SELECT * FROM customers WHERE customer_id = 2"
    };
    let body = serde_json::json!({ "mount": "test", "sql": sql }).to_string();
    let request = format!(
        "POST /v1/query HTTP/1.1\r\nhost: {data}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut bytes = Vec::new();
    let whole = TcpStream::connect(data)
        .and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            stream.write_all(request.as_bytes())?;
            stream.read_to_end(&mut bytes)
        })
        .is_ok();
    Got { bytes, whole }
}

/// The decision that the answer names, if so much of it came.
fn decision(got: &Got) -> Option<String> {
    let text = String::from_utf8_lossy(&got.bytes);
    let (head, _) = text.split_once("\r\n\r\n")?;
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("x-mountgate-decision:"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// A number that is another each time.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
fn kill_9_a_hundred_times_under_load_loses_no_decision() {
    let folder = tempfile::tempdir().unwrap();
    let database = rusqlite::Connection::open(folder.path().join("shop.db")).unwrap();
    database.execute_batch(SHOP).unwrap();
    database
        .execute_batch(
            "CREATE TABLE numbers (n INTEGER PRIMARY KEY, note TEXT);
             WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x LIMIT 20000)
             INSERT INTO numbers SELECT n, 'a note of number ' || n FROM x;",
        )
        .unwrap();
    drop(database);
    std::fs::create_dir(folder.path().join("mounts")).unwrap();
    std::fs::write(folder.path().join("mounts/test.toml"), MOUNT).unwrap();
    let main = "[gate]\nrequests = \"1_000_000/second\"\n\n[backends.shop]\nkind = \"sqlite\"\npath = \"shop.db\"\n";
    std::fs::write(folder.path().join("mountgate.toml"), main).unwrap();
    let added = Command::new(binary())
        .args(["--json", "--config"])
        .arg(folder.path().join("mountgate.toml"))
        .args(["agent", "add", "desk"])
        .output()
        .unwrap();
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let added: serde_json::Value = serde_json::from_slice(&added.stdout).unwrap();
    let token = added["key"].as_str().or(added["token"].as_str()).unwrap().to_owned();
    let ledger = folder.path().join("state/ledger");

    let mut state = std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos().into();
    let begun = Instant::now();
    let (mut named, mut begun_answers, mut cut) = (BTreeSet::new(), 0_u64, 0_u64);
    for round in 0..ROUNDS {
        let mut gateway = start(folder.path());
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let all = Arc::new(Mutex::new(Vec::new()));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (stop, answered, all) = (Arc::clone(&stop), Arc::clone(&answered), Arc::clone(&all));
                let (token, data) = (token.clone(), gateway.data);
                std::thread::spawn(move || {
                    for n in 0..MOST {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let got = ask(data, &token, n * CLIENTS + client);
                        answered.fetch_add(1, Ordering::Relaxed);
                        all.lock().unwrap().push(got);
                    }
                })
            })
            .collect();
        // At any moment: also before the first answer, and in the middle of a long one.
        std::thread::sleep(Duration::from_micros(draw(&mut state) % 60_000));
        gateway.process.kill().unwrap();
        gateway.process.wait().unwrap();
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().unwrap();
        }
        for got in all.lock().unwrap().iter().filter(|got| !got.bytes.is_empty()) {
            begun_answers += 1;
            let text = String::from_utf8_lossy(&got.bytes);
            let complete = text.contains("\"complete\":true");
            if !complete {
                cut += 1;
            } else {
                assert!(text.starts_with("HTTP/1.1 200"), "{text}");
            }
            assert!(got.whole || !text.ends_with("0\r\n\r\n"), "a cut answer looks whole: {text}");
            if let Some(id) = decision(got) {
                assert!(named.insert(id.clone()), "decision {id} was given to two answers");
            }
        }
        let report = verify(&ledger, None).unwrap();
        assert!(report.is_sound(), "round {round}: {report:?}");
    }

    // Started once more, so that what was torn is cut as a start does it; then everything is held against it.
    drop(start(folder.path()));
    let report = verify(&ledger, None).unwrap();
    assert!(report.is_sound(), "{report:?}");
    let mut kept = BTreeSet::new();
    for entry in export(&ledger, Selection::default()).unwrap() {
        let entry = entry.unwrap();
        if matches!(entry.kind(), "decision" | "refusal") {
            kept.extend(entry.decision().map(|id| id.to_string()));
        }
    }
    let lost: Vec<&String> = named.difference(&kept).collect();
    assert!(lost.is_empty(), "{} of {} answers have no decision on record: {lost:?}", lost.len(), named.len());
    assert!(report.decisions >= begun_answers, "{begun_answers} answers and {} decisions", report.decisions);
    // That it was a test: answers came, and some were cut.
    assert!(named.len() > 200, "only {} answers in {:?}", named.len(), begun.elapsed());
    assert!(cut > 0, "no answer was cut");
}
