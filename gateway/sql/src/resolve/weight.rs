//! How long a value may be that the agent has put together: what bounds calls whose time grows with it.

use super::Resolver;
use crate::{
    allow,
    ir::{Body, Call, Expr, ItemKind, Query, Weight},
};

/// Values of unknown length that may be put together in what is looked for.
const VALUES: u64 = 64;

impl Weight {
    const NOTHING: Self = Self { bytes: 0, values: 0 };
    const ONE: Self = Self { bytes: 0, values: 1 };
    /// As long as the agent likes.
    pub(crate) const UNBOUNDED: Self = Self { bytes: u64::MAX, values: u64::MAX };

    /// Whether so many bytes of the agent's text, and a few values, are all there is in it.
    pub(crate) fn is_within(self, bytes: u64) -> bool {
        self.bytes <= bytes && self.values <= VALUES
    }

    /// The longer of the two.
    pub(crate) fn max(self, other: Self) -> Self {
        Self { bytes: self.bytes.max(other.bytes), values: self.values.max(other.values) }
    }

    fn and(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), values: self.values.saturating_add(other.values) }
    }

    fn times(self, factor: u64) -> Self {
        Self { bytes: self.bytes.saturating_mul(factor), values: self.values.saturating_mul(factor) }
    }
}

impl<'a> Resolver<'a> {
    /// How long the expression's value may be.
    pub(super) fn weight(&self, expr: &Expr<'a>) -> Weight {
        match expr {
            Expr::Column { item, column } => match self.items.get(*item as usize).map(|item| &item.kind) {
                Some(ItemKind::Relation { .. }) => Weight::ONE,
                Some(ItemKind::Derived { columns, .. } | ItemKind::Function { columns, .. }) => {
                    columns.get(*column as usize).map_or(Weight::UNBOUNDED, |output| output.weight)
                }
                // INVARIANT: references to a joined item are to the items inside it.
                Some(ItemKind::Joined { .. }) | None => Weight::UNBOUNDED,
            },
            Expr::Parameter(_) => Weight::ONE,
            Expr::Text(text) | Expr::Blob(text) | Expr::Interval(text, _) => {
                Weight { bytes: text.len() as u64, values: 0 }
            }
            Expr::Number(digits) => Weight { bytes: digits.len() as u64, values: 0 },
            Expr::Null
            | Expr::Boolean(_)
            | Expr::Postfix { .. }
            | Expr::In { .. }
            | Expr::InQuery { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::Any { .. }
            | Expr::Exists(_)
            | Expr::Extract { .. } => Weight::NOTHING,
            Expr::AtTimeZone { .. } => Weight::ONE,
            Expr::Prefix { expr, .. } | Expr::Collate { expr, .. } => self.weight(expr),
            // An element, or some of them.
            Expr::Subscript { expr, .. } => self.weight(expr),
            Expr::Chain { op: "^", .. } => Weight::UNBOUNDED,
            Expr::Chain { items, .. } => self.weight_of(items.iter()),
            Expr::Array(items) | Expr::Row(items) => self.weight_of(items.iter()).times(2),
            // The text of bytes or of an array has up to twice their length.
            Expr::Cast { expr, .. } => self.weight(expr).times(2),
            Expr::Case { operand: _, arms, otherwise } => {
                let results = arms.iter().map(|(_, result)| result).chain(otherwise.as_deref());
                results.fold(Weight::NOTHING, |longest, result| longest.max(self.weight(result)))
            }
            Expr::Call(call) => self.weight_of_call(call),
            Expr::Scalar(query) => self.weight_of_query(query),
            Expr::ArrayQuery(_) => Weight::UNBOUNDED,
        }
    }

    /// Of the expressions together.
    pub(super) fn weight_of<'e>(&self, exprs: impl Iterator<Item = &'e Expr<'a>>) -> Weight
    where
        'a: 'e,
    {
        exprs.fold(Weight::NOTHING, |sum, expr| sum.and(self.weight(expr)))
    }

    fn weight_of_call(&self, call: &Call<'a>) -> Weight {
        let Call { name, extra, aggregate, over, args, within, .. } = call;
        if extra.is_some() {
            return Weight::UNBOUNDED;
        }
        let kind = match (aggregate, over) {
            (true, _) => allow::Kind::Aggregate,
            (false, None) => allow::Kind::Scalar,
            (false, Some(_)) if allow::is_about_as_long(self.dialect, name, allow::Kind::Window) => allow::Kind::Window,
            // An aggregate over a frame is as long as one over a group.
            (false, Some(_)) => allow::Kind::Aggregate,
        };
        let sum = self.weight_of(args.iter());
        // The number that it is when it is none of its arguments.
        let sum = sum.max(Weight::ONE);
        match *name {
            "coalesce" | "greatest" | "least" | "nullif" => {
                args.iter().fold(Weight::NOTHING, |longest, arg| longest.max(self.weight(arg)))
            }
            "concat" | "concat_ws" => sum.times(if *name == "concat" { 1 } else { 2 }),
            "encode" | "convert_from" | "convert_to" | "to_char" | "translate" => sum.times(4),
            "substring" | "regexp_substr" => sum,
            // A `numeric` may have as many digits as it is asked for.
            "exp" | "pow" | "power" => Weight::UNBOUNDED,
            "round" | "trunc" if args.len() > 1 => Weight::UNBOUNDED,
            "quote_ident" | "quote_literal" | "quote_nullable" => sum.times(2),
            // Ordered sets: one of what is ordered.
            _ if !within.is_empty() => Weight::UNBOUNDED,
            _ if allow::is_about_as_long(self.dialect, name, kind) => sum,
            _ => Weight::UNBOUNDED,
        }
    }

    fn weight_of_query(&self, query: &Query<'a>) -> Weight {
        match &query.body {
            Body::Select(select) => match select.outputs.as_slice() {
                [only] => self.weight(only),
                _ => Weight::UNBOUNDED,
            },
            Body::Values(rows) => {
                rows.iter().flatten().fold(Weight::NOTHING, |longest, expr| longest.max(self.weight(expr)))
            }
            Body::Set { .. } | Body::Query(_) => Weight::UNBOUNDED,
        }
    }
}
