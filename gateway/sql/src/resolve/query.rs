//! Queries: WITH, set operations, SELECT and its clauses, ORDER BY, LIMIT.

use std::borrow::Cow;

use mountgate_core::Use;
use sqlparser::{
    ast::{self, Spanned as _},
    tokenizer::Span,
};

use super::{CteEntry, CteState, Level, Outcome, Place, Resolver};
use crate::{
    Dialect, bounds,
    ir::{Body, Cte, Distinct, Expr, Group, Order, OrderKey, Output, Query, Select, Source, Window},
    refuse,
};

/// The CTE whose first part becomes visible to its other parts once it is resolved.
pub(super) struct Anchor<'a> {
    pub(super) entry: usize,
    pub(super) id: u32,
    pub(super) renames: Vec<Cow<'a, str>>,
}

type BodyOutcome<'a> = Outcome<(Body<'a>, Vec<Output<'a>>, Vec<Order<'a>>)>;

impl<'a> Resolver<'a> {
    pub(super) fn query(&mut self, query: &'a ast::Query, place: Place) -> Outcome<(Query<'a>, Vec<Output<'a>>)> {
        self.query_with(query, place, None)
    }

    fn query_with(
        &mut self,
        query: &'a ast::Query,
        place: Place,
        anchor: Option<&Anchor<'a>>,
    ) -> Outcome<(Query<'a>, Vec<Output<'a>>)> {
        self.enter()?;
        let ast::Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        let span = Span::empty();
        if !locks.is_empty() {
            return Err(refuse::unsupported("`FOR UPDATE` or `FOR SHARE`", span));
        }
        if for_clause.is_some() {
            return Err(refuse::unsupported("`FOR XML` or `FOR JSON`", span));
        }
        if settings.is_some() {
            return Err(refuse::unsupported("`SETTINGS`", span));
        }
        if format_clause.is_some() {
            return Err(refuse::unsupported("`FORMAT`", span));
        }
        if !pipe_operators.is_empty() {
            return Err(refuse::unsupported("`|>`", span));
        }
        let mark = self.ctes.len();
        let (recursive, ctes) = match with {
            Some(with) => self.with(with)?,
            None => (false, vec![]),
        };
        let (body, outputs, order) = crate::deep(|| self.body(body, order_by.as_ref(), place, anchor))?;
        let own = match body {
            Body::Select(_) => self.left.take(),
            Body::Values(_) | Body::Set { .. } | Body::Query(_) => None,
        };
        let (limit, offset, with_ties) =
            self.in_limit(own, |this| this.limits(limit_clause.as_ref(), fetch.as_ref()))?;
        self.ctes.truncate(mark);
        self.leave();
        Ok((Query { recursive, ctes, body, order, limit, offset, with_ties }, outputs))
    }

    fn with(&mut self, with: &'a ast::With) -> Outcome<(bool, Vec<Cte<'a>>)> {
        let ast::With { with_token: _, recursive, cte_tables } = with;
        // SQLite reads every WITH as WITH RECURSIVE: a CTE may name itself and those after it.
        let sees_itself = *recursive || self.dialect == Dialect::Sqlite;
        let base = self.ctes.len();
        if sees_itself {
            for cte in cte_tables {
                let name = self.name(&cte.alias.name);
                self.ctes.push(CteEntry { name, state: CteState::Pending });
            }
        }
        let mut ctes = Vec::with_capacity(cte_tables.len());
        for (at, cte) in cte_tables.iter().enumerate() {
            let ast::Cte { alias, query, from, materialized, closing_paren_token: _ } = cte;
            let ast::TableAlias { explicit: _, name, columns, at: alias_at } = alias;
            if let Some(ident) = from.as_ref().or(alias_at.as_ref()) {
                return Err(refuse::unsupported("`FROM` or `AT` behind a CTE", ident.span));
            }
            let renames = self.alias_columns(columns)?;
            self.cte_count += 1;
            let id = self.cte_count;
            let own = self.name(name);
            if cte_tables.iter().take(at).any(|other| self.dialect.same(&self.name(&other.alias.name), &own)) {
                return Err(refuse::ambiguous(&name.value, name.span));
            }
            let anchor = sees_itself.then(|| Anchor { entry: base + at, id, renames: renames.clone() });
            // A CTE's columns can be inlined like a derived table's.
            let levels = self.levels.len();
            let (query, outputs) =
                self.with_use(Use::Projected, |this| this.query_with(query, Place::Inner, anchor.as_ref()))?;
            debug_assert_eq!(levels, self.levels.len());
            self.check_carried(&query.body, name.span)?;
            // SQLite wants a name for each, PostgreSQL for the first of them.
            let short = self.dialect == Dialect::Sqlite && !renames.is_empty() && renames.len() < outputs.len();
            if renames.len() > outputs.len() || short {
                return Err(refuse::mismatch(
                    format!("`{}` names {} columns and has {}", name.value, renames.len(), outputs.len()),
                    name.span,
                ));
            }
            let width = outputs.len();
            let state = CteState::Ready { id, columns: rename(outputs, &renames) };
            if sees_itself {
                if let Some(entry) = self.ctes.get_mut(base + at) {
                    entry.state = state;
                }
            } else {
                self.ctes.push(CteEntry { name: own, state });
            }
            let materialized = materialized.as_ref().map(|how| match how {
                ast::CteAsMaterialized::Materialized => true,
                ast::CteAsMaterialized::NotMaterialized => false,
            });
            ctes.push(Cte { id, width, materialized, query });
        }
        Ok((*recursive || self.dialect == Dialect::Sqlite, ctes))
    }

