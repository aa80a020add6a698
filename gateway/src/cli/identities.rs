//! `mountgate agent`, `minter`, `session`, `operator`: who may ask, straight in the state folder. A running gateway
//! sees a change at its next request.

use std::{path::Path, time::Duration};

use clap::{Args, Subcommand};
use mountgate_core::{AgentName, ClaimName, ClaimValue, Claims, SessionId};
use mountgate_identity::{ClaimRule, Identity, IdentityError, MinterGrant, Token};
use serde::Serialize;
use serde_json::json;

use super::{
    Exit, Output,
    output::{maybe, moment, say},
};
use crate::{
    claims,
    config::{MainFile, duration},
    state::{Act, State, now_ms},
};

/// Add, list and revoke agents.
#[derive(Debug, Args)]
pub struct AgentArgs {
    #[command(subcommand)]
    command: AgentCommand,
}

#[derive(Debug, Subcommand)]
enum AgentCommand {
    /// Add an agent and print its key, once.
    #[command(after_help = "\
Examples:
  mountgate agent add support-bot
  mountgate agent add report-bot --claim region=eu --claim code:text=007 --claim teams:texts=a,b
  KEY=$(mountgate agent add support-bot)

Claims of the agent itself hold for all of its sessions, which can't change them.")]
    Add {
        /// Its name, as mounts list it.
        name: String,
        /// A claim: `name=value`, or `name:type=value` with boolean, integer, text, integers or texts.
        #[arg(long = "claim", value_name = "CLAIM", value_parser = claims::claim)]
        claims: Vec<(ClaimName, ClaimValue)>,
    },
    /// List agents.
    List,
    /// Give an agent a new key; the old one ends at once, its sessions stay.
    Rotate {
        /// Its name.
        name: String,
    },
    /// Revoke an agent: its key and sessions end at once, and its name is not given again.
    Revoke {
        /// Its name.
        name: String,
    },
}

/// Add, list and revoke minters.
#[derive(Debug, Args)]
pub struct MinterArgs {
    #[command(subcommand)]
    command: MinterCommand,
}

#[derive(Debug, Subcommand)]
enum MinterCommand {
    /// Add a minter and print its key, once.
    #[command(after_help = "\
Examples:
  mountgate minter add desk --agent support-bot --claim customer_id:integer --max-ttl 1h
  mountgate minter add hr --agent hr-bot --claim role:text=junior,senior

A minter mints sessions for these agents with these claims, and reads nothing.")]
    Add {
        /// Its name.
        name: String,
        /// An agent that it may mint for.
        #[arg(long = "agent", required = true, value_name = "AGENT")]
        agents: Vec<String>,
        /// A claim that it may give: `name:type`, or `name:type=value,value` for these values only.
        #[arg(long = "claim", value_name = "RULE", value_parser = claims::rule)]
        claims: Vec<(ClaimName, ClaimRule)>,
        /// The longest that its sessions may live.
        #[arg(long, default_value = "1h", value_parser = duration)]
        max_ttl: Duration,
    },
    /// List minters.
    List,
    /// Revoke a minter: its key and the sessions that it minted end at once.
    Revoke {
        /// Its name.
        name: String,
    },
}

/// Mint, list and revoke sessions.
#[derive(Debug, Args)]
pub struct SessionArgs {
    #[command(subcommand)]
    command: SessionCommand,
}

#[derive(Debug, Subcommand)]
enum SessionCommand {
    /// Mint a session of an agent and print its token, once.
    #[command(after_help = "\
Examples:
  mountgate session mint --agent support-bot --claim customer_id=42 --ttl 15m

In production the agent's back end mints sessions by itself: `mountgate minter add`, then POST /v1/sessions.")]
    Mint {
        /// The agent.
        #[arg(long)]
        agent: String,
        /// A further claim, as in `agent add`.
        #[arg(long = "claim", value_name = "CLAIM", value_parser = claims::claim)]
        claims: Vec<(ClaimName, ClaimValue)>,
        /// How long it lives.
        #[arg(long, default_value = "1h", value_parser = duration)]
        ttl: Duration,
    },
    /// List sessions.
    List,
    /// Revoke a session at once.
    Revoke {
        /// Its public id, as `session list` shows it.
        id: String,
    },
}

/// Add, list and revoke operators.
#[derive(Debug, Args)]
pub struct OperatorArgs {
    #[command(subcommand)]
    command: OperatorCommand,
}

#[derive(Debug, Subcommand)]
enum OperatorCommand {
    /// Add an operator and print the token for the admin port, once.
    #[command(after_help = "\
Examples:
  mountgate operator add alice
  curl -H \"Authorization: Bearer $(mountgate operator add metrics)\" http://127.0.0.1:7412/metrics")]
    Add {
        /// The name, as the ledger will have it.
        name: String,
    },
    /// List operators.
    List,
    /// Revoke an operator at once.
    Revoke {
        /// The name.
        name: String,
    },
}

