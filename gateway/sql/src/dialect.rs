//! The dialects, and the parser's dialect objects that stand for them.

use std::any::TypeId;

use sqlparser::{
    ast,
    dialect::{Dialect as ParserDialect, PostgreSqlDialect, Precedence, SQLiteDialect},
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::{Token, Word},
};

/// A store's SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// SQLite 3.
    Sqlite,
    /// PostgreSQL 13 and later.
    Postgres,
}

impl Dialect {
    /// Whether two names, each as written once its case rule has been applied, are one.
    pub(crate) fn same(self, one: &str, other: &str) -> bool {
        match self {
            Self::Sqlite => one.eq_ignore_ascii_case(other),
            Self::Postgres => one == other,
        }
    }

    /// The schema that an unqualified name means.
    pub(crate) fn default_schema(self) -> &'static str {
        match self {
            Self::Sqlite => "main",
            Self::Postgres => "public",
        }
    }

    pub(crate) fn parser(self) -> &'static dyn ParserDialect {
        match self {
            Self::Sqlite => &GateSqlite { inner: SQLiteDialect {} },
            Self::Postgres => &PostgreSqlDialect {},
        }
    }
}

/// sqlparser's SQLite with SQLite's own operator precedence: sqlparser gives every dialect one that is not
/// SQLite's (`1 + 2 || 'a'`, `a = b < c`, `a | b + c`), and a tree that differs from the store's would answer
/// another question than the one asked.
#[derive(Debug)]
struct GateSqlite {
    inner: SQLiteDialect,
}

impl ParserDialect for GateSqlite {
    // Everything that sqlparser asks of `SQLiteDialect` by type is asked of this one too.
    fn dialect(&self) -> TypeId {
        TypeId::of::<SQLiteDialect>()
    }
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.inner.is_delimited_identifier_start(ch)
    }
    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.inner.identifier_quote_style(identifier)
    }
    fn is_identifier_start(&self, ch: char) -> bool {
        self.inner.is_identifier_start(ch)
    }
    fn is_identifier_part(&self, ch: char) -> bool {
        self.inner.is_identifier_part(ch)
    }
    fn supports_filter_during_aggregation(&self) -> bool {
        self.inner.supports_filter_during_aggregation()
    }
    fn supports_start_transaction_modifier(&self) -> bool {
        self.inner.supports_start_transaction_modifier()
    }
    fn parse_statement(&self, parser: &mut Parser<'_>) -> Option<Result<ast::Statement, ParserError>> {
        self.inner.parse_statement(parser)
    }
    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        expr: &ast::Expr,
        precedence: u8,
    ) -> Option<Result<ast::Expr, ParserError>> {
        infix(parser, expr).transpose().or_else(|| self.inner.parse_infix(parser, expr, precedence))
    }
    fn supports_in_empty_list(&self) -> bool {
        self.inner.supports_in_empty_list()
    }
    fn supports_limit_comma(&self) -> bool {
        self.inner.supports_limit_comma()
    }
    fn supports_asc_desc_in_column_definition(&self) -> bool {
        self.inner.supports_asc_desc_in_column_definition()
    }
    fn supports_dollar_placeholder(&self) -> bool {
        self.inner.supports_dollar_placeholder()
    }
    fn supports_notnull_operator(&self) -> bool {
        self.inner.supports_notnull_operator()
    }
    fn supports_comma_separated_trim(&self) -> bool {
        self.inner.supports_comma_separated_trim()
    }
    fn supports_numeric_literal_underscores(&self) -> bool {
        // Refused, so that a number means the same to every version of the store.
        false
    }

    // From `parse.y`: OR; AND; NOT; = <> IS IN LIKE GLOB BETWEEN; < <= > >=; & | << >>; + -; * / %; || ->; COLLATE;
    // unary. `MulDivModOp` is what the parser reads a unary operator's operand with, so it stands for "unary" here.
    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        match &parser.peek_token_ref().token {
            Token::Lt | Token::LtEq | Token::Gt | Token::GtEq => Some(Ok(25)),
            Token::Ampersand | Token::Pipe | Token::ShiftLeft | Token::ShiftRight => Some(Ok(BITS)),
            Token::Mul | Token::Div | Token::Mod => Some(Ok(40)),
            Token::StringConcat | Token::Arrow | Token::LongArrow => Some(Ok(45)),
            Token::Word(word) if word.keyword == Keyword::COLLATE => Some(Ok(50)),
            Token::Word(word) if is_word(word, "ISNULL") || is_word(word, "NOTNULL") => Some(Ok(EQUALITY)),
            Token::Word(word) if is_word(word, "NOT") && peeks(parser, 1, "GLOB") => Some(Ok(EQUALITY)),
            // Everything else is as sqlparser has it, under the values below. Not a match on the syntax tree.
            _ => None,
        }
    }

    fn prec_value(&self, prec: Precedence) -> u8 {
        match prec {
            Precedence::Or => 5,
            Precedence::And => 10,
            Precedence::UnaryNot => 15,
            Precedence::Is | Precedence::Like | Precedence::Eq | Precedence::Between => EQUALITY,
            Precedence::Ampersand | Precedence::Caret | Precedence::Pipe | Precedence::Colon => 30,
            Precedence::Xor | Precedence::PgOther => 30,
            Precedence::PlusMinus => 35,
            Precedence::MulDivModOp => 55,
            Precedence::AtTz => 56,
            Precedence::DoubleColon => 60,
            Precedence::Period => 100,
        }
    }
}

/// The precedence of `=`, IS, LIKE, GLOB, ISNULL.
const EQUALITY: u8 = 20;
/// The precedence of `&`, `|`, `<<`, `>>`.
const BITS: u8 = 30;

