//! Repositories of an attacker's: each is made of real files, offered to a real store, and must change nothing.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod files;
mod fixtures;
mod good;
mod metadata;
mod network;
