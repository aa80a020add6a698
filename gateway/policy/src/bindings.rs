//! The contract's versions, a module each, side by side.

#[expect(clippy::allow_attributes_without_reason, reason = "generated from wit/policy.wit")]
pub(crate) mod v0_1;
