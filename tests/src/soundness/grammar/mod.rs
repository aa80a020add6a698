//! Statements by grammar. Every name, type and grouping is kept track of, so that nearly all of them are valid, and
//! every order that an answer could depend on is made total.

mod aggregate;
mod boolean;
mod expr;
mod from;
mod query;
mod select;

use std::collections::BTreeSet;

use mountgate_core::Value;
use mountgate_sql::Dialect;

use super::{
    rng::Rng,
    tree::{Tree, text},
    world::{Kind, Table, World},
};

/// The constructs whose acceptance is counted, with the dialects that have them.
pub const CONSTRUCTS: &[(&str, bool, bool)] = &[
    // name, SQLite, PostgreSQL
    ("join inner", true, true),
    ("join left", true, true),
    ("join right", true, true),
    ("join full", true, true),
    ("join cross", true, true),
    ("join comma", true, true),
    ("join natural", true, true),
    ("join using", true, true),
    ("join nested", true, true),
    ("lateral", false, true),
    ("cte", true, true),
    ("cte materialized", true, true),
    ("cte recursive", true, true),
    ("union", true, true),
    ("union all", true, true),
    ("intersect", true, true),
    ("except", true, true),
    ("derived table", true, true),
    ("subquery in select", true, true),
    ("subquery in where", true, true),
    ("subquery in having", true, true),
    ("subquery in order by", true, true),
    ("subquery in limit", true, true),
    ("subquery in on", true, true),
    ("subquery in argument", true, true),
    ("subquery in case", true, true),
    ("subquery in filter", true, true),
    ("subquery in values", true, true),
    ("subquery in group by", true, true),
    ("subquery in window", true, true),
    ("exists", true, true),
    ("in subquery", true, true),
    ("any or all", false, true),
    ("window", true, true),
    ("window frame", true, true),
    ("window named", true, true),
    ("filter", true, true),
    ("grouping sets", false, true),
    ("rollup", false, true),
    ("cube", false, true),
    ("group by", true, true),
    ("having", true, true),
    ("distinct", true, true),
    ("distinct on", false, true),
    ("case", true, true),
    ("cast", true, true),
    ("array", false, true),
    ("json", true, true),
    ("date and time", true, true),
    ("text function", true, true),
    ("number function", true, true),
    ("star", true, true),
    ("qualified star", true, true),
    ("parameter", true, true),
    ("values", true, true),
    ("table function", true, true),
    ("like", true, true),
    ("between", true, true),
    ("in list", true, true),
    ("row value", true, true),
    ("is distinct", true, true),
    ("collate", true, true),
    ("aggregate", true, true),
    ("aggregate distinct", true, true),
    ("aggregate order by", true, true),
    ("order by", true, true),
    ("nulls first or last", true, true),
    ("limit", true, true),
    ("offset", true, true),
    ("no table", true, true),
    ("column aliases", true, true),
];

/// A statement.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Its parts.
    pub tree: Tree,
    /// The constructs that it holds.
    pub tags: BTreeSet<&'static str>,
}

/// A column of something in FROM.
#[derive(Clone, Debug)]
struct Col {
    name: String,
    kind: Kind,
    digits: bool,
    nocase: bool,
    /// Never zero, so that it can be divided by.
    nonzero: bool,
    /// USING or NATURAL has merged it into the same column of an earlier item.
    merged: bool,
}

impl Col {
    fn plain(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind, digits: false, nocase: false, nonzero: false, merged: false }
    }
}

/// Something in FROM.
#[derive(Clone, Debug)]
struct Item {
    alias: String,
    cols: Vec<Col>,
    /// Columns that tell its rows apart.
    key: Vec<usize>,
}

#[derive(Clone, Debug, Default)]
struct Scope {
    items: Vec<Item>,
    /// Where only these (item, column) may be named: the query is grouped by them.
    only: Option<Vec<(usize, usize)>>,
}

#[derive(Clone, Debug)]
struct Cte {
    name: String,
    cols: Vec<Col>,
}

