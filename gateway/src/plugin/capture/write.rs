//! A captured case as a case file.

use std::fmt::Write as _;

use mountgate_core::{ClaimValue, CompareOp, Filter, PredicateValue};
use mountgate_sql::filter;

use super::Captured;
use crate::plugin::{
    cases::{Case, CaseColumn, CaseTable, ExpectedTable, Shown, use_label},
    notation::{self, key, text, texts},
};

impl Captured {
    /// The case as a file that [`Case::load_dir`] reads.
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Case { about, settings, mount, request, expect, .. } = &self.case;
        for note in &self.notes {
            writeln!(out, "# {note}")?;
        }
        if let Some(about) = about {
            writeln!(out, "about = {}", text(about))?;
        }
        if let serde_json::Value::Object(settings) = settings
            && !settings.is_empty()
        {
            writeln!(out, "settings = {}", json(&serde_json::Value::Object(settings.clone())))?;
        }
        writeln!(out, "\n[mount]\nname = {}\nzone = {}", text(mount.name.as_str()), text(&mount.zone))?;
        for (name, table) in &mount.tables {
            write_table(out, name.as_str(), table)?;
        }
        let limits = notation::limits(&mount.limits);
        if !limits.is_empty() {
            writeln!(out, "\n[mount.limits]\n{}", limits.join("\n"))?;
        }
        writeln!(out, "\n[request]\nagent = {}", text(&request.agent))?;
        if let Some(session) = &request.session {
            writeln!(out, "session = {}", text(session))?;
        }
        let claims: Vec<String> =
            request.claims.iter().map(|(name, value)| format!("{} = {}", key(name.as_str()), claim(value))).collect();
        if !claims.is_empty() {
            writeln!(out, "claims = {{ {} }}", claims.join(", "))?;
        }
        writeln!(out, "door = {}", text(request.door.label()))?;
        if let Some(purpose) = &request.purpose {
            writeln!(out, "purpose = {}", text(purpose))?;
        }
        if let Some(at) = request.time_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()) {
            writeln!(out, "time = {at}")?;
        }
        if let Some(usage) = request.usage {
            let left = [
                ("requests_left", usage.requests_left),
                ("rows_left", usage.rows_left),
                ("bytes_left", usage.bytes_left),
            ];
            let left: Vec<String> =
                left.into_iter().filter_map(|(name, left)| Some(format!("{name} = {}", left?))).collect();
            writeln!(out, "usage = {{ {} }}", left.join(", "))?;
        }
        for relation in &request.touch.relations {
            let mut columns: Vec<String> = relation
                .columns
                .iter()
                .map(|(name, uses)| format!("{} = {}", key(name.as_str()), texts(uses.iter().map(use_label))))
                .collect();
            if relation.references != 1 {
                columns.push(format!("references = {}", relation.references));
            }
            writeln!(out, "touch.{} = {{ {} }}", key(relation.relation.as_str()), columns.join(", "))?;
        }
        if request.touch.relations.is_empty() {
            writeln!(out, "touch = {{}}")?;
        }
        for predicate in &request.touch.predicates {
            writeln!(out, "\n[[request.predicates]]")?;
            writeln!(out, "table = {}", text(predicate.relation.as_str()))?;
            writeln!(out, "column = {}", text(predicate.column.as_str()))?;
            if let Some(op) = predicate.op {
                writeln!(out, "op = {}", text(CompareOp::symbol(op)))?;
            }
            match &predicate.value {
                PredicateValue::Literal(value) => writeln!(out, "value = {}", notation::value(value))?,
                PredicateValue::Parameter(index) => writeln!(out, "parameter = {index}")?,
                PredicateValue::Other => {}
            }
        }
        writeln!(out, "\n[expect]\nverdict = {}", text(expect.verdict.label()))?;
        for (name, said) in [("code", &expect.code), ("reason", &expect.reason), ("hint", &expect.hint)] {
            if let Some(said) = said {
                writeln!(out, "{name} = {}", text(said))?;
            }
        }
        if let Some(limits) = &expect.limits {
            writeln!(out, "limits = {{ {} }}", notation::limits(limits).join(", "))?;
        }
        if let Some(ms) = expect.valid_for_ms {
            let said = if ms == 0 { "none".to_owned() } else { notation::span(ms) };
            writeln!(out, "valid_for = {}", text(&said))?;
        }
        if expect.as_ceiling {
            writeln!(out, "grant = \"ceiling\"")?;
        }
        if let Some(tables) = &expect.tables {
            if tables.is_empty() {
                writeln!(out, "tables = {{}}")?;
            }
            for (name, table) in tables {
                write_expected(out, name.as_str(), table)?;
            }
        }
        Ok(())
    }
}

