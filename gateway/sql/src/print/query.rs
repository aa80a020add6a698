//! Queries.

use mountgate_core::{
    Refusal,
    weaken::{Defence, is_down},
};

use super::Printer;
use crate::{
    Dialect,
    ir::{Body, Bound, Distinct, From, Group, Guard, Item, ItemKind, Order, OrderKey, Query, Select, Term, Window},
};

/// What a select list's items are called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// As the agent named them: the answer's columns.
    Top,
    /// `f1`, `f2`, …
    Inner,
}

type Printed = Result<(), Refusal>;

impl<'a> Printer<'_, 'a> {
    pub(super) fn query(&mut self, query: &Query<'a>, names: Names) -> Printed {
        let Query { recursive, ctes, body, order, limit, offset, with_ties } = query;
        if !ctes.is_empty() {
            self.push(if *recursive { "WITH RECURSIVE " } else { "WITH " });
            self.separated(ctes, |this, cte| {
                this.cte(cte.id);
                this.push("(");
                for at in 0..cte.width {
                    this.push(if at > 0 { ", " } else { "" });
                    this.numbered("f", at + 1);
                }
                this.push(match cte.materialized {
                    None => ") AS (",
                    Some(true) => ") AS MATERIALIZED (",
                    Some(false) => ") AS NOT MATERIALIZED (",
                });
                this.query(&cte.query, Names::Inner)?;
                this.push(")");
                Ok(())
            })?;
            self.push(" ");
        }
        crate::deep(|| self.body(body, names, true))?;
        if !order.is_empty() {
            self.push(" ORDER BY ");
            self.order(order)?;
        }
        match (limit, offset, self.dialect) {
            (Some(limit), _, Dialect::Postgres) if *with_ties => {
                if let Some(offset) = offset {
                    self.push(" OFFSET ");
                    self.expr(offset)?;
                }
                self.push(" FETCH FIRST ");
                self.expr(limit)?;
                self.push(" ROWS WITH TIES");
                return Ok(());
            }
            (Some(limit), _, Dialect::Sqlite | Dialect::Postgres) => {
                self.push(" LIMIT ");
                self.expr(limit)?;
            }
            // SQLite has no OFFSET without LIMIT.
            (None, Some(_), Dialect::Sqlite) => self.push(" LIMIT -1"),
            (None, _, Dialect::Sqlite | Dialect::Postgres) => {}
        }
        if let Some(offset) = offset {
            self.push(" OFFSET ");
            self.expr(offset)?;
        }
        Ok(())
    }

    /// The name of a CTE. Where a table of the file is called so, hidden or not, SQLite's wall can't tell the two apart
    /// and fails the statement: so the name is one that no table has.
    fn cte(&mut self, id: u32) {
        let prefix = match self.dialect {
            Dialect::Sqlite => "mountgate_cte",
            Dialect::Postgres => "c",
        };
        self.numbered(prefix, id as usize);
    }

    fn body(&mut self, body: &Body<'a>, names: Names, first: bool) -> Printed {
        match body {
            Body::Select(select) => self.select(select, names),
            Body::Values(rows) => {
                self.push("VALUES ");
                self.separated(rows, |this, row| {
                    this.push("(");
                    this.separated(row, |this, expr| this.expr(expr))?;
                    this.push(")");
                    Ok(())
                })
            }
            Body::Set { op, all, left, right } => {
                self.operand(left, names, first)?;
                self.push(" ");
                self.push(op);
                self.push(if *all { " ALL " } else { " " });
                let before = self.bare;
                self.bare |= is_down(Defence::SetOperations);
                self.operand(right, names, false)?;
                self.bare = before;
                Ok(())
            }
            Body::Query(query) => match self.dialect {
                Dialect::Postgres => {
                    self.push("(");
                    self.query(query, names)?;
                    self.push(")");
                    Ok(())
                }
                // SQLite has no parentheses there. Its columns are those of the query inside.
                Dialect::Sqlite => {
                    self.push("SELECT * FROM (");
                    self.query(query, names)?;
                    self.push(")");
                    Ok(())
                }
            },
        }
    }

    fn operand(&mut self, body: &Body<'a>, names: Names, first: bool) -> Printed {
        // INVARIANT: the resolver nests SQLite's set operations to the left only, where parentheses are not needed.
        let nested = self.dialect == Dialect::Postgres && matches!(body, Body::Set { .. });
        if nested {
            self.push("(");
        }
        self.body(body, names, first)?;
        if nested {
            self.push(")");
        }
        Ok(())
    }

    fn select(&mut self, select: &Select<'a>, names: Names) -> Printed {
        let Select { distinct, outputs, from, filter, group, having, windows, guards } = select;
        self.push("SELECT ");
        match distinct {
            Distinct::No => {}
            Distinct::Yes => self.push("DISTINCT "),
            Distinct::On(keys) => {
                self.push("DISTINCT ON (");
                self.separated(keys, |this, key| match key {
                    OrderKey::Ordinal(at) => {
                        this.push(&at.to_string());
                        Ok(())
                    }
                    OrderKey::Expr(expr) => this.expr(expr),
                })?;
                self.push(") ");
            }
        }
        for (at, expr) in outputs.iter().enumerate() {
            self.push(if at > 0 { ", " } else { "" });
            self.expr(expr)?;
            self.push(" AS ");
            match names {
                Names::Top => {
                    let resolved = self.outputs;
                    // PostgreSQL has no empty names.
                    match resolved.outputs.get(at) {
                        Some(output) if !output.name.is_empty() => self.ident(&output.name),
                        Some(_) | None => self.ident("?column?"),
                    }
                }
                Names::Inner => self.numbered("f", at + 1),
            }
        }
        if !from.is_empty() {
            self.push(" FROM ");
            self.separated(from, |this, term| this.term(term))?;
        }
        if let Some(filter) = filter {
            self.push(" WHERE ");
            self.expr(filter)?;
        }
        if !group.is_empty() {
            self.push(" GROUP BY ");
            self.separated(group, |this, key| this.group(key))?;
        }
        let mut word = " HAVING ";
        if let Some(having) = having {
            self.push(word);
            word = " AND ";
            self.expr(having)?;
        }
        for guard in guards {
            self.push(word);
            word = " AND ";
            self.guard(*guard);
        }
        if !windows.is_empty() {
            self.push(" WINDOW ");
            for (at, window) in windows.iter().enumerate() {
                self.push(if at > 0 { ", " } else { "" });
                self.numbered("w", at + 1);
                self.push(" AS (");
                self.window(window)?;
                self.push(")");
            }
        }
        Ok(())
    }

    /// `(count(DISTINCT unit) >= least)`, over the group's rows or those of them in which a column is not NULL.
    fn guard(&mut self, guard: Guard) {
        let Guard { item, of, least } = guard;
        self.push("(");
        self.function_name("count", self.dialect == Dialect::Postgres);
        self.push("(DISTINCT ");
        if let Some((item, column)) = of {
            self.push("CASE WHEN ");
            self.alias(item);
            self.push(".");
            self.column(item, column);
            self.push(" IS NOT NULL THEN ");
        }
        self.alias(item);
        self.push(".");
        self.unit_name(item);
        self.push(if of.is_some() { " END) >= " } else { ") >= " });
        self.push(&least.to_string());
        self.push(")");
    }

    fn group(&mut self, group: &Group<'a>) -> Printed {
        match group {
            Group::Ordinal(at) => {
                self.push(&at.to_string());
                Ok(())
            }
            Group::Expr(expr) => self.expr(expr),
            Group::Sets(word, sets) => {
                self.push(word);
                self.push(" (");
                self.separated(sets, |this, set| {
                    this.push("(");
                    this.separated(set, |this, key| this.group(key))?;
                    this.push(")");
                    Ok(())
                })?;
                self.push(")");
                Ok(())
            }
        }
    }

    fn term(&mut self, term: &Term<'a>) -> Printed {
        let Term { first, joins } = term;
        self.from(first)?;
        for join in joins {
            self.push(" ");
            self.push(join.kind);
            self.push(" ");
            self.from(&join.right)?;
            if let Some(on) = &join.on {
                self.push(" ON ");
                self.expr(on)?;
            }
        }
        Ok(())
    }

    fn from(&mut self, from: &From<'a>) -> Printed {
        let item = match from {
            From::Relation(item) => {
                self.relation(*item)?;
                *item
            }
            From::Cte { item, cte } => {
                self.cte(*cte);
                *item
            }
            From::Derived { item, lateral, query } => {
                self.push(if *lateral { "LATERAL (" } else { "(" });
                self.query(query, Names::Inner)?;
                self.push(")");
                *item
            }
            From::Function { item, lateral, name, args, ordinality } => {
                self.push(if *lateral { "LATERAL " } else { "" });
                // A table of the file's may be called so, hidden or not. Nobody can make one in `temp`, and where a schema has
                // no table of a module's name, SQLite takes the module's own.
                self.push(match self.dialect {
                    Dialect::Sqlite => "\"temp\".",
                    Dialect::Postgres => "",
                });
                // PostgreSQL takes several arrays only where the name is bare.
                let alone = *name == "unnest" && args.len() > 1;
                self.function_name(name, self.dialect == Dialect::Postgres && !alone);
                self.push("(");
                self.separated(args, |this, arg| this.expr(arg))?;
                self.push(if *ordinality { ") WITH ORDINALITY" } else { ")" });
                self.push(" AS ");
                self.alias(*item);
                if let Some(Item { kind: ItemKind::Function { columns, renamed: true }, .. }) =
                    self.items.get(*item as usize)
                {
                    self.push("(");
                    for at in 0..columns.len() {
                        self.push(if at > 0 { ", " } else { "" });
                        self.numbered("f", at + 1);
                    }
                    self.push(")");
                }
                return Ok(());
            }
            From::Nested(term) => {
                self.push("(");
                self.term(term)?;
                self.push(")");
                return Ok(());
            }
        };
        self.push(" AS ");
        self.alias(item);
        Ok(())
    }

    pub(super) fn order(&mut self, order: &[Order<'a>]) -> Printed {
        self.separated(order, |this, order| {
            match &order.key {
                OrderKey::Ordinal(at) => this.push(&at.to_string()),
                OrderKey::Expr(expr) => this.expr(expr)?,
            }
            if let Some(collation) = order.collation {
                this.push(" COLLATE ");
                this.ident(collation);
            }
            match order.descending {
                None => {}
                Some(false) => this.push(" ASC"),
                Some(true) => this.push(" DESC"),
            }
            match order.nulls_first {
                None => {}
                Some(true) => this.push(" NULLS FIRST"),
                Some(false) => this.push(" NULLS LAST"),
            }
            Ok(())
        })
    }

    pub(super) fn window(&mut self, window: &Window<'a>) -> Printed {
        let Window { base, partition, order, frame } = window;
        let mut space = "";
        if let Some(base) = base {
            self.numbered("w", base + 1);
            space = " ";
        }
        if !partition.is_empty() {
            self.push(space);
            self.push("PARTITION BY ");
            self.separated(partition, |this, key| this.expr(key))?;
            space = " ";
        }
        if !order.is_empty() {
            self.push(space);
            self.push("ORDER BY ");
            self.order(order)?;
            space = " ";
        }
        if let Some(frame) = frame {
            self.push(space);
            self.push(frame.units);
            match &frame.end {
                None => {
                    self.push(" ");
                    self.bound(&frame.start)?;
                }
                Some(end) => {
                    self.push(" BETWEEN ");
                    self.bound(&frame.start)?;
                    self.push(" AND ");
                    self.bound(end)?;
                }
            }
        }
        Ok(())
    }

    fn bound(&mut self, bound: &Bound<'a>) -> Printed {
        let (by, word) = match bound {
            Bound::Current => {
                self.push("CURRENT ROW");
                return Ok(());
            }
            Bound::Preceding(by) => (by, " PRECEDING"),
            Bound::Following(by) => (by, " FOLLOWING"),
        };
        match by {
            None => self.push("UNBOUNDED"),
            Some(by) => self.expr(by)?,
        }
        self.push(word);
        Ok(())
    }
}
