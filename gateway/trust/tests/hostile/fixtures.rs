//! A repository of two publishers, and a gateway's store beside it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use mountgate_trust::{
    Address, Kind, Manifest, Publication, Repository, SecretKey, Store, StoreConfig, TrustError,
    repository::{Delegate, Init, Keyring, Lifetimes},
};

pub(crate) const DAY: i64 = 24 * 3600 * 1000;

/// The keys of a repository, each role's its own.
pub(crate) struct Keys {
    pub(crate) root: Vec<SecretKey>,
    pub(crate) targets: SecretKey,
    pub(crate) snapshot: SecretKey,
    pub(crate) timestamp: SecretKey,
    pub(crate) acme: SecretKey,
    pub(crate) globex: SecretKey,
}

impl Keys {
    fn new() -> Self {
        let key = || SecretKey::generate().unwrap();
        Self {
            root: vec![key(), key(), key()],
            targets: key(),
            snapshot: key(),
            timestamp: key(),
            acme: key(),
            globex: key(),
        }
    }

    /// Every one of them.
    pub(crate) fn all(&self) -> Keyring {
        let Self { root, targets, snapshot, timestamp, acme, globex } = self;
        Keyring::of(root.iter().chain([targets, snapshot, timestamp, acme, globex]).cloned())
    }

    /// What a build machine of acme's holds.
    pub(crate) fn build_machine(&self) -> Keyring {
        Keyring::of([self.acme.clone(), self.snapshot.clone(), self.timestamp.clone()])
    }
}

/// A repository that is served, and the store of a gateway that trusts its first root.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) keys: Keys,
    clock: Arc<AtomicI64>,
}

impl World {
    /// With `acme/a` and `globex/b`, each at release 1.
    pub(crate) fn new() -> Self {
        let world =
            Self { folder: tempfile::tempdir().unwrap(), keys: Keys::new(), clock: Arc::new(AtomicI64::new(now_ms())) };
        let Keys { root, targets, snapshot, timestamp, acme, globex } = &world.keys;
        let init = Init {
            root: root.clone(),
            threshold: 2,
            targets: targets.clone(),
            snapshot: snapshot.clone(),
            timestamp: timestamp.clone(),
            lifetimes: Lifetimes::default(),
        };
        let mut repository = Repository::init(&world.repository(), init).unwrap();
        let mut keyring = world.keys.all();
        for (name, key) in [("acme", acme), ("globex", globex)] {
            let delegates = [Delegate::Secret(key.clone())];
            repository.delegate(&name.parse().unwrap(), &delegates, 1, &mut keyring).unwrap();
        }
        drop(repository);
        fs::copy(world.repository().join("metadata/1.root.json"), world.root()).unwrap();
        world.publish("acme/a", 1, b"a1");
        world.publish("globex/b", 1, b"b1");
        world
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root.json")
    }

    pub(crate) fn metadata(&self, file: &str) -> PathBuf {
        self.repository().join("metadata").join(file)
    }

    pub(crate) fn open(&self) -> Repository {
        Repository::open(&self.repository()).unwrap()
    }

    pub(crate) fn publish(&self, name: &str, release: u64, component: &[u8]) {
        self.open().publish(&publication(name, release, component), &mut self.keys.all()).unwrap();
    }

    pub(crate) fn config(&self) -> StoreConfig {
        let address = Address::parse(self.repository().to_str().unwrap(), Path::new("/")).unwrap();
        let mut config = StoreConfig::new(self.folder.path().join("store"), address, self.root());
        let clock = Arc::clone(&self.clock);
        config.clock = Arc::new(move || clock.load(Ordering::Relaxed));
        config
    }

    /// A store that has the repository as it is now.
    pub(crate) fn store(&self) -> Store {
        let store = Store::open(self.config()).unwrap();
        store.refresh().unwrap();
        store
    }

    pub(crate) fn pass(&self, ms: i64) {
        self.clock.fetch_add(ms, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.load(Ordering::Relaxed)
    }

    /// What the repository holds, to go back to it.
    pub(crate) fn keep(&self) -> tempfile::TempDir {
        let kept = tempfile::tempdir().unwrap();
        copy(&self.repository(), kept.path());
        kept
    }

    /// Offers what the repository held before.
    pub(crate) fn put_back(&self, kept: &tempfile::TempDir) {
        fs::remove_dir_all(self.repository()).unwrap();
        copy(kept.path(), &self.repository());
    }
}

pub(crate) fn publication(name: &str, release: u64, component: &[u8]) -> Publication {
    let mut manifest = Manifest::new(name.parse().unwrap(), release, component, "0.2.0");
    manifest.cases = vec![serde_json::json!({ "name": "größer als 0.5", "limit": 0.5 })];
    Publication { manifest, component: component.to_vec() }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// The release of each plugin in force.
pub(crate) fn releases(store: &Store) -> Vec<(String, u64)> {
    let set = store.current().expect("there is a set");
    set.plugins.values().map(|plugin| (plugin.name.to_string(), plugin.manifest.release)).collect()
}

pub(crate) fn expected(all: &[(&str, u64)]) -> Vec<(String, u64)> {
    all.iter().map(|(name, release)| ((*name).to_owned(), *release)).collect()
}

/// The refresh fails so, and what was in force stays, also over a restart.
#[track_caller]
pub(crate) fn refused(world: &World, store: &Store, kind: Kind) -> TrustError {
    let before = releases(store);
    let error = store.refresh().expect_err("the attack succeeds");
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(releases(store), before);
    let again = Store::open(world.config()).unwrap();
    assert_eq!(releases(&again), before, "after a restart");
    assert_eq!(again.refresh().expect_err("the attack succeeds after a restart").kind(), kind);
    error
}
