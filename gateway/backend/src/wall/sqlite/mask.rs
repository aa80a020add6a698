//! The ceiling's masks, as expressions over the table's own values. None of them can raise: that would tell of rows that
//! the filter hides.

use std::collections::BTreeSet;

use mountgate_core::{CeilingColumn, ColumnType, Mask, RelationCeiling, RelationName, Value};

use super::{Texts, base};

impl Texts<'_> {
    /// The column as the view shows it; what it reads is added to `reads`.
    pub(super) fn masked(
        &mut self,
        relation: &RelationName,
        shown: &RelationCeiling,
        column: &CeilingColumn,
        reads: &mut BTreeSet<String>,
    ) -> Result<String, String> {
        let info = shown.store.column(&column.name);
        let info = info.ok_or_else(|| format!("`{}` has no column `{}`", shown.store.name, column.name))?;
        // What comes before a mask that replaces everything is not read at all.
        let replaced = column.masks.iter().rposition(|mask| matches!(mask, Mask::Null | Mask::Fixed(_)));
        let mut value = base(&column.name);
        if replaced.is_none() {
            reads.insert(column.name.as_str().to_owned());
        }
        let mut ty = info.ty.clone();
        for (at, mask) in column.masks.iter().enumerate() {
            let output = mask.output_type(&ty).map_err(|error| error.to_string())?;
            if replaced.is_none_or(|replaced| at >= replaced) {
                value = self.mask(mask, &value, &ty, (relation, column));
            }
            ty = output;
        }
        Ok(match affinity(&ty) {
            // Held as a column of that type would: 72.0 as 72. A cast leaves numbers as they are.
            Some(affinity) if !column.masks.is_empty() && ty == ColumnType::Decimal => {
                format!("CAST(mountgate_numeric({value}) AS {affinity})")
            }
            // Compared by agents as a column of that type would be.
            Some(affinity) if !column.masks.is_empty() => format!("CAST({value} AS {affinity})"),
            Some(_) | None => value,
        })
    }

    fn mask(
        &mut self,
        mask: &Mask,
        x: &str,
        ty: &ColumnType,
        (relation, column): (&RelationName, &CeilingColumn),
    ) -> String {
        match mask {
            Mask::Null | Mask::Fixed(Value::Null) => "NULL".to_owned(),
            Mask::Fixed(value) => self.written(value),
            Mask::Partial { first, last, fill } => {
                let fill = self.constant(&Value::Text(fill.clone()));
                format!("mountgate_partial({x}, {first}, {last}, {fill})")
            }
            Mask::Hash => {
                self.keys.push((self.mask_key)(relation, &column.name));
                format!("mountgate_wall_hash({}, {x})", self.keys.len() - 1)
            }
            Mask::Truncate(part) => {
                let part = self.constant(&Value::Text(part.label().to_owned()));
                format!("mountgate_truncate({x}, {part})")
            }
            Mask::Round { digits } => round(x, *digits, ty),
            Mask::Bucket { width } => format!("mountgate_bucket({x}, {width})"),
        }
    }

    /// The value that a mask puts in a column's place, or that a filter compares with. SQLite, where it knows a column to be constant, carries the constant
    /// into other parts of the statement and resolves it there again, out of the view: no function that only views may
    /// call stands there, where it can be written out.
    pub(super) fn written(&mut self, value: &Value) -> String {
        match value {
            Value::Integer(number) => format!("({number})"),
            Value::Boolean(truth) => i64::from(*truth).to_string(),
            Value::Float(number) if number.is_finite() => real(*number),
            Value::Decimal(text)
            | Value::Text(text)
            | Value::Date(text)
            | Value::Time(text)
            | Value::Timestamp(text)
            | Value::TimestampTz(text)
            | Value::Interval(text)
            | Value::Uuid(text)
            | Value::Json(text)
                if !text.contains('\0') =>
            {
                format!("'{}'", text.replace('\'', "''"))
            }
            Value::Bytes(bytes) => {
                format!("X'{}'", bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>())
            }
            other => self.constant(other),
        }
    }
}

/// The number from whole ones: SQLite need not read the digits of a fraction as we write them.
fn real(number: f64) -> String {
    let bits = number.abs().to_bits();
    let (exponent, fraction) = ((bits >> 52) as i32, bits & ((1 << 52) - 1));
    let (mantissa, mut exponent) =
        if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) };
    let mut text = format!("CAST({}{mantissa} AS REAL)", if number.is_sign_negative() { "-" } else { "" });
    while exponent != 0 {
        let step = exponent.clamp(-60, 60);
        text.push_str(if step < 0 { " / " } else { " * " });
        text.push_str(&format!("CAST({} AS REAL)", 1_u64 << step.unsigned_abs()));
        exponent -= step;
    }
    format!("({text})")
}

/// Rounded half away from zero. A column of whole numbers may hold anything: what is none must not pass unrounded.
fn round(x: &str, digits: i32, ty: &ColumnType) -> String {
    let unit = 10_i64.saturating_pow(digits.unsigned_abs());
    match (ty, digits) {
        (ColumnType::Integer, 0..) => format!("CAST({x} AS INTEGER)"),
        (ColumnType::Integer, _) => {
            let (whole, half) = (format!("CAST({x} AS INTEGER)"), unit / 2);
            format!(
                "({whole} / {unit} * {unit} + CASE WHEN {whole} % {unit} >= {half} THEN {unit} \
                 WHEN {whole} % {unit} <= -{half} THEN -{unit} ELSE 0 END)"
            )
        }
        (_, 0..) => format!("round({x}, {digits})"),
        (_, _) => format!("(round({x} / {unit}.0) * {unit}.0)"),
    }
}

/// The cast that gives an expression the affinity of a column of that type; none where SQLite has none that keeps the
/// value.
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
