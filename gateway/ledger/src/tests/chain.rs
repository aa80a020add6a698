//! What verification notices.

use std::fs;

use super::*;
use crate::{Checkpoint, CheckpointState, PublicKey, line::Chain, verify};

fn one_segment(count: usize) -> (TempDir, std::path::PathBuf, Checkpoint) {
    let dir = folder();
    let ledger = Ledger::open(&config(dir.path())).unwrap();
    fill(&ledger, count);
    let checkpoint = ledger.checkpoint().unwrap();
    drop(ledger);
    let path = Segment::list(dir.path()).unwrap().pop().unwrap().path;
    (dir, path, checkpoint)
}

fn key() -> PublicKey {
    PublicKey::of_secret(&SIGNING)
}

#[test]
fn a_sound_ledger_verifies() {
    let (dir, _, checkpoint) = one_segment(10);
    let report = verify(dir.path(), Some((&checkpoint, &key()))).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.checkpoint, CheckpointState::Holds);
    assert_eq!((report.decisions, report.completions, report.interrupted), (10, 10, 0));
    // An anchor, the opening, ten decisions, ten completions.
    assert_eq!((report.first_seq, report.last_seq, report.records), (1, 22, 22));
    assert!(!report.in_use);
}

#[test]
fn a_change_of_any_byte_is_noticed() {
    let (dir, path, _) = one_segment(3);
    let sound = fs::read(&path).unwrap();
    let lines = sound.iter().filter(|byte| **byte == b'\n').count();
    let mut at_line = 1;
    for index in 0..sound.len() - 1 {
        if sound[index] == b'\n' {
            at_line += 1;
        }
        // Every byte of the first two lines, and a third of the others.
        if at_line > 2 && index % 3 != 0 {
            continue;
        }
        let mut changed = sound.clone();
        changed[index] ^= 1;
        fs::write(&path, &changed).unwrap();
        let report = verify(dir.path(), None).unwrap();
        let found = report.first_break.unwrap_or_else(|| panic!("byte {index} of line {at_line} was not noticed"));
        // A line feed that is gone joins two lines, a byte that becomes one splits a line.
        assert!(found.line.abs_diff(at_line) <= 1, "byte {index} of line {at_line}: {found:?}");
        assert!(found.line <= lines as u64);
    }
}

#[test]
fn a_line_that_is_removed_repeated_or_moved_is_noticed() {
    let (dir, path, _) = one_segment(5);
    let sound = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = sound.lines().collect();
    let broken_at = |lines: Vec<&str>| {
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        let found = verify(dir.path(), None).unwrap().first_break.expect("a break");
        (found.line, found.seq)
    };
    assert_eq!(broken_at([&lines[..4], &lines[5..]].concat()), (5, 5));
    assert_eq!(broken_at([&lines[..5], &lines[4..]].concat()), (6, 6));
    let mut swapped = lines.clone();
    swapped.swap(4, 5);
    assert_eq!(broken_at(swapped), (5, 5));
    let spaced = lines[4].replacen(':', ": ", 1);
    let mut respelt = lines.clone();
    respelt[4] = &spaced;
    assert_eq!(broken_at(respelt), (5, 5), "another spelling of the same JSON");
}

#[test]
fn a_cut_tail_shows_only_against_a_checkpoint() {
    let (dir, path, checkpoint) = one_segment(5);
    let sound = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = sound.lines().collect();
    fs::write(&path, lines[..8].join("\n") + "\n").unwrap();
    let report = verify(dir.path(), None).unwrap();
    assert!(report.is_sound(), "the chain alone can't tell");
    assert_eq!(report.checkpoint, CheckpointState::None);
    let report = verify(dir.path(), Some((&checkpoint, &key()))).unwrap();
    assert!(!report.is_sound());
    assert_eq!(report.checkpoint, CheckpointState::TailCut { wanted: 12, last: 8 });
}

#[test]
fn a_whole_rewrite_shows_against_a_checkpoint() {
    let (dir, path, checkpoint) = one_segment(5);
    // The attacker knows the format: every record but one is kept, and the chain is made anew.
    let mut chain = Chain::start();
    let mut forged = Vec::new();
    for line in fs::read(&path).unwrap().split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let body = crate::line::Line::parse(line).unwrap().body.to_vec();
        let body = String::from_utf8(body).unwrap().replace("support-bot", "another-bot");
        chain.append(body.as_bytes(), &mut forged);
    }
    fs::write(&path, forged).unwrap();
    assert!(verify(dir.path(), None).unwrap().is_sound(), "the chain alone can't tell");
    let report = verify(dir.path(), Some((&checkpoint, &key()))).unwrap();
    assert_eq!(report.checkpoint, CheckpointState::Rewritten { seq: 12 });
    assert!(!report.is_sound());
}

