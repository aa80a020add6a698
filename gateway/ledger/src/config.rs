//! How a ledger is kept.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What a decision record is safe from before the first byte of an answer leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// From the process being killed.
    #[default]
    Process,
    /// From power loss too.
    Disk,
}

/// Where and how a ledger is kept.
#[derive(Clone)]
pub struct LedgerConfig {
    /// The folder; made, for the owner only, where it does not exist.
    pub dir: PathBuf,
    /// What a decision must be safe from.
    pub durability: Durability,
    /// A segment that would grow past so many bytes is closed and the next begun.
    pub rotate_bytes: u64,
    /// The oldest segments are dropped so that all together stay below so many bytes; at least twice `rotate_bytes`.
    pub max_bytes: u64,
    /// Whether the statements' text is kept, literals and all. Without, its keyed digest only.
    pub statement_text: bool,
    /// The key of the digests that stand for values and statements.
    pub key: Zeroizing<[u8; 32]>,
    /// The ed25519 secret that signs checkpoints.
    pub signing: Zeroizing<[u8; 32]>,
}

impl LedgerConfig {
    /// A ledger in `dir` with the defaults: safe from the process being killed, segments of 64 MiB, 1 GiB in all, no
    /// statement texts.
    pub fn new(dir: impl Into<PathBuf>, key: [u8; 32], signing: [u8; 32]) -> Self {
        Self {
            dir: dir.into(),
            durability: Durability::Process,
            rotate_bytes: 64 << 20,
            max_bytes: 1 << 30,
            statement_text: false,
            key: Zeroizing::new(key),
            signing: Zeroizing::new(signing),
        }
    }
}

impl fmt::Debug for LedgerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LedgerConfig")
            .field("dir", &self.dir)
            .field("durability", &self.durability)
            .field("rotate_bytes", &self.rotate_bytes)
            .field("max_bytes", &self.max_bytes)
            .field("statement_text", &self.statement_text)
            .finish_non_exhaustive()
    }
}
