//! A mount's file.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::tz::TimeZone;
use mountgate_core::{
    AgentName, Aggregate, BackendName, ColumnName, Distinct, Hours, LastDay, LimitKey, Limits, MountName, PolicyName,
    Practice, Rate, RelationName,
    ceiling::{CeilingError, RelationDeclaration},
};
use mountgate_policy::Isolation;

use super::{
    agent_name, json,
    mask::mask,
    name,
    practice::{last_day, practice},
    reader::{Table, Value},
    shadow::{self, ShadowChoice},
    source::{Notes, Problem, Source},
    units, write,
};

/// The most different values that are counted: each is kept in memory for as long as its window.
const MOST_DISTINCT: u64 = 100_000;

/// A policy and its settings, as a mount or one of its agents uses it.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyChoice {
    /// The policy.
    pub name: PolicyName,
    /// Its settings; an empty object where there are none.
    pub settings: serde_json::Value,
    /// How its instances are kept apart.
    pub isolation: Isolation,
    /// The key in the mount's file that chose it, for pointing at it.
    pub place: Vec<String>,
}

/// Until when a mount serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The last day on which it serves, in the zone of `hours` (UTC without): `2027-03-31`.
    pub day: String,
    /// The first moment at which it no longer serves, in milliseconds since 1970-01-01T00:00Z.
    pub end_ms: i64,
}

/// A mount as its file declares it.
#[derive(Clone, Debug, PartialEq)]
pub struct MountConfig {
    /// The name.
    pub name: MountName,
    /// The backend that it opens onto.
    pub backend: BackendName,
    /// The agents that it serves, those with a section of their own included, sorted.
    pub agents: Vec<AgentName>,
    /// The policy of agents that have none of their own.
    pub policy: PolicyChoice,
    /// Policies of single agents.
    pub per_agent: BTreeMap<AgentName, PolicyChoice>,
    /// A candidate, asked beside the policy in force and never obeyed.
    pub shadow: Option<ShadowChoice>,
    /// The relations.
    pub tables: BTreeMap<RelationName, RelationDeclaration>,
    /// The limits; caps that the file is silent on are filled in by the composition.
    pub limits: Limits,
    /// Whose use is counted together.
    pub per: LimitKey,
    /// When it serves.
    pub hours: Option<Hours>,
    /// Until when it serves.
    pub expires: Option<Expiry>,
    /// What is for a time about it.
    pub practice: Practice,
    /// The file.
    pub source: Arc<Source>,
}

impl MountConfig {
    /// Every policy that it names.
    pub fn choices(&self) -> impl Iterator<Item = &PolicyChoice> {
        std::iter::once(&self.policy)
            .chain(self.per_agent.values())
            .chain(self.shadow.as_ref().map(|shadow| &shadow.policy))
    }

    /// The zone of the mount's local time: that of `hours`, or UTC.
    pub fn zone(&self) -> TimeZone {
        self.hours.as_ref().map_or(TimeZone::UTC, |hours| hours.zone().clone())
    }

    /// What the backend made of the declaration, as a problem of the mount's file.
    pub fn point(&self, error: &CeilingError) -> Problem {
        self.source.point(&error.place, error.culprit.as_deref(), &error.message)
    }
}

/// A mount as far as its own file can tell; what refers to the main file comes with where it stands.
pub(super) struct Lowered {
    pub(super) mount: MountConfig,
    /// Where the name stands.
    pub(super) name_span: std::ops::Range<usize>,
    /// Where the backend stands.
    pub(super) backend_span: std::ops::Range<usize>,
    /// Each policy named, and where.
    pub(super) policies: Vec<(PolicyName, std::ops::Range<usize>)>,
}

