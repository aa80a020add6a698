//! Composition: a configuration, its backends and its policies put together into a generation. Start, reload, `check`
//! and `explain` all come through here, so that what one accepts the others accept.

mod policies;
pub mod wall;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mountgate_backend::Backend;
use mountgate_core::{BackendName, Ceiling, MountName, PolicyName, RelationName, RequestMount};
use mountgate_driver::{PostgresConfig, SqliteConfig, Store, StoreConfig, StoreError};
use mountgate_mediate::{Assigned, Generation, Mount, MountSpec};
use mountgate_policy::{AdmissionError, HostConfig, Isolation, Plugin};
use zeroize::Zeroizing;

use self::policies::Policies;
use crate::{
    config::{
        BackendConfig, Config, MainFile, MountConfig, PolicyChoice, PostgresTarget, Problem, Problems, StoreSection,
        Wall,
    },
    keys::Keys,
};

/// What was put together.
pub struct Composed {
    /// The mounts in force.
    pub generation: Generation,
    /// What an operator should know.
    pub warnings: Vec<String>,
}

/// Puts generations together, and keeps what the next one can use again: open backends, admitted plugins.
pub struct Composer {
    policies: Policies,
    backends: BTreeMap<BackendName, Opened>,
}

struct Opened {
    config: BackendConfig,
    secret: Option<Zeroizing<String>>,
    backend: Arc<Backend>,
    /// Mounts behind their walls, each with the digest of its wall.
    walls: BTreeMap<MountName, (String, Arc<Backend>)>,
}

impl Composer {
    /// With a policy host of its own.
    ///
    /// # Errors
    /// Where the machine does not give what the host asks for.
    pub fn new(host: HostConfig) -> Result<Self, AdmissionError> {
        Ok(Self { policies: Policies::new(host)?, backends: BTreeMap::new() })
    }

    /// Opens what is not open, and builds every mount.
    ///
    /// # Errors
    /// Everything that does not fit, each at its place in the files.
    pub async fn compose(&mut self, config: &Config, keys: &Keys, number: u64) -> Result<Composed, Problems> {
        let mut problems = Vec::new();
        let mut warnings = config.warnings.clone();
        warnings.extend(config.ended(crate::state::now_ms()));
        self.open_backends(config, &mut problems, &mut warnings).await;
        let plugins = self.admit(config, &mut problems).await;
        let mut mounts = Vec::new();
        let mut inspectors = wall::Inspectors::default();
        for declared in config.mounts.values() {
            let Some(opened) = self.backends.get_mut(&declared.backend) else { continue };
            let masks = keys.masks(&declared.name);
            let behind = match ceiling(declared, &opened.backend).await {
                Ok(ceiling) => {
                    wall::behind(opened, declared, ceiling, keys, &mut inspectors, config, &mut warnings).await
                }
                Err(problems) => Err(problems),
            };
            // Policies are configured for the ceiling: without one there is nothing to say of their settings.
            let policies = match &behind {
                Ok((_, ceiling)) => assign(declared, ceiling, &plugins).await,
                Err(_) => Err(vec![]),
            };
            match (behind, policies) {
                (Ok((backend, ceiling)), Ok((policy, per_agent))) => mounts.push(Mount::new(MountSpec {
                    name: declared.name.clone(),
                    dialect: opened.backend.dialect(),
                    extras: opened.config.extras.iter().cloned().collect(),
                    ceiling,
                    backend,
                    policy,
                    per_agent,
                    mask_keys: Arc::new(masks),
                    zone: declared.zone(),
                    expires: declared.expires.as_ref().map(|expires| expires.day.clone()),
                })),
                (behind, policies) => {
                    problems.extend(behind.err().into_iter().flatten());
                    problems.extend(policies.err().into_iter().flatten());
                }
            }
        }
        if problems.is_empty() {
            Ok(Composed { generation: Generation::new(number, mounts), warnings })
        } else {
            Err(Problems(problems))
        }
    }

