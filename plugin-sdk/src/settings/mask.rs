//! Masks as a mount's file writes them.

use serde::{Deserialize, Deserializer, de};
use serde_json::Value as Json;

use crate::types::{DatePart, Mask, Partial, Value};

/// A mask: `"null"`, `"hash"`, `{ fixed = "x" }`, `{ partial = { first = 1, last = 4, fill = "*" } }`,
/// `{ truncate = "month" }`, `{ round = 2 }`, `{ bucket = 10 }`.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskSetting(pub Mask);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartialSetting {
    #[serde(default)]
    first: u32,
    #[serde(default)]
    last: u32,
    #[serde(default = "star")]
    fill: String,
}

fn star() -> String {
    "*".into()
}

const NAMES: &str = "write `null`, `hash`, `fixed`, `partial`, `truncate`, `round` or `bucket`";

impl MaskSetting {
    /// Reads a mask from its JSON form.
    ///
    /// # Errors
    /// What is wrong, naming the key.
    pub fn read(json: Json) -> Result<Self, String> {
        match json {
            Json::String(name) => match name.as_str() {
                "null" => Ok(Self(Mask::Null)),
                "hash" => Ok(Self(Mask::Hash)),
                _ => Err(format!("`{name}` is no mask that stands alone; {NAMES}")),
            },
            Json::Object(fields) if fields.len() == 1 => match fields.into_iter().next() {
                Some((name, argument)) => Self::with(&name, argument),
                None => Err(NAMES.into()),
            },
            _ => Err(format!("a mask is one name or one key; {NAMES}")),
        }
    }

    fn with(name: &str, argument: Json) -> Result<Self, String> {
        let mask = match name {
            "fixed" => Mask::Fixed(literal(&argument)?),
            "partial" => {
                let partial: PartialSetting =
                    serde_json::from_value(argument).map_err(|error| format!("`partial`: {error}"))?;
                if partial.fill.chars().count() != 1 {
                    return Err(format!("`partial.fill` is `{}`: write one character", partial.fill));
                }
                Mask::Partial(Partial { first: partial.first, last: partial.last, fill: partial.fill })
            }
            "truncate" => Mask::Truncate(match argument.as_str() {
                Some("year") => DatePart::Year,
                Some("quarter") => DatePart::Quarter,
                Some("month") => DatePart::Month,
                Some("day") => DatePart::Day,
                Some("hour") => DatePart::Hour,
                _ => return Err("`truncate`: write `year`, `quarter`, `month`, `day` or `hour`".into()),
            }),
            "round" => match number(argument, "digits").and_then(|digits| i32::try_from(digits).ok()) {
                Some(digits) if (-18..=18).contains(&digits) => Mask::Round(digits),
                _ => return Err("`round`: write the digits to keep, from -18 to 18".into()),
            },
            "bucket" => match number(argument, "width") {
                Some(width) if width > 0 => Mask::Bucket(width),
                _ => return Err("`bucket`: write the width, a whole number above zero".into()),
            },
            _ => return Err(format!("`{name}` is no mask with an argument; {NAMES}")),
        };
        Ok(Self(mask))
    }
}

/// A number alone, or under its one key: `{ round = 2 }`, `{ round = { digits = 2 } }`.
fn number(argument: Json, key: &str) -> Option<i64> {
    match argument {
        Json::Object(fields) if fields.len() == 1 => fields.get(key)?.as_i64(),
        other => other.as_i64(),
    }
}

fn literal(json: &Json) -> Result<Value, String> {
    match json {
        Json::Bool(b) => Ok(Value::Boolean(*b)),
        Json::String(text) => Ok(Value::Text(text.clone())),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Ok(Value::Integer(integer)),
            (None, Some(float)) => Ok(Value::Float(float)),
            (None, None) => Err("`fixed`: the number is too large".into()),
        },
        Json::Null | Json::Array(_) | Json::Object(_) => {
            Err("`fixed`: write a text, a number, true or false; for no value use the mask `null`".into())
        }
    }
}

impl<'de> Deserialize<'de> for MaskSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(Json::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
