//! Conditions.

use super::{
    super::{
        tree::{Tree, list, opt, parens, seq, text, wrap},
        world::Kind,
    },
    Generator,
};

impl Generator<'_> {
    /// A kind that some column in view has, and that can be compared.
    pub(super) fn comparable(&mut self) -> Kind {
        let found = self.column_where(&|col| !matches!(col.kind, Kind::Json | Kind::Bool));
        found.map_or(Kind::Int, |(_, col)| col.kind)
    }

    fn operator(&mut self) -> &'static str {
        self.rng.pick::<&str>(&["=", "=", "<>", "<", "<=", ">", ">=", "!="])
    }

    /// WHERE's own: now and then several together.
    pub(super) fn conditions(&mut self, depth: usize) -> Tree {
        let first = self.expr(Kind::Bool, depth + 1);
        if self.rng.chance(45) {
            let second = self.expr(Kind::Bool, depth);
            return seq([parens(first), opt(wrap(" AND (", second, ")"))]);
        }
        first
    }

    pub(super) fn condition(&mut self, depth: usize) -> Tree {
        let lite = self.sqlite();
        if self.uses("like", 7) {
            let (value, negated) = (self.expr(Kind::Text, depth - 1), self.rng.chance(25));
            let pattern = *self.rng.pick(&["'A%'", "'%b%'", "'_o_'", "'%\\%'", "'B%b'"]);
            let op = if lite { " LIKE " } else { *self.rng.pick(&[" LIKE ", " ILIKE "]) };
            let escape = match (lite, pattern.contains('\\')) {
                (true, true) => " ESCAPE '\\'",
                _ => "",
            };
            let pattern = if self.rng.chance(15) { self.constant(Kind::Text) } else { text(pattern) };
            return parens(seq([value, text(if negated { " NOT" } else { "" }), text(op), pattern, text(escape)]));
        }
        if self.uses("between", 7) {
            let kind = self.comparable();
            let (value, low, high) = (self.expr(kind, depth - 1), self.expr(kind, 0), self.expr(kind, 0));
            let word = if self.rng.chance(25) { " NOT BETWEEN " } else { " BETWEEN " };
            return parens(seq([value, text(word), low, text(" AND "), high]));
        }
        if self.uses("in list", 7) {
            let kind = self.comparable();
            let value = self.expr(kind, depth - 1);
            let items = (0..1 + self.rng.below(3)).map(|_| self.constant(kind)).collect();
            let word = if self.rng.chance(25) { " NOT IN (" } else { " IN (" };
            return parens(seq([value, text(word), list(items), text(")")]));
        }
        if self.uses("is distinct", 5) {
            let kind = self.comparable();
            let (left, right) = (self.expr(kind, depth - 1), self.expr(kind, depth - 1));
            let word = if self.rng.chance(50) { " IS DISTINCT FROM " } else { " IS NOT DISTINCT FROM " };
            return parens(seq([left, text(word), right]));
        }
        if self.uses("row value", 3) {
            let (one, other) = (self.comparable(), self.comparable());
            let left = [self.expr(one, 0), self.expr(other, 0)];
            let right = [self.expr(one, 0), self.expr(other, 0)];
            let op = *self.rng.pick(&[" = ", " < ", " >= "]);
            let [a, b] = left;
            let [c, d] = right;
            return parens(seq([
                text("("),
                a,
                text(", "),
                b,
                text(")"),
                text(op),
                text("("),
                c,
                text(", "),
                d,
                text(")"),
            ]));
        }
        if self.budget > 0 && self.uses("exists", 5) {
            let negated = self.rng.chance(30);
            let tree = self.exists(depth);
            return parens(seq([text(if negated { "NOT EXISTS " } else { "EXISTS " }), tree]));
        }
        if self.budget > 0 && self.uses("in subquery", 6) {
            let kind = self.comparable();
            let value = self.expr(kind, depth - 1);
            let negated = self.rng.chance(25);
            let query = self.column_query(kind, depth);
            return parens(seq([value, text(if negated { " NOT IN " } else { " IN " }), query]));
        }
        if !lite && self.uses("any or all", 4) {
            let value = self.expr(Kind::Int, depth - 1);
            let (op, word) = (self.operator(), *self.rng.pick(&["ANY", "ALL", "SOME"]));
            let over = if self.budget > 0 && self.rng.chance(50) {
                self.column_query(Kind::Int, depth)
            } else {
                parens(self.expr(Kind::IntArr, depth - 1))
            };
            return parens(seq([value, text(format!(" {op} {word} ")), over]));
        }
        if !lite && self.uses("array", 3) {
            let (one, other) = (self.expr(Kind::IntArr, depth - 1), self.expr(Kind::IntArr, depth - 1));
            let op = *self.rng.pick(&[" @> ", " && ", " <@ ", " = "]);
            return parens(seq([one, text(op), other]));
        }
        if self.wants("json", 3)
            && let Some(json) = self.column(Kind::Json)
        {
            self.mark("json");
            return match (lite, self.rng.chance(50)) {
                (true, true) => wrap("(", json, " ->> '$.k' > 3)"),
                (true, false) => wrap("(json_type(", json, ", '$.a') = 'array')"),
                (false, true) => wrap("(", json, " ? 'k')"),
                (false, false) => wrap("(", json, " @> '{\"s\": \"Ann\"}')"),
            };
        }
        match self.rng.below(9) {
            0 => {
                let (one, other) = (self.expr(Kind::Bool, depth - 1), self.expr(Kind::Bool, depth - 1));
                parens(seq([one, text(" AND "), other]))
            }
            1 => {
                let (one, other) = (self.expr(Kind::Bool, depth - 1), self.expr(Kind::Bool, depth - 1));
                parens(seq([one, text(" OR "), other]))
            }
            2 => {
                let one = self.expr(Kind::Bool, depth - 1);
                wrap("(NOT ", one, ")")
            }
            3 => {
                let kind = self.comparable();
                let one = self.expr(kind, depth - 1);
                wrap("(", one, if self.rng.chance(50) { " IS NULL)" } else { " IS NOT NULL)" })
            }
            4 => {
                let one = self.expr(Kind::Bool, depth - 1);
                let word = *self.rng.pick(&[" IS TRUE)", " IS NOT TRUE)", " IS FALSE)"]);
                wrap("(", one, word)
            }
            5 if !lite => {
                let one = self.expr(Kind::Text, depth - 1);
                let op = *self.rng.pick(&[" ~ '^[A-C]')", " !~* 'b')", " ~* 'o')"]);
                wrap("(", one, op)
            }
            5 => {
                let one = self.expr(Kind::Text, depth - 1);
                wrap("(", one, " GLOB '*b*')")
            }
            6 if self.scopes.last().is_some_and(|scope| scope.items.len() > 1) => {
                let kind = self.comparable();
                let (left, right) = (self.expr(kind, 0), self.expr(kind, 0));
                parens(seq([left, text(" = "), right]))
            }
            _ => {
                let kind = self.comparable();
                let (left, op) = (self.expr(kind, depth - 1), self.operator());
                let right = if self.rng.chance(60) { self.constant(kind) } else { self.expr(kind, depth - 1) };
                parens(seq([left, text(format!(" {op} ")), right]))
            }
        }
    }
}
