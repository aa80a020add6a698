//! Asking the policy, and remembering its verdict for as long as it said.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use mountgate_core::{
    Caller, Claims, Code, DecisionRequest, Digest, Door, Grant, Limits, Refusal, SessionId, Value, Verdict,
    request::{RequestRelation, Usage},
    touch::Touch,
};
use mountgate_policy::{Inputs, PolicyError};

use crate::{Mount, known::Seen, mount::Assigned};

/// No verdict is remembered for longer, whatever it says.
const LONGEST_VALID: Duration = Duration::from_secs(3600);

/// Everything that the policy could see, but for the generation (each has its own cache) and the mount (likewise), whose
/// ceiling and limits are the same for all of them. Policies that read the time or usage are asked each time.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct VerdictKey {
    plugin: Digest,
    settings: Digest,
    agent: mountgate_core::AgentName,
    session: Option<SessionId>,
    claims: Arc<Claims>,
    door: Door,
    purpose: Option<String>,
    parameters: Option<String>,
    /// What is touched, with what the request looks for where the policy is told that.
    touch: Digest,
}

/// What was decided: a grant and limits, and where it came from.
pub(crate) struct Decided {
    pub(crate) grant: Arc<Grant>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) verdict: Verdict,
    /// Whether asking again would give the same.
    pub(crate) replayable: bool,
    valid_until_ms: Option<i64>,
}

/// What a decision is asked with.
pub(crate) struct Question<'a> {
    /// What its verdict is remembered by; none for a question that is not remembered.
    pub(crate) seen: Option<Seen>,
    pub(crate) caller: &'a Caller,
    pub(crate) door: Door,
    pub(crate) now_ms: i64,
    pub(crate) purpose: Option<&'a str>,
    pub(crate) parameters: &'a [Value],
    pub(crate) touch: &'a Arc<Touch>,
    pub(crate) ceiling: &'a Arc<Vec<RequestRelation>>,
    pub(crate) usage: &'a dyn Fn() -> Usage,
}

/// A decision, or why there is none. The canonical request goes to the ledger either way.
pub(crate) struct Asked {
    pub(crate) request: DecisionRequest,
    pub(crate) plugin: Digest,
    pub(crate) settings: Digest,
    /// How long the policy took; zero where the verdict was remembered.
    pub(crate) elapsed: Duration,
    pub(crate) outcome: Result<Arc<Decided>, Failed>,
    /// Whether the verdict was remembered.
    pub(crate) reused: bool,
}

/// Why there is no grant.
pub(crate) enum Failed {
    /// The policy said no, or wants a person first.
    Denied(Box<(Refusal, Verdict)>),
    /// The policy failed; the text is for the operator.
    Fault(String, &'static str),
    /// Every place for a decision is taken.
    Overloaded,
    /// The policy may not be asked any more.
    Withdrawn,
}

/// What an agent is told of a policy that may not be asked any more.
pub(crate) fn withdrawn() -> Refusal {
    Refusal::new(Code::PolicyWithdrawn, "the mount's policy was revoked, or what it is signed with is too old")
        .hint("tell the mount's owner: a new release, or renewed signatures, bring the mount back")
}

impl Mount {
    pub(crate) fn decide(&self, question: &Question<'_>) -> Asked {
        let Assigned { policy, standing, .. } = self.policy_of(question.caller);
        let inputs = policy.inputs();
        let request = self.request(question, inputs);
        let (plugin, settings) = (policy.plugin().digest(), policy.settings_digest());
        // Before anything that is remembered.
        if standing.as_ref().is_some_and(|standing| !standing.holds_at(question.now_ms)) {
            let outcome = Err(Failed::Withdrawn);
            return Asked { request, plugin, settings, elapsed: Duration::ZERO, outcome, reused: false };
        }
        let key = self.key(question, policy, inputs);
        if let Some(decided) = key.as_ref().and_then(|key| self.verdicts.get(key))
            && decided.valid_until_ms.is_some_and(|until| question.now_ms < until)
        {
            return Asked { request, plugin, settings, elapsed: Duration::ZERO, outcome: Ok(decided), reused: true };
        }
        let since = Instant::now();
        let decided = policy.decide(&request);
        let elapsed = since.elapsed();
        let outcome = match decided {
            Ok(decision) => self.judge(decision.verdict, decision.replayable, question).map(|decided| {
                let decided = Arc::new(decided);
                if decided.valid_until_ms.is_some() {
                    self.gives_valid_for.store(true, Ordering::Relaxed);
                    if let Some(key) = key {
                        self.verdicts.insert(key, Arc::clone(&decided));
                    }
                }
                decided
            }),
            Err(error) => Err(fault(&error)),
        };
        Asked { request, plugin, settings, elapsed, outcome, reused: false }
    }

