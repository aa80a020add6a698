//! The resolved form of a statement: what is printed, and nothing else is. Every name in it is a number that the
//! printer turns into an alias of its own, or comes from the catalogue or an allow-list.

mod walk;

use std::borrow::Cow;

use mountgate_core::ColumnType;

use crate::{allow::Extra, view::Rel};

/// A resolved statement.
pub(crate) struct Resolved<'a> {
    pub(crate) query: Query<'a>,
    /// What may be referred to in FROM, by number: alias `t1` is the first.
    pub(crate) items: Vec<Item<'a>>,
    /// The columns of the answer.
    pub(crate) outputs: Vec<Output<'a>>,
    /// The relations touched; [`Source`] counts in them.
    pub(crate) touched: Vec<Rel<'a>>,
    /// Whether a predicate of the agent's could tell of rows that are out of scope, were it to run before the filters.
    pub(crate) leaky: bool,
}

/// A column of a query's result.
#[derive(Clone)]
pub(crate) struct Output<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) ty: Option<ColumnType>,
    /// The relations' columns that it is computed from: (index into the touched relations, column).
    pub(crate) sources: Vec<Source>,
    /// How long its values may be.
    pub(crate) weight: Weight,
}

/// How long a value may be, as far as the agent has a say: bytes of text that it wrote, and values of unknown length
/// (columns of tables, parameters) that are put together. An agent can't make a table's value long; it can double one
/// thirty times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weight {
    pub(crate) bytes: u64,
    pub(crate) values: u64,
}

/// A column of a touched relation.
pub(crate) type Source = (u32, u32);

/// Something in FROM.
pub(crate) struct Item<'a> {
    pub(crate) kind: ItemKind<'a>,
    /// The name by which the statement refers to it.
    pub(crate) alias: Cow<'a, str>,
    /// The schema that may qualify the name, where it has no alias.
    pub(crate) schema: Option<Cow<'a, str>>,
    /// Names given to its first columns by an alias list.
    pub(crate) renames: Vec<Cow<'a, str>>,
}

pub(crate) enum ItemKind<'a> {
    Relation {
        rel: Rel<'a>,
        touched: u32,
        used: Vec<bool>,
        /// Columns that the statement fixes to a value in this reference, where the relation demands it.
        pinned: Vec<(u32, Expr<'a>)>,
    },
    /// A derived table or CTE; `values` where its columns are named by VALUES.
    Derived { columns: Vec<Output<'a>>, values: bool },
    /// A table function; `renamed` where the printer gives the columns their names.
    Function { columns: Vec<Output<'a>>, renamed: bool },
    /// A parenthesised join under an alias: its columns are those of the items inside.
    Joined { columns: Vec<(Cow<'a, str>, Expr<'a>)> },
}

#[derive(Clone, PartialEq)]
pub(crate) struct Query<'a> {
    pub(crate) recursive: bool,
    pub(crate) ctes: Vec<Cte<'a>>,
    pub(crate) body: Body<'a>,
    pub(crate) order: Vec<Order<'a>>,
    pub(crate) limit: Option<Expr<'a>>,
    pub(crate) offset: Option<Expr<'a>>,
    pub(crate) with_ties: bool,
}

#[derive(Clone, PartialEq)]
pub(crate) struct Cte<'a> {
    pub(crate) id: u32,
    pub(crate) width: usize,
    /// `Some(true)`: MATERIALIZED.
    pub(crate) materialized: Option<bool>,
    pub(crate) query: Query<'a>,
}

#[derive(Clone, PartialEq)]
pub(crate) enum Body<'a> {
    Select(Box<Select<'a>>),
    Values(Vec<Vec<Expr<'a>>>),
    Set { op: &'static str, all: bool, left: Box<Body<'a>>, right: Box<Body<'a>> },
    Query(Box<Query<'a>>),
}

#[derive(Clone, PartialEq)]
pub(crate) enum Distinct<'a> {
    No,
    Yes,
    On(Vec<OrderKey<'a>>),
}

#[derive(Clone, PartialEq)]
pub(crate) struct Select<'a> {
    pub(crate) distinct: Distinct<'a>,
    pub(crate) outputs: Vec<Expr<'a>>,
    pub(crate) from: Vec<Term<'a>>,
    pub(crate) filter: Option<Expr<'a>>,
    pub(crate) group: Vec<Group<'a>>,
    pub(crate) having: Option<Expr<'a>>,
    pub(crate) windows: Vec<Window<'a>>,
    /// What every group must have, whatever the statement says.
    pub(crate) guards: Vec<Guard>,
}

/// That a group has enough distinct units of an item whose relation answers with statistics only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Guard {
    pub(crate) item: u32,
    /// A column (item, column) that goes into an aggregate: units count where it is not NULL.
    pub(crate) of: Option<(u32, u32)>,
    pub(crate) least: u32,
}

#[derive(Clone, PartialEq)]
pub(crate) enum Group<'a> {
    Ordinal(usize),
    Expr(Expr<'a>),
    Sets(&'static str, Vec<Vec<Group<'a>>>),
}

/// One member of a FROM list with what is joined to it.
#[derive(Clone, PartialEq)]
pub(crate) struct Term<'a> {
    pub(crate) first: From<'a>,
    pub(crate) joins: Vec<Join<'a>>,
}

#[derive(Clone, PartialEq)]
pub(crate) struct Join<'a> {
    pub(crate) kind: &'static str,
    pub(crate) right: From<'a>,
    pub(crate) on: Option<Expr<'a>>,
}

