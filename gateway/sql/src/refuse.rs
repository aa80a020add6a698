//! How this crate refuses: one function per kind, so that texts keep one shape.

use std::fmt::Write as _;

use mountgate_core::{Code, Refusal};
use sqlparser::tokenizer::Span;

fn place(span: Span) -> String {
    let mut text = String::new();
    // Line 0 stands for a span that the parser did not keep.
    if span.start.line > 0 {
        let _ = write!(text, " (line {}, column {})", span.start.line, span.start.column);
    }
    text
}

/// A construct that is not on the list.
pub(crate) fn unsupported(what: impl AsRef<str>, span: Span) -> Refusal {
    Refusal::new(Code::Unsupported, format!("{} is not supported here{}", what.as_ref(), place(span)))
        .hint("ask with plain SELECT syntax: joins, subqueries, CTEs, set operations, window functions and the functions listed in the documentation")
}

/// A column that is not in scope. Says the same whether the store has it or not.
pub(crate) fn column(name: &str, span: Span) -> Refusal {
    Refusal::new(Code::NotInScope, format!("no column `{name}` in scope here{}", place(span)))
        .hint("`GET /v1/mounts/{name}` (MCP: `describe_table`) lists the columns of each table in scope")
}

/// A relation that is not in scope. Says the same whether the store has it or not.
pub(crate) fn relation(name: &str, span: Span) -> Refusal {
    Refusal::new(Code::NotInScope, format!("no table `{name}` in scope here{}", place(span)))
        .hint("`GET /v1/mounts/{name}` (MCP: `list_tables`) lists the tables in scope")
}

/// A name that could mean two things.
pub(crate) fn ambiguous(name: &str, span: Span) -> Refusal {
    Refusal::new(Code::Ambiguous, format!("`{name}` could mean more than one thing here{}", place(span)))
        .hint("qualify it with the alias of its table, or give each table an alias of its own")
}

/// Parts that do not fit each other.
pub(crate) fn mismatch(what: impl Into<String>, span: Span) -> Refusal {
    Refusal::new(Code::TypeMismatch, format!("{}{}", what.into(), place(span)))
}

/// More of something than is allowed.
pub(crate) fn too_much(what: &str, bound: usize) -> Refusal {
    Refusal::new(Code::ResourceLimit, format!("the statement has more {what} than the {bound} that are allowed"))
        .hint("split it into smaller statements")
}

/// Not one write of the dialect.
pub(crate) fn not_a_write(why: impl Into<String>) -> Refusal {
    Refusal::new(Code::Unparseable, why).hint("send exactly one INSERT, UPDATE or DELETE in the mount's dialect")
}

/// Not one statement of the dialect.
pub(crate) fn unparseable(why: impl Into<String>) -> Refusal {
    Refusal::new(Code::Unparseable, why).hint("send exactly one SELECT statement in the mount's dialect")
}
