//! The allow-lists, as data: every function, type, operator and table function that a statement may use, and why each
//! is safe. What is not here is refused by name. Nothing on a list takes a text that is run as SQL or names a relation.
//!
//! The rule for a new entry: it computes from its arguments (and the clock, or chance) alone; it reads no catalogue,
//! setting, file, sequence, session or large object; it changes nothing that a later statement can see; and something
//! bounds what it makes (the size of its arguments, the driver's limits). Errors and timing are `leak`'s and the
//! driver's to contain, not the lists'.

mod extra;
mod postgres;
mod sqlite;

pub use extra::Extra;

use mountgate_core::ColumnType;

use crate::Dialect;

/// Where a function may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// In an expression, one value per row (or, in PostgreSQL's select lists, several rows).
    Scalar,
    /// In an expression, one value per group; with OVER, per frame.
    Aggregate,
    /// In an expression with OVER only.
    Window,
    /// In FROM.
    Table,
}

/// A function on the list. A name may have several entries: one for each kind.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// The name, lower case.
    pub name: &'static str,
    /// Where it may stand.
    pub kind: Kind,
    /// The fewest arguments. Of an ordered-set aggregate: the direct arguments, without those of WITHIN GROUP.
    pub min_args: u8,
    /// The most arguments; 255 where there is no bound.
    pub max_args: u8,
    /// Why it is safe.
    pub reason: &'static str,
}

/// A type that may be cast to.
#[derive(Debug, PartialEq, Eq)]
pub struct CastType {
    /// The name, lower case, without modifiers.
    pub name: &'static str,
    /// How it is printed.
    pub printed: &'static str,
    /// Whether `(n)` or `(n, m)` may follow.
    pub takes_precision: bool,
    /// The type of the result.
    pub ty: ColumnType,
    /// Why it is safe.
    pub reason: &'static str,
}

/// A binary operator on the list. Comparisons, AND, OR and what else is grammar is not.
#[derive(Debug, PartialEq, Eq)]
pub struct Operator {
    /// The symbol, or the word in lower case.
    pub symbol: &'static str,
    /// Why it is safe.
    pub reason: &'static str,
}

/// As many arguments as one likes.
const MANY: u8 = u8::MAX;

/// Why entries are safe.
mod reason {
    pub(super) const PURE: &str = "a function of its arguments alone, its output about as large as they are";
    pub(super) const SIZED: &str = "a function of its arguments alone; its output can be larger than they are, up to the \
        store's largest value (the driver's length limit in SQLite, 1 GiB in PostgreSQL)";
    pub(super) const PINNED: &str =
        "a function of its arguments and of zone, locale and date style, which the driver pins";
    pub(super) const TIME: &str =
        "a function of its arguments and, for `now`, of the time at which the statement began; zone from the process";
    pub(super) const REGEX: &str = "a function of its arguments alone; a pattern can be slow, which the timeout bounds";
    pub(super) const PATH: &str = "a function of its arguments alone: a JSON path reads the document that it is given";
    pub(super) const CLOCK: &str = "the time at which the statement began, which the agent can tell as well";
    pub(super) const DRAW: &str = "a random draw: reads nothing, and no later statement can tell that it happened";
    pub(super) const ROWS: &str = "rows made of its arguments alone; their number is bounded by timeout and caps";
    pub(super) const FOLD: &str = "one value per group, of its arguments alone";
    pub(super) const GATHER: &str = "one value per group, of its arguments alone; it grows with the group, up to the \
        store's largest value";
    pub(super) const WINDOW: &str = "a position, or a value of another row, within rows that are in scope already";
    pub(super) const CAST: &str = "a built-in type whose input function looks nothing up";
    pub(super) const AFFINITY: &str = "a cast applies an affinity; no cast in SQLite looks anything up";
}

const fn function(name: &'static str, kind: Kind, min_args: u8, max_args: u8, reason: &'static str) -> Function {
    Function { name, kind, min_args, max_args, reason }
}

const fn cast(
    name: &'static str,
    printed: &'static str,
    ty: ColumnType,
    takes_precision: bool,
    reason: &'static str,
) -> CastType {
    CastType { name, printed, takes_precision, ty, reason }
}

