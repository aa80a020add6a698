//! The files of a repository's folder.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::Path,
};

use crate::error::TrustError;

pub(super) const METADATA: &str = "metadata";
pub(super) const TARGETS: &str = "targets";
/// What waits for signatures; no client looks here.
pub(super) const DRAFTS: &str = "drafts";
const LOCK: &str = ".lock";

/// Until it is dropped, no other process publishes there.
pub(super) fn lock(folder: &Path) -> Result<File, TrustError> {
    let path = folder.join(LOCK);
    let file = OpenOptions::new().create(true).append(true).open(&path).map_err(TrustError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => Err(TrustError::Usage(format!("somebody else publishes to `{}`: try again", folder.display()))),
    }
}

/// The oldest root that is there.
pub(super) fn first_root(folder: &Path) -> Result<Vec<u8>, TrustError> {
    let metadata = folder.join(METADATA);
    let entries = fs::read_dir(&metadata).map_err(TrustError::io("read the folder", &metadata))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let versions = names.filter_map(|name| name.strip_suffix(".root.json")?.parse::<u64>().ok());
    let first = versions.min().ok_or_else(|| {
        TrustError::Usage(format!("`{}` holds no root: `mountgate trust init` makes one", metadata.display()))
    })?;
    let path = metadata.join(format!("{first}.root.json"));
    fs::read(&path).map_err(TrustError::io("read", &path))
}

/// Writes a file that is not there yet, whole or not at all. The same bytes once more are no error.
pub(super) fn write_new(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), TrustError> {
    let path = folder.join(name);
    match fs::read(&path) {
        Ok(there) if there == bytes => Ok(()),
        // One that a publication left which was killed before its timestamp: nothing refers to it.
        _ => replace(folder, name, bytes),
    }
}

/// Writes a file, whole or not at all.
pub(super) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), TrustError> {
    let (draft, path) = (folder.join(format!(".{name}.new")), folder.join(name));
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(TrustError::io("make the folder", parent))?;
    }
    let written = File::create(&draft).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(TrustError::io("write", &draft))?;
    fs::rename(&draft, &path).map_err(TrustError::io("write", &path))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(TrustError::io("save", folder))
}
