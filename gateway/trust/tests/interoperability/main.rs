//! The reference implementation of TUF, in Python, takes what `mountgate trust` publishes; and a gateway takes what is made
//! with it. `cargo xtask test` installs it and runs these: `MOUNTGATE_TEST_TUF` names a Python that has the package.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use mountgate_core::Digest;
use mountgate_trust::{
    Address, Kind, Manifest, Publication, Refreshed, Repository, SecretKey, Store, StoreConfig,
    repository::{Change, Delegate, Init, Keyring, Lifetimes, Role},
};

fn peer(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let python = std::env::var_os("MOUNTGATE_TEST_TUF")
        .unwrap_or_else(|| panic!("MOUNTGATE_TEST_TUF names no Python with `tuf`: run `cargo xtask test`"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interoperability/peer.py");
    let mut command = Command::new(python);
    command.arg(script).args(arguments.iter().map(|argument| argument.as_ref())).env("PYTHONDONTWRITEBYTECODE", "1");
    command.output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Our repository, and the folder of a Python client that trusts its first root.
struct Published {
    folder: tempfile::TempDir,
    repository: Repository,
    keyring: Keyring,
}

impl Published {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = || SecretKey::generate().unwrap();
        let (root, targets, snapshot, timestamp) = ([key(), key(), key()], key(), key(), key());
        let (acme, globex) = (key(), key());
        let all = root.iter().chain([&targets, &snapshot, &timestamp, &acme, &globex]).cloned();
        let mut keyring = Keyring::of(all);
        let at = folder.path().join("repository");
        let lifetimes = Lifetimes::default();
        let init = Init { root: root.to_vec(), threshold: 2, targets, snapshot, timestamp, lifetimes };
        let mut repository = Repository::init(&at, init).unwrap();
        for (name, key) in [("acme", acme), ("globex", globex)] {
            repository.delegate(&name.parse().unwrap(), &[Delegate::Secret(key)], 1, &mut keyring).unwrap();
        }
        fs::copy(at.join("metadata/1.root.json"), folder.path().join("root.json")).unwrap();
        Self { folder, repository, keyring }
    }

    fn publish(&mut self, name: &str, release: u64) -> String {
        let component = format!("{name} of release {release}").into_bytes();
        let manifest = Manifest::new(name.parse().unwrap(), release, &component, "0.2.0");
        let digest = Digest::of(&component).to_hex();
        self.repository.publish(&Publication { manifest, component }, &mut self.keyring).unwrap();
        digest
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What Python's client takes.
    fn accepted(&self, targets: &[&str]) -> Output {
        let (repository, root, kept) = (self.path("repository"), self.path("root.json"), self.path("kept"));
        let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"accept", &repository, &root, &kept];
        arguments.extend(targets.iter().map(|target| target as &dyn AsRef<std::ffi::OsStr>));
        peer(&arguments)
    }

    fn accepts(&self, targets: &[&str]) -> BTreeMap<String, Option<String>> {
        let output = self.accepted(targets);
        assert!(output.status.success(), "{}", told(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

#[test]
#[ignore = "needs Python's `tuf`: `cargo xtask test`"]
fn python_takes_what_we_publish_and_refuses_what_was_tampered_with() {
    let mut published = Published::new();
    let first = published.publish("acme/support", 1);
    let other = published.publish("globex/b", 1);
    let targets = ["acme/support.wasm", "acme/support.json", "globex/b.wasm", "acme/none.wasm"];
    let found = published.accepts(&targets);
    assert_eq!(found["acme/support.wasm"].as_ref(), Some(&first));
    assert_eq!(found["globex/b.wasm"].as_ref(), Some(&other));
    assert!(found["acme/support.json"].is_some() && found["acme/none.wasm"].is_none(), "{found:?}");

    // Another release, other keys of every role, a revocation, a publisher less: the same client goes on.
    let second = published.publish("acme/support", 2);
    for role in [Role::Timestamp, Role::Snapshot, Role::Targets, Role::Root] {
        let key = SecretKey::generate().unwrap();
        published.keyring.add(key.clone());
        let change = Change { add: vec![key.public()], remove: vec![], threshold: None };
        published.repository.rotate(role, &change, &mut published.keyring).unwrap();
    }
    published.repository.revoke(&"acme/support@1".parse().unwrap(), "leaks", &mut published.keyring).unwrap();
    published.repository.undelegate(&"globex".parse().unwrap(), &mut published.keyring).unwrap();
    let found = published.accepts(&targets);
    assert_eq!(found["acme/support.wasm"].as_ref(), Some(&second));
    assert!(found["globex/b.wasm"].is_none(), "{found:?}");

    // And it is no client that takes everything.
    let metadata = published.path("repository/metadata");
    let latest = published.repository.report().unwrap().versions.snapshot;
    let timestamp = fs::read_to_string(metadata.join("timestamp.json")).unwrap();
    published.publish("acme/support", 3);
    let snapshot = metadata.join(format!("{}.snapshot.json", latest + 1));
    let whole = fs::read_to_string(&snapshot).unwrap();
    fs::write(&snapshot, whole.replace("acme.json", "acne.json")).unwrap();
    let output = published.accepted(&targets);
    assert!(!output.status.success(), "it took a snapshot that nobody signed");
    fs::write(&snapshot, whole).unwrap();
    published.accepts(&targets);
    fs::write(metadata.join("timestamp.json"), timestamp).unwrap();
    let output = published.accepted(&targets);
    assert!(!output.status.success(), "it took an older timestamp");
}

#[test]
#[ignore = "needs Python's `tuf`: `cargo xtask test`"]
fn we_take_what_python_made_and_refuse_what_was_tampered_with() {
    let folder = tempfile::tempdir().unwrap();
    let output = peer(&[&"make", &folder.path()]);
    assert!(output.status.success(), "{}", told(&output));
    let (first, second, served) =
        (folder.path().join("first"), folder.path().join("second"), folder.path().join("served"));
    let root = folder.path().join("root.json");
    fs::copy(first.join("metadata/1.root.json"), &root).unwrap();
    let serve = |from: &Path| {
        let _ = fs::remove_file(&served);
        std::os::unix::fs::symlink(from, &served).unwrap();
    };
    let store = || {
        Store::open(StoreConfig::new(folder.path().join("store"), Address::Folder(served.clone()), root.clone()))
            .unwrap()
    };
    serve(&first);
    let refreshed = store().refresh().unwrap();
    assert!(matches!(refreshed, Refreshed::Changed(_)));
    let set = refreshed.set();
    let plugin = &set.plugins["acme/support"];
    assert_eq!((plugin.component().unwrap().as_slice(), plugin.manifest.release), (&b"first component"[..], 1));

    // Another state, whose timestamp has another key: an honest one, then one that was tampered with.
    let component = second.join("targets/acme").join(format!("{}.other.wasm", Digest::of(b"other component").to_hex()));
    fs::write(&component, b"evil. component").unwrap();
    serve(&second);
    assert_eq!(store().refresh().unwrap_err().kind(), Kind::Mismatched);
    assert_eq!(store().current().unwrap().plugins["acme/support"].manifest.release, 1);
    fs::write(&component, b"other component").unwrap();
    let refreshed = store().refresh().unwrap();
    let set = refreshed.set();
    assert_eq!((set.versions.root, set.plugins.len()), (2, 2));
    assert_eq!(set.plugins["acme/support"].component().unwrap(), b"second component");
    serve(&first);
    assert_eq!(store().refresh().unwrap_err().kind(), Kind::Unsigned);
}
