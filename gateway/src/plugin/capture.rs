//! A request that a gateway decided, from its ledger, as a case.
//!
//! The ledger keeps what the policy was asked, but for the request's own values: of parameters and literals it has keyed
//! digests. So a predicate's value is known where it was one of the caller's claims, and else is "something".

mod write;

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;
use mountgate_core::{Claims, ColumnName, ColumnType, Digest, Filter, Mask, Scope, ScopedRelation, Touch, Verdict};
use mountgate_ledger::{DecisionId, Selection, export};

use super::cases::{
    Case, CaseColumn, CaseMount, CaseRequest, CaseTable, Expectation, ExpectedTable, ExpectedVerdict, Shown,
};
use crate::{
    config::Config,
    recorded::{Column, Record, Relation, Request, Touch as RecordedTouch},
};

/// A decided request as a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Captured {
    /// The case; it expects what was decided.
    pub case: Case,
    /// What the ledger or the configuration does not tell, and so the case does not know.
    pub notes: Vec<String>,
}

/// Finds the decision in the ledger in `dir` and makes a case of it; the settings and the zone come from the
/// configuration.
///
/// # Errors
/// Where there is no such decision, no policy was asked, or the ledger can't be read.
pub fn capture(config: &Path, dir: &Path, decision: DecisionId) -> anyhow::Result<Captured> {
    let found = export(dir, Selection::default())?.find(|entry| match entry {
        Ok(entry) => matches!(entry.kind(), "decision" | "refusal") && entry.decision() == Some(decision),
        Err(_) => true,
    });
    let entry = found.transpose()?.with_context(|| {
        format!(
            "the ledger in `{}` has no decision `{decision}`: `mountgate ledger tail` shows the last ones",
            dir.display()
        )
    })?;
    let record: Record = serde_json::from_value(entry.record()?)
        .with_context(|| format!("the record of `{decision}` is not as this version writes it"))?;
    let known = Config::load(config).ok();
    of_record(record, decision, known.as_ref())
}

fn of_record(record: Record, decision: DecisionId, config: Option<&Config>) -> anyhow::Result<Captured> {
    let Record { request, verdict, settings, code, .. } = record;
    let request = request.with_context(|| {
        format!(
            "no policy was asked: the gateway refused `{decision}` before ({})",
            code.as_deref().unwrap_or("no code")
        )
    })?;
    let mut notes = Vec::new();
    let (chosen, zone) = configured(&request, settings, config, &mut notes);
    let tables = request.ceiling.into_iter().map(|relation| (relation.name.clone(), table(relation))).collect();
    notes.push("the mount has only the tables that the request touched; add others that the settings name".to_owned());
    if request.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty()) {
        notes.push("the ledger keeps digests of parameters: give them under `request.parameters`".to_owned());
    }
    let touch = touch(request.touch, &request.claims, &mut notes);
    let mount = CaseMount { name: request.mount, zone, limits: request.limits, tables };
    let expect = match &verdict {
        Some(verdict) => expectation(verdict, &mount, &touch)?,
        None => Expectation::of(ExpectedVerdict::Fault),
    };
    let case = Case {
        name: decision.to_string(),
        about: Some(format!("decided by a gateway as {decision}")),
        settings: chosen,
        mount,
        request: CaseRequest {
            agent: request.agent,
            session: request.session,
            claims: request.claims,
            door: request.door,
            purpose: request.purpose,
            time_ms: request.time.map(|time| time.unix_ms),
            usage: request.usage,
            parameters: vec![],
            touch,
        },
        expect,
    };
    Ok(Captured { case, notes })
}

/// The settings that the mount gives the agent's policy, where they are still those of the decision, and its zone.
fn configured(
    request: &Request,
    settings: Option<Digest>,
    config: Option<&Config>,
    notes: &mut Vec<String>,
) -> (serde_json::Value, String) {
    let none = || serde_json::json!({});
    let Some(mount) = config.and_then(|config| config.mounts.get(&request.mount)) else {
        notes.push(format!(
            "the configuration has no sound mount `{}`: give `settings` and `mount.zone`",
            request.mount
        ));
        return (none(), "UTC".to_owned());
    };
    let choice = mount.per_agent.get(request.agent.as_str()).unwrap_or(&mount.policy);
    let zone = mount.zone().iana_name().unwrap_or("UTC").to_owned();
    let same = settings.is_none_or(|digest| digest == Digest::of(choice.settings.to_string().as_bytes()));
    if !same {
        notes.push("the mount's settings have changed since: those of now are in the case".to_owned());
    }
    (choice.settings.clone(), zone)
}

