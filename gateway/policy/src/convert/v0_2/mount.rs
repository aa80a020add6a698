//! The mount and ceilings, as a policy sees them.

use std::borrow::Cow;

use mountgate_core::{
    self as core, ColumnType, Filter, Node,
    request::{RequestColumn, RequestMount, RequestRelation},
};

use super::{array_text, date_part_to, op_to, value_to, whole, wit};

/// The mount, lent for the time of a call.
pub(crate) fn with_mount<T>(mount: &RequestMount, call: impl FnOnce(wit::Mount<'_>) -> T) -> T {
    let limits = &mount.limits;
    let (requests, rows, bytes) = (rates(&limits.requests), rates(&limits.rows), rates(&limits.bytes));
    with_relations(mount.relations(), |relations| {
        call(wit::Mount {
            name: mount.name.as_str(),
            relations,
            limits: wit::LimitsParam {
                requests: &requests,
                rows: &rows,
                bytes: &bytes,
                max_rows: limits.max_rows.map(whole),
                max_bytes: limits.max_bytes.map(whole),
                timeout_ms: limits.timeout_ms.map(whole),
                concurrency: limits.concurrency,
            },
        })
    })
}

fn rates(rates: &[core::Rate]) -> Vec<wit::Rate> {
    rates.iter().map(|rate| wit::Rate { amount: whole(rate.amount), window_ms: whole(rate.window_ms) }).collect()
}

/// Relations under the ceiling, lent for the time of a call.
pub(super) fn with_relations<T>(
    relations: &[RequestRelation],
    call: impl FnOnce(&[wit::CeilingRelation<'_>]) -> T,
) -> T {
    // Layer upon layer, since each is lent to the next: values, masks, columns, relations.
    let relations: Vec<Cow<'_, RequestRelation>> = relations.iter().map(spelt_relation).collect();
    let masks: Vec<Vec<Vec<wit::MaskParam<'_>>>> = relations
        .iter()
        .map(|relation| relation.columns.iter().map(|column| column.masks.iter().map(mask_to).collect()).collect())
        .collect();
    let columns: Vec<Vec<wit::CeilingColumn<'_>>> = relations
        .iter()
        .zip(&masks)
        .map(|(relation, masks)| {
            relation.columns.iter().zip(masks).map(|(column, masks)| column_to(column, masks)).collect()
        })
        .collect();
    let lent: Vec<Vec<wit::CeilingColumn<'_>>> =
        relations.iter().map(|relation| relation.lent.iter().map(|column| column_to(column, &[])).collect()).collect();
    let filters: Vec<Option<Vec<wit::NodeParam<'_>>>> =
        relations.iter().map(|relation| relation.filter.as_ref().map(filter_to)).collect();
    let shown: Vec<wit::CeilingRelation<'_>> = relations
        .iter()
        .zip(&columns)
        .zip(&lent)
        .zip(&filters)
        .map(|(((relation, columns), lent), filter)| wit::CeilingRelation {
            name: relation.name.as_str(),
            columns,
            lent,
            filter: filter.as_deref(),
        })
        .collect();
    call(&shown)
}

fn column_to<'a>(column: &'a RequestColumn, masks: &'a [wit::MaskParam<'a>]) -> wit::CeilingColumn<'a> {
    wit::CeilingColumn { name: column.name.as_str(), column_type: type_to(&column.ty), key: column.key, masks }
}

fn type_to(ty: &ColumnType) -> wit::ColumnType {
    match ty {
        // Of arrays of arrays the contract knows the innermost elements only, as the stores do.
        ColumnType::Array(element) => wit::ColumnType { array: true, ..type_to(element) },
        ColumnType::Boolean => single(wit::Scalar::Boolean),
        ColumnType::Integer => single(wit::Scalar::Integer),
        ColumnType::Float => single(wit::Scalar::Float),
        ColumnType::Decimal => single(wit::Scalar::Decimal),
        ColumnType::Text => single(wit::Scalar::Text),
        ColumnType::Bytes => single(wit::Scalar::Bytes),
        ColumnType::Date => single(wit::Scalar::Date),
        ColumnType::Time => single(wit::Scalar::Time),
        ColumnType::Timestamp => single(wit::Scalar::Timestamp),
        ColumnType::TimestampTz => single(wit::Scalar::Timestamptz),
        ColumnType::Interval => single(wit::Scalar::Interval),
        ColumnType::Uuid => single(wit::Scalar::Uuid),
        ColumnType::Json => single(wit::Scalar::Json),
        ColumnType::Any => single(wit::Scalar::Any),
    }
}

