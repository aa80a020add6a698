//! `mountgate ledger`: read, verify and seal the record, whether or not a gateway is writing it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use mountgate_core::{AgentName, MountName};
use mountgate_ledger::{
    Checkpoint, CheckpointState, Entry, Follow, PublicKey, Report, Selection, export, tail, verify,
};

use super::{
    Exit, Output,
    output::{moment, say},
};
use crate::{
    config::MainFile,
    state::{State, now_ms},
};

/// Follow, verify and export the ledger.
#[derive(Debug, Args)]
pub struct LedgerArgs {
    #[command(subcommand)]
    command: LedgerCommand,
}

#[derive(Debug, Subcommand)]
enum LedgerCommand {
    /// Print the last records, and follow with `--follow`.
    #[command(after_help = "\
Examples:
  mountgate ledger tail
  mountgate ledger tail -n 5 --follow --agent support-bot
  mountgate ledger tail --json | jq .record.request.claims")]
    Tail {
        /// How many.
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: usize,
        /// Go on printing as records come, until interrupted.
        #[arg(short, long)]
        follow: bool,
        #[command(flatten)]
        only: Only,
    },
    /// Check that the ledger is what was written: the chain of hashes, and a checkpoint where one is given.
    #[command(after_help = "\
Examples:
  mountgate ledger verify
  mountgate ledger verify --checkpoint monday.json --key 3b6a…

Without a checkpoint kept elsewhere, a tail that was cut off or a ledger that was wholly rewritten cannot be told.
Ends with 4 where the ledger is not what was written.")]
    Verify {
        /// A checkpoint that was kept elsewhere.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// The key that must have signed it; this gateway's own where it is left out.
        #[arg(long, value_name = "HEX", requires = "checkpoint")]
        key: Option<PublicKey>,
    },
    /// Print records as they stand in the ledger, one JSON object a line.
    #[command(after_help = "\
Examples:
  mountgate ledger export > ledger.jsonl
  mountgate ledger export --since 24h --mount support --code denied_by_policy")]
    Export {
        #[command(flatten)]
        only: Only,
    },
    /// Verify the ledger and print a signed checkpoint of its last record. Keep it where this machine can't write.
    #[command(after_help = "\
Examples:
  mountgate ledger checkpoint > monday.json")]
    Checkpoint,
}

/// Which records.
#[derive(Debug, Args)]
struct Only {
    /// Of this agent.
    #[arg(long)]
    agent: Option<String>,
    /// Of this mount.
    #[arg(long)]
    mount: Option<String>,
    /// Of this kind: decision, completion, refusal, shadow, admin, anchor.
    #[arg(long)]
    kind: Option<String>,
    /// Refusals of this code.
    #[arg(long)]
    code: Option<String>,
    /// Of so long ago or less: `24h`.
    #[arg(long, value_parser = crate::config::duration, value_name = "SPAN")]
    since: Option<Duration>,
}

impl Only {
    fn selection(self) -> Selection {
        Selection {
            from_ms: self
                .since
                .map(|since| now_ms().saturating_sub(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))),
            until_ms: None,
            agent: self.agent.map(AgentName::from),
            mount: self.mount.map(MountName::from),
            code: self.code,
            kind: self.kind,
        }
    }
}

pub(super) fn run(args: LedgerArgs, config: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let main = MainFile::load(config)?;
    let dir = &main.ledger.dir;
    match args.command {
        LedgerCommand::Tail { lines, follow, only } => {
            let selection = only.selection();
            // Followed from before the last records are read: one that comes in between is printed once, by number.
            let mut following = follow.then(|| Follow::from_end(dir)).transpose()?;
            let mut last = 0;
            for entry in last_of(dir, lines, &selection)? {
                last = entry.seq();
                print(output, &entry)?;
            }
            while let Some(following) = &mut following {
                for entry in following.poll()? {
                    if entry.seq() > last && selection.takes(&entry) {
                        print(output, &entry)?;
                    }
                }
                std::thread::sleep(Duration::from_millis(200));
            }
            Ok(Exit::Done)
        }
        LedgerCommand::Export { only } => {
            for entry in export(dir, only.selection())? {
                output.line(entry?.line())?;
            }
            Ok(Exit::Done)
        }
        LedgerCommand::Verify { checkpoint, key } => {
            let checkpoint = checkpoint.map(|path| read(&path)).transpose()?;
            let key = match (key, &checkpoint) {
                (Some(key), _) => Some(key),
                (None, Some(_)) => Some(PublicKey::of_secret(&State::open(&main)?.keys().checkpoints())),
                (None, None) => None,
            };
            let report = verify(dir, checkpoint.as_ref().zip(key.as_ref()))?;
            if output.is_json() {
                output.data(&report)?;
            } else {
                tell(output, &report)?;
            }
            Ok(if report.is_sound() { Exit::Done } else { Exit::Unsound })
        }
        LedgerCommand::Checkpoint => {
            let state = State::open(&main)?;
            let report = verify(dir, None)?;
            if let Some(found) = &report.first_break {
                anyhow::bail!(
                    "the ledger is broken at record {}, so nothing is signed: {}; run `mountgate ledger verify`",
                    found.seq,
                    found.why
                );
            }
            if report.records == 0 {
                anyhow::bail!("the ledger is empty: there is nothing to sign");
            }
            let checkpoint = Checkpoint::of_report(&report, &state.keys().checkpoints(), now_ms());
            output.data(&checkpoint)?;
            say(format!(
                "checkpoint of record {}; keep it elsewhere, and with it the key {}",
                report.last_seq,
                PublicKey::of_secret(&state.keys().checkpoints())
            ));
            Ok(Exit::Done)
        }
    }
}