    pub(crate) fn request(&self, question: &Question<'_>, inputs: Inputs) -> DecisionRequest {
        DecisionRequest {
            agent: question.caller.agent.clone(),
            session: question.caller.session().cloned(),
            claims: Arc::clone(&question.caller.claims),
            mount: self.spec.name.clone(),
            door: question.door,
            purpose: question.purpose.map(str::to_owned),
            time: inputs.time.then(|| self.local_time(question.now_ms)).flatten(),
            usage: inputs.usage.then(|| (question.usage)()),
            parameters: inputs.parameters.then(|| question.parameters.to_vec()),
            touch: Arc::clone(question.touch),
            ceiling: Arc::clone(question.ceiling),
            limits: Arc::clone(&self.limits),
        }
    }

    fn key(&self, question: &Question<'_>, policy: &mountgate_policy::Policy, inputs: Inputs) -> Option<VerdictKey> {
        if inputs.time || inputs.usage {
            return None;
        }
        // A policy that never gives `valid-for` should not pay for keys of a cache that it does not use.
        if !self.gives_valid_for.load(Ordering::Relaxed) {
            return None;
        }
        Some(VerdictKey {
            plugin: policy.plugin().digest(),
            settings: policy.settings_digest(),
            agent: question.caller.agent.clone(),
            session: question.caller.session().cloned(),
            claims: Arc::clone(&question.caller.claims),
            door: question.door,
            purpose: question.purpose.map(str::to_owned),
            parameters: inputs.parameters.then(|| serde_json::to_string(question.parameters)).transpose().ok()?,
            touch: question.seen.and_then(|seen| if inputs.predicates { seen.predicates } else { Some(seen.touch) })?,
        })
    }

    fn judge(&self, verdict: Verdict, replayable: bool, question: &Question<'_>) -> Result<Decided, Failed> {
        let (grant, limits, valid_for_ms) = match &verdict {
            Verdict::Deny { code, reason, hint } => {
                let mut refusal = Refusal::new(Code::DeniedByPolicy, format!("denied by policy ({code}): {reason}"));
                refusal.hint.clone_from(hint);
                return Err(Failed::Denied(Box::new((refusal, verdict))));
            }
            Verdict::Hold { reason, .. } => {
                let refusal = Refusal::new(
                    Code::ApprovalRequired,
                    format!("the policy wants a person's approval first: {reason}"),
                )
                .hint("reads cannot wait for approval; ask for less, or ask the mount's owner");
                return Err(Failed::Denied(Box::new((refusal, verdict))));
            }
            Verdict::Allow { grant, limits, valid_for_ms } => (Arc::new(grant.clone()), limits, *valid_for_ms),
        };
        let valid_until_ms = valid_for_ms.filter(|ms| *ms > 0).map(|ms| {
            let ms = ms.min(LONGEST_VALID.as_millis().try_into().unwrap_or(u64::MAX));
            question.now_ms.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX))
        });
        let limits = Arc::new(self.limits.tighten(limits));
        Ok(Decided { grant, limits, verdict, replayable, valid_until_ms })
    }
}

fn fault(error: &PolicyError) -> Failed {
    if matches!(error, PolicyError::Overloaded) {
        return Failed::Overloaded;
    }
    Failed::Fault(error.to_string(), error.code())
}
