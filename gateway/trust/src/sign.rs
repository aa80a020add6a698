//! Metadata as it is signed: TUF's types are `tough`'s; making and signing them is here.

use std::{collections::HashMap, num::NonZeroU64};

use serde::{Serialize, de::DeserializeOwned};
use tough::schema::{
    Hashes, Metafile, Role, Signature, Signed, Target,
    decoded::{Decoded, Hex},
    key::{Ed25519Key, Ed25519Scheme, Key},
};

use crate::{
    error::{Kind, TrustError},
    key::{PublicKey, SecretKey},
};

/// The version of the specification that is written.
pub(crate) const SPEC_VERSION: &str = "1.0.31";

/// A key as metadata has it.
pub(crate) fn tuf_key(key: &PublicKey) -> Key {
    Key::Ed25519 {
        keyval: Ed25519Key { public: key.as_bytes().to_vec().into(), _extra: HashMap::new() },
        scheme: Ed25519Scheme::Ed25519,
        _extra: HashMap::new(),
    }
}

/// The id of a key: the SHA-256 of its canonical form.
pub(crate) fn key_id(key: &Key) -> String {
    // INVARIANT: a key has a canonical form; an empty id is in no metadata.
    key.key_id().map(|id| hex(&id)).unwrap_or_default()
}

pub(crate) fn hex(bytes: &Decoded<Hex>) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

pub(crate) fn id(key: &PublicKey) -> Result<Decoded<Hex>, TrustError> {
    tuf_key(key).key_id().map_err(|error| TrustError::metadata(Kind::Malformed, error.to_string()))
}

/// What a role's keys sign.
pub(crate) fn canonical<T: Serialize>(role: &T) -> Result<Vec<u8>, TrustError> {
    let mut bytes = Vec::new();
    let mut out = serde_json::Serializer::with_formatter(&mut bytes, olpc_cjson::CanonicalFormatter::new());
    role.serialize(&mut out).map_err(|error| TrustError::metadata(Kind::Malformed, error.to_string()))?;
    Ok(bytes)
}

/// Signs a role with each of the keys, each once.
pub(crate) fn sign<T: Role>(role: T, keys: &[SecretKey]) -> Result<Signed<T>, TrustError> {
    let message = canonical(&role)?;
    let mut signed = Signed { signed: role, signatures: Vec::new() };
    for key in keys {
        let keyid = id(&key.public())?;
        if signed.signatures.iter().all(|signature| signature.keyid != keyid) {
            signed.signatures.push(Signature { keyid, sig: key.sign(&message).into() });
        }
    }
    // Those that see the file twice see the same bytes.
    signed.signatures.sort_by(|a, b| a.keyid.cmp(&b.keyid));
    Ok(signed)
}

/// The bytes of a file of metadata.
pub(crate) fn to_bytes<T: Serialize>(signed: &Signed<T>) -> Result<Vec<u8>, TrustError> {
    // By way of a value, whose keys are in order: the same metadata is the same file.
    let value =
        serde_json::to_value(signed).map_err(|error| TrustError::metadata(Kind::Malformed, error.to_string()))?;
    let mut bytes =
        serde_json::to_vec_pretty(&value).map_err(|error| TrustError::metadata(Kind::Malformed, error.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

pub(crate) fn from_bytes<T: DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<Signed<T>, TrustError> {
    serde_json::from_slice(bytes)
        .map_err(|error| TrustError::metadata(Kind::Malformed, format!("`{file}` does not read: {error}")))
}

/// The number after a version.
pub(crate) fn next(version: NonZeroU64) -> Result<NonZeroU64, TrustError> {
    version.checked_add(1).ok_or_else(|| TrustError::metadata(Kind::Malformed, "the version numbers are used up"))
}

pub(crate) fn hashes(bytes: &[u8]) -> Hashes {
    let sha256 = mountgate_core::Digest::of(bytes);
    Hashes { sha256: sha256.as_bytes().to_vec().into(), _extra: HashMap::new() }
}

pub(crate) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// How a snapshot or timestamp pins a file: by version, length and digest.
pub(crate) fn metafile(version: NonZeroU64, bytes: &[u8]) -> Metafile {
    Metafile { version, length: Some(length(bytes)), hashes: Some(hashes(bytes)), _extra: HashMap::new() }
}

pub(crate) fn target(bytes: &[u8]) -> Target {
    Target { length: length(bytes), hashes: hashes(bytes), custom: HashMap::new(), _extra: HashMap::new() }
}
