//! What a repository holds, and that it holds.

use std::path::Path;

use serde::Serialize;
use tough::schema::{Role, RoleType};

use super::Repository;
use crate::{
    Limits,
    client::{self, Revocation, Revoked, Versions},
    error::TrustError,
    manifest::Manifest,
    name::PluginName,
    sign,
    source::{Address, Source},
    store,
};

/// Something that was checked.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What.
    pub what: String,
    /// Whether it holds.
    pub holds: bool,
    /// What was found.
    pub found: String,
}

/// A role, and whose keys it has.
#[derive(Clone, Debug, Serialize)]
pub struct RoleReport {
    /// The role: `root`, or a publisher.
    pub role: String,
    /// What it may sign.
    pub signs: String,
    /// How many of its keys must sign.
    pub threshold: u64,
    /// The ids of its keys.
    pub keys: Vec<String>,
    /// The version of its metadata.
    pub version: u64,
    /// When that expires, in milliseconds since 1970-01-01T00:00Z.
    pub expires_ms: i64,
}

/// What a repository holds.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The versions of its metadata.
    pub versions: Versions,
    /// Its roles.
    pub roles: Vec<RoleReport>,
    /// Its plugins.
    pub plugins: Vec<PluginReport>,
    /// What is revoked.
    pub revoked: Vec<Revocation>,
}

/// A plugin of a repository.
#[derive(Clone, Debug, Serialize)]
pub struct PluginReport {
    /// Its name.
    pub name: PluginName,
    /// Its release.
    pub release: u64,
    /// The release that it takes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_of: Option<u64>,
    /// The SHA-256 of its component.
    pub digest: mountgate_core::Digest,
    /// The version of the contract.
    pub contract: String,
    /// How many cases are signed with it.
    pub cases: usize,
    /// Who signed it.
    pub signed_by: String,
}

impl Repository {
    /// What it holds.
    ///
    /// # Errors
    /// Where a manifest does not read.
    pub fn report(&self) -> Result<Report, TrustError> {
        let loaded = &self.loaded;
        let root = &loaded.root.signed;
        let moments = [
            (RoleType::Root, "who has the other roles", root.version.get(), root.expires()),
            (
                RoleType::Targets,
                "who publishes what, and what is revoked",
                loaded.versions.targets,
                loaded.targets.signed.expires(),
            ),
            (
                RoleType::Snapshot,
                "which files belong together",
                loaded.versions.snapshot,
                loaded.snapshot.signed.expires(),
            ),
            (RoleType::Timestamp, "what is latest", loaded.versions.timestamp, loaded.timestamp.signed.expires()),
        ];
        let mut roles = Vec::new();
        for (role, signs, version, expires) in moments {
            let keys = root.roles.get(&role);
            roles.push(RoleReport {
                role: role.to_string(),
                signs: signs.to_owned(),
                threshold: keys.map_or(0, |keys| keys.threshold.get()),
                keys: keys.map(|keys| keys.keyids.iter().map(sign::hex).collect()).unwrap_or_default(),
                version,
                expires_ms: expires.as_millisecond(),
            });
        }
        for role in loaded.targets.signed.delegations.iter().flat_map(|delegations| &delegations.roles) {
            let Some(metadata) = &role.targets else { continue };
            let tough::schema::PathSet::Paths(paths) = &role.paths else { continue };
            roles.push(RoleReport {
                role: role.name.clone(),
                signs: paths.iter().map(|path| format!("`{}`", path.value())).collect::<Vec<_>>().join(", "),
                threshold: role.threshold.get(),
                keys: role.keyids.iter().map(sign::hex).collect(),
                version: metadata.signed.version.get(),
                expires_ms: metadata.signed.expires().as_millisecond(),
            });
        }
        let limits = Limits::default();
        let listed = client::list(&loaded.targets.signed, &limits)?;
        let source = Source::new(&Address::Folder(self.folder.clone()), false, &limits);
        let plugins = store::on_its_own(async {
            let mut plugins = Vec::new();
            for listed in listed {
                let text = client::fetch(&listed.name, &listed.manifest, &source, limits.manifest).await?;
                let Manifest { release, rollback_of, digest, contract, cases, .. } =
                    Manifest::read(&listed.name, &text)?;
                let (name, signed_by) = (listed.name, listed.role);
                plugins.push(PluginReport {
                    name,
                    release,
                    rollback_of,
                    digest,
                    contract,
                    cases: cases.len(),
                    signed_by,
                });
            }
            Ok(plugins)
        })?;
        let revoked = Revoked::of(&loaded.targets.signed)?.all().to_vec();
        Ok(Report { versions: loaded.versions, roles, plugins, revoked })
    }
}

