//! `kill -9` at every step: with a marker nothing is lost and nothing done twice; without one nothing is done twice, and
//! what is doubtful is `unknown`.

use std::process::{Command, Stdio};

use super::*;
use crate::fault::DIE_AT;

const DIR: &str = "MOUNTGATE_TEST_HOLDS";

#[test]
#[ignore = "the child process of the tests here"]
fn child() {
    let dir = std::env::var_os(DIR).expect("only as a child process");
    let world = World::open(Path::new(&dir), std::env::var_os("MOUNTGATE_TEST_MARKERS").is_some());
    let waiting = world.approvals.list(&world.person("alice"), &[State::Pending]).unwrap();
    let id = waiting[0].header.id;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let state = runtime.block_on(world.approve("alice", &id)).unwrap();
    assert_eq!(state, State::Executed);
}

/// Kills a gateway that approves and executes at that place; false where it came to its end.
fn dies(dir: &Path, markers: bool, place: &str) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "tests::killed::child", "--ignored", "--nocapture", "--test-threads=1"]);
    if markers {
        command.env("MOUNTGATE_TEST_MARKERS", "1");
    }
    let ended = command.env(DIR, dir).env(DIE_AT, place).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    !ended.success()
}

fn at_every_step(markers: bool, check: impl AsyncFn(&World, &HoldId, &str)) {
    const PLACES: [&str; 8] = [
        "before commit",
        "after commit",
        "after record",
        "after approval",
        "before execution",
        "before the store's commit",
        "after the store's commit",
        "after end",
    ];
    let mut kills = 0;
    for place in PLACES {
        for visit in 1.. {
            let (folder, id) = {
                let mut world = World::with_markers(markers);
                let id = world.approvals.hold(world.counting()).unwrap();
                (world._folder.take().unwrap(), id)
            };
            let place = format!("{place}#{visit}");
            if !dies(folder.path(), markers, &place) {
                break;
            }
            kills += 1;
            let world = World::open(folder.path(), markers);
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                world.approvals.tend().await.unwrap();
                world.agrees(&id);
                check(&world, &id, &place).await;
                world.agrees(&id);
            });
        }
    }
    // Three transactions and three records at the least, and each place of its own.
    assert!(kills >= 14, "{kills}");
}

#[test]
fn with_a_marker_nothing_is_lost_and_nothing_done_twice() {
    at_every_step(true, async |world, id, place| {
        if world.state(id) == State::Pending {
            assert_eq!(world.done(), 0, "{place}: none without approval");
            world.approve("alice", id).await.unwrap();
        }
        assert_eq!((world.state(id), world.done()), (State::Executed, 1), "{place}");
        world.approvals.tend().await.unwrap();
        assert_eq!((world.state(id), world.done()), (State::Executed, 1), "{place}");
    });
}

#[test]
fn without_a_marker_nothing_is_done_twice_and_what_is_doubtful_is_unknown() {
    let doubtful = AtomicU32::new(0);
    at_every_step(false, async |world, id, place| {
        match world.state(id) {
            State::Pending => {
                assert_eq!(world.done(), 0, "{place}: none without approval");
                world.approve("alice", id).await.unwrap();
                assert_eq!((world.state(id), world.done()), (State::Executed, 1), "{place}");
            }
            State::Executed => assert_eq!(world.done(), 1, "{place}"),
            State::Unknown => {
                doubtful.fetch_add(1, Ordering::SeqCst);
                assert!(world.done() <= 1, "{place}");
                world.approvals.tend().await.unwrap();
                assert!(world.approve("alice", id).await.is_err());
            }
            other => panic!("{place}: {other:?}"),
        }
        assert!(world.done() <= 1, "{place}");
    });
    assert!(doubtful.load(Ordering::SeqCst) >= 3, "a kill before, in and after the store's commit");
}
