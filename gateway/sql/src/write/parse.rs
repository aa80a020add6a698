//! From a text to the parts of a write. Every struct of the parser's is taken apart whole: a new clause in a new parser
//! breaks the build here instead of passing through.

use mountgate_core::{Refusal, Verb};
use sqlparser::{
    ast,
    parser::{Parser, ParserError},
    tokenizer::Span,
};

use crate::{Dialect, bounds, refuse, tokens::Lexed};

/// The parts of a write.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) verb: Verb,
    /// The relation's name.
    pub(super) target: Vec<ast::Ident>,
    pub(super) alias: Option<ast::Ident>,
    /// The columns assigned.
    pub(super) columns: Vec<ast::Ident>,
    /// What is assigned to them: a row for each row of an INSERT, one for an UPDATE.
    pub(super) rows: Vec<Vec<ast::Expr>>,
    pub(super) selection: Option<ast::Expr>,
    pub(super) returning: Vec<ast::SelectItem>,
    /// A SELECT without anything, for the queries that are made of these parts.
    pub(super) bare: ast::Query,
}

pub(super) fn parse(dialect: Dialect, text: &str, lexed: Lexed) -> Result<Parsed, Refusal> {
    let _ = text;
    let first = lexed.tokens.first().map(|token| (token.token.to_string(), token.span));
    let mut parser = Parser::new(dialect.parser())
        .with_recursion_limit(bounds::PARSER_DEPTH)
        .with_tokens_with_locations(lexed.tokens);
    let mut statements = parser.parse_statements().map_err(|error| match error {
        ParserError::RecursionLimitExceeded => refuse::too_much("levels of nesting", bounds::PARSER_DEPTH),
        ParserError::TokenizerError(why) | ParserError::ParserError(why) => {
            refuse::not_a_write(format!("the statement does not parse: {why}"))
        }
    })?;
    let (statement, more) = (statements.pop(), statements.len());
    let Some(statement) = statement else { return Err(refuse::not_a_write("there is no statement")) };
    if more > 0 {
        return Err(refuse::not_a_write("there is more than one statement"));
    }
    let bare = bare(dialect)?;
    match statement {
        ast::Statement::Insert(insert) => self::insert(insert, bare),
        ast::Statement::Update(update) => self::update(update, bare),
        ast::Statement::Delete(delete) => self::delete(delete, bare),
        _other => {
            let (keyword, span) = first.unwrap_or_else(|| ("this statement".into(), Span::empty()));
            Err(no(&format!("`{}`", keyword.to_uppercase()), span))
        }
    }
}

fn no(what: &str, span: Span) -> Refusal {
    refuse::unsupported(format!("{what} in a write"), span)
        .hint("write one INSERT … VALUES, UPDATE … SET … WHERE or DELETE … WHERE on one table; read with `/v1/query`")
}

fn refuse_any(found: &[(bool, &str)], span: Span) -> Result<(), Refusal> {
    match found.iter().find(|(present, _)| *present) {
        Some((_, what)) => Err(no(what, span)),
        None => Ok(()),
    }
}

/// `SELECT NULL`, whose parts are then replaced.
fn bare(dialect: Dialect) -> Result<ast::Query, Refusal> {
    let mut parsed = Parser::parse_sql(dialect.parser(), "SELECT NULL").unwrap_or_default();
    match parsed.pop() {
        Some(ast::Statement::Query(query)) => Ok(*query),
        _ => Err(refuse::not_a_write("the parser is not what it was")),
    }
}

