//! The lexical gate: what a statement's tokens may be, before any of them is parsed.
//!
//! Parsers differ most in their lexers. Literals that some engine or version reads otherwise are refused here, by
//! name; placeholders get their numbers here, so that the tree no longer depends on their order.

use mountgate_core::{Code, Refusal};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer, Whitespace};

use crate::{Dialect, bounds, refuse};

/// The tokens of a statement, spaces and comments left out, and how many parameters it takes.
pub(crate) struct Lexed {
    pub(crate) tokens: Vec<TokenWithSpan>,
    pub(crate) parameters: usize,
}

pub(crate) fn lex(dialect: Dialect, text: &str) -> Result<Lexed, Refusal> {
    if text.len() > bounds::TEXT {
        return Err(Refusal::new(
            Code::TooLarge,
            format!("the statement has {} bytes, more than {}", text.len(), bounds::TEXT),
        )
        .hint("bind values as parameters instead of writing them into the text"));
    }
    if text.contains('\0') {
        return Err(refuse::unparseable("the statement contains a NUL character"));
    }
    let mut tokens = Vec::new();
    Tokenizer::new(dialect.parser(), text)
        .tokenize_with_location_into_buf(&mut tokens)
        .map_err(|error| refuse::unparseable(format!("the statement does not parse: {error}")))?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    if tokens.len() > bounds::TOKENS {
        return Err(refuse::too_much("tokens", bounds::TOKENS));
    }
    if dialect == Dialect::Sqlite {
        drop_materialized(&mut tokens);
    }
    let mut highest = 0;
    let mut seen = Vec::new();
    let mut number_ends = None;
    for token in &mut tokens {
        let span = token.span;
        // `1_000` is a thousand to some versions and `1 AS "_000"` to others.
        if number_ends == Some(span.start) && matches!(token.token, Token::Word(_)) {
            return Err(refuse::unsupported("a number with a name directly behind it", span)
                .hint("write digits only, and a space before an alias"));
        }
        number_ends = matches!(token.token, Token::Number(_, _)).then_some(span.end);
        check(dialect, text, &mut token.token, span, &mut highest, &mut seen)?;
    }
    if dialect == Dialect::Postgres {
        // PostgreSQL cannot know the type of a parameter that is never used.
        seen.sort_unstable();
        seen.dedup();
        if seen.len() != highest {
            return Err(Refusal::new(
                Code::ParameterInvalid,
                format!("the statement uses `${highest}` but not every parameter before it"),
            )
            .hint("number parameters from `$1` without gaps"));
        }
    }
    Ok(Lexed { tokens, parameters: highest })
}

/// Takes `[NOT] MATERIALIZED` out of `AS [NOT] MATERIALIZED (`, which the parser does not know in SQLite: a hint to
/// its planner, of which no answer depends. Nowhere else is `AS` followed by a name and a parenthesis and taken here.
fn drop_materialized(tokens: &mut Vec<TokenWithSpan>) {
    let is = |token: Option<&TokenWithSpan>, wanted: &str| {
        matches!(token.map(|token| &token.token), Some(Token::Word(word))
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted))
    };
    let mut at = 0;
    while at < tokens.len() {
        let not = usize::from(is(tokens.get(at + 1), "NOT"));
        if is(tokens.get(at), "AS")
            && is(tokens.get(at + 1 + not), "MATERIALIZED")
            && matches!(tokens.get(at + 2 + not).map(|token| &token.token), Some(Token::LParen))
        {
            tokens.drain(at + 1..at + 2 + not);
        }
        at += 1;
    }
}

