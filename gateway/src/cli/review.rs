//! `mountgate review`: what mounts show and nobody uses.

use std::{collections::BTreeMap, io::Write as _, path::Path, time::Duration};

use anyhow::Context as _;
use clap::Args;
use mountgate_core::{AgentName, LastDay};
use mountgate_identity::{Identity, IdentityConfig};
use mountgate_ledger::Selection;
use mountgate_review::{MountReview, Reviewed, Seen, Unused, Usage, Watch, review};
use serde::Serialize;
use similar::TextDiff;

use super::{
    Exit, Output,
    output::{moment, say},
};
use crate::{
    config::{BUNDLED, Config, MountConfig},
    keys::IDENTITIES,
    narrow::{NarrowError, without},
    state::{Act, State, now_ms},
};

const DAY_MS: i64 = 86_400_000;

const EXAMPLES: &str = "\
Examples:
  mountgate review --unused 60d
  mountgate review --unused 60d --mount support
  mountgate review --unused 60d --mount support --apply
  mountgate review --unused 60d --as-of 2027-02-01
  mountgate review --unused 60d --json | jq .mounts[].unused

Nothing is called unused before it was watched for that long: since the ledger begins, and since the agent was added.
--apply writes the narrower files (after the check that `mountgate check` makes); the gateway takes them as it takes any
change of its files. What it would write is shown as a diff either way.";

/// Hold what mounts show against what is used of it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReviewArgs {
    /// How long something must not have been used, to be told: `60d`.
    #[arg(long, value_parser = crate::config::duration, value_name = "SPAN")]
    unused: Duration,
    /// This mount only.
    #[arg(long)]
    mount: Option<String>,
    /// Write the narrower files.
    #[arg(long)]
    apply: bool,
    /// Judge as at the end of that day (UTC), instead of now: `2027-02-01`.
    #[arg(long, value_parser = day, value_name = "DAY", conflicts_with = "apply")]
    as_of: Option<i64>,
}

/// The end of a day, in milliseconds since 1970-01-01T00:00Z.
fn day(text: &str) -> Result<i64, String> {
    let wrong = |_| format!("`{text}` is no day: write one like `2027-02-01`");
    let day: jiff::civil::Date = text.parse().map_err(wrong)?;
    let end = day.tomorrow().and_then(|day| day.to_zoned_datetime(jiff::tz::TimeZone::UTC)).map_err(wrong)?;
    Ok(end.timestamp().as_millisecond())
}

#[derive(Serialize)]
struct Findings {
    mounts: Vec<Finding>,
    /// Agents and minters whose key was never used, and when each was added.
    keys_never_used: BTreeMap<String, i64>,
    /// Policies that the main file declares and no mount uses.
    plugins_not_used: Vec<String>,
    /// Records looked at.
    records: Seen,
}

#[derive(Serialize)]
struct Finding {
    #[serde(flatten)]
    found: MountReview,
    /// By when a person reviews it, where its file says so.
    due: Option<LastDay>,
    /// Whether that is over.
    overdue: bool,
    /// The narrower file as a diff, where there is one.
    diff: Option<String>,
    /// Whether it was written.
    applied: bool,
    /// Why it was not, or could not be.
    note: Option<String>,
}

pub(super) fn run(args: &ReviewArgs, path: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let config = Config::load(path)?;
    if let Some(name) = &args.mount
        && !config.mounts.contains_key(name.as_str())
    {
        anyhow::bail!("there is no mount `{name}`: `mountgate check` lists them");
    }
    let now = args.as_of.unwrap_or_else(now_ms);
    let (keys, keys_never_used) = keys(&config)?;
    let dir = &config.main.ledger.dir;
    let usage = Usage::read(dir, Selection::default(), &mut |at| {
        say(format!("reading the ledger: {} records, now at {}", at.records, moment(at.time_ms)));
    })
    .with_context(|| format!("the ledger in `{}` cannot be read", dir.display()))?;
    let mounts: Vec<&MountConfig> = config
        .mounts
        .values()
        .filter(|mount| args.mount.as_deref().is_none_or(|name| mount.name.as_str() == name))
        .collect();
    let reviewed: Vec<Reviewed> = mounts
        .iter()
        .map(|mount| Reviewed {
            mount: mount.name.clone(),
            agents: mount.agents.iter().map(|agent| (agent.clone(), keys.get(agent).copied())).collect(),
            tables: mount.tables.iter().map(|(name, table)| (name.clone(), table.columns.clone())).collect(),
        })
        .collect();
    let span_ms = i64::try_from(args.unused.as_millis()).unwrap_or(i64::MAX);
    let mut findings = Findings {
        mounts: vec![],
        keys_never_used,
        plugins_not_used: plugins_not_used(&config),
        records: usage.records,
    };
    for (mount, found) in mounts.into_iter().zip(review(&reviewed, &usage, now, span_ms)) {
        findings.mounts.push(finding(&config, path, mount, found, args.apply)?);
    }
    if output.is_json() {
        output.data(&findings)?;
    } else {
        tell(&findings, args, output)?;
    }
    Ok(Exit::Done)
}

