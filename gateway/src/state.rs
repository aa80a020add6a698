//! What the gateway keeps, in its state folder: keys, identities, the ledger, and acts that wait to be recorded.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use mountgate_identity::{Identity, IdentityConfig, IdentityError};
use mountgate_ledger::{AdminRecord, Ledger, LedgerConfig, LedgerError};
use serde::{Deserialize, Serialize};

use crate::{
    config::MainFile,
    keys::{IDENTITIES, KeyError, Keys, make_folder},
};

/// Acts of the command line that wait for the gateway to record them.
const ACTS: &str = "acts";

/// Why the state folder could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The master key.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The identities.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// An act could not be kept for recording.
    #[error("the act cannot be recorded in `{}`, so it was not done: {why}", path.display())]
    Act {
        /// The file or folder.
        path: PathBuf,
        /// What was said.
        why: String,
    },
}

/// An administrative act, done at the command line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Act {
    /// When, in milliseconds since 1970-01-01T00:00Z.
    pub time_ms: i64,
    /// What: `agent.add`.
    pub act: String,
    /// By whom.
    pub who: String,
    /// To what; no secrets.
    pub details: serde_json::Value,
}

impl Act {
    /// An act of now, by whoever uses the command line.
    pub fn of_command_line(act: &str, details: serde_json::Value) -> Self {
        let user = std::env::var("USER").unwrap_or_default();
        let user: String = user.chars().filter(|c| !c.is_control()).take(64).collect();
        let who = if user.is_empty() { "command line".to_owned() } else { format!("command line ({user})") };
        Self { time_ms: now_ms(), act: act.to_owned(), who, details }
    }

    fn record(&self, ledger: &Ledger) -> Result<(), LedgerError> {
        let Self { time_ms, act, who, details } = self;
        ledger.admin(&AdminRecord { time_ms: *time_ms, act, who, details: details.clone() })
    }
}

/// The state folder of a configuration.
#[derive(Debug)]
pub struct State {
    folder: PathBuf,
    ledger: LedgerConfig,
    keys: Keys,
}

impl State {
    /// Opens the folder; it, and the master key, are made on first use.
    ///
    /// # Errors
    /// Where the key can't be had.
    pub fn open(main: &MainFile) -> Result<Self, StateError> {
        let keys = Keys::open(main)?;
        make_folder(&main.server.state)?;
        let section = &main.ledger;
        let mut ledger = LedgerConfig::new(&section.dir, *keys.ledger(), *keys.checkpoints());
        ledger.durability = section.durability;
        ledger.rotate_bytes = section.rotate;
        ledger.max_bytes = section.max_size;
        ledger.statement_text = section.statements;
        Ok(Self { folder: main.server.state.clone(), ledger, keys })
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How the ledger is kept.
    pub fn ledger_config(&self) -> &LedgerConfig {
        &self.ledger
    }

    /// Opens the identities. A running gateway sees what is changed at its next request.
    ///
    /// # Errors
    /// Where the file can't be opened.
    pub fn identity(&self) -> Result<Identity, StateError> {
        Ok(Identity::open(self.folder.join(IDENTITIES), IdentityConfig::default())?)
    }

    /// Opens the ledger for writing.
    ///
    /// # Errors
    /// Where another process has it open, or it is broken.
    pub fn ledger(&self) -> Result<Ledger, StateError> {
        Ok(Ledger::open(&self.ledger)?)
    }

    /// Records an act before it is done: in the ledger, or, where a running gateway has that open, in a file that the
    /// gateway records within a second.
    ///
    /// # Errors
    /// Where neither can be written: the act must then not be done.
    pub fn record(&self, act: &Act) -> Result<(), StateError> {
        match Ledger::open(&self.ledger) {
            Ok(ledger) => {
                self.record_waiting(&ledger)?;
                Ok(act.record(&ledger)?)
            }
            Err(LedgerError::InUse { .. }) => self.keep(act),
            Err(error) => Err(error.into()),
        }
    }

    /// Records an act of the gateway's own.
    ///
    /// # Errors
    /// Where the ledger can't be written.
    pub fn record_in(&self, ledger: &Ledger, act: &Act) -> Result<(), StateError> {
        Ok(act.record(ledger)?)
    }

    fn keep(&self, act: &Act) -> Result<(), StateError> {
        let folder = self.folder.join(ACTS);
        make_folder(&folder)?;
        let mut tail = [0; 8];
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |why: String| StateError::Act { path, why }
        };
        getrandom::fill(&mut tail).map_err(|error| failed(&folder)(error.to_string()))?;
        let name = format!("{:016}-{}", act.time_ms, data_encoding::HEXLOWER.encode(&tail));
        let (draft, path) = (folder.join(format!(".{name}")), folder.join(format!("{name}.json")));
        let text = serde_json::to_vec(act).map_err(|error| failed(&path)(error.to_string()))?;
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .and_then(|mut file| {
                file.write_all(&text)?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&draft, &path))
            .and_then(|()| fs::File::open(&folder)?.sync_all())
            .map_err(|error| failed(&path)(error.to_string()))
    }

    /// Records what waits, the oldest first, and says how much that was. A file that is no act is left, and logged.
    ///
    /// # Errors
    /// Where the ledger can't be written; what was not recorded waits on.
    pub fn record_waiting(&self, ledger: &Ledger) -> Result<usize, StateError> {
        let Ok(entries) = fs::read_dir(self.folder.join(ACTS)) else { return Ok(0) };
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .collect();
        files.sort();
        let mut recorded = 0;
        for path in files {
            let act = fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Act>(&text).ok());
            let Some(act) = act else {
                tracing::error!(file = %path.display(), "an act that waits to be recorded cannot be read");
                continue;
            };
            act.record(ledger)?;
            recorded += 1;
            // Should this fail, the act is recorded again: once too often, never once too few.
            if let Err(error) = fs::remove_file(&path) {
                tracing::error!(%error, file = %path.display(), "a recorded act cannot be removed");
                break;
            }
        }
        Ok(recorded)
    }
}

/// Milliseconds since 1970-01-01T00:00Z, by the system's clock.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
