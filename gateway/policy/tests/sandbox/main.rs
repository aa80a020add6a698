//! What the sandbox holds against: components written to do harm, each refused or stopped.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod admission;
mod cache;
mod fixtures;
mod hostile;
mod running;
mod verdicts;
mod warm;
mod wasi;