fn single(scalar: wit::Scalar) -> wit::ColumnType {
    wit::ColumnType { scalar, array: false }
}

fn filter_to(filter: &Filter) -> Vec<wit::NodeParam<'_>> {
    filter
        .nodes()
        .iter()
        .map(|node| match node {
            Node::Literal(value) => wit::NodeParam::Literal(value_to(value)),
            Node::Claim(name) => wit::NodeParam::Claim(name.as_str()),
            Node::Column(name) => wit::NodeParam::Column(name.as_str()),
            Node::Always(truth) => wit::NodeParam::Always(*truth),
            Node::Compare { op, left, right } => {
                wit::NodeParam::Compare(wit::Comparison { op: op_to(*op), left: *left, right: *right })
            }
            Node::In { needle, list } => {
                wit::NodeParam::InList(wit::MembershipParam { needle: *needle, options: list })
            }
            Node::IsNull(child) => wit::NodeParam::IsNull(*child),
            Node::Not(child) => wit::NodeParam::Negated(*child),
            Node::And(children) => wit::NodeParam::AllOf(children),
            Node::Or(children) => wit::NodeParam::AnyOf(children),
        })
        .collect()
}

fn mask_to(mask: &core::Mask) -> wit::MaskParam<'_> {
    match mask {
        core::Mask::Null => wit::MaskParam::Null,
        core::Mask::Fixed(value) => wit::MaskParam::Fixed(value_to(value)),
        core::Mask::Partial { first, last, fill } => {
            wit::MaskParam::Partial(wit::PartialParam { first: *first, last: *last, fill })
        }
        core::Mask::Hash => wit::MaskParam::Hash,
        core::Mask::Truncate(part) => wit::MaskParam::Truncate(date_part_to(*part)),
        core::Mask::Round { digits } => wit::MaskParam::Round(*digits),
        core::Mask::Bucket { width } => wit::MaskParam::Bucket(*width),
    }
}

/// The value with an array spelt out as JSON, which is then lent like any text.
pub(super) fn spelt(value: &core::Value) -> Cow<'_, core::Value> {
    match value {
        core::Value::Array(items) => Cow::Owned(core::Value::Json(array_text(items))),
        value => Cow::Borrowed(value),
    }
}

fn spelt_relation(relation: &RequestRelation) -> Cow<'_, RequestRelation> {
    let is_array = |value: &core::Value| matches!(value, core::Value::Array(_));
    let literals = relation.filter.iter().flat_map(|filter| filter.nodes()).filter_map(|node| match node {
        Node::Literal(value) => Some(value),
        _ => None,
    });
    let masks = relation.columns.iter().flat_map(|column| &column.masks).filter_map(|mask| match mask {
        core::Mask::Fixed(value) => Some(value),
        _ => None,
    });
    if !literals.chain(masks).any(is_array) {
        return Cow::Borrowed(relation);
    }
    let mut relation = relation.clone();
    for mask in relation.columns.iter_mut().flat_map(|column| &mut column.masks) {
        if let core::Mask::Fixed(value) = mask {
            *value = spelt(value).into_owned();
        }
    }
    let nodes = relation.filter.iter().flat_map(|filter| filter.nodes()).map(|node| match node {
        Node::Literal(value) => Node::Literal(spelt(value).into_owned()),
        node => node.clone(),
    });
    // Of the same shape as before: it is a filter still.
    relation.filter = Filter::new(nodes.collect()).ok();
    Cow::Owned(relation)
}
