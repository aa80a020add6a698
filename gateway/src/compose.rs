//! Composition: a configuration, its backends and its policies put together into a generation. Start, reload, `check`
//! and `explain` all come through here, so that what one accepts the others accept.

mod policies;
mod site;
pub mod trust;
pub mod wall;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mountgate_backend::Backend;
use mountgate_core::{BackendName, Digest, MountName, PolicyName};
use mountgate_driver::{PostgresConfig, SqliteConfig, Store, StoreConfig, StoreError};
use mountgate_mediate::{
    Generation,
    reload::{Changes, Step},
};
use mountgate_policy::{AdmissionError, HostConfig};
use mountgate_trust::TrustedSet;
use serde::Serialize;
use zeroize::Zeroizing;

use self::{
    policies::{Admitted, Policies, Refused, Why},
    site::{Built, Site},
    trust::Signed,
};
use crate::{
    config::{
        BackendConfig, Config, MainFile, MountConfig, PostgresTarget, Problem, Problems, Source, StoreSection, Wall,
    },
    keys::Keys,
};

/// What was put together.
pub struct Composed {
    /// The mounts in force.
    pub generation: Generation,
    /// What an operator should know.
    pub warnings: Vec<String>,
    /// What is not as in what was [adopted](Composer::adopt) last.
    pub changes: Changes,
    /// The digests of what it is made of.
    pub digests: Digests,
    kept: Kept,
}

/// The digests of what a generation is made of, for the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Digests {
    /// Of the files' texts.
    pub config: Option<Digest>,
    /// Of each policy's component, by its name in configuration.
    pub policies: BTreeMap<PolicyName, Digest>,
    /// The version of the signed repository that signed plugins are from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<u64>,
    /// The release of each signed plugin.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub releases: BTreeMap<PolicyName, u64>,
}

/// Why nothing was put together: the first step at which something was wrong, and everything that was.
#[derive(Debug)]
pub struct Failure {
    /// The step.
    pub step: Step,
    /// The first problem of that step.
    pub first: usize,
    /// Everything.
    pub problems: Problems,
}

/// Puts generations together, and keeps what the next one can use again: open backends, admitted plugins, prepared
/// policies. What it keeps is what is in force: a composition that fails, or is not adopted, leaves it as it was.
pub struct Composer {
    policies: Policies,
    kept: Kept,
    /// The time by which signatures expire; the system's where there is none.
    clock: Option<fn() -> i64>,
}

/// What is in force, for the next composition.
#[derive(Default)]
struct Kept {
    main: Option<Arc<Source>>,
    backends: BTreeMap<BackendName, Opened>,
    plugins: BTreeMap<PolicyName, Admitted>,
    mounts: BTreeMap<MountName, Built>,
    /// Where signed plugins come from.
    signed: Option<Signed>,
}

#[derive(Clone)]
struct Opened {
    config: BackendConfig,
    secret: Option<Zeroizing<String>>,
    backend: Arc<Backend>,
    /// Mounts behind their walls, each with the digest of its wall.
    walls: BTreeMap<MountName, (String, Arc<Backend>)>,
}

/// Collects what is wrong, each at its step.
#[derive(Default)]
struct Faults(Vec<(Step, Problem)>);

impl Faults {
    fn add(&mut self, step: Step, problem: Problem) {
        self.0.push((step, problem));
    }

    fn all(&mut self, step: Step, problems: impl IntoIterator<Item = Problem>) {
        self.0.extend(problems.into_iter().map(|problem| (step, problem)));
    }

    /// `None` where nothing is wrong.
    fn into_failure(self) -> Option<Failure> {
        let step = self.0.iter().map(|(step, _)| *step).min()?;
        let first = self.0.iter().position(|(other, _)| *other == step).unwrap_or_default();
        Some(Failure { step, first, problems: Problems(self.0.into_iter().map(|(_, problem)| problem).collect()) })
    }
}

impl Composed {
    /// Where its signed plugins come from.
    pub fn trust(&self) -> Option<&Signed> {
        self.kept.signed.as_ref()
    }
}

impl Composer {
    /// With a policy host of its own.
    ///
    /// # Errors
    /// Where the machine does not give what the host asks for.
    pub fn new(host: HostConfig) -> Result<Self, AdmissionError> {
        Ok(Self { policies: Policies::new(host)?, kept: Kept::default(), clock: None })
    }

    /// With another clock for what signs the plugins: milliseconds since 1970-01-01T00:00Z.
    #[must_use]
    pub fn with_clock(self, clock: fn() -> i64) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Opens what is not open, and builds every mount.
    ///
    /// # Errors
    /// Everything that does not fit, each at its place in the files.
    pub async fn compose(&mut self, config: &Config, keys: &Keys, number: u64) -> Result<Composed, Problems> {
        self.compose_telling(config, keys, number, &|_| {}).await.map_err(|failure| failure.problems)
    }

