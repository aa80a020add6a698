//! What happens when the ledger can't be written.

use std::fs::{self, File, OpenOptions};

use super::*;
use crate::{LedgerError, tail, verify};

/// Lets writes fail: a handle that is open for reading only.
fn breaks(ledger: &Ledger, dir: &Path) -> File {
    let path = Segment::list(dir).unwrap().pop().unwrap().path;
    ledger.shared().with_writer(|writer| writer.replace_file(File::open(path).unwrap()))
}

fn mends(ledger: &Ledger, file: File) {
    ledger.shared().with_writer(|writer| drop(writer.replace_file(file)));
}

fn try_record(ledger: &Ledger) -> Result<(), LedgerError> {
    let sample = Sample::new();
    ledger.record((), &sample.decision()).map(drop)
}

#[test]
fn a_failed_write_refuses_and_the_next_good_one_goes_on_without_a_gap() {
    let dir = folder();
    let ledger = Ledger::open(&config(dir.path())).unwrap();
    fill(&ledger, 2);
    let file = breaks(&ledger, dir.path());
    for _ in 0..3 {
        assert!(try_record(&ledger).is_err());
    }
    let health = ledger.health();
    assert!(!health.writable && health.trouble.is_some() && health.lost >= 3, "{health:?}");
    mends(&ledger, file);
    try_record(&ledger).unwrap();
    let health = ledger.health();
    assert!(health.writable && health.trouble.is_none());
    drop(ledger);
    let report = verify(dir.path(), None).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.decisions, 3);
    let entries = tail(dir.path(), 20).unwrap();
    let told = entries.iter().find(|entry| entry.record().unwrap()["act"] == "ledger.lost").expect("the loss is told");
    assert!(told.record().unwrap()["details"]["records"].as_u64().unwrap() >= 3);
}

#[test]
fn a_torn_write_is_cut_before_anything_is_appended() {
    let dir = folder();
    let ledger = Ledger::open(&config(dir.path())).unwrap();
    fill(&ledger, 2);
    let file = breaks(&ledger, dir.path());
    assert!(try_record(&ledger).is_err());
    // As a full disk leaves it: a part of the batch is there.
    let path = Segment::list(dir.path()).unwrap().pop().unwrap().path;
    std::io::Write::write_all(&mut OpenOptions::new().append(true).open(path).unwrap(), b"{\"seq\":99,\"pre").unwrap();
    // Cutting fails too: nothing is appended behind the torn part.
    assert!(try_record(&ledger).is_err());
    mends(&ledger, file);
    try_record(&ledger).unwrap();
    drop(ledger);
    let report = verify(dir.path(), None).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.decisions, report.torn_bytes), (3, 0));
}

#[test]
fn an_idle_ledger_heals_by_itself() {
    let dir = folder();
    let ledger = Ledger::open(&config(dir.path())).unwrap();
    let file = breaks(&ledger, dir.path());
    assert!(try_record(&ledger).is_err());
    assert!(!ledger.health().writable);
    mends(&ledger, file);
    // A gateway that says `unhealthy` may get no request that would try.
    for _ in 0..100 {
        if ledger.health().writable {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(ledger.health().writable);
}

#[test]
fn a_ledger_whose_file_is_taken_away_closes() {
    type Act = fn(&Path);
    let acts: [(&str, Act); 3] = [
        ("removed", |path| fs::remove_file(path).unwrap()),
        ("moved", |path| fs::rename(path, path.with_extension("1")).unwrap()),
        ("cut", |path| OpenOptions::new().write(true).open(path).unwrap().set_len(10).unwrap()),
    ];
    for (what, act) in acts {
        let dir = folder();
        let ledger = Ledger::open(&config(dir.path())).unwrap();
        fill(&ledger, 2);
        act(&Segment::list(dir.path()).unwrap().pop().unwrap().path);
        let mut refused = false;
        for _ in 0..100 {
            refused = try_record(&ledger).is_err();
            if refused {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        assert!(refused, "{what}");
        assert!(!ledger.health().writable);
        // For good: records after a gap would be worse than none.
        assert!(matches!(try_record(&ledger), Err(LedgerError::Closed { .. })), "{what}");
    }
}

#[test]
fn a_record_past_all_measure_is_refused() {
    let dir = folder();
    let ledger = Ledger::open(&config(dir.path())).unwrap();
    let huge = "x".repeat(3 << 20);
    let record = AdminRecord { details: serde_json::json!({ "huge": huge }), ..admin("huge") };
    assert!(matches!(ledger.admin(&record), Err(LedgerError::TooLarge(_))));
    fill(&ledger, 1);
    drop(ledger);
    assert!(verify(dir.path(), None).unwrap().is_sound());
}

#[test]
fn with_writes_failing_now_and_then_no_record_is_promised_that_is_not_there() {
    let dir = folder();
    let ledger = Ledger::open(&config(dir.path())).unwrap();
    let promised = parking_lot::Mutex::new(Vec::new());
    let refused = std::sync::atomic::AtomicU64::new(0);
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let sample = Sample::new();
                    for _ in 0..1500 {
                        let decision = sample.decision();
                        match ledger.record((), &decision) {
                            Ok(recorded) => {
                                promised.lock().push(decision.id);
                                recorded.into_parts().1.finish(whole(1));
                            }
                            Err(_) => {
                                refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                            }
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                let file = breaks(&ledger, dir.path());
                std::thread::sleep(std::time::Duration::from_micros(300));
                mends(&ledger, file);
                std::thread::sleep(std::time::Duration::from_micros(700));
            }
        });
        for writer in writers {
            writer.join().unwrap();
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    drop(ledger);
    assert!(refused.into_inner() > 0, "the test must have failed some writes");
    let report = verify(dir.path(), None).unwrap();
    assert!(report.is_sound(), "{report:?}");
    let there: std::collections::HashSet<DecisionId> = crate::export(dir.path(), crate::Selection::default())
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.kind() == "decision")
        .filter_map(|entry| entry.decision())
        .collect();
    let promised = promised.into_inner();
    assert!(promised.len() > 100);
    assert!(promised.iter().all(|id| there.contains(id)));
}