fn is_word(word: &Word, wanted: &str) -> bool {
    word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted)
}

fn peeks(parser: &Parser<'_>, nth: usize, wanted: &str) -> bool {
    matches!(&parser.peek_nth_token_ref(nth).token, Token::Word(word) if is_word(word, wanted))
}

/// The operators of SQLite that sqlparser lacks: IS between any two values, `<<` and `>>`, ISNULL, NOTNULL, NOT GLOB.
fn infix(parser: &mut Parser<'_>, left: &ast::Expr) -> Result<Option<ast::Expr>, ParserError> {
    let shift = match &parser.peek_token_ref().token {
        Token::ShiftLeft => Some(ast::BinaryOperator::PGBitwiseShiftLeft),
        Token::ShiftRight => Some(ast::BinaryOperator::PGBitwiseShiftRight),
        // What else the next token is, sqlparser sees to. Not a match on the syntax tree.
        _ => None,
    };
    let boxed = || Box::new(left.clone());
    if let Some(op) = shift {
        parser.advance_token();
        let right = Box::new(parser.parse_subexpr(BITS)?);
        return Ok(Some(ast::Expr::BinaryOp { left: boxed(), op, right }));
    }
    if peeks(parser, 0, "ISNULL") {
        parser.advance_token();
        return Ok(Some(ast::Expr::IsNull(boxed())));
    }
    if peeks(parser, 0, "NOTNULL") {
        parser.advance_token();
        return Ok(Some(ast::Expr::IsNotNull(boxed())));
    }
    if peeks(parser, 0, "NOT") && peeks(parser, 1, "GLOB") {
        parser.advance_token();
        parser.advance_token();
        let right = Box::new(parser.parse_subexpr(EQUALITY)?);
        let glob = ast::Expr::BinaryOp { left: boxed(), op: ast::BinaryOperator::Glob, right };
        let glob = Box::new(ast::Expr::Nested(Box::new(glob)));
        return Ok(Some(ast::Expr::UnaryOp { op: ast::UnaryOperator::Not, expr: glob }));
    }
    if let Some(list) = list_of_subqueries(parser, left)? {
        return Ok(Some(list));
    }
    if !peeks(parser, 0, "IS") {
        return Ok(None);
    }
    parser.advance_token();
    let mut negated = peeks(parser, 0, "NOT");
    if negated {
        parser.advance_token();
    }
    if peeks(parser, 0, "DISTINCT") && peeks(parser, 1, "FROM") {
        parser.advance_token();
        parser.advance_token();
        negated = !negated;
    }
    // The operand is read whole: `x IS NULL + 1` is `x IS (NULL + 1)` to SQLite.
    let right = parser.parse_subexpr(EQUALITY)?;
    // Parentheses change nothing: `x IS (TRUE)` is `x IS TRUE`.
    let truth = match crate::resolve::strip(&right) {
        ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Null, span: _ }) => None,
        ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Boolean(truth), span: _ }) => Some(*truth),
        // Every other operand is a value, whatever its kind.
        _ if negated => return Ok(Some(ast::Expr::IsDistinctFrom(boxed(), Box::new(right)))),
        _ => return Ok(Some(ast::Expr::IsNotDistinctFrom(boxed(), Box::new(right)))),
    };
    Ok(Some(match (truth, negated) {
        (None, false) => ast::Expr::IsNull(boxed()),
        (None, true) => ast::Expr::IsNotNull(boxed()),
        (Some(true), false) => ast::Expr::IsTrue(boxed()),
        (Some(true), true) => ast::Expr::IsNotTrue(boxed()),
        (Some(false), false) => ast::Expr::IsFalse(boxed()),
        (Some(false), true) => ast::Expr::IsNotFalse(boxed()),
    }))
}

/// `IN ((SELECT …), (SELECT …))`: sqlparser reads what begins with two parentheses as one subquery, whatever follows.
/// Looks ahead instead of trying: what is tried at each level of nesting is parsed twice as often with each.
fn list_of_subqueries(parser: &mut Parser<'_>, left: &ast::Expr) -> Result<Option<ast::Expr>, ParserError> {
    let negated = peeks(parser, 0, "NOT");
    let at = usize::from(negated);
    if !peeks(parser, at, "IN") {
        return Ok(None);
    }
    let tokens = (parser.get_current_index() + 1..).map(|index| &parser.token_at(index).token);
    let mut tokens = tokens.filter(|token| !matches!(token, Token::Whitespace(_))).skip(at + 1);
    let mut opens = || tokens.next() == Some(&Token::LParen);
    if !(opens() && opens()) {
        return Ok(None);
    }
    let mut depth = 1_usize;
    while depth > 0 {
        match tokens.next() {
            Some(Token::LParen) => depth += 1,
            Some(Token::RParen) => depth -= 1,
            None | Some(Token::EOF) => return Ok(None),
            // Any other token opens and closes nothing. Not a match on the syntax tree.
            Some(_) => {}
        }
    }
    let one = match tokens.next() {
        Some(Token::Word(word)) => {
            ["UNION", "EXCEPT", "INTERSECT", "ORDER", "LIMIT"].iter().any(|end| is_word(word, end))
        }
        other => other == Some(&Token::RParen),
    };
    if one {
        return Ok(None);
    }
    for _ in 0..at + 2 {
        parser.advance_token();
    }
    let list = parser.parse_comma_separated(Parser::parse_expr)?;
    parser.expect_token(&Token::RParen)?;
    Ok(Some(ast::Expr::InList { expr: Box::new(left.clone()), list, negated }))
}