/// Makes statements for a world.
pub struct Generator<'w> {
    world: &'w World,
    dialect: Dialect,
    rng: &'w mut Rng,
    theme: &'static str,
    tags: BTreeSet<&'static str>,
    scopes: Vec<Scope>,
    ctes: Vec<Cte>,
    /// Columns that the ceiling shows and the verdict takes away: bare, they could be another table's to the ceiling.
    contested: Vec<String>,
    /// Names that mean a CTE under way, so that the table of that name needs its schema.
    blocked: Vec<String>,
    aliases: usize,
    /// Where the expression being made stands, for the tags of subqueries.
    place: &'static str,
    /// How many more subqueries there may be.
    budget: usize,
}

/// Aliases that collide with what the printer or the world has.
const ALIASES: [&str; 22] = [
    "a",
    "b",
    "c",
    "x",
    "y",
    "t1",
    "t2",
    "s1",
    "c1",
    "w1",
    "m",
    "j",
    "orders",
    "customers",
    "count",
    "id",
    "name",
    "Odd \"alias",
    "value",
    "f0",
    "main",
    "k",
];
const RESERVED: [&str; 12] =
    ["select", "left", "values", "order", "group", "from", "user", "coalesce", "table", "right", "natural", "all"];

impl<'w> Generator<'w> {
    /// A statement about the world.
    pub fn statement(world: &'w World, rng: &'w mut Rng) -> Statement {
        let sqlite = world.dialect == Dialect::Sqlite;
        // What needs a join, an aggregate or a window around it fails to find its place more often than not.
        let weight = |name: &str| match name {
            "subquery in on"
            | "subquery in case"
            | "subquery in filter"
            | "subquery in order by"
            | "subquery in window" => 3,
            _ => 1,
        };
        let themes: Vec<&str> = CONSTRUCTS
            .iter()
            .filter(|(_, lite, post)| if sqlite { *lite } else { *post })
            .flat_map(|(name, ..)| std::iter::repeat_n(*name, weight(name)))
            .collect();
        let theme = rng.pick(&themes);
        let mut this = Self {
            world,
            dialect: world.dialect,
            rng,
            theme,
            tags: BTreeSet::new(),
            scopes: vec![],
            ctes: vec![],
            blocked: vec![],
            contested: vec![],
            aliases: 0,
            place: "",
            budget: 5,
        };
        let tables = world.tables.iter().filter(|table| table.declared);
        let contested = tables.flat_map(|table| {
            let taken =
                |column: &&super::world::Column| column.ceiling.is_some() && (!table.granted || column.scope.is_none());
            table.columns.iter().filter(taken).map(|column| column.name.clone())
        });
        this.contested = contested.map(|name| this.fold(&name)).collect();
        let tree = this.top();
        Statement { tree, tags: this.tags }
    }

    fn sqlite(&self) -> bool {
        self.dialect == Dialect::Sqlite
    }

    /// Whether to use the construct: in so many of a hundred places, nearly always where it is the statement's theme.
    fn wants(&mut self, construct: &'static str, percent: u64) -> bool {
        let percent = if self.theme == construct && !self.tags.contains(construct) { 85 } else { percent };
        self.rng.chance(percent)
    }

    /// Whether the statement's theme is a subquery in that place, and none stands there yet.
    fn wants_subquery_in(&self, place: &str) -> bool {
        self.theme == place && self.budget > 0 && !self.tags.contains(place)
    }

    fn mark(&mut self, construct: &'static str) {
        debug_assert!(CONSTRUCTS.iter().any(|(name, ..)| *name == construct), "{construct}");
        self.tags.insert(construct);
    }

    fn uses(&mut self, construct: &'static str, percent: u64) -> bool {
        let used = self.wants(construct, percent);
        if used {
            self.mark(construct);
        }
        used
    }

    fn fold(&self, name: &str) -> String {
        if self.sqlite() { name.to_ascii_lowercase() } else { name.to_owned() }
    }

    /// The name as written: bare where it may be, quoted elsewhere.
    fn ident(&mut self, name: &str) -> String {
        let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
        let plain = starts && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if plain && !RESERVED.contains(&name) && self.rng.chance(70) {
            return match self.rng.below(8) {
                0 => name.to_uppercase(),
                1 => {
                    let mut chars = name.chars();
                    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
                }
                _ => name.to_owned(),
            };
        }
        format!("\"{}\"", name.replace('"', "\"\""))
    }

