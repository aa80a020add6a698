//! Masks as expressions of the store. None of them can raise: a mask that did would tell of rows out of scope.

use mountgate_core::{Code, ColumnName, ColumnType, DatePart, Mask, Refusal, RelationInfo, RelationName, Value};

use super::{Printer, filter::type_name, literal, quote};
use crate::{Bind, Dialect, KeyPart};

/// A column under masks.
pub(super) struct Masked<'m> {
    pub(super) relation: &'m RelationName,
    pub(super) store: &'m RelationInfo,
    /// The quoted alias of the store's relation.
    pub(super) alias: &'m str,
    pub(super) column: &'m ColumnName,
    pub(super) masks: &'m [Mask],
}

impl Printer<'_, '_> {
    /// The column, from the store's value through every mask.
    pub(super) fn masked(&mut self, masked: &Masked<'_>) -> Result<String, Refusal> {
        let Masked { relation, store, alias, column, masks } = masked;
        let Some(info) = store.column(column) else {
            return Err(Refusal::new(Code::Internal, "the scope names a column that the catalogue lacks"));
        };
        let mut value = format!("{alias}.");
        quote(&mut value, info.name.as_str());
        if masks.is_empty() {
            return Ok(value);
        }
        let mut ty = info.ty.clone();
        // What stands before a mask that replaces the value is not printed: it would leave binds that no text has.
        let start = masks.iter().rposition(|mask| matches!(mask, Mask::Null | Mask::Fixed(_))).unwrap_or(0);
        for (layer, mask) in masks.iter().enumerate() {
            let output = mask
                .output_type(&ty)
                .map_err(|_| Refusal::new(Code::Internal, "the scope has a mask that does not fit its column"))?;
            if layer < start {
                ty = output;
                continue;
            }
            let key = (*relation, *column);
            value = match self.dialect {
                Dialect::Sqlite => self.sqlite_mask(mask, &value, &ty, key),
                // A mask that needs its value more than once gets it by name, or a chain would grow exponentially.
                Dialect::Postgres if layer > start => {
                    let inner = self.postgres_mask(mask, "\"m\".\"v\"", &ty, &info.store_type, key);
                    format!("(SELECT {inner} FROM (SELECT {value} AS \"v\") AS \"m\")")
                }
                Dialect::Postgres => self.postgres_mask(mask, &value, &ty, &info.store_type, key),
            };
            ty = output;
        }
        if self.dialect == Dialect::Sqlite
            && let Some(affinity) = affinity(&ty)
        {
            // Compared as a column of that type would be.
            value = match ty {
                // And as one would hold it: 72.0 is 72 there, and a cast leaves numbers as they are.
                ColumnType::Decimal => format!("CAST(mountgate_numeric({value}) AS {affinity})"),
                _ => format!("CAST({value} AS {affinity})"),
            };
        }
        Ok(value)
    }

    fn sqlite_mask(&mut self, mask: &Mask, x: &str, ty: &ColumnType, key: (&RelationName, &ColumnName)) -> String {
        match mask {
            Mask::Null | Mask::Fixed(Value::Null) => "NULL".to_owned(),
            Mask::Fixed(value) => self.bind(Bind::Literal(value.clone())),
            Mask::Partial { first, last, fill } => {
                let fill = self.text(fill);
                format!("mountgate_partial({x}, {first}, {last}, {fill})")
            }
            Mask::Hash => {
                let key = self.key(key, KeyPart::Key);
                format!("mountgate_hash({key}, {x})")
            }
            Mask::Truncate(part) => format!("mountgate_truncate({x}, '{}')", part.label()),
            // An integer column may hold anything: what is no integer must not pass unrounded.
            Mask::Round { digits } if *ty == ColumnType::Integer => {
                let x = format!("CAST({x} AS INTEGER)");
                if *digits >= 0 {
                    return x;
                }
                let unit = 10_i64.saturating_pow(digits.unsigned_abs());
                let half = unit / 2;
                format!(
                    "({x} / {unit} * {unit} + CASE WHEN {x} % {unit} >= {half} THEN {unit} WHEN {x} % {unit} <= -{half} THEN -{unit} ELSE 0 END)"
                )
            }
            Mask::Round { digits } if *digits >= 0 => format!("round({x}, {digits})"),
            Mask::Round { digits } => {
                let unit = 10_i64.saturating_pow(digits.unsigned_abs());
                format!("(round({x} / {unit}.0) * {unit}.0)")
            }
            Mask::Bucket { width } => format!("mountgate_bucket({x}, {width})"),
        }
    }

