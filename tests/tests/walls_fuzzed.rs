//! Noninterference of SQLite's own wall, with no rewriter before it: statements made at random, of names that an agent
//! knows and of some that it can't, are asked of two files that differ in nothing but what is above the ceiling. Each
//! must answer both alike, or fail on both alike.
//!
//! The two have the same schema: that a table exists can be told, by naming it where nothing is read.
//!
//! Left out are what may differ for other reasons: LIMIT without an order, aggregates that depend on one, and functions
//! that raise on some values, which may meet a hidden row first (the rewriter's fence is against those).

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, path::Path, time::Duration};

use mountgate_backend::wall::sqlite::SqliteWall;
use mountgate_core::{
    Ceiling, ClaimName, ClaimValue, LimitKey, Limits, Mask, RelationName, Value, ceiling::RelationDeclaration,
};
use mountgate_driver::{Behind, Call, Class, SqliteConfig, SqliteStore};

const TABLES: &str = "
CREATE TABLE customers (customer_id INTEGER PRIMARY KEY, name TEXT, email TEXT, region TEXT COLLATE NOCASE, salary INTEGER);
CREATE TABLE orders (order_id INTEGER PRIMARY KEY, customer_id INTEGER, status TEXT, total REAL, note TEXT);
CREATE INDEX orders_note ON orders (note);
CREATE TABLE secrets (id INTEGER PRIMARY KEY, word TEXT);
CREATE VIEW named AS SELECT customer_id, name, salary FROM customers;
";

/// What is hidden, in two ways; what is shown, in one.
const DATA: [&str; 2] = [
    "INSERT INTO customers VALUES (1, 'Ada', 'ada@example.org', 'north', 10), (3, 'Cyd', 'cyd@example.org', 'north', 30),
       (2, 'Bob', 'bob@example.org', 'south', 20);
     INSERT INTO orders VALUES (10, 1, 'open', 12.5, 'n1'), (11, 1, 'paid', 99.0, 'n2'), (12, 3, 'open', 7.0, NULL),
       (13, 2, 'open', 1.0, 'n4');
     INSERT INTO secrets VALUES (1, 'one'); ANALYZE;",
    "INSERT INTO customers VALUES (1, 'Ada', 'axx@elsewhe.com', 'north', 77), (3, 'Cyd', 'cqq@nowhere.de!', 'north', NULL),
       (4, 'Ada', 'x', 'NORTH', 1), (5, 'Eve', NULL, NULL, 2), (6, 'Cyd', 'cyd@example.org', 'south', 30);
     INSERT INTO orders VALUES (10, 1, 'open', 500.0, 'm'), (11, 1, 'paid', 6.5, 'n1'), (12, 3, 'open', 8.0, 'n9'),
       (1, 1, 'paid', 2.0, 'n2'), (2, 3, 'open', NULL, NULL), (14, 6, 'gone', 5.0, 'x');
     INSERT INTO secrets VALUES (1, 'two'), (2, 'three'), (7, 'n1'); ANALYZE;",
];

