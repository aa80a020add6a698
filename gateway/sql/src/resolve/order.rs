//! ORDER BY in its three places, and LIMIT: what a key may name.

use mountgate_core::Use;
use sqlparser::{
    ast::{self, Spanned as _},
    tokenizer::Span,
};

use super::{
    Level, Outcome, Resolver,
    query::{ordinal, strip},
};
use crate::{
    Dialect,
    ir::{Expr, Order, OrderKey, Output, Source},
    refuse,
};

impl<'a> Resolver<'a> {
    /// A key of ORDER BY or DISTINCT ON of a SELECT: an ordinal, an output name, or an expression.
    pub(super) fn output_key(
        &mut self,
        key: &'a ast::Expr,
        outputs: &[Output<'a>],
        exprs: &[Expr<'a>],
        explicit: &[bool],
    ) -> Outcome<OrderKey<'a>> {
        let bare = strip(key);
        if let Some(at) = ordinal(bare, outputs.len())? {
            return Ok(OrderKey::Ordinal(at));
        }
        if let ast::Expr::Identifier(ident) = bare {
            let name = self.name(ident);
            let mut hits = outputs
                .iter()
                .enumerate()
                // SQLite looks at names given by AS only; PostgreSQL at every name of the select list.
                .filter(|(at, output)| {
                    self.dialect.same(&output.name, &name)
                        && (self.dialect == Dialect::Postgres || explicit.get(*at).copied().unwrap_or(false))
                })
                .map(|(at, _)| at);
            if let Some(first) = hits.next() {
                if self.dialect == Dialect::Postgres && hits.any(|other| exprs.get(other) != exprs.get(first)) {
                    return Err(refuse::ambiguous(&ident.value, ident.span));
                }
                let sources = outputs.get(first).map(|output| output.sources.clone()).unwrap_or_default();
                self.note_sources(&sources);
                return Ok(OrderKey::Ordinal(first + 1));
            }
        }
        let expr = self.expr(bare)?;
        Ok(match self.written(bare, &expr)? {
            Some(at) => OrderKey::Ordinal(at + 1),
            None => OrderKey::Expr(expr),
        })
    }

    /// The place of the select item that the key is written like, where there is a subquery in it: each gets aliases
    /// of its own, and PostgreSQL no longer sees that the two are one.
    pub(super) fn written(&mut self, key: &'a ast::Expr, resolved: &Expr<'a>) -> Outcome<Option<usize>> {
        if self.dialect == Dialect::Sqlite || !resolved.any(&Expr::is_subquery) {
            return Ok(None);
        }
        Ok(self.level()?.written.iter().find(|(written, _)| *written == key).map(|(_, at)| *at))
    }

    /// Records the use of columns through an output name.
    fn note_sources(&mut self, sources: &[Source]) {
        let current = self.current;
        for (relation, column) in sources {
            if let Some(uses) =
                self.touched.get_mut(*relation as usize).and_then(|touched| touched.uses.get_mut(*column as usize))
            {
                uses.add(current);
            }
        }
    }

    /// ORDER BY of a set operation: output names and ordinals only.
    pub(super) fn order_by_names(
        &mut self,
        order_by: Option<&'a ast::OrderBy>,
        outputs: &[Output<'a>],
    ) -> Outcome<Vec<Order<'a>>> {
        let Some(order_by) = order_by else { return Ok(vec![]) };
        self.order_by(order_by, |this, key| {
            let bare = strip(key);
            if let Some(at) = ordinal(bare, outputs.len())? {
                return Ok(OrderKey::Ordinal(at));
            }
            if let ast::Expr::Identifier(ident) = bare {
                let name = this.name(ident);
                if let Some(at) = outputs.iter().position(|output| this.dialect.same(&output.name, &name)) {
                    let sources = outputs.get(at).map(|output| output.sources.clone()).unwrap_or_default();
                    this.note_sources(&sources);
                    return Ok(OrderKey::Ordinal(at + 1));
                }
                return Err(refuse::column(&ident.value, ident.span));
            }
            Err(refuse::unsupported("an expression in ORDER BY of a set operation", bare.span())
                .hint("order by an output column's name or number, or wrap the set operation in a derived table"))
        })
    }

    pub(super) fn order_by(
        &mut self,
        order_by: &'a ast::OrderBy,
        mut key_of: impl FnMut(&mut Self, &'a ast::Expr) -> Outcome<OrderKey<'a>>,
    ) -> Outcome<Vec<Order<'a>>> {
        let ast::OrderBy { kind, interpolate } = order_by;
        if interpolate.is_some() {
            return Err(refuse::unsupported("`INTERPOLATE`", Span::empty()));
        }
        let keys = match kind {
            ast::OrderByKind::Expressions(keys) => keys,
            ast::OrderByKind::All(_) => return Err(refuse::unsupported("`ORDER BY ALL`", Span::empty())),
        };
        keys.iter()
            .map(|key| {
                let ast::OrderByExpr { expr, options, with_fill } = key;
                if with_fill.is_some() {
                    return Err(refuse::unsupported("`WITH FILL`", expr.span()));
                }
                let (inner, collation) = self.split_collation(expr)?;
                let resolved = self.with_use(Use::Ordered, |this| key_of(this, inner))?;
                let (descending, nulls_first) = direction(options)?;
                Ok(Order { key: resolved, collation, descending, nulls_first })
            })
            .collect()
    }

    /// Takes COLLATE off an ordering key, so that a name below it is still a name.
    fn split_collation(&self, expr: &'a ast::Expr) -> Outcome<(&'a ast::Expr, Option<&'static str>)> {
        // PostgreSQL reads a key with COLLATE as an expression.
        if let (ast::Expr::Collate { expr, collation }, Dialect::Sqlite) = (strip(expr), self.dialect) {
            return Ok((expr, Some(self.collation(collation)?)));
        }
        Ok((strip(expr), None))
    }

    /// Keys of ORDER BY within an aggregate or a window: expressions, never ordinals or output names.
    pub(super) fn inner_order(&mut self, keys: &'a [ast::OrderByExpr]) -> Outcome<Vec<Order<'a>>> {
        keys.iter()
            .map(|key| {
                let ast::OrderByExpr { expr, options, with_fill } = key;
                if with_fill.is_some() {
                    return Err(refuse::unsupported("`WITH FILL`", expr.span()));
                }
                let resolved = self.with_use(Use::Ordered, |this| this.expr(expr))?;
                let (descending, nulls_first) = direction(options)?;
                Ok(Order { key: OrderKey::Expr(resolved), collation: None, descending, nulls_first })
            })
            .collect()
    }

    pub(super) fn limits(
        &mut self,
        clause: Option<&'a ast::LimitClause>,
        fetch: Option<&'a ast::Fetch>,
    ) -> Outcome<(Option<Expr<'a>>, Option<Expr<'a>>, bool)> {
        let (limit, offset) = match clause {
            None => (None, None),
            Some(ast::LimitClause::LimitOffset { limit, offset, limit_by }) => {
                if let Some(expr) = limit_by.first() {
                    return Err(refuse::unsupported("`LIMIT … BY`", expr.span()));
                }
                let offset = offset.as_ref().map(|offset| {
                    let ast::Offset {
                        value,
                        rows: ast::OffsetRows::None | ast::OffsetRows::Row | ast::OffsetRows::Rows,
                    } = offset;
                    value
                });
                (limit.as_ref(), offset)
            }
            Some(ast::LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
        };
        let mut with_ties = false;
        let mut limit = limit;
        if let Some(ast::Fetch { with_ties: ties, percent, quantity }) = fetch {
            if self.dialect == Dialect::Sqlite || *percent {
                return Err(refuse::unsupported("`FETCH`", Span::empty()).hint("write `LIMIT`"));
            }
            if limit.is_some() {
                return Err(refuse::unsupported("`FETCH` beside `LIMIT`", Span::empty()));
            }
            with_ties = *ties;
            limit = quantity.as_ref();
            if limit.is_none() {
                return Ok((Some(Expr::Number("1")), self.limit(offset)?, with_ties));
            }
        }
        Ok((self.limit(limit)?, self.limit(offset)?, with_ties))
    }

    /// LIMIT and OFFSET have their own rules of what may be named: SQLite looks names up nowhere, PostgreSQL in the query
    /// itself, to refuse what it finds there, and around it.
    pub(super) fn in_limit<T>(
        &mut self,
        own: Option<Level<'a>>,
        run: impl FnOnce(&mut Self) -> Outcome<T>,
    ) -> Outcome<T> {
        match (self.dialect, own) {
            (Dialect::Sqlite, _) => {
                let levels = std::mem::take(&mut self.levels);
                let outcome = run(self);
                self.levels = levels;
                outcome
            }
            (Dialect::Postgres, None) => run(self),
            (Dialect::Postgres, Some(own)) => {
                let level = self.levels.len();
                self.levels.push(Level { limiting: true, ..own });
                let outcome = run(self);
                self.levels.truncate(level);
                outcome
            }
        }
    }

    fn limit(&mut self, expr: Option<&'a ast::Expr>) -> Outcome<Option<Expr<'a>>> {
        expr.map(|expr| self.with_use(Use::Filtered, |this| this.expr(expr))).transpose()
    }
}

fn direction(options: &ast::OrderByOptions) -> Outcome<(Option<bool>, Option<bool>)> {
    let ast::OrderByOptions { sort, nulls_first } = options;
    let descending = match sort {
        None => None,
        Some(ast::OrderBySort::Asc) => Some(false),
        Some(ast::OrderBySort::Desc) => Some(true),
        Some(ast::OrderBySort::Using(operator)) => {
            return Err(refuse::unsupported(format!("`USING {operator}`"), operator.span()));
        }
    };
    Ok((descending, *nulls_first))
}