const fn symbol(symbol: &'static str, reason: &'static str) -> Operator {
    Operator { symbol, reason }
}

/// Every function of the dialect's list, by name.
pub fn every_function(dialect: Dialect) -> &'static [Function] {
    match dialect {
        Dialect::Sqlite => sqlite::FUNCTIONS,
        Dialect::Postgres => postgres::FUNCTIONS,
    }
}

/// Every entry of the dialect's lists: its kind, its name and why it is safe.
pub fn entries(dialect: Dialect) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let (casts, operators) = match dialect {
        Dialect::Sqlite => (sqlite::CASTS, sqlite::OPERATORS),
        Dialect::Postgres => (postgres::CASTS, postgres::OPERATORS),
    };
    let functions = every_function(dialect).iter().map(|function| {
        let kind = match function.kind {
            Kind::Scalar => "function",
            Kind::Aggregate => "aggregate",
            Kind::Window => "window function",
            Kind::Table => "function in FROM",
        };
        (kind, function.name, function.reason)
    });
    let operators = operators.iter().map(|operator| ("operator", operator.symbol, operator.reason));
    functions.chain(operators).chain(casts.iter().map(|cast| ("type", cast.name, cast.reason)))
}

/// The entries of that name (lower case); none where it is not on the list.
pub fn functions(dialect: Dialect, name: &str) -> &'static [Function] {
    let list = every_function(dialect);
    let start = list.partition_point(|entry| entry.name < name);
    let found = list.get(start..).unwrap_or_default();
    let length = found.iter().take_while(|entry| entry.name == name).count();
    found.get(..length).unwrap_or_default()
}

/// Of a function whose time grows with the product of its arguments' lengths: which argument (from 0) must be short, and
/// how many bytes it may have. A store can't be stopped within a call: SQLite's `trim` of 100 KB by 50 KB of characters
/// takes 24 seconds, PostgreSQL's `btrim` of 200 KB by 50 KB takes 41, whatever its timeout; four times that with both twice
/// as long.
pub fn short_argument(dialect: Dialect, name: &str) -> Option<(usize, usize)> {
    let list = match dialect {
        Dialect::Sqlite => sqlite::SHORT,
        Dialect::Postgres => postgres::SHORT,
    };
    list.iter().find(|(entry, _, _)| *entry == name).map(|(_, at, bytes)| (*at, *bytes))
}

/// Of a function that makes as much as it is told to: which argument (from 0) is the count.
pub fn counted_argument(dialect: Dialect, name: &str) -> Option<usize> {
    let list = match dialect {
        Dialect::Sqlite => &[],
        Dialect::Postgres => postgres::COUNTED,
    };
    list.iter().find(|(entry, _)| *entry == name).map(|(_, at)| *at)
}

/// Whether a value that the function gives is about as long as its arguments, or as one of them: a group's first, a piece.
pub(crate) fn is_about_as_long(dialect: Dialect, name: &str, kind: Kind) -> bool {
    let as_long = [
        reason::PURE,
        reason::PINNED,
        reason::PATH,
        reason::CLOCK,
        reason::DRAW,
        reason::ROWS,
        reason::FOLD,
        reason::WINDOW,
    ];
    let mut entries = functions(dialect, name).iter().filter(|entry| entry.kind == kind).peekable();
    entries.peek().is_some() && entries.all(|entry| as_long.contains(&entry.reason))
}

/// The type of that name (lower case, without modifiers).
pub fn cast_type(dialect: Dialect, name: &str) -> Option<&'static CastType> {
    let list = match dialect {
        Dialect::Sqlite => sqlite::CASTS,
        Dialect::Postgres => postgres::CASTS,
    };
    list.binary_search_by(|entry| entry.name.cmp(name)).ok().and_then(|at| list.get(at))
}

/// The binary operator of that symbol (words in lower case).
pub fn operator(dialect: Dialect, symbol: &str) -> Option<&'static Operator> {
    let list = match dialect {
        Dialect::Sqlite => sqlite::OPERATORS,
        Dialect::Postgres => postgres::OPERATORS,
    };
    list.binary_search_by(|entry| entry.symbol.cmp(symbol)).ok().and_then(|at| list.get(at))
}

