//! Two verdicts compared by what they come to: the scopes that the ceiling leaves of them, and the limits.
//!
//! Where it can't be shown that the candidate grants no more, it counts as granting more: a filter that is another one
//! is `wider`, although it may not be.

use std::collections::BTreeSet;

use mountgate_core::{Distinct, Filter, Limits, Rate, Scope, scope::ScopedRelation};

pub(crate) const SAME: &str = "same";

/// How a candidate's verdict stands to that in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// The dangerous first: `granted` (the policy in force said no), `wider`, `failed` and `past_ceiling` (both would
    /// deny), `denied`, `narrower`, `same`; `unjudged` where the policy in force failed.
    pub(crate) outcome: &'static str,
    /// What is different.
    pub(crate) changes: Vec<String>,
}

impl Comparison {
    pub(crate) fn failed(code: &str) -> Self {
        Self { outcome: "failed", changes: vec![code.to_owned()] }
    }

    pub(crate) fn past_ceiling(why: &str) -> Self {
        Self { outcome: "past_ceiling", changes: vec![why.to_owned()] }
    }

    pub(crate) fn unjudged() -> Self {
        Self { outcome: "unjudged", changes: vec![] }
    }
}

#[derive(Default)]
struct Found {
    wider: Vec<String>,
    narrower: Vec<String>,
}

impl Found {
    fn note(&mut self, is_wider: bool, what: String) {
        if is_wider { &mut self.wider } else { &mut self.narrower }.push(what);
    }
}

/// `None` is a deny.
pub(crate) fn compare(in_force: Option<(&Scope, &Limits)>, candidate: Option<(&Scope, &Limits)>) -> Comparison {
    let ((old, old_limits), (new, new_limits)) = match (in_force, candidate) {
        (None, None) => return Comparison { outcome: SAME, changes: vec![] },
        (Some(_), None) => return Comparison { outcome: "denied", changes: vec![] },
        (None, Some((scope, _))) => {
            let shown = scope.relations().iter().map(|(name, relation)| {
                let columns: Vec<&str> = relation.columns.iter().map(|column| column.name.as_str()).collect();
                format!("shows {name} ({})", columns.join(", "))
            });
            return Comparison { outcome: "granted", changes: shown.collect() };
        }
        (Some(old), Some(new)) => (old, new),
    };
    let mut found = Found::default();
    let names: BTreeSet<_> = old.relations().keys().chain(new.relations().keys()).collect();
    for name in names {
        match (old.relation(name), new.relation(name)) {
            (Some(old), Some(new)) => relation(name.as_str(), old, new, &mut found),
            (None, Some(_)) => found.note(true, format!("shows {name}")),
            (Some(_), None) => found.note(false, format!("hides {name}")),
            (None, None) => {}
        }
    }
    limits(old_limits, new_limits, &mut found);
    let outcome = match (found.wider.is_empty(), found.narrower.is_empty()) {
        (false, _) => "wider",
        (true, false) => "narrower",
        (true, true) => SAME,
    };
    found.wider.append(&mut found.narrower);
    Comparison { outcome, changes: found.wider }
}

fn relation(name: &str, old: &ScopedRelation, new: &ScopedRelation, found: &mut Found) {
    for column in &new.columns {
        let Some(before) = old.column(&column.name) else {
            found.note(true, format!("shows {name}.{}", column.name));
            continue;
        };
        if before.masks != column.masks {
            // Masks on top of the same ones hide more; anything else may hide less.
            let label = |masks: &[mountgate_core::Mask]| {
                let labels: Vec<&str> = masks.iter().map(mountgate_core::Mask::label).collect();
                if labels.is_empty() { "no mask".to_owned() } else { labels.join(" and ") }
            };
            let what =
                format!("masks {name}.{} by {} instead of {}", column.name, label(&column.masks), label(&before.masks));
            found.note(!column.masks.starts_with(&before.masks), what);
        }
    }
    for column in old.columns.iter().filter(|column| new.column(&column.name).is_none()) {
        found.note(false, format!("hides {name}.{}", column.name));
    }
    for key in old.require.iter().filter(|key| !new.require.contains(key)) {
        found.note(true, format!("asks for {name}.{key} no more"));
    }
    for key in new.require.iter().filter(|key| !old.require.contains(key)) {
        found.note(false, format!("asks for {name}.{key}"));
    }
    match (&old.aggregate, &new.aggregate) {
        (None, None) => {}
        (None, Some(_)) => found.note(false, format!("answers for {name} with statistics only")),
        (Some(_), None) => found.note(true, format!("answers for {name} with rows")),
        (Some(before), Some(after)) if before == after => {}
        (Some(before), Some(after)) => {
            let is_wider = before.unit != after.unit || after.min_group < before.min_group;
            found.note(is_wider, format!("groups {name} otherwise"));
        }
    }
    let (before, after) = (conjuncts(old), conjuncts(new));
    let holds = |all: &[&Filter], some: &[&Filter]| some.iter().all(|one| all.contains(one));
    match (holds(&after, &before), holds(&before, &after)) {
        (true, true) => {}
        (true, false) => found.note(false, format!("filters {name} further")),
        (false, true) => found.note(true, format!("filters {name} less")),
        (false, false) => found.note(true, format!("filters {name} by something else")),
    }
}

fn conjuncts(relation: &ScopedRelation) -> Vec<&Filter> {
    relation.base_filters.iter().chain(&relation.walled_filters).chain(&relation.filters).collect()
}

fn limits(old: &Limits, new: &Limits, found: &mut Found) {
    // Taken apart field by field: a new limit must be given a place here, or it does not compile.
    let Limits { requests, rows, bytes, max_rows, max_bytes, timeout_ms, concurrency, distinct } = new;
    for (what, before, after) in
        [("requests", &old.requests, requests), ("rows", &old.rows, rows), ("bytes", &old.bytes, bytes)]
    {
        if before != after {
            found.note(!tightened(before, after), format!("limits {what}"));
        }
    }
    let columns: BTreeSet<_> = old.distinct.iter().chain(distinct).map(|one| &one.column).collect();
    for column in columns {
        let rates = |all: &[Distinct]| -> Vec<Rate> {
            all.iter().filter(|one| one.column == *column).map(|one| one.rate).collect()
        };
        let (before, after) = (rates(&old.distinct), rates(distinct));
        if before != after {
            found.note(!tightened(&before, &after), format!("limits different values of {column}"));
        }
    }
    let caps = [
        ("max_rows", old.max_rows, *max_rows),
        ("max_bytes", old.max_bytes, *max_bytes),
        ("timeout", old.timeout_ms, *timeout_ms),
        ("concurrency", old.concurrency.map(u64::from), concurrency.map(u64::from)),
    ];
    for (what, before, after) in caps {
        let (before, after) = (before.unwrap_or(u64::MAX), after.unwrap_or(u64::MAX));
        if before != after {
            found.note(after > before, format!("limits {what}"));
        }
    }
}

/// Whether every old rate is kept, or stands lower over the same window.
fn tightened(before: &[Rate], after: &[Rate]) -> bool {
    before.iter().all(|old| after.iter().any(|new| new.window_ms == old.window_ms && new.amount <= old.amount))
}

#[cfg(test)]
mod tests;