/// Lowers a mount's file. What is wrong is noted; `None` where too little is right to go on.
pub(super) fn lower(notes: &Notes, root: &Table<'_>) -> Option<Lowered> {
    let named = root.require("name", "name = \"support\"");
    let mount_name = named.as_ref().and_then(|value| value.parsed(name));
    let backend = root.require("backend", "backend = \"shop\"");
    let backend_name = backend.as_ref().and_then(|value| value.parsed(name));
    let mut agents: BTreeSet<AgentName> = BTreeSet::new();
    let listed = root.get("agents");
    let strings = listed.as_ref().map(|value| value.strings());
    if let Some(value) = &listed {
        for (agent, span) in strings.clone().flatten().unwrap_or_default() {
            match agent_name(agent) {
                Ok(agent) => drop(agents.insert(agent.into())),
                Err(why) => value.reject_at(&span, why),
            }
        }
    }
    let mut policies = Vec::new();
    let policy = root.require("policy", "policy = \"ceiling\"");
    let policy_name = policy.as_ref().and_then(|value| value.parsed(policy_name));
    if let (Some(value), Some(name)) = (&policy, &policy_name) {
        policies.push((name.clone(), value.span()));
    }
    let settings = root.get("settings");
    let settings = settings.as_ref().map_or_else(empty, json::object);
    let isolation = root.get("isolation").and_then(|value| value.parsed(isolation)).unwrap_or_default();
    let hours = root.get("hours").and_then(|value| value.parsed(Hours::parse));
    let zone = hours.as_ref().map_or(TimeZone::UTC, |hours| hours.zone().clone());
    let expires = root.get("expires").and_then(|value| expiry(&value, &zone));
    let practice = practice(root, &zone);
    let tables = root.require("tables", "[tables.orders]").and_then(|value| tables(&value)).unwrap_or_default();
    let (limits, per) = root.get("limits").and_then(|value| limits(&value)).unwrap_or_default();
    let per_agent = root
        .get("agent")
        .map(|value| per_agent(&value, policy_name.as_ref(), isolation, &mut policies))
        .unwrap_or_default();
    let shadow = root.get("shadow").and_then(|value| {
        let (choice, name, span) = shadow::lower(notes, &value.table()?, &["shadow"])?;
        policies.push((name, span));
        Some(choice)
    });
    agents.extend(per_agent.keys().cloned());
    if agents.is_empty() {
        match (&listed, strings) {
            (Some(value), Some(Some(none))) if none.is_empty() => value.reject("this mount serves no agent: name one"),
            // Told already.
            (Some(_), _) => {}
            (None, _) => root.reject("`agents` is missing: write `agents = [\"support-bot\"]`"),
        }
    }
    let (named, backend) = (named?, backend?);
    Some(Lowered {
        mount: MountConfig {
            name: mount_name?.into(),
            backend: backend_name?.into(),
            agents: agents.into_iter().collect(),
            policy: PolicyChoice { name: policy_name?, settings, isolation, place: vec!["policy".to_owned()] },
            per_agent,
            shadow,
            tables,
            limits,
            per,
            hours,
            expires,
            practice,
            source: Arc::clone(&notes.source),
        },
        name_span: named.span(),
        backend_span: backend.span(),
        policies,
    })
}

pub(super) fn empty() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}

/// `ceiling`, `tiers`, or a plugin's `publisher/name`.
pub(crate) fn policy_name(text: &str) -> Result<PolicyName, String> {
    let parts: Vec<&str> = text.split('/').collect();
    if parts.len() > 2 {
        return Err(format!("`{text}` is no policy: write `ceiling`, `tiers`, or a plugin like `acme/support`"));
    }
    for part in parts {
        name(part)?;
    }
    Ok(text.into())
}

fn expiry(value: &Value<'_>, zone: &TimeZone) -> Option<Expiry> {
    let LastDay { day, end_ms } = last_day(value, zone, "the last on which the mount serves")?;
    Some(Expiry { day, end_ms })
}

fn tables(value: &Value<'_>) -> Option<BTreeMap<RelationName, RelationDeclaration>> {
    let all = value.table()?;
    if all.is_empty() {
        value.reject_key("this mount shows nothing: add a table like `[tables.orders]`");
    }
    let mut out = BTreeMap::new();
    for entry in all.entries() {
        let parts: Vec<&str> = entry.key.split('.').collect();
        if parts.len() > 2 || parts.iter().any(|part| part.is_empty() || part.chars().any(char::is_control)) {
            entry.reject_key(format!("`{}` is no table: write `orders` or `\"sales.orders\"`", entry.key));
            continue;
        }
        if looks_like_schema(&entry) {
            entry.reject_key(format!("a table in a schema is written in quotes: `[tables.\"{}.TABLE\"]`", entry.key));
            continue;
        }
        if let Some(declared) = entry.table().and_then(|table| self::table(&table)) {
            out.insert(RelationName::new(entry.key.as_ref()), declared);
        }
    }
    Some(out)
}

