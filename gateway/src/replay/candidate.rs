//! What is tried: the configuration as it would be.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, bail};
use mountgate_core::{AgentName, MountName, PolicyName};
use mountgate_policy::Isolation;

use super::mount_of;
use crate::config::{BUNDLED, Config, MountConfig, PluginConfig, PolicyChoice, Wall};

/// The name that a component from a file goes by. A mount's file can't say it: it is no policy of the configuration.
const FROM_FILE: &str = "replay/candidate";

/// What is tried.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What is different.
    pub change: Change,
    /// The configuration as it is, with the mounts that matter.
    pub current: Config,
    /// As it would be.
    pub next: Config,
    /// Agents whose own policy is another one, and stays.
    others: Vec<(MountName, AgentName)>,
}

/// What is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The policy.
    Policy(PolicyName),
    /// A mount's file.
    Mount(MountName),
}

impl Candidate {
    /// A policy in the place of the one that each mount names: one of the configuration, or a component's file. `of` is the
    /// one mount that matters, `settings` are in the place of the mounts' own.
    ///
    /// # Errors
    /// Where there is no such policy or mount.
    pub fn policy(
        config: &Config,
        policy: &str,
        of: Option<&str>,
        settings: Option<&serde_json::Value>,
    ) -> anyhow::Result<Self> {
        let current = only(config, of)?;
        let mut next = current.clone();
        // Whether the repository has it is known when it is put together; a file of that name is what is meant by it.
        let is_signed = config.main.trust.is_some() && policy.contains('/') && !Path::new(policy).is_file();
        let declared = BUNDLED.contains(&policy) || config.main.plugins.contains_key(policy) || is_signed;
        let name = if declared {
            PolicyName::from(policy)
        } else {
            let path = Path::new(policy);
            if !path.is_file() {
                bail!(
                    "`{policy}` is neither a policy of the configuration nor a component's file: `ceiling` and `tiers` are bundled"
                );
            }
            let name = PolicyName::from(FROM_FILE);
            next.main.plugins.insert(name.clone(), PluginConfig { path: path.to_owned(), cases: None });
            name
        };
        let mut others = Vec::new();
        for mount in next.mounts.values_mut() {
            let before = mount.policy.name.clone();
            put(&mut mount.policy, &name, settings);
            for (agent, choice) in &mut mount.per_agent {
                if choice.name == before {
                    put(choice, &name, settings);
                } else {
                    others.push((mount.name.clone(), agent.clone()));
                }
            }
        }
        Ok(Self { change: Change::Policy(name), current: reduced(current), next: reduced(next), others })
    }

    /// The text of a mount's file in the place of the one that is there. `main` is the main file.
    ///
    /// # Errors
    /// Where there is no such mount, and everything that is wrong in the file.
    pub fn mount(config: &Config, main: &Path, text: &str) -> anyhow::Result<Self> {
        let name = mount_of(text).map_err(anyhow::Error::msg)?;
        let current = only(config, Some(name.as_str())).context("nothing was asked of a mount that is not there")?;
        let declared = current.mounts.get(&name).map(|mount| mount.source.path.clone()).unwrap_or_default();
        let mut next = config.with_mount(main, &declared, text)?;
        next.mounts.retain(|other, _| other == &name);
        Ok(Self { change: Change::Mount(name), current: reduced(current), next: reduced(next), others: vec![] })
    }

    /// Whether what is tried is about requests of that agent to that mount.
    pub(super) fn concerns(&self, mount: &MountName, agent: &AgentName) -> bool {
        match &self.change {
            Change::Policy(_) => !self.others.iter().any(|(other, name)| other == mount && name == agent),
            Change::Mount(name) => name == mount,
        }
    }
}

fn put(choice: &mut PolicyChoice, name: &PolicyName, settings: Option<&serde_json::Value>) {
    choice.name = name.clone();
    // Asked in an order that is not theirs, warm instances would tell nothing.
    choice.isolation = Isolation::Fresh;
    if let Some(settings) = settings {
        choice.settings = settings.clone();
    }
}

fn only(config: &Config, of: Option<&str>) -> anyhow::Result<Config> {
    let mut only = config.clone();
    if let Some(name) = of {
        only.mounts.retain(|mount, _| mount.as_str() == name);
        if only.mounts.is_empty() {
            let names = config.mounts.keys().map(MountName::as_str);
            bail!(match mountgate_core::ceiling::likely(name, names) {
                Some(near) => format!("there is no mount `{name}`; did you mean `{near}`?"),
                None => format!("there is no mount `{name}`: `mountgate check` lists them"),
            });
        }
    }
    Ok(only)
}

/// With what its mounts need, and nothing else put together. Nothing is run, so that no wall need stand.
fn reduced(mut config: Config) -> Config {
    for mount in config.mounts.values_mut() {
        mount.shadow = None;
    }
    let mounts: Vec<&MountConfig> = config.mounts.values().collect();
    config.main.backends.retain(|name, _| mounts.iter().any(|mount| &mount.backend == name));
    config
        .main
        .plugins
        .retain(|name, _| mounts.iter().flat_map(|mount| mount.choices()).any(|choice| &choice.name == name));
    let backends: BTreeMap<_, _> = std::mem::take(&mut config.main.backends);
    config.main.backends = backends
        .into_iter()
        .map(|(name, mut backend)| {
            backend.wall = Wall::Off;
            (name, backend)
        })
        .collect();
    config
}