/// The state folder and its identities.
pub(super) struct Opened {
    state: State,
    pub(super) identity: Identity,
}

impl Opened {
    pub(super) fn at(config: &Path) -> anyhow::Result<Self> {
        let state = State::open(&MainFile::load(config)?)?;
        let identity = state.identity()?;
        Ok(Self { state, identity })
    }

    /// Does an act that is recorded first; where it then fails, that is recorded too.
    pub(super) fn act<T>(
        &self,
        act: &str,
        details: serde_json::Value,
        done: impl FnOnce(&Identity) -> Result<T, IdentityError>,
    ) -> anyhow::Result<T> {
        self.state.record(&Act::of_command_line(act, details.clone()))?;
        match done(&self.identity) {
            Ok(done) => Ok(done),
            Err(error) => {
                let mut details = details;
                if let Some(details) = details.as_object_mut() {
                    details.insert("failed".to_owned(), error.to_string().into());
                }
                self.state.record(&Act::of_command_line(act, details))?;
                Err(error.into())
            }
        }
    }
}

/// A token on standard output, alone, so that `$(…)` gets it; what it is goes to the terminal.
pub(super) fn hand_over(
    output: &mut Output,
    what: &str,
    mut details: serde_json::Value,
    token: &Token,
) -> anyhow::Result<Exit> {
    if output.is_json() {
        if let Some(details) = details.as_object_mut() {
            details.insert("token".to_owned(), token.expose().into());
        }
        output.data(&details)?;
    } else {
        say(format!("{what}; its token is shown this once:"));
        output.line(token.expose())?;
    }
    Ok(Exit::Done)
}

pub(super) fn ended(output: &mut Output, what: &str, sessions: usize) -> anyhow::Result<Exit> {
    if output.is_json() {
        output.data(&json!({ "revoked": true, "sessions_ended": sessions }))?;
    } else {
        output.line(format!("{what} is revoked; {sessions} sessions ended"))?;
    }
    Ok(Exit::Done)
}

pub(super) fn listed<T: Serialize>(
    output: &mut Output,
    items: &[T],
    headings: &[&str],
    row: impl Fn(&T) -> Vec<String>,
) -> anyhow::Result<Exit> {
    if output.is_json() {
        output.data(&items)?;
    } else {
        output.table(headings, &items.iter().map(row).collect::<Vec<_>>())?;
    }
    Ok(Exit::Done)
}

