//! Look-ups by key: a relation with `require` answers only where every reference to it says `key = value` for each key,
//! in a place where that holds for every row that the reference gives.
//!
//! Where it counts: a conjunct of WHERE, for the relations in the FROM beside it; a conjunct of an inner join's ON, for
//! both sides; of an outer join's ON, for the side that it may leave NULL (of the other it keeps every row). Nowhere
//! else: not under OR or NOT, not in HAVING, not in an outer query, not through an equality with another column. What
//! counts is then fixed inside the scoped subquery as well (`print::relation`).

use mountgate_core::{Code, Node, Refusal};

use crate::{
    demand::{conjuncts, is_value},
    ir::{Body, Expr, From, ItemKind, Over, Quantified, Query, Resolved, Select, Term, Window},
};

/// Fixes the keys of every reference that must have them.
pub(super) fn fix(resolved: &mut Resolved<'_>) -> Result<(), Refusal> {
    let demands = |kind: &ItemKind<'_>| matches!(kind, ItemKind::Relation { rel, .. } if !rel.required().is_empty());
    if !resolved.items.iter().any(|item| demands(&item.kind)) {
        return Ok(());
    }
    let mut given = Given(Vec::new());
    given.query(&resolved.query);
    for (id, item) in (0_u32..).zip(&mut resolved.items) {
        let ItemKind::Relation { rel, pinned, .. } = &mut item.kind else { continue };
        for key in rel.required() {
            // The scope's own filters may say it: `ticket_id = claim.ticket_id`.
            let held = rel
                .filters()
                .flat_map(|filter| filter.equalities())
                .any(|(column, value)| column == key && matches!(value, Node::Claim(_) | Node::Literal(_)));
            let at = (0..rel.width()).find(|at| rel.column(*at).is_some_and(|(name, _, _)| name == key));
            // Under a mask of the policy's, one value stands for many rows.
            let plain = at.filter(|at| rel.column(*at).is_some_and(|(_, _, masks)| masks.is_empty()));
            let value = plain.and_then(|at| {
                let column = u32::try_from(at).ok()?;
                given
                    .0
                    .iter()
                    .find(|(item, of, _)| (*item, *of) == (id, column))
                    .map(|(_, of, value)| (*of, (*value).clone()))
            });
            match value {
                Some(value) => pinned.push(value),
                None if held => {}
                None => return Err(missing(rel.name().as_str(), key.as_str(), at.is_some() && plain.is_none())),
            }
        }
    }
    Ok(())
}

fn missing(relation: &str, key: &str, masked: bool) -> Refusal {
    let refusal = Refusal::new(
        Code::KeyRequired,
        format!("`{relation}` is for look-ups by key, and a reference to it here does not say `{key} = …`"),
    );
    if masked {
        return refusal.hint(format!("`{key}` is masked for you, so rows of `{relation}` can't be looked up by it"));
    }
    refusal.hint(format!(
        "add `{key} = ` and a value or parameter to the WHERE of the query that names `{relation}`, joined with AND; each reference needs its own, in every join, subquery, CTE and side of a set operation"
    ))
}

/// Equalities of a column (item, column) with a value, each where it holds for every row of the item.
struct Given<'s, 'a>(Vec<(u32, u32, &'s Expr<'a>)>);

impl<'s, 'a> Given<'s, 'a> {
    fn query(&mut self, query: &'s Query<'a>) {
        crate::deep(|| {
            query.ctes.iter().for_each(|cte| self.query(&cte.query));
            self.body(&query.body);
            let keys = query.order.iter().filter_map(|order| match &order.key {
                crate::ir::OrderKey::Expr(expr) => Some(expr),
                crate::ir::OrderKey::Ordinal(_) => None,
            });
            keys.chain(&query.limit).chain(&query.offset).for_each(|expr| self.within(expr));
        });
    }

    fn body(&mut self, body: &'s Body<'a>) {
        match body {
            Body::Select(select) => self.select(select),
            Body::Values(rows) => rows.iter().flatten().for_each(|expr| self.within(expr)),
            Body::Set { op: _, all: _, left, right } => {
                self.body(left);
                self.body(right);
            }
            Body::Query(query) => self.query(query),
        }
    }

