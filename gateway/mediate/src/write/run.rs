//! The way of a write: as a read's, but that where the ceiling or the policy wants a person's approval it is carried out,
//! rolled back, and kept until it is approved.

use std::{sync::Arc, time::Instant};

use mountgate_backend::{Aim, Ended, Ran};
use mountgate_core::{
    Approval, Caller, Code, ColumnType, Digest, Door, Effect, Grant, Limits, MountName, Refusal, Scope, Touch, Verdict,
};
use mountgate_ledger::{CapsRecord, DecisionRecord, Outcome, Recorded, Status, applied_masks};
use mountgate_limits::Permitted;
use mountgate_sql::{Authorized, BoundWrite, WritePlan, WriteStatement};

use super::{
    Executed, Held, HeldWrite, NewHold, Previewed, Write, WriteReply, Written,
    journal::{Begun, Claimed, Entry},
};
use crate::{
    Entered, Gateway, Generation, Mount, Refused, ReplyCaps, ReplyColumn,
    decide::{Failed, Question},
    gateway::{PURPOSE, Trail, budget_key, now_ms, unrecorded},
};

/// The longest reason, in characters.
const REASON: usize = 2000;

/// The longest idempotency key, in characters.
const KEY: usize = 200;

/// A write decided and bound.
struct Ready {
    mount: Arc<Mount>,
    plan: WritePlan,
    bound: Option<Authorized<BoundWrite>>,
    scope: Scope,
    grant: Arc<Grant>,
    limits: Arc<Limits>,
    verdict: Verdict,
    replayable: bool,
    plugin: Digest,
    settings: Digest,
}

/// Who asks, and by which door.
#[derive(Clone, Copy)]
struct Asker<'a> {
    caller: &'a Caller,
    door: Door,
}

/// Why a held write is not run again.
enum Not {
    Refused(Refusal),
    /// It is decided by another policy than then.
    Stale(&'static str),
}

impl From<Refusal> for Not {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Gateway {
    /// A write, on its whole way.
    ///
    /// # Errors
    /// Every refusal of the way, each recorded; nothing is changed then, but for `outcome_unknown`.
    pub async fn write(&self, entered: &Entered, write: Write) -> Result<WriteReply, Refused> {
        let (gateway, caller, door, since) = (self.clone(), entered.caller().clone(), entered.door(), entered.since());
        // Whoever asked may go away in the middle: what is under way then still ends, and its key with it.
        let work = async move {
            let generation = gateway.generation();
            let asker = Asker { caller: &caller, door };
            let mut trail = Trail::of(&write.mount, &write.sql);
            match gateway.write_on(asker, &generation, &write, &mut trail).await {
                Ok(reply) => {
                    gateway.metrics_registry().answered(door, since.elapsed());
                    Ok(reply)
                }
                Err(refusal) => Err(gateway.refuse(&caller, door, &generation, &trail, refusal)),
            }
        };
        tokio::spawn(work).await.unwrap_or_else(|_| {
            Err(Refusal::new(Code::OutcomeUnknown, "whether the write took place is not known").into())
        })
    }

