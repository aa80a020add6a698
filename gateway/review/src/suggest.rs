//! The least that the same work needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use mountgate_core::{AgentName, ClaimName, ColumnName, CompareOp, MountName, RelationName, RelationTouch};
use mountgate_ledger::{DecisionId, LedgerError, Selection, export};
use serde::Serialize;

use crate::{
    memo::Memo,
    nice::with_headroom,
    record::Whole,
    seen::Seen,
    usage::{Progress, TableUse, TaskUse},
};

/// How much evidence is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Tables and columns in a smaller share of the requests than this are left out (0: whatever was used stays).
    pub min_share: f64,
    /// How far above the highest seen a limit is set; 1 or more.
    pub headroom: f64,
    /// The requests that something must have held throughout, to be suggested as a rule.
    pub evidence: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { min_share: 0.0, headroom: 2.0, evidence: 20 }
    }
}

/// What an agent needs of a mount, as far as the ledger shows.
#[derive(Clone, Debug, Serialize)]
pub struct Suggestion {
    /// The mount.
    pub mount: MountName,
    /// The agent.
    pub agent: AgentName,
    /// The requests that it is learned from.
    pub decisions: Seen,
    /// The tables, those that are left out not among them.
    pub tables: BTreeMap<RelationName, TableSuggestion>,
    /// Limits, each with the highest that was seen.
    pub limits: Vec<LimitSuggestion>,
    /// Used, and left out for its small share: sentences.
    pub left_out: Vec<String>,
    /// What the ledger does not show well enough to say: sentences.
    pub unsure: Vec<String>,
}

/// A table.
#[derive(Clone, Debug, Serialize)]
pub struct TableSuggestion {
    /// The requests that touched it.
    pub seen: Seen,
    /// The columns.
    pub columns: BTreeMap<ColumnName, ColumnSuggestion>,
    /// Columns that always equalled a claim: rows may be filtered by it.
    pub filters: BTreeMap<ColumnName, (ClaimName, Seen)>,
    /// Columns that were always looked up by a given value.
    pub require: BTreeMap<ColumnName, Seen>,
}

/// A column.
#[derive(Clone, Debug, Serialize)]
pub struct ColumnSuggestion {
    /// The requests that touched it.
    pub seen: Seen,
    /// In which ways.
    pub uses: Vec<&'static str>,
}

/// A limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LimitSuggestion {
    /// The key in a mount's `limits`.
    pub key: &'static str,
    /// The value: a count, or with `window` an amount for each.
    pub value: u64,
    /// `minute` or `hour`, where it is a rate.
    pub window: Option<&'static str>,
    /// The highest that was seen, in the same unit.
    pub highest: u64,
}

impl Suggestion {
    /// What `task` shows to be needed. The same usage gives the same suggestion.
    pub fn of(mount: &MountName, agent: &AgentName, task: &TaskUse, options: &Options) -> Self {
        let mut out = Self {
            mount: mount.clone(),
            agent: agent.clone(),
            decisions: task.decisions,
            tables: BTreeMap::new(),
            limits: limits(task, options),
            left_out: vec![],
            unsure: vec![],
        };
        for (name, table) in &task.tables {
            if table.seen.share(task.decisions.count) < options.min_share {
                out.left_out.push(format!("`{name}`: {} of {} requests", table.seen.count, task.decisions.count));
                continue;
            }
            out.table(name, table, task, options);
        }
        if task.sizes.unfinished > 0 {
            out.unsure.push(format!(
                "{} answers have no end on record: how large they were is not known",
                task.sizes.unfinished
            ));
        }
        if task.sizes.truncated > 0 {
            out.unsure.push(format!(
                "{} answers were cut by a cap: the largest that was wanted is not known",
                task.sizes.truncated
            ));
        }
        if task.decisions.count < options.evidence {
            out.unsure.push(format!("{} requests in all: watch for longer", task.decisions.count));
        }
        out
    }

