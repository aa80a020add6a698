//! A plugin: an admitted component.

use std::{sync::Arc, time::Duration};

use mountgate_core::{Digest, request::RequestMount};
use parking_lot::Mutex;
use wasmtime::{Store, Trap, component::InstancePre};

use crate::{
    admission::Read,
    config::PluginLimits,
    contract::{Contract, Ready},
    error::{AdmissionError, PolicyError},
    host::Shared,
    instances::{Instance, Place},
    policy::Policy,
    rehearse::Seen,
    state::State,
    ticker::Ticker,
    wasi::Wasi,
    watch::Watch,
};

/// The optional inputs that a policy reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Inputs {
    /// The request's time.
    pub time: bool,
    /// What is left of the mount's rates.
    pub usage: bool,
    /// The statement's parameters.
    pub parameters: bool,
    /// What the request looks for. Policies of 0.1 are always told it.
    pub predicates: bool,
    /// The ceiling of what is touched. Policies of 0.1 are always told it.
    pub ceiling: bool,
}

/// What a policy says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its name.
    pub name: String,
    /// One line on what it does.
    pub summary: String,
    /// The optional inputs that it reads.
    pub inputs: Inputs,
    /// A JSON Schema of its settings, as JSON text.
    pub settings_schema: String,
}

/// An admitted component.
pub struct Plugin {
    shared: Arc<Shared>,
    digest: Digest,
    contract: Contract,
    manifest: Manifest,
    stock: Arc<Stock>,
    watch: Arc<Watch>,
    /// How long `decide` may run.
    decide_deadline: Duration,
}

/// Instances of a plugin that are ready.
pub(crate) struct Stock {
    pre: Ready,
    ready: Mutex<Vec<Instance>>,
    max_memory: usize,
    max_table: usize,
    max_output: usize,
    max_trace: usize,
    warm_up: u64,
    wasi: bool,
}

impl Stock {
    pub(crate) fn len(&self) -> usize {
        self.ready.lock().len()
    }

    /// Makes an instance and puts it with the others; `false` where that failed.
    pub(crate) fn make(&self, place: Place) -> bool {
        match self.instance(place, true) {
            Ok(instance) => {
                self.ready.lock().push(instance);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "no policy instance could be made ahead");
                false
            }
        }
    }

    /// A fresh instance, warmed up where it is made ahead: one that is made while its request waits is used at once, and
    /// what warming up would save it would cost it first.
    fn instance(&self, place: Place, ahead: bool) -> Result<Instance, PolicyError> {
        let mut state = State::new(self.max_memory, self.max_table, self.max_trace);
        state.wasi = self.wasi.then(|| Box::new(Wasi::new(self.max_trace)));
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter(|state| state);
        store.set_hostcall_fuel(self.max_output);
        store.set_epoch_deadline(self.warm_up);
        let bound = match self.pre.instantiate(&mut store) {
            Ok(bound) => bound,
            Err(error) => return Err(failure(&error, &store, self.max_output, 0)),
        };
        let mut instance = Instance::new(store, bound, place);
        // An instance made ahead has answered `describe` when a decision gets it: the pages of its stack and heap are
        // there, and so is all that the first call sets up. What that leaves in it knows no request.
        if ahead && let Err(error) = instance.bound.describe(&mut instance.store) {
            return Err(failure(&error, &instance.store, self.max_output, 0));
        }
        Ok(instance)
    }
}

impl Plugin {
    pub(crate) fn new(
        shared: Arc<Shared>,
        digest: Digest,
        pre: InstancePre<State>,
        Read { contract, wasi }: Read,
        limits: PluginLimits,
    ) -> Result<Arc<Self>, AdmissionError> {
        let pre = Ready::new(contract, pre).map_err(|error| AdmissionError::Unusable(format!("{error:#}")))?;
        let config = &limits.tighten(shared.config.clone());
        let decide_deadline = config.decide_deadline;
        let stock = Arc::new(Stock {
            pre,
            ready: Mutex::new(Vec::with_capacity(config.ready)),
            max_memory: config.max_memory,
            max_table: config.max_table,
            max_output: config.max_output,
            max_trace: config.max_trace,
            warm_up: Ticker::epochs(config.configure_deadline),
            wasi,
        });
        let mut plugin = Self {
            shared,
            digest,
            contract,
            manifest: Manifest {
                name: String::new(),
                summary: String::new(),
                inputs: Inputs::default(),
                settings_schema: String::new(),
            },
            stock,
            watch: Arc::new(Watch::new()),
            decide_deadline,
        };
        plugin.manifest = plugin.describe()?;
        plugin.shared.keeper.stock(&plugin.stock);
        Ok(Arc::new(plugin))
    }