fn read(path: &Path) -> anyhow::Result<Checkpoint> {
    let text = std::fs::read(path).with_context(|| format!("the checkpoint `{}` cannot be read", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("`{}` is no checkpoint", path.display()))
}

/// The last records that are wanted. Without a wish the end of the file is enough; else all of it is looked at.
fn last_of(dir: &Path, lines: usize, selection: &Selection) -> anyhow::Result<Vec<Entry>> {
    if selection == &Selection::default() {
        return Ok(tail(dir, lines)?);
    }
    let mut last = std::collections::VecDeque::new();
    for entry in export(dir, selection.clone())? {
        last.push_back(entry?);
        if last.len() > lines {
            last.pop_front();
        }
    }
    Ok(last.into())
}

fn print(output: &mut Output, entry: &Entry) -> anyhow::Result<()> {
    if output.is_json() {
        output.line(entry.line())?;
        return Ok(());
    }
    let record = entry.record()?;
    let text = |path: &[&str]| {
        let mut at = &record;
        for part in path {
            at = at.get(part)?;
        }
        match at {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    };
    let what = match entry.kind() {
        "refusal" => format!("{}: {}", entry.code().unwrap_or("?"), text(&["message"]).unwrap_or_default()),
        "admin" => format!(
            "{} by {} {}",
            text(&["act"]).unwrap_or_default(),
            text(&["who"]).unwrap_or_default(),
            text(&["details"]).unwrap_or_default()
        ),
        "shadow" => format!(
            "{} says {}: {}",
            text(&["policy"]).unwrap_or_default(),
            text(&["outcome"]).unwrap_or_default(),
            text(&["changes"]).unwrap_or_default()
        ),
        "decision" => {
            let touched = record.pointer("/request/touch/relations").and_then(serde_json::Value::as_array);
            let touched: Vec<&str> = touched
                .into_iter()
                .flatten()
                .filter_map(|relation| relation.get("relation").and_then(serde_json::Value::as_str))
                .collect();
            format!("allow {}", touched.join(", "))
        }
        "completion" => format!(
            "{} {} rows, {} bytes",
            text(&["outcome"]).unwrap_or_default(),
            text(&["rows"]).unwrap_or_default(),
            text(&["bytes"]).unwrap_or_default()
        ),
        _ => String::new(),
    };
    let who = entry.agent().map_or_else(|| "-".to_owned(), ToString::to_string);
    let mount = entry.mount().map_or_else(|| "-".to_owned(), ToString::to_string);
    // Agents choose parts of what is shown: a control character must not move the operator's cursor.
    let line = format!(
        "{:>8}  {}  {:<10}  {who:<16}  {mount:<12}  {what}",
        entry.seq(),
        moment(entry.time_ms()),
        entry.kind()
    );
    let line: String = line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    output.line(line)?;
    Ok(())
}

fn tell(output: &mut Output, report: &Report) -> anyhow::Result<()> {
    output.line(format!(
        "{} records ({} to {}) in {} segments: {} decisions, {} completions, {} refusals",
        report.records,
        report.first_seq,
        report.last_seq,
        report.segments,
        report.decisions,
        report.completions,
        report.refusals
    ))?;
    output.line(format!("last hash {}", report.last_hash))?;
    if report.interrupted > 0 {
        output.line(format!(
            "{} decisions were interrupted: they count at their caps (`--json` lists them)",
            report.interrupted
        ))?;
    }
    if report.in_use {
        output.line(format!("a gateway is writing it; {} requests are under way", report.under_way))?;
    }
    if report.torn_bytes > 0 {
        output.line(format!("the last {} bytes are no whole record (yet)", report.torn_bytes))?;
    }
    match &report.checkpoint {
        CheckpointState::None => {
            output.line(
                "no checkpoint was given: a tail that was cut off, or a ledger wholly rewritten, cannot be told",
            )?;
        }
        CheckpointState::Holds => output.line("the checkpoint holds")?,
        CheckpointState::TailCut { wanted, last } => output
            .line(format!("THE TAIL WAS CUT: the checkpoint is of record {wanted}, and the last one is {last}"))?,
        CheckpointState::Rewritten { seq } => {
            output.line(format!("REWRITTEN: record {seq} is not the one of the checkpoint"))?;
        }
        CheckpointState::Dropped { seq, first } => output.line(format!(
            "the checkpoint's record {seq} was dropped by rotation (the first is {first}): use a later checkpoint"
        ))?,
        CheckpointState::Invalid { why } => output.line(format!("THE CHECKPOINT IS NOT GOOD: {why}"))?,
    }
    match &report.first_break {
        Some(found) => output.line(format!(
            "BROKEN at record {} ({}, line {}): {}; nothing after it was checked",
            found.seq,
            found.segment.display(),
            found.line,
            found.why
        ))?,
        None => output.line("the chain holds")?,
    }
    Ok(())
}
