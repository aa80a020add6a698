//! The demo's own repository of signed plugins: `tiers`, published as anybody's policy would be. Its keys are beside it, under
//! a passphrase that everybody knows: they sign for a shop that holds nobody's data.

use std::{fs, path::Path};

use anyhow::Context as _;
use mountgate_policy::bundled;
use mountgate_trust::{
    Manifest, Publication, Repository, SecretKey,
    repository::{Delegate, Init, Keyring, Lifetimes},
};

/// Opens the demo's keys.
pub(super) const PASSPHRASE: &str = "demo";
/// The plugin that the demo's publisher signs.
const PLUGIN: &str = "demo/tiers";

/// The contract that it is of: the gateway holds a manifest to what the component says.
const CONTRACT: &str = "0.2.0";

/// Makes the repository in `repository`, its keys in `keys`.
pub(super) fn publish(folder: &Path) -> anyhow::Result<()> {
    let keys = folder.join("keys");
    fs::create_dir(&keys).with_context(|| format!("can't make `{}`", keys.display()))?;
    let mut keyring = Keyring::of([]);
    let mut key = |role: &str| -> anyhow::Result<SecretKey> {
        let key = SecretKey::generate()?;
        key.write(&keys.join(format!("{role}.pem")), role, PASSPHRASE)?;
        keyring.add(key.clone());
        Ok(key)
    };
    let init = Init {
        root: vec![key("root-1")?],
        threshold: 1,
        targets: key("targets")?,
        snapshot: key("snapshot")?,
        timestamp: key("timestamp")?,
        lifetimes: Lifetimes::default(),
    };
    let publisher = key("demo")?;
    let mut repository = Repository::init(&folder.join("repository"), init)?;
    let namespace = "demo".parse().map_err(anyhow::Error::msg)?;
    repository.delegate(&namespace, &[Delegate::Secret(publisher)], 1, &mut keyring)?;
    let component = bundled::TIERS.to_vec();
    let manifest = Manifest::new(PLUGIN.parse().map_err(anyhow::Error::msg)?, 1, &component, CONTRACT);
    repository.publish(&Publication { manifest, component }, &mut keyring)?;
    Ok(())
}