    /// The digest of the component's bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The version of the contract that it was built against.
    pub fn contract(&self) -> Contract {
        self.contract
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Prepares the plugin for a mount and its settings (JSON text, `{}` where there are none).
    ///
    /// # Errors
    /// [`PolicyError::Settings`] with the policy's own words where it refuses them; others where it fails.
    pub fn configure(self: &Arc<Self>, settings: &str, mount: &Arc<RequestMount>) -> Result<Arc<Policy>, PolicyError> {
        self.configure_seen(settings, mount).0
    }

    /// The same, with what is seen of the instance.
    pub(crate) fn configure_seen(
        self: &Arc<Self>,
        settings: &str,
        mount: &Arc<RequestMount>,
    ) -> (Result<Arc<Policy>, PolicyError>, Seen) {
        let deadline = self.shared.config.configure_deadline;
        let mut seen = Seen::default();
        let prepared = self.elsewhere(|| {
            let mut instance = self.take()?;
            instance.store.set_epoch_deadline(Ticker::epochs(deadline));
            let answer = instance.bound.configure(&mut instance.store, settings, mount);
            let prepared = match answer {
                Ok(Ok(prepared)) => Ok(prepared),
                Ok(Err(text)) => Err(PolicyError::Settings(shorten(text))),
                Err(error) => Err(self.failure(&error, &instance.store, deadline)),
            };
            seen = Seen::of(&instance);
            self.give_back(instance);
            prepared
        });
        let policy = |prepared| Arc::new(Policy::new(Arc::clone(self), settings, Arc::clone(mount), prepared));
        (prepared.map(policy), seen)
    }

    fn describe(&self) -> Result<Manifest, AdmissionError> {
        let deadline = self.shared.config.configure_deadline;
        let manifest = self.elsewhere(|| {
            let mut instance = self.take()?;
            instance.store.set_epoch_deadline(Ticker::epochs(deadline));
            let answer = instance.bound.describe(&mut instance.store);
            let manifest = answer.map_err(|error| self.failure(&error, &instance.store, deadline));
            self.give_back(instance);
            manifest
        });
        checked(manifest.map_err(AdmissionError::Describe)?).map_err(AdmissionError::Manifest)
    }

    /// Runs a call into the policy: here, or, where WASI is answered and this is a thread of the async runtime, on a
    /// thread of its own, since WASI's streams wait on a runtime of their own and must not do that inside another.
    pub(crate) fn elsewhere<T: Send>(
        &self,
        call: impl FnOnce() -> Result<T, PolicyError> + Send,
    ) -> Result<T, PolicyError> {
        if !self.stock.wasi || tokio::runtime::Handle::try_current().is_err() {
            return call();
        }
        let died = |_| PolicyError::Instance("the thread of the call died".into());
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("policy-wasi".into()).spawn_scoped(scope, call);
            let thread = thread.map_err(|error| PolicyError::Instance(format!("no thread for the call: {error}")))?;
            thread.join().map_err(died)?
        })
    }

    /// An instance that nobody has used.
    pub(crate) fn take(&self) -> Result<Instance, PolicyError> {
        if let Some(instance) = self.stock.ready.try_lock().and_then(|mut ready| ready.pop()) {
            return Ok(instance);
        }
        let place = self.shared.keeper.free().or_else(|| {
            // Whoever has no instance comes before whoever would like to find theirs warm.
            drop(self.shared.warmth.oldest());
            self.shared.keeper.place(self.shared.config.wait)
        });
        self.stock.instance(place.ok_or(PolicyError::Overloaded)?, false)
    }

    /// Throws a used instance away, off this thread as a rule.
    pub(crate) fn give_back(&self, instance: Instance) {
        self.shared.keeper.used(instance);
    }

    pub(crate) fn decide_deadline(&self) -> Duration {
        self.decide_deadline
    }

    pub(crate) fn max_output(&self) -> usize {
        self.stock.max_output
    }

    pub(crate) fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn failure(&self, error: &wasmtime::Error, store: &Store<State>, deadline: Duration) -> PolicyError {
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        failure(error, store, self.stock.max_output, deadline_ms)
    }
}

/// What went wrong in a call, by its cause.
fn failure(error: &wasmtime::Error, store: &Store<State>, max_output: usize, deadline_ms: u64) -> PolicyError {
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => return PolicyError::TimedOut(deadline_ms),
        Some(Trap::StackOverflow) => return PolicyError::Stack,
        _ => {}
    }
    if let Some(refused) = &store.data().refused {
        return PolicyError::Memory(refused.clone());
    }
    let text = format!("{error:#}");
    if text.contains("fuel allocated for hostcalls has been exhausted") {
        return PolicyError::Output(max_output);
    }
    PolicyError::Trapped(shorten(text))
}

/// A policy's text in an operator's log: so long, and no control characters, which could forge log lines.
pub(crate) fn shorten(text: String) -> String {
    const MAX: usize = 2_000;
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX).collect()
}

/// What it says of itself goes into logs and to operators.
fn checked(manifest: Manifest) -> Result<Manifest, String> {
    let Manifest { name, summary, settings_schema, .. } = &manifest;
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '/' | '.');
    if name.is_empty() || name.len() > 100 || !name.chars().all(good) {
        return Err("the name is not 1 to 100 of `a-z`, `0-9`, `-`, `_`, `.` and `/`".into());
    }
    if summary.len() > 1_000 || summary.chars().any(char::is_control) {
        return Err("the summary is longer than 1000 bytes, or has control characters".into());
    }
    match serde_json::from_str::<serde_json::Value>(settings_schema) {
        Ok(serde_json::Value::Object(_)) => Ok(manifest),
        _ => Err("the settings schema is no JSON object".into()),
    }
}
