//! Expressions.

use std::borrow::Cow;

use mountgate_core::ColumnType;
use sqlparser::{
    ast::{self, Spanned as _},
    tokenizer::Span,
};

use super::{Outcome, Place, Resolver, query::strip};
use crate::{
    Dialect, allow,
    ir::{Expr, Quantified, Subscript},
    refuse,
};

impl<'a> Resolver<'a> {
    pub(super) fn expr(&mut self, expr: &'a ast::Expr) -> Outcome<Expr<'a>> {
        self.enter()?;
        let resolved = crate::deep(|| self.expr_of(expr))?;
        self.leave();
        Ok(resolved)
    }

    fn boxed(&mut self, expr: &'a ast::Expr) -> Outcome<Box<Expr<'a>>> {
        self.expr(expr).map(Box::new)
    }

    fn list(&mut self, exprs: &'a [ast::Expr]) -> Outcome<Vec<Expr<'a>>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn postfix(&mut self, op: &'static str, expr: &'a ast::Expr) -> Outcome<Expr<'a>> {
        Ok(Expr::Postfix { op, expr: self.boxed(expr)? })
    }

    fn expr_of(&mut self, expr: &'a ast::Expr) -> Outcome<Expr<'a>> {
        let no = |what: &str| Err(refuse::unsupported(what, expr.span()));
        match expr {
            ast::Expr::Identifier(ident) => self.unqualified(ident),
            ast::Expr::CompoundIdentifier(idents) => self.qualified(idents),
            ast::Expr::CompoundFieldAccess { root, access_chain } => self.subscript(root, access_chain),
            ast::Expr::Nested(inner) => self.expr(inner),
            ast::Expr::Value(value) => self.value(value),
            ast::Expr::IsFalse(inner) => self.postfix("IS FALSE", inner),
            ast::Expr::IsNotFalse(inner) => self.postfix("IS NOT FALSE", inner),
            ast::Expr::IsTrue(inner) => self.postfix("IS TRUE", inner),
            ast::Expr::IsNotTrue(inner) => self.postfix("IS NOT TRUE", inner),
            ast::Expr::IsNull(inner) => self.postfix("IS NULL", inner),
            ast::Expr::IsNotNull(inner) => self.postfix("IS NOT NULL", inner),
            ast::Expr::IsUnknown(inner) => match self.dialect {
                Dialect::Postgres => self.postfix("IS UNKNOWN", inner),
                Dialect::Sqlite => no("`IS UNKNOWN`"),
            },
            ast::Expr::IsNotUnknown(inner) => match self.dialect {
                Dialect::Postgres => self.postfix("IS NOT UNKNOWN", inner),
                Dialect::Sqlite => no("`IS NOT UNKNOWN`"),
            },
            ast::Expr::IsDistinctFrom(left, right) => {
                let items = vec![self.expr(left)?, self.expr(right)?];
                Ok(Expr::Chain { op: "IS DISTINCT FROM", items })
            }
            ast::Expr::IsNotDistinctFrom(left, right) => {
                let items = vec![self.expr(left)?, self.expr(right)?];
                Ok(Expr::Chain { op: "IS NOT DISTINCT FROM", items })
            }
            ast::Expr::IsJson { expr: _, kind: _, unique_keys: _, negated: _ } => no("`IS JSON`"),
            ast::Expr::IsNormalized { expr: _, form: _, negated: _ } => no("`IS NORMALIZED`"),
            ast::Expr::InList { expr: inner, list, negated } => {
                if list.is_empty() && self.dialect == Dialect::Postgres {
                    return no("an empty list behind IN");
                }
                Ok(Expr::In { expr: self.boxed(inner)?, list: self.list(list)?, negated: *negated })
            }
            ast::Expr::InSubquery { expr: inner, subquery, negated } => {
                let inner = self.boxed(inner)?;
                Ok(Expr::InQuery { expr: inner, query: Box::new(self.subquery(subquery)?), negated: *negated })
            }
            ast::Expr::InUnnest { expr: _, array_expr: _, negated: _ } => no("`IN UNNEST`"),
            ast::Expr::Between { expr: inner, negated, low, high } => Ok(Expr::Between {
                expr: self.boxed(inner)?,
                low: self.boxed(low)?,
                high: self.boxed(high)?,
                negated: *negated,
            }),
            ast::Expr::BinaryOp { .. } => self.binary(expr),
            ast::Expr::Like { negated, any, expr: inner, pattern, escape_char } => {
                if *any {
                    let op = if *negated { "!~~" } else { "~~" };
                    return self.like_any(op, inner, pattern, escape_char.as_deref());
                }
                self.like("LIKE", *negated, inner, pattern, escape_char.as_deref())
            }
            ast::Expr::ILike { negated, any, expr: inner, pattern, escape_char } => {
                if *any {
                    let op = if *negated { "!~~*" } else { "~~*" };
                    return self.like_any(op, inner, pattern, escape_char.as_deref());
                }
                if self.dialect == Dialect::Sqlite {
                    return no("`ILIKE`")
                        .map_err(|refusal| refusal.hint("`LIKE` ignores the case of ASCII letters in SQLite"));
                }
                self.like("ILIKE", *negated, inner, pattern, escape_char.as_deref())
            }
            ast::Expr::SimilarTo { negated, expr: inner, pattern, escape_char } => {
                if self.dialect == Dialect::Sqlite {
                    return no("`SIMILAR TO`");
                }
                self.like("SIMILAR TO", *negated, inner, pattern, escape_char.as_deref())
            }
            ast::Expr::RLike { negated: _, expr: _, pattern: _, regexp: _ } => no("`RLIKE` or `REGEXP`"),
            ast::Expr::AnyOp { left, compare_op, right, is_some: _ } => self.quantified(left, compare_op, right, false),
            ast::Expr::AllOp { left, compare_op, right } => self.quantified(left, compare_op, right, true),
            ast::Expr::UnaryOp { op, expr: inner } => self.unary(op, inner, expr.span()),
            ast::Expr::Convert { is_try: _, expr: _, data_type: _, charset: _, target_before_value: _, styles: _ } => {
                no("`CONVERT`")
            }
            ast::Expr::Cast { kind, expr: inner, data_type, format } => {
                match kind {
                    ast::CastKind::Cast | ast::CastKind::DoubleColon => {}
                    ast::CastKind::TryCast | ast::CastKind::SafeCast => return no("`TRY_CAST` or `SAFE_CAST`"),
                }
                if format.is_some() {
                    return no("`FORMAT` in a cast");
                }
                let ty = self.cast_type(data_type, expr.span())?;
                Ok(Expr::Cast { expr: self.boxed(inner)?, printed: ty.printed, ty: ty.ty })
            }
            ast::Expr::AtTimeZone { timestamp, time_zone } => {
                if self.dialect == Dialect::Sqlite {
                    return no("`AT TIME ZONE`");
                }
                Ok(Expr::AtTimeZone { expr: self.boxed(timestamp)?, zone: self.boxed(time_zone)? })
            }
            ast::Expr::Extract { field, syntax, expr: inner } => {
                if self.dialect == Dialect::Sqlite || *syntax == ast::ExtractSyntax::Comma {
                    return no("`EXTRACT`").map_err(|refusal| refusal.hint("SQLite: `strftime('%Y', …)`"));
                }
                self.listed("extract", 2, expr.span())?;
                Ok(Expr::Extract { field: super::types::field(field, expr.span())?, expr: self.boxed(inner)? })
            }
            ast::Expr::Ceil { expr: inner, field } => self.ceil_floor("ceil", inner, field, expr.span()),
            ast::Expr::Floor { expr: inner, field } => self.ceil_floor("floor", inner, field, expr.span()),
            ast::Expr::Position { expr: needle, r#in } => {
                if self.dialect == Dialect::Sqlite {
                    return no("`POSITION`").map_err(|refusal| refusal.hint("write `instr(…)`"));
                }
                let args = vec![self.expr(r#in)?, self.expr(needle)?];
                self.call("position", args, expr.span())
            }
            ast::Expr::Substring { expr: inner, substring_from, substring_for, special, shorthand } => {
                if self.dialect == Dialect::Sqlite && !*special {
                    return no("`SUBSTRING … FROM`")
                        .map_err(|refusal| refusal.hint("write `substr(…, start, length)`"));
                }
                let mut args = vec![self.expr(inner)?];
                match (substring_from, substring_for) {
                    (Some(from), None) => args.push(self.expr(from)?),
                    (Some(from), Some(length)) => args.extend([self.expr(from)?, self.expr(length)?]),
                    (None, Some(length)) => args.extend([Expr::Number("1"), self.expr(length)?]),
                    (None, None) => return no("`SUBSTRING` without a start"),
                }
                self.call(if *shorthand { "substr" } else { "substring" }, args, expr.span())
            }
            ast::Expr::Trim { trim_where, trim_what, expr: inner, trim_characters } => {
                if trim_what.is_some() && trim_characters.is_some() {
                    return no("this form of `TRIM`");
                }
                if self.dialect == Dialect::Sqlite && (trim_where.is_some() || trim_what.is_some()) {
                    return no("`TRIM … FROM`").map_err(|refusal| refusal.hint("write `trim(…, characters)`"));
                }
                let name = match (trim_where, self.dialect) {
                    (None | Some(ast::TrimWhereField::Both), Dialect::Postgres) => "btrim",
                    (None | Some(ast::TrimWhereField::Both), Dialect::Sqlite) => "trim",
                    (Some(ast::TrimWhereField::Leading), _) => "ltrim",
                    (Some(ast::TrimWhereField::Trailing), _) => "rtrim",
                };
                let mut args = vec![self.expr(inner)?];
                if let Some(what) = trim_what {
                    args.push(self.expr(what)?);
                }
                if let Some(characters) = trim_characters {
                    args.extend(self.list(characters)?);
                }
                self.call(name, args, expr.span())
            }
            ast::Expr::Overlay { expr: inner, overlay_what, overlay_from, overlay_for } => {
                if self.dialect == Dialect::Sqlite {
                    return no("`OVERLAY`");
                }
                let mut args = vec![self.expr(inner)?, self.expr(overlay_what)?, self.expr(overlay_from)?];
                if let Some(length) = overlay_for {
                    args.push(self.expr(length)?);
                }
                self.call("overlay", args, expr.span())
            }
            ast::Expr::Collate { expr: inner, collation } => {
                let collation = self.collation(collation)?;
                Ok(Expr::Collate { expr: self.boxed(inner)?, collation })
            }
            ast::Expr::Prefixed { prefix, value: _ } => no(&format!("the prefix `{}`", prefix.value)),
            ast::Expr::TypedString(ast::TypedString { data_type, value, uses_odbc_syntax }) => {
                if self.dialect == Dialect::Sqlite || *uses_odbc_syntax {
                    return no("a typed literal")
                        .map_err(|refusal| refusal.hint("write the text alone, or `date('…')`"));
                }
                let ty = self.cast_type(data_type, expr.span())?;
                Ok(Expr::Cast { expr: Box::new(self.value(value)?), printed: ty.printed, ty: ty.ty })
            }
            ast::Expr::Function(function) => self.function_call(function),
            ast::Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                let operand = operand.as_ref().map(|operand| self.boxed(operand)).transpose()?;
                let mut arms = Vec::with_capacity(conditions.len());
                for ast::CaseWhen { condition, result } in conditions {
                    arms.push((self.expr(condition)?, self.expr(result)?));
                }
                let otherwise = else_result.as_ref().map(|result| self.boxed(result)).transpose()?;
                Ok(Expr::Case { operand, arms, otherwise })
            }
            ast::Expr::Exists { subquery, negated } => {
                let exists = Expr::Exists(Box::new(self.subquery(subquery)?));
                Ok(if *negated { Expr::Prefix { op: "NOT", expr: Box::new(exists) } } else { exists })
            }
            ast::Expr::Subquery(query) => Ok(Expr::Scalar(Box::new(self.subquery(query)?))),
            ast::Expr::GroupingSets(_) | ast::Expr::Cube(_) | ast::Expr::Rollup(_) => {
                no("`GROUPING SETS`, `CUBE` or `ROLLUP` outside of GROUP BY")
            }
            ast::Expr::Tuple(items) => Ok(Expr::Row(self.list(items)?)),
            ast::Expr::Struct { values: _, fields: _ } => no("`STRUCT`"),
            ast::Expr::Named { expr: _, name: _ } => no("a named expression"),
            ast::Expr::Dictionary(_) | ast::Expr::Map(_) => no("a map literal"),
            ast::Expr::Array(ast::Array { elem, named }) => {
                // Without the word ARRAY only within another array.
                let _ = named;
                if self.dialect == Dialect::Sqlite {
                    return no("`ARRAY`");
                }
                Ok(Expr::Array(self.list(elem)?))
            }
            ast::Expr::Interval(interval) => self.interval(interval, expr.span()),
            ast::Expr::MatchAgainst { columns: _, match_value: _, opt_search_modifier: _ } => no("`MATCH … AGAINST`"),
            ast::Expr::Wildcard(_) | ast::Expr::QualifiedWildcard(_, _) => no("`*` here"),
            ast::Expr::OuterJoin(_) => no("`(+)`"),
            ast::Expr::Prior(_) => no("`PRIOR`"),
            ast::Expr::Lambda(_) => no("a lambda"),
            ast::Expr::MemberOf(_) => no("`MEMBER OF`"),
            ast::Expr::JsonAccess { value: _, path: _ } => no("`:` access to JSON"),
        }
    }

    /// A subquery within an expression. Its columns are used as the expression is.
    pub(super) fn subquery(&mut self, query: &'a ast::Query) -> Outcome<crate::ir::Query<'a>> {
        let in_aggregate = std::mem::take(&mut self.in_aggregate);
        let (query, _) = self.query(query, Place::Inner)?;
        self.in_aggregate = in_aggregate;
        Ok(query)
    }

    /// Binary operators. Runs of one left-associative operator become one node, without recursion, however long.
    fn binary(&mut self, expr: &'a ast::Expr) -> Outcome<Expr<'a>> {
        let ast::Expr::BinaryOp { left, op, right } = expr else { return Ok(Expr::Null) };
        let symbol = self.operator(op, expr)?;
        let (mut rights, mut first) = (vec![&**right], &**left);
        while let ast::Expr::BinaryOp { left, op: inner, right } = first
            && inner == op
            && chains(symbol)
        {
            rights.push(right);
            first = left;
        }
        let mut items = Vec::with_capacity(rights.len() + 1);
        items.push(self.expr(first)?);
        for right in rights.into_iter().rev() {
            items.push(self.expr(right)?);
        }
        Ok(Expr::Chain { op: symbol, items })
    }

    pub(super) fn operator(&self, op: &'a ast::BinaryOperator, expr: &'a ast::Expr) -> Outcome<&'static str> {
        let symbol = match op {
            ast::BinaryOperator::And => return Ok("AND"),
            ast::BinaryOperator::Or => return Ok("OR"),
            ast::BinaryOperator::Eq => return Ok("="),
            ast::BinaryOperator::NotEq => return Ok("<>"),
            ast::BinaryOperator::Lt => return Ok("<"),
            ast::BinaryOperator::LtEq => return Ok("<="),
            ast::BinaryOperator::Gt => return Ok(">"),
            ast::BinaryOperator::GtEq => return Ok(">="),
            ast::BinaryOperator::Glob => Cow::Borrowed("glob"),
            ast::BinaryOperator::Custom(symbol) => Cow::Borrowed(symbol.as_str()),
            ast::BinaryOperator::PGCustomBinaryOperator(_) => {
                return Err(refuse::unsupported("`OPERATOR(…)`", expr.span()));
            }
            ast::BinaryOperator::Plus
            | ast::BinaryOperator::Minus
            | ast::BinaryOperator::Multiply
            | ast::BinaryOperator::Divide
            | ast::BinaryOperator::Modulo
            | ast::BinaryOperator::StringConcat
            | ast::BinaryOperator::Spaceship
            | ast::BinaryOperator::Xor
            | ast::BinaryOperator::BitwiseOr
            | ast::BinaryOperator::BitwiseAnd
            | ast::BinaryOperator::BitwiseXor
            | ast::BinaryOperator::DuckIntegerDivide
            | ast::BinaryOperator::MyIntegerDivide
            | ast::BinaryOperator::Match
            | ast::BinaryOperator::Regexp
            | ast::BinaryOperator::PGBitwiseXor
            | ast::BinaryOperator::PGBitwiseShiftLeft
            | ast::BinaryOperator::PGBitwiseShiftRight
            | ast::BinaryOperator::PGExp
            | ast::BinaryOperator::PGOverlap
            | ast::BinaryOperator::PGRegexMatch
            | ast::BinaryOperator::PGRegexIMatch
            | ast::BinaryOperator::PGRegexNotMatch
            | ast::BinaryOperator::PGRegexNotIMatch
            | ast::BinaryOperator::PGLikeMatch
            | ast::BinaryOperator::PGILikeMatch
            | ast::BinaryOperator::PGNotLikeMatch
            | ast::BinaryOperator::PGNotILikeMatch
            | ast::BinaryOperator::PGStartsWith
            | ast::BinaryOperator::Arrow
            | ast::BinaryOperator::LongArrow
            | ast::BinaryOperator::HashArrow
            | ast::BinaryOperator::HashLongArrow
            | ast::BinaryOperator::AtAt
            | ast::BinaryOperator::AtArrow
            | ast::BinaryOperator::ArrowAt
            | ast::BinaryOperator::HashMinus
            | ast::BinaryOperator::AtQuestion
            | ast::BinaryOperator::Question
            | ast::BinaryOperator::QuestionAnd
            | ast::BinaryOperator::QuestionPipe
            | ast::BinaryOperator::Overlaps
            | ast::BinaryOperator::DoubleHash
            | ast::BinaryOperator::LtDashGt
            | ast::BinaryOperator::AndLt
            | ast::BinaryOperator::AndGt
            | ast::BinaryOperator::LtLtPipe
            | ast::BinaryOperator::PipeGtGt
            | ast::BinaryOperator::AndLtPipe
            | ast::BinaryOperator::PipeAndGt
            | ast::BinaryOperator::LtCaret
            | ast::BinaryOperator::GtCaret
            | ast::BinaryOperator::QuestionHash
            | ast::BinaryOperator::QuestionDash
            | ast::BinaryOperator::QuestionDashPipe
            | ast::BinaryOperator::QuestionDoublePipe
            | ast::BinaryOperator::At
            | ast::BinaryOperator::TildeEq
            | ast::BinaryOperator::Assignment => Cow::Owned(op.to_string().to_ascii_lowercase()),
        };
        let added = || self.extras.iter().find_map(|extra| extra.as_operator(&symbol));
        match allow::operator(self.dialect, &symbol) {
            Some(operator) => Ok(operator.symbol),
            None => added().ok_or_else(|| refuse::unsupported(format!("the operator `{op}`"), expr.span())),
        }
    }

    fn unary(&mut self, op: &ast::UnaryOperator, inner: &'a ast::Expr, span: Span) -> Outcome<Expr<'a>> {
        let symbol = match op {
            ast::UnaryOperator::Not => return Ok(Expr::Prefix { op: "NOT", expr: self.boxed(inner)? }),
            ast::UnaryOperator::Plus => "+",
            ast::UnaryOperator::Minus => "-",
            ast::UnaryOperator::BitwiseNot => "~",
            ast::UnaryOperator::AtDashAt
            | ast::UnaryOperator::BangNot
            | ast::UnaryOperator::DoubleAt
            | ast::UnaryOperator::Hash
            | ast::UnaryOperator::PGAbs
            | ast::UnaryOperator::PGCubeRoot
            | ast::UnaryOperator::PGPostfixFactorial
            | ast::UnaryOperator::PGPrefixFactorial
            | ast::UnaryOperator::PGSquareRoot
            | ast::UnaryOperator::QuestionDash
            | ast::UnaryOperator::QuestionPipe => {
                return Err(refuse::unsupported(format!("the operator `{op}`"), span));
            }
        };
        // PostgreSQL reads `-2 ^ 2` as `(-2) ^ 2`, the parser as `-(2 ^ 2)`; so with other operators that bind tightly.
        if matches!(inner, ast::Expr::BinaryOp { .. } | ast::Expr::AtTimeZone { .. } | ast::Expr::Collate { .. }) {
            return Err(refuse::unsupported(format!("`{symbol}` before an operator without parentheses"), span)
                .hint("put parentheses around what the sign belongs to"));
        }
        Ok(Expr::Prefix { op: symbol, expr: self.boxed(inner)? })
    }

    fn like(
        &mut self,
        op: &'static str,
        negated: bool,
        expr: &'a ast::Expr,
        pattern: &'a ast::Expr,
        escape: Option<&'a ast::Expr>,
    ) -> Outcome<Expr<'a>> {
        Ok(Expr::Like {
            op,
            expr: self.boxed(expr)?,
            pattern: self.boxed(pattern)?,
            escape: escape.map(|escape| self.boxed(escape)).transpose()?,
            negated,
        })
    }

    /// `LIKE ANY (…)`, as the operator that LIKE is.
    fn like_any(
        &mut self,
        op: &'static str,
        expr: &'a ast::Expr,
        patterns: &'a ast::Expr,
        escape: Option<&'a ast::Expr>,
    ) -> Outcome<Expr<'a>> {
        if let Some(escape) = escape {
            return Err(refuse::unsupported("`ESCAPE` behind `LIKE ANY`", escape.span()));
        }
        self.any_of(expr, op, patterns, false)
    }

    fn quantified(
        &mut self,
        left: &'a ast::Expr,
        op: &'a ast::BinaryOperator,
        right: &'a ast::Expr,
        all: bool,
    ) -> Outcome<Expr<'a>> {
        let op = self.operator(op, left)?;
        self.any_of(left, op, right, all)
    }

    fn any_of(&mut self, left: &'a ast::Expr, op: &'static str, right: &'a ast::Expr, all: bool) -> Outcome<Expr<'a>> {
        if self.dialect == Dialect::Sqlite || matches!(op, "AND" | "OR") {
            return Err(refuse::unsupported("`ANY` or `ALL`", left.span()).hint("write `IN (SELECT …)` or `EXISTS`"));
        }
        let expr = self.boxed(left)?;
        let operand = if let ast::Expr::Subquery(query) = strip(right) {
            Quantified::Query(self.subquery(query)?)
        } else {
            // An array; `expr` matches on every kind of it.
            Quantified::Array(self.expr(right)?)
        };
        Ok(Expr::Any { op, all, expr, operand: Box::new(operand) })
    }

    fn ceil_floor(
        &mut self,
        name: &'static str,
        inner: &'a ast::Expr,
        field: &'a ast::CeilFloorKind,
        span: Span,
    ) -> Outcome<Expr<'a>> {
        match field {
            ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) => {}
            ast::CeilFloorKind::DateTimeField(_) | ast::CeilFloorKind::Scale(_) => {
                return Err(refuse::unsupported(format!("`{name}` to a field or scale"), span));
            }
        }
        let args = vec![self.expr(inner)?];
        self.call(name, args, span)
    }

    fn subscript(&mut self, root: &'a ast::Expr, chain: &'a [ast::AccessExpr]) -> Outcome<Expr<'a>> {
        if self.dialect == Dialect::Sqlite {
            return Err(refuse::unsupported("a subscript", root.span()));
        }
        let mut subscripts = Vec::with_capacity(chain.len());
        let expr = self.boxed(root)?;
        for access in chain {
            subscripts.push(match access {
                // `(t).salary`: a field of a whole row.
                ast::AccessExpr::Dot(field) => {
                    return Err(refuse::unsupported("a field of a row", field.span())
                        .hint("write the column with the alias of its table"));
                }
                ast::AccessExpr::Subscript(ast::Subscript::Index { index }) => Subscript::Index(self.expr(index)?),
                ast::AccessExpr::Subscript(ast::Subscript::Slice { lower_bound, upper_bound, stride }) => {
                    if let Some(stride) = stride {
                        return Err(refuse::unsupported("the stride of a slice", stride.span()));
                    }
                    let low = lower_bound.as_ref().map(|bound| self.expr(bound)).transpose()?;
                    let high = upper_bound.as_ref().map(|bound| self.expr(bound)).transpose()?;
                    Subscript::Slice(low, high)
                }
            });
        }
        Ok(Expr::Subscript { expr, subscripts })
    }

    pub(super) fn collation(&self, name: &'a ast::ObjectName) -> Outcome<&'static str> {
        let shown = self.parts(name)?.iter().map(|ident| self.name(ident)).collect::<Vec<_>>().join(".");
        let known: &[&'static str] = match self.dialect {
            Dialect::Postgres => &["C", "POSIX", "default"],
            Dialect::Sqlite => &["BINARY", "NOCASE", "RTRIM"],
        };
        known.iter().copied().find(|known| self.dialect.same(known, &shown)).ok_or_else(|| {
            refuse::unsupported(format!("the collation `{shown}`"), name.span())
                .hint(format!("these are taken: {}", known.join(", ")))
        })
    }

    /// The type of an expression, where it is plain.
    pub(super) fn ty(&self, expr: &Expr<'a>) -> Option<ColumnType> {
        match expr {
            Expr::Column { item, column } => self.item_column(*item, *column)?.1,
            Expr::Number(digits) => Some(if digits.bytes().all(|byte| byte.is_ascii_digit()) {
                ColumnType::Integer
            } else if self.dialect == Dialect::Sqlite {
                ColumnType::Float
            } else {
                ColumnType::Decimal
            }),
            Expr::Text(_) => Some(ColumnType::Text),
            Expr::Blob(_) => Some(ColumnType::Bytes),
            Expr::Cast { ty, .. } => Some(ty.clone()),
            Expr::Boolean(_)
            | Expr::Postfix { .. }
            | Expr::In { .. }
            | Expr::InQuery { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::Any { .. }
            | Expr::Exists(_)
            | Expr::Prefix { op: "NOT", .. }
            | Expr::Chain {
                op: "AND" | "OR" | "=" | "<>" | "<" | "<=" | ">" | ">=" | "IS DISTINCT FROM" | "IS NOT DISTINCT FROM",
                ..
            } => match self.dialect {
                Dialect::Postgres => Some(ColumnType::Boolean),
                Dialect::Sqlite => Some(ColumnType::Integer),
            },
            Expr::Call(call) if call.extra.is_some() => call.extra.and_then(|extra| extra.returns().cloned()),
            Expr::Call(call) => match call.name {
                "count" | "row_number" | "rank" | "dense_rank" => Some(ColumnType::Integer),
                "coalesce" | "min" | "max" | "first_value" | "last_value" | "lag" | "lead" => {
                    let ty = call.args.first().and_then(|arg| self.ty(arg))?;
                    let alike = call.name != "coalesce" && call.name != "min" && call.name != "max"
                        || call.args.iter().all(|arg| self.ty(arg).as_ref() == Some(&ty));
                    alike.then_some(ty)
                }
                _other => None,
            },
            Expr::Interval(..) => Some(ColumnType::Interval),
            Expr::Collate { expr, .. } => self.ty(expr),
            Expr::Scalar(query) => match &query.body {
                crate::ir::Body::Select(select) => match select.outputs.as_slice() {
                    [only] => self.ty(only),
                    _ => None,
                },
                crate::ir::Body::Values(_) | crate::ir::Body::Set { .. } | crate::ir::Body::Query(_) => None,
            },
            Expr::Parameter(_)
            | Expr::Null
            | Expr::Chain { .. }
            | Expr::Prefix { .. }
            | Expr::ArrayQuery(_)
            | Expr::Array(_)
            | Expr::Subscript { .. }
            | Expr::Row(_)
            | Expr::Case { .. }
            | Expr::Extract { .. }
            | Expr::AtTimeZone { .. } => None,
        }
    }
}

/// Operators whose left-associative runs mean the same with and without inner parentheses in both dialects.
fn chains(symbol: &str) -> bool {
    matches!(symbol, "AND" | "OR" | "+" | "-" | "*" | "||")
}
