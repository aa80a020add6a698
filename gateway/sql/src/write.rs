//! Writes: one INSERT, UPDATE or DELETE on one relation.
//!
//! A write is not rewritten into another write. What the agent wrote becomes queries of the kind that agents' reads are
//! (resolved against the scope, masked, filtered, fenced): which rows, by their keys, and what their new values are.
//! What is then done to the store is told as keys and values ([`WritePlan`]), and the store's driver makes the statement
//! for each row from those alone, with everything bound. So whatever holds for reads holds for the part of a write that
//! an agent has a say in.

mod bound;
mod parse;
mod plan;
mod touch;

use std::sync::Arc;

use mountgate_core::{Ceiling, Code, ColumnName, Refusal, RelationName, Scope, Touch, Verb, WriteCeiling};
use sqlparser::{ast, tokenizer::Span};

use self::parse::Parsed;
use crate::{
    Dialect,
    allow::Extra,
    refuse, tokens,
    view::{Rel, View},
};

pub use bound::{Assigned, BoundWrite, Lookup, ParentLookup};
pub use plan::WritePlan;

/// A write in the mount's dialect, parsed once. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WriteStatement {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dialect: Dialect,
    text: Box<str>,
    parsed: Parsed,
    parameters: usize,
    extras: Arc<[Extra]>,
}

/// What a write is about, under a ceiling or a scope.
struct Target<'a> {
    rel: Rel<'a>,
    /// The columns assigned, in the statement's order.
    columns: Vec<&'a ColumnName>,
    write: &'a WriteCeiling,
}

impl WriteStatement {
    /// Parses the text as one INSERT, UPDATE or DELETE. `extras` are functions that an operator's configuration adds.
    ///
    /// # Errors
    /// As [`crate::Statement::parse`]; `unsupported`, by name, for what a write here can't have.
    pub fn parse(dialect: Dialect, text: &str, extras: &Arc<[Extra]>) -> Result<Self, Refusal> {
        let lexed = tokens::lex(dialect, text)?;
        let parameters = lexed.parameters;
        let parsed = parse::parse(dialect, text, lexed)?;
        let inner = Inner { dialect, text: text.into(), parsed, parameters, extras: Arc::clone(extras) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The text, as it was sent.
    pub fn text(&self) -> &str {
        &self.inner.text
    }

    /// What it does.
    pub fn verb(&self) -> Verb {
        self.inner.parsed.verb
    }

    /// What it touches, all names taken from the ceiling: what it reads as a read would, what it assigns, and the
    /// parents of the foreign keys that it assigns.
    ///
    /// # Errors
    /// As [`crate::Statement::touch`]; `write_not_allowed` where the ceiling does not let it through.
    pub fn touch(&self, ceiling: &Ceiling) -> Result<Touch, Refusal> {
        touch::touch(&self.inner, ceiling)
    }

    /// The write as it is to be carried out within the scope.
    ///
    /// # Errors
    /// As [`crate::Statement::enforce`]; `write_not_allowed` where the scope lacks what a write needs.
    pub fn enforce(&self, ceiling: &Ceiling, scope: &Scope) -> Result<WritePlan, Refusal> {
        plan::plan(&self.inner, ceiling, scope)
    }
}

impl Inner {
    /// The relation and the columns assigned, and that the ceiling lets them be written.
    fn target<'a>(&'a self, ceiling: &'a Ceiling, view: View<'a>) -> Result<Target<'a>, Refusal> {
        let Parsed { verb, target, columns, .. } = &self.parsed;
        let names: Vec<String> = target.iter().map(|ident| self.folded(ident)).collect();
        let span = target.first().map_or(Span::empty(), |ident| ident.span);
        let shown = || target.iter().map(|ident| ident.value.as_str()).collect::<Vec<_>>().join(".");
        let found = match names.as_slice() {
            [name] => view.find(self.dialect, None, name),
            [schema, name] => view.find(self.dialect, Some(schema), name),
            _ => None,
        };
        let rel = found.ok_or_else(|| refuse::relation(&shown(), span))?;
        let write = ceiling.relation(rel.name()).and_then(|relation| relation.write.as_ref());
        let Some(write) = write.filter(|write| write.lets(*verb)) else {
            return Err(not_allowed(format!("this mount lets nobody {} `{}`", doing(*verb), rel.name())));
        };
        let mut assigned: Vec<&'a ColumnName> = Vec::with_capacity(columns.len());
        for ident in columns {
            let folded = self.folded(ident);
            let at = rel.find(self.dialect, &folded);
            let Some((name, _, _)) = at.and_then(|at| rel.column(at)) else {
                return Err(refuse::column(&ident.value, ident.span));
            };
            if !write.columns(*verb).contains(name) {
                return Err(not_allowed(format!(
                    "this mount lets nobody {} the column `{name}` of `{}`",
                    if *verb == Verb::Insert { "insert into" } else { "update" },
                    rel.name()
                )));
            }
            if assigned.contains(&name) {
                return Err(refuse::ambiguous(&ident.value, ident.span));
            }
            assigned.push(name);
        }
        for parent in &write.parents {
            let given = parent.columns.iter().filter(|column| assigned.contains(column)).count();
            if given > 0 && given < parent.columns.len() {
                let columns: Vec<String> = parent.columns.iter().map(|column| format!("`{column}`")).collect();
                return Err(not_allowed(format!(
                    "{} of `{}` refer to one row of `{}` together, and the statement assigns some of them only",
                    columns.join(", "),
                    rel.name(),
                    parent.relation
                ))
                .hint("assign all of them"));
            }
        }
        Ok(Target { rel, columns: assigned, write })
    }

    /// The identifier under the dialect's case rule.
    fn folded(&self, ident: &ast::Ident) -> String {
        match (self.dialect, ident.quote_style) {
            (Dialect::Postgres, None) => ident.value.to_ascii_lowercase(),
            _ => ident.value.clone(),
        }
    }
}

fn not_allowed(why: String) -> Refusal {
    Refusal::new(Code::WriteNotAllowed, why)
        .hint("`GET /v1/mounts/{name}` says what may be written; ask the mount's owner for more")
}

fn doing(verb: Verb) -> &'static str {
    match verb {
        Verb::Read => "read",
        Verb::Insert => "insert into",
        Verb::Update => "update",
        Verb::Delete => "delete from",
    }
}

/// The name as a quoted identifier within a text of the gateway's own.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A look-up of rows by columns of a relation, as a text of the gateway's own: one parameter for each column.
fn lookup_text(dialect: Dialect, rel: Rel<'_>, columns: &[ColumnName]) -> String {
    let info = rel.store();
    let list: Vec<String> = columns.iter().map(|column| quoted(column.as_str())).collect();
    let mark = |at: usize| match dialect {
        Dialect::Sqlite => format!("?{}", at + 1),
        Dialect::Postgres => format!("${}", at + 1),
    };
    let pairs: Vec<String> = list.iter().enumerate().map(|(at, column)| format!("{column} = {}", mark(at))).collect();
    format!(
        "SELECT {} FROM {}.{} WHERE {}",
        list.join(", "),
        quoted(&info.schema),
        quoted(&info.name),
        pairs.join(" AND ")
    )
}

/// The relation's name in the mount.
type Name = RelationName;

#[cfg(test)]
mod tests;
