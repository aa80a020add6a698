//! A repository, checked. `tough` checks signatures, thresholds, versions against those that were seen, and that files
//! belong together. What it leaves open is checked here:
//!
//! - expiry, against the latest time that was ever known, delegated metadata included (`tough` asks the clock alone);
//! - that a next root which cannot be read is not taken for one that does not exist (that would hold a client to a root
//!   whose keys were rotated out);
//! - that a threshold is met by that many different keys, that snapshots are consistent, that the specification is ours;
//! - that delegated roles have plain names, none of the repository's own, patterns without surprises (`tough` lets `*`
//!   cross a slash), and metadata; and that no role signs what its patterns do not name;
//! - that a plugin's component and manifest are of one role, and of one another.

mod pattern;
mod plugins;
mod recorder;
mod revoked;

use std::{path::Path, sync::Arc};

use tough::{
    ExpirationEnforcement, RepositoryLoader,
    schema::{Role, RoleType, Root, Signed, Snapshot, Targets, Timestamp, key::Key},
};

pub use self::revoked::Revocation;
pub(crate) use self::{
    plugins::{Listed, fetch, list},
    recorder::Recorder,
    revoked::Revoked,
};
use crate::{
    Limits,
    error::{Kind, TrustError},
    sign,
    source::Source,
};

/// Metadata that holds.
pub(crate) struct Loaded {
    pub(crate) root: Signed<Root>,
    pub(crate) targets: Signed<Targets>,
    pub(crate) snapshot: Signed<Snapshot>,
    pub(crate) timestamp: Signed<Timestamp>,
    pub(crate) versions: Versions,
    /// The first moment at which some of it has expired, in milliseconds since 1970-01-01T00:00Z, and the role.
    pub(crate) expires: (i64, String),
}

/// The versions of a set's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Versions {
    /// Of `root.json`.
    pub root: u64,
    /// Of `timestamp.json`: it counts every change of the repository.
    pub timestamp: u64,
    /// Of `snapshot.json`.
    pub snapshot: u64,
    /// Of `targets.json`.
    pub targets: u64,
}

/// Loads and checks a repository's metadata, starting from `root`. `seen` is what `tough` remembers of earlier ones.
/// Whether it has expired is the caller's to ask of [`Loaded::expires`].
pub(crate) async fn load(
    root: &[u8],
    source: &Source,
    recorder: &Arc<Recorder>,
    seen: Option<&Path>,
    limits: &Limits,
) -> Result<Loaded, TrustError> {
    let (metadata, targets) = recorder::bases()?;
    let mut loader = RepositoryLoader::new(&root, metadata, targets)
        .transport(recorder::Transport::new(source.clone(), Arc::clone(recorder), limits.metadata))
        // Its clock is not the one that this client goes by.
        .expiration_enforcement(ExpirationEnforcement::Unsafe)
        .limits(tough::Limits {
            max_root_size: limits.metadata,
            max_targets_size: limits.metadata,
            max_timestamp_size: limits.metadata,
            max_snapshot_size: limits.metadata,
            max_root_updates: limits.roots,
        });
    if let Some(seen) = seen {
        loader = loader.datastore(seen);
    }
    let loaded = loader.load().await;
    // Asked first: after it, everything else was checked against a root that may not be the latest.
    if let Some(error) = recorder.root_failure() {
        return Err(error.into());
    }
    let repository = loaded?;
    let (root, targets) = (repository.root().clone(), repository.targets().clone());
    let (timestamp, snapshot) = (repository.timestamp(), repository.snapshot());
    check_root(&root.signed)?;
    for (name, version) in [
        ("timestamp", &timestamp.signed.spec_version),
        ("snapshot", &snapshot.signed.spec_version),
        ("targets", &targets.signed.spec_version),
    ] {
        check_spec(name, version)?;
    }
    check_delegations(&targets.signed)?;
    let mut expires = vec![
        (root.signed.expires().as_millisecond(), "root".to_owned()),
        (timestamp.signed.expires().as_millisecond(), "timestamp".to_owned()),
        (snapshot.signed.expires().as_millisecond(), "snapshot".to_owned()),
        (targets.signed.expires().as_millisecond(), "targets".to_owned()),
    ];
    for (name, delegated) in delegated(&targets.signed) {
        expires.push((delegated.signed.expires().as_millisecond(), name.to_owned()));
    }
    let versions = Versions {
        root: root.signed.version.get(),
        timestamp: timestamp.signed.version.get(),
        snapshot: snapshot.signed.version.get(),
        targets: targets.signed.version.get(),
    };
    let expires = expires.into_iter().min().unwrap_or((i64::MIN, "root".to_owned()));
    let (snapshot, timestamp) = (snapshot.clone(), timestamp.clone());
    Ok(Loaded { root, targets, snapshot, timestamp, versions, expires })
}

