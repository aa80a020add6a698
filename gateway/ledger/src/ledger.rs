//! The ledger as the gateway uses it: group commit on the caller's thread, and a thread that flushes completions.
//!
//! A record is on its way in three steps: spelt on the caller's thread, queued, and written by whoever holds the
//! writer's lock, together with all that is queued by then, in one `write(2)`. No thread hop, and under load one
//! system call for many records.

use std::{sync::Arc, thread::JoinHandle};

use ed25519_dalek::SigningKey;
use mountgate_core::Value;
use serde::Serialize;

use crate::{
    AdminRecord, Checkpoint, Completion, DecisionRecord, Durability, HoldRecord, LedgerConfig, LedgerError, PublicKey,
    Recorded, RefusalRecord, ShadowRecord,
    commit::{Shared, Ticket, now_ms},
    digests::Digests,
    record::{self, Spelling},
    writer::Writer,
};

/// With so many decisions under way, a record waits a turn for others to be written with it.
const COMPANY: usize = 4;

/// The state of the ledger, for `/healthz` and metrics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Whether the last write went well and the next may.
    pub writable: bool,
    /// Why not. For the operator.
    pub trouble: Option<String>,
    /// The number of the last record.
    pub last_seq: u64,
    /// Bytes of all segments.
    pub bytes: u64,
    /// Records that could not be written since the start.
    pub lost: u64,
}

/// The ledger, open for writing. One per folder: the folder is locked.
pub struct Ledger {
    shared: Arc<Shared>,
    signing: SigningKey,
    tending: Option<JoinHandle<()>>,
}

impl Ledger {
    /// Opens the ledger, or begins one. A last record that was being written when the gateway was killed is cut, and
    /// that is recorded; anything else that is wrong with the last segment is an error.
    ///
    /// # Errors
    /// Where another gateway has it open, where it is broken, or the file system says no.
    pub fn open(config: &LedgerConfig) -> Result<Self, LedgerError> {
        let opened = Writer::open(config)?;
        let spelling = Spelling::new(Digests::new(&config.key), config.statement_text);
        let shared = Arc::new(Shared::new(opened.writer, config.durability, spelling));
        let mut ledger = Self { shared, signing: SigningKey::from_bytes(&config.signing), tending: None };
        ledger.admin(&AdminRecord {
            time_ms: now_ms(),
            act: OPENED,
            who: "gateway",
            details: serde_json::json!({ "torn_bytes_cut": opened.torn }),
        })?;
        let shared = Arc::clone(&ledger.shared);
        ledger.tending = Some(
            std::thread::Builder::new()
                .name("ledger-flush".into())
                .spawn(move || shared.tend())
                .map_err(LedgerError::io("start the thread of", &config.dir))?,
        );
        Ok(ledger)
    }

    fn recorded<T>(&self, item: T, decision: &DecisionRecord<'_>) -> Recorded<T> {
        let request = decision.request;
        let completion =
            Completion::new(Arc::clone(&self.shared), decision.id, request.agent.clone(), request.mount.clone());
        Recorded::new(item, completion)
    }

    fn enqueue(&self, decision: &DecisionRecord<'_>) -> Result<Ticket, LedgerError> {
        self.shared.spelling.decision(decision, |body| self.shared.enqueue(body))?
    }

    /// Records a decision. It is as safe as configured when this returns: microseconds with
    /// [`Durability::Process`]; with [`Durability::Disk`] it blocks for as long as the disk takes, so that async
    /// callers want [`Ledger::record_durable`].
    ///
    /// # Errors
    /// Where the record could not be written: the request must be refused.
    pub fn record<T>(&self, item: T, decision: &DecisionRecord<'_>) -> Result<Recorded<T>, LedgerError> {
        self.shared.secure(self.enqueue(decision)?)?;
        Ok(self.recorded(item, decision))
    }

    /// Records a decision without blocking an async thread on the disk. With [`Durability::Process`] the same as
    /// [`Ledger::record`]; with [`Durability::Disk`] on one of tokio's blocking threads, requests together.
    ///
    /// # Errors
    /// Where the record could not be written: the request must be refused.
    pub async fn record_durable<T>(&self, item: T, decision: &DecisionRecord<'_>) -> Result<Recorded<T>, LedgerError> {
        let ticket = self.enqueue(decision)?;
        match self.shared.durability {
            Durability::Process => {
                // Where others are on their way too, theirs may join this write: one for all instead of one for each.
                if self.shared.under_way() >= COMPANY {
                    tokio::task::yield_now().await;
                }
                self.shared.commit(ticket)?;
            }
            Durability::Disk => {
                let shared = Arc::clone(&self.shared);
                tokio::task::spawn_blocking(move || shared.secure(ticket))
                    .await
                    .map_err(|error| LedgerError::Closed { why: error.to_string() })??;
            }
        }
        Ok(self.recorded(item, decision))
    }

    /// Records a refusal of an authenticated caller. Safe from the process being killed when this returns.
    ///
    /// # Errors
    /// Where it could not be written.
    pub fn refuse(&self, refusal: &RefusalRecord<'_>) -> Result<(), LedgerError> {
        let ticket = self.shared.spelling.refusal(refusal, |body| self.shared.enqueue(body))??;
        self.shared.commit(ticket)
    }

    /// Records an administrative act, as safe as configured. Blocks on the disk with [`Durability::Disk`].
    ///
    /// # Errors
    /// Where it could not be written: the act must not take place.
    pub fn admin(&self, record: &AdminRecord<'_>) -> Result<(), LedgerError> {
        self.shared.write(&record::admin(record)?)
    }

    /// Records a change of a hold, as safe as configured. Blocks on the disk with [`Durability::Disk`].
    ///
    /// # Errors
    /// Where it could not be written: nothing may be done upon the change.
    pub fn hold(&self, record: &HoldRecord<'_>) -> Result<(), LedgerError> {
        self.shared.write(&record::hold(record)?)
    }

    /// Records what a shadow would have decided. Nobody waits for it: it is written with the next decision, or within
    /// 50 ms, and one that is lost is told like a completion.
    ///
    /// # Errors
    /// Where it can't be encoded.
    pub fn shadow(&self, shadow: &ShadowRecord<'_>) -> Result<(), LedgerError> {
        self.shared.queue(&record::shadow(shadow)?);
        Ok(())
    }

    /// What stands for a value in this ledger: the same each time, also after a restart, and telling nothing to whoever
    /// lacks the ledger's key.
    pub fn digest(&self, value: &Value) -> String {
        self.shared.spelling.digests.value(value).to_text()
    }

    /// A signed statement of the last record's number and hash. Kept elsewhere, it shows a cut tail or a rewrite.
    ///
    /// # Errors
    /// Where what is queued could not be written.
    pub fn checkpoint(&self) -> Result<Checkpoint, LedgerError> {
        let chain = self.shared.chain()?;
        Ok(Checkpoint::sign(&self.signing, chain.next.saturating_sub(1), chain.prev, now_ms()))
    }

    /// The key that checkpoints are verified with.
    pub fn public_key(&self) -> PublicKey {
        PublicKey::of(&self.signing)
    }

    /// How the ledger is.
    pub fn health(&self) -> Health {
        self.shared.health()
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

/// The act recorded each time that a gateway opens the ledger: decisions before it that have no completion by then
/// were interrupted.
pub(crate) const OPENED: &str = "ledger.open";

impl Drop for Ledger {
    fn drop(&mut self) {
        self.shared.close();
        if let Some(tending) = self.tending.take() {
            let _ = tending.join();
        }
        self.shared.flush();
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("durability", &self.shared.durability).finish_non_exhaustive()
    }
}