    async fn write_on(
        &self,
        asker: Asker<'_>,
        generation: &Generation,
        write: &Write,
        trail: &mut Trail,
    ) -> Result<WriteReply, Refusal> {
        let mount = generation.mount(asker.caller, &write.mount)?;
        for (name, text, most) in [("reason", &write.reason, REASON), ("idempotency_key", &write.idempotency_key, KEY)]
        {
            if text.as_ref().is_some_and(|text| text.chars().count() > most) {
                return Err(Refusal::new(Code::TooLarge, format!("`{name}` has more than {most} characters")));
            }
        }
        let ready = self.ready_write(asker, mount, write, trail)?;
        let (wanted, why, expires_ms) = match &ready.verdict {
            // A policy may want an approval where the ceiling does not, and never waive one.
            Verdict::Hold { reason, expires_ms, .. } => (Approval::Required, Some(reason.clone()), *expires_ms),
            Verdict::Allow { .. } | Verdict::Deny { .. } => (ready.plan.approval(), None, None),
        };
        if wanted == Approval::Required && self.holds().is_none() {
            return Err(unavailable());
        }
        // Authorised afresh before what was answered then is told again.
        let entry = match &write.idempotency_key {
            None => None,
            Some(key) => {
                let journal = self.journal().ok_or_else(|| {
                    Refusal::new(Code::Malformed, "this gateway keeps no idempotency keys").hint("leave it out")
                })?;
                let entry = Entry::of(asker.caller, write, key)?;
                match journal.begin(&entry, now_ms()).await? {
                    Begun::New => Some((journal, entry)),
                    Begun::Answered(reply) => {
                        return self.again(asker, generation, write, trail, &ready, reply).await;
                    }
                    Begun::Conflict => {
                        return Err(Refusal::new(
                            Code::IdempotencyConflict,
                            "the idempotency key was used by another request",
                        )
                        .hint(
                            "take a new key for a new request; the same key is for the same request, word for word",
                        ));
                    }
                    Begun::UnderWay => return Err(under_way()),
                    Begun::Lost => {
                        self.lost(mount, journal, &entry).await?;
                        Some((journal, entry))
                    }
                }
            }
        };
        let marker = entry.as_ref().map(|(_, entry)| entry.marker());
        let claimed = entry.as_ref().map(|(journal, entry)| Claimed::new(Arc::clone(journal), entry.clone()));
        let done = self.carry_out(asker, generation, write, trail, ready, wanted, why, expires_ms, marker).await;
        if let Some(claimed) = claimed {
            claimed.end(&done).await;
        }
        done
    }

    #[expect(clippy::too_many_arguments, reason = "what was decided is wanted by what is held")]
    async fn carry_out(
        &self,
        asker: Asker<'_>,
        generation: &Generation,
        write: &Write,
        trail: &mut Trail,
        ready: Ready,
        wanted: Approval,
        why: Option<String>,
        expires_ms: Option<u64>,
        marker: Option<String>,
    ) -> Result<WriteReply, Refusal> {
        let aim = match wanted {
            Approval::Required => Aim::Preview,
            Approval::OverRows(most) => Aim::Commit { at_most: Some(most), marker },
            Approval::None => Aim::Commit { at_most: None, marker },
        };
        let columns = reply_columns(&ready.plan);
        let (plugin, settings) = (ready.plugin, ready.settings);
        let ran = self.run_write(asker, generation, trail, ready, aim, write).await;
        let effect = match (wanted, ran) {
            (Approval::Required, Err(refusal)) if refusal.code == Code::LedgerUnavailable => return Err(refusal),
            (Approval::Required, Err(refusal)) if !trail.recorded => return Err(refusal),
            (Approval::Required, Err(refusal)) => Err(refusal.code),
            (_, Err(refusal)) => return Err(refusal),
            (_, Ok(Ran { ended: Ended::Committed, effect, returned })) => {
                return Ok(WriteReply::Written(Written {
                    decision_id: trail.id.to_string(),
                    rows: u64::try_from(effect.rows.len()).unwrap_or(u64::MAX),
                    columns,
                    returned,
                }));
            }
            (_, Ok(Ran { effect, .. })) => Ok(effect),
        };
        let holds = self.holds().ok_or_else(unavailable)?;
        let hold = NewHold {
            decision_id: trail.id.to_string(),
            caller: asker.caller.clone(),
            door: asker.door,
            generation: generation.number(),
            plugin,
            settings,
            write: write.clone(),
            effect,
            why,
            expires_ms: expires_ms.map(|ms| trail.time_ms.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX))),
        };
        let hold = holds.hold(hold).await?;
        Ok(WriteReply::Held(Held { decision_id: trail.id.to_string(), hold }))
    }

