//! Reloads as the gateway knows them: who wishes for one, how far one has come, how the last ones ended. What a reload
//! does is the composition's; here it is only passed on, counted and told.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use mountgate_core::{MountName, PolicyName};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::{Gateway, gateway::now_ms};

/// Wishes that wait for the reload that is under way. One more than that is covered by those that wait.
const WAITING: usize = 64;

/// Who or what asks for a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// `SIGHUP`.
    Signal,
    /// A file of the configuration, or a plugin's, is another than it was.
    Files,
    /// An operator, by the admin port.
    Operator(String),
    /// The signed repository has other plugins, or it is time to look.
    Repository,
}

impl Trigger {
    /// The word for it in records: `signal`, `files`, `operator`, `repository`.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Files => "files",
            Self::Operator(_) => "operator",
            Self::Repository => "repository",
        }
    }

    /// Who did it, for the ledger.
    pub fn who(&self) -> String {
        match self {
            Self::Operator(name) => format!("operator {name}"),
            Self::Signal | Self::Files | Self::Repository => "gateway".to_owned(),
        }
    }
}

/// The steps between files and a generation in force, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The files are read and understood.
    Read,
    /// Plugins are what somebody signed who may.
    Verify,
    /// Imports, contract, size: whether a component may run at all.
    Admit,
    /// Machine code is made of it.
    Compile,
    /// The plugin's own cases give the verdicts that they should.
    SelfTest,
    /// Backends open, ceilings fit them, policies take their settings.
    Fit,
    /// The swap is on record.
    Record,
}

impl Step {
    /// Its word: `self_test`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Verify => "verify",
            Self::Admit => "admit",
            Self::Compile => "compile",
            Self::SelfTest => "self_test",
            Self::Fit => "fit",
            Self::Record => "record",
        }
    }
}

/// What a generation has that the one before it had not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Mounts that are new.
    pub added: BTreeSet<MountName>,
    /// Mounts that are gone.
    pub removed: BTreeSet<MountName>,
    /// Mounts that are not as they were.
    pub changed: BTreeSet<MountName>,
    /// Policies whose component is another.
    pub policies: BTreeSet<PolicyName>,
    /// Whether the main file is another.
    pub main: bool,
}

impl Changes {
    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        let Self { added, removed, changed, policies, main } = self;
        added.is_empty() && removed.is_empty() && changed.is_empty() && policies.is_empty() && !main
    }
}

/// A reload that failed. What was in force stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedReload {
    /// When, in milliseconds since 1970-01-01T00:00Z.
    pub time_ms: i64,
    /// Who or what asked for it.
    pub trigger: &'static str,
    /// The first step that failed.
    pub step: Step,
    /// Why: the first problem of that step.
    pub message: String,
    /// How many problems there are.
    pub problems: usize,
}

impl FailedReload {
    /// The message for whoever reaches the port, without what may be a name of data: what stands in backticks, and all
    /// of what backends say.
    pub fn for_anyone(&self) -> String {
        if self.step == Step::Fit {
            return "a backend, a ceiling or a policy's settings do not fit: an operator's token, the log and `mountgate check` tell more".to_owned();
        }
        hidden(&self.message)
    }
}

/// A message without what stands in backticks.
pub(crate) fn hidden(message: &str) -> String {
    let mut shown = String::with_capacity(message.len());
    for (at, part) in message.split('`').enumerate() {
        match at % 2 {
            0 => shown.push_str(part),
            _ => shown.push_str("`…`"),
        }
    }
    shown
}

/// How a reload ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Reloaded {
    /// Another generation is in force.
    Swapped {
        /// Its number.
        generation: u64,
        /// What is different in it.
        changed: Changes,
        /// What an operator should know.
        warnings: Vec<String>,
    },
    /// All is as it was, so nothing was swapped.
    Unchanged {
        /// The generation in force.
        generation: u64,
        /// What an operator should know.
        warnings: Vec<String>,
    },
    /// What was in force stays.
    Failed {
        /// The generation in force.
        generation: u64,
        /// Why.
        #[serde(flatten)]
        failed: FailedReload,
        /// Every problem, or the first of them, one text each.
        details: Vec<String>,
    },
}

impl Reloaded {
    /// Its word: `swapped`, `unchanged`, `failed`.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Swapped { .. } => "swapped",
            Self::Unchanged { .. } => "unchanged",
            Self::Failed { .. } => "failed",
        }
    }

    /// The generation in force after it.
    pub fn generation(&self) -> u64 {
        match self {
            Self::Swapped { generation, .. } | Self::Unchanged { generation, .. } | Self::Failed { generation, .. } => {
                *generation
            }
        }
    }
}

/// A wish for a reload.
#[derive(Debug)]
pub struct Wish {
    /// Who or what asks.
    pub trigger: Trigger,
    /// Where the answer goes, if anyone waits for it.
    pub answer: Option<oneshot::Sender<Arc<Reloaded>>>,
}

/// Why a wish gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoReload {
    /// Too many wait already.
    #[error("{WAITING} wishes for a reload wait already")]
    Busy,
    /// Nothing reloads here: the gateway does not serve yet, or no longer.
    #[error("the gateway does not reload now: it starts or stops")]
    Closed,
}

