//! Writes that wait for people: holds, approvals, execution, undo.
//!
//! An approved write is exactly the one shown, executed at most once, never approved by its requester. What holds that:
//!
//! - **Shown is approved.** [`Shown`] is made from the bytes that are kept, encrypted, and its digest is of those bytes.
//!   An approval names the digest, and what is executed is read from the same bytes.
//! - **Each step once.** [`Approvals`] keeps one SQLite file. A change of a hold's state is one transaction that looks
//!   at the state and changes it, so that of two people, or two gateways on one file, one takes the step.
//! - **One story.** The transaction also writes the change down, as not recorded yet. It is recorded in the ledger, and
//!   only then is anything done upon it. A gateway that is killed in between records it when it starts again, at most
//!   once too often, word for word.
//! - **At most once, and exactly once where the backend has a place for a marker.** The write's own transaction puts the
//!   hold's id where it can be there only once. After a crash the marker says what happened; where there is no place for
//!   one, the hold is `unknown` and people are shown that.
//! - **Roles.** Approvals are counted when the write is taken up: each by a person who is there and has the role then,
//!   for this mount, is not who asked, and has approved these bytes. Each is sealed with a key that the file does not
//!   hold, so that a row written into the file is no approval.
//!
//! What a hold keeps of a write is encrypted with XChaCha20-Poly1305. Its header (whose, which mount, how many approvals,
//! until when) is the associated data, so that neither can be changed or moved to another hold.
//!
//! This crate knows no HTTP of requests, no SQL but its own file's, and no policies: [`Middle`] is what it needs of the gateway.

mod approvals;
mod approve;
mod error;
mod execute;
mod fault;
mod hold;
mod middle;
mod owner;
mod revert;
mod seal;
mod show;
mod store;
mod tend;
mod webhook;

pub use approvals::{Approvals, ApprovalsConfig, Counts};
pub use error::ApprovalError;
pub use hold::{Header, HeldWrite, HoldId, NewHold, Preview, Requester, State, WriteStatus};
pub use middle::{Change, Executed, Middle, Previewed, Run, Way};
pub use show::{Listed, Shown, ShownRow, shown_value};
pub use webhook::{Webhook, WebhookAddress, verify_signature};

#[cfg(test)]
mod tests;
