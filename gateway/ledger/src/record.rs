//! What is recorded, and how it is spelt.

use std::{fmt, str::FromStr, sync::Arc};

use mountgate_core::{
    AgentName, ClaimName, Code, ColumnName, CompareOp, Counted, DecisionRequest, Digest, Door, Grant, Limits,
    MountName, Predicate, PredicateValue, RelationName, Scope, SessionId, Touch, Value, Verb, Verdict,
    request::RequestRelation,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    bodies::spell,
    digests::{Digests, KeyedDigest},
    spelt::Spelt,
};

/// The id of a decision (also of one that was a refusal): a UUID of version 7, so that ids sort by time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DecisionId(Uuid);

impl DecisionId {
    /// A new id, of now.
    #[expect(clippy::new_without_default, reason = "a default that differs each time would mislead")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for DecisionId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Uuid::parse_str(text).map(Self).map_err(|_| format!("`{text}` is no decision id"))
    }
}

impl Serialize for DecisionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }
}

impl<'de> Deserialize<'de> for DecisionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A mask that is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AppliedMask<'a> {
    /// The relation.
    pub relation: &'a RelationName,
    /// The column.
    pub column: &'a ColumnName,
    /// The mask's name.
    pub mask: &'static str,
}

/// Every mask of a scope.
pub fn applied_masks(scope: &Scope) -> Vec<AppliedMask<'_>> {
    let mut out = Vec::new();
    for (relation, scoped) in scope.relations() {
        for column in &scoped.columns {
            out.extend(column.masks.iter().map(|mask| AppliedMask {
                relation,
                column: &column.name,
                mask: mask.label(),
            }));
        }
    }
    out
}

/// The caps that an answer stays within.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapsRecord {
    /// Rows.
    pub max_rows: u64,
    /// Bytes of values.
    pub max_bytes: u64,
    /// How long the backend may work, in milliseconds.
    pub timeout_ms: u64,
}

/// A decision to run a request.
#[derive(Clone, Debug)]
pub struct DecisionRecord<'a> {
    /// Its id.
    pub id: DecisionId,
    /// When, in milliseconds since 1970-01-01T00:00Z.
    pub time_ms: i64,
    /// The generation in force.
    pub generation: u64,
    /// The plugin that decided.
    pub plugin: Digest,
    /// The digest of the plugin's settings.
    pub settings: Option<Digest>,
    /// Whether the verdict came from the cache.
    pub cached: bool,
    /// Whether the same request would get the same verdict again: not from a policy whose instances are kept warm.
    pub replayable: bool,
    /// What the policy was asked.
    pub request: &'a DecisionRequest,
    /// The request's parameters, whether or not the policy was shown them. Written as keyed digests.
    pub parameters: &'a [Value],
    /// What the policy answered.
    pub verdict: &'a Verdict,
    /// The verdict's grant, where many decisions share it: it is spelt once.
    pub grant: Option<&'a Arc<Grant>>,
    /// The masks in force.
    pub masks: &'a [AppliedMask<'a>],
    /// The caps in force.
    pub caps: CapsRecord,
    /// The relations that are fenced against predicates that run too early.
    pub fenced: &'a [RelationName],
    /// What it looks up, where the limits count different values.
    pub counted: &'a [Counted],
    /// The statement as it was asked. Written as a keyed digest, and as text where the configuration asks for it.
    pub statement: &'a str,
}

/// A request of an authenticated caller that was refused, by a policy or by the gateway.
#[derive(Clone, Debug)]
pub struct RefusalRecord<'a> {
    /// Its id.
    pub id: DecisionId,
    /// When, in milliseconds since 1970-01-01T00:00Z.
    pub time_ms: i64,
    /// The generation in force.
    pub generation: u64,
    /// Who asked.
    pub agent: &'a AgentName,
    /// By which session.
    pub session: Option<&'a SessionId>,
    /// The mount asked for, as the caller spelt it.
    pub mount: Option<&'a MountName>,
    /// The door.
    pub door: Door,
    /// Why.
    pub code: Code,
    /// What the caller was told.
    pub message: &'a str,
    /// The statement, where there was one. Written like a decision's.
    pub statement: Option<&'a str>,
    /// The plugin, where one decided.
    pub plugin: Option<Digest>,
    /// What the policy was asked, where it came so far.
    pub request: Option<&'a DecisionRequest>,
    /// What the policy answered, where it came so far.
    pub verdict: Option<&'a Verdict>,
}

