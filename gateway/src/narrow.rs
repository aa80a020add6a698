//! A mount's file, narrowed to what is used: what people wrote in it stays, what is not used goes, and each line that is
//! left tells its evidence.

use std::fmt::Write as _;

use mountgate_core::{AgentName, ColumnName, Limits, Node, Rate, ceiling::RelationDeclaration};
use mountgate_review::{LimitSuggestion, Predicted, Seen, Suggestion, TableSuggestion, Unused};
use toml_edit::{Array, DocumentMut, Item, TableLike, Value};

use crate::config::MountConfig;

/// Why a file could not be narrowed.
#[derive(Debug, thiserror::Error)]
pub enum NarrowError {
    /// It is no TOML (any more).
    #[error("`{file}` cannot be read: {why}")]
    Unreadable {
        /// The file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// Nothing of what the file shows was used, and a mount that shows nothing is none.
    #[error("agent `{agent}` used nothing that `{file}` still shows: revoke it, or look at a longer time")]
    Nothing {
        /// The file.
        file: String,
        /// The agent.
        agent: String,
    },
}

/// The mount's file as `suggestion` would have it, with the evidence in comments; `predicted` says what it would have
/// refused.
///
/// # Errors
/// See [`NarrowError`].
pub fn narrowed(mount: &MountConfig, suggestion: &Suggestion, predicted: &Predicted) -> Result<String, NarrowError> {
    let file = mount.source.shown.clone();
    let mut document = parse(mount)?;
    let mut notes = Notes::default();
    // What was observed is to be enforced.
    for key in ["mode", "until"] {
        document.remove(key);
    }
    agents(&mut document, suggestion, &mut notes);
    let mut left = 0_usize;
    if let Some(tables) = document.get_mut("tables").and_then(Item::as_table_like_mut) {
        let names: Vec<String> = tables.iter().map(|(name, _)| name.to_owned()).collect();
        for name in names {
            let used = suggestion.tables.get(name.as_str());
            let declared = mount.tables.get(name.as_str());
            let (Some(used), Some(declared)) = (used, declared) else {
                tables.remove(&name);
                notes.unused.push(format!("`{name}`"));
                continue;
            };
            left += 1;
            if let Some(item) = tables.get_mut(&name) {
                table(&name, item, declared, used, suggestion.decisions, &mut notes);
            }
        }
    }
    if left == 0 {
        return Err(NarrowError::Nothing { file, agent: suggestion.agent.to_string() });
    }
    for name in suggestion.tables.keys().filter(|name| !mount.tables.contains_key(*name)) {
        notes.gone.push(format!("`{name}` was used, and `{file}` no longer shows it"));
    }
    limits(&mut document, &mount.limits, &suggestion.limits);
    let mut out = heading(mount, suggestion);
    out.push_str(document.to_string().trim_start_matches('\n'));
    if !out.ends_with('\n') {
        out.push('\n');
    }
    notes.write(&mut out, suggestion, predicted);
    Ok(out)
}

/// The mount's file without what a review found to be unused; everything else stays as it was written. `None` where
/// nothing can go.
///
/// # Errors
/// See [`NarrowError`]; where everything would go, the mount itself should.
pub fn without(mount: &MountConfig, unused: &[Unused], idle: &[AgentName]) -> Result<Option<String>, NarrowError> {
    let mut document = parse(mount)?;
    let gone = |table: &str, column: Option<&str>| {
        unused.iter().any(|one| {
            one.table.as_str() == table
                && match (&one.column, column) {
                    (None, _) => true,
                    (Some(of), Some(column)) => of.as_str() == column,
                    (Some(_), None) => false,
                }
        })
    };
    let nothing = || NarrowError::Nothing { file: mount.source.shown.clone(), agent: "any".to_owned() };
    if let Some(tables) = document.get_mut("tables").and_then(Item::as_table_like_mut) {
        for (name, declared) in &mount.tables {
            let name = name.as_str();
            // A table of which no column is left shows nothing.
            if gone(name, None) || declared.columns.iter().all(|column| gone(name, Some(column.as_str()))) {
                tables.remove(name);
                continue;
            }
            let Some(table) = tables.get_mut(name).and_then(Item::as_table_like_mut) else { continue };
            if let Some(columns) = table.get_mut("columns").and_then(Item::as_array_mut) {
                columns.retain(|column| !column.as_str().is_some_and(|column| gone(name, Some(column))));
            }
            keep_masks(table, |column| !gone(name, Some(column)));
            // What is no longer shown can't be demanded of agents.
            let demanded = table.get_mut("require").and_then(Item::as_array_mut).map(|keys| {
                keys.retain(|column| !column.as_str().is_some_and(|column| gone(name, Some(column))));
                keys.is_empty()
            });
            if demanded == Some(true) {
                table.remove("require");
            }
        }
        if tables.is_empty() {
            return Err(nothing());
        }
    }
    let is_idle = |agent: &str| idle.iter().any(|idle| idle.as_str() == agent);
    if mount.agents.iter().all(|agent| is_idle(agent.as_str())) {
        return Err(nothing());
    }
    let listed = document.get_mut("agents").and_then(Item::as_array_mut).map(|agents| {
        agents.retain(|agent| !agent.as_str().is_some_and(is_idle));
        agents.is_empty()
    });
    if listed == Some(true) {
        document.remove("agents");
    }
    if let Some(own) = document.get_mut("agent").and_then(Item::as_table_like_mut) {
        for agent in idle {
            own.remove(agent.as_str());
        }
        if own.is_empty() {
            document.remove("agent");
        }
    }
    let text = document.to_string();
    Ok((text != mount.source.text).then_some(text))
}

fn parse(mount: &MountConfig) -> Result<DocumentMut, NarrowError> {
    mount.source.text.parse().map_err(|error: toml_edit::TomlError| NarrowError::Unreadable {
        file: mount.source.shown.clone(),
        why: error.to_string(),
    })
}

/// What was left out and why, for the end of the file.
#[derive(Default)]
struct Notes {
    unused: Vec<String>,
    gone: Vec<String>,
    others: Vec<String>,
}

impl Notes {
    fn write(&self, out: &mut String, suggestion: &Suggestion, predicted: &Predicted) {
        let mut section = |title: &str, lines: &mut dyn Iterator<Item = String>| {
            let mut lines = lines.peekable();
            if lines.peek().is_some() {
                let _ = write!(out, "\n# {title}\n");
                for line in lines {
                    let _ = writeln!(out, "#   {}", one_line(&line));
                }
            }
        };
        section("Not used, and taken out:", &mut self.unused.iter().cloned());
        section("Used too seldom, and taken out:", &mut suggestion.left_out.iter().cloned());
        section("Serves no longer from this file:", &mut self.others.iter().cloned());
        let unsure = suggestion.unsure.iter().chain(&self.gone).cloned();
        section("Not sure:", &mut { unsure });
        let refused = format!("{} of the {} recorded requests", predicted.refused, predicted.decisions);
        let why = predicted.reasons.iter().map(|(reason, (count, example))| {
            let example = example.map(|id| format!(", first in decision {id}")).unwrap_or_default();
            format!("{count} because {reason}{example}")
        });
        section("It would have refused:", &mut std::iter::once(refused).chain(why));
    }
}

/// A comment ends where its line does, whatever a name holds.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn heading(mount: &MountConfig, suggestion: &Suggestion) -> String {
    format!(
        "# What agent `{}` needs of mount `{}`, learned from {}.\n\
         # Read it before you use it: a ledger shows what was asked, not what should have been.\n",
        suggestion.agent,
        mount.name,
        requests(suggestion.decisions),
    )
}

