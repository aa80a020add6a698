//! What a caller may do: `/v1/mounts`, `/v1/explain`, and the same for MCP. Never rewritten SQL, filters' text, claims
//! or what lies outside the scope.

use std::{collections::BTreeMap, sync::Arc};

use mountgate_core::{
    LimitKey, Limits, MountName, Principal, Rate, RelationTouch, Scope, ScopedRelation, Touch, Use, Verb,
};

use mountgate_sql::Dialect;

use crate::{
    ColumnDetail, Entered, ExplainedColumn, ExplainedRelation, Gateway, Mount, MountDetail, MountSummary, OBSERVE,
    Refused, TableDetail, WriteDetail,
    decide::Question,
    gateway::{budget_key, now_ms},
};

impl Gateway {
    /// The mounts that the caller may use, by name.
    ///
    /// # Errors
    /// None today; the gateway's state is at hand.
    pub fn mounts(&self, entered: &Entered) -> Result<Vec<MountSummary>, Refused> {
        let generation = self.generation();
        let now = now_ms();
        Ok(generation
            .mounts()
            .values()
            .filter(|mount| mount.serves(&entered.caller().agent))
            .map(|mount| mount.summary(now))
            .collect())
    }

    /// What the caller may do in a mount now, by the policy's word, and what is left of it.
    ///
    /// # Errors
    /// Where the mount is not the caller's.
    pub fn mount(&self, entered: &Entered, name: &MountName) -> Result<MountDetail, Refused> {
        let generation = self.generation();
        let mount = generation.mount(entered.caller(), name)?;
        let now = now_ms();
        let mut limits = (*mount.limits).clone();
        let mut relations = Vec::new();
        // One question a relation: a policy may grant one and deny another, or deny them together.
        for (relation, ceiling) in mount.ceiling().relations() {
            let touch = Arc::new(Touch {
                verb: Verb::Read,
                relations: vec![RelationTouch {
                    relation: relation.clone(),
                    columns: ceiling
                        .columns
                        .iter()
                        .map(|column| (column.name.clone(), [Use::Projected].into_iter().collect()))
                        .collect(),
                    references: 1,
                }],
                predicates: vec![],
            });
            let ceiling = Arc::new(mount.ceiling_for(&touch));
            let asked = mount.decide(&Question {
                seen: None,
                caller: entered.caller(),
                door: entered.door(),
                now_ms: now,
                purpose: None,
                parameters: &[],
                touch: &touch,
                ceiling: &ceiling,
                usage: &|| self.usage(mount, entered.caller()),
            });
            let Ok(decided) = asked.outcome else { continue };
            let Ok(scope) = Scope::narrow(mount.ceiling(), &touch, &decided.grant) else { continue };
            limits = limits.tighten(&decided.limits);
            if let Some(scoped) = scope.relation(relation) {
                relations.push(TableDetail {
                    name: relation.clone(),
                    columns: columns(scoped),
                    filtered: scoped.is_filtered(),
                    require: scoped.require.iter().map(ToString::to_string).collect(),
                    min_group: scoped.aggregate.as_ref().map(|aggregate| aggregate.min_group),
                    write: mount
                        .ceiling()
                        .relation(relation)
                        .and_then(|relation| relation.write.as_ref())
                        .filter(|_| mount.spec.backend.is_writable())
                        .map(|write| writable(scoped, &write.declared)),
                });
            }
        }
        // What is left of a budget that others share would tell of their use.
        let shared = match mount.ceiling().per {
            LimitKey::Mount => true,
            LimitKey::Agent => matches!(entered.caller().principal, Principal::Session(_)),
            LimitKey::Session => false,
        };
        Ok(MountDetail {
            summary: mount.summary(now),
            hours: mount.ceiling().hours.as_ref().map(|hours| hours.as_str().to_owned()),
            expires: mount.spec.expires.clone(),
            relations,
            limits: told(&limits, mount.ceiling().per),
            left: (!shared).then(|| self.usage(mount, entered.caller())),
            keys_left: if shared {
                BTreeMap::new()
            } else {
                let key = budget_key(mount, entered.caller());
                self.limiter().keys_left(&key, &mount.limits, std::time::Instant::now())
            },
        })
    }

