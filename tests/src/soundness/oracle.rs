//! What is in scope, worked out anew: masks and filters as functions over values in memory. It shares nothing with the
//! rewriter, its printer or the stores' mask functions: the definitions are those of the documents.

use std::cmp::Ordering;

use mountgate_core::{ClaimValue, Claims, ColumnName, CompareOp, DatePart, Filter, Mask, Node, Value};
use mountgate_sql::Dialect;
use sha2::{Digest as _, Sha256};

/// The column under the masks, in order.
pub fn masked(dialect: Dialect, kind: super::world::Kind, value: &Value, masks: &[Mask], key: &[u8; 32]) -> Value {
    let mut kind = kind;
    let mut value = value.clone();
    for mask in masks {
        value = one(dialect, kind, &value, mask, key);
        if matches!(mask, Mask::Hash | Mask::Partial { .. }) {
            kind = super::world::Kind::Text;
        }
    }
    value
}

fn one(dialect: Dialect, kind: super::world::Kind, value: &Value, mask: &Mask, key: &[u8; 32]) -> Value {
    match mask {
        Mask::Null => return Value::Null,
        Mask::Fixed(fixed) => return fixed.clone(),
        _ => {}
    }
    if *value == Value::Null {
        return Value::Null;
    }
    match mask {
        Mask::Null | Mask::Fixed(_) => Value::Null,
        Mask::Partial { first, last, fill } => {
            let chars: Vec<char> = as_text(dialect, value).chars().collect();
            let (first, last) = (*first as usize, *last as usize);
            let fill = fill.chars().next().unwrap_or('*');
            let hide_all = first + last >= chars.len();
            let shown = |at: usize| !hide_all && (at < first || at + last >= chars.len());
            Value::Text(chars.iter().enumerate().map(|(at, c)| if shown(at) { *c } else { fill }).collect())
        }
        Mask::Hash => Value::Text(hmac_hex(key, as_text(dialect, value).as_bytes())),
        Mask::Truncate(part) => truncate(value, *part),
        Mask::Round { digits } => round(dialect, kind, value, *digits),
        Mask::Bucket { width } => bucket(dialect, kind, value, *width),
    }
}

/// HMAC-SHA-256 as in RFC 2104, its first sixteen bytes in hexadecimal.
fn hmac_hex(key: &[u8; 32], text: &[u8]) -> String {
    let mut pads = [[0x36_u8; 64], [0x5c_u8; 64]];
    for pad in &mut pads {
        for (at, byte) in key.iter().enumerate() {
            pad[at] ^= byte;
        }
    }
    let inner = Sha256::new().chain_update(pads[0]).chain_update(text).finalize();
    let outer = Sha256::new().chain_update(pads[1]).chain_update(inner).finalize();
    outer.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The value as the store prints it.
pub fn as_text(dialect: Dialect, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Boolean(truth) if dialect == Dialect::Sqlite => i32::from(*truth).to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bytes(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\\x{digits}")
        }
        Value::Timestamp(text) | Value::TimestampTz(text) => text.replace('T', " ").replace('Z', "+00"),
        Value::Decimal(text)
        | Value::Text(text)
        | Value::Date(text)
        | Value::Time(text)
        | Value::Interval(text)
        | Value::Uuid(text)
        | Value::Json(text) => text.clone(),
        Value::Array(_) => unreachable!("no mask takes an array's text"),
    }
}

/// Zero without its sign: no store keeps it in a column.
fn unsigned(number: f64) -> f64 {
    number + 0.0
}