    async fn open_backends(&mut self, config: &Config, problems: &mut Vec<Problem>, warnings: &mut Vec<String>) {
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
                    problems.push(at(Some(key), format!("backend `{name}`: {why}")));
                    continue;
                }
            };
            let kept = self.backends.remove(name).filter(|kept| kept.config == *section && kept.secret == secret);
            let opened = match kept {
                Some(kept) => kept,
                None => match open_store(section, secret.as_deref()).await {
                    Ok(store) => Opened {
                        config: section.clone(),
                        secret,
                        backend: Arc::new(Backend::new(name.clone(), store)),
                        walls: BTreeMap::new(),
                    },
                    Err(error) => {
                        let why = error.detail;
                        problems.push(at(None, format!("backend `{name}` cannot be opened ({}): {why}", error.class)));
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
        self.backends = open;
    }

    /// Admits every policy that a mount uses, and every plugin declared.
    async fn admit(&mut self, config: &Config, problems: &mut Vec<Problem>) -> BTreeMap<PolicyName, Arc<Plugin>> {
        let used: BTreeSet<&PolicyName> = config
            .mounts
            .values()
            .flat_map(|mount| std::iter::once(&mount.policy).chain(mount.per_agent.values()))
            .map(|choice| &choice.name)
            .chain(config.main.plugins.keys())
            .collect();
        let mut plugins = BTreeMap::new();
        for name in used {
            match self.policies.admit(name, config.main.plugins.get(name)).await {
                Ok(plugin) => {
                    plugins.insert(name.clone(), plugin);
                }
                Err(why) => {
                    let place = ["plugins".to_owned(), name.to_string(), "path".to_owned()];
                    problems.push(config.main.source.point(&place, None, &format!("policy `{name}`: {why}")));
                }
            }
        }
        plugins
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

/// The ceiling of a mount, against what its backend has.
async fn ceiling(declared: &MountConfig, backend: &Backend) -> Result<Ceiling, Vec<Problem>> {
    let names: Vec<RelationName> = declared.tables.keys().cloned().collect();
    let catalogue = backend.catalogue(&names).await.map_err(|error| {
        let why = format!("backend `{}` does not tell what it has ({}): {}", backend.name(), error.class, error.detail);
        vec![declared.source.point(&["backend".to_owned()], None, &why)]
    })?;
    let mut problems: Vec<Problem> = Vec::new();
    // One relation under two names would have two ceilings, and its agents the more of both.
    let mut seen: BTreeMap<(&str, &str), &RelationName> = BTreeMap::new();
    for (name, info) in &catalogue.relations {
        if let Some(other) = seen.insert((info.schema.as_str(), info.name.as_str()), name) {
            let why = format!("`{name}` and `{other}` are one and the same relation: keep one of them");
            problems.push(declared.source.point(&["tables".to_owned(), name.to_string()], None, &why));
        }
    }
    let built = Ceiling::build(
        &declared.tables,
        &catalogue,
        declared.agents.clone(),
        declared.limits.clone(),
        declared.per,
        declared.hours.clone(),
        declared.expires.as_ref().map(|expires| expires.end_ms),
    );
    match built {
        Ok(ceiling) if problems.is_empty() => Ok(ceiling),
        Ok(_) => Err(problems),
        Err(errors) => {
            problems.extend(errors.iter().map(|error| declared.point(error)));
            Err(problems)
        }
    }
}

type PerAgent = BTreeMap<mountgate_core::AgentName, Assigned>;

/// The policies of a mount, prepared with their settings.
async fn assign(
    declared: &MountConfig,
    ceiling: &Ceiling,
    plugins: &BTreeMap<PolicyName, Arc<Plugin>>,
) -> Result<(Assigned, PerAgent), Vec<Problem>> {
    let mut problems = Vec::new();
    let mount = Arc::new(RequestMount::of(declared.name.clone(), ceiling));
    let policy = configure(declared, &declared.policy, &mount, plugins, &mut problems).await;
    let mut per_agent = BTreeMap::new();
    for (agent, choice) in &declared.per_agent {
        if let Some(assigned) = configure(declared, choice, &mount, plugins, &mut problems).await {
            per_agent.insert(agent.clone(), assigned);
        }
    }
    match policy {
        Some(policy) if problems.is_empty() => Ok((policy, per_agent)),
        _ => Err(problems),
    }
}

async fn configure(
    declared: &MountConfig,
    choice: &PolicyChoice,
    mount: &Arc<RequestMount>,
    plugins: &BTreeMap<PolicyName, Arc<Plugin>>,
    problems: &mut Vec<Problem>,
) -> Option<Assigned> {
    // One that was not admitted is told already.
    let plugin = plugins.get(&choice.name)?;
    match policies::configure(plugin, &choice.settings, mount).await {
        Ok(policy) => Some(Assigned {
            name: choice.name.clone(),
            policy: match choice.isolation {
                Isolation::Fresh => policy,
                Isolation::Warm => policy.with_isolation(Isolation::Warm),
            },
        }),
        Err(why) => {
            let mut place = choice.place.clone();
            // Where settings are given, they are what the policy speaks of.
            if choice.settings.as_object().is_some_and(|settings| !settings.is_empty())
                && let Some(last) = place.last_mut()
            {
                "settings".clone_into(last);
            }
            problems.push(declared.source.point(&place, None, &format!("policy `{}`: {why}", choice.name)));
            None
        }
    }
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
