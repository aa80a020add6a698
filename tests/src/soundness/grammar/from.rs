//! FROM: tables, derived tables, CTEs, VALUES, functions, and how they are joined.

use super::{
    super::{
        tree::{Tree, list, opt, parens, seq, text, wrap},
        world::Kind,
    },
    Col, Generator, Item, Scope,
};

impl Generator<'_> {
    /// FROM with its joins; what it brings into scope.
    pub(super) fn from(&mut self, depth: usize) -> (Tree, Scope) {
        let (first, item) = self.item(depth, &[]);
        let mut parts = vec![first];
        let mut items = vec![item];
        let mut group = 0;
        let joins: [&'static str; 10] = [
            "join inner",
            "join left",
            "join right",
            "join full",
            "join cross",
            "join comma",
            "join natural",
            "join using",
            "join nested",
            "lateral",
        ];
        let themed = joins.contains(&self.theme) && !self.tags.contains(self.theme);
        let conditioned = self.wants_subquery_in("subquery in on");
        let count = match self.rng.below(10) {
            _ if themed || conditioned => 1,
            0..5 => 0,
            5..9 => 1,
            _ => 2,
        };
        for _ in 0..count {
            let join = match () {
                () if conditioned => *self.rng.pick(&["join inner", "join left"]),
                () if themed && self.rng.chance(90) => self.theme,
                () => *self.rng.pick(&joins),
            };
            if let Some(tree) = self.join(join, depth, &mut items, &mut group) {
                self.mark(join);
                parts.push(opt(tree));
            }
        }
        (seq(parts), Scope { items, only: None })
    }

    fn join(&mut self, join: &'static str, depth: usize, items: &mut Vec<Item>, group: &mut usize) -> Option<Tree> {
        match join {
            "join comma" => {
                let (tree, item) = self.item(depth, items);
                *group = items.len();
                items.push(item);
                Some(wrap(", ", tree, ""))
            }
            "join cross" => {
                let (tree, item) = self.item(depth, items);
                items.push(item);
                Some(wrap(" CROSS JOIN ", tree, ""))
            }
            "join natural" | "join using" => self.merge(join, depth, items),
            "lateral" => {
                if self.sqlite() || self.budget == 0 {
                    return None;
                }
                // PostgreSQL's LATERAL sees what stands to its left.
                self.budget -= 1;
                self.scopes.push(Scope { items: items[*group..].to_vec(), only: None });
                let (query, cols) = self.query(depth.saturating_sub(1), None, true);
                self.scopes.pop();
                let alias = self.alias(items);
                let written = self.ident(&alias);
                let word = if self.rng.chance(50) { " CROSS JOIN LATERAL (" } else { " LEFT JOIN LATERAL (" };
                let end = if word.starts_with(" LEFT") { " ON TRUE" } else { "" };
                items.push(keyed(alias, cols));
                Some(seq([text(word), query, text(format!(") {written}{end}"))]))
            }
            "join nested" => {
                let (one, first) = self.item(depth, items);
                let mut taken = items.clone();
                taken.push(first);
                let (two, second) = self.item(depth, &taken);
                taken.push(second);
                let inner = self.on(&taken[items.len()..], items.len() + 1 - items.len(), false);
                let outer = self.on(&taken[*group..], items.len() - *group, false);
                *items = taken;
                let word = if self.rng.chance(50) { " LEFT JOIN (" } else { " JOIN (" };
                Some(seq([text(word), one, text(" JOIN "), two, text(" ON "), inner, text(") ON "), outer]))
            }
            _ => {
                let (tree, item) = self.item(depth, items);
                items.push(item);
                let full = join == "join full";
                let on = self.on(&items[*group..], items.len() - 1 - *group, full || join == "join right");
                let word = match join {
                    "join inner" => *self.rng.pick(&[" JOIN ", " INNER JOIN "]),
                    "join left" => *self.rng.pick(&[" LEFT JOIN ", " LEFT OUTER JOIN "]),
                    "join right" => " RIGHT JOIN ",
                    _ => " FULL JOIN ",
                };
                Some(seq([text(word), tree, text(" ON "), on]))
            }
        }
    }

    /// A condition between what stands before `split` and what stands from there on.
    fn on(&mut self, items: &[Item], split: usize, plain: bool) -> Tree {
        let before = std::mem::replace(&mut self.place, "subquery in on");
        self.scopes.push(Scope { items: items.to_vec(), only: None });
        let mut pairs = Vec::new();
        for (i, left) in items[..split].iter().enumerate() {
            for (l, one) in left.cols.iter().enumerate() {
                for (j, right) in items[split..].iter().enumerate() {
                    for (r, other) in right.cols.iter().enumerate() {
                        if one.kind == other.kind && !matches!(one.kind, Kind::Json) {
                            pairs.push(((i, l), (split + j, r)));
                        }
                    }
                }
            }
        }
        let tree = if !plain && self.wants_subquery_in("subquery in on") {
            let (left, right) = (self.expr(Kind::Int, 0), self.scalar(Kind::Int, 1));
            seq([left, text(" <= "), right])
        } else if pairs.is_empty() {
            if plain { text("1 = 1") } else { self.conditions(0) }
        } else {
            let ((i, l), (j, r)) = *self.rng.pick(&pairs);
            let mut written = |i: usize, c: usize| {
                let (alias, name) = (items[i].alias.clone(), items[i].cols[c].name.clone());
                format!("{}.{}", self.ident(&alias), self.ident(&name))
            };
            let equality = format!("{} = {}", written(i, l), written(j, r));
            if !plain && self.rng.chance(25) {
                let more = self.conditions(0);
                seq([text(equality), opt(wrap(" AND (", more, ")"))])
            } else {
                text(equality)
            }
        };
        self.scopes.pop();
        self.place = before;
        tree
    }

    /// USING or NATURAL with the item before.
    fn merge(&mut self, join: &'static str, depth: usize, items: &mut Vec<Item>) -> Option<Tree> {
        if items.len() != 1 {
            return None;
        }
        let (tree, mut item) = self.item(depth, items);
        let lite = self.sqlite();
        let same = |one: &str, other: &str| if lite { one.eq_ignore_ascii_case(other) } else { one == other };
        let mut common = Vec::new();
        for (c, col) in item.cols.iter().enumerate() {
            let twins: Vec<&Col> = items[0].cols.iter().filter(|twin| same(&twin.name, &col.name)).collect();
            match twins.as_slice() {
                [] => {}
                [twin] if twin.kind == col.kind || lite => common.push(c),
                _ if join == "join natural" => return None,
                _ => {}
            }
        }
        if join == "join using" && common.len() > 1 && self.rng.chance(60) {
            self.rng.shuffle(&mut common);
            common.truncate(1);
        }
        if common.is_empty() {
            return None;
        }
        for c in &common {
            item.cols[*c].merged = true;
        }
        let left = self.rng.chance(35);
        let written = if join == "join natural" {
            wrap(if left { " NATURAL LEFT JOIN " } else { " NATURAL JOIN " }, tree, "")
        } else {
            let names: Vec<Tree> =
                common.iter().map(|c| item.cols[*c].name.clone()).map(|name| text(self.ident(&name))).collect();
            seq([text(if left { " LEFT JOIN " } else { " JOIN " }), tree, text(" USING ("), list(names), text(")")])
        };
        items.push(item);
        Some(written)
    }

    /// Something in FROM under a name that no other has.
    fn item(&mut self, depth: usize, taken: &[Item]) -> (Tree, Item) {
        let room = depth > 0 && self.budget > 0;
        if room && self.uses("derived table", 12) {
            self.budget -= 1;
            let (query, cols) = self.query(depth - 1, None, true);
            let alias = self.alias(taken);
            let written = self.ident(&alias);
            let word = *self.rng.pick(&[" AS ", " "]);
            return (seq([text("("), query, text(format!("){word}{written}"))]), keyed(alias, cols));
        }
        if self.uses("values", 4) {
            return self.values_item(depth, taken);
        }
        if self.wants("table function", 4)
            && let Some(found) = self.function_item(taken)
        {
            self.mark("table function");
            return found;
        }
        if !self.ctes.is_empty() && self.rng.chance(70) {
            let cte = self.rng.pick(&self.ctes.clone()).clone();
            let last = self.ctes.iter().rev().find(|other| self.fold(&other.name) == self.fold(&cte.name)).cloned();
            let cte = last.unwrap_or(cte);
            return self.named(&cte.name, None, cte.cols, None, taken);
        }
        let table = *self.rng.pick(&self.tables());
        let cols: Vec<Col> = table
            .shown()
            .map(|(at, column)| {
                let masked = column.scope.as_ref().is_some_and(|masks| !masks.is_empty());
                Col {
                    name: column.name.clone(),
                    kind: column.shown(),
                    digits: column.digits && !masked,
                    nocase: column.nocase && !masked,
                    nonzero: column.kind == Kind::Int && !masked && (at == 0 || !self.sqlite()),
                    merged: false,
                }
            })
            .collect();
        let names = self.ctes.iter().map(|cte| &cte.name).chain(&self.blocked);
        let shadowed = names.map(|name| self.fold(name)).any(|name| name == self.fold(&table.name));
        let schema = if self.sqlite() { "main" } else { "public" };
        let schema = (shadowed || self.rng.chance(15)).then_some(schema);
        let own_key =
            table.shown().position(|(at, column)| at == 0 && column.scope.as_ref().is_some_and(Vec::is_empty));
        self.named(&table.name.clone(), schema, cols, own_key, taken)
    }

    /// A table or CTE, perhaps under an alias, perhaps with its columns renamed.
    fn named(
        &mut self,
        name: &str,
        schema: Option<&str>,
        mut cols: Vec<Col>,
        key: Option<usize>,
        taken: &[Item],
    ) -> (Tree, Item) {
        let mut written = schema.map(|schema| format!("{schema}.")).unwrap_or_default() + &self.ident(name);
        let clashes = taken.iter().any(|item| self.fold(&item.alias) == self.fold(name));
        let mut alias = name.to_owned();
        let mut renamed = Vec::new();
        if clashes || self.rng.chance(55) {
            alias = self.alias(taken);
            let word = *self.rng.pick(&[" AS ", " "]);
            written += word;
            written += &self.ident(&alias);
            // To the ceiling the list would name other columns where the verdict takes some away.
            if !self.sqlite() && self.contested.is_empty() && self.uses("column aliases", 6) {
                for (at, col) in cols.iter_mut().enumerate().take(2) {
                    col.name = format!("r{at}");
                    renamed.push(text(format!("r{at}")));
                }
            }
        }
        let count = renamed.len();
        let tree = if count == 0 {
            text(written)
        } else {
            seq([text(written), text("("), Tree::List { sep: ", ", items: renamed, min: count }, text(")")])
        };
        let key = match key {
            Some(key) => vec![key],
            None => (0..cols.len()).collect(),
        };
        (tree, Item { alias, cols, key })
    }

    fn values_item(&mut self, depth: usize, taken: &[Item]) -> (Tree, Item) {
        let (rows, kinds) = self.values_rows(depth, None);
        let alias = self.alias(taken);
        let written = self.ident(&alias);
        if self.sqlite() {
            let cols =
                kinds.iter().enumerate().map(|(at, kind)| Col::plain(format!("column{}", at + 1), *kind)).collect();
            return (seq([text("("), rows, text(format!(") AS {written}"))]), keyed(alias, cols));
        }
        self.mark("column aliases");
        let cols: Vec<Col> = kinds.iter().enumerate().map(|(at, kind)| Col::plain(format!("v{at}"), *kind)).collect();
        let names: Vec<String> = cols.iter().map(|col| col.name.clone()).collect();
        (seq([text("("), rows, text(format!(") AS {written} ({})", names.join(", ")))]), keyed(alias, cols))
    }

    /// `VALUES (…), (…)`
    pub(super) fn values_rows(&mut self, depth: usize, want: Option<&[Kind]>) -> (Tree, Vec<Kind>) {
        self.mark("values");
        let kinds = want.map_or_else(|| vec![Kind::Int, Kind::Text], <[Kind]>::to_vec);
        let before = std::mem::replace(&mut self.place, "subquery in values");
        let rows = (0..1 + self.rng.below(3))
            .map(|_| {
                let cells = kinds.iter().map(|kind| {
                    let deep = depth > 0 && (self.subquery_wanted(10) || self.rng.chance(10));
                    if deep { self.scalar(*kind, depth) } else { self.constant(*kind) }
                });
                let cells: Vec<Tree> = cells.collect();
                parens(super::super::tree::fixed(cells))
            })
            .collect();
        self.place = before;
        (wrap("VALUES ", list(rows), ""), kinds)
    }

    fn function_item(&mut self, taken: &[Item]) -> Option<(Tree, Item)> {
        let alias = self.alias(taken);
        let written = self.ident(&alias);
        if self.sqlite() {
            let json = *self.rng.pick(&["'[1, 2, 5]'", "'{\"a\": 1, \"b\": 2}'"]);
            let names = [
                ("key", Kind::Any),
                ("value", Kind::Any),
                ("type", Kind::Text),
                ("atom", Kind::Any),
                ("id", Kind::Int),
                ("parent", Kind::Any),
                ("fullkey", Kind::Text),
                ("path", Kind::Text),
            ];
            let cols = names.map(|(name, kind)| Col::plain(name, kind)).to_vec();
            let name = *self.rng.pick(&["json_each", "json_tree"]);
            return Some((text(format!("{name}({json}) AS {written}")), keyed(alias, cols)));
        }
        Some(match self.rng.below(3) {
            0 => {
                (text(format!("generate_series(1, 4) AS {written}(n)")), keyed(alias, vec![Col::plain("n", Kind::Int)]))
            }
            1 => {
                let array = self.expr(Kind::IntArr, 0);
                (wrap("unnest(", array, format!(") AS {written}(u)")), keyed(alias, vec![Col::plain("u", Kind::Int)]))
            }
            _ => (
                text(format!("jsonb_each_text('{{\"a\": \"1\", \"b\": \"x\"}}') AS {written}")),
                keyed(alias, vec![Col::plain("key", Kind::Text), Col::plain("value", Kind::Text)]),
            ),
        })
    }
}

fn keyed(alias: String, cols: Vec<Col>) -> Item {
    let key = (0..cols.len()).collect();
    Item { alias, cols, key }
}