fn insert(insert: ast::Insert, bare: ast::Query) -> Result<Parsed, Refusal> {
    let ast::Insert {
        insert_token,
        optimizer_hints,
        or,
        ignore,
        into,
        table,
        table_alias,
        columns,
        overwrite,
        source,
        assignments,
        partitioned,
        after_columns,
        has_table_keyword,
        on,
        returning,
        output,
        replace_into,
        priority,
        insert_alias,
        settings,
        format_clause,
        multi_table_insert_type,
        multi_table_into_clauses,
        multi_table_when_clauses,
        multi_table_else_clause,
    } = insert;
    let span = insert_token.0.span;
    refuse_any(
        &[
            (on.is_some(), "`ON CONFLICT`"),
            (or.is_some(), "`OR REPLACE`, `OR IGNORE` and their like"),
            (replace_into, "`REPLACE`"),
            (ignore, "`IGNORE`"),
            (!into, "`INSERT` without `INTO`"),
            (!optimizer_hints.is_empty(), "an optimizer hint"),
            (overwrite, "`OVERWRITE`"),
            (!assignments.is_empty(), "`INSERT … SET`"),
            (partitioned.is_some() || !after_columns.is_empty(), "`PARTITION`"),
            (has_table_keyword, "`TABLE`"),
            (output.is_some(), "`OUTPUT`"),
            (priority.is_some(), "a priority"),
            (insert_alias.is_some(), "an alias of the new row"),
            (settings.is_some(), "`SETTINGS`"),
            (format_clause.is_some(), "`FORMAT`"),
            (
                multi_table_insert_type.is_some()
                    || !multi_table_into_clauses.is_empty()
                    || !multi_table_when_clauses.is_empty()
                    || multi_table_else_clause.is_some(),
                "an INSERT into several tables",
            ),
        ],
        span,
    )?;
    let ast::TableObject::TableName(target) = table else { return Err(no("an INSERT into no table", span)) };
    let Some(source) = source else { return Err(no("`DEFAULT VALUES`", span)) };
    let ast::Query {
        with,
        body,
        order_by,
        limit_clause,
        fetch,
        locks,
        for_clause,
        settings,
        format_clause,
        pipe_operators,
    } = *source;
    refuse_any(
        &[
            (with.is_some(), "`WITH`"),
            (order_by.is_some(), "`ORDER BY`"),
            (limit_clause.is_some() || fetch.is_some(), "`LIMIT`"),
            (!locks.is_empty(), "`FOR UPDATE`"),
            (
                for_clause.is_some() || settings.is_some() || format_clause.is_some() || !pipe_operators.is_empty(),
                "this",
            ),
        ],
        span,
    )?;
    let ast::SetExpr::Values(values) = *body else { return Err(no("`INSERT … SELECT`", span)) };
    let ast::Values { explicit_row, value_keyword, rows } = values;
    refuse_any(&[(explicit_row, "`ROW`"), (value_keyword, "`VALUE`")], span)?;
    if columns.is_empty() {
        return Err(
            no("an INSERT that does not name its columns", span).hint("write INSERT INTO table (column, …) VALUES …")
        );
    }
    let columns = columns.iter().map(|name| simple(name, span)).collect::<Result<Vec<_>, _>>()?;
    let rows: Vec<Vec<ast::Expr>> = rows.into_iter().map(|row| row.content).collect();
    for row in &rows {
        if row.len() != columns.len() {
            let why = format!("a row has {} values for {} columns", row.len(), columns.len());
            return Err(refuse::mismatch(why, span));
        }
    }
    if rows.len().saturating_mul(columns.len()) > bounds::COLUMNS {
        return Err(refuse::too_much("values", bounds::COLUMNS));
    }
    rows.iter().flatten().try_for_each(not_default)?;
    Ok(Parsed {
        verb: Verb::Insert,
        target: parts(&target, span)?,
        alias: table_alias.map(|alias| {
            let ast::TableAliasWithoutColumns { explicit: _, alias } = alias;
            alias
        }),
        columns,
        rows,
        selection: None,
        returning: returning.unwrap_or_default(),
        bare,
    })
}

fn update(update: ast::Update, bare: ast::Query) -> Result<Parsed, Refusal> {
    let ast::Update {
        update_token,
        optimizer_hints,
        table,
        assignments,
        from,
        selection,
        returning,
        output,
        or,
        order_by,
        limit,
    } = update;
    let span = update_token.0.span;
    refuse_any(
        &[
            (from.is_some(), "`UPDATE … FROM`"),
            (or.is_some(), "`OR REPLACE`, `OR IGNORE` and their like"),
            (!order_by.is_empty(), "`ORDER BY`"),
            (limit.is_some(), "`LIMIT`"),
            (output.is_some(), "`OUTPUT`"),
            (!optimizer_hints.is_empty(), "an optimizer hint"),
        ],
        span,
    )?;
    let (target, alias) = one_table(table, span)?;
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    for assignment in assignments {
        let ast::Assignment { target, value } = assignment;
        let ast::AssignmentTarget::ColumnName(name) = target else {
            return Err(no("an assignment to several columns at once", span).hint("write SET a = …, b = …"));
        };
        columns.push(simple(&name, span)?);
        not_default(&value)?;
        values.push(value);
    }
    Ok(Parsed {
        verb: Verb::Update,
        target,
        alias,
        columns,
        rows: vec![values],
        selection,
        returning: returning.unwrap_or_default(),
        bare,
    })
}

