//! SELECT.

use super::{
    super::{
        tree::{Tree, list, opt, parens, seq, text, wrap},
        world::Kind,
    },
    Col, Generator, Item, Scope,
};

/// What a SELECT gives.
pub(super) struct Selected {
    pub(super) tree: Tree,
    pub(super) cols: Vec<Col>,
    /// What DISTINCT ON has the order begin with: so many of the outputs.
    pub(super) distinct_on: usize,
}

/// Kinds that nothing stands in the way of in a select list.
const FREE: [Kind; 9] =
    [Kind::Int, Kind::Int, Kind::Text, Kind::Text, Kind::Float, Kind::Dec, Kind::Bool, Kind::Date, Kind::Ts];

impl Generator<'_> {
    /// A SELECT of those kinds, or of what it likes; `named`: each output has a name of its own.
    pub(super) fn select(&mut self, depth: usize, want: Option<&[Kind]>, named: bool) -> Selected {
        if self.uses("no table", 2) {
            return self.bare(depth, want, named);
        }
        let (from, scope) = self.from(depth);
        self.scopes.push(scope);
        let themed =
            ["grouping sets", "rollup", "cube", "having", "group by", "subquery in having", "subquery in group by"]
                .contains(&self.theme)
                && !self.tags.contains(self.theme);
        let grouped = if themed { self.rng.chance(85) } else { self.rng.chance(18) };
        let out = if grouped {
            self.grouped(from, depth, want, named)
        } else if self.rng.chance(10) {
            self.folded(from, depth, want, named)
        } else {
            self.plain(from, depth, want, named)
        };
        self.scopes.pop();
        out
    }

    fn bare(&mut self, depth: usize, want: Option<&[Kind]>, named: bool) -> Selected {
        self.scopes.push(Scope::default());
        let kinds = self.kinds(want);
        let outputs = kinds.iter().map(|kind| self.expr(*kind, depth.min(1))).collect();
        let (items, cols) = self.name_outputs(outputs, &kinds, named);
        self.scopes.pop();
        Selected { tree: wrap("SELECT ", self.outputs(items, want), ""), cols, distinct_on: 0 }
    }

    fn kinds(&mut self, want: Option<&[Kind]>) -> Vec<Kind> {
        match want {
            Some(want) => want.to_vec(),
            None => (0..1 + self.rng.below(4))
                .map(|_| {
                    let any = self.column_where(&|_| true);
                    match any {
                        Some((_, col)) if self.rng.chance(60) => col.kind,
                        _ => *self.rng.pick(&FREE),
                    }
                })
                .collect(),
        }
    }

    fn outputs(&self, items: Vec<Tree>, want: Option<&[Kind]>) -> Tree {
        let min = if want.is_some() { items.len() } else { 1 };
        Tree::List { sep: ", ", items, min }
    }

    /// Gives outputs names: always where `named`, elsewhere mostly.
    fn name_outputs(&mut self, outputs: Vec<Tree>, kinds: &[Kind], named: bool) -> (Vec<Tree>, Vec<Col>) {
        let mut names: Vec<String> = Vec::new();
        let mut items = Vec::new();
        let mut cols = Vec::new();
        for (at, (tree, kind)) in outputs.into_iter().zip(kinds).enumerate() {
            let wanted =
                *self.rng.pick(&["name", "value", "n", "total", "x", "key", "Sel ect", "id", "t1", "status", "count"]);
            let name = if names.iter().any(|known| self.fold(known) == self.fold(wanted)) {
                format!("o{at}")
            } else {
                wanted.to_owned()
            };
            cols.push(Col::plain(name.clone(), *kind));
            if named || self.rng.chance(60) {
                let word = *self.rng.pick(&[" AS ", " AS ", " "]);
                // Without AS, PostgreSQL takes a name for a label only where it is no keyword.
                let word = if self.sqlite() { word } else { " AS " };
                let written = self.ident(&name);
                items.push(wrap("", tree, format!("{word}{written}")));
            } else {
                items.push(tree);
            }
            names.push(name);
        }
        (items, cols)
    }

    fn filter(&mut self, depth: usize) -> Tree {
        let before = std::mem::replace(&mut self.place, "subquery in where");
        let themed = self.theme == "subquery in where" && !self.tags.contains("subquery in where");
        let tree = if themed && self.budget > 0 {
            let kind = self.comparable();
            let (left, right) = (self.expr(kind, 0), self.scalar(kind, depth.max(1)));
            opt(seq([text(" WHERE "), left, text(" = "), right]))
        } else if self.rng.chance(55) {
            opt(wrap(" WHERE ", self.conditions(depth), ""))
        } else {
            seq([])
        };
        self.place = before;
        tree
    }

    fn plain(&mut self, from: Tree, depth: usize, want: Option<&[Kind]>, named: bool) -> Selected {
        let filter = self.filter(depth);
        let level = self.scopes.len() - 1;
        let items = self.scopes[level].items.clone();
        let merged = items.iter().flat_map(|item| &item.cols).any(|col| col.merged);
        if want.is_none() && !named {
            // The outer world must be able to name its columns, so stars stand at the top only, or alone.
            if self.uses("star", 8) {
                let cols = items.iter().flat_map(|item| item.cols.clone()).filter(|col| !col.merged).collect();
                return Selected { tree: seq([text("SELECT * FROM "), from, filter]), cols, distinct_on: 0 };
            }
            if !merged && self.uses("qualified star", 6) {
                let item = self.rng.pick(&items).clone();
                let written = self.ident(&item.alias);
                return Selected {
                    tree: seq([text(format!("SELECT {written}.* FROM ")), from, filter]),
                    cols: item.cols,
                    distinct_on: 0,
                };
            }
        }
        if want.is_none() && named && items.len() == 1 && self.uses("star", 6) {
            return Selected {
                tree: seq([text("SELECT * FROM "), from, filter]),
                cols: items[0].cols.clone(),
                distinct_on: 0,
            };
        }
        let kinds = self.kinds(want);
        let before = std::mem::replace(&mut self.place, "subquery in select");
        let windowed = ["window", "window frame", "window named", "subquery in window"].contains(&self.theme)
            && !self.tags.contains(self.theme)
            || self.rng.chance(8);
        let mut windows = Vec::new();
        let mut outputs = Vec::new();
        let mut distinct_safe = true;
        let distinct = self.wants("distinct", 8);
        let distinct_on = !self.sqlite()
            && want.is_none()
            && !distinct
            && !kinds.contains(&Kind::Json)
            && self.wants("distinct on", 3);
        for (at, kind) in kinds.iter().enumerate() {
            let themed = self.theme == "subquery in select" && !self.tags.contains(self.theme) && self.budget > 0;
            if windowed
                && (at == 0 || self.rng.chance(30))
                && let Some(tree) = self.window_call(*kind, &items, &mut windows)
            {
                outputs.push(Tree::Expr(Box::new(tree), self.simple(*kind)));
                continue;
            }
            if themed {
                outputs.push(self.scalar(*kind, depth.max(1)));
                continue;
            }
            let tree = self.expr(*kind, depth);
            // Which spelling a case-blind DISTINCT shows depends on the store.
            distinct_safe &= *kind != Kind::Text || self.nocase_free();
            outputs.push(tree);
        }
        self.place = before;
        let (items, cols) = self.name_outputs(outputs, &kinds, named);
        let mut parts = vec![text("SELECT ")];
        let mut leading = 0;
        if distinct && distinct_safe {
            self.mark("distinct");
            parts.push(opt(text("DISTINCT ")));
        } else if distinct_on {
            self.mark("distinct on");
            leading = 1;
            parts.push(text("DISTINCT ON (1) "));
            // By position is not allowed there: the expression is written out.
            let first = strip_alias(&items[0]);
            parts.pop();
            parts.push(seq([text("DISTINCT ON ("), first, text(") ")]));
        }
        parts.push(self.outputs(items, want));
        parts.push(text(" FROM "));
        parts.push(from);
        parts.push(filter);
        if !windows.is_empty() {
            parts.push(wrap(" WINDOW ", list(windows), ""));
        }
        Selected { tree: seq(parts), cols, distinct_on: leading }
    }

    /// Whether no case-blind column is in view.
    fn nocase_free(&self) -> bool {
        !self.scopes.iter().flat_map(|scope| &scope.items).flat_map(|item| &item.cols).any(|col| col.nocase)
    }

    /// Aggregates over everything.
    fn folded(&mut self, from: Tree, depth: usize, want: Option<&[Kind]>, named: bool) -> Selected {
        let filter = self.filter(depth);
        let kinds = self.kinds(want);
        let outputs = kinds.iter().map(|kind| self.aggregate_of(*kind, depth)).collect();
        let (items, cols) = self.name_outputs(outputs, &kinds, named);
        Selected {
            tree: seq([text("SELECT "), self.outputs(items, want), text(" FROM "), from, filter]),
            cols,
            distinct_on: 0,
        }
    }

    fn grouped(&mut self, from: Tree, depth: usize, want: Option<&[Kind]>, named: bool) -> Selected {
        let filter = self.filter(depth);
        let level = self.scopes.len() - 1;
        let items = self.scopes[level].items.clone();
        let mut keys: Vec<(usize, usize)> = Vec::new();
        let all: Vec<(usize, usize)> = items
            .iter()
            .enumerate()
            .flat_map(|(i, item)| {
                let usable = |col: &Col| !col.merged && !col.nocase && !matches!(col.kind, Kind::Json | Kind::Bytes);
                let cols = item.cols.iter().enumerate().filter(move |(_, col)| usable(col));
                cols.map(move |(c, _)| (i, c)).collect::<Vec<_>>()
            })
            .collect();
        if all.is_empty() {
            return self.folded_after(from, filter, depth, want, named);
        }
        for _ in 0..1 + self.rng.below(2) {
            let key = *self.rng.pick(&all);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        self.mark("group by");
        let mut written: Vec<Tree> = keys
            .iter()
            .map(|(i, c)| {
                let (alias, name) = (items[*i].alias.clone(), items[*i].cols[*c].name.clone());
                text(format!("{}.{}", self.ident(&alias), self.ident(&name)))
            })
            .collect();
        let before = std::mem::replace(&mut self.place, "subquery in group by");
        if self.budget > 0 && self.theme == "subquery in group by" && !self.tags.contains(self.theme) {
            written.push(self.scalar(Kind::Int, depth.max(1)));
        } else if self.rng.chance(10) {
            written.push(self.expr(Kind::Int, 1));
        }
        self.place = before;
        // sqlparser reads no subquery within ROLLUP and its like.
        let sets = if self.sqlite() || self.tags.contains("subquery in group by") {
            None
        } else if self.wants("rollup", 6) {
            Some("rollup")
        } else if self.wants("cube", 6) {
            Some("cube")
        } else if self.wants("grouping sets", 6) {
            Some("grouping sets")
        } else {
            None
        };
        let group = match sets {
            None => list(written),
            Some(sets) => {
                self.mark(sets);
                match sets {
                    "rollup" => wrap("ROLLUP (", list(written), ")"),
                    "cube" => wrap("CUBE (", list(written), ")"),
                    _ => {
                        let mut members: Vec<Tree> = written.into_iter().map(parens).collect();
                        members.push(text("()"));
                        wrap("GROUPING SETS (", list(members), ")")
                    }
                }
            }
        };
        // What stands outside of aggregates may name the keys only.
        let kinds = match want {
            Some(want) => want.to_vec(),
            None => {
                let mut kinds: Vec<Kind> = keys.iter().map(|(i, c)| items[*i].cols[*c].kind).collect();
                kinds.extend((0..1 + self.rng.below(2)).map(|_| *self.rng.pick(&FREE)));
                kinds
            }
        };
        let before = std::mem::replace(&mut self.place, "subquery in select");
        let outputs: Vec<Tree> = kinds
            .iter()
            .enumerate()
            .map(|(at, kind)| {
                let key = keys.iter().find(|(i, c)| items[*i].cols[*c].kind == *kind).copied();
                match key {
                    Some((i, c)) if want.is_none() && at < keys.len() || self.rng.chance(30) && key.is_some() => {
                        let (alias, name) = (items[i].alias.clone(), items[i].cols[c].name.clone());
                        text(format!("{}.{}", self.ident(&alias), self.ident(&name)))
                    }
                    _ => self.aggregate_of(*kind, depth),
                }
            })
            .collect();
        self.place = before;
        let (outs, cols) = self.name_outputs(outputs, &kinds, named);
        let mut parts = vec![text("SELECT "), self.outputs(outs, want), text(" FROM "), from, filter];
        parts.push(wrap(" GROUP BY ", group, ""));
        if self.uses("having", 25) || self.theme == "subquery in having" {
            self.mark("having");
            let before = std::mem::replace(&mut self.place, "subquery in having");
            let over = *self.rng.pick(&[Kind::Int, Kind::Text]);
            let left = self.aggregate_of(over, depth);
            self.scopes[level].only = Some(keys);
            let right = if self.budget > 0 && self.subquery_wanted(15) {
                self.scalar(over, depth.max(1))
            } else {
                self.constant(over)
            };
            self.place = before;
            let op = *self.rng.pick(&[" > ", " <= ", " <> "]);
            parts.push(opt(seq([text(" HAVING "), left, text(op), right])));
        }
        Selected { tree: seq(parts), cols, distinct_on: 0 }
    }

    fn folded_after(&mut self, from: Tree, filter: Tree, depth: usize, want: Option<&[Kind]>, named: bool) -> Selected {
        let kinds = self.kinds(want);
        let outputs = kinds.iter().map(|kind| self.aggregate_of(*kind, depth)).collect();
        let (items, cols) = self.name_outputs(outputs, &kinds, named);
        Selected {
            tree: seq([text("SELECT "), self.outputs(items, want), text(" FROM "), from, filter]),
            cols,
            distinct_on: 0,
        }
    }

    /// ORDER BY that tells every row of the items apart.
    pub(super) fn total(&mut self, items: &[Item]) -> Tree {
        let mut keys = Vec::new();
        for item in items {
            for c in &item.key {
                let col = &item.cols[*c];
                if col.kind == Kind::Json && !self.sqlite() || col.merged {
                    continue;
                }
                let (alias, name, nocase) = (item.alias.clone(), col.name.clone(), col.nocase);
                let binary = if nocase { " COLLATE BINARY" } else { "" };
                keys.push(text(format!("{}.{}{binary}", self.ident(&alias), self.ident(&name))));
            }
        }
        if keys.is_empty() { text("1") } else { super::super::tree::fixed(keys) }
    }
}

/// The output without its name.
fn strip_alias(tree: &Tree) -> Tree {
    match tree {
        Tree::Seq(parts) => match parts.as_slice() {
            [_, inner, Tree::Text(after)] if after.starts_with(" AS ") => inner.clone(),
            _ => tree.clone(),
        },
        other => other.clone(),
    }
}