    fn postgres_mask(
        &mut self,
        mask: &Mask,
        x: &str,
        ty: &ColumnType,
        store_type: &str,
        key: (&RelationName, &ColumnName),
    ) -> String {
        match mask {
            Mask::Null | Mask::Fixed(Value::Null) => format!("NULL::{}", replaced_type(ty, store_type)),
            Mask::Fixed(value) => {
                let value = match (value, ty) {
                    (Value::Integer(number), ColumnType::Any) => Value::Text(number.to_string()),
                    (Value::Boolean(truth), ColumnType::Any) => {
                        Value::Text(if *truth { "true" } else { "false" }.to_owned())
                    }
                    (value, _) => value.clone(),
                };
                let bind = self.bind(Bind::Literal(value));
                format!("{bind}::{}", replaced_type(ty, store_type))
            }
            Mask::Partial { first, last, fill } => {
                let fill = self.text(fill);
                let both = u64::from(*first) + u64::from(*last);
                let (first, last) = ((*first).min(i32::MAX as u32), (*last).min(i32::MAX as u32));
                let length = format!("pg_catalog.char_length(({x})::text)");
                format!(
                    "CASE WHEN {length} <= {both} THEN pg_catalog.repeat({fill}, {length}) \
                     ELSE pg_catalog.left(({x})::text, {first}) || pg_catalog.repeat({fill}, {length} - {both}) || \
                     pg_catalog.right(({x})::text, {last}) END"
                )
            }
            Mask::Hash => {
                let (outer, inner) = (self.key(key, KeyPart::Outer), self.key(key, KeyPart::Inner));
                format!(
                    "pg_catalog.\"substr\"(pg_catalog.encode(pg_catalog.sha256({outer}::bytea || \
                     pg_catalog.sha256({inner}::bytea || pg_catalog.convert_to(({x})::text, 'UTF8'))), 'hex'), 1, 32)"
                )
            }
            Mask::Truncate(part) => truncate(*part, x, ty),
            Mask::Round { digits } => {
                postgres_number(x, ty, store_type, &|x| format!("pg_catalog.round({x}, {digits})"))
            }
            Mask::Bucket { width } => {
                postgres_number(x, ty, store_type, &|x| format!("(pg_catalog.\"floor\"({x} / {width}) * {width})"))
            }
        }
    }

    fn key(&mut self, (relation, column): (&RelationName, &ColumnName), part: KeyPart) -> String {
        self.bind(Bind::MaskKey { relation: relation.clone(), column: column.clone(), part })
    }

    fn text(&self, text: &str) -> String {
        let mut out = String::new();
        literal(self.dialect, &mut out, text);
        out
    }
}