/// Verifies a whole repository as a gateway would that trusts `root`, and says each thing that was checked. Stops at what
/// does not hold: what comes after it would prove nothing.
pub fn verify(address: &Address, internal: bool, root: &Path, now_ms: i64) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Err(error) = check(address, internal, root, now_ms, &mut checks) {
        checks.push(Check { what: error.kind().as_str().to_owned(), holds: false, found: error.to_string() });
    }
    checks
}

fn check(
    address: &Address,
    internal: bool,
    root: &Path,
    now_ms: i64,
    checks: &mut Vec<Check>,
) -> Result<(), TrustError> {
    let mut holds = |what: &str, found: String| checks.push(Check { what: what.to_owned(), holds: true, found });
    let bytes = std::fs::read(root).map_err(TrustError::io("read the trusted root", root))?;
    let trusted = client::read_root(&root.display().to_string(), &bytes)?;
    holds("the trusted root is signed by its own keys", format!("version {}", trusted.signed.version));
    let limits = Limits::default();
    let source = Source::new(address, internal, &limits);
    let recorder = std::sync::Arc::new(client::Recorder::default());
    let loaded = store::on_its_own(client::load(&bytes, &source, &recorder, None, &limits))?;
    let versions = loaded.versions;
    holds("each root is signed by the one before it and by itself", format!("up to version {}", versions.root));
    let signed = |role| {
        let keys = loaded.root.signed.roles.get(&role);
        keys.map_or_else(String::new, |keys| format!("{} of {} keys", keys.threshold, keys.keyids.len()))
    };
    for (role, version) in [
        (RoleType::Timestamp, versions.timestamp),
        (RoleType::Snapshot, versions.snapshot),
        (RoleType::Targets, versions.targets),
    ] {
        let found = format!("version {version}, {}", signed(role));
        holds(&format!("`{role}` is signed by a threshold of the keys that the root names"), found);
    }
    holds("the snapshot is the one that the timestamp names, the targets those that the snapshot names", String::new());
    for (name, metadata) in client::delegated(&loaded.targets.signed) {
        let found = format!("version {}, {} files", metadata.signed.version, metadata.signed.targets.len());
        holds(&format!("`{name}` is signed by its keys, and signs nothing that is not delegated to it"), found);
    }
    client::check_expired(&loaded.expires, now_ms)?;
    let left = loaded.expires.0.saturating_sub(now_ms) / 3_600_000;
    holds("nothing has expired", format!("`{}` is the first to, in {left} h", loaded.expires.1));
    for listed in client::list(&loaded.targets.signed, &limits)? {
        let (manifest, length) = store::on_its_own(async {
            let text = client::fetch(&listed.name, &listed.manifest, &source, limits.manifest).await?;
            let component = client::fetch(&listed.name, &listed.component, &source, limits.component).await?;
            Ok((Manifest::read(&listed.name, &text)?, component.len()))
        })?;
        if manifest.digest != listed.component.digest {
            let why = "its manifest is of another component";
            return Err(TrustError::plugin(&listed.name, crate::Kind::Mismatched, why));
        }
        holds(
            &format!("`{}` is what was signed, and its manifest is its own", listed.name),
            format!("release {}, {length} bytes, {}", manifest.release, manifest.digest),
        );
    }
    Ok(())
}
