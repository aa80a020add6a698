//! Warm instances: kept after a clean answer and asked again, by the same caller alone.
//!
//! What an instance remembers of one caller must not show to another, so an instance is kept under the policy, agent,
//! session and claims that it has served, and given to no other. It is thrown away after so many calls, on any trap or
//! limit, and where others are used more.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mountgate_core::{AgentName, Claims, DecisionRequest, SessionId};
use parking_lot::Mutex;

use crate::instances::Instance;

/// How a policy's instances are kept apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// A fresh instance for every decision: the same request always gets the same verdict.
    #[default]
    Fresh,
    /// An instance may serve the same caller (agent, session and claims) again. What it keeps in memory may then decide
    /// with, so its verdicts can't be replayed.
    Warm,
}

/// Whom an instance may serve again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WarmKey {
    policy: u64,
    agent: AgentName,
    session: Option<SessionId>,
    claims: Arc<Claims>,
}

impl WarmKey {
    pub(crate) fn of(policy: u64, request: &DecisionRequest) -> Self {
        Self {
            policy,
            agent: request.agent.clone(),
            session: request.session.clone(),
            claims: Arc::clone(&request.claims),
        }
    }

    fn is(&self, policy: u64, request: &DecisionRequest) -> bool {
        self.policy == policy
            && self.agent == request.agent
            && self.session == request.session
            && (Arc::ptr_eq(&self.claims, &request.claims) || self.claims == request.claims)
    }
}

struct Kept {
    key: WarmKey,
    instance: Instance,
    since: Instant,
}

/// The instances kept, those used longest ago first.
pub(crate) struct Warmth {
    kept: Mutex<Vec<Kept>>,
    most: usize,
    calls: u32,
    idle: Duration,
}

/// Numbers of policies are never used again, unlike addresses: a policy must not meet another's instances.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A number that no other policy of this process has.
pub(crate) fn number() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Warmth {
    /// Keeps so many at most, each for so many calls, and for so long without one.
    pub(crate) fn new(most: usize, calls: u32, idle: Duration) -> Self {
        Self { kept: Mutex::new(Vec::new()), most, calls, idle }
    }

    /// An instance that has served this caller, and nobody else.
    pub(crate) fn take(&self, policy: u64, request: &DecisionRequest) -> Option<Instance> {
        let mut kept = self.kept.lock();
        let at = kept.iter().rposition(|kept| kept.key.is(policy, request))?;
        Some(kept.remove(at).instance)
    }

    /// Keeps an instance whose last answer was clean. Those that may not be kept (any longer) come back, to be dropped.
    pub(crate) fn keep(&self, key: WarmKey, instance: Instance) -> Vec<Instance> {
        if instance.calls >= self.calls || self.most == 0 {
            return vec![instance];
        }
        let now = Instant::now();
        let mut kept = self.kept.lock();
        kept.push(Kept { key, instance, since: now });
        let over = kept.len().saturating_sub(self.most);
        let old = kept.iter().take_while(|kept| now.duration_since(kept.since) > self.idle).count();
        kept.drain(..over.max(old)).map(|kept| kept.instance).collect()
    }

    /// Gives up the instance that was used longest ago: somebody needs its place.
    pub(crate) fn oldest(&self) -> Option<Instance> {
        let mut kept = self.kept.lock();
        if kept.is_empty() { None } else { Some(kept.remove(0).instance) }
    }

    /// Gives up the instances of a policy.
    pub(crate) fn forget(&self, policy: u64) -> Vec<Instance> {
        self.kept.lock().extract_if(.., |kept| kept.key.policy == policy).map(|kept| kept.instance).collect()
    }
}