fn together(all: &[(ClaimName, ClaimValue)]) -> anyhow::Result<Claims> {
    claims::together(all).map_err(anyhow::Error::msg)
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Claims for people: `customer_id=42, tags=[a, b]`.
fn told(claims: &Claims) -> String {
    let one = |(name, value): (&ClaimName, &ClaimValue)| match value {
        ClaimValue::Boolean(value) => format!("{name}={value}"),
        ClaimValue::Integer(value) => format!("{name}={value}"),
        ClaimValue::Text(value) => format!("{name}={value:?}"),
        ClaimValue::Integers(values) => format!("{name}={values:?}"),
        ClaimValue::Texts(values) => format!("{name}={values:?}"),
    };
    if claims.is_empty() { "-".to_owned() } else { claims.iter().map(one).collect::<Vec<_>>().join(", ") }
}

pub(super) fn state_of(revoked_ms: Option<i64>, until_ms: Option<i64>) -> String {
    match (revoked_ms, until_ms) {
        (Some(at), _) => format!("revoked {}", moment(at)),
        (None, Some(until)) if until <= now_ms() => "ended".to_owned(),
        _ => "live".to_owned(),
    }
}

pub(super) fn agent(args: AgentArgs, config: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let opened = Opened::at(config)?;
    match args.command {
        AgentCommand::Add { name, claims } => {
            let claims = together(&claims)?;
            let details = json!({ "agent": name, "claims": claims });
            let token = opened.act("agent.add", details.clone(), |identity| identity.add_agent(&name, &claims))?;
            hand_over(output, &format!("agent `{name}` added"), details, &token)
        }
        AgentCommand::List => listed(
            output,
            &opened.identity.list_agents()?,
            &["agent", "state", "claims", "added", "last used"],
            |agent| {
                vec![
                    agent.name.to_string(),
                    state_of(agent.revoked_ms, None),
                    told(&agent.claims),
                    moment(agent.created_ms),
                    maybe(agent.last_used_ms),
                ]
            },
        ),
        AgentCommand::Rotate { name } => {
            let details = json!({ "agent": name });
            let token = opened.act("agent.rotate", details.clone(), |identity| identity.rotate_agent(&name))?;
            hand_over(output, &format!("agent `{name}` has a new key, and the old one has ended"), details, &token)
        }
        AgentCommand::Revoke { name } => {
            let sessions =
                opened.act("agent.revoke", json!({ "agent": name }), |identity| identity.revoke_agent(&name))?;
            ended(output, &format!("agent `{name}`"), sessions)
        }
    }
}

pub(super) fn minter(args: MinterArgs, config: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let opened = Opened::at(config)?;
    match args.command {
        MinterCommand::Add { name, agents, claims, max_ttl } => {
            let mut rules = std::collections::BTreeMap::new();
            for (claim, rule) in claims {
                if rules.insert(claim.clone(), rule).is_some() {
                    anyhow::bail!("the claim `{claim}` is given twice");
                }
            }
            let agents = agents.into_iter().map(AgentName::from).collect();
            let grant = MinterGrant { agents, claims: rules, max_ttl_ms: millis(max_ttl) };
            let details = json!({ "minter": name, "grant": grant });
            let token = opened.act("minter.add", details.clone(), |identity| identity.add_minter(&name, &grant))?;
            hand_over(output, &format!("minter `{name}` added"), details, &token)
        }
        MinterCommand::List => listed(
            output,
            &opened.identity.list_minters()?,
            &["minter", "state", "for agents", "claims", "longest", "added", "last used"],
            |minter| {
                let agents: Vec<&str> = minter.grant.agents.iter().map(AgentName::as_str).collect();
                let rule = |(name, rule): (&ClaimName, &ClaimRule)| match &rule.values {
                    Some(values) => format!("{name}:{} of {}", rule.ty.keyword(), values.len()),
                    None => format!("{name}:{}", rule.ty.keyword()),
                };
                vec![
                    minter.name.to_string(),
                    state_of(minter.revoked_ms, None),
                    agents.join(", "),
                    minter.grant.claims.iter().map(rule).collect::<Vec<_>>().join(", "),
                    format!("{}s", minter.grant.max_ttl_ms / 1000),
                    moment(minter.created_ms),
                    maybe(minter.last_used_ms),
                ]
            },
        ),
        MinterCommand::Revoke { name } => {
            let sessions =
                opened.act("minter.revoke", json!({ "minter": name }), |identity| identity.revoke_minter(&name))?;
            ended(output, &format!("minter `{name}`"), sessions)
        }
    }
}

pub(super) fn session(args: SessionArgs, config: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let opened = Opened::at(config)?;
    match args.command {
        SessionCommand::Mint { agent, claims, ttl } => {
            let claims = together(&claims)?;
            let details = json!({ "agent": agent, "claims": claims, "ttl_ms": millis(ttl) });
            let agent_name = AgentName::new(agent.as_str());
            let minted = opened.act("session.mint", details, |identity| {
                identity.operator_mint(&agent_name, &claims, millis(ttl), now_ms())
            })?;
            let details = json!({
                "agent": agent, "claims": claims, "session": minted.id, "until_ms": minted.until_ms,
            });
            let what = format!("session `{}` of agent `{agent}`, until {}", minted.id, moment(minted.until_ms));
            hand_over(output, &what, details, &minted.token)
        }
        SessionCommand::List => listed(
            output,
            &opened.identity.list_sessions()?,
            &["session", "agent", "minter", "state", "claims", "until", "last used"],
            |session| {
                vec![
                    session.id.to_string(),
                    session.agent.to_string(),
                    session.minter.as_ref().map_or_else(|| "operator".to_owned(), ToString::to_string),
                    state_of(session.revoked_ms, Some(session.until_ms)),
                    told(&session.claims),
                    moment(session.until_ms),
                    maybe(session.last_used_ms),
                ]
            },
        ),
        SessionCommand::Revoke { id } => {
            let id = SessionId::new(id);
            opened.act("session.revoke", json!({ "session": id }), |identity| identity.revoke_session(&id))?;
            ended(output, &format!("session `{id}`"), 1)
        }
    }
}

pub(super) fn operator(args: OperatorArgs, config: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let opened = Opened::at(config)?;
    match args.command {
        OperatorCommand::Add { name } => {
            let details = json!({ "operator": name });
            let token = opened.act("operator.add", details.clone(), |identity| identity.add_operator(&name))?;
            hand_over(output, &format!("operator `{name}` added"), details, &token)
        }
        OperatorCommand::List => listed(
            output,
            &opened.identity.list_operators()?,
            &["operator", "state", "added", "last used"],
            |operator| {
                vec![
                    operator.name.clone(),
                    state_of(operator.revoked_ms, None),
                    moment(operator.created_ms),
                    maybe(operator.last_used_ms),
                ]
            },
        ),
        OperatorCommand::Revoke { name } => {
            opened.act("operator.revoke", json!({ "operator": name }), |identity| identity.revoke_operator(&name))?;
            ended(output, &format!("operator `{name}`"), 0)
        }
    }
}
