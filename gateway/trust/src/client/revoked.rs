//! Emergency revocations: a field of the repository's own `targets.json`, so that they are signed by the key that root
//! names for it, take effect with the metadata itself, and wait for no other file.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tough::schema::Targets;

use crate::{
    error::{Kind, TrustError},
    name::{PluginName, Selector},
};

/// The field.
const FIELD: &str = "x-mountgate-revoked";

/// A plugin, or one release of it, that must not run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// The plugin.
    pub name: PluginName,
    /// The release; every one where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<u64>,
    /// Why, for whoever reads the alarm.
    pub reason: String,
}

/// What is revoked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Revoked(Vec<Revocation>);

impl Revoked {
    /// What metadata says is revoked.
    pub(crate) fn of(targets: &Targets) -> Result<Self, TrustError> {
        let Some(field) = targets._extra.get(FIELD) else { return Ok(Self::default()) };
        let all = Vec::<Revocation>::deserialize(field).map_err(|error| {
            TrustError::metadata(Kind::Malformed, format!("the revocations in `targets.json` do not read: {error}"))
        })?;
        Ok(Self(all))
    }

    /// Why that release of that plugin is revoked, where it is.
    pub(crate) fn reason(&self, name: &PluginName, release: u64) -> Option<&str> {
        let found = self
            .0
            .iter()
            .find(|revoked| revoked.name == *name && revoked.release.is_none_or(|revoked| revoked == release));
        found.map(|revoked| revoked.reason.as_str())
    }

    pub(crate) fn all(&self) -> &[Revocation] {
        &self.0
    }

    pub(crate) fn add(&mut self, selector: &Selector, reason: &str) {
        self.lift(selector);
        let Selector { name, release } = selector.clone();
        self.0.push(Revocation { name, release, reason: reason.to_owned() });
        self.0.sort();
    }

    /// Takes a revocation back, and says whether there was one.
    pub(crate) fn lift(&mut self, selector: &Selector) -> bool {
        let before = self.0.len();
        self.0.retain(|revoked| revoked.name != selector.name || revoked.release != selector.release);
        self.0.len() < before
    }

    pub(crate) fn write(&self, extra: &mut HashMap<String, Value>) -> Result<(), TrustError> {
        if self.0.is_empty() {
            extra.remove(FIELD);
            return Ok(());
        }
        let value =
            serde_json::to_value(&self.0).map_err(|error| TrustError::metadata(Kind::Malformed, error.to_string()))?;
        extra.insert(FIELD.to_owned(), value);
        Ok(())
    }
}