    fn select(&mut self, select: &'s Select<'a>) {
        let mut beside = Vec::new();
        for term in &select.from {
            self.term(term);
            items(term, &mut beside);
        }
        if let Some(filter) = &select.filter {
            self.holds(filter, &beside);
        }
        // What follows gives nothing itself, and may hold queries that do.
        let groups = select.group.iter().flat_map(|group| match group {
            crate::ir::Group::Expr(expr) => Some(expr),
            crate::ir::Group::Ordinal(_) | crate::ir::Group::Sets(..) => None,
        });
        let parts = select.outputs.iter().chain(&select.filter).chain(groups).chain(&select.having);
        parts.for_each(|expr| self.within(expr));
        select.windows.iter().for_each(|window| self.window(window));
    }

    fn window(&mut self, window: &'s Window<'a>) {
        window.partition.iter().for_each(|expr| self.within(expr));
    }

    fn term(&mut self, term: &'s Term<'a>) {
        self.from(&term.first);
        let mut left = Vec::new();
        from_items(&term.first, &mut left);
        for join in &term.joins {
            self.from(&join.right);
            let mut right = Vec::new();
            from_items(&join.right, &mut right);
            if let Some(on) = &join.on {
                self.within(on);
                match join.kind {
                    "JOIN" => {
                        self.holds(on, &left);
                        self.holds(on, &right);
                    }
                    "LEFT JOIN" => self.holds(on, &right),
                    "RIGHT JOIN" => self.holds(on, &left),
                    // FULL JOIN keeps every row of both sides. A kind that is not known here gives nothing.
                    _ => {}
                }
            }
            left.append(&mut right);
        }
    }

    fn from(&mut self, from: &'s From<'a>) {
        match from {
            From::Relation(_) | From::Cte { .. } => {}
            From::Derived { item: _, lateral: _, query } => self.query(query),
            From::Function { args, .. } => args.iter().for_each(|arg| self.within(arg)),
            From::Nested(term) => self.term(term),
        }
    }

    /// Takes what the condition's conjuncts say of those items.
    fn holds(&mut self, condition: &'s Expr<'a>, of: &[u32]) {
        conjuncts(condition, &mut |part| {
            let (column, value) = match part {
                Expr::Chain { op: "=", items } => match items.as_slice() {
                    [column @ Expr::Column { .. }, value] | [value, column @ Expr::Column { .. }] => (column, value),
                    _ => return,
                },
                Expr::In { expr, list, negated: false } => match list.as_slice() {
                    [only] => (&**expr, only),
                    _ => return,
                },
                _ => return,
            };
            if let Expr::Column { item, column } = column
                && of.contains(item)
                && is_value(value)
            {
                self.0.push((*item, *column, value));
            }
        });
    }

    /// Looks for queries within an expression.
    fn within(&mut self, expr: &'s Expr<'a>) {
        crate::deep(|| {
            match expr {
                Expr::Exists(query) | Expr::Scalar(query) | Expr::ArrayQuery(query) => self.query(query),
                Expr::InQuery { query, .. } => self.query(query),
                Expr::Any { operand, .. } => {
                    if let Quantified::Query(query) = &**operand {
                        self.query(query);
                    }
                }
                Expr::Call(call) => {
                    if let Some(Over::Window(window)) = &call.over {
                        self.window(window);
                    }
                }
                _ => {}
            }
            expr.children(&mut |child| self.within(child));
        });
    }
}

fn items(term: &Term<'_>, into: &mut Vec<u32>) {
    from_items(&term.first, into);
    term.joins.iter().for_each(|join| from_items(&join.right, into));
}

fn from_items(from: &From<'_>, into: &mut Vec<u32>) {
    match from {
        From::Relation(item) => into.push(*item),
        From::Cte { .. } | From::Derived { .. } | From::Function { .. } => {}
        From::Nested(term) => items(term, into),
    }
}
