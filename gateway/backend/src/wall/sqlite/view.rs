//! Views of the file, made again as views of the wall.
//!
//! SQLite tells who reads a table by the name of the innermost view or CTE, and the names of the file's own views can be
//! guessed: an agent could give them to a CTE. So each view that a mount's relation is made of is made again under a
//! random name, down to the tables, and so are the CTEs within. The text stays as it is but for the names of what it
//! reads, which are cut out where the parser says that they stand.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{ControlFlow, Range},
};

use mountgate_driver::{FileView, Shown, WalledView};
use sqlparser::{
    ast::{Ident, ObjectName, Query, Statement, TableFactor, Visit as _, Visitor},
    dialect::SQLiteDialect,
    keywords::Keyword,
    parser::Parser,
    tokenizer::{Location, Span, Token, Tokenizer},
};

use super::quoted;

/// The file's views, and those that are made again.
pub(super) struct Views<'f> {
    pub(super) schema: &'f str,
    pub(super) file: &'f BTreeMap<String, FileView>,
    /// By name in lower case in the file: the name in the wall; `None` while it is being made.
    pub(super) made: BTreeMap<String, Option<String>>,
}

impl Views<'_> {
    /// The view of that name, made again, and all that it reads; `None` where it is no view. What is made is added to
    /// `views`.
    ///
    /// # Errors
    /// A sentence, where its text can't be followed.
    pub(super) fn again(
        &mut self,
        name: &str,
        draw: &mut dyn FnMut() -> Result<String, String>,
        views: &mut BTreeMap<String, WalledView>,
    ) -> Result<Option<String>, String> {
        let key = name.to_lowercase();
        let Some(view) = self.file.get(&key) else { return Ok(None) };
        match self.made.get(&key) {
            Some(Some(made)) => return Ok(Some(made.clone())),
            Some(None) => return Err(format!("the view `{name}` reads itself")),
            None => {}
        }
        self.made.insert(key.clone(), None);
        let lost = |what: &str| format!("the view `{name}` can't be made again behind the wall: {what}");
        let (query, body) = parse(&view.sql).map_err(|why| lost(&why))?;
        let mut found = Found::default();
        if let ControlFlow::Break(why) = query.visit(&mut found) {
            return Err(lost(&why));
        }
        if found.relations != found.tables.len() {
            return Err(lost("it names a table where none is looked for"));
        }
        let reads: BTreeMap<&str, BTreeSet<String>> = view
            .reads
            .iter()
            .filter(|(table, _)| !self.file.contains_key(&table.to_lowercase()))
            .map(|(table, columns)| (table.as_str(), columns.clone()))
            .collect();
        let table = |name: &str| reads.keys().find(|table| table.eq_ignore_ascii_case(name)).copied();
        let mut ctes: BTreeMap<String, String> = BTreeMap::new();
        let mut edits: Vec<(Range<usize>, String)> = Vec::new();
        for cte in &found.ctes {
            let key = cte.value.to_lowercase();
            // Which of two is meant depends on where it stands.
            if table(&key).is_some() || self.file.contains_key(&key) || ctes.contains_key(&key) {
                return Err(lost(&format!("`{}` in it has more than one meaning", cte.value)));
            }
            let named = draw()?;
            edits.push((place(&view.sql, cte.span, &cte.to_string()).ok_or_else(|| lost(SPELT))?, quoted(&named)));
            ctes.insert(key, named);
        }
        for found in &found.tables {
            let spelt = found.name.to_string();
            let at = place(&view.sql, found.span, &spelt).ok_or_else(|| lost(SPELT))?;
            let named = match (ctes.get(&found.table.to_lowercase()), table(&found.table)) {
                (Some(cte), _) if found.alone => quoted(cte),
                (_, Some(table)) => format!("{}.{}", quoted(self.schema), quoted(table)),
                (_, None) if found.called => continue,
                (_, None) => match self.again(&found.table, draw, views)? {
                    Some(made) => format!("\"temp\".{}", quoted(&made)),
                    None => return Err(lost(&format!("it reads `{}`", found.table))),
                },
            };
            // Columns may be qualified by the name that is gone.
            let alias = if found.aliased { String::new() } else { format!(" AS {}", quoted(&found.table)) };
            edits.push((at, named + &alias));
        }
        let text = edited(&view.sql, body, edits).ok_or_else(|| lost(SPELT))?;
        let reads: BTreeMap<String, BTreeSet<String>> =
            reads.into_iter().map(|(table, columns)| (table.to_owned(), columns)).collect();
        let within = |columns: Vec<String>, select| WalledView {
            columns,
            select,
            reads: reads.clone(),
            shown: Shown::Views,
            calls: false,
        };
        let made = format!("{name}_{}", draw()?);
        views.extend(ctes.into_values().map(|cte| (cte, within(vec![], None))));
        views.insert(made.clone(), within(view.columns.clone(), Some(text)));
        self.made.insert(key, Some(made.clone()));
        Ok(Some(made))
    }
}

