//! Policies: bundled ones, signed plugins, and plugins from files where those are allowed; admitted once for each digest
//! and limits of their own.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Weak},
};

use mountgate_core::{Digest, PolicyName, RequestMount, Standing};
use mountgate_mediate::reload::Step;
use mountgate_policy::{AdmissionError, Host, HostConfig, Plugin, PluginLimits, Policy, bundled};
use mountgate_trust::{Manifest, TrustedPlugin, TrustedSet};

use crate::{
    config::{PluginConfig, Problem, Problems},
    plugin::{
        cases::{self, Case},
        project::ProjectLimits,
    },
};

/// Components and cases that are remembered to have held.
const TESTED: usize = 4096;

/// The host, and what it has admitted.
pub(super) struct Policies {
    host: Host,
    /// Weak, so that a plugin ends with the last generation that has it.
    admitted: HashMap<(Digest, PluginLimits), Weak<Plugin>>,
    /// Components whose cases held within their limits, each with the digest of the cases: all are the same for ever.
    tested: HashSet<(Digest, PluginLimits, Digest)>,
    /// Whether requests are served meanwhile, and go before.
    in_background: bool,
    /// How a revoked plugin stands in a generation that was put together after: nothing brings this one back. Should the
    /// revocation be lifted, the next generation has the plugin itself.
    withdrawn: Arc<Standing>,
}

/// A plugin that was admitted, and how it stands.
#[derive(Clone)]
pub(super) struct Admitted {
    plugin: Arc<Plugin>,
    /// Whether it may still be asked; always, where there is none.
    pub(super) standing: Option<Arc<Standing>>,
    /// The release, where it is signed.
    pub(super) release: Option<u64>,
    /// It is revoked: what stands in its place is never asked, and is not given its settings.
    is_revoked: bool,
}

impl Admitted {
    pub(super) fn digest(&self) -> Digest {
        self.plugin.digest()
    }

    /// Whether a policy that was prepared with one may go on with the other, the standing being another matter.
    pub(super) fn prepares_alike(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.plugin, &other.plugin) && self.is_revoked == other.is_revoked
    }

    /// Whether nothing is different, for whoever asks them.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.prepares_alike(other) && same_standing(self.standing.as_ref(), other.standing.as_ref())
    }
}

/// Whether they end together, whatever happens.
pub(super) fn same_standing(one: Option<&Arc<Standing>>, other: Option<&Arc<Standing>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}

/// Why a policy may not run.
pub(super) struct Refused {
    /// The step at which it failed.
    pub(super) step: Step,
    /// Why.
    pub(super) why: Why,
}

/// What was wrong.
pub(super) enum Why {
    /// This, with that key of the plugin's section where it comes from a file.
    Said { key: &'static str, why: String },
    /// Cases that can't be read.
    Cases(Vec<Problem>),
}

impl Refused {
    fn at(step: Step) -> impl FnOnce(String) -> Self {
        let key = if step == Step::SelfTest { "cases" } else { "path" };
        move |why| Self { step, why: Why::Said { key, why } }
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
        Self::at(step)(error.to_string())
    }
}

/// A component, and what it must hold to.
struct Found {
    bytes: Vec<u8>,
    limits: PluginLimits,
    cases: Cases,
    standing: Option<Arc<Standing>>,
    signed: Option<Arc<Manifest>>,
    is_revoked: bool,
}

/// The cases that must hold before a plugin comes into force.
enum Cases {
    None,
    /// In files.
    Folder(PathBuf),
    /// Signed with the component.
    Signed(Vec<serde_json::Value>),
}

impl Found {
    fn bundled(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            limits: PluginLimits::default(),
            cases: Cases::None,
            standing: None,
            signed: None,
            is_revoked: false,
        }
    }
}

impl Policies {
    pub(super) fn new(config: HostConfig) -> Result<Self, AdmissionError> {
        Ok(Self {
            host: Host::new(config)?,
            admitted: HashMap::new(),
            tested: HashSet::new(),
            in_background: false,
            withdrawn: Arc::new(Standing::until(i64::MIN)),
        })
    }

    /// The plugin of that name, as its file is now or as the set has it, its cases run.
    pub(super) async fn admit(
        &mut self,
        name: &PolicyName,
        declared: Option<&PluginConfig>,
        set: Option<&TrustedSet>,
        tell: &(dyn Fn(Step) + Sync),
    ) -> Result<Admitted, Refused> {
        let Found { bytes, limits, cases, standing, signed, is_revoked } = self.find(name, declared, set).await?;
        let key = (Digest::of(&bytes), limits);
        let plugin = match self.admitted.get(&key).and_then(Weak::upgrade) {
            Some(plugin) => plugin,
            None => {
                tell(Step::Compile);
                let host = self.host.clone();
                let plugin = aside(self.in_background, move || host.admit_within(&bytes, limits)).await;
                let plugin = plugin.map_err(Refused::at(Step::Compile))??;
                self.admitted.insert(key, Arc::downgrade(&plugin));
                plugin
            }
        };
        if let Some(manifest) = &signed {
            agree(manifest, &plugin).map_err(Refused::at(Step::Admit))?;
        }
        let cases = match cases {
            Cases::None => vec![],
            Cases::Folder(folder) => Case::load_dir(&folder)
                .map_err(|Problems(problems)| Refused { step: Step::SelfTest, why: Why::Cases(problems) })?,
            Cases::Signed(cases) => read_signed(cases).map_err(Refused::at(Step::SelfTest))?,
        };
        if !cases.is_empty() {
            tell(Step::SelfTest);
            self.self_test(&plugin, limits, cases).await?;
        }
        Ok(Admitted { plugin, standing, release: signed.map(|manifest| manifest.release), is_revoked })
    }

