//! Statements from others: two crossed, or one of the corpus over a world's own names. Most are valid, many of no certain
//! answer, and some of a shape that no grammar here makes.

use std::collections::BTreeMap;

use mountgate_sql::Dialect;
use sqlparser::{
    ast,
    dialect::{PostgreSqlDialect, SQLiteDialect},
    parser::Parser,
    tokenizer::{Token, Tokenizer},
};

use super::{
    rng::Rng,
    tree::{Tree, opt, text},
    world::{Kind, Table, World},
};

/// The committed statements of a dialect, over the tests' shop.
#[derive(Debug)]
pub struct Corpus {
    statements: Vec<String>,
    /// The shop's tables with their columns and what these hold.
    tables: BTreeMap<String, Vec<(String, Kind)>>,
}

impl Corpus {
    /// Reads it.
    ///
    /// # Errors
    /// Where it is not there or can't be read.
    pub fn load(dialect: Dialect) -> anyhow::Result<Self> {
        let name = match dialect {
            Dialect::Sqlite => "sqlite",
            Dialect::Postgres => "postgres",
        };
        let read = |path: &str| std::fs::read_to_string(format!("{}/corpus/{path}", crate::root()));
        let mut statements = Vec::new();
        for file in ["statements/common.sql", &format!("statements/{name}.sql")] {
            let all = read(file)?;
            // What takes parameters has them in a comment.
            let each = all.split("\n-- ").skip(1).filter(|case| !case.contains("\n-- params: "));
            statements.extend(each.filter_map(|case| case.split_once('\n')).map(|(_, sql)| sql.trim().to_owned()));
        }
        let ddl = read(&format!("shop/{name}.sql"))?;
        let mut tables = BTreeMap::new();
        for statement in parse(dialect, &ddl)? {
            let ast::Statement::CreateTable(table) = statement else { continue };
            let columns = table
                .columns
                .iter()
                .map(|column| (column.name.value.to_lowercase(), kind(&column.data_type.to_string().to_lowercase())));
            tables.insert(table.name.to_string().to_lowercase().replace('"', ""), columns.collect());
        }
        anyhow::ensure!(statements.len() > 50 && tables.len() > 3, "the corpus is not where it should be");
        Ok(Self { statements, tables })
    }

    /// One of its statements about the world's tables instead of the shop's, perhaps with a word more or less.
    pub fn statement(&self, world: &World, rng: &mut Rng) -> Tree {
        let sql = rng.pick(&self.statements).clone();
        let granted: Vec<&Table> = world.tables.iter().filter(|table| table.granted).collect();
        let start = rng.below(granted.len());
        let mut stand_ins: BTreeMap<&str, &Table> = BTreeMap::new();
        let mut tokens: Vec<String> = Vec::new();
        let known = tokenize(world.dialect, &sql);
        for token in &known {
            if let Token::Word(word) = token
                && let Some((name, _)) = self.tables.get_key_value(&word.value.to_lowercase())
            {
                let next = granted[(start + stand_ins.len()) % granted.len()];
                stand_ins.entry(name).or_insert(next);
            }
        }
        for token in &known {
            tokens.push(match token {
                Token::Word(word) => {
                    let name = word.value.to_lowercase();
                    let column = || stand_ins.iter().find_map(|(shop, table)| self.column(shop, table, &name));
                    match stand_ins.get(name.as_str()) {
                        Some(table) => quote(&table.name),
                        None => column().unwrap_or_else(|| token.to_string()),
                    }
                }
                token => token.to_string(),
            });
        }
        for _ in 0..rng.below(3) {
            let (at, other) = (rng.below(tokens.len()), rng.below(tokens.len()));
            match rng.below(3) {
                0 => drop(tokens.remove(at)),
                1 => tokens.insert(at, format!(" {} ", tokens[other].clone())),
                _ => tokens.swap(at, other),
            }
            if tokens.is_empty() {
                break;
            }
        }
        Tree::Seq(
            tokens
                .into_iter()
                .map(|token| if token.trim().is_empty() { text(token) } else { opt(text(token)) })
                .collect(),
        )
    }

    /// The column of the world's table that stands for one of the shop's: of its kind where there is one.
    fn column(&self, shop: &str, table: &Table, name: &str) -> Option<String> {
        let columns = self.tables.get(shop)?;
        let at = columns.iter().position(|(column, _)| column == name)?;
        let alike: Vec<_> = table.shown().filter(|(_, column)| column.shown() == columns[at].1).collect();
        let all: Vec<_> = if alike.is_empty() { table.shown().collect() } else { alike };
        all.get(at % all.len().max(1)).map(|(_, column)| quote(&column.name))
    }
}

fn parse(dialect: Dialect, sql: &str) -> anyhow::Result<Vec<ast::Statement>> {
    Ok(match dialect {
        Dialect::Sqlite => Parser::parse_sql(&SQLiteDialect {}, sql)?,
        Dialect::Postgres => Parser::parse_sql(&PostgreSqlDialect {}, sql)?,
    })
}

fn tokenize(dialect: Dialect, sql: &str) -> Vec<Token> {
    let tokens = match dialect {
        Dialect::Sqlite => Tokenizer::new(&SQLiteDialect {}, sql).with_unescape(false).tokenize(),
        Dialect::Postgres => Tokenizer::new(&PostgreSqlDialect {}, sql).with_unescape(false).tokenize(),
    };
    tokens.unwrap_or_default()
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn kind(declared: &str) -> Kind {
    for (word, kind) in [
        ("int", Kind::Int),
        ("serial", Kind::Int),
        ("bool", Kind::Bool),
        ("timestamptz", Kind::Tz),
        ("timestamp", Kind::Ts),
        ("date", Kind::Date),
        ("json", Kind::Json),
        ("decimal", Kind::Dec),
        ("numeric", Kind::Dec),
        ("real", Kind::Float),
        ("double", Kind::Float),
        ("uuid", Kind::Uuid),
        ("blob", Kind::Bytes),
        ("bytea", Kind::Bytes),
    ] {
        if declared.contains(word) {
            return kind;
        }
    }
    Kind::Text
}

/// The tree with one of its expressions replaced by one of the other's.
pub fn crossed(tree: &Tree, other: &Tree, rng: &mut Rng) -> Tree {
    let mut parts = Vec::new();
    other.expressions(&mut parts);
    if parts.is_empty() {
        return tree.clone();
    }
    let part = parts[rng.below(parts.len())].clone();
    let mut places = Vec::new();
    tree.expressions(&mut places);
    let mut at = rng.below(places.len());
    tree.unordered().replaced(&mut at, &part)
}

/// Whether the answer may depend on the order in which the store comes to rows, which mutants don't take care of.
pub fn is_of_no_certain_answer(dialect: Dialect, sql: &str) -> bool {
    let sql = sql.to_lowercase();
    let words: &[&str] = &[
        "limit",
        "offset",
        "fetch",
        "over",
        "distinct",
        "_agg",
        "group_concat",
        "group_array",
        "group_object",
        "random",
        "uuid",
        "now",
        "current_",
        "localtime",
        "total_changes",
        "ordinality",
        "row_number",
    ];
    // SQLite takes a bare column beside aggregates, of whichever row.
    let lite: &[&str] = &["group by", "having", "count(", "sum(", "min(", "max(", "avg(", "total("];
    let has = |words: &[&str]| words.iter().any(|word| sql.contains(word));
    has(words) || dialect == Dialect::Sqlite && has(lite)
}
