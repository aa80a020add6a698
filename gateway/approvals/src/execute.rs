//! Executing what is approved, and finding out what became of it after a crash.

use mountgate_core::Effect;
use serde_json::json;

use crate::{
    ApprovalError, Approvals, Executed, HoldId, Run, State,
    approvals::{blocking, now_ms},
    store::{Move, Row},
};

/// How long after a hold was taken up a transaction of a gateway that has ended could still commit, in milliseconds. A
/// store ends a transaction whose client is gone; this is longer than any statement may take.
const SETTLED_MS: i64 = 120_000;

/// What a gateway has taken up.
pub(crate) struct Taken {
    run: Run,
    expected: Effect,
    /// The step at which it was taken up: whoever finds another one has come too late.
    step: i64,
}

/// Where a hold is taken up from.
#[derive(Clone, Copy)]
pub(crate) enum From {
    /// It is approved.
    Approved,
    /// A gateway that has ended had it, at that step, and wrote nothing.
    Abandoned(i64),
}

/// Keeps a hold from being taken up twice within this process, also where its task ends early.
struct Running<'a>(&'a Approvals, HoldId);

impl<'a> Running<'a> {
    fn begin(approvals: &'a Approvals, id: HoldId) -> Option<Self> {
        approvals.0.running.lock().insert(id).then_some(Self(approvals, id))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.0.running.lock().remove(&self.1);
    }
}

impl Approvals {
    /// Executes an approved hold, once, and gives the state that it came to.
    pub(crate) async fn execute(&self, id: &HoldId) -> Result<State, ApprovalError> {
        self.execute_from(id, From::Approved).await
    }

    pub(crate) async fn execute_from(&self, id: &HoldId, from: From) -> Result<State, ApprovalError> {
        let Some(_running) = Running::begin(self, *id) else { return self.state(id).await };
        let (this, hold) = (self.clone(), *id);
        let taken = match blocking(move || this.take_up(&hold, from)).await? {
            Ok(taken) => taken,
            Err(state) => return Ok(state),
        };
        crate::fault::at("before execution");
        let ended = self.middle()?.execute(&taken.run, &taken.expected).await;
        crate::fault::at("after execution");
        let rows = taken.expected.rows.len() as u64;
        // The transaction of the gateway that ended may have committed since its marker was looked for: what it did is
        // what keeps this one from doing it.
        let before_us = match (from, &ended) {
            (From::Abandoned(_), Executed::Stale | Executed::Failed(_)) => {
                matches!(self.middle()?.marker(&taken.run.mount, id).await, Ok(Some(true)))
            }
            _ => false,
        };
        let ended = match ended {
            _ if before_us => Move { rows: Some(rows), ..Move::new(State::Executed, "gateway") },
            Executed::Done { rows } => Move { rows: Some(rows), ..Move::new(State::Executed, "gateway") },
            Executed::Stale => Move::new(State::Stale, "gateway"),
            Executed::Failed(code) => {
                Move { details: json!({ "code": code }), code: Some(code), ..Move::new(State::Failed, "gateway") }
            }
            Executed::Unknown => match self.middle()?.marker(&taken.run.mount, id).await {
                Ok(Some(true)) => Move { rows: Some(rows), ..Move::new(State::Executed, "gateway") },
                Ok(None) => Move::new(State::Unknown, "gateway"),
                // The store may still be committing it, or can't be asked: looked at again later.
                Ok(Some(false)) | Err(_) => return Ok(State::Executing),
            },
        };
        self.finish(id, taken.step, ended).await
    }

    async fn state(&self, id: &HoldId) -> Result<State, ApprovalError> {
        let (this, hold) = (self.clone(), *id);
        blocking(move || Ok(this.0.store.load(&hold)?.state)).await
    }

