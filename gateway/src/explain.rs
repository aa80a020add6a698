//! A statement laid open for an operator, without running it: what `mountgate explain` shows.

use std::{collections::BTreeMap, sync::Arc};

use mountgate_core::{
    AgentName, Caller, Claims, DecisionRequest, Digest, Limits, MountName, PolicyName, Principal, Refusal, Scope,
    Touch, Value, Verdict,
};
use mountgate_mediate::{Inspection, Mount};
use mountgate_sql::{Bind, KeyPart, Plan};
use serde::Serialize;

use crate::{
    compose::Composer,
    config::{Config, Problems},
    keys::Keys,
    state::now_ms,
};

/// Which statement, as whom.
#[derive(Clone, Debug)]
pub struct Explain {
    /// The mount.
    pub mount: MountName,
    /// The agent.
    pub agent: AgentName,
    /// All of the caller's claims.
    pub claims: Claims,
    /// The statement.
    pub sql: String,
    /// Its parameters.
    pub parameters: Vec<Value>,
}

/// A statement laid open. What lies behind the first thing that failed is absent.
#[derive(Debug, Serialize)]
pub struct Explained {
    /// Whether it would be answered: neither the mount, the policy nor the statement stands in the way.
    pub allowed: bool,
    /// Why the mount would not serve this caller now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<Refusal>,
    /// Why it would be refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// How the policy failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// What it touches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub touch: Option<Arc<Touch>>,
    /// The policy's name in configuration.
    pub policy: PolicyName,
    /// The plugin.
    pub plugin: Digest,
    /// What the policy was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<DecisionRequest>,
    /// What it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The mount's limits and the verdict's together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Arc<Limits>>,
    /// What is left of the ceiling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Arc<Scope>>,
    /// The text that the store would run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// What its placeholders stand for, in order: never a key, and a claim by its name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub binds: Vec<String>,
    /// What the store's own wall shows of the relations that the text reads: its name for each, and the text behind it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub wall: BTreeMap<String, String>,
    /// Relations whose filters are fenced off from the statement's own predicates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fenced: Vec<String>,
}

/// Lays a statement open, with nothing but its own mount put together.
///
/// # Errors
/// Where there is no such mount (with the likely name), or the mount does not fit its backend and policies.
pub async fn explain(
    config: &Config,
    composer: &mut Composer,
    keys: &Keys,
    ask: &Explain,
) -> anyhow::Result<Explained> {
    let Some(declared) = config.mounts.get(&ask.mount) else {
        let near = mountgate_core::ceiling::likely(ask.mount.as_str(), config.mounts.keys().map(MountName::as_str));
        anyhow::bail!(match near {
            Some(near) => format!("there is no mount `{}`; did you mean `{near}`?", ask.mount),
            None => format!("there is no mount `{}`", ask.mount),
        });
    };
    let mut only = config.clone();
    only.mounts.retain(|name, _| name == &ask.mount);
    only.main.backends.retain(|name, _| name == &declared.backend);
    only.main.plugins.retain(|name, _| {
        name == &declared.policy.name || declared.per_agent.values().any(|choice| name == &choice.name)
    });
    let composed = composer.compose(&only, keys, 0).await?;
    let Some(mount) = composed.generation.mounts().get(&ask.mount) else {
        return Err(Problems(vec![]).into());
    };
    let caller = Caller {
        agent: ask.agent.clone(),
        principal: Principal::Agent,
        claims: Arc::new(ask.claims.clone()),
        until_ms: None,
    };
    // A policy may take as long as it is allowed to; nothing else runs here.
    let mut told = told(mount.inspect(&caller, &ask.sql, &ask.parameters, now_ms()));
    told.wall = walls(mount, told.scope.as_deref());
    Ok(told)
}

/// The relations of the scope as the wall shows them, with the text behind each.
pub(crate) fn walls(mount: &Mount, scope: Option<&Scope>) -> BTreeMap<String, String> {
    let read =
        scope.into_iter().flat_map(|scope| scope.relations().values()).filter_map(|relation| relation.wall.as_ref());
    read.filter_map(|wall| Some((wall.name.clone(), mount.backend().shown(&wall.name)?.to_owned()))).collect()
}

fn told(seen: Inspection) -> Explained {
    let Inspection { closed, touch, request, policy, plugin, verdict, fault, limits, scope, plan, refusal } = seen;
    let plan: Option<&Plan> = plan.as_deref();
    Explained {
        allowed: closed.is_none() && refusal.is_none(),
        closed,
        refusal,
        fault,
        touch,
        policy,
        plugin,
        request,
        verdict,
        limits,
        scope,
        sql: plan.map(|plan| plan.sql().to_string()),
        binds: plan.map(|plan| plan.binds().iter().map(meaning).collect()).unwrap_or_default(),
        wall: BTreeMap::new(),
        fenced: plan.map(|plan| plan.fenced().iter().map(ToString::to_string).collect()).unwrap_or_default(),
    }
}

/// What a placeholder stands for.
fn meaning(bind: &Bind) -> String {
    match bind {
        Bind::Parameter(index) => format!("parameter {}", index + 1),
        Bind::Claim { name, column, list, .. } => {
            let list = if *list { " (a list, or one of it)" } else { "" };
            format!("claim `{name}`, as {}{list}", column.label())
        }
        Bind::Literal(value) => match serde_json::to_string(value) {
            Ok(text) => format!("value {text}"),
            Err(_) => "value".to_owned(),
        },
        Bind::MaskKey { relation, column, part } => {
            let part = match part {
                KeyPart::Key => "key",
                KeyPart::Inner => "inner block of the key",
                KeyPart::Outer => "outer block of the key",
            };
            format!("{part} of the hash mask of `{relation}`.`{column}`")
        }
    }
}

#[cfg(test)]
mod tests;
