//! Decisions and refusals as the ledger has them, for whoever asks a policy again: a case, a replay.
//!
//! Of the request's own values there are keyed digests. A literal's value is known where it was one of the caller's claims.

use mountgate_core::{
    Claims, ColumnName, ColumnType, CompareOp, Digest, Door, Filter, Limits, Mask, MountName, Predicate,
    PredicateValue, RelationName, RelationTouch, Verb, Verdict,
    request::{RequestColumn, RequestRelation},
};
use serde::{Deserialize, de::IgnoredAny};

use crate::plugin::cases::CaseUsage;

/// A line of a segment.
#[derive(Deserialize)]
pub(crate) struct Whole {
    pub(crate) record: Record,
}

/// A decision or a refusal.
#[derive(Deserialize)]
pub(crate) struct Record {
    #[serde(default)]
    pub(crate) time_ms: i64,
    pub(crate) request: Option<Request>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) settings: Option<Digest>,
    pub(crate) code: Option<String>,
    /// Whether asking again would have given the same.
    #[serde(default = "yes")]
    pub(crate) replayable: bool,
    /// A digest for each, in a decision.
    pub(crate) parameters: Option<Vec<IgnoredAny>>,
}

fn yes() -> bool {
    true
}

/// What the policy was asked.
#[derive(Deserialize)]
pub(crate) struct Request {
    pub(crate) agent: String,
    pub(crate) session: Option<String>,
    pub(crate) claims: Claims,
    pub(crate) mount: MountName,
    pub(crate) door: Door,
    pub(crate) purpose: Option<String>,
    pub(crate) time: Option<Time>,
    pub(crate) usage: Option<CaseUsage>,
    /// Where the policy was told them.
    pub(crate) parameters: Option<Vec<IgnoredAny>>,
    pub(crate) touch: Touch,
    pub(crate) ceiling: Vec<Relation>,
    pub(crate) limits: Limits,
}

/// When.
#[derive(Deserialize)]
pub(crate) struct Time {
    pub(crate) unix_ms: i64,
}

/// What was touched.
#[derive(Deserialize)]
pub(crate) struct Touch {
    pub(crate) verb: Verb,
    pub(crate) relations: Vec<RelationTouch>,
    pub(crate) predicates: Vec<TouchPredicate>,
}

/// What was looked for.
#[derive(Deserialize)]
pub(crate) struct TouchPredicate {
    pub(crate) relation: RelationName,
    pub(crate) column: ColumnName,
    pub(crate) op: Option<CompareOp>,
    pub(crate) parameter: Option<usize>,
    /// Of a value; absent where it is computed.
    pub(crate) digest: Option<IgnoredAny>,
    /// The claims whose value it was.
    #[serde(default)]
    pub(crate) claims: Vec<String>,
}

/// A relation of the ceiling of that time.
#[derive(Clone, Deserialize)]
pub(crate) struct Relation {
    pub(crate) name: RelationName,
    pub(crate) columns: Vec<Column>,
    #[serde(default)]
    pub(crate) lent: Vec<Column>,
    pub(crate) filter: Option<Filter>,
}

/// A column of it.
#[derive(Clone, Deserialize)]
pub(crate) struct Column {
    pub(crate) name: ColumnName,
    pub(crate) ty: ColumnType,
    pub(crate) key: bool,
    pub(crate) masks: Vec<Mask>,
}

impl Touch {
    /// The touch, and whether it has literals of which there is a digest only.
    pub(crate) fn restored(self, claims: &Claims) -> (mountgate_core::Touch, bool) {
        let mut withheld = false;
        let predicates = self.predicates.into_iter().map(|predicate| {
            let TouchPredicate { relation, column, op, parameter, digest, claims: equal } = predicate;
            let claimed = equal.first().and_then(|name| claims.get(name.as_str()));
            let value = match (parameter, claimed) {
                (Some(index), _) => PredicateValue::Parameter(index),
                (None, Some(claim)) => PredicateValue::Literal(claim.to_value()),
                (None, None) => {
                    withheld |= digest.is_some();
                    PredicateValue::Other
                }
            };
            Predicate { relation, column, op, value }
        });
        let predicates = predicates.collect();
        (mountgate_core::Touch { verb: self.verb, relations: self.relations, predicates }, withheld)
    }
}

impl From<Column> for RequestColumn {
    fn from(column: Column) -> Self {
        let Column { name, ty, key, masks } = column;
        Self { name, ty, key, masks }
    }
}

impl From<Relation> for RequestRelation {
    fn from(relation: Relation) -> Self {
        let Relation { name, columns, lent, filter } = relation;
        let each = |all: Vec<Column>| all.into_iter().map(Into::into).collect();
        Self { name, columns: each(columns), lent: each(lent), filter }
    }
}
