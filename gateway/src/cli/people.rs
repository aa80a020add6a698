//! `mountgate person`: who approves writes, straight in the state folder. A running gateway sees a change at its next
//! request.

use std::path::Path;

use clap::{Args, Subcommand};
use mountgate_core::{AgentName, MountName};
use mountgate_identity::PersonGrant;
use serde_json::json;

use super::{
    Exit, Output,
    identities::{Opened, ended, hand_over, listed, state_of},
    output::{maybe, moment},
};

/// Add, list, grant and revoke people.
#[derive(Debug, Args)]
pub struct PersonArgs {
    #[command(subcommand)]
    command: PersonCommand,
}

#[derive(Debug, Subcommand)]
enum PersonCommand {
    /// Add a person and print the token, once.
    #[command(after_help = "\
Examples:
  mountgate person add alice --approves support
  mountgate person add bob --approves support,billing --runs support-bot
  export MOUNTGATE_PERSON_TOKEN=$(mountgate person add carol --approves support)

A person sees the writes that wait in these mounts, with their values, and approves or denies them; never one that they
asked for themselves, nor one of an agent that they run.")]
    Add {
        /// The name, as the ledger will have it.
        name: String,
        #[command(flatten)]
        grant: Role,
    },
    /// Give a person another grant, in the place of the one before.
    #[command(after_help = "\
Examples:
  mountgate person grant alice --approves support,billing")]
    Grant {
        /// The name.
        name: String,
        #[command(flatten)]
        grant: Role,
    },
    /// List people.
    List,
    /// Revoke a person at once, also for approvals given that no write has followed yet.
    Revoke {
        /// The name.
        name: String,
    },
}

#[derive(Debug, Args)]
struct Role {
    /// The mounts whose writes the person approves.
    #[arg(long, required = true, value_delimiter = ',', value_name = "MOUNT")]
    approves: Vec<String>,
    /// Agents that the person runs, whose writes are for others to approve.
    #[arg(long, value_delimiter = ',', value_name = "AGENT")]
    runs: Vec<String>,
}

impl From<Role> for PersonGrant {
    fn from(grant: Role) -> Self {
        Self {
            approves: grant.approves.into_iter().map(MountName::new).collect(),
            runs: grant.runs.into_iter().map(AgentName::new).collect(),
        }
    }
}

fn together<'a, T: ToString + 'a>(names: impl IntoIterator<Item = &'a T>) -> String {
    let names: Vec<String> = names.into_iter().map(ToString::to_string).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}

pub(super) fn run(args: PersonArgs, config: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let opened = Opened::at(config)?;
    match args.command {
        PersonCommand::Add { name, grant } => {
            let grant = PersonGrant::from(grant);
            let details = json!({ "person": name, "grant": grant });
            let token = opened.act("person.add", details.clone(), |identity| identity.add_person(&name, &grant))?;
            hand_over(output, &format!("`{name}` added"), details, &token)
        }
        PersonCommand::Grant { name, grant } => {
            let grant = PersonGrant::from(grant);
            let details = json!({ "person": name, "grant": grant });
            opened.act("person.grant", details.clone(), |identity| identity.grant_person(&name, &grant))?;
            if output.is_json() {
                output.data(&details)?;
            } else {
                output.line(format!("`{name}` approves writes of {}", together(&grant.approves)))?;
            }
            Ok(Exit::Done)
        }
        PersonCommand::List => listed(
            output,
            &opened.identity.list_people()?,
            &["person", "state", "approves", "runs", "added", "last used"],
            |person| {
                vec![
                    person.name.clone(),
                    state_of(person.revoked_ms, None),
                    together(&person.grant.approves),
                    together(&person.grant.runs),
                    moment(person.created_ms),
                    maybe(person.last_used_ms),
                ]
            },
        ),
        PersonCommand::Revoke { name } => {
            opened.act("person.revoke", json!({ "person": name }), |identity| identity.revoke_person(&name))?;
            ended(output, &format!("`{name}`"), 0)
        }
    }
}
