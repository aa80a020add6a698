//! What approvals need of the gateway.

use std::{future::Future, pin::Pin};

use mountgate_core::{AgentName, Claims, Digest, Door, Effect, MountName, SessionId, Value};
use mountgate_identity::Person;
use serde_json::Value as Json;

use crate::{HoldId, State};

/// Work of the gateway's.
pub type Way<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A change of a hold, for the ledger. Never values.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The hold.
    pub hold: HoldId,
    /// The number of the change, from 1 on. A change may be recorded twice, word for word, where the gateway was killed.
    pub step: u64,
    /// When, in milliseconds since 1970-01-01T00:00Z.
    pub time_ms: i64,
    /// By whom: `person alice`, `agent support-bot`, `gateway`.
    pub who: String,
    /// The mount.
    pub mount: MountName,
    /// The agent whose write it is.
    pub agent: AgentName,
    /// Its session.
    pub session: Option<SessionId>,
    /// The state before; none where the hold is new. The same as after where one of several approvals was given.
    pub from: Option<State>,
    /// The state after.
    pub to: State,
    /// What else is needed to understand it.
    pub details: Json,
}

/// A write as it is decided and run again.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The hold. Also what the marker says.
    pub hold: HoldId,
    /// The mount.
    pub mount: MountName,
    /// The agent.
    pub agent: AgentName,
    /// Its session.
    pub session: Option<SessionId>,
    /// Whom the agent speaks for.
    pub on_behalf_of: Option<String>,
    /// The claims with which it was asked.
    pub claims: Claims,
    /// By which door it was asked.
    pub door: Door,
    /// The digest of the policy that decided: where another is in force, the write is stale.
    pub plugin: Digest,
    /// The digest of its settings.
    pub settings: Digest,
    /// The statement.
    pub sql: String,
    /// Its parameters.
    pub params: Vec<Value>,
    /// What it is for.
    pub purpose: Option<String>,
    /// Why, in the agent's words.
    pub reason: Option<String>,
    /// What tells the same request, asked again, from another.
    pub idempotency_key: Option<String>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Executed {
    /// It was committed: now, or under the same marker before.
    Done {
        /// How many rows it changed.
        rows: u64,
    },
    /// Nothing was changed: it would do something else than expected, or is decided otherwise.
    Stale,
    /// Nothing was changed: a refusal's code.
    Failed(String),
    /// It may or may not have been committed.
    Unknown,
}

/// How a preview ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Previewed {
    /// What it would do.
    pub effect: Effect,
    /// The generation that decided.
    pub generation: u64,
    /// The digest of the policy that decided.
    pub plugin: Digest,
    /// The digest of its settings.
    pub settings: Digest,
    /// How many people must approve.
    pub needed: u32,
    /// For how long it may wait, in milliseconds.
    pub waits_ms: i64,
}

/// The gateway, as approvals see it. Blocking calls say so.
pub trait Middle: Send + Sync + 'static {
    /// Records a change. Blocks on the disk.
    ///
    /// # Errors
    /// Where it could not be recorded: nothing may be done upon the change.
    fn record(&self, change: &Change) -> Result<(), String>;

    /// The person of that name, where there is one now. May block.
    ///
    /// # Errors
    /// Where that can't be known.
    fn person(&self, name: &str) -> Result<Option<Person>, String>;

    /// Decides a write and runs it in a transaction that is rolled back.
    fn preview<'a>(&'a self, run: &'a Run) -> Way<'a, Result<Previewed, String>>;

    /// Decides a write again and runs it, with the marker `run.hold` in the same transaction, where it does exactly what
    /// is expected.
    fn execute<'a>(&'a self, run: &'a Run, expected: &'a Effect) -> Way<'a, Executed>;

    /// Whether the marker is there; none where the backend has no place for one.
    ///
    /// # Errors
    /// Where the backend can't be asked now.
    fn marker<'a>(&'a self, mount: &'a MountName, hold: &'a HoldId) -> Way<'a, Result<Option<bool>, String>>;
}
