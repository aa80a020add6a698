//! Checking a whole ledger: its chain, its beginning, its checkpoint, and which answers were interrupted.

use std::{
    collections::HashMap,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use mountgate_core::{AgentName, Digest, MountName};
use serde::Serialize;

use crate::{
    CapsRecord, Checkpoint, CheckpointError, DecisionId, LedgerError, PublicKey,
    ledger::OPENED,
    line::{Chain, Hash, Line},
    read::{Head, Lines, Piece, Place},
    segment::{Anchor, LOCK_FILE},
};

/// The most interrupted decisions that a report lists; it counts them all.
const LISTED: usize = 1000;

/// The first place at which the ledger is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Break {
    /// The segment.
    pub segment: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// The byte at which that line begins.
    pub offset: u64,
    /// The number that the record there should have.
    pub seq: u64,
    /// What is wrong.
    pub why: String,
}

/// What the checkpoint says of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointState {
    /// None was given: a tail that was cut, or a ledger that was rewritten from some point on, would not show.
    None,
    /// Its record is in the ledger, with its hash.
    Holds,
    /// The ledger ends before its record: the tail was cut.
    TailCut {
        /// The checkpoint's record.
        wanted: u64,
        /// The ledger's last.
        last: u64,
    },
    /// Its record has another hash: the ledger was rewritten.
    Rewritten {
        /// The checkpoint's record.
        seq: u64,
    },
    /// Its record is older than what is kept: it proves nothing of what is. Verify with a newer one.
    Dropped {
        /// The checkpoint's record.
        seq: u64,
        /// The first that is kept.
        first: u64,
    },
    /// It is not what the key has signed.
    Invalid {
        /// Why.
        why: String,
    },
}

/// A decision without a completion: as much may have left as its caps allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Interrupted {
    /// The decision.
    pub id: DecisionId,
    /// Its record's number.
    pub seq: u64,
    /// When, in milliseconds since 1970-01-01T00:00Z.
    pub time_ms: i64,
    /// The agent.
    pub agent: Option<AgentName>,
    /// The mount.
    pub mount: Option<MountName>,
    /// The most that may have left.
    pub caps: Option<CapsRecord>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Segments read.
    pub segments: usize,
    /// The number of the first record that is there; 0 where there is none.
    pub first_seq: u64,
    /// The number of the last record that is sound; 0 where there is none.
    pub last_seq: u64,
    /// The hash of that record.
    pub last_hash: Digest,
    /// Sound records.
    pub records: u64,
    /// Decisions among them.
    pub decisions: u64,
    /// Completions.
    pub completions: u64,
    /// Refusals.
    pub refusals: u64,
    /// Whether a gateway is writing the ledger.
    pub in_use: bool,
    /// Decisions under way, where a gateway is writing.
    pub under_way: u64,
    /// Decisions that were interrupted.
    pub interrupted: u64,
    /// The first thousand of them.
    pub interrupted_list: Vec<Interrupted>,
    /// Bytes of a record at the very end that is not whole: being written, or cut off when the gateway was killed.
    pub torn_bytes: u64,
    /// The first break. Nothing after it was checked.
    pub first_break: Option<Break>,
    /// The checkpoint.
    pub checkpoint: CheckpointState,
}

impl Report {
    /// Whether the ledger is what was written, as far as this can be told with the checkpoint given (or without one).
    pub fn is_sound(&self) -> bool {
        self.first_break.is_none() && matches!(self.checkpoint, CheckpointState::None | CheckpointState::Holds)
    }
}

/// Checks the ledger in `dir`, and that it holds the checkpoint's record where one is given with the key that must
/// have signed it. It may be written meanwhile; nothing is changed.
///
/// # Errors
/// Where the folder or a segment can't be read. What is wrong with the ledger itself is in the report.
pub fn verify(dir: &Path, checkpoint: Option<(&Checkpoint, &PublicKey)>) -> Result<Report, LedgerError> {
    let in_use = in_use(dir)?;
    let mut lines = Lines::open(dir)?;
    let mut walk = Walk { wanted: checkpoint.map(|(checkpoint, _)| checkpoint.seq()), ..Walk::default() };
    let first_break = walk.walk(&mut lines)?;
    let segments = lines.segments;
    Ok(walk.report(segments, in_use, first_break, checkpoint))
}

fn in_use(dir: &Path) -> Result<bool, LedgerError> {
    let path = dir.join(LOCK_FILE);
    match File::open(&path) {
        // Shared, so that two verifications don't take each other for a gateway.
        Ok(file) => match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(LedgerError::io("lock", &path)(error)),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(LedgerError::io("open", &path)(error)),
    }
}

#[derive(Default)]
struct Walk {
    chain: Option<Chain>,
    first: Option<(u64, Hash, Place)>,
    anchor: Option<Anchor>,
    wanted: Option<u64>,
    found: Option<Hash>,
    records: u64,
    decisions: u64,
    completions: u64,
    refusals: u64,
    open: HashMap<DecisionId, Interrupted>,
    interrupted: u64,
    listed: Vec<Interrupted>,
    torn: u64,
}

