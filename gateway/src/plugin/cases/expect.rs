//! What a case expects, and how a verdict differs from it.

use std::collections::{BTreeMap, BTreeSet};

use mountgate_core::{Ceiling, ColumnName, Filter, Limits, Mask, RelationName, Scope, ScopedRelation, Touch, Verdict};
use mountgate_policy::PolicyError;
use mountgate_sql::filter;
use serde::{Deserialize, Serialize};

use super::run::Answer;
use crate::plugin::notation;

/// What a case expects. What is `None` is not compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Which verdict.
    pub verdict: ExpectedVerdict,
    /// `deny`: the policy's own code. `fault`: how it fails (`policy_error`, `policy_settings`, `past_ceiling`, …).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What the reason (of a denial or hold) or the policy's own words (of a fault) hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the hint of a denial holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What is in scope: these tables and no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables: Option<BTreeMap<RelationName, ExpectedTable>>,
    /// That the scope is the ceiling as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_ceiling: bool,
    /// The verdict's own limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// For how long the verdict may be remembered, in milliseconds; 0 for not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_for_ms: Option<u64>,
}

impl Expectation {
    /// That verdict, and nothing more of it.
    pub fn of(verdict: ExpectedVerdict) -> Self {
        Self {
            verdict,
            code: None,
            reason: None,
            hint: None,
            tables: None,
            as_ceiling: false,
            limits: None,
            valid_for_ms: None,
        }
    }
}

/// Which verdict a case expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedVerdict {
    /// Yes, so much.
    Allow,
    /// No.
    Deny,
    /// Yes, after approval.
    Hold,
    /// None: the policy fails, refuses its settings, or reaches past the ceiling.
    Fault,
}

impl ExpectedVerdict {
    /// The word that stands for it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Hold => "hold",
            Self::Fault => "fault",
        }
    }
}

/// What is in scope of a relation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedTable {
    /// The columns, all of them, in any order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<ColumnName>>,
    /// The masks that the policy adds to the ceiling's, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masks: Option<BTreeMap<ColumnName, Vec<Mask>>>,
    /// The rows that the policy leaves of the ceiling's; `TRUE` for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
}

/// Something that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What: `verdict`, `code`, `tables.orders.filter`.
    pub what: String,
    /// What was expected.
    pub wanted: String,
    /// What came.
    pub got: String,
}

/// What was compared, and how that went.
#[derive(Default)]
pub(super) struct Comparison {
    pub(super) differences: Vec<Difference>,
    pub(super) unchecked: Vec<String>,
}

impl Comparison {
    fn same(&mut self, what: impl Into<String>, wanted: String, got: String) {
        if wanted != got {
            self.differences.push(Difference { what: what.into(), wanted, got });
        }
    }

    fn holds(&mut self, what: &str, wanted: Option<&String>, got: &str) {
        match wanted {
            Some(wanted) if !got.contains(wanted.as_str()) => self.differences.push(Difference {
                what: what.to_owned(),
                wanted: format!("a text with `{wanted}` in it"),
                got: format!("`{got}`"),
            }),
            Some(_) => {}
            None => self.unchecked.push(what.to_owned()),
        }
    }
}

/// Compares an answer with what is expected of it.
pub(super) fn compare(expected: &Expectation, answer: &Answer, ceiling: &Ceiling, touch: &Touch) -> Comparison {
    let mut found = Comparison::default();
    let kind = match answer {
        Answer::Verdict { verdict: Verdict::Allow { .. }, .. } => ExpectedVerdict::Allow,
        Answer::Verdict { verdict: Verdict::Deny { .. }, .. } => ExpectedVerdict::Deny,
        Answer::Verdict { verdict: Verdict::Hold { .. }, .. } => ExpectedVerdict::Hold,
        Answer::Fault { .. } => ExpectedVerdict::Fault,
    };
    if kind != expected.verdict {
        found.same("verdict", expected.verdict.label().to_owned(), format!("{}: {}", kind.label(), answer.told()));
        return found;
    }
    let code = |found: &mut Comparison, got: &str| match &expected.code {
        Some(wanted) => found.same("code", wanted.clone(), got.to_owned()),
        None => found.unchecked.push("code".to_owned()),
    };
    match answer {
        Answer::Fault { code: got, text } => {
            code(&mut found, got);
            found.holds("reason", expected.reason.as_ref(), text);
        }
        Answer::Verdict { verdict: Verdict::Deny { code: got, reason, hint }, .. } => {
            code(&mut found, got);
            found.holds("reason", expected.reason.as_ref(), reason);
            found.holds("hint", expected.hint.as_ref(), hint.as_deref().unwrap_or_default());
        }
        Answer::Verdict { verdict: Verdict::Hold { reason, .. }, scope } => {
            found.holds("reason", expected.reason.as_ref(), reason);
            compare_scope(&mut found, expected, scope.as_ref(), ceiling, touch);
        }
        Answer::Verdict { verdict: Verdict::Allow { limits, valid_for_ms, .. }, scope } => {
            compare_scope(&mut found, expected, scope.as_ref(), ceiling, touch);
            match &expected.limits {
                Some(wanted) => found.same("limits", told_limits(wanted), told_limits(limits)),
                None => found.unchecked.push("limits".to_owned()),
            }
            let told = |ms: u64| if ms == 0 { "none".to_owned() } else { notation::span(ms) };
            match expected.valid_for_ms {
                Some(wanted) => found.same("valid_for", told(wanted), told(valid_for_ms.unwrap_or(0))),
                None => found.unchecked.push("valid_for".to_owned()),
            }
        }
    }
    found
}

