//! From the root that the operator trusts to the latest that was seen, each signed by the one before it.

use std::{collections::BTreeMap, fs, path::Path};

use tough::schema::{Root, Signed};

use super::{Store, disk::Pointer};
use crate::{
    client::read_root,
    error::{Kind, TrustError},
    sign,
};

/// The folder within what was seen.
pub(super) const FOLDER: &str = "roots";

/// A line of roots, by version.
#[derive(Clone, Debug)]
pub(super) struct Roots {
    pub(super) files: BTreeMap<u64, Vec<u8>>,
    latest: Signed<Root>,
}

impl Roots {
    /// The latest.
    pub(super) fn latest(&self) -> &[u8] {
        self.files.last_key_value().map_or(&[], |(_, bytes)| bytes)
    }

    pub(super) fn version(&self) -> u64 {
        self.latest.signed.version.get()
    }

    /// Adds the next root, where it is signed by the keys of the one before it and by its own.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<(), TrustError> {
        let wanted = sign::next(self.latest.signed.version)?;
        let file = format!("{wanted}.root.json");
        let next = read_root(&file, bytes)?;
        self.latest.signed.verify_role(&next).map_err(|error| {
            TrustError::metadata(Kind::Unsigned, format!("`{file}` is not signed by the root before it: {error}"))
        })?;
        if next.signed.version != wanted {
            let why = format!("`{file}` has version {}", next.signed.version);
            return Err(TrustError::metadata(Kind::Mismatched, why));
        }
        self.files.insert(wanted.get(), bytes.to_vec());
        self.latest = next;
        Ok(())
    }

    /// Adds what of these files follows.
    pub(super) fn follow_files(&mut self, files: &BTreeMap<String, Vec<u8>>) -> Result<(), TrustError> {
        while let Some(bytes) = files.get(&format!("{}.root.json", self.version().saturating_add(1))) {
            self.follow(bytes)?;
        }
        Ok(())
    }
}

impl Store {
    /// The operator's root, and those after it that were seen.
    pub(super) fn roots(&self, pointer: Option<&Pointer>) -> Result<Roots, TrustError> {
        let path = &self.config.root;
        let shown = path.display().to_string();
        let bytes = fs::read(path).map_err(TrustError::io("read the trusted root", path))?;
        let pinned = read_root(&shown, &bytes)?;
        let version = pinned.signed.version.get();
        let mut roots = Roots { files: BTreeMap::from([(version, bytes)]), latest: pinned };
        let Some(pointer) = pointer else { return Ok(roots) };
        let seen = self.disk.path(&pointer.seen).join(FOLDER);
        let other = |why: String| {
            TrustError::metadata(
                Kind::Unsigned,
                format!(
                    "`{shown}` is not of the repository that `{}` was begun with ({why}): put the right root there, or remove that folder to begin anew",
                    self.config.folder.display()
                ),
            )
        };
        if let Some(known) = read(&seen, version)? {
            let known: Signed<Root> = sign::from_bytes("root.json", &known)?;
            if known.signed != roots.latest.signed {
                return Err(other(format!("version {version} is another")));
            }
        }
        while let Some(bytes) = read(&seen, roots.version().saturating_add(1))? {
            roots.follow(&bytes).map_err(|error| other(error.to_string()))?;
        }
        Ok(roots)
    }
}

fn read(seen: &Path, version: u64) -> Result<Option<Vec<u8>>, TrustError> {
    let path = seen.join(format!("{version}.root.json"));
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TrustError::io("read", &path)(error)),
    }
}
