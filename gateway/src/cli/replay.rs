//! `mountgate replay`: recorded requests through a candidate.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use clap::Args;
use mountgate_core::AgentName;
use mountgate_ledger::Selection;
use mountgate_policy::HostConfig;
use serde::Serialize;

use super::{
    Exit, Output, block_on,
    output::{moment, say},
};
use crate::{
    compose::Composer,
    config::Config,
    keys::Keys,
    replay::{Accepted, Candidate, Difference, Replay, replay},
    state::now_ms,
};

const EXAMPLES: &str = "\
Examples:
  mountgate replay --policy candidate.wasm --since 7d
  mountgate replay --policy tiers --settings '{\"tiers\": []}' --of support --since 7d
  mountgate replay --mount new.toml --since 14d
  mountgate replay --mount new.toml --since 14d --accept accepted.txt
  mountgate replay --policy candidate.wasm --since 7d --json | jq '.differences[] | select(.outcome == \"granted\")'

Recorded requests are decided again, and nothing is run. Grants are compared by their scopes: what could newly come back
stands first. With --mount the ceilings are compared too, whoever asks. What can't be told from the record is counted and
named, never guessed. Ends with 6 where something would newly be granted that --accept FILE does not list (an id a line;
the rest of a line, and lines with `#`, are for people).";

/// Ask recorded requests again, of a candidate.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("candidate").required(true))]
pub struct ReplayArgs {
    /// A component's file, or a policy of the configuration, in the place of each mount's policy.
    #[arg(long, group = "candidate", value_name = "FILE|NAME")]
    policy: Option<String>,
    /// A mount's file, in the place of the one of that mount.
    #[arg(long, group = "candidate", value_name = "FILE")]
    mount: Option<PathBuf>,
    /// The candidate's settings, as a JSON object, instead of the mounts' own.
    #[arg(long, requires = "policy", value_name = "JSON")]
    settings: Option<String>,
    /// Requests to this mount only.
    #[arg(long, requires = "policy", value_name = "MOUNT")]
    of: Option<String>,
    /// Requests of this agent only.
    #[arg(long)]
    agent: Option<String>,
    /// How long ago the record that counts begins: `7d`, `12h`.
    #[arg(long, value_parser = crate::config::duration, value_name = "SPAN")]
    since: Duration,
    /// A file of differences that are accepted.
    #[arg(long, value_name = "FILE", conflicts_with = "allow_new_grants")]
    accept: Option<PathBuf>,
    /// Accept everything.
    #[arg(long)]
    allow_new_grants: bool,
}

#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    replay: &'a Replay,
    differences: Vec<Judged<'a>>,
    /// New grants that are not accepted.
    new_grants: u64,
}

#[derive(Serialize)]
struct Judged<'a> {
    #[serde(flatten)]
    difference: &'a Difference,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    accepted: bool,
}

pub(super) fn run(args: &ReplayArgs, path: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let config = Config::load(path)?;
    let accepted = match &args.accept {
        _ if args.allow_new_grants => Accepted::all(),
        None => Accepted::default(),
        Some(file) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
            Accepted::parse(&text).map_err(|why| anyhow::anyhow!("`{}`: {why}", file.display()))?
        }
    };
    let candidate = candidate(args, &config, path)?;
    let from_ms = now_ms().saturating_sub(i64::try_from(args.since.as_millis()).unwrap_or(i64::MAX));
    let only = Selection {
        from_ms: Some(from_ms),
        agent: args.agent.as_deref().map(AgentName::new),
        mount: args.of.as_deref().map(Into::into),
        ..Selection::default()
    };
    let keys = Keys::peek(&config.main)?;
    let found = block_on(async {
        let mut composer = Composer::new(HostConfig::default())?;
        let current = composer.compose(&candidate.current, &keys, 0).await?;
        let next = composer.compose(&candidate.next, &keys, 1).await?;
        let dir = &config.main.ledger.dir;
        replay(dir, only, &candidate, &current.generation, &next.generation, &mut |at| {
            say(format!("replaying: {} records, now at {}", at.records, moment(at.time_ms)));
        })
        .with_context(|| format!("the ledger in `{}` cannot be read", dir.display()))
    })?;
    let new_grants = found.new_grants(&accepted);
    if output.is_json() {
        let judged = |difference| Judged { accepted: takes(&accepted, difference), difference };
        output.data(&Told { replay: &found, differences: found.differences().map(judged).collect(), new_grants })?;
    } else {
        tell(&found, &accepted, new_grants, output)?;
    }
    Ok(if new_grants == 0 { Exit::Done } else { Exit::NewGrants })
}