    /// What a held write would do now: decided again, carried out and rolled back.
    ///
    /// # Errors
    /// Every refusal of the way, each recorded.
    pub async fn preview(&self, held: &HeldWrite) -> Result<Previewed, Refused> {
        let generation = self.generation();
        let asker = Asker { caller: &held.caller, door: held.door };
        let mut trail = Trail::of(&held.write.mount, &held.write.sql);
        let ran = async {
            let mount = generation.mount(asker.caller, &held.write.mount)?;
            let ready = self.ready_write(asker, mount, &held.write, &mut trail)?;
            let (plugin, settings) = (ready.plugin, ready.settings);
            let ran = self.run_write(asker, &generation, &mut trail, ready, Aim::Preview, &held.write).await?;
            Ok(Previewed { effect: ran.effect, generation: generation.number(), plugin, settings })
        };
        let ran = Box::pin(ran).await;
        ran.map_err(|refusal| self.refuse(asker.caller, asker.door, &generation, &trail, refusal))
    }

    /// Carries out a held write that is approved: decided again, by the same policy, and committed with the marker if it
    /// does what is expected.
    pub async fn execute(&self, held: &HeldWrite, expected: &Effect, marker: &str) -> Executed {
        // Whoever waits here may go away; what is being committed does not depend on that.
        let (gateway, held) = (self.clone(), held.clone());
        let (expected, marker) = (expected.clone(), marker.to_owned());
        let work = async move { gateway.execute_here(&held, expected, marker).await };
        tokio::spawn(work).await.unwrap_or(Executed::Unknown)
    }

    async fn execute_here(&self, held: &HeldWrite, expected: Effect, marker: String) -> Executed {
        let generation = self.generation();
        let asker = Asker { caller: &held.caller, door: held.door };
        let mut trail = Trail::of(&held.write.mount, &held.write.sql);
        let run = async {
            let mount = generation.mount(asker.caller, &held.write.mount)?;
            let ready = self.ready_write(asker, mount, &held.write, &mut trail)?;
            if (ready.plugin, ready.settings) != (held.plugin, held.settings) {
                return Err(Not::Stale("another policy decides now"));
            }
            let aim = Aim::Execute { expected, marker };
            Ok(self.run_write(asker, &generation, &mut trail, ready, aim, &held.write).await?)
        };
        match Box::pin(run).await {
            Ok(Ran { ended: Ended::Committed, effect, .. }) => {
                Executed::Done { effect, decision_id: trail.id.to_string() }
            }
            Ok(Ran { ended: Ended::Stale | Ended::RolledBack, .. }) => {
                Executed::Stale("it would do something else than what was shown".to_owned())
            }
            Err(Not::Stale(why)) => Executed::Stale(why.to_owned()),
            Err(Not::Refused(refusal)) if refusal.code == Code::OutcomeUnknown => Executed::Unknown,
            Err(Not::Refused(refusal)) => {
                Executed::Failed(self.refuse(asker.caller, asker.door, &generation, &trail, refusal).refusal)
            }
        }
    }

    /// Whether the marker of a write is in the mount's backend; `None` where that has no place for one.
    ///
    /// # Errors
    /// Where there is no such mount, or the backend can't be asked.
    pub async fn marker(&self, mount: &MountName, id: &str) -> Result<Option<bool>, Refusal> {
        let generation = self.generation();
        let mount = generation
            .mounts()
            .get(mount)
            .ok_or_else(|| Refusal::new(Code::MountNotFound, format!("there is no mount `{mount}`")))?;
        mount.spec.backend.marker(id).await.map_err(|error| {
            tracing::warn!(mount = %mount.name(), detail = error.detail, "a marker can't be looked for");
            Refusal::new(Code::BackendUnavailable, "the backend can't be reached or is overloaded").retry_after(1)
        })
    }

