//! Why something asked of a hold is refused.

use std::path::PathBuf;

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
