//! The contract's versions, a module each, side by side.

pub(crate) mod v0_1;
pub(crate) mod v0_2;
