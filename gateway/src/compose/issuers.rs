//! Issuers put together: their rules, and the keys by which their tokens are checked.

use std::{collections::BTreeMap, sync::Arc};

use mountgate_core::Digest;
use mountgate_identity::{Issuer, Issuers, KeySet};
use mountgate_mediate::reload::Step;

use super::Faults;
use crate::config::{Config, IssuerConfig, KeysFrom};

/// An issuer as it is in force.
#[derive(Clone)]
pub(super) struct Trusted {
    config: IssuerConfig,
    /// Of its keys, where they are in a file.
    keys: Digest,
    issuer: Arc<Issuer>,
}

pub(super) type AllTrusted = BTreeMap<String, Trusted>;

/// Puts the issuers together. One whose rules and keys are as they were stays the same, with what it remembers.
pub(super) fn issuers(config: &Config, kept: &AllTrusted, faults: &mut Faults) -> AllTrusted {
    let mut out = AllTrusted::new();
    for (name, section) in &config.main.issuers {
        match trusted(section, kept.get(name)) {
            Ok(trusted) => drop(out.insert(name.clone(), trusted)),
            Err((key, why)) => {
                let place: Vec<String> = ["issuers", name, "jwks", key].map(str::to_owned).into();
                let message = format!("issuer `{name}`: {why}");
                faults.add(Step::Read, config.main.source.point(&place, None, &message));
            }
        }
    }
    out
}

fn trusted(section: &IssuerConfig, kept: Option<&Trusted>) -> Result<Trusted, (&'static str, String)> {
    match &section.keys {
        KeysFrom::File(path) => {
            let bytes = std::fs::read(path)
                .map_err(|error| ("file", format!("the key set `{}` cannot be read: {error}", path.display())))?;
            let keys = Digest::of(&bytes);
            if let Some(kept) = kept.filter(|kept| kept.config == *section && kept.keys == keys) {
                return Ok(kept.clone());
            }
            let set = KeySet::read(&bytes, &section.rules.algorithms)
                .map_err(|why| ("file", format!("the key set `{}`: {why}", path.display())))?;
            let issuer = Arc::new(Issuer::new(section.rules.clone(), set, None));
            Ok(Trusted { config: section.clone(), keys, issuer })
        }
    }
}

/// The issuers, for the identities.
pub(super) fn set(trusted: &AllTrusted) -> Result<Issuers, String> {
    Issuers::new(trusted.values().map(|trusted| Arc::clone(&trusted.issuer)))
}

/// The names of those that are not as they were, gone ones among them.
pub(super) fn changed(before: &AllTrusted, after: &AllTrusted) -> std::collections::BTreeSet<String> {
    let same = |name: &String| match (before.get(name), after.get(name)) {
        (Some(before), Some(after)) => Arc::ptr_eq(&before.issuer, &after.issuer),
        _ => false,
    };
    before.keys().chain(after.keys()).filter(|name| !same(name)).cloned().collect()
}

/// The digests of their keys, for the ledger.
pub(super) fn digests(trusted: &AllTrusted) -> BTreeMap<String, Digest> {
    trusted.iter().map(|(name, trusted)| (name.clone(), trusted.keys)).collect()
}
