//! Parse, resolve and enforce SQL; no I/O.
//!
//! An agent's text becomes a [`Statement`] (parsed once). [`Statement::touch`] resolves it against a mount's ceiling
//! and says what it touches; [`Statement::enforce`] resolves it again against the scope that the policy left and
//! prints a [`Plan`]; [`Plan::authorize`] binds parameters and claims and is the only way to an [`Authorized`].
//!
//! The text that a store receives is never the agent's. The syntax tree is lowered, construct by construct, into a
//! small typed form of our own (`ir`), with every name resolved by scope rules of our own (`resolve`), and only that
//! form is printed (`print`): every relation under a fresh alias, every column qualified by it, every identifier
//! quoted. What the lowering does not know is refused by name and place.
//!
//! This crate deliberately knows no backend, no protocol and no policy.

pub mod allow;
mod authorize;
mod demand;
mod dialect;
pub mod filter;
#[doc(hidden)]
pub mod fuzz;
mod hints;
mod ir;
mod leak;
mod plan;
mod print;
pub mod read;
mod refuse;
mod resolve;
mod statement;
mod tokens;
mod view;
mod write;

pub use authorize::{Authorized, MaskKeys, Read};
pub use demand::sought::Sought;
pub use dialect::Dialect;
pub use plan::{Bind, KeyPart, OutputColumn, Plan};
pub use read::ReadRequest;
pub use statement::Statement;
pub use write::{Assigned, BoundWrite, Lookup, ParentLookup, WritePlan, WriteStatement};

/// Runs what recurses with a statement's nesting, on a stack that is large enough: an agent's text must not overflow
/// a worker's.
fn deep<T>(run: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(256 * 1024, 1024 * 1024, run)
}

/// Sizes beyond which a statement is refused, each with its reason.
pub mod bounds {
    /// Bytes of a statement. The longest TPC-H query has 2 KiB; a statement that carries data should bind it.
    pub const TEXT: usize = 64 * 1024;
    /// Tokens of a statement: bounds the work of every later stage, and the depth of left-leaning trees
    /// (`a + a + …`), which the parser builds without recursion but which are dropped with it.
    pub const TOKENS: usize = 8 * 1024;
    /// Nesting that the parser may enter; its own default.
    pub const PARSER_DEPTH: usize = 50;
    /// Nesting of expressions and queries that the resolver may enter.
    pub const DEPTH: usize = 96;
    /// References to relations, derived tables and functions in one statement. SQLite joins at most 64.
    pub const RELATIONS: usize = 60;
    /// Set operations in one statement. SQLite takes at most 500 terms.
    pub const SET_OPERATIONS: usize = 64;
    /// Nodes of the resolved form: an alias that stands for a large expression may be used many times.
    pub const NODES: usize = 32 * 1024;
    /// Columns of one select list, wildcards expanded; PostgreSQL takes 1664.
    pub const COLUMNS: usize = 1000;
    /// Bytes that `repeat`, `lpad` and `rpad` may be asked to make, all of a statement's together, in PostgreSQL: it
    /// builds a row whole, each value up to 1 GiB, and what its memory can't hold takes all of its sessions down.
    pub const MADE: u64 = 10_000_000;
    /// The highest parameter number. SQLite takes 32766, PostgreSQL 65535; the gateway's own come after.
    pub const PARAMETERS: usize = 1000;
}

#[cfg(test)]
mod tests;
