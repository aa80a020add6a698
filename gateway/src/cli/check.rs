//! `mountgate check`

use std::{collections::BTreeSet, path::Path};

use clap::Args;
use mountgate_core::{AgentName, MountName};
use mountgate_policy::HostConfig;
use serde::Serialize;

use super::{Exit, Output, block_on};
use crate::{
    compose::{Composer, trust},
    config::{Config, MountConfig, Problem, Problems, Wall},
    keys::{IDENTITIES, Keys},
};

const EXAMPLES: &str = "\
Examples:
  mountgate check
  mountgate check --offline          the files alone, without backends and policies
  mountgate check --json | jq '.problems[] | \"\\(.file):\\(.line) \\(.message)\"'

Everything that is wrong in all files is told at once. Nothing is written. Ends with 3 where something is wrong.";

/// Say everything that is wrong.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CheckArgs {
    /// The files alone: no backend is asked, no policy loaded.
    #[arg(long)]
    offline: bool,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
pub(super) struct Found {
    ok: bool,
    problems: Vec<Problem>,
    warnings: Vec<String>,
    mounts: Vec<MountFound>,
}

#[derive(Debug, Serialize)]
struct MountFound {
    name: String,
    backend: String,
    policy: String,
    agents: Vec<AgentName>,
    tables: usize,
    columns: usize,
    masked: usize,
    filtered: usize,
    /// `whole`, `none` or `off`; absent where backends were not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    wall: Option<&'static str>,
}

pub(super) fn run(args: &CheckArgs, config: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let found = block_on(async { Ok(check(config, args.offline).await) })?;
    if output.is_json() {
        output.data(&found)?;
    } else {
        tell(&found, args.offline, output)?;
    }
    Ok(if found.ok { Exit::Done } else { Exit::Misconfigured })
}

/// Checks the files, and, unless `offline`, that backends and policies agree with them.
pub(super) async fn check(path: &Path, offline: bool) -> Found {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(Problems(problems)) => return Found { problems, ..Found::default() },
    };
    let mut problems = Vec::new();
    let mut warnings = config.warnings.clone();
    let mut walled = None;
    if !offline {
        match online(&config).await {
            Ok((more, behind)) => (warnings, walled) = (more, Some(behind)),
            Err(Problems(more)) => problems = more,
        }
    }
    warnings.extend(config.notices(crate::state::now_ms()));
    warnings.extend(strangers(&config));
    Found { ok: problems.is_empty(), problems, warnings, mounts: mounts(&config, walled.as_ref()) }
}

/// The warnings, and the mounts that are behind a wall.
async fn online(config: &Config) -> Result<(Vec<String>, BTreeSet<MountName>), Problems> {
    let file = &config.main.source.shown;
    let fault = |why: String| Problems(vec![Problem::of_file(file.clone(), why)]);
    let keys = Keys::peek(&config.main).map_err(|error| fault(error.to_string()))?;
    let mut composer = Composer::new(HostConfig::default()).map_err(|error| fault(error.to_string()))?;
    let mut composed = composer.compose(config, &keys, 0).await?;
    if let Some(signed) = composed.trust() {
        let told = trust::warnings(&signed.store().status());
        composed.warnings.extend(told);
    }
    let mounts = composed.generation.mounts();
    let walled = mounts.iter().filter(|(_, mount)| mount.backend().is_walled()).map(|(name, _)| name.clone()).collect();
    Ok((composed.warnings, walled))
}

/// Agents that mounts name and that nobody has added: they can't ask yet, and a misspelt one never will.
fn strangers(config: &Config) -> Vec<String> {
    let path = config.main.server.state.join(IDENTITIES);
    // Opening would make the file where there is none.
    let known: BTreeSet<AgentName> = if path.exists() {
        let opened = mountgate_identity::Identity::open(path, mountgate_identity::IdentityConfig::default());
        match opened.and_then(|identity| identity.list_agents()) {
            Ok(agents) => {
                agents.into_iter().filter(|agent| agent.revoked_ms.is_none()).map(|agent| agent.name).collect()
            }
            Err(error) => return vec![error.to_string()],
        }
    } else {
        BTreeSet::new()
    };
    config
        .mounts
        .values()
        .flat_map(|mount| mount.agents.iter().map(move |agent| (mount, agent)))
        .filter(|(_, agent)| !known.contains(*agent))
        .map(|(mount, agent)| {
            format!("agent `{agent}` of mount `{}` is not there yet: `mountgate agent add {agent}`", mount.name)
        })
        .collect()
}

fn mounts(config: &Config, walled: Option<&BTreeSet<MountName>>) -> Vec<MountFound> {
    let off =
        |mount: &MountConfig| config.main.backends.get(&mount.backend).is_some_and(|backend| backend.wall == Wall::Off);
    config
        .mounts
        .values()
        .map(|mount| MountFound {
            name: mount.name.to_string(),
            backend: mount.backend.to_string(),
            policy: mount.policy.name.to_string(),
            agents: mount.agents.clone(),
            tables: mount.tables.len(),
            columns: mount.tables.values().map(|table| table.columns.len()).sum(),
            masked: mount.tables.values().map(|table| table.masks.len()).sum(),
            filtered: mount.tables.values().filter(|table| table.filter.is_some()).count(),
            wall: walled.map(|walled| match walled.contains(&mount.name) {
                true => "whole",
                false if off(mount) => "off",
                false => "none",
            }),
        })
        .collect()
}

fn tell(found: &Found, offline: bool, output: &mut Output) -> anyhow::Result<()> {
    for problem in &found.problems {
        output.line(format!("{problem}\n"))?;
    }
    for warning in &found.warnings {
        output.line(format!("warning: {warning}"))?;
    }
    if !found.ok {
        output.line(format!("{} errors, {} warnings", found.problems.len(), found.warnings.len()))?;
        return Ok(());
    }
    let rows: Vec<Vec<String>> = found
        .mounts
        .iter()
        .map(|mount| {
            let agents: Vec<&str> = mount.agents.iter().map(AgentName::as_str).collect();
            vec![
                mount.name.clone(),
                mount.backend.clone(),
                mount.policy.clone(),
                agents.join(", "),
                format!("{} ({} filtered)", mount.tables, mount.filtered),
                format!("{} ({} masked)", mount.columns, mount.masked),
                mount.wall.unwrap_or("-").to_owned(),
            ]
        })
        .collect();
    output.table(&["mount", "backend", "policy", "agents", "tables", "columns", "wall"], &rows)?;
    let how = if offline { "the files are sound; backends and policies were not asked" } else { "all of it holds" };
    output.line(format!("{how}; {} warnings", found.warnings.len()))?;
    Ok(())
}
