//! The publisher's side: a repository in a folder, made and signed.
//!
//! Whatever signs builds on what is there, so it is verified first, from the first root on: a folder that was tampered
//! with is not blessed by whoever holds the snapshot's key. Files of metadata carry their version in their name and are
//! never written over; `timestamp.json` alone is, last, by renaming.

mod ceremony;
mod files;
mod keyring;
mod publish;
mod report;

use std::{
    fs::File,
    num::NonZeroU64,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff_02::Timestamp as Moment;
pub use tough::schema::RoleType as Role;
use tough::schema::{Delegations, RoleType, Root, Signed, Snapshot, Targets, Timestamp};

pub use self::{
    ceremony::{Ceremony, Change, Delegate, Init, request},
    keyring::Keyring,
    publish::{Publication, Published},
    report::{Check, PluginReport, Report, RoleReport, verify},
};
use crate::{
    Limits,
    client::{self, Loaded, Recorder},
    error::{Kind, TrustError},
    key::SecretKey,
    sign,
    source::{Address, Source},
    store,
};

/// How long what a role signs is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Days of the root.
    pub root: u32,
    /// Days of what the repository's own and the publishers' keys sign.
    pub targets: u32,
    /// Days of the snapshot.
    pub snapshot: u32,
    /// Days of the timestamp: how long a client can be kept from what is new without noticing.
    pub timestamp: u32,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { root: 365, targets: 365, snapshot: 30, timestamp: 7 }
    }
}

