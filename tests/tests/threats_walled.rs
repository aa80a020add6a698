//! The threats again, with PostgreSQL's own wall behind the rewriter: everything is answered, and refused, as without it.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

/// Whether PostgreSQL's own wall stands behind the rewriter.
const WALLED: bool = true;

#[path = "threats/attacks.rs"]
mod attacks;
#[path = "threats/bombs.rs"]
mod bombs;
#[path = "threats/early.rs"]
mod early;
#[path = "threats/functions.rs"]
mod functions;
#[path = "threats/lent.rs"]
mod lent;
#[path = "threats/masks.rs"]
mod masks;
#[path = "threats/policies.rs"]
mod policies;
#[path = "threats/world.rs"]
mod world;