    pub(crate) fn usage(&self, mount: &Mount, caller: &mountgate_core::Caller) -> mountgate_core::request::Usage {
        self.limiter().usage(&budget_key(mount, caller), &mount.limits, std::time::Instant::now())
    }
}

impl Mount {
    /// The dialect's name, as agents are told it.
    pub fn dialect(&self) -> &'static str {
        match self.spec.dialect {
            Dialect::Sqlite => "sqlite",
            Dialect::Postgres => "postgres",
        }
    }

    /// `observe`, where it is open for observation.
    pub(crate) fn mode(&self) -> Option<&'static str> {
        self.is_observed().then_some(OBSERVE)
    }

    fn summary(&self, now_ms: i64) -> MountSummary {
        MountSummary {
            name: self.name().clone(),
            dialect: self.dialect(),
            tables: self.ceiling().relations().keys().cloned().collect(),
            open: self.open_at(now_ms).is_ok(),
            mode: self.mode(),
            until: self.spec.practice.observe.as_ref().map(|last| last.day.clone()),
        }
    }
}

/// What the ceiling lets be written, of what is in scope.
fn writable(scoped: &ScopedRelation, write: &mountgate_core::WriteDeclaration) -> WriteDetail {
    let shown = |columns: &[mountgate_core::ColumnName]| {
        columns.iter().filter(|name| scoped.column(name).is_some()).map(ToString::to_string).collect()
    };
    WriteDetail {
        insert: shown(&write.insert),
        update: shown(&write.update),
        delete: write.delete,
        max_rows: write.max_rows,
        approval: write.approval.to_string(),
    }
}

fn columns(scoped: &ScopedRelation) -> Vec<ColumnDetail> {
    scoped
        .columns
        .iter()
        .map(|column| ColumnDetail {
            name: column.name.to_string(),
            ty: column.ty.label(),
            key: scoped.store.key.contains(&column.name),
            masks: column.masks.iter().map(mountgate_core::Mask::label).collect(),
        })
        .collect()
}

/// The relations of an explanation: what is touched, as the scope has it.
pub(crate) fn explained(touch: &Touch, scope: &Scope) -> Vec<ExplainedRelation> {
    touch
        .relations
        .iter()
        .filter_map(|touched| {
            let scoped = scope.relation(&touched.relation)?;
            Some(ExplainedRelation {
                name: touched.relation.clone(),
                columns: touched
                    .columns
                    .iter()
                    .filter_map(|(name, uses)| {
                        let column = scoped.column(name)?;
                        Some(ExplainedColumn {
                            name: name.to_string(),
                            uses: uses.iter().collect(),
                            masks: column.masks.iter().map(mountgate_core::Mask::label).collect(),
                        })
                    })
                    .collect(),
                filtered: scoped.is_filtered(),
            })
        })
        .collect()
}

fn told(limits: &Limits, per: LimitKey) -> BTreeMap<&'static str, String> {
    let mut told = BTreeMap::new();
    for (name, rates) in [("requests", &limits.requests), ("rows", &limits.rows), ("bytes", &limits.bytes)] {
        if !rates.is_empty() {
            told.insert(name, rates.iter().map(rate).collect::<Vec<_>>().join(", "));
        }
    }
    if !limits.distinct.is_empty() {
        let all = limits.distinct.iter().map(|distinct| format!("{} of {}", rate(&distinct.rate), distinct.column));
        told.insert("distinct", all.collect::<Vec<_>>().join(", "));
    }
    for (name, cap) in [
        ("max_rows", limits.max_rows),
        ("max_bytes", limits.max_bytes),
        ("timeout_ms", limits.timeout_ms),
        ("concurrency", limits.concurrency.map(u64::from)),
    ] {
        if let Some(cap) = cap {
            told.insert(name, cap.to_string());
        }
    }
    let per = match per {
        LimitKey::Session => "session",
        LimitKey::Agent => "agent",
        LimitKey::Mount => "mount",
    };
    told.insert("per", per.to_owned());
    told
}

fn rate(rate: &Rate) -> String {
    let window = match rate.window_ms {
        1_000 => "second".to_owned(),
        60_000 => "minute".to_owned(),
        3_600_000 => "hour".to_owned(),
        86_400_000 => "day".to_owned(),
        ms => format!("{ms} ms"),
    };
    format!("{}/{window}", rate.amount)
}
