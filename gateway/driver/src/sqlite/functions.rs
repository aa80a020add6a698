//! The masks as functions of a connection: `mountgate_hash`, `mountgate_partial`, `mountgate_truncate`,
//! `mountgate_bucket`, `mountgate_round`; `mountgate_numeric`, which holds a number as a column of SQLite's numeric affinity
//! does; and `mountgate_short`, which holds an argument to a length. Only the rewriter may write them; they are on no allow-list for agents.
//! And what the views of the second wall need, which can hold no parameters: see [`super::guard::OWN_FUNCTIONS`].

use std::{convert::Infallible, sync::Arc};

use rusqlite::{
    Connection, ToSql as _, ffi,
    functions::{Context, FunctionFlags, SqlFnArg},
    types::{ToSqlOutput, Value, ValueRef},
};

use super::{guard::Guard, types::Parameter};
use crate::mask::{self, KeyedHash};

/// Registers them. INVARIANT: no mask raises: an error would tell something of a hidden value.
pub(super) fn register(connection: &Connection, guard: &Arc<Guard>) -> rusqlite::Result<()> {
    register_own(connection, guard)?;
    // Innocuous: views and generated columns of the file may use them with `trusted_schema` off.
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("mountgate_hash", 2, flags, hash)?;
    connection.create_scalar_function("mountgate_short", 2, flags, short)?;
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
    connection.create_scalar_function("mountgate_numeric", 1, flags, |context| {
        Ok(match context.get_raw(0) {
            ValueRef::Real(x) => mask::held_as_numeric(x).map_or(Value::Real(x), Value::Integer),
            other => other.try_into()?,
        })
    })?;
    connection.create_scalar_function("mountgate_round", 2, flags, |context| {
        Ok(numeric(context, mask::round_integer, mask::round_float))
    })
}

/// Claims, constants and keys of the call that the connection works for. Not innocuous: the file's own schema can't call
/// them, temporary views can. Deterministic, though claims differ from call to call: SQLite works a call out once per run
/// of a statement, so that an index is still used, and keeps nothing from one run to the next.
fn register_own(connection: &Connection, guard: &Arc<Guard>) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let claims = Arc::clone(guard);
    connection.create_scalar_function("mountgate_wall_claim", 1, flags, move |context| {
        owned(&slot(context.get_raw(0)).map_or(mountgate_core::Value::Null, |at| claims.claim(at)))
    })?;
    let constants = Arc::clone(guard);
    connection.create_scalar_function("mountgate_wall_value", 1, flags, move |context| {
        owned(&slot(context.get_raw(0)).map_or(mountgate_core::Value::Null, |at| constants.constant(at)))
    })?;
    let keys = Arc::clone(guard);
    connection.create_scalar_function("mountgate_wall_hash", 2, flags, move |context| {
        let Some(x) = canonical(context.get_raw(1)) else { return Ok(Value::Null) };
        let keyed = context.get_or_create_aux(0, |at| Ok::<_, Infallible>(slot(at).and_then(|at| keys.key(at))))?;
        Ok((*keyed).as_ref().map_or(Value::Null, |keyed| Value::Text(keyed.digest(x.as_bytes()))))
    })
}

fn slot(value: ValueRef<'_>) -> Option<usize> {
    match value {
        ValueRef::Integer(at) => usize::try_from(at).ok(),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => None,
    }
}

/// What can't be told to SQLite is NULL, which equals nothing.
fn owned(value: &mountgate_core::Value) -> rusqlite::Result<Value> {
    Ok(Parameter(value)
        .to_sql()
        .and_then(|value| match value {
            ToSqlOutput::Owned(value) => Ok(value),
            ToSqlOutput::Borrowed(value) => value.try_into().map_err(rusqlite::Error::from),
            _ => Ok(Value::Null),
        })
        .unwrap_or(Value::Null))
}

/// The first argument, where it has no more bytes than the second says. SQLite looks at the clock between calls only,
/// and `trim(x, y)` takes time with the product of the two lengths.
fn short(context: &mut Context<'_>) -> rusqlite::Result<SqlFnArg> {
    let bytes = match context.get_raw(0) {
        ValueRef::Text(x) | ValueRef::Blob(x) => x.len(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 0,
    };
    let limit = integer(context, 1).and_then(|limit| usize::try_from(limit).ok()).unwrap_or(0);
    if bytes > limit {
        return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_TOOBIG), None));
    }
    Ok(context.get_arg(0))
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
