//! A world: tables, their rows, a ceiling over them, a verdict, claims. It is laid out in three databases: one, another
//! that differs from it only in what is hidden, and one that holds the scoped, masked copies and nothing else.

use std::collections::BTreeMap;

use mountgate_core::{
    Aggregate, Claims, ColumnName, ColumnType, Filter, Grant, Mask, RelationGrant, RelationName, Value,
    ceiling::RelationDeclaration,
};
use mountgate_sql::{Dialect, MaskKeys};
use sha2::{Digest as _, Sha256};

use super::{oracle, rng::Rng, rules};

/// What a column or expression holds, as the grammar sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the type of its name")]
pub enum Kind {
    Int,
    Float,
    Dec,
    Text,
    Bool,
    Date,
    Ts,
    Tz,
    Time,
    Interval,
    Uuid,
    Json,
    Bytes,
    IntArr,
    TextArr,
    /// SQLite's column without a type.
    Any,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// As the store spells it.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// The type as the store declares it.
    pub declared: String,
    /// Whether its collation is blind to case (SQLite).
    pub nocase: bool,
    /// Whether its values in scope are texts of digits, which casts and conversions take.
    pub digits: bool,
    /// Whether the ceiling shows it, under which masks.
    pub ceiling: Option<Vec<Mask>>,
    /// Whether the verdict leaves it, under which masks in all.
    pub scope: Option<Vec<Mask>>,
}

impl Column {
    /// What it holds as agents see it.
    pub fn shown(&self) -> Kind {
        let masks = self.scope.as_deref().unwrap_or_default();
        if masks.iter().any(|mask| matches!(mask, Mask::Hash | Mask::Partial { .. })) { Kind::Text } else { self.kind }
    }

    /// The type of the masked copy.
    pub fn copy_type(&self, dialect: Dialect) -> String {
        let masks = self.scope.as_deref().unwrap_or_default();
        if masks.is_empty() {
            return self.declared.clone();
        }
        match dialect {
            Dialect::Sqlite => match self.shown() {
                Kind::Int => "INTEGER",
                Kind::Float => "REAL",
                Kind::Dec => "NUMERIC",
                Kind::Text => "TEXT",
                _ => "",
            }
            .to_owned(),
            Dialect::Postgres => {
                let replaced = masks.iter().any(|mask| matches!(mask, Mask::Null | Mask::Fixed(_)));
                match self.shown() {
                    Kind::Text => "text",
                    Kind::Int if replaced => "int8",
                    Kind::Float if replaced => "float8",
                    Kind::Dec => "numeric",
                    _ => return self.declared.clone(),
                }
                .to_owned()
            }
        }
    }
}

/// A row of the store.
pub type Row = Vec<Value>;

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// As the store spells it.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Whether the ceiling has it.
    pub declared: bool,
    /// Whether the scope has it.
    pub granted: bool,
    /// The ceiling's filter.
    pub filter: Option<Filter>,
    /// The verdict's filter.
    pub narrowed: Option<Filter>,
    /// Hidden columns that the verdict may filter by.
    pub lend: Vec<String>,
    /// Whether each reference must fix the first column.
    pub keyed: bool,
    /// How many distinct values of the first column each group must have, where the table answers with statistics only.
    pub least: Option<u32>,
    /// The rows of the first database.
    pub rows: Vec<Row>,
    /// The rows of the second.
    pub other: Vec<Row>,
    /// Indexed columns.
    pub indexes: Vec<usize>,
}

/// Tables with what is shown of them.
#[derive(Clone, Debug)]
pub struct World {
    /// The store's kind.
    pub dialect: Dialect,
    /// The tables.
    pub tables: Vec<Table>,
    /// The caller's claims.
    pub claims: Claims,
    /// Whether the verdict is the ceiling as it is.
    pub as_it_is: bool,
    /// Whether to steer the store's planner towards indexes.
    pub indexed: bool,
    /// Whether the stores are read from behind a wall of their own.
    pub walled: bool,
    /// What keys of hash masks are made from.
    pub secret: u64,
}

/// What is the same in every world of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forced {
    /// Whether the verdict is the ceiling as it is.
    pub as_it_is: Option<bool>,
    /// Whether the stores are read from behind a wall of their own.
    pub walled: Option<bool>,
}

impl MaskKeys for World {
    fn key(&self, relation: &RelationName, column: &ColumnName) -> [u8; 32] {
        mask_key(self.secret, relation.as_str(), column.as_str())
    }
}

fn mask_key(secret: u64, relation: &str, column: &str) -> [u8; 32] {
    Sha256::digest(format!("{secret}/{relation}/{column}")).into()
}

impl Table {
    fn read<'r>(&'r self, row: &'r Row) -> impl Fn(&ColumnName) -> Value + 'r {
        |name| {
            let at = self.columns.iter().position(|column| column.name == name.as_str()).unwrap();
            row[at].clone()
        }
    }

    /// Whether the ceiling's filter and the verdict's leave the row.
    pub fn in_scope(&self, dialect: Dialect, claims: &Claims, secret: u64, row: &Row) -> bool {
        let raw = self.read(row);
        if self.filter.as_ref().is_some_and(|filter| !oracle::passes(filter, claims, &raw)) {
            return false;
        }
        let shared = self.filter.as_ref().map(Filter::conjuncts).unwrap_or_default();
        self.narrowed.iter().flat_map(Filter::conjuncts).all(|conjunct| {
            // What the verdict repeats of the ceiling means what the ceiling means.
            if shared.contains(&conjunct) {
                return true;
            }
            oracle::passes(&conjunct, claims, &|name| {
                let column = self.columns.iter().find(|column| column.name == name.as_str()).unwrap();
                let key = mask_key(secret, &self.name, &column.name);
                // What is lent is as the store has it.
                oracle::masked(dialect, column.kind, &raw(name), column.ceiling.as_deref().unwrap_or_default(), &key)
            })
        })
    }