fn truncate(value: &Value, part: DatePart) -> Value {
    let cut = |text: &str| {
        let month: u32 = text[5..7].parse().unwrap();
        let day = match part {
            DatePart::Year => format!("{}-01-01", &text[..4]),
            DatePart::Quarter => format!("{}-{:02}-01", &text[..4], (month - 1) / 3 * 3 + 1),
            DatePart::Month => format!("{}-01", &text[..7]),
            DatePart::Day | DatePart::Hour => text[..10].to_owned(),
        };
        if text.len() == 10 {
            return day;
        }
        let hour = if part == DatePart::Hour { &text[11..13] } else { "00" };
        let zone = text.find('Z').map_or("", |at| &text[at..]);
        format!("{day}{}{hour}:00:00{zone}", &text[10..11])
    };
    match value {
        // SQLite holds dates as text; what is no date has no part.
        Value::Text(text) if text.len() < 10 || !text.starts_with("20") => Value::Null,
        Value::Text(text) => Value::Text(cut(text)),
        Value::Date(text) => Value::Date(cut(text)),
        Value::Timestamp(text) => Value::Timestamp(cut(text)),
        Value::TimestampTz(text) => Value::TimestampTz(cut(text)),
        _ => Value::Null,
    }
}

fn round(dialect: Dialect, kind: super::world::Kind, value: &Value, digits: i32) -> Value {
    let whole = |number: i64| {
        if digits >= 0 {
            return number;
        }
        let unit = 10_i64.pow(digits.unsigned_abs());
        let (low, rest) = (number / unit * unit, number % unit);
        if rest * 2 >= unit {
            low + unit
        } else if rest * 2 <= -unit {
            low - unit
        } else {
            low
        }
    };
    let real = |number: f64| {
        let scale = 10_f64.powi(digits);
        let scaled = number * scale;
        (if scaled < 0.0 { (scaled - 0.5).ceil() } else { (scaled + 0.5).floor() }) / scale
    };
    match value {
        Value::Integer(number) => Value::Integer(whole(*number)),
        Value::Float(number) if dialect == Dialect::Sqlite && kind == super::world::Kind::Int => {
            Value::Integer(whole(*number as i64))
        }
        Value::Float(number) => Value::Float(unsigned(real(*number))),
        Value::Decimal(text) => Value::Decimal(decimal(&cents(text), digits)),
        // A text in a column of whole numbers counts as none.
        Value::Text(_) if kind == super::world::Kind::Int => Value::Integer(0),
        _ => Value::Null,
    }
}

/// Hundredths.
fn cents(text: &str) -> i64 {
    let negative = text.starts_with('-');
    let (whole, part) = text.trim_start_matches('-').split_once('.').unwrap_or((text.trim_start_matches('-'), "00"));
    let hundredths = whole.parse::<i64>().unwrap() * 100 + part.parse::<i64>().unwrap();
    if negative { -hundredths } else { hundredths }
}

fn decimal(cents: &i64, digits: i32) -> String {
    let unit = 10_i64.pow((2 - digits.min(2)).unsigned_abs());
    let rounded = (cents.abs() + unit / 2) / unit * unit * cents.signum();
    let sign = if rounded < 0 { "-" } else { "" };
    let (whole, part) = (rounded.abs() / 100, rounded.abs() % 100);
    match digits {
        2.. => format!("{sign}{whole}.{part:02}{}", "0".repeat((digits - 2) as usize)),
        1 => format!("{sign}{whole}.{}", part / 10),
        _ => format!("{sign}{whole}"),
    }
}

fn bucket(dialect: Dialect, kind: super::world::Kind, value: &Value, width: i64) -> Value {
    let floor = |number: f64| (number / width as f64).floor() * width as f64;
    match value {
        Value::Integer(number) => Value::Integer(number.div_euclid(width) * width),
        Value::Float(number) if dialect == Dialect::Sqlite && kind == super::world::Kind::Int => {
            Value::Integer(floor(*number) as i64)
        }
        Value::Float(number) => Value::Float(unsigned(floor(*number))),
        Value::Decimal(text) => Value::Decimal((cents(text).div_euclid(width * 100) * width).to_string()),
        _ => Value::Null,
    }
}

/// Whether the row passes the filter, its columns read by `read`.
pub fn passes(filter: &Filter, claims: &Claims, read: &dyn Fn(&ColumnName) -> Value) -> bool {
    truth(filter.nodes(), filter.nodes().len() - 1, claims, read) == Some(true)
}