/// A repository in a folder, verified, and locked against others who publish.
pub struct Repository {
    folder: PathBuf,
    loaded: Loaded,
    /// How long what is signed is good for.
    pub lifetimes: Lifetimes,
    _lock: File,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Repository {
    /// Opens and verifies it, from its first root on. Expired metadata is no error: it is here to be renewed.
    ///
    /// # Errors
    /// Where the folder holds no repository, or one that does not hold.
    pub fn open(folder: &Path) -> Result<Self, TrustError> {
        if !folder.join(files::METADATA).is_dir() {
            return Err(TrustError::Usage(format!(
                "`{}` holds no repository: `mountgate trust init {}` makes one",
                folder.display(),
                folder.display()
            )));
        }
        let lock = files::lock(folder)?;
        let loaded = load(folder)?;
        Ok(Self { folder: folder.to_owned(), loaded, lifetimes: Lifetimes::default(), _lock: lock })
    }

    /// Its version: that of its timestamp, which counts every change.
    pub fn version(&self) -> u64 {
        self.loaded.versions.timestamp
    }

    /// The root in force.
    pub(crate) fn root(&self) -> &Root {
        &self.loaded.root.signed
    }

    fn targets(&self) -> Targets {
        self.loaded.targets.signed.clone()
    }

    /// Signs what has changed, then a snapshot and a timestamp over it, and writes all of it. `changed` are the
    /// repository's own targets, where they are; `delegated` the roles that are, by name.
    fn write(
        &mut self,
        changed: Option<Signed<Targets>>,
        delegated: Vec<(String, Signed<Targets>)>,
        keyring: &mut Keyring,
    ) -> Result<(), TrustError> {
        let root = self.root().clone();
        let mut snapshot = self.loaded.snapshot.signed.clone();
        let mut new_files: Vec<(String, Vec<u8>)> = Vec::new();
        if let Some(targets) = &changed {
            let bytes = sign::to_bytes(targets)?;
            snapshot.meta.insert("targets.json".to_owned(), sign::metafile(targets.signed.version, &bytes));
            new_files.push((format!("{}.targets.json", targets.signed.version), bytes));
        }
        for (name, targets) in &delegated {
            let bytes = sign::to_bytes(targets)?;
            snapshot.meta.insert(format!("{name}.json"), sign::metafile(targets.signed.version, &bytes));
            new_files.push((format!("{}.{name}.json", targets.signed.version), bytes));
        }
        snapshot.version = sign::next(snapshot.version)?;
        snapshot.expires = in_days(self.lifetimes.snapshot)?;
        let keys = keyring.of_root(&root, RoleType::Snapshot)?;
        let snapshot: Signed<Snapshot> = sign::sign(snapshot, &keys)?;
        let snapshot_bytes = sign::to_bytes(&snapshot)?;

        let mut timestamp = self.loaded.timestamp.signed.clone();
        timestamp.version = sign::next(timestamp.version)?;
        timestamp.expires = in_days(self.lifetimes.timestamp)?;
        timestamp.meta =
            [("snapshot.json".to_owned(), sign::metafile(snapshot.signed.version, &snapshot_bytes))].into();
        let keys = keyring.of_root(&root, RoleType::Timestamp)?;
        let timestamp: Signed<Timestamp> = sign::sign(timestamp, &keys)?;

        new_files.push((format!("{}.snapshot.json", snapshot.signed.version), snapshot_bytes));
        for (file, bytes) in &new_files {
            files::write_new(&self.folder.join(files::METADATA), file, bytes)?;
        }
        files::replace(&self.folder.join(files::METADATA), "timestamp.json", &sign::to_bytes(&timestamp)?)?;
        self.loaded = load(&self.folder)?;
        Ok(())
    }

    /// Signs the timestamp anew, and the snapshot with it; with `all`, whatever keys are at hand for, too.
    ///
    /// # Errors
    /// Where the keys of the snapshot or the timestamp are not at hand.
    pub fn renew(&mut self, all: bool, keyring: &mut Keyring) -> Result<Vec<String>, TrustError> {
        let mut renewed = Vec::new();
        let (mut own, mut delegated) = (None, Vec::new());
        if all {
            if let Ok(keys) = keyring.of_root(self.root(), RoleType::Targets) {
                own = Some(sign::sign(self.renewed(self.targets())?, &keys)?);
                renewed.push("targets".to_owned());
            }
            for (name, keys) in self.delegated_keys(keyring) {
                if let Some((_, targets)) =
                    client::delegated(&self.loaded.targets.signed).find(|(role, _)| *role == name)
                {
                    delegated.push((name.clone(), sign::sign(self.renewed(targets.signed.clone())?, &keys)?));
                    renewed.push(name);
                }
            }
        }
        self.write(own, delegated, keyring)?;
        renewed.extend(["snapshot".to_owned(), "timestamp".to_owned()]);
        Ok(renewed)
    }

    fn renewed(&self, mut targets: Targets) -> Result<Targets, TrustError> {
        targets.version = sign::next(targets.version)?;
        targets.expires = in_days(self.lifetimes.targets)?;
        Ok(targets)
    }

    /// The delegated roles whose keys are at hand.
    fn delegated_keys(&self, keyring: &mut Keyring) -> Vec<(String, Vec<SecretKey>)> {
        let Some(delegations) = &self.loaded.targets.signed.delegations else { return Vec::new() };
        let names = delegations.roles.iter().map(|role| role.name.clone());
        names.filter_map(|name| Some((name.clone(), keyring.of_role(delegations, &name).ok()?))).collect()
    }

    /// The delegations, empty where there are none.
    fn delegations(&self) -> Delegations {
        self.loaded.targets.signed.delegations.clone().unwrap_or_default()
    }
}

fn load(folder: &Path) -> Result<Loaded, TrustError> {
    let limits = Limits::default();
    let source = Source::new(&Address::Folder(folder.to_owned()), false, &limits);
    let first = files::first_root(folder)?;
    store::on_its_own(async move { client::load(&first, &source, &Arc::new(Recorder::default()), None, &limits).await })
}

/// That many days from now, to the second, as Python's client writes it.
fn in_days(days: u32) -> Result<Moment, TrustError> {
    let seconds = Moment::now().as_second().saturating_add(i64::from(days).saturating_mul(24 * 3600));
    Moment::from_second(seconds)
        .map_err(|error| TrustError::metadata(Kind::Malformed, format!("{days} days from now: {error}")))
}

fn one() -> NonZeroU64 {
    NonZeroU64::MIN
}
