//! One mount put together: where it reads, what it may show, who decides. What is as it was is used again, so that a
//! change of one mount disturbs no other.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use mountgate_backend::{Backend, FileView};
use mountgate_core::{AgentName, Ceiling, PolicyName, RelationName, RequestMount};
use mountgate_mediate::{Assigned, Mount, MountSpec, Shadow};
use mountgate_policy::Isolation;

use super::{
    Opened,
    policies::{self, Admitted, same_standing},
    wall,
};
use crate::{
    config::{Config, MountConfig, PolicyChoice, Problem, Source},
    keys::Keys,
};

/// A mount as it is in force, for the next composition.
pub(super) struct Built {
    declared: MountConfig,
    placed: Placed,
    prepared: Prepared,
    /// The mount itself, while its generation lives.
    pub(super) mount: Weak<Mount>,
    /// Whether it is as the one before it was.
    pub(super) follows: bool,
}

/// Where a mount reads, and what it may show.
#[derive(Clone)]
pub(super) struct Placed {
    /// The ceiling against what the backend has now, before any wall.
    bare: Ceiling,
    /// The views of a SQLite file, whose texts are in its walls.
    views: BTreeMap<String, FileView>,
    /// The backend that was opened, which mounts share.
    opened: Arc<Backend>,
    /// The mount's own way to it.
    backend: Arc<Backend>,
    /// The ceiling as it is read from there.
    ceiling: Ceiling,
}

/// Who decides.
#[derive(Clone)]
pub(super) struct Prepared {
    policy: Assigned,
    per_agent: BTreeMap<AgentName, Assigned>,
    shadow: Option<Shadow>,
}

impl Prepared {
    fn all(&self) -> impl Iterator<Item = &Assigned> {
        std::iter::once(&self.policy)
            .chain(self.per_agent.values())
            .chain(self.shadow.as_ref().map(|shadow| &shadow.assigned))
    }

    /// Prepared policies outlive the sets that they are from; how they stand is as it is now. A standing that nobody
    /// watches any more would let a revoked plugin decide.
    fn standing(mut self, plugins: &BTreeMap<PolicyName, Admitted>) -> Self {
        let all = std::iter::once(&mut self.policy)
            .chain(self.per_agent.values_mut())
            .chain(self.shadow.as_mut().map(|shadow| &mut shadow.assigned));
        for assigned in all {
            assigned.standing = plugins.get(&assigned.name).and_then(|admitted| admitted.standing.clone());
        }
        self
    }
}

/// A mount that is being put together.
pub(super) struct Site<'a> {
    pub(super) config: &'a Config,
    pub(super) keys: &'a Keys,
    pub(super) declared: &'a MountConfig,
    pub(super) opened: &'a mut Opened,
    /// The same mount in what is in force.
    pub(super) before: Option<&'a Built>,
    /// Every plugin, admitted.
    pub(super) plugins: &'a BTreeMap<PolicyName, Admitted>,
    /// Every plugin of what is in force.
    pub(super) plugins_before: &'a BTreeMap<PolicyName, Admitted>,
}

impl Site<'_> {
    pub(super) async fn place(
        &mut self,
        inspectors: &mut wall::Inspectors,
        warnings: &mut Vec<String>,
    ) -> Result<Placed, Vec<Problem>> {
        let Self { config, keys, declared, opened, before, .. } = self;
        let bare = ceiling(declared, &opened.backend).await?;
        let views = opened.backend.file_views().await.map_err(|error| {
            let why =
                format!("backend `{}` does not tell its views ({}): {}", declared.backend, error.class, error.detail);
            vec![declared.source.point(&["backend".to_owned()], None, &why)]
        })?;
        // PostgreSQL's wall stands elsewhere, and is looked at each time.
        if let Some(before) = before
            && opened.backend.is_sqlite()
            && before.declared == **declared
            && before.placed.bare == bare
            && before.placed.views == views
            && Arc::ptr_eq(&before.placed.opened, &opened.backend)
        {
            return Ok(before.placed.clone());
        }
        let shared = Arc::clone(&opened.backend);
        let (backend, ceiling) =
            wall::behind(opened, declared, bare.clone(), keys, inspectors, config, warnings).await?;
        Ok(Placed { bare, views, opened: shared, backend, ceiling })
    }

    pub(super) async fn policies(&self, placed: &Placed) -> Result<Prepared, Vec<Problem>> {
        let is_same = |assigned: &Assigned| {
            let now = self.plugins.get(&assigned.name);
            let before = self.plugins_before.get(&assigned.name);
            now.zip(before).is_some_and(|(now, before)| now.prepares_alike(before))
        };
        if let Some(before) = self.before
            && before.declared == *self.declared
            && before.placed.ceiling == placed.ceiling
            && before.prepared.all().all(is_same)
        {
            return Ok(before.prepared.clone().standing(self.plugins));
        }
        assign(self.declared, &placed.ceiling, self.plugins).await
    }

    pub(super) fn build(&self, placed: Placed, prepared: Prepared) -> (Mount, Built) {
        let Self { declared, opened, before, keys, .. } = self;
        let spec = MountSpec {
            name: declared.name.clone(),
            dialect: opened.backend.dialect(),
            extras: opened.config.extras.iter().cloned().collect(),
            ceiling: placed.ceiling.clone(),
            backend: Arc::clone(&placed.backend),
            policy: prepared.policy.clone(),
            per_agent: prepared.per_agent.clone(),
            shadow: prepared.shadow.clone(),
            mask_keys: Arc::new(keys.masks(&declared.name)),
            zone: declared.zone(),
            expires: declared.expires.as_ref().map(|expires| expires.day.clone()),
            practice: declared.practice.clone(),
        };
        let same_place = before.filter(|before| {
            before.declared == **declared
                && Arc::ptr_eq(&before.placed.backend, &placed.backend)
                && before.placed.ceiling == placed.ceiling
        });
        let old = same_place.and_then(|before| before.mount.upgrade());
        let is_same = |one: &Assigned, other: &Assigned| {
            Arc::ptr_eq(&one.policy, &other.policy) && same_standing(one.standing.as_ref(), other.standing.as_ref())
        };
        let follows = same_place.is_some_and(|before| {
            before.prepared.all().count() == prepared.all().count()
                && before.prepared.all().zip(prepared.all()).all(|(one, other)| is_same(one, other))
        });
        let mount = match old {
            Some(old) => Mount::following(spec, &old),
            None => Mount::new(spec),
        };
        let built = Built { declared: (*declared).clone(), placed, prepared, mount: Weak::new(), follows };
        (mount, built)
    }
}