    fn quoted(value: &str) -> String {
        format!("'{}'", value.replace('\'', "''"))
    }

    /// An alias that no other item of the same FROM has.
    fn alias(&mut self, taken: &[Item]) -> String {
        for _ in 0..8 {
            let alias = *self.rng.pick(&ALIASES);
            if !taken.iter().any(|item| self.fold(&item.alias) == self.fold(alias)) {
                return alias.to_owned();
            }
        }
        self.aliases += 1;
        format!("z{}", self.aliases)
    }

    fn tables(&self) -> Vec<&'w Table> {
        self.world.tables.iter().filter(|table| table.granted).collect()
    }

    /// The ways in which a column of that sort can be named here.
    fn candidates(&self, wanted: &dyn Fn(&Col) -> bool) -> Vec<(usize, usize, usize, bool)> {
        let mut out = Vec::new();
        let mut inner_aliases: Vec<String> = Vec::new();
        let mut inner_names: Vec<String> = Vec::new();
        for (level, scope) in self.scopes.iter().enumerate().rev() {
            for (i, item) in scope.items.iter().enumerate() {
                let alias = self.fold(&item.alias);
                let qualifiable = !inner_aliases.contains(&alias);
                for (c, col) in item.cols.iter().enumerate() {
                    if !wanted(col) || scope.only.as_ref().is_some_and(|only| !only.contains(&(i, c))) {
                        continue;
                    }
                    let name = self.fold(&col.name);
                    let same = scope.items.iter().flat_map(|item| &item.cols);
                    let count = same.filter(|other| !other.merged && self.fold(&other.name) == name).count();
                    let bare =
                        count == 1 && !col.merged && !inner_names.contains(&name) && !self.contested.contains(&name);
                    if qualifiable {
                        out.push((level, i, c, true));
                    }
                    if bare {
                        out.push((level, i, c, false));
                    }
                }
            }
            inner_aliases.extend(scope.items.iter().map(|item| self.fold(&item.alias)));
            inner_names.extend(scope.items.iter().flat_map(|item| &item.cols).map(|col| self.fold(&col.name)));
        }
        out
    }

    fn column_where(&mut self, wanted: &dyn Fn(&Col) -> bool) -> Option<(Tree, Col)> {
        let candidates = self.candidates(wanted);
        if candidates.is_empty() {
            return None;
        }
        // The nearest scope mostly.
        let near = candidates.iter().filter(|(level, ..)| *level + 1 == self.scopes.len()).count();
        let at = if near > 0 && self.rng.chance(80) { self.rng.below(near) } else { self.rng.below(candidates.len()) };
        let (level, i, c, qualified) = candidates[at];
        let item = self.scopes[level].items[i].clone();
        let col = item.cols[c].clone();
        let name = self.ident(&col.name);
        let written = if qualified { format!("{}.{name}", self.ident(&item.alias)) } else { name };
        Some((text(written), col))
    }

    fn column(&mut self, kind: Kind) -> Option<Tree> {
        self.column_where(&|col| col.kind == kind).map(|(tree, _)| tree)
    }

    /// A value from the world's own rows, or another, as a literal or parameter.
    fn value(&mut self, kind: Kind) -> Value {
        let kinds: Vec<(usize, usize)> = self
            .world
            .tables
            .iter()
            .enumerate()
            .filter(|(_, table)| table.granted)
            .flat_map(|(t, table)| table.shown().filter(|(_, column)| column.shown() == kind).map(move |(c, _)| (t, c)))
            .collect();
        if !kinds.is_empty() && self.rng.chance(70) {
            let (t, c) = *self.rng.pick(&kinds);
            let table = &self.world.tables[t];
            let column = table.columns[c].clone();
            let raw = super::schema::value(self.dialect, &column, self.rng);
            let image = table.image(self.dialect, self.world.secret, c, &raw);
            if image != Value::Null {
                return image;
            }
        }
        let column = super::world::Column {
            name: String::new(),
            kind,
            declared: String::new(),
            nocase: false,
            digits: false,
            ceiling: None,
            scope: None,
        };
        loop {
            let value = super::schema::value(self.dialect, &column, self.rng);
            if value != Value::Null {
                return value;
            }
        }
    }
}