fn check(
    dialect: Dialect,
    text: &str,
    token: &mut Token,
    span: Span,
    highest: &mut usize,
    seen: &mut Vec<usize>,
) -> Result<(), Refusal> {
    let no = |what: &str| Err(refuse::unsupported(what, span));
    match token {
        Token::Placeholder(name) => {
            let number = match (dialect, name.split_at_checked(1)) {
                (Dialect::Sqlite, Some(("?", ""))) => *highest + 1,
                (Dialect::Sqlite, Some(("?" | "$", digits))) | (Dialect::Postgres, Some(("$", digits))) => {
                    number_of(digits).ok_or_else(|| {
                        refuse::unsupported(format!("the parameter `{name}`"), span).hint(
                            "write parameters as `$1`, `$2`, … (SQLite: also `?` and `?1`) and pass `params` as a list",
                        )
                    })?
                }
                (Dialect::Sqlite | Dialect::Postgres, _) => {
                    return Err(refuse::unsupported(format!("the parameter `{name}`"), span)
                        .hint("write parameters as `$1`, `$2`, … and pass `params` as a list"));
                }
            };
            if number > bounds::PARAMETERS {
                return Err(refuse::too_much("parameters", bounds::PARAMETERS));
            }
            *highest = number.max(*highest);
            seen.push(number);
            *name = number.to_string();
            Ok(())
        }
        Token::Number(digits, long) => {
            if *long || !is_plain_number(digits) {
                return no(&format!("the number `{digits}`"));
            }
            Ok(())
        }
        Token::HexStringLiteral(digits) => {
            // `0x1F` arrives here too, as if it were `X'1F'`: an integer would become a blob.
            let starts_with_x =
                offset(text, span.start).and_then(|at| text.get(at..)).is_some_and(|rest| rest.starts_with(['x', 'X']));
            if dialect != Dialect::Sqlite || !starts_with_x {
                return no("a hexadecimal literal");
            }
            if digits.len() % 2 != 0 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return no("a malformed blob literal");
            }
            Ok(())
        }
        Token::DoubleQuotedString(_)
        | Token::TripleSingleQuotedString(_)
        | Token::TripleDoubleQuotedString(_)
        | Token::SingleQuotedByteStringLiteral(_)
        | Token::DoubleQuotedByteStringLiteral(_)
        | Token::TripleSingleQuotedByteStringLiteral(_)
        | Token::TripleDoubleQuotedByteStringLiteral(_)
        | Token::SingleQuotedRawStringLiteral(_)
        | Token::DoubleQuotedRawStringLiteral(_)
        | Token::TripleSingleQuotedRawStringLiteral(_)
        | Token::TripleDoubleQuotedRawStringLiteral(_)
        | Token::NationalStringLiteral(_)
        | Token::QuoteDelimitedStringLiteral(_)
        | Token::NationalQuoteDelimitedStringLiteral(_) => no("this kind of string literal"),
        Token::SingleQuotedString(value) | Token::EscapedStringLiteral(value) | Token::UnicodeStringLiteral(value) => {
            if value.contains('\0') {
                no("a string with a NUL character")
            } else {
                Ok(())
            }
        }
        Token::DollarQuotedString(quoted) => {
            let sqlparser::ast::DollarQuotedString { value, tag: _ } = quoted;
            if value.contains('\0') { no("a string with a NUL character") } else { Ok(()) }
        }
        Token::Whitespace(Whitespace::Space | Whitespace::Newline | Whitespace::Tab)
        | Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_))
        | Token::EOF
        | Token::Word(_)
        | Token::Char(_)
        | Token::Comma
        | Token::DoubleEq
        | Token::Eq
        | Token::Neq
        | Token::Lt
        | Token::Gt
        | Token::LtEq
        | Token::GtEq
        | Token::Spaceship
        | Token::Plus
        | Token::Minus
        | Token::Mul
        | Token::Div
        | Token::DuckIntDiv
        | Token::Mod
        | Token::StringConcat
        | Token::LParen
        | Token::RParen
        | Token::Period
        | Token::Colon
        | Token::DoubleColon
        | Token::Assignment
        | Token::SemiColon
        | Token::Backslash
        | Token::LBracket
        | Token::RBracket
        | Token::Ampersand
        | Token::Pipe
        | Token::Caret
        | Token::LBrace
        | Token::RBrace
        | Token::RArrow
        | Token::Sharp
        | Token::DoubleSharp
        | Token::Tilde
        | Token::TildeAsterisk
        | Token::ExclamationMarkTilde
        | Token::ExclamationMarkTildeAsterisk
        | Token::DoubleTilde
        | Token::DoubleTildeAsterisk
        | Token::ExclamationMarkDoubleTilde
        | Token::ExclamationMarkDoubleTildeAsterisk
        | Token::ShiftLeft
        | Token::ShiftRight
        | Token::Overlap
        | Token::ExclamationMark
        | Token::DoubleExclamationMark
        | Token::AtSign
        | Token::CaretAt
        | Token::PGSquareRoot
        | Token::PGCubeRoot
        | Token::Arrow
        | Token::LongArrow
        | Token::HashArrow
        | Token::AtDashAt
        | Token::QuestionMarkDash
        | Token::AmpersandLeftAngleBracket
        | Token::AmpersandRightAngleBracket
        | Token::AmpersandLeftAngleBracketVerticalBar
        | Token::VerticalBarAmpersandRightAngleBracket
        | Token::TwoWayArrow
        | Token::LeftAngleBracketCaret
        | Token::RightAngleBracketCaret
        | Token::QuestionMarkSharp
        | Token::QuestionMarkDashVerticalBar
        | Token::QuestionMarkDoubleVerticalBar
        | Token::TildeEqual
        | Token::ShiftLeftVerticalBar
        | Token::VerticalBarShiftRight
        | Token::VerticalBarRightAngleBracket
        | Token::HashLongArrow
        | Token::AtArrow
        | Token::ArrowAt
        | Token::HashMinus
        | Token::AtQuestion
        | Token::AtAt
        | Token::Question
        | Token::QuestionAnd
        | Token::QuestionPipe
        | Token::CustomBinaryOperator(_) => Ok(()),
    }
}

fn number_of(digits: &str) -> Option<usize> {
    if digits.is_empty() || digits.len() > 5 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|number| *number > 0)
}

/// Digits, a point, an exponent: what both engines read alike.
pub(crate) fn is_plain_number(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_ok = exponent.is_none_or(|exponent| {
        let bare = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !bare.is_empty() && bare.len() <= 4 && digits(bare)
    });
    !(whole.is_empty() && fraction.is_empty()) && digits(whole) && digits(fraction) && exponent_ok
}

/// The byte offset of a location (lines and columns count characters, from 1).
pub(crate) fn offset(text: &str, location: Location) -> Option<usize> {
    let mut start = 0;
    for _ in 1..location.line {
        start += text.get(start..)?.find('\n')? + 1;
    }
    let line = text.get(start..)?;
    let column = usize::try_from(location.column.checked_sub(1)?).ok()?;
    line.char_indices().map(|(at, _)| at).chain(std::iter::once(line.len())).nth(column).map(|at| start + at)
}
