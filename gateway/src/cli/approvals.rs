//! `mountgate approvals`: the writes that wait, at the admin port of a running gateway.

mod screen;

use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use self::screen::{field, plain, short, write};
use super::{
    Exit, Output,
    output::moment,
    reload::{address, token},
};
use crate::http;

const PATH: &str = "/v1/admin/approvals";

/// List, show, approve, deny and revert writes that wait for people.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  export MOUNTGATE_PERSON_TOKEN=$(mountgate person add alice --approves support)
  mountgate approvals list
  mountgate approvals show 0198c0de-…          the statement, its values, and each row before and after
  mountgate approvals approve 0198c0de-…       shows it, and asks
  mountgate approvals revert 0198c0de-…        makes a write that takes it back, for somebody else to approve

In scripts, `approve --digest sha256:…` approves what `show --json` has shown under that digest, and nothing else.")]
pub struct ApprovalsArgs {
    #[command(subcommand)]
    command: ApprovalsCommand,
    /// Where the admin port is; what the configuration says where it is left out.
    #[arg(long = "admin", global = true, value_name = "HOST:PORT")]
    address: Option<String>,
    /// A file with a person's token; without it the token is in MOUNTGATE_PERSON_TOKEN.
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum ApprovalsCommand {
    /// The writes of your mounts that wait, or with `--all` also those that are over.
    List {
        /// Those that are over too.
        #[arg(long)]
        all: bool,
    },
    /// One of them, with its values.
    #[command(after_help = "\
Examples:
  mountgate approvals show 0198c0de-0000-7000-8000-000000000000")]
    Show {
        /// Its id.
        id: String,
    },
    /// Approve it, once you have seen it.
    #[command(after_help = "\
Examples:
  mountgate approvals approve 0198c0de-0000-7000-8000-000000000000
  mountgate approvals approve 0198c0de-0000-7000-8000-000000000000 --digest sha256:…     in scripts")]
    Approve {
        /// Its id.
        id: String,
        /// Approve what was shown with this digest, without asking.
        #[arg(long, value_name = "DIGEST")]
        digest: Option<String>,
    },
    /// Deny it.
    #[command(after_help = "\
Examples:
  mountgate approvals deny 0198c0de-0000-7000-8000-000000000000")]
    Deny {
        /// Its id.
        id: String,
    },
    /// Make a write that takes an executed one back, where the rows have not changed since.
    #[command(after_help = "\
Examples:
  mountgate approvals revert 0198c0de-0000-7000-8000-000000000000")]
    Revert {
        /// Its id.
        id: String,
    },
}

struct Desk<'a> {
    args: &'a ApprovalsArgs,
    config: &'a Path,
}

impl Desk<'_> {
    fn ask(&self, path: &str, body: Option<&Json>) -> anyhow::Result<Json> {
        let address = address(self.args.address.as_deref(), self.config)?;
        let hint = "approvals want a person's token: `export MOUNTGATE_PERSON_TOKEN=$(mountgate person add NAME --approves MOUNT)`, or `--token-file FILE`";
        let token = token(self.args.token_file.as_deref(), "MOUNTGATE_PERSON_TOKEN", hint)?;
        let path = format!("{PATH}{path}");
        let answer = match body {
            Some(body) => http::post(address, &path, &token, body),
            None => http::get(address, &path, &token),
        };
        let answer = answer.with_context(|| {
            format!("no gateway answers at {address}: `mountgate serve` starts one, `--admin` says where it is")
        })?;
        if answer.status == 200 {
            return Ok(answer.body);
        }
        let told = |key: &str| answer.body.pointer(key).and_then(Json::as_str).map(plain);
        match (told("/error/message"), told("/error/hint")) {
            (Some(message), Some(hint)) => bail!("{message}; {hint}"),
            (Some(message), None) => bail!("{message}"),
            _ => bail!("the gateway answered {}", answer.status),
        }
    }

    fn show(&self, id: &str) -> anyhow::Result<Json> {
        self.ask(&format!("/{}", path_of(id)?), None)
    }
}

/// An id as it stands in a path: nothing that leads elsewhere.
fn path_of(id: &str) -> anyhow::Result<&str> {
    let sound = !id.is_empty() && id.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    anyhow::ensure!(sound, "`{}` is no id: `mountgate approvals list` shows them", plain(id));
    Ok(id)
}

