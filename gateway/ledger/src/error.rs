//! Why the ledger could not do what it was asked.

use std::path::{Path, PathBuf};

/// Why a record could not be written, or the ledger not opened or read. For the operator; agents are told
/// `ledger_unavailable` and nothing of this.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file system said no.
    #[error("ledger: cannot {act} `{}`: {source}", path.display())]
    Io {
        /// What was being done.
        act: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process writes this ledger.
    #[error("ledger: `{}` is in use by another gateway: stop it, or give this one a folder of its own", dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// The records on disk do not continue one another.
    #[error(
        "ledger: `{}` is broken at line {line}: {why}; run `mountgate ledger verify`, keep the folder as evidence, and start with an empty one",
        segment.display()
    )]
    Broken {
        /// The segment.
        segment: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// An earlier failure after which nothing may be appended.
    #[error("ledger: closed after a failure: {why}; restart the gateway once that is mended")]
    Closed {
        /// The failure.
        why: String,
    },
    /// A batch of records of which this one was part could not be written.
    #[error("ledger: the record was not written: a write failed meanwhile")]
    NotWritten,
    /// A record that is larger than any sound record.
    #[error("ledger: a record of {0} bytes is larger than allowed")]
    TooLarge(usize),
    /// A record could not be encoded.
    #[error("ledger: a record cannot be encoded: {0}")]
    Encode(#[from] serde_json::Error),
    /// The configuration makes no sense.
    #[error("ledger: {0}")]
    Config(String),
}

impl LedgerError {
    pub(crate) fn io(act: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { act, path, source }
    }
}
