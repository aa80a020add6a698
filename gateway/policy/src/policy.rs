//! A policy: a plugin prepared for a mount.

use std::{sync::Arc, time::Instant};

use mountgate_core::{DecisionRequest, Digest, Verdict};

use crate::{
    convert::{request::request_to, verdict::verdict_from},
    error::PolicyError,
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
        let deadline = self.plugin.shared().config.decide_deadline;
        let asked = request_to(request, self.inputs());
        let mut instance = self.plugin.take()?;
        instance.store.set_epoch_deadline(Ticker::epochs(deadline));
        let answer =
            instance.bindings.mountgate_policy_decisions().call_decide(&mut instance.store, &self.prepared, &asked);
        let verdict = match answer {
            Ok(Ok(verdict)) => Ok(verdict),
            Ok(Err(text)) => Err(PolicyError::Failed(shorten(text))),
            Err(error) => Err(self.plugin.failure(&error, &instance.store, deadline)),
        };
        self.plugin.give_back(instance);
        let verdict = verdict_from(verdict?)?;
        Ok(Decision { verdict, micros: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX) })
    }
}
