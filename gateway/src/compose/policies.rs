//! Policies: the bundled ones and plugins from files, admitted once for each digest.

use std::{collections::HashMap, sync::Arc};

use mountgate_core::{Digest, PolicyName, RequestMount};
use mountgate_policy::{AdmissionError, Host, HostConfig, Plugin, Policy, bundled};

use crate::config::PluginConfig;

/// The host, and what it has admitted.
pub(super) struct Policies {
    host: Host,
    admitted: HashMap<Digest, Arc<Plugin>>,
}

impl Policies {
    pub(super) fn new(config: HostConfig) -> Result<Self, AdmissionError> {
        Ok(Self { host: Host::new(config)?, admitted: HashMap::new() })
    }

    /// The plugin of that name, as its file is now.
    pub(super) async fn admit(
        &mut self,
        name: &PolicyName,
        plugin: Option<&PluginConfig>,
    ) -> Result<Arc<Plugin>, String> {
        let bytes = match (name.as_str(), plugin) {
            ("ceiling", _) => bundled::CEILING.to_vec(),
            ("tiers", _) => bundled::TIERS.to_vec(),
            (_, Some(plugin)) => tokio::fs::read(&plugin.path)
                .await
                .map_err(|error| format!("`{}` cannot be read: {error}", plugin.path.display()))?,
            (_, None) => return Err("it is neither bundled nor declared".to_owned()),
        };
        let digest = Digest::of(&bytes);
        if let Some(plugin) = self.admitted.get(&digest) {
            return Ok(Arc::clone(plugin));
        }
        let host = self.host.clone();
        let admitted = off_the_async_threads(move || host.admit(&bytes)).await?;
        let plugin = admitted.map_err(|error| error.to_string())?;
        self.admitted.insert(digest, Arc::clone(&plugin));
        Ok(plugin)
    }
}

/// A plugin prepared for a mount, with settings.
pub(super) async fn configure(
    plugin: &Arc<Plugin>,
    settings: &serde_json::Value,
    mount: &Arc<RequestMount>,
) -> Result<Arc<Policy>, String> {
    let (plugin, mount) = (Arc::clone(plugin), Arc::clone(mount));
    let settings = settings.to_string();
    off_the_async_threads(move || plugin.configure(&settings, &mount)).await?.map_err(|error| error.to_string())
}

/// Compiling takes tens of milliseconds, and a plugin's `configure` as long as it is allowed to.
async fn off_the_async_threads<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())
}