/// Computes in `numeric`, which does not overflow, and returns to the column's own type within its range.
fn postgres_number(x: &str, ty: &ColumnType, store_type: &str, compute: &dyn Fn(&str) -> String) -> String {
    let computed = compute(&format!("({x})::numeric"));
    let bare = store_type.split('(').next().unwrap_or_default().trim();
    match ty {
        ColumnType::Decimal => compute(&format!("({x})")),
        ColumnType::Float => {
            let (name, most) = match bare {
                "real" | "float4" => ("float4", "1e30"),
                _other => ("float8", "1e300"),
            };
            // Infinities, NaN and what is near them become NULL: they have no rounding.
            format!("CASE WHEN ({x}) > -{most} AND ({x}) < {most} THEN {computed}::{name} END")
        }
        ColumnType::Integer
        | ColumnType::Boolean
        | ColumnType::Text
        | ColumnType::Bytes
        | ColumnType::Date
        | ColumnType::Time
        | ColumnType::Timestamp
        | ColumnType::TimestampTz
        | ColumnType::Interval
        | ColumnType::Uuid
        | ColumnType::Json
        | ColumnType::Array(_)
        | ColumnType::Any => {
            let (name, least, most) = match bare {
                "smallint" | "int2" => ("int2", i64::from(i16::MIN), i64::from(i16::MAX)),
                "integer" | "int" | "int4" => ("int4", i64::from(i32::MIN), i64::from(i32::MAX)),
                _other => ("int8", i64::MIN, i64::MAX),
            };
            // GREATEST and LEAST pass over NULL, which must stay.
            format!("CASE WHEN ({x}) IS NOT NULL THEN LEAST(GREATEST({computed}, {least}), {most})::{name} END")
        }
    }
}

fn truncate(part: DatePart, x: &str, ty: &ColumnType) -> String {
    let part = part.label();
    let (name, computed) = match ty {
        ColumnType::Date => ("date", format!("pg_catalog.date_trunc('{part}', ({x})::timestamp)::date")),
        ColumnType::TimestampTz => ("timestamptz", format!("pg_catalog.date_trunc('{part}', {x}, 'UTC')")),
        ColumnType::Timestamp
        | ColumnType::Boolean
        | ColumnType::Integer
        | ColumnType::Float
        | ColumnType::Decimal
        | ColumnType::Text
        | ColumnType::Bytes
        | ColumnType::Time
        | ColumnType::Interval
        | ColumnType::Uuid
        | ColumnType::Json
        | ColumnType::Array(_)
        | ColumnType::Any => ("timestamp", format!("pg_catalog.date_trunc('{part}', {x})")),
    };
    // Outside of these years a cut raises ("out of range"); infinities have none.
    format!("CASE WHEN ({x}) >= '4000-01-01 BC'::{name} AND ({x}) < '200000-01-01'::{name} THEN {computed} END")
}

/// The type of what replaces a value. Arrays of one type have no operator with those of another, so theirs is the store's.
fn replaced_type(ty: &ColumnType, store_type: &str) -> String {
    match ty {
        ColumnType::Array(_) if store_type.ends_with("[]") => store_type.to_owned(),
        other => null_type(other),
    }
}

fn null_type(ty: &ColumnType) -> String {
    match ty {
        ColumnType::Array(of) => format!("{}[]", type_name(of)),
        ColumnType::Boolean
        | ColumnType::Integer
        | ColumnType::Float
        | ColumnType::Decimal
        | ColumnType::Text
        | ColumnType::Bytes
        | ColumnType::Date
        | ColumnType::Time
        | ColumnType::Timestamp
        | ColumnType::TimestampTz
        | ColumnType::Interval
        | ColumnType::Uuid
        | ColumnType::Json
        | ColumnType::Any => type_name(ty).to_owned(),
    }
}

/// SQLite's name for a type whose columns convert what they are compared with. Dates have none here: their columns'
/// numeric affinity leaves text as it is, and a cast would not.
fn affinity(ty: &ColumnType) -> Option<&'static str> {
    match ty {
        ColumnType::Integer => Some("INTEGER"),
        ColumnType::Float => Some("REAL"),
        ColumnType::Decimal => Some("NUMERIC"),
        ColumnType::Text => Some("TEXT"),
        ColumnType::Boolean
        | ColumnType::Bytes
        | ColumnType::Date
        | ColumnType::Time
        | ColumnType::Timestamp
        | ColumnType::TimestampTz
        | ColumnType::Interval
        | ColumnType::Uuid
        | ColumnType::Json
        | ColumnType::Array(_)
        | ColumnType::Any => None,
    }
}
