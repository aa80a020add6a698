//! What is remembered of a statement's text within a mount and generation: its tree, what it touches, and a plan for
//! each grant that it met. Plans hold no claim and no parameter: those are bound for each request.

use std::sync::Arc;

use mountgate_core::{Code, Digest, Grant, PredicateValue, Refusal, Scope, Touch, Value, request::RequestRelation};
use mountgate_sql::{Plan, Statement};
use parking_lot::Mutex;

use crate::Mount;

/// Plans kept for each statement: one for each grant met lately.
const PLANS: usize = 16;

/// A statement within a mount.
pub(crate) struct Known {
    pub(crate) seen: Seen,
    pub(crate) statement: Statement,
    pub(crate) touch: Arc<Touch>,
    pub(crate) ceiling: Arc<Vec<RequestRelation>>,
    plans: Mutex<Vec<Planned>>,
}

/// What policies may see of a statement, as digests: verdicts are remembered by them, so that statements which look the
/// same to the policy share one, and no others do.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    /// What is touched.
    pub(crate) touch: Digest,
    /// What is touched, and what the request looks for; none where the digest could not tell two literals apart.
    pub(crate) predicates: Option<Digest>,
}

impl Seen {
    fn of(touch: &Touch) -> serde_json::Result<Self> {
        let bare = serde_json::to_vec(&(touch.verb, &touch.relations))?;
        // JSON spells every float that is no number alike.
        let spelt_alike = touch.predicates.iter().any(
            |predicate| matches!(&predicate.value, PredicateValue::Literal(Value::Float(float)) if !float.is_finite()),
        );
        let predicates = if spelt_alike { None } else { Some(Digest::of(&serde_json::to_vec(touch)?)) };
        Ok(Self { touch: Digest::of(&bare), predicates })
    }
}

/// A plan and the grant that it is for.
#[derive(Clone)]
pub(crate) struct Planned {
    pub(crate) grant: Arc<Grant>,
    pub(crate) scope: Arc<Scope>,
    pub(crate) plan: Arc<Plan>,
}

/// Why there is no plan.
pub(crate) enum Unplanned {
    /// The verdict reaches past the ceiling: the policy's fault; the text is for the operator.
    Policy(String),
    /// The statement names what is not in the scope.
    Refused(Refusal),
}

impl Known {
    /// The statement of that text: remembered, or parsed and resolved.
    pub(crate) fn find(mount: &Mount, text: &str) -> Result<Arc<Self>, Refusal> {
        if let Some(known) = mount.statements.get(text) {
            return Ok(known);
        }
        let known =
            Arc::new(Self::new(mount, Statement::parse_allowing(mount.spec.dialect, text, &mount.spec.extras)?)?);
        mount.statements.insert(text.into(), Arc::clone(&known));
        Ok(known)
    }

    /// A statement that is not remembered.
    pub(crate) fn new(mount: &Mount, statement: Statement) -> Result<Self, Refusal> {
        let touch = statement.touch(&mount.spec.ceiling)?;
        let ceiling = mount.ceiling_for(&touch);
        let seen = Seen::of(&touch)
            .map_err(|error| Refusal::new(Code::Internal, format!("what is touched cannot be spelt: {error}")))?;
        Ok(Self { seen, statement, touch: Arc::new(touch), ceiling: Arc::new(ceiling), plans: Mutex::new(Vec::new()) })
    }

    /// The plan under a grant: remembered, or made.
    pub(crate) fn plan(&self, mount: &Mount, grant: &Arc<Grant>) -> Result<Planned, Unplanned> {
        if let Some(planned) = self.plans.lock().iter().find(|planned| planned.grant == *grant) {
            return Ok(planned.clone());
        }
        let scope = Scope::narrow(&mount.spec.ceiling, &self.touch, grant)
            .map_err(|error| Unplanned::Policy(error.to_string()))?;
        let plan = self.statement.enforce(&scope).map_err(Unplanned::Refused)?;
        let planned = Planned { grant: Arc::clone(grant), scope: Arc::new(scope), plan: Arc::new(plan) };
        let mut plans = self.plans.lock();
        if plans.len() >= PLANS {
            plans.remove(0);
        }
        plans.push(planned.clone());
        Ok(planned)
    }
}
