//! The names of select items that the agent left without: as the store would name them.

use std::borrow::Cow;

use sqlparser::{
    ast,
    tokenizer::{Location, Span, Token, TokenWithSpan},
};

use super::{Place, Resolver, query::strip};
use crate::{
    Dialect,
    ir::{Body, Expr},
    tokens,
};

impl<'a> Resolver<'a> {
    pub(super) fn implied_name(
        &mut self,
        expr: &'a ast::Expr,
        resolved: &Expr<'a>,
        (select, at): (Span, usize),
        place: Place,
    ) -> Cow<'a, str> {
        match self.dialect {
            Dialect::Postgres => self.postgres_name(expr, resolved).unwrap_or(Cow::Borrowed("?column?")),
            Dialect::Sqlite => match self.column_name(expr, resolved) {
                // A text in double quotes is named with its quotes in an answer, and without in a derived table.
                Some(name) if place == Place::Inner || !matches!(resolved, Expr::Text(_)) => name,
                // SQLite takes the text as it stands.
                Some(_) | None => {
                    self.item_text(select, at).map_or(Cow::Owned(format!("column{}", at + 1)), Cow::Borrowed)
                }
            },
        }
    }

    /// The catalogue's name of a plain column, or the name that a derived table gives it.
    fn column_name(&self, expr: &'a ast::Expr, resolved: &Expr<'a>) -> Option<Cow<'a, str>> {
        // Only these two are names. What an expression may hold is for `expr` to say.
        let last = if let ast::Expr::Identifier(ident) = strip(expr) {
            ident
        } else if let ast::Expr::CompoundIdentifier(idents) = strip(expr) {
            idents.last()?
        } else {
            return None;
        };
        if let (Expr::Column { item, column }, Dialect::Sqlite) = (resolved, self.dialect) {
            // SQLite spells a column as its table does.
            return self.item_column(*item, *column).map(|(name, _)| Cow::Owned(name.to_owned()));
        }
        // What FULL JOIN merged is an expression to SQLite, named by its text.
        if let (Expr::Call(call), Dialect::Sqlite) = (resolved, self.dialect)
            && call.name == "coalesce"
        {
            return None;
        }
        Some(self.name(last))
    }

    /// `FigureColname` of PostgreSQL.
    fn postgres_name(&self, expr: &'a ast::Expr, resolved: &Expr<'a>) -> Option<Cow<'a, str>> {
        self.figured(expr, resolved).map(|(name, _)| name)
    }

    /// A name and whether it is a strong one: a type's name and `case` give way to what stands outside of them.
    fn figured(&self, expr: &'a ast::Expr, resolved: &Expr<'a>) -> Option<(Cow<'a, str>, bool)> {
        if let Some(name) = self.column_name(expr, resolved) {
            return Some((name, true));
        }
        let fixed = |name: &'a str| Some((Cow::Borrowed(name), true));
        match resolved {
            Expr::Call(call) => fixed(call.name),
            Expr::Case { otherwise, .. } => {
                let inner = if let (ast::Expr::Case { else_result: Some(result), .. }, Some(otherwise)) =
                    (strip(expr), otherwise)
                {
                    self.figured(result, otherwise)
                } else {
                    None
                };
                inner.filter(|(_, strong)| *strong).or(Some((Cow::Borrowed("case"), false)))
            }
            Expr::Cast { printed, expr: resolved, .. } => {
                let inner = if let ast::Expr::Cast { expr: inner, .. } = strip(expr) {
                    self.figured(inner, resolved)
                } else {
                    None
                };
                let bare = printed.split(['(', '[']).next().unwrap_or_default();
                inner
                    .filter(|(_, strong)| *strong)
                    .or_else(|| Some((Cow::Owned(internal_type(bare).to_owned()), false)))
            }
            Expr::Exists(_) => fixed("exists"),
            Expr::Array(_) | Expr::ArrayQuery(_) => fixed("array"),
            Expr::Row(_) => fixed("row"),
            Expr::Extract { .. } => fixed("extract"),
            Expr::AtTimeZone { .. } => fixed("timezone"),
            Expr::Interval(..) => Some((Cow::Borrowed("interval"), false)),
            Expr::Collate { expr: resolved, .. } => {
                let ast::Expr::Collate { expr: inner, .. } = strip(expr) else { return None };
                self.figured(inner, resolved)
            }
            Expr::Subscript { expr: resolved, .. } => {
                let ast::Expr::CompoundFieldAccess { root, .. } = strip(expr) else { return None };
                self.figured(root, resolved)
            }
            // The name of the subquery's only column, whatever it is, and a strong one.
            Expr::Scalar(query) => {
                let (ast::Expr::Subquery(ast), Body::Select(select)) = (strip(expr), &query.body) else { return None };
                let (ast::SetExpr::Select(ast), [only]) = (&*ast.body, select.outputs.as_slice()) else { return None };
                if let [ast::SelectItem::ExprWithAlias { alias, .. }] = ast.projection.as_slice() {
                    Some((self.name(alias), true))
                } else if let [ast::SelectItem::UnnamedExpr(inner)] = ast.projection.as_slice() {
                    Some((self.postgres_name(inner, only).unwrap_or(Cow::Borrowed("?column?")), true))
                } else {
                    None
                }
            }
            Expr::Column { .. }
            | Expr::Parameter(_)
            | Expr::Number(_)
            | Expr::Text(_)
            | Expr::Blob(_)
            | Expr::Boolean(_)
            | Expr::Null
            | Expr::Chain { .. }
            | Expr::Prefix { .. }
            | Expr::Postfix { .. }
            | Expr::In { .. }
            | Expr::InQuery { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::Any { .. } => None,
        }
    }

    /// The text of a select item: what stands between the commas.
    fn item_text(&mut self, select: Span, at: usize) -> Option<&'a str> {
        if self.tokens.is_none() {
            self.tokens = tokens::lex(self.dialect, self.text).ok().map(|lexed| lexed.tokens);
        }
        let tokens = self.tokens.as_ref()?;
        let first = tokens.partition_point(|token| before(token.span.start, select.start));
        let (start, end) = item_bounds(tokens.get(first + 1..)?, at)?;
        let (start, end) = (tokens::offset(self.text, start)?, tokens::offset(self.text, end)?);
        self.text.get(start..end)
    }
}

