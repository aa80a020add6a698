//! Expressions.

use mountgate_core::{
    Refusal,
    weaken::{Defence, is_down},
};

use super::{Printer, literal, query::Names};
use crate::{
    Bind, Dialect, allow,
    ir::{Call, Expr, Over, Quantified, Query, Subscript},
    resolve::cost::written_count,
};

type Printed = Result<(), Refusal>;

/// What PostgreSQL's grammar takes for itself: these names are words, not functions of a schema.
const WORDS: [&str; 5] = ["coalesce", "nullif", "greatest", "least", "grouping"];

impl<'a> Printer<'_, 'a> {
    /// A query within an expression.
    fn subquery(&mut self, query: &Query<'a>) -> Printed {
        let before = self.bare;
        self.bare |= is_down(Defence::Subqueries);
        self.query(query, Names::Inner)?;
        self.bare = before;
        Ok(())
    }

    pub(super) fn expr(&mut self, expr: &Expr<'a>) -> Printed {
        crate::deep(|| self.expr_of(expr))
    }

    fn expr_of(&mut self, expr: &Expr<'a>) -> Printed {
        match expr {
            Expr::Column { item, column } => {
                if !is_down(Defence::Qualification) {
                    self.alias(*item);
                    self.push(".");
                }
                self.column(*item, *column);
            }
            Expr::Parameter(at) => {
                let placeholder = self.bind(Bind::Parameter(*at));
                self.push(&placeholder);
            }
            Expr::Number(digits) => self.push(digits),
            Expr::Text(text) => literal(self.dialect, &mut self.out, text),
            Expr::Blob(digits) => {
                self.push("X'");
                self.push(digits);
                self.push("'");
            }
            Expr::Boolean(truth) => self.push(truth_word(self.dialect, *truth)),
            Expr::Null => self.push("NULL"),
            Expr::Interval(text, unit) => {
                self.push("INTERVAL ");
                literal(self.dialect, &mut self.out, text);
                if let Some(unit) = unit {
                    self.push(" ");
                    self.push(unit);
                }
            }
            Expr::Chain { op, items } => {
                self.push("(");
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        self.push(" ");
                        self.push(op);
                        self.push(" ");
                    }
                    self.expr(item)?;
                }
                self.push(")");
            }
            Expr::Prefix { op, expr } => {
                self.push("(");
                self.push(op);
                self.push(" ");
                self.expr(expr)?;
                self.push(")");
            }
            Expr::Postfix { op, expr } if self.dialect == Dialect::Sqlite && op.ends_with("E") => {
                // SQLite reads the words TRUE and FALSE as names where something in view is called so.
                let (before, after) = match *op {
                    "IS TRUE" => ("(CASE WHEN ", " THEN 1 ELSE 0 END)"),
                    "IS NOT TRUE" => ("(CASE WHEN ", " THEN 0 ELSE 1 END)"),
                    "IS FALSE" => ("(CASE WHEN NOT ", " THEN 1 ELSE 0 END)"),
                    _is_not_false => ("(CASE WHEN NOT ", " THEN 0 ELSE 1 END)"),
                };
                self.push(before);
                self.expr(expr)?;
                self.push(after);
            }
            Expr::Postfix { op, expr } => {
                self.push("(");
                self.expr(expr)?;
                self.push(" ");
                self.push(op);
                self.push(")");
            }
            Expr::In { expr, list, negated } => {
                self.push("(");
                self.expr(expr)?;
                self.push(if *negated { " NOT IN (" } else { " IN (" });
                self.separated(list, |this, item| this.expr(item))?;
                self.push("))");
            }
            Expr::InQuery { expr, query, negated } => {
                self.push("(");
                self.expr(expr)?;
                self.push(if *negated { " NOT IN (" } else { " IN (" });
                self.subquery(query)?;
                self.push("))");
            }
            Expr::Between { expr, low, high, negated } => {
                self.push("(");
                self.expr(expr)?;
                self.push(if *negated { " NOT BETWEEN " } else { " BETWEEN " });
                self.expr(low)?;
                self.push(" AND ");
                self.expr(high)?;
                self.push(")");
            }
            Expr::Like { op, expr, pattern, escape, negated } => {
                self.push("(");
                self.expr(expr)?;
                self.push(if *negated { " NOT " } else { " " });
                self.push(op);
                self.push(" ");
                self.expr(pattern)?;
                if let Some(escape) = escape {
                    self.push(" ESCAPE ");
                    self.expr(escape)?;
                }
                self.push(")");
            }
            Expr::Any { op, all, expr, operand } => {
                self.push("(");
                self.expr(expr)?;
                self.push(" ");
                self.push(op);
                self.push(if *all { " ALL (" } else { " ANY (" });
                match &**operand {
                    Quantified::Query(query) => self.subquery(query)?,
                    Quantified::Array(array) => self.expr(array)?,
                }
                self.push("))");
            }
            Expr::Exists(query) => {
                self.push("EXISTS (");
                self.subquery(query)?;
                self.push(")");
            }
            Expr::Scalar(query) => {
                self.push("(");
                self.subquery(query)?;
                self.push(")");
            }
            Expr::ArrayQuery(query) => {
                self.push("ARRAY(");
                self.subquery(query)?;
                self.push(")");
            }
            Expr::Array(items) => {
                self.push("ARRAY[");
                self.separated(items, |this, item| this.expr(item))?;
                self.push("]");
            }
            Expr::Subscript { expr, subscripts } => {
                self.push("(");
                self.expr(expr)?;
                self.push(")");
                for subscript in subscripts {
                    self.push("[");
                    match subscript {
                        Subscript::Index(index) => self.expr(index)?,
                        Subscript::Slice(low, high) => {
                            if let Some(low) = low {
                                self.expr(low)?;
                            }
                            self.push(":");
                            if let Some(high) = high {
                                self.expr(high)?;
                            }
                        }
                    }
                    self.push("]");
                }
            }
            Expr::Row(items) => {
                self.push("(");
                self.separated(items, |this, item| this.expr(item))?;
                self.push(")");
            }
            Expr::Case { operand, arms, otherwise } => {
                self.push("CASE");
                if let Some(operand) = operand {
                    self.push(" ");
                    self.expr(operand)?;
                }
                for (condition, result) in arms {
                    self.push(" WHEN ");
                    self.expr(condition)?;
                    self.push(" THEN ");
                    self.expr(result)?;
                }
                if let Some(otherwise) = otherwise {
                    self.push(" ELSE ");
                    self.expr(otherwise)?;
                }
                self.push(" END");
            }
            Expr::Cast { expr, printed, ty: _ } => {
                self.push("CAST(");
                self.expr(expr)?;
                self.push(" AS ");
                self.push(printed);
                self.push(")");
            }
            Expr::Call(call) => self.call(call)?,
            Expr::Collate { expr, collation } => {
                self.push("(");
                self.expr(expr)?;
                self.push(" COLLATE ");
                self.ident(collation);
                self.push(")");
            }
            Expr::Extract { field, expr } => {
                self.push("EXTRACT(");
                self.push(field);
                self.push(" FROM ");
                self.expr(expr)?;
                self.push(")");
            }
            Expr::AtTimeZone { expr, zone } => {
                self.push("(");
                self.expr(expr)?;
                self.push(" AT TIME ZONE ");
                self.expr(zone)?;
                self.push(")");
            }
        }
        Ok(())
    }

    /// The name of a function. Behind the schema it is quoted: `substring` and others have a grammar of their own, which
    /// PostgreSQL forgets behind a schema and the parser does not.
    pub(super) fn function_name(&mut self, name: &str, of_catalogue: bool) {
        if of_catalogue {
            self.push("pg_catalog.");
            self.ident(name);
        } else {
            self.push(name);
        }
    }

    fn call(&mut self, call: &Call<'a>) -> Printed {
        let Call {
            name,
            extra,
            bare,
            aggregate: _,
            distinct,
            star,
            args,
            order,
            within,
            filter,
            ignore_nulls: _,
            over,
        } = call;
        if *bare {
            self.push(&name.to_ascii_uppercase());
            return Ok(());
        }
        match extra {
            Some(extra) => {
                if let Some(schema) = extra.schema() {
                    self.ident(schema);
                    self.push(".");
                }
                self.ident(extra.name());
            }
            None => self.function_name(name, self.dialect == Dialect::Postgres && !WORDS.contains(name)),
        }
        self.push("(");
        if *distinct {
            self.push("DISTINCT ");
        }
        if *star {
            self.push("*");
        }
        for (at, arg) in args.iter().enumerate() {
            self.push(if at > 0 { ", " } else { "" });
            self.argument(name, at, arg)?;
        }
        if !order.is_empty() {
            self.push(" ORDER BY ");
            self.order(order)?;
        }
        self.push(")");
        if !within.is_empty() {
            self.push(" WITHIN GROUP (ORDER BY ");
            self.order(within)?;
            self.push(")");
        }
        if let Some(filter) = filter {
            self.push(" FILTER (WHERE ");
            self.expr(filter)?;
            self.push(")");
        }
        match over {
            None => {}
            Some(Over::Named(at)) => {
                self.push(" OVER ");
                self.numbered("w", at + 1);
            }
            Some(Over::Window(window)) => {
                self.push(" OVER (");
                self.window(window)?;
                self.push(")");
            }
        }
        Ok(())
    }

    /// An argument of a function, held to what the function may be asked for where that is computed.
    fn argument(&mut self, name: &str, at: usize, arg: &Expr<'a>) -> Printed {
        if let (Some((short, limit)), Dialect::Sqlite) = (allow::short_argument(self.dialect, name), self.dialect)
            && short == at
            && !matches!(arg, Expr::Text(_) | Expr::Number(_) | Expr::Null)
        {
            // The driver's: the value as it is, or a refusal.
            self.push("mountgate_short(");
            self.expr(arg)?;
            self.push(", ");
            self.push(&limit.to_string());
            self.push(")");
        } else if allow::counted_argument(self.dialect, name) == Some(at) && written_count(arg).is_none() {
            // No count of more than 32767: PostgreSQL raises instead.
            self.push("CAST(CAST(");
            self.expr(arg)?;
            self.push(" AS smallint) AS integer)");
        } else {
            self.expr(arg)?;
        }
        Ok(())
    }
}

/// A truth, written out. SQLite reads TRUE and FALSE as names wherever something in view is called so (a column, an
/// output), and `1` could be an ordinal.
pub(super) fn truth_word(dialect: Dialect, truth: bool) -> &'static str {
    match (dialect, truth) {
        (Dialect::Sqlite, true) => "(1 = 1)",
        (Dialect::Sqlite, false) => "(1 = 0)",
        (Dialect::Postgres, true) => "TRUE",
        (Dialect::Postgres, false) => "FALSE",
    }
}
