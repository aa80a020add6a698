//! A set on disk: metadata and files as the repository has them, so that a start verifies it as a refresh does.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use mountgate_core::{PolicyName, Standing};

use super::{Inner, Store, TrustedPlugin, TrustedSet};
use crate::{
    client::{self, Listed, Loaded, Recorder, Revoked},
    error::TrustError,
    manifest::Manifest,
    source::{Address, Source},
};

/// A plugin that verified, and its manifest.
pub(super) struct Offered {
    pub(super) listed: Listed,
    pub(super) manifest: Manifest,
}

impl Store {
    /// Makes the set that `current` names on disk the one in force, verifying it as if it were offered.
    pub(super) fn take_from_disk(&self) -> Result<(), TrustError> {
        let Some(pointer) = self.disk.pointer()? else { return Ok(()) };
        // What was revoked stays so, even where the set does not verify; and it takes no signature to deny.
        let seen = self.disk.path(&pointer.seen);
        let revoked = fs::read(seen.join("targets.json")).ok().and_then(|bytes| {
            let targets = crate::sign::from_bytes::<tough::schema::Targets>("targets.json", &bytes).ok()?;
            Revoked::of(&targets.signed).ok()
        });
        self.inner.lock().revoked = revoked.unwrap_or_default();
        let Some(name) = pointer.set.clone() else { return Ok(()) };
        let folder = self.disk.path(&name);
        // From the operator's own root, not from what the store remembers: a store that was tampered with proves nothing.
        let pinned = fs::read(&self.config.root).map_err(TrustError::io("read the trusted root", &self.config.root))?;
        let source = Source::new(&Address::Folder(folder.clone()), false, &self.config.limits);
        let limits = self.config.limits;
        let (loaded, offered) = on_its_own(async move {
            let loaded = client::load(&pinned, &source, &Arc::new(Recorder::default()), None, &limits).await?;
            let offered = read(&loaded, &source, &limits).await?;
            for Offered { listed, .. } in &offered {
                component(listed, &source, &limits).await?;
            }
            Ok((loaded, offered))
        })?;
        self.put_into_force(&name, &folder, &loaded, offered);
        Ok(())
    }

    pub(super) fn put_into_force(&self, name: &str, folder: &Path, loaded: &Loaded, offered: Vec<Offered>) {
        let mut inner = self.inner.lock();
        let until = self.denies(loaded.expires.0);
        let Inner { standings, revoked, .. } = &mut *inner;
        let plugins: BTreeMap<PolicyName, TrustedPlugin> = offered
            .into_iter()
            .map(|Offered { listed, manifest }| {
                let name = PolicyName::from(listed.name.as_str());
                let standing = standings
                    .entry((listed.name.clone(), manifest.release, listed.component.digest))
                    .or_insert_with(|| Arc::new(Standing::until(until)));
                let plugin = TrustedPlugin {
                    digest: listed.component.digest,
                    revoked: revoked.reason(&listed.name, manifest.release).map(str::to_owned),
                    manifest: Arc::new(manifest),
                    signed_by: listed.role,
                    standing: Arc::clone(standing),
                    path: listed.component.path.parts().iter().fold(folder.to_owned(), |path, part| path.join(part)),
                    name: name.clone(),
                };
                (name, plugin)
            })
            .collect();
        // Standings that nobody holds any more are of no use.
        standings.retain(|_, standing| Arc::strong_count(standing) > 1);
        inner.loaded = Some(name.to_owned());
        drop(inner);
        self.current.store(Some(Arc::new(TrustedSet {
            version: loaded.versions.timestamp,
            versions: loaded.versions,
            expires_ms: loaded.expires.0,
            plugins,
        })));
        self.judge();
    }

    /// Applies what is revoked now to the set in force.
    pub(super) fn revoke(&self, revoked: Revoked) {
        let Some(set) = self.current() else {
            self.inner.lock().revoked = revoked;
            return;
        };
        let mut plugins = set.plugins.clone();
        for plugin in plugins.values_mut() {
            plugin.revoked = revoked.reason(&plugin.manifest.name, plugin.manifest.release).map(str::to_owned);
        }
        self.inner.lock().revoked = revoked;
        self.current.store(Some(Arc::new(TrustedSet { plugins, ..(*set).clone() })));
        self.judge();
    }
}

/// Reads the manifests of what metadata lists, and checks that each is that of its component.
pub(super) async fn read(loaded: &Loaded, source: &Source, limits: &crate::Limits) -> Result<Vec<Offered>, TrustError> {
    let mut offered = Vec::new();
    for listed in client::list(&loaded.targets.signed, limits)? {
        let text = client::fetch(&listed.name, &listed.manifest, source, limits.manifest).await?;
        let manifest = Manifest::read(&listed.name, &text)?;
        if manifest.digest != listed.component.digest {
            let why = "its manifest is of another component";
            return Err(TrustError::plugin(&listed.name, crate::Kind::Mismatched, why));
        }
        offered.push(Offered { listed, manifest });
    }
    Ok(offered)
}

/// The bytes of a component, as signed.
pub(super) async fn component(listed: &Listed, source: &Source, limits: &crate::Limits) -> Result<Vec<u8>, TrustError> {
    client::fetch(&listed.name, &listed.component, source, limits.component).await
}

/// Runs asynchronous work on a thread of its own: whoever calls may be within a runtime, where none may be waited for.
pub(crate) fn on_its_own<T: Send>(work: impl Future<Output = Result<T, TrustError>> + Send) -> Result<T, TrustError> {
    let failed = |why: String| TrustError::metadata(crate::Kind::Io, why);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("trust".to_owned()).spawn_scoped(scope, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|error| failed(format!("no runtime: {error}")))?.block_on(work)
        });
        let thread = thread.map_err(|error| failed(format!("no thread: {error}")))?;
        thread.join().unwrap_or_else(|_| Err(failed("reading the repository broke off".to_owned())))
    })
}
