//! What is remembered of a statement's text within a mount and generation: its tree, what it touches, and a plan for
//! each grant that it met. Plans hold no claim and no parameter: those are bound for each request.

use std::sync::Arc;

use mountgate_backend::RowColumn;
use mountgate_core::{
    Code, ColumnType, Digest, Grant, PredicateValue, Refusal, Scope, Touch, Value, request::RequestRelation,
};
use mountgate_sql::{Plan, Statement};
use parking_lot::Mutex;

use crate::{Mount, ReplyColumn};

/// Plans kept for each statement: one for each grant met lately.
const PLANS: usize = 16;

/// A statement within a mount.
pub(crate) struct Known {
    pub(crate) seen: Seen,
    pub(crate) statement: Statement,
    pub(crate) touch: Arc<Touch>,
    pub(crate) ceiling: Arc<Vec<RequestRelation>>,
    plans: Mutex<Vec<Arc<Planned>>>,
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
pub(crate) struct Planned {
    pub(crate) grant: Arc<Grant>,
    pub(crate) scope: Arc<Scope>,
    pub(crate) plan: Arc<Plan>,
    told: Mutex<Option<Told>>,
}

/// The columns as they were last told.
struct Told {
    /// What the store told then.
    types: Vec<ColumnType>,
    columns: Arc<[ReplyColumn]>,
}

impl Planned {
    /// The columns of an answer, for which the store told these.
    pub(crate) fn columns(&self, store: &[RowColumn]) -> Arc<[ReplyColumn]> {
        let mut told = self.told.lock();
        if let Some(Told { types, columns }) = &*told
            && types.iter().eq(store.iter().map(|column| &column.ty))
        {
            return Arc::clone(columns);
        }
        let reply = self.plan.columns().iter().zip(store).map(|(column, store)| ReplyColumn {
            name: column.name.clone(),
            ty: column.ty.as_ref().unwrap_or(&store.ty).label(),
            masks: column.masks.iter().map(|mask| (*mask).to_owned()).collect(),
        });
        let columns: Arc<[ReplyColumn]> = reply.collect();
        let types = store.iter().map(|column| column.ty.clone()).collect();
        *told = Some(Told { types, columns: Arc::clone(&columns) });
        columns
    }
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
    pub(crate) fn plan(&self, mount: &Mount, grant: &Arc<Grant>) -> Result<Arc<Planned>, Unplanned> {
        let equal = |planned: &&Arc<Planned>| Arc::ptr_eq(&planned.grant, grant) || planned.grant == *grant;
        if let Some(planned) = self.plans.lock().iter().find(equal) {
            return Ok(Arc::clone(planned));
        }
        let scope = Scope::narrow(&mount.spec.ceiling, &self.touch, grant)
            .map_err(|error| Unplanned::Policy(error.to_string()))?;
        let plan = self.statement.enforce(&scope).map_err(Unplanned::Refused)?;
        let told = Mutex::default();
        let planned =
            Arc::new(Planned { grant: Arc::clone(grant), scope: Arc::new(scope), plan: Arc::new(plan), told });
        let mut plans = self.plans.lock();
        if plans.len() >= PLANS {
            plans.remove(0);
        }
        plans.push(Arc::clone(&planned));
        Ok(planned)
    }
}
