//! What doors say to the middle and what they get back. No protocol here: doors turn bytes into these and back.

use std::{collections::BTreeMap, sync::Arc};

use mountgate_backend::Answer;
use mountgate_core::{AgentName, ClaimName, ClaimValue, ColumnName, MountName, Refusal, RelationName, Value};
use mountgate_limits::Caps;
use serde::{Deserialize, Serialize};

/// What an answer of a mount that is open for observation says of itself, under `mode`.
pub const OBSERVE: &str = "observe";

/// A statement for a mount.
#[derive(Clone, Debug)]
pub struct Query {
    /// The mount.
    pub mount: MountName,
    /// The statement, in the mount's dialect.
    pub sql: String,
    /// Its parameters, by position.
    pub params: Vec<Value>,
    /// What the agent wants the answer for; at most 500 characters.
    pub purpose: Option<String>,
}

/// A read without SQL.
#[derive(Clone, Debug)]
pub struct Read {
    /// The mount.
    pub mount: MountName,
    /// What to read.
    pub read: mountgate_sql::read::ReadRequest,
    /// What the agent wants the answer for.
    pub purpose: Option<String>,
}

/// A refusal with the id under which the ledger has it (none for refusals of callers who are not authenticated).
#[derive(Clone, Debug)]
pub struct Refused {
    /// The refusal.
    pub refusal: Refusal,
    /// The decision's id.
    pub decision_id: Option<String>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, decision_id: None }
    }
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyColumn {
    /// The name, as the statement names it.
    pub name: String,
    /// The type's label (`integer`, `text`, …; `any` where the store does not say).
    #[serde(rename = "type")]
    pub ty: String,
    /// The masks that its values went through, where it is a bare masked column.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub masks: Vec<String>,
}

/// An answer under way.
pub struct Reply {
    /// The decision's id: `X-Mountgate-Decision`.
    pub decision_id: String,
    /// Whether the mount is open for observation.
    pub observed: bool,
    /// The columns.
    pub columns: Arc<[ReplyColumn]>,
    /// The rows, batch by batch. A door must not end its message as whole before `Answer::next` said that it is.
    pub answer: Answer,
    /// The caps that apply to it.
    pub caps: ReplyCaps,
}

/// The caps of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ReplyCaps {
    /// The most rows that come.
    pub max_rows: u64,
    /// The most bytes of values that come.
    pub max_bytes: u64,
    /// How long the backend may work, in milliseconds.
    pub timeout_ms: u64,
}

impl From<Caps> for ReplyCaps {
    fn from(caps: Caps) -> Self {
        let Caps { max_rows, max_bytes, timeout } = caps;
        Self { max_rows, max_bytes, timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX) }
    }
}

/// How a statement would fare, for its agent: never rewritten SQL, filters' text or claims.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The decision's id.
    pub decision_id: String,
    /// Always `allow`: a denial is a refusal.
    pub verdict: &'static str,
    /// `observe`, where the mount is open for observation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<&'static str>,
    /// The columns that would come back.
    pub columns: Vec<ReplyColumn>,
    /// The relations touched.
    pub relations: Vec<ExplainedRelation>,
    /// The caps that would apply.
    pub caps: ReplyCaps,
}

/// A relation in an explanation.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedRelation {
    /// The relation.
    pub name: RelationName,
    /// The columns used, each with how it is used and its masks' names.
    pub columns: Vec<ExplainedColumn>,
    /// Whether a row filter applies.
    pub filtered: bool,
}

/// A column in an explanation.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedColumn {
    /// The column.
    pub name: String,
    /// How it is used.
    pub uses: Vec<mountgate_core::Use>,
    /// Its masks' names.
    pub masks: Vec<&'static str>,
}

/// A mount in a list.
#[derive(Clone, Debug, Serialize)]
pub struct MountSummary {
    /// The name.
    pub name: MountName,
    /// The dialect of its statements: `sqlite` or `postgres`.
    pub dialect: &'static str,
    /// Its relations under the ceiling.
    pub tables: Vec<RelationName>,
    /// Whether it serves now (hours, expiry).
    pub open: bool,
    /// `observe`, where the mount is open for observation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<&'static str>,
    /// The last day on which it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// What the caller may do in a mount, and what is left of it: the scope that the policy grants now.
#[derive(Clone, Debug, Serialize)]
pub struct MountDetail {
    /// The mount.
    #[serde(flatten)]
    pub summary: MountSummary,
    /// When it serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<String>,
    /// The last day on which it serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// The relations in scope.
    pub relations: Vec<TableDetail>,
    /// Caps and rates, as text: `requests: 60/minute`.
    pub limits: BTreeMap<&'static str, String>,
    /// What is left of the rates for this caller; absent where the budget is shared with others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<mountgate_core::request::Usage>,
    /// How many different values of each counted column may still be looked up, likewise.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub keys_left: BTreeMap<ColumnName, u64>,
}

/// A relation in scope.
#[derive(Clone, Debug, Serialize)]
pub struct TableDetail {
    /// The relation.
    pub name: RelationName,
    /// Its columns.
    pub columns: Vec<ColumnDetail>,
    /// Whether rows are filtered.
    pub filtered: bool,
    /// The columns that every reference to it must fix to one value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<String>,
    /// The fewest people (or other units) that a group may have, where it answers with statistics only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_group: Option<u32>,
    /// What may be written of it, where anything may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write: Option<WriteDetail>,
}

/// What may be written of a relation.
#[derive(Clone, Debug, Serialize)]
pub struct WriteDetail {
    /// The columns that an INSERT may give.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub insert: Vec<String>,
    /// The columns that an UPDATE may set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub update: Vec<String>,
    /// Whether rows may be deleted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub delete: bool,
    /// The most rows that one write may change.
    pub max_rows: u64,
    /// When a person must approve: `required`, `over 5 rows`, `none`.
    pub approval: String,
}

/// A column in scope.
#[derive(Clone, Debug, Serialize)]
pub struct ColumnDetail {
    /// The name.
    pub name: String,
    /// The type's label.
    #[serde(rename = "type")]
    pub ty: String,
    /// Whether it is part of the primary key.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub key: bool,
    /// The masks' names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub masks: Vec<&'static str>,
}

/// A minter's wish for a session.
#[derive(Clone, Debug)]
pub struct Mint {
    /// For which agent.
    pub agent: AgentName,
    /// With which further claims.
    pub claims: BTreeMap<ClaimName, ClaimValue>,
    /// For how many seconds.
    pub ttl_seconds: u64,
}

/// A session minted. The token is told here and never again.
#[derive(Clone, Debug, Serialize)]
pub struct Minted {
    /// The token.
    pub token: String,
    /// The session's public id.
    pub session: String,
    /// When it ends: milliseconds since 1970-01-01T00:00Z.
    pub until_ms: i64,
}
