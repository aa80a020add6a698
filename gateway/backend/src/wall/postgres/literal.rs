//! Names and values as PostgreSQL's text. Scripts pin `standard_conforming_strings`.

use std::fmt::Write as _;

use mountgate_core::{ColumnType, Value};

/// A name, quoted.
pub(super) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A name in its schema, quoted.
pub(super) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", ident(schema), ident(name))
}

/// A text, quoted. A NUL, which PostgreSQL has no place for, can't be in a configuration.
pub(super) fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Bytes, in hexadecimal.
pub(super) fn bytes(bytes: &[u8]) -> String {
    let mut out = String::from("'\\x");
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out.push_str("'::bytea");
    out
}

/// A value of that type.
pub(super) fn value(value: &Value, ty: &str) -> String {
    match value {
        Value::Null => format!("NULL::{ty}"),
        Value::Boolean(truth) => format!("{}::{ty}", text(if *truth { "true" } else { "false" })),
        Value::Integer(number) => format!("{}::{ty}", text(&number.to_string())),
        Value::Float(number) if number.is_nan() => format!("'NaN'::{ty}"),
        Value::Float(number) if number.is_infinite() => {
            format!("'{}'::{ty}", if *number > 0.0 { "Infinity" } else { "-Infinity" })
        }
        Value::Float(number) => format!("'{number:e}'::{ty}"),
        Value::Decimal(x)
        | Value::Text(x)
        | Value::Date(x)
        | Value::Time(x)
        | Value::Timestamp(x)
        | Value::TimestampTz(x)
        | Value::Interval(x)
        | Value::Uuid(x)
        | Value::Json(x) => format!("{}::{ty}", text(x)),
        Value::Bytes(x) => bytes(x),
        Value::Array(items) => {
            let element = ty.strip_suffix("[]").unwrap_or("text");
            let items: Vec<String> = items.iter().map(|item| self::value(item, element)).collect();
            format!("ARRAY[{}]::{ty}", items.join(", "))
        }
    }
}

/// PostgreSQL's type that stands for a family.
pub(super) fn type_of(ty: &ColumnType) -> String {
    match ty {
        ColumnType::Boolean => "bool".into(),
        ColumnType::Integer => "int8".into(),
        ColumnType::Float => "float8".into(),
        ColumnType::Decimal => "numeric".into(),
        ColumnType::Text | ColumnType::Any => "text".into(),
        ColumnType::Bytes => "bytea".into(),
        ColumnType::Date => "date".into(),
        ColumnType::Time => "time".into(),
        ColumnType::Timestamp => "timestamp".into(),
        ColumnType::TimestampTz => "timestamptz".into(),
        ColumnType::Interval => "interval".into(),
        ColumnType::Uuid => "uuid".into(),
        ColumnType::Json => "jsonb".into(),
        ColumnType::Array(of) => match &**of {
            ColumnType::Array(_) => type_of(of),
            of => format!("{}[]", type_of(of)),
        },
    }
}

/// The value's text, where no setting of the session can change it: NULL while one that would is not as the driver pins
/// it.
///
/// A session may change how dates, spans, floats and bytes read as text, in the middle of a statement: a filter that
/// compares texts (`span <> '[2026-01-01,2027-01-01)'`) would then keep other rows, and a keyed hash of the text would
/// tell two moments' distance by the zones in which they collide. The setting is looked at in the same expression as
/// the value, so that nothing comes in between.
pub(super) fn stable_text(x: &str, ty: &ColumnType, search_path: &str) -> String {
    match pinned(ty, search_path) {
        None => format!("({x})::text"),
        Some(pinned) => format!("CASE WHEN {pinned} THEN ({x})::text END"),
    }
}

/// The condition under which values of the type read and print in one way; `None` where they always do.
pub(super) fn pinned(ty: &ColumnType, search_path: &str) -> Option<String> {
    const DATE: &str = "pg_catalog.left(pg_catalog.current_setting('DateStyle'), 3) = 'ISO'";
    const ZONE: &str = "pg_catalog.current_setting('TimeZone') = 'UTC'";
    const SPAN: &str = "pg_catalog.current_setting('IntervalStyle') = 'iso_8601'";
    const FLOAT: &str = "pg_catalog.current_setting('extra_float_digits') = '1'";
    const BYTES: &str = "pg_catalog.current_setting('bytea_output') = 'hex'";
    match ty {
        ColumnType::Boolean
        | ColumnType::Integer
        | ColumnType::Decimal
        | ColumnType::Text
        | ColumnType::Uuid
        | ColumnType::Json => None,
        ColumnType::Float => Some(FLOAT.into()),
        ColumnType::Bytes => Some(BYTES.into()),
        ColumnType::Date | ColumnType::Time | ColumnType::Timestamp => Some(DATE.into()),
        ColumnType::TimestampTz => Some(format!("{DATE} AND {ZONE}")),
        ColumnType::Interval => Some(SPAN.into()),
        // Whatever it is made of; names of relations print by the search path.
        ColumnType::Array(_) | ColumnType::Any => Some(format!(
            "{DATE} AND {ZONE} AND {SPAN} AND {FLOAT} AND {BYTES} AND pg_catalog.current_setting('search_path') = {}",
            text(search_path)
        )),
    }
}
