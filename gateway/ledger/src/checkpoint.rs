//! Signed statements of where the ledger stands, to be kept where its writer can't change them.

use std::{fmt, str::FromStr};

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::{line::Hash, segment::hash_as_hex};

/// The record at `seq` had this hash at that time, signed by the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    version: u8,
    seq: u64,
    #[serde(with = "hash_as_hex")]
    hash: Hash,
    time_ms: i64,
    key: PublicKey,
    #[serde(with = "hash_as_hex")]
    signature: [u8; 64],
}

/// Why a checkpoint says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// A version that this gateway doesn't know.
    #[error("the checkpoint is of version {0}; this is version 1")]
    Version(u8),
    /// Signed by another key.
    #[error("the checkpoint is signed by key `{found}`, not by `{expected}`")]
    Key {
        /// The checkpoint's.
        found: PublicKey,
        /// The one that was to sign it.
        expected: PublicKey,
    },
    /// The signature does not hold.
    #[error("the checkpoint's signature does not hold")]
    Signature,
}

impl Checkpoint {
    pub(crate) fn sign(signing: &SigningKey, seq: u64, hash: Hash, time_ms: i64) -> Self {
        let signature = signing.sign(&message(seq, &hash, time_ms)).to_bytes();
        Self { version: 1, seq, hash, time_ms, key: PublicKey::of(signing), signature }
    }

    /// A checkpoint of the last sound record of a ledger that was just verified, for whoever holds the signing secret
    /// and not the ledger (a gateway may be writing it).
    pub fn of_report(report: &crate::Report, signing: &[u8; 32], time_ms: i64) -> Self {
        Self::sign(&SigningKey::from_bytes(signing), report.last_seq, *report.last_hash.as_bytes(), time_ms)
    }

    /// The record's number.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// When it was made, in milliseconds since 1970-01-01T00:00Z.
    pub fn time_ms(&self) -> i64 {
        self.time_ms
    }

    pub(crate) fn hash(&self) -> &Hash {
        &self.hash
    }

    /// Whether `key` signed it. The key in the checkpoint itself proves nothing: whoever rewrites a ledger can sign
    /// with a key of his own.
    ///
    /// # Errors
    /// Where it did not.
    pub fn check(&self, key: &PublicKey) -> Result<(), CheckpointError> {
        if self.version != 1 {
            return Err(CheckpointError::Version(self.version));
        }
        if self.key != *key {
            return Err(CheckpointError::Key { found: self.key, expected: *key });
        }
        let verifying = VerifyingKey::from_bytes(&key.0).map_err(|_| CheckpointError::Signature)?;
        verifying
            .verify_strict(&message(self.seq, &self.hash, self.time_ms), &Signature::from_bytes(&self.signature))
            .map_err(|_| CheckpointError::Signature)
    }
}

fn message(seq: u64, hash: &Hash, time_ms: i64) -> Vec<u8> {
    let mut out = b"mountgate ledger checkpoint 1\0".to_vec();
    out.extend_from_slice(&seq.to_be_bytes());
    out.extend_from_slice(hash);
    out.extend_from_slice(&time_ms.to_be_bytes());
    out
}

/// The ed25519 key that checkpoints are verified with, shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PublicKey(#[serde(with = "hash_as_hex")] [u8; 32]);

impl PublicKey {
    pub(crate) fn of(signing: &SigningKey) -> Self {
        Self(signing.verifying_key().to_bytes())
    }

    /// The key that belongs to a ledger's signing secret.
    pub fn of_secret(secret: &[u8; 32]) -> Self {
        Self::of(&SigningKey::from_bytes(secret))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        HEXLOWER
            .decode(text.trim().as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no public key: 64 lower-case hexadecimal digits"))
    }
}
