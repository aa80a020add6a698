//! A shop whose mount's policy is signed: a repository beside it, and everything that signs for it.

use std::path::PathBuf;

use mountgate_policy::bundled;
use mountgate_trust::{
    Manifest, Publication, Repository, SecretKey, Selector,
    repository::{Delegate, Init, Keyring, Lifetimes},
};

use super::Shop;

/// The repository in `repository`, `acme/support` in it, and a mount that it decides for.
pub(crate) struct SignedShop {
    pub(crate) shop: Shop,
    pub(crate) repository: Repository,
    pub(crate) keyring: Keyring,
}

/// `[trust]` of that shop.
pub(crate) const TRUST: &str = "[trust]\nrepository = \"repository\"\nroot = \"root.json\"\nrefresh = \"1h\"\n";

impl SignedShop {
    pub(crate) fn new() -> Self {
        let shop = Shop::new();
        let key = || SecretKey::generate().unwrap();
        let (root, targets, snapshot, timestamp, acme) = (key(), key(), key(), key(), key());
        let mut keyring = Keyring::of([&root, &targets, &snapshot, &timestamp, &acme].into_iter().cloned());
        let init =
            Init { root: vec![root], threshold: 1, targets, snapshot, timestamp, lifetimes: Lifetimes::default() };
        let folder = shop.path().join("repository");
        let mut repository = Repository::init(&folder, init).unwrap();
        repository.delegate(&"acme".parse().unwrap(), &[Delegate::Secret(acme)], 1, &mut keyring).unwrap();
        std::fs::copy(folder.join("metadata/1.root.json"), shop.path().join("root.json")).unwrap();
        let mut signed = Self { shop, repository, keyring };
        signed.publish(1, |_| {});
        signed.shop.main(TRUST);
        signed.shop.mount_with("policy = \"ceiling\"", "policy = \"acme/support\"");
        signed
    }

    /// Publishes a release of `acme/support`: the ceiling's component, with the release in a section of its own.
    pub(crate) fn publish(&mut self, release: u64, change: impl FnOnce(&mut Manifest)) {
        self.publish_component(release, component(release), change);
    }

    pub(crate) fn publish_component(&mut self, release: u64, component: Vec<u8>, change: impl FnOnce(&mut Manifest)) {
        let mut manifest = Manifest::new("acme/support".parse().unwrap(), release, &component, "0.2.0");
        change(&mut manifest);
        self.repository.publish(&Publication { manifest, component }, &mut self.keyring).unwrap();
    }

    pub(crate) fn revoke(&mut self, selector: &str) {
        let selector: Selector = selector.parse().unwrap();
        self.repository.revoke(&selector, "leaks", &mut self.keyring).unwrap();
    }

    pub(crate) fn lift(&mut self, selector: &str) {
        self.repository.lift(&selector.parse().unwrap(), &mut self.keyring).unwrap();
    }

    /// The repository's folder, and where it is while it is away.
    pub(crate) fn folders(&self) -> (PathBuf, PathBuf) {
        (self.shop.path().join("repository"), self.shop.path().join("away"))
    }
}

/// The ceiling's component with a custom section that holds the number: another component that does the same.
pub(crate) fn component(release: u64) -> Vec<u8> {
    let mut bytes = bundled::CEILING.to_vec();
    bytes.extend([0, 10, 1, b'r']);
    bytes.extend(release.to_le_bytes());
    bytes
}
