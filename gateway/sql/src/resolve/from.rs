//! FROM: relations, CTEs, derived tables, table functions, joins.

use std::borrow::Cow;

use mountgate_core::{
    Use,
    weaken::{Defence, is_down},
};
use sqlparser::{
    ast::{self, Spanned as _},
    tokenizer::Span,
};

use super::{CteState, Namespace, Outcome, Place, Resolver, Touched, item_width};
use crate::{
    Dialect, allow, bounds,
    ir::{Body, Expr, From, Item, ItemKind, Join, Output, Query, Term},
    refuse,
};

impl<'a> Resolver<'a> {
    pub(super) fn members(&mut self, from: &'a [ast::TableWithJoins], place: Place) -> Outcome<Vec<Term<'a>>> {
        let mut terms = Vec::with_capacity(from.len());
        for table in from {
            let (term, namespace) = self.term(table, place)?;
            self.level()?.parts.push(namespace);
            terms.push(term);
        }
        Ok(terms)
    }

    /// One member of FROM with its joins. Leaves the level's parts as they were.
    fn term(&mut self, table: &'a ast::TableWithJoins, place: Place) -> Outcome<(Term<'a>, Namespace<'a>)> {
        self.enter()?;
        let ast::TableWithJoins { relation, joins } = table;
        let (first, mut namespace) = self.factor(relation, place)?;
        let mut printed = Vec::with_capacity(joins.len());
        // A conjunct of ON holds for every row only where no later join can bring back what it dropped.
        let all_hold = joins.iter().all(|join| {
            matches!(
                join.join_operator,
                ast::JoinOperator::Join(_)
                    | ast::JoinOperator::Inner(_)
                    | ast::JoinOperator::CrossJoin(_)
                    | ast::JoinOperator::Left(_)
                    | ast::JoinOperator::LeftOuter(_)
            )
        });
        for join in joins {
            let ast::Join { relation, global, join_operator } = join;
            let span = relation.span();
            if *global {
                return Err(refuse::unsupported("`GLOBAL JOIN`", span));
            }
            let (kind, constraint) = self.join_kind(join_operator, span)?;
            // LATERAL and function arguments see what stands to their left.
            self.level()?.parts.push(namespace);
            let (right, right_namespace) = self.factor(relation, place)?;
            let left_namespace = self.level()?.parts.pop().unwrap_or_default();
            let (join, joined) = self.join(kind, constraint, left_namespace, right, right_namespace, span)?;
            if let (Some(on), true, "JOIN", Place::Top) = (&join.on, all_hold, join.kind, place) {
                self.gather(on);
            }
            printed.push(join);
            namespace = joined;
        }
        self.leave();
        Ok((Term { first, joins: printed }, namespace))
    }

    fn join_kind(
        &self,
        operator: &'a ast::JoinOperator,
        span: Span,
    ) -> Outcome<(&'static str, &'a ast::JoinConstraint)> {
        Ok(match operator {
            ast::JoinOperator::Join(constraint) | ast::JoinOperator::Inner(constraint) => ("JOIN", constraint),
            ast::JoinOperator::CrossJoin(constraint) => ("CROSS JOIN", constraint),
            ast::JoinOperator::Left(constraint) | ast::JoinOperator::LeftOuter(constraint) => ("LEFT JOIN", constraint),
            ast::JoinOperator::Right(constraint) | ast::JoinOperator::RightOuter(constraint) => {
                ("RIGHT JOIN", constraint)
            }
            ast::JoinOperator::FullOuter(constraint) => ("FULL JOIN", constraint),
            ast::JoinOperator::Semi(_) | ast::JoinOperator::LeftSemi(_) | ast::JoinOperator::RightSemi(_) => {
                return Err(refuse::unsupported("`SEMI JOIN`", span).hint("write `EXISTS (…)`"));
            }
            ast::JoinOperator::Anti(_) | ast::JoinOperator::LeftAnti(_) | ast::JoinOperator::RightAnti(_) => {
                return Err(refuse::unsupported("`ANTI JOIN`", span).hint("write `NOT EXISTS (…)`"));
            }
            ast::JoinOperator::CrossApply | ast::JoinOperator::OuterApply => {
                return Err(refuse::unsupported("`APPLY`", span).hint("write `LATERAL`"));
            }
            ast::JoinOperator::AsOf { match_condition: _, constraint: _ } => {
                return Err(refuse::unsupported("`ASOF JOIN`", span));
            }
            ast::JoinOperator::StraightJoin(_) => return Err(refuse::unsupported("`STRAIGHT_JOIN`", span)),
            ast::JoinOperator::ArrayJoin | ast::JoinOperator::LeftArrayJoin | ast::JoinOperator::InnerArrayJoin => {
                return Err(refuse::unsupported("`ARRAY JOIN`", span));
            }
        })
    }

    fn join(
        &mut self,
        kind: &'static str,
        constraint: &'a ast::JoinConstraint,
        left: Namespace<'a>,
        right: From<'a>,
        right_namespace: Namespace<'a>,
        span: Span,
    ) -> Outcome<(Join<'a>, Namespace<'a>)> {
        let names: Vec<Cow<'a, str>> = match constraint {
            ast::JoinConstraint::On(condition) => {
                let namespace = concat(self, &left, &right_namespace);
                // PostgreSQL's ON sees the two sides of its join; SQLite's sees all of FROM to its left.
                let siblings = if self.dialect == Dialect::Postgres {
                    std::mem::take(&mut self.level()?.parts)
                } else {
                    self.level()?.parts.clone()
                };
                self.level()?.parts.push(namespace.clone());
                let on = self.with_use(Use::Joined, |this| this.expr(condition))?;
                self.level()?.parts = siblings;
                self.check_predicate(&on);
                let kind = if kind == "CROSS JOIN" { "JOIN" } else { kind };
                return Ok((Join { kind, right, on: Some(on) }, namespace));
            }
            ast::JoinConstraint::None => {
                let namespace = concat(self, &left, &right_namespace);
                let (kind, on) = match (kind, self.dialect) {
                    ("CROSS JOIN", Dialect::Sqlite | Dialect::Postgres) => (kind, None),
                    ("JOIN", Dialect::Sqlite) => ("CROSS JOIN", None),
                    (_, Dialect::Sqlite) => (kind, Some(Expr::Boolean(true))),
                    (_, Dialect::Postgres) => {
                        return Err(refuse::unsupported("a join without ON or USING", span)
                            .hint("write `CROSS JOIN`, or a condition"));
                    }
                };
                return Ok((Join { kind, right, on }, namespace));
            }
            ast::JoinConstraint::Using(columns) => {
                let mut names = Vec::with_capacity(columns.len());
                for column in columns {
                    match self.parts(column)?.as_slice() {
                        [name] => names.push(self.name(name)),
                        [] | [_, _, ..] => return Err(refuse::column(&column.to_string(), column.span())),
                    }
                }
                names
            }
            ast::JoinConstraint::Natural => {
                let right_columns = self.expand(&right_namespace);
                let mut names: Vec<Cow<'a, str>> = Vec::new();
                for (name, _) in self.expand(&left) {
                    let known = |other: &str| self.dialect.same(other, &name);
                    if right_columns.iter().any(|(column, _)| known(column)) && !names.iter().any(|other| known(other))
                    {
                        names.push(name);
                    }
                }
                names
            }
        };
        if self.dialect == Dialect::Sqlite && !self.level()?.parts.is_empty() {
            return Err(refuse::unsupported("USING or NATURAL behind a comma in FROM", span).hint("write `JOIN … ON`"));
        }
        let (mut merged, mut conditions) = (Vec::new(), Vec::new());
        let (left_columns, right_columns) = (self.expand(&left), self.expand(&right_namespace));
        for name in &names {
            let one = |columns: &[(Cow<'a, str>, Expr<'a>)]| -> Outcome<Expr<'a>> {
                let mut hits = columns.iter().filter(|(column, _)| self.dialect.same(column, name));
                match (hits.next(), hits.next()) {
                    (Some((_, expr)), None) => Ok(expr.clone()),
                    (None, _) => Err(refuse::column(name, span)),
                    (Some(_), Some(_)) => Err(refuse::ambiguous(name, span)),
                }
            };
            let (from_left, from_right) = (one(&left_columns)?, one(&right_columns)?);
            let condition = Expr::Chain { op: "=", items: vec![from_left.clone(), from_right.clone()] };
            let current = std::mem::replace(&mut self.current, Use::Joined);
            self.note_expr(&condition);
            self.current = current;
            self.check_predicate(&condition);
            conditions.push(condition);
            let column = match (kind, self.dialect) {
                ("FULL JOIN", Dialect::Sqlite | Dialect::Postgres) => Expr::coalesce(vec![from_left, from_right]),
                // To SQLite this one is a column, and named as one.
                ("RIGHT JOIN", Dialect::Sqlite) => {
                    let mut merged = Expr::coalesce(vec![from_left, from_right]);
                    if let Expr::Call(call) = &mut merged {
                        call.name = "ifnull";
                    }
                    merged
                }
                ("RIGHT JOIN", Dialect::Postgres) => from_right,
                (_, Dialect::Sqlite | Dialect::Postgres) => from_left,
            };
            // SQLite spells it as the left side does, PostgreSQL as USING does.
            let spelt = match self.dialect {
                Dialect::Sqlite => {
                    left_columns.iter().map(|(column, _)| column).find(|column| self.dialect.same(column, name))
                }
                Dialect::Postgres => None,
            };
            merged.push((spelt.unwrap_or(name).clone(), column));
        }
        let is_merged = |name: &str| names.iter().any(|other| self.dialect.same(other, name));
        // PostgreSQL's `*` has the merged columns first. SQLite's has the left's columns in the left's order.
        let mut shown = match self.dialect {
            Dialect::Postgres => std::mem::take(&mut merged),
            Dialect::Sqlite => Vec::with_capacity(left_columns.len() + right_columns.len()),
        };
        for (name, expr) in left_columns {
            if !is_merged(&name) {
                shown.push((name, expr));
            } else if let Some(at) = merged.iter().position(|(other, _)| self.dialect.same(other, &name)) {
                shown.push(merged.swap_remove(at));
            }
        }
        shown.extend(right_columns.into_iter().filter(|(name, _)| !is_merged(name)));
        let items = left.items.into_iter().chain(right_namespace.items).collect();
        let on = match conditions.len() {
            0 => Some(Expr::Boolean(true)),
            1 => conditions.pop(),
            _ => Some(Expr::Chain { op: "AND", items: conditions }),
        };
        let kind = if kind == "CROSS JOIN" { "JOIN" } else { kind };
        Ok((Join { kind, right, on }, Namespace { items, merged: Some(shown) }))
    }

    fn factor(&mut self, factor: &'a ast::TableFactor, place: Place) -> Outcome<(From<'a>, Namespace<'a>)> {
        let span = factor.span();
        let no = |what: &str| Err(refuse::unsupported(what, span));
        let (from, id) = match factor {
            ast::TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                if !with_hints.is_empty() || !index_hints.is_empty() {
                    return no("a table hint");
                }
                if version.is_some() {
                    return no("a table version");
                }
                if !partitions.is_empty() {
                    return no("`PARTITION`");
                }
                if json_path.is_some() {
                    return no("a path behind a table");
                }
                if sample.is_some() {
                    return no("`TABLESAMPLE`");
                }
                match args {
                    Some(ast::TableFunctionArgs { args, settings }) => {
                        if settings.is_some() {
                            return no("`SETTINGS`");
                        }
                        self.function(name, args, alias.as_ref(), *with_ordinality, false)?
                    }
                    None if *with_ordinality => return no("`WITH ORDINALITY` on a table"),
                    None => self.relation(name, alias.as_ref())?,
                }
            }
            ast::TableFactor::Derived { lateral, subquery, alias, sample } => {
                if sample.is_some() {
                    return no("`TABLESAMPLE`");
                }
                if *lateral && self.dialect == Dialect::Sqlite {
                    return no("`LATERAL`");
                }
                self.derived(*lateral, subquery, alias.as_ref())?
            }
            ast::TableFactor::Function { lateral, name, args, with_ordinality, alias } => {
                self.function(name, args, alias.as_ref(), *with_ordinality, *lateral)?
            }
            ast::TableFactor::UNNEST { alias, array_exprs, with_offset, with_offset_alias, with_ordinality } => {
                if *with_offset || with_offset_alias.is_some() {
                    return no("`WITH OFFSET`");
                }
                let args = array_exprs.iter().collect();
                self.function_of("unnest", span, args, alias.as_ref(), *with_ordinality, false)?
            }
            ast::TableFactor::NestedJoin { table_with_joins, alias } => {
                return self.nested(table_with_joins, alias.as_ref(), place);
            }
            ast::TableFactor::TableFunction { expr: _, alias: _ } => return no("`TABLE(…)`"),
            ast::TableFactor::JsonTable { json_expr: _, json_path: _, columns: _, alias: _ } => {
                return no("`JSON_TABLE`");
            }
            ast::TableFactor::OpenJsonTable { json_expr: _, json_path: _, columns: _, alias: _ } => {
                return no("`OPENJSON`");
            }
            ast::TableFactor::Pivot {
                table: _,
                aggregate_functions: _,
                value_column: _,
                value_source: _,
                default_on_null: _,
                alias: _,
            } => return no("`PIVOT`"),
            ast::TableFactor::Unpivot { table: _, value: _, name: _, columns: _, null_inclusion: _, alias: _ }
            | ast::TableFactor::UnpivotExpr { expression: _, value_alias: _, attribute_alias: _ } => {
                return no("`UNPIVOT`");
            }
            ast::TableFactor::MatchRecognize {
                table: _,
                partition_by: _,
                order_by: _,
                measures: _,
                rows_per_match: _,
                after_match_skip: _,
                pattern: _,
                symbols: _,
                alias: _,
            } => return no("`MATCH_RECOGNIZE`"),
            ast::TableFactor::XmlTable { namespaces: _, row_expression: _, passing: _, columns: _, alias: _ } => {
                return no("`XMLTABLE`");
            }
            ast::TableFactor::SemanticView {
                name: _,
                dimensions: _,
                metrics: _,
                facts: _,
                where_clause: _,
                alias: _,
            } => return no("`SEMANTIC_VIEW`"),
        };
        Ok((from, Namespace { items: vec![id], merged: None }))
    }

    /// A name in FROM: a CTE in scope, or a relation of the view. A qualified name is never a CTE.
    fn relation(&mut self, name: &'a ast::ObjectName, alias: Option<&'a ast::TableAlias>) -> Outcome<(From<'a>, u32)> {
        let parts = self.parts(name)?;
        let (schema, table) = match parts.as_slice() {
            [table] => (None, *table),
            [schema, table] => (Some(*schema), *table),
            [] | [_, _, _, ..] => return Err(refuse::relation(&name.to_string(), name.span())),
        };
        let own = self.name(table);
        if schema.is_none() || is_down(Defence::CteScoping) {
            let found = self.ctes.iter().rev().find(|cte| self.dialect.same(&cte.name, &own));
            match found.map(|cte| &cte.state) {
                Some(CteState::Pending) => {
                    return Err(refuse::unsupported(
                        format!("a reference to the CTE `{}` from itself or before it", table.value),
                        table.span,
                    )
                    .hint(
                        "qualify the name if the table is meant; a recursive reference stands in the part after UNION",
                    ));
                }
                Some(CteState::Ready { id, columns }) => {
                    let (cte, columns) = (*id, columns.clone());
                    let kind = ItemKind::Derived { columns, values: false };
                    let item = self.item(kind, own, None, alias, table.span)?;
                    return Ok((From::Cte { item, cte }, item));
                }
                None => {}
            }
        }
        let schema_name = schema.map(|ident| self.name(ident));
        let Some(rel) = self.view.find(self.dialect, schema_name.as_deref(), &own) else {
            let shown = match schema {
                Some(schema) => format!("{}.{}", schema.value, table.value),
                None => table.value.clone(),
            };
            return Err(refuse::relation(&shown, table.span));
        };
        let known = self.touched.iter().position(|touched| touched.rel.name() == rel.name());
        let touched = known.unwrap_or_else(|| {
            self.touched.push(Touched { rel, uses: vec![Default::default(); rel.width()], references: 0 });
            self.touched.len() - 1
        });
        if let Some(touched) = self.touched.get_mut(touched) {
            touched.references += 1;
        }
        let kind = ItemKind::Relation { rel, touched: touched as u32, used: vec![false; rel.width()], pinned: vec![] };
        let default = Cow::Borrowed(self.dialect.default_schema());
        let schema = schema_name.unwrap_or(default);
        // What is named `sales.orders` without an alias is referred to as `orders`.
        let short = match own.rsplit_once('.') {
            Some((_, short)) if schema.is_empty() => Cow::Owned(short.to_owned()),
            Some(_) | None => own,
        };
        let item = self.item(kind, short, Some(schema), alias, table.span)?;
        Ok((From::Relation(item), item))
    }

    fn derived(
        &mut self,
        lateral: bool,
        subquery: &'a ast::Query,
        alias: Option<&'a ast::TableAlias>,
    ) -> Outcome<(From<'a>, u32)> {
        let span = subquery.span();
        if !lateral {
            self.level()?.hidden = true;
        }
        let (query, columns) = self.with_use(Use::Projected, |this| this.query(subquery, Place::Inner))?;
        self.level()?.hidden = false;
        self.check_carried(&query.body, span)?;
        let values = starts_with_values(&query);
        let item = self.item(ItemKind::Derived { columns, values }, Cow::Borrowed(""), None, alias, span)?;
        Ok((From::Derived { item, lateral, query: Box::new(query) }, item))
    }

    fn nested(
        &mut self,
        table: &'a ast::TableWithJoins,
        alias: Option<&'a ast::TableAlias>,
        place: Place,
    ) -> Outcome<(From<'a>, Namespace<'a>)> {
        // SQLite makes a derived table of it: conditions inside see nothing of what stands to its left.
        let (siblings, outward) = match self.dialect {
            Dialect::Sqlite => {
                let level = self.level()?;
                (std::mem::take(&mut level.parts), level.outward.replace(vec![]))
            }
            Dialect::Postgres => (vec![], None),
        };
        let (term, namespace) = self.term(table, place)?;
        if self.dialect == Dialect::Sqlite {
            let level = self.level()?;
            level.parts = siblings;
            let inner = std::mem::replace(&mut level.outward, outward).unwrap_or_default();
            self.check_outward(&inner, std::slice::from_ref(&namespace))?;
        }
        let Some(alias) = alias else { return Ok((From::Nested(Box::new(term)), namespace)) };
        let columns = self.expand(&namespace);
        let item = self.item(ItemKind::Joined { columns }, Cow::Borrowed(""), None, Some(alias), alias.name.span)?;
        Ok((From::Nested(Box::new(term)), Namespace { items: vec![item], merged: None }))
    }

    fn function(
        &mut self,
        name: &'a ast::ObjectName,
        args: &'a [ast::FunctionArg],
        alias: Option<&'a ast::TableAlias>,
        ordinality: bool,
        lateral: bool,
    ) -> Outcome<(From<'a>, u32)> {
        let parts = self.parts(name)?;
        let [ident] = parts.as_slice() else {
            return Err(refuse::unsupported(format!("the function `{name}`"), name.span()));
        };
        let args = args.iter().map(|arg| self.plain_arg(arg)).collect::<Outcome<Vec<_>>>()?;
        let own = self.name(ident).to_ascii_lowercase();
        self.function_of(&own, ident.span, args, alias, ordinality, lateral)
    }

    fn function_of(
        &mut self,
        name: &str,
        span: Span,
        args: Vec<&'a ast::Expr>,
        alias: Option<&'a ast::TableAlias>,
        ordinality: bool,
        lateral: bool,
    ) -> Outcome<(From<'a>, u32)> {
        let function = allow::functions(self.dialect, name).iter().find(|function| {
            matches!(function.kind, allow::Kind::Table)
                && args.len() >= usize::from(function.min_args)
                && (function.max_args == u8::MAX || args.len() <= usize::from(function.max_args))
        });
        let Some(function) = function else {
            return Err(refuse::unsupported(
                format!("the table function `{name}` with {} arguments", args.len()),
                span,
            ));
        };
        if self.dialect == Dialect::Sqlite && (ordinality || lateral) {
            return Err(refuse::unsupported("`LATERAL` or `WITH ORDINALITY`", span));
        }
        let count = args.len();
        let args = args
            .into_iter()
            .map(|arg| self.with_use(Use::Joined, |this| this.expr(arg)))
            .collect::<Outcome<Vec<_>>>()?;
        self.check_cost(function.name, &args, span)?;
        // A function in FROM may raise on its argument, whatever that is, and runs wherever the planner puts it.
        if !args.iter().all(crate::leak::constant) {
            self.leaky = true;
        }
        // What it takes apart, or counts, is no longer than what it is given.
        let weight = self.weight_of(args.iter());
        let column = |name: Cow<'a, str>| Output { name, ty: None, sources: vec![], weight };
        let mut columns: Vec<Output<'a>> = match allow::table_columns(self.dialect, function.name) {
            Some(names) => names.iter().map(|name| column(Cow::Borrowed(*name))).collect(),
            None if function.name == "unnest" => (0..count).map(|_| column(Cow::Borrowed("unnest"))).collect(),
            None => vec![column(Cow::Borrowed(function.name))],
        };
        // PostgreSQL names the one column of a function that has no name for it after the alias.
        if let (Some(alias), [only], Dialect::Postgres) = (alias, columns.as_mut_slice(), self.dialect)
            && only.name == function.name
        {
            only.name = self.name(&alias.name);
        }
        if ordinality {
            columns.push(column(Cow::Borrowed("ordinality")));
        }
        let renamed = self.dialect == Dialect::Postgres;
        let kind = ItemKind::Function { columns, renamed };
        let item = self.item(kind, Cow::Borrowed(function.name), None, alias, span)?;
        Ok((From::Function { item, lateral, name: function.name, args, ordinality }, item))
    }

    /// Adds an item under its alias.
    fn item(
        &mut self,
        kind: ItemKind<'a>,
        name: Cow<'a, str>,
        schema: Option<Cow<'a, str>>,
        alias: Option<&'a ast::TableAlias>,
        span: Span,
    ) -> Outcome<u32> {
        if self.items.len() >= bounds::RELATIONS {
            return Err(refuse::too_much("tables in FROM", bounds::RELATIONS));
        }
        let mut item = Item { kind, alias: name, schema, renames: vec![] };
        if let Some(ast::TableAlias { explicit: _, name, columns, at }) = alias {
            if let Some(at) = at {
                return Err(refuse::unsupported("`AT` behind an alias", at.span));
            }
            item.alias = self.name(name);
            item.schema = None;
            item.renames = self.alias_columns(columns)?;
            if !item.renames.is_empty() && self.dialect == Dialect::Sqlite {
                return Err(refuse::unsupported("a list of columns behind an alias", name.span)
                    .hint("name the columns inside the derived table, or in `WITH name(columns) AS (…)`"));
            }
            if item.renames.len() > item_width(&item) {
                return Err(refuse::mismatch(
                    format!("`{}` names {} columns and has {}", name.value, item.renames.len(), item_width(&item)),
                    span,
                ));
            }
        }
        self.items.push(item);
        Ok((self.items.len() - 1) as u32)
    }

    pub(super) fn alias_columns(&self, columns: &'a [ast::TableAliasColumnDef]) -> Outcome<Vec<Cow<'a, str>>> {
        columns
            .iter()
            .map(|column| {
                let ast::TableAliasColumnDef { name, data_type } = column;
                if data_type.is_some() {
                    return Err(refuse::unsupported("a column definition behind an alias", name.span));
                }
                Ok(self.name(name))
            })
            .collect()
    }
}

fn concat<'a>(resolver: &Resolver<'a>, left: &Namespace<'a>, right: &Namespace<'a>) -> Namespace<'a> {
    let items = left.items.iter().chain(&right.items).copied().collect();
    let merged = if left.merged.is_some() || right.merged.is_some() {
        Some(resolver.expand(left).into_iter().chain(resolver.expand(right)).collect())
    } else {
        None
    };
    Namespace { items, merged }
}

/// Whether the store names the query's columns `column1`, `column2`, …
fn starts_with_values(query: &Query<'_>) -> bool {
    let mut body = &query.body;
    loop {
        match body {
            Body::Select(_) => return false,
            Body::Values(_) => return true,
            Body::Set { left, .. } => body = left,
            Body::Query(query) => body = &query.body,
        }
    }
}
