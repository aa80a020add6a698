//! Signing keys: Ed25519, on disk as encrypted PKCS #8 (PBES2: scrypt and AES-256), which OpenSSL and every language's
//! libraries read too. AES-CBC does not notice a change, and need not: a key that is not the public one beside it, or not
//! the one that the metadata names, signs nothing.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use pkcs8::{
    EncodePrivateKey as _, EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, SecretDocument,
    der::{Decode as _, pem::PemLabel as _},
    pkcs5::pbes2,
};
use zeroize::Zeroizing;

use crate::{error::TrustError, sign};

/// What opening a key costs: 2¹⁴ · 8 · 128 bytes = 16 MiB, the most that OpenSSL opens without being asked to.
const LOG_N: u8 = 14;
const R: u32 = 8;
const P: u32 = 1;

/// A public key, as metadata names it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key of 64 hexadecimal digits, or of the first lines of a file that [`SecretKey::write`] wrote.
    ///
    /// # Errors
    /// Where it is none.
    pub fn read(text: &str) -> Result<Self, TrustError> {
        let text = text.trim();
        let hex = text.lines().find_map(|line| line.strip_prefix(PUBLIC)).unwrap_or(text).trim();
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok();
        let bytes: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.filter(|bytes| VerifyingKey::from_bytes(bytes).is_ok()).map(Self).ok_or_else(|| {
            TrustError::Key(
                "no public key: it is 64 hexadecimal digits, or a file that `mountgate trust key` wrote".to_owned(),
            )
        })
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id under which metadata names it.
    pub fn id(&self) -> String {
        sign::key_id(&sign::tuf_key(self))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A key that signs. Wiped when dropped.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretKey").field(&self.public()).finish()
    }
}

/// Before the encrypted part, so that a key can be named without being opened.
const PUBLIC: &str = "# public: ";
const LABEL: &str = "ENCRYPTED PRIVATE KEY";

impl SecretKey {
    /// A new key.
    ///
    /// # Errors
    /// Where the system gives no randomness.
    pub fn generate() -> Result<Self, TrustError> {
        let seed = random::<32>()?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Its signature of a message, in hexadecimal digits, as metadata has it.
    pub fn sign_hex(&self, message: &[u8]) -> String {
        data_encoding::HEXLOWER.encode(&self.sign(message))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).to_bytes().to_vec()
    }

    /// Writes it to a new file for its owner only, encrypted under the passphrase.
    ///
    /// # Errors
    /// Where the passphrase is empty, the file is there already, or it cannot be written.
    pub fn write(&self, path: &Path, role: &str, passphrase: &str) -> Result<(), TrustError> {
        let failed = |error: &dyn fmt::Display| TrustError::Key(format!("`{}`: {error}", path.display()));
        if passphrase.is_empty() {
            return Err(TrustError::Key("the passphrase is empty: keys are kept encrypted".to_owned()));
        }
        let (salt, iv) = (random::<16>()?, random::<16>()?);
        // The seed alone, without the public key: OpenSSL reads no other form.
        let bare = ed25519_dalek::pkcs8::KeypairBytes { secret_key: self.0.to_bytes(), public_key: None };
        let document = bare.to_pkcs8_der().map_err(|error| failed(&error))?;
        let cost = scrypt_params().map_err(|error| failed(&error))?;
        let params =
            pbes2::Parameters::generate_scrypt_aes256cbc(cost, &salt[..], *iv).map_err(|error| failed(&error))?;
        let encrypted: SecretDocument = PrivateKeyInfoRef::from_der(document.as_bytes())
            .map(|info| info.encrypt_with_params(params, passphrase))
            .map_err(|error| failed(&error))?
            .map_err(|error| failed(&error))?;
        let pem = encrypted.to_pem(LABEL, pkcs8::LineEnding::LF).map_err(|error| failed(&error))?;
        let text = Zeroizing::new(format!("# mountgate signing key: {role}\n{PUBLIC}{}\n{}", self.public(), *pem));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(TrustError::io("make the key", path))?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(TrustError::io("write the key", path))
    }
}

/// A file of a key, not opened yet.
#[derive(Clone, Debug)]
pub struct KeyFile {
    /// The file.
    pub path: PathBuf,
    /// The public half that it says it has.
    pub public: PublicKey,
    pem: Zeroizing<String>,
}

