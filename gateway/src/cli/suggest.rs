//! `mountgate suggest`: the least that an agent's work needs, learned from the ledger.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Args;
use mountgate_core::{AgentName, MountName};
use mountgate_ledger::Selection;
use mountgate_review::{Options, Predicted, Progress, Suggestion, Usage};
use serde::Serialize;

use super::{
    Exit, Output,
    output::{moment, say},
};
use crate::{config::Config, narrow::narrowed, state::now_ms};

const EXAMPLES: &str = "\
Examples:
  mountgate suggest --agent support-bot --since 14d
  mountgate suggest --agent support-bot --since 14d --mount support > support.toml
  mountgate suggest --agent support-bot --since 14d --min-share 0.01 --out narrowed/
  mountgate suggest --agent support-bot --since 14d --json | jq .[0].suggestion.unsure

It prints a mount's file as it stands, narrowed to what the agent used, each line with its evidence, and loads as it is.
Nothing is applied: read it, put it in the place of the old one, `mountgate check`. The ledger holds no values, so what a
value should be is never suggested; what is not certain stands at the end of the file.";

/// Write the mount file that an agent's recorded work needs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SuggestArgs {
    /// The agent.
    #[arg(long)]
    agent: String,
    /// The mount; all that the agent used, where it is left out (then with --out).
    #[arg(long)]
    mount: Option<String>,
    /// How long ago the record that counts begins: `14d`, `12h`.
    #[arg(long, value_parser = crate::config::duration, value_name = "SPAN")]
    since: Duration,
    /// Leave out tables and columns in a smaller share of the requests than this (0 to 1).
    #[arg(long, default_value_t = 0.0, value_parser = share, value_name = "SHARE")]
    min_share: f64,
    /// Set limits this many times above the highest that was seen.
    #[arg(long, default_value_t = 2.0, value_parser = headroom, value_name = "TIMES")]
    headroom: f64,
    /// The requests that a rule must have held in, to be suggested.
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    evidence: u64,
    /// A folder to write one file a mount to, instead of printing. Files that are there are left alone.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(format!("`{text}` should be from 0 to 1")) }
}

fn headroom(text: &str) -> Result<f64, String> {
    let times: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if (1.0..=1000.0).contains(&times) { Ok(times) } else { Err(format!("`{text}` should be from 1 to 1000")) }
}

#[derive(Serialize)]
struct Suggested {
    suggestion: Suggestion,
    predicted: Predicted,
    file: String,
}

pub(super) fn run(args: &SuggestArgs, path: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let config = Config::load(path)?;
    let agent = AgentName::new(args.agent.as_str());
    let from_ms = now_ms().saturating_sub(i64::try_from(args.since.as_millis()).unwrap_or(i64::MAX));
    let only = Selection {
        from_ms: Some(from_ms),
        agent: Some(agent.clone()),
        mount: args.mount.as_deref().map(MountName::from),
        ..Selection::default()
    };
    let dir = &config.main.ledger.dir;
    let usage = Usage::read(dir, only.clone(), &mut |at| tell(at, "learning"))
        .with_context(|| format!("the ledger in `{}` cannot be read", dir.display()))?;
    let options = Options { min_share: args.min_share, headroom: args.headroom, evidence: args.evidence };
    let mut all = Vec::new();
    for ((mount, _), task) in usage.tasks.iter().filter(|(_, task)| task.decisions.count > 0) {
        let Some(declared) = config.mounts.get(mount) else {
            say(format!("`{mount}` was used, and is no mount any more: passed over"));
            continue;
        };
        let suggestion = Suggestion::of(mount, &agent, task, &options);
        let predicted = suggestion.predict(dir, only.clone(), &mut |at| tell(at, "trying on the record"))?;
        let file = narrowed(declared, &suggestion, &predicted)?;
        // What is printed loads as it is, or is not printed.
        config
            .with_mount(path, &declared.source.path, &file)
            .context("what would be suggested does not load: please report this, with the mount's file")?;
        all.push(Suggested { suggestion, predicted, file });
    }
    match (all.as_slice(), &args.out) {
        ([], _) => bail!(
            "the ledger has no decision for agent `{agent}`{} since {}: is the name right, and the time long enough?",
            args.mount.as_ref().map(|mount| format!(" through mount `{mount}`")).unwrap_or_default(),
            moment(from_ms)
        ),
        (all, _) if output.is_json() => output.data(&all)?,
        (all, Some(folder)) => write(all, folder)?,
        ([one], None) => output.line(one.file.trim_end_matches('\n'))?,
        (several, None) => {
            let names: Vec<String> = several.iter().map(|one| format!("`{}`", one.suggestion.mount)).collect();
            bail!("agent `{agent}` used {}: choose one with --mount, or give a folder with --out", names.join(", "));
        }
    }
    Ok(Exit::Done)
}

fn write(all: &[Suggested], folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    for one in all {
        let file = folder.join(format!("{}.toml", one.suggestion.mount));
        let mut new = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&file)
            .with_context(|| format!("cannot write `{}`: it is left as it is", file.display()))?;
        std::io::Write::write_all(&mut new, one.file.as_bytes())?;
        say(format!("wrote {}", file.display()));
    }
    Ok(())
}

/// Long work says how far it is.
fn tell(at: Progress, what: &str) {
    say(format!("{what}: {} records, now at {}", at.records, moment(at.time_ms)));
}
