//! `mountgate quarantine`: sessions and agents that are not served until a person lifts it.

use std::path::Path;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use mountgate_mediate::{Subject, read_quarantine};
use serde_json::Value as Json;

use super::{Exit, Output, output::moment, reload::Admin};
use crate::{config::MainFile, keys::QUARANTINE};

const EXAMPLES: &str = "\
Examples:
  mountgate quarantine list
  mountgate quarantine set --agent support-bot
  mountgate quarantine lift --session 0190-…

`set` and `lift` ask a running gateway by its admin port, with an operator's token (MOUNTGATE_OPERATOR_TOKEN); both are on
record. A session is set apart by itself after more refusals than `[quarantine]` in the main file allows; an agent never is.";

/// List, set apart and lift.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct QuarantineArgs {
    #[command(subcommand)]
    command: QuarantineCommand,
}

#[derive(Debug, Subcommand)]
enum QuarantineCommand {
    /// Who is set apart, since when and why.
    List,
    /// Serve somebody no more.
    #[command(after_help = "\
Examples:
  mountgate quarantine set --agent support-bot")]
    Set {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        admin: Admin,
    },
    /// Serve somebody again.
    #[command(after_help = "\
Examples:
  mountgate quarantine lift --session 0190-…")]
    Lift {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        admin: Admin,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Who {
    /// An agent, with all of its sessions.
    #[arg(long)]
    agent: Option<String>,
    /// One session, by its public id.
    #[arg(long)]
    session: Option<String>,
}

impl Who {
    /// What of the admin port's paths names them.
    fn path(&self) -> anyhow::Result<String> {
        let (kind, name) = match (&self.agent, &self.session) {
            (Some(agent), _) => ("agents", agent),
            (None, Some(session)) => ("sessions", session),
            (None, None) => anyhow::bail!("say who: `--agent NAME` or `--session ID`"),
        };
        let sound = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        anyhow::ensure!(sound, "`{name}` is no name of an agent and no session's id");
        Ok(format!("{kind}/{name}"))
    }
}

pub(super) fn run(args: &QuarantineArgs, config: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let (who, admin, act) = match &args.command {
        QuarantineCommand::List => return list(config, output),
        QuarantineCommand::Set { who, admin } => (who, admin, "set"),
        QuarantineCommand::Lift { who, admin } => (who, admin, "lift"),
    };
    let (status, told) = admin.post(config, &format!("/v1/admin/quarantine/{act}/{}", who.path()?), &Json::Null)?;
    if status != 200 {
        let message = told.pointer("/error/message").and_then(Json::as_str).unwrap_or("it did not say why");
        anyhow::bail!("the gateway answered {status}: {message}");
    }
    if output.is_json() {
        output.data(&told)?;
    } else {
        output.line(if act == "set" {
            "set apart: not served until somebody lifts that"
        } else {
            "lifted: served again"
        })?;
    }
    Ok(Exit::Done)
}

fn list(config: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let main = MainFile::load(config)?;
    let path = main.server.state.join(QUARANTINE);
    let apart = read_quarantine(&path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    if output.is_json() {
        output.data(&apart)?;
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = apart
        .iter()
        .map(|one| {
            let (kind, name) = match &one.subject {
                Subject::Agent(agent) => ("agent", agent.to_string()),
                Subject::Session(session) => ("session", session.to_string()),
            };
            vec![kind.to_owned(), name, moment(one.since_ms), one.by.clone(), one.why.clone()]
        })
        .collect();
    output.table(&["what", "name", "since", "by", "why"], &rows)?;
    Ok(Exit::Done)
}
