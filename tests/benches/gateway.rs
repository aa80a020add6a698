//! The gateway beside its floor (`mountgate_tests::floor`), over real HTTP, as one table: `cargo xtask bench --table`.
//!
//! Each server is a process of its own; this one is the load generator. What is compared is asked in turns (A B C A B
//! C …), and the median of the rounds is told, so that a machine that gets slower meanwhile slows all of them.

#[path = "gateway/server.rs"]
mod server;
#[path = "gateway/shop.rs"]
mod shop;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use mountgate_tests::load::{self, Load, Outcome, Target};
use serde_json::json;

use self::{
    server::Child,
    shop::{BIG, ORDERS, Stored},
};

/// What is looked up, in this order.
const LABELS: [&str; 4] = ["floor", "fresh policy", "valid-for", "MCP, fresh policy"];

/// How much of everything.
#[derive(Clone, Copy)]
struct Measure {
    rounds: usize,
    time: Duration,
    most: u64,
}

fn main() -> anyhow::Result<()> {
    if let Some(role) = std::env::var_os("MOUNTGATE_BENCH_ROLE") {
        return server::serve(&role.to_string_lossy());
    }
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let quick = std::env::var_os("MOUNTGATE_BENCH_QUICK").is_some();
    let measure = match (is_bench, quick) {
        // As a test: that it runs at all.
        (false, _) => Measure { rounds: 1, time: Duration::from_millis(200), most: 2_000 },
        (true, true) => Measure { rounds: 3, time: Duration::from_secs(1), most: 1_000_000 },
        (true, false) => Measure { rounds: 7, time: Duration::from_secs(2), most: 1_000_000 },
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(bench(measure))
}

async fn bench(measure: Measure) -> anyhow::Result<()> {
    let mut stores = vec![shop::sqlite()?];
    match std::env::var("MOUNTGATE_TEST_POSTGRES") {
        Ok(url) => stores.push(shop::postgres(&url).await?),
        Err(_) => println!("without PostgreSQL: `cargo xtask bench` sets one up"),
    }
    println!(
        "{:<46} {:>7} {:>9} {:>9} {:>9} {:>7} {:>9} {:>6}",
        "", "ratio", "p50 µs", "p99 µs", "req/s", "cpu µs", "rows/s", "gen %"
    );
    // For profiling: only rows whose name holds each of these, and their floor.
    let only = std::env::var("MOUNTGATE_BENCH_ONLY").unwrap_or_default();
    let wanted = |what: &str, label: &str| {
        only.split(',')
            .all(|part| what.contains(part) || (label == "floor" && LABELS.iter().any(|other| other.contains(part))))
    };
    for store in &stores {
        let name = store.dialect;
        let floor = Child::start("floor", store)?;
        let gateway = Child::start("gateway", store)?;
        let (floor, gateway) = (&floor, &gateway);
        let qualified = store.lookup.replace("FROM orders", &format!("FROM {}orders", store.schema));
        let direct = lookup(floor, None, &qualified);
        let fresh = lookup(gateway, Some("fresh"), store.lookup);
        let cached = lookup(gateway, Some("cached"), store.lookup);
        let mcp = call(gateway, store.lookup);
        for connections in [1, 32] {
            let targets = [&direct, &fresh, &cached, &mcp].into_iter().zip(LABELS);
            let what = |label: &str| format!("look-up, {name}, {connections} at once: {label}");
            let (targets, labels): (Vec<_>, Vec<_>) = targets.filter(|(_, label)| wanted(&what(label), label)).unzip();
            let outcomes = in_turns(&targets, connections, measure).await?;
            for (label, outcome) in labels.iter().zip(&outcomes) {
                let http = outcomes.get(1).filter(|_| label.starts_with("MCP"));
                let against = http.or(outcomes.first()).context("no outcome to compare with")?;
                let ratio = if connections == 1 {
                    outcome.p50.as_secs_f64() / against.p50.as_secs_f64()
                } else {
                    outcome.rate() / against.rate()
                };
                row(&what(label), ratio, outcome);
            }
        }
        if only.is_empty() {
            million(store, floor, gateway, measure).await?;
        }
        if store.has_provisioned_wall() && (only.is_empty() || only == "wall") {
            behind_wall(store, gateway, measure).await?;
        }
    }
    println!(
        "ratio: behind the wall, over the same gateway without it; else at 1, p50 over the floor's (MCP: over HTTP's with a fresh policy); at 32, requests a second over the \
         floor's;\nof rows: rows a second over the floor's. cpu µs: CPU time of the server for each request. gen %: CPU of \
         the load generator, of one core."
    );
    Ok(())
}

fn row(what: &str, ratio: f64, outcome: &Outcome) {
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    println!(
        "{what:<46} {ratio:>7.2} {:>9.0} {:>9.0} {:>9.0} {:>7.0} {:>9} {:>6.0}",
        us(outcome.p50),
        us(outcome.p99),
        outcome.rate(),
        us(outcome.server_cpu_each()),
        "",
        100.0 * outcome.cpu.as_secs_f64() / outcome.elapsed.as_secs_f64()
    );
}

/// A look-up by key, of another row each time. Without a mount it is the floor's.
fn lookup(child: &Child, mount: Option<&'static str>, sql: &str) -> Target {
    let sql = sql.to_owned();
    let body = move |n: u64| {
        let mut body = json!({ "sql": sql, "params": [key(n)] });
        if let (Some(mount), Some(fields)) = (mount, body.as_object_mut()) {
            fields.insert("mount".to_owned(), mount.into());
        }
        Bytes::from(body.to_string())
    };
    Target {
        address: child.ports.data,
        path: "/v1/query",
        token: child.ports.token.clone(),
        process: child.id(),
        accept: "application/json",
        body: Arc::new(body),
        holds: "\"row_count\":1,",
    }
}

/// The same through MCP.
fn call(child: &Child, sql: &'static str) -> Target {
    let body = move |n: u64| {
        let arguments = json!({ "mount": "fresh", "sql": sql, "params": [key(n)] });
        let params = json!({ "name": "query", "arguments": arguments });
        Bytes::from(json!({ "jsonrpc": "2.0", "id": n, "method": "tools/call", "params": params }).to_string())
    };
    Target {
        address: child.ports.data,
        path: "/mcp",
        token: child.ports.token.clone(),
        process: child.id(),
        accept: "application/json, text/event-stream",
        body: Arc::new(body),
        holds: "\"row_count\":1,",
    }
}

fn key(n: u64) -> u64 {
    1 + n.wrapping_mul(7_919) % ORDERS
}

/// The median outcome of each target, asked in turns.
async fn in_turns(targets: &[&Target], connections: usize, measure: Measure) -> anyhow::Result<Vec<Outcome>> {
    let load = Load { connections, time: measure.time, most: measure.most };
    let warm = Load { time: measure.time / 4, ..load };
    for target in targets {
        load::run(target, warm).await?;
    }
    let mut all: Vec<Vec<Outcome>> = vec![vec![]; targets.len()];
    for _ in 0..measure.rounds {
        for (target, outcomes) in targets.iter().zip(&mut all) {
            outcomes.push(load::run(target, load).await?);
        }
    }
    all.into_iter()
        .map(|mut outcomes| {
            outcomes.sort_by_key(|outcome| {
                if connections == 1 { outcome.p50 } else { outcome.elapsed / outcome.requests.max(1) as u32 }
            });
            let middle = outcomes.len() / 2;
            outcomes.into_iter().nth(middle).context("no round")
        })
        .collect()
}

/// The gateway with PostgreSQL's wall beside the same without.
async fn behind_wall(store: &Stored, gateway: &Child, measure: Measure) -> anyhow::Result<()> {
    let walled = Child::start("walled", store)?;
    let (without, with) = (lookup(gateway, Some("fresh"), store.lookup), lookup(&walled, Some("fresh"), store.lookup));
    for connections in [1, 32] {
        let outcomes = in_turns(&[&without, &with], connections, measure).await?;
        let [without, with] = outcomes.as_slice() else { anyhow::bail!("no outcome to compare with") };
        let ratio = if connections == 1 {
            with.p50.as_secs_f64() / without.p50.as_secs_f64()
        } else {
            with.rate() / without.rate()
        };
        row(&format!("look-up, {}, {connections} at once: the wall", store.dialect), ratio, with);
    }
    let mut all = (Vec::new(), Vec::new());
    for _ in 0..measure.rounds.min(3) {
        all.0.push(long(gateway, Some("fresh"), "", BIG).await?.elapsed);
        all.1.push(long(&walled, Some("fresh"), "", BIG).await?.elapsed);
    }
    let median = |mut of: Vec<Duration>| {
        of.sort();
        of.get(of.len() / 2).copied().context("no round")
    };
    let (without, with) = (median(all.0)?, median(all.1)?);
    println!(
        "{:<46} {:>7.2} {:>9} {:>9} {:>9} {:>7} {:>9.0} {:>6}",
        format!("{BIG} rows, {}: the wall", store.dialect),
        with.as_secs_f64() / without.as_secs_f64(),
        "",
        "",
        "",
        "",
        BIG as f64 / with.as_secs_f64(),
        ""
    );
    Ok(())
}

/// What a long answer cost.
struct Long {
    first: Duration,
    elapsed: Duration,
    grown: u64,
    cpu: Duration,
}

async fn million(store: &Stored, floor: &Child, gateway: &Child, measure: Measure) -> anyhow::Result<()> {
    let name = store.dialect;
    let sides = [("floor", floor, None, store.schema), ("gateway", gateway, Some("fresh"), "")];
    let mut all: [(Vec<Long>, Vec<Long>); 2] = Default::default();
    for _ in 0..measure.rounds.min(3) {
        for ((_, child, mount, schema), (few, many)) in sides.iter().zip(&mut all) {
            few.push(long(child, *mount, schema, 1_000).await?);
            many.push(long(child, *mount, schema, BIG).await?);
        }
    }
    let mut floors = None;
    for ((label, ..), (mut few, mut many)) in sides.iter().zip(all) {
        let first = |of: &mut Vec<Long>| {
            of.sort_by_key(|long| long.first);
            of.get(of.len() / 2).map(|long| long.first).context("no round")
        };
        let (first_few, first_many) = (first(&mut few)?, first(&mut many)?);
        let grown = many.iter().map(|long| long.grown).max().unwrap_or_default();
        many.sort_by_key(|long| long.elapsed);
        let long = many.get(many.len() / 2).context("no round")?;
        let rate = BIG as f64 / long.elapsed.as_secs_f64();
        println!(
            "{:<46} {:>7.2} {:>9} {:>9} {:>9} {:>7} {rate:>9.0} {:>6.0}",
            format!("{BIG} rows, {name}: {label}"),
            rate / *floors.get_or_insert(rate),
            "",
            "",
            "",
            "",
            100.0 * long.cpu.as_secs_f64() / long.elapsed.as_secs_f64()
        );
        println!(
            "    first row after {:.2} ms of {BIG}, {:.2} ms of 1000; resident memory grew by {:.1} MB at most",
            first_many.as_secs_f64() * 1e3,
            first_few.as_secs_f64() * 1e3,
            grown as f64 / 1e6
        );
    }
    Ok(())
}

/// One long answer, as lines; the server's memory is looked at while it comes.
async fn long(child: &Child, mount: Option<&str>, schema: &str, rows: u64) -> anyhow::Result<Long> {
    let sql = format!("SELECT id, customer_id, status, note FROM {schema}big WHERE id <= {rows}");
    let body = match mount {
        Some(mount) => json!({ "mount": mount, "sql": sql }),
        None => json!({ "sql": sql }),
    };
    let body = Bytes::from(body.to_string());
    let target = Target {
        address: child.ports.data,
        path: "/v1/query",
        token: child.ports.token.clone(),
        process: child.id(),
        accept: "application/x-ndjson",
        body: Arc::new(move |_| body.clone()),
        holds: "",
    };
    let mut sender = load::connect(target.address).await?;
    sender.ready().await?;
    let before = load::resident(child.id())?;
    let (cpu, begun) = (load::own_cpu()?, Instant::now());
    let response = sender.send_request(target.request(0)?).await?;
    ensure!(response.status() == 200, "{}", response.status());
    let mut body = response.into_body();
    let (mut first, mut lines, mut tail, mut frames, mut most) = (None, 0, Bytes::new(), 0_u64, before);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        lines += data.iter().filter(|byte| **byte == b'\n').count() as u64;
        // The first line holds the columns.
        if first.is_none() && lines >= 2 {
            first = Some(begun.elapsed());
        }
        frames += 1;
        if frames % 64 == 0 {
            most = most.max(load::resident(child.id())?);
        }
        tail = data;
    }
    let elapsed = begun.elapsed();
    let cpu = load::own_cpu()?.saturating_sub(cpu);
    let tail = String::from_utf8_lossy(&tail);
    let last = tail.lines().last().unwrap_or_default();
    ensure!(
        last.contains(&format!("\"row_count\":{rows},"))
            && last.contains("\"truncated\":false")
            && last.contains("\"complete\":true"),
        "the answer is not whole: {last}"
    );
    Ok(Long { first: first.context("no row")?, elapsed, grown: most - before, cpu })
}