    /// Parse, resolve, decide, enforce, bind.
    fn ready_write(
        &self,
        asker: Asker<'_>,
        mount: &Arc<Mount>,
        write: &Write,
        trail: &mut Trail,
    ) -> Result<Ready, Refusal> {
        mount.open_at(trail.time_ms)?;
        if write.purpose.as_ref().is_some_and(|purpose| purpose.chars().count() > PURPOSE) {
            return Err(Refusal::new(Code::TooLarge, format!("`purpose` has more than {PURPOSE} characters")));
        }
        let ceiling = mount.ceiling();
        let statement = WriteStatement::parse(mount.spec.dialect, &write.sql, &mount.spec.extras)?;
        let touch: Arc<Touch> = Arc::new(statement.touch(ceiling)?);
        let asked = mount.decide(&Question {
            // A verdict on a write is not remembered: what it allows is rare, and lasts.
            seen: None,
            caller: asker.caller,
            door: asker.door,
            now_ms: trail.time_ms,
            purpose: write.purpose.as_deref(),
            parameters: &write.params,
            touch: &touch,
            ceiling: &Arc::new(mount.ceiling_for(&touch)),
            usage: &|| self.usage(mount, asker.caller),
        });
        self.metrics_registry().decided(asked.elapsed, asked.reused);
        let (plugin, settings) = (asked.plugin, asked.settings);
        trail.request = Some(asked.request);
        trail.plugin = Some(plugin);
        trail.settings = Some(settings);
        let (grant, limits, verdict, replayable) = match asked.outcome {
            Ok(decided) => {
                (Arc::clone(&decided.grant), Arc::clone(&decided.limits), decided.verdict.clone(), decided.replayable)
            }
            Err(Failed::Denied(denied)) => match *denied {
                (_, verdict @ Verdict::Hold { .. }) => {
                    let Verdict::Hold { grant, .. } = &verdict else {
                        return Err(self.fault(mount, trail, "", "hold"));
                    };
                    (Arc::new(grant.clone()), Arc::clone(&mount.limits), verdict, true)
                }
                (refusal, verdict) => {
                    trail.verdict = Some(verdict);
                    return Err(refusal);
                }
            },
            Err(Failed::Fault(why, code)) => return Err(self.fault(mount, trail, &why, code)),
            Err(Failed::Overloaded) => {
                return Err(Refusal::new(Code::Overloaded, "every place for a policy's decision is taken")
                    .hint("try again in a moment")
                    .retry_after(1));
            }
            Err(Failed::Withdrawn) => {
                self.metrics_registry().policy_fault("withdrawn");
                return Err(crate::decide::withdrawn());
            }
        };
        // What a write looks for is not counted yet, and what is not counted would be a way around the count.
        if !limits.distinct.is_empty() {
            return Err(Refusal::new(
                Code::WriteNotAllowed,
                "this mount counts the values that are looked up, and writes look up uncounted",
            )
            .hint("ask the mount's owner for a mount of its own for writes"));
        }
        let scope = Scope::narrow(ceiling, &touch, &grant)
            .map_err(|error| self.fault(mount, trail, &error.to_string(), "past_ceiling"))?;
        let plan = statement.enforce(ceiling, &scope)?;
        let bound = plan.authorize(&write.params, &asker.caller.claims, mount.spec.mask_keys.as_ref())?;
        Ok(Ready {
            mount: Arc::clone(mount),
            plan,
            bound: Some(bound),
            scope,
            grant,
            limits,
            verdict,
            replayable,
            plugin,
            settings,
        })
    }

    /// The decision on record, before anything is done upon it.
    async fn on_record<T>(
        &self,
        generation: &Generation,
        write: &Write,
        trail: &mut Trail,
        ready: &Ready,
        permitted: Permitted<T>,
    ) -> Result<Recorded<Permitted<T>>, Refusal> {
        let caps = ReplyCaps::from(permitted.caps());
        let Some(request) = &trail.request else {
            return Err(Refusal::new(Code::Internal, "a decision without a question"));
        };
        let masks = applied_masks(&ready.scope);
        let row = DecisionRecord {
            id: trail.id,
            time_ms: trail.time_ms,
            generation: generation.number(),
            plugin: ready.plugin,
            settings: Some(ready.settings),
            cached: false,
            replayable: ready.replayable,
            request,
            parameters: &write.params,
            verdict: &ready.verdict,
            grant: Some(&ready.grant),
            masks: &masks,
            caps: CapsRecord { max_rows: caps.max_rows, max_bytes: caps.max_bytes, timeout_ms: caps.timeout_ms },
            counted: &[],
            fenced: ready.plan.read().map(|read| read.fenced()).unwrap_or_default(),
            statement: &write.sql,
        };
        let recorded = self.ledger().record_durable(permitted, &row).await.map_err(unrecorded)?;
        trail.recorded = true;
        Ok(recorded)
    }

