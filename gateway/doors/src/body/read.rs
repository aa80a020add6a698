//! `/v1/read`: one table, some columns, plain conditions.
//!
//! `where` is a map of equalities, `{"status": "open", "id": [1, 2], "closed_at": null}`, or a list of conditions,
//! `[{"column": "total", "op": "ge", "value": 10}]`. `order` is a list of columns, `["id"]`, or of
//! `{"column": "id", "descending": true}`.

use mountgate_core::{Refusal, Value};
use mountgate_sql::read::{Condition, ConditionOp, OrderKey, ReadRequest};

use super::{
    Fields, Item, Path,
    fields::{expected, likely, listed, text},
    malformed,
    params::parameter,
    shown,
};

/// The fields of a read.
///
/// # Errors
/// Fields of another shape.
pub(crate) fn request(fields: &mut Fields) -> Result<ReadRequest, Refusal> {
    let from = fields.need_text("from")?;
    let select = match fields.list("select")? {
        None => Vec::new(),
        Some((items, path)) if items.is_empty() => {
            return Err(
                malformed(format!("{} names no column", path.text())).hint("leave it out for every column in scope")
            );
        }
        Some((items, path)) => {
            items.into_iter().enumerate().map(|(at, item)| text(item, &path.index(at))).collect::<Result<_, _>>()?
        }
    };
    let conditions = match fields.take("where") {
        None | Some((Item::Null, _)) => Vec::new(),
        Some((Item::Map(entries), path)) => entries
            .into_iter()
            .map(|(column, item)| {
                let path = path.key(&column);
                equality(column, item, &path)
            })
            .collect::<Result<_, _>>()?,
        Some((Item::List(items), path)) => {
            items.into_iter().enumerate().map(|(at, item)| condition(item, path.index(at))).collect::<Result<_, _>>()?
        }
        Some((other, path)) => return Err(expected(&path, "a map of equalities or a list of conditions", &other)),
    };
    let order = match fields.list("order")? {
        None => Vec::new(),
        Some((items, path)) => {
            items.into_iter().enumerate().map(|(at, item)| order_key(item, path.index(at))).collect::<Result<_, _>>()?
        }
    };
    Ok(ReadRequest { from, select, r#where: conditions, order, limit: fields.count("limit")? })
}

/// An entry of the short form: a value to equal, a list to be in, or null.
fn equality(column: String, item: Item, path: &Path) -> Result<Condition, Refusal> {
    let (op, values) = match item {
        Item::Null => (ConditionOp::IsNull, Vec::new()),
        Item::List(items) => (ConditionOp::In, each(items, path)?),
        item => (ConditionOp::Eq, vec![one(item, path)?]),
    };
    Ok(Condition { column, op, values })
}

fn condition(item: Item, path: Path) -> Result<Condition, Refusal> {
    let mut fields = Fields::open(item, path.clone())?.knowing(&["column", "op", "value"]);
    let column = fields.need_text("column")?;
    let word = fields.need_text("op")?;
    let words = ConditionOp::ALL.map(|(word, _)| word);
    let op = ConditionOp::from_word(&word).ok_or_else(|| {
        malformed(format!("{} is no operator: `{}`", path.key("op").text(), shown(&word))).hint(
            likely(&word, &words)
                .map_or_else(|| format!("operators: {}", listed(&words)), |word| format!("did you mean `{word}`?")),
        )
    })?;
    let values = match op {
        ConditionOp::IsNull | ConditionOp::IsNotNull => Vec::new(),
        ConditionOp::In => match fields.need("value")? {
            (Item::List(items), path) => each(items, &path)?,
            (other, path) => return Err(expected(&path, "a list", &other)),
        },
        ConditionOp::Eq | ConditionOp::Ne | ConditionOp::Lt | ConditionOp::Le | ConditionOp::Gt | ConditionOp::Ge => {
            let (item, path) = fields.need("value")?;
            vec![one(item, &path)?]
        }
    };
    fields.end()?;
    Ok(Condition { column, op, values })
}

fn each(items: Vec<Item>, path: &Path) -> Result<Vec<Value>, Refusal> {
    if items.is_empty() {
        return Err(malformed(format!("{} is an empty list, which nothing is in", path.text())));
    }
    items.into_iter().enumerate().map(|(at, item)| one(item, &path.index(at))).collect()
}

/// A value to compare with. A comparison with NULL is never true, which is never what is meant.
fn one(item: Item, path: &Path) -> Result<Value, Refusal> {
    match parameter(item, path)? {
        Value::Null => Err(malformed(format!("{} is null, which nothing equals", path.text()))
            .hint("use the operator `is_null` or `is_not_null`, without a value")),
        value => Ok(value),
    }
}

fn order_key(item: Item, path: Path) -> Result<OrderKey, Refusal> {
    match item {
        Item::Text(column) => Ok(OrderKey { column, descending: false }),
        item => {
            let mut fields = Fields::open(item, path)?.knowing(&["column", "descending"]);
            let column = fields.need_text("column")?;
            let descending = match fields.take("descending") {
                None => false,
                Some((Item::Boolean(descending), _)) => descending,
                Some((other, path)) => return Err(expected(&path, "a boolean", &other)),
            };
            fields.end()?;
            Ok(OrderKey { column, descending })
        }
    }
}