fn before(one: Location, other: Location) -> bool {
    (one.line, one.column) < (other.line, other.column)
}

fn item_bounds(tokens: &[TokenWithSpan], at: usize) -> Option<(Location, Location)> {
    let (mut depth, mut item) = (0_usize, 0_usize);
    let mut bounds: Option<(Location, Location)> = None;
    let (mut after_distinct, mut started) = (false, false);
    for token in tokens {
        let word = match &token.token {
            Token::Word(word) if word.quote_style.is_none() => word.value.as_str(),
            _other => "",
        };
        let is = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
        match token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket if depth == 0 => break,
            Token::RParen | Token::RBracket => depth -= 1,
            Token::Comma if depth == 0 => {
                if item == at {
                    break;
                }
                item += 1;
                continue;
            }
            Token::SemiColon | Token::EOF => break,
            // `IS DISTINCT FROM` is no FROM clause.
            _ if after_distinct && is(&["from"]) => {}
            _ if depth == 0
                && is(&[
                    "from",
                    "where",
                    "group",
                    "having",
                    "window",
                    "order",
                    "limit",
                    "union",
                    "except",
                    "intersect",
                ]) =>
            {
                break;
            }
            _ if !started && is(&["distinct", "all"]) => continue,
            _ => {}
        }
        started = true;
        after_distinct = is(&["distinct"]);
        if item == at {
            bounds = Some((bounds.map_or(token.span.start, |(start, _)| start), token.span.end));
        }
    }
    bounds
}

/// The name that PostgreSQL gives a column that is a cast to the type.
fn internal_type(printed: &str) -> &str {
    match printed {
        "integer" | "int" => "int4",
        "bigint" => "int8",
        "smallint" => "int2",
        "double precision" => "float8",
        "real" => "float4",
        "boolean" => "bool",
        "character varying" => "varchar",
        "character" | "char" => "bpchar",
        "decimal" => "numeric",
        "timestamp with time zone" => "timestamptz",
        "timestamp without time zone" => "timestamp",
        "time without time zone" => "time",
        "time with time zone" => "timetz",
        other => other,
    }
}
