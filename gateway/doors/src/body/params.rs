//! Parameters: from a body's values to the store's.
//!
//! A bare value is taken as it is: null, boolean, integer, float, text, MessagePack's bin as bytes, and a list of
//! one of these as an array. What JSON has no form for is typed: `{"type": "decimal", "value": "1.20"}`.

use data_encoding::BASE64;
use mountgate_core::{ColumnType, Refusal, Value};

use super::{
    Fields, Item, Path,
    fields::{expected, likely, listed},
    json, malformed, shown,
};

/// Names of types as `type` takes them; each also with `[]` after it.
pub(crate) const TYPES: &[&str] = &[
    "boolean",
    "integer",
    "float",
    "decimal",
    "text",
    "bytes",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "interval",
    "uuid",
    "json",
];

/// The longest text of a decimal, date or the like.
const FORM: usize = 1024;

/// The parameters of a statement, by position.
///
/// # Errors
/// A value of no type that a store takes, with its path.
pub(crate) fn parameters(items: Vec<Item>, path: &Path) -> Result<Vec<Value>, Refusal> {
    items.into_iter().enumerate().map(|(at, item)| parameter(item, &path.index(at))).collect()
}

/// One value.
///
/// # Errors
/// As [`parameters`].
pub(crate) fn parameter(item: Item, path: &Path) -> Result<Value, Refusal> {
    match item {
        Item::Map(_) => typed(item, path),
        Item::List(items) => {
            let values = items
                .into_iter()
                .enumerate()
                .map(|(at, item)| match item {
                    Item::List(_) => Err(malformed(format!("{} is a list in a list", path.index(at).text()))
                        .hint("arrays of one dimension are taken")),
                    item => parameter(item, &path.index(at)),
                })
                .collect::<Result<Vec<_>, _>>()?;
            uniform(&values, path)?;
            Ok(Value::Array(values))
        }
        item => scalar(item, path),
    }
}

fn scalar(item: Item, path: &Path) -> Result<Value, Refusal> {
    Ok(match item {
        Item::Null => Value::Null,
        Item::Boolean(boolean) => Value::Boolean(boolean),
        Item::Integer(integer) => Value::Integer(integer),
        Item::Float(float) => Value::Float(float),
        Item::Text(text) => Value::Text(text),
        Item::Bytes(bytes) => Value::Bytes(bytes),
        Item::List(_) | Item::Map(_) => return Err(expected(path, "a scalar", &item)),
    })
}

/// An array is of one type: PostgreSQL has no others, and a store that guessed would convert.
fn uniform(values: &[Value], path: &Path) -> Result<(), Refusal> {
    let mut first: Option<ColumnType> = None;
    for (at, value) in values.iter().enumerate() {
        let Some(ty) = value.column_type() else { continue };
        match &first {
            None => first = Some(ty),
            Some(known) if *known == ty => {}
            Some(known) => {
                return Err(malformed(format!(
                    "{} is of type {} in a list of {}",
                    path.index(at).text(),
                    ty.label(),
                    known.label()
                ))
                .hint("the values of a list are of one type, or null"));
            }
        }
    }
    Ok(())
}

fn typed(item: Item, path: &Path) -> Result<Value, Refusal> {
    let mut fields = Fields::open(item, path.clone())?.knowing(&["type", "value"]);
    let name = fields.need_text("type")?;
    let (value, value_path) = fields.need("value")?;
    fields.end()?;
    let unknown = || {
        malformed(format!("{} is not a type that is taken: `{}`", path.key("type").text(), shown(&name))).hint(
            likely(&name, TYPES)
                .map_or_else(|| format!("types: {}", listed(TYPES)), |name| format!("did you mean `{name}`?")),
        )
    };
    let (name, array) = match name.strip_suffix("[]") {
        Some(of) => (of, true),
        None => (name.as_str(), false),
    };
    let name = *TYPES.iter().find(|known| **known == name).ok_or_else(unknown)?;
    if !array {
        return of_type(name, value, &value_path);
    }
    match value {
        Item::Null => Ok(Value::Null),
        Item::List(items) => items
            .into_iter()
            .enumerate()
            .map(|(at, item)| of_type(name, item, &value_path.index(at)))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::Array),
        other => Err(expected(&value_path, "a list", &other)),
    }
}

