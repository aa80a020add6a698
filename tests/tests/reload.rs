//! 200 reloads in a row, good ones and bad ones, under load: no request is lost, no answer is a mixture of two
//! generations, and the ledger says of each which one it was. The real binary over real sockets.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mountgate_ledger::{Selection, export, verify};
use mountgate_tests::{
    binary, load,
    reloads::{ASKED, Change, VARIANTS, World, post, reload, variant_of},
};
use serde_json::json;

const RELOADS: usize = 200;
const CONNECTIONS: usize = 32;
/// Between two requests of one connection, so that what is kept stays bounded.
const PAUSE: Duration = Duration::from_millis(15);
/// Requests of one connection, at most.
const MOST: usize = 40_000;

struct Gateway {
    process: Child,
    data: SocketAddr,
    admin: SocketAddr,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn start(world: &World) -> Gateway {
    let mut process = Command::new(binary())
        .args(["serve", "--json", "--config"])
        .arg(world.config())
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
    let address = |key: &str| told[key].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
    Gateway { process, data: address("data_url"), admin: address("admin_url") }
}

fn socket() -> Vec<u8> {
    wat::parse_str("(component (import \"wasi:sockets/tcp@0.2.0\" (instance)))").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_reloads_under_load_lose_no_request_and_mix_no_answer() {
    let world = World::new(&socket()).unwrap();
    let gateway = start(&world);
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (stop, asked, token, data) = (Arc::clone(&stop), Arc::clone(&asked), world.agent.clone(), gateway.data);
            tokio::spawn(async move {
                let mut sender = load::connect(data).await.unwrap();
                let body = json!({ "mount": "test", "sql": ASKED });
                let mut seen: Vec<(String, usize)> = Vec::new();
                while !stop.load(Ordering::Relaxed) && seen.len() < MOST {
                    // A connection that breaks is a request that was lost.
                    let got = post(&mut sender, data, "/v1/query", &token, &body).await.unwrap();
                    assert_eq!(got.status, 200, "{}", String::from_utf8_lossy(&got.body));
                    seen.push((got.decision.unwrap(), variant_of(&got.body).unwrap()));
                    asked.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(PAUSE).await;
                }
                seen
            })
        })
        .collect();

    let begun = Instant::now();
    let bad = [Change::BadToml, Change::UnknownKey, Change::BrokenComponent, Change::WrongImport, Change::NoSuchColumn];
    // Which variant each generation is.
    let mut generations: HashMap<u64, usize> = HashMap::from([(1, 0)]);
    let (mut in_force, mut failed) = (1, 0);
    for n in 0..RELOADS {
        // Each other one is good, and another variant than the one before.
        let change = if n % 2 == 0 { Change::To((n / 2 + 1) % VARIANTS.len()) } else { bad[n / 2 % bad.len()] };
        world.change(change).unwrap();
        let (status, ended) = reload(gateway.admin, &world.operator).await.unwrap();
        match (change, change.fails_at()) {
            (Change::To(variant), _) => {
                assert_eq!((status, ended["result"].as_str()), (200, Some("swapped")), "{n}: {ended}");
                in_force += 1;
                generations.insert(in_force, variant);
            }
            (_, step) => {
                assert_eq!((status, ended["result"].as_str()), (422, Some("failed")), "{n} {change:?}: {ended}");
                assert_eq!(ended["step"].as_str(), step, "{n} {change:?}: {ended}");
                failed += 1;
            }
        }
        assert_eq!(ended["generation"], in_force, "{n}: {ended}");
    }
    let took = begun.elapsed();
    stop.store(true, Ordering::Relaxed);
    let mut seen = Vec::new();
    for client in clients {
        seen.extend(client.await.unwrap());
    }
    // What is queued is written within 50 ms; then whatever is not in the ledger never was.
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(gateway);

    let ledger = world.folder().join("state/ledger");
    let report = verify(&ledger, None).unwrap();
    assert!(report.is_sound(), "{report:?}");
    let (mut decided, mut swaps, mut failures) = (HashMap::new(), 0, 0);
    for entry in export(&ledger, Selection::default()).unwrap() {
        let entry = entry.unwrap();
        let record = entry.record().unwrap();
        match entry.kind() {
            "decision" => {
                decided.insert(record["id"].as_str().unwrap().to_owned(), record["generation"].as_u64().unwrap());
            }
            "refusal" => panic!("{record}"),
            "admin" if record["act"] == "config.reload" => match record["details"]["result"].as_str() {
                Some("swapped") => swaps += 1,
                Some("failed") => failures += 1,
                other => panic!("{other:?}: {record}"),
            },
            _ => {}
        }
    }
    assert_eq!((swaps, failures), (RELOADS / 2, failed));
    let mut of_variant = [0_u64; VARIANTS.len()];
    for (id, variant) in &seen {
        let generation = decided.get(id).unwrap_or_else(|| panic!("the answer {id} is not on record"));
        assert_eq!(generations[generation], *variant, "answer {id} of generation {generation}");
        of_variant[*variant] += 1;
    }
    assert!(report.decisions >= seen.len() as u64, "{} answers, {report:?}", seen.len());
    // That it was a test: every variant was seen, and many answers came meanwhile.
    assert!(of_variant.iter().all(|count| *count > 0), "{of_variant:?}");
    assert!(seen.len() > RELOADS * 5, "only {} answers in {took:?}", seen.len());
    println!("{RELOADS} reloads in {took:?}, {} answers: {of_variant:?} of each variant", seen.len());
}
