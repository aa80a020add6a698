//! The request, as the policy may see it.

use mountgate_core::{
    self as core, DecisionRequest,
    request::{RequestColumn, RequestRelation},
};

use super::{filter_to, limits_to, mask_to, op_to, uses_to, value_to, verb_to, wit};
use crate::plugin::Inputs;

/// The request with what the policy did not declare withheld, whatever the caller of the host filled in.
pub(crate) fn request_to(request: &DecisionRequest, inputs: Inputs) -> wit::Request {
    wit::Request {
        agent: request.agent.as_str().to_owned(),
        session: request.session.as_ref().map(|session| session.as_str().to_owned()),
        claims: request
            .claims
            .iter()
            .map(|(name, value)| wit::Claim { name: name.as_str().to_owned(), value: claim_to(value) })
            .collect(),
        mount: request.mount.as_str().to_owned(),
        door: request.door.label().to_owned(),
        purpose: request.purpose.clone(),
        time: request.time.as_ref().filter(|_| inputs.time).map(|time| wit::Time {
            unix_ms: time.unix_ms,
            weekday: time.weekday,
            minute: time.minute,
            date: time.date.clone(),
        }),
        usage: request.usage.as_ref().filter(|_| inputs.usage).map(|usage| wit::Usage {
            requests_left: usage.requests_left,
            rows_left: usage.rows_left,
            bytes_left: usage.bytes_left,
        }),
        parameters: request
            .parameters
            .as_ref()
            .filter(|_| inputs.parameters)
            .map(|values| values.iter().map(value_to).collect()),
        touch: touch_to(&request.touch),
        ceiling: request.ceiling.iter().map(relation_to).collect(),
        limits: limits_to(&request.limits),
        attributes: Vec::new(),
    }
}

fn claim_to(value: &core::ClaimValue) -> wit::ClaimValue {
    match value {
        core::ClaimValue::Boolean(b) => wit::ClaimValue::Boolean(*b),
        core::ClaimValue::Integer(i) => wit::ClaimValue::Integer(*i),
        core::ClaimValue::Text(t) => wit::ClaimValue::Text(t.clone()),
        core::ClaimValue::Integers(items) => wit::ClaimValue::Integers(items.clone()),
        core::ClaimValue::Texts(items) => wit::ClaimValue::Texts(items.clone()),
    }
}

fn touch_to(touch: &core::Touch) -> wit::Touch {
    wit::Touch {
        verb: verb_to(touch.verb),
        relations: touch
            .relations
            .iter()
            .map(|relation| wit::RelationTouch {
                relation: relation.relation.as_str().to_owned(),
                columns: relation
                    .columns
                    .iter()
                    .map(|(name, uses)| wit::ColumnTouch { name: name.as_str().to_owned(), uses: uses_to(*uses) })
                    .collect(),
                references: relation.references,
            })
            .collect(),
        predicates: touch
            .predicates
            .iter()
            .map(|predicate| wit::Predicate {
                relation: predicate.relation.as_str().to_owned(),
                column: predicate.column.as_str().to_owned(),
                op: predicate.op.map(op_to),
                value: match &predicate.value {
                    core::PredicateValue::Literal(value) => wit::PredicateValue::Literal(value_to(value)),
                    core::PredicateValue::Parameter(index) => match u32::try_from(*index) {
                        Ok(index) => wit::PredicateValue::Parameter(index),
                        Err(_) => wit::PredicateValue::Other,
                    },
                    core::PredicateValue::Other => wit::PredicateValue::Other,
                },
            })
            .collect(),
    }
}

fn relation_to(relation: &RequestRelation) -> wit::CeilingRelation {
    wit::CeilingRelation {
        name: relation.name.as_str().to_owned(),
        columns: relation.columns.iter().map(column_to).collect(),
        lent: relation.lent.iter().map(column_to).collect(),
        filter: relation.filter.as_ref().map(filter_to),
    }
}

fn column_to(column: &RequestColumn) -> wit::CeilingColumn {
    wit::CeilingColumn {
        name: column.name.as_str().to_owned(),
        column_type: column.ty.label(),
        key: column.key,
        masks: column.masks.iter().map(mask_to).collect(),
    }
}
