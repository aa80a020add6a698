//! A statement as an agent sent it: parsed once, resolved as often as it is asked.

use std::sync::Arc;

use mountgate_core::{Ceiling, Refusal, Scope, Touch};
use sqlparser::{ast, parser::Parser};

use crate::{Dialect, Plan, allow::Extra, bounds, demand, hints, print, refuse, resolve, tokens, view::View};

/// One query in the mount's dialect. Cheap to clone; owns its text and tree.
#[derive(Clone, Debug)]
pub struct Statement {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dialect: Dialect,
    text: Box<str>,
    query: Box<ast::Query>,
    parameters: usize,
    extras: Arc<[Extra]>,
}

impl Statement {
    /// Parses the text as one query.
    ///
    /// # Errors
    /// `too_large`, `unparseable`, `unsupported` (another kind of statement, a literal or parameter of a kind that is
    /// not taken), `parameter_invalid`.
    pub fn parse(dialect: Dialect, text: &str) -> Result<Self, Refusal> {
        Self::parse_allowing(dialect, text, &Arc::from([]))
    }

    /// As [`Statement::parse`], with functions that an operator's configuration adds to the list.
    ///
    /// # Errors
    /// As [`Statement::parse`].
    pub fn parse_allowing(dialect: Dialect, text: &str, extras: &Arc<[Extra]>) -> Result<Self, Refusal> {
        let lexed = tokens::lex(dialect, text)?;
        let first = lexed.tokens.first().map(|token| (token.token.to_string(), token.span));
        let mut parser = Parser::new(dialect.parser())
            .with_recursion_limit(bounds::PARSER_DEPTH)
            .with_tokens_with_locations(lexed.tokens);
        let mut statements = parser.parse_statements().map_err(|error| match error {
            sqlparser::parser::ParserError::RecursionLimitExceeded => {
                refuse::too_much("levels of nesting", bounds::PARSER_DEPTH)
            }
            sqlparser::parser::ParserError::TokenizerError(why) | sqlparser::parser::ParserError::ParserError(why) => {
                let refusal = refuse::unparseable(format!("the statement does not parse: {why}"));
                match hints::of_text(dialect, text) {
                    Some(hint) => refusal.hint(hint),
                    None => refusal,
                }
            }
        })?;
        let (statement, more) = (statements.pop(), statements.len());
        let Some(statement) = statement else {
            return Err(refuse::unparseable("there is no statement"));
        };
        if more > 0 {
            return Err(refuse::unparseable("there is more than one statement"));
        }
        let ast::Statement::Query(query) = statement else {
            let (keyword, span) =
                first.unwrap_or_else(|| ("this statement".into(), sqlparser::tokenizer::Span::empty()));
            return Err(refuse::unsupported(format!("`{}`", keyword.to_uppercase()), span)
                .hint("only queries are answered: SELECT, WITH … SELECT, VALUES"));
        };
        let inner =
            Inner { dialect, text: text.into(), query, parameters: lexed.parameters, extras: Arc::clone(extras) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The dialect that it was parsed in.
    pub fn dialect(&self) -> Dialect {
        self.inner.dialect
    }

    /// The text, as it was sent.
    pub fn text(&self) -> &str {
        &self.inner.text
    }

    /// How many parameters it takes.
    pub fn parameters(&self) -> usize {
        self.inner.parameters
    }

    /// What it touches, all names taken from the ceiling.
    ///
    /// # Errors
    /// `not_in_scope`, `ambiguous`, `unsupported`, `type_mismatch`, `resource_limit`.
    pub fn touch(&self, ceiling: &Ceiling) -> Result<Touch, Refusal> {
        let inner = &*self.inner;
        let (_, touch) =
            resolve::resolve(inner.dialect, View::Ceiling(ceiling), &inner.text, &inner.query, &inner.extras, true)?;
        Ok(touch)
    }

    /// The statement as the store is to run it, so that it sees the scope and nothing else.
    ///
    /// # Errors
    /// As [`Statement::touch`], for names that the scope no longer has; `key_required` and `aggregate_only` where the
    /// ceiling demands more of statements over a relation than this one gives.
    pub fn enforce(&self, scope: &Scope) -> Result<Plan, Refusal> {
        let inner = &*self.inner;
        let (mut resolved, _) =
            resolve::resolve(inner.dialect, View::Scope(scope), &inner.text, &inner.query, &inner.extras, false)?;
        demand::meet(&mut resolved)?;
        let plan = print::print(inner.dialect, scope, &resolved, inner.parameters, false)?;
        Ok(Plan { sought: demand::sought::sought(&resolved), ..plan })
    }
}
