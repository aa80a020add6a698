//! Shadows: a candidate policy asked beside the one in force, on live traffic, and never obeyed.
//!
//! What a shadow says reaches the ledger and the operator, and nobody else: nothing here returns into a request's way.
//! A request leaves a note in a bounded queue, after it is on record itself; one thread asks the shadow, within the
//! host's own deadline, and takes a small part of one core. Where the queue is full, the note is dropped and counted.

pub(crate) mod compare;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use mountgate_core::{DecisionRequest, Digest, Scope};
use mountgate_ledger::{DecisionId, ShadowRecord};
use parking_lot::Mutex;

use self::compare::{Comparison, compare};
use crate::{
    Gateway, Mount,
    decide::{Asked, Decided, Failed, Question},
    gateway::now_ms,
    mount::Assigned,
};

/// Notes that wait. With more, requests go without a comparison.
const WAITING: usize = 512;
/// For each moment of asking the thread rests three: a quarter of one core at most.
const REST: u32 = 3;
/// Rests shorter than this are saved up.
const SHORTEST_REST: Duration = Duration::from_millis(1);

/// A mount's shadow.
#[derive(Clone)]
pub struct Shadow {
    /// The candidate, with its settings prepared.
    pub assigned: Assigned,
    /// The part of requests that it is asked about, of 1 000 000.
    pub share: u32,
}

impl Shadow {
    /// Whether this decision is among its share. By the id's random bits, so that a request can't choose.
    fn takes(&self, id: DecisionId) -> bool {
        if self.share >= 1_000_000 {
            return true;
        }
        let digest = Digest::of(id.to_string().as_bytes());
        let [a, b, c, d, ..] = digest.as_bytes();
        u64::from(u32::from_be_bytes([*a, *b, *c, *d])) * 1_000_000 < u64::from(self.share) << 32
    }
}

/// What was decided by the policy in force.
enum InForce {
    Allowed(Arc<Decided>),
    /// The policy said no, or wanted a person first.
    Denied,
    Failed,
}

/// A request that the shadow is to be asked about.
pub(crate) struct Beside {
    mount: Arc<Mount>,
    generation: u64,
    id: DecisionId,
    time_ms: i64,
    /// The same request, with the inputs that the shadow declares.
    request: DecisionRequest,
    plugin: Digest,
    in_force: InForce,
}

impl Beside {
    /// The note for the mount's shadow, where it has one that takes this request.
    pub(crate) fn of(
        mount: &Arc<Mount>,
        generation: u64,
        id: DecisionId,
        question: &Question<'_>,
        asked: &Asked,
    ) -> Option<Box<Self>> {
        let shadow = mount.spec.shadow.as_ref()?;
        if !shadow.takes(id) {
            return None;
        }
        let in_force = match &asked.outcome {
            Ok(decided) => InForce::Allowed(Arc::clone(decided)),
            Err(Failed::Denied(_)) => InForce::Denied,
            // Nobody was asked: there is nothing to compare with.
            Err(Failed::Overloaded | Failed::Withdrawn) => return None,
            Err(Failed::Fault(..)) => InForce::Failed,
        };
        Some(Box::new(Self {
            mount: Arc::clone(mount),
            generation,
            id,
            time_ms: question.now_ms,
            request: mount.request(question, shadow.assigned.policy.inputs()),
            plugin: asked.plugin,
            in_force,
        }))
    }
}

/// The queue, and the thread's state.
pub(crate) struct Shadows {
    notes: SyncSender<Box<Beside>>,
    waiting: Mutex<Option<Receiver<Box<Beside>>>>,
    missed: AtomicU64,
    failing: AtomicBool,
}

impl Shadows {
    pub(crate) fn new() -> Self {
        let (notes, waiting) = sync_channel(WAITING);
        Self { notes, waiting: Mutex::new(Some(waiting)), missed: AtomicU64::new(0), failing: AtomicBool::new(false) }
    }
}

impl Gateway {
    /// Starts the thread, once. It ends with the gateway.
    pub(crate) fn start_shadows(&self) {
        let Some(notes) = self.shadows().waiting.lock().take() else { return };
        let gateway = self.downgrade();
        let started = mountgate_policy::in_background("shadows", move || ask_on(&notes, &gateway));
        if let Err(error) = started {
            // Notes then find nobody, and count as missed.
            tracing::error!(%error, "shadows are not asked: there is no thread for them");
        }
    }