    async fn find(
        &self,
        name: &PolicyName,
        declared: Option<&PluginConfig>,
        set: Option<&TrustedSet>,
    ) -> Result<Found, Refused> {
        let signed = set.and_then(|set| set.plugins.get(name));
        match (name.as_str(), declared, signed) {
            ("ceiling", ..) => Ok(Found::bundled(bundled::CEILING)),
            ("tiers", ..) => Ok(Found::bundled(bundled::TIERS)),
            // A file is only there where unsigned plugins are allowed, loudly.
            (_, Some(PluginConfig { path, cases }), _) => {
                let bytes = tokio::fs::read(path)
                    .await
                    .map_err(|error| format!("`{}` cannot be read: {error}", path.display()))
                    .map_err(Refused::at(Step::Verify))?;
                let cases = cases.clone().map_or(Cases::None, Cases::Folder);
                Ok(Found { bytes, cases, ..Found::bundled(&[]) })
            }
            // Its mount must stand, and refuse; its component must not be run, not even to be looked at.
            (_, None, Some(TrustedPlugin { revoked: Some(_), .. })) => Ok(Found {
                standing: Some(Arc::clone(&self.withdrawn)),
                is_revoked: true,
                ..Found::bundled(bundled::CEILING)
            }),
            (_, None, Some(signed)) => {
                let manifest = Arc::clone(&signed.manifest);
                let limits = serde_json::from_value::<ProjectLimits>(manifest.limits.clone().into())
                    .map_err(|error| format!("the limits in its manifest do not read: {error}"))
                    .map_err(Refused::at(Step::Verify))?;
                let (signed, standing) = (signed.clone(), Arc::clone(&signed.standing));
                let bytes = aside(self.in_background, move || signed.component())
                    .await
                    .and_then(|read| read.map_err(|error| error.to_string()))
                    .map_err(Refused::at(Step::Verify))?;
                Ok(Found {
                    bytes,
                    limits: limits.into(),
                    cases: Cases::Signed(manifest.cases.clone()),
                    standing: Some(standing),
                    signed: Some(manifest),
                    is_revoked: false,
                })
            }
            (_, None, None) if set.is_some() => Err(Refused::at(Step::Verify)(
                "the repository of `[trust]` has no such plugin: `mountgate trust show` lists them".to_owned(),
            )),
            (_, None, None) => Err(Refused::at(Step::Verify)(
                "it is neither bundled nor signed, and no file is declared for it".to_owned(),
            )),
        }
    }

    /// Runs the plugin's own cases: all of them must hold.
    async fn self_test(&mut self, plugin: &Arc<Plugin>, limits: PluginLimits, cases: Vec<Case>) -> Result<(), Refused> {
        let spelt = serde_json::to_vec(&cases).map_err(|error| Refused::at(Step::SelfTest)(error.to_string()))?;
        let key = (plugin.digest(), limits, Digest::of(&spelt));
        if self.tested.contains(&key) {
            return Ok(());
        }
        let tested = Arc::clone(plugin);
        let ran = aside(self.in_background, move || cases::first_failure(&cases, &tested));
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

/// What is signed beside a component is of that component.
fn agree(manifest: &Manifest, plugin: &Plugin) -> Result<(), String> {
    let contract = plugin.contract().version();
    if manifest.contract != contract {
        return Err(format!(
            "its manifest says that it is of the contract `{}`, and it is of `{contract}`",
            manifest.contract
        ));
    }
    let said = serde_json::from_str::<serde_json::Value>(&plugin.manifest().settings_schema).ok();
    if manifest.settings_schema.is_some() && manifest.settings_schema != said {
        return Err("its manifest has another schema of its settings than itself".to_owned());
    }
    Ok(())
}

/// Cases as they are signed. What this version does not know of is refused: a case that is half run proves nothing.
fn read_signed(cases: Vec<serde_json::Value>) -> Result<Vec<Case>, String> {
    let read = |(at, case): (usize, serde_json::Value)| {
        serde_json::from_value(case).map_err(|error| format!("its signed case {} does not read: {error}", at + 1))
    };
    cases.into_iter().enumerate().map(read).collect()
}

/// A plugin prepared for a mount, with settings. `configure` takes as long as a plugin is allowed to.
pub(super) async fn configure(
    admitted: &Admitted,
    settings: &serde_json::Value,
    mount: &Arc<RequestMount>,
) -> Result<Arc<Policy>, String> {
    let (plugin, mount) = (Arc::clone(&admitted.plugin), Arc::clone(mount));
    let settings = if admitted.is_revoked { "{}".to_owned() } else { settings.to_string() };
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
