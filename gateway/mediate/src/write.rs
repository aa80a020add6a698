//! Writes: what doors say and get back, and the seam to whatever keeps writes until a person has approved them.

use std::sync::Arc;

use futures::future::BoxFuture;
use mountgate_core::{Caller, Code, Digest, Door, Effect, MountName, Refusal, Value};
use serde::{Deserialize, Serialize};

use crate::ReplyColumn;

mod journal;
mod run;
mod status;

pub use journal::{Begun, Entry, Journal};

/// A write as an agent asks for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Write {
    /// The mount.
    pub mount: MountName,
    /// One INSERT, UPDATE or DELETE, in the mount's dialect.
    pub sql: String,
    /// Its parameters, by position.
    pub params: Vec<Value>,
    /// What the agent wants it for; at most 500 characters.
    pub purpose: Option<String>,
    /// What tells the same request, asked again, from another: at most 200 characters, within agent, mount and claims.
    pub idempotency_key: Option<String>,
    /// Why it should be done, for the people who approve; at most 2000 characters.
    pub reason: Option<String>,
}

/// What became of a write that was not refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteReply {
    /// It is done.
    Written(Written),
    /// It waits for approval.
    Held(Held),
}

/// A write that is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// The decision's id: `X-Mountgate-Decision`.
    pub decision_id: String,
    /// The rows changed.
    pub rows: u64,
    /// The columns of `returned`; empty where the statement has no RETURNING.
    pub columns: Vec<ReplyColumn>,
    /// What RETURNING gives of the rows, as agents see them, in the order of their keys.
    pub returned: Vec<Vec<Value>>,
}

/// A write that waits for approval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// The decision's id.
    pub decision_id: String,
    /// The hold's id: `GET /v1/writes/{id}`.
    pub hold: HoldId,
}

/// The id of a hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HoldId(pub String);

impl std::fmt::Display for HoldId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A write that is to wait for approval. What it holds is not masked.
#[derive(Clone, Debug)]
pub struct NewHold {
    /// The decision that sent it here.
    pub decision_id: String,
    /// Who asked.
    pub caller: Caller,
    /// By which door.
    pub door: Door,
    /// The generation that decided.
    pub generation: u64,
    /// The plugin that decided.
    pub plugin: Digest,
    /// The digest of its settings.
    pub settings: Digest,
    /// What was asked.
    pub write: Write,
    /// What it would do, as of now; or the code that it failed with.
    pub effect: Result<Effect, Code>,
    /// Why a person must look: the policy's words, or none where the ceiling wants it.
    pub why: Option<String>,
    /// When it ends by itself, in milliseconds since 1970-01-01T00:00Z, where the policy says so.
    pub expires_ms: Option<i64>,
}

/// A hold to be executed: what [`NewHold`] said of it.
#[derive(Clone, Debug)]
pub struct HeldWrite {
    /// The hold.
    pub id: HoldId,
    /// Who asked.
    pub caller: Caller,
    /// By which door.
    pub door: Door,
    /// The plugin that decided then.
    pub plugin: Digest,
    /// The digest of its settings.
    pub settings: Digest,
    /// What was asked.
    pub write: Write,
}

/// What a held write would do now.
#[derive(Clone, Debug, PartialEq)]
pub struct Previewed {
    /// The rows before and after.
    pub effect: Effect,
    /// The generation that decided.
    pub generation: u64,
    /// The plugin that decided.
    pub plugin: Digest,
    /// The digest of its settings.
    pub settings: Digest,
}

/// What became of a hold's execution.
#[derive(Clone, Debug, PartialEq)]
pub enum Executed {
    /// It is committed, with the effect that was expected.
    Done {
        /// What it did, as the store had it in the transaction.
        effect: Effect,
        /// The decision under which it ran.
        decision_id: String,
    },
    /// Nothing is changed: it would no longer do what was shown, or would no longer be decided so.
    Stale(String),
    /// Nothing is changed: it failed, or is now refused.
    Failed(Refusal),
    /// Whether it is committed is not known; [`crate::Gateway::marker`] may tell.
    Unknown,
}

/// Where a hold stands, as its agent is told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HoldStatus {
    /// The hold.
    pub hold: HoldId,
    /// `pending`, `approved`, `executed`, `failed`, `stale`, `expired`, `denied`, `unknown`.
    pub state: &'static str,
    /// The rows changed, once it is executed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// When it ends by itself, in milliseconds since 1970-01-01T00:00Z.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<i64>,
}

/// Where writes wait for people. Given at composition; without it, a write that needs approval is refused.
pub trait Holds: Send + Sync {
    /// Keeps a write until it is approved. Called once for each such write; it is kept when this returns.
    ///
    /// # Errors
    /// Where it can't be kept.
    fn hold(&self, hold: NewHold) -> BoxFuture<'_, Result<HoldId, Refusal>>;

    /// Where a hold of the caller's stands.
    ///
    /// # Errors
    /// One refusal for a hold that there isn't and for one that is another's.
    fn status<'a>(&'a self, caller: &'a Caller, id: &'a HoldId) -> BoxFuture<'a, Result<HoldStatus, Refusal>>;
}

/// A [`Journal`] as it is shared.
pub type SharedJournal = Arc<dyn Journal>;

/// A [`Holds`] as it is shared.
pub type SharedHolds = Arc<dyn Holds>;
