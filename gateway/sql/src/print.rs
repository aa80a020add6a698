//! The printer: the resolved form as text for a store.
//!
//! Every identifier is quoted, every item has an alias of the printer's own, every column is qualified by one, every
//! expression is in parentheses. Nothing the agent named is printed but the names of the answer's columns, as quoted
//! identifiers behind AS, and its literals, re-encoded.

mod expr;
mod filter;
mod mask;
mod query;
mod relation;

use std::sync::Arc;

use mountgate_core::{Code, Refusal, RelationName, Scope};

use crate::{
    Bind, Dialect, OutputColumn, Plan,
    ir::{Item, ItemKind, Resolved},
};

pub(crate) fn print(
    dialect: Dialect,
    scope: &Scope,
    resolved: &Resolved<'_>,
    parameters: usize,
    lazily: bool,
) -> Result<Plan, Refusal> {
    let mut printer = Printer {
        dialect,
        out: String::with_capacity(1024),
        scope,
        items: &resolved.items,
        outputs: resolved,
        // PostgreSQL takes no parameter that is not used; those of a write are spread over several statements.
        binds: (0..if lazily { 0 } else { parameters }).map(Bind::Parameter).collect(),
        leaky: resolved.leaky,
        fenced: Vec::new(),
        held: Vec::new(),
        lends: false,
        bare: false,
    };
    printer.query(&resolved.query, query::Names::Top)?;
    let columns = resolved
        .outputs
        .iter()
        .map(|output| {
            let mut masks: Vec<&'static str> = Vec::new();
            for (relation, column) in &output.sources {
                let column = resolved.touched.get(*relation as usize).and_then(|rel| rel.column(*column as usize));
                for mask in column.map(|(_, _, masks)| masks).unwrap_or_default() {
                    if !masks.contains(&mask.label()) {
                        masks.push(mask.label());
                    }
                }
            }
            OutputColumn { name: output.name.clone().into_owned(), ty: output.ty.clone(), masks }
        })
        .collect();
    let Printer { out, binds, mut fenced, held, lends, .. } = printer;
    fenced.sort();
    fenced.dedup();
    // In release builds it would cost as much as the parse of the agent's text; the differential tests run the rest.
    if cfg!(debug_assertions) && !reparses(dialect, &out) {
        return Err(Refusal::new(Code::Unsupported, "the statement could not be printed safely"));
    }
    Ok(Plan { dialect, sql: Arc::from(out), columns, fenced, binds, parameters, held, lends, sought: None })
}

/// Whether the parser reads what was printed as one query.
pub(crate) fn reparses(dialect: Dialect, sql: &str) -> bool {
    let parsed = sqlparser::parser::Parser::new(dialect.parser())
        .with_recursion_limit(2000)
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_statements());
    matches!(parsed.as_deref(), Ok([sqlparser::ast::Statement::Query(_)]))
}

struct Printer<'s, 'a> {
    dialect: Dialect,
    out: String,
    scope: &'s Scope,
    items: &'s [Item<'a>],
    outputs: &'s Resolved<'a>,
    binds: Vec<Bind>,
    leaky: bool,
    fenced: Vec<RelationName>,
    held: Vec<Bind>,
    lends: bool,
    /// In builds whose defences can be taken down: relations are printed as the store has them.
    bare: bool,
}

impl<'a> Printer<'_, 'a> {
    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// A quoted identifier.
    fn ident(&mut self, name: &str) {
        quote(&mut self.out, name);
    }

    fn numbered(&mut self, prefix: &str, number: usize) {
        self.out.push('"');
        self.out.push_str(prefix);
        self.out.push_str(itoa(number, &mut [0; 20]));
        self.out.push('"');
    }

    /// The alias of an item.
    fn alias(&mut self, item: u32) {
        self.numbered("t", item as usize + 1);
    }

    /// The printed name of an item's column.
    fn column(&mut self, item: u32, column: u32) {
        let at = column as usize;
        match self.items.get(item as usize).map(|item| &item.kind) {
            Some(ItemKind::Relation { rel, .. }) => {
                if let Some((name, _, _)) = rel.column(at) {
                    quote(&mut self.out, name.as_str());
                }
            }
            Some(ItemKind::Derived { values: true, .. }) => self.numbered("column", at + 1),
            Some(ItemKind::Function { columns, renamed: false }) => {
                if let Some(output) = columns.get(at) {
                    quote(&mut self.out, &output.name);
                }
            }
            // INVARIANT: a joined item is never referred to; its columns stand for those of the items inside.
            Some(
                ItemKind::Derived { values: false, .. }
                | ItemKind::Function { renamed: true, .. }
                | ItemKind::Joined { .. },
            )
            | None => self.numbered("f", at + 1),
        }
    }

    /// The number of the placeholder for the bind, as the dialect writes it. The same value is bound once.
    fn bind(&mut self, bind: Bind) -> String {
        let at = self.binds.iter().position(|known| *known == bind).unwrap_or_else(|| {
            self.binds.push(bind);
            self.binds.len() - 1
        });
        placeholder(self.dialect, at)
    }

    fn separated<T>(
        &mut self,
        list: &[T],
        mut each: impl FnMut(&mut Self, &T) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        for (at, item) in list.iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            each(self, item)?;
        }
        Ok(())
    }
}

fn placeholder(dialect: Dialect, at: usize) -> String {
    match dialect {
        Dialect::Sqlite => format!("?{}", at + 1),
        Dialect::Postgres => format!("${}", at + 1),
    }
}

/// Appends the name as a quoted identifier.
fn quote(out: &mut String, name: &str) {
    out.push('"');
    for (at, part) in name.split('"').enumerate() {
        if at > 0 {
            out.push_str("\"\"");
        }
        out.push_str(part);
    }
    out.push('"');
}

/// Appends the text as a string literal.
fn literal(dialect: Dialect, out: &mut String, text: &str) {
    // With a backslash in it, PostgreSQL's plain literal means what a setting says; E'…' always means the same.
    let escape = dialect == Dialect::Postgres && text.contains('\\');
    out.push_str(if escape { "E'" } else { "'" });
    for ch in text.chars() {
        match ch {
            '\'' => out.push_str("''"),
            '\\' if escape => out.push_str("\\\\"),
            ch => out.push(ch),
        }
    }
    out.push('\'');
}

fn itoa(mut number: usize, buffer: &mut [u8; 20]) -> &str {
    let mut at = buffer.len();
    loop {
        at -= 1;
        if let Some(byte) = buffer.get_mut(at) {
            *byte = b'0' + (number % 10) as u8;
        }
        number /= 10;
        if number == 0 {
            break;
        }
    }
    buffer.get(at..).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default()
}
