//! One path from files to a generation in force: read ─▶ verify ─▶ admit ─▶ compile ─▶ self-test ─▶ fit ─▶ record ─▶ swap.
//!
//! `serve` starts by it, `check` runs it without the swap, and each reload is it again. Whatever fails, what was in force
//! stays, and the reason is on `/healthz`, in the metrics, in the log and in the ledger. One reload at a time, on a thread
//! that requests go before; wishes that come meanwhile are one reload together.

use std::{path::PathBuf, sync::Arc, time::Duration};

use mountgate_mediate::{
    Gateway,
    reload::{FailedReload, Reloaded, Step, Trigger, Wish},
};
use mountgate_policy::in_background;
use parking_lot::Mutex;
use tokio::sync::{mpsc::Receiver, oneshot, watch};

use super::{files::Watched, signatures};
use crate::{
    compose::{
        Composed, Composer, Digests, Failure,
        trust::{self, Signed, refresh},
    },
    config::{Config, MainFile, Problem, Problems},
    state::{Act, State, now_ms},
};

/// Problems that a record and an answer hold.
const TOLD: usize = 20;
/// How long a reload waits for the repository of signed plugins, and half of its own deadline at most.
const ASK: Duration = Duration::from_secs(20);
/// Characters of a problem that they hold.
const LENGTH: usize = 600;

/// What a reload needs.
pub(super) struct Reloader {
    path: PathBuf,
    /// The main file of the start: what of it holds until the next start.
    main: MainFile,
    state: Arc<State>,
    composer: Composer,
    /// Of what is in force.
    digests: Digests,
    gateway: Gateway,
    watched: Arc<Mutex<Watched>>,
    /// How long the next reload may take.
    deadline: Duration,
    /// Where the signed plugins in force come from, for whoever keeps them fresh.
    signed: watch::Sender<Option<Signed>>,
}

/// Why a reload came to nothing.
struct Failed {
    step: Step,
    message: String,
    problems: Vec<Problem>,
    /// Of what was tried, where it could be read.
    tried: Option<Box<Digests>>,
}

impl Reloader {
    #[expect(clippy::too_many_arguments, reason = "the parts of one server, which live in one function")]
    pub(super) fn new(
        path: PathBuf,
        main: MainFile,
        state: Arc<State>,
        composer: Composer,
        digests: Digests,
        gateway: Gateway,
        watched: Arc<Mutex<Watched>>,
        signed: watch::Sender<Option<Signed>>,
    ) -> Self {
        let deadline = main.reload.deadline;
        Self { path, main, state, composer, digests, gateway, watched, deadline, signed }
    }