/// The ceiling of a mount, against what its backend has.
pub(super) async fn ceiling(declared: &MountConfig, backend: &Backend) -> Result<Ceiling, Vec<Problem>> {
    let names: Vec<RelationName> = declared.tables.keys().cloned().collect();
    let catalogue = backend.catalogue(&names).await.map_err(|error| {
        let why = format!("backend `{}` does not tell what it has ({}): {}", backend.name(), error.class, error.detail);
        vec![declared.source.point(&["backend".to_owned()], None, &why)]
    })?;
    let mut problems: Vec<Problem> = Vec::new();
    // One relation under two names would have two ceilings, and its agents the more of both.
    let mut seen: BTreeMap<(&str, &str), &RelationName> = BTreeMap::new();
    for (name, info) in &catalogue.relations {
        if let Some(other) = seen.insert((info.schema.as_str(), info.name.as_str()), name) {
            let why = format!("`{name}` and `{other}` are one and the same relation: keep one of them");
            problems.push(declared.source.point(&["tables".to_owned(), name.to_string()], None, &why));
        }
    }
    let built = Ceiling::build(
        &declared.tables,
        &catalogue,
        declared.agents.clone(),
        declared.limits.clone(),
        declared.per,
        declared.hours.clone(),
        declared.expires.as_ref().map(|expires| expires.end_ms),
    );
    match built {
        Ok(ceiling) if problems.is_empty() => Ok(ceiling),
        Ok(_) => Err(problems),
        Err(errors) => {
            problems.extend(errors.iter().map(|error| declared.point(error)));
            Err(problems)
        }
    }
}

/// The policies of a mount, prepared with their settings.
async fn assign(
    declared: &MountConfig,
    ceiling: &Ceiling,
    plugins: &BTreeMap<PolicyName, Admitted>,
) -> Result<Prepared, Vec<Problem>> {
    let mut problems = Vec::new();
    let mount = &Arc::new(RequestMount::of(declared.name.clone(), ceiling));
    let own = &declared.source;
    let policy = configure(own, &declared.policy, mount, plugins, &mut problems).await;
    let mut per_agent = BTreeMap::new();
    for (agent, choice) in &declared.per_agent {
        if let Some(assigned) = configure(own, choice, mount, plugins, &mut problems).await {
            per_agent.insert(agent.clone(), assigned);
        }
    }
    let mut shadow = None;
    if let Some(choice) = &declared.shadow {
        let assigned = configure(&choice.source, &choice.policy, mount, plugins, &mut problems).await;
        shadow = assigned.map(|assigned| Shadow {
            assigned: Assigned { policy: assigned.policy.beside(), ..assigned },
            share: choice.share,
        });
    }
    match policy {
        Some(policy) if problems.is_empty() => Ok(Prepared { policy, per_agent, shadow }),
        _ => Err(problems),
    }
}

async fn configure(
    source: &Source,
    choice: &PolicyChoice,
    mount: &Arc<RequestMount>,
    plugins: &BTreeMap<PolicyName, Admitted>,
    problems: &mut Vec<Problem>,
) -> Option<Assigned> {
    // One that was not admitted is told already.
    let admitted = plugins.get(&choice.name)?;
    match policies::configure(admitted, &choice.settings, mount).await {
        Ok(policy) => Some(Assigned {
            name: choice.name.clone(),
            policy: match choice.isolation {
                Isolation::Fresh => policy,
                Isolation::Warm => policy.with_isolation(Isolation::Warm),
            },
            standing: admitted.standing.clone(),
        }),
        Err(why) => {
            let mut place = choice.place.clone();
            // Where settings are given, they are what the policy speaks of.
            if choice.settings.as_object().is_some_and(|settings| !settings.is_empty())
                && let Some(last) = place.last_mut()
            {
                "settings".clone_into(last);
            }
            problems.push(source.point(&place, None, &format!("policy `{}`: {why}", choice.name)));
            None
        }
    }
}
