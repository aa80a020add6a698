//! The plugins that checked metadata lists.

use std::collections::BTreeMap;

use mountgate_core::Digest;
use tough::schema::{Target, Targets};

use super::{delegated, pattern};
use crate::{
    Limits,
    error::{Kind, TrustError},
    name::PluginName,
    source::{RepoPath, Source},
};

/// A file that metadata lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) path: RepoPath,
    pub(crate) length: u64,
    pub(crate) digest: Digest,
}

/// A plugin that metadata lists: two files, signed by one role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: PluginName,
    pub(crate) component: File,
    pub(crate) manifest: File,
    /// Who signed it.
    pub(crate) role: String,
}

/// Every plugin, each from the first role that has it and may have it: the repository's own, then the delegated ones in
/// their order.
pub(crate) fn list(targets: &Targets, limits: &Limits) -> Result<Vec<Listed>, TrustError> {
    let mut found: BTreeMap<PluginName, Listed> = BTreeMap::new();
    collect("targets", targets, &mut found, |_| true)?;
    // What a terminating delegation names is not looked for any further.
    let mut ended: Vec<&tough::schema::DelegatedRole> = Vec::new();
    for role in targets.delegations.iter().flat_map(|delegations| &delegations.roles) {
        if let Some(metadata) = &role.targets {
            let is_open = |name: &PluginName| {
                !ended.iter().any(|before| pattern::names(before, &name.component()).unwrap_or(true))
            };
            collect(&role.name, &metadata.signed, &mut found, is_open)?;
        }
        if role.terminating {
            ended.push(role);
        }
    }
    if found.len() > limits.plugins {
        return Err(TrustError::metadata(
            Kind::TooLarge,
            format!("the repository lists {} plugins, and {} are taken", found.len(), limits.plugins),
        ));
    }
    debug_assert!(delegated(targets).count() <= targets.delegations.as_ref().map_or(0, |all| all.roles.len()));
    Ok(found.into_values().collect())
}

fn collect(
    role: &str,
    targets: &Targets,
    found: &mut BTreeMap<PluginName, Listed>,
    is_open: impl Fn(&PluginName) -> bool,
) -> Result<(), TrustError> {
    for (target, component) in &targets.targets {
        // Other files may be there, and are nothing to this client. A name that resolves to another is one of them.
        let Some(name) = PluginName::of_component(target.raw()) else { continue };
        if found.contains_key(&name) || !is_open(&name) {
            continue;
        }
        let manifest = targets.targets.iter().find(|(target, _)| target.raw() == name.manifest());
        let Some((_, manifest)) = manifest else {
            let why = format!("the role `{role}` signs its component and no manifest");
            return Err(TrustError::plugin(&name, Kind::BadPlugin, why));
        };
        let listed = Listed {
            component: file(&name, &name.component(), component)?,
            manifest: file(&name, &name.manifest(), manifest)?,
            role: role.to_owned(),
            name: name.clone(),
        };
        found.insert(name, listed);
    }
    Ok(())
}

fn file(name: &PluginName, target: &str, listed: &Target) -> Result<File, TrustError> {
    let bad = |why: &str| TrustError::plugin(name, Kind::Malformed, why);
    let digest = <[u8; 32]>::try_from(&listed.hashes.sha256[..]).map_err(|_| bad("its digest is no SHA-256"))?;
    let digest = Digest::from_bytes(digest);
    let path = RepoPath::target(target, &digest).ok_or_else(|| bad("its name is no path"))?;
    Ok(File { path, length: listed.length, digest })
}

/// Reads a file that metadata lists, and checks that it is that file.
pub(crate) async fn fetch(name: &PluginName, file: &File, source: &Source, most: u64) -> Result<Vec<u8>, TrustError> {
    if file.length > most {
        let why = format!("`{}` has {} bytes, and {most} are taken", file.path, file.length);
        return Err(TrustError::plugin(name, Kind::TooLarge, why));
    }
    let bytes = source.get(&file.path, file.length).await?;
    if u64::try_from(bytes.len()).ok() != Some(file.length) || Digest::of(&bytes) != file.digest {
        return Err(TrustError::plugin(name, Kind::Mismatched, format!("`{}` is not what was signed", file.path)));
    }
    Ok(bytes)
}
