//! Aggregates and window functions.

use super::{
    super::{
        tree::{Tree, opt, parens, seq, text, wrap},
        world::Kind,
    },
    Generator, Item,
};

impl Generator<'_> {
    /// An aggregate that gives the kind, as an expression.
    pub(super) fn aggregate_of(&mut self, kind: Kind, depth: usize) -> Tree {
        self.mark("aggregate");
        let tree = self.aggregate(kind, depth.min(1));
        Tree::Expr(Box::new(tree), self.simple(kind))
    }

    fn filtered(&mut self, call: Tree) -> Tree {
        if !(self.uses("filter", 12) || self.theme == "subquery in filter" && !self.tags.contains(self.theme)) {
            return call;
        }
        self.mark("filter");
        let before = std::mem::replace(&mut self.place, "subquery in filter");
        let condition = if self.theme == "subquery in filter" && self.budget > 0 && !self.tags.contains(self.theme) {
            let (left, right) = (self.expr(Kind::Int, 0), self.scalar(Kind::Int, 1));
            seq([left, text(" <= "), right])
        } else {
            self.expr(Kind::Bool, 1)
        };
        self.place = before;
        seq([call, opt(seq([text(" FILTER (WHERE "), condition, text(")")]))])
    }

    fn aggregate(&mut self, kind: Kind, depth: usize) -> Tree {
        let lite = self.sqlite();
        match kind {
            Kind::Int => match self.rng.below(5) {
                0 => self.filtered(text("count(*)")),
                1 => {
                    let over = self.comparable();
                    let arg = self.expr(over, depth);
                    self.filtered(wrap("count(", arg, ")"))
                }
                2 => {
                    self.mark("aggregate distinct");
                    let arg = self.expr(Kind::Int, depth);
                    self.filtered(wrap("count(DISTINCT ", arg, ")"))
                }
                3 if lite => {
                    let arg = self.expr(Kind::Int, depth);
                    self.filtered(wrap("sum(", arg, ")"))
                }
                _ => {
                    let (arg, name) = (self.expr(Kind::Int, depth), *self.rng.pick(&["min", "max"]));
                    self.filtered(wrap(format!("{name}("), arg, ")"))
                }
            },
            Kind::Dec => {
                let (arg, name) = (self.expr(Kind::Int, depth), *self.rng.pick(&["sum", "avg"]));
                let call = self.filtered(wrap(format!("{name}("), arg, ")"));
                wrap("round(", call, ", 3)")
            }
            Kind::Float => {
                let (arg, name) = (self.expr(Kind::Float, depth), *self.rng.pick(&["sum", "avg", "min", "max"]));
                self.filtered(wrap(format!("{name}("), arg, ")"))
            }
            Kind::Text => {
                if self.wants("aggregate order by", 25) {
                    self.mark("aggregate order by");
                    let column = match self.column_where(&|col| col.kind == Kind::Text && !col.nocase) {
                        Some((column, _)) => column,
                        None => self.constant(Kind::Text),
                    };
                    if matches!(column, Tree::Text(_)) {
                        let name = if lite { *self.rng.pick(&["string_agg", "group_concat"]) } else { "string_agg" };
                        let call =
                            seq([text(format!("{name}(")), column.clone(), text(", ',' ORDER BY "), column, text(")")]);
                        return self.filtered(call);
                    }
                }
                // Which spelling a case-blind minimum shows is the store's whim.
                let (arg, name) = (self.expr(Kind::Text, depth), *self.rng.pick(&["min", "max"]));
                let arg = if lite { wrap("lower(", arg, ")") } else { arg };
                self.filtered(wrap(format!("{name}("), arg, ")"))
            }
            Kind::Bool => {
                let arg = self.expr(Kind::Bool, depth);
                if lite {
                    self.filtered(wrap("max(", arg, ")"))
                } else {
                    let name = *self.rng.pick(&["bool_and", "bool_or", "every"]);
                    self.filtered(wrap(format!("{name}("), arg, ")"))
                }
            }
            Kind::Uuid => {
                let arg = self.expr(kind, 0);
                wrap("max((", arg, ")::text)::uuid")
            }
            Kind::Json | Kind::Bytes if !lite => {
                // There is no smallest of these.
                let number = self.aggregate(Kind::Int, 0);
                if kind == Kind::Json {
                    self.mark("json");
                    wrap("to_jsonb(", number, ")")
                } else {
                    wrap("convert_to((", number, ")::text, 'UTF8')")
                }
            }
            Kind::TextArr | Kind::IntArr => {
                self.mark("array");
                self.mark("aggregate order by");
                let of = if kind == Kind::IntArr { Kind::Int } else { Kind::Text };
                let column = self.column(of).unwrap_or_else(|| text(if of == Kind::Int { "1" } else { "'a'" }));
                let ty = self.type_name(kind);
                seq([text("array_agg("), column.clone(), text(" ORDER BY "), column, text(format!(")::{ty}"))])
            }
            Kind::Json | Kind::Bytes | Kind::Any | Kind::Date | Kind::Ts | Kind::Tz | Kind::Time | Kind::Interval => {
                let (arg, name) = (self.expr(kind, 0), *self.rng.pick(&["min", "max"]));
                self.filtered(wrap(format!("{name}("), arg, ")"))
            }
        }
    }

    /// A window function's call over the items. `windows` takes the definitions that WINDOW gives names to.
    pub(super) fn window_call(&mut self, kind: Kind, items: &[Item], windows: &mut Vec<Tree>) -> Option<Tree> {
        let total = self.total(items);
        let mut partition = seq([]);
        if self.rng.chance(40) || self.wants_subquery_in("subquery in window") {
            let before = std::mem::replace(&mut self.place, "subquery in window");
            let key = if self.wants_subquery_in("subquery in window") {
                self.scalar(Kind::Int, 1)
            } else {
                self.expr(Kind::Int, 1)
            };
            self.place = before;
            partition = opt(seq([text("PARTITION BY "), key, text(" ")]));
        }
        let frame = if self.uses("window frame", 25) {
            *self.rng.pick(&[
                " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
                " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
                " ROWS 2 PRECEDING",
                " GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
                " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
                " ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING",
            ])
        } else {
            ""
        };
        let direction = if self.rng.chance(20) { " DESC" } else { "" };
        let spec = seq([partition, text("ORDER BY "), total, text(direction), text(frame)]);
        let call = match kind {
            Kind::Int => match self.rng.below(7) {
                0 => text("row_number()"),
                1 => text("rank()"),
                2 => text("dense_rank()"),
                3 => self.filtered(text("count(*)")),
                4 => {
                    let arg = self.expr(Kind::Int, 1);
                    wrap("lag(", arg, ", 1)")
                }
                5 => {
                    let arg = self.expr(Kind::Int, 1);
                    wrap("max(", arg, ")")
                }
                _ => wrap("ntile(", text("3"), ")"),
            },
            Kind::Float | Kind::Dec => {
                let arg = self.expr(kind, 1);
                wrap("sum(", arg, ")")
            }
            Kind::Text | Kind::Date | Kind::Ts | Kind::Bool => {
                let (arg, name) = (self.expr(kind, 1), *self.rng.pick(&["first_value", "last_value", "lead", "lag"]));
                wrap(format!("{name}("), arg, ")")
            }
            _ => return None,
        };
        self.mark("window");
        if self.uses("window named", 25) {
            let name = format!("w{}", windows.len());
            windows.push(seq([text(format!("{name} AS ")), parens(spec)]));
            return Some(wrap("", call, format!(" OVER {name}")));
        }
        Some(seq([call, text(" OVER ("), spec, text(")")]))
    }
}