const SPELT: &str = "a name in it is spelt in a way that can't be followed";

/// The query of a view, and where its text starts.
fn parse(sql: &str) -> Result<(Query, usize), String> {
    let dialect = SQLiteDialect {};
    let unread = "its text can't be parsed";
    let mut statements = Parser::parse_sql(&dialect, sql).map_err(|_| unread)?;
    let (Some(Statement::CreateView(view)), None) = (statements.pop(), statements.pop()) else {
        return Err(unread.to_owned());
    };
    let tokens = Tokenizer::new(&dialect, sql).tokenize_with_location().map_err(|_| unread)?;
    // A column named so is in quotes.
    let at = tokens.iter().find(
        |token| matches!(&token.token, Token::Word(word) if word.keyword == Keyword::AS && word.quote_style.is_none()),
    );
    let start = at.and_then(|token| offset(sql, token.span.end)).ok_or(unread)?;
    Ok((*view.query, start))
}

/// A name in FROM.
struct Table {
    name: ObjectName,
    span: Span,
    /// The last part.
    table: String,
    /// Whether that is all of it.
    alone: bool,
    aliased: bool,
    /// Whether it has arguments: a table-valued function.
    called: bool,
}

#[derive(Default)]
struct Found {
    tables: Vec<Table>,
    ctes: Vec<Ident>,
    relations: usize,
}

impl Visitor for Found {
    type Break = String;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        self.ctes.extend(query.with.iter().flat_map(|with| &with.cte_tables).map(|cte| cte.alias.name.clone()));
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, _: &ObjectName) -> ControlFlow<String> {
        self.relations += 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<String> {
        let TableFactor::Table { name, alias, args, .. } = factor else { return ControlFlow::Continue(()) };
        let parts: Option<Vec<&Ident>> = name.0.iter().map(|part| part.as_ident()).collect();
        let parts = parts.unwrap_or_default();
        let span = match parts.as_slice() {
            [table] => table.span,
            [schema, table] if schema.value.eq_ignore_ascii_case("main") => {
                Span::new(schema.span.start, table.span.end)
            }
            _ => return ControlFlow::Break(format!("it reads `{name}`")),
        };
        self.tables.push(Table {
            name: name.clone(),
            span,
            table: parts.last().map(|table| table.value.clone()).unwrap_or_default(),
            alone: parts.len() == 1,
            aliased: alias.is_some(),
            called: args.is_some(),
        });
        ControlFlow::Continue(())
    }
}

/// Where the name stands, if it stands there as it is spelt.
fn place(sql: &str, span: Span, spelt: &str) -> Option<Range<usize>> {
    let at = offset(sql, span.start)?..offset(sql, span.end)?;
    (sql.get(at.clone())? == spelt).then_some(at)
}

/// The parser counts lines, and characters within them, from one.
fn offset(sql: &str, at: Location) -> Option<usize> {
    let before = usize::try_from(at.line.checked_sub(1)?).ok()?;
    let start = match before {
        0 => 0,
        lines => sql.match_indices('\n').nth(lines - 1)?.0 + 1,
    };
    let column = usize::try_from(at.column.checked_sub(1)?).ok()?;
    let line = sql.get(start..)?;
    Some(start + line.char_indices().nth(column).map_or(line.len(), |(at, _)| at))
}

/// The text from `start` on, each stretch replaced.
fn edited(sql: &str, start: usize, mut edits: Vec<(Range<usize>, String)>) -> Option<String> {
    edits.sort_by_key(|(at, _)| at.start);
    let (mut text, mut from) = (String::new(), start);
    for (at, with) in edits {
        text.push_str(sql.get(from..at.start)?);
        text.push_str(&with);
        from = at.end;
    }
    text.push_str(sql.get(from..)?);
    Some(text)
}
