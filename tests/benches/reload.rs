//! What agents feel of reloads: p99 at 32 connections, without and while one reload follows another, good and bad ones
//! mixed, in turns. `cargo xtask bench --only reload`.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use mountgate::serve::{Overrides, Server};
use mountgate_tests::{
    load::{self, Load, Target},
    reloads::{ASKED, Change, VARIANTS, World, reload},
};

/// Between two reloads: one that follows at once is no use that anyone makes of it.
const PAUSE: Duration = Duration::from_millis(20);

fn main() -> anyhow::Result<()> {
    if let Some(config) = std::env::var_os("MOUNTGATE_BENCH_CONFIG") {
        return serve(config.into());
    }
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let quick = std::env::var_os("MOUNTGATE_BENCH_QUICK").is_some();
    let (rounds, time) = match (is_bench, quick) {
        // As a test: that it runs at all.
        (false, _) => (1, Duration::from_millis(300)),
        (true, true) => (3, Duration::from_secs(2)),
        (true, false) => (7, Duration::from_secs(4)),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(bench(rounds, time))
}

/// The gateway, in a process of its own that ends with its standard input.
fn serve(config: PathBuf) -> anyhow::Result<()> {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::start(&config, Overrides::default()).await?;
        println!("{} {}", server.data_address()?, server.admin_address()?);
        let (_keep, reloads) = tokio::sync::mpsc::channel(1);
        server.run(reloads, std::future::pending()).await
    })
}

async fn bench(rounds: usize, time: Duration) -> anyhow::Result<()> {
    let world = World::new(b"no component")?;
    let mut process = Command::new(std::env::current_exe()?)
        .env("MOUNTGATE_BENCH_CONFIG", world.config())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let _stdin = process.stdin.take();
    let mut line = String::new();
    BufReader::new(process.stdout.take().context("no output")?).read_line(&mut line)?;
    let mut addresses = line.split_whitespace().map(str::parse::<SocketAddr>);
    let (data, admin) = addresses.next().zip(addresses.next()).context("the gateway does not serve")?;
    let (data, admin) = (data?, admin?);

    let body = Bytes::from(serde_json::json!({ "mount": "test", "sql": ASKED }).to_string());
    let target = Target {
        address: data,
        path: "/v1/query",
        token: Some(world.agent.clone()),
        accept: "application/json",
        body: Arc::new(move |_| body.clone()),
        holds: "\"complete\":true",
        process: process.id(),
    };
    let load = Load { connections: 32, time, most: 10_000_000 };
    load::run(&target, Load { time: time / 4, ..load }).await?;
    let (mut still, mut moving, mut reloads) = (Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        still.push(load::run(&target, load).await?.p99);
        let stop = AtomicBool::new(false);
        let changing = async {
            let mut count = 0_usize;
            let bad = [Change::UnknownKey, Change::BrokenComponent, Change::NoSuchColumn];
            while !stop.load(Ordering::Relaxed) {
                let change = match count % 2 {
                    0 => Change::To((count / 2 + 1) % VARIANTS.len()),
                    _ => *bad.get(count / 2 % bad.len()).context("no such change")?,
                };
                world.change(change)?;
                let (status, ended) = reload(admin, &world.operator).await?;
                ensure!((status == 200) == change.fails_at().is_none(), "{change:?}: {ended}");
                count += 1;
                tokio::time::sleep(PAUSE).await;
            }
            anyhow::Ok(count)
        };
        let loaded = async {
            let outcome = load::run(&target, load).await;
            stop.store(true, Ordering::Relaxed);
            outcome
        };
        let (outcome, changed) = tokio::join!(loaded, changing);
        moving.push(outcome?.p99);
        reloads += changed?;
    }
    let _ = process.kill();
    let _ = process.wait();
    still.sort_unstable();
    moving.sort_unstable();
    let median = |all: &[Duration]| all.get(all.len() / 2).copied().context("nothing was measured");
    let (still, moving) = (median(&still)?, median(&moving)?);
    println!(
        "p99 at 32 connections: {} µs without reloads, {} µs during {reloads} of them: {:.2} ×",
        still.as_micros(),
        moving.as_micros(),
        moving.as_secs_f64() / still.as_secs_f64()
    );
    Ok(())
}
