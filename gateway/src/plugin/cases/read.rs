//! Case files, read strictly: an unknown key, table, column or type is an error with its place.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use mountgate_core::{
    Ceiling, ClaimName, ClaimValue, Claims, ColumnName, ColumnType, CompareOp, Door, Filter, Limits, Predicate,
    PredicateValue, RelationName, RelationTouch, Touch, Use, Uses, Value as Datum, Verb,
    ceiling::{RelationDeclaration, likely},
};
use mountgate_sql::{Dialect, Statement};
use toml::de::DeValue;

use super::{
    Case, CaseColumn, CaseMount, CaseRequest, CaseTable, CaseUsage, Expectation, ExpectedTable, ExpectedVerdict, Shown,
};
use crate::{
    config::{
        self, Problem, Problems, Source, agent_name, duration, json, mask, mount, name,
        reader::{Table, Value},
    },
    plugin::notation,
};

pub(super) fn folder(folder: &Path) -> Result<Vec<Case>, Problems> {
    let shown = folder.display().to_string();
    let whole = |why: String| Problems(vec![Problem::of_file(shown.clone(), why)]);
    let entries = std::fs::read_dir(folder)
        .map_err(|error| whole(format!("the folder of cases cannot be read: {error}; make it, with a case in it")))?;
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| whole(format!("the folder of cases cannot be read: {error}")))?.path();
        let named = path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.'));
        if named && path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(whole("there is no case: write one as `cases/NAME.toml`, or take one from the ledger with `mountgate plugin case`".to_owned()));
    }
    let (mut cases, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match config::read(&path, format!("{shown}/{name}")) {
            Ok(source) => cases.extend(file(source, &mut problems)),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(cases) } else { Err(Problems(problems)) }
}

pub(super) fn text(shown: &str, text: &str) -> Result<Vec<Case>, Problems> {
    let mut problems = Vec::new();
    let source = Source { path: PathBuf::from(shown), shown: shown.to_owned(), text: text.to_owned() };
    let cases = file(source, &mut problems);
    if problems.is_empty() { Ok(cases) } else { Err(Problems(problems)) }
}

fn file(source: Source, problems: &mut Vec<Problem>) -> Vec<Case> {
    let stem = source.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let source = Arc::new(source);
    let read = config::parse(Arc::clone(&source), problems, |_, root| lower(root, &stem, &source));
    let (cases, more) = read.unwrap_or_default();
    problems.extend(more);
    cases
}

/// A table that may be given by the file and by one of its cases: the case's keys stand over the file's.
struct Layers<'t, 'd> {
    own: Option<&'t Table<'d>>,
    files: Option<&'t Table<'d>>,
}

impl<'d> Layers<'_, 'd> {
    fn get(&self, key: &'static str) -> Option<Value<'d>> {
        // Both are asked, so that both know the key.
        let own = self.own.and_then(|table| table.get(key));
        let files = self.files.and_then(|table| table.get(key));
        own.or(files)
    }

    /// What stands under two keys of which one is given: a case's choice stands over the file's.
    fn either(&self, one: &'static str, other: &'static str) -> (Option<Value<'d>>, Option<Value<'d>>) {
        let all = (self.get(one), self.get(other));
        let own = self.own.map(|table| (table.get(one), table.get(other)));
        own.filter(|own| own.0.is_some() || own.1.is_some()).unwrap_or(all)
    }

    fn reject(&self, message: impl Into<String>) {
        if let Some(table) = self.own.or(self.files) {
            table.reject(message);
        }
    }
}

