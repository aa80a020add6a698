//! The text form of row filters, as mount files write them: `customer_id = claim.customer_id AND status IN ('a', 'b')`.
//! One small language for every store; not SQL, though it looks like it.

use mountgate_core::{ClaimName, ColumnName, CompareOp, Filter, Node, Value};

use crate::tokens::is_plain_number;

mod text;

pub use text::text;

/// Nesting that a filter's text may have. A filter is read by people.
const DEPTH: usize = 32;

/// Reads a filter.
///
/// Columns are `name` or `"name"`; claims `claim.name`; texts `'…'` with `''` for a quote; numbers; TRUE and FALSE.
/// Comparisons `= <> != < <= > >=`, `IN (…)`, `IN (claim.list)` and `= ANY(claim.list)`, `BETWEEN … AND …`,
/// `IS [NOT] NULL`, and AND, OR, NOT, parentheses.
///
/// # Errors
/// A sentence that says what was found and what was expected, for the author of the mount.
pub fn parse(text: &str) -> Result<Filter, String> {
    let tokens = lex(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, nodes: Vec::new(), depth: 0 };
    if tokens.is_empty() {
        return Err("the filter is empty; write a condition, or leave `filter` out for every row".into());
    }
    parser.or()?;
    if let Some(more) = parser.peek() {
        return Err(format!(
            "{} is not expected after a whole condition; join conditions with AND or OR",
            more.shown()
        ));
    }
    Filter::new(parser.nodes).map_err(|error| error.to_string())
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A name, and whether it was quoted.
    Name(String, bool),
    Text(String),
    Number(String),
    Symbol(&'static str),
}

impl Token {
    fn shown(&self) -> String {
        match self {
            Self::Name(name, false) => format!("`{name}`"),
            Self::Name(name, true) => format!("`\"{name}\"`"),
            Self::Text(text) => format!("`'{text}'`"),
            Self::Number(digits) => format!("`{digits}`"),
            Self::Symbol(symbol) => format!("`{symbol}`"),
        }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Name(name, false) if name.eq_ignore_ascii_case(word))
    }
}

fn lex(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = rest.trim_start();
            continue;
        }
        let symbol = ["<>", "!=", "<=", ">=", "==", "=", "<", ">", "(", ")", ",", "."]
            .into_iter()
            .find_map(|symbol| rest.strip_prefix(symbol).map(|after| (symbol, after)));
        if let Some((symbol, after)) = symbol {
            if symbol == "==" {
                return Err("`==` is not an operator here; write `=`".into());
            }
            tokens.push(Token::Symbol(symbol));
            rest = after;
            continue;
        }
        if first == '\'' || first == '"' {
            let (inner, after) = quoted(rest, first)?;
            if inner.contains('\0') {
                return Err("a NUL character cannot stand in a filter".into());
            }
            tokens.push(if first == '"' { Token::Name(inner, true) } else { Token::Text(inner) });
            rest = after;
            continue;
        }
        let negative = first == '-';
        let digits_from = if negative { rest.strip_prefix('-').unwrap_or(rest) } else { rest };
        if digits_from.starts_with(|ch: char| ch.is_ascii_digit()) {
            let end =
                digits_from.find(|ch: char| !(ch.is_ascii_alphanumeric() || ch == '.')).unwrap_or(digits_from.len());
            let (number, after) = digits_from.split_at_checked(end).unwrap_or((digits_from, ""));
            if !is_plain_number(number) {
                return Err(format!("`{number}` is not a number"));
            }
            tokens.push(Token::Number(if negative { format!("-{number}") } else { number.to_owned() }));
            rest = after;
            continue;
        }
        if first.is_alphabetic() || first == '_' {
            let end = rest.find(|ch: char| !(ch.is_alphanumeric() || ch == '_' || ch == '$')).unwrap_or(rest.len());
            let (name, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            tokens.push(Token::Name(name.to_owned(), false));
            rest = after;
            continue;
        }
        return Err(format!("`{first}` cannot stand in a filter"));
    }
    Ok(tokens)
}

