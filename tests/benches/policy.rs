//! What a decision costs: `tiers` with fifty tables in its mount, beside an empty component in the same run.
//!
//! `fresh` is what a request waits for: an instance that no request has used, made and thrown away elsewhere. `warm`
//! is the same instance asked again, as `isolation = "warm"` does for the same caller.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench fails by panicking")]

use std::{
    collections::BTreeMap,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use mountgate_core::{
    ClaimValue, ColumnType, DecisionRequest, Door, Filter, Limits, Mask, Node, RequestMount, Touch, Use, Value, Verb,
    Verdict,
    filter::CompareOp,
    request::{RequestColumn, RequestRelation},
    touch::{Predicate, PredicateValue, RelationTouch},
};
use mountgate_policy::{DiskCache, Host, HostConfig, Isolation, bundled};

const TABLES: usize = 50;
const ROUNDS: usize = 4_000;

fn main() {
    // `cargo test --benches` runs this too: once through is enough there.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { ROUNDS } else { 50 };
    let empty = empty(rounds);
    let host = Host::new(HostConfig::default()).unwrap();
    let policy = host.admit(bundled::TIERS).unwrap().configure(&settings(), &mount()).unwrap();
    let request = request();
    let decision = policy.decide(&request).unwrap();
    assert!(matches!(decision.verdict, Verdict::Allow { .. }), "{decision:?}");

    let mut fresh = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        // A request does more than decide; meanwhile the next instance is made.
        std::thread::sleep(Duration::from_micros(150));
        let begun = Instant::now();
        black_box(policy.decide(&request).unwrap());
        fresh.push(begun.elapsed());
    }
    let mut busy = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let begun = Instant::now();
        black_box(policy.decide(&request).unwrap());
        busy.push(begun.elapsed());
    }
    let mut instance = policy.warm().unwrap();
    for _ in 0..100 {
        instance.decide(&request).unwrap();
    }
    let mut warm = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let begun = Instant::now();
        black_box(instance.decide(&request).unwrap());
        warm.push(begun.elapsed());
    }

    let kept = policy.with_isolation(Isolation::Warm);
    let mut again = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let begun = Instant::now();
        black_box(kept.decide(&request).unwrap());
        again.push(begun.elapsed());
    }

    let fresh = spread("tiers, 50 tables: fresh, on the request's path", fresh);
    spread("tiers, 50 tables: fresh, without a pause between", busy);
    spread("tiers, 50 tables: isolation = \"warm\"", again);
    let warm = spread("tiers, 50 tables: warm, without the choice of instance", warm);
    let all = empty.instantiate + empty.first + empty.drop;
    println!("fresh / empty component from instantiation to drop   {:.2}", fresh.as_secs_f64() / all.as_secs_f64());
    println!(
        "fresh / empty component's first call                 {:.2}",
        fresh.as_secs_f64() / empty.first.as_secs_f64()
    );
    println!(
        "warm / empty component's warm call                   {:.2}",
        warm.as_secs_f64() / empty.warm.as_secs_f64()
    );
    idle(if rounds == ROUNDS { 10_000 } else { 100 });
}

