//! Which of the statement's expressions a planner may run on a row before the scope's filter.

use mountgate_core::ColumnType;

use super::Resolver;
use crate::{
    ir::{Expr, ItemKind},
    leak::Leak,
};

impl<'a> Resolver<'a> {
    fn proof(&self, expr: &Expr<'a>) -> bool {
        Leak { dialect: self.dialect, ty: &|expr| self.ty(expr), likable: &|expr| self.likable(expr) }.proof(expr)
    }

    /// Whether the expression is a column of plain text, whatever it passed through: PostgreSQL's LIKE raises on a
    /// collation that isn't deterministic, and other types that we call text have a LIKE of their own or none.
    fn likable(&self, expr: &Expr<'a>) -> bool {
        let Expr::Column { item, column } = expr else { return false };
        if self.ty(expr) != Some(ColumnType::Text) {
            return false;
        }
        let at = *column as usize;
        match self.items.get(*item as usize).map(|item| &item.kind) {
            Some(ItemKind::Relation { rel, .. }) => rel.is_plain_text(at),
            Some(ItemKind::Derived { columns, .. }) => columns.get(at).is_some_and(|output| {
                !output.sources.is_empty()
                    && output.sources.iter().all(|(relation, column)| {
                        let touched = self.touched.get(*relation as usize);
                        touched.is_some_and(|touched| touched.rel.is_plain_text(*column as usize))
                    })
            }),
            Some(ItemKind::Function { .. } | ItemKind::Joined { .. }) | None => false,
        }
    }

    /// A condition that a planner may run on a row before the scope's filter.
    pub(super) fn check_predicate(&mut self, condition: &Expr<'a>) {
        if !self.leaky && !self.proof(condition) {
            self.leaky = true;
        }
    }

    /// HAVING: conjuncts without an aggregate are moved below the grouping.
    pub(super) fn check_having(&mut self, condition: &Expr<'a>) {
        if let Expr::Chain { op: "AND", items } = condition {
            for item in items {
                self.check_having(item);
            }
        } else if !condition.any(&|part| matches!(part, Expr::Call(call) if call.aggregate)) {
            self.check_predicate(condition);
        }
    }

    /// A select item of an inner query: the outer query's conditions on it are moved inside, where it stands in for
    /// its name, unless it is the result of an aggregate or window.
    pub(super) fn check_inner_projection(&mut self, expr: &Expr<'a>) {
        if !self.leaky && !expr.any(&|part| matches!(part, Expr::Call(call) if call.aggregate || call.over.is_some())) {
            self.check_argument(expr);
        }
    }

    pub(super) fn check_argument(&mut self, expr: &Expr<'a>) {
        let leak = Leak { dialect: self.dialect, ty: &|expr| self.ty(expr), likable: &|expr| self.likable(expr) };
        if !self.leaky && !leak.simple(expr) && !leak.proof(expr) {
            self.leaky = true;
        }
    }
}
