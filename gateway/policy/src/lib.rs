//! The Wasm host: admits policies' components, compiles them off the request's path, and asks them for verdicts.
//!
//! A policy is taken for an attacker. It gets no import but WASI interfaces answered emptily and the same each time,
//! a bounded memory, stack, time and answer, and a fresh instance for each decision (or, where the operator asks for it,
//! one for each caller), so that nothing that one caller's request left behind can reach another's. Whatever goes wrong is a [`PolicyError`], and that is a deny.
//!
//! This crate deliberately knows no SQL, no protocol and no store, and does not judge whether a verdict stays within
//! the ceiling: `core`'s `Scope::narrow` does.

mod admission;
mod background;
mod bindings;
pub mod bundled;
mod compiled;
mod compiler;
pub mod config;
mod contract;
mod convert;
pub mod error;
mod fuzz;
mod host;
mod imports;
mod instances;
mod plugin;
mod policy;
mod rehearse;
mod state;
mod ticker;
mod warm;
mod wasi;
mod watch;

pub use background::in_background;
pub use config::{DiskCache, HostConfig, PluginLimits};
pub use contract::Contract;
pub use error::{AdmissionError, PolicyError};
#[doc(hidden)]
pub use fuzz::fuzz_verdict;
pub use host::Host;
pub use imports::imports;
pub use plugin::{Inputs, Manifest, Plugin};
#[doc(hidden)]
pub use policy::Warm;
pub use policy::{Decision, Policy};
pub use rehearse::Rehearsal;
pub use warm::Isolation;