    /// Leaves a note for the shadow; never waits.
    pub(crate) fn shadow(&self, beside: Box<Beside>) {
        if self.shadows().notes.try_send(beside).is_err() {
            self.miss();
        }
    }

    fn miss(&self) {
        self.shadows().missed.fetch_add(1, Ordering::Relaxed);
        self.metrics_registry().shadow_missed();
    }

    fn ask_shadow(&self, beside: &Beside) {
        // A generation that is over is not kept alive for its shadow.
        if self.generation().number() != beside.generation {
            self.miss();
            return;
        }
        let Some(shadow) = &beside.mount.spec.shadow else { return };
        let Assigned { name, policy, standing } = &shadow.assigned;
        // What was revoked does not run, not even to be compared.
        if standing.as_ref().is_some_and(|standing| !standing.holds_at(now_ms())) {
            self.miss();
            return;
        }
        let asked = policy.decide(&beside.request);
        let (comparison, verdict, fault) = match &asked {
            Ok(decision) => (judge(beside, &decision.verdict), Some(&decision.verdict), None),
            Err(error) if error.code() == "past_ceiling" => {
                (Comparison::past_ceiling(&error.to_string()), None, Some(error.to_string()))
            }
            Err(error) => (Comparison::failed(error.code()), None, Some(error.to_string())),
        };
        self.metrics_registry().shadowed(comparison.outcome);
        let same = comparison.outcome == compare::SAME;
        let request = &beside.request;
        let recorded = self.ledger().shadow(&ShadowRecord {
            id: beside.id,
            time_ms: beside.time_ms,
            generation: beside.generation,
            agent: &request.agent,
            session: request.session.as_ref(),
            mount: &request.mount,
            policy: name.as_str(),
            plugin: policy.plugin().digest(),
            settings: policy.settings_digest(),
            in_force: beside.plugin,
            outcome: comparison.outcome,
            changes: &comparison.changes,
            verdict: verdict.filter(|_| !same),
            fault: fault.as_deref(),
            missed: self.shadows().missed.swap(0, Ordering::Relaxed),
        });
        // Once, until one is recorded again: a flood of these must not fill the log.
        let failing = recorded.is_err();
        if self.shadows().failing.swap(failing, Ordering::Relaxed) != failing
            && let Err(error) = recorded
        {
            tracing::error!(%error, mount = %request.mount, "a shadow's verdict cannot be recorded");
        }
    }
}

fn judge(beside: &Beside, verdict: &mountgate_core::Verdict) -> Comparison {
    let mount = &beside.mount;
    let touch = &beside.request.touch;
    let scope = |grant| Scope::narrow(&mount.spec.ceiling, touch, grant);
    let in_force = match &beside.in_force {
        InForce::Allowed(decided) => match scope(&decided.grant) {
            Ok(scope) => Some((scope, Arc::clone(&decided.limits))),
            // The policy in force reached past the ceiling: that was a deny.
            Err(_) => return Comparison::unjudged(),
        },
        InForce::Denied => None,
        InForce::Failed => return Comparison::unjudged(),
    };
    let candidate = match verdict {
        mountgate_core::Verdict::Allow { grant, limits, .. } => match scope(grant) {
            Ok(scope) => Some((scope, Arc::new(mount.limits.tighten(limits)))),
            Err(error) => return Comparison::past_ceiling(&error.to_string()),
        },
        mountgate_core::Verdict::Deny { .. } | mountgate_core::Verdict::Hold { .. } => None,
    };
    compare(
        in_force.as_ref().map(|(scope, limits)| (scope, limits.as_ref())),
        candidate.as_ref().map(|(scope, limits)| (scope, limits.as_ref())),
    )
}

fn ask_on(notes: &Receiver<Box<Beside>>, gateway: &impl Fn() -> Option<Gateway>) {
    let mut owed = Duration::ZERO;
    while let Ok(beside) = notes.recv() {
        let begun = Instant::now();
        {
            let Some(gateway) = gateway() else { return };
            gateway.ask_shadow(&beside);
        }
        drop(beside);
        owed = owed.saturating_add(begun.elapsed().saturating_mul(REST));
        if owed >= SHORTEST_REST {
            std::thread::sleep(owed);
            owed = Duration::ZERO;
        }
    }
}
