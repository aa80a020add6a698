//! A mount in force: its ceiling, its backend, its policies, and what is remembered of statements and verdicts.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
};

use jiff::tz::TimeZone;
use moka::sync::Cache;
use mountgate_backend::Backend;
use mountgate_core::{
    AgentName, Caller, Ceiling, Code, Limits, MountName, PolicyName, Practice, Refusal, RequestTime, Standing,
    request::RequestRelation,
};
use mountgate_policy::Policy;
use mountgate_sql::{Dialect, MaskKeys, allow::Extra};

use crate::{
    Shadow,
    decide::{Decided, VerdictKey},
    known::Known,
};

/// Weight of the statements that a mount remembers, in bytes about (a statement counts its text twenty times over,
/// for its tree and its plans).
const STATEMENTS_WEIGHT: u64 = 32 << 20;
/// Verdicts with `valid-for` that a mount remembers.
const VERDICTS: u64 = 16_384;

/// A policy as a mount uses it.
#[derive(Clone)]
pub struct Assigned {
    /// Its name in configuration.
    pub name: PolicyName,
    /// The plugin with the mount's settings prepared.
    pub policy: Arc<Policy>,
    /// Whether it may still be asked; always, where there is none (a bundled policy, a file of a developer's).
    pub standing: Option<Arc<Standing>>,
}

/// What a mount is made of.
pub struct MountSpec {
    /// The name.
    pub name: MountName,
    /// The dialect of its backend.
    pub dialect: Dialect,
    /// Functions that the operator added to the dialect's list.
    pub extras: Arc<[Extra]>,
    /// The ceiling; caps that its limits are silent on get [`Limits::defaults`].
    pub ceiling: Ceiling,
    /// The backend.
    pub backend: Arc<Backend>,
    /// The policy of agents that have none of their own.
    pub policy: Assigned,
    /// Policies of single agents.
    pub per_agent: BTreeMap<AgentName, Assigned>,
    /// A policy that is asked beside the one in force, and never obeyed.
    pub shadow: Option<Shadow>,
    /// Keys of the mount's `hash` masks.
    pub mask_keys: Arc<dyn MaskKeys + Send + Sync>,
    /// The zone of the local time that policies are told; that of `hours`, or UTC.
    pub zone: TimeZone,
    /// The last day on which it serves, as configured.
    pub expires: Option<String>,
    /// What is for a time about it.
    pub practice: Practice,
}

/// A mount in force.
pub struct Mount {
    pub(crate) spec: MountSpec,
    pub(crate) limits: Arc<Limits>,
    pub(crate) statements: Cache<Arc<str>, Arc<Known>>,
    pub(crate) verdicts: Cache<VerdictKey, Arc<Decided>>,
    /// Whether any policy of the mount has given a `valid-for` yet.
    pub(crate) gives_valid_for: AtomicBool,
}

impl Mount {
    /// The mount of the next generation, of the same ceiling, dialect and wall: statements that were parsed and planned
    /// stay so. Verdicts are not kept: each generation asks anew.
    pub fn following(spec: MountSpec, before: &Self) -> Self {
        Self { statements: before.statements.clone(), ..Self::new(spec) }
    }

    /// Puts a mount together. Nothing is remembered from an earlier generation: its caches are its own.
    pub fn new(mut spec: MountSpec) -> Self {
        let limits = std::mem::take(&mut spec.ceiling.limits).or(&Limits::defaults());
        spec.ceiling.limits = limits.clone();
        Self {
            spec,
            limits: Arc::new(limits),
            statements: Cache::builder()
                .max_capacity(STATEMENTS_WEIGHT)
                .weigher(|text: &Arc<str>, _: &Arc<Known>| u32::try_from(text.len() * 20 + 4096).unwrap_or(u32::MAX))
                .build(),
            verdicts: Cache::new(VERDICTS),
            gives_valid_for: AtomicBool::new(false),
        }
    }

    /// The mount's name.
    pub fn name(&self) -> &MountName {
        &self.spec.name
    }

    /// The ceiling.
    pub fn ceiling(&self) -> &Ceiling {
        &self.spec.ceiling
    }

    /// The backend.
    pub fn backend(&self) -> &Arc<Backend> {
        &self.spec.backend
    }

    /// Whether it is open for observation: each answer of it says so.
    pub fn is_observed(&self) -> bool {
        self.spec.practice.observe.is_some()
    }

    /// What is for a time about it.
    pub fn practice(&self) -> &Practice {
        &self.spec.practice
    }

    pub(crate) fn serves(&self, agent: &AgentName) -> bool {
        self.spec.ceiling.agents.contains(agent) || self.spec.per_agent.contains_key(agent)
    }

    pub(crate) fn policy_of(&self, caller: &Caller) -> &Assigned {
        self.spec.per_agent.get(&caller.agent).unwrap_or(&self.spec.policy)
    }

    /// Whether the mount serves at that moment.
    ///
    /// # Errors
    /// Past its end, or outside its hours.
    pub(crate) fn open_at(&self, unix_ms: i64) -> Result<(), Refusal> {
        let name = &self.spec.name;
        if self.spec.ceiling.expires_ms.is_some_and(|end| unix_ms >= end) {
            return Err(
                Refusal::new(Code::MountExpired, format!("mount `{name}` has ended")).hint("ask its owner to renew it")
            );
        }
        if let Some(last) = self.spec.practice.observe.as_ref().filter(|last| last.is_over(unix_ms)) {
            return Err(Refusal::new(
                Code::MountExpired,
                format!("mount `{name}` was open for observation until the end of {}, and that is over", last.day),
            )
            .hint("ask its owner for a mount of what you need: what was used is on record"));
        }
        if let Some(hours) = self.spec.ceiling.hours.as_ref().filter(|hours| !hours.open_at(unix_ms)) {
            return Err(Refusal::new(Code::OutsideHours, format!("mount `{name}` does not serve at this time"))
                .hint(format!("it serves {}", hours.as_str())));
        }
        Ok(())
    }

    /// The moment as policies of this mount are told it.
    pub(crate) fn local_time(&self, unix_ms: i64) -> Option<RequestTime> {
        let local = jiff::Timestamp::from_millisecond(unix_ms).ok()?.to_zoned_datetime(self.spec.zone.clone());
        Some(RequestTime {
            unix_ms,
            weekday: local.weekday().to_monday_one_offset().unsigned_abs(),
            minute: u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs()),
            date: local.date().to_string(),
        })
    }

    /// The ceiling of the touched relations, as a policy is told it.
    pub(crate) fn ceiling_for(&self, touch: &mountgate_core::Touch) -> Vec<RequestRelation> {
        let touched = touch.relations.iter().map(|touched| &touched.relation);
        touched.filter_map(|name| Some(RequestRelation::of(name, self.spec.ceiling.relation(name)?))).collect()
    }
}
