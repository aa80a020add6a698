//! GROUP BY the primary key: PostgreSQL then takes the table's other columns as they are. It no longer knows the key
//! behind a scoped subquery, so the columns that depend on it are added to the keys, which changes no group.

use super::{Outcome, Resolver};
use crate::ir::{Expr, Group, ItemKind};

impl<'a> Resolver<'a> {
    /// Adds to the keys the columns that `shown` uses outside of aggregates and that depend on a key of theirs.
    pub(super) fn depend(
        &mut self,
        group: &mut Vec<Group<'a>>,
        outputs: &[Expr<'a>],
        shown: &[&Expr<'a>],
    ) -> Outcome<()> {
        let mut keys: Vec<(u32, u32)> = Vec::new();
        for key in group.iter() {
            let expr = match key {
                Group::Expr(expr) => Some(expr),
                Group::Ordinal(at) => outputs.get(at.saturating_sub(1)),
                // A grouping set may leave the key out.
                Group::Sets(_, _) => return Ok(()),
            };
            if let Some(Expr::Column { item, column }) = expr {
                keys.push((*item, *column));
            }
        }
        let mut bare = Vec::new();
        let mut subqueries = false;
        for expr in shown {
            subqueries |= outside_aggregates(expr, &mut bare);
        }
        let items: Vec<u32> = self.level()?.parts.iter().flat_map(|part| part.items.clone()).collect();
        for id in items {
            let Some(ItemKind::Relation { rel, used, .. }) = self.items.get(id as usize).map(|item| &item.kind) else {
                continue;
            };
            let depends = rel.key().is_some_and(|key| key.iter().all(|at| keys.contains(&(id, *at as u32))));
            if !depends {
                continue;
            }
            for (column, used) in (0_u32..).zip(used) {
                let reference = (id, column);
                // A subquery may refer to any column that is used.
                if *used && !keys.contains(&reference) && (subqueries || bare.contains(&reference)) {
                    group.push(Group::Expr(Expr::Column { item: id, column }));
                }
            }
        }
        Ok(())
    }
}

/// Collects the columns that stand outside of aggregates. Says whether there is a subquery.
fn outside_aggregates<'a>(expr: &Expr<'a>, into: &mut Vec<(u32, u32)>) -> bool {
    match expr {
        Expr::Column { item, column } => into.push((*item, *column)),
        Expr::Call(call) if call.aggregate => return false,
        _other => {}
    }
    let mut found = matches!(
        expr,
        Expr::Exists(_) | Expr::Scalar(_) | Expr::ArrayQuery(_) | Expr::InQuery { .. } | Expr::Any { .. }
    );
    expr.children(&mut |child| found |= outside_aggregates(child, into));
    found
}
