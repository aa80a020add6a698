//! The store's folder. Everything is written beside what is in force, synced, and then named by one renamed file.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::error::{Kind, TrustError};

const CURRENT: &str = "current";
const TIME: &str = "time";
const LOCK: &str = "lock";

/// Which folders are in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pointer {
    /// Counts every change of the store.
    pub(super) number: u64,
    /// The last good set.
    pub(super) set: Option<String>,
    /// The set before it, whose files a gateway may be reading yet.
    pub(super) before: Option<String>,
    /// What was seen.
    pub(super) seen: String,
}

#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
}

impl Disk {
    pub(super) fn open(folder: &Path) -> Result<Self, TrustError> {
        make(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Until it is dropped, no other process changes the store.
    pub(super) fn lock(&self) -> Result<File, TrustError> {
        let path = self.folder.join(LOCK);
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let file = file.map_err(TrustError::io("open", &path))?;
        file.lock().map_err(TrustError::io("lock", &path))?;
        Ok(file)
    }

    pub(super) fn pointer(&self) -> Result<Option<Pointer>, TrustError> {
        let path = self.folder.join(CURRENT);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(TrustError::io("read", &path)(error)),
        };
        let pointer: Pointer = serde_json::from_slice(&text).map_err(|error| {
            TrustError::metadata(Kind::Malformed, format!("`{}` does not read: {error}", path.display()))
        })?;
        // The folders are the store's own, whatever the file says.
        let own = |name: &String| name.strip_prefix("set-").or(name.strip_prefix("seen-")).is_some_and(is_number);
        if !pointer.set.iter().chain(&pointer.before).chain([&pointer.seen]).all(own) {
            let why = format!("`{}` names folders that are not the store's", path.display());
            return Err(TrustError::metadata(Kind::Malformed, why));
        }
        Ok(Some(pointer))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Puts other folders into force.
    pub(super) fn commit(&self, pointer: &Pointer) -> Result<(), TrustError> {
        let text =
            serde_json::to_vec(pointer).map_err(|error| TrustError::metadata(Kind::Malformed, error.to_string()))?;
        self.replace(CURRENT, &text)?;
        self.sweep(Some(pointer));
        Ok(())
    }

    /// Removes folders that are not in force: what a refresh that was killed or failed has left.
    pub(super) fn sweep(&self, pointer: Option<&Pointer>) {
        let keep = |name: &str| {
            pointer.is_some_and(|at| {
                at.seen == name || at.set.as_deref() == Some(name) || at.before.as_deref() == Some(name)
            })
        };
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_ours = name.starts_with("set-") || name.starts_with("seen-");
            if is_ours && !keep(&name) {
                // What stays is removed the next time.
                let _ = fs::remove_dir_all(entry.path());
                step("an old folder is gone");
            }
        }
    }

    /// The latest time that was ever known, in milliseconds.
    pub(super) fn known_time(&self) -> i64 {
        let text = fs::read_to_string(self.folder.join(TIME)).unwrap_or_default();
        text.trim().parse().unwrap_or(i64::MIN)
    }

    pub(super) fn set_known_time(&self, now_ms: i64) -> Result<(), TrustError> {
        self.replace(TIME, now_ms.to_string().as_bytes())
    }

    /// Writes a file of the folder, whole or not at all.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), TrustError> {
        let (draft, path) = (self.folder.join(format!(".{name}.new")), self.folder.join(name));
        let _ = fs::remove_file(&draft);
        write(&draft, bytes)?;
        fs::rename(&draft, &path).map_err(TrustError::io("write", &path))?;
        step("a file is renamed");
        sync(&self.folder)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Makes a folder for its owner only.
pub(super) fn make(folder: &Path) -> Result<(), TrustError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(TrustError::io("make the folder", folder))?;
    step("a folder is made");
    Ok(())
}

/// Writes a new file, down to the disk.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), TrustError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(TrustError::io("write", path))?;
    step("a file is made");
    file.write_all(bytes).map_err(TrustError::io("write", path))?;
    step("a file is written");
    file.sync_all().map_err(TrustError::io("save", path))?;
    step("a file is synced");
    Ok(())
}

/// Brings a folder's names down to the disk.
pub(super) fn sync(folder: &Path) -> Result<(), TrustError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(TrustError::io("save", folder))?;
    step("a folder is synced");
    Ok(())
}

/// Brings every file and folder below down to the disk.
pub(super) fn sync_all(folder: &Path) -> Result<(), TrustError> {
    for entry in fs::read_dir(folder).map_err(TrustError::io("read the folder", folder))? {
        let entry = entry.map_err(TrustError::io("read the folder", folder))?;
        if entry.file_type().map_err(TrustError::io("look at", &entry.path()))?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            sync(&entry.path())?;
        }
    }
    sync(folder)
}

/// Copies the regular files and folders of a folder into a new one.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), TrustError> {
    make(to)?;
    for entry in fs::read_dir(from).map_err(TrustError::io("read the folder", from))? {
        let entry = entry.map_err(TrustError::io("read the folder", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(TrustError::io("look at", &source))?;
        if kind.is_dir() {
            copy(&source, &target)?;
        } else if kind.is_file() {
            let bytes = fs::read(&source).map_err(TrustError::io("read", &source))?;
            write(&target, &bytes)?;
        }
    }
    Ok(())
}

/// A step of a change of the store, after which a test may kill the process.
#[cfg(not(test))]
pub(crate) fn step(_done: &str) {}
#[cfg(test)]
pub(crate) use super::tests::killed::step;