fn told_limits(limits: &Limits) -> String {
    let all = notation::limits(limits);
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

fn compare_scope(
    found: &mut Comparison,
    expected: &Expectation,
    scope: Option<&Scope>,
    ceiling: &Ceiling,
    touch: &Touch,
) {
    let Some(scope) = scope else { return };
    if expected.as_ceiling {
        for touched in &touch.relations {
            let Some(relation) = ceiling.relation(&touched.relation) else { continue };
            let all = ExpectedTable {
                columns: Some(relation.columns.iter().map(|column| column.name.clone()).collect()),
                masks: Some(BTreeMap::new()),
                filter: Some(Filter::always(true)),
            };
            compare_table(found, &touched.relation, &all, scope.relation(&touched.relation), ceiling);
        }
        return;
    }
    let Some(tables) = &expected.tables else {
        found.unchecked.push("tables".to_owned());
        return;
    };
    for (name, wanted) in tables {
        compare_table(found, name, wanted, scope.relation(name), ceiling);
    }
    for name in scope.relations().keys().filter(|name| !tables.contains_key(*name)) {
        found.same(format!("tables.{name}"), "not in scope".to_owned(), "in scope".to_owned());
    }
}

fn compare_table(
    found: &mut Comparison,
    name: &RelationName,
    wanted: &ExpectedTable,
    got: Option<&ScopedRelation>,
    ceiling: &Ceiling,
) {
    let at = |part: &str| format!("tables.{name}.{part}");
    let Some(got) = got else {
        found.same(format!("tables.{name}"), "in scope".to_owned(), "not in scope".to_owned());
        return;
    };
    match &wanted.columns {
        Some(columns) => {
            let sorted = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(", ");
            let wanted = sorted(columns.iter().map(ColumnName::as_str).collect());
            found.same(at("columns"), wanted, sorted(got.columns.iter().map(|column| column.name.as_str()).collect()));
        }
        None => found.unchecked.push(at("columns")),
    }
    match &wanted.masks {
        Some(masks) => {
            let told = |masks: &BTreeMap<&ColumnName, &[Mask]>| {
                let each = |(name, masks): (&&ColumnName, &&[Mask])| {
                    let masks: Vec<String> = masks.iter().map(notation::mask).collect();
                    format!("{name} = {}", masks.join(" then "))
                };
                if masks.is_empty() { "none".to_owned() } else { masks.iter().map(each).collect::<Vec<_>>().join(", ") }
            };
            let ceilings = |column: &ColumnName| {
                ceiling
                    .relation(name)
                    .and_then(|relation| relation.column(column))
                    .map_or(0, |column| column.masks.len())
            };
            let wanted: BTreeMap<&ColumnName, &[Mask]> =
                masks.iter().map(|(name, masks)| (name, masks.as_slice())).collect();
            let got = got
                .columns
                .iter()
                .map(|column| (&column.name, column.masks.get(ceilings(&column.name)..).unwrap_or_default()))
                .filter(|(_, masks)| !masks.is_empty())
                .collect();
            found.same(at("masks"), told(&wanted), told(&got));
        }
        None => found.unchecked.push(at("masks")),
    }
    match &wanted.filter {
        Some(rows) => {
            let told = |filters: BTreeSet<String>| {
                if filters.is_empty() {
                    "TRUE".to_owned()
                } else {
                    filters.into_iter().collect::<Vec<_>>().join(" AND ")
                }
            };
            let plain = |filters: &[Filter]| {
                filters
                    .iter()
                    .flat_map(Filter::conjuncts)
                    .map(|one| filter::text(&one))
                    .filter(|one| one != "TRUE")
                    .collect()
            };
            found.same(at("filter"), told(plain(std::slice::from_ref(rows))), told(plain(&got.filters)));
        }
        None => found.unchecked.push(at("filter")),
    }
}

impl Answer {
    /// In a line, for messages.
    fn told(&self) -> String {
        match self {
            Self::Verdict { verdict, .. } => notation::verdict(verdict).join("; "),
            Self::Fault { code, text } => format!("{code}: {text}"),
        }
    }

    pub(super) fn fault(error: &PolicyError) -> Self {
        Self::Fault { code: error.code().to_owned(), text: error.to_string() }
    }
}