struct World {
    store: SqliteStore,
    wall: SqliteWall,
    /// What stands for each placeholder of a statement.
    names: Vec<(&'static str, String)>,
}

async fn world(path: &Path, data: &str) -> World {
    rusqlite::Connection::open(path).unwrap().execute_batch(&format!("{TABLES}{data}")).unwrap();
    let store = SqliteStore::open(SqliteConfig { walled: true, threads: 1, ..SqliteConfig::new(path) }).await.unwrap();
    let relations = ["customers", "orders", "named"].map(RelationName::from);
    let catalogue = store.catalogue(&relations).await.unwrap();
    let declared = |columns: &[&str], masks: &[(&str, Mask)], filter: &str| RelationDeclaration {
        columns: columns.iter().map(|name| (*name).into()).collect(),
        masks: masks.iter().map(|(name, mask)| ((*name).into(), mask.clone())).collect(),
        filter: Some(mountgate_sql::filter::parse(filter).unwrap()),
        ..RelationDeclaration::default()
    };
    let partial = Mask::Partial { first: 1, last: 0, fill: "*".into() };
    let shown = [
        declared(&["customer_id", "name", "email"], &[("email", partial)], "region = claim.region"),
        declared(&["order_id", "customer_id", "status"], &[("customer_id", Mask::Bucket { width: 100 })], "total > 6"),
        declared(&["name"], &[("name", Mask::Hash)], "customer_id IN (1, 3)"),
    ];
    let build = |shown: &[RelationDeclaration]| {
        let declared: BTreeMap<_, _> = relations.iter().cloned().zip(shown.iter().cloned()).collect();
        Ceiling::build(&declared, &catalogue, vec![], Limits::default(), LimitKey::Agent, None, None).unwrap()
    };
    let mut draw = || SqliteStore::fresh_name().map_err(|error| error.detail);
    let views = store.views().await.unwrap();
    let mut names = Vec::new();
    let mut made = |ceiling: Ceiling, placeholders: [&'static str; 3]| {
        let wall = SqliteWall::new(store.schema().unwrap(), &views, &ceiling, &mut draw, &|_, _| [9; 32]).unwrap();
        let behind = wall.before(ceiling);
        for (relation, placeholder) in relations.iter().zip(placeholders) {
            names.push((placeholder, behind.relation(relation).unwrap().wall.clone().unwrap().name));
        }
        wall
    };
    let wall = made(build(&shown), ["{customers}", "{orders}", "{named}"]);
    // Another mount of the same file, which shows everything, and is on the same connection.
    let whole = relations.each_ref().map(|relation| RelationDeclaration {
        columns: catalogue.relations[relation].columns.iter().map(|column| column.name.clone()).collect(),
        ..RelationDeclaration::default()
    });
    let other = made(build(&whole), ["{all_customers}", "{all_orders}", "{all_named}"]);
    let world = World { store, wall, names };
    let all = ask(&world, &other, "SELECT count(*) FROM {all_orders}, {all_named}").await.unwrap();
    assert_eq!(all.len(), 1);
    world
}

async fn ask(world: &World, wall: &SqliteWall, sql: &str) -> Result<Vec<Vec<Value>>, Class> {
    let sql = world.names.iter().fold(sql.to_owned(), |sql, (placeholder, name)| sql.replace(placeholder, name));
    let claims = [(ClaimName::from("region"), ClaimValue::Text("north".into()))];
    let behind = Some(Behind::Sqlite(wall.call(&claims, false)));
    let call = Call { sql: sql.into(), values: vec![], timeout: Duration::from_secs(20), behind };
    let mut rows = world.store.stream(call).await.map_err(|error| error.class)?;
    let mut out = Vec::new();
    while let Some(batch) = rows.next().await.map_err(|error| error.class)? {
        out.extend(batch.rows().map(<[Value]>::to_vec));
    }
    out.sort_by_key(|row| format!("{row:?}"));
    Ok(out)
}

/// Statements at random, the same for the same seed.
struct Grammar {
    state: u64,
    depth: usize,
}

impl Grammar {
    fn below(&mut self, most: usize) -> usize {
        // xorshift64
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 33).unwrap() % most
    }