fn delete(delete: ast::Delete, bare: ast::Query) -> Result<Parsed, Refusal> {
    let ast::Delete {
        delete_token,
        optimizer_hints,
        tables,
        from,
        using,
        selection,
        returning,
        output,
        order_by,
        limit,
    } = delete;
    let span = delete_token.0.span;
    refuse_any(
        &[
            (using.is_some(), "`DELETE … USING`"),
            (!tables.is_empty(), "a DELETE from several tables"),
            (!order_by.is_empty(), "`ORDER BY`"),
            (limit.is_some(), "`LIMIT`"),
            (output.is_some(), "`OUTPUT`"),
            (!optimizer_hints.is_empty(), "an optimizer hint"),
        ],
        span,
    )?;
    let ast::FromTable::WithFromKeyword(mut from) = from else { return Err(no("a DELETE without `FROM`", span)) };
    let (Some(table), true) = (from.pop(), from.is_empty()) else {
        return Err(no("a DELETE from several tables", span));
    };
    let (target, alias) = one_table(table, span)?;
    Ok(Parsed {
        verb: Verb::Delete,
        target,
        alias,
        columns: vec![],
        rows: vec![],
        selection,
        returning: returning.unwrap_or_default(),
        bare,
    })
}

/// A table by its name, and its alias.
fn one_table(table: ast::TableWithJoins, span: Span) -> Result<(Vec<ast::Ident>, Option<ast::Ident>), Refusal> {
    let ast::TableWithJoins { relation, joins } = table;
    if !joins.is_empty() {
        return Err(no("a join as the target", span));
    }
    let ast::TableFactor::Table {
        name,
        alias,
        args,
        with_hints,
        version,
        with_ordinality,
        partitions,
        json_path,
        sample,
        index_hints,
    } = relation
    else {
        return Err(no("a target that is no table", span));
    };
    refuse_any(
        &[
            (args.is_some() || with_ordinality, "a function as the target"),
            (!with_hints.is_empty() || !index_hints.is_empty(), "a hint"),
            (
                version.is_some() || !partitions.is_empty() || json_path.is_some() || sample.is_some(),
                "a part of a table as the target",
            ),
        ],
        span,
    )?;
    let alias = match alias {
        None => None,
        Some(ast::TableAlias { explicit: _, name, columns, at }) => {
            refuse_any(&[(!columns.is_empty() || at.is_some(), "an alias with columns")], span)?;
            Some(name)
        }
    };
    Ok((parts(&name, span)?, alias))
}

fn parts(name: &ast::ObjectName, span: Span) -> Result<Vec<ast::Ident>, Refusal> {
    let ast::ObjectName(parts) = name;
    parts
        .iter()
        .map(|part| match part {
            ast::ObjectNamePart::Identifier(ident) => Ok(ident.clone()),
            ast::ObjectNamePart::Function(_) => Err(no("a computed name", span)),
        })
        .collect()
}

/// A column's name, which nothing qualifies.
fn simple(name: &ast::ObjectName, span: Span) -> Result<ast::Ident, Refusal> {
    let mut parts = parts(name, span)?;
    match (parts.pop(), parts.is_empty()) {
        (Some(ident), true) => Ok(ident),
        _ => Err(no(&format!("the qualified column `{name}` as the target"), span)),
    }
}

/// What a column's default would give is not known here, so it can't be judged.
fn not_default(value: &ast::Expr) -> Result<(), Refusal> {
    match value {
        ast::Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default") => {
            Err(no("`DEFAULT`", ident.span).hint("leave the column out of an INSERT, or write the value"))
        }
        _ => Ok(()),
    }
}

impl Parsed {
    /// A SELECT of these parts, from the target under its alias where `from` is set.
    pub(super) fn query(
        &self,
        items: Vec<ast::SelectItem>,
        from: bool,
        selection: Option<ast::Expr>,
    ) -> Result<ast::Query, Refusal> {
        let mut query = self.bare.clone();
        let ast::SetExpr::Select(select) = &mut *query.body else {
            return Err(refuse::not_a_write("the parser is not what it was"));
        };
        select.projection = items;
        select.selection = selection;
        if from {
            let name = ast::ObjectName(self.target.iter().cloned().map(ast::ObjectNamePart::Identifier).collect());
            let alias =
                self.alias.clone().map(|name| ast::TableAlias { explicit: true, name, columns: vec![], at: None });
            let relation = ast::TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints: vec![],
                version: None,
                with_ordinality: false,
                partitions: vec![],
                json_path: None,
                sample: None,
                index_hints: vec![],
            };
            select.from = vec![ast::TableWithJoins { relation, joins: vec![] }];
        }
        Ok(query)
    }

    /// What is assigned, row after row, as the items of a SELECT.
    pub(super) fn values(&self) -> Vec<ast::SelectItem> {
        self.rows.iter().flatten().cloned().map(ast::SelectItem::UnnamedExpr).collect()
    }
}