fn lower(root: &Table<'_>, stem: &str, source: &Source) -> (Vec<Case>, Vec<Problem>) {
    let mut problems = Vec::new();
    let about = root.get("about").and_then(|value| value.string()).map(str::to_owned);
    let settings = root.get("settings");
    let mounted = root.require("mount", "[mount]").and_then(|value| value.table()).and_then(|table| mount(&table));
    let Some(mounted) = mounted else { return (vec![], problems) };
    let ceiling = match mounted.ceiling() {
        Ok(ceiling) => ceiling,
        Err(errors) => {
            problems.extend(errors.iter().map(|error| {
                let place: Vec<String> =
                    std::iter::once("mount".to_owned()).chain(error.place.iter().cloned()).collect();
                source.point(&place, error.culprit.as_deref(), &error.message)
            }));
            return (vec![], problems);
        }
    };
    let request_value = root.get("request");
    let shared = request_value.as_ref().and_then(|value| value.table());
    let many = root.get("cases");
    let mut cases = Vec::new();
    let one = |own: Option<&Table<'_>>,
               name: String,
               about: Option<String>,
               settings: Option<Value<'_>>,
               expect: Option<Value<'_>>,
               at: &Table<'_>| {
        let layers = Layers { own, files: shared.as_ref() };
        if own.is_none() && shared.is_none() {
            at.reject("`request` is missing: write `[request]` with `agent` and `sql`");
            return None;
        }
        let request = request(&layers, &mounted, &ceiling);
        let expect = expect.and_then(|value| expectation(&value, &ceiling));
        let settings = settings.as_ref().map_or_else(|| serde_json::json!({}), json::object);
        Some(Case { name, about, settings, mount: mounted.clone(), request: request?, expect: expect? })
    };
    match &many {
        None => {
            let expect = root.require("expect", "[expect]");
            cases.extend(one(None, stem.to_owned(), about, settings, expect, root));
        }
        Some(many) => {
            let mut seen = BTreeSet::new();
            for table in many.tables().unwrap_or_default() {
                let named = table.require("name", "name = \"own-orders\"");
                let case_name = named.as_ref().and_then(|value| value.parsed(name)).unwrap_or_default();
                if !seen.insert(case_name.clone())
                    && let Some(named) = &named
                {
                    named.reject(format!("there is a case `{case_name}` in this file already: give one another name"));
                }
                let own_about = table.get("about").and_then(|value| value.string()).map(str::to_owned);
                let settings = table.get("settings").or_else(|| root.get("settings"));
                let own = table.get("request");
                let own = own.as_ref().and_then(|value| value.table());
                let expect = table.require("expect", "expect.verdict = \"allow\"");
                let name = format!("{stem}/{case_name}");
                cases.extend(one(own.as_ref(), name, own_about.or_else(|| about.clone()), settings, expect, &table));
            }
            if cases.is_empty() {
                many.reject_key("there is no case: write `[[cases]]`");
            }
        }
    }
    (cases, problems)
}

fn mount(table: &Table<'_>) -> Option<CaseMount> {
    let name = table.require("name", "name = \"support\"").and_then(|value| value.parsed(name));
    let zone = table.get("zone").map_or(Some("UTC".to_owned()), |value| {
        value.parsed(|text| match jiff::tz::TimeZone::get(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(_) => Err(format!("`{text}` is no time zone: write one like `Europe/Berlin`")),
        })
    });
    let limits = table.get("limits").and_then(|value| mount::limits(&value)).unwrap_or_default().0;
    let tables = table.require("tables", "[mount.tables.orders]").and_then(|value| value.table())?;
    let mut all = BTreeMap::new();
    for entry in tables.entries() {
        if let Some(lowered) = entry.table().and_then(|table| relation(&table)) {
            all.insert(RelationName::new(entry.key.as_ref()), lowered);
        }
    }
    if all.is_empty() {
        table.reject("this mount shows nothing: add a table like `[mount.tables.orders]`");
        return None;
    }
    Some(CaseMount { name: name?.into(), zone: zone?, limits, tables: all })
}

