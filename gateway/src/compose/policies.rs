//! Policies: the bundled ones and plugins from files, admitted once for each digest.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
};

use mountgate_core::{Digest, PolicyName, RequestMount};
use mountgate_mediate::reload::Step;
use mountgate_policy::{AdmissionError, Host, HostConfig, Plugin, Policy, bundled};

use crate::{
    config::PluginConfig,
    plugin::cases::{self, Case},
};

/// Components and cases that are remembered to have held.
const TESTED: usize = 4096;

/// The host, and what it has admitted.
pub(super) struct Policies {
    host: Host,
    /// Weak, so that a plugin ends with the last generation that has it.
    admitted: HashMap<Digest, Weak<Plugin>>,
    /// Components whose cases held, each with the digest of the cases: both are the same for ever.
    tested: HashSet<(Digest, Digest)>,
    /// Whether requests are served meanwhile, and go before.
    in_background: bool,
}

/// Why a policy may not run.
pub(super) struct Refused {
    /// The step at which it failed.
    pub(super) step: Step,
    /// Why.
    pub(super) why: String,
}

impl Refused {
    fn at(step: Step) -> impl FnOnce(String) -> Self {
        move |why| Self { step, why }
    }
}

impl From<AdmissionError> for Refused {
    fn from(error: AdmissionError) -> Self {
        let step = match &error {
            AdmissionError::Unusable(_) => Step::Compile,
            AdmissionError::TooLarge { .. }
            | AdmissionError::TooComplex { .. }
            | AdmissionError::Malformed(_)
            | AdmissionError::Import { .. }
            | AdmissionError::Export { .. }
            | AdmissionError::Contract { .. }
            | AdmissionError::Describe(_)
            | AdmissionError::Manifest(_) => Step::Admit,
        };
        Self { step, why: error.to_string() }
    }
}

impl Policies {
    pub(super) fn new(config: HostConfig) -> Result<Self, AdmissionError> {
        Ok(Self { host: Host::new(config)?, admitted: HashMap::new(), tested: HashSet::new(), in_background: false })
    }

    /// The plugin of that name, as its file is now.
    pub(super) async fn admit(
        &mut self,
        name: &PolicyName,
        plugin: Option<&PluginConfig>,
        tell: &(dyn Fn(Step) + Sync),
    ) -> Result<Arc<Plugin>, Refused> {
        let bytes = match (name.as_str(), plugin) {
            ("ceiling", _) => bundled::CEILING.to_vec(),
            ("tiers", _) => bundled::TIERS.to_vec(),
            (_, Some(plugin)) => tokio::fs::read(&plugin.path)
                .await
                .map_err(|error| format!("`{}` cannot be read: {error}", plugin.path.display()))
                .map_err(Refused::at(Step::Verify))?,
            (_, None) => return Err(Refused::at(Step::Verify)("it is neither bundled nor declared".to_owned())),
        };
        let digest = Digest::of(&bytes);
        if let Some(plugin) = self.admitted.get(&digest).and_then(Weak::upgrade) {
            return Ok(plugin);
        }
        tell(Step::Compile);
        let host = self.host.clone();
        let plugin =
            aside(self.in_background, move || host.admit(&bytes)).await.map_err(Refused::at(Step::Compile))??;
        self.admitted.insert(digest, Arc::downgrade(&plugin));
        Ok(plugin)
    }

    /// Runs the plugin's own cases: all of them must hold.
    pub(super) async fn self_test(&mut self, plugin: &Arc<Plugin>, cases: Vec<Case>) -> Result<(), Refused> {
        let spelt = serde_json::to_vec(&cases).map_err(|error| Refused::at(Step::SelfTest)(error.to_string()))?;
        let key = (plugin.digest(), Digest::of(&spelt));
        if self.tested.contains(&key) {
            return Ok(());
        }
        let tested = Arc::clone(plugin);
        let ran = aside(self.in_background, move || {
            let first = cases.iter().map(|case| cases::run(case, &tested)).find(|outcome| !outcome.passed)?;
            let why = first.differences.iter().map(|difference| {
                format!("`{}` should be {} and is {}", difference.what, difference.wanted, difference.got)
            });
            let why: Vec<String> = why.collect();
            Some(format!("its case `{}` fails: {}", first.case, why.join("; ")))
        });
        if let Some(why) = ran.await.map_err(Refused::at(Step::SelfTest))? {
            return Err(Refused::at(Step::SelfTest)(why));
        }
        // Bounded: what is forgotten is tested again.
        if self.tested.len() >= TESTED {
            self.tested.clear();
        }
        self.tested.insert(key);
        Ok(())
    }

    /// A generation is in force: requests go before from now on, and plugins that none has any more are forgotten.
    pub(super) fn adopted(&mut self) {
        self.in_background = true;
        self.admitted.retain(|_, plugin| plugin.strong_count() > 0);
    }
}

/// A plugin prepared for a mount, with settings. `configure` takes as long as a plugin is allowed to.
pub(super) async fn configure(
    plugin: &Arc<Plugin>,
    settings: &serde_json::Value,
    mount: &Arc<RequestMount>,
) -> Result<Arc<Policy>, String> {
    let (plugin, mount) = (Arc::clone(plugin), Arc::clone(mount));
    let settings = settings.to_string();
    let configured = tokio::task::spawn_blocking(move || plugin.configure(&settings, &mount)).await;
    configured.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

/// Does what takes long off the async threads; and, where requests are served meanwhile, on a thread that they go before.
async fn aside<T: Send + 'static>(in_background: bool, work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    if !in_background {
        return tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string());
    }
    let (done, wait) = tokio::sync::oneshot::channel();
    mountgate_policy::in_background("policy-prepare", move || {
        let _ = done.send(work());
    })
    .map_err(|error| format!("there is no thread for it: {error}"))?;
    wait.await.map_err(|_| "its thread died".to_owned())
}