fn of_type(name: &str, item: Item, path: &Path) -> Result<Value, Refusal> {
    if name == "json" {
        return document(&item, path);
    }
    match (name, item) {
        (_, Item::Null) => Ok(Value::Null),
        ("boolean", Item::Boolean(boolean)) => Ok(Value::Boolean(boolean)),
        ("integer", Item::Integer(integer)) => Ok(Value::Integer(integer)),
        // Integers beyond 2^53 from JavaScript come as texts.
        ("integer", Item::Text(text)) => {
            text.parse().map(Value::Integer).map_err(|_| no_form(path, "a whole number of 64 bits in plain digits"))
        }
        ("float", Item::Float(float)) => Ok(Value::Float(float)),
        #[expect(clippy::cast_precision_loss, reason = "the caller says that a float is meant")]
        ("float", Item::Integer(integer)) => Ok(Value::Float(integer as f64)),
        ("decimal", Item::Integer(integer)) => Ok(Value::Decimal(integer.to_string())),
        ("text", Item::Text(text)) => Ok(Value::Text(text)),
        ("bytes", Item::Bytes(bytes)) => Ok(Value::Bytes(bytes)),
        ("bytes", Item::Text(text)) => BASE64
            .decode(text.as_bytes())
            .map(Value::Bytes)
            .map_err(|_| no_form(path, "base64 with padding (RFC 4648, section 4)")),
        (_, Item::Text(text)) if text.len() > FORM => Err(no_form(path, "shorter than 1024 characters")),
        ("decimal", Item::Text(text)) => match is_decimal(&text) {
            true => Ok(Value::Decimal(text)),
            false => Err(no_form(path, "a decimal in plain digits: `-12.50`")),
        },
        ("date", Item::Text(text)) => match text.parse::<jiff::civil::Date>() {
            Ok(date) if date.to_string() == text => Ok(Value::Date(text)),
            _ => Err(no_form(path, "a date: `2026-11-24`")),
        },
        ("time", Item::Text(text)) => text
            .parse::<jiff::civil::Time>()
            .map(|time| Value::Time(time.to_string()))
            .map_err(|_| no_form(path, "a time: `08:53:01.25`")),
        ("timestamp", Item::Text(text)) => match zoneless(&text) {
            Some(time) => Ok(Value::Timestamp(time.to_string())),
            None => Err(no_form(path, "a date and time without a zone: `2026-11-24T08:53:01.25`")),
        },
        ("timestamptz", Item::Text(text)) => text
            .parse::<jiff::Timestamp>()
            .map(|time| Value::TimestampTz(time.to_string()))
            .map_err(|_| no_form(path, "a date and time with its offset: `2026-11-24T08:53:01.25Z`")),
        ("interval", Item::Text(text)) => match text.starts_with(['P', '-']) && text.parse::<jiff::Span>().is_ok() {
            true => Ok(Value::Interval(text)),
            false => Err(no_form(path, "an ISO 8601 duration: `P1DT2H`")),
        },
        ("uuid", Item::Text(text)) => uuid::Uuid::try_parse(&text)
            .map(|uuid| Value::Uuid(uuid.hyphenated().to_string()))
            .map_err(|_| no_form(path, "a UUID: `67e55044-10b1-426f-9247-bb680e5fe0c8`")),
        (name, other) => Err(malformed(format!("{} must fit type {name}, and is {}", path.text(), other.label()))),
    }
}

fn no_form(path: &Path, form: &str) -> Refusal {
    malformed(format!("{} must be {form}", path.text()))
}

fn zoneless(text: &str) -> Option<jiff::civil::DateTime> {
    // The parser also takes a bare date, and forgets an offset: a moment would silently become a local time.
    let (_, time) = text.split_once(['T', ' '])?;
    if time.contains(['Z', 'z', '+', '-', '[']) {
        return None;
    }
    text.parse().ok()
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match digits.split_once('.') {
        Some((whole, fraction)) => all(whole) && all(fraction),
        None => all(digits),
    }
}

/// A JSON document: `value` is the document itself, not its text.
fn document(item: &Item, path: &Path) -> Result<Value, Refusal> {
    if holds_bytes(item) {
        return Err(malformed(format!("{} holds bytes, which JSON has not", path.text()))
            .hint("put base64 text into the document"));
    }
    let mut text = Vec::new();
    json::write(item, &mut text);
    String::from_utf8(text).map(Value::Json).map_err(|_| no_form(path, "a JSON document"))
}

fn holds_bytes(item: &Item) -> bool {
    match item {
        Item::Bytes(_) => true,
        Item::List(items) => items.iter().any(holds_bytes),
        Item::Map(entries) => entries.iter().any(|(_, item)| holds_bytes(item)),
        Item::Null | Item::Boolean(_) | Item::Integer(_) | Item::Float(_) | Item::Text(_) => false,
    }
}
