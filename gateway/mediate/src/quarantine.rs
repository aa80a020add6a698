//! Sessions that are set apart after too many refusals, and whatever a person sets apart. Only a person lifts it.
//!
//! A session alone is set apart by itself: one that was talked into probing must not shut its agent's others out. What is
//! set apart is kept in a file, so that a restart lifts nothing.

use std::{
    collections::{HashMap, VecDeque},
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use mountgate_core::{AgentName, Caller, Code, Rate, Refusal, SessionId};
use mountgate_ledger::AdminRecord;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::{
    Gateway, Refused,
    gateway::{now_ms, unrecorded},
};

/// Sessions whose refusals are counted at once. Beyond that, those that were refused longest ago are forgotten.
const COUNTED: usize = 65_536;

/// Refusals that a caller gets who tries what is not his. Mistakes of spelling, and what limits say, are none.
const TRIED: [Code; 8] = [
    Code::NotInScope,
    Code::KeyRequired,
    Code::AggregateOnly,
    Code::DeniedByPolicy,
    Code::MountNotFound,
    Code::ApprovalRequired,
    Code::ClaimMissing,
    Code::Unsupported,
];

/// Who is set apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// An agent, with all of its sessions.
    Agent(AgentName),
    /// One session.
    Session(SessionId),
}

/// Somebody who is set apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetApart {
    /// Who.
    #[serde(flatten)]
    pub subject: Subject,
    /// Since when, in milliseconds since 1970-01-01T00:00Z.
    pub since_ms: i64,
    /// By whom: an operator, or `gateway`.
    pub by: String,
    /// Why.
    pub why: String,
}

/// Who is set apart, and who may soon be.
pub(crate) struct Quarantine {
    /// How many refusals of a session are too many.
    after: Mutex<Option<Rate>>,
    file: Mutex<Option<PathBuf>>,
    apart: Mutex<Vec<SetApart>>,
    /// How many, so that most requests need no lock.
    count: AtomicUsize,
    recent: Mutex<HashMap<SessionId, VecDeque<Instant>>>,
}

impl Quarantine {
    pub(crate) fn new() -> Self {
        Self {
            after: Mutex::new(None),
            file: Mutex::new(None),
            apart: Mutex::default(),
            count: AtomicUsize::new(0),
            recent: Mutex::default(),
        }
    }

    /// Whether the caller is not set apart.
    pub(crate) fn check(&self, caller: &Caller) -> Result<(), Refusal> {
        if self.count.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let apart = self.apart.lock();
        let found = apart.iter().find(|one| match &one.subject {
            Subject::Agent(agent) => *agent == caller.agent,
            Subject::Session(id) => caller.session() == Some(id),
        });
        match found.map(|one| &one.subject) {
            None => Ok(()),
            Some(subject) => {
                let who = match subject {
                    Subject::Agent(agent) => format!("agent `{agent}`"),
                    Subject::Session(_) => "this session".to_owned(),
                };
                Err(Refusal::new(
                    Code::Quarantined,
                    format!("{who} was set apart, and is not served until a person lifts that"),
                )
                .hint("tell your operator; asking again changes nothing"))
            }
        }
    }

    /// Counts a refusal; says whether that was one too many.
    fn tried(&self, session: &SessionId, now: Instant) -> Option<Rate> {
        let rate = (*self.after.lock())?;
        let mut recent = self.recent.lock();
        if recent.len() >= COUNTED && !recent.contains_key(session) {
            recent.retain(|_, times| {
                times.back().is_some_and(|last| now.saturating_duration_since(*last) < rate.window())
            });
            if recent.len() >= COUNTED
                && let Some(oldest) =
                    recent.iter().min_by_key(|(_, times)| times.back().copied()).map(|(id, _)| id.clone())
            {
                recent.remove(&oldest);
            }
        }
        let times = recent.entry(session.clone()).or_default();
        while times.front().is_some_and(|first| now.saturating_duration_since(*first) >= rate.window()) {
            times.pop_front();
        }
        times.push_back(now);
        if times.len() as u64 <= rate.amount {
            return None;
        }
        recent.remove(session);
        Some(rate)
    }

