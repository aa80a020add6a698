//! What a person sees of a write before they approve it.
//!
//! Statement, reason and values are the agent's own words: on a terminal they could move the cursor, hide a line, or turn
//! it round. Whatever is not plain is shown by its number.

use serde_json::Value as Json;

use super::super::{Output, output::moment};

/// Cells longer than this are cut in lists, never where something is approved.
const SHORT: usize = 40;

/// Text as it is, but for what is not seen as it is: control characters, and those that change the direction or show
/// nothing.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let hidden = c.is_control()
            || matches!(c,
                '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
                | '\u{3164}' | '\u{115f}' | '\u{1160}' | '\u{ffa0}' | '\u{fe00}'..='\u{fe0f}');
        if hidden {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// The same, cut.
pub(super) fn short(text: &str) -> String {
    let text = plain(text);
    if text.chars().count() <= SHORT {
        return text;
    }
    text.chars().take(SHORT - 1).chain(['…']).collect()
}

/// A field as text.
pub(super) fn field(of: &Json, key: &str) -> String {
    match of.get(key) {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(text)) => plain(text),
        Some(other) => plain(&other.to_string()),
    }
}

/// A value, told from every other: a text in quotes, what has a type with it.
pub(super) fn value(value: &Json) -> String {
    match value {
        Json::Null => "NULL".to_owned(),
        Json::String(text) => format!("'{}'", plain(&text.replace('\'', "''"))),
        Json::Object(typed) => match (typed.get("type").and_then(Json::as_str), typed.get("value")) {
            (Some(ty), Some(Json::String(text))) => format!("{} '{}'", plain(ty), plain(&text.replace('\'', "''"))),
            (Some("array"), Some(Json::Array(items))) => {
                format!("[{}]", items.iter().map(self::value).collect::<Vec<_>>().join(", "))
            }
            (Some(_), Some(other)) => plain(&other.to_string()),
            _ => plain(&value.to_string()),
        },
        other => plain(&other.to_string()),
    }
}

fn items<'a>(of: &'a Json, key: &str) -> &'a [Json] {
    of.get(key).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn names(of: &Json, key: &str) -> Vec<String> {
    items(of, key).iter().filter_map(Json::as_str).map(plain).collect()
}

/// The whole of it.
pub(super) fn write(shown: &Json, output: &mut Output) -> anyhow::Result<()> {
    let told = [
        ("id", "id"),
        ("state", "state"),
        ("mount", "mount"),
        ("agent", "agent"),
        ("session", "session"),
        ("on_behalf_of", "for"),
        ("reason", "reason"),
        ("purpose", "purpose"),
        ("why", "why held"),
        ("reverts", "takes back"),
        ("preview_failed", "preview"),
        ("code", "failed with"),
    ];
    for (key, label) in told {
        let text = field(shown, key);
        if !text.is_empty() {
            output.line(format!("{label:<12}{text}"))?;
        }
    }
    if let Some(person) = shown.pointer("/requester/person").and_then(Json::as_str) {
        output.line(format!("{:<12}{}", "asked by", plain(person)))?;
    }
    if let Some(Json::Object(claims)) =
        shown.get("claims_asked").filter(|claims| claims.as_object().is_some_and(|all| !all.is_empty()))
    {
        let claims: Vec<String> =
            claims.iter().map(|(name, claim)| format!("{} = {}", plain(name), value(claim))).collect();
        output.line(format!("{:<12}{}", "claims", claims.join(", ")))?;
    }
    if let Some(until) = shown.get("expires_ms").and_then(Json::as_i64) {
        output.line(format!("{:<12}{}", "until", moment(until)))?;
    }
    let given = names(shown, "approved_by");
    let needed = shown.get("needed").and_then(Json::as_i64).unwrap_or(1);
    output.line(format!("{:<12}{} of {needed} {}", "approved", given.len(), given.join(", ")).trim_end())?;
    let Some(sql) = shown.get("sql").and_then(Json::as_str) else {
        output.line("its values are erased")?;
        return Ok(());
    };
    output.line("")?;
    for line in sql.split('\n') {
        output.line(format!("  {}", plain(line)))?;
    }
    for (at, param) in items(shown, "params").iter().enumerate() {
        output.line(format!("  ${} = {}", at + 1, value(param)))?;
    }
    rows(shown, output)
}

/// Each row before and after.
fn rows(shown: &Json, output: &mut Output) -> anyhow::Result<()> {
    let (key, columns) = (names(shown, "key"), names(shown, "columns"));
    let changes = items(shown, "changes");
    if changes.is_empty() {
        return Ok(());
    }
    let verb = field(shown, "verb");
    output.line("")?;
    output.line(format!("{verb} {} in {}:", changes.len(), field(shown, "relation")))?;
    for change in changes {
        let place: Vec<String> =
            key.iter().zip(items(change, "key")).map(|(name, of)| format!("{name} = {}", value(of))).collect();
        output.line(format!("  {}", place.join(", ")))?;
        let (before, after) =
            (change.get("before").and_then(Json::as_array), change.get("after").and_then(Json::as_array));
        for (at, column) in columns.iter().enumerate() {
            let of = |row: Option<&Vec<Json>>| row.and_then(|row| row.get(at)).map(value);
            match (of(before), of(after)) {
                (Some(before), Some(after)) if before == after => output.line(format!("      {column}: {before}"))?,
                (before, after) => {
                    if let Some(before) = before {
                        output.line(format!("    - {column}: {before}"))?;
                    }
                    if let Some(after) = after {
                        output.line(format!("    + {column}: {after}"))?;
                    }
                }
            }
        }
    }
    Ok(())
}
