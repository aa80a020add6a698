//! Filters as a mount's file writes them: `region = claim.region AND status IN ('open', 'new')`.
//!
//! A small grammar of its own, not SQL: comparisons of a column with a literal, a claim or a column; `IN (…)`,
//! `IN claim.regions`, `IS [NOT] NULL`; AND, OR, NOT, parentheses. No functions, so nothing to escape into.

use serde::{Deserialize, Deserializer, de};

use crate::{
    expr::{Expr, Term, all, always, any, claim, col, lit, not},
    types::{CompareOp, Value},
};

/// A filter, from its text.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterSetting(pub Expr);

impl FilterSetting {
    /// Reads a filter.
    ///
    /// # Errors
    /// What is wrong, and near what.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
        let expr = parser.disjunction()?;
        match parser.next() {
            Token::End => Ok(Self(expr)),
            other => Err(format!("`{}` is left over after the filter's end", other.text())),
        }
    }
}

impl<'de> Deserialize<'de> for FilterSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Text(String),
    Number(String),
    Symbol(&'static str),
    End,
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::Word(text) | Self::Quoted(text) | Self::Text(text) | Self::Number(text) => text,
            Self::Symbol(symbol) => symbol,
            Self::End => "the end",
        }
    }

    fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }
}

// Longer ones first.
const SYMBOLS: [&str; 11] = ["<=", ">=", "<>", "!=", "=", "<", ">", "(", ")", ",", "."];
const KEYWORDS: [&str; 8] = ["and", "or", "not", "in", "is", "null", "true", "false"];
// Deep enough for people, shallow enough for the sandbox's stack.
const MAX_DEPTH: usize = 64;

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '\'' => quoted(rest, '\'').map(|(text, after)| (Token::Text(text), after))?,
            '"' => quoted(rest, '"').map(|(text, after)| (Token::Quoted(text), after))?,
            c if c.is_alphabetic() || c == '_' => {
                let (word, after) = take(rest, |c| c.is_alphanumeric() || c == '_');
                (Token::Word(word), after)
            }
            c if c.is_ascii_digit() || (c == '-' && rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit())) => {
                let (number, after) = take(rest, |c| c.is_ascii_digit() || matches!(c, '.' | '-' | '_'));
                (Token::Number(number.replace('_', "")), after)
            }
            other => match SYMBOLS.iter().find_map(|symbol| Some((*symbol, rest.strip_prefix(symbol)?))) {
                Some((symbol, after)) => (Token::Symbol(symbol), after),
                None => return Err(format!("`{other}` has no meaning in a filter")),
            },
        };
        out.push(token);
        rest = after.trim_start();
    }
    Ok(out)
}

fn take(text: &str, keep: impl Fn(char) -> bool) -> (String, &str) {
    let end = text.find(|c| !keep(c)).unwrap_or(text.len());
    let (taken, after) = text.split_at(end);
    (taken.to_owned(), after)
}

