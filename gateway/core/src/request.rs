//! What a policy is asked: everything that a decision may depend on, and nothing else.

use std::sync::Arc;

use serde::Serialize;

use crate::{
    AgentName, Ceiling, Claims, ColumnName, ColumnType, Door, Filter, Limits, Mask, MountName, RelationCeiling,
    RelationName, SessionId, Touch, Value,
};

/// The request's time, as policies see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestTime {
    /// Milliseconds since 1970-01-01T00:00Z.
    pub unix_ms: i64,
    /// Monday is 1, Sunday 7, in the mount's zone (that of `hours`; UTC without).
    pub weekday: u8,
    /// Minute of the local day, 0 to 1439.
    pub minute: u16,
    /// The date in the mount's zone: `2026-11-24`.
    pub date: String,
}

/// A column of a touched relation, as the ceiling shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestColumn {
    /// The column.
    pub name: ColumnName,
    /// Its type under the ceiling's masks.
    pub ty: ColumnType,
    /// Whether it is part of the primary key.
    pub key: bool,
    /// The ceiling's masks.
    pub masks: Vec<Mask>,
}

/// A touched relation, as the ceiling shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestRelation {
    /// The relation.
    pub name: RelationName,
    /// Its visible columns.
    pub columns: Vec<RequestColumn>,
    /// The hidden columns that a filter may name, as the store has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lent: Vec<RequestColumn>,
    /// The ceiling's filter.
    pub filter: Option<Filter>,
}

impl RequestRelation {
    /// The relation as policies are shown it.
    pub fn of(name: &RelationName, ceiling: &RelationCeiling) -> Self {
        let key = |column: &ColumnName| ceiling.store.key.contains(column);
        Self {
            name: name.clone(),
            columns: ceiling
                .columns
                .iter()
                .map(|column| RequestColumn {
                    name: column.name.clone(),
                    ty: column.ty.clone(),
                    key: key(&column.name),
                    masks: column.masks.clone(),
                })
                .collect(),
            lent: ceiling
                .lent
                .iter()
                .map(|column| RequestColumn {
                    name: column.name.clone(),
                    ty: column.ty.clone(),
                    key: key(&column.name),
                    masks: vec![],
                })
                .collect(),
            filter: ceiling.filter.clone(),
        }
    }
}

/// The mount that a policy is configured for: its whole ceiling, as policies are shown it.
///
/// A policy names a relation by its place here, so the order is part of what it was configured with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestMount {
    /// The mount.
    pub name: MountName,
    // INVARIANT: by name, each once.
    relations: Vec<RequestRelation>,
    /// The mount's limits, with the defaults where it is silent.
    pub limits: Limits,
}

impl RequestMount {
    /// A mount of these relations. Of two of one name the first counts.
    pub fn new(name: MountName, mut relations: Vec<RequestRelation>, limits: Limits) -> Self {
        relations.sort_by(|one, other| one.name.cmp(&other.name));
        relations.dedup_by(|later, first| later.name == first.name);
        Self { name, relations, limits }
    }

    /// The mount of that ceiling.
    pub fn of(name: MountName, ceiling: &Ceiling) -> Self {
        let relations = ceiling.relations().iter().map(|(name, ceiling)| RequestRelation::of(name, ceiling)).collect();
        Self::new(name, relations, ceiling.limits.clone().or(&Limits::defaults()))
    }

    /// The relations, by name.
    pub fn relations(&self) -> &[RequestRelation] {
        &self.relations
    }

    /// A relation and its place.
    pub fn relation(&self, name: &RelationName) -> Option<(usize, &RequestRelation)> {
        let at = self.relations.binary_search_by(|relation| relation.name.cmp(name)).ok()?;
        Some((at, self.relations.get(at)?))
    }
}

/// How much of each of the mount's limits has been used, where the policy declared the input `usage`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Requests still allowed now, where the mount has a rate of requests.
    pub requests_left: Option<i64>,
    /// Rows still allowed now.
    pub rows_left: Option<i64>,
    /// Bytes still allowed now.
    pub bytes_left: Option<i64>,
}

/// A request for a decision. Inputs that the policy did not declare are withheld: `None`, or empty.
///
/// Its serialisation is canonical (fields in this order, maps sorted) and is what the ledger keeps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DecisionRequest {
    /// The agent.
    pub agent: AgentName,
    /// The session, where the caller is one.
    pub session: Option<SessionId>,
    /// The caller's claims.
    pub claims: Arc<Claims>,
    /// The mount.
    pub mount: MountName,
    /// The door.
    pub door: Door,
    /// What the agent says it wants the answer for.
    pub purpose: Option<String>,
    /// The time (declared input `time`).
    pub time: Option<RequestTime>,
    /// Use of limits (declared input `usage`).
    pub usage: Option<Usage>,
    /// The statement's parameters (declared input `parameters`).
    pub parameters: Option<Vec<Value>>,
    /// What is touched.
    pub touch: Arc<Touch>,
    /// The ceiling of the touched relations, in the touch's order.
    pub ceiling: Arc<Vec<RequestRelation>>,
    /// The mount's limits.
    pub limits: Arc<Limits>,
}
