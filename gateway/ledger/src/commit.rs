//! Group commit: records are queued, and whoever holds the writer's lock writes all that is queued.

use std::{
    fs::File,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::{Condvar, Mutex};

use crate::{
    AdminRecord, Durability, Health, LedgerError,
    bodies::Bodies,
    line::Chain,
    record::{self, Spelling},
    segment::MAX_RECORD,
    writer::Writer,
};

/// How long a completion waits for company at most.
const FLUSH_EVERY: Duration = Duration::from_millis(50);
/// Every so many flushes the open segment is checked to be still where it is written.
const CHECK_EVERY: u32 = 20;
/// What a line has around a record, at most about.
const AROUND: usize = 200;
/// With so many bytes queued, who queues more writes them himself: the queue is bounded.
const QUEUE_BYTES: usize = 1 << 18;

pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[derive(Debug, Default)]
struct Queue {
    bodies: Bodies,
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
    batch: Bodies,
    /// Set while a batch is being written, and for good where that panicked.
    halfway: bool,
}

/// Up to which ticket records are safe from power loss.
struct Synced {
    ticket: u64,
}

pub(crate) struct Shared {
    queue: Mutex<Queue>,
    writing: Mutex<Writing>,
    synced: Mutex<Synced>,
    pub(crate) durability: Durability,
    pub(crate) spelling: Spelling,
    /// Completions that were lost to a failing disk, not yet told in the ledger.
    lost: AtomicU64,
    lost_ever: AtomicU64,
    /// Decisions recorded and not completed.
    under_way: AtomicUsize,
    closing: AtomicBool,
    stop: Mutex<bool>,
    wake: Condvar,
}

/// A record's place in the queue, and the failures before it.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    number: u64,
    failures: u64,
}

impl Shared {
    pub(crate) fn new(writer: Writer, durability: Durability, spelling: Spelling) -> Self {
        Self {
            queue: Mutex::default(),
            writing: Mutex::new(Writing { writer, done: 0, batch: Bodies::default(), halfway: false }),
            synced: Mutex::new(Synced { ticket: 0 }),
            durability,
            spelling,
            lost: AtomicU64::new(0),
            lost_ever: AtomicU64::new(0),
            under_way: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            stop: Mutex::new(false),
            wake: Condvar::new(),
        }
    }

    pub(crate) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    pub(crate) fn begun(&self) {
        self.under_way.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn enqueue(&self, body: &[u8]) -> Result<Ticket, LedgerError> {
        if body.len() > MAX_RECORD / 2 {
            return Err(LedgerError::TooLarge(body.len()));
        }
        let mut queue = self.queue.lock();
        queue.tickets = queue.tickets.saturating_add(1);
        queue.bodies.push(body);
        Ok(Ticket { number: queue.tickets, failures: queue.failures })
    }

    /// Returns once the record of that ticket is written, with all that was queued with it.
    pub(crate) fn commit(&self, ticket: Ticket) -> Result<(), LedgerError> {
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
        if writing.halfway {
            return Err(LedgerError::Closed { why: "a writer panicked in the middle of a batch".into() });
        }
        writing.batch.clear();
        // From here to the end the queue's records are in nobody's hands but ours: should we panic, whoever waits for
        // one of them must not find an empty queue and take it for a written one.
        writing.halfway = true;
        let last = {
            let mut queue = self.queue.lock();
            std::mem::swap(&mut queue.bodies, &mut writing.batch);
            queue.tickets
        };
        let mut lost = self.lost.swap(0, Ordering::Relaxed);
        let result = write_batch(writing, &mut lost);
        if let Err(error) = &result {
            let records = writing.batch.len() as u64;
            self.lost.fetch_add(lost.saturating_add(records), Ordering::Relaxed);
            self.lost_ever.fetch_add(records, Ordering::Relaxed);
            tracing::error!(%error, records, "the ledger cannot be written");
            let mut queue = self.queue.lock();
            queue.failures = queue.failures.saturating_add(1);
        }
        writing.done = last;
        writing.halfway = false;
        result
    }

    /// Queues a record that nobody waits for.
    pub(crate) fn queue(&self, body: &[u8]) {
        if self.enqueue(body).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let crowded = self.queue.lock().bodies.bytes() > QUEUE_BYTES;
        if crowded || self.closing.load(Ordering::Acquire) {
            self.flush();
        }
    }

    pub(crate) fn flush(&self) {
        // A failure is told by `write_queued`, and by `health`.
        let _ = self.write_queued(&mut self.writing.lock());
    }

    /// Writes a record, and waits until it is as safe as configured.
    pub(crate) fn write(&self, body: &[u8]) -> Result<(), LedgerError> {
        self.secure(self.enqueue(body)?)
    }

    /// Waits until the record of that ticket is as safe as configured.
    pub(crate) fn secure(&self, ticket: Ticket) -> Result<(), LedgerError> {
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

    /// Where the chain stands once all that is queued is written.
    pub(crate) fn chain(&self) -> Result<Chain, LedgerError> {
        let mut writing = self.writing.lock();
        self.write_queued(&mut writing)?;
        Ok(writing.writer.chain())
    }

    pub(crate) fn health(&self) -> Health {
        let writing = self.writing.lock();
        let trouble = match writing.writer.trouble() {
            None if writing.halfway => Some("a writer panicked in the middle of a batch".to_owned()),
            trouble => trouble.map(str::to_owned),
        };
        Health {
            writable: trouble.is_none(),
            trouble,
            last_seq: writing.writer.chain().next.saturating_sub(1),
            bytes: writing.writer.bytes(),
            lost: self.lost_ever.load(Ordering::Relaxed),
        }
    }

    /// Lets [`Shared::tend`] end. Completions that are still open write themselves from here on.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        *self.stop.lock() = true;
        self.wake.notify_all();
    }

    #[cfg(test)]
    pub(crate) fn with_writer<T>(&self, work: impl FnOnce(&mut Writer) -> T) -> T {
        work(&mut self.writing.lock().writer)
    }

    #[cfg(test)]
    pub(crate) fn spell(&self, decision: &crate::DecisionRecord<'_>) -> Vec<u8> {
        self.spelling.decision(decision, <[u8]>::to_vec).unwrap()
    }

    pub(crate) fn tend(&self) {
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

/// Tells of `lost` records first, and forgets them once they are told.
fn write_batch(writing: &mut Writing, lost: &mut u64) -> Result<(), LedgerError> {
    let Writing { writer, batch, .. } = writing;
    if *lost > 0 {
        let told = record::admin(&AdminRecord {
            time_ms: now_ms(),
            act: "ledger.lost",
            who: "gateway",
            details: serde_json::json!({ "records": *lost, "why": "they could not be written" }),
        })?;
        writer.append([told.as_slice()].into_iter(), told.len())?;
        *lost = 0;
    }
    let size = batch.bytes().saturating_add(batch.len().saturating_mul(AROUND));
    if batch.len() == 0 { Ok(()) } else { writer.append(batch.iter(), size) }
}
