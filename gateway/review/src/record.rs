//! What of a ledger's record is needed here. Everything else is skipped over.

use std::{borrow::Cow, collections::BTreeMap};

use mountgate_core::{AgentName, ClaimName, ColumnName, CompareOp, MountName, SessionId, Verb};
use mountgate_ledger::DecisionId;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

/// A line of a segment.
#[derive(Deserialize)]
pub(crate) struct Whole<'a> {
    #[serde(borrow)]
    pub(crate) record: Record<'a>,
}

/// A record of any kind.
#[derive(Deserialize)]
pub(crate) struct Record<'a> {
    #[serde(borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(default)]
    pub(crate) time_ms: i64,
    pub(crate) id: Option<DecisionId>,
    #[serde(borrow)]
    pub(crate) plugin: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) request: Option<Request<'a>>,
    #[serde(borrow)]
    pub(crate) verdict: Option<&'a RawValue>,
    pub(crate) agent: Option<AgentName>,
    pub(crate) mount: Option<MountName>,
    #[serde(borrow)]
    pub(crate) code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) outcome: Option<Cow<'a, str>>,
    pub(crate) rows: Option<u64>,
    pub(crate) bytes: Option<u64>,
    pub(crate) total_us: Option<u64>,
}

/// What a policy was asked.
#[derive(Deserialize)]
pub(crate) struct Request<'a> {
    pub(crate) agent: AgentName,
    pub(crate) session: Option<SessionId>,
    pub(crate) claims: BTreeMap<ClaimName, IgnoredAny>,
    pub(crate) mount: MountName,
    #[serde(borrow)]
    pub(crate) touch: Touch<'a>,
}

#[derive(Deserialize)]
pub(crate) struct Touch<'a> {
    pub(crate) verb: Verb,
    #[serde(borrow)]
    pub(crate) relations: &'a RawValue,
    #[serde(borrow)]
    pub(crate) predicates: Vec<Predicate<'a>>,
}

#[derive(Deserialize)]
pub(crate) struct Predicate<'a> {
    #[serde(borrow)]
    pub(crate) relation: Cow<'a, str>,
    pub(crate) column: ColumnName,
    pub(crate) op: Option<CompareOp>,
    /// Of the value compared with; absent where it is computed.
    #[serde(borrow)]
    pub(crate) digest: Option<Cow<'a, str>>,
    /// The claims whose value it was.
    pub(crate) claims: Vec<ClaimName>,
}

/// Of a verdict, what was granted.
#[derive(Deserialize)]
pub(crate) struct Verdict<'a> {
    #[serde(borrow)]
    pub(crate) allow: Option<Allowed<'a>>,
}

#[derive(Deserialize)]
pub(crate) struct Allowed<'a> {
    #[serde(borrow)]
    pub(crate) grant: &'a RawValue,
}
