//! The way of a request: identity ─▶ gate ─▶ parse ─▶ resolve ─▶ decide ─▶ enforce ─▶ limits ─▶ ledger ─▶ backend.
//!
//! Every door goes through here, and here only. This crate knows every type on the way and no protocol: no HTTP, no
//! JSON of requests, no TOML.

pub mod api;
mod decide;
mod describe;
mod gateway;
mod generation;
mod health;
mod inspect;
mod known;
mod metrics;
mod mount;
mod quarantine;
pub mod reload;
pub mod replay;
mod restore;
mod shadow;
mod signatures;
mod write;

pub use api::*;
pub use gateway::{Entered, Gateway, Parts};
pub use generation::Generation;
pub use health::Health;
pub use inspect::Inspection;
pub use mount::{Assigned, Mount, MountSpec};
pub use quarantine::{SetApart, Subject, read_quarantine};
pub use shadow::Shadow;
pub use signatures::{SignatureFailure, Signatures};
pub use write::{
    Begun, Entry, Executed, Held, HeldWrite, HoldId, HoldStatus, Holds, Journal, NewHold, Previewed, SharedHolds,
    SharedJournal, Write, WriteReply, Written,
};
