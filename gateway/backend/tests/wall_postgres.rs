//! PostgreSQL's wall with the rewriter down: what an agent's own text gets, sent as it is on the mount's sessions, and
//! what anyone gets who can log in as the mount's role. THREATS.md, "The second wall, with the first one down".

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "wall_postgres/attacks.rs"]
mod attacks;
#[path = "wall_postgres/drift.rs"]
mod drift;
#[path = "wall_postgres/plans.rs"]
mod plans;
#[path = "wall_postgres/rows.rs"]
mod rows;
#[path = "wall_postgres/seals.rs"]
mod seals;
#[path = "wall_postgres/world.rs"]
mod world;