/// A table as a mount's file has it, and what the store would say of it: its columns' types and its key.
fn relation(table: &Table<'_>) -> Option<CaseTable> {
    let declared = mount::table(table);
    let mut types: BTreeMap<ColumnName, ColumnType> = BTreeMap::new();
    let typed = table.require("types", "types = { order_id = \"integer\" }");
    if let Some(all) = typed.as_ref().and_then(|value| value.table()) {
        for entry in all.entries() {
            if let Some(ty) = entry.parsed(notation::column_type) {
                types.insert(ColumnName::new(entry.key.as_ref()), ty);
            }
        }
    }
    let key = table.get("key");
    let keyed: BTreeSet<ColumnName> = key
        .as_ref()
        .and_then(|value| value.strings())
        .unwrap_or_default()
        .into_iter()
        .map(|(name, _)| ColumnName::new(name))
        .collect();
    let RelationDeclaration { columns, masks, lend, filter, .. } = declared?;
    let typed = typed?;
    let mut out = Vec::new();
    for name in columns.iter().chain(&lend) {
        if !types.contains_key(name) {
            typed.reject(format!("`types` says nothing of `{name}`: write `{name} = \"text\"`, or what it is"));
        }
    }
    // In the order of `columns`, then those lent, then the rest: a store's own order is not known here.
    let rest = types.keys().filter(|name| !columns.contains(*name) && !lend.contains(*name));
    for name in columns.iter().chain(&lend).chain(rest) {
        let Some(ty) = types.get(name) else { continue };
        let shown = match (columns.contains(name), lend.contains(name)) {
            (true, _) => Shown::Agents,
            (_, true) => Shown::Policies,
            _ => Shown::Nobody,
        };
        let column = CaseColumn {
            name: name.clone(),
            ty: ty.clone(),
            shown,
            key: keyed.contains(name),
            mask: masks.get(name).cloned(),
        };
        if !out.iter().any(|other: &CaseColumn| &other.name == name) {
            out.push(column);
        }
    }
    if let (Some(value), Some(stranger)) = (&key, keyed.iter().find(|name| !types.contains_key(*name))) {
        value.reject(format!("`types` says nothing of `{stranger}`, which is in `key`"));
    }
    Some(CaseTable { columns: out, filter })
}

fn request(layers: &Layers<'_, '_>, mounted: &CaseMount, ceiling: &Ceiling) -> Option<CaseRequest> {
    let agent = match layers.get("agent") {
        Some(value) => value.parsed(agent_name),
        None => {
            layers.reject("`agent` is missing in `request`: write `agent = \"support-bot\"`");
            None
        }
    };
    let text = |key| layers.get(key).and_then(|value| value.string()).map(str::to_owned);
    let door = layers.get("door").map_or(Some(Door::Http), |value| {
        value.choice(&[("http", Door::Http), ("mcp", Door::Mcp), ("cli", Door::Cli)])
    });
    let parameters = layers.get("parameters").map(|value| parameters(&value)).unwrap_or_default();
    let predicates = layers.get("predicates");
    let touch = match layers.either("sql", "touch") {
        (Some(sql), None) => from_sql(&sql, layers, ceiling),
        (None, Some(touch)) => touched(&touch, layers, predicates.as_ref(), ceiling),
        (Some(sql), Some(_)) => {
            sql.reject_key("`sql` says what is touched already: take one of `sql` and `touch` out");
            None
        }
        (None, None) => {
            layers.reject("what is asked for is missing in `request`: write `sql = \"SELECT …\"`, or `touch.orders = [\"status\"]`");
            None
        }
    };
    Some(CaseRequest {
        agent: agent?,
        session: text("session"),
        claims: layers.get("claims").map(|value| claims(&value)).unwrap_or_default(),
        door: door?,
        purpose: text("purpose"),
        time_ms: layers.get("time").and_then(|value| time(&value, &mounted.zone)),
        usage: layers.get("usage").and_then(|value| usage(&value)),
        parameters,
        touch: touch?,
    })
}

fn claims(value: &Value<'_>) -> Claims {
    let mut out = Claims::new();
    for entry in value.table().map(|table| table.entries()).unwrap_or_default() {
        if let Some(claim) = claim(&entry) {
            out.insert(ClaimName::new(entry.key.as_ref()), claim);
        }
    }
    out
}