    /// The same, and tells each step as it comes to it.
    ///
    /// # Errors
    /// The first step that failed, and everything that does not fit.
    pub async fn compose_telling(
        &mut self,
        config: &Config,
        keys: &Keys,
        number: u64,
        tell: &(dyn Fn(Step) + Sync),
    ) -> Result<Composed, Failure> {
        let mut faults = Faults::default();
        let mut warnings = config.warnings.clone();
        warnings.extend(config.ended(crate::state::now_ms()));
        tell(Step::Fit);
        let mut backends = self.open_backends(config, &mut faults, &mut warnings).await;
        tell(Step::Verify);
        let signed = self.signed(config, &mut faults).await;
        // One set for all of a generation's mounts, whatever a refresh does meanwhile.
        let set = signed.as_ref().and_then(|signed| signed.store().current());
        let plugins = self.admit(config, set.as_deref(), &mut faults, tell).await;
        tell(Step::Fit);
        let mut made = BTreeMap::new();
        let mut mounts = Vec::new();
        let mut inspectors = wall::Inspectors::default();
        for declared in config.mounts.values() {
            let Some(opened) = backends.get_mut(&declared.backend) else { continue };
            let before = self.kept.mounts.get(&declared.name);
            let mut site =
                Site { config, keys, declared, opened, before, plugins: &plugins, plugins_before: &self.kept.plugins };
            let placed = site.place(&mut inspectors, &mut warnings).await;
            let policies = match &placed {
                Ok(placed) => site.policies(placed).await,
                // Policies are configured for the ceiling: without one there is nothing to say of their settings.
                Err(_) => Err(vec![]),
            };
            match (placed, policies) {
                (Ok(placed), Ok(policies)) => {
                    let (mount, built) = site.build(placed, policies);
                    mounts.push(mount);
                    made.insert(declared.name.clone(), built);
                }
                (placed, policies) => {
                    faults.all(Step::Fit, placed.err().into_iter().flatten());
                    faults.all(Step::Fit, policies.err().into_iter().flatten());
                }
            }
        }
        if let Some(failure) = faults.into_failure() {
            return Err(failure);
        }
        for opened in backends.values_mut() {
            opened.walls.retain(|mount, _| config.mounts.contains_key(mount));
        }
        let generation = Generation::new(number, mounts);
        for (name, built) in &mut made {
            built.mount = generation.mounts().get(name).map(Arc::downgrade).unwrap_or_default();
        }
        let repository = set.as_ref().map(|set| set.version);
        let releases = plugins.iter().filter_map(|(name, admitted)| Some((name.clone(), admitted.release?))).collect();
        let kept = Kept { main: Some(Arc::clone(&config.main.source)), backends, plugins, mounts: made, signed };
        Ok(Composed {
            generation,
            warnings,
            changes: self.kept.changes(&kept),
            digests: Digests {
                config: Some(config.digest()),
                policies: kept.plugins.iter().map(|(name, admitted)| (name.clone(), admitted.digest())).collect(),
                repository,
                releases,
            },
            kept,
        })
    }

    /// Where the signed plugins in force come from.
    pub fn trust(&self) -> Option<&Signed> {
        self.kept.signed.as_ref()
    }

    /// What was composed is in force: the next composition goes on from there. Gives back its generation and warnings.
    pub fn adopt(&mut self, composed: Composed) -> (Generation, Vec<String>) {
        self.kept = composed.kept;
        self.policies.adopted();
        (composed.generation, composed.warnings)
    }

    async fn open_backends(
        &self,
        config: &Config,
        faults: &mut Faults,
        warnings: &mut Vec<String>,
    ) -> BTreeMap<BackendName, Opened> {
        let mut open = BTreeMap::new();
        for (name, section) in &config.main.backends {
            let at = |key: Option<&str>, message: String| {
                let place: Vec<String> =
                    ["backends", name.as_str()].into_iter().chain(key).map(str::to_owned).collect();
                config.main.source.point(&place, None, &message)
            };
            let secret = match secret_of(section) {
                Ok(secret) => secret,
                Err((key, why)) => {
                    faults.add(Step::Fit, at(Some(key), format!("backend `{name}`: {why}")));
                    continue;
                }
            };
            let kept = self.kept.backends.get(name).filter(|kept| kept.config == *section && kept.secret == secret);
            let opened = match kept {
                Some(kept) => kept.clone(),
                None => match open_store(section, secret.as_deref()).await {
                    Ok(store) => Opened {
                        config: section.clone(),
                        secret,
                        backend: Arc::new(Backend::new(name.clone(), store)),
                        walls: BTreeMap::new(),
                    },
                    Err(error) => {
                        let why = format!("backend `{name}` cannot be opened ({}): {}", error.class, error.detail);
                        faults.add(Step::Fit, at(None, why));
                        continue;
                    }
                },
            };
            // Walls of PostgreSQL are its mounts', and told with them.
            let is_told_here = matches!(section.store, StoreSection::Sqlite(_)) || section.wall == Wall::Off;
            if is_told_here && !opened.backend.is_walled() {
                warnings.push(format!(
                    "backend `{name}` has no wall of its own: the rewrite alone keeps agents within their ceilings"
                ));
            }
            open.insert(name.clone(), opened);
        }
        open
    }

