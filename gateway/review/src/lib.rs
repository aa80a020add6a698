//! What agents really use, learned from the ledger.
//!
//! [`Usage::read`] goes through the ledger once, in bounded memory, and counts for each agent of each mount what its
//! requests touched, how, how often and since when. [`Suggestion::of`] turns that into the least that the same work
//! needs; every part of it carries its evidence. [`review()`] holds
//! what mounts show against what was used of them. What a ledger can't show (values, statements) is never guessed: it is
//! among what the suggestion is unsure of.
//!
//! This crate deliberately knows no files of configuration: how a suggestion is written down is the binary's matter.

mod memo;
mod nice;
mod peaks;
mod record;
mod seen;
mod stale;
mod suggest;
mod usage;

pub use seen::Seen;
pub use stale::{AgentReview, MountReview, Reviewed, Task, Unused, Watch, review};
pub use suggest::{ColumnSuggestion, LimitSuggestion, Options, Predicted, Suggestion, TableSuggestion};
pub use usage::{ColumnUse, Equality, Progress, RefusedUse, Sizes, TableUse, TaskUse, Usage};
