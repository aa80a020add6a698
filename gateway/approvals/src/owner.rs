//! Which gateway has taken a hold up, and whether it still runs.
//!
//! Each gateway keeps a locked file beside the store. The system takes the lock away when the process ends, however it
//! ends, so that nobody has to guess from the time how another one is.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// This gateway, for as long as it runs.
pub(crate) struct Owner {
    name: String,
    folder: PathBuf,
    /// The lock goes with it.
    _lock: File,
}

impl Owner {
    /// A new one, in the folder beside the store.
    pub(crate) fn new(store: &Path) -> std::io::Result<Self> {
        let folder = store.with_extension("owners");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        loop {
            let name = uuid::Uuid::now_v7().simple().to_string();
            let path = folder.join(&name);
            let lock = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            lock.lock()?;
            // Another gateway may have taken the file for a dead one's before it was locked.
            if path.exists() {
                let owner = Self { name, folder, _lock: lock };
                owner.sweep();
                return Ok(owner);
            }
        }
    }

    /// The name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the gateway of that name runs. What can't be looked at is taken to run: its hold is left to it.
    pub(crate) fn is_alive(&self, name: &str) -> bool {
        if name == self.name {
            return true;
        }
        // A name out of the file, so it must not lead anywhere else.
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return false;
        }
        match File::open(self.folder.join(name)) {
            Ok(file) => !matches!(file.try_lock(), Ok(())),
            Err(error) => error.kind() != std::io::ErrorKind::NotFound,
        }
    }

    /// Takes away the files of gateways that have ended.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            // Removed while it is locked, so that whoever waits for the lock sees that it is gone.
            if entry.file_name() != self.name.as_str()
                && let Ok(file) = File::open(&path)
                && matches!(file.try_lock(), Ok(()))
            {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.folder.join(&self.name));
    }
}