#[test]
fn a_checkpoint_of_another_key_or_with_another_content_proves_nothing() {
    let (dir, _, checkpoint) = one_segment(2);
    let invalid = |checkpoint: &Checkpoint, key: &PublicKey| {
        let report = verify(dir.path(), Some((checkpoint, key))).unwrap();
        assert!(!report.is_sound());
        matches!(report.checkpoint, CheckpointState::Invalid { .. })
    };
    assert!(invalid(&checkpoint, &PublicKey::of_secret(&[1; 32])));
    let json = serde_json::to_value(&checkpoint).unwrap();
    for (field, other) in [
        ("seq", serde_json::json!(1)),
        ("time_ms", serde_json::json!(5)),
        ("hash", serde_json::json!("00".repeat(32))),
        ("signature", serde_json::json!("00".repeat(64))),
        ("version", serde_json::json!(2)),
        ("key", serde_json::json!(PublicKey::of_secret(&[1; 32]))),
    ] {
        let mut changed = json.clone();
        changed[field] = other;
        let changed: Checkpoint = serde_json::from_value(changed).unwrap();
        assert!(invalid(&changed, &key()), "{field}");
    }
    // It survives being kept as JSON.
    let kept: Checkpoint = serde_json::from_str(&serde_json::to_string(&checkpoint).unwrap()).unwrap();
    assert!(verify(dir.path(), Some((&kept, &key()))).unwrap().is_sound());
}

fn rotated(max_bytes: u64) -> (TempDir, Checkpoint, Checkpoint) {
    let dir = folder();
    let ledger = Ledger::open(&LedgerConfig { rotate_bytes: 16 << 10, max_bytes, ..config(dir.path()) }).unwrap();
    fill(&ledger, 2);
    let early = ledger.checkpoint().unwrap();
    fill(&ledger, 120);
    let late = ledger.checkpoint().unwrap();
    drop(ledger);
    (dir, early, late)
}

#[test]
fn rotation_keeps_one_chain() {
    let (dir, early, late) = rotated(1 << 30);
    let segments = Segment::list(dir.path()).unwrap();
    assert!(segments.len() > 5, "{}", segments.len());
    assert!(segments.iter().all(|segment| fs::metadata(&segment.path).unwrap().len() <= 16 << 10));
    for checkpoint in [early, late] {
        let report = verify(dir.path(), Some((&checkpoint, &key()))).unwrap();
        assert!(report.is_sound(), "{report:?}");
        assert_eq!((report.first_seq, report.decisions, report.completions), (1, 122, 122));
    }
}

#[test]
fn the_oldest_segments_are_dropped_and_the_ledger_says_so() {
    let (dir, early, late) = rotated(64 << 10);
    let total: usize = contents(dir.path()).values().map(Vec::len).sum();
    assert!(total <= 64 << 10, "{total}");
    let report = verify(dir.path(), Some((&late, &key()))).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert!(report.first_seq > 1);
    assert_eq!(report.checkpoint, CheckpointState::Holds);
    let report = verify(dir.path(), Some((&early, &key()))).unwrap();
    assert!(!report.is_sound(), "a checkpoint of what is gone must not pass for one of what is there");
    assert!(matches!(report.checkpoint, CheckpointState::Dropped { .. }));
    // The chain goes on after a restart, with the same beginning.
    let ledger = Ledger::open(&LedgerConfig { rotate_bytes: 16 << 10, max_bytes: 64 << 10, ..config(dir.path()) });
    fill(&ledger.unwrap(), 3);
    assert!(verify(dir.path(), Some((&late, &key()))).unwrap().is_sound());
}

#[test]
fn a_stolen_segment_is_noticed_wherever_it_was() {
    let (dir, ..) = rotated(64 << 10);
    let all = contents(dir.path());
    for (path, bytes) in &all {
        fs::remove_file(path).unwrap();
        let report = verify(dir.path(), None).unwrap();
        // The last one too: the anchors before it promise records that were dropped after it was begun.
        assert!(!report.is_sound(), "{}", path.display());
        fs::write(path, bytes).unwrap();
    }
    assert!(verify(dir.path(), None).unwrap().is_sound());
}
