//! Walks over expressions.

use super::{Call, Expr, Over, Quantified, Subscript};

impl<'a> Expr<'a> {
    pub(crate) fn coalesce(args: Vec<Self>) -> Self {
        Self::Call(Box::new(Call {
            name: "coalesce",
            extra: None,
            bare: false,
            aggregate: false,
            distinct: false,
            star: false,
            args,
            order: vec![],
            within: vec![],
            filter: None,
            ignore_nulls: None,
            over: None,
        }))
    }

    /// Calls `each` with the parts of this expression that are expressions of the same query level. Subqueries are
    /// levels of their own.
    pub(crate) fn children<'s>(&'s self, each: &mut dyn FnMut(&'s Expr<'a>)) {
        match self {
            Self::Column { .. }
            | Self::Parameter(_)
            | Self::Number(_)
            | Self::Text(_)
            | Self::Blob(_)
            | Self::Boolean(_)
            | Self::Null
            | Self::Interval(..)
            | Self::Exists(_)
            | Self::Scalar(_)
            | Self::ArrayQuery(_) => {}
            Self::Chain { items, .. } | Self::Array(items) | Self::Row(items) => items.iter().for_each(each),
            Self::Prefix { expr, .. }
            | Self::Postfix { expr, .. }
            | Self::InQuery { expr, .. }
            | Self::Cast { expr, .. }
            | Self::Collate { expr, .. }
            | Self::Extract { expr, .. } => each(expr),
            Self::In { expr, list, .. } => {
                each(expr);
                list.iter().for_each(each);
            }
            Self::Between { expr, low, high, .. } => {
                each(expr);
                each(low);
                each(high);
            }
            Self::Like { expr, pattern, escape, .. } => {
                each(expr);
                each(pattern);
                if let Some(escape) = escape {
                    each(escape);
                }
            }
            Self::Any { expr, operand, .. } => {
                each(expr);
                match &**operand {
                    Quantified::Query(_) => {}
                    Quantified::Array(array) => each(array),
                }
            }
            Self::Subscript { expr, subscripts } => {
                each(expr);
                for subscript in subscripts {
                    match subscript {
                        Subscript::Index(index) => each(index),
                        Subscript::Slice(low, high) => low.iter().chain(high).for_each(&mut *each),
                    }
                }
            }
            Self::Case { operand, arms, otherwise } => {
                if let Some(operand) = operand {
                    each(operand);
                }
                for (condition, result) in arms {
                    each(condition);
                    each(result);
                }
                if let Some(otherwise) = otherwise {
                    each(otherwise);
                }
            }
            Self::Call(call) => {
                call.args.iter().for_each(&mut *each);
                for order in call.order.iter().chain(&call.within) {
                    if let super::OrderKey::Expr(expr) = &order.key {
                        each(expr);
                    }
                }
                if let Some(filter) = &call.filter {
                    each(filter);
                }
                if let Some(Over::Window(window)) = &call.over {
                    window.partition.iter().for_each(&mut *each);
                    for order in &window.order {
                        if let super::OrderKey::Expr(expr) = &order.key {
                            each(expr);
                        }
                    }
                }
            }
            Self::AtTimeZone { expr, zone } => {
                each(expr);
                each(zone);
            }
        }
    }

    /// Whether it holds a query, itself and not in its parts.
    pub(crate) fn is_subquery(&self) -> bool {
        match self {
            Self::Exists(_) | Self::Scalar(_) | Self::ArrayQuery(_) | Self::InQuery { .. } => true,
            Self::Any { operand, .. } => match &**operand {
                Quantified::Query(_) => true,
                Quantified::Array(_) => false,
            },
            Self::Column { .. }
            | Self::Parameter(_)
            | Self::Number(_)
            | Self::Text(_)
            | Self::Blob(_)
            | Self::Boolean(_)
            | Self::Null
            | Self::Interval(..)
            | Self::Chain { .. }
            | Self::Prefix { .. }
            | Self::Postfix { .. }
            | Self::In { .. }
            | Self::Between { .. }
            | Self::Like { .. }
            | Self::Array(_)
            | Self::Subscript { .. }
            | Self::Row(_)
            | Self::Case { .. }
            | Self::Cast { .. }
            | Self::Call(_)
            | Self::Collate { .. }
            | Self::Extract { .. }
            | Self::AtTimeZone { .. } => false,
        }
    }

    /// The columns of the expression, subqueries left out.
    pub(crate) fn columns(&self, into: &mut Vec<(u32, u32)>) {
        if let Self::Column { item, column } = self {
            into.push((*item, *column));
        }
        self.children(&mut |child| child.columns(into));
    }

    /// How large the expression is, subqueries left out.
    pub(crate) fn nodes(&self) -> usize {
        let mut count = 1;
        self.children(&mut |child| count += child.nodes());
        count
    }

    /// Whether some part of the expression, subqueries left out, is as `test` says.
    pub(crate) fn any(&self, test: &dyn Fn(&Self) -> bool) -> bool {
        if test(self) {
            return true;
        }
        let mut found = false;
        self.children(&mut |child| found = found || child.any(test));
        found
    }
}
