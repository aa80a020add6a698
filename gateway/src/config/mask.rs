//! Masks as a mount's file writes them.

use mountgate_core::{DatePart, Mask, Value as Datum};
use toml::de::DeValue;

use super::reader::Value;

const PARTS: [(&str, DatePart); 5] = [
    ("year", DatePart::Year),
    ("quarter", DatePart::Quarter),
    ("month", DatePart::Month),
    ("day", DatePart::Day),
    ("hour", DatePart::Hour),
];

/// `"null"`, `"hash"`, or a table with one of `fixed`, `partial`, `truncate`, `round`, `bucket`.
pub(crate) fn mask(value: &Value<'_>) -> Option<Mask> {
    match value.raw() {
        DeValue::String(_) => value.choice(&[("null", ()), ("hash", ())]).and_then(|()| match value.string()? {
            "null" => Some(Mask::Null),
            _ => Some(Mask::Hash),
        }),
        DeValue::Table(_) => table(value),
        _ => {
            value.mistyped(
                "a mask (`\"null\"`, `\"hash\"`, `{ fixed = … }`, `{ partial = … }`, `{ truncate = … }`, `{ round = … }` or `{ bucket = … }`)",
            );
            None
        }
    }
}

fn table(value: &Value<'_>) -> Option<Mask> {
    let table = value.table()?;
    let mut masks = Vec::new();
    // Each is asked for, so that each is known and a second one is seen.
    if let Some(fixed) = table.get("fixed") {
        masks.push(datum(&fixed).map(Mask::Fixed));
    }
    if let Some(partial) = table.get("partial") {
        masks.push(self::partial(&partial));
    }
    if let Some(part) = table.get("truncate") {
        masks.push(part.choice(&PARTS).map(Mask::Truncate));
    }
    if let Some(digits) = table.get("round") {
        masks.push(
            digits.integer(-18, 18).and_then(|digits| i32::try_from(digits).ok()).map(|digits| Mask::Round { digits }),
        );
    }
    if let Some(width) = table.get("bucket") {
        masks.push(width.integer(1, i64::MAX).map(|width| Mask::Bucket { width }));
    }
    match masks.len() {
        1 => masks.pop().flatten(),
        // An unknown key alone is noted as such.
        0 if !table.is_empty() => None,
        _ => {
            value.reject(format!(
                "`{}` should hold one mask: `fixed`, `partial`, `truncate`, `round` or `bucket`",
                value.name()
            ));
            None
        }
    }
}

fn partial(value: &Value<'_>) -> Option<Mask> {
    let table = value.table()?;
    let count = |key| match table.get(key) {
        Some(count) => count.integer(0, 1_000).and_then(|count| u32::try_from(count).ok()),
        None => Some(0),
    };
    let (first, last) = (count("first"), count("last"));
    let fill = match table.get("fill") {
        Some(fill) => {
            let text = fill.string()?;
            if text.chars().count() != 1 {
                fill.reject(format!("`fill` should be one character, and `{text}` is not"));
                return None;
            }
            text.to_owned()
        }
        None => "*".to_owned(),
    };
    Some(Mask::Partial { first: first?, last: last?, fill })
}

pub(crate) fn datum(value: &Value<'_>) -> Option<Datum> {
    Some(match value.raw() {
        DeValue::String(text) => Datum::Text(text.to_string()),
        DeValue::Integer(_) => Datum::Integer(value.integer(i64::MIN, i64::MAX)?),
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => Datum::Float(number),
            _ => {
                value.reject("a fixed value should be a finite number");
                return None;
            }
        },
        DeValue::Boolean(truth) => Datum::Boolean(*truth),
        DeValue::Datetime(moment) => {
            let text = moment.to_string();
            match (moment.date, moment.time, moment.offset) {
                (Some(_), None, _) => Datum::Date(text),
                (None, _, _) => Datum::Time(text),
                (Some(_), Some(_), None) => Datum::Timestamp(text),
                (Some(_), Some(_), Some(_)) => Datum::TimestampTz(text),
            }
        }
        DeValue::Array(_) | DeValue::Table(_) => {
            value.mistyped("one value: a string, a number, a boolean, a date or a time");
            return None;
        }
    })
}
