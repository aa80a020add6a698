//! A native harness: the same policy code, without Wasm, in plain `cargo test`.
#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::marker::PhantomData;

use crate::{
    Policy,
    expr::Expr,
    narrowed::{Granted, Narrowed},
    policy,
    types::{
        CeilingColumn, CeilingRelation, Claim, ClaimValue, ColumnTouch, ColumnType, CompareOp, Grant, Limits, Mask,
        Mount, Predicate, PredicateValue, RelationTouch, Request, Scalar, Time, Touch, Usage, Uses, Value, Verb,
        Verdict,
    },
};

/// Builds a mount.
#[derive(Clone, Debug)]
#[must_use]
pub struct MountBuilder(Mount);

impl MountBuilder {
    /// A mount without relations.
    pub fn new(name: &str) -> Self {
        Self(Mount { name: name.into(), relations: Vec::new(), limits: Limits::none() })
    }

    /// A relation, with the columns that the ceiling shows of it and their types.
    pub fn relation(mut self, name: &str, columns: &[(&str, Scalar)]) -> Self {
        self.0.relations.push(CeilingRelation {
            name: name.into(),
            columns: columns.iter().map(|(column, scalar)| column_of(column, *scalar)).collect(),
            lent: Vec::new(),
            filter: None,
        });
        // As the gateway has them.
        self.0.relations.sort_by(|one, other| one.name.cmp(&other.name));
        self
    }

    fn relation_mut(&mut self, name: &str) -> &mut CeilingRelation {
        match self.0.relations.iter_mut().find(|relation| relation.name == name) {
            Some(relation) => relation,
            None => panic!("the mount has no relation `{name}`: add it first"),
        }
    }

    /// A hidden column that the ceiling lends to filters.
    ///
    /// # Panics
    /// Where the relation was not added.
    pub fn lend(mut self, relation: &str, column: &str, scalar: Scalar) -> Self {
        self.relation_mut(relation).lent.push(column_of(column, scalar));
        self
    }

    /// A mask of the ceiling.
    ///
    /// # Panics
    /// Where the relation or column was not added.
    pub fn mask(mut self, relation: &str, column: &str, mask: Mask) -> Self {
        match self.relation_mut(relation).columns.iter_mut().find(|shown| shown.name == column) {
            Some(column) => column.masks.push(mask),
            None => panic!("`{relation}` has no column `{column}`: add it first"),
        }
        self
    }

    /// The ceiling's filter of a relation.
    ///
    /// # Panics
    /// Where the relation was not added.
    pub fn filter(mut self, relation: &str, filter: Expr) -> Self {
        self.relation_mut(relation).filter = Some(filter.into_nodes());
        self
    }

    /// The mount's limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.0.limits = limits;
        self
    }

    /// The mount.
    pub fn build(self) -> Mount {
        self.0
    }
}

fn column_of(name: &str, scalar: Scalar) -> CeilingColumn {
    CeilingColumn { name: name.into(), column_type: ColumnType { scalar, array: false }, key: false, masks: Vec::new() }
}

/// A policy configured for a mount.
#[derive(Clone, Debug)]
pub struct Configured<P> {
    prepared: Vec<u8>,
    mount: Mount,
    of: PhantomData<fn() -> P>,
}

/// Configures the policy for a mount, with settings as JSON text.
///
/// # Errors
/// What the gateway would show the operator.
pub fn configure<P: Policy>(settings: &str, mount: &Mount) -> Result<Configured<P>, String> {
    Ok(Configured { prepared: policy::configure::<P>(settings, mount)?, mount: mount.clone(), of: PhantomData })
}

impl<P: Policy> Configured<P> {
    /// A read by the agent through the mount.
    pub fn request(&self, agent: &str) -> RequestBuilder {
        RequestBuilder::new(agent, &self.mount)
    }

    /// Decides a request, through the encoded settings, as the component does.
    ///
    /// # Errors
    /// As [`Policy::decide`].
    pub fn decide(&self, request: RequestBuilder) -> Result<Answer, String> {
        let request = request.build();
        let touched = request.touch.relations.clone();
        let verdict = policy::decide::<P>(&self.prepared, request)?;
        Ok(Answer { verdict, mount: self.mount.clone(), touched })
    }
}

/// A verdict, and what its places stand for.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The verdict.
    pub verdict: Verdict,
    mount: Mount,
    touched: Vec<RelationTouch>,
}

impl Answer {
    /// What is granted of a relation, where the verdict narrows and grants it.
    pub fn granted(&self, relation: &str) -> Option<Narrowed> {
        let grant = match &self.verdict {
            Verdict::Deny(_) => return None,
            Verdict::Allow(allowance) => &allowance.grant,
            Verdict::Hold(holding) => &holding.grant,
        };
        let Grant::Narrowed(granted) = grant else { return None };
        let place = self.touched.iter().position(|touched| touched.name == relation);
        let place = u32::try_from(place?).ok()?;
        let granted = granted.iter().find(|granted| granted.relation == place)?;
        let prepared = Granted { columns: granted.columns.clone(), filter: granted.filter.clone() };
        Some(Narrowed::granted(self.mount.relation(relation)?, prepared))
    }