/// Mounts that wait for requests, over few plugins: what they hold, and how long they take to start.
fn idle(mounts: usize) {
    const PLUGINS: u8 = 5;
    let folder = tempfile::tempdir().unwrap();
    let host = || {
        let disk = DiskCache { dir: folder.path().to_owned(), bytes: DiskCache::BYTES, key: [7; 32].into() };
        Host::new(HostConfig { disk: Some(disk), ..HostConfig::default() }).unwrap()
    };
    // The same policy under five digests: a custom section of one byte more.
    let plugins: Vec<Vec<u8>> =
        (0..PLUGINS).map(|n| bundled::TIERS.iter().copied().chain([0, 3, 1, b'n', n]).collect()).collect();
    let cold = Instant::now();
    let first = host();
    for plugin in &plugins {
        first.admit(plugin).unwrap();
    }
    println!(
        "{mounts} idle mounts: {PLUGINS} plugins, compiled for the first time {:>10.2} s",
        cold.elapsed().as_secs_f64()
    );
    drop(first);
    let settings = r#"{"tiers":[{"when":{"role":"junior"},"tables":{"table_0":{"filter":"region = claim.region"}}}]}"#;
    let begun = Instant::now();
    let host = host();
    let admitted: Vec<_> = plugins.iter().map(|plugin| host.admit(plugin).unwrap()).collect();
    let before = resident();
    let policies: Vec<_> = (0..mounts)
        .map(|n| {
            let mount = RequestMount::new(format!("mount-{n}").as_str().into(), vec![relation(0)], Limits::default());
            admitted[n % admitted.len()].configure(settings, &Arc::new(mount)).unwrap()
        })
        .collect();
    println!("{mounts} idle mounts: start from a warm cache              {:>10.2} s", begun.elapsed().as_secs_f64());
    let held = resident().saturating_sub(before);
    println!(
        "{mounts} idle mounts: resident memory of each              {:>10.2} KB",
        held as f64 / 1024.0 / mounts as f64
    );
    black_box(policies);
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_ascii_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

fn spread(what: &str, mut times: Vec<Duration>) -> Duration {
    times.sort();
    let at = |part: usize| times[(times.len() - 1) * part / 100];
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    println!("{what:<52} p50 {:7.2} µs   p90 {:7.2} µs   p99 {:7.2} µs", us(at(50)), us(at(90)), us(at(99)));
    at(50)
}

struct Empty {
    instantiate: Duration,
    first: Duration,
    drop: Duration,
    warm: Duration,
}

/// A component with one page of memory and a function that does nothing, on an engine with the same allocator.
fn empty(rounds: usize) -> Empty {
    use wasmtime::{
        Config, Engine, InstanceAllocationStrategy, Store,
        component::{Component, Linker},
    };
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::pooling())
        .concurrency_support(false)
        .epoch_interruption(true);
    let engine = Engine::new(&config).unwrap();
    let text = r#"(component
        (core module $m (memory (export "memory") 1) (func (export "run")))
        (core instance $i (instantiate $m))
        (func (export "run") (canon lift (core func $i "run"))))"#;
    let component = Component::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let pre = Linker::<()>::new(&engine).instantiate_pre(&component).unwrap();
    let (mut instantiate, mut first, mut drops, mut warm) = (vec![], vec![], vec![], vec![]);
    for _ in 0..rounds {
        let begun = Instant::now();
        let mut store = Store::new(&engine, ());
        store.set_epoch_deadline(1_000);
        let instance = pre.instantiate(&mut store).unwrap();
        let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        instantiate.push(begun.elapsed());
        let begun = Instant::now();
        run.call(&mut store, ()).unwrap();
        first.push(begun.elapsed());
        let begun = Instant::now();
        run.call(&mut store, ()).unwrap();
        warm.push(begun.elapsed());
        let begun = Instant::now();
        drop(store);
        drops.push(begun.elapsed());
    }
    Empty {
        instantiate: spread("empty component: instantiate", instantiate),
        first: spread("empty component: first call", first),
        drop: spread("empty component: drop", drops),
        warm: spread("empty component: warm call", warm),
    }
}

fn settings() -> String {
    let tier = |role: &str| {
        let tables: BTreeMap<String, serde_json::Value> = (0..TABLES)
            .map(|n| {
                let table = serde_json::json!({
                    "columns": ["id", "customer_id", "name", "email", "region", "created_at"],
                    "masks": { "email": "hash", "name": { "partial": { "first": 1, "last": 1 } } },
                    "filter": "region = claim.region",
                });
                (format!("table_{n}"), table)
            })
            .collect();
        serde_json::json!({
            "when": { "role": role },
            "tables": tables,
            "limits": { "max_rows": 50, "requests": "10/minute" },
            "valid_for": "30s",
        })
    };
    serde_json::json!({ "tiers": [tier("temp"), tier("junior"), tier("senior")] }).to_string()
}

fn request() -> DecisionRequest {
    DecisionRequest {
        agent: "support-bot".into(),
        session: Some("session-1".into()),
        claims: Arc::new(BTreeMap::from([
            ("customer_id".into(), ClaimValue::Integer(42)),
            ("region".into(), ClaimValue::Text("eu".into())),
            ("role".into(), ClaimValue::Text("junior".into())),
        ])),
        mount: "support".into(),
        door: Door::Http,
        purpose: None,
        time: None,
        usage: None,
        parameters: None,
        touch: Arc::new(Touch {
            verb: Verb::Read,
            relations: vec![RelationTouch {
                relation: "table_17".into(),
                columns: COLUMNS.map(|name| (name.into(), [Use::Projected].into_iter().collect())).into(),
                references: 1,
            }],
            predicates: vec![Predicate {
                relation: "table_17".into(),
                column: "id".into(),
                op: Some(CompareOp::Eq),
                value: PredicateValue::Literal(Value::Integer(7)),
            }],
        }),
        ceiling: Arc::new(vec![relation(17)]),
        limits: Arc::new(Limits::default()),
    }
}

const COLUMNS: [&str; 6] = ["id", "customer_id", "name", "email", "region", "created_at"];

fn relation(number: usize) -> RequestRelation {
    RequestRelation {
        name: format!("table_{number}").into(),
        columns: COLUMNS
            .map(|name| RequestColumn {
                name: name.into(),
                ty: ColumnType::Text,
                key: name == "id",
                masks: if name == "email" { vec![Mask::Hash] } else { vec![] },
            })
            .into(),
        lent: vec![],
        filter: Some(
            Filter::new(vec![
                Node::Column("customer_id".into()),
                Node::Claim("customer_id".into()),
                Node::Compare { op: CompareOp::Eq, left: 0, right: 1 },
            ])
            .unwrap(),
        ),
    }
}

fn mount() -> Arc<RequestMount> {
    Arc::new(RequestMount::new("support".into(), (0..TABLES).map(relation).collect(), Limits::default()))
}
