//! A policy: a plugin prepared for a mount.

use std::{sync::Arc, time::Instant};

use mountgate_core::{DecisionRequest, Digest, Verdict, request::RequestMount};

use crate::{
    contract::Contract,
    error::PolicyError,
    instances::Instance,
    plugin::{Inputs, Plugin},
    ticker::Ticker,
    warm::{Isolation, WarmKey, number},
    watch::{Spent, Watch},
};

/// A plugin with a mount's settings.
pub struct Policy {
    plugin: Arc<Plugin>,
    settings: Digest,
    mount: Arc<RequestMount>,
    prepared: Arc<[u8]>,
    isolation: Isolation,
    watch: Arc<Watch>,
    /// Under which its warm instances are kept.
    number: u64,
}

/// A verdict and what it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The verdict. Well formed; whether it stays within the ceiling, `Scope::narrow` says.
    pub verdict: Verdict,
    /// How long it took on the request's path, in microseconds.
    pub micros: u64,
    /// Whether the same request would get the same verdict again: not where the instance may have been asked before.
    pub replayable: bool,
    /// What the policy printed, for the operator's trace. Empty unless it imports WASI.
    pub trace: String,
}

impl Policy {
    pub(crate) fn new(plugin: Arc<Plugin>, settings: &str, mount: Arc<RequestMount>, prepared: Vec<u8>) -> Self {
        let settings = Digest::of(settings.as_bytes());
        let watch = Arc::clone(plugin.watch());
        Self {
            plugin,
            settings,
            mount,
            prepared: prepared.into(),
            isolation: Isolation::Fresh,
            watch,
            number: number(),
        }
    }

    /// The plugin.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// The digest of the settings' text: part of the key under which verdicts may be cached.
    pub fn settings_digest(&self) -> Digest {
        self.settings
    }

    /// The optional inputs that the policy reads. Others need not be filled in; they are withheld in any case.
    pub fn inputs(&self) -> Inputs {
        self.plugin.manifest().inputs
    }

    /// The same policy, with its instances kept apart in that way.
    pub fn with_isolation(&self, isolation: Isolation) -> Arc<Self> {
        self.with(isolation, Arc::clone(&self.watch))
    }

    /// The same policy, to be asked beside one that is in force: where it runs into its deadline, decisions of others of
    /// its plugin are none the slower.
    pub fn beside(&self) -> Arc<Self> {
        self.with(self.isolation, Arc::new(Watch::new()))
    }

    fn with(&self, isolation: Isolation, watch: Arc<Watch>) -> Arc<Self> {
        Arc::new(Self {
            plugin: Arc::clone(&self.plugin),
            settings: self.settings,
            mount: Arc::clone(&self.mount),
            prepared: Arc::clone(&self.prepared),
            isolation,
            watch,
            number: number(),
        })
    }

    /// Whether it is asked one decision at a time, since it spun a while ago.
    pub fn is_watched(&self) -> bool {
        self.watch.is_on()
    }

    /// How its instances are kept apart.
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// Asks for a verdict, in an instance of its own (or, with [`Isolation::Warm`], of the caller's own). Runs on the
    /// caller's thread, for microseconds as a rule and never longer than the deadline (and the wait for a place).
    ///
    /// # Errors
    /// Each is a deny, and must never be cached.
    pub fn decide(&self, request: &DecisionRequest) -> Result<Decision, PolicyError> {
        let begun = Instant::now();
        let spent = Spent::default();
        let (verdict, trace) = self.watch.run(&spent, || self.plugin.elsewhere(|| spent.on(|| self.ask(request))))?;
        let replayable = self.isolation == Isolation::Fresh;
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok(Decision { verdict, micros, replayable, trace })
    }

    fn ask(&self, request: &DecisionRequest) -> Result<(Verdict, String), PolicyError> {
        if self.isolation == Isolation::Warm {
            return self.ask_warm(request);
        }
        let mut instance = self.plugin.take()?;
        let answer = self.call(&mut instance, request);
        self.plugin.give_back(instance);
        answer
    }

    fn ask_warm(&self, request: &DecisionRequest) -> Result<(Verdict, String), PolicyError> {
        let warmth = &self.plugin.shared().warmth;
        let mut instance = match warmth.take(self.number, request) {
            Some(instance) => instance,
            None => self.plugin.take()?,
        };
        let answer = self.call(&mut instance, request);
        // Kept after a clean answer only: what trapped, ran into a limit or was refused may be in any state.
        if answer.is_ok() && instance.store.data().refused.is_none() {
            for old in warmth.keep(WarmKey::of(self.number, request), instance) {
                self.plugin.give_back(old);
            }
        } else {
            self.plugin.give_back(instance);
        }
        answer
    }

    pub(crate) fn call(
        &self,
        instance: &mut Instance,
        request: &DecisionRequest,
    ) -> Result<(Verdict, String), PolicyError> {
        let deadline = self.plugin.decide_deadline();
        if let Some(wasi) = &mut instance.store.data_mut().wasi {
            // A policy that did not declare `time` must not find it on a clock.
            let time = request.time.as_ref().filter(|_| self.inputs().time);
            wasi.set(time.map_or(0, |time| time.unix_ms), self.seed(request));
        }
        instance.calls = instance.calls.saturating_add(1);
        instance.store.set_hostcall_fuel(self.plugin.max_output());
        instance.store.set_epoch_deadline(Ticker::epochs(deadline));
        let answer = instance.bound.decide(&mut instance.store, &self.prepared, request, &self.mount, self.inputs());
        let verdict = answer.map_err(|error| self.plugin.failure(&error, &instance.store, deadline))??;
        Ok((verdict, instance.store.data().wasi.as_ref().map(|wasi| wasi.printed()).unwrap_or_default()))
    }

    /// The seed of a request's randomness: everything that the policy may see of it, and nothing else, so that a time or
    /// parameter that was withheld does not show in the numbers.
    fn seed(&self, request: &DecisionRequest) -> Digest {
        let inputs = self.inputs();
        let mut seen = request.clone();
        seen.time = seen.time.filter(|_| inputs.time);
        seen.usage = seen.usage.filter(|_| inputs.usage);
        seen.parameters = seen.parameters.filter(|_| inputs.parameters);
        if !inputs.predicates {
            Arc::make_mut(&mut seen.touch).predicates.clear();
        }
        // Seen in `configure`, if at all.
        if self.plugin.contract() != Contract::V0_1 {
            seen.limits = Arc::default();
        }
        if !inputs.ceiling {
            seen.ceiling = Arc::default();
        }
        Digest::of(&serde_json::to_vec(&seen).unwrap_or_default())
    }

    /// An instance that is used again and again, which no request's path may do: for measuring.
    ///
    /// # Errors
    /// Where no instance can be had.
    #[doc(hidden)]
    pub fn warm(self: &Arc<Self>) -> Result<Warm, PolicyError> {
        Ok(Warm { policy: Arc::clone(self), instance: self.plugin.take()? })
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        if self.isolation == Isolation::Warm {
            for instance in self.plugin.shared().warmth.forget(self.number) {
                self.plugin.give_back(instance);
            }
        }
    }
}

/// See [`Policy::warm`].
#[doc(hidden)]
pub struct Warm {
    policy: Arc<Policy>,
    instance: Instance,
}

impl Warm {
    /// Asks the same instance again.
    ///
    /// # Errors
    /// As [`Policy::decide`]; the instance is of no use afterwards.
    pub fn decide(&mut self, request: &DecisionRequest) -> Result<Verdict, PolicyError> {
        Ok(self.policy.call(&mut self.instance, request)?.0)
    }
}