fn requests(seen: Seen) -> String {
    let noun = if seen.count == 1 { "request" } else { "requests" };
    format!("{} {noun}, {} to {}", grouped(seen.count), day(seen.first_ms), day(seen.last_ms))
}

/// `12 of 40 requests (30 %), 2026-11-01 to 2026-11-14`
fn evidence(seen: Seen, all: u64) -> String {
    let share = seen.share(all) * 100.0;
    let share = if share > 0.0 && share < 1.0 { "< 1".to_owned() } else { format!("{share:.0}") };
    format!("{} of {} ({share} %), {} to {}", grouped(seen.count), grouped(all), day(seen.first_ms), day(seen.last_ms))
}

fn day(unix_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(unix_ms)
        .map_or_else(|_| unix_ms.to_string(), |at| at.strftime("%Y-%m-%d").to_string())
}

/// `1,204`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The file serves this agent alone.
fn agents(document: &mut DocumentMut, suggestion: &Suggestion, notes: &mut Notes) {
    let agent = suggestion.agent.as_str();
    let listed: Vec<String> = document
        .get("agents")
        .and_then(Item::as_array)
        .map(|agents| agents.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    let mut others: Vec<String> = listed.iter().filter(|name| *name != agent).cloned().collect();
    if !others.is_empty() {
        let only: Array = listed.iter().filter(|name| *name == agent).map(String::as_str).collect();
        if only.is_empty() {
            document.remove("agents");
        } else if let Some(item) = document.get_mut("agents") {
            *item = Item::Value(Value::Array(only));
        }
    }
    if let Some(own) = document.get_mut("agent").and_then(Item::as_table_like_mut) {
        let names: Vec<String> = own.iter().map(|(name, _)| name.to_owned()).filter(|name| name != agent).collect();
        for name in names {
            own.remove(&name);
            if !others.contains(&name) {
                others.push(name);
            }
        }
        if own.is_empty() {
            document.remove("agent");
        }
    }
    notes.others.extend(others.into_iter().map(|name| format!("`{name}`: give it a mount of its own")));
}

fn table(
    name: &str,
    item: &mut Item,
    declared: &RelationDeclaration,
    used: &TableSuggestion,
    all: Seen,
    notes: &mut Notes,
) {
    if let Some(table) = item.as_table_mut() {
        let decor = table.decor_mut();
        let before = decor.prefix().and_then(|raw| raw.as_str()).unwrap_or_default().to_owned();
        let before = if before.ends_with('\n') || before.is_empty() { before } else { format!("{before}\n") };
        decor.set_prefix(format!("{before}# {}\n", evidence(used.seen, all.count)));
    }
    let Some(table) = item.as_table_like_mut() else { return };
    let mut columns = Array::new();
    let mut last = String::new();
    for column in &declared.columns {
        let Some(kept) = used.columns.get(column) else {
            notes.unused.push(format!("`{name}`.`{column}`"));
            continue;
        };
        let mut value = Value::from(column.as_str());
        value.decor_mut().set_prefix(format!("{last}\n    "));
        columns.push_formatted(value);
        last = format!(" # {}: {}", evidence(kept.seen, all.count), kept.uses.join(", "));
    }
    columns.set_trailing(format!("{last}\n"));
    columns.set_trailing_comma(true);
    set(table, "columns", Value::Array(columns), "");
    keep_masks(table, |column| used.columns.contains_key(column));
    filter(table, declared, used, all.count);
    require(table, declared, used, all.count);
}

/// Takes out the masks of columns that are not kept.
fn keep_masks(table: &mut dyn TableLike, kept: impl Fn(&str) -> bool) {
    let Some(masks) = table.get_mut("masks").and_then(Item::as_table_like_mut) else { return };
    let gone: Vec<String> = masks.iter().map(|(column, _)| column.to_owned()).filter(|column| !kept(column)).collect();
    for column in gone {
        masks.remove(&column);
    }
    if masks.is_empty() {
        table.remove("masks");
    }
}

/// Sets a key, its place and what stands before it kept.
fn set(table: &mut dyn TableLike, key: &str, mut value: Value, comment: &str) {
    if !comment.is_empty() {
        value.decor_mut().set_suffix(format!(" # {comment}"));
    }
    match table.get_mut(key) {
        Some(item) => {
            let before =
                item.as_value().and_then(|value| value.decor().prefix()).and_then(|raw| raw.as_str()).unwrap_or(" ");
            value.decor_mut().set_prefix(before.to_owned());
            *item = Item::Value(value);
        }
        None => {
            value.decor_mut().set_prefix(" ");
            table.insert(key, Item::Value(value));
        }
    }
}

fn filter(table: &mut dyn TableLike, declared: &RelationDeclaration, used: &TableSuggestion, all: u64) {
    let there: Vec<(&ColumnName, &Node)> =
        declared.filter.as_ref().map(|filter| filter.equalities()).unwrap_or_default();
    let mut text = table.get("filter").and_then(Item::as_str).map(str::to_owned);
    let mut told = Vec::new();
    for (column, (claim, seen)) in &used.filters {
        let has = there.iter().any(|(of, node)| *of == column && matches!(node, Node::Claim(name) if name == claim));
        if has {
            continue;
        }
        let more = format!("{} = claim.{claim}", named(column));
        text = Some(match text {
            Some(text) => format!("({text}) AND {more}"),
            None => more,
        });
        told.push(format!("{column} = claim.{claim} held in {}", evidence(*seen, all)));
    }
    if let (Some(text), false) = (text, told.is_empty()) {
        set(table, "filter", Value::from(text), &one_line(&told.join("; ")));
    }
}

/// A column as a filter's text names it.
fn named(column: &ColumnName) -> String {
    let plain = column.as_str().chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && column.as_str().starts_with(|c: char| c.is_ascii_lowercase());
    // Where a plain name could be a word of the filter's language, quotes do no harm.
    let word = ["and", "or", "not", "in", "is", "null", "true", "false", "between", "any", "like", "claim"];
    if plain && !word.contains(&column.as_str()) {
        column.to_string()
    } else {
        format!("\"{}\"", column.as_str().replace('"', "\"\""))
    }
}

fn require(table: &mut dyn TableLike, declared: &RelationDeclaration, used: &TableSuggestion, all: u64) {
    let more: Vec<(&ColumnName, &Seen)> =
        used.require.iter().filter(|(column, _)| !declared.require.contains(column)).collect();
    if more.is_empty() {
        return;
    }
    let columns: Array =
        declared.require.iter().chain(more.iter().map(|(column, _)| *column)).map(ColumnName::as_str).collect();
    let told: Vec<String> =
        more.iter().map(|(column, seen)| format!("{column} given in {}", evidence(**seen, all))).collect();
    set(table, "require", Value::Array(columns), &one_line(&told.join("; ")));
}

/// Limits at the smaller of what the file says and what is suggested.
fn limits(document: &mut DocumentMut, declared: &Limits, suggested: &[LimitSuggestion]) {
    if suggested.is_empty() {
        return;
    }
    let item = document.entry("limits").or_insert_with(|| Item::Table(toml_edit::Table::new()));
    let Some(table) = item.as_table_like_mut() else { return };
    for one in suggested {
        let comment = format!("highest seen: {}", grouped(one.highest));
        match (one.key, one.window) {
            ("requests", Some(window)) => rate(table, one, window, &declared.requests, &comment),
            ("rows", Some(window)) => rate(table, one, window, &declared.rows, &comment),
            ("max_rows", None) if declared.max_rows.is_none_or(|rows| one.value < rows) => {
                set(table, one.key, integer(one.value), &comment);
            }
            ("max_bytes", None) if declared.max_bytes.is_none_or(|bytes| one.value < bytes) => {
                set(table, one.key, Value::from(format!("{}B", one.value)), &comment);
            }
            ("timeout", None) if declared.timeout_ms.is_none_or(|timeout| one.value < timeout) => {
                set(table, one.key, Value::from(format!("{}ms", one.value)), &format!("{comment} ms"));
            }
            _ => {}
        }
    }
}

fn integer(number: u64) -> Value {
    Value::from(i64::try_from(number).unwrap_or(i64::MAX))
}

fn rate(table: &mut dyn TableLike, one: &LimitSuggestion, window: &str, declared: &[Rate], comment: &str) {
    let window_ms = if window == "minute" { 60_000 } else { 3_600_000 };
    if declared.iter().any(|rate| rate.window_ms == window_ms && rate.amount <= one.value) {
        return;
    }
    let text = format!("{}/{window}", one.value);
    let others: Vec<&Rate> = declared.iter().filter(|rate| rate.window_ms != window_ms).collect();
    if others.is_empty() {
        set(table, one.key, Value::from(text), comment);
        return;
    }
    // A list of rates that all hold: those of other windows stay as they were written.
    let written: Vec<Value> = match table.get(one.key).and_then(Item::as_value) {
        Some(Value::Array(rates)) => rates.iter().cloned().collect(),
        Some(value) => vec![value.clone()],
        None => vec![],
    };
    let kept = written.into_iter().zip(declared).filter(|(_, rate)| rate.window_ms != window_ms);
    let mut rates: Array = kept.filter_map(|(value, _)| value.as_str().map(str::to_owned)).collect();
    rates.push(text);
    set(table, one.key, Value::Array(rates), comment);
}

#[cfg(test)]
mod tests;
