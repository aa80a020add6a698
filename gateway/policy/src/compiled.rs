//! Compiled components on disk. The one file of the gateway with `unsafe` in it.
#![expect(
    unsafe_code,
    reason = "wasmtime can't tell compiled code that it made from code that it did not; the MAC can"
)]

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::Write as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use mountgate_core::Digest;
use sha2::Sha256;
use wasmtime::{Engine, component::Component};

use crate::config::DiskCache;

const MAC: usize = 32;

/// The folder of compiled components.
pub(crate) struct Compiled {
    disk: DiskCache,
    /// Of wasmtime's version and of every setting that shapes compiled code.
    compatibility: u64,
}

impl Compiled {
    /// Uses the folder, making it where it does not exist.
    ///
    /// # Errors
    /// Where that fails.
    pub(crate) fn open(disk: DiskCache, engine: &Engine) -> std::io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&disk.dir)?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { disk, compatibility: hasher.finish() })
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.disk.dir.join(format!("{}-{:016x}.compiled", digest.to_hex(), self.compatibility))
    }

    fn mac(&self, digest: Digest, code: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.disk.key.as_slice()).ok()?;
        // Every part is of a fixed length but the last, so that no two inputs read the same.
        mac.update(b"mountgate compiled component 1\0");
        mac.update(digest.as_bytes());
        mac.update(&self.compatibility.to_le_bytes());
        mac.update(code);
        Some(mac)
    }

    /// The component of that digest, where it is there and is the gateway's own work. Anything else is as if it were
    /// not there: it is compiled again and written over.
    pub(crate) fn load(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        let bytes = fs::read(self.path(digest)).ok()?;
        let (mac, code) = bytes.split_at_checked(MAC)?;
        if self.mac(digest, code)?.verify_slice(mac).is_err() {
            tracing::warn!(%digest, "a compiled component on disk is not the gateway's own work; compiling it again");
            return None;
        }
        // SAFETY: `Component::deserialize` wants bytes that `Component::serialize` made and nobody changed. These
        // carry a MAC under a key that only this gateway holds, over the bytes themselves, the digest of the component
        // they were compiled from and the compatibility hash of the engine; only `store` below makes that MAC, and only
        // over what `serialize` just gave it. The bytes checked are the bytes used: they are in our own memory, not
        // mapped from the file, so a later write to the file changes nothing. Who holds the key can run code as the
        // gateway anyway.
        match unsafe { Component::deserialize(engine, code) } {
            Ok(component) => {
                // Used now: others go first where the folder grows too large.
                let touched = fs::File::options().append(true).open(self.path(digest));
                let _ = touched.and_then(|file| file.set_modified(SystemTime::now()));
                Some(component)
            }
            Err(error) => {
                tracing::warn!(%digest, %error, "a compiled component on disk can't be used; compiling it again");
                None
            }
        }
    }

    /// Writes a component down. Failing to is no harm: it is compiled again next time.
    pub(crate) fn store(&self, component: &Component, digest: Digest) {
        let write = || -> Result<(), String> {
            let code = component.serialize().map_err(|error| error.to_string())?;
            let mac = self.mac(digest, &code).ok_or("no key")?.finalize().into_bytes();
            let path = self.path(digest);
            // Under a name of its own first: a reader never meets half a file.
            let beside = path.with_extension(format!("{}.new", std::process::id()));
            let mut options = fs::OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&beside).map_err(|error| error.to_string())?;
            file.write_all(&mac).and_then(|()| file.write_all(&code)).map_err(|error| error.to_string())?;
            fs::rename(&beside, &path).map_err(|error| error.to_string())?;
            self.tidy(&path).map_err(|error| error.to_string())
        };
        if let Err(error) = write() {
            tracing::warn!(%digest, %error, "a compiled component could not be written to disk");
        }
    }

    /// Deletes the files used longest ago until the rest fit, but for the one just written.
    fn tidy(&self, written: &Path) -> std::io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.disk.dir)? {
            let entry = entry?;
            let is_ours = entry.path().extension().is_some_and(|extension| extension == "compiled");
            let about = entry.metadata()?;
            if is_ours && about.is_file() {
                files.push((about.modified()?, about.len(), entry.path()));
            }
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, size, path) in files.iter().filter(|(_, _, path)| path != written) {
            if bytes <= self.disk.bytes {
                break;
            }
            fs::remove_file(path)?;
            bytes = bytes.saturating_sub(*size);
        }
        Ok(())
    }
}
