//! Statistics only: a relation with `aggregate` answers with counts, sums and averages over groups of at least so many
//! distinct units, and with nothing else.
//!
//! The statement is one SELECT over such relations and others beside them, inner-joined on equal columns: its list has
//! keys of groups, and `count`, `sum` and `avg` of bare columns; its conditions are plain comparisons, for one that
//! raises on a single row would tell of it. The printer then adds to HAVING, for every group of every grouping set and
//! for each reference to such a relation, that enough distinct units are in it: a person whom a join fans out is one
//! unit still. Each column that goes into an aggregate is counted for itself, so that the sum over one person's value and
//! others' NULLs is none.
//!
//! It does not stop differencing: two answers that differ in one person tell of that person.

use mountgate_core::{Aggregate, Code, Refusal};

use crate::{
    demand::{conjuncts, is_value},
    ir::{Body, Call, Distinct, Expr, From, Group, Guard, ItemKind, Order, OrderKey, Query, Resolved, Select, Term},
};

type Outcome<T> = Result<T, Refusal>;

/// Adds the guards of every group, where a relation demands them.
pub(super) fn guard(resolved: &mut Resolved<'_>) -> Outcome<()> {
    let demanded: Vec<(u32, &str, &Aggregate)> = (0_u32..)
        .zip(&resolved.items)
        .filter_map(|(id, item)| match &item.kind {
            ItemKind::Relation { rel, .. } => rel.aggregate().map(|aggregate| (id, rel.name().as_str(), aggregate)),
            ItemKind::Derived { .. } | ItemKind::Function { .. } | ItemKind::Joined { .. } => None,
        })
        .collect();
    let Some((_, relation, aggregate)) = demanded.first() else { return Ok(()) };
    let form = Form { relation, least: aggregate.min_group };
    if resolved.leaky {
        return form.no("a condition that is more than comparisons of columns with values or columns of their type");
    }
    let select = form.only_select(&resolved.query)?;
    let mut items = Vec::new();
    form.from(&select.from, &mut items)?;
    // A reference anywhere else (in a subquery, say) would be one that nobody guards.
    if items.len() != resolved.items.len() {
        return form.no("a table that is not joined in the one FROM");
    }
    let mut of = Vec::new();
    let groups = form.keys(&select.group, &select.outputs)?;
    let mut aggregates = form.outputs(select, &groups, &mut of)?;
    if let Some(having) = &select.having {
        form.having(having, &groups, &mut of)?;
    }
    aggregates |= !select.group.is_empty();
    if !aggregates {
        return form.no("a select list without an aggregate");
    }
    for order in &resolved.query.order {
        form.order(order, &groups, &mut of)?;
    }
    let mut guards: Vec<Guard> = Vec::new();
    for (item, _, aggregate) in &demanded {
        let every = std::iter::once(None).chain(of.iter().copied().map(Some));
        for of in every {
            let guard = Guard { item: *item, of, least: aggregate.min_group };
            if !guards.contains(&guard) {
                guards.push(guard);
            }
        }
    }
    if let Body::Select(select) = &mut resolved.query.body {
        select.guards = guards;
    }
    Ok(())
}

/// What is said of a statement that is not of the form.
struct Form<'n> {
    relation: &'n str,
    least: u32,
}