    /// Limits, ledger, backend.
    async fn run_write(
        &self,
        asker: Asker<'_>,
        generation: &Generation,
        trail: &mut Trail,
        mut ready: Ready,
        aim: Aim,
        write: &Write,
    ) -> Result<Ran, Refusal> {
        let (bound, mount) = (ready.bound.take(), Arc::clone(&ready.mount));
        let bound = bound.ok_or_else(|| Refusal::new(Code::Internal, "a write that ran already"))?;
        let permitted =
            self.limiter().permit(bound, budget_key(&mount, asker.caller), &ready.limits, Instant::now())?;
        let recorded = self.on_record(generation, write, trail, &ready, permitted).await?;
        let plan = ready.plan;
        // Whoever asked may go away in the middle; a commit under way does not depend on that.
        let work = async move {
            let relation = mount.ceiling().relation(plan.relation());
            let Some(relation) =
                relation.filter(|relation| relation.write.as_ref().is_some_and(|w| w.lets(plan.verb())))
            else {
                return Err(Refusal::new(Code::Internal, "a write that the ceiling does not let through"));
            };
            mount.spec.backend.write(recorded, relation, aim).await
        };
        tokio::spawn(work)
            .await
            .unwrap_or_else(|_| Err(Refusal::new(Code::OutcomeUnknown, "whether the write took place is not known")))
    }

    /// The same answer again: decided, limited and recorded, and nothing is written.
    async fn again(
        &self,
        asker: Asker<'_>,
        generation: &Generation,
        write: &Write,
        trail: &mut Trail,
        ready: &Ready,
        reply: WriteReply,
    ) -> Result<WriteReply, Refusal> {
        let key = budget_key(&ready.mount, asker.caller);
        let permitted = self.limiter().permit((), key, &ready.limits, Instant::now())?;
        let recorded = self.on_record(generation, write, trail, ready, permitted).await?;
        let (permitted, completion) = recorded.into_parts();
        permitted.into_parts().1.settle(0, 0);
        completion.finish(Outcome { status: Status::Repeated, rows: 0, bytes: 0, backend_us: 0, total_us: 0 });
        Ok(reply)
    }

    /// A request that was begun and whose end nobody saw: run anew where it is known that nothing was written.
    async fn lost(&self, mount: &Mount, journal: &super::SharedJournal, entry: &Entry) -> Result<(), Refusal> {
        let marker = mount.spec.backend.marker(&entry.marker()).await.ok().flatten();
        if marker == Some(false) && journal.retry(entry, now_ms()).await? {
            return Ok(());
        }
        let why = match marker {
            Some(true) => "the write took place, and its answer was lost when the gateway stopped",
            Some(false) => return Err(under_way()),
            None => "the gateway stopped during this request, and whether the write took place is not known",
        };
        Err(Refusal::new(Code::OutcomeUnknown, why).hint("look at the rows before you write again, with a new key"))
    }
}

fn reply_columns(plan: &WritePlan) -> Vec<ReplyColumn> {
    let columns = plan.returning().map(|plan| plan.columns()).unwrap_or_default();
    let reply = columns.iter().map(|column| ReplyColumn {
        name: column.name.clone(),
        ty: column.ty.as_ref().map_or_else(|| "any".to_owned(), ColumnType::label),
        masks: column.masks.iter().map(|mask| (*mask).to_owned()).collect(),
    });
    reply.collect()
}

fn unavailable() -> Refusal {
    Refusal::new(Code::ApprovalUnavailable, "the write needs a person's approval, and this gateway has nobody to ask")
        .hint("ask the mount's owner")
}

fn under_way() -> Refusal {
    Refusal::new(Code::WriteConflict, "the same request is still under way")
        .hint("ask again in a moment, with the same key")
        .retry_after(1)
}
