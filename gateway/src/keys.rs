//! One master key, and every other key derived from it (HKDF-SHA-256) under a label of its own, so that one that leaks
//! tells nothing of the others.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use hkdf::Hkdf;
use mountgate_backend::wall::postgres::WallKeys;
use mountgate_core::{ColumnName, MountName, RelationName};
use mountgate_sql::MaskKeys;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::config::MainFile;

/// The file of the master key within the state folder.
const FILE: &str = "master.key";

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A secret that is not there.
    #[error("the master key: {0}")]
    Secret(String),
    /// It is no key.
    #[error("the master key in {place} is not 64 hexadecimal digits: `mountgate init` makes a good one")]
    Malformed {
        /// Where it is.
        place: String,
    },
    /// Others may read it.
    #[error("the master key `{}` can be read by others: run `chmod 600` on it", path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// What it protected is there, and it is not.
    #[error(
        "the master key `{}` is missing, though the state folder holds what was written under it: restore it from a backup, or empty the folder to begin anew",
        path.display()
    )]
    Lost {
        /// The file.
        path: PathBuf,
    },
    /// The file system said no.
    #[error("cannot {act} `{}`: {source}", path.display())]
    Io {
        /// What was being done.
        act: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system gave no randomness.
    #[error("the system's randomness failed: {0}")]
    Randomness(String),
}

/// The keys of a gateway.
pub struct Keys {
    master: Hkdf<Sha256>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl Keys {
    /// The keys of that main file: from where `[keys] master` says, or from the state folder, where a master key
    /// is made on first use, for the owner only.
    ///
    /// # Errors
    /// Where it is missing, malformed, lost, or open to others.
    pub fn open(main: &MainFile) -> Result<Self, KeyError> {
        let Some(secret) = &main.master else { return Self::in_folder(&main.server.state) };
        let text = secret.load().map_err(KeyError::Secret)?;
        Self::read(&text, &secret.to_string())
    }

    /// The same without making anything: where there is no master key yet, keys that hold until they are dropped.
    ///
    /// # Errors
    /// As [`Keys::open`].
    pub fn peek(main: &MainFile) -> Result<Self, KeyError> {
        if main.master.is_some() || main.server.state.join(FILE).exists() {
            return Self::open(main);
        }
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut()).map_err(|error| KeyError::Randomness(error.to_string()))?;
        Ok(Self::of(key.as_ref()))
    }

    /// The keys of a state folder, made where there are none.
    ///
    /// # Errors
    /// As [`Keys::open`].
    pub fn in_folder(state: &Path) -> Result<Self, KeyError> {
        let path = state.join(FILE);
        make_folder(state)?;
        match fs::metadata(&path) {
            Ok(there) if there.permissions().mode() & 0o077 != 0 => return Err(KeyError::Open { path }),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(state, &path)?,
            Err(source) => return Err(KeyError::Io { act: "look at", path, source }),
        }
        let text = fs::read_to_string(&path).map(Zeroizing::new);
        let text = text.map_err(|source| KeyError::Io { act: "read", path: path.clone(), source })?;
        Self::read(text.trim_end(), &format!("`{}`", path.display()))
    }

    fn read(text: &str, place: &str) -> Result<Self, KeyError> {
        let malformed = || KeyError::Malformed { place: place.to_owned() };
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| malformed())?;
        if bytes.len() != 32 {
            return Err(malformed());
        }
        Ok(Self::of(&bytes))
    }

    fn of(master: &[u8]) -> Self {
        Self { master: Hkdf::new(Some(b"mountgate master 1"), master) }
    }

    /// The key of the digests that stand for values in the ledger.
    pub fn ledger(&self) -> Zeroizing<[u8; 32]> {
        derive(&self.master, &["ledger digests"])
    }

    /// The secret that signs the ledger's checkpoints.
    pub fn checkpoints(&self) -> Zeroizing<[u8; 32]> {
        derive(&self.master, &["ledger checkpoints"])
    }

    /// The key that authenticates compiled policies on disk.
    pub fn compiled(&self) -> Zeroizing<[u8; 32]> {
        derive(&self.master, &["compiled policies"])
    }

    /// The key of what waits for people, and of their approvals.
    pub fn approvals(&self) -> Zeroizing<[u8; 32]> {
        derive(&self.master, &["approvals"])
    }

    /// What the wall of a mount in that PostgreSQL database is keyed with.
    pub fn wall(&self, database: &str, mount: &MountName) -> WallKeys {
        let part = |part: &str| derive(&self.master, &["wall", part, database, mount.as_str()]);
        WallKeys {
            id: part("id").iter().take(4).copied().collect(),
            password: Zeroizing::new(data_encoding::HEXLOWER.encode(part("password").as_ref())),
            seal: part("seal"),
        }
    }

    /// The keys of a mount's hash masks.
    pub fn masks(&self, mount: &MountName) -> MountMasks {
        let key = derive(&self.master, &["masks", mount.as_str()]);
        MountMasks { mount: Hkdf::new(None, key.as_ref()) }
    }
}

/// The keys of one mount's hash masks: one for each relation and column.
pub struct MountMasks {
    mount: Hkdf<Sha256>,
}

impl MaskKeys for MountMasks {
    fn key(&self, relation: &RelationName, column: &ColumnName) -> [u8; 32] {
        *derive(&self.mount, &[relation.as_str(), column.as_str()])
    }
}

/// Each part goes in with its length: `a.b` of `c` and `a` of `b.c` must not share a key.
fn derive(from: &Hkdf<Sha256>, parts: &[&str]) -> Zeroizing<[u8; 32]> {
    let mut label = Vec::new();
    for part in parts {
        label.extend_from_slice(&(part.len() as u64).to_be_bytes());
        label.extend_from_slice(part.as_bytes());
    }
    let mut key = Zeroizing::new([0; 32]);
    // INVARIANT: 32 bytes are within what HKDF-SHA-256 gives (8160).
    let _ = from.expand(&label, key.as_mut());
    key
}

/// Makes a folder for its owner only; one that is there is left as it is.
pub(crate) fn make_folder(path: &Path) -> Result<(), KeyError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| KeyError::Io {
        act: "make the folder",
        path: path.to_owned(),
        source,
    })
}

fn make(state: &Path, path: &Path) -> Result<(), KeyError> {
    // A new key would silently change every hash mask, and sign for a ledger that it did not write.
    if ["ledger", IDENTITIES, APPROVALS].iter().any(|name| state.join(name).exists()) {
        return Err(KeyError::Lost { path: path.to_owned() });
    }
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(key.as_mut()).map_err(|error| KeyError::Randomness(error.to_string()))?;
    let text = Zeroizing::new(data_encoding::HEXLOWER.encode(key.as_ref()) + "\n");
    // Written whole under another name and then linked: whoever else starts at this moment reads a whole key, and
    // the first link wins.
    let draft = state.join(format!(".{FILE}.{}", std::process::id()));
    let failed = |act| {
        let path = path.to_owned();
        move |source| KeyError::Io { act, path, source }
    };
    let written = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let linked = written.and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    let _ = fs::remove_file(&draft);
    linked.map_err(failed("write"))?;
    fs::File::open(state).and_then(|folder| folder.sync_all()).map_err(failed("save"))
}

/// The file of identities within the state folder.
pub const IDENTITIES: &str = "identities.db";
/// The file of who is set apart, within the state folder.
pub const QUARANTINE: &str = "quarantine.json";

/// The file of writes that wait for people, within the state folder.
pub const APPROVALS: &str = "approvals.db";

#[cfg(test)]
mod tests;
