//! Why something asked of a hold is refused.

use std::path::PathBuf;

use mountgate_core::{Code, Refusal};

use crate::State;

/// Why something asked of a hold is refused.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// No such hold, or not one that whoever asks may know of: told alike.
    #[error("there is no such hold, or it is not one of yours")]
    NotFound,
    /// The person may not approve it, though they may see it.
    #[error("you may not approve this: {0}")]
    NotYours(&'static str),
    /// It is in another state.
    #[error("the hold is `{}`, so it cannot be {act}", state.label())]
    State {
        /// The state.
        state: State,
        /// What was asked: `approved`, `denied`, `reverted`.
        act: &'static str,
    },
    /// The digest is of something else than what is held.
    #[error("the digest is not of what this hold would write: look at it again, and approve the digest shown")]
    Digest,
    /// There is nothing to see, so nothing to approve.
    #[error("the preview failed (`{0}`), so there is nothing that could be approved: deny it")]
    NoPreview(String),
    /// The person has approved already.
    #[error("you have approved this already; {missing} more by others is needed")]
    Already {
        /// How many approvals are missing.
        missing: u32,
    },
    /// Its values are erased.
    #[error("the values of this hold are erased: they are kept for a time after it ended")]
    Erased,
    /// The rows are not as the write left them, or can't be written back from here.
    #[error("it cannot be reverted: {0}")]
    Revert(String),
    /// Too many wait.
    #[error("{0} writes of this agent wait for approval, which is the most: wait for one to be decided")]
    TooMany(u32),
    /// The row was changed by someone who has the file and not the key.
    #[error("hold `{0}` is not as it was written: its file was changed by something else than a gateway")]
    Tampered(String),
    /// The change is kept and not recorded, so nothing follows from it yet.
    #[error("the change cannot be recorded in the ledger, so nothing is done upon it yet: {0}")]
    Unrecorded(String),
    /// The gateway is stopping, or was never put together.
    #[error("the gateway is stopping")]
    Stopping,
    /// The store of holds.
    #[error("holds: cannot {act} `{}`: {why}", path.display())]
    Store {
        /// What was being done.
        act: &'static str,
        /// The file.
        path: PathBuf,
        /// What was said.
        why: String,
    },
}

impl ApprovalError {
    /// What whoever asked is told. Paths and the store's own texts are the operator's.
    pub fn refusal(&self) -> Refusal {
        let refuse = |code| Refusal::new(code, self.to_string());
        match self {
            Self::NotFound => refuse(Code::HoldNotFound).hint("holds are of the mounts that you may approve"),
            Self::NotYours(_) => refuse(Code::NotPermitted).hint("let somebody else approve it"),
            Self::State { .. } | Self::Digest | Self::NoPreview(_) | Self::Already { .. } | Self::Revert(_) => {
                refuse(Code::HoldConflict)
            }
            Self::Erased => refuse(Code::HoldConflict),
            Self::TooMany(_) => refuse(Code::TooManyConcurrent).retry_after(60),
            Self::Tampered(_) => {
                tracing::error!(error = %self, "a hold is refused");
                refuse(Code::Internal)
            }
            Self::Unrecorded(_) => {
                tracing::error!(error = %self, "a change of a hold waits to be recorded");
                Refusal::new(Code::LedgerUnavailable, "the change is kept, and nothing is done before it is recorded")
                    .hint("look at the hold again later; the operator's log says more")
                    .retry_after(5)
            }
            Self::Stopping => refuse(Code::Overloaded).retry_after(1),
            Self::Store { .. } => {
                tracing::error!(error = %self, "the store of holds cannot be used");
                Refusal::new(Code::Internal, "the store of holds cannot be used; the operator's log says why")
            }
        }
    }
}
