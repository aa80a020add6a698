//! The append-only, hash-chained record of every decision, refusal, completion and administrative act.
//!
//! Nothing leaves unrecorded: [`Ledger::record`] is the only constructor of [`Recorded`], the only thing that a
//! backend accepts, and it returns after the decision is safe from the process being killed (the `write(2)` has
//! returned; with [`Durability::Disk`] `fdatasync(2)` too). A [`Completion`] follows with rows and bytes; one that is
//! missing reads as interrupted, at the decision's caps.
//!
//! # On disk
//! A folder of segments, `ledger-<first seq, 20 digits>.jsonl`, one record a line:
//! `{"seq":7,"prev":"<64 hex>","hash":"<64 hex>","record":{…}}`, where `hash` is SHA-256 over the 32 bytes of `prev`,
//! `seq` as 8 big-endian bytes, and the record's bytes exactly as they stand. Each segment begins with an `anchor`
//! record that says from which record on the ledger is kept, and the hash before it, so that old segments can be
//! dropped and a dropped segment is told from a stolen one.
//!
//! The chain has no key: whoever can write the folder can rewrite it from any point on. A signed [`Checkpoint`] kept
//! elsewhere is what shows a cut tail or a whole rewrite ([`verify()`]).
//!
//! # What it deliberately does not know
//! SQL, HTTP and policies. Values of a statement (parameters, literals of predicates) are never written: keyed digests
//! stand for them, equal for equal values within one ledger. Of the statement itself there is a keyed digest, and the
//! text only where the configuration asks for it.

mod bodies;
mod checkpoint;
mod commit;
mod completion;
mod config;
mod digests;
mod error;
mod ledger;
mod line;
mod read;
mod record;
mod segment;
mod spelt;
mod verify;
mod writer;

pub use checkpoint::{Checkpoint, CheckpointError, PublicKey};
pub use completion::{Completion, Outcome, Recorded, Status};
pub use config::{Durability, LedgerConfig};
pub use error::LedgerError;
pub use ledger::{Health, Ledger};
pub use read::{Entry, Export, Follow, Selection, export, tail};
pub use record::{
    AdminRecord, AppliedMask, CapsRecord, DecisionId, DecisionRecord, HoldRecord, RefusalRecord, ShadowRecord,
    applied_masks,
};
pub use verify::{Break, CheckpointState, Interrupted, Report, verify};

#[cfg(test)]
mod tests;