    /// Takes a hold up: it is this gateway's from now on, on record. `Err` within says where it is instead.
    fn take_up(&self, id: &HoldId, from: From) -> Result<Result<Taken, State>, ApprovalError> {
        // Nothing is done upon a change that is not on record.
        self.record(id)?;
        let now = now_ms();
        let taken = self.0.store.step(id, now, |write, row| {
            let free = match from {
                From::Approved => row.state == State::Approved,
                From::Abandoned(step) => row.state == State::Executing && row.step == step,
            };
            if !free {
                return Ok((None, Err(row.state)));
            }
            if row.header.expires_ms <= now {
                return Ok((Some(Move::new(State::Expired, "gateway")), Err(State::Expired)));
            }
            let (held, shown) = self.opened(row)?;
            let counted = self.counted(write, row, &shown)?;
            let given = u32::try_from(counted.len()).unwrap_or(u32::MAX);
            let Some(expected) = held.effect().cloned().filter(|_| given >= row.header.needed) else {
                // Someone who approved has lost the role since, or the file says more than people did.
                let details = json!({ "why": "the approvals do not hold any more", "given": given });
                return Ok((Some(Move { details, ..Move::new(State::Pending, "gateway") }), Err(State::Pending)));
            };
            let header = &row.header;
            let run = Run {
                hold: *id,
                mount: header.mount.clone(),
                agent: header.agent.clone(),
                session: header.session.clone(),
                on_behalf_of: header.on_behalf_of.clone(),
                claims: held.claims,
                door: header.door,
                plugin: header.plugin,
                settings: header.settings,
                sql: held.sql,
                params: held.params,
                purpose: held.purpose,
                reason: held.reason,
                idempotency_key: held.idempotency_key,
            };
            let owner = Some(self.0.owner.name().to_owned());
            let details = json!({ "approved_by": counted });
            let taken = Move { owner, details, ..Move::new(State::Executing, "gateway") };
            Ok((Some(taken), Ok(Taken { run, expected, step: row.step + 1 })))
        })?;
        if let Err(error) = self.record(id) {
            if let Ok(taken) = &taken {
                self.put_back(id, taken.step)?;
            }
            return Err(error);
        }
        Ok(taken)
    }

    /// Back to where it was approved, for nothing was done.
    fn put_back(&self, id: &HoldId, step: i64) -> Result<(), ApprovalError> {
        self.0.store.step(id, now_ms(), |_, row| {
            let ours = row.state == State::Executing && row.step == step;
            let details = json!({ "why": "nothing was done: it could not be recorded" });
            Ok((ours.then(|| Move { details, ..Move::new(State::Approved, "gateway") }), ()))
        })
    }

    /// Says how it ended. Of a hold that was given up as `unknown` meanwhile, what is known counts.
    async fn finish(&self, id: &HoldId, step: i64, ended: Move) -> Result<State, ApprovalError> {
        let (this, hold) = (self.clone(), *id);
        blocking(move || {
            let state = this.0.store.step(&hold, now_ms(), |_, row| {
                let ours = row.state == State::Executing && row.step == step;
                let given_up = row.state == State::Unknown && row.step == step + 1;
                if !ours && !given_up || row.state == ended.to {
                    return Ok((None, row.state));
                }
                let to = ended.to;
                Ok((Some(ended), to))
            })?;
            crate::fault::at("after end");
            // Where it can't be recorded now, it is later: it is done already, and nothing follows on it.
            if let Err(error) = this.record(&hold) {
                tracing::error!(%error, %hold, "how a write ended is not recorded yet");
            }
            this.0.wake.notify_one();
            Ok(state)
        })
        .await
    }

    /// Finds out what became of a hold that a gateway had taken up, where that gateway has ended.
    pub(crate) async fn recover(&self, id: &HoldId) -> Result<State, ApprovalError> {
        let (this, hold) = (self.clone(), *id);
        let row = blocking(move || this.0.store.load(&hold)).await?;
        if row.state != State::Executing || !self.is_abandoned(&row) {
            return Ok(row.state);
        }
        let (this, step) = (self.clone(), row.step);
        let looked = blocking(move || {
            let recorded = this.0.store.is_recorded(&row)?;
            Ok((recorded, row))
        });
        let (recorded, row) = looked.await?;
        if !recorded {
            // That it was taken up is not even on record, so nothing was done upon it.
            return self.execute_from(id, From::Abandoned(step)).await;
        }
        let rows = row.header.rows;
        match self.middle()?.marker(&row.header.mount, id).await {
            Ok(Some(true)) => {
                let details = json!({ "why": "its marker is there" });
                let ended = Move { rows, details, ..Move::new(State::Executed, "gateway") };
                self.finish(id, step, ended).await
            }
            Ok(None) => {
                let details = json!({ "why": "a gateway ended while it executed this, and the backend has no place for a marker" });
                self.finish(id, step, Move { details, ..Move::new(State::Unknown, "gateway") }).await
            }
            Ok(Some(false)) => {
                // Until then a transaction under way could commit what is told to have expired. One that is executed again
                // meets its marker instead.
                let over = row.header.expires_ms <= now_ms();
                if over && now_ms() < row.taken_ms.saturating_add(SETTLED_MS) {
                    return Ok(State::Executing);
                }
                self.execute_from(id, From::Abandoned(step)).await
            }
            Err(why) => {
                tracing::warn!(hold = %id, why, "whether a write took place can't be looked up yet");
                Ok(State::Executing)
            }
        }
    }

    /// Whether nobody executes it any more.
    pub(crate) fn is_abandoned(&self, row: &Row) -> bool {
        let owner = row.owner.as_deref().unwrap_or_default();
        if owner == self.0.owner.name() {
            return !self.0.running.lock().contains(&row.header.id);
        }
        !self.0.owner.is_alive(owner)
    }
}
