//! Asking a plugin once, with everything that its author wants to know of it: for cases, never on a request's path.

use std::{sync::Arc, time::Instant};

use mountgate_core::{DecisionRequest, RequestMount, Verdict};

use crate::{error::PolicyError, instances::Instance, plugin::Plugin, policy::Policy};

/// What a plugin answered, and what it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Rehearsal {
    /// The verdict, or why there is none that counts.
    pub verdict: Result<Verdict, PolicyError>,
    /// How long `decide` took, in microseconds; 0 where it was not come to.
    pub micros: u64,
    /// The memory of the instance that decided (or refused the settings) at its largest, in bytes.
    pub memory_bytes: u64,
    /// What it printed, on its way to a failure too.
    pub trace: String,
}

/// What is seen of an instance after its call.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    memory_bytes: u64,
    trace: String,
}

impl Seen {
    pub(crate) fn of(instance: &Instance) -> Self {
        let state = instance.store.data();
        Self { memory_bytes: state.memory, trace: state.wasi.as_ref().map(|wasi| wasi.printed()).unwrap_or_default() }
    }
}

impl Plugin {
    /// Prepares the plugin for the mount and its settings and asks it, in instances of their own.
    pub fn rehearse(
        self: &Arc<Self>,
        settings: &str,
        mount: &Arc<RequestMount>,
        request: &DecisionRequest,
    ) -> Rehearsal {
        let (configured, seen) = self.configure_seen(settings, mount);
        match configured {
            Ok(policy) => policy.rehearse(request),
            Err(error) => {
                Rehearsal { verdict: Err(error), micros: 0, memory_bytes: seen.memory_bytes, trace: seen.trace }
            }
        }
    }
}

impl Policy {
    /// Asks for a verdict as [`Policy::decide`] does, and tells what it took.
    pub fn rehearse(&self, request: &DecisionRequest) -> Rehearsal {
        let begun = Instant::now();
        let mut seen = Seen::default();
        let asked = self.plugin().elsewhere(|| {
            let mut instance = self.plugin().take()?;
            let answer = self.call(&mut instance, request);
            seen = Seen::of(&instance);
            self.plugin().give_back(instance);
            answer
        });
        let verdict = asked.map(|(verdict, _)| verdict);
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        Rehearsal { verdict, micros, memory_bytes: seen.memory_bytes, trace: seen.trace }
    }
}