fn claim(value: &Value<'_>) -> Option<ClaimValue> {
    Some(match value.raw() {
        DeValue::Boolean(truth) => ClaimValue::Boolean(*truth),
        DeValue::Integer(_) => ClaimValue::Integer(value.integer(i64::MIN, i64::MAX)?),
        DeValue::String(text) => ClaimValue::Text(text.to_string()),
        DeValue::Array(items) if items.iter().all(|item| item.get_ref().is_integer()) && !items.is_empty() => {
            let numbers = items.iter().filter_map(|item| match item.get_ref() {
                DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix()).ok(),
                _ => None,
            });
            ClaimValue::Integers(numbers.collect())
        }
        DeValue::Array(_) => ClaimValue::Texts(value.strings()?.into_iter().map(|(text, _)| text.to_owned()).collect()),
        _ => {
            value.mistyped("a text, a whole number, a boolean, or a list of texts or of whole numbers");
            return None;
        }
    })
}

fn parameters(value: &Value<'_>) -> Vec<Datum> {
    let DeValue::Array(items) = value.raw() else {
        value.mistyped("a list of values");
        return vec![];
    };
    let read = |item: &toml::Spanned<DeValue<'_>>| {
        let found = match item.get_ref() {
            DeValue::String(text) => Some(Datum::Text(text.to_string())),
            DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix()).ok().map(Datum::Integer),
            DeValue::Float(number) => number.as_str().replace('_', "").parse().ok().map(Datum::Float),
            DeValue::Boolean(truth) => Some(Datum::Boolean(*truth)),
            _ => None,
        };
        if found.is_none() {
            value.reject_at(&item.span(), "a parameter is a text, a number or a boolean");
        }
        found
    };
    items.iter().filter_map(read).collect()
}

/// A date and time: with its offset, or local in the mount's zone.
fn time(value: &Value<'_>, zone: &str) -> Option<i64> {
    let moment = match value.raw() {
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::String(text) => text.to_string(),
        _ => {
            value.mistyped("a date and time like `2026-11-24T10:00:00`");
            return None;
        }
    };
    let exact = moment.parse::<jiff::Timestamp>().ok();
    let local = || {
        let civil: jiff::civil::DateTime = moment.parse().ok()?;
        Some(civil.in_tz(zone).ok()?.timestamp())
    };
    let found = exact.or_else(local).filter(|_| moment.contains([':']));
    if found.is_none() {
        value.reject(format!("`{moment}` is no date and time: write one like `2026-11-24T10:00:00`"));
    }
    found.map(|at| at.as_millisecond())
}

fn usage(value: &Value<'_>) -> Option<CaseUsage> {
    let table = value.table()?;
    let left = |key| table.get(key).and_then(|value| value.integer(0, i64::MAX));
    Some(CaseUsage {
        requests_left: left("requests_left"),
        rows_left: left("rows_left"),
        bytes_left: left("bytes_left"),
    })
}

/// What a statement touches, as the gateway resolves it.
fn from_sql(sql: &Value<'_>, layers: &Layers<'_, '_>, ceiling: &Ceiling) -> Option<Touch> {
    let dialect = layers.get("dialect").map_or(Some(Dialect::Sqlite), |value| {
        value.choice(&[("sqlite", Dialect::Sqlite), ("postgres", Dialect::Postgres)])
    })?;
    let refused = |refusal: mountgate_core::Refusal| {
        sql.reject(format!("the gateway refuses this statement before any policy is asked ({refusal})"));
    };
    let statement = Statement::parse(dialect, sql.string()?).map_err(refused).ok()?;
    statement.touch(ceiling).map_err(refused).ok()
}

fn touched(
    value: &Value<'_>,
    layers: &Layers<'_, '_>,
    predicates: Option<&Value<'_>>,
    ceiling: &Ceiling,
) -> Option<Touch> {
    let verb = layers.get("verb").map_or(Some(Verb::Read), |value| {
        value.choice(&[
            ("read", Verb::Read),
            ("insert", Verb::Insert),
            ("update", Verb::Update),
            ("delete", Verb::Delete),
        ])
    });
    let mut relations = Vec::new();
    for entry in value.table()?.entries() {
        relations.extend(relation_touch(&entry, ceiling));
    }
    relations.sort_by(|one: &RelationTouch, other| one.relation.cmp(&other.relation));
    let mut found = Vec::new();
    for table in predicates.and_then(|value| value.tables()).unwrap_or_default() {
        found.extend(predicate(&table, ceiling));
    }
    Some(Touch { verb: verb?, relations, predicates: found })
}

