//! What a start finds, and what it does about it.

use std::{fs, io::Write as _, os::unix::fs::PermissionsExt as _};

use super::*;
use crate::{Durability, LedgerError, tail, verify};

#[test]
fn the_chain_goes_on_after_a_restart() {
    let dir = folder();
    for round in 1..=3 {
        let ledger = Ledger::open(&config(dir.path())).unwrap();
        fill(&ledger, 2);
        drop(ledger);
        let report = verify(dir.path(), None).unwrap();
        assert!(report.is_sound());
        assert_eq!((report.segments, report.decisions), (1, 2 * round));
    }
}

#[test]
fn only_one_gateway_writes() {
    let dir = folder();
    let ledger = Ledger::open(&config(dir.path())).unwrap();
    assert!(matches!(Ledger::open(&config(dir.path())), Err(LedgerError::InUse { .. })));
    assert!(verify(dir.path(), None).unwrap().in_use);
    drop(ledger);
    assert!(Ledger::open(&config(dir.path())).is_ok());
}

#[test]
fn files_are_their_owners_alone() {
    let dir = folder();
    let inner = dir.path().join("ledger");
    let _ledger = Ledger::open(&config(&inner)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    for entry in fs::read_dir(&inner).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[test]
fn a_torn_last_record_is_cut_and_told() {
    let dir = folder();
    let ledger = Ledger::open(&config(dir.path())).unwrap();
    fill(&ledger, 3);
    drop(ledger);
    let path = Segment::list(dir.path()).unwrap().pop().unwrap().path;
    let sound = fs::read(&path).unwrap();
    let last = sound[..sound.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for cut in [last + 1, last + 40, sound.len() - 1] {
        fs::write(&path, &sound[..cut]).unwrap();
        let report = verify(dir.path(), None).unwrap();
        assert!(report.is_sound(), "a record on its way is no break");
        assert_eq!(report.torn_bytes, (cut - last) as u64);
        let ledger = Ledger::open(&config(dir.path())).unwrap();
        fill(&ledger, 1);
        drop(ledger);
        let report = verify(dir.path(), None).unwrap();
        assert!(report.is_sound(), "{report:?}");
        assert_eq!(report.torn_bytes, 0);
        let opened = tail(dir.path(), 3).unwrap();
        assert_eq!(opened[0].record().unwrap()["details"]["torn_bytes_cut"], (cut - last) as u64);
        assert!(fs::read(&path).unwrap().starts_with(&sound[..last]), "nothing but the torn record was cut");
    }
}

#[test]
fn a_broken_last_record_that_is_whole_is_not_cut() {
    let dir = folder();
    fill(&Ledger::open(&config(dir.path())).unwrap(), 3);
    let path = Segment::list(dir.path()).unwrap().pop().unwrap().path;
    let sound = fs::read(&path).unwrap();
    let mut changed = sound.clone();
    let at = changed.len() - 20;
    changed[at] ^= 1;
    fs::write(&path, &changed).unwrap();
    let error = Ledger::open(&config(dir.path())).unwrap_err();
    assert!(matches!(error, LedgerError::Broken { line: 8, .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), changed, "evidence is left as it is");
    // The same for a garbage line.
    fs::write(&path, &sound).unwrap();
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"garbage\n").unwrap();
    assert!(matches!(Ledger::open(&config(dir.path())), Err(LedgerError::Broken { line: 9, .. })));
}

#[test]
fn killed_between_making_a_segment_and_its_first_record() {
    let dir = folder();
    fill(&Ledger::open(&config(dir.path())).unwrap(), 3);
    let next = verify(dir.path(), None).unwrap().last_seq + 1;
    for torn in ["", "{\"seq\":9,\"pr"] {
        let spare = Segment::at(dir.path(), next);
        fs::write(&spare.path, torn).unwrap();
        assert!(verify(dir.path(), None).unwrap().is_sound());
        fill(&Ledger::open(&config(dir.path())).unwrap(), 3);
        let report = verify(dir.path(), None).unwrap();
        assert!(report.is_sound(), "{report:?}");
        assert_eq!((report.segments, report.decisions), (2, 6));
        fs::remove_file(&spare.path).unwrap();
    }
    // A later segment that does not follow is not ours.
    fs::write(Segment::at(dir.path(), next + 5).path, "").unwrap();
    assert!(matches!(Ledger::open(&config(dir.path())), Err(LedgerError::Broken { .. })));
}

#[test]
fn a_torn_tail_below_a_later_segment_is_a_break() {
    let dir = folder();
    fill(&Ledger::open(&config(dir.path())).unwrap(), 3);
    let next = verify(dir.path(), None).unwrap().last_seq + 1;
    let path = Segment::list(dir.path()).unwrap().pop().unwrap().path;
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"seq\":").unwrap();
    fs::write(Segment::at(dir.path(), next).path, "").unwrap();
    assert!(matches!(Ledger::open(&config(dir.path())), Err(LedgerError::Broken { .. })));
    assert!(!verify(dir.path(), None).unwrap().is_sound());
}

#[test]
fn senseless_bounds_are_refused() {
    let dir = folder();
    let open = |rotate_bytes, max_bytes| {
        Ledger::open(&LedgerConfig { rotate_bytes, max_bytes, ..config(dir.path()) }).map(drop)
    };
    assert!(matches!(open(100, 1 << 30), Err(LedgerError::Config(_))));
    assert!(matches!(open(1 << 20, 1 << 20), Err(LedgerError::Config(_))));
    assert!(open(4096, 8192).is_ok());
}

#[test]
fn interrupted_decisions_are_told_with_their_caps() {
    let dir = folder();
    let ledger = Ledger::open(&config(dir.path())).unwrap();
    let (id, completion) = decide(&ledger);
    fill(&ledger, 1);
    ledger.checkpoint().unwrap();
    let report = verify(dir.path(), None).unwrap();
    assert_eq!((report.under_way, report.interrupted), (1, 0), "a gateway is at it");
    // As if the process were killed here.
    std::mem::forget(completion);
    drop(ledger);
    let shared_is_leaked = verify(dir.path(), None).unwrap();
    assert!(shared_is_leaked.in_use, "the forgotten completion keeps the folder");
    // Another process would see the lock free and the decision open.
    let copy = folder();
    for (path, bytes) in contents(dir.path()) {
        fs::write(copy.path().join(path.file_name().unwrap()), bytes).unwrap();
    }
    for _ in 0..2 {
        let report = verify(copy.path(), None).unwrap();
        assert_eq!((report.under_way, report.interrupted, report.decisions, report.completions), (0, 1, 2, 1));
        let one = &report.interrupted_list[0];
        assert_eq!((one.id, one.agent.as_ref().unwrap().as_str()), (id, "support-bot"));
        assert_eq!(one.caps.unwrap().max_rows, 500);
        // The same after the next start.
        drop(Ledger::open(&config(copy.path())).unwrap());
    }
}

#[test]
fn a_dropped_completion_reads_as_cancelled_with_what_had_left() {
    let dir = folder();
    let ledger = Ledger::open(&config(dir.path())).unwrap();
    drop(decide(&ledger));
    let (_, mut completion) = decide(&ledger);
    completion.progress(5, 70);
    // It outlives the ledger, and is still written.
    drop(ledger);
    drop(completion);
    let entries = tail(dir.path(), 3).unwrap();
    let (first, second) = (entries[0].record().unwrap(), entries[2].record().unwrap());
    assert_eq!((&first["outcome"], &first["rows"]), (&"cancelled".into(), &serde_json::Value::Null));
    assert_eq!((&second["outcome"], &second["rows"], &second["bytes"]), (&"cancelled".into(), &5.into(), &70.into()));
    assert!(verify(dir.path(), None).unwrap().is_sound());
}

#[test]
fn with_disk_durability_records_are_synced_and_concurrent_callers_share_a_sync() {
    let dir = folder();
    let config = LedgerConfig {
        durability: Durability::Disk,
        rotate_bytes: 64 << 10,
        max_bytes: 256 << 20,
        ..config(dir.path())
    };
    let ledger = Arc::new(Ledger::open(&config).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for _ in 0..64 {
            let ledger = Arc::clone(&ledger);
            tasks.push(tokio::spawn(async move {
                let sample = Sample::new();
                let decision = sample.decision();
                let (item, completion) = ledger.record_durable(5, &decision).await.unwrap().into_parts();
                assert_eq!(item, 5);
                completion.finish(whole(1));
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
    fill(&ledger, 2);
    drop(ledger);
    let report = verify(dir.path(), None).unwrap();
    assert!(report.is_sound());
    assert_eq!((report.decisions, report.completions), (66, 66));
}
