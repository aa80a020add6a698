//! Who asks.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{AgentName, ClaimName, ColumnType, SessionId, Value};

/// The value of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClaimValue {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Text.
    Text(String),
    /// A list of whole numbers.
    Integers(Vec<i64>),
    /// A list of texts.
    Texts(Vec<String>),
}

impl ClaimValue {
    /// The claim as a value to bind.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Boolean(b) => Value::Boolean(*b),
            Self::Integer(i) => Value::Integer(*i),
            Self::Text(t) => Value::Text(t.clone()),
            Self::Integers(items) => Value::Array(items.iter().map(|i| Value::Integer(*i)).collect()),
            Self::Texts(items) => Value::Array(items.iter().map(|t| Value::Text(t.clone())).collect()),
        }
    }

    /// Whether the claim is a list.
    pub fn is_list(&self) -> bool {
        matches!(self, Self::Integers(_) | Self::Texts(_))
    }

    /// The claim's type, for messages.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Boolean(_) => "boolean",
            Self::Integer(_) => "integer",
            Self::Text(_) => "text",
            Self::Integers(_) => "list of integers",
            Self::Texts(_) => "list of texts",
        }
    }

    /// Whether the claim may stand for a column of that type; a list only where `may_list`.
    pub fn fits(&self, column: &ColumnType, may_list: bool) -> bool {
        match self.to_value() {
            Value::Array(items) => may_list && items.iter().all(|item| item.fits(column)),
            value => value.fits(column),
        }
    }
}

/// The claims of a caller, by name.
pub type Claims = BTreeMap<ClaimName, ClaimValue>;

/// The door that a request came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// HTTP: JSON, MessagePack, NDJSON.
    Http,
    /// The Model Context Protocol.
    Mcp,
    /// The operator's command line (`explain`).
    Cli,
}

impl Door {
    /// The door's name in the ledger and to policies.
    pub fn label(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Mcp => "mcp",
            Self::Cli => "cli",
        }
    }
}

/// Who holds the token: the agent's own key, or a session minted for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// The agent's key.
    Agent,
    /// A session.
    Session(SessionId),
}

/// An authenticated caller. Made by `identity` from a token; holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The agent.
    pub agent: AgentName,
    /// Key or session.
    pub principal: Principal,
    /// The agent's claims, with the session's over them (a session may add claims and never change the agent's).
    pub claims: Arc<Claims>,
    /// When the token ends, in milliseconds since 1970-01-01T00:00Z; a verdict is not cached beyond it.
    pub until_ms: Option<i64>,
}

impl Caller {
    /// The session's id, where the caller is one.
    pub fn session(&self) -> Option<&SessionId> {
        match &self.principal {
            Principal::Agent => None,
            Principal::Session(id) => Some(id),
        }
    }
}