pub(super) fn run(args: ApprovalsArgs, config: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let desk = Desk { args: &args, config };
    match &args.command {
        ApprovalsCommand::List { all } => list(&desk.ask("", None)?, *all, output),
        ApprovalsCommand::Show { id } => {
            let shown = desk.show(id)?;
            if output.is_json() {
                output.data(&shown)?
            } else {
                write(&shown, output)?
            }
            Ok(Exit::Done)
        }
        ApprovalsCommand::Approve { id, digest } => {
            let digest = match digest {
                Some(digest) => digest.clone(),
                None => match seen(&desk.show(id)?, output)? {
                    Some(digest) => digest,
                    None => return Ok(Exit::Failed),
                },
            };
            let ended = desk.ask(&format!("/{}/approve", path_of(id)?), Some(&json!({ "digest": digest })))?;
            decided(&ended, output)
        }
        ApprovalsCommand::Deny { id } => {
            decided(&desk.ask(&format!("/{}/deny", path_of(id)?), Some(&json!({})))?, output)
        }
        ApprovalsCommand::Revert { id } => {
            let made = desk.ask(&format!("/{}/revert", path_of(id)?), Some(&json!({})))?;
            if output.is_json() {
                output.data(&made)?;
            } else {
                let id = field(&made, "id");
                output.line(format!("`{id}` waits to be approved, by somebody else than you"))?;
            }
            Ok(Exit::Done)
        }
    }
}

/// Shows it and asks; the digest of what was shown, where the answer is yes.
fn seen(shown: &Json, output: &mut Output) -> anyhow::Result<Option<String>> {
    anyhow::ensure!(
        std::io::stdin().is_terminal() && !output.is_json(),
        "there is nobody to ask: look at it with `show`, and approve what you saw with `--digest`"
    );
    let digest = shown.get("digest").and_then(Json::as_str).context("its values are erased")?;
    write(shown, output)?;
    let mut terminal = std::io::stderr();
    write!(terminal, "\nApprove exactly this? [y/N] ")?;
    terminal.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(Some(digest.to_owned()));
    }
    output.line("nothing is approved")?;
    Ok(None)
}

fn decided(ended: &Json, output: &mut Output) -> anyhow::Result<Exit> {
    let state = field(ended, "state");
    if output.is_json() {
        output.data(ended)?;
    } else {
        output.line(match state.as_str() {
            "pending" => "approved by you; it waits for others".to_owned(),
            "executed" => "approved and executed".to_owned(),
            "stale" => "it was not executed: it would do something else than what was shown".to_owned(),
            "unknown" => "whether it was executed is not known: look into the store".to_owned(),
            other => format!("it is {other}"),
        })?;
    }
    Ok(match state.as_str() {
        "failed" | "stale" | "unknown" | "expired" => Exit::Failed,
        _ => Exit::Done,
    })
}

fn list(all: &Json, over_too: bool, output: &mut Output) -> anyhow::Result<Exit> {
    let holds = all.get("approvals").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let open = |hold: &&Json| {
        over_too || matches!(field(hold, "state").as_str(), "pending" | "approved" | "executing" | "unknown")
    };
    let holds: Vec<&Json> = holds.iter().filter(open).collect();
    if output.is_json() {
        output.data(&holds)?;
        return Ok(Exit::Done);
    }
    if holds.is_empty() {
        output.line("nothing waits")?;
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = holds.into_iter().map(row).collect();
    output.table(&["id", "state", "mount", "agent", "what", "approved by", "until", ""], &rows)?;
    Ok(Exit::Done)
}

fn row(hold: &Json) -> Vec<String> {
    let number = |key: &str| hold.get(key).and_then(Json::as_i64);
    let what = match number("rows") {
        Some(rows) => format!("{} {} ({rows} rows)", field(hold, "verb"), field(hold, "relation")),
        None => format!("its preview failed: {}", field(hold, "preview_failed")),
    };
    let given: Vec<String> = hold
        .get("approved_by")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .map(plain)
        .collect();
    let needed = number("needed").unwrap_or(1);
    vec![
        field(hold, "id"),
        field(hold, "state"),
        field(hold, "mount"),
        field(hold, "agent"),
        what,
        format!("{} of {needed} {}", given.len(), short(&given.join(", "))).trim_end().to_owned(),
        number("expires_ms").map(moment).unwrap_or_default(),
        hold.get("not_yours").and_then(Json::as_str).map(plain).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests;
