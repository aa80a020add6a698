//! Expressions of values.

use mountgate_core::Value;

use super::{
    super::{
        tree::{Tree, opt, parens, seq, text, wrap},
        world::Kind,
    },
    Generator,
};

impl Generator<'_> {
    /// What the shrinker may put in an expression's place.
    pub(super) fn simple(&self, kind: Kind) -> &'static [&'static str] {
        if self.sqlite() {
            return match kind {
                Kind::Int | Kind::Dec | Kind::Any | Kind::Bool => &["1"],
                Kind::Float => &["1.5"],
                Kind::Date => &["'2026-01-01'"],
                Kind::Ts => &["'2026-01-01 00:00:00'"],
                _ => &["'a'"],
            };
        }
        match kind {
            Kind::Int => &["1"],
            Kind::Float => &["1.5::float8"],
            Kind::Dec => &["1.5"],
            Kind::Text => &["'a'"],
            Kind::Bool => &["true"],
            Kind::Date => &["DATE '2026-01-01'"],
            Kind::Ts => &["TIMESTAMP '2026-01-01'"],
            Kind::Json => &["'{}'::jsonb"],
            Kind::IntArr => &["ARRAY[1]"],
            _ => &[],
        }
    }

    pub(super) fn type_name(&self, kind: Kind) -> &'static str {
        match (kind, self.sqlite()) {
            (Kind::Int, true) => "INTEGER",
            (Kind::Int, false) => "int4",
            (Kind::Float, true) => "REAL",
            (Kind::Float, false) => "double precision",
            (Kind::Dec, _) => "NUMERIC",
            (Kind::Text | Kind::Any, _) => "text",
            (Kind::Bool, true) => "INTEGER",
            (Kind::Bool, false) => "boolean",
            (Kind::Date | Kind::Ts | Kind::Json, true) => "TEXT",
            (Kind::Date, false) => "date",
            (Kind::Ts, false) => "timestamp",
            (Kind::Tz, _) => "timestamptz",
            (Kind::Time, _) => "time",
            (Kind::Interval, _) => "interval",
            (Kind::Uuid, _) => "uuid",
            (Kind::Json, false) => "jsonb",
            (Kind::Bytes, true) => "BLOB",
            (Kind::Bytes, false) => "bytea",
            (Kind::IntArr, _) => "int4[]",
            (Kind::TextArr, _) => "text[]",
        }
    }

    /// A value as its store writes it.
    pub(super) fn literal_of(&mut self, value: &Value) -> String {
        let quoted = |text: &str| Self::quoted(text);
        match value {
            Value::Null => "NULL".into(),
            Value::Boolean(truth) => if *truth { "TRUE" } else { "FALSE" }.into(),
            Value::Integer(number) if *number < 0 => format!("({number})"),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => {
                let digits = format!("{number:?}");
                let digits = if *number < 0.0 { format!("({digits})") } else { digits };
                if self.sqlite() { digits } else { format!("{digits}::float8") }
            }
            Value::Decimal(text) if text.starts_with('-') => format!("({text})"),
            Value::Decimal(text) => text.clone(),
            Value::Text(text) => quoted(text),
            Value::Bytes(bytes) => {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                if self.sqlite() { format!("X'{digits}'") } else { format!("'\\x{digits}'::bytea") }
            }
            Value::Date(text) if self.rng.chance(50) => format!("DATE '{text}'"),
            Value::Date(text) => format!("'{text}'::date"),
            Value::Timestamp(text) if self.rng.chance(50) => format!("TIMESTAMP '{text}'"),
            Value::Timestamp(text) => format!("CAST('{text}' AS timestamp)"),
            Value::TimestampTz(text) => format!("'{text}'::timestamptz"),
            Value::Time(text) => format!("'{text}'::time"),
            Value::Interval(text) => format!("'{text}'::interval"),
            Value::Uuid(text) => format!("'{text}'::uuid"),
            Value::Json(text) if self.sqlite() => quoted(text),
            Value::Json(text) => format!("{}::jsonb", quoted(text)),
            Value::Array(items) => {
                let list: Vec<String> = items.iter().map(|item| self.literal_of(item)).collect();
                let ty = if matches!(items.first(), Some(Value::Text(_))) { "text" } else { "int4" };
                format!("ARRAY[{}]::{ty}[]", list.join(", "))
            }
        }
    }

    /// A literal or parameter.
    pub(super) fn constant(&mut self, kind: Kind) -> Tree {
        let value = self.value(kind);
        if self.uses("parameter", 8) {
            let parameter = Tree::Param(match value {
                Value::Array(items) => {
                    let items: Vec<String> = items.iter().map(|item| self.literal_of(item)).collect();
                    Value::Text(format!("{{{}}}", items.join(",").replace('\'', "")))
                }
                Value::Boolean(truth) if self.sqlite() => Value::Integer(i64::from(truth)),
                value => value,
            });
            if self.sqlite() {
                return parameter;
            }
            let ty = self.type_name(kind);
            return if self.rng.chance(50) {
                wrap("CAST(", parameter, format!(" AS {ty})"))
            } else {
                wrap("", parameter, format!("::{ty}"))
            };
        }
        text(self.literal_of(&value))
    }

    /// An expression of that kind.
    pub(super) fn expr(&mut self, kind: Kind, depth: usize) -> Tree {
        let tree = self.expr_inner(kind, depth);
        Tree::Expr(Box::new(tree), self.simple(kind))
    }

    fn leaf(&mut self, kind: Kind) -> Tree {
        if self.rng.chance(85)
            && let Some(column) = self.column(kind)
        {
            return column;
        }
        self.constant(kind)
    }

    fn expr_inner(&mut self, kind: Kind, depth: usize) -> Tree {
        if depth == 0 || self.rng.chance(25) {
            return self.leaf(kind);
        }
        if kind == Kind::Bool {
            return self.condition(depth);
        }
        if self.uses("case", if self.wants_subquery_in("subquery in case") { 85 } else { 8 }) {
            return self.case(kind, depth);
        }
        if self.subquery_wanted(7) {
            return self.scalar(kind, depth);
        }
        if self.wants("cast", 6)
            && let Some(tree) = self.cast(kind, depth)
        {
            self.mark("cast");
            return tree;
        }
        match self.rng.below(10) {
            0 => {
                let (one, other) = (self.argument(kind, depth), self.expr(kind, 0));
                seq([text("coalesce("), one, text(", "), other, text(")")])
            }
            1 => {
                let (one, other) = (self.expr(kind, depth - 1), self.expr(kind, 0));
                seq([text("nullif("), one, text(", "), other, text(")")])
            }
            _ => self.own(kind, depth),
        }
    }

    /// An argument of a function, where subqueries stand too.
    pub(super) fn argument(&mut self, kind: Kind, depth: usize) -> Tree {
        let before = std::mem::replace(&mut self.place, "subquery in argument");
        let tree = if depth > 0 && self.subquery_wanted(6) {
            self.scalar(kind, depth)
        } else {
            self.expr(kind, depth.saturating_sub(1))
        };
        self.place = before;
        tree
    }

    fn case(&mut self, kind: Kind, depth: usize) -> Tree {
        let before = std::mem::replace(&mut self.place, "subquery in case");
        let mut parts = vec![text("CASE")];
        if self.rng.chance(25) {
            let over = if self.rng.chance(50) { Kind::Int } else { Kind::Text };
            parts.push(wrap(" ", self.expr(over, depth - 1), ""));
            for _ in 0..1 + self.rng.below(2) {
                let (when, then) = (self.constant(over), self.expr(kind, depth - 1));
                parts.push(seq([text(" WHEN "), when, text(" THEN "), then]));
            }
        } else {
            for _ in 0..1 + self.rng.below(2) {
                let when = self.expr(Kind::Bool, depth - 1);
                let then = if self.wants_subquery_in("subquery in case") {
                    self.scalar(kind, depth)
                } else {
                    self.expr(kind, depth - 1)
                };
                parts.push(seq([text(" WHEN "), when, text(" THEN "), then]));
            }
        }
        // Without it the arms might all be of no type.
        let otherwise = self.expr(kind, depth - 1);
        parts.push(opt(wrap(" ELSE ", otherwise, "")));
        parts.push(text(" END"));
        self.place = before;
        parens(seq(parts))
    }

    fn cast(&mut self, kind: Kind, depth: usize) -> Option<Tree> {
        let inner = match kind {
            Kind::Int if self.rng.chance(60) => {
                // Texts of digits in scope; in hidden rows they are none.
                let (column, _) = self.column_where(&|col| col.digits && col.kind == Kind::Text)?;
                column
            }
            Kind::Int => self.expr(Kind::Bool, depth - 1),
            Kind::Float | Kind::Dec => self.expr(Kind::Int, depth - 1),
            Kind::Text => {
                let from = *self.rng.pick(&[Kind::Int, Kind::Date, Kind::Text]);
                self.expr(from, depth - 1)
            }
            Kind::Date | Kind::Tz if !self.sqlite() => self.expr(Kind::Ts, depth - 1),
            Kind::Ts if !self.sqlite() => self.expr(Kind::Date, depth - 1),
            _ => return None,
        };
        let ty = self.type_name(kind);
        Some(if self.rng.chance(50) || self.sqlite() {
            wrap("CAST(", inner, format!(" AS {ty})"))
        } else {
            seq([text("("), inner, text(format!(")::{ty}"))])
        })
    }

    fn call(&mut self, name: &str, args: Vec<Tree>) -> Tree {
        let name = match self.rng.below(10) {
            0 => name.to_uppercase(),
            _ => name.to_owned(),
        };
        wrap(format!("{name}("), super::super::tree::fixed(args), ")")
    }

    fn binary(&mut self, kind: Kind, op: &str, depth: usize) -> Tree {
        let (left, right) = (self.expr(kind, depth - 1), self.expr(kind, depth - 1));
        parens(seq([left, text(format!(" {op} ")), right]))
    }

    /// The operators and functions of the kind.
    fn own(&mut self, kind: Kind, depth: usize) -> Tree {
        let lite = self.sqlite();
        let themed = self.theme == "json" && !self.tags.contains("json");
        match kind {
            Kind::Int => match if themed { 7 } else { self.rng.below(12) } {
                0 => self.binary(kind, "+", depth),
                1 => self.binary(kind, "-", depth),
                2 => {
                    let (left, by) = (self.expr(kind, depth - 1), self.rng.between(2, 3));
                    wrap("(", left, format!(" * {by})"))
                }
                3 => match self.column_where(&|col| col.nonzero) {
                    Some((by, _)) => {
                        let (left, op) = (self.expr(kind, depth - 1), *self.rng.pick(&[" / ", " % "]));
                        parens(seq([left, text(op), by]))
                    }
                    None => self.binary(kind, "-", depth),
                },
                4 => {
                    self.mark("number function");
                    let arg = self.argument(kind, depth);
                    self.call("abs", vec![arg])
                }
                5 => {
                    self.mark("text function");
                    let arg = self.argument(Kind::Text, depth);
                    self.call("length", vec![arg])
                }
                6 if !lite => {
                    self.mark("array");
                    let arg = self.argument(Kind::IntArr, depth);
                    if self.rng.chance(50) { wrap("(", arg, ")[1]") } else { self.call("cardinality", vec![arg]) }
                }
                7 => match self.column(Kind::Json) {
                    Some(json) => {
                        self.mark("json");
                        if lite {
                            match self.rng.below(3) {
                                0 => wrap("(", json, " ->> 'k')"),
                                1 => self.call("json_extract", vec![json, text("'$.n.d'")]),
                                _ => self.call("json_array_length", vec![json, text("'$.a'")]),
                            }
                        } else {
                            match self.rng.below(3) {
                                0 => wrap("(", json, " ->> 'k')::int4"),
                                1 => wrap("(", json, " #>> '{n,d}')::int4"),
                                _ => wrap("jsonb_array_length(", json, " -> 'a')"),
                            }
                        }
                    }
                    None => self.binary(kind, "+", depth),
                },
                8 => {
                    self.mark("date and time");
                    let arg = self.expr(Kind::Date, depth - 1);
                    if lite {
                        let format = *self.rng.pick(&["'%Y'", "'%m'", "'%d'"]);
                        wrap(format!("CAST(strftime({format}, "), arg, ") AS INTEGER)")
                    } else {
                        let field = *self.rng.pick(&["year", "month", "day", "dow"]);
                        wrap(format!("EXTRACT({field} FROM "), arg, ")::int4")
                    }
                }
                9 => {
                    self.mark("text function");
                    let (one, other) = (self.argument(Kind::Text, depth), self.expr(Kind::Text, 0));
                    self.call(if lite { "instr" } else { "strpos" }, vec![one, other])
                }
                10 => {
                    let arg = self.expr(kind, depth - 1);
                    wrap("(- ", arg, ")")
                }
                _ => {
                    self.mark("number function");
                    let arg = self.argument(if lite { Kind::Int } else { Kind::Float }, depth);
                    let call = self.call("sign", vec![arg]);
                    if lite { call } else { wrap("", call, "::int4") }
                }
            },
            Kind::Float => match self.rng.below(5) {
                0 => self.binary(kind, "+", depth),
                1 => {
                    let left = self.expr(kind, depth - 1);
                    wrap("(", left, if lite { " * 2.0)" } else { " * 2::float8)" })
                }
                2 => {
                    self.mark("number function");
                    let arg = self.argument(kind, depth);
                    self.call("abs", vec![arg])
                }
                3 => {
                    self.mark("number function");
                    let arg = self.argument(kind, depth);
                    if lite { self.call("round", vec![arg, text("1")]) } else { self.call("floor", vec![arg]) }
                }
                _ => self.binary(kind, "-", depth),
            },
            Kind::Dec => match self.rng.below(4) {
                0 => self.binary(kind, "+", depth),
                1 => {
                    let left = self.expr(kind, depth - 1);
                    wrap("(", left, " * 1.5)")
                }
                2 => {
                    self.mark("number function");
                    let arg = self.argument(kind, depth);
                    if lite { self.call("abs", vec![arg]) } else { self.call("round", vec![arg, text("1")]) }
                }
                _ => {
                    let arg = self.expr(Kind::Int, depth - 1);
                    wrap("(", arg, " + 0.5)")
                }
            },
            Kind::Text => self.text_expr(depth, themed),
            Kind::Date if lite => {
                self.mark("date and time");
                let of = if self.rng.chance(50) { Kind::Date } else { Kind::Ts };
                let arg = self.argument(of, depth);
                let change = *self.rng.pick(&["'+1 day'", "'-1 month'", "'start of month'"]);
                self.call("date", vec![arg, text(change)])
            }
            Kind::Date => {
                self.mark("date and time");
                match self.rng.below(3) {
                    0 => {
                        let arg = self.expr(kind, depth - 1);
                        wrap("(", arg, " + 1)")
                    }
                    1 => {
                        let arg = self.argument(Kind::Ts, depth);
                        wrap("date_trunc('month', ", arg, ")::date")
                    }
                    _ => {
                        let arg = self.expr(Kind::Ts, depth - 1);
                        wrap("(", arg, ")::date")
                    }
                }
            }
            Kind::Ts if lite => {
                self.mark("date and time");
                let arg = self.argument(kind, depth);
                let change = *self.rng.pick(&["'+1 hour'", "'-1 day'", "'start of day'"]);
                self.call("datetime", vec![arg, text(change)])
            }
            Kind::Ts => {
                self.mark("date and time");
                match self.rng.below(4) {
                    0 => {
                        let arg = self.expr(kind, depth - 1);
                        wrap("(", arg, " + INTERVAL '1 day')")
                    }
                    1 => {
                        let (arg, by) = (self.expr(kind, depth - 1), self.expr(Kind::Interval, depth - 1));
                        parens(seq([arg, text(" - "), by]))
                    }
                    2 => {
                        let arg = self.argument(kind, depth);
                        let part = *self.rng.pick(&["'hour'", "'month'", "'week'"]);
                        self.call("date_trunc", vec![text(part), arg])
                    }
                    _ => {
                        let arg = self.expr(Kind::Tz, depth - 1);
                        wrap("(", arg, " AT TIME ZONE 'Europe/Berlin')")
                    }
                }
            }
            Kind::Interval => {
                self.mark("date and time");
                match self.rng.below(3) {
                    0 => self.binary(Kind::Ts, "-", depth),
                    1 => {
                        let arg = self.expr(Kind::Int, depth - 1);
                        wrap("(", arg, " * INTERVAL '1 hour')")
                    }
                    _ => {
                        let (one, other) = (self.expr(Kind::Ts, depth - 1), self.expr(Kind::Ts, depth - 1));
                        self.call("age", vec![one, other])
                    }
                }
            }
            Kind::Json => {
                self.mark("json");
                if self.rng.chance(40)
                    && let Some(json) = self.column(Kind::Json)
                {
                    return wrap("(", json, *self.rng.pick(&[" -> 'n')", " -> 'a')", " -> 'k')"]));
                }
                let (one, other) = (self.argument(Kind::Int, depth), self.argument(Kind::Text, depth));
                if lite {
                    self.call("json_object", vec![text("'i'"), one, text("'t'"), other])
                } else {
                    wrap("jsonb_build_object('i', ", seq([one, text(", 't', "), wrap("(", other, ")::text")]), ")")
                }
            }
            Kind::IntArr => {
                self.mark("array");
                match self.rng.below(5) {
                    0 => {
                        let (one, other) = (self.expr(Kind::Int, depth - 1), self.expr(Kind::Int, depth - 1));
                        seq([text("ARRAY[("), one, text(")::int4, ("), other, text(")::int4]")])
                    }
                    1 => {
                        let (one, other) = (self.argument(kind, depth), self.argument(Kind::Int, depth));
                        seq([text("array_append("), one, text(", ("), other, text(")::int4)")])
                    }
                    2 => {
                        let arg = self.expr(kind, depth - 1);
                        wrap("(", arg, ")[1:2]")
                    }
                    3 if self.budget > 0 => self.array_query(depth),
                    _ => self.binary(kind, "||", depth),
                }
            }
            Kind::TextArr => {
                self.mark("array");
                let arg = self.argument(Kind::Text, depth);
                wrap("string_to_array(", arg, ", 'b')")
            }
            Kind::Tz if !lite => {
                self.mark("date and time");
                let arg = self.expr(kind, depth - 1);
                wrap("(", arg, " + INTERVAL '2 hours')")
            }
            Kind::Bool | Kind::Tz | Kind::Time | Kind::Uuid | Kind::Bytes | Kind::Any => self.leaf(kind),
        }
    }

    fn text_expr(&mut self, depth: usize, themed: bool) -> Tree {
        let lite = self.sqlite();
        if (themed || self.rng.chance(8))
            && let Some(json) = self.column(Kind::Json)
        {
            self.mark("json");
            return match (lite, self.rng.chance(50)) {
                (_, true) => wrap("(", json, " ->> 's')"),
                (true, false) => self.call("json_extract", vec![json, text("'$.s'")]),
                (false, false) => self.call("jsonb_extract_path_text", vec![json, text("'s'")]),
            };
        }
        if self.uses("collate", 5) {
            let arg = self.expr(Kind::Text, depth - 1);
            let collation = if lite { *self.rng.pick(&["NOCASE", "BINARY", "RTRIM"]) } else { "\"C\"" };
            // Case-blind only where it can't choose a spelling.
            return match collation {
                "NOCASE" | "RTRIM" => wrap("(lower(trim(", arg, format!(")) COLLATE {collation})")),
                _ => wrap("((", arg, format!(") COLLATE {collation})")),
            };
        }
        if self.rng.chance(25) {
            return self.binary(Kind::Text, "||", depth);
        }
        if self.wants("date and time", 8) {
            self.mark("date and time");
            let arg = self.argument(Kind::Date, depth);
            return if lite {
                self.call("strftime", vec![text("'%Y-%m'"), arg])
            } else {
                self.call("to_char", vec![arg, text("'YYYY-MM'")])
            };
        }
        self.mark("text function");
        let arg = self.argument(Kind::Text, depth);
        match self.rng.below(12) {
            0 => self.call("upper", vec![arg]),
            1 => self.call("lower", vec![arg]),
            2 => self.call("substr", vec![arg, text("2"), text("3")]),
            3 => self.call("trim", vec![arg]),
            4 => {
                let (from, to) = (self.expr(Kind::Text, 0), self.expr(Kind::Text, 0));
                self.call("replace", vec![arg, from, to])
            }
            5 => self.call("concat", vec![arg, text("'-'"), text("1")]),
            6 if lite => self.call("hex", vec![arg]),
            7 if lite => {
                let number = self.argument(Kind::Int, depth);
                self.call("printf", vec![text("'%d/%s'"), number, arg])
            }
            8 if lite => self.call("quote", vec![arg]),
            6 => self.call("md5", vec![arg]),
            7 => self.call("left", vec![arg, text("2")]),
            8 => self.call("split_part", vec![arg, text("' '"), text("1")]),
            9 if !lite => wrap("substring(", arg, " FROM 1 FOR 2)"),
            10 if !lite => self.call("regexp_replace", vec![arg, text("'[aeiou]'"), text("'_'"), text("'g'")]),
            11 if !lite => self.call("lpad", vec![arg, text("5"), text("'.'")]),
            9 if lite => self.call("ltrim", vec![arg, text("'A'")]),
            _ => self.call("concat_ws", vec![text("'/'"), arg, text("'z'")]),
        }
    }
}
