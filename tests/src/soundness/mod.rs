//! The proof: generated worlds and statements, and what must hold of every one of them.
//!
//! - **O1**: the answer through the gateway is the statement's own on a database that holds the scoped, masked copies.
//! - **O2**: two databases that differ in hidden data only cannot be told apart; no canary comes out.
//! - **O3**: a permissive mount answers as a direct connection does, or refuses.
//!
//! The copies are made by [`oracle`], which shares nothing with the rewriter.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a harness: where it is wrong it must stop"
)]

pub mod engine;
pub mod grammar;
pub mod judge;
pub mod mutate;
pub mod oracle;
pub mod probes;
pub mod report;
pub mod rng;
pub mod rules;
pub mod run;
pub mod schema;
pub mod tree;
pub mod world;