/// Whether an entry of `tables` holds tables only, as `[tables.sales.orders]` would make it.
fn looks_like_schema(entry: &Value<'_>) -> bool {
    entry.raw().as_table().is_some_and(|inner| {
        !inner.is_empty() && inner.iter().all(|(key, value)| value.get_ref().is_table() && key.get_ref() != "masks")
    })
}

pub(crate) fn table(table: &Table<'_>) -> Option<RelationDeclaration> {
    let columns = table.require("columns", "columns = [\"order_id\", \"status\"]").and_then(|value| {
        let columns = value.strings()?;
        if columns.is_empty() {
            value.reject("no column is shown: name at least one");
            return None;
        }
        if columns.iter().any(|(column, _)| *column == "*") {
            value.reject("columns are named one by one: `*` would show columns that are added later");
            return None;
        }
        Some(columns.into_iter().map(|(column, _)| ColumnName::new(column)).collect())
    });
    let mut masks = BTreeMap::new();
    if let Some(all) = table.get("masks").and_then(|value| value.table()) {
        for entry in all.entries() {
            if let Some(mask) = mask(&entry) {
                masks.insert(ColumnName::new(entry.key.as_ref()), mask);
            }
        }
    }
    let filter = table.get("filter").and_then(|value| value.parsed(mountgate_sql::filter::parse));
    let lend = table.get("lend").map(|value| names(&value)).unwrap_or_default();
    let write = table.get("write").and_then(|value| write::write(&value));
    let require = table.get("require").map(|value| names(&value)).unwrap_or_default();
    let aggregate = table.get("aggregate").and_then(|value| aggregate(&value));
    Some(RelationDeclaration { columns: columns?, masks, lend, filter, require, aggregate, write })
}

/// `{ unit = "customer_id", min_group = 5 }`
fn aggregate(value: &Value<'_>) -> Option<Aggregate> {
    let table = value.table()?;
    let unit = table.require("unit", "unit = \"customer_id\"").and_then(|value| value.string());
    // A group of one is a row.
    let least = table.require("min_group", "min_group = 5").and_then(|value| value.integer(2, 1_000_000));
    Some(Aggregate { unit: ColumnName::new(unit?), min_group: u32::try_from(least?).ok()? })
}

/// Columns named one by one.
pub(super) fn names(value: &Value<'_>) -> Vec<ColumnName> {
    let columns = value.strings().unwrap_or_default();
    if columns.iter().any(|(column, _)| *column == "*") {
        value.reject("columns are named one by one: `*` would take in columns that are added later");
        return vec![];
    }
    columns.into_iter().map(|(column, _)| ColumnName::new(column)).collect()
}

pub(crate) fn limits(value: &Value<'_>) -> Option<(Limits, LimitKey)> {
    let table = value.table()?;
    if table.is_empty() {
        value.reject_key("`limits` is empty: name a limit, or take it out");
    }
    let rates = |key, read: fn(&str) -> Result<Rate, String>| match table.get(key) {
        Some(value) => rates(&value, read),
        None => vec![],
    };
    let most = |key, most| table.get(key).and_then(|value| value.integer(1, most));
    let limits = Limits {
        requests: rates("requests", units::rate),
        rows: rates("rows", units::rate),
        bytes: rates("bytes", units::byte_rate),
        max_rows: most("max_rows", i64::MAX).and_then(|rows| u64::try_from(rows).ok()),
        max_bytes: table.get("max_bytes").and_then(|value| value.parsed(units::size)),
        timeout_ms: table
            .get("timeout")
            .and_then(|value| value.parsed(units::duration))
            .and_then(|timeout| u64::try_from(timeout.as_millis()).ok()),
        concurrency: most("concurrency", 1_000_000).and_then(|most| u32::try_from(most).ok()),
        distinct: table.get("distinct").map(|value| distinct(&value)).unwrap_or_default(),
    };
    let per = table
        .get("per")
        .and_then(|value| {
            value.choice(&[("session", LimitKey::Session), ("agent", LimitKey::Agent), ("mount", LimitKey::Mount)])
        })
        .unwrap_or_default();
    Some((limits, per))
}