    pub(super) fn body(
        &mut self,
        body: &'a ast::SetExpr,
        order_by: Option<&'a ast::OrderBy>,
        place: Place,
        anchor: Option<&Anchor<'a>>,
    ) -> BodyOutcome<'a> {
        match body {
            ast::SetExpr::Select(select) => {
                let (select, outputs, order) = self.select(select, order_by, place)?;
                Ok((Body::Select(Box::new(select)), outputs, order))
            }
            ast::SetExpr::Query(_) | ast::SetExpr::SetOperation { .. } | ast::SetExpr::Values(_) => {
                let (body, outputs) = match self.dialect {
                    Dialect::Postgres => self.operand(body, place, anchor, &mut true)?,
                    Dialect::Sqlite => self.flat(body, place, anchor)?,
                };
                let order = self.order_by_names(order_by, &outputs)?;
                Ok((body, outputs, order))
            }
            ast::SetExpr::Insert(_) => Err(refuse::unsupported("`INSERT` within a query", Span::empty())),
            ast::SetExpr::Update(_) => Err(refuse::unsupported("`UPDATE` within a query", Span::empty())),
            ast::SetExpr::Delete(_) => Err(refuse::unsupported("`DELETE` within a query", Span::empty())),
            ast::SetExpr::Merge(_) => Err(refuse::unsupported("`MERGE` within a query", Span::empty())),
            ast::SetExpr::Table(_) => {
                Err(refuse::unsupported("`TABLE`", Span::empty()).hint("write `SELECT * FROM` and the table"))
            }
        }
    }

    pub(super) fn sources_since(&self, mark: usize) -> Vec<Source> {
        let mut sources = self.trace.get(mark..).unwrap_or_default().to_vec();
        dedup(&mut sources);
        sources
    }

    fn select(
        &mut self,
        select: &'a ast::Select,
        order_by: Option<&'a ast::OrderBy>,
        place: Place,
    ) -> Outcome<(Select<'a>, Vec<Output<'a>>, Vec<Order<'a>>)> {
        let ast::Select {
            select_token,
            optimizer_hints,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        let ast::helpers::attached_token::AttachedToken(token) = select_token;
        let span = token.span;
        for (present, what) in [
            (!optimizer_hints.is_empty(), "an optimizer hint"),
            (select_modifiers.is_some(), "a MySQL modifier of SELECT"),
            (top.is_some(), "`TOP`"),
            (exclude.is_some(), "`EXCLUDE`"),
            (into.is_some(), "`SELECT INTO`"),
            (!lateral_views.is_empty(), "`LATERAL VIEW`"),
            (prewhere.is_some(), "`PREWHERE`"),
            (!connect_by.is_empty(), "`CONNECT BY`"),
            (!cluster_by.is_empty(), "`CLUSTER BY`"),
            (!distribute_by.is_empty(), "`DISTRIBUTE BY`"),
            (!sort_by.is_empty(), "`SORT BY`"),
            (qualify.is_some(), "`QUALIFY`"),
            (value_table_mode.is_some(), "`SELECT AS`"),
        ] {
            if present {
                let refusal = refuse::unsupported(what, span);
                return Err(if what == "`TOP`" { refusal.hint("write `LIMIT n` at the end") } else { refusal });
            }
        }
        match flavor {
            ast::SelectFlavor::Standard => {}
            ast::SelectFlavor::FromFirst | ast::SelectFlavor::FromFirstNoSelect => {
                return Err(refuse::unsupported("`FROM` before `SELECT`", span));
            }
        }
        // What the select list is for: a subquery of WHERE filters by what it projects.
        let projected = self.current;
        self.levels.push(Level::default());
        self.level()?.outward = (self.dialect == Dialect::Sqlite).then(Vec::new);
        let from = self.with_use(Use::Projected, |this| this.members(from, place))?;
        let outward = self.level()?.outward.take().unwrap_or_default();
        let parts = std::mem::take(&mut self.level()?.parts);
        self.check_outward(&outward, &parts)?;
        self.level()?.parts = parts;
        let mut windows = Vec::with_capacity(named_window.len());
        for ast::NamedWindowDefinition(name, _) in named_window {
            let name = self.name(name);
            self.level()?.windows.push(name);
        }
        let (exprs, outputs, explicit) = self.projection(projection, span, place)?;
        if place == Place::Inner {
            for expr in &exprs {
                self.check_inner_projection(expr);
            }
        }
        if self.dialect == Dialect::Sqlite {
            let aliases = outputs
                .iter()
                .zip(&exprs)
                .zip(&explicit)
                .filter(|(_, explicit)| **explicit)
                .map(|((output, expr), _)| (output.name.clone(), expr.clone()))
                .collect();
            self.level()?.aliases = aliases;
        }
        let filter = match selection {
            Some(condition) => {
                let condition = self.with_use(Use::Filtered, |this| this.expr(condition))?;
                self.check_predicate(&condition);
                if place == Place::Top {
                    self.gather(&condition);
                }
                Some(condition)
            }
            None => None,
        };
        let group = self.with_use(Use::Grouped, |this| this.group_by(group_by, &outputs))?;
        let having = match having {
            Some(condition) => {
                let condition = self.with_use(Use::Filtered, |this| this.expr(condition))?;
                self.check_having(&condition);
                Some(condition)
            }
            None => None,
        };
        for ast::NamedWindowDefinition(name, window) in named_window {
            windows.push(match window {
                ast::NamedWindowExpr::WindowSpec(spec) => self.window(spec)?,
                ast::NamedWindowExpr::NamedWindow(_) => {
                    return Err(refuse::unsupported("a window that is another's name", name.span));
                }
            });
        }
        let windows: Vec<Window<'a>> = windows;
        let distinct = match distinct {
            None | Some(ast::Distinct::All) => Distinct::No,
            Some(ast::Distinct::Distinct) => Distinct::Yes,
            Some(ast::Distinct::On(_)) if self.dialect == Dialect::Sqlite => {
                return Err(refuse::unsupported("`DISTINCT ON`", span));
            }
            Some(ast::Distinct::On(on)) => {
                let mut keys = Vec::with_capacity(on.len());
                for key in on {
                    // An output stays its number: PostgreSQL takes no constant there that is none.
                    keys.push(self.with_use(Use::Grouped, |this| this.output_key(key, &outputs, &exprs, &explicit))?);
                }
                Distinct::On(keys)
            }
        };
        let order = match order_by {
            Some(order_by) => self.order_by(order_by, |this, key| this.output_key(key, &outputs, &exprs, &explicit))?,
            None => vec![],
        };
        let mut group = group;
        if self.dialect == Dialect::Postgres && !group.is_empty() {
            let shown = exprs.iter().chain(having.as_ref()).chain(order.iter().filter_map(|order| match &order.key {
                OrderKey::Expr(expr) => Some(expr),
                OrderKey::Ordinal(_) => None,
            }));
            let shown: Vec<&Expr<'a>> = shown.collect();
            self.depend(&mut group, &exprs, &shown)?;
        }
        self.left = self.levels.pop();
        self.current = projected;
        let select = Select { distinct, outputs: exprs, from, filter, group, having, windows, guards: vec![] };
        Ok((select, outputs, order))
    }

    /// The select list, wildcards expanded: expressions, outputs, and which of them carry a name of the agent's.
    fn projection(
        &mut self,
        projection: &'a [ast::SelectItem],
        select: Span,
        place: Place,
    ) -> Outcome<(Vec<Expr<'a>>, Vec<Output<'a>>, Vec<bool>)> {
        let mut exprs = Vec::with_capacity(projection.len());
        let mut outputs = Vec::with_capacity(projection.len());
        let mut explicit = Vec::with_capacity(projection.len());
        let mut written = Vec::with_capacity(projection.len());
        for (at, item) in projection.iter().enumerate() {
            let mark = self.trace.len();
            if let ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, alias: _ } = item {
                written.push((strip(expr), exprs.len()));
            }
            match item {
                ast::SelectItem::UnnamedExpr(expr) => {
                    let resolved = self.expr(expr)?;
                    let name = self.implied_name(expr, &resolved, (select, at), place);
                    let (ty, weight) = (self.ty(&resolved), self.weight(&resolved));
                    outputs.push(Output { name, ty, sources: self.sources_since(mark), weight });
                    exprs.push(resolved);
                    explicit.push(false);
                }
                ast::SelectItem::ExprWithAlias { expr, alias } => {
                    let resolved = self.expr(expr)?;
                    let name = self.name(alias);
                    let (ty, weight) = (self.ty(&resolved), self.weight(&resolved));
                    outputs.push(Output { name, ty, sources: self.sources_since(mark), weight });
                    exprs.push(resolved);
                    explicit.push(true);
                }
                ast::SelectItem::ExprWithAliases { expr, aliases: _ } => {
                    return Err(refuse::unsupported("a select item with several names", expr.span()));
                }
                ast::SelectItem::QualifiedWildcard(kind, options) => {
                    plain_wildcard(options)?;
                    let name = match kind {
                        ast::SelectItemQualifiedWildcardKind::ObjectName(name) => name,
                        ast::SelectItemQualifiedWildcardKind::Expr(expr) => {
                            return Err(refuse::unsupported("`.*` of an expression", expr.span()));
                        }
                    };
                    let parts = self.parts(name)?;
                    let (schema, table) = match parts.as_slice() {
                        [table] => (None, *table),
                        [schema, table] => (Some(*schema), *table),
                        [] | [_, _, _, ..] => {
                            return Err(refuse::relation(&name.to_string(), name.span()));
                        }
                    };
                    let items = self.named_items(schema, table)?;
                    if items.is_empty() {
                        return Err(refuse::relation(&name.to_string(), table.span));
                    }
                    for (name, expr) in items.into_iter().flat_map(|id| self.expand_item(id)).collect::<Vec<_>>() {
                        self.push_expanded(name, expr, &mut exprs, &mut outputs);
                        explicit.push(false);
                    }
                }
                ast::SelectItem::Wildcard(options) => {
                    plain_wildcard(options)?;
                    let parts = self.level()?.parts.clone();
                    if parts.is_empty() {
                        return Err(refuse::unsupported("`*` without FROM", select));
                    }
                    for part in &parts {
                        for (name, expr) in self.expand(part) {
                            self.push_expanded(name, expr, &mut exprs, &mut outputs);
                            explicit.push(false);
                        }
                    }
                }
            }
            if exprs.len() > bounds::COLUMNS {
                return Err(refuse::too_much("columns in a select list", bounds::COLUMNS));
            }
        }
        if exprs.is_empty() {
            return Err(refuse::unsupported("an empty select list", select));
        }
        self.level()?.written = written;
        Ok((exprs, outputs, explicit))
    }

    fn push_expanded(
        &mut self,
        name: Cow<'a, str>,
        expr: Expr<'a>,
        exprs: &mut Vec<Expr<'a>>,
        outputs: &mut Vec<Output<'a>>,
    ) {
        let mark = self.trace.len();
        self.note_expr(&expr);
        let (ty, weight) = (self.ty(&expr), self.weight(&expr));
        outputs.push(Output { name, ty, sources: self.sources_since(mark), weight });
        exprs.push(expr);
    }

    fn group_by(&mut self, group_by: &'a ast::GroupByExpr, outputs: &[Output<'a>]) -> Outcome<Vec<Group<'a>>> {
        let keys = match group_by {
            ast::GroupByExpr::Expressions(keys, modifiers) if modifiers.is_empty() => keys,
            ast::GroupByExpr::Expressions(_, _) => {
                return Err(refuse::unsupported("`WITH ROLLUP`, `WITH CUBE` or `WITH TOTALS`", Span::empty())
                    .hint("write `GROUP BY ROLLUP (…)`"));
            }
            ast::GroupByExpr::All(_) => return Err(refuse::unsupported("`GROUP BY ALL`", Span::empty())),
        };
        keys.iter().map(|key| self.group_key(key, outputs)).collect()
    }

    fn group_key(&mut self, key: &'a ast::Expr, outputs: &[Output<'a>]) -> Outcome<Group<'a>> {
        let (word, sets) = if let ast::Expr::GroupingSets(sets) = key {
            ("GROUPING SETS", sets)
        } else if let ast::Expr::Cube(sets) = key {
            ("CUBE", sets)
        } else if let ast::Expr::Rollup(sets) = key {
            ("ROLLUP", sets)
        } else {
            return self.single_key(key, outputs);
        };
        if self.dialect == Dialect::Sqlite {
            return Err(refuse::unsupported(format!("`{word}`"), key.span()));
        }
        let mut resolved = Vec::with_capacity(sets.len());
        for set in sets {
            resolved.push(set.iter().map(|key| self.group_key(key, outputs)).collect::<Outcome<Vec<_>>>()?);
        }
        Ok(Group::Sets(word, resolved))
    }

    /// An ordinal, an output's name, or an expression: `expr` matches on every kind of it.
    fn single_key(&mut self, key: &'a ast::Expr, outputs: &[Output<'a>]) -> Outcome<Group<'a>> {
        let bare = strip(key);
        if let Some(at) = ordinal(bare, outputs.len())? {
            return Ok(Group::Ordinal(at));
        }
        // A column of FROM comes before an output name here, and an output name before outer columns.
        if let ast::Expr::Identifier(ident) = bare
            && !self.is_local(ident)
        {
            let name = self.name(ident);
            if let Some(at) = outputs.iter().position(|output| self.dialect.same(&output.name, &name)) {
                return Ok(Group::Ordinal(at + 1));
            }
        }
        let expr = self.expr(bare)?;
        Ok(match self.written(bare, &expr)? {
            Some(at) => Group::Ordinal(at + 1),
            None => Group::Expr(expr),
        })
    }

    fn is_local(&self, ident: &'a ast::Ident) -> bool {
        let name = self.name(ident);
        self.levels.last().is_some_and(|level| {
            level.parts.iter().any(|part| self.expand(part).iter().any(|(column, _)| self.dialect.same(column, &name)))
        })
    }
}