/// The relation of that name under the ceiling, or what is wrong.
fn known<'c>(ceiling: &'c Ceiling, name: &str) -> Result<&'c mountgate_core::RelationCeiling, String> {
    ceiling.relation(&RelationName::new(name)).ok_or_else(|| {
        match likely(name, ceiling.relations().keys().map(RelationName::as_str)) {
            Some(near) => format!("the mount has no table `{name}`; did you mean `{near}`?"),
            None => format!("the mount has no table `{name}`: add `[mount.tables.{name}]`"),
        }
    })
}

fn known_column(relation: &mountgate_core::RelationCeiling, table: &str, name: &str) -> Result<(), String> {
    if relation.column(&ColumnName::new(name)).is_some() {
        return Ok(());
    }
    Err(match likely(name, relation.columns.iter().map(|column| column.name.as_str())) {
        Some(near) => format!("the mount shows no column `{name}` of `{table}`; did you mean `{near}`?"),
        None => format!("the mount shows no column `{name}` of `{table}`: agents can't touch it"),
    })
}

/// `orders = ["status"]`, `orders = { status = ["filtered"] }`.
fn relation_touch(entry: &Value<'_>, ceiling: &Ceiling) -> Option<RelationTouch> {
    let table = entry.key.to_string();
    let relation = known(ceiling, &table).map_err(|why| entry.reject_key(why)).ok()?;
    let mut used: BTreeMap<String, Uses> = BTreeMap::new();
    let mut references = 1;
    let mut check = |name: &str, at: &std::ops::Range<usize>, uses: Uses| match known_column(relation, &table, name) {
        Ok(()) => drop(used.insert(name.to_owned(), uses)),
        Err(why) => entry.reject_at(at, why),
    };
    if entry.raw().is_array() {
        for (name, span) in entry.strings()? {
            check(name, &span, Uses::from_iter([Use::Projected]));
        }
    } else {
        for column in entry.table()?.entries() {
            if column.key == "references" && !column.raw().is_array() {
                references = column.integer(1, 60).and_then(|count| u32::try_from(count).ok()).unwrap_or(1);
                continue;
            }
            let uses = column.strings()?;
            let read = uses.into_iter().filter_map(|(word, span)| {
                let found = Use::ALL.into_iter().find(|one| use_label(*one) == word);
                if found.is_none() {
                    let words: Vec<&str> = Use::ALL.into_iter().map(use_label).collect();
                    column.reject_at(&span, format!("`{word}` is no use of a column: write {}", words.join(", ")));
                }
                found
            });
            let uses = read.collect();
            check(&column.key, &column.key_span.clone(), uses);
        }
    }
    let columns = relation
        .columns
        .iter()
        .filter_map(|column| Some((column.name.clone(), *used.get(column.name.as_str())?)))
        .collect();
    Some(RelationTouch { relation: RelationName::new(table), columns, references })
}

/// The word that stands for a use.
pub(crate) fn use_label(one: Use) -> &'static str {
    match one {
        Use::Projected => "projected",
        Use::Filtered => "filtered",
        Use::Joined => "joined",
        Use::Grouped => "grouped",
        Use::Ordered => "ordered",
        Use::Aggregated => "aggregated",
        Use::Assigned => "assigned",
    }
}

/// `{ table = "orders", column = "state", op = "=", value = "open" }`; `parameter = 0` in the place of `value`, or
/// neither where it is something computed.
fn predicate(table: &Table<'_>, ceiling: &Ceiling) -> Option<Predicate> {
    let named = table.require("table", "table = \"orders\"")?;
    let relation = named.parsed(|text| known(ceiling, text));
    let column = table.require("column", "column = \"status\"");
    let op = table.get("op").and_then(|value| {
        value.choice(&[
            ("=", CompareOp::Eq),
            ("<>", CompareOp::Ne),
            ("<", CompareOp::Lt),
            ("<=", CompareOp::Le),
            (">", CompareOp::Gt),
            (">=", CompareOp::Ge),
        ])
    });
    let literal = table.get("value").and_then(|value| mask::datum(&value));
    let parameter = table.get("parameter").and_then(|value| value.integer(0, 999));
    let (relation, column) = (relation?, column?);
    let owner = named.string()?;
    let name = column.parsed(|text| known_column(relation, owner, text).map(|()| ColumnName::new(text)))?;
    Some(Predicate {
        relation: RelationName::new(owner),
        column: name,
        op,
        value: match (literal, parameter.and_then(|index| usize::try_from(index).ok())) {
            (Some(value), _) => PredicateValue::Literal(value),
            (None, Some(index)) => PredicateValue::Parameter(index),
            (None, None) => PredicateValue::Other,
        },
    })
}

