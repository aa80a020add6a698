//! How long a record takes. Run with `--release -- --ignored --nocapture speed`.

use std::time::Instant;

use super::*;

#[test]
#[ignore = "a measurement, not a check; run it by hand in release"]
fn record_and_complete() {
    let dir = folder();
    let ledger = Ledger::open(&LedgerConfig { max_bytes: 1 << 30, ..config(dir.path()) }).unwrap();
    let sample = Sample::new();
    for threads in [1, 2, 8] {
        let rounds = 40_000 / threads;
        let before = ledger.health();
        let start = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for _ in 0..rounds {
                        ledger.record((), &sample.decision()).unwrap().into_parts().1.finish(whole(1));
                    }
                });
            }
        });
        let took = start.elapsed();
        let after = ledger.health();
        let records = threads * rounds;
        println!(
            "{threads} threads: {:.2} µs a decision with its completion, {} bytes of both",
            took.as_secs_f64() * 1e6 / records as f64,
            (after.bytes - before.bytes) / records as u64
        );
    }
    let start = Instant::now();
    let mut bytes = 0;
    for _ in 0..40_000 {
        bytes += ledger.shared().spell(&sample.decision()).len();
    }
    println!("spelling: {:.2} µs for {} bytes", start.elapsed().as_secs_f64() * 1e6 / 40_000.0, bytes / 40_000);
    let start = Instant::now();
    for _ in 0..40_000 {
        std::hint::black_box(DecisionId::new());
    }
    println!("an id: {:.2} µs", start.elapsed().as_secs_f64() * 1e6 / 40_000.0);
}