/// An administrative act.
#[derive(Clone, Debug)]
pub struct AdminRecord<'a> {
    /// When, in milliseconds since 1970-01-01T00:00Z.
    pub time_ms: i64,
    /// What was done: `agent.revoke`, `config.reload`, …
    pub act: &'a str,
    /// By whom.
    pub who: &'a str,
    /// To what, and whatever else is needed to understand it; no secrets.
    pub details: serde_json::Value,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_true(truth: &bool) -> bool {
    *truth
}

/// What a shadow would have decided, beside the decision (or the refusal) of the same id. It was not applied.
#[derive(Clone, Debug)]
pub struct ShadowRecord<'a> {
    /// The decision.
    pub id: DecisionId,
    /// When it was decided, in milliseconds since 1970-01-01T00:00Z.
    pub time_ms: i64,
    /// The generation of the decision.
    pub generation: u64,
    /// Who asked.
    pub agent: &'a AgentName,
    /// By which session.
    pub session: Option<&'a SessionId>,
    /// The mount.
    pub mount: &'a MountName,
    /// The shadow's name in configuration.
    pub policy: &'a str,
    /// The shadow's plugin.
    pub plugin: Digest,
    /// The digest of its settings.
    pub settings: Digest,
    /// The plugin in force.
    pub in_force: Digest,
    /// How the two compare: `same`, `granted`, `wider`, ….
    pub outcome: &'a str,
    /// What is different, the dangerous first; names of relations, columns, masks and limits, no values.
    pub changes: &'a [String],
    /// What the shadow answered, where that is something else.
    pub verdict: Option<&'a Verdict>,
    /// How the shadow failed.
    pub fault: Option<&'a str>,
    /// Requests since the last record of any shadow that there was no time for.
    pub missed: u64,
}

/// A change of a hold: a write that waits for people. Never its values.
#[derive(Clone, Debug)]
pub struct HoldRecord<'a> {
    /// The hold.
    pub hold: &'a str,
    /// The number of the change, from 1 on. A change that was recorded just before the gateway was killed may be here
    /// twice, word for word: hold and step say which one it is.
    pub step: u64,
    /// When, in milliseconds since 1970-01-01T00:00Z.
    pub time_ms: i64,
    /// By whom: a person, an agent, or the gateway.
    pub who: &'a str,
    /// The mount.
    pub mount: &'a MountName,
    /// The agent whose write it is.
    pub agent: &'a AgentName,
    /// By which session.
    pub session: Option<&'a SessionId>,
    /// The state before; none where the hold is new.
    pub from: Option<&'a str>,
    /// The state after.
    pub to: &'a str,
    /// Whatever else is needed to understand it; no values.
    pub details: &'a serde_json::Value,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Body<'a> {
    Decision {
        id: DecisionId,
        time_ms: i64,
        generation: u64,
        plugin: Digest,
        #[serde(skip_serializing_if = "Option::is_none")]
        settings: Option<Digest>,
        cached: bool,
        #[serde(skip_serializing_if = "is_true")]
        replayable: bool,
        request: RequestBody<'a>,
        parameters: Vec<KeyedDigest>,
        verdict: VerdictBody<'a>,
        masks: &'a [AppliedMask<'a>],
        caps: CapsRecord,
        fenced: &'a [RelationName],
        #[serde(skip_serializing_if = "<[Counted]>::is_empty")]
        counted: &'a [Counted],
        statement: KeyedDigest,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
    },
    Refusal {
        id: DecisionId,
        time_ms: i64,
        generation: u64,
        agent: &'a AgentName,
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<&'a SessionId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        mount: Option<&'a MountName>,
        door: Door,
        code: Code,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        statement: Option<KeyedDigest>,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        plugin: Option<Digest>,
        #[serde(skip_serializing_if = "Option::is_none")]
        request: Option<RequestBody<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        verdict: Option<&'a Verdict>,
    },
    Shadow {
        id: DecisionId,
        time_ms: i64,
        generation: u64,
        agent: &'a AgentName,
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<&'a SessionId>,
        mount: &'a MountName,
        policy: &'a str,
        plugin: Digest,
        settings: Digest,
        in_force: Digest,
        outcome: &'a str,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        changes: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        verdict: Option<&'a Verdict>,
        #[serde(skip_serializing_if = "Option::is_none")]
        fault: Option<&'a str>,
        missed: u64,
    },
    Hold {
        hold: &'a str,
        step: u64,
        time_ms: i64,
        who: &'a str,
        mount: &'a MountName,
        agent: &'a AgentName,
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<&'a SessionId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<&'a str>,
        to: &'a str,
        #[serde(skip_serializing_if = "serde_json::Value::is_null")]
        details: &'a serde_json::Value,
    },
    Admin {
        time_ms: i64,
        act: &'a str,
        who: &'a str,
        details: &'a serde_json::Value,
    },
}

