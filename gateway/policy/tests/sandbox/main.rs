//! What the sandbox holds against: components written to do harm, each refused or stopped.

mod admission;
mod cache;
mod fixtures;
mod running;
mod verdicts;
mod wasi;