fn table(relation: Relation) -> CaseTable {
    let column = |column: Column, shown| CaseColumn {
        name: column.name,
        // Under the masks, as policies are told it: the store's own type is not recorded, and every mask keeps this one.
        ty: column.ty,
        shown,
        key: column.key,
        mask: column.masks.into_iter().next(),
    };
    let shown = relation.columns.into_iter().map(|one| column(one, Shown::Agents));
    let mut columns: Vec<CaseColumn> = shown.collect();
    columns.extend(relation.lent.into_iter().map(|one| column(one, Shown::Policies)));
    // The ceiling's own filter may name hidden columns.
    for name in relation.filter.iter().flat_map(Filter::columns) {
        if !columns.iter().any(|column| &column.name == name) {
            columns.push(CaseColumn {
                name: name.clone(),
                ty: ColumnType::Any,
                shown: Shown::Nobody,
                key: false,
                mask: None,
            });
        }
    }
    CaseTable { columns, filter: relation.filter }
}

fn touch(touch: RecordedTouch, claims: &Claims, notes: &mut Vec<String>) -> Touch {
    let (touch, literals_withheld) = touch.restored(claims);
    if literals_withheld {
        notes.push(
            "the ledger keeps digests of what the request compared with: such predicates have no `value`".to_owned(),
        );
    }
    touch
}

/// What was decided, as what the case expects.
fn expectation(verdict: &Verdict, mount: &CaseMount, touch: &Touch) -> anyhow::Result<Expectation> {
    let (kind, grant) = match verdict {
        Verdict::Deny { code, reason, hint } => {
            return Ok(Expectation {
                code: Some(code.clone()),
                reason: Some(reason.clone()),
                hint: hint.clone(),
                ..Expectation::of(ExpectedVerdict::Deny)
            });
        }
        Verdict::Allow { grant, .. } => (ExpectedVerdict::Allow, grant),
        Verdict::Hold { grant, .. } => (ExpectedVerdict::Hold, grant),
    };
    let unsound = |why: &dyn std::fmt::Display| anyhow::anyhow!("the recorded ceiling does not hold by itself: {why}");
    let ceiling = mount.ceiling().map_err(|errors| match errors.first() {
        Some(error) => unsound(error),
        None => unsound(&"no reason"),
    })?;
    let Ok(scope) = Scope::narrow(&ceiling, touch, grant) else {
        return Ok(Expectation::of(ExpectedVerdict::Fault));
    };
    let tables = scope.relations().iter().map(|(name, scoped)| {
        let ceilings = |column: &ColumnName| {
            ceiling.relation(name).and_then(|relation| relation.column(column)).map_or(0, |column| column.masks.len())
        };
        (name.clone(), expected_table(scoped, ceilings))
    });
    let mut expect = Expectation { tables: Some(tables.collect()), ..Expectation::of(kind) };
    match verdict {
        Verdict::Allow { limits, valid_for_ms, .. } => {
            expect.limits = Some(limits.clone());
            expect.valid_for_ms = Some(valid_for_ms.unwrap_or(0));
        }
        Verdict::Hold { reason, .. } => expect.reason = Some(reason.clone()),
        Verdict::Deny { .. } => {}
    }
    Ok(expect)
}

fn expected_table(scoped: &ScopedRelation, ceilings: impl Fn(&ColumnName) -> usize) -> ExpectedTable {
    let added: BTreeMap<ColumnName, Vec<Mask>> = scoped
        .columns
        .iter()
        .filter_map(|column| {
            let own = column.masks.get(ceilings(&column.name)..).unwrap_or_default();
            (!own.is_empty()).then(|| (column.name.clone(), own.to_vec()))
        })
        .collect();
    let all = scoped.filters.iter().cloned().try_fold(None, |all: Option<Filter>, one| match all {
        Some(all) => all.and(one).map(Some),
        None => Ok(Some(one)),
    });
    ExpectedTable {
        columns: Some(scoped.columns.iter().map(|column| column.name.clone()).collect()),
        masks: Some(added),
        // Too large to say in one: then it is not compared.
        filter: all.ok().map(|all| all.unwrap_or_else(|| Filter::always(true))),
    }
}

#[cfg(test)]
mod tests;
