//! What approvals do by themselves: record what is not recorded, expire, execute, find out, erase.

use std::time::Duration;

use crate::{
    ApprovalError, Approvals, State,
    approvals::{blocking, now_ms},
    store::Move,
};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(1);

impl Approvals {
    /// Tends the holds until `shutdown` is done: first of all those that a gateway before this one had in hand. Tells
    /// webhooks. Needs [`Approvals::attach`] first.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let telling = self.tell();
        let mut telling = std::pin::pin!(telling);
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                () = &mut telling => return,
                () = async {
                    if let Err(error) = self.tend().await {
                        tracing::error!(%error, "tending the holds failed; it is tried again");
                    }
                    let _ = tokio::time::timeout(EVERY, self.0.wake.notified()).await;
                } => {}
            }
        }
    }

    /// One look at everything.
    pub(crate) async fn tend(&self) -> Result<(), ApprovalError> {
        let this = self.clone();
        let (approved, executing) = blocking(move || {
            for id in this.0.store.with_unrecorded()? {
                this.told("recording", &id, this.record(&id));
            }
            for id in this.0.store.overdue(now_ms())? {
                this.told("ending", &id, this.expire(&id));
            }
            let now = now_ms();
            let config = &this.0.config;
            this.0.store.erase(now.saturating_sub(config.undo_for_ms), now.saturating_sub(config.erase_after_ms))?;
            Ok((this.0.store.in_state(State::Approved)?, this.0.store.in_state(State::Executing)?))
        })
        .await?;
        for (id, state) in
            approved.iter().map(|id| (id, State::Approved)).chain(executing.iter().map(|id| (id, State::Executing)))
        {
            let (this, id) = (self.clone(), *id);
            // In tasks of their own: a shutdown must not cut an execution in two.
            let done = tokio::spawn(async move {
                match state {
                    State::Executing => this.recover(&id).await,
                    _approved => this.execute(&id).await,
                }
            });
            match done.await {
                Ok(done) => self.told("executing", &id, done.map(drop)),
                Err(_) => return Err(ApprovalError::Stopping),
            }
        }
        Ok(())
    }

    fn told(&self, act: &str, id: &crate::HoldId, done: Result<(), ApprovalError>) {
        if let Err(error) = done {
            tracing::error!(%error, hold = %id, "{act} a hold failed; it is tried again");
        }
    }

    fn expire(&self, id: &crate::HoldId) -> Result<(), ApprovalError> {
        let now = now_ms();
        self.0.store.step(id, now, |_, row| {
            let over = matches!(row.state, State::Pending | State::Approved) && row.header.expires_ms <= now;
            Ok((over.then(|| Move::new(State::Expired, "gateway")), ()))
        })?;
        self.record(id)
    }
}