    fn table(&mut self, name: &RelationName, table: &TableUse, task: &TaskUse, options: &Options) {
        let mut suggested = TableSuggestion {
            seen: table.seen,
            columns: BTreeMap::new(),
            filters: BTreeMap::new(),
            require: BTreeMap::new(),
        };
        for (column, used) in &table.columns {
            if used.seen.share(task.decisions.count) < options.min_share {
                self.left_out
                    .push(format!("`{name}`.`{column}`: {} of {} requests", used.seen.count, task.decisions.count));
                continue;
            }
            let uses = used.uses.keys().copied().collect();
            suggested.columns.insert(column.clone(), ColumnSuggestion { seen: used.seen, uses });
        }
        for (column, equality) in &table.equalities {
            if !suggested.columns.contains_key(column) {
                continue;
            }
            let by_claim = equality.claims.iter().max_by_key(|(claim, by)| (by.seen.count, std::cmp::Reverse(*claim)));
            if let Some((claim, by)) = by_claim
                && by.seen.count == table.seen.count
            {
                if table.seen.count < options.evidence {
                    let n = table.seen.count;
                    self.unsure
                        .push(format!("`{name}`.`{column}` always equalled claim `{claim}`, in {n} requests only"));
                } else if by.values.len() < 2 {
                    self.unsure.push(format!(
                        "`{name}`.`{column}` always equalled claim `{claim}`, but only one value of it was seen"
                    ));
                } else {
                    suggested.filters.insert(column.clone(), (claim.clone(), by.seen));
                    continue;
                }
            } else if let Some((claim, by)) = by_claim
                && by.seen.share(table.seen.count) >= 0.9
            {
                self.unsure.push(format!(
                    "`{name}`.`{column}` equalled claim `{claim}` in {} of {} requests: is that a rule with exceptions, or no rule?",
                    by.seen.count, table.seen.count
                ));
            }
            if equality.seen.count == table.seen.count {
                if table.seen.count < options.evidence {
                    let n = table.seen.count;
                    self.unsure.push(format!("`{name}` was always looked up by `{column}`, in {n} requests only"));
                } else if equality.values.len() < 2 {
                    self.unsure.push(format!(
                        "`{name}`.`{column}` always had one and the same value, which is not on record: a filter could hold it"
                    ));
                } else {
                    suggested.require.insert(column.clone(), equality.seen);
                }
            }
        }
        if table.several > 0 && !table.equalities.is_empty() {
            self.unsure.push(format!(
                "{} requests refer to `{name}` more than once: which reference a condition holds for is not on record",
                table.several
            ));
        }
        let only_aggregated = !suggested.columns.is_empty()
            && suggested.columns.values().all(|column| !column.uses.contains(&"projected"))
            && suggested.columns.values().any(|column| column.uses.contains(&"aggregated"));
        if only_aggregated {
            self.unsure.push(format!("no row of `{name}` was ever shown, only aggregates: `aggregate` may be enough"));
        }
        self.tables.insert(name.clone(), suggested);
    }

    /// What it would have refused of the decisions that it is learned from (and of others that `only` selects).
    ///
    /// # Errors
    /// Where the ledger can't be read.
    pub fn predict(
        &self,
        dir: &Path,
        only: Selection,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Predicted, LedgerError> {
        let only = Selection {
            agent: Some(self.agent.clone()),
            mount: Some(self.mount.clone()),
            kind: Some("decision".to_owned()),
            ..only
        };
        let mut out = Predicted::default();
        let mut touches = Memo::<Vec<RelationTouch>>::default();
        for entry in export(dir, only)? {
            let entry = entry?;
            let whole: Whole<'_> = serde_json::from_str(entry.line())?;
            let Some(request) = &whole.record.request else { continue };
            out.decisions += 1;
            if out.decisions % 50_000 == 0 {
                progress(Progress { records: out.decisions, time_ms: whole.record.time_ms });
            }
            let reasons = self.refuses(&touches.get(request.touch.relations)?, |relation, column| {
                request.touch.predicates.iter().any(|predicate| {
                    predicate.op == Some(CompareOp::Eq)
                        && predicate.digest.is_some()
                        && predicate.relation.as_ref() == relation.as_str()
                        && predicate.column == *column
                })
            });
            if !reasons.is_empty() {
                out.refused += 1;
            }
            for reason in reasons {
                let (count, _) = out.reasons.entry(reason).or_insert((0, whole.record.id));
                *count += 1;
            }
        }
        Ok(out)
    }

    fn refuses(
        &self,
        relations: &[RelationTouch],
        pinned: impl Fn(&RelationName, &ColumnName) -> bool,
    ) -> BTreeSet<String> {
        let mut reasons = BTreeSet::new();
        for touched in relations {
            let Some(table) = self.tables.get(&touched.relation) else {
                reasons.insert(format!("it uses `{}`", touched.relation));
                continue;
            };
            for (column, _) in &touched.columns {
                if !table.columns.contains_key(column) {
                    reasons.insert(format!("it uses `{}`.`{column}`", touched.relation));
                }
            }
            for column in table.require.keys() {
                if touched.references > 1 || !pinned(&touched.relation, column) {
                    reasons.insert(format!("it looks into `{}` without `{column}`", touched.relation));
                }
            }
        }
        reasons
    }
}

/// What a suggestion would have refused.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Predicted {
    /// The decisions looked at.
    pub decisions: u64,
    /// Those that it would have refused.
    pub refused: u64,
    /// Why: how many, and the first of them.
    pub reasons: BTreeMap<String, (u64, Option<DecisionId>)>,
}

fn limits(task: &TaskUse, options: &Options) -> Vec<LimitSuggestion> {
    let sizes = &task.sizes;
    let mut out = Vec::new();
    let mut add = |key, window, highest: u64, least: u64| {
        if highest > 0 {
            let value = with_headroom(highest.max(least), options.headroom);
            out.push(LimitSuggestion { key, value, window, highest });
        }
    };
    add("requests", Some("minute"), sizes.agent_requests_a_minute, 1);
    add("rows", Some("hour"), sizes.agent_rows_an_hour, 1);
    add("max_rows", None, sizes.rows, 1);
    // Values of a row or two must fit whatever was seen.
    add("max_bytes", None, sizes.bytes, 4096);
    // In milliseconds; a machine that is busy for a moment must not make an answer fail.
    add("timeout", None, sizes.total_us.div_ceil(1000), 500);
    out
}

#[cfg(test)]
mod tests;