#[derive(Clone, PartialEq)]
pub(crate) enum From<'a> {
    Relation(u32),
    Cte { item: u32, cte: u32 },
    Derived { item: u32, lateral: bool, query: Box<Query<'a>> },
    Function { item: u32, lateral: bool, name: &'static str, args: Vec<Expr<'a>>, ordinality: bool },
    Nested(Box<Term<'a>>),
}

#[derive(Clone, PartialEq)]
pub(crate) struct Order<'a> {
    pub(crate) key: OrderKey<'a>,
    pub(crate) collation: Option<&'static str>,
    pub(crate) descending: Option<bool>,
    pub(crate) nulls_first: Option<bool>,
}

#[derive(Clone, PartialEq)]
pub(crate) enum OrderKey<'a> {
    Ordinal(usize),
    Expr(Expr<'a>),
}

/// A window: `name` where WINDOW defines it (the printer's `w1` is the first).
#[derive(Clone, PartialEq)]
pub(crate) struct Window<'a> {
    pub(crate) base: Option<usize>,
    pub(crate) partition: Vec<Expr<'a>>,
    pub(crate) order: Vec<Order<'a>>,
    pub(crate) frame: Option<Frame<'a>>,
}

#[derive(Clone, PartialEq)]
pub(crate) struct Frame<'a> {
    pub(crate) units: &'static str,
    pub(crate) start: Bound<'a>,
    pub(crate) end: Option<Bound<'a>>,
}

#[derive(Clone, PartialEq)]
pub(crate) enum Bound<'a> {
    Current,
    Preceding(Option<Expr<'a>>),
    Following(Option<Expr<'a>>),
}

#[derive(Clone, PartialEq)]
pub(crate) enum Over<'a> {
    Named(usize),
    Window(Window<'a>),
}

#[derive(Clone, PartialEq)]
pub(crate) struct Call<'a> {
    /// From the allow-list, or an operator's addition to it.
    pub(crate) name: &'a str,
    /// Of an operator's addition.
    pub(crate) extra: Option<&'a Extra>,
    /// Printed without parentheses (`current_date`).
    pub(crate) bare: bool,
    pub(crate) aggregate: bool,
    pub(crate) distinct: bool,
    pub(crate) star: bool,
    pub(crate) args: Vec<Expr<'a>>,
    pub(crate) order: Vec<Order<'a>>,
    pub(crate) within: Vec<Order<'a>>,
    pub(crate) filter: Option<Expr<'a>>,
    pub(crate) ignore_nulls: Option<bool>,
    pub(crate) over: Option<Over<'a>>,
}

#[derive(Clone, PartialEq)]
pub(crate) enum Subscript<'a> {
    Index(Expr<'a>),
    Slice(Option<Expr<'a>>, Option<Expr<'a>>),
}

#[derive(Clone, PartialEq)]
pub(crate) enum Quantified<'a> {
    Query(Query<'a>),
    Array(Expr<'a>),
}

#[derive(Clone, PartialEq)]
pub(crate) enum Expr<'a> {
    Column {
        item: u32,
        column: u32,
    },
    Parameter(usize),
    Number(&'a str),
    Text(&'a str),
    Blob(&'a str),
    Boolean(bool),
    Null,
    /// `INTERVAL '1' DAY`
    Interval(&'a str, Option<&'static str>),
    /// Left-associative: `a op b op c`.
    Chain {
        op: &'static str,
        items: Vec<Expr<'a>>,
    },
    Prefix {
        op: &'static str,
        expr: Box<Expr<'a>>,
    },
    /// `IS NULL`, `IS NOT TRUE`, …
    Postfix {
        op: &'static str,
        expr: Box<Expr<'a>>,
    },
    In {
        expr: Box<Expr<'a>>,
        list: Vec<Expr<'a>>,
        negated: bool,
    },
    InQuery {
        expr: Box<Expr<'a>>,
        query: Box<Query<'a>>,
        negated: bool,
    },
    Between {
        expr: Box<Expr<'a>>,
        low: Box<Expr<'a>>,
        high: Box<Expr<'a>>,
        negated: bool,
    },
    Like {
        op: &'static str,
        expr: Box<Expr<'a>>,
        pattern: Box<Expr<'a>>,
        escape: Option<Box<Expr<'a>>>,
        negated: bool,
    },
    Any {
        op: &'static str,
        all: bool,
        expr: Box<Expr<'a>>,
        operand: Box<Quantified<'a>>,
    },
    Exists(Box<Query<'a>>),
    Scalar(Box<Query<'a>>),
    ArrayQuery(Box<Query<'a>>),
    Array(Vec<Expr<'a>>),
    Subscript {
        expr: Box<Expr<'a>>,
        subscripts: Vec<Subscript<'a>>,
    },
    Row(Vec<Expr<'a>>),
    Case {
        operand: Option<Box<Expr<'a>>>,
        arms: Vec<(Expr<'a>, Expr<'a>)>,
        otherwise: Option<Box<Expr<'a>>>,
    },
    Cast {
        expr: Box<Expr<'a>>,
        printed: Box<str>,
        ty: ColumnType,
    },
    Call(Box<Call<'a>>),
    Collate {
        expr: Box<Expr<'a>>,
        collation: &'static str,
    },
    Extract {
        field: &'static str,
        expr: Box<Expr<'a>>,
    },
    AtTimeZone {
        expr: Box<Expr<'a>>,
        zone: Box<Expr<'a>>,
    },
}
