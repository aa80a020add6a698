//! Verdicts, masks and limits in the mount file's own notation, for people and for case files.

use mountgate_core::{ColumnType, Grant, Limits, Mask, Rate, RelationGrant, Value, Verdict};
use mountgate_sql::filter;

/// A text as TOML writes it.
pub fn text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A key as TOML writes it: bare where it may be.
pub fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { name.to_owned() } else { text(name) }
}

/// Texts as a list.
pub fn texts<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let items: Vec<String> = items.into_iter().map(text).collect();
    format!("[{}]", items.join(", "))
}

/// A value as a case writes it; what TOML has no form for is written as text.
pub fn value(value: &Value) -> String {
    match value {
        Value::Null => text("NULL"),
        Value::Boolean(truth) => truth.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => toml::Value::Float(*number).to_string(),
        Value::Decimal(digits) => text(digits),
        Value::Text(content) | Value::Interval(content) | Value::Uuid(content) | Value::Json(content) => text(content),
        Value::Date(content) | Value::Time(content) | Value::Timestamp(content) | Value::TimestampTz(content) => {
            content.clone()
        }
        Value::Bytes(bytes) => text(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(self::value).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

/// A mask.
pub fn mask(mask: &Mask) -> String {
    match mask {
        Mask::Null => text("null"),
        Mask::Hash => text("hash"),
        Mask::Fixed(fixed) => format!("{{ fixed = {} }}", value(fixed)),
        Mask::Partial { first, last, fill } => {
            format!("{{ partial = {{ first = {first}, last = {last}, fill = {} }} }}", text(fill))
        }
        Mask::Truncate(part) => format!("{{ truncate = {} }}", text(part.label())),
        Mask::Round { digits } => format!("{{ round = {digits} }}"),
        Mask::Bucket { width } => format!("{{ bucket = {width} }}"),
    }
}

/// A column's type.
pub fn column_type(text: &str) -> Result<ColumnType, String> {
    if let Some(of) = text.strip_suffix("[]") {
        return Ok(ColumnType::Array(Box::new(column_type(of)?)));
    }
    const ALL: [ColumnType; 14] = [
        ColumnType::Boolean,
        ColumnType::Integer,
        ColumnType::Float,
        ColumnType::Decimal,
        ColumnType::Text,
        ColumnType::Bytes,
        ColumnType::Date,
        ColumnType::Time,
        ColumnType::Timestamp,
        ColumnType::TimestampTz,
        ColumnType::Interval,
        ColumnType::Uuid,
        ColumnType::Json,
        ColumnType::Any,
    ];
    ALL.iter().find(|ty| ty.label() == text).cloned().ok_or_else(|| {
        let words: Vec<String> = ALL.iter().map(ColumnType::label).collect();
        match mountgate_core::ceiling::likely(text, words.iter().map(String::as_str)) {
            Some(near) => format!("`{text}` is no type; did you mean `{near}`?"),
            None => format!("`{text}` is no type: write {}, or one of them with `[]` for an array", words.join(", ")),
        }
    })
}

/// So much per window: `10/minute`.
pub fn rate(rate: &Rate) -> String {
    match rate.window_ms {
        1_000 => format!("{}/second", rate.amount),
        60_000 => format!("{}/minute", rate.amount),
        3_600_000 => format!("{}/hour", rate.amount),
        86_400_000 => format!("{}/day", rate.amount),
        other => format!("{} in {other}ms", rate.amount),
    }
}

/// A span of time.
pub fn span(ms: u64) -> String {
    match ms {
        ms if ms > 0 && ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms > 0 && ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms if ms > 0 && ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

/// The limits that are set, each as `key = value`.
pub fn limits(limits: &Limits) -> Vec<String> {
    let rates = |key: &str, rates: &[Rate], unit: &str| {
        let with_unit = |one: &Rate| {
            let said = rate(one);
            said.split_once('/').map_or(said.clone(), |(amount, window)| format!("{amount}{unit}/{window}"))
        };
        match rates {
            [] => None,
            [only] => Some(format!("{key} = {}", text(&with_unit(only)))),
            many => {
                let all: Vec<String> = many.iter().map(with_unit).collect();
                Some(format!("{key} = {}", texts(all.iter().map(String::as_str))))
            }
        }
    };
    [
        rates("requests", &limits.requests, ""),
        rates("rows", &limits.rows, ""),
        rates("bytes", &limits.bytes, "B"),
        limits.max_rows.map(|rows| format!("max_rows = {rows}")),
        limits.max_bytes.map(|bytes| format!("max_bytes = \"{bytes}B\"")),
        limits.timeout_ms.map(|ms| format!("timeout = {}", text(&span(ms)))),
        limits.concurrency.map(|most| format!("concurrency = {most}")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A verdict, line by line.
pub fn verdict(verdict: &Verdict) -> Vec<String> {
    match verdict {
        Verdict::Deny { code, reason, hint } => {
            let mut lines = vec![format!("deny {code}: {reason}")];
            lines.extend(hint.as_ref().map(|hint| format!("  hint: {hint}")));
            lines
        }
        Verdict::Allow { grant, limits, valid_for_ms } => {
            let mut lines = vec![match valid_for_ms {
                Some(ms) => format!("allow, for {}", span(*ms)),
                None => "allow".to_owned(),
            }];
            lines.extend(self::grant(grant));
            lines.extend(self::limits(limits).into_iter().map(|limit| format!("  {limit}")));
            lines
        }
        Verdict::Hold { grant, reason, expires_ms } => {
            let until = expires_ms.map(|ms| format!(", for {}", span(ms))).unwrap_or_default();
            let mut lines = vec![format!("hold{until}: {reason}")];
            lines.extend(self::grant(grant));
            lines
        }
    }
}

fn grant(grant: &Grant) -> Vec<String> {
    match grant {
        Grant::Ceiling => vec!["  the ceiling as it is".to_owned()],
        Grant::Narrowed(relations) if relations.is_empty() => vec!["  no table".to_owned()],
        Grant::Narrowed(relations) => {
            relations.iter().map(|(name, granted)| format!("  {name}: {}", relation(granted))).collect()
        }
    }
}

fn relation(granted: &RelationGrant) -> String {
    let columns: Vec<String> = granted
        .columns
        .iter()
        .map(|(column, masks)| {
            let masks: Vec<String> = masks.iter().map(mask).collect();
            if masks.is_empty() { column.to_string() } else { format!("{column} [{}]", masks.join(", ")) }
        })
        .collect();
    match &granted.filter {
        Some(rows) => format!("{} where {}", columns.join(", "), filter::text(rows)),
        None => columns.join(", "),
    }
}

#[cfg(test)]
mod tests;
