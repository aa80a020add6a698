//! `kill -9` at any moment: every decision that was promised is in the ledger.

use std::{
    collections::HashSet,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use super::*;
use crate::{Selection, export, verify};

const DIR: &str = "MOUNTGATE_TEST_LEDGER";

fn small(dir: &Path) -> LedgerConfig {
    LedgerConfig { rotate_bytes: 256 << 10, ..config(dir) }
}

#[test]
#[ignore = "the child process of `every_promise_survives_kill_9`"]
fn child() {
    let dir = std::env::var_os(DIR).expect("only as a child process");
    let ledger = Ledger::open(&small(Path::new(&dir))).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let (id, completion) = decide(&ledger);
                    // Standard output is flushed at each line: what the parent reads was promised before.
                    println!("promised {id}");
                    completion.finish(whole(1));
                }
            });
        }
    });
}

#[test]
fn every_promise_survives_kill_9() {
    let dir = folder();
    let mut promised: HashSet<DecisionId> = HashSet::new();
    for round in 0..12_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::killed::child", "--ignored", "--nocapture", "--test-threads=1"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let reader = std::thread::spawn(move || {
            let lines = output.split(b'\n').map_while(Result::ok);
            lines
                .filter_map(|line| String::from_utf8(line).ok()?.split("promised ").nth(1)?.parse::<DecisionId>().ok())
                .collect::<Vec<_>>()
        });
        std::thread::sleep(Duration::from_millis(40 + 13 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        promised.extend(reader.join().unwrap());

        let report = verify(dir.path(), None).unwrap();
        assert!(report.is_sound(), "round {round}: {report:?}");
        assert!(!report.in_use);
        assert_eq!(report.under_way, 0);
    }
    assert!(promised.len() > 100, "{} promises", promised.len());
    let there: HashSet<DecisionId> =
        export(dir.path(), Selection { kind: Some("decision".into()), ..Selection::default() })
            .unwrap()
            .map(|entry| entry.unwrap().decision().unwrap())
            .collect();
    let missing = promised.difference(&there).count();
    assert_eq!(missing, 0, "of {}", promised.len());
}
