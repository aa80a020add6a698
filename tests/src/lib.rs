//! End-to-end suites and benches.

pub mod floor;
pub mod gateway;
pub mod load;
pub mod tpch;

/// This crate's folder, in which `corpus/` is.
pub fn root() -> &'static str {
    env!("CARGO_MANIFEST_DIR")
}
