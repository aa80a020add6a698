//! A native harness: the same policy code, without Wasm, in plain `cargo test`.

use std::marker::PhantomData;

use crate::{
    Policy,
    expr::Expr,
    policy,
    types::{
        CeilingColumn, CeilingRelation, Claim, ClaimValue, ColumnTouch, Limits, Mask, RelationTouch, Request, Time,
        Touch, Usage, Uses, Value, Verb, Verdict,
    },
};

/// A policy configured for a mount.
#[derive(Clone, Debug)]
pub struct Configured<P> {
    prepared: Vec<u8>,
    of: PhantomData<fn() -> P>,
}

/// Configures the policy with settings as JSON text.
///
/// # Errors
/// What the gateway would show the operator.
pub fn configure<P: Policy>(settings: &str) -> Result<Configured<P>, String> {
    Ok(Configured { prepared: policy::configure::<P>(settings)?, of: PhantomData })
}

impl<P: Policy> Configured<P> {
    /// Decides a request, through the encoded settings, as the component does.
    ///
    /// # Errors
    /// As [`Policy::decide`].
    pub fn decide(&self, request: Request) -> Result<Verdict, String> {
        policy::decide::<P>(&self.prepared, request)
    }
}

/// Builds a request. Every relation added is touched: all of its columns are projected.
#[derive(Clone, Debug)]
#[must_use]
pub struct RequestBuilder(Request);

impl RequestBuilder {
    /// A read by the agent through the mount.
    pub fn new(agent: &str, mount: &str) -> Self {
        Self(Request {
            agent: agent.into(),
            session: None,
            claims: Vec::new(),
            mount: mount.into(),
            door: "http".into(),
            purpose: None,
            time: None,
            usage: None,
            parameters: None,
            touch: Touch { verb: Verb::Read, relations: Vec::new(), predicates: Vec::new() },
            ceiling: Vec::new(),
            limits: Limits::none(),
            attributes: Vec::new(),
        })
    }

    /// A claim of the caller.
    pub fn claim(mut self, name: &str, value: impl Into<ClaimValue>) -> Self {
        self.0.claims.push(Claim { name: name.into(), value: value.into() });
        self.0.claims.sort_by(|one, other| one.name.cmp(&other.name));
        self
    }

    /// The session that asks.
    pub fn session(mut self, id: &str) -> Self {
        self.0.session = Some(id.into());
        self
    }

    /// What the agent says it wants the answer for.
    pub fn purpose(mut self, purpose: &str) -> Self {
        self.0.purpose = Some(purpose.into());
        self
    }

    /// The request's time.
    pub fn time(mut self, time: Time) -> Self {
        self.0.time = Some(time);
        self
    }

    /// What is left of the mount's rates.
    pub fn usage(mut self, usage: Usage) -> Self {
        self.0.usage = Some(usage);
        self
    }

    /// The statement's parameters.
    pub fn parameters(mut self, values: Vec<Value>) -> Self {
        self.0.parameters = Some(values);
        self
    }

    /// What is done; a read unless said.
    pub fn verb(mut self, verb: Verb) -> Self {
        self.0.touch.verb = verb;
        self
    }

    /// A touched relation, with the columns that the ceiling shows of it and their types.
    pub fn relation(mut self, name: &str, columns: &[(&str, &str)]) -> Self {
        self.0.ceiling.push(CeilingRelation {
            name: name.into(),
            columns: columns
                .iter()
                .map(|(column, ty)| CeilingColumn {
                    name: (*column).into(),
                    column_type: (*ty).into(),
                    key: false,
                    masks: Vec::new(),
                })
                .collect(),
            lent: Vec::new(),
            filter: None,
        });
        self.0.touch.relations.push(RelationTouch {
            relation: name.into(),
            columns: columns
                .iter()
                .map(|(column, _)| ColumnTouch { name: (*column).into(), uses: Uses::PROJECTED })
                .collect(),
            references: 1,
        });
        self
    }

    /// A hidden column that the ceiling lends to filters, and its type. Nothing happens where the relation was not
    /// added.
    pub fn lent(mut self, relation: &str, column: &str, ty: &str) -> Self {
        for relation in self.0.ceiling.iter_mut().filter(|added| added.name == relation) {
            relation.lent.push(CeilingColumn {
                name: column.into(),
                column_type: ty.into(),
                key: false,
                masks: Vec::new(),
            });
        }
        self
    }

    /// A mask of the ceiling. Nothing happens where the relation or column was not added.
    pub fn ceiling_mask(mut self, relation: &str, column: &str, mask: Mask) -> Self {
        let relations = self.0.ceiling.iter_mut().filter(|added| added.name == relation);
        for column in relations.flat_map(|relation| &mut relation.columns).filter(|added| added.name == column) {
            column.masks.push(mask.clone());
        }
        self
    }

    /// The ceiling's filter of a relation. Nothing happens where the relation was not added.
    pub fn ceiling_filter(mut self, relation: &str, filter: Expr) -> Self {
        for relation in self.0.ceiling.iter_mut().filter(|added| added.name == relation) {
            relation.filter = Some(filter.clone().into_nodes());
        }
        self
    }

    /// The request.
    pub fn build(self) -> Request {
        self.0
    }
}