/// The agents that have a key, and since when; and the keys that were never used.
fn keys(config: &Config) -> anyhow::Result<(BTreeMap<AgentName, i64>, BTreeMap<String, i64>)> {
    let path = config.main.server.state.join(IDENTITIES);
    if !path.exists() {
        return Ok(Default::default());
    }
    let identity = Identity::open(path, IdentityConfig::default())?;
    let (mut agents, mut never) = (BTreeMap::new(), BTreeMap::new());
    for agent in identity.list_agents()?.into_iter().filter(|agent| agent.revoked_ms.is_none()) {
        if agent.last_used_ms.is_none() {
            never.insert(format!("agent {}", agent.name), agent.created_ms);
        }
        agents.insert(agent.name, agent.created_ms);
    }
    for minter in identity.list_minters()?.into_iter().filter(|minter| minter.revoked_ms.is_none()) {
        if minter.last_used_ms.is_none() {
            never.insert(format!("minter {}", minter.name), minter.created_ms);
        }
    }
    Ok((agents, never))
}

fn plugins_not_used(config: &Config) -> Vec<String> {
    let used = |name: &str| {
        config.mounts.values().any(|mount| {
            mount.policy.name.as_str() == name || mount.per_agent.values().any(|choice| choice.name.as_str() == name)
        })
    };
    let declared = config.main.plugins.keys().map(ToString::to_string);
    declared.filter(|name| !BUNDLED.contains(&name.as_str()) && !used(name)).collect()
}

fn finding(
    config: &Config,
    path: &Path,
    mount: &MountConfig,
    found: MountReview,
    apply: bool,
) -> anyhow::Result<Finding> {
    let due = mount.practice.review.clone();
    let overdue = mount.practice.is_overdue(now_ms());
    let mut out = Finding { found, due, overdue, diff: None, applied: false, note: None };
    let watched = out.found.watch.is_some_and(|watch| watch.enough);
    let text = match without(mount, &out.found.unused, &out.found.idle) {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(out),
        Err(error @ NarrowError::Nothing { .. }) => {
            out.note = Some(match watched {
                true => format!("{error}; nothing of this mount is in use: take its file away"),
                false => "nothing of this mount was used yet".to_owned(),
            });
            return Ok(out);
        }
        Err(error @ NarrowError::Unreadable { .. }) => return Err(error.into()),
    };
    let shown = &mount.source.shown;
    let diff = TextDiff::from_lines(mount.source.text.as_str(), &text);
    out.diff = Some(diff.unified_diff().context_radius(2).header(shown, shown).to_string());
    if let Err(problems) = config.with_mount(path, &mount.source.path, &text) {
        out.note = Some(format!("the narrower file would not load, so it is not written:\n{problems}"));
        return Ok(out);
    }
    if !watched {
        out.note = Some("not watched for long enough: it is not written".to_owned());
        return Ok(out);
    }
    if apply {
        write(mount, &text)?;
        out.applied = true;
        let details = serde_json::json!({ "mount": mount.name, "file": shown, "unused": out.found.unused, "idle": out.found.idle });
        State::open(&config.main)?.record(&Act::of_command_line("review.apply", details))?;
    }
    Ok(out)
}