    /// Starts the thread; what is given back is done when it has ended.
    pub(super) fn start(
        mut self,
        stopped: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<oneshot::Receiver<()>> {
        let Some(mut wishes) = self.gateway.take_wishes() else { anyhow::bail!("a gateway is served once") };
        let runtime = tokio::runtime::Handle::current();
        let (done, ended) = oneshot::channel();
        in_background("reload", move || {
            // What reloading itself computes, it computes here; what it waits for, the runtime waits for.
            runtime.block_on(async move {
                tokio::select! {
                    () = self.on(&mut wishes) => {}
                    () = stopped => {}
                }
            });
            let _ = done.send(());
        })?;
        Ok(ended)
    }

    async fn on(&mut self, wishes: &mut Receiver<Wish>) {
        while let Some(first) = wishes.recv().await {
            let mut together = vec![first];
            // Nothing is read yet: whoever asked by now means the files as they are.
            while let Ok(more) = wishes.try_recv() {
                together.push(more);
            }
            let (triggers, answers): (Vec<Trigger>, Vec<_>) =
                together.into_iter().map(|wish| (wish.trigger, wish.answer)).unzip();
            let ended = Arc::new(self.reload(&triggers).await);
            for answer in answers.into_iter().flatten() {
                // Who asked may have gone.
                let _ = answer.send(Arc::clone(&ended));
            }
        }
    }

    async fn reload(&mut self, triggers: &[Trigger]) -> Reloaded {
        let gateway = self.gateway.clone();
        let in_force = gateway.generation().number();
        gateway.reloading(Step::Read);
        let told = self.ask_repository(triggers).await;
        let composed = match tokio::time::timeout(self.deadline, self.compose(in_force + 1)).await {
            Ok(composed) => composed,
            Err(_) => {
                let step = gateway.reload_step().unwrap_or(Step::Read);
                let limit = self.deadline.as_secs_f64();
                let message = format!(
                    "the step was not done within {limit} s (`[reload] deadline`): what it waits for may be stuck"
                );
                Err(Failed { step, message, problems: vec![], tried: None })
            }
        };
        let ended = match composed {
            Ok(composed) => self.take(composed, triggers, in_force),
            Err(failed) => Err(failed),
        };
        let mut ended = ended.unwrap_or_else(|failed| self.stay(failed, triggers, in_force));
        match &mut ended {
            Reloaded::Swapped { warnings, .. } | Reloaded::Unchanged { warnings, .. } => warnings.extend(told),
            Reloaded::Failed { details, .. } => details.extend(told),
        }
        gateway.reload_ended(&ended);
        ended
    }

    /// Whoever asks for a reload means what is signed by now, too. Where the repository says nothing, what is in force of
    /// it stays, and the rest of the reload goes on; says so.
    async fn ask_repository(&self, triggers: &[Trigger]) -> Option<String> {
        if !triggers.iter().any(|trigger| matches!(trigger, Trigger::Operator(_) | Trigger::Signal)) {
            return None;
        }
        let store = self.composer.trust()?.store();
        let patience = ASK.min(self.deadline / 2);
        let Ok(asked) = tokio::time::timeout(patience, refresh(store)).await else {
            return Some(format!(
                "the repository of plugins was not read within {} s: what it brings is taken once it is",
                patience.as_secs()
            ));
        };
        signatures::count(&self.gateway, &asked);
        self.gateway.tell_signatures(Some(trust::signatures(&store.status())));
        let error = asked.err()?;
        Some(format!("the repository of plugins could not be refreshed, the last good set is used: {error}"))
    }

    async fn compose(&mut self, number: u64) -> Result<Composed, Failed> {
        let config = Config::load(&self.path).map_err(|Problems(problems)| Failed {
            step: Step::Read,
            message: told_first(&problems, 0),
            problems,
            tried: None,
        })?;
        self.deadline = config.main.reload.deadline;
        // From here on also where it fails: what mends it may be in a file that it names.
        *self.watched.lock() = Watched::of(&self.path, &config);
        let gateway = self.gateway.clone();
        let tell = move |step| gateway.reloading(step);
        let composed = self.composer.compose_telling(&config, self.state.keys(), number, &tell).await;
        let mut composed = composed.map_err(|Failure { step, first, problems: Problems(problems) }| {
            let tried = Some(Box::new(Digests { config: Some(config.digest()), ..Digests::default() }));
            Failed { step, message: told_first(&problems, first), problems, tried }
        })?;
        composed.warnings.extend(self.until_restart(&config.main));
        Ok(composed)
    }

    /// What has changed and takes effect when the gateway is started again.
    fn until_restart(&self, main: &MainFile) -> Vec<String> {
        let old = &self.main;
        let sections = [
            ("[server]", main.server != old.server),
            ("[keys]", main.master != old.master),
            ("[gate]", main.gate != old.gate),
            ("[quarantine]", main.quarantine != old.quarantine),
            ("[ledger]", main.ledger != old.ledger),
            ("[log]", main.log != old.log),
            ("[approvals]", main.approvals != old.approvals),
            ("[webhooks]", main.webhooks != old.webhooks),
        ];
        let changed = sections.iter().filter(|(_, changed)| *changed);
        changed
            .map(|(section, _)| format!("`{section}` has changed: that takes effect when the gateway is started again"))
            .collect()
    }

    /// Puts what was composed in force, once that is on record.
    fn take(&mut self, composed: Composed, triggers: &[Trigger], in_force: u64) -> Result<Reloaded, Failed> {
        for warning in &composed.warnings {
            tracing::warn!("{warning}");
        }
        if composed.changes.is_empty() {
            // A wall may have been built or taken down, a mount may have ended.
            let warnings = composed.warnings;
            self.gateway.warn(warnings.clone());
            // Nobody did anything where only the watcher looked.
            if triggers.iter().any(|trigger| matches!(trigger, Trigger::Operator(_) | Trigger::Signal)) {
                let details = serde_json::json!({ "result": "unchanged", "generation": in_force });
                self.record(triggers, details).unwrap_or_else(|why| {
                    tracing::error!(why, "a reload that changed nothing could not be recorded");
                });
            }
            tracing::info!(generation = in_force, "reloaded: nothing is different");
            return Ok(Reloaded::Unchanged { generation: in_force, warnings });
        }
        self.gateway.reloading(Step::Record);
        let generation = composed.generation.number();
        let details = serde_json::json!({
            "result": "swapped",
            "generation": generation,
            "changed": composed.changes,
            "before": self.digests,
            "after": composed.digests,
        });
        self.record(triggers, details).map_err(|why| Failed {
            step: Step::Record,
            message: format!("the reload cannot be recorded, so it was not done: {why}"),
            problems: vec![],
            tried: Some(Box::new(composed.digests.clone())),
        })?;
        let (changed, warnings) = (composed.changes.clone(), composed.warnings.clone());
        self.digests = composed.digests.clone();
        let (generation_in_force, in_warning) = self.composer.adopt(composed);
        self.gateway.swap(generation_in_force, in_warning);
        self.signed.send_if_modified(|signed| {
            let now = self.composer.trust();
            let is_same = match (&*signed, now) {
                (None, None) => true,
                (Some(one), Some(other)) => one.is_same(other),
                _ => false,
            };
            if !is_same {
                *signed = now.cloned();
            }
            !is_same
        });
        tracing::info!(generation, warnings = warnings.len(), "reloaded");
        Ok(Reloaded::Swapped { generation, changed, warnings })
    }

    /// What was in force stays, and everybody is told why.
    fn stay(&self, failed: Failed, triggers: &[Trigger], in_force: u64) -> Reloaded {
        let Failed { step, message, problems, tried } = failed;
        for problem in &problems {
            tracing::error!("{problem}");
        }
        tracing::error!(
            generation = in_force,
            step = step.label(),
            message,
            "a reload failed: the last good one stays"
        );
        let details: Vec<String> = problems.iter().take(TOLD).map(told).collect();
        let recorded = self.record(
            triggers,
            serde_json::json!({
                "result": "failed",
                "generation": in_force,
                "step": step,
                "message": message,
                "failed": details,
                "problems": problems.len(),
                "before": self.digests,
                "tried": tried,
            }),
        );
        if let Err(why) = recorded {
            tracing::error!(why, "the failed reload could not be recorded");
        }
        let trigger = triggers.first().map_or("files", Trigger::label);
        let failed = FailedReload { time_ms: now_ms(), trigger, step, message, problems: problems.len().max(1) };
        Reloaded::Failed { generation: in_force, failed, details }
    }

    fn record(&self, triggers: &[Trigger], mut details: serde_json::Value) -> Result<(), String> {
        let asked: Vec<&str> = triggers.iter().map(Trigger::label).collect();
        if let Some(details) = details.as_object_mut() {
            details.insert("triggers".to_owned(), serde_json::json!(asked));
        }
        let by_whom = triggers.iter().find(|trigger| matches!(trigger, Trigger::Operator(_)));
        let who = by_whom.or(triggers.first()).map_or_else(|| "gateway".to_owned(), Trigger::who);
        let act = Act { who, ..Act::of_command_line("config.reload", details) };
        self.state.record_in(self.gateway.ledger(), &act).map_err(|error| error.to_string())
    }
}

fn told_first(problems: &[Problem], first: usize) -> String {
    problems.get(first).map_or_else(|| "the configuration is wrong".to_owned(), told)
}

/// A problem on one line, with its place and without the file's text.
fn told(problem: &Problem) -> String {
    let Problem { file, line, column, message, .. } = problem;
    let whole = if *line == 0 { format!("{file}: {message}") } else { format!("{file}:{line}:{column}: {message}") };
    whole.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LENGTH).collect()
}

#[cfg(test)]
mod tests;