/// How reloads are, for `/healthz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReloadHealth {
    /// `idle`, or `running`.
    pub state: &'static str,
    /// The step that the one under way has come to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// How long the one under way has taken, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running_ms: Option<u64>,
    /// When one last went well, or found nothing to do; in milliseconds since 1970-01-01T00:00Z. The start counts.
    pub last_success_ms: i64,
    /// The last one, where it failed.
    pub failed: Option<FailedReload>,
}

#[derive(Debug)]
struct Running {
    since: Instant,
    step: Step,
}

#[derive(Debug)]
struct State {
    /// Since when the generation has been in force.
    since_ms: i64,
    last_success_ms: i64,
    failed: Option<FailedReload>,
    running: Option<Running>,
}

/// Wishes and ends of reloads.
pub(crate) struct Reloads {
    wish: mpsc::Sender<Wish>,
    wishes: Mutex<Option<mpsc::Receiver<Wish>>>,
    state: Mutex<State>,
}

impl Reloads {
    pub(crate) fn new() -> Self {
        let (wish, wishes) = mpsc::channel(WAITING);
        let now = now_ms();
        let state = State { since_ms: now, last_success_ms: now, failed: None, running: None };
        Self { wish, wishes: Mutex::new(Some(wishes)), state: Mutex::new(state) }
    }

    pub(crate) fn swapped(&self) {
        self.state.lock().since_ms = now_ms();
    }

    pub(crate) fn since_ms(&self) -> i64 {
        self.state.lock().since_ms
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.state.lock().failed.is_some()
    }

    pub(crate) fn health(&self) -> ReloadHealth {
        let state = self.state.lock();
        let running = state.running.as_ref();
        ReloadHealth {
            state: if running.is_some() { "running" } else { "idle" },
            step: running.map(|running| running.step),
            running_ms: running.map(|running| millis(running.since.elapsed())),
            last_success_ms: state.last_success_ms,
            failed: state.failed.clone(),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Gateway {
    /// Asks for a reload, and waits for its end. One that is under way may have read the files already, so it is the
    /// next one that counts; all who wait get that same one.
    ///
    /// # Errors
    /// Where nobody reloads, or too many wait.
    pub async fn reload(&self, trigger: Trigger) -> Result<Arc<Reloaded>, NoReload> {
        let (answer, ended) = oneshot::channel();
        self.reloads().wish.try_send(Wish { trigger, answer: Some(answer) }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NoReload::Busy,
            mpsc::error::TrySendError::Closed(_) => NoReload::Closed,
        })?;
        ended.await.map_err(|_| NoReload::Closed)
    }

    /// Asks for a reload, and does not wait. Where so many wait that there is no room, one of them covers this one.
    pub fn wish_reload(&self, trigger: Trigger) {
        let _ = self.reloads().wish.try_send(Wish { trigger, answer: None });
    }

    /// The wishes: for whoever reloads, once.
    pub fn take_wishes(&self) -> Option<mpsc::Receiver<Wish>> {
        self.reloads().wishes.lock().take()
    }

    /// A reload has come to that step.
    pub fn reloading(&self, step: Step) {
        let mut state = self.reloads().state.lock();
        let since = state.running.as_ref().map_or_else(Instant::now, |running| running.since);
        state.running = Some(Running { since, step });
    }

    /// The step that the reload under way has come to.
    pub fn reload_step(&self) -> Option<Step> {
        self.reloads().state.lock().running.as_ref().map(|running| running.step)
    }

    /// A reload has ended so.
    pub fn reload_ended(&self, ended: &Reloaded) {
        let now = now_ms();
        {
            let mut state = self.reloads().state.lock();
            state.running = None;
            match ended {
                Reloaded::Swapped { .. } | Reloaded::Unchanged { .. } => {
                    state.last_success_ms = now;
                    state.failed = None;
                }
                Reloaded::Failed { failed, .. } => state.failed = Some(failed.clone()),
            }
        }
        let step = match ended {
            Reloaded::Failed { failed, .. } => failed.step.label(),
            Reloaded::Swapped { .. } | Reloaded::Unchanged { .. } => "",
        };
        self.metrics_registry().reloaded(ended.label(), step, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(step: Step, message: &str) -> FailedReload {
        FailedReload { time_ms: 1, trigger: "files", step, message: message.to_owned(), problems: 1 }
    }

    #[test]
    fn whoever_reaches_the_port_learns_no_name_of_data() {
        let read =
            failed(Step::Read, "mounts/support.toml:7:1: `salary_canary` is no key here; did you mean `columns`?");
        assert_eq!(read.for_anyone(), "mounts/support.toml:7:1: `…` is no key here; did you mean `…`?");
        let unclosed = failed(Step::Admit, "the component imports `wasi:salary_canary");
        assert!(!unclosed.for_anyone().contains("canary"));
        // What a store says is not ours, and quotes as it likes.
        let fit = failed(Step::Fit, "relation \"salary_canary\" does not exist");
        assert!(!fit.for_anyone().contains("canary"));
    }
}
