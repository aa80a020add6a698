//! What the operator's `explain` says of a step: verdict, scope, rewritten SQL. Agents never see it.

use std::{collections::BTreeMap, sync::Arc};

use mountgate_core::{Caller, ClaimValue, Claims, Grant, Mask, MountName, Principal, Scope, Verdict};
use mountgate_mediate::{Gateway, Inspection};
use mountgate_sql::{Bind, Plan};

use super::{Screen, Step, Tone, Who};
use crate::state::now_ms;

/// Lays the step's statement open, by the functions that answered it.
pub(super) fn shown(gateway: &Gateway, screen: Screen, step: &Step, who: &Who<'_>) -> String {
    let generation = gateway.generation();
    let Some(mount) = generation.mounts().get(&MountName::from(step.mount)) else { return String::new() };
    let claims: Claims = match serde_json::from_value::<BTreeMap<String, ClaimValue>>(who.claims.clone()) {
        Ok(claims) => claims.into_iter().map(|(name, value)| (name.into(), value)).collect(),
        Err(_) => Claims::new(),
    };
    let caller =
        Caller { agent: who.agent.into(), principal: Principal::Agent, claims: Arc::new(claims), until_ms: None };
    let seen = mount.inspect(&caller, &step.sql, &[], now_ms());
    // Bundled policies repeat the ceiling in full: what is left of it says whether they narrowed it.
    let whole = seen.touch.as_deref().map(|touch| Scope::narrow(mount.ceiling(), touch, &Grant::Ceiling));
    let as_it_is = matches!((&whole, seen.scope.as_deref()), (Some(Ok(whole)), Some(scope)) if whole == scope);
    let mut out = screen.labelled("verdict", Tone::Plain, &verdict(&seen, as_it_is));
    if seen.closed.is_some() {
        return out;
    }
    if let Some(scope) = seen.scope.as_deref().filter(|_| seen.plan.is_some()) {
        out.push_str(&screen.labelled("scope", Tone::Plain, &self::scope(scope)));
    }
    if let Some(plan) = seen.plan.as_deref().filter(|_| seen.refusal.is_none()) {
        out.push_str(&screen.labelled("runs", Tone::Sql, plan.sql()));
        let binds = binds(plan);
        if !binds.is_empty() {
            out.push_str(&screen.labelled("with", Tone::Dim, &binds));
        }
        for (name, shown) in crate::explain::walls(mount, seen.scope.as_deref()) {
            out.push_str(&screen.labelled("wall", Tone::Dim, &format!("{name}: {shown}")));
        }
    }
    out
}

fn verdict(seen: &Inspection, as_it_is: bool) -> String {
    let policy = &seen.policy;
    if seen.closed.is_some() {
        return "none: the mount is not this agent's, so for it there is none".to_owned();
    }
    match &seen.verdict {
        None => "none: refused before a policy is asked".to_owned(),
        Some(Verdict::Deny { code, reason, .. }) => format!("`{policy}` denies ({code}): {reason}"),
        Some(Verdict::Hold { reason, .. }) => format!("`{policy}` holds it for approval: {reason}"),
        Some(Verdict::Allow { valid_for_ms, .. }) => {
            let span = valid_for_ms.map(|ms| format!(", for {} s", ms / 1000)).unwrap_or_default();
            let what = if as_it_is { "the ceiling as it is" } else { "a part of the ceiling" };
            format!("`{policy}` allows {what}{span}")
        }
    }
}

fn scope(scope: &Scope) -> String {
    let mut relations = Vec::new();
    for (name, relation) in scope.relations() {
        let columns: Vec<String> = relation
            .columns
            .iter()
            .map(|column| {
                let masks: Vec<&str> = column.masks.iter().map(Mask::label).collect();
                if masks.is_empty() {
                    column.name.to_string()
                } else {
                    format!("{}[{}]", column.name, masks.join(", "))
                }
            })
            .collect();
        let rows = if relation.is_filtered() { "; some rows" } else { "; every row" };
        relations.push(format!("{name} ({}{rows})", columns.join(", ")));
    }
    relations.join("\n")
}

fn binds(plan: &Plan) -> String {
    let sign = match plan.sql().contains("$1") {
        true => "$",
        false => "?",
    };
    let mut out = Vec::new();
    for (at, bind) in plan.binds().iter().enumerate() {
        let meaning = match bind {
            Bind::Claim { name, .. } => format!("claim {name}"),
            Bind::Parameter(index) => format!("parameter {}", index + 1),
            Bind::Literal(value) => match serde_json::to_value(value) {
                Ok(serde_json::Value::Object(map)) => {
                    map.values().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                }
                Ok(other) => other.to_string(),
                Err(_) => "a value".to_owned(),
            },
            Bind::MaskKey { .. } => "a key".to_owned(),
        };
        out.push(format!("{sign}{} = {meaning}", at + 1));
    }
    out.join("  ")
}
