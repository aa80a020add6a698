//! Column references: which column of which item a name means.

use std::borrow::Cow;

use mountgate_core::Use;
use sqlparser::{ast, tokenizer::Span};

use super::{Namespace, Outcome, Resolver, item_column, item_width};
use crate::{
    Dialect,
    ir::{Expr, Item, ItemKind},
    refuse,
};

impl<'a> Resolver<'a> {
    /// `name`: the innermost level that has such a column; in SQLite, also an output name of that level.
    pub(super) fn unqualified(&mut self, ident: &'a ast::Ident) -> Outcome<Expr<'a>> {
        let name = self.name(ident);
        for at in (0..self.levels.len()).rev() {
            let Some(level) = self.levels.get(at) else { continue };
            if level.hidden {
                continue;
            }
            let mut found: Option<Expr<'a>> = None;
            for part in &level.parts {
                for hit in self.in_namespace(part, &name) {
                    if found.is_some() {
                        return Err(refuse::ambiguous(&name, ident.span));
                    }
                    found = Some(hit);
                }
            }
            if found.is_none() {
                found = level
                    .aliases
                    .iter()
                    .find(|(alias, _)| self.dialect.same(alias, &name))
                    .map(|(_, expr)| expr.clone());
                if let Some(expr) = &found {
                    // Within a subquery, an aggregate would count the subquery's rows.
                    let computed =
                        |part: &Expr<'_>| matches!(part, Expr::Call(call) if call.aggregate || call.over.is_some());
                    if at + 1 < self.levels.len() && expr.any(&computed) {
                        return Err(refuse::unsupported(
                            format!("the aggregate `{}` within a subquery", ident.value),
                            ident.span,
                        ));
                    }
                    // A name that stands for a large expression may be used many times.
                    self.nodes += expr.nodes();
                    self.node()?;
                }
            }
            if let Some(expr) = found {
                if self.levels.get(at).is_some_and(|level| level.limiting) {
                    return Err(refuse::column(&ident.value, ident.span));
                }
                self.passed(at, std::slice::from_ref(ident));
                self.note_expr(&expr);
                return Ok(expr);
            }
        }
        if self.dialect == Dialect::Sqlite && is_misquoted(ident) {
            return Ok(Expr::Text(&ident.value));
        }
        // A function's alias is looked at last: a column of an outer query comes before it.
        let seen = |level: &super::Level<'a>| !level.hidden && !level.limiting;
        let levels = (0..self.levels.len()).rev().filter(|at| self.levels.get(*at).is_some_and(seen));
        if let Some(expr) = levels.into_iter().find_map(|at| self.scalar_function(at, &name)) {
            self.note_expr(&expr);
            return Ok(expr);
        }
        Err(refuse::column(&ident.value, ident.span))
    }

    /// PostgreSQL: the alias of a function with one column stands for that column (`… AS elem`, `elem->>'x'`).
    fn scalar_function(&self, level: usize, name: &str) -> Option<Expr<'a>> {
        if self.dialect != Dialect::Postgres {
            return None;
        }
        let items = self.levels.get(level)?.parts.iter().flat_map(|part| &part.items);
        items
            .filter_map(|id| self.items.get(*id as usize).map(|item| (*id, item)))
            .find(|(_, item)| {
                matches!(&item.kind, ItemKind::Function { columns, .. } if columns.len() == 1)
                    && self.dialect.same(&item.alias, name)
            })
            .map(|(item, _)| Expr::Column { item, column: 0 })
    }

    /// Every column of that name that the namespace shows unqualified.
    fn in_namespace(&self, part: &Namespace<'a>, name: &str) -> Vec<Expr<'a>> {
        match &part.merged {
            Some(columns) => columns
                .iter()
                .filter(|(column, _)| self.dialect.same(column, name))
                .map(|(_, expr)| expr.clone())
                .collect(),
            None => part.items.iter().flat_map(|id| self.in_item(*id, name)).collect(),
        }
    }

    /// Every column of that name of the item.
    fn in_item(&self, id: u32, name: &str) -> Vec<Expr<'a>> {
        let Some(item) = self.items.get(id as usize) else { return vec![] };
        if let (ItemKind::Relation { rel, .. }, true) = (&item.kind, item.renames.is_empty()) {
            return rel
                .find(self.dialect, name)
                .map(|at| Expr::Column { item: id, column: at as u32 })
                .into_iter()
                .collect();
        }
        (0..item_width(item))
            .filter(|at| item_column(item, *at).is_some_and(|(column, _)| self.dialect.same(column, name)))
            .map(|at| self.column_of(id, item, at))
            .collect()
    }

