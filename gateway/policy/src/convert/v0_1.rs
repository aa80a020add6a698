//! Version 0.1: requests carry names and the ceiling of what they touch; so do verdicts.

mod request;

use std::collections::BTreeMap;

use mountgate_core as core;

pub(crate) use self::request::request_to;
use super::{
    MAX_COLUMNS, MAX_MASKS, MAX_RATES, MAX_RELATIONS, array_text, at_most, cap, denial_code, milliseconds, rate, text,
    whole,
};
use crate::{
    bindings::v0_1::mountgate::policy::types as wit,
    error::PolicyError,
    plugin::{Inputs, Manifest},
};

from_contract!();

/// What the policy says of itself. Touched relations' ceilings and the request's predicates are always shown to it.
pub(crate) fn manifest_from(manifest: wit::Manifest) -> Manifest {
    let wit::Manifest { name, summary, inputs, settings_schema } = manifest;
    let mut declared = Inputs { predicates: true, ceiling: true, ..Inputs::default() };
    for input in inputs {
        match input {
            wit::Input::Time => declared.time = true,
            wit::Input::Usage => declared.usage = true,
            wit::Input::Parameters => declared.parameters = true,
        }
    }
    Manifest { name, summary, inputs: declared, settings_schema }
}

/// The verdict, checked.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn verdict_from(verdict: wit::Verdict) -> Result<core::Verdict, PolicyError> {
    read_verdict(verdict, grant_from)
}

fn grant_from(grant: wit::Grant) -> Result<core::Grant, PolicyError> {
    let relations = match grant {
        wit::Grant::Ceiling => return Ok(core::Grant::Ceiling),
        wit::Grant::Narrowed(relations) => relations,
    };
    at_most(MAX_RELATIONS, relations.len(), || format!("the grant has {} relations", relations.len()))
        .map_err(PolicyError::Malformed)?;
    let mut granted = BTreeMap::new();
    for wit::RelationGrant { name, columns, filter } in relations {
        at_most(MAX_COLUMNS, columns.len(), || format!("the grant of `{name}` has {} columns", columns.len()))
            .map_err(PolicyError::Malformed)?;
        let mut out = Vec::with_capacity(columns.len());
        for wit::ColumnGrant { name: column, masks } in columns {
            let masks = masks_from(&name, &column, masks)?;
            out.push((column.into(), masks));
        }
        let grant = core::RelationGrant { columns: out, filter: named_filter_from(&name, filter)? };
        // Twice the same relation: which of the two would hold?
        if granted.insert(name.as_str().into(), grant).is_some() {
            return Err(PolicyError::Malformed(format!("the grant has `{name}` twice")));
        }
    }
    Ok(core::Grant::Narrowed(granted))
}

fn value_to(value: &core::Value) -> wit::Value {
    use core::Value as V;
    match value {
        V::Null => wit::Value::Null,
        V::Boolean(b) => wit::Value::Boolean(*b),
        V::Integer(i) => wit::Value::Integer(*i),
        V::Float(f) => wit::Value::Float(*f),
        V::Decimal(t) => wit::Value::Decimal(t.clone()),
        V::Text(t) => wit::Value::Text(t.clone()),
        V::Bytes(b) => wit::Value::Bytes(b.clone()),
        V::Date(t) => wit::Value::Date(t.clone()),
        V::Time(t) => wit::Value::Time(t.clone()),
        V::Timestamp(t) => wit::Value::Timestamp(t.clone()),
        V::TimestampTz(t) => wit::Value::Timestamptz(t.clone()),
        V::Interval(t) => wit::Value::Interval(t.clone()),
        V::Uuid(t) => wit::Value::Uuid(t.clone()),
        V::Json(t) => wit::Value::Json(t.clone()),
        V::Array(items) => wit::Value::Json(array_text(items)),
    }
}

fn filter_to(filter: &core::Filter) -> Vec<wit::Node> {
    use core::Node;
    filter
        .nodes()
        .iter()
        .map(|node| match node {
            Node::Literal(value) => wit::Node::Literal(value_to(value)),
            Node::Claim(name) => wit::Node::Claim(name.as_str().to_owned()),
            Node::Column(name) => wit::Node::Column(name.as_str().to_owned()),
            Node::Always(truth) => wit::Node::Always(*truth),
            Node::Compare { op, left, right } => {
                wit::Node::Compare(wit::Comparison { op: op_to(*op), left: *left, right: *right })
            }
            Node::In { needle, list } => wit::Node::InList(wit::Membership { needle: *needle, options: list.clone() }),
            Node::IsNull(child) => wit::Node::IsNull(*child),
            Node::Not(child) => wit::Node::Negated(*child),
            Node::And(children) => wit::Node::AllOf(children.clone()),
            Node::Or(children) => wit::Node::AnyOf(children.clone()),
        })
        .collect()
}

fn mask_to(mask: &core::Mask) -> wit::Mask {
    match mask {
        core::Mask::Null => wit::Mask::Null,
        core::Mask::Fixed(value) => wit::Mask::Fixed(value_to(value)),
        core::Mask::Partial { first, last, fill } => {
            wit::Mask::Partial(wit::Partial { first: *first, last: *last, fill: fill.clone() })
        }
        core::Mask::Hash => wit::Mask::Hash,
        core::Mask::Truncate(part) => wit::Mask::Truncate(date_part_to(*part)),
        core::Mask::Round { digits } => wit::Mask::Round(*digits),
        core::Mask::Bucket { width } => wit::Mask::Bucket(*width),
    }
}

fn limits_to(limits: &core::Limits) -> wit::Limits {
    let rates = |rates: &[core::Rate]| {
        rates.iter().map(|rate| wit::Rate { amount: whole(rate.amount), window_ms: whole(rate.window_ms) }).collect()
    };
    wit::Limits {
        requests: rates(&limits.requests),
        rows: rates(&limits.rows),
        bytes: rates(&limits.bytes),
        max_rows: limits.max_rows.map(whole),
        max_bytes: limits.max_bytes.map(whole),
        timeout_ms: limits.timeout_ms.map(whole),
        concurrency: limits.concurrency,
    }
}
