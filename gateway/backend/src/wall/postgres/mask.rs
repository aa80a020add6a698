//! A ceiling's masks as expressions of the view. None of them can raise on a value, and none calls a function of ours: a
//! function of ours would need the login's EXECUTE, and a keyed hash that it may execute is a dictionary of hashes.

use mountgate_core::{ColumnName, ColumnType, DatePart, Mask, RelationName, Value};

use super::literal;

/// Whether one of the masks needs a key.
pub(super) fn is_keyed(masks: &[Mask]) -> bool {
    masks.contains(&Mask::Hash)
}

/// The name of a column's key: no two columns share one.
pub(super) fn key_name(relation: &RelationName, column: &ColumnName) -> String {
    format!("hash {}:{}.{}", relation.as_str().len(), relation, column)
}

/// Where the masks are.
pub(super) struct Place<'p> {
    /// The keys' table, qualified and quoted.
    pub(super) keys: &'p str,
    /// The name of the column's key.
    pub(super) key: String,
    /// The search path that the driver pins.
    pub(super) search_path: &'p str,
}

/// The value `x` of that type under the masks, in order.
pub(super) fn masked(
    place: &Place<'_>,
    x: String,
    ty: &ColumnType,
    store_type: &str,
    masks: &[Mask],
) -> Result<String, String> {
    let mut value = x;
    let mut ty = ty.clone();
    for (layer, mask) in masks.iter().enumerate() {
        let output = mask.output_type(&ty).map_err(|error| error.to_string())?;
        value = if layer == 0 {
            one(place, mask, &value, &ty, store_type)
        } else {
            // Named, since most masks use their value more than once.
            let inner = one(place, mask, "\"m\".\"v\"", &ty, store_type);
            format!("(SELECT {inner} FROM (SELECT {value} AS \"v\") AS \"m\")")
        };
        ty = output;
    }
    Ok(value)
}

fn one(place: &Place<'_>, mask: &Mask, x: &str, ty: &ColumnType, store_type: &str) -> String {
    let text = || literal::stable_text(x, ty, place.search_path);
    match mask {
        Mask::Null => format!("NULL::{}", replaced_type(ty, store_type)),
        Mask::Fixed(Value::Boolean(truth)) if *ty == ColumnType::Any => format!("'{truth}'::text"),
        Mask::Fixed(value) => literal::value(value, &replaced_type(ty, store_type)),
        Mask::Partial { first, last, fill } => {
            let (text, fill) = (text(), literal::text(fill));
            let kept = u64::from(*first) + u64::from(*last);
            let (first, last) = ((*first).min(i32::MAX as u32), (*last).min(i32::MAX as u32));
            let length = format!("pg_catalog.char_length({text})");
            format!(
                "CASE WHEN {length} > {kept} THEN pg_catalog.left({text}, {first}) \
                 || pg_catalog.repeat({fill}, ({length} - {kept})::int4) || pg_catalog.right({text}, {last}) \
                 ELSE pg_catalog.repeat({fill}, {length}) END"
            )
        }
        Mask::Hash => {
            let key = |part: &str| {
                format!(
                    "(SELECT \"key\".\"{part}\" FROM {} AS \"key\" WHERE \"key\".\"name\" = {})",
                    place.keys,
                    literal::text(&place.key)
                )
            };
            format!(
                "pg_catalog.left(pg_catalog.encode(pg_catalog.sha256({} || pg_catalog.sha256({} || \
                 pg_catalog.convert_to({}, 'UTF8'))), 'hex'), 32)",
                key("outer_pad"),
                key("inner_pad"),
                text()
            )
        }
        Mask::Truncate(part) => truncated(*part, x, ty),
        Mask::Round { digits } => number(x, ty, store_type, &|x| format!("pg_catalog.round({x}, {digits})")),
        Mask::Bucket { width } => {
            number(x, ty, store_type, &|x| format!("(pg_catalog.floor({x} / {width}::numeric) * {width}::numeric)"))
        }
    }
}

/// The type of a value that takes the column's place. Arrays of one type are not compared with those of another.
fn replaced_type(ty: &ColumnType, store_type: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, ' ' | '[' | ']');
    match ty {
        ColumnType::Array(_) if store_type.ends_with("[]") && store_type.chars().all(plain) => store_type.to_owned(),
        _ => literal::type_of(ty),
    }
}

/// Computed as `numeric`, which has room, and returned within the range of the column's own type.
fn number(x: &str, ty: &ColumnType, store_type: &str, compute: &dyn Fn(&str) -> String) -> String {
    let bare = store_type.split('(').next().unwrap_or_default().trim();
    let exact = compute(&format!("({x})::numeric"));
    let bounded = |name: &str, least: &str, most: &str| {
        format!(
            "CASE WHEN ({x}) IS NOT NULL THEN LEAST(GREATEST({exact}, {least}::numeric), {most}::numeric)::{name} END"
        )
    };
    match (ty, bare) {
        (ColumnType::Decimal, _) => exact,
        // What has no place on the number line has none among its rounded numbers.
        (ColumnType::Float, "real" | "float4") => {
            format!("CASE WHEN pg_catalog.abs({x}) < '1e30'::float4 THEN {exact}::float4 END")
        }
        (ColumnType::Float, _) => format!("CASE WHEN pg_catalog.abs({x}) < '1e300'::float8 THEN {exact}::float8 END"),
        (_, "smallint" | "int2") => bounded("int2", "'-32768'", "'32767'"),
        (_, "integer" | "int4") => bounded("int4", "'-2147483648'", "'2147483647'"),
        _ => bounded("int8", "'-9223372036854775808'", "'9223372036854775807'"),
    }
}

fn truncated(part: DatePart, x: &str, ty: &ColumnType) -> String {
    let part = part.label();
    let (name, cut) = match ty {
        ColumnType::Date => ("date", format!("pg_catalog.date_trunc('{part}', ({x})::timestamp)::date")),
        ColumnType::TimestampTz => ("timestamptz", format!("pg_catalog.date_trunc('{part}', {x}, 'UTC')")),
        _ => ("timestamp", format!("pg_catalog.date_trunc('{part}', {x})")),
    };
    // Beyond these a cut raises, and an infinity has no year.
    format!("CASE WHEN ({x}) >= '4000-01-01 BC'::{name} AND ({x}) < '200000-01-01'::{name} THEN {cut} END")
}
