//! Names to numbers: scope rules of our own, over the syntax tree, against a ceiling or a scope.
//!
//! Every match on the syntax tree is exhaustive and every struct of it is taken apart whole, so that a new construct
//! in a new parser breaks the build here instead of passing through.

mod call;
pub(crate) mod cost;
mod depend;
mod early;
mod expr;
mod from;
mod lookup;
mod naming;
mod order;
mod query;
mod set;
mod types;
mod uses;
mod weight;

use std::borrow::Cow;

use mountgate_core::{ColumnType, Predicate, Refusal, Touch, Use, Uses, Verb};
use sqlparser::{
    ast,
    tokenizer::{Span, TokenWithSpan},
};

use crate::{
    Dialect, allow, bounds,
    ir::{Expr, Item, Output, Resolved, Source},
    refuse,
    view::{Rel, View},
};

pub(crate) use query::strip;

type Outcome<T> = Result<T, Refusal>;

/// Resolves a query. The touch is gathered where `gather` is set.
pub(crate) fn resolve<'a>(
    dialect: Dialect,
    view: View<'a>,
    text: &'a str,
    query: &'a ast::Query,
    extras: &'a [allow::Extra],
    gather: bool,
) -> Outcome<(Resolved<'a>, Touch)> {
    let mut resolver = Resolver {
        dialect,
        view,
        text,
        extras,
        items: Vec::new(),
        levels: Vec::new(),
        ctes: Vec::new(),
        cte_count: 0,
        touched: Vec::new(),
        predicates: Vec::new(),
        trace: Vec::new(),
        current: Use::Projected,
        in_aggregate: false,
        depth: 0,
        nodes: 0,
        set_operations: 0,
        made: 0,
        watches: Vec::new(),
        left: None,
        leaky: false,
        gather,
        tokens: None,
    };
    let (query, outputs) = resolver.query(query, Place::Top)?;
    let touch =
        if gather { resolver.touch() } else { Touch { verb: Verb::Read, relations: vec![], predicates: vec![] } };
    let Resolver { items, leaky, touched, .. } = resolver;
    let touched = touched.iter().map(|touched| touched.rel).collect();
    Ok((Resolved { query, items, outputs, touched, leaky }, touch))
}

/// Where a query body stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is the statement, or a branch of its set operation: its select list is computed last.
    Top,
    /// It is inside another: its select list may be inlined and pushed below a filter.
    Inner,
}

struct Resolver<'a> {
    dialect: Dialect,
    view: View<'a>,
    text: &'a str,
    /// Functions that the operator added.
    extras: &'a [allow::Extra],
    items: Vec<Item<'a>>,
    /// Query levels, the innermost last.
    levels: Vec<Level<'a>>,
    /// CTEs in scope, the innermost last.
    ctes: Vec<CteEntry<'a>>,
    cte_count: u32,
    touched: Vec<Touched<'a>>,
    predicates: Vec<Predicate>,
    /// Columns seen since the start; a select item's own are those after its mark.
    trace: Vec<Source>,
    /// How a column that is met now is used.
    current: Use,
    in_aggregate: bool,
    depth: usize,
    nodes: usize,
    set_operations: usize,
    /// Bytes that `repeat` and its like are asked to make.
    made: u64,
    /// The aggregates whose arguments are being resolved, the innermost last.
    watches: Vec<Watch>,
    /// The level of the SELECT that was left last: PostgreSQL's LIMIT looks names up in it.
    left: Option<Level<'a>>,
    leaky: bool,
    gather: bool,
    tokens: Option<Vec<TokenWithSpan>>,
}

/// Which levels' columns an aggregate's arguments name.
struct Watch {
    /// The level that it stands in.
    level: usize,
    /// The innermost level, that one or one around it, of which a column was named.
    innermost: Option<usize>,
}

struct Touched<'a> {
    rel: Rel<'a>,
    uses: Vec<Uses>,
    references: u32,
}

/// One query level: what its FROM shows, and what else may be named in it.
#[derive(Default)]
struct Level<'a> {
    parts: Vec<Namespace<'a>>,
    /// Output names that expressions may use (SQLite), with what they stand for.
    aliases: Vec<(Cow<'a, str>, Expr<'a>)>,
    windows: Vec<Cow<'a, str>>,
    /// The select items as written, each with its place among the outputs.
    written: Vec<(&'a ast::Expr, usize)>,
    /// Not to be seen now: the siblings of a derived table that is not LATERAL.
    hidden: bool,
    /// Its LIMIT is being resolved: what is found in it is refused as what is found nowhere.
    limiting: bool,
    /// While its FROM is being resolved (SQLite): names that were looked for in it, and found further out. SQLite looks
    /// for them in the whole FROM, also in what comes later.
    outward: Option<Vec<&'a [ast::Ident]>>,
}