    fn put(&self, change: impl FnOnce(&mut Vec<SetApart>)) -> io::Result<()> {
        let mut apart = self.apart.lock();
        let mut next = apart.clone();
        change(&mut next);
        if let Some(path) = &*self.file.lock() {
            keep(path, &next)?;
        }
        self.count.store(next.len(), Ordering::Release);
        *apart = next;
        Ok(())
    }
}

/// In one step: whoever reads the file meanwhile sees the old one or the new one.
fn keep(path: &Path, apart: &[SetApart]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let draft = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    serde_json::to_writer_pretty(&mut file, apart)?;
    file.flush()?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

/// Those who are set apart, as a gateway's file has them; nobody where there is none.
///
/// # Errors
/// Where it can't be read, or is none.
pub fn read_quarantine(path: &Path) -> io::Result<Vec<SetApart>> {
    match fs::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) => Err(error),
    }
}

impl Gateway {
    /// Keeps who is set apart in that file, and takes what it has; a session is set apart by itself after more refusals
    /// than `after`, where that is given.
    ///
    /// # Errors
    /// Where the file can't be read: who is set apart is then not known, and nobody may be served.
    pub fn keep_quarantine(&self, path: &Path, after: Option<Rate>) -> io::Result<()> {
        let quarantine = self.quarantine();
        let known = read_quarantine(path)?;
        *quarantine.file.lock() = Some(path.to_owned());
        *quarantine.after.lock() = after;
        quarantine.count.store(known.len(), Ordering::Release);
        *quarantine.apart.lock() = known;
        Ok(())
    }

    /// Who is set apart.
    pub fn set_apart(&self) -> Vec<SetApart> {
        self.quarantine().apart.lock().clone()
    }

    /// Sets somebody apart. On record first; and kept where a restart finds it.
    ///
    /// # Errors
    /// Where either can't be written.
    pub fn quarantine_by(&self, subject: Subject, by: &str, why: &str) -> Result<(), Refused> {
        self.note("quarantine.set", by, &serde_json::json!({ "subject": subject, "why": why }))?;
        let one = SetApart { subject, since_ms: now_ms(), by: by.to_owned(), why: why.to_owned() };
        self.quarantine()
            .put(|apart| {
                apart.retain(|other| other.subject != one.subject);
                apart.push(one);
            })
            .map_err(|error| unkept(&error))
    }

    /// Lifts it; says whether somebody was set apart at all.
    ///
    /// # Errors
    /// Where that can't be recorded or kept: then it is not lifted.
    pub fn lift(&self, subject: &Subject, by: &str) -> Result<bool, Refused> {
        if !self.set_apart().iter().any(|one| one.subject == *subject) {
            return Ok(false);
        }
        self.note("quarantine.lift", by, &serde_json::json!({ "subject": subject }))?;
        self.quarantine().put(|apart| apart.retain(|one| one.subject != *subject)).map_err(|error| unkept(&error))?;
        Ok(true)
    }

    fn note(&self, act: &str, who: &str, details: &serde_json::Value) -> Result<(), Refused> {
        let record = AdminRecord { time_ms: now_ms(), act, who, details: details.clone() };
        Ok(self.ledger().admin(&record).map_err(unrecorded)?)
    }

    /// Counts a refusal against its session, and sets the session apart where that was one too many.
    pub(crate) fn tried(&self, caller: &Caller, code: Code) {
        let Some(session) = caller.session().filter(|_| TRIED.contains(&code)) else { return };
        let Some(rate) = self.quarantine().tried(session, Instant::now()) else { return };
        let why =
            format!("more than {} refusals of agent `{}` in {} s", rate.amount, caller.agent, rate.window_ms / 1000);
        tracing::warn!(agent = %caller.agent, session = %session, why, "a session is set apart");
        if let Err(refused) = self.quarantine_by(Subject::Session(session.clone()), "gateway", &why) {
            // Closed all the same, as long as this gateway runs.
            tracing::error!(reason = %refused.refusal, "that a session is set apart cannot be kept");
            let one = SetApart {
                subject: Subject::Session(session.clone()),
                since_ms: now_ms(),
                by: "gateway".to_owned(),
                why,
            };
            let quarantine = self.quarantine();
            let mut apart = quarantine.apart.lock();
            apart.push(one);
            quarantine.count.store(apart.len(), Ordering::Release);
        }
    }
}

fn unkept(error: &io::Error) -> Refused {
    Refusal::new(Code::Internal, format!("who is set apart cannot be kept: {error}")).into()
}