    fn column_of(&self, id: u32, item: &Item<'a>, at: usize) -> Expr<'a> {
        match &item.kind {
            // A join under an alias is printed without it: its columns are those of the items inside.
            ItemKind::Joined { columns } => columns.get(at).map_or(Expr::Null, |(_, expr)| expr.clone()),
            ItemKind::Relation { .. } | ItemKind::Derived { .. } | ItemKind::Function { .. } => {
                Expr::Column { item: id, column: at as u32 }
            }
        }
    }

    /// `alias.name` or `schema.table.name`.
    pub(super) fn qualified(&mut self, idents: &'a [ast::Ident]) -> Outcome<Expr<'a>> {
        let shown = || idents.iter().map(|ident| ident.value.as_str()).collect::<Vec<_>>().join(".");
        let (schema, table, column) = match idents {
            [table, column] => (None, table, column),
            [schema, table, column] => (Some(schema), table, column),
            [] | [_] | [_, _, _, ..] => {
                let span = idents.first().map_or(Span::empty(), |ident| ident.span);
                return Err(refuse::column(&shown(), span));
            }
        };
        let items = self.named_items(schema, table)?;
        if let Some(at) = items.first().and_then(|item| self.level_of(*item)) {
            self.passed(at, idents);
        }
        if items.is_empty() {
            return Err(refuse::column(&shown(), table.span));
        }
        let limiting = self.levels.iter().rfind(|level| level.limiting);
        if limiting.is_some_and(|level| level.parts.iter().any(|part| items.iter().any(|id| part.items.contains(id)))) {
            return Err(refuse::column(&shown(), column.span));
        }
        let name = self.name(column);
        let mut hits: Vec<Expr<'a>> = items.iter().flat_map(|item| self.in_item(*item, &name)).collect();
        let hit = hits.pop();
        if !hits.is_empty() {
            return Err(refuse::ambiguous(&shown(), column.span));
        }
        match hit {
            Some(expr) => {
                self.note_expr(&expr);
                Ok(expr)
            }
            None => Err(refuse::column(&shown(), column.span)),
        }
    }

    /// The items that a qualifier means: those of that name of the innermost level that has one. SQLite lets several
    /// share a name, as long as each column is in one of them only.
    pub(super) fn named_items(&self, schema: Option<&'a ast::Ident>, table: &'a ast::Ident) -> Outcome<Vec<u32>> {
        let name = self.name(table);
        let schema = schema.map(|ident| self.name(ident));
        for level in self.levels.iter().rev().filter(|level| !level.hidden) {
            let mut found = Vec::new();
            for id in level.parts.iter().flat_map(|part| &part.items) {
                let Some(item) = self.items.get(*id as usize) else { continue };
                let fits = self.dialect.same(&item.alias, &name)
                    && match (&schema, &item.schema) {
                        (None, _) => true,
                        (Some(wanted), Some(schema)) => self.dialect.same(wanted, schema),
                        (Some(_), None) => false,
                    };
                if fits {
                    found.push(*id);
                }
            }
            if found.len() > 1 && self.dialect == Dialect::Postgres {
                return Err(refuse::ambiguous(&table.value, table.span));
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(vec![])
    }

    /// Every column of the namespace, in the order of `*`.
    pub(super) fn expand(&self, part: &Namespace<'a>) -> Vec<(Cow<'a, str>, Expr<'a>)> {
        match &part.merged {
            Some(columns) => columns.clone(),
            None => part.items.iter().flat_map(|id| self.expand_item(*id)).collect(),
        }
    }

    /// Every column of the item, in order.
    pub(super) fn expand_item(&self, id: u32) -> Vec<(Cow<'a, str>, Expr<'a>)> {
        let Some(item) = self.items.get(id as usize) else { return vec![] };
        (0..item_width(item))
            .map(|at| {
                let renamed = item.renames.get(at).cloned();
                let name = renamed.unwrap_or_else(|| match &item.kind {
                    ItemKind::Relation { rel, .. } => {
                        rel.column(at).map_or(Cow::Borrowed(""), |(name, _, _)| Cow::Borrowed(name.as_str()))
                    }
                    ItemKind::Derived { columns, .. } | ItemKind::Function { columns, .. } => {
                        columns.get(at).map_or(Cow::Borrowed(""), |output| output.name.clone())
                    }
                    ItemKind::Joined { columns } => columns.get(at).map_or(Cow::Borrowed(""), |(name, _)| name.clone()),
                });
                (name, self.column_of(id, item, at))
            })
            .collect()
    }

    /// Records the use of every column in an expression that a name stood for.
    pub(super) fn note_expr(&mut self, expr: &Expr<'a>) {
        if let Expr::Column { item, column } = expr {
            self.note(*item, *column);
        } else {
            let mut columns = Vec::new();
            expr.columns(&mut columns);
            for (item, column) in columns {
                self.note(item, column);
            }
        }
        if !self.watches.is_empty() {
            self.watch(expr);
        }
    }

    /// Tells those who watch which level the expression's columns are of.
    fn watch(&mut self, expr: &Expr<'a>) {
        let mut columns = Vec::new();
        expr.columns(&mut columns);
        for (item, _) in columns {
            let Some(at) = self.level_of(item) else { continue };
            for watch in &mut self.watches {
                // What is of a level further in is that level's own.
                if at <= watch.level {
                    watch.innermost = watch.innermost.max(Some(at));
                }
            }
        }
    }

    /// Notes for the levels between that a name was found further out, at level `at`.
    fn passed(&mut self, at: usize, idents: &'a [ast::Ident]) {
        for level in self.levels.iter_mut().skip(at + 1).filter(|level| !level.hidden) {
            if let Some(outward) = &mut level.outward {
                outward.push(idents);
            }
        }
    }

    /// Refuses a name of a condition in FROM that was found further out where something of that FROM, to its right, has
    /// such a column too: SQLite takes that one.
    pub(super) fn check_outward(&self, outward: &[&'a [ast::Ident]], parts: &[Namespace<'a>]) -> Outcome<()> {
        for idents in outward {
            let Some(column) = idents.last() else { continue };
            let name = self.name(column);
            let found = match idents {
                [_] => parts.iter().any(|part| !self.in_namespace(part, &name).is_empty()),
                [.., table, _] => {
                    let table = self.name(table);
                    let named = |id: &&u32| {
                        self.items.get(**id as usize).is_some_and(|item| self.dialect.same(&item.alias, &table))
                    };
                    let mut items = parts.iter().flat_map(|part| &part.items).filter(named);
                    items.any(|id| !self.in_item(*id, &name).is_empty())
                }
                [] => false,
            };
            if found {
                return Err(refuse::ambiguous(&name, column.span)
                    .hint("SQLite looks in all of FROM first, also to the right: give the tables names of their own"));
            }
        }
        Ok(())
    }

    fn level_of(&self, wanted: u32) -> Option<usize> {
        self.levels.iter().rposition(|level| {
            level.parts.iter().flat_map(|part| &part.items).any(|id| *id == wanted || self.is_within(*id, wanted))
        })
    }

    /// Whether the item is of a query around the one that was just resolved.
    pub(super) fn is_outer(&self, item: u32) -> bool {
        self.level_of(item).is_some()
    }

    /// Whether the item is a join under an alias that the other is in.
    fn is_within(&self, join: u32, wanted: u32) -> bool {
        let Some(ItemKind::Joined { columns }) = self.items.get(join as usize).map(|item| &item.kind) else {
            return false;
        };
        columns.iter().any(|(_, expr)| expr.any(&|part| matches!(part, Expr::Column { item, .. } if *item == wanted)))
    }

    fn note(&mut self, id: u32, column: u32) {
        let Some(item) = self.items.get_mut(id as usize) else { return };
        match &mut item.kind {
            ItemKind::Relation { touched, used, .. } => {
                if let Some(used) = used.get_mut(column as usize) {
                    *used = true;
                }
                let source = (*touched, column);
                self.trace.push(source);
                if let Some(uses) =
                    self.touched.get_mut(source.0 as usize).and_then(|touched| touched.uses.get_mut(column as usize))
                {
                    add_use(uses, self.current, self.in_aggregate);
                }
            }
            ItemKind::Derived { columns, .. } | ItemKind::Function { columns, .. } => {
                let Some(output) = columns.get(column as usize) else { return };
                for (relation, column) in &output.sources {
                    self.trace.push((*relation, *column));
                    if let Some(uses) = self
                        .touched
                        .get_mut(*relation as usize)
                        .and_then(|touched| touched.uses.get_mut(*column as usize))
                    {
                        add_use(uses, self.current, self.in_aggregate);
                    }
                }
            }
            // INVARIANT: references to a joined item are to the items inside it.
            ItemKind::Joined { .. } => {}
        }
    }
}

/// Whether SQLite takes the name for a text once it names no column: one in double quotes is a string there, and much
/// that is sent to SQLite is written so. Who asks for a column that is hidden gets the text that stands in the quotes,
/// as who asks for one that does not exist does. It is printed as the literal that it is: the store is never asked
/// whether it knows a column of that name.
fn is_misquoted(ident: &ast::Ident) -> bool {
    // On a table, the store reads these as the number of the row, in whatever quotes.
    let row = ["rowid", "oid", "_rowid_"].iter().any(|name| ident.value.eq_ignore_ascii_case(name));
    ident.quote_style == Some('"') && !row
}

fn add_use(uses: &mut mountgate_core::Uses, current: Use, in_aggregate: bool) {
    if in_aggregate {
        uses.add(Use::Aggregated);
        if current == Use::Projected {
            return;
        }
    }
    uses.add(current);
}