fn write_table(out: &mut String, name: &str, table: &CaseTable) -> std::fmt::Result {
    let named = |shown: Shown| table.columns.iter().filter(move |column| column.shown == shown);
    writeln!(out, "\n[mount.tables.{}]", key(name))?;
    writeln!(out, "columns = {}", texts(named(Shown::Agents).map(|column| column.name.as_str())))?;
    let each = |what: &dyn Fn(&CaseColumn) -> Option<String>| -> Vec<String> {
        let columns = table.columns.iter();
        columns.filter_map(|column| Some(format!("{} = {}", key(column.name.as_str()), what(column)?))).collect()
    };
    writeln!(out, "types = {{ {} }}", each(&|column| Some(text(&column.ty.label()))).join(", "))?;
    let keys: Vec<&str> = table.columns.iter().filter(|column| column.key).map(|column| column.name.as_str()).collect();
    if !keys.is_empty() {
        writeln!(out, "key = {}", texts(keys))?;
    }
    let masks = each(&|column| column.mask.as_ref().map(notation::mask));
    if !masks.is_empty() {
        writeln!(out, "masks = {{ {} }}", masks.join(", "))?;
    }
    if named(Shown::Policies).next().is_some() {
        writeln!(out, "lend = {}", texts(named(Shown::Policies).map(|column| column.name.as_str())))?;
    }
    write_filter(out, table.filter.as_ref())
}

fn write_expected(out: &mut String, name: &str, table: &ExpectedTable) -> std::fmt::Result {
    writeln!(out, "\n[expect.tables.{}]", key(name))?;
    if let Some(columns) = &table.columns {
        writeln!(out, "columns = {}", texts(columns.iter().map(|column| column.as_str())))?;
    }
    if let Some(masks) = &table.masks {
        // A case's own notation has one mask for a column; more are not compared.
        let single = masks.values().all(|masks| masks.len() == 1);
        let masks: Vec<String> = masks
            .iter()
            .filter_map(|(name, masks)| {
                Some(format!("{} = {}", key(name.as_str()), masks.first().map(notation::mask)?))
            })
            .collect();
        if single {
            writeln!(out, "masks = {{ {} }}", masks.join(", "))?;
        }
    }
    write_filter(out, table.filter.as_ref())
}

fn write_filter(out: &mut String, rows: Option<&Filter>) -> std::fmt::Result {
    rows.map_or(Ok(()), |rows| writeln!(out, "filter = {}", text(&filter::text(rows))))
}

fn claim(value: &ClaimValue) -> String {
    match value {
        ClaimValue::Boolean(truth) => truth.to_string(),
        ClaimValue::Integer(number) => number.to_string(),
        ClaimValue::Text(content) => text(content),
        ClaimValue::Integers(numbers) => format!("{numbers:?}"),
        ClaimValue::Texts(all) => texts(all.iter().map(String::as_str)),
    }
}

/// A setting as TOML's inline form. Settings come from TOML, which has no null.
fn json(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => text(""),
        serde_json::Value::Bool(truth) => truth.to_string(),
        serde_json::Value::Number(number) => number.to_string(),
        serde_json::Value::String(content) => text(content),
        serde_json::Value::Array(items) => {
            let items: Vec<String> = items.iter().map(json).collect();
            format!("[{}]", items.join(", "))
        }
        serde_json::Value::Object(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(name, value)| format!("{} = {}", key(name), json(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}
