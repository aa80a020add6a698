//! What is signed of a plugin beside its bytes.

use mountgate_core::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Kind, TrustError},
    name::PluginName,
};

/// The format of manifests that this version writes and reads.
const FORMAT: u32 = 1;

/// A plugin's manifest: a target beside the component, so that its text may hold what signed metadata may not (numbers
/// with a fraction, any script), and bound to it by the component's digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The format of this file.
    pub format: u32,
    /// The plugin. It grants nothing: which names a key may sign is in the delegations, which mounts may use a name in
    /// the mounts.
    pub name: PluginName,
    /// Counts up from 1.
    pub release: u64,
    /// The release that this one, which is lower, takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_of: Option<u64>,
    /// The SHA-256 of the component.
    pub digest: Digest,
    /// The version of the contract that the component was built against.
    pub contract: String,
    /// Limits that the host applies where they are tighter than its own.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub limits: serde_json::Map<String, serde_json::Value>,
    /// The schema of its settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings_schema: Option<serde_json::Value>,
    /// Its cases, which a gateway runs before it puts the plugin into force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<serde_json::Value>,
}

impl Manifest {
    /// A manifest of that component.
    pub fn new(name: PluginName, release: u64, component: &[u8], contract: impl Into<String>) -> Self {
        Self {
            format: FORMAT,
            name,
            release,
            rollback_of: None,
            digest: Digest::of(component),
            contract: contract.into(),
            limits: serde_json::Map::new(),
            settings_schema: None,
            cases: Vec::new(),
        }
    }

    /// Reads the manifest that a repository has for that name.
    ///
    /// # Errors
    /// Where it is none, or another plugin's.
    pub fn read(name: &PluginName, text: &[u8]) -> Result<Self, TrustError> {
        let bad = |why: String| TrustError::plugin(name, Kind::BadPlugin, why);
        let manifest: Self =
            serde_json::from_slice(text).map_err(|error| bad(format!("its manifest does not read: {error}")))?;
        if manifest.format != FORMAT {
            return Err(bad(format!("its manifest has format {}, and this version reads {FORMAT}", manifest.format)));
        }
        if manifest.name != *name {
            return Err(bad(format!("its manifest is that of `{}`", manifest.name)));
        }
        if manifest.release == 0 {
            return Err(bad("its release is 0: releases count from 1".to_owned()));
        }
        if manifest.rollback_of.is_some_and(|taken_back| taken_back <= manifest.release) {
            return Err(bad("its `rollback_of` names no later release".to_owned()));
        }
        Ok(manifest)
    }
}