impl KeyFile {
    /// Reads a file of a key.
    ///
    /// # Errors
    /// Where it is none, or may be read by others.
    pub fn read(path: &Path) -> Result<Self, TrustError> {
        let meta = fs::metadata(path).map_err(TrustError::io("look at", path))?;
        if meta.permissions().mode() & 0o077 != 0 {
            return Err(TrustError::Key(format!(
                "the key `{}` can be read by others: run `chmod 600` on it",
                path.display()
            )));
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(TrustError::io("read", path))?);
        let public = PublicKey::read(&text)
            .map_err(|_| TrustError::Key(format!("`{}` does not say its public key", path.display())))?;
        let begin = text.find("-----BEGIN").and_then(|at| text.get(at..));
        let pem = begin.ok_or_else(|| TrustError::Key(format!("`{}` holds no key", path.display())))?;
        Ok(Self { path: path.to_owned(), public, pem: Zeroizing::new(pem.to_owned()) })
    }

    /// Every key of a folder; a file that is none is passed over.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn read_folder(folder: &Path) -> Result<Vec<Self>, TrustError> {
        let entries = fs::read_dir(folder).map_err(TrustError::io("read the folder", folder))?;
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "pem"));
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// Opens it.
    ///
    /// # Errors
    /// Where the passphrase is not its own, or the file was changed.
    pub fn open(&self, passphrase: &str) -> Result<SecretKey, TrustError> {
        let wrong =
            || TrustError::Key(format!("the key `{}` does not open: is this its passphrase?", self.path.display()));
        let (label, document) = SecretDocument::from_pem(&self.pem).map_err(|_| wrong())?;
        if label != EncryptedPrivateKeyInfoRef::PEM_LABEL {
            return Err(TrustError::Key(format!("the key `{}` is not encrypted", self.path.display())));
        }
        let encrypted = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|_| wrong())?;
        let plain = encrypted.decrypt(passphrase).map_err(|_| wrong())?;
        let info = PrivateKeyInfoRef::try_from(plain.as_bytes()).map_err(|_| wrong())?;
        let key = SecretKey(SigningKey::try_from(info).map_err(|_| wrong())?);
        if key.public() != self.public {
            return Err(TrustError::Key(format!(
                "the key `{}` is not the one that its first lines name: it was changed",
                self.path.display()
            )));
        }
        Ok(key)
    }
}

/// Asks whoever sits at the terminal for a passphrase, without showing it.
///
/// # Errors
/// Where there is no terminal.
pub fn ask(prompt: &str) -> Result<Zeroizing<String>, TrustError> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let path = Path::new("/dev/tty");
    let mut terminal = OpenOptions::new().read(true).write(true).open(path).map_err(TrustError::io("open", path))?;
    let failed = |errno: rustix::io::Errno| TrustError::io("ask at", path)(errno.into());
    let before = tcgetattr(&terminal).map_err(failed)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&terminal, OptionalActions::Flush, &silent).map_err(failed)?;
    let read = write!(terminal, "{prompt}").and_then(|()| {
        // Byte by byte: what is buffered beyond the line would be lost to the next question.
        let mut line = Zeroizing::new(Vec::new());
        let mut byte = [0];
        while terminal.read(&mut byte)? == 1 && byte != *b"\n" {
            line.extend_from_slice(&byte);
        }
        Ok(line)
    });
    let _ = writeln!(terminal);
    // Whatever was read, the terminal is as it was before.
    tcsetattr(&terminal, OptionalActions::Now, &before).map_err(failed)?;
    let line = read.map_err(TrustError::io("ask at", path))?;
    match std::str::from_utf8(&line) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(TrustError::Key("the passphrase is no text".to_owned())),
    }
}

fn scrypt_params() -> Result<pkcs8::pkcs5::scrypt::Params, impl fmt::Display> {
    pkcs8::pkcs5::scrypt::Params::new(LOG_N, R, P)
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, TrustError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut())
        .map_err(|error| TrustError::Key(format!("the system's randomness failed: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_with_its_passphrase_only_and_notices_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("targets.pem");
        let key = SecretKey::generate().unwrap();
        assert!(key.write(&path, "targets", "").is_err());
        key.write(&path, "targets", "correct horse").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&data_encoding::HEXLOWER.encode(&key.0.to_bytes())));
        assert_eq!(KeyFile::read(&path).unwrap().open("correct horse").unwrap().public(), key.public());
        assert!(KeyFile::read(&path).unwrap().open("battery staple").is_err());
        // It is not written over.
        assert!(key.write(&path, "targets", "correct horse").is_err());
        // Another public key before the same private one.
        let other = SecretKey::generate().unwrap().public().to_string();
        fs::write(&path, text.replace(&key.public().to_string(), &other)).unwrap();
        assert!(KeyFile::read(&path).unwrap().open("correct horse").is_err());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(KeyFile::read(&path).unwrap_err().to_string().contains("chmod 600"));
    }
}