impl Walk {
    fn walk(&mut self, lines: &mut Lines) -> Result<Option<Break>, LedgerError> {
        while let Some(piece) = lines.next()? {
            let (place, result) = match piece {
                Piece::Line(place, line) => {
                    let result = self.line(&place, &line);
                    (place, result)
                }
                Piece::Rest { bytes, last: true, .. } => {
                    self.torn = bytes;
                    continue;
                }
                Piece::Rest { place, last: false, .. } => {
                    (place, Err("it has no end, though a later segment exists".to_owned()))
                }
            };
            if let Err(why) = result {
                return Ok(Some(self.broken(place, why)));
            }
        }
        // Old segments may be dropped by the gateway alone, which says so in the anchor of each segment after.
        let anchor = self.anchor.unwrap_or_else(Anchor::start);
        if let Some((first, before, place)) = self.first.take() {
            let missing = first > anchor.kept_from;
            let other = first == anchor.kept_from && before != anchor.hash;
            if missing || other {
                let why = if missing {
                    format!("records from {} on should be here; segments are missing before this one", anchor.kept_from)
                } else {
                    "what was before it is not what the last anchor says".to_owned()
                };
                return Ok(Some(Break { segment: place.segment, line: 1, offset: 0, seq: anchor.kept_from, why }));
            }
        }
        Ok(None)
    }

    fn broken(&self, place: Place, why: String) -> Break {
        let seq = self.chain.map_or(place.first, |chain| chain.next);
        Break { segment: place.segment, line: place.line, offset: place.offset, seq, why }
    }

    fn line(&mut self, place: &Place, text: &[u8]) -> Result<(), String> {
        let line = Line::parse(text)?;
        if place.line == 1 && line.seq != place.first {
            return Err("its number is not the one in the segment's name".into());
        }
        let mut chain = self.chain.unwrap_or(Chain { next: place.first, prev: line.prev });
        chain.check(&line)?;
        let head: Head = serde_json::from_slice(line.body).map_err(|error| format!("it is no record: {error}"))?;
        if place.line == 1 {
            self.anchor = Some(Anchor::parse(line.body).ok_or("a segment must begin with an anchor")?);
        }
        if self.first.is_none() {
            self.first = Some((line.seq, line.prev, place.clone()));
        }
        self.chain = Some(chain);
        self.records = self.records.saturating_add(1);
        if self.wanted == Some(line.seq) {
            self.found = Some(line.hash);
        }
        self.note(line.seq, head);
        Ok(())
    }

    fn note(&mut self, seq: u64, head: Head) {
        match (head.kind.as_str(), head.id) {
            ("decision", Some(id)) => {
                self.decisions = self.decisions.saturating_add(1);
                let (agent, mount) = (head.agent().cloned(), head.mount().cloned());
                let (time_ms, caps) = (head.time_ms, head.caps);
                self.open.insert(id, Interrupted { id, seq, time_ms, agent, mount, caps });
            }
            ("completion", Some(id)) => {
                self.completions = self.completions.saturating_add(1);
                self.open.remove(&id);
            }
            ("refusal", _) => self.refusals = self.refusals.saturating_add(1),
            ("admin", _) if head.act.as_deref() == Some(OPENED) => self.interrupt(),
            _ => {}
        }
    }

    /// What has no completion by now never gets one.
    fn interrupt(&mut self) {
        let mut open: Vec<Interrupted> = self.open.drain().map(|(_, one)| one).collect();
        open.sort_by_key(|one| one.seq);
        self.interrupted = self.interrupted.saturating_add(open.len() as u64);
        let room = LISTED.saturating_sub(self.listed.len());
        self.listed.extend(open.into_iter().take(room));
    }

    fn report(
        mut self,
        segments: usize,
        in_use: bool,
        first_break: Option<Break>,
        checkpoint: Option<(&Checkpoint, &PublicKey)>,
    ) -> Report {
        let under_way = if in_use { self.open.len() as u64 } else { 0 };
        if !in_use {
            self.interrupt();
        }
        let last_seq = self.chain.map_or(0, |chain| chain.next.saturating_sub(1));
        let first_seq = last_seq.saturating_sub(self.records).saturating_add(u64::from(self.records > 0));
        let checkpoint = match checkpoint {
            None => CheckpointState::None,
            Some((checkpoint, key)) => self.judge(checkpoint, key, first_seq, last_seq),
        };
        Report {
            segments,
            first_seq,
            last_seq,
            last_hash: Digest::from_bytes(self.chain.map_or(crate::line::GENESIS, |chain| chain.prev)),
            records: self.records,
            decisions: self.decisions,
            completions: self.completions,
            refusals: self.refusals,
            in_use,
            under_way,
            interrupted: self.interrupted,
            interrupted_list: self.listed,
            torn_bytes: self.torn,
            first_break,
            checkpoint,
        }
    }

    fn judge(&self, checkpoint: &Checkpoint, key: &PublicKey, first: u64, last: u64) -> CheckpointState {
        if let Err(error) = checkpoint.check(key) {
            let error: CheckpointError = error;
            return CheckpointState::Invalid { why: error.to_string() };
        }
        let seq = checkpoint.seq();
        match self.found {
            Some(hash) if hash == *checkpoint.hash() => CheckpointState::Holds,
            Some(_) => CheckpointState::Rewritten { seq },
            None if seq > last => CheckpointState::TailCut { wanted: seq, last },
            None => CheckpointState::Dropped { seq, first },
        }
    }
}
