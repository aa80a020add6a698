//! The gateway: configuration, composition, and the command line over them.
//!
//! Here the crates are put together and nothing is decided: who may see what is configuration's, the policies' and
//! `mediate`'s business. Only this crate knows TOML, environment variables, signals and the command line.

pub mod claims;
pub mod cli;
pub mod compose;
pub mod config;
pub mod demo;
pub mod explain;
mod http;
pub mod init;
mod journal;
pub mod keys;
pub mod log;
pub mod narrow;
pub mod plugin;
mod recorded;
pub mod replay;
pub mod serve;
pub mod shadow;
pub mod state;

#[cfg(test)]
mod shop;
