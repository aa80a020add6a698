//! The second wall (invariant 4): a mount's ceiling, enforced by the store itself.
//!
//! What is made here is made from the [`Ceiling`](mountgate_core::Ceiling) alone. It shares no code with `sql`, which
//! rewrites statements: a mistake there must not be one here.

pub mod postgres;
pub mod sqlite;
