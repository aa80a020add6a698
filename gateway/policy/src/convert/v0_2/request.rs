//! The request, as a policy may see it. This is the hot path: everything is lent, and what has to be made is small.

use std::borrow::Cow;

use mountgate_core::{self as core, ColumnName, DecisionRequest, request::RequestMount, request::RequestRelation};

use super::{
    mount::{spelt, with_relations},
    op_to, uses_to, value_to, verb_to, wit,
};
use crate::{error::PolicyError, plugin::Inputs};

/// The request, lent for the time of a call, with what the policy did not declare withheld.
///
/// # Errors
/// Where the request touches what the mount does not have: it is not a request of this mount's.
pub(crate) fn with_request<T>(
    request: &DecisionRequest,
    mount: &RequestMount,
    inputs: Inputs,
    call: impl FnOnce(wit::Request<'_>) -> T,
) -> Result<T, PolicyError> {
    let texts: Vec<Vec<&str>> = request.claims.values().filter_map(texts_of).collect();
    let claims = claims_to(&request.claims, &texts);
    let places = Places::of(&request.touch, mount)?;
    let relations = places.relations_to(&request.touch);
    let predicates = inputs.predicates.then(|| places.predicates_of(&request.touch, mount)).transpose()?;
    let predicates = predicates.as_ref().map(|predicates| predicates_to(predicates));
    let parameters: Option<Vec<Cow<'_, core::Value>>> =
        request.parameters.as_ref().filter(|_| inputs.parameters).map(|values| values.iter().map(spelt).collect());
    let parameters: Option<Vec<wit::ValueParam<'_>>> =
        parameters.as_ref().map(|values| values.iter().map(|value| value_to(value)).collect());
    let ask = |ceiling: Option<&[wit::CeilingRelation<'_>]>| {
        call(wit::Request {
            agent: request.agent.as_str(),
            session: request.session.as_ref().map(core::SessionId::as_str),
            claims: &claims,
            mount: request.mount.as_str(),
            door: request.door.label(),
            purpose: request.purpose.as_deref(),
            time: request.time.as_ref().filter(|_| inputs.time).map(|time| wit::Time {
                unix_ms: time.unix_ms,
                weekday: time.weekday,
                minute: time.minute,
                date: &time.date,
            }),
            usage: request.usage.as_ref().filter(|_| inputs.usage).map(|usage| wit::Usage {
                requests_left: usage.requests_left,
                rows_left: usage.rows_left,
                bytes_left: usage.bytes_left,
            }),
            parameters: parameters.as_deref(),
            touch: wit::Touch { verb: verb_to(request.touch.verb), relations: &relations },
            predicates: predicates.as_deref(),
            ceiling,
            attributes: &[],
        })
    };
    if !inputs.ceiling {
        return Ok(ask(None));
    }
    let touched: Vec<RequestRelation> = places.ceiling_of(mount);
    Ok(with_relations(&touched, |ceiling| ask(Some(ceiling))))
}

fn texts_of(value: &core::ClaimValue) -> Option<Vec<&str>> {
    match value {
        core::ClaimValue::Texts(items) => Some(items.iter().map(String::as_str).collect()),
        core::ClaimValue::Boolean(_)
        | core::ClaimValue::Integer(_)
        | core::ClaimValue::Text(_)
        | core::ClaimValue::Integers(_) => None,
    }
}

/// `texts` holds the items of each claim that is a list of texts, in order.
fn claims_to<'a>(claims: &'a core::Claims, texts: &'a [Vec<&'a str>]) -> Vec<wit::Claim<'a>> {
    let mut texts = texts.iter();
    let mut out = Vec::with_capacity(claims.len());
    for (name, value) in claims {
        let value = match value {
            core::ClaimValue::Boolean(b) => wit::ClaimValue::Boolean(*b),
            core::ClaimValue::Integer(i) => wit::ClaimValue::Integer(*i),
            core::ClaimValue::Text(t) => wit::ClaimValue::Text(t),
            core::ClaimValue::Integers(items) => wit::ClaimValue::Integers(items),
            core::ClaimValue::Texts(_) => wit::ClaimValue::Texts(texts.next().map_or(&[], Vec::as_slice)),
        };
        out.push(wit::Claim { name: name.as_str(), value });
    }
    out
}

