//! A refresh: into folders of its own, and into force by one rename.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use mountgate_core::Digest;
use serde::{Deserialize, Serialize};

use super::{
    Refreshed, Store,
    disk::{self, Pointer},
    roots::{FOLDER, Roots},
    set::{self, Offered, on_its_own},
};
use crate::{
    client::{self, Loaded, Recorder, Revoked},
    error::{Kind, TrustError},
    name::PluginName,
    sign,
    source::Source,
};

/// Where the release of each plugin is remembered, within what was seen.
const RELEASES: &str = "releases.json";
/// What `tough` keeps of the clock; this client's own is `time`, and asks for less.
const CLOCK: &str = "latest_known_time.json";

/// The release of a plugin that was taken last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Release {
    release: u64,
    digest: Digest,
}

type Releases = BTreeMap<PluginName, Release>;

impl Store {
    pub(super) fn try_refresh(&self) -> Result<Refreshed, TrustError> {
        let _lock = self.disk.lock()?;
        // Another process may have refreshed meanwhile: what it left is where this one goes on.
        let pointer = self.disk.pointer()?;
        if pointer.as_ref().and_then(|at| at.set.as_ref()) != self.inner.lock().loaded.as_ref() {
            // One that was changed on disk is none, and the repository may have a good one.
            if let Err(error) = self.take_from_disk() {
                tracing::error!(%error, "the set of plugins on disk does not verify");
            }
        }
        let now = self.disk.known_time().max((self.config.clock)());
        self.disk.set_known_time(now)?;
        // Time alone may end what is in force.
        self.judge();
        self.disk.sweep(pointer.as_ref());

        let number = pointer.as_ref().map_or(0, |at| at.number).saturating_add(1);
        let mut roots = self.roots(pointer.as_ref())?;
        let name = format!("seen-{number}");
        let seen = self.disk.path(&name);
        match &pointer {
            Some(at) => disk::copy(&self.disk.path(&at.seen), &seen)?,
            None => disk::make(&seen)?,
        }
        let _ = fs::remove_file(seen.join(CLOCK));

        let recorder = Arc::new(Recorder::default());
        let source = Source::new(&self.config.repository, self.config.internal, &self.config.limits);
        let asked = self.ask(&roots, &source, &recorder, &seen);
        // What verified is remembered whatever became of the rest, so that nothing older is taken next time: the roots,
        // and what `tough` wrote down once it had checked it.
        let _ = fs::remove_file(seen.join(CLOCK));
        let kept = roots.follow_files(&recorder.files()).and_then(|()| write_roots(&roots, &seen));
        let loaded = match (asked, kept) {
            (Ok(loaded), Ok(())) => loaded,
            (Err(error), Ok(())) => {
                self.remember(pointer, number, &name)?;
                return Err(error);
            }
            (Err(error), Err(_)) | (Ok(_), Err(error)) => return Err(error),
        };
        let unchanged = self.current().filter(|set| set.versions == loaded.versions).filter(|_| {
            let set = pointer.as_ref().and_then(|at| at.set.as_ref()).map(|set| self.disk.path(set));
            set.is_some_and(|set| {
                fs::read(set.join("metadata/timestamp.json")).ok().as_ref() == recorder.files().get("timestamp.json")
            })
        });
        if let Err(error) = client::check_expired(&loaded.expires, now) {
            self.remember(pointer, number, &name)?;
            return Err(error);
        }
        if let Some(set) = unchanged {
            self.disk.sweep(pointer.as_ref());
            return Ok(Refreshed::Unchanged(set));
        }
        let taken = self.take(&loaded, &source, &recorder, &roots, pointer.as_ref(), number, &seen);
        let (set, offered) = match taken {
            Ok(taken) => taken,
            Err(error) => {
                self.remember(pointer, number, &name)?;
                return Err(error);
            }
        };
        disk::sync_all(&seen)?;
        let before = pointer.and_then(|at| at.set);
        self.disk.commit(&Pointer { number, set: Some(set.clone()), before, seen: name })?;
        self.inner.lock().revoked = Revoked::of(&loaded.targets.signed)?;
        self.put_into_force(&set, &self.disk.path(&set), &loaded, offered);
        self.current().map(Refreshed::Changed).ok_or_else(|| TrustError::metadata(Kind::Io, "the set is gone"))
    }

    fn ask(&self, roots: &Roots, source: &Source, recorder: &Arc<Recorder>, seen: &Path) -> Result<Loaded, TrustError> {
        let limits = self.config.limits;
        on_its_own(async {
            let loading = client::load(roots.latest(), source, recorder, Some(seen), &limits);
            tokio::time::timeout(limits.time, loading).await.unwrap_or_else(|_| {
                let why = format!("the repository was not read after {} s", limits.time.as_secs());
                Err(TrustError::metadata(Kind::Unreachable, why))
            })
        })
    }

