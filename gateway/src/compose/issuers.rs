//! Issuers put together: their rules, and the keys by which their tokens are checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use mountgate_core::Digest;
use mountgate_identity::{Issuer, Issuers, KeySet};
use mountgate_mediate::reload::Step;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Faults;
use crate::{
    config::{Config, IssuerConfig, KeysFrom},
    jwks::{JwksAddress, Roots},
};

/// An issuer as it is in force.
#[derive(Clone)]
pub(super) struct Trusted {
    config: IssuerConfig,
    /// Of its keys, where they are in a file; of the authorities by which its host is believed, where they are not.
    file: Digest,
    issuer: Arc<Issuer>,
    published: Option<Arc<Published>>,
}

/// An issuer that publishes its keys under a URL.
pub struct Published {
    /// The issuer; without keys until it was asked.
    pub issuer: Arc<Issuer>,
    /// Where it publishes them.
    pub address: JwksAddress,
    /// The authorities by which its host is believed.
    pub roots: Option<Roots>,
    /// How often it is asked.
    pub refresh: Duration,
    /// Told when a token names a key that is not known.
    pub wanted: Arc<Notify>,
    /// Of the keys in force.
    known: Mutex<Option<Digest>>,
}

impl Published {
    /// Puts keys in force, unless they are: says whether they are others.
    pub fn take(&self, set: KeySet, digest: Digest) -> bool {
        let mut known = self.known.lock();
        if *known == Some(digest) {
            return false;
        }
        self.issuer.set_keys(set);
        *known = Some(digest);
        true
    }

    /// Whether it has ever answered.
    pub fn is_known(&self) -> bool {
        self.known.lock().is_some()
    }
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
    let read = |key, what: &str, path: &std::path::Path| {
        std::fs::read(path).map_err(|error| (key, format!("{what} `{}` cannot be read: {error}", path.display())))
    };
    let (config, rules) = (section.clone(), section.rules.clone());
    match &section.keys {
        KeysFrom::File(path) => {
            let bytes = read("file", "the key set", path)?;
            let file = Digest::of(&bytes);
            if let Some(kept) = kept.filter(|kept| kept.config == *section && kept.file == file) {
                return Ok(kept.clone());
            }
            let set = KeySet::read(&bytes, &rules.algorithms)
                .map_err(|why| ("file", format!("the key set `{}`: {why}", path.display())))?;
            Ok(Trusted { config, file, issuer: Arc::new(Issuer::new(rules, set, None)), published: None })
        }
        KeysFrom::Url { address, ca, refresh } => {
            let pem = ca.as_ref().map(|path| read("ca", "the authority", path)).transpose()?;
            let file = Digest::of(pem.as_deref().unwrap_or_default());
            if let Some(kept) = kept.filter(|kept| kept.config == *section && kept.file == file) {
                return Ok(kept.clone());
            }
            let key = if ca.is_some() { "ca" } else { "url" };
            let roots = address.is_tls().then(|| Roots::read(pem.as_deref())).transpose().map_err(|why| (key, why))?;
            let wanted = Arc::new(Notify::new());
            let told = Arc::clone(&wanted);
            let issuer = Issuer::new(rules, KeySet::default(), Some(Arc::new(move || told.notify_one())));
            let issuer = Arc::new(issuer);
            let published = Published {
                issuer: Arc::clone(&issuer),
                address: address.clone(),
                roots,
                refresh: *refresh,
                wanted,
                known: Mutex::new(None),
            };
            Ok(Trusted { config, file, issuer, published: Some(Arc::new(published)) })
        }
    }
}

/// The issuers, for the identities.
pub(super) fn set(trusted: &AllTrusted) -> Result<Issuers, String> {
    Issuers::new(trusted.values().map(|trusted| Arc::clone(&trusted.issuer)))
}

/// Those that are to be asked for their keys.
pub(super) fn published(trusted: &AllTrusted) -> Vec<Arc<Published>> {
    trusted.values().filter_map(|trusted| trusted.published.clone()).collect()
}

/// The names of those that are not as they were, gone ones among them.
pub(super) fn changed(before: &AllTrusted, after: &AllTrusted) -> BTreeSet<String> {
    let same = |name: &String| match (before.get(name), after.get(name)) {
        (Some(before), Some(after)) => Arc::ptr_eq(&before.issuer, &after.issuer),
        _ => false,
    };
    before.keys().chain(after.keys()).filter(|name| !same(name)).cloned().collect()
}

/// The digests of their keys, where they are in files, for the ledger.
pub(super) fn digests(trusted: &AllTrusted) -> BTreeMap<String, Digest> {
    let in_files = trusted.iter().filter(|(_, trusted)| trusted.published.is_none());
    in_files.map(|(name, trusted)| (name.clone(), trusted.file)).collect()
}