    fn one<'l>(&mut self, list: &[&'l str]) -> &'l str {
        list[self.below(list.len())]
    }

    fn relation(&mut self) -> String {
        match self.below(24) {
            0 => self
                .one(&["customers", "orders", "secrets", "named", "main.customers", "temp.orders", "Secrets"])
                .into(),
            1 => self
                .one(&["{all_customers}", "{all_orders}", "temp.{all_customers}", "sqlite_schema", "sqlite_stat1"])
                .into(),
            2 => self
                .one(&["json_each('[1,2,3]')", "pragma_table_info('orders')", "sqlite_temp_schema", "dbstat"])
                .into(),
            3..=5 if self.depth < 3 => format!("({})", self.select()),
            6..=8 => self.one(&["c1", "c2", "customers"]).into(),
            _ => self.one(&["{customers}", "{orders}", "{named}", "temp.{customers}", "temp.{orders}"]).into(),
        }
    }

    fn column(&mut self) -> String {
        let qualifier = self.one(&["", "", "", "a.", "b."]);
        let column = match self.below(12) {
            0 => self.one(&["region", "salary", "total", "note", "word", "rowid", "sql", "value"]),
            _ => self.one(&["customer_id", "name", "email", "order_id", "status", "x"]),
        };
        format!("{qualifier}{column}")
    }

    fn expression(&mut self) -> String {
        self.depth += 1;
        let text = match self.below(if self.depth > 4 { 6 } else { 15 }) {
            0..=3 => self.column(),
            4 => self.one(&["1", "'open'", "NULL", "3", "'Ada'", "x'00'"]).into(),
            5 => format!("{}({})", self.one(&["length", "typeof", "upper", "quote", "coalesce", "hex"]), self.column()),
            6 => format!(
                "({} {} {})",
                self.expression(),
                self.one(&["=", "<", ">=", "IS", "IS NOT", "||"]),
                self.expression()
            ),
            7 => format!("({} {} {})", self.expression(), self.one(&["AND", "OR"]), self.expression()),
            8 => format!("({})", self.select()),
            9 => format!("EXISTS ({})", self.select()),
            10 => format!("{} IN ({})", self.column(), self.select()),
            11 => {
                format!("{} IN {}", self.column(), self.one(&["secrets", "{customers}", "c1", "{named}", "customers"]))
            }
            12 => format!("CASE WHEN {} THEN {} END", self.expression(), self.expression()),
            13 => format!("{} LIKE {}", self.column(), self.one(&["'%a%'", "'A%'", "'c_'"])),
            _ => self
                .one(&[
                    "mountgate_wall_claim(0)",
                    "mountgate_wall_hash(0, 'Ada')",
                    "mountgate_hash(x'00', name)",
                    "mountgate_wall_value(0)",
                    "row_number() OVER (ORDER BY customer_id, order_id)",
                ])
                .into(),
        };
        self.depth -= 1;
        text
    }

    fn select(&mut self) -> String {
        self.depth += 1;
        let mut text = String::new();
        if self.depth < 3 && self.below(4) == 0 {
            let (first, second) = (self.select(), self.select());
            let hint = self.one(&["", "", "MATERIALIZED ", "NOT MATERIALIZED "]);
            let name = self.one(&["c1", "customers", "secrets", "orders"]);
            text = format!("WITH {name} AS {hint}({first}), c2(x) AS ({second}) ");
        }
        let outputs = match self.below(8) {
            0 | 1 => "count(*) AS x".into(),
            2 => "*".into(),
            3 => format!(
                "{}({}) AS x",
                self.one(&["max", "min", "count", "sum", "count(DISTINCT "]).replace("count(DISTINCT ", "count"),
                self.column()
            ),
            4 => "1 AS x".into(),
            _ => format!("{} AS x", self.expression()),
        };
        text.push_str(&format!("SELECT {outputs} FROM {} AS a", self.relation()));
        if self.below(3) == 0 {
            let join = self.one(&["JOIN", "LEFT JOIN", "CROSS JOIN", "NATURAL JOIN", ","]);
            text.push_str(&format!(" {join} {} AS b", self.relation()));
        }
        if self.below(3) == 0 {
            text.push_str(&format!(" WHERE {}", self.expression()));
        }
        if self.below(8) == 0 {
            text.push_str(&format!(" GROUP BY {}", self.column()));
        }
        if self.below(10) == 0 {
            let with = self.one(&["UNION ALL", "UNION", "EXCEPT", "INTERSECT"]);
            text.push_str(&format!(" {with} SELECT {} FROM {} AS a", self.expression(), self.relation()));
        } else if self.below(10) == 0 {
            text.push_str(" LIMIT -1");
        }
        self.depth -= 1;
        text
    }
}

/// What came of some statements.
#[derive(Debug, Default)]
struct Tally {
    answered: usize,
    with_rows: usize,
    /// The first that tells the two files apart.
    telling: Option<String>,
}

async fn compare(seed: u64, cases: usize) -> Tally {
    let folder = tempfile::tempdir().unwrap();
    let one = world(&folder.path().join("one.db"), DATA[0]).await;
    let other = world(&folder.path().join("other.db"), DATA[1]).await;
    let mut grammar = Grammar { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1, depth: 0 };
    let mut tally = Tally::default();
    for _ in 0..cases {
        let sql = grammar.select();
        let (ours, theirs) = (ask(&one, &one.wall, &sql).await, ask(&other, &other.wall, &sql).await);
        if ours != theirs {
            tally.telling = Some(format!("{sql}\n{ours:?}\n{theirs:?}"));
            break;
        }
        tally.answered += usize::from(ours.is_ok());
        tally.with_rows += usize::from(ours.is_ok_and(|rows| !rows.is_empty()));
    }
    tally
}

/// Held by whoever needs the defences as they are; they are the whole process's.
static DEFENCES: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test]
async fn hidden_data_makes_no_difference_to_any_text() {
    let _up = DEFENCES.lock().await;
    let env = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u32>().unwrap());
    let cases = env("MOUNTGATE_WALL_CASES").unwrap_or(4000) as usize;
    let tally = compare(env("MOUNTGATE_WALL_SEED").unwrap_or(4).into(), cases).await;
    println!("{cases} statements: {tally:?}");
    assert!(tally.telling.is_none(), "{}", tally.telling.unwrap_or_default());
    assert!(tally.answered * 5 > cases && tally.with_rows * 10 > tally.answered, "{tally:?}");
}

#[cfg(mountgate_weaken)]
#[tokio::test]
async fn without_the_authorizer_it_does() {
    use mountgate_core::weaken::{Defence, set};

    let _down = DEFENCES.lock().await;
    set(Defence::Authorizer, true);
    let tally = compare(4, 4000).await;
    set(Defence::Authorizer, false);
    assert!(tally.telling.is_some(), "{tally:?}");
}