    /// Whether a filter names the column.
    pub fn is_filtered_by(&self, column: &str) -> bool {
        self.filter.iter().chain(&self.narrowed).any(|filter| filter.columns().any(|name| name.as_str() == column))
    }

    /// The columns in scope.
    pub fn shown(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns.iter().enumerate().filter(|(_, column)| self.granted && column.scope.is_some())
    }

    /// The image of a column's value in scope.
    pub fn image(&self, dialect: Dialect, secret: u64, at: usize, value: &Value) -> Value {
        let column = &self.columns[at];
        let key = mask_key(secret, &self.name, &column.name);
        oracle::masked(dialect, column.kind, value, column.scope.as_deref().unwrap_or_default(), &key)
    }
}

impl World {
    /// A world of the seed's, with what is `forced`.
    pub fn generate(dialect: Dialect, forced: Forced, rng: &mut Rng) -> Self {
        let mut world = Self {
            dialect,
            tables: super::schema::tables(dialect, rng),
            claims: Claims::new(),
            as_it_is: rng.chance(25),
            indexed: rng.chance(50),
            // Building PostgreSQL's takes as long as some statements.
            walled: rng.chance(if dialect == Dialect::Sqlite { 50 } else { 30 }),
            secret: rng.number(),
        };
        world.as_it_is = forced.as_it_is.unwrap_or(world.as_it_is);
        world.walled = forced.walled.unwrap_or(world.walled);
        world.claims = rules::claims(&world, rng);
        for at in 0..world.tables.len() {
            rules::rule(&mut world, at, rng);
            super::schema::populate(&mut world, at, rng);
        }
        world
    }

    /// The mount as its file would declare it.
    pub fn declarations(&self) -> BTreeMap<RelationName, RelationDeclaration> {
        let declared = self.tables.iter().filter(|table| table.declared);
        declared
            .map(|table| {
                let shown = || table.columns.iter().filter(|column| column.ceiling.is_some());
                let masks = shown().filter_map(|column| {
                    let mask = column.ceiling.as_ref()?.first()?.clone();
                    Some((ColumnName::from(column.name.as_str()), mask))
                });
                let declaration = RelationDeclaration {
                    columns: shown().map(|column| column.name.as_str().into()).collect(),
                    masks: masks.collect(),
                    filter: table.filter.clone(),
                    lend: table.lend.iter().map(|name| name.as_str().into()).collect(),
                    require: table
                        .columns
                        .iter()
                        .take(usize::from(table.keyed))
                        .map(|key| key.name.as_str().into())
                        .collect(),
                    aggregate: table
                        .least
                        .map(|min_group| Aggregate { unit: table.columns[0].name.as_str().into(), min_group }),
                    write: None,
                };
                (table.name.as_str().into(), declaration)
            })
            .collect()
    }

    /// The verdict.
    pub fn grant(&self) -> Grant {
        if self.as_it_is {
            return Grant::Ceiling;
        }
        let granted = self.tables.iter().filter(|table| table.granted);
        Grant::Narrowed(
            granted
                .map(|table| {
                    let columns = table.shown().map(|(_, column)| {
                        let all = column.scope.clone().unwrap_or_default();
                        // Every other column's verdict leaves the ceiling's masks to the ceiling.
                        let ceiling = column.ceiling.as_ref().map_or(0, Vec::len);
                        let further = if column.name.len() % 2 == 0 && all.get(ceiling) != all.first() {
                            all[ceiling..].to_vec()
                        } else {
                            all
                        };
                        (ColumnName::from(column.name.as_str()), further)
                    });
                    let grant = RelationGrant { columns: columns.collect(), filter: table.narrowed.clone() };
                    (table.name.as_str().into(), grant)
                })
                .collect(),
        )
    }

    /// Whether a statement may be about a table that answers with statistics only.
    pub fn is_grouped(&self, sql: &str) -> bool {
        let sql = sql.to_lowercase();
        let grouped = self.tables.iter().filter(|table| table.least.is_some());
        grouped.map(|table| table.name.replace('"', "\"\"").to_lowercase()).any(|name| sql.contains(&name))
    }

    /// The rows of the scoped, masked copy.
    pub fn copy(&self, table: &Table) -> Vec<Row> {
        let rows = table.rows.iter().filter(|row| table.in_scope(self.dialect, &self.claims, self.secret, row));
        rows.map(|row| table.shown().map(|(at, _)| table.image(self.dialect, self.secret, at, &row[at])).collect())
            .collect()
    }
}

/// The kind as the gateway names the type.
pub fn column_type(kind: Kind) -> ColumnType {
    match kind {
        Kind::Int => ColumnType::Integer,
        Kind::Float => ColumnType::Float,
        Kind::Dec => ColumnType::Decimal,
        Kind::Text => ColumnType::Text,
        Kind::Bool => ColumnType::Boolean,
        Kind::Date => ColumnType::Date,
        Kind::Ts => ColumnType::Timestamp,
        Kind::Tz => ColumnType::TimestampTz,
        Kind::Time => ColumnType::Time,
        Kind::Interval => ColumnType::Interval,
        Kind::Uuid => ColumnType::Uuid,
        Kind::Json => ColumnType::Json,
        Kind::Bytes => ColumnType::Bytes,
        Kind::IntArr => ColumnType::Array(Box::new(ColumnType::Integer)),
        Kind::TextArr => ColumnType::Array(Box::new(ColumnType::Text)),
        Kind::Any => ColumnType::Any,
    }
}