/// `"deny"`, or a table with more.
fn expectation(value: &Value<'_>, ceiling: &Ceiling) -> Option<Expectation> {
    const WORDS: [(&str, ExpectedVerdict); 4] = [
        ("allow", ExpectedVerdict::Allow),
        ("deny", ExpectedVerdict::Deny),
        ("hold", ExpectedVerdict::Hold),
        ("fault", ExpectedVerdict::Fault),
    ];
    if !value.is_table() {
        return value.choice(&WORDS).map(Expectation::of);
    }
    let table = value.table()?;
    let verdict = table.require("verdict", "verdict = \"allow\"").and_then(|value| value.choice(&WORDS));
    let text = |key| table.get(key).and_then(|value| value.string()).map(str::to_owned);
    let (code, reason, hint) = (text("code"), text("reason"), text("hint"));
    let grant = table.get("grant");
    let as_ceiling = grant.as_ref().is_some_and(|value| value.choice(&[("ceiling", ())]).is_some());
    let listed = table.get("tables");
    if let (Some(grant), Some(_)) = (&grant, &listed) {
        grant.reject_key("`grant = \"ceiling\"` says all of it: take one of `grant` and `tables` out");
    }
    let tables = listed.and_then(|value| value.table()).map(|tables| {
        let read = |entry: &Value<'_>| {
            known(ceiling, &entry.key).map_err(|why| entry.reject_key(why)).ok()?;
            Some((RelationName::new(entry.key.as_ref()), expected_table(&entry.table()?)))
        };
        tables.entries().iter().filter_map(read).collect()
    });
    let limits = table.get("limits").and_then(|value| {
        let none = value.raw().as_table().is_some_and(|limits| limits.is_empty());
        if none { Some(Limits::default()) } else { mount::limits(&value).map(|(limits, _)| limits) }
    });
    let valid_for_ms = table.get("valid_for").and_then(|value| {
        value.parsed(|text| match text {
            "none" => Ok(0),
            text => duration(text).map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        })
    });
    let expected =
        Expectation { code, reason, hint, tables, as_ceiling, limits, valid_for_ms, ..Expectation::of(verdict?) };
    let misplaced = match expected.verdict {
        ExpectedVerdict::Allow => ["code", "reason", "hint"].as_slice(),
        ExpectedVerdict::Deny => &["grant", "tables", "limits", "valid_for"],
        ExpectedVerdict::Hold => &["code", "hint", "limits", "valid_for"],
        ExpectedVerdict::Fault => &["hint", "grant", "tables", "limits", "valid_for"],
    };
    for key in misplaced {
        // An expectation that can't be compared would pass whatever comes.
        if let Some(given) = table.get(key) {
            given.reject_key(format!("`{key}` says nothing of a verdict `{}`: take it out", expected.verdict.label()));
        }
    }
    Some(expected)
}

fn expected_table(table: &Table<'_>) -> ExpectedTable {
    let columns = table.get("columns").and_then(|value| value.strings());
    let masks = table.get("masks").and_then(|value| value.table()).map(|masks| {
        let read = |entry: &Value<'_>| Some((ColumnName::new(entry.key.as_ref()), vec![mask::mask(entry)?]));
        masks.entries().iter().filter_map(read).collect()
    });
    let filter: Option<Filter> = table.get("filter").and_then(|value| value.parsed(mountgate_sql::filter::parse));
    ExpectedTable {
        columns: columns.map(|all| all.into_iter().map(|(name, _)| ColumnName::new(name)).collect()),
        masks,
        filter,
    }
}
