//! Files looked at for changes.
//!
//! By looking, a second apart, and not by the kernel's notes: those miss what changes on network file systems and behind
//! the symbolic links that orchestrators swap, overflow, and name files that editors replace; and they would be one more
//! dependency. A look is a `stat` for each file. What tells a change is the digest of the bytes; a file is read again only
//! where its `stat` is another, or so young that a second write might not show in it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use mountgate_core::Digest;
use mountgate_mediate::{Gateway, reload::Trigger};
use parking_lot::Mutex;

use crate::config::{Config, MOUNTS_FOLDER, ReloadSection, SHADOWS_FOLDER};

/// A file written so lately may be written again without its `stat` showing it.
const YOUNG: Duration = Duration::from_secs(2);
/// A look takes no more than this part of the time between looks.
const SHARE: u32 = 50;
/// Larger files are told by their `stat` alone.
const LARGEST: u64 = 256 << 20;

/// What is looked at, and how often.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    section: ReloadSection,
    /// Files by name.
    files: Vec<PathBuf>,
    /// Folders whose `*.toml` count.
    folders: Vec<PathBuf>,
}

impl Watched {
    /// The main file and what is beside it.
    pub(super) fn beside(main: &Path) -> Self {
        let folder = match main.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Self {
            section: ReloadSection::default(),
            files: vec![main.to_owned()],
            folders: vec![folder.join(MOUNTS_FOLDER), folder.join(SHADOWS_FOLDER)],
        }
    }

    /// The files that a configuration comes from and names.
    pub(super) fn of(main: &Path, config: &Config) -> Self {
        let mut all = Self::beside(main);
        all.section = config.main.reload.clone();
        all.files.extend(config.main.plugins.values().map(|plugin| plugin.path.clone()));
        all.folders.extend(config.main.plugins.values().filter_map(|plugin| plugin.cases.clone()));
        all
    }
}

/// What a `stat` tells of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    size: u64,
    node: (u64, u64),
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stat {
    fn of(path: &Path) -> Option<Self> {
        let told = fs::metadata(path).ok()?;
        Some(Self {
            size: told.len(),
            node: (told.dev(), told.ino()),
            modified: (told.mtime(), told.mtime_nsec()),
            changed: (told.ctime(), told.ctime_nsec()),
        })
    }

    fn is_young(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let changed = Duration::from_secs(u64::try_from(self.changed.0).unwrap_or(0));
        now.saturating_sub(changed) < YOUNG
    }
}

/// Files as they were at a look.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(BTreeMap<PathBuf, (Stat, Option<Digest>)>);

impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        let content = |seen: &Self| -> Vec<(PathBuf, Option<Digest>, u64)> {
            seen.0.iter().map(|(path, (stat, digest))| (path.clone(), *digest, stat.size)).collect()
        };
        content(self) == content(other)
    }
}

impl Seen {
    /// A first look.
    pub(super) fn of(watched: &Watched) -> Self {
        Self::default().again(watched)
    }

    /// Looks at files that were not known to belong to it.
    pub(super) fn add(&mut self, watched: &Watched) {
        *self = self.again(watched);
    }

    fn again(&self, watched: &Watched) -> Self {
        let mut paths = watched.files.clone();
        for folder in &watched.folders {
            let entries = fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
            paths.extend(entries.filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.ends_with(".toml") && !name.starts_with('.')
            }));
        }
        let look = |path: PathBuf| {
            let stat = Stat::of(&path)?;
            let known = self.0.get(&path).filter(|(before, _)| *before == stat && !stat.is_young());
            let digest = match known {
                Some((_, digest)) => *digest,
                None if stat.size > LARGEST => None,
                None => fs::read(&path).ok().map(|bytes| Digest::of(&bytes)),
            };
            Some((path, (stat, digest)))
        };
        Self(paths.into_iter().filter_map(look).collect())
    }
}

/// Looks again and again, and wishes for a reload when something is another than it was and has been so for two looks:
/// a file half written, or one of several, is not taken.
pub(super) async fn watch(gateway: Gateway, watched: Arc<Mutex<Watched>>, seen: Seen) {
    let mut taken = seen.clone();
    let mut last = seen;
    let mut took = Duration::ZERO;
    loop {
        let now = watched.lock().clone();
        tokio::time::sleep(now.section.every.max(took.saturating_mul(SHARE))).await;
        if !now.section.watch {
            continue;
        }
        let begun = std::time::Instant::now();
        let before = last.clone();
        let Ok(looked) = tokio::task::spawn_blocking(move || before.again(&now)).await else { return };
        took = begun.elapsed();
        if looked == last && looked != taken {
            gateway.wish_reload(Trigger::Files);
            taken = looked.clone();
        }
        last = looked;
    }
}

#[cfg(test)]
mod tests;