    /// The code of a denial.
    pub fn denied(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Deny(denial) => Some(&denial.code),
            Verdict::Allow(_) | Verdict::Hold(_) => None,
        }
    }
}

/// Builds a request through a mount.
#[derive(Clone, Debug)]
#[must_use]
pub struct RequestBuilder {
    request: Request,
    mount: Mount,
}

impl RequestBuilder {
    /// A read by the agent that touches nothing yet.
    pub fn new(agent: &str, mount: &Mount) -> Self {
        let request = Request {
            agent: agent.into(),
            session: None,
            claims: Vec::new(),
            mount: mount.name.clone(),
            door: "http".into(),
            purpose: None,
            time: None,
            usage: None,
            parameters: None,
            touch: Touch { verb: Verb::Read, relations: Vec::new() },
            predicates: None,
            ceiling: None,
            attributes: Vec::new(),
        };
        Self { request, mount: mount.clone() }
    }

    /// A claim of the caller.
    pub fn claim(mut self, name: &str, value: impl Into<ClaimValue>) -> Self {
        self.request.claims.push(Claim { name: name.into(), value: value.into() });
        self.request.claims.sort_by(|one, other| one.name.cmp(&other.name));
        self
    }

    /// The session that asks.
    pub fn session(mut self, id: &str) -> Self {
        self.request.session = Some(id.into());
        self
    }

    /// What the agent says it wants the answer for.
    pub fn purpose(mut self, purpose: &str) -> Self {
        self.request.purpose = Some(purpose.into());
        self
    }

    /// The request's time.
    pub fn time(mut self, time: Time) -> Self {
        self.request.time = Some(time);
        self
    }

    /// What is left of the mount's rates.
    pub fn usage(mut self, usage: Usage) -> Self {
        self.request.usage = Some(usage);
        self
    }

    /// The statement's parameters.
    pub fn parameters(mut self, values: Vec<Value>) -> Self {
        self.request.parameters = Some(values);
        self
    }

    /// What is done; a read unless said.
    pub fn verb(mut self, verb: Verb) -> Self {
        self.request.touch.verb = verb;
        self
    }

    fn place(&self, relation: &str) -> usize {
        match self.mount.relations.iter().position(|shown| shown.name == relation) {
            Some(place) => place,
            None => panic!("the mount has no relation `{relation}`"),
        }
    }

    fn column(&self, relation: usize, column: &str) -> u32 {
        let relation = self.mount.relations.get(relation);
        let place = relation.and_then(|relation| relation.columns.iter().position(|shown| shown.name == column));
        match place.and_then(|place| u32::try_from(place).ok()) {
            Some(place) => place,
            None => panic!("the mount shows no column `{column}` there"),
        }
    }

    /// Touches every column of a relation: each is projected.
    ///
    /// # Panics
    /// Where the mount does not show it.
    pub fn touch(self, relation: &str) -> Self {
        let columns = self.mount.relation(relation).map(|shown| shown.columns.clone()).unwrap_or_default();
        let columns: Vec<(&str, Uses)> = columns.iter().map(|column| (column.name.as_str(), Uses::PROJECTED)).collect();
        self.touch_columns(relation, &columns)
    }

    /// Touches some columns of a relation.
    ///
    /// # Panics
    /// Where the mount does not show them.
    pub fn touch_columns(mut self, relation: &str, columns: &[(&str, Uses)]) -> Self {
        let place = self.place(relation);
        let columns =
            columns.iter().map(|(name, uses)| ColumnTouch { column: self.column(place, name), uses: *uses }).collect();
        self.request.touch.relations.push(RelationTouch {
            relation: u32::try_from(place).unwrap_or(u32::MAX),
            name: relation.into(),
            columns,
            references: 1,
        });
        self
    }

    /// A comparison that the request makes plain, with a value that it writes down.
    ///
    /// # Panics
    /// Where the relation was not touched.
    pub fn looks_for(mut self, relation: &str, column: &str, op: CompareOp, value: impl Into<Value>) -> Self {
        let touched = self.request.touch.relations.iter().position(|touched| touched.name == relation);
        let Some(touched) = touched.and_then(|place| u32::try_from(place).ok()) else {
            panic!("the request does not touch `{relation}`");
        };
        let column = self.column(self.place(relation), column);
        let predicate =
            Predicate { relation: touched, column, op: Some(op), value: PredicateValue::Literal(value.into()) };
        self.request.predicates.get_or_insert_default().push(predicate);
        self
    }

    /// The request.
    pub fn build(self) -> Request {
        self.request
    }
}