/// What one member of FROM, or a join, shows.
#[derive(Clone, Default)]
struct Namespace<'a> {
    items: Vec<u32>,
    /// The unqualified columns in order, where USING or NATURAL merged some.
    merged: Option<Vec<(Cow<'a, str>, Expr<'a>)>>,
}

struct CteEntry<'a> {
    name: Cow<'a, str>,
    state: CteState<'a>,
}

enum CteState<'a> {
    /// Its own first part is being resolved, or (SQLite, WITH RECURSIVE) it comes later: naming it is refused.
    Pending,
    Ready {
        id: u32,
        columns: Vec<Output<'a>>,
    },
}

impl<'a> Resolver<'a> {
    /// Enters a level of nesting.
    fn enter(&mut self) -> Outcome<()> {
        self.depth += 1;
        self.node()?;
        if self.depth > bounds::DEPTH {
            return Err(refuse::too_much("levels of nesting", bounds::DEPTH));
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn node(&mut self) -> Outcome<()> {
        self.nodes += 1;
        if self.nodes > bounds::NODES {
            return Err(refuse::too_much("expressions", bounds::NODES));
        }
        Ok(())
    }

    /// The identifier under the dialect's case rule.
    fn name(&self, ident: &'a ast::Ident) -> Cow<'a, str> {
        let ast::Ident { value, quote_style, span: _ } = ident;
        if self.dialect == Dialect::Postgres
            && quote_style.is_none()
            && value.bytes().any(|byte| byte.is_ascii_uppercase())
        {
            Cow::Owned(value.to_ascii_lowercase())
        } else {
            Cow::Borrowed(value)
        }
    }

    /// The parts of an object name, plain identifiers all.
    fn parts(&self, name: &'a ast::ObjectName) -> Outcome<Vec<&'a ast::Ident>> {
        let ast::ObjectName(parts) = name;
        parts
            .iter()
            .map(|part| match part {
                ast::ObjectNamePart::Identifier(ident) => Ok(ident),
                ast::ObjectNamePart::Function(function) => {
                    let ast::ObjectNamePartFunction { name, args: _ } = function;
                    Err(refuse::unsupported(format!("the computed name `{}`", name.value), name.span))
                }
            })
            .collect()
    }

    fn with_use<T>(&mut self, current: Use, run: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        let before = std::mem::replace(&mut self.current, current);
        let outcome = run(self);
        self.current = before;
        outcome
    }

    fn level(&mut self) -> Outcome<&mut Level<'a>> {
        self.levels.last_mut().ok_or_else(|| refuse::unsupported("an expression outside of a query", Span::empty()))
    }

    /// The name and type of an item's column.
    fn item_column(&self, item: u32, column: u32) -> Option<(&str, Option<ColumnType>)> {
        let item = self.items.get(item as usize)?;
        item_column(item, column as usize)
    }
}

/// The name and type of a column of the item: the agent's name for it, where an alias list renames it.
fn item_column<'s>(item: &'s Item<'_>, column: usize) -> Option<(&'s str, Option<ColumnType>)> {
    use crate::ir::ItemKind;
    let (name, ty) = match &item.kind {
        ItemKind::Relation { rel, .. } => rel.column(column).map(|(name, ty, _)| (name.as_str(), Some(ty.clone())))?,
        ItemKind::Derived { columns, .. } | ItemKind::Function { columns, .. } => {
            columns.get(column).map(|output| (output.name.as_ref(), output.ty.clone()))?
        }
        ItemKind::Joined { columns } => columns.get(column).map(|(name, _)| (name.as_ref(), None))?,
    };
    Some((item.renames.get(column).map_or(name, |rename| rename.as_ref()), ty))
}

/// How many columns the item has.
fn item_width(item: &Item<'_>) -> usize {
    use crate::ir::ItemKind;
    match &item.kind {
        ItemKind::Relation { rel, .. } => rel.width(),
        ItemKind::Derived { columns, .. } | ItemKind::Function { columns, .. } => columns.len(),
        ItemKind::Joined { columns } => columns.len(),
    }
}