fn values(nodes: &[Node], at: u32, claims: &Claims, read: &dyn Fn(&ColumnName) -> Value) -> Vec<Value> {
    match &nodes[at as usize] {
        Node::Literal(value) => vec![value.clone()],
        Node::Column(name) => vec![read(name)],
        Node::Claim(name) => match &claims[name] {
            ClaimValue::Boolean(truth) => vec![Value::Boolean(*truth)],
            ClaimValue::Integer(number) => vec![Value::Integer(*number)],
            ClaimValue::Text(text) => vec![Value::Text(text.clone())],
            ClaimValue::Integers(list) => list.iter().map(|number| Value::Integer(*number)).collect(),
            ClaimValue::Texts(list) => list.iter().map(|text| Value::Text(text.clone())).collect(),
        },
        other => unreachable!("{other:?} is no value"),
    }
}

fn truth(nodes: &[Node], at: usize, claims: &Claims, read: &dyn Fn(&ColumnName) -> Value) -> Option<bool> {
    match &nodes[at] {
        Node::Always(truth) => Some(*truth),
        Node::Compare { op, left, right } => {
            let (left, right) = (values(nodes, *left, claims, read), values(nodes, *right, claims, read));
            let order = compare(&left[0], &right[0])?;
            Some(match op {
                CompareOp::Eq => order.is_eq(),
                CompareOp::Ne => order.is_ne(),
                CompareOp::Lt => order.is_lt(),
                CompareOp::Le => order.is_le(),
                CompareOp::Gt => order.is_gt(),
                CompareOp::Ge => order.is_ge(),
            })
        }
        Node::In { needle, list } => {
            let needle = &values(nodes, *needle, claims, read)[0];
            let mut unknown = false;
            for item in list {
                for value in values(nodes, *item, claims, read) {
                    match compare(needle, &value) {
                        Some(Ordering::Equal) => return Some(true),
                        Some(_) => {}
                        None => unknown = true,
                    }
                }
            }
            if unknown { None } else { Some(false) }
        }
        Node::IsNull(child) => Some(values(nodes, *child, claims, read)[0] == Value::Null),
        Node::Not(child) => truth(nodes, *child as usize, claims, read).map(|truth| !truth),
        Node::And(children) => {
            let all: Vec<_> = children.iter().map(|child| truth(nodes, *child as usize, claims, read)).collect();
            if all.contains(&Some(false)) {
                Some(false)
            } else if all.contains(&None) {
                None
            } else {
                Some(true)
            }
        }
        Node::Or(children) => {
            let all: Vec<_> = children.iter().map(|child| truth(nodes, *child as usize, claims, read)).collect();
            if all.contains(&Some(true)) {
                Some(true)
            } else if all.contains(&None) {
                None
            } else {
                Some(false)
            }
        }
        other => unreachable!("{other:?} is no truth"),
    }
}

/// Numbers before texts before bytes, as SQLite orders what is of different types; PostgreSQL never compares such.
fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    fn number(value: &Value) -> Option<f64> {
        match value {
            Value::Integer(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            Value::Boolean(truth) => Some(f64::from(u8::from(*truth))),
            Value::Decimal(text) => text.parse().ok(),
            _ => None,
        }
    }
    fn bytes(value: &Value) -> Option<&[u8]> {
        match value {
            Value::Text(text)
            | Value::Date(text)
            | Value::Time(text)
            | Value::Timestamp(text)
            | Value::TimestampTz(text)
            | Value::Uuid(text) => Some(text.as_bytes()),
            _ => None,
        }
    }
    match (one, other) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::Integer(one), Value::Integer(other)) => Some(one.cmp(other)),
        (Value::Bytes(one), Value::Bytes(other)) => Some(one.cmp(other)),
        _ => match (number(one), number(other)) {
            (Some(one), Some(other)) => one.partial_cmp(&other),
            (Some(_), None) => Some(Ordering::Less),
            (None, Some(_)) => Some(Ordering::Greater),
            (None, None) => match (bytes(one), bytes(other)) {
                (Some(one), Some(other)) => Some(one.cmp(other)),
                (Some(_), None) => Some(Ordering::Less),
                (None, Some(_)) => Some(Ordering::Greater),
                (None, None) => Some(Ordering::Equal),
            },
        },
    }
}
