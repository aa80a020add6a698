//! Queries: CTEs, set operations, ORDER BY and LIMIT, and the subqueries of expressions.

use super::{
    super::{
        tree::{Tree, list, opt, parens, seq, text, wrap},
        world::Kind,
    },
    Col, Cte, Generator, Scope,
};

/// Names of CTEs: those of tables, visible or hidden, and of the printer's.
const CTES: [&str; 12] =
    ["orders", "customers", "staff", "t1", "c1", "acl", "r", "count", "s1", "Odd cte", "notes", "main"];

impl Generator<'_> {
    /// The statement.
    pub(super) fn top(&mut self) -> Tree {
        let depth = 1 + self.rng.below(2);
        if self.theme == "values" && self.rng.chance(40) {
            let (rows, kinds) = self.values_rows(depth, None);
            let keys: Vec<String> = (1..=kinds.len()).map(|at| at.to_string()).collect();
            // SQLite takes no ORDER BY behind VALUES.
            let order = if self.sqlite() { seq([]) } else { text(format!(" ORDER BY {}", keys.join(", "))) };
            return if self.sqlite() { rows } else { seq([rows, Tree::Order(Box::new(order))]) };
        }
        let (tree, _) = self.query_inner(depth, None, false, true);
        tree
    }

    /// A query of those kinds, or of what it likes.
    pub(super) fn query(&mut self, depth: usize, want: Option<&[Kind]>, named: bool) -> (Tree, Vec<Col>) {
        self.query_inner(depth, want, named, false)
    }

    fn query_inner(&mut self, depth: usize, want: Option<&[Kind]>, named: bool, top: bool) -> (Tree, Vec<Col>) {
        let known = self.ctes.len();
        let with = self.with(depth, top);
        let set_ops: [&'static str; 4] = ["union", "union all", "intersect", "except"];
        let themed = set_ops.contains(&self.theme) && !self.tags.contains(self.theme);
        let first = self.select(depth, want, named);
        let mut cols = first.cols.clone();
        let mut ordered_by = first.distinct_on;
        let mut body = first.tree;
        let orderable = |cols: &[Col]| cols.iter().all(|col| col.kind != Kind::Json);
        let stars = format!("{:?}", body).contains("* FROM");
        if depth > 0 && first.distinct_on == 0 && !stars && (themed || self.rng.chance(10)) {
            let op = if themed { self.theme } else { *self.rng.pick(&set_ops) };
            // What removes duplicates might choose between two spellings.
            let nocase = self.world.tables.iter().flat_map(|table| &table.columns).any(|column| column.nocase);
            let text_out = cols.iter().any(|col| col.kind == Kind::Text || col.kind == Kind::Any);
            if op == "union all" || !(nocase && text_out) {
                let kinds: Vec<Kind> = cols.iter().map(|col| col.kind).collect();
                let second = self.select(depth - 1, Some(&kinds), false).tree;
                self.mark(op);
                let word = match op {
                    "union" => " UNION ",
                    "union all" => " UNION ALL ",
                    "intersect" => " INTERSECT ",
                    _ => " EXCEPT ",
                };
                body = seq([body, opt(wrap(word, second, ""))]);
                for col in &mut cols {
                    *col = Col::plain(col.name.clone(), col.kind);
                }
                ordered_by = 0;
            }
        }
        let wants_order = ordered_by > 0
            || orderable(&cols)
                && (self.wants("order by", if top { 45 } else { 12 })
                    || self.theme.contains("limit")
                    || self.theme == "offset");
        let mut parts = vec![with, body];
        if wants_order && (orderable(&cols) || ordered_by > 0) {
            let (order, limit) = self.order(&cols, stars, depth);
            self.mark("order by");
            parts.push(if top { Tree::Order(Box::new(seq([order, limit]))) } else { seq([order, limit]) });
        }
        self.ctes.truncate(known);
        (seq(parts), cols)
    }

    /// ORDER BY every output, and perhaps LIMIT.
    fn order(&mut self, cols: &[Col], stars: bool, depth: usize) -> (Tree, Tree) {
        let mut keys = Vec::new();
        if !stars && self.theme == "subquery in order by" && self.budget > 0 && !self.tags.contains(self.theme) {
            // Alone it would be no total order; the outputs follow.
            let before = std::mem::replace(&mut self.place, "subquery in order by");
            self.scopes.push(Scope::default());
            keys.push(self.scalar(Kind::Int, depth.max(1)));
            self.scopes.pop();
            self.place = before;
        }
        for (at, col) in cols.iter().enumerate() {
            let mut key = (at + 1).to_string();
            if self.rng.chance(25) {
                key += " DESC";
            }
            if self.uses("nulls first or last", 10) {
                key += if self.rng.chance(50) { " NULLS FIRST" } else { " NULLS LAST" };
            }
            if col.nocase {
                // Words that differ in case are tied otherwise.
                key = format!("{} COLLATE BINARY", at + 1);
            }
            keys.push(text(key));
        }
        let before = std::mem::replace(&mut self.place, "subquery in limit");
        let mut limit = seq([]);
        if self.uses("limit", 35) || self.theme == "subquery in limit" || self.theme == "offset" {
            self.mark("limit");
            let count = if self.budget > 0 && (self.theme == "subquery in limit" && !self.tags.contains(self.theme)) {
                self.scopes.push(Scope::default());
                let tree = self.scalar(Kind::Int, 1);
                self.scopes.pop();
                // Neither NULL nor below zero.
                wrap("abs(coalesce(", tree, ", 2))")
            } else if self.uses("parameter", 10) {
                Tree::Param(mountgate_core::Value::Integer(3))
            } else {
                text(self.rng.below(6).to_string())
            };
            let mut all = vec![text(" LIMIT "), count];
            if self.uses("offset", 25) {
                all.push(opt(text(format!(" OFFSET {}", self.rng.below(4)))));
            }
            limit = opt(seq(all));
        }
        self.place = before;
        let order = Tree::List { sep: ", ", min: keys.len(), items: keys };
        (wrap(" ORDER BY ", order, ""), limit)
    }

    fn with(&mut self, depth: usize, top: bool) -> Tree {
        let themed =
            ["cte", "cte materialized", "cte recursive"].contains(&self.theme) && !self.tags.contains(self.theme);
        if depth == 0
            || self.budget == 0
            || !(themed && self.rng.chance(85) || self.rng.chance(if top { 12 } else { 3 }))
        {
            return seq([]);
        }
        let recursive = self.theme == "cte recursive" || self.rng.chance(15);
        let mut names: Vec<String> = Vec::new();
        for _ in 0..1 + self.rng.below(2) {
            let mut name = (*self.rng.pick(&CTES)).to_owned();
            if self.rng.chance(25) {
                name = self.rng.pick(&self.world.tables).name.clone();
            }
            let known = names.iter().chain(self.ctes.iter().map(|cte| &cte.name));
            if !known.map(|known| self.fold(known)).any(|known| known == self.fold(&name)) {
                names.push(name);
            }
        }
        let mut members = Vec::new();
        let blocked = self.blocked.len();
        // To SQLite every CTE may be recursive, and later ones are known to earlier ones. To PostgreSQL, without
        // RECURSIVE, a table that shares the name is the table.
        if self.sqlite() || recursive {
            self.blocked.extend(names.clone());
        }
        for name in names {
            if self.budget == 0 {
                break;
            }
            self.budget -= 1;
            let written = self.ident(&name);
            if recursive && members.is_empty() {
                let (tree, cols) = self.recursive(&name, &written, depth);
                members.push(tree);
                self.ctes.push(Cte { name, cols });
                continue;
            }
            let (query, mut cols) = if self.rng.chance(8) {
                let (rows, kinds) = self.values_rows(depth, None);
                (rows, kinds.iter().map(|kind| Col::plain("", *kind)).collect())
            } else {
                self.query(depth - 1, None, true)
            };
            let mut columns = String::new();
            let starred = !self.contested.is_empty() && format!("{query:?}").contains("* FROM");
            if cols.iter().any(|col| col.name.is_empty()) || !starred && self.uses("column aliases", 25) {
                self.mark("column aliases");
                let names: Vec<String> = (0..cols.len()).map(|at| format!("k{at}")).collect();
                for (col, name) in cols.iter_mut().zip(&names) {
                    col.name.clone_from(name);
                }
                columns = format!(" ({})", names.join(", "));
            }
            let hint = if self.uses("cte materialized", 15) {
                *self.rng.pick(&["MATERIALIZED ", "NOT MATERIALIZED "])
            } else {
                ""
            };
            self.mark("cte");
            members.push(seq([text(format!("{written}{columns} AS {hint}(")), query, text(")")]));
            self.ctes.push(Cte { name, cols });
        }
        self.blocked.truncate(blocked);
        if members.is_empty() {
            return seq([]);
        }
        let word = if recursive { "WITH RECURSIVE " } else { "WITH " };
        wrap(word, list(members), " ")
    }

    fn recursive(&mut self, name: &str, written: &str, depth: usize) -> (Tree, Vec<Col>) {
        self.mark("cte recursive");
        self.mark("cte");
        let cols = vec![Col::plain("n", Kind::Int), Col::plain("x", Kind::Int)];
        let cast = |this: &Self, tree: Tree| {
            let ty = this.type_name(Kind::Int);
            wrap("CAST(", tree, format!(" AS {ty})"))
        };
        let start = if self.rng.chance(60) {
            let (from, scope) = self.from(depth - 1);
            self.scopes.push(scope);
            let x = self.expr(Kind::Int, 1);
            self.scopes.pop();
            let x = cast(self, x);
            seq([text("SELECT 1, "), x, text(" FROM "), from])
        } else {
            self.scopes.push(Scope::default());
            let x = self.expr(Kind::Int, 0);
            self.scopes.pop();
            let x = cast(self, x);
            wrap("SELECT 1, ", x, "")
        };
        // The next step looks at a table now and then; its rows stay few.
        let mut x = text("x + n");
        if self.rng.chance(50) && self.budget > 0 {
            let known = self.scopes.len();
            self.scopes.push(Scope {
                items: vec![super::Item { alias: name.to_owned(), cols: cols.clone(), key: vec![0, 1] }],
                only: None,
            });
            x = self.scalar_only(Kind::Int, 0);
            self.scopes.truncate(known);
        }
        let x = cast(self, x);
        let word = if self.rng.chance(50) { " UNION ALL " } else { " UNION " };
        let tree = seq([
            text(format!("{written} (n, x) AS (")),
            start,
            text(format!("{word}SELECT n + 1, ")),
            x,
            text(format!(" FROM {written} WHERE n < 3)")),
        ]);
        (tree, cols)
    }

    /// Whether to place a subquery here.
    pub(super) fn subquery_wanted(&mut self, percent: u64) -> bool {
        self.budget > 0 && !self.place.is_empty() && self.wants(self.place, percent)
    }

    /// `(SELECT …)` of one value.
    pub(super) fn scalar(&mut self, kind: Kind, depth: usize) -> Tree {
        if !self.place.is_empty() {
            self.mark(self.place);
        }
        self.scalar_only(kind, depth)
    }

    fn scalar_only(&mut self, kind: Kind, depth: usize) -> Tree {
        self.budget = self.budget.saturating_sub(1);
        let before = std::mem::take(&mut self.place);
        let (from, scope) = self.from(depth.saturating_sub(1));
        let items = scope.items.clone();
        self.scopes.push(scope);
        let filter = if self.rng.chance(65) { opt(wrap(" WHERE ", self.conditions(0), "")) } else { seq([]) };
        let tree = if self.rng.chance(65) {
            // An aggregate must be of this query, not of an outer one: its argument names a column of this one's, or none.
            let outer = std::mem::take(&mut self.scopes);
            self.scopes = outer.last().cloned().into_iter().collect();
            let out = self.aggregate_of(kind, 0);
            self.scopes = outer;
            seq([text("SELECT "), out, text(" FROM "), from, filter])
        } else {
            let (out, total) = (self.expr(kind, 1), self.total(&items));
            seq([text("SELECT "), out, text(" FROM "), from, filter, text(" ORDER BY "), total, text(" LIMIT 1")])
        };
        self.scopes.pop();
        self.place = before;
        Tree::Expr(Box::new(parens(tree)), self.simple(kind))
    }

    /// `(SELECT …)` of a column.
    pub(super) fn column_query(&mut self, kind: Kind, depth: usize) -> Tree {
        self.budget = self.budget.saturating_sub(1);
        let before = std::mem::take(&mut self.place);
        let (query, _) = self.query(depth.saturating_sub(1), Some(&[kind]), false);
        self.place = before;
        parens(query)
    }

    /// `ARRAY(SELECT …)`
    pub(super) fn array_query(&mut self, depth: usize) -> Tree {
        self.budget = self.budget.saturating_sub(1);
        let before = std::mem::take(&mut self.place);
        let (from, scope) = self.from(depth.saturating_sub(1));
        self.scopes.push(scope);
        let out = self.expr(Kind::Int, 1);
        self.scopes.pop();
        self.place = before;
        seq([text("ARRAY(SELECT ("), out, text(")::int4 FROM "), from, text(" ORDER BY 1)")])
    }

    pub(super) fn exists(&mut self, depth: usize) -> Tree {
        self.budget = self.budget.saturating_sub(1);
        let before = std::mem::take(&mut self.place);
        let (from, scope) = self.from(depth.saturating_sub(1));
        self.scopes.push(scope);
        let condition = self.conditions(0);
        self.scopes.pop();
        self.place = before;
        seq([text("(SELECT 1 FROM "), from, text(" WHERE "), condition, text(")")])
    }
}
