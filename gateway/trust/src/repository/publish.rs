//! Publishing, and taking back.

use serde::Serialize;
use tough::schema::{RoleType, Target};

use super::{Keyring, Repository, files};
use crate::{
    Limits,
    client::{self, Revoked},
    error::{Kind, TrustError},
    manifest::Manifest,
    name::{PluginName, Selector},
    sign,
    source::{Address, RepoPath, Source},
    store,
};

/// What is to be published.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The manifest; its digest is that of the component.
    pub manifest: Manifest,
    /// The component.
    pub component: Vec<u8>,
}

/// What was published.
#[derive(Clone, Debug, Serialize)]
pub struct Published {
    /// The plugin.
    pub name: PluginName,
    /// Its release.
    pub release: u64,
    /// The release before it.
    pub before: Option<u64>,
    /// The SHA-256 of its component.
    pub digest: mountgate_core::Digest,
    /// The repository's version now.
    pub version: u64,
}

impl Repository {
    /// Signs a plugin with its publisher's key, and the snapshot and timestamp over it.
    ///
    /// # Errors
    /// Where a key is not at hand, or the release is not above the one before it and takes nothing back.
    pub fn publish(&mut self, publication: &Publication, keyring: &mut Keyring) -> Result<Published, TrustError> {
        let Publication { manifest, component } = publication;
        let name = manifest.name.clone();
        let refuse = |kind, why: String| Err(TrustError::plugin(&name, kind, why));
        let limits = Limits::default();
        if mountgate_core::Digest::of(component) != manifest.digest {
            return refuse(Kind::Mismatched, "its manifest is of another component".to_owned());
        }
        let text = serde_json::to_vec_pretty(manifest)
            .map_err(|error| TrustError::plugin(&name, Kind::BadPlugin, error.to_string()))?;
        // As clients will read it.
        Manifest::read(&name, &text)?;
        for (what, bytes, most) in [("manifest", &text, limits.manifest), ("component", component, limits.component)] {
            if sign::length(bytes) > most {
                let why = format!("its {what} has {} bytes, and clients take {most}", bytes.len());
                return refuse(Kind::TooLarge, why);
            }
        }
        let before = self.published(&name)?;
        if let Some(before) = &before {
            let takes_back = manifest.rollback_of.is_some_and(|taken_back| taken_back >= before.release);
            if manifest.release == before.release && manifest.digest != before.digest {
                return refuse(
                    Kind::RolledBack,
                    format!("release {} is published, with another component: count up", before.release),
                );
            }
            if manifest.release < before.release && !takes_back {
                return refuse(
                    Kind::RolledBack,
                    format!(
                        "release {} is published: count up, or take it back with `--rollback-of {}`",
                        before.release, before.release
                    ),
                );
            }
        }

        let namespace = name.namespace();
        let keys = keyring.of_role(&self.delegations(), namespace.as_str())?;
        let (_, role) = client::delegated(&self.loaded.targets.signed)
            .find(|(role, _)| *role == namespace.as_str())
            .ok_or_else(|| TrustError::plugin(&name, Kind::NotDelegated, "its publisher has no metadata"))?;
        let mut targets = self.renewed(role.signed.clone())?;
        for (target, bytes) in [(name.component(), component), (name.manifest(), &text)] {
            let listed: Target = sign::target(bytes);
            let digest = mountgate_core::Digest::of(bytes);
            let path = RepoPath::target(&target, &digest)
                .ok_or_else(|| TrustError::plugin(&name, Kind::Malformed, "its name is no path"))?;
            let [_, folder, file] = path.parts() else { continue };
            files::write_new(&self.folder.join(files::TARGETS).join(folder), file, bytes)?;
            let target = target.as_str().try_into().map_err(TrustError::from)?;
            targets.targets.insert(target, listed);
        }
        let signed = sign::sign(targets, &keys)?;
        self.write(None, vec![(namespace.as_str().to_owned(), signed)], keyring)?;
        Ok(Published {
            name,
            release: manifest.release,
            before: before.map(|before| before.release),
            digest: manifest.digest,
            version: self.loaded.versions.timestamp,
        })
    }

    /// The manifest that is published under that name.
    ///
    /// # Errors
    /// Where it does not read.
    pub fn published(&self, name: &PluginName) -> Result<Option<Manifest>, TrustError> {
        let limits = Limits::default();
        let listed = client::list(&self.loaded.targets.signed, &limits)?;
        let Some(listed) = listed.into_iter().find(|listed| listed.name == *name) else { return Ok(None) };
        let source = Source::new(&Address::Folder(self.folder.clone()), false, &limits);
        let text =
            store::on_its_own(async { client::fetch(&listed.name, &listed.manifest, &source, limits.manifest).await })?;
        Manifest::read(name, &text).map(Some)
    }

    /// Revokes a plugin or a release of it, with the repository's own targets key: no gateway runs it from its next
    /// refresh on.
    ///
    /// # Errors
    /// Where the reason is no plain text, or a key is not at hand.
    pub fn revoke(&mut self, selector: &Selector, reason: &str, keyring: &mut Keyring) -> Result<(), TrustError> {
        // Signed metadata is compared byte by byte, and not everybody writes other scripts alike.
        if reason.is_empty() || reason.len() > 200 || !reason.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
            return Err(TrustError::Usage("the reason is 1 to 200 printable ASCII characters".to_owned()));
        }
        self.change_revoked(keyring, |revoked| {
            revoked.add(selector, reason);
            Ok(())
        })
    }

    /// Takes a revocation back.
    ///
    /// # Errors
    /// Where there is none, or a key is not at hand.
    pub fn lift(&mut self, selector: &Selector, keyring: &mut Keyring) -> Result<(), TrustError> {
        self.change_revoked(keyring, |revoked| {
            if revoked.lift(selector) {
                return Ok(());
            }
            Err(TrustError::Usage(format!("`{selector}` is not revoked")))
        })
    }

    fn change_revoked(
        &mut self,
        keyring: &mut Keyring,
        change: impl FnOnce(&mut Revoked) -> Result<(), TrustError>,
    ) -> Result<(), TrustError> {
        let mut revoked = Revoked::of(&self.loaded.targets.signed)?;
        change(&mut revoked)?;
        let keys = keyring.of_root(self.root(), RoleType::Targets)?;
        let mut targets = self.renewed(self.targets())?;
        revoked.write(&mut targets._extra)?;
        self.write(Some(sign::sign(targets, &keys)?), Vec::new(), keyring)
    }
}