/// The delegated roles that have metadata; [`check_delegations`] says that all have.
pub(crate) fn delegated(targets: &Targets) -> impl Iterator<Item = (&str, &Signed<Targets>)> {
    let roles = targets.delegations.iter().flat_map(|delegations| &delegations.roles);
    roles.filter_map(|role| Some((role.name.as_str(), role.targets.as_ref()?)))
}

/// What `tough` leaves open of a root.
pub(crate) fn check_root(root: &Root) -> Result<(), TrustError> {
    check_spec("root", &root.spec_version)?;
    if !root.consistent_snapshot {
        return Err(TrustError::metadata(
            Kind::Malformed,
            "the repository has no consistent snapshots: files of two updates could be mixed, so it is refused",
        ));
    }
    for role in [RoleType::Root, RoleType::Targets, RoleType::Snapshot, RoleType::Timestamp] {
        let keys = root.roles.get(&role).ok_or_else(|| {
            TrustError::metadata(Kind::Malformed, format!("the root names no keys for the role `{role}`"))
        })?;
        let held = keys.keyids.iter().filter_map(|id| root.keys.get(id));
        check_threshold(&role.to_string(), held, keys.threshold.get())?;
    }
    Ok(())
}

/// One key under two ids would count twice.
fn check_threshold<'k>(role: &str, keys: impl Iterator<Item = &'k Key>, threshold: u64) -> Result<(), TrustError> {
    let mut material: Vec<&[u8]> = keys
        .map(|key| match key {
            Key::Rsa { keyval, .. } => &keyval.public[..],
            Key::Ed25519 { keyval, .. } => &keyval.public[..],
            Key::Ecdsa { keyval, .. } | Key::EcdsaOld { keyval, .. } => &keyval.public[..],
        })
        .collect();
    material.sort_unstable();
    let all = material.len();
    material.dedup();
    let different = u64::try_from(material.len()).unwrap_or(u64::MAX);
    if material.len() < all || different < threshold {
        return Err(TrustError::metadata(
            Kind::Unsigned,
            format!("the role `{role}` has {different} different keys of {all}, and a threshold of {threshold}"),
        ));
    }
    Ok(())
}

fn check_spec(role: &str, version: &str) -> Result<(), TrustError> {
    if version.split('.').next() == Some("1") {
        return Ok(());
    }
    Err(TrustError::metadata(
        Kind::Malformed,
        format!("the role `{role}` is of version `{version}` of the specification, and this client reads 1"),
    ))
}

fn check_delegations(targets: &Targets) -> Result<(), TrustError> {
    let Some(delegations) = &targets.delegations else { return Ok(()) };
    let refuse = |why: String| Err(TrustError::metadata(Kind::NotDelegated, why));
    let mut names = std::collections::BTreeSet::new();
    for role in &delegations.roles {
        let name = &role.name;
        if name.parse::<crate::Namespace>().is_err() {
            return refuse(format!(
                "a delegated role is named `{}`: {}",
                name.escape_default(),
                "that is no publisher"
            ));
        }
        if !names.insert(name) {
            return refuse(format!("the role `{name}` is delegated twice"));
        }
        pattern::patterns(role)?;
        let held = role.keyids.iter().filter_map(|id| delegations.keys.get(id));
        check_threshold(name, held, role.threshold.get())?;
        let Some(metadata) = &role.targets else {
            return refuse(format!("the role `{name}` is delegated, and the snapshot has no metadata of it"));
        };
        check_spec(name, &metadata.signed.spec_version)?;
        if metadata.signed.delegations.as_ref().is_some_and(|further| !further.roles.is_empty()) {
            return refuse(format!("the role `{name}` delegates further, which this client does not follow"));
        }
        for target in metadata.signed.targets.keys() {
            if !pattern::names(role, target.raw())? {
                return refuse(format!(
                    "the role `{name}` signs `{}`, which is not delegated to it",
                    target.raw().escape_default()
                ));
            }
        }
    }
    Ok(())
}

/// Reads a root that is trusted because the operator says so, and checks that it is signed by itself.
pub(crate) fn read_root(file: &str, bytes: &[u8]) -> Result<Signed<Root>, TrustError> {
    let root: Signed<Root> = sign::from_bytes(file, bytes)?;
    root.signed.verify_role(&root).map_err(|error| {
        TrustError::metadata(Kind::Unsigned, format!("`{file}` is not signed by its own keys: {error}"))
    })?;
    check_root(&root.signed)?;
    Ok(root)
}

/// Refuses metadata that has expired at that moment.
pub(crate) fn check_expired((expires_ms, role): &(i64, String), now_ms: i64) -> Result<(), TrustError> {
    if now_ms <= *expires_ms {
        return Ok(());
    }
    let ago = (now_ms - expires_ms) / 1000;
    Err(TrustError::metadata(
        Kind::Expired,
        format!("the repository's `{role}` metadata has expired, {ago} s ago: it is frozen, or nobody renews it"),
    ))
}