/// Where what is touched stands under the ceiling.
struct Places {
    /// Of each relation of the touch, its place in the mount.
    relations: Vec<usize>,
    /// The columns of each, one relation's after another's.
    columns: Vec<wit::ColumnTouch>,
}

impl Places {
    fn of(touch: &core::Touch, mount: &RequestMount) -> Result<Self, PolicyError> {
        let mut relations = Vec::with_capacity(touch.relations.len());
        let mut columns = Vec::with_capacity(touch.relations.iter().map(|relation| relation.columns.len()).sum());
        for touched in &touch.relations {
            let (place, relation) = mount
                .relation(&touched.relation)
                .ok_or_else(|| PolicyError::Unprepared(touched.relation.to_string()))?;
            relations.push(place);
            // Both are in the store's order as a rule, so each search begins where the one before it ended.
            let mut from = 0;
            for (name, uses) in &touched.columns {
                let at = column_at(relation, name, from)?;
                from = at + 1;
                columns.push(wit::ColumnTouch { column: small(at), uses: uses_to(*uses) });
            }
        }
        Ok(Self { relations, columns })
    }

    fn relations_to<'a>(&'a self, touch: &'a core::Touch) -> Vec<wit::RelationTouch<'a>> {
        let mut rest = self.columns.as_slice();
        touch
            .relations
            .iter()
            .zip(&self.relations)
            .map(|(touched, place)| {
                let (columns, after) = rest.split_at_checked(touched.columns.len()).unwrap_or((rest, &[]));
                rest = after;
                wit::RelationTouch {
                    relation: small(*place),
                    name: touched.relation.as_str(),
                    columns,
                    references: touched.references,
                }
            })
            .collect()
    }

    fn ceiling_of(&self, mount: &RequestMount) -> Vec<RequestRelation> {
        self.relations.iter().filter_map(|place| mount.relations().get(*place)).cloned().collect()
    }

    fn predicates_of<'a>(&self, touch: &'a core::Touch, mount: &RequestMount) -> Result<Vec<Found<'a>>, PolicyError> {
        touch
            .predicates
            .iter()
            .map(|predicate| {
                let unprepared = || PolicyError::Unprepared(predicate.relation.to_string());
                let at = touch.relations.iter().position(|touched| touched.relation == predicate.relation);
                let at = at.ok_or_else(unprepared)?;
                let relation = self.relations.get(at).and_then(|place| mount.relations().get(*place));
                let column = column_at(relation.ok_or_else(unprepared)?, &predicate.column, 0)?;
                let value = match &predicate.value {
                    core::PredicateValue::Literal(value) => Sought::Literal(spelt(value)),
                    core::PredicateValue::Parameter(index) => Sought::Parameter(*index),
                    core::PredicateValue::Other => Sought::Other,
                };
                Ok(Found { relation: small(at), column: small(column), op: predicate.op, value })
            })
            .collect()
    }
}

/// A predicate by its places.
struct Found<'a> {
    relation: u32,
    column: u32,
    op: Option<core::CompareOp>,
    value: Sought<'a>,
}

enum Sought<'a> {
    Literal(Cow<'a, core::Value>),
    Parameter(usize),
    Other,
}

fn predicates_to<'a>(found: &'a [Found<'_>]) -> Vec<wit::Predicate<'a>> {
    found
        .iter()
        .map(|found| wit::Predicate {
            relation: found.relation,
            column: found.column,
            op: found.op.map(op_to),
            value: match &found.value {
                Sought::Literal(value) => wit::PredicateValue::Literal(value_to(value)),
                Sought::Parameter(index) => match u32::try_from(*index) {
                    Ok(index) => wit::PredicateValue::Parameter(index),
                    Err(_) => wit::PredicateValue::Other,
                },
                Sought::Other => wit::PredicateValue::Other,
            },
        })
        .collect()
}

fn column_at(relation: &RequestRelation, name: &ColumnName, from: usize) -> Result<usize, PolicyError> {
    let is = |column: &core::request::RequestColumn| column.name == *name;
    let ahead = relation.columns.iter().skip(from).position(is).map(|at| at + from);
    ahead
        .or_else(|| relation.columns.iter().position(is))
        .ok_or_else(|| PolicyError::Unprepared(format!("{}.{name}", relation.name)))
}

/// Places are far below 2³²: a mount is a file that people write.
fn small(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
