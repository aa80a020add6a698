//! A statement's way up to the backend, laid open for an operator: what it touches, the verdict, the rewritten text.
//! The same functions as for a request, so that what is shown is what would run. Nothing runs, and no budget is used.

use std::sync::Arc;

use mountgate_core::{
    Caller, DecisionRequest, Digest, Door, Limits, PolicyName, Refusal, Scope, Touch, Value, Verdict,
};
use mountgate_sql::{Plan, Statement};

use crate::{
    Mount,
    decide::{Failed, Question},
    known::{Known, Unplanned},
};

/// A statement laid open. What lies behind the first thing that failed is absent.
pub struct Inspection {
    /// Why the mount would not serve this caller at that moment: the agent is not its, or hours and expiry.
    pub closed: Option<Refusal>,
    /// What it touches.
    pub touch: Option<Arc<Touch>>,
    /// What the policy was asked.
    pub request: Option<DecisionRequest>,
    /// The policy's name in configuration.
    pub policy: PolicyName,
    /// The plugin.
    pub plugin: Digest,
    /// The policy's answer.
    pub verdict: Option<Verdict>,
    /// How the policy failed.
    pub fault: Option<String>,
    /// The limits, the mount's and the verdict's together.
    pub limits: Option<Arc<Limits>>,
    /// What is left of the ceiling.
    pub scope: Option<Arc<Scope>>,
    /// The rewritten statement.
    pub plan: Option<Arc<Plan>>,
    /// Why it would be refused, where it would.
    pub refusal: Option<Refusal>,
}

impl Mount {
    /// Lays a statement open, as if `caller` asked it at that moment (milliseconds since 1970-01-01T00:00Z). Rates are
    /// taken as unused.
    pub fn inspect(&self, caller: &Caller, sql: &str, parameters: &[Value], now_ms: i64) -> Inspection {
        let assigned = self.policy_of(caller);
        let mut seen = Inspection {
            closed: if self.serves(&caller.agent) {
                self.open_at(now_ms).err()
            } else {
                let why = format!("no mount `{}` for agent `{}`", self.name(), caller.agent);
                Some(Refusal::new(mountgate_core::Code::MountNotFound, why))
            },
            touch: None,
            request: None,
            policy: assigned.name.clone(),
            plugin: assigned.policy.plugin().digest(),
            verdict: None,
            fault: None,
            limits: None,
            scope: None,
            plan: None,
            refusal: None,
        };
        let found = self.lay_open(caller, sql, parameters, now_ms, &mut seen);
        seen.refusal = found.err();
        seen
    }

    fn lay_open(
        &self,
        caller: &Caller,
        sql: &str,
        parameters: &[Value],
        now_ms: i64,
        seen: &mut Inspection,
    ) -> Result<(), Refusal> {
        let known = Known::new(self, Statement::parse_allowing(self.spec.dialect, sql, &self.spec.extras)?)?;
        seen.touch = Some(Arc::clone(&known.touch));
        let asked = self.decide(&Question {
            seen: None,
            caller,
            door: Door::Cli,
            now_ms,
            purpose: None,
            parameters,
            touch: &known.touch,
            ceiling: &known.ceiling,
            usage: &mountgate_core::request::Usage::default,
        });
        seen.request = Some(asked.request);
        let failed = |seen: &mut Inspection, why: String| {
            seen.fault = Some(why);
            Refusal::new(
                mountgate_core::Code::PolicyFailed,
                "the mount's policy failed on this request, so it is denied",
            )
        };
        let decided = asked.outcome.map_err(|outcome| match outcome {
            Failed::Denied(denied) => {
                let (refusal, verdict) = *denied;
                seen.verdict = Some(verdict);
                refusal
            }
            Failed::Fault(why, _) => failed(seen, why),
            Failed::Overloaded => failed(seen, "every place for a decision is taken".to_owned()),
            Failed::Withdrawn => crate::decide::withdrawn(),
        })?;
        seen.verdict = Some(decided.verdict.clone());
        seen.limits = Some(Arc::clone(&decided.limits));
        let planned = known.plan(self, &decided.grant).map_err(|unplanned| match unplanned {
            Unplanned::Refused(refusal) => refusal,
            Unplanned::Policy(why) => failed(seen, why),
        })?;
        seen.scope = Some(Arc::clone(&planned.scope));
        seen.plan = Some(Arc::clone(&planned.plan));
        planned.plan.authorize(parameters, &caller.claims, self.spec.mask_keys.as_ref())?;
        Ok(())
    }
}
