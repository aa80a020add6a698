//! What a gateway keeps of a repository: the last good set, and what it has seen, so that nothing older is taken again.
//!
//! ```text
//! current          which of the folders below are in force; changed by renaming, and by nothing else
//! time             the latest time that was ever known
//! set-7/           a good set: the metadata that lists it, and its files; verified again at every start
//! seen-9/          the latest metadata and roots that verified, and the release of each plugin
//! ```
//!
//! A refresh works in folders that are not in force yet, and syncs them to the disk before `current` names them. Killed
//! anywhere, it leaves the old set or the new one.

mod disk;
mod refresh;
mod roots;
mod set;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwapOption;
use mountgate_core::{Digest, PolicyName, Standing};
use parking_lot::Mutex;
use serde::Serialize;

use self::disk::Disk;
pub(crate) use self::{disk::step, set::on_its_own};
use crate::{
    Limits,
    client::{Revocation, Revoked, Versions},
    error::{Kind, TrustError},
    manifest::Manifest,
    name::PluginName,
    source::Address,
};

/// How a gateway uses a repository.
#[derive(Clone)]
pub struct StoreConfig {
    /// The folder of what is kept.
    pub folder: PathBuf,
    /// Where the repository is.
    pub repository: Address,
    /// Whether the repository's host may be one of the operator's own network.
    pub internal: bool,
    /// The root that the operator trusts.
    pub root: PathBuf,
    /// How long after its metadata has expired the last good set is used.
    pub deny_after: Duration,
    /// What is taken, at most.
    pub limits: Limits,
    /// Milliseconds since 1970-01-01T00:00Z.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
}

impl StoreConfig {
    /// With the system's clock, usual limits, and seven days.
    pub fn new(folder: PathBuf, repository: Address, root: PathBuf) -> Self {
        let clock = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        };
        Self {
            folder,
            repository,
            internal: false,
            root,
            deny_after: Duration::from_secs(7 * 24 * 3600),
            limits: Limits::default(),
            clock: Arc::new(clock),
        }
    }
}

/// A set of plugins that verified.
#[derive(Clone, Debug)]
pub struct TrustedSet {
    /// Counts every change of the repository.
    pub version: u64,
    /// The versions of its metadata.
    pub versions: Versions,
    /// When the first of its metadata expires, in milliseconds since 1970-01-01T00:00Z.
    pub expires_ms: i64,
    /// The plugins, by name.
    pub plugins: BTreeMap<PolicyName, TrustedPlugin>,
}

/// A plugin of a set.
#[derive(Clone, Debug)]
pub struct TrustedPlugin {
    /// Its name.
    pub name: PolicyName,
    /// The SHA-256 of its component.
    pub digest: Digest,
    /// What was signed beside the component.
    pub manifest: Arc<Manifest>,
    /// The role whose keys signed it.
    pub signed_by: String,
    /// Whether it may be asked; shared with every other set that has the same component under the same name.
    pub standing: Arc<Standing>,
    /// Why it is revoked, where it is: it must not be run then, not even to be looked at.
    pub revoked: Option<String>,
    path: PathBuf,
}

impl TrustedPlugin {
    fn withdrawn(&self) -> Option<Revocation> {
        let reason = self.revoked.clone()?;
        Some(Revocation { name: self.manifest.name.clone(), release: Some(self.manifest.release), reason })
    }

    /// The component. The file is read again, and is what was signed or an error.
    ///
    /// # Errors
    /// Where it is revoked, or the file is gone or changed.
    pub fn component(&self) -> Result<Vec<u8>, TrustError> {
        let refuse = |kind, why: String| {
            TrustError::metadata(kind, format!("plugin `{}`, release {}: {why}", self.name, self.manifest.release))
        };
        if let Some(reason) = &self.revoked {
            return Err(refuse(Kind::BadPlugin, format!("it is revoked: {reason}")));
        }
        let bytes = std::fs::read(&self.path).map_err(TrustError::io("read", &self.path))?;
        if Digest::of(&bytes) != self.digest {
            return Err(refuse(Kind::Mismatched, format!("`{}` was changed on disk", self.path.display())));
        }
        Ok(bytes)
    }
}

/// What a refresh came to.
#[derive(Clone, Debug)]
pub enum Refreshed {
    /// There is a new set.
    Changed(Arc<TrustedSet>),
    /// The set in force is the latest.
    Unchanged(Arc<TrustedSet>),
}

impl Refreshed {
    /// The set in force.
    pub fn set(&self) -> &Arc<TrustedSet> {
        match self {
            Self::Changed(set) | Self::Unchanged(set) => set,
        }
    }
}

/// How things stand, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// The latest refresh was good, and the metadata is fresh.
    Current,
    /// The latest refresh failed; the metadata is fresh yet.
    Late,
    /// The metadata has expired: what is used may be old. An alarm.
    Expired,
    /// It expired so long ago that its plugins are not asked any more.
    Denying,
    /// There is no set.
    Absent,
}

impl Health {
    /// The word for it, as `/healthz` and metrics have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Late => "late",
            Self::Expired => "expired",
            Self::Denying => "denying",
            Self::Absent => "absent",
        }
    }
}