impl Form<'_> {
    fn no<T>(&self, what: &str) -> Outcome<T> {
        let Self { relation, least } = self;
        let message = format!("`{relation}` answers with statistics only: {what} is not supported over it");
        Err(Refusal::new(Code::AggregateOnly, message).hint(format!(
            "ask `SELECT k, count(*), sum(x), avg(y) FROM {relation} WHERE … GROUP BY k`: bare columns, plain comparisons, other tables by `JOIN … ON a.x = b.y`; groups of fewer than {least} are left out"
        )))
    }

    /// The statement's one SELECT.
    fn only_select<'q, 'a>(&self, query: &'q Query<'a>) -> Outcome<&'q Select<'a>> {
        let Query { recursive: _, ctes, body, order: _, limit, offset, with_ties: _ } = query;
        if !ctes.is_empty() {
            return self.no("WITH");
        }
        if limit.iter().chain(offset.iter()).any(|expr| !is_value(expr)) {
            return self.no("a LIMIT or OFFSET that is computed");
        }
        let select = match body {
            Body::Select(select) => &**select,
            Body::Values(_) => return self.no("VALUES"),
            Body::Set { .. } => return self.no("a set operation"),
            Body::Query(_) => return self.no("a query in parentheses"),
        };
        match &select.distinct {
            Distinct::No => {}
            Distinct::Yes | Distinct::On(_) => return self.no("DISTINCT"),
        }
        if !select.windows.is_empty() {
            return self.no("a window");
        }
        if select.filter.as_ref().is_some_and(subquery) {
            return self.no("a subquery");
        }
        Ok(select)
    }

    fn from(&self, from: &[Term<'_>], items: &mut Vec<u32>) -> Outcome<()> {
        let [Term { first, joins }] = from else {
            return self.no("a list of tables without JOIN");
        };
        items.push(self.relation(first)?);
        for join in joins {
            let right = self.relation(&join.right)?;
            let Some(on) = join.on.as_ref().filter(|_| join.kind == "JOIN") else {
                return self.no("a join that is not an inner join on equal columns");
            };
            if subquery(on) {
                return self.no("a subquery");
            }
            let mut linked = false;
            conjuncts(on, &mut |part| {
                if let Expr::Chain { op: "=", items: sides } = part
                    && let [Expr::Column { item: one, .. }, Expr::Column { item: other, .. }] = sides.as_slice()
                {
                    linked |= *one == right && items.contains(other) || *other == right && items.contains(one);
                }
            });
            if !linked {
                return self.no("a join that is not an inner join on equal columns");
            }
            items.push(right);
        }
        Ok(())
    }

    fn relation(&self, from: &From<'_>) -> Outcome<u32> {
        match from {
            From::Relation(item) => Ok(*item),
            From::Cte { .. } => self.no("a CTE"),
            From::Derived { .. } => self.no("a subquery"),
            From::Function { .. } => self.no("a function in FROM"),
            From::Nested(_) => self.no("a join in parentheses"),
        }
    }

    /// The columns that groups are made by.
    fn keys(&self, group: &[Group<'_>], outputs: &[Expr<'_>]) -> Outcome<Vec<(u32, u32)>> {
        let mut keys = Vec::new();
        for key in group {
            let expr = match key {
                Group::Expr(expr) => Some(expr),
                Group::Ordinal(at) => outputs.get(at.saturating_sub(1)),
                Group::Sets(_, sets) => {
                    for set in sets {
                        keys.extend(self.keys(set, outputs)?);
                    }
                    continue;
                }
            };
            let Some(Expr::Column { item, column }) = expr else {
                return self.no("a key of GROUP BY that is not a bare column");
            };
            keys.push((*item, *column));
        }
        Ok(keys)
    }

    /// Whether there is an aggregate among the outputs.
    fn outputs(&self, select: &Select<'_>, keys: &[(u32, u32)], of: &mut Vec<(u32, u32)>) -> Outcome<bool> {
        let mut aggregates = false;
        for expr in &select.outputs {
            aggregates |= self.shown(expr, keys, of)?;
        }
        Ok(aggregates)
    }

    /// A key, a value, `grouping(key)` or an aggregate; whether it is the last.
    fn shown(&self, expr: &Expr<'_>, keys: &[(u32, u32)], of: &mut Vec<(u32, u32)>) -> Outcome<bool> {
        match expr {
            Expr::Column { item, column } if keys.contains(&(*item, *column)) => Ok(false),
            Expr::Column { .. } => self.no("a column that is neither in GROUP BY nor in an aggregate"),
            Expr::Call(call) if call.name == "grouping" && call.args.iter().all(|arg| is_key(arg, keys)) => Ok(false),
            Expr::Call(call) => self.aggregate(call, of).map(|()| true),
            other if is_value(other) || matches!(other, Expr::Null) => Ok(false),
            _ => self.no("a select item or key of ORDER BY that is neither a column of GROUP BY nor count, sum or avg of a bare column"),
        }
    }

    /// `count(*)`, `count(1)`, or `count`, `sum` or `avg` of a bare column.
    fn aggregate(&self, call: &Call<'_>, of: &mut Vec<(u32, u32)>) -> Outcome<()> {
        let Call {
            name,
            extra: _,
            bare: _,
            aggregate,
            distinct,
            star,
            args,
            order,
            within,
            filter,
            ignore_nulls: _,
            over,
        } = call;
        if over.is_some() {
            return self.no("a window function");
        }
        if !*aggregate || !["count", "sum", "avg"].contains(name) {
            return self.no(&format!("the function `{name}`"));
        }
        if *distinct {
            return self.no("DISTINCT within an aggregate");
        }
        if filter.is_some() {
            return self.no("FILTER");
        }
        if !order.is_empty() || !within.is_empty() {
            return self.no("ORDER BY within an aggregate");
        }
        match args.as_slice() {
            [] if *star => Ok(()),
            [Expr::Column { item, column }] => {
                if !of.contains(&(*item, *column)) {
                    of.push((*item, *column));
                }
                Ok(())
            }
            [Expr::Number(_)] if *name == "count" => Ok(()),
            _ => self.no(&format!("`{name}` of anything but a bare column")),
        }
    }

    fn order(&self, order: &Order<'_>, keys: &[(u32, u32)], of: &mut Vec<(u32, u32)>) -> Outcome<()> {
        match &order.key {
            OrderKey::Ordinal(_) => Ok(()),
            OrderKey::Expr(expr) => self.shown(expr, keys, of).map(drop),
        }
    }

    /// HAVING: comparisons of keys and aggregates with values. What has no aggregate in it was looked at like WHERE.
    fn having(&self, condition: &Expr<'_>, keys: &[(u32, u32)], of: &mut Vec<(u32, u32)>) -> Outcome<()> {
        let mut side = |expr: &Expr<'_>| self.shown(expr, keys, of);
        match condition {
            Expr::Chain { op: "AND" | "OR", items } => items.iter().try_for_each(|item| self.having(item, keys, of)),
            Expr::Prefix { op: "NOT", expr } => self.having(expr, keys, of),
            Expr::Chain { op: "=" | "<>" | "<" | "<=" | ">" | ">=", items } => match items.as_slice() {
                [one, other] if is_value(one) || is_value(other) => {
                    side(one)?;
                    side(other).map(drop)
                }
                _ => self.no("a comparison in HAVING that is not with a value"),
            },
            Expr::Between { expr, low, high, negated: _ } if is_value(low) && is_value(high) => side(expr).map(drop),
            Expr::In { expr, list, negated: _ } if list.iter().all(is_value) => side(expr).map(drop),
            Expr::Postfix { op: "IS NULL" | "IS NOT NULL", expr } => side(expr).map(drop),
            _ => self.no("a condition in HAVING that is not a comparison of a key or an aggregate with a value"),
        }
    }
}

fn is_key(expr: &Expr<'_>, keys: &[(u32, u32)]) -> bool {
    matches!(expr, Expr::Column { item, column } if keys.contains(&(*item, *column)))
}

fn subquery(expr: &Expr<'_>) -> bool {
    expr.any(&|part| part.is_subquery())
}
