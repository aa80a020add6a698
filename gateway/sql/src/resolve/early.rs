//! Which of the statement's expressions a planner may run on a row before the scope's filter.

use mountgate_core::ColumnType;
use sqlparser::tokenizer::Span;

use super::{Outcome, Resolver};
use crate::{
    Dialect,
    ir::{Body, Expr, ItemKind},
    leak::Leak,
    refuse,
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

    /// Refuses what SQLite reads in two ways: a column of an outer query that has a collation, as it is, as a column of a
    /// derived table or CTE. Where the outer query's table is a derived one too, as every scoped table is, SQLite loses the
    /// collation on the way, and compares otherwise than with the table itself.
    pub(super) fn check_carried(&self, body: &Body<'a>, span: Span) -> Outcome<()> {
        if self.dialect == Dialect::Postgres {
            return Ok(());
        }
        let carried = |exprs: &[Expr<'a>]| exprs.iter().any(|expr| self.carries(expr));
        let found = match body {
            Body::Select(select) => carried(&select.outputs),
            Body::Values(rows) => rows.iter().any(|row| carried(row)),
            Body::Set { left, right, .. } => {
                self.check_carried(left, span)?;
                return self.check_carried(right, span);
            }
            Body::Query(query) => return self.check_carried(&query.body, span),
        };
        if found {
            let what = "a column of an outer query that is compared without regard to case or blanks, as a column of a \
                        table of FROM or WITH,";
            return Err(refuse::unsupported(what, span).hint("name the outer query's column where you compare it"));
        }
        Ok(())
    }

    /// Whether the expression is an outer query's column with a collation, which a cast or a sign keeps.
    fn carries(&self, expr: &Expr<'a>) -> bool {
        match expr {
            Expr::Column { item, .. } if self.is_outer(*item) => self.is_loose(expr),
            Expr::Cast { expr, .. } | Expr::Prefix { expr, .. } => self.carries(expr),
            _ => false,
        }
    }

    fn is_loose(&self, expr: &Expr<'a>) -> bool {
        let Expr::Column { item, column } = expr else { return false };
        let at = *column as usize;
        match self.items.get(*item as usize).map(|item| &item.kind) {
            Some(ItemKind::Relation { rel, .. }) => rel.is_loose(at),
            Some(ItemKind::Derived { columns, .. }) => columns.get(at).is_some_and(|output| {
                output.sources.iter().any(|(relation, column)| {
                    let touched = self.touched.get(*relation as usize);
                    touched.is_some_and(|touched| touched.rel.is_loose(*column as usize))
                })
            }),
            Some(ItemKind::Function { .. } | ItemKind::Joined { .. }) | None => false,
        }
    }
}
