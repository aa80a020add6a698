//! What mounts show and nobody uses.

use std::collections::{BTreeMap, BTreeSet};

use mountgate_core::{AgentName, ColumnName, MountName, RelationName};
use serde::Serialize;

use crate::{
    seen::Seen,
    usage::{TableUse, TaskUse, Usage},
};

/// A mount, as far as a review is concerned.
#[derive(Clone, Debug)]
pub struct Reviewed {
    /// Its name.
    pub mount: MountName,
    /// The agents that it serves, and since when each of them could have asked (milliseconds since
    /// 1970-01-01T00:00Z); `None` for one that was never added, or is revoked.
    pub agents: BTreeMap<AgentName, Option<i64>>,
    /// What it shows.
    pub tables: BTreeMap<RelationName, Vec<ColumnName>>,
}

/// From when to when was watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Watch {
    /// Begin, in milliseconds since 1970-01-01T00:00Z.
    pub from_ms: i64,
    /// End.
    pub until_ms: i64,
    /// Whether that is as long as something must be unused, to be called so. A job that runs once a month is not
    /// stale after a week.
    pub enough: bool,
}

/// Something that was not used for as long as was asked about, or never.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unused {
    /// The relation.
    pub table: RelationName,
    /// The column; `None`: the whole relation.
    pub column: Option<ColumnName>,
    /// When it was last used, if ever.
    pub last_ms: Option<i64>,
}

/// What one agent does not use of a mount.
#[derive(Clone, Debug, Serialize)]
pub struct AgentReview {
    /// How long it was watched; `None` where it can't ask at all.
    pub watch: Option<Watch>,
    /// Its requests.
    pub decisions: Seen,
    /// What it does not use.
    pub unused: Vec<Unused>,
}

/// Tables that are used by the same sessions, and never with those of another task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Task {
    /// The tables.
    pub tables: BTreeSet<RelationName>,
    /// The agents.
    pub agents: BTreeSet<AgentName>,
}

/// What a review finds of one mount.
#[derive(Clone, Debug, Serialize)]
pub struct MountReview {
    /// The mount.
    pub mount: MountName,
    /// How long it was watched: the shortest of its agents.
    pub watch: Option<Watch>,
    /// Agent by agent.
    pub agents: BTreeMap<AgentName, AgentReview>,
    /// What none of its agents uses: this can go from the file.
    pub unused: Vec<Unused>,
    /// Agents that did not ask: they can go from the file.
    pub idle: Vec<AgentName>,
    /// Columns that the mount shows and that no policy granted in all that time, where a policy narrows.
    pub never_granted: Vec<(RelationName, ColumnName)>,
    /// The tasks that it is a union of, where there are several.
    pub tasks: Vec<Task>,
}

/// Holds what `mounts` show against what was used of it. `unused_ms` is how long something must not have been used to
/// be told; `usage` should reach back at least as far.
pub fn review(mounts: &[Reviewed], usage: &Usage, now_ms: i64, unused_ms: i64) -> Vec<MountReview> {
    mounts.iter().map(|mount| one(mount, usage, now_ms, unused_ms)).collect()
}

fn one(mount: &Reviewed, usage: &Usage, now_ms: i64, unused_ms: i64) -> MountReview {
    let recorded_from = if usage.records.count == 0 { now_ms } else { usage.records.first_ms };
    let before_ms = now_ms.saturating_sub(unused_ms);
    let nothing = TaskUse::default();
    let task = |agent: &AgentName| usage.tasks.get(&(mount.mount.clone(), agent.clone())).unwrap_or(&nothing);
    let mut agents = BTreeMap::new();
    for (agent, since) in &mount.agents {
        let watch = since.map(|since| {
            let from_ms = since.max(recorded_from);
            Watch { from_ms, until_ms: now_ms, enough: now_ms.saturating_sub(from_ms) >= unused_ms }
        });
        let used = task(agent);
        let unused = unused(&mount.tables, before_ms, |table| vec![used.tables.get(table)]);
        agents.insert(agent.clone(), AgentReview { watch, decisions: used.decisions, unused });
    }
    // An agent that can't ask any more must not keep the others' mount from being narrowed, and one that came
    // yesterday must.
    let watch = agents.values().filter_map(|agent| agent.watch).max_by_key(|watch| watch.from_ms);
    let all: Vec<&TaskUse> = mount.agents.keys().map(task).collect();
    MountReview {
        mount: mount.mount.clone(),
        watch,
        unused: unused(&mount.tables, before_ms, |table| all.iter().map(|task| task.tables.get(table)).collect()),
        idle: agents
            .iter()
            .filter(|(_, agent)| agent.decisions.count == 0 || agent.decisions.last_ms < before_ms)
            .map(|(name, _)| name.clone())
            .collect(),
        never_granted: never_granted(mount, &all),
        tasks: tasks(mount, &all),
        agents,
    }
}

fn unused<'u>(
    tables: &BTreeMap<RelationName, Vec<ColumnName>>,
    before_ms: i64,
    used: impl Fn(&RelationName) -> Vec<Option<&'u TableUse>>,
) -> Vec<Unused> {
    let mut out = Vec::new();
    for (table, columns) in tables {
        let uses: Vec<&TableUse> = used(table).into_iter().flatten().collect();
        let last_ms = uses.iter().map(|table| table.seen.last_ms).max();
        if last_ms.is_none_or(|last| last < before_ms) {
            out.push(Unused { table: table.clone(), column: None, last_ms });
            continue;
        }
        for column in columns {
            let last_ms = uses.iter().filter_map(|table| table.columns.get(column)).map(|used| used.seen.last_ms).max();
            if last_ms.is_none_or(|last| last < before_ms) {
                out.push(Unused { table: table.clone(), column: Some(column.clone()), last_ms });
            }
        }
    }
    out
}

/// Only tables that were asked for are known of, and only where every grant was a narrowed one.
fn never_granted(mount: &Reviewed, all: &[&TaskUse]) -> Vec<(RelationName, ColumnName)> {
    let mut out = Vec::new();
    for (table, columns) in &mount.tables {
        let uses: Vec<&TableUse> = all.iter().filter_map(|task| task.tables.get(table)).collect();
        if uses.is_empty() || uses.iter().any(|table| table.whole > 0) {
            continue;
        }
        let never = columns.iter().filter(|column| !uses.iter().any(|table| table.granted.contains(*column)));
        out.extend(never.map(|column| (table.clone(), column.clone())));
    }
    out
}

/// Tables that a session used together belong to one task; so do the tasks of which a session used both.
fn tasks(mount: &Reviewed, all: &[&TaskUse]) -> Vec<Task> {
    let mut tasks: Vec<Task> = Vec::new();
    for (agent, used) in mount.agents.keys().zip(all) {
        for together in &used.together {
            let mut joined = Task {
                tables: together.iter().filter(|table| mount.tables.contains_key(*table)).cloned().collect(),
                agents: [agent.clone()].into(),
            };
            if joined.tables.is_empty() {
                continue;
            }
            tasks.retain(|task| {
                let apart = task.tables.is_disjoint(&joined.tables);
                if !apart {
                    joined.tables.extend(task.tables.iter().cloned());
                    joined.agents.extend(task.agents.iter().cloned());
                }
                apart
            });
            tasks.push(joined);
        }
    }
    if tasks.len() < 2 {
        return vec![];
    }
    tasks.sort_by(|one, other| one.tables.cmp(&other.tables));
    tasks
}

#[cfg(test)]
mod tests;