/// The columns of a table function whose columns have names of their own, whatever its alias. `None`: it has one
/// column per argument (`unnest`) or one (every other), named after the function, or its alias.
pub fn table_columns(dialect: Dialect, name: &str) -> Option<&'static [&'static str]> {
    let list = match dialect {
        Dialect::Sqlite => sqlite::TABLES,
        Dialect::Postgres => postgres::TABLES,
    };
    list.binary_search_by(|(entry, _)| (*entry).cmp(name)).ok().and_then(|at| list.get(at)).map(|(_, columns)| *columns)
}

/// The lists with the reason of each entry, as `docs/allowed.md`.
pub fn markdown() -> String {
    let mut out = String::from(
        "# What statements may use\n\n<!-- Made from the lists in `gateway/sql/src/allow`; a test compares. Do not edit. -->\n\n\
         Whatever is not on these lists is refused by name (`unsupported`). `[backends.NAME.allow]` in `mountgate.toml` adds\n\
         what is the store's own, at the operator's risk: functions, and on PostgreSQL operators and types to cast to.\n\n\
         ```toml\n[backends.shop.allow]\n\
         functions = [{ schema = \"public\", name = \"similarity\", returns = \"float\", arguments = 2 }]\n\
         operators = [{ schema = \"public\", symbol = \"<->\" }]\n\
         types     = [{ schema = \"public\", name = \"citext\", is = \"text\" }]\n```\n\n\
         Such a function has one value per row. Agents write functions and operators without their schema, and the gateway with it.\n\
         Whatever is added is taken to raise on any row: relations are fenced from it. What it reads, changes and costs is not known to\n\
         the gateway, which says so at start and in `check`. In PostgreSQL the gateway's role must be allowed to use it.\n\n\
         `mountgate sql allowed sqlite`, `… postgres` and `… --backend shop` print the lists; with `--json` as data.\n",
    );
    for (dialect, name) in [(Dialect::Sqlite, "SQLite"), (Dialect::Postgres, "PostgreSQL")] {
        let (casts, operators) = match dialect {
            Dialect::Sqlite => (sqlite::CASTS, sqlite::OPERATORS),
            Dialect::Postgres => (postgres::CASTS, postgres::OPERATORS),
        };
        let functions = every_function(dialect).iter().map(|function| {
            let kind = match function.kind {
                Kind::Scalar => "",
                Kind::Aggregate => " (aggregate)",
                Kind::Window => " (window)",
                Kind::Table => " (in FROM)",
            };
            (format!("`{}`{kind}", function.name), function.reason)
        });
        by_reason(&mut out, &format!("{name}: functions"), functions);
        let types = casts.iter().map(|cast| (format!("`{}`", cast.name), cast.reason));
        by_reason(&mut out, &format!("{name}: types that may be cast to"), types);
        let symbols =
            operators.iter().map(|operator| (format!("`{}`", operator.symbol.replace('|', "\\|")), operator.reason));
        by_reason(&mut out, &format!("{name}: operators, beside comparisons, AND, OR and NOT"), symbols);
    }
    out
}

/// A table of the reasons, each with the entries that it holds for.
fn by_reason(out: &mut String, title: &str, entries: impl Iterator<Item = (String, &'static str)>) {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for (entry, reason) in entries {
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(entry),
            None => reasons.push((reason, vec![entry])),
        }
    }
    out.push_str(&format!("\n## {title}\n\n| why it is safe | entries |\n| --- | --- |\n"));
    for (reason, names) in reasons {
        out.push_str(&format!("| {reason} | {} |\n", names.join(", ")));
    }
}

/// An entry for a name that is on no list, in builds in which the list can be taken down; in others nobody asks.
pub(crate) fn unlisted(name: &str) -> &'static Function {
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    Box::leak(Box::new(function(name, Kind::Scalar, 0, MANY, "the list of functions is down")))
}

#[cfg(test)]
mod tests;