fn candidate(args: &ReplayArgs, config: &Config, path: &Path) -> anyhow::Result<Candidate> {
    if let Some(file) = &args.mount {
        let text = std::fs::read_to_string(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
        return Candidate::mount(config, path, &text).with_context(|| format!("`{}` is no candidate", file.display()));
    }
    let settings = match &args.settings {
        None => None,
        Some(text) => {
            let settings: serde_json::Value = serde_json::from_str(text).context("`--settings` is no JSON")?;
            anyhow::ensure!(settings.is_object(), "`--settings` should be a JSON object: `{{\"default\": \"basic\"}}`");
            Some(settings)
        }
    };
    Candidate::policy(config, args.policy.as_deref().unwrap_or_default(), args.of.as_deref(), settings.as_ref())
}

fn takes(accepted: &Accepted, difference: &Difference) -> bool {
    difference.is_new_grant() && accepted.takes(difference.id.as_deref())
}

fn tell(found: &Replay, accepted: &Accepted, new_grants: u64, output: &mut Output) -> anyhow::Result<()> {
    let mut outcome = "";
    for one in found.differences() {
        if one.outcome != outcome {
            outcome = one.outcome;
            output.line(format!("{outcome}: {}", one.meaning()))?;
        }
        let agent = one.agent.as_ref().map_or_else(|| "every agent".to_owned(), |agent| format!("agent {agent}"));
        let id = one.id.as_deref().filter(|_| one.is_new_grant()).unwrap_or("-");
        let mark = if takes(accepted, one) { ", accepted" } else { "" };
        output.line(clean(&format!("  {id}  mount {}, {agent}{mark}: {}", one.mount, one.touch)))?;
        for change in &one.changes {
            output.line(clean(&format!("      {change}")))?;
        }
        if let (Some(first), Some(last)) = (&one.first, &one.last) {
            let noun = if one.requests == 1 { "request" } else { "requests" };
            let which = if first == last { first.clone() } else { format!("{first} to {last}") };
            output.line(format!("      {} {noun}: {which}", one.requests))?;
        }
    }
    let counted = [
        (found.more_new_grants, "requests would newly be granted something, in more ways than are told apart"),
        (found.more, "requests would fare otherwise, in more ways than are told apart"),
        (
            found.other,
            "requests are not about the candidate: of another mount, or of agents with a policy of their own",
        ),
    ];
    for (count, what) in counted.into_iter().filter(|(count, _)| *count > 0) {
        output.line(format!("{count} {what}"))?;
    }
    for (why, (count, last)) in &found.unjudged {
        output.line(clean(&format!("{count} not judged: {why} (the last: {last})")))?;
    }
    for (code, count) in &found.not_asked {
        output.line(clean(&format!("{count} were refused as `{code}` before a policy was asked: not asked again")))?;
    }
    let ids = found.differences().filter_map(|one| one.id.as_deref());
    for id in accepted.stale(ids) {
        say(format!("`{id}` is accepted, and is no difference any more: take it out of the file"));
    }
    output.line(format!(
        "{} records looked at, {} requests asked again, {} as before; {new_grants} new grants that are not accepted",
        found.records, found.replayed, found.same
    ))?;
    Ok(())
}

/// What agents and policies chose must not move the operator's cursor.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