pub(super) fn rename<'a>(mut outputs: Vec<Output<'a>>, renames: &[Cow<'a, str>]) -> Vec<Output<'a>> {
    for (output, name) in outputs.iter_mut().zip(renames) {
        output.name = name.clone();
    }
    outputs
}

pub(super) fn dedup(sources: &mut Vec<Source>) {
    sources.sort_unstable();
    sources.dedup();
}

/// The expression without the parentheses around it.
pub(crate) fn strip(mut expr: &ast::Expr) -> &ast::Expr {
    while let ast::Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

/// A whole number written where one means an output column.
pub(super) fn ordinal(expr: &ast::Expr, width: usize) -> Outcome<Option<usize>> {
    let ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Number(digits, _), span }) = expr else {
        return Ok(None);
    };
    match digits.parse::<usize>() {
        Ok(at) if (1..=width).contains(&at) => Ok(Some(at)),
        Ok(_) | Err(_) => {
            Err(refuse::mismatch(format!("`{digits}` is not the number of an output column (1 to {width})"), *span))
        }
    }
}

fn plain_wildcard(options: &ast::WildcardAdditionalOptions) -> Outcome<()> {
    let ast::WildcardAdditionalOptions {
        wildcard_token,
        opt_ilike,
        opt_exclude,
        opt_except,
        opt_replace,
        opt_rename,
        opt_alias,
    } = options;
    if opt_ilike.is_some()
        || opt_exclude.is_some()
        || opt_except.is_some()
        || opt_replace.is_some()
        || opt_rename.is_some()
        || opt_alias.is_some()
    {
        let ast::helpers::attached_token::AttachedToken(token) = wildcard_token;
        return Err(refuse::unsupported("a modified `*`", token.span));
    }
    Ok(())
}