/// In one step: a gateway that reads the file meanwhile sees the old one or the new one.
fn write(mount: &MountConfig, text: &str) -> anyhow::Result<()> {
    let path = &mount.source.path;
    let current = std::fs::read_to_string(path).with_context(|| format!("`{}` cannot be read", mount.source.shown))?;
    if current != mount.source.text {
        anyhow::bail!("`{}` was changed meanwhile: run the review again", mount.source.shown);
    }
    // Its name begins with a dot, so that it is no mount.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.new"));
    let mut file = std::fs::File::create(&new).with_context(|| format!("`{}` cannot be written", new.display()))?;
    file.set_permissions(std::fs::metadata(path)?.permissions())?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path).with_context(|| format!("`{}` cannot be written", path.display()))
}

fn tell(findings: &Findings, args: &ReviewArgs, output: &mut Output) -> anyhow::Result<()> {
    for one in &findings.mounts {
        let found = &one.found;
        output.line(format!("mount {}: {}", found.mount, watched(found.watch)))?;
        if let Some(due) = &one.due {
            let late =
                if one.overdue { ", which is over: set the next day in its file when you have looked" } else { "" };
            output.line(format!("  to be reviewed by {}{late}", due.day))?;
        }
        for (agent, review) in &found.agents {
            let asked = match (review.watch, review.decisions.count) {
                (None, _) => "has no key".to_owned(),
                (Some(_), 0) => "never asked".to_owned(),
                (Some(_), count) => format!("{count} requests, the last on {}", moment(review.decisions.last_ms)),
            };
            output.line(format!("  agent {agent}: {asked}"))?;
            for unused in review.unused.iter().filter(|unused| !found.unused.contains(unused)) {
                output.line(format!("    does not use {}", named(unused)))?;
            }
        }
        for unused in &found.unused {
            output.line(format!("  nobody uses {}", named(unused)))?;
        }
        for (table, column) in &found.never_granted {
            output
                .line(format!("  the policy never granted {table}.{column}: the ceiling is wider than it need be"))?;
        }
        if !found.tasks.is_empty() {
            output.line("  separate tasks, which could be mounts of their own:")?;
            for task in &found.tasks {
                let tables: Vec<&str> = task.tables.iter().map(|table| table.as_str()).collect();
                let agents: Vec<&str> = task.agents.iter().map(|agent| agent.as_str()).collect();
                output.line(format!("    {} (by {})", tables.join(", "), agents.join(", ")))?;
            }
        }
        if let Some(diff) = &one.diff {
            output.line(diff.trim_end_matches('\n'))?;
        }
        match (&one.note, &one.diff, one.applied) {
            (Some(note), _, _) => output.line(format!("  {note}"))?,
            (None, Some(_), true) => output.line("  written")?,
            (None, Some(_), false) => output.line("  --apply writes it")?,
            (None, None, _) => output.line("  nothing to take out")?,
        }
    }
    for (key, since) in &findings.keys_never_used {
        output.line(format!(
            "{key}, added {}, never used its key: if it is not needed, `mountgate {}`",
            moment(*since),
            key.replacen(' ', " revoke ", 1)
        ))?;
    }
    for plugin in &findings.plugins_not_used {
        output.line(format!("plugin {plugin} is used by no mount"))?;
    }
    let days = args.unused.as_secs().div_ceil(86_400);
    output.line(format!("{} records looked at; unused means: for {days} days", findings.records.count))?;
    Ok(())
}

fn watched(watch: Option<Watch>) -> String {
    match watch {
        None => "none of its agents has a key".to_owned(),
        Some(watch) => {
            let days = watch.until_ms.saturating_sub(watch.from_ms).div_euclid(DAY_MS);
            let noun = if days == 1 { "day" } else { "days" };
            let enough = if watch.enough { "" } else { ", too short to call anything unused" };
            format!("watched for {days} {noun}{enough}")
        }
    }
}

fn named(unused: &Unused) -> String {
    let name = match &unused.column {
        Some(column) => format!("{}.{column}", unused.table),
        None => unused.table.to_string(),
    };
    match unused.last_ms {
        Some(last) => format!("{name} (last on {})", moment(last)),
        None => format!("{name} (never)"),
    }
}
