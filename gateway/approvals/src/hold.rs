//! A hold: its states, its header, and what it keeps of the write.

use std::{fmt, str::FromStr};

use mountgate_core::{AgentName, Claims, Digest, Door, Effect, MountName, RelationName, SessionId, Value, Verb};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// The id of a hold: a UUID of version 7.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HoldId(Uuid);

impl HoldId {
    /// A new id, of now.
    #[expect(clippy::new_without_default, reason = "a default that differs each time would mislead")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for HoldId {
    type Err = String;

    /// Takes the one spelling that [`HoldId`] prints: one hold has one address.
    fn from_str(text: &str) -> Result<Self, String> {
        let id = Uuid::parse_str(text).map(Self).map_err(|_| format!("`{text}` is no hold's id"))?;
        if id.to_string() == text { Ok(id) } else { Err(format!("`{text}` is no hold's id")) }
    }
}

impl Serialize for HoldId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for HoldId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where a hold is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// It waits for people.
    Pending,
    /// Enough people have approved it; a gateway will take it up.
    Approved,
    /// A gateway has taken it up.
    Executing,
    /// It was written, once.
    Executed,
    /// It was not written: the store, the policy or the ceiling did not take it.
    Failed,
    /// It was not written: what it would have done is no longer what was shown, or the policy is another.
    Stale,
    /// It was not written: nobody decided in time.
    Expired,
    /// It was not written: a person said no.
    Denied,
    /// Whether it was written is not known: the backend has no place for a marker, and the gateway or the connection
    /// ended in between.
    Unknown,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Approved,
        Self::Executing,
        Self::Executed,
        Self::Failed,
        Self::Stale,
        Self::Expired,
        Self::Denied,
        Self::Unknown,
    ];

    /// The state's name.
    pub fn label(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Executing => "executing",
            Self::Executed => "executed",
            Self::Failed => "failed",
            Self::Stale => "stale",
            Self::Expired => "expired",
            Self::Denied => "denied",
            Self::Unknown => "unknown",
        }
    }

    /// The state of that name.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.label() == label)
    }

    /// Whether nothing follows on it.
    pub fn is_over(self) -> bool {
        match self {
            Self::Pending | Self::Approved | Self::Executing => false,
            Self::Executed | Self::Failed | Self::Stale | Self::Expired | Self::Denied | Self::Unknown => true,
        }
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.label())
    }
}

/// Who wants a write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requester {
    /// The agent, or its session.
    Agent,
    /// A person, who wants a write of the agent's undone.
    Person(String),
}

/// What the preview came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Preview {
    /// The rows before and after.
    Effect(Effect),
    /// A refusal's code.
    Failed(String),
}

/// What a hold keeps of a write, encrypted.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldWrite {
    /// The statement, in the mount's dialect.
    pub sql: String,
    /// Its parameters, by position.
    pub params: Vec<Value>,
    /// What the agent wants it for.
    pub purpose: Option<String>,
    /// Why, in the agent's words.
    pub reason: Option<String>,
    /// Why a person must look, in the policy's words; none where the mount wants it.
    pub why: Option<String>,
    /// What tells the same request, asked again, from another.
    pub idempotency_key: Option<String>,
    /// The claims with which it was asked, and will be decided again.
    pub claims: Claims,
    /// What it would do.
    pub preview: Preview,
}

/// [`HeldWrite`] in the form that is encoded. Claims are JSON there: their type tells variants by content.
#[derive(Serialize, Deserialize)]
struct Packed {
    sql: String,
    params: Vec<Value>,
    purpose: Option<String>,
    reason: Option<String>,
    why: Option<String>,
    idempotency_key: Option<String>,
    claims: String,
    preview: Preview,
}

impl HeldWrite {
    /// Bytes that come back exactly, also infinite floats.
    pub(crate) fn pack(&self) -> Result<Vec<u8>, String> {
        let Self { sql, params, purpose, reason, why, idempotency_key, claims, preview } = self;
        let packed = Packed {
            sql: sql.clone(),
            params: params.clone(),
            purpose: purpose.clone(),
            reason: reason.clone(),
            why: why.clone(),
            idempotency_key: idempotency_key.clone(),
            claims: serde_json::to_string(claims).map_err(|error| error.to_string())?,
            preview: preview.clone(),
        };
        postcard::to_allocvec(&packed).map_err(|error| error.to_string())
    }

    pub(crate) fn unpack(bytes: &[u8]) -> Result<Self, String> {
        let Packed { sql, params, purpose, reason, why, idempotency_key, claims, preview } =
            postcard::from_bytes(bytes).map_err(|error| error.to_string())?;
        let claims = serde_json::from_str(&claims).map_err(|error| error.to_string())?;
        Ok(Self { sql, params, purpose, reason, why, idempotency_key, claims, preview })
    }

    /// The effect, where the preview came to one.
    pub fn effect(&self) -> Option<&Effect> {
        match &self.preview {
            Preview::Effect(effect) => Some(effect),
            Preview::Failed(_) => None,
        }
    }
}

/// A write that is to wait for people.
#[derive(Clone, Debug, PartialEq)]
pub struct NewHold {
    /// The mount.
    pub mount: MountName,
    /// The agent.
    pub agent: AgentName,
    /// Its session.
    pub session: Option<SessionId>,
    /// Whom the agent speaks for, where it says so with proof.
    pub on_behalf_of: Option<String>,
    /// The decision under which it is held.
    pub decision: Option<String>,
    /// The generation that decided.
    pub generation: u64,
    /// By which door it was asked.
    pub door: Door,
    /// The digest of the policy that decided: another one decides anew.
    pub plugin: Digest,
    /// The digest of its settings.
    pub settings: Digest,
    /// How many people must approve.
    pub needed: u32,
    /// Until when it may be approved and executed, in milliseconds since 1970-01-01T00:00Z.
    pub expires_ms: i64,
    /// The write, with its preview.
    pub write: HeldWrite,
}

/// What is known of a hold without its values. Kept in the clear, and bound to the rest by its encryption.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The id.
    pub id: HoldId,
    /// The mount.
    pub mount: MountName,
    /// The agent.
    pub agent: AgentName,
    /// Its session.
    pub session: Option<SessionId>,
    /// Whom the agent speaks for.
    pub on_behalf_of: Option<String>,
    /// Who wants the write.
    pub requester: Requester,
    /// A keyed digest of the claims: for whoever asks again with the same ones.
    pub claims: Digest,
    /// The decision under which it is held.
    pub decision: Option<String>,
    /// The generation that decided.
    pub generation: u64,
    /// By which door it was asked.
    pub door: Door,
    /// The digest of the policy that decided: another one decides anew.
    pub plugin: Digest,
    /// The digest of its settings.
    pub settings: Digest,
    /// How many people must approve.
    pub needed: u32,
    /// When it was made, in milliseconds since 1970-01-01T00:00Z.
    pub created_ms: i64,
    /// Until when it may be approved and executed.
    pub expires_ms: i64,
    /// The relation, where the preview came to an effect.
    pub relation: Option<RelationName>,
    /// What is done.
    pub verb: Option<Verb>,
    /// How many rows.
    pub rows: Option<u64>,
    /// The refusal's code, where the preview came to none.
    pub preview_failed: Option<String>,
    /// The hold that this one reverts.
    pub reverts: Option<HoldId>,
}

/// What an agent is told of its write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WriteStatus {
    /// The hold.
    pub id: HoldId,
    /// The mount.
    pub mount: MountName,
    /// Where it is.
    pub state: State,
    /// How many rows were changed, once it is executed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Why it failed: a refusal's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Until when it may be approved.
    pub expires_ms: i64,
}
