//! A filter as the text that [`parse`](super::parse) reads: for people, and for comparing what two filters say.

use mountgate_core::{ColumnName, Filter, Node, Value};

use super::RESERVED;

/// The filter as a mount's file would write it. Equal texts mean equal filters: nested conjunctions are written as one,
/// and a literal by its value alone (`2026-11-24` is a text here, whatever type it had, as in a mount's file).
pub fn text(filter: &Filter) -> String {
    let nodes = filter.nodes();
    truth(nodes, nodes.len().saturating_sub(1), Within::Nothing)
}

/// What a condition stands in, and so where it needs parentheses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Nothing,
    Or,
    And,
    Not,
}

fn truth(nodes: &[Node], at: usize, within: Within) -> String {
    match nodes.get(at) {
        Some(Node::Always(truth)) => if *truth { "TRUE" } else { "FALSE" }.to_owned(),
        Some(Node::Compare { op, left, right }) => {
            format!("{} {} {}", value(nodes, *left), op.symbol(), value(nodes, *right))
        }
        Some(Node::In { needle, list }) => {
            let list: Vec<String> = list.iter().map(|item| value(nodes, *item)).collect();
            format!("{} IN ({})", value(nodes, *needle), list.join(", "))
        }
        Some(Node::IsNull(child)) => format!("{} IS NULL", value(nodes, *child)),
        Some(Node::Not(child)) => match nodes.get(*child as usize) {
            Some(Node::IsNull(inner)) => format!("{} IS NOT NULL", value(nodes, *inner)),
            _ => format!("NOT {}", truth(nodes, *child as usize, Within::Not)),
        },
        Some(Node::And(children)) => joined(nodes, children, Within::And, within),
        Some(Node::Or(children)) => joined(nodes, children, Within::Or, within),
        // INVARIANT: a filter's constructor lets no value stand where a condition is wanted.
        Some(Node::Literal(_) | Node::Claim(_) | Node::Column(_)) | None => "FALSE".to_owned(),
    }
}

fn joined(nodes: &[Node], children: &[u32], by: Within, within: Within) -> String {
    let (word, empty) = if by == Within::And { (" AND ", "TRUE") } else { (" OR ", "FALSE") };
    match children {
        [] => empty.to_owned(),
        [only] => truth(nodes, *only as usize, within),
        _ => {
            let parts: Vec<String> = children.iter().map(|child| truth(nodes, *child as usize, by)).collect();
            let text = parts.join(word);
            let alone = within == Within::Nothing || within == by || (by, within) == (Within::And, Within::Or);
            if alone { text } else { format!("({text})") }
        }
    }
}

fn value(nodes: &[Node], at: u32) -> String {
    match nodes.get(at as usize) {
        Some(Node::Literal(value)) => literal(value),
        Some(Node::Claim(name)) => format!("claim.{}", quoted(name.as_str())),
        Some(Node::Column(name)) => column(name),
        _ => "NULL".to_owned(),
    }
}

/// A column's name as a filter writes it.
fn column(name: &ColumnName) -> String {
    let text = name.as_str();
    let word = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if word(&RESERVED) || word(&["true", "false", "null"]) { in_quotes(text, '"') } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let first = text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
    if first && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$') {
        text.to_owned()
    } else {
        in_quotes(text, '"')
    }
}

fn in_quotes(text: &str, quote: char) -> String {
    format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}")))
}

/// A value as a filter writes it. Bytes and arrays, which no filter's text can hold, are shown as what they are.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Boolean(truth) => if *truth { "TRUE" } else { "FALSE" }.to_owned(),
        Value::Integer(number) => number.to_string(),
        // With an exponent it is read as a floating-point number again, not as a decimal.
        Value::Float(number) => format!("{number:e}"),
        Value::Decimal(digits) => digits.clone(),
        Value::Text(text)
        | Value::Date(text)
        | Value::Time(text)
        | Value::Timestamp(text)
        | Value::TimestampTz(text)
        | Value::Interval(text)
        | Value::Uuid(text)
        | Value::Json(text) => in_quotes(text, '\''),
        Value::Bytes(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("x'{digits}'")
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(literal).collect();
            format!("[{}]", items.join(", "))
        }
    }
}