    /// Admits every policy that a mount uses, and every plugin declared.
    async fn admit(
        &mut self,
        config: &Config,
        set: Option<&TrustedSet>,
        faults: &mut Faults,
        tell: &(dyn Fn(Step) + Sync),
    ) -> BTreeMap<PolicyName, Admitted> {
        let used: BTreeSet<&PolicyName> = config
            .mounts
            .values()
            .flat_map(MountConfig::choices)
            .map(|choice| &choice.name)
            .chain(config.main.plugins.keys())
            .collect();
        let mut plugins = BTreeMap::new();
        for name in used {
            match self.policies.admit(name, config.main.plugins.get(name), set, tell).await {
                Ok(admitted) => drop(plugins.insert(name.clone(), admitted)),
                Err(Refused { step, why: Why::Cases(problems) }) => faults.all(step, problems),
                Err(Refused { step, why: Why::Said { key, why } }) => {
                    // A signed plugin has no section of its own.
                    let place = match config.main.plugins.contains_key(name) {
                        true => vec!["plugins".to_owned(), name.to_string(), key.to_owned()],
                        false => vec!["trust".to_owned()],
                    };
                    faults.add(step, config.main.source.point(&place, None, &format!("policy `{name}`: {why}")));
                }
            }
        }
        plugins
    }
}

impl Kept {
    fn changes(&self, next: &Self) -> Changes {
        let (before, after) = (&self.mounts, &next.mounts);
        Changes {
            added: after.keys().filter(|name| !before.contains_key(*name)).cloned().collect(),
            removed: before.keys().filter(|name| !after.contains_key(*name)).cloned().collect(),
            changed: after
                .iter()
                .filter(|(name, built)| !built.follows && before.contains_key(*name))
                .map(|(name, _)| name.clone())
                .collect(),
            policies: next
                .plugins
                .iter()
                .filter(|(name, plugin)| self.plugins.get(*name).is_none_or(|old| !old.is_same(plugin)))
                .map(|(name, _)| name.clone())
                .collect(),
            main: self.main.as_ref().is_none_or(|main| Some(&main.text) != next.main.as_ref().map(|main| &main.text)),
        }
    }
}

/// The secrets that a backend's section names, read anew each time: a password that was changed is used after a reload.
fn secret_of(section: &BackendConfig) -> Result<Option<Zeroizing<String>>, (&'static str, String)> {
    let StoreSection::Postgres(postgres) = &section.store else { return Ok(None) };
    let url = match &postgres.target {
        PostgresTarget::Plain(_) => None,
        PostgresTarget::Secret(secret) => Some(secret.load().map_err(|why| ("url", why))?),
    };
    let password = match &postgres.password {
        Some(secret) => Some(secret.load().map_err(|why| ("password", why))?),
        None => None,
    };
    // One text for both, the URL first; a newline is in neither.
    match (url, password) {
        (None, None) => Ok(None),
        (url, password) => {
            let mut both = Zeroizing::new(String::new());
            both.push_str(url.as_ref().map_or("", |url| url.as_str()));
            both.push('\n');
            both.push_str(password.as_ref().map_or("", |password| password.as_str()));
            Ok(Some(both))
        }
    }
}

async fn open_store(section: &BackendConfig, secret: Option<&String>) -> Result<Store, StoreError> {
    Store::open(store_config(section, secret)?).await
}

fn store_config(section: &BackendConfig, secret: Option<&String>) -> Result<StoreConfig, StoreError> {
    Ok(match &section.store {
        StoreSection::Sqlite(sqlite) => {
            let mut config = SqliteConfig::new(&sqlite.path);
            if let Some(threads) = sqlite.threads {
                config.threads = threads;
            }
            config.walled = section.wall != Wall::Off;
            config.functions = section.extras.iter().map(|extra| extra.name().to_owned()).collect();
            StoreConfig::Sqlite(config)
        }
        StoreSection::Postgres(postgres) => {
            let (url, password) = secret.and_then(|secret| secret.split_once('\n')).unwrap_or_default();
            let mut config = PostgresConfig::new(match &postgres.target {
                PostgresTarget::Plain(url) => url,
                PostgresTarget::Secret(_) => url,
            })?;
            if !password.is_empty() {
                config = config.password(password);
            }
            if let Some(pool) = postgres.pool {
                config.connections = pool;
            }
            StoreConfig::Postgres(config)
        }
    })
}

/// The policy host's configuration: the defaults, with compiled components kept in the state folder.
pub fn host_config(main: &MainFile, keys: &Keys) -> HostConfig {
    HostConfig {
        disk: Some(mountgate_policy::DiskCache {
            dir: main.server.state.join("compiled"),
            bytes: mountgate_policy::DiskCache::BYTES,
            key: keys.compiled(),
        }),
        ..HostConfig::default()
    }
}

#[cfg(test)]
mod tests;