/// A [`Verdict`], whose grant may be spelt already.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum VerdictBody<'a> {
    Allow {
        grant: Arc<RawValue>,
        limits: &'a Limits,
        valid_for_ms: Option<u64>,
    },
    #[serde(untagged)]
    Own(&'a Verdict),
}

/// A [`DecisionRequest`] with keyed digests in the place of the request's own values.
#[derive(Serialize)]
struct RequestBody<'a> {
    agent: &'a AgentName,
    session: &'a Option<SessionId>,
    claims: &'a mountgate_core::Claims,
    mount: &'a MountName,
    door: Door,
    purpose: &'a Option<String>,
    time: &'a Option<mountgate_core::RequestTime>,
    usage: &'a Option<mountgate_core::request::Usage>,
    parameters: Option<Vec<KeyedDigest>>,
    touch: TouchBody<'a>,
    ceiling: Arc<RawValue>,
    limits: Arc<RawValue>,
}

#[derive(Serialize)]
struct TouchBody<'a> {
    verb: Verb,
    relations: Arc<RawValue>,
    predicates: Vec<PredicateBody<'a>>,
}

#[derive(Serialize)]
struct PredicateBody<'a> {
    relation: &'a RelationName,
    column: &'a ColumnName,
    op: Option<CompareOp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<KeyedDigest>,
    /// The claims whose value the column was said to equal: from these a permission can later be learned.
    claims: Vec<&'a ClaimName>,
}

/// How records are spelt: with which digests, and whether with statements' texts.
pub(crate) struct Spelling {
    pub(crate) digests: Digests,
    pub(crate) statement_text: bool,
    touches: Spelt<Touch>,
    ceilings: Spelt<Vec<RequestRelation>>,
    limits: Spelt<Limits>,
    grants: Spelt<Grant>,
}

impl Spelling {
    pub(crate) fn new(digests: Digests, statement_text: bool) -> Self {
        Self {
            digests,
            statement_text,
            touches: Spelt::default(),
            ceilings: Spelt::default(),
            limits: Spelt::default(),
            grants: Spelt::default(),
        }
    }

