//! The masks as functions of a connection: `mountgate_hash`, `mountgate_partial`, `mountgate_truncate`,
//! `mountgate_bucket`, `mountgate_round`. Only the rewriter may write them; they are on no allow-list for agents.

use std::convert::Infallible;

use rusqlite::{
    Connection,
    functions::{Context, FunctionFlags},
    types::{Value, ValueRef},
};

use crate::mask::{self, KeyedHash};

/// Registers them. INVARIANT: none of them raises: an error would tell something of a hidden value.
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    // Innocuous: they may be used in the views of the second wall with `trusted_schema` off.
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("mountgate_hash", 2, flags, hash)?;
    connection.create_scalar_function("mountgate_partial", 4, flags, |context| {
        Ok(match (canonical(context.get_raw(0)), integer(context, 1), integer(context, 2), text(context, 3)) {
            (Some(x), Some(first), Some(last), Some(fill)) => Value::Text(mask::partial(&x, first, last, fill)),
            _ => Value::Null,
        })
    })?;
    connection.create_scalar_function("mountgate_truncate", 2, flags, |context| {
        Ok(match (text(context, 0), text(context, 1)) {
            (Some(x), Some(part)) => mask::truncate(x, part).map_or(Value::Null, Value::Text),
            _ => Value::Null,
        })
    })?;
    connection.create_scalar_function("mountgate_bucket", 2, flags, |context| {
        Ok(numeric(context, mask::bucket_integer, mask::bucket_float))
    })?;
    connection.create_scalar_function("mountgate_round", 2, flags, |context| {
        Ok(numeric(context, mask::round_integer, mask::round_float))
    })
}

fn hash(context: &mut Context<'_>) -> rusqlite::Result<Value> {
    let Some(x) = canonical(context.get_raw(1)) else { return Ok(Value::Null) };
    let ValueRef::Blob(_) = context.get_raw(0) else { return Ok(Value::Null) };
    // The key is the same for all rows: it is taken in once per statement.
    let keyed = context.get_or_create_aux(0, |key| {
        Ok::<_, Infallible>(match key {
            ValueRef::Blob(key) => KeyedHash::new(key),
            _ => None,
        })
    })?;
    Ok((*keyed).as_ref().map_or(Value::Null, |keyed| Value::Text(keyed.digest(x.as_bytes()))))
}

fn numeric(
    context: &Context<'_>,
    on_integer: fn(i64, i64) -> Option<i64>,
    on_float: fn(f64, i64) -> Option<f64>,
) -> Value {
    let Some(by) = integer(context, 1) else { return Value::Null };
    match context.get_raw(0) {
        ValueRef::Integer(x) => on_integer(x, by).map_or(Value::Null, Value::Integer),
        ValueRef::Real(x) => on_float(x, by).map_or(Value::Null, Value::Real),
        ValueRef::Null | ValueRef::Text(_) | ValueRef::Blob(_) => Value::Null,
    }
}

/// The value as text, the same as PostgreSQL's `x::text` for whole numbers, text and bytes. `None` for NULL, and for
/// text that isn't UTF-8.
fn canonical(value: ValueRef<'_>) -> Option<std::borrow::Cow<'_, str>> {
    Some(match value {
        ValueRef::Null => return None,
        ValueRef::Integer(x) => x.to_string().into(),
        ValueRef::Real(x) => x.to_string().into(),
        ValueRef::Text(x) => std::str::from_utf8(x).ok()?.into(),
        ValueRef::Blob(x) => format!("\\x{}", data_encoding::HEXLOWER.encode(x)).into(),
    })
}

fn integer(context: &Context<'_>, at: usize) -> Option<i64> {
    match context.get_raw(at) {
        ValueRef::Integer(x) => Some(x),
        _ => None,
    }
}

fn text<'a>(context: &'a Context<'_>, at: usize) -> Option<&'a str> {
    match context.get_raw(at) {
        ValueRef::Text(x) => std::str::from_utf8(x).ok(),
        _ => None,
    }
}
