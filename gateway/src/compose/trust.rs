//! `[trust]`, put together: the store of signed plugins, in the state folder.

use std::{path::PathBuf, sync::Arc, time::Duration};

use mountgate_mediate::{SignatureFailure, Signatures, reload::Step};
use mountgate_policy::in_background;
use mountgate_trust::{
    Status, Store, StoreConfig, TrustError,
    store::{Health, Refreshed},
};

use super::{Composer, Faults};
use crate::config::{Config, MainFile, TrustSection};

/// The store's folder within the state folder.
const FOLDER: &str = "trust";

/// How the store of a configuration is kept, where it has one.
pub fn store_config(main: &MainFile) -> Option<StoreConfig> {
    let TrustSection { repository, root, deny_after, internal, refresh: _ } = main.trust.clone()?;
    let mut config = StoreConfig::new(folder(main), repository, root);
    config.deny_after = deny_after;
    config.internal = internal;
    Some(config)
}

fn folder(main: &MainFile) -> PathBuf {
    main.server.state.join(FOLDER)
}

/// Asks the repository, on a thread that requests go before and that nobody waits for at the end: a refresh that is killed
/// leaves the old set or the new one.
///
/// # Errors
/// What is wrong; the last good set stays.
pub async fn refresh(store: &Arc<Store>) -> Result<Refreshed, TrustError> {
    let store = Arc::clone(store);
    let (done, ended) = tokio::sync::oneshot::channel();
    let started = in_background("trust-refresh", move || {
        // Who asked may have gone.
        let _ = done.send(store.refresh());
    });
    started.map_err(|error| TrustError::Usage(format!("there is no thread for a refresh: {error}")))?;
    ended.await.unwrap_or_else(|_| Err(TrustError::Usage("the refresh broke off".to_owned())))
}

/// What an operator should know of how the signed plugins stand.
pub fn warnings(status: &Status) -> Vec<String> {
    let why = status.failure.as_ref().map_or_else(String::new, |failure| format!(": {}", failure.message));
    let mut warnings = match status.health {
        Health::Current => vec![],
        Health::Late => {
            vec![format!("the repository of plugins could not be refreshed, the last good set is used{why}")]
        }
        Health::Expired => vec![format!("what signs the plugins has expired, the last good set is used{why}")],
        Health::Denying => {
            vec![format!("what signs the plugins expired so long ago that mounts with signed plugins refuse{why}")]
        }
        Health::Absent => vec![format!("there are no signed plugins{why}")],
    };
    warnings.extend(revocations(status));
    warnings
}

/// The plugins that are revoked and not replaced, in words.
fn revocations(status: &Status) -> impl Iterator<Item = String> {
    status.withdrawn.iter().map(|revoked| {
        let release = revoked.release.map_or_else(String::new, |release| format!(", release {release},"));
        format!("plugin `{}`{release} is revoked: {}", revoked.name, revoked.reason)
    })
}

/// How the signed plugins stand, for `/healthz` and metrics.
pub fn signatures(status: &Status) -> Signatures {
    let revocations: Vec<String> = revocations(status).collect();
    Signatures {
        state: status.health.as_str(),
        is_well: status.health == Health::Current && revocations.is_empty(),
        version: status.version,
        expires_ms: status.expires_ms,
        denies_ms: status.denies_ms,
        refreshed_ms: status.refreshed_ms,
        failure: status.failure.as_ref().map(|failure| SignatureFailure {
            time_ms: failure.time_ms,
            kind: failure.kind,
            message: failure.message.clone(),
        }),
        revoked: revocations.len(),
        revocations,
    }
}

/// Where a generation's signed plugins come from.
#[derive(Clone)]
pub struct Signed {
    section: TrustSection,
    folder: PathBuf,
    store: Arc<Store>,
}

impl Signed {
    /// What is kept of the repository.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Whether they are kept in one and the same place in memory, and asked as often.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.store, &other.store) && self.every() == other.every()
    }

    /// How often the repository is to be asked.
    pub fn every(&self) -> Duration {
        self.section.refresh
    }
}

impl Composer {
    /// The store of the configuration: the one in force, where that says the same. Where there is no set yet, the
    /// repository is asked: without one, nothing that is signed can run, and the gateway does not start.
    pub(super) async fn signed(&self, config: &Config, faults: &mut Faults) -> Option<Signed> {
        let section = config.main.trust.clone()?;
        let at = |message: String| config.main.source.point(&["trust".to_owned()], None, &message);
        let folder = folder(&config.main);
        let kept = self.kept.signed.as_ref();
        let signed = match kept.filter(|kept| kept.section == section && kept.folder == folder) {
            Some(kept) => kept.clone(),
            None => {
                let mut wanted = store_config(&config.main)?;
                if let Some(clock) = self.clock {
                    wanted.clock = Arc::new(clock);
                }
                let opened = tokio::task::spawn_blocking(move || Store::open(wanted)).await;
                match opened {
                    Ok(Ok(store)) => Signed { section, folder, store: Arc::new(store) },
                    Ok(Err(error)) => {
                        faults.add(Step::Verify, at(error.to_string()));
                        return None;
                    }
                    Err(error) => {
                        faults.add(Step::Verify, at(format!("opening the store broke off: {error}")));
                        return None;
                    }
                }
            }
        };
        if signed.store.current().is_none()
            && let Err(error) = refresh(&signed.store).await
        {
            let why = format!("there is no set of signed plugins yet, and none could be had: {error}");
            faults.add(Step::Verify, at(why));
            return None;
        }
        Some(signed)
    }
}