    fn request<'a>(
        &self,
        request: &'a DecisionRequest,
        parameters: &[Value],
    ) -> Result<RequestBody<'a>, serde_json::Error> {
        // Taken apart field by field: a new field of the request must be given a place here, or it does not compile.
        let DecisionRequest {
            agent,
            session,
            claims,
            mount,
            door,
            purpose,
            time,
            usage,
            parameters: shown,
            touch,
            ceiling,
            limits,
        } = request;
        let parameters = if parameters.is_empty() { shown.as_deref().unwrap_or_default() } else { parameters };
        Ok(RequestBody {
            agent,
            session,
            claims,
            mount,
            door: *door,
            purpose,
            time,
            usage,
            parameters: shown.as_ref().map(|shown| shown.iter().map(|value| self.digests.value(value)).collect()),
            touch: TouchBody {
                verb: touch.verb,
                relations: self.touches.get(touch, |touch| touch.relations.as_slice())?,
                predicates: touch
                    .predicates
                    .iter()
                    .map(|predicate| self.predicate(predicate, claims, parameters))
                    .collect(),
            },
            ceiling: self.ceilings.get(ceiling, |ceiling| ceiling.as_slice())?,
            limits: self.limits.get(limits, |limits| limits)?,
        })
    }

    fn predicate<'a>(
        &self,
        predicate: &'a Predicate,
        claims: &'a mountgate_core::Claims,
        parameters: &[Value],
    ) -> PredicateBody<'a> {
        let (parameter, value) = match &predicate.value {
            PredicateValue::Literal(value) => (None, Some(value)),
            PredicateValue::Parameter(index) => (Some(*index), parameters.get(*index)),
            PredicateValue::Other => (None, None),
        };
        let equals = match (predicate.op, value) {
            (Some(CompareOp::Eq), Some(value)) => {
                claims.iter().filter(|(_, claim)| claim.to_value() == *value).map(|(name, _)| name).collect()
            }
            _ => Vec::new(),
        };
        PredicateBody {
            relation: &predicate.relation,
            column: &predicate.column,
            op: predicate.op,
            parameter,
            digest: value.map(|value| self.digests.value(value)),
            claims: equals,
        }
    }

    pub(crate) fn decision<T>(
        &self,
        record: &DecisionRecord<'_>,
        with: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, serde_json::Error> {
        let body = Body::Decision {
            id: record.id,
            time_ms: record.time_ms,
            generation: record.generation,
            plugin: record.plugin,
            settings: record.settings,
            cached: record.cached,
            replayable: record.replayable,
            request: self.request(record.request, record.parameters)?,
            parameters: record.parameters.iter().map(|value| self.digests.value(value)).collect(),
            verdict: self.verdict(record)?,
            masks: record.masks,
            caps: record.caps,
            fenced: record.fenced,
            counted: record.counted,
            statement: self.digests.statement(record.statement),
            text: self.statement_text.then_some(record.statement),
        };
        spell(&body, with)
    }

    fn verdict<'a>(&self, record: &DecisionRecord<'a>) -> Result<VerdictBody<'a>, serde_json::Error> {
        Ok(match (record.verdict, record.grant) {
            (Verdict::Allow { grant: _, limits, valid_for_ms }, Some(grant)) => {
                let grant = self.grants.get(grant, |grant| grant)?;
                VerdictBody::Allow { grant, limits, valid_for_ms: *valid_for_ms }
            }
            (verdict, _) => VerdictBody::Own(verdict),
        })
    }

    pub(crate) fn refusal<T>(
        &self,
        record: &RefusalRecord<'_>,
        with: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, serde_json::Error> {
        let body = Body::Refusal {
            id: record.id,
            time_ms: record.time_ms,
            generation: record.generation,
            agent: record.agent,
            session: record.session,
            mount: record.mount,
            door: record.door,
            code: record.code,
            message: record.message,
            statement: record.statement.map(|text| self.digests.statement(text)),
            text: record.statement.filter(|_| self.statement_text),
            plugin: record.plugin,
            request: record.request.map(|request| self.request(request, &[])).transpose()?,
            verdict: record.verdict,
        };
        spell(&body, with)
    }
}

pub(crate) fn admin(record: &AdminRecord<'_>) -> Result<Vec<u8>, serde_json::Error> {
    encode(&Body::Admin { time_ms: record.time_ms, act: record.act, who: record.who, details: &record.details })
}

pub(crate) fn hold(record: &HoldRecord<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let HoldRecord { hold, step, time_ms, who, mount, agent, session, from, to, details } = *record;
    encode(&Body::Hold { hold, step, time_ms, who, mount, agent, session, from, to, details })
}

pub(crate) fn shadow(record: &ShadowRecord<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let ShadowRecord {
        id,
        time_ms,
        generation,
        agent,
        session,
        mount,
        policy,
        plugin,
        settings,
        in_force,
        outcome,
        changes,
        verdict,
        fault,
        missed,
    } = *record;
    encode(&Body::Shadow {
        id,
        time_ms,
        generation,
        agent,
        session,
        mount,
        policy,
        plugin,
        settings,
        in_force,
        outcome,
        changes,
        verdict,
        fault,
        missed,
    })
}

pub(crate) fn encode(body: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::with_capacity(2048);
    serde_json::to_writer(&mut out, body)?;
    Ok(out)
}
