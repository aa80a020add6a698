//! THREATS.md, the lines about reads, each under its own name, on both engines: from the agent's text to its rows,
//! through a whole gateway. Every statement is asked of two stores that differ in nothing but what is out of scope
//! (hidden rows, hidden columns, what lies under the masks): the two answers, or refusals, must be one.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

/// Whether PostgreSQL's own wall stands behind the rewriter: `threats_walled` asks all of it again with the wall.
const WALLED: bool = false;

#[path = "threats/attacks.rs"]
mod attacks;
#[path = "threats/bombs.rs"]
mod bombs;
#[path = "threats/early.rs"]
mod early;
#[path = "threats/functions.rs"]
mod functions;
#[path = "threats/groups.rs"]
mod groups;
#[path = "threats/keys.rs"]
mod keys;
#[path = "threats/lent.rs"]
mod lent;
#[path = "threats/masks.rs"]
mod masks;
#[path = "threats/paths.rs"]
mod paths;
#[path = "threats/policies.rs"]
mod policies;
#[path = "threats/world.rs"]
mod world;
