//! A policy's settings: a TOML table as JSON, for the policy to judge.

use serde_json::{Map, Number, Value as Json};
use toml::de::{DeTable, DeValue};

use super::reader::Value;

/// The table as a JSON object; an empty one where it is none, which is noted.
pub(crate) fn object(value: &Value<'_>) -> Json {
    match value.raw() {
        DeValue::Table(table) => Json::Object(entries(value, table)),
        _ => {
            value.mistyped("a table");
            Json::Object(Map::new())
        }
    }
}

fn entries(at: &Value<'_>, table: &DeTable<'_>) -> Map<String, Json> {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), convert(at, value.get_ref(), &value.span()))).collect()
}

fn convert(at: &Value<'_>, value: &DeValue<'_>, span: &std::ops::Range<usize>) -> Json {
    match value {
        DeValue::String(text) => Json::String(text.to_string()),
        DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) => Json::Number(number.into()),
            Err(_) => {
                at.reject_at(span, "this whole number does not fit in 64 bits");
                Json::Null
            }
        },
        DeValue::Float(number) => match number.as_str().parse().ok().and_then(Number::from_f64) {
            Some(number) => Json::Number(number),
            None => {
                at.reject_at(span, "settings hold finite numbers only");
                Json::Null
            }
        },
        DeValue::Boolean(truth) => Json::Bool(*truth),
        DeValue::Datetime(moment) => Json::String(moment.to_string()),
        DeValue::Array(items) => {
            Json::Array(items.iter().map(|item| convert(at, item.get_ref(), &item.span())).collect())
        }
        DeValue::Table(table) => Json::Object(entries(at, table)),
    }
}
