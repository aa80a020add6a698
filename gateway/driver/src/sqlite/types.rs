//! SQLite's types and ours.
//!
//! A column's declared type is a hint to SQLite, not a promise: an `INTEGER` column may hold text. A value therefore
//! shows its own type (INTEGER, REAL, TEXT, BLOB, NULL), with one exception: 0 and 1 under a declared BOOLEAN are
//! false and true. Dates, times, decimals, UUIDs and JSON are what SQLite holds them as: text or numbers.
//! TEXT that is not UTF-8 comes out as bytes: lossless, and no way to smuggle replacement characters.

use mountgate_core::{ColumnType, Value};
use rusqlite::{
    ToSql,
    types::{ToSqlOutput, ValueRef},
};

/// The type of a column declared so; `Any` where nothing is declared.
pub(super) fn column_type(declared: Option<&str>) -> ColumnType {
    let Some(declared) = declared else { return ColumnType::Any };
    let declared = declared.trim().to_ascii_uppercase();
    let base = declared.split('(').next().unwrap_or_default().trim();
    match base {
        "" | "ANY" => return ColumnType::Any,
        "BOOLEAN" | "BOOL" => return ColumnType::Boolean,
        "DATE" => return ColumnType::Date,
        "TIME" => return ColumnType::Time,
        "DATETIME" | "TIMESTAMP" => {
            return if declared.ends_with("WITH TIME ZONE") { ColumnType::TimestampTz } else { ColumnType::Timestamp };
        }
        "TIMESTAMP WITHOUT TIME ZONE" => return ColumnType::Timestamp,
        "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE" => return ColumnType::TimestampTz,
        "JSON" | "JSONB" => return ColumnType::Json,
        // Held as text and compared as text; `Text` keeps text masks and text claims usable on it.
        "UUID" | "GUID" => return ColumnType::Text,
        _ => {}
    }
    // The rules of SQLite's column affinity, in their order.
    if declared.contains("INT") {
        ColumnType::Integer
    } else if ["CHAR", "CLOB", "TEXT"].iter().any(|part| declared.contains(part)) {
        ColumnType::Text
    } else if declared.contains("BLOB") {
        ColumnType::Bytes
    } else if ["REAL", "FLOA", "DOUB"].iter().any(|part| declared.contains(part)) {
        ColumnType::Float
    } else if ["DEC", "NUM", "MONEY"].iter().any(|part| declared.contains(part)) {
        ColumnType::Decimal
    } else {
        ColumnType::Any
    }
}

/// A cell as a value.
pub(super) fn value(cell: ValueRef<'_>, ty: &ColumnType) -> Value {
    match (cell, ty) {
        (ValueRef::Null, _) => Value::Null,
        (ValueRef::Integer(0), ColumnType::Boolean) => Value::Boolean(false),
        (ValueRef::Integer(1), ColumnType::Boolean) => Value::Boolean(true),
        (ValueRef::Integer(x), _) => Value::Integer(x),
        (ValueRef::Real(x), _) => Value::Float(x),
        (ValueRef::Text(x), _) => match std::str::from_utf8(x) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Bytes(x.to_vec()),
        },
        (ValueRef::Blob(x), _) => Value::Bytes(x.to_vec()),
    }
}

/// A value as a parameter.
pub(super) struct Parameter<'a>(pub(super) &'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Value::Boolean(x) => ToSqlOutput::Borrowed(ValueRef::Integer(i64::from(*x))),
            Value::Integer(x) => ToSqlOutput::Borrowed(ValueRef::Integer(*x)),
            Value::Float(x) => ToSqlOutput::Borrowed(ValueRef::Real(*x)),
            Value::Decimal(x)
            | Value::Text(x)
            | Value::Date(x)
            | Value::Time(x)
            | Value::Timestamp(x)
            | Value::TimestampTz(x)
            | Value::Interval(x)
            | Value::Uuid(x)
            | Value::Json(x) => ToSqlOutput::Borrowed(ValueRef::Text(x.as_bytes())),
            Value::Bytes(x) => ToSqlOutput::Borrowed(ValueRef::Blob(x)),
            Value::Array(items) => ToSqlOutput::Owned(rusqlite::types::Value::Text(
                array_json(items).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?.to_string(),
            )),
        })
    }
}

/// An array as JSON, for `json_each`.
fn array_json(items: &[Value]) -> Result<serde_json::Value, &'static str> {
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        out.push(match item {
            Value::Null => serde_json::Value::Null,
            // json_each gives JSON's true as 1, as SQLite holds it.
            Value::Boolean(x) => (*x).into(),
            Value::Integer(x) => (*x).into(),
            Value::Float(x) => serde_json::Number::from_f64(*x).ok_or("a number that is not finite in a list")?.into(),
            Value::Decimal(x)
            | Value::Text(x)
            | Value::Date(x)
            | Value::Time(x)
            | Value::Timestamp(x)
            | Value::TimestampTz(x)
            | Value::Interval(x)
            | Value::Uuid(x)
            | Value::Json(x) => x.as_str().into(),
            Value::Bytes(_) => return Err("bytes in a list"),
            Value::Array(items) => array_json(items)?,
        });
    }
    Ok(serde_json::Value::Array(out))
}

#[cfg(test)]
mod tests;
