//! Tail, follow and export, also under a writer.

use mountgate_core::Code;

use super::*;
use crate::{Follow, RefusalRecord, Selection, export, tail, verify};

fn refuse(ledger: &Ledger, agent: &str, time_ms: i64) {
    ledger
        .refuse(&RefusalRecord {
            id: DecisionId::new(),
            time_ms,
            generation: 1,
            agent: &agent.into(),
            session: None,
            mount: Some(&"support".into()),
            door: Door::Mcp,
            code: Code::NotInScope,
            message: "no relation `salaries` in scope",
            statement: Some("SELECT * FROM salaries"),
            plugin: None,
            request: None,
            verdict: None,
        })
        .unwrap();
}

#[test]
fn tail_gives_the_last_records_across_segments() {
    let dir = folder();
    let config = LedgerConfig { rotate_bytes: 16 << 10, ..config(dir.path()) };
    let ledger = Ledger::open(&config).unwrap();
    fill(&ledger, 100);
    let last = ledger.checkpoint().unwrap().seq();
    for count in [0, 1, 5, 57, 150] {
        let seqs: Vec<u64> = tail(dir.path(), count).unwrap().iter().map(crate::Entry::seq).collect();
        assert_eq!(seqs, (last + 1 - count as u64..=last).collect::<Vec<_>>());
    }
    assert_eq!(tail(dir.path(), 1_000_000).unwrap().len() as u64, last);
}

#[test]
fn export_selects_by_everything_given() {
    let dir = folder();
    let ledger = Ledger::open(&config(dir.path())).unwrap();
    fill(&ledger, 3);
    refuse(&ledger, "other-bot", 1_000);
    refuse(&ledger, "other-bot", 2_000);
    refuse(&ledger, "support-bot", 1_500);
    ledger.admin(&admin("config.reload")).unwrap();
    drop(ledger);
    let count = |selection: Selection| export(dir.path(), selection).unwrap().map(Result::unwrap).count();
    let all = Selection::default();
    assert_eq!(count(all.clone()), 12);
    assert_eq!(
        count(Selection { agent: Some("support-bot".into()), ..all.clone() }),
        7,
        "decisions and completions too"
    );
    assert_eq!(count(Selection { agent: Some("other-bot".into()), ..all.clone() }), 2);
    assert_eq!(count(Selection { mount: Some("support".into()), ..all.clone() }), 9);
    assert_eq!(count(Selection { mount: Some("sales".into()), ..all.clone() }), 0);
    assert_eq!(count(Selection { code: Some("not_in_scope".into()), ..all.clone() }), 3);
    assert_eq!(count(Selection { kind: Some("admin".into()), ..all.clone() }), 2);
    let span = Selection { from_ms: Some(1_000), until_ms: Some(2_000), ..all };
    assert_eq!(count(span.clone()), 2);
    assert_eq!(count(Selection { agent: Some("support-bot".into()), ..span }), 1);
    for entry in export(dir.path(), Selection::default()).unwrap() {
        let entry = entry.unwrap();
        let json: serde_json::Value = serde_json::from_str(entry.line()).unwrap();
        assert_eq!(json["record"]["kind"], entry.kind());
    }
}

#[test]
fn follow_sees_each_record_once_across_rotation() {
    let dir = folder();
    let config = LedgerConfig { rotate_bytes: 16 << 10, ..config(dir.path()) };
    let ledger = Ledger::open(&config).unwrap();
    fill(&ledger, 5);
    ledger.checkpoint().unwrap();
    let mut from_start = Follow::from_start(dir.path());
    let mut from_end = Follow::from_end(dir.path()).unwrap();
    let before = tail(dir.path(), 1).unwrap()[0].seq();
    let mut seen = Vec::new();
    for _ in 0..10 {
        fill(&ledger, 10);
        seen.extend(from_end.poll().unwrap().iter().map(crate::Entry::seq));
    }
    let last = ledger.checkpoint().unwrap().seq();
    let mut all = Vec::new();
    for (follow, seen) in [(&mut from_end, &mut seen), (&mut from_start, &mut all)] {
        loop {
            let entries = follow.poll().unwrap();
            if entries.is_empty() {
                break;
            }
            seen.extend(entries.iter().map(crate::Entry::seq));
        }
    }
    assert_eq!(seen, (before + 1..=last).collect::<Vec<_>>());
    assert_eq!(all, (1..=last).collect::<Vec<_>>());
}

#[test]
fn readers_are_never_wrong_while_writers_write_and_drop() {
    let dir = folder();
    let config = LedgerConfig { rotate_bytes: 32 << 10, max_bytes: 128 << 10, ..config(dir.path()) };
    let ledger = Ledger::open(&config).unwrap();
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3).map(|_| scope.spawn(|| fill(&ledger, 400))).collect();
        let reader = scope.spawn(|| {
            let mut rounds = 0;
            while !over.load(std::sync::atomic::Ordering::Relaxed) || rounds < 3 {
                let report = verify(dir.path(), None).unwrap();
                assert!(report.is_sound(), "{report:?}");
                assert!(report.in_use);
                assert!(export(dir.path(), Selection::default()).unwrap().all(|entry| entry.is_ok()));
                let seqs: Vec<u64> = tail(dir.path(), 10).unwrap().iter().map(crate::Entry::seq).collect();
                assert!(seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{seqs:?}");
                rounds += 1;
            }
        });
        for writer in writers {
            writer.join().unwrap();
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        reader.join().unwrap();
    });
}

#[test]
fn concurrent_writers_make_one_chain_of_all_their_records() {
    let dir = folder();
    let ledger = Ledger::open(&config(dir.path())).unwrap();
    let ids: std::collections::HashSet<DecisionId> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8).map(|_| scope.spawn(|| fill(&ledger, 250))).collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    assert_eq!(ids.len(), 2_000);
    drop(ledger);
    let report = verify(dir.path(), None).unwrap();
    assert!(report.is_sound());
    assert_eq!((report.decisions, report.completions, report.interrupted), (2_000, 2_000, 0));
    let there = export(dir.path(), Selection { kind: Some("decision".into()), ..Selection::default() }).unwrap();
    assert_eq!(there.map(|entry| entry.unwrap().decision().unwrap()).collect::<std::collections::HashSet<_>>(), ids);
}

#[test]
fn a_completion_is_written_soon_without_company() {
    let dir = folder();
    let ledger = Ledger::open(&config(dir.path())).unwrap();
    decide(&ledger).1.finish(whole(3));
    for _ in 0..100 {
        if tail(dir.path(), 1).unwrap()[0].kind() == "completion" {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("the completion was not written in two seconds");
}