/// A quoted piece; the quote doubled stands for itself.
fn quoted(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut out = String::new();
    let mut rest = text.strip_prefix(quote).unwrap_or(text);
    loop {
        let Some((before, after)) = rest.split_once(quote) else {
            return Err(format!("`{text}` has no closing {quote}"));
        };
        out.push_str(before);
        match after.strip_prefix(quote) {
            Some(more) => {
                out.push(quote);
                rest = more;
            }
            None => return Ok((out, after)),
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

/// An operand that may stand on a side of a comparison.
enum Operand {
    Term(Term),
    Truth(bool),
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.peek().is(keyword);
        self.at += usize::from(found);
        found
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(found) if *found == symbol);
        self.at += usize::from(found);
        found
    }

    fn wanted<T>(&self, wanted: &str) -> Result<T, String> {
        Err(format!("`{}` stands where {wanted} should", self.peek().text()))
    }

    fn disjunction(&mut self) -> Result<Expr, String> {
        let mut parts = vec![self.conjunction()?];
        while self.keyword("or") {
            parts.push(self.conjunction()?);
        }
        Ok(any(parts))
    }

    fn conjunction(&mut self) -> Result<Expr, String> {
        let mut parts = vec![self.negation()?];
        while self.keyword("and") {
            parts.push(self.negation()?);
        }
        Ok(all(parts))
    }

    fn negation(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("the filter nests deeper than {MAX_DEPTH}"));
        }
        let expr = if self.keyword("not") {
            not(self.negation()?)
        } else if self.symbol("(") {
            let inner = self.disjunction()?;
            if !self.symbol(")") {
                return self.wanted("`)`");
            }
            inner
        } else {
            self.condition()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn condition(&mut self) -> Result<Expr, String> {
        let left = self.operand()?;
        let op = match self.peek() {
            Token::Symbol("=") => CompareOp::Eq,
            Token::Symbol("<>" | "!=") => CompareOp::Ne,
            Token::Symbol("<") => CompareOp::Lt,
            Token::Symbol("<=") => CompareOp::Le,
            Token::Symbol(">") => CompareOp::Gt,
            Token::Symbol(">=") => CompareOp::Ge,
            _ => return self.other_condition(left),
        };
        self.at += 1;
        let right = self.operand()?;
        Ok(left.term().compare(op, right.term()))
    }

    fn other_condition(&mut self, left: Operand) -> Result<Expr, String> {
        if self.keyword("is") {
            let negated = self.keyword("not");
            if !self.keyword("null") {
                return self.wanted("`null`");
            }
            let expr = left.term().is_null();
            return Ok(if negated { not(expr) } else { expr });
        }
        let negated = self.keyword("not");
        if self.keyword("in") {
            let expr = left.term().in_list(self.options()?);
            return Ok(if negated { not(expr) } else { expr });
        }
        match left {
            Operand::Truth(truth) if !negated => Ok(always(truth)),
            _ => self.wanted("`=`, `<>`, `<`, `<=`, `>`, `>=`, `in` or `is null`"),
        }
    }

    fn options(&mut self) -> Result<Vec<Term>, String> {
        if !self.symbol("(") {
            return match self.operand()? {
                Operand::Term(term) if self.at >= 3 && self.claim_before() => Ok(vec![term]),
                _ => Err("after `in` comes a list in parentheses, or a claim".into()),
            };
        }
        let mut options = vec![self.operand()?.term()];
        while self.symbol(",") {
            options.push(self.operand()?.term());
        }
        if self.symbol(")") { Ok(options) } else { self.wanted("`,` or `)`") }
    }

    /// Whether the operand just read was `claim.name`.
    fn claim_before(&self) -> bool {
        self.tokens.get(self.at - 3).is_some_and(|token| token.is("claim"))
            && self.tokens.get(self.at - 2) == Some(&Token::Symbol("."))
    }

    fn operand(&mut self) -> Result<Operand, String> {
        let token = self.peek().clone();
        let term = match token {
            Token::Text(text) => lit(text),
            Token::Number(number) => lit(literal(number)?),
            Token::Quoted(name) => col(name),
            Token::Word(word) if word.eq_ignore_ascii_case("null") => {
                return Err("a comparison with NULL is never true: write `is null`".into());
            }
            Token::Word(word) if word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false") => {
                self.at += 1;
                return Ok(Operand::Truth(word.eq_ignore_ascii_case("true")));
            }
            Token::Word(word) if KEYWORDS.iter().any(|keyword| word.eq_ignore_ascii_case(keyword)) => {
                return self.wanted("a column, claim or literal");
            }
            Token::Word(word) => {
                self.at += 1;
                if !self.symbol(".") {
                    return Ok(Operand::Term(col(word)));
                }
                if !word.eq_ignore_ascii_case("claim") {
                    return Err(format!(
                        "`{word}.` has no meaning in a filter: write `claim.NAME`, or a column's name"
                    ));
                }
                match self.peek().clone() {
                    Token::Word(name) | Token::Quoted(name) => claim(name),
                    _ => return self.wanted("a claim's name"),
                }
            }
            Token::Symbol(_) | Token::End => return self.wanted("a column, claim or literal"),
        };
        self.at += 1;
        Ok(Operand::Term(term))
    }
}

impl Operand {
    fn term(self) -> Term {
        match self {
            Self::Term(term) => term,
            Self::Truth(truth) => lit(truth),
        }
    }
}

/// Whole numbers are integers; digits with a point stay exact.
fn literal(number: String) -> Result<Value, String> {
    let wrong = |number: &str| format!("`{number}` is no number");
    let digits = number.strip_prefix('-').unwrap_or(&number);
    match digits.split_once('.') {
        None => number.parse().map(Value::Integer).map_err(|_| wrong(&number)),
        Some((whole, part))
            if [whole, part].iter().all(|side| !side.is_empty() && side.chars().all(|c| c.is_ascii_digit())) =>
        {
            Ok(Value::Decimal(number))
        }
        Some(_) => Err(wrong(&number)),
    }
}

#[cfg(test)]
mod tests;