    /// Keeps what was seen of a refresh that failed, and applies the revocations in it: they must not wait for the rest.
    fn remember(&self, pointer: Option<Pointer>, number: u64, name: &str) -> Result<(), TrustError> {
        let seen = self.disk.path(name);
        let is_new = |file: &str| {
            let before = pointer.as_ref().and_then(|at| fs::read(self.disk.path(&at.seen).join(file)).ok());
            fs::read(seen.join(file)).ok() != before
        };
        if !["root.json", "timestamp.json", "snapshot.json", "targets.json"].into_iter().any(is_new) {
            self.disk.sweep(pointer.as_ref());
            return Ok(());
        }
        // Without consistent snapshots a delegated role's file could be named like one of these.
        let root = fs::read(seen.join("root.json")).ok();
        let root = root.and_then(|bytes| sign::from_bytes::<tough::schema::Root>("root.json", &bytes).ok());
        if !root.is_some_and(|root| root.signed.consistent_snapshot) {
            self.disk.sweep(pointer.as_ref());
            return Ok(());
        }
        disk::sync_all(&seen)?;
        let (set, before) = pointer.map_or((None, None), |at| (at.set, at.before));
        self.disk.commit(&Pointer { number, set, before, seen: name.to_owned() })?;
        if let Ok(bytes) = fs::read(seen.join("targets.json")) {
            let targets = sign::from_bytes::<tough::schema::Targets>("targets.json", &bytes)?;
            self.revoke(Revoked::of(&targets.signed)?);
        }
        Ok(())
    }

    /// Reads every file of a new set into a folder of its own.
    #[expect(clippy::too_many_arguments, reason = "the parts of one refresh, which live in one function")]
    fn take(
        &self,
        loaded: &Loaded,
        source: &Source,
        recorder: &Recorder,
        roots: &Roots,
        pointer: Option<&Pointer>,
        number: u64,
        seen: &Path,
    ) -> Result<(String, Vec<Offered>), TrustError> {
        let name = format!("set-{number}");
        let folder = self.disk.path(&name);
        let limits = self.config.limits;
        let old = pointer.and_then(|at| at.set.as_ref()).map(|set| self.disk.path(set));
        let mut releases = read_releases(seen)?;
        let offered = on_its_own(async {
            let reading = async {
                let offered = set::read(loaded, source, &limits).await?;
                for Offered { listed, manifest } in &offered {
                    check_release(&mut releases, manifest)?;
                    for file in [&listed.component, &listed.manifest] {
                        let target = file.path.parts().iter().fold(folder.clone(), |path, part| path.join(part));
                        if target.exists() {
                            continue;
                        }
                        if let Some(parent) = target.parent() {
                            disk::make(parent)?;
                        }
                        let most = limits.component.max(limits.manifest);
                        let kept = old.as_ref().and_then(|old| {
                            let path = file.path.parts().iter().fold(old.clone(), |path, part| path.join(part));
                            fs::read(path).ok().filter(|bytes| Digest::of(bytes) == file.digest)
                        });
                        let bytes = match kept {
                            Some(bytes) => bytes,
                            None => client::fetch(&listed.name, file, source, most).await?,
                        };
                        disk::write(&target, &bytes)?;
                    }
                }
                Ok(offered)
            };
            tokio::time::timeout(limits.time, reading).await.unwrap_or_else(|_| {
                let why = format!("the repository's files were not read after {} s", limits.time.as_secs());
                Err(TrustError::metadata(Kind::Unreachable, why))
            })
        })?;
        let metadata = folder.join("metadata");
        disk::make(&metadata)?;
        for (file, bytes) in recorder.files().iter().filter(|(file, _)| !file.ends_with(".root.json")) {
            disk::write(&metadata.join(file), bytes)?;
        }
        for (version, bytes) in &roots.files {
            disk::write(&metadata.join(format!("{version}.root.json")), bytes)?;
        }
        disk::sync_all(&folder)?;
        let path = seen.join(RELEASES);
        let _ = fs::remove_file(&path);
        let text =
            serde_json::to_vec(&releases).map_err(|error| TrustError::metadata(Kind::Malformed, error.to_string()))?;
        disk::write(&path, &text)?;
        Ok((name, offered))
    }
}

/// A release never falls, but where a signed manifest takes back what came after it.
fn check_release(releases: &mut Releases, manifest: &crate::Manifest) -> Result<(), TrustError> {
    let refuse = |why: String| Err(TrustError::plugin(&manifest.name, Kind::RolledBack, why));
    let offered = Release { release: manifest.release, digest: manifest.digest };
    if let Some(known) = releases.get(&manifest.name) {
        if offered.release == known.release && offered.digest != known.digest {
            return refuse(format!("its release {} was another component before", known.release));
        }
        let takes_back = manifest.rollback_of.is_some_and(|taken_back| taken_back >= known.release);
        if offered.release < known.release && !takes_back {
            return refuse(format!(
                "its release {} is older than {}, which was seen, and it takes nothing back (`rollback_of`)",
                offered.release, known.release
            ));
        }
    }
    releases.insert(manifest.name.clone(), offered);
    Ok(())
}

fn read_releases(seen: &Path) -> Result<Releases, TrustError> {
    let path = seen.join(RELEASES);
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
            TrustError::metadata(Kind::Malformed, format!("`{}` does not read: {error}", path.display()))
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Releases::new()),
        Err(error) => Err(TrustError::io("read", &path)(error)),
    }
}

fn write_roots(roots: &Roots, seen: &Path) -> Result<(), TrustError> {
    let folder = seen.join(FOLDER);
    disk::make(&folder)?;
    for (version, bytes) in &roots.files {
        let path = folder.join(format!("{version}.root.json"));
        if !path.exists() {
            disk::write(&path, bytes)?;
        }
    }
    Ok(())
}
