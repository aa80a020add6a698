//! How long a record takes. Run with `--release -- --ignored --nocapture speed`.

use super::*;

/// Microseconds that this thread has been on a processor: the machine may have other work.
fn busy() -> f64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e3
}

fn measure<T>(what: &str, mut work: impl FnMut() -> T) {
    const ROUNDS: u32 = 40_000;
    let before = busy();
    for _ in 0..ROUNDS {
        std::hint::black_box(work());
    }
    println!("{what}: {:.2} µs of CPU", (busy() - before) / f64::from(ROUNDS));
}

#[test]
#[ignore = "a measurement, not a check; run it by hand in release"]
fn record_and_complete() {
    let dir = folder();
    let ledger = Ledger::open(&LedgerConfig { max_bytes: 1 << 30, ..config(dir.path()) }).unwrap();
    let sample = Sample::new();
    let spelt = ledger.shared().spell(&sample.decision());
    println!("a decision is {} bytes", spelt.len());
    let decision = sample.decision();
    measure("spelling", || ledger.shared().spell(&decision));
    measure("an id", DecisionId::new);
    let mut chain = crate::line::Chain::start();
    let mut line = Vec::new();
    measure("chaining", || {
        line.clear();
        chain.append(&spelt, &mut line);
    });
    let mut file = fs::File::create(dir.path().join("plain")).unwrap();
    measure("a bare write", || std::io::Write::write_all(&mut file, &line).unwrap());
    measure("a decision", || ledger.record((), &decision).unwrap());
    measure("a decision and its completion", || {
        ledger.record((), &decision).unwrap().into_parts().1.finish(whole(1));
    });
}