fn quoted(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut inner = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, ch)) = chars.next() {
        if ch != quote {
            inner.push(ch);
        } else if chars.peek().is_some_and(|(_, next)| *next == quote) {
            inner.push(quote);
            chars.next();
        } else {
            return Ok((inner, text.get(at + ch.len_utf8()..).unwrap_or_default()));
        }
    }
    Err(format!("a {quote} is opened and not closed"))
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
    nodes: Vec<Node>,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<&'t Token> {
        self.tokens.get(self.at)
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is_word(word));
        self.at += usize::from(found);
        found
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(found)) if *found == symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        if self.symbol(symbol) { Ok(()) } else { Err(format!("expected `{symbol}`, found {}", self.found())) }
    }

    fn found(&self) -> String {
        self.peek().map_or_else(|| "the end".into(), Token::shown)
    }

    fn push(&mut self, node: Node) -> u32 {
        self.nodes.push(node);
        self.nodes.len().saturating_sub(1) as u32
    }

    fn or(&mut self) -> Result<u32, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(format!("the filter nests deeper than {DEPTH} levels"));
        }
        let mut all = vec![self.and()?];
        while self.word("OR") {
            all.push(self.and()?);
        }
        self.depth -= 1;
        Ok(match all.as_slice() {
            [only] => *only,
            _ => self.push(Node::Or(all)),
        })
    }

    fn and(&mut self) -> Result<u32, String> {
        let mut all = vec![self.not()?];
        while self.word("AND") {
            all.push(self.not()?);
        }
        Ok(match all.as_slice() {
            [only] => *only,
            _ => self.push(Node::And(all)),
        })
    }

    fn not(&mut self) -> Result<u32, String> {
        let mut negations = 0_usize;
        while self.word("NOT") {
            negations += 1;
        }
        let mut truth = self.truth()?;
        for _ in 0..negations {
            truth = self.push(Node::Not(truth));
        }
        Ok(truth)
    }

    fn truth(&mut self) -> Result<u32, String> {
        if self.symbol("(") {
            let truth = self.or()?;
            self.expect(")")?;
            return Ok(truth);
        }
        let before = self.at;
        for (word, truth) in [("TRUE", true), ("FALSE", false)] {
            if self.word(word) && !self.compares() {
                return Ok(self.push(Node::Always(truth)));
            }
            self.at = before;
        }
        let left = self.value()?;
        self.predicate(left)
    }

    /// Whether what stands here makes a value into a condition.
    fn compares(&self) -> bool {
        match self.peek() {
            Some(Token::Symbol(symbol)) => matches!(*symbol, "=" | "<>" | "!=" | "<" | "<=" | ">" | ">="),
            Some(token) => ["IN", "IS", "BETWEEN"].iter().any(|word| token.is_word(word)),
            None => false,
        }
    }

    fn predicate(&mut self, left: u32) -> Result<u32, String> {
        if self.word("IS") {
            let negated = self.word("NOT");
            if !self.word("NULL") {
                return Err(format!("expected NULL after IS, found {}; write `= TRUE` for truth", self.found()));
            }
            let truth = self.push(Node::IsNull(left));
            return Ok(if negated { self.push(Node::Not(truth)) } else { truth });
        }
        let negated = self.word("NOT");
        if self.word("IN") {
            self.expect("(")?;
            let mut list = vec![self.value()?];
            while self.symbol(",") {
                list.push(self.value()?);
            }
            self.expect(")")?;
            let truth = self.push(Node::In { needle: left, list });
            return Ok(if negated { self.push(Node::Not(truth)) } else { truth });
        }
        if self.word("BETWEEN") {
            let low = self.value()?;
            if !self.word("AND") {
                return Err(format!("expected AND after the lower bound of BETWEEN, found {}", self.found()));
            }
            let high = self.value()?;
            let from = self.push(Node::Compare { op: CompareOp::Ge, left, right: low });
            let to = self.push(Node::Compare { op: CompareOp::Le, left, right: high });
            let truth = self.push(Node::And(vec![from, to]));
            return Ok(if negated { self.push(Node::Not(truth)) } else { truth });
        }
        if negated {
            return Err(format!("expected IN or BETWEEN after NOT, found {}", self.found()));
        }
        let op = match self.peek() {
            Some(Token::Symbol("=")) => CompareOp::Eq,
            Some(Token::Symbol("<>" | "!=")) => CompareOp::Ne,
            Some(Token::Symbol("<")) => CompareOp::Lt,
            Some(Token::Symbol("<=")) => CompareOp::Le,
            Some(Token::Symbol(">")) => CompareOp::Gt,
            Some(Token::Symbol(">=")) => CompareOp::Ge,
            Some(_) | None => {
                return Err(format!(
                    "expected a comparison (=, <>, <, <=, >, >=, IN, BETWEEN, IS NULL), found {}; for a column of truth values write `= TRUE`",
                    self.found()
                ));
            }
        };
        self.at += 1;
        if self.word("ANY") {
            if op != CompareOp::Eq {
                return Err("ANY takes `=` only".into());
            }
            self.expect("(")?;
            let list = self.value()?;
            if !matches!(self.nodes.last(), Some(Node::Claim(_))) {
                return Err("ANY takes a claim: `= ANY(claim.name)`".into());
            }
            self.expect(")")?;
            return Ok(self.push(Node::In { needle: left, list: vec![list] }));
        }
        let right = self.value()?;
        Ok(self.push(Node::Compare { op, left, right }))
    }

    fn value(&mut self) -> Result<u32, String> {
        let found = self.found();
        let Some(token) = self.peek() else {
            return Err("the filter ends where a column, claim or value is expected".into());
        };
        self.at += 1;
        let node = match token {
            Token::Text(text) => Node::Literal(Value::Text(text.clone())),
            Token::Number(digits) => match digits.parse::<i64>() {
                Ok(number) => Node::Literal(Value::Integer(number)),
                Err(_) if digits.contains(['e', 'E']) => match digits.parse::<f64>() {
                    Ok(number) if number.is_finite() => Node::Literal(Value::Float(number)),
                    Ok(_) | Err(_) => return Err(format!("`{digits}` is out of range")),
                },
                Err(_) => Node::Literal(Value::Decimal(digits.clone())),
            },
            Token::Name(name, false) if name.eq_ignore_ascii_case("true") => Node::Literal(Value::Boolean(true)),
            Token::Name(name, false) if name.eq_ignore_ascii_case("false") => Node::Literal(Value::Boolean(false)),
            Token::Name(name, false) if name.eq_ignore_ascii_case("null") => {
                return Err("a comparison with NULL is never true; write `IS NULL` or `IS NOT NULL`".into());
            }
            Token::Name(name, quoted) => {
                if self.symbol(".") {
                    let Some(Token::Name(member, _)) = self.peek() else {
                        return Err(format!("expected a name after `{name}.`, found {}", self.found()));
                    };
                    self.at += 1;
                    if *quoted || name != "claim" {
                        return Err(format!(
                            "`{name}.{member}`: a filter names the columns of its own table without a qualifier, and claims as `claim.{member}`"
                        ));
                    }
                    Node::Claim(ClaimName::new(member.as_str()))
                } else if !*quoted && RESERVED.iter().any(|word| name.eq_ignore_ascii_case(word)) {
                    return Err(format!("expected a column, claim or value, found {found}"));
                } else {
                    if matches!(self.peek(), Some(Token::Symbol("("))) {
                        return Err(format!("`{name}(…)`: a filter calls no functions"));
                    }
                    Node::Column(ColumnName::new(name.as_str()))
                }
            }
            Token::Symbol(_) => return Err(format!("expected a column, claim or value, found {found}")),
        };
        Ok(self.push(node))
    }
}

/// Words that are no column unless quoted.
const RESERVED: [&str; 9] = ["and", "or", "not", "in", "is", "between", "any", "like", "select"];

#[cfg(test)]
mod tests;