/// How things stand, for `/healthz`, metrics and the log.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// In a word.
    pub health: Health,
    /// The set's version.
    pub version: Option<u64>,
    /// When its metadata expires, in milliseconds since 1970-01-01T00:00Z.
    pub expires_ms: Option<i64>,
    /// When its plugins are not asked any more.
    pub denies_ms: Option<i64>,
    /// When a refresh last succeeded, since this process began.
    pub refreshed_ms: Option<i64>,
    /// What was wrong with the latest refresh.
    pub failure: Option<Failure>,
    /// What is revoked, old releases too.
    pub revoked: Vec<Revocation>,
    /// What is revoked and has no release yet that is not.
    pub withdrawn: Vec<Revocation>,
}

/// A refresh that failed.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// When, in milliseconds since 1970-01-01T00:00Z.
    pub time_ms: i64,
    /// What sort of thing was wrong: one of [`Kind::as_str`]'s words.
    pub kind: &'static str,
    /// What was wrong.
    pub message: String,
}

/// What a gateway keeps of a repository. Shared; every method takes `&self`.
pub struct Store {
    config: StoreConfig,
    disk: Disk,
    current: ArcSwapOption<TrustedSet>,
    inner: Mutex<Inner>,
    /// Held through a refresh: one at a time.
    refreshing: Mutex<()>,
}

#[derive(Default)]
struct Inner {
    /// Which set on disk `current` is.
    loaded: Option<String>,
    standings: BTreeMap<(PluginName, u64, Digest), Arc<Standing>>,
    revoked: Revoked,
    refreshed_ms: Option<i64>,
    failure: Option<Failure>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("folder", &self.config.folder).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the folder, making it where there is none, and verifies the last good set in it. Asks no repository.
    ///
    /// # Errors
    /// Where the trusted root does not read, or is not the one that the store was begun with. A set that does not verify
    /// is none, and said so in [`Store::status`].
    pub fn open(config: StoreConfig) -> Result<Self, TrustError> {
        let disk = Disk::open(&config.folder)?;
        let store =
            Self { disk, current: ArcSwapOption::empty(), inner: Mutex::default(), refreshing: Mutex::new(()), config };
        // A root that does not fit is told now, not at the first refresh.
        store.roots(store.disk.pointer()?.as_ref())?;
        if let Err(error) = store.take_from_disk() {
            store.failed(&error);
        }
        Ok(store)
    }

    /// The last good set.
    pub fn current(&self) -> Option<Arc<TrustedSet>> {
        self.current.load_full()
    }

    /// Asks the repository, and takes what it offers where all of it holds. Blocks, for as long as
    /// [`Limits::time`] at most and while another refresh is under way: never on a request's path. Revocations take effect
    /// before this returns, in every generation that uses the plugin.
    ///
    /// # Errors
    /// What is wrong. The last good set stays.
    pub fn refresh(&self) -> Result<Refreshed, TrustError> {
        let _one = self.refreshing.lock();
        match self.try_refresh() {
            Ok(refreshed) => {
                let mut inner = self.inner.lock();
                inner.refreshed_ms = Some((self.config.clock)());
                inner.failure = None;
                Ok(refreshed)
            }
            Err(error) => {
                self.failed(&error);
                Err(error)
            }
        }
    }

    /// How things stand.
    pub fn status(&self) -> Status {
        let current = self.current();
        let now = self.disk.known_time().max((self.config.clock)());
        let denies_ms = current.as_ref().map(|set| self.denies(set.expires_ms));
        let inner = self.inner.lock();
        let health = match (&current, denies_ms) {
            (None, _) | (_, None) => Health::Absent,
            (_, Some(denies)) if now > denies => Health::Denying,
            (Some(set), _) if now > set.expires_ms => Health::Expired,
            _ if inner.failure.is_some() => Health::Late,
            _ => Health::Current,
        };
        Status {
            health,
            version: current.as_ref().map(|set| set.version),
            expires_ms: current.as_ref().map(|set| set.expires_ms),
            denies_ms,
            refreshed_ms: inner.refreshed_ms,
            failure: inner.failure.clone(),
            revoked: inner.revoked.all().to_vec(),
            withdrawn: current
                .iter()
                .flat_map(|set| set.plugins.values())
                .filter_map(TrustedPlugin::withdrawn)
                .collect(),
        }
    }

    /// Takes the machine's clock for right again, after it was wrong and far ahead.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub fn accept_clock(&self) -> Result<(), TrustError> {
        self.disk.set_known_time((self.config.clock)())
    }

    fn failed(&self, error: &TrustError) {
        let failure =
            Failure { time_ms: (self.config.clock)(), kind: error.kind().as_str(), message: error.to_string() };
        self.inner.lock().failure = Some(failure);
    }

    /// The last moment at which plugins of metadata that expires then are asked.
    fn denies(&self, expires_ms: i64) -> i64 {
        expires_ms.saturating_add(i64::try_from(self.config.deny_after.as_millis()).unwrap_or(i64::MAX))
    }

    /// Brings every standing in line with the set in force and with what is revoked.
    fn judge(&self) {
        let current = self.current();
        let known = self.disk.known_time();
        let inner = self.inner.lock();
        let Some(set) = &current else { return };
        let until = self.denies(set.expires_ms);
        for ((name, release, _), standing) in &inner.standings {
            let is_offered = set.plugins.contains_key(name.as_str());
            // A clock that goes back must not bring back what was denied.
            if !is_offered || inner.revoked.reason(name, *release).is_some() || known > until {
                standing.withdraw();
            } else {
                standing.extend(until);
            }
        }
    }
}
