//! The ledger as the gateway uses it: group commit on the caller's thread, and a thread that flushes completions.
//!
//! A record is on its way in three steps: spelt on the caller's thread, queued, and written by whoever holds the
//! writer's lock, together with all that is queued by then, in one `write(2)`. No thread hop, and under load one
//! system call for many records.

use std::{
    fs::File,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ed25519_dalek::SigningKey;
use parking_lot::{Condvar, Mutex};
use serde::Serialize;

use crate::{
    AdminRecord, Checkpoint, Completion, DecisionRecord, Durability, LedgerConfig, LedgerError, PublicKey, Recorded,
    RefusalRecord,
    digests::Digests,
    record::{self, Spelling},
    segment::MAX_RECORD,
    writer::Writer,
};

/// How long a completion waits for company at most.
const FLUSH_EVERY: Duration = Duration::from_millis(50);
/// Every so many flushes the open segment is checked to be still where it is written.
const CHECK_EVERY: u32 = 20;
/// With so many bytes queued, who queues more writes them himself: the queue is bounded.
const QUEUE_BYTES: usize = 1 << 18;

pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[derive(Debug, Default)]
struct Queue {
    bodies: Vec<Vec<u8>>,
    bytes: usize,
    /// Records queued ever: a record's ticket.
    tickets: u64,
    /// Batches that could not be written.
    failures: u64,
}

/// What was written, guarded together with the writer.
struct Writing {
    writer: Writer,
    /// The last ticket whose batch was written or given up.
    done: u64,
    batch: Vec<Vec<u8>>,
}

/// Up to which ticket records are safe from power loss.
struct Synced {
    ticket: u64,
}

pub(crate) struct Shared {
    queue: Mutex<Queue>,
    writing: Mutex<Writing>,
    synced: Mutex<Synced>,
    durability: Durability,
    spelling: Spelling,
    /// Completions that were lost to a failing disk, not yet told in the ledger.
    lost: AtomicU64,
    lost_ever: AtomicU64,
    closing: AtomicBool,
    stop: Mutex<bool>,
    wake: Condvar,
}

/// A record's place in the queue, and the failures before it.
#[derive(Clone, Copy)]
struct Ticket {
    number: u64,
    failures: u64,
}

impl Shared {
    fn enqueue(&self, body: Vec<u8>) -> Result<Ticket, LedgerError> {
        if body.len() > MAX_RECORD / 2 {
            return Err(LedgerError::TooLarge(body.len()));
        }
        let mut queue = self.queue.lock();
        queue.tickets = queue.tickets.saturating_add(1);
        queue.bytes = queue.bytes.saturating_add(body.len());
        queue.bodies.push(body);
        Ok(Ticket { number: queue.tickets, failures: queue.failures })
    }

    /// Returns once the record of that ticket is written, with all that was queued with it.
    fn commit(&self, ticket: Ticket) -> Result<(), LedgerError> {
        let mut writing = self.writing.lock();
        if writing.done < ticket.number {
            return self.write_queued(&mut writing);
        }
        // Someone else wrote our batch while we waited. INVARIANT: a batch that fails counts up `failures` before its
        // tickets count as done, so equal counts mean that ours did not fail. (It may have been written, and another
        // one after it have failed: then a request is refused that need not be, never the other way round.)
        if self.queue.lock().failures == ticket.failures { Ok(()) } else { Err(LedgerError::NotWritten) }
    }

    fn write_queued(&self, writing: &mut Writing) -> Result<(), LedgerError> {
        let Writing { writer, done, batch } = writing;
        batch.clear();
        let last = {
            let mut queue = self.queue.lock();
            std::mem::swap(&mut queue.bodies, batch);
            queue.bytes = 0;
            queue.tickets
        };
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if batch.is_empty() && lost == 0 {
            return Ok(());
        }
        if lost > 0 {
            let told = record::admin(&AdminRecord {
                time_ms: now_ms(),
                act: "ledger.lost",
                who: "gateway",
                details: serde_json::json!({ "records": lost, "why": "they could not be written" }),
            })?;
            batch.insert(0, told);
        }
        let result = writer.append(batch);
        if let Err(error) = &result {
            let records = batch.len() as u64 - u64::from(lost > 0);
            self.lost.fetch_add(lost.saturating_add(records), Ordering::Relaxed);
            self.lost_ever.fetch_add(records, Ordering::Relaxed);
            tracing::error!(%error, records, "the ledger cannot be written");
            self.queue.lock().failures += 1;
        }
        *done = last;
        batch.clear();
        result
    }

    /// Queues a record that nobody waits for.
    pub(crate) fn queue(&self, body: Vec<u8>) {
        if self.enqueue(body).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let crowded = self.queue.lock().bytes > QUEUE_BYTES;
        if crowded || self.closing.load(Ordering::Acquire) {
            self.flush();
        }
    }

    fn flush(&self) {
        // A failure is told by `write_queued`, and by `health`.
        let _ = self.write_queued(&mut self.writing.lock());
    }

    /// Writes a record, and waits until it is as safe as configured.
    fn write(&self, body: Vec<u8>) -> Result<(), LedgerError> {
        let ticket = self.enqueue(body)?;
        self.commit(ticket)?;
        match self.durability {
            Durability::Process => Ok(()),
            Durability::Disk => self.sync(ticket),
        }
    }

    /// Returns once the record of that ticket is safe from power loss. Whoever comes first syncs for all that is
    /// written by then.
    fn sync(&self, ticket: Ticket) -> Result<(), LedgerError> {
        let mut synced = self.synced.lock();
        if synced.ticket >= ticket.number {
            return Ok(());
        }
        let (written, file): (u64, File) = {
            let writing = self.writing.lock();
            if let Some(why) = writing.writer.trouble() {
                return Err(LedgerError::Closed { why: why.to_owned() });
            }
            (writing.done, writing.writer.handle()?)
        };
        // A rotation in between has synced the segment before (`Writer::rotate`).
        if let Err(error) = file.sync_data() {
            // The kernel may have dropped the pages, and would report success the next time.
            self.writing.lock().writer.fail(format!("a sync failed: {error}"));
            return Err(LedgerError::Closed { why: format!("a sync failed: {error}") });
        }
        synced.ticket = written;
        Ok(())
    }

    fn remove_dropped(&self) {
        let (paths, file) = {
            let mut writing = self.writing.lock();
            let paths = writing.writer.take_dropped();
            if paths.is_empty() {
                return;
            }
            (paths, writing.writer.handle())
        };
        // The anchor that gives them up must be on disk first, or power loss would leave a ledger whose beginning
        // is missing without a word.
        let synced = file
            .and_then(|file| file.sync_data().map_err(LedgerError::io("sync a segment before", Path::new("removal"))));
        if let Err(error) = synced {
            tracing::warn!(%error, "old segments of the ledger are kept: the anchor cannot be synced");
            return;
        }
        for path in paths {
            match std::fs::remove_file(&path) {
                Ok(()) => tracing::info!(path = %path.display(), "an old segment of the ledger was dropped"),
                Err(error) => tracing::warn!(path = %path.display(), %error, "an old segment cannot be removed"),
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn with_writer<T>(&self, work: impl FnOnce(&mut Writer) -> T) -> T {
        work(&mut self.writing.lock().writer)
    }

    #[cfg(test)]
    pub(crate) fn spell(&self, decision: &DecisionRecord<'_>) -> Vec<u8> {
        self.spelling.decision(decision).unwrap()
    }

    fn tend(&self) {
        let mut rounds = 0_u32;
        loop {
            let stopped = {
                let mut stop = self.stop.lock();
                if !*stop {
                    self.wake.wait_for(&mut stop, FLUSH_EVERY);
                }
                *stop
            };
            rounds = rounds.wrapping_add(1);
            let now_and_then = rounds.is_multiple_of(CHECK_EVERY);
            // While the disk fails, a try a second is enough. It must be tried: a gateway that answers `unhealthy`
            // may get no request that would.
            if stopped || now_and_then || self.writing.lock().writer.trouble().is_none() {
                self.flush();
            }
            self.remove_dropped();
            if stopped {
                return;
            }
            if now_and_then {
                self.writing.lock().writer.check_place();
            }
        }
    }
}

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
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            writing: Mutex::new(Writing { writer: opened.writer, done: 0, batch: Vec::new() }),
            synced: Mutex::new(Synced { ticket: 0 }),
            durability: config.durability,
            spelling: Spelling::new(Digests::new(&config.key), config.statement_text),
            lost: AtomicU64::new(0),
            lost_ever: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            stop: Mutex::new(false),
            wake: Condvar::new(),
        });
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

    /// Records a decision. It is as safe as configured when this returns: microseconds with
    /// [`Durability::Process`]; with [`Durability::Disk`] it blocks for as long as the disk takes, so that async
    /// callers want [`Ledger::record_durable`].
    ///
    /// # Errors
    /// Where the record could not be written: the request must be refused.
    pub fn record<T>(&self, item: T, decision: &DecisionRecord<'_>) -> Result<Recorded<T>, LedgerError> {
        self.shared.write(self.shared.spelling.decision(decision)?)?;
        Ok(self.recorded(item, decision))
    }

    /// Records a decision without blocking an async thread on the disk. With [`Durability::Process`] the same as
    /// [`Ledger::record`]; with [`Durability::Disk`] on one of tokio's blocking threads, requests together.
    ///
    /// # Errors
    /// Where the record could not be written: the request must be refused.
    pub async fn record_durable<T>(&self, item: T, decision: &DecisionRecord<'_>) -> Result<Recorded<T>, LedgerError> {
        let body = self.shared.spelling.decision(decision)?;
        match self.shared.durability {
            Durability::Process => self.shared.write(body)?,
            Durability::Disk => {
                let shared = Arc::clone(&self.shared);
                tokio::task::spawn_blocking(move || shared.write(body))
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
        let ticket = self.shared.enqueue(self.shared.spelling.refusal(refusal)?)?;
        self.shared.commit(ticket)
    }

    /// Records an administrative act, as safe as configured. Blocks on the disk with [`Durability::Disk`].
    ///
    /// # Errors
    /// Where it could not be written: the act must not take place.
    pub fn admin(&self, record: &AdminRecord<'_>) -> Result<(), LedgerError> {
        self.shared.write(record::admin(record)?)
    }

    /// A signed statement of the last record's number and hash. Kept elsewhere, it shows a cut tail or a rewrite.
    ///
    /// # Errors
    /// Where what is queued could not be written.
    pub fn checkpoint(&self) -> Result<Checkpoint, LedgerError> {
        let chain = {
            let mut writing = self.shared.writing.lock();
            self.shared.write_queued(&mut writing)?;
            writing.writer.chain()
        };
        Ok(Checkpoint::sign(&self.signing, chain.next.saturating_sub(1), chain.prev, now_ms()))
    }

    /// The key that checkpoints are verified with.
    pub fn public_key(&self) -> PublicKey {
        PublicKey::of(&self.signing)
    }

    /// How the ledger is.
    pub fn health(&self) -> Health {
        let writing = self.shared.writing.lock();
        Health {
            writable: writing.writer.trouble().is_none(),
            trouble: writing.writer.trouble().map(str::to_owned),
            last_seq: writing.writer.chain().next.saturating_sub(1),
            bytes: writing.writer.bytes(),
            lost: self.shared.lost_ever.load(Ordering::Relaxed),
        }
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
        // Completions that outlive the ledger write themselves from here on.
        self.shared.closing.store(true, Ordering::Release);
        *self.shared.stop.lock() = true;
        self.shared.wake.notify_all();
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