/// `{ customer_id = "50/day" }`: different values of columns that may be looked up.
fn distinct(value: &Value<'_>) -> Vec<Distinct> {
    let mut out = Vec::new();
    for entry in value.table().map(|table| table.entries()).unwrap_or_default() {
        for rate in rates(&entry, units::rate) {
            if rate.amount > MOST_DISTINCT {
                entry.reject(format!("`{}`: at most {MOST_DISTINCT} different values are counted", entry.name()));
                continue;
            }
            out.push(Distinct { column: ColumnName::new(entry.key.as_ref()), rate });
        }
    }
    out
}

/// One rate, or a list of rates that all hold.
fn rates(value: &Value<'_>, read: fn(&str) -> Result<Rate, String>) -> Vec<Rate> {
    if !value.raw().is_array() {
        return value.parsed(read).into_iter().collect();
    }
    let mut out: Vec<Rate> = Vec::new();
    for (text, span) in value.strings().unwrap_or_default() {
        match read(text) {
            Ok(rate) if out.iter().any(|other| other.window_ms == rate.window_ms) => {
                value.reject_at(&span, format!("`{text}`: there is a rate for that window already"));
            }
            Ok(rate) => out.push(rate),
            Err(why) => value.reject_at(&span, format!("`{}`: {why}", value.name())),
        }
    }
    out
}

fn isolation(text: &str) -> Result<Isolation, String> {
    match text {
        "fresh" => Ok(Isolation::Fresh),
        "warm" => Ok(Isolation::Warm),
        other => Err(format!("`{other}` is neither `fresh` nor `warm`")),
    }
}

fn per_agent(
    value: &Value<'_>,
    mounts: Option<&PolicyName>,
    mounts_isolation: Isolation,
    policies: &mut Vec<(PolicyName, std::ops::Range<usize>)>,
) -> BTreeMap<AgentName, PolicyChoice> {
    let mut out = BTreeMap::new();
    for entry in value.table().map(|table| table.entries()).unwrap_or_default() {
        if let Err(why) = agent_name(&entry.key) {
            entry.reject_key(why);
            continue;
        }
        let Some(table) = entry.table() else { continue };
        let (policy, settings) = (table.get("policy"), table.get("settings"));
        let own = policy.as_ref().and_then(|value| value.parsed(policy_name));
        if let (Some(value), Some(name)) = (&policy, &own) {
            policies.push((name.clone(), value.span()));
        }
        let settled = settings.as_ref().map_or_else(empty, json::object);
        // A policy of the agent's own has its own isolation; the mount's policy keeps the mount's.
        let inherited = if policy.is_some() { Isolation::Fresh } else { mounts_isolation };
        let isolation = table.get("isolation").and_then(|value| value.parsed(isolation)).unwrap_or(inherited);
        if table.is_empty() {
            entry.reject_key(format!(
                "`{}` says nothing: give `policy` or `settings`, or list the agent in `agents`",
                entry.name()
            ));
        }
        // With settings alone, the agent has the mount's policy under them.
        let chosen = if policy.is_some() { own.as_ref() } else { mounts };
        let Some(chosen) = chosen else { continue };
        let key = if policy.is_some() {
            "policy"
        } else if settings.is_some() {
            "settings"
        } else {
            "isolation"
        };
        let place = vec!["agent".to_owned(), entry.key.to_string(), key.to_owned()];
        out.insert(
            AgentName::new(entry.key.as_ref()),
            PolicyChoice { name: chosen.clone(), settings: settled, isolation, place },
        );
    }
    out
}
