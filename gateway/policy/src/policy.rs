//! A policy: a plugin prepared for a mount.

use std::{sync::Arc, time::Instant};

use mountgate_core::{DecisionRequest, Digest, Verdict};

use crate::{
    bindings::v0_1::mountgate::policy::types as wit,
    convert::{request::request_to, verdict::verdict_from},
    error::PolicyError,
    instances::Instance,
    plugin::{Inputs, Plugin, shorten},
    ticker::Ticker,
};

/// A plugin with a mount's settings.
pub struct Policy {
    plugin: Arc<Plugin>,
    settings: Digest,
    prepared: Vec<u8>,
}

/// A verdict and what it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The verdict. Well formed; whether it stays within the ceiling, `Scope::narrow` says.
    pub verdict: Verdict,
    /// How long it took on the request's path, in microseconds.
    pub micros: u64,
    /// What the policy printed, for the operator's trace. Empty unless it imports WASI.
    pub trace: String,
}

impl Policy {
    pub(crate) fn new(plugin: Arc<Plugin>, settings: &str, prepared: Vec<u8>) -> Self {
        Self { plugin, settings: Digest::of(settings.as_bytes()), prepared }
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

    /// Asks for a verdict, in an instance of its own. Runs on the caller's thread, for microseconds as a rule and
    /// never longer than the deadline (and the wait for a place).
    ///
    /// # Errors
    /// Each is a deny, and must never be cached.
    pub fn decide(&self, request: &DecisionRequest) -> Result<Decision, PolicyError> {
        let begun = Instant::now();
        let (verdict, trace) = self.plugin.elsewhere(|| self.ask(request))?;
        let verdict = verdict_from(verdict)?;
        Ok(Decision { verdict, micros: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX), trace })
    }

    fn ask(&self, request: &DecisionRequest) -> Result<(wit::Verdict, String), PolicyError> {
        let mut instance = self.plugin.take()?;
        let answer = self.call(&mut instance, request);
        self.plugin.give_back(instance);
        answer
    }

    fn call(&self, instance: &mut Instance, request: &DecisionRequest) -> Result<(wit::Verdict, String), PolicyError> {
        let deadline = self.plugin.shared().config.decide_deadline;
        let asked = request_to(request, self.inputs());
        if let Some(wasi) = &mut instance.store.data_mut().wasi {
            // A policy that did not declare `time` must not find it on a clock.
            let time = request.time.as_ref().filter(|_| self.inputs().time);
            wasi.set(time.map_or(0, |time| time.unix_ms), seed(request, self.inputs()));
        }
        instance.store.set_epoch_deadline(Ticker::epochs(deadline));
        let answer =
            instance.bindings.mountgate_policy_decisions().call_decide(&mut instance.store, &self.prepared, &asked);
        match answer {
            Ok(Ok(verdict)) => {
                Ok((verdict, instance.store.data().wasi.as_ref().map(|wasi| wasi.printed()).unwrap_or_default()))
            }
            Ok(Err(text)) => Err(PolicyError::Failed(shorten(text))),
            Err(error) => Err(self.plugin.failure(&error, &instance.store, deadline)),
        }
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
        let (verdict, _) = self.policy.call(&mut self.instance, request)?;
        verdict_from(verdict)
    }
}

/// The seed of a request's randomness: everything that the policy may see of it, and nothing else, so that a time or
/// parameter that was withheld does not show in the numbers.
fn seed(request: &DecisionRequest, inputs: Inputs) -> Digest {
    let mut seen = request.clone();
    seen.time = seen.time.filter(|_| inputs.time);
    seen.usage = seen.usage.filter(|_| inputs.usage);
    seen.parameters = seen.parameters.filter(|_| inputs.parameters);
    Digest::of(&serde_json::to_vec(&seen).unwrap_or_default())
}
