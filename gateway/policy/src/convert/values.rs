//! Values, masks, filters and limits, both ways.

use mountgate_core::{self as core, Node};

use crate::bindings::v0_1::mountgate::policy::types as wit;

/// JSON text of an array that the contract has no variant for.
fn array_text(items: &[core::Value]) -> String {
    serde_json::to_string(items).unwrap_or_default()
}

pub(crate) fn value_to(value: &core::Value) -> wit::Value {
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
        // WIT has no recursive types: an array of the request travels as JSON.
        V::Array(items) => wit::Value::Json(array_text(items)),
    }
}

pub(crate) fn value_from(value: wit::Value) -> core::Value {
    use core::Value as V;
    match value {
        wit::Value::Null => V::Null,
        wit::Value::Boolean(b) => V::Boolean(b),
        wit::Value::Integer(i) => V::Integer(i),
        wit::Value::Float(f) => V::Float(f),
        wit::Value::Decimal(t) => V::Decimal(t),
        wit::Value::Text(t) => V::Text(t),
        wit::Value::Bytes(b) => V::Bytes(b),
        wit::Value::Date(t) => V::Date(t),
        wit::Value::Time(t) => V::Time(t),
        wit::Value::Timestamp(t) => V::Timestamp(t),
        wit::Value::Timestamptz(t) => V::TimestampTz(t),
        wit::Value::Interval(t) => V::Interval(t),
        wit::Value::Uuid(t) => V::Uuid(t),
        wit::Value::Json(t) => V::Json(t),
    }
}

pub(crate) fn op_to(op: core::CompareOp) -> wit::CompareOp {
    match op {
        core::CompareOp::Eq => wit::CompareOp::Eq,
        core::CompareOp::Ne => wit::CompareOp::Ne,
        core::CompareOp::Lt => wit::CompareOp::Lt,
        core::CompareOp::Le => wit::CompareOp::Le,
        core::CompareOp::Gt => wit::CompareOp::Gt,
        core::CompareOp::Ge => wit::CompareOp::Ge,
    }
}

fn op_from(op: wit::CompareOp) -> core::CompareOp {
    match op {
        wit::CompareOp::Eq => core::CompareOp::Eq,
        wit::CompareOp::Ne => core::CompareOp::Ne,
        wit::CompareOp::Lt => core::CompareOp::Lt,
        wit::CompareOp::Le => core::CompareOp::Le,
        wit::CompareOp::Gt => core::CompareOp::Gt,
        wit::CompareOp::Ge => core::CompareOp::Ge,
    }
}

pub(crate) fn filter_to(filter: &core::Filter) -> Vec<wit::Node> {
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

/// Shape is checked by [`core::Filter::new`]; columns and types by `Scope::narrow`.
pub(crate) fn filter_from(nodes: Vec<wit::Node>) -> Result<core::Filter, core::filter::FilterError> {
    // Before anything is made of them: a list of a million nodes is refused by its length alone.
    if nodes.len() > core::filter::MAX_NODES {
        return Err(core::filter::FilterError::TooLarge(nodes.len()));
    }
    let nodes = nodes
        .into_iter()
        .map(|node| match node {
            wit::Node::Literal(value) => Node::Literal(value_from(value)),
            wit::Node::Claim(name) => Node::Claim(name.into()),
            wit::Node::Column(name) => Node::Column(name.into()),
            wit::Node::Always(truth) => Node::Always(truth),
            wit::Node::Compare(wit::Comparison { op, left, right }) => Node::Compare { op: op_from(op), left, right },
            wit::Node::InList(wit::Membership { needle, options }) => Node::In { needle, list: options },
            wit::Node::IsNull(child) => Node::IsNull(child),
            wit::Node::Negated(child) => Node::Not(child),
            wit::Node::AllOf(children) => Node::And(children),
            wit::Node::AnyOf(children) => Node::Or(children),
        })
        .collect();
    core::Filter::new(nodes)
}

pub(crate) fn mask_to(mask: &core::Mask) -> wit::Mask {
    match mask {
        core::Mask::Null => wit::Mask::Null,
        core::Mask::Fixed(value) => wit::Mask::Fixed(value_to(value)),
        core::Mask::Partial { first, last, fill } => {
            wit::Mask::Partial(wit::Partial { first: *first, last: *last, fill: fill.clone() })
        }
        core::Mask::Hash => wit::Mask::Hash,
        core::Mask::Truncate(part) => wit::Mask::Truncate(match part {
            core::DatePart::Year => wit::DatePart::Year,
            core::DatePart::Quarter => wit::DatePart::Quarter,
            core::DatePart::Month => wit::DatePart::Month,
            core::DatePart::Day => wit::DatePart::Day,
            core::DatePart::Hour => wit::DatePart::Hour,
        }),
        core::Mask::Round { digits } => wit::Mask::Round(*digits),
        core::Mask::Bucket { width } => wit::Mask::Bucket(*width),
    }
}

/// Whether it fits its column is checked by `Scope::narrow`.
pub(crate) fn mask_from(mask: wit::Mask) -> core::Mask {
    match mask {
        wit::Mask::Null => core::Mask::Null,
        wit::Mask::Fixed(value) => core::Mask::Fixed(value_from(value)),
        wit::Mask::Partial(wit::Partial { first, last, fill }) => core::Mask::Partial { first, last, fill },
        wit::Mask::Hash => core::Mask::Hash,
        wit::Mask::Truncate(part) => core::Mask::Truncate(match part {
            wit::DatePart::Year => core::DatePart::Year,
            wit::DatePart::Quarter => core::DatePart::Quarter,
            wit::DatePart::Month => core::DatePart::Month,
            wit::DatePart::Day => core::DatePart::Day,
            wit::DatePart::Hour => core::DatePart::Hour,
        }),
        wit::Mask::Round(digits) => core::Mask::Round { digits },
        wit::Mask::Bucket(width) => core::Mask::Bucket { width },
    }
}

/// Limits have no unsigned numbers in the contract; those of a mount beyond its range are as good as none.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn limits_to(limits: &core::Limits) -> wit::Limits {
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

/// The most rates of one kind: each is a counter that the gateway keeps.
const MAX_RATES: usize = 8;

pub(crate) fn limits_from(limits: wit::Limits) -> Result<core::Limits, String> {
    let rates = |name: &str, rates: Vec<wit::Rate>| {
        if rates.len() > MAX_RATES {
            return Err(format!("limits: {} rates of {name}, more than {MAX_RATES}", rates.len()));
        }
        rates
            .into_iter()
            .map(|rate| match (u64::try_from(rate.amount), u64::try_from(rate.window_ms)) {
                (Ok(amount), Ok(window_ms)) if amount > 0 && window_ms > 0 => Ok(core::Rate { amount, window_ms }),
                _ => Err(format!("limits: a rate of {name} is {} per {} ms", rate.amount, rate.window_ms)),
            })
            .collect::<Result<Vec<_>, _>>()
    };
    let cap = |name: &str, cap: Option<i64>| {
        cap.map(|cap| u64::try_from(cap).map_err(|_| format!("limits: {name} is {cap}"))).transpose()
    };
    Ok(core::Limits {
        requests: rates("requests", limits.requests)?,
        rows: rates("rows", limits.rows)?,
        bytes: rates("bytes", limits.bytes)?,
        max_rows: cap("max-rows", limits.max_rows)?,
        max_bytes: cap("max-bytes", limits.max_bytes)?,
        timeout_ms: cap("timeout-ms", limits.timeout_ms)?,
        concurrency: limits.concurrency,
    })
}
