//! A process that is killed at each step of a refresh, in turn: whoever opens its folder after that finds the old set or
//! the new one, whole, and the next refresh comes to the new one.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::process::{Signal, getpid, kill_process};

use crate::{
    Address, Manifest, Publication, Repository, SecretKey, Store, StoreConfig,
    repository::{Change, Delegate, Init, Keyring, Lifetimes, Role},
};

/// Which step the child is killed at, from 1.
const STEP: &str = "MOUNTGATE_TRUST_KILLED_AT";
/// Where it works.
const FOLDER: &str = "MOUNTGATE_TRUST_KILLED_IN";

static STEPS: AtomicU64 = AtomicU64::new(0);

/// A step of a refresh is done: here the child dies, without a chance to tidy up.
pub(crate) fn step(_done: &str) {
    let Some(last) = std::env::var(STEP).ok().and_then(|step| step.parse::<u64>().ok()) else { return };
    if STEPS.fetch_add(1, Ordering::SeqCst) + 1 == last {
        kill_process(getpid(), Signal::KILL).unwrap();
    }
}

fn config(folder: &Path) -> StoreConfig {
    StoreConfig::new(folder.join("store"), Address::Folder(folder.join("repository")), folder.join("root.json"))
}

/// A repository, and whoever signs for it.
struct Publisher {
    folder: PathBuf,
    repository: Repository,
    keyring: Keyring,
}

impl Publisher {
    fn new(at: &Path) -> Self {
        let key = || SecretKey::generate().unwrap();
        let (root, targets, snapshot, timestamp, acme) = (key(), key(), key(), key(), key());
        let mut keyring = Keyring::of([&root, &targets, &snapshot, &timestamp, &acme].into_iter().cloned());
        let init =
            Init { root: vec![root], threshold: 1, targets, snapshot, timestamp, lifetimes: Lifetimes::default() };
        let folder = at.join("repository");
        let mut repository = Repository::init(&folder, init).unwrap();
        repository.delegate(&"acme".parse().unwrap(), &[Delegate::Secret(acme)], 1, &mut keyring).unwrap();
        std::fs::copy(folder.join("metadata/1.root.json"), at.join("root.json")).unwrap();
        Self { folder, repository, keyring }
    }

    fn publish(&mut self, name: &str, release: u64) {
        let component = bytes(name, release);
        let manifest = Manifest::new(name.parse().unwrap(), release, &component, "0.2.0");
        self.repository.publish(&Publication { manifest, component }, &mut self.keyring).unwrap();
    }

    /// New releases, a plugin that is new, one that is revoked, and other keys.
    fn go_on(&mut self) {
        let timestamp = SecretKey::generate().unwrap();
        self.keyring.add(timestamp.clone());
        let change = Change { add: vec![timestamp.public()], remove: vec![], threshold: None };
        self.repository.rotate(Role::Timestamp, &change, &mut self.keyring).unwrap();
        for (name, release) in [("acme/a", 2), ("acme/b", 2), ("acme/c", 1)] {
            self.publish(name, release);
        }
        self.repository.revoke(&"acme/b@2".parse().unwrap(), "leaks", &mut self.keyring).unwrap();
    }
}

fn bytes(name: &str, release: u64) -> Vec<u8> {
    format!("{name} {release} ").repeat(1_000).into_bytes()
}

/// The set that is in the folder, its version, where it is whole; every file of it is read.
fn whole(store: &Store) -> Option<u64> {
    let set = store.current()?;
    for plugin in set.plugins.values() {
        if plugin.revoked.is_none() {
            assert_eq!(plugin.component().unwrap(), bytes(plugin.name.as_str(), plugin.manifest.release));
        }
    }
    Some(set.version)
}

/// Kills a child at each step of the refresh of what `prepare` leaves in a folder, and says how many there were.
fn kill_at_each_step(prepare: impl Fn(&Path) -> (Option<u64>, u64)) -> u64 {
    for at in 1.. {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = prepare(folder.path());
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::killed::the_child_refreshes", "--ignored", "--nocapture"])
            .env(STEP, at.to_string())
            .env(FOLDER, folder.path())
            .output()
            .unwrap();
        let is_over = child.status.success();
        let store = Store::open(config(folder.path())).unwrap_or_else(|error| panic!("step {at}: {error}"));
        let found = whole(&store);
        if is_over {
            assert_eq!(found, Some(new), "{}", String::from_utf8_lossy(&child.stdout));
            return at - 1;
        }
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.status), Some(9), "step {at}: {child:?}");
        assert!(found == old || found == Some(new), "step {at}: neither old nor new but {found:?}");
        assert!(store.status().failure.is_none(), "step {at}: {:?}", store.status().failure);
        // What the dead one left behind is in nobody's way.
        store.refresh().unwrap_or_else(|error| panic!("step {at}: {error}"));
        assert_eq!(whole(&store), Some(new), "step {at}");
        let left = std::fs::read_dir(folder.path().join("store")).unwrap().count();
        assert!(left <= 6, "step {at}: {left} files and folders are left");
    }
    unreachable!("there is an end of steps")
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

#[test]
fn killed_at_any_step_of_a_refresh_the_set_is_the_old_or_the_new_one_whole() {
    let scratch = tempfile::tempdir().unwrap();
    let mut publisher = Publisher::new(scratch.path());
    publisher.publish("acme/a", 1);
    publisher.publish("acme/b", 1);
    let store = Store::open(config(scratch.path())).unwrap();
    store.refresh().unwrap();
    let old = whole(&store).unwrap();
    // A set before that one, so that there is an old folder to be removed too.
    publisher.publish("acme/b", 2);
    store.refresh().unwrap();
    let (older, old) = (old, whole(&store).unwrap());
    assert!(older < old);
    publisher.go_on();
    let new = publisher.repository.version();
    let steps = kill_at_each_step(|folder| {
        for part in ["repository", "store", "root.json"] {
            copy(&scratch.path().join(part), folder);
        }
        (Some(old), new)
    });
    assert!(steps > 60, "{steps} steps are fewer than a refresh has");
    assert!(publisher.folder.is_dir());
}

#[test]
fn killed_at_any_step_of_the_first_refresh_there_is_no_set_or_a_whole_one() {
    let scratch = tempfile::tempdir().unwrap();
    let mut publisher = Publisher::new(scratch.path());
    publisher.publish("acme/a", 1);
    let new = publisher.repository.version();
    let steps = kill_at_each_step(|folder| {
        for part in ["repository", "root.json"] {
            copy(&scratch.path().join(part), folder);
        }
        (None, new)
    });
    assert!(steps > 30, "{steps} steps are fewer than a refresh has");
}

#[test]
#[ignore = "the child of the tests above, which they start"]
fn the_child_refreshes() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    Store::open(config(&folder)).unwrap().refresh().unwrap();
}
