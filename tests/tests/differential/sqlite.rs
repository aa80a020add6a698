//! SQLite.

use std::time::Duration;

use mountgate_backend::wall::sqlite::SqliteWall;
use mountgate_core::{Catalogue, Ceiling, RelationName, Value, Walled};
use mountgate_driver::{Call, SqliteConfig, SqliteStore, Store, StoreConfig};
use mountgate_sql::Dialect;
use mountgate_tests::tpch;
use rusqlite::{Connection, functions::FunctionFlags, types};

use crate::{
    compare::{Answer, difference, float, permissive, refused, report, rewrite, through_driver},
    corpus::{self, Case},
};

fn bind(value: &Value) -> types::Value {
    match value {
        Value::Null => types::Value::Null,
        Value::Boolean(truth) => i64::from(*truth).into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Text(text) => text.clone().into(),
        other => panic!("{other:?} as a parameter of the corpus"),
    }
}

pub(crate) fn run(connection: &Connection, sql: &str, values: &[Value]) -> rusqlite::Result<Answer> {
    let mut statement = connection.prepare(sql)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let width = columns.len();
    let mut rows = statement.query(rusqlite::params_from_iter(values.iter().map(bind)))?;
    let mut answer = Answer { columns, rows: vec![] };
    while let Some(row) = rows.next()? {
        let cell = |at| {
            row.get::<_, types::Value>(at).map(|value| match value {
                types::Value::Real(number) => float(number),
                other => format!("{other:?}"),
            })
        };
        answer.rows.push((0..width).map(cell).collect::<Result<_, _>>()?);
    }
    Ok(answer)
}

/// The same file behind the wall of a permissive mount, which hides nothing and must change nothing.
struct Behind {
    store: SqliteStore,
    wall: SqliteWall,
    ceiling: Ceiling,
}

impl Behind {
    async fn new(path: &std::path::Path, ceiling: &Ceiling) -> Self {
        let store = SqliteStore::open(SqliteConfig { walled: true, ..SqliteConfig::new(path) }).await.unwrap();
        let mut draw = || SqliteStore::fresh_name().map_err(|error| error.detail);
        let wall =
            SqliteWall::new(store.schema().unwrap(), &store.views().await.unwrap(), ceiling, &mut draw, &|_, _| {
                [0; 32]
            })
            .unwrap();
        let ceiling = wall.before(ceiling.clone());
        Self { store, wall, ceiling }
    }

    async fn run(&self, case: &Case, direct: &Answer) -> Result<(), String> {
        let read = rewrite(Dialect::Sqlite, &self.ceiling, case)?;
        let with = |what: String| format!("behind the wall: {what}\n   as {}", read.sql());
        let behind = Some(mountgate_driver::Behind::Sqlite(self.wall.call(read.claims(), false)));
        let (values, timeout) = (read.values().to_vec(), Duration::from_secs(120));
        let call = Call { sql: read.sql().clone(), values, timeout, behind };
        let mut rows = self.store.stream(call).await.map_err(|error| with(format!("{error:?}")))?;
        let columns = rows.columns().iter().map(|column| column.name.clone()).collect();
        let mut ours = Answer { columns, rows: vec![] };
        while let Some(batch) = rows.next().await.map_err(|error| with(format!("{error:?}")))? {
            ours.rows.extend(batch.rows().map(|row| row.iter().map(cell).collect()));
        }
        difference(direct, &ours, case.ordered).map_or(Ok(()), |what| Err(with(what)))
    }
}

/// What SQLite plans to do, whatever it calls the tables.
fn plan(connection: &Connection, read: &mountgate_sql::Read) -> Result<Vec<String>, String> {
    let told = |error: rusqlite::Error| error.to_string();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", read.sql())).map_err(told)?;
    let values = rusqlite::params_from_iter(read.values().iter().map(bind));
    let lines = statement.query_map(values, |row| row.get::<_, String>(3)).map_err(told)?;
    let of_ours = |word: &str| {
        let numbered = word.strip_prefix(['s', 'b']).or_else(|| word.strip_prefix("(subquery-")?.strip_suffix(')'));
        numbered.is_some_and(|number| number.chars().all(|c| c.is_ascii_digit()))
    };
    lines
        .map(|line| {
            Ok(line
                .map_err(told)?
                .split(' ')
                .map(|word| if of_ours(word) { "_" } else { word })
                .collect::<Vec<_>>()
                .join(" "))
        })
        .collect()
}

/// Views over every relation as a wall makes them, and the ceiling behind them.
fn behind_plain_views(connection: &Connection, ceiling: &Ceiling) -> Ceiling {
    for (name, relation) in ceiling.relations() {
        let columns: Vec<_> = relation.columns.iter().map(|c| format!("\"b\".\"{0}\" AS \"{0}\"", c.name)).collect();
        let view =
            format!("CREATE TEMP VIEW \"w_{name}\" AS SELECT {} FROM main.\"{name}\" AS \"b\"", columns.join(", "));
        connection.execute_batch(&view).unwrap();
    }
    let walled = |name: &RelationName| format!("w_{name}");
    ceiling.clone().behind(|name| Walled { schema: "temp".into(), name: walled(name), lending: walled(name) })
}

/// As [`run`] tells a cell.
fn cell(value: &Value) -> String {
    let held = match value {
        Value::Null => types::Value::Null,
        Value::Boolean(truth) => i64::from(*truth).into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => return float(*number),
        Value::Text(text) => text.clone().into(),
        Value::Bytes(bytes) => bytes.clone().into(),
        other => panic!("SQLite gives {other:?}"),
    };
    format!("{held:?}")
}

pub(crate) async fn catalogue(store: &Store, connection: &Connection) -> Catalogue {
    let mut statement = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let names: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let names: Vec<RelationName> =
        names.into_iter().filter(|name| !name.starts_with("sqlite_")).map(RelationName::from).collect();
    store.catalogue(&names).await.unwrap()
}

/// What the driver adds to a connection and rewritten statements call: here it lets everything through.
pub(crate) fn with_functions(connection: &Connection) {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("mountgate_short", 2, flags, |context| Ok(context.get_arg(0))).unwrap();
}

async fn differential(fill: impl FnOnce(&mut Connection), cases: Vec<Case>, limits: Vec<Case>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.db");
    let mut connection = Connection::open(&path).unwrap();
    fill(&mut connection);
    with_functions(&connection);
    let store = Store::open(StoreConfig::Sqlite(SqliteConfig::new(&path))).await.unwrap();
    let ceiling = permissive(&catalogue(&store, &connection).await);
    let walled = Behind::new(&path, &ceiling).await;
    let planned = behind_plain_views(&connection, &ceiling);
    let mut findings = vec![];
    for case in &cases {
        let direct = match run(&connection, &case.sql, &case.parameters) {
            Ok(answer) => answer,
            Err(error) => {
                findings.push((case.name.clone(), case.sql.clone(), format!("fails directly: {error}")));
                continue;
            }
        };
        let outcome = async {
            let read = rewrite(Dialect::Sqlite, &ceiling, case)?;
            let with = |what: String| format!("{what}\n   as {}", read.sql());
            let ours = run(&connection, read.sql(), read.values()).map_err(|error| with(error.to_string()))?;
            if let Some(what) = difference(&direct, &ours, case.ordered) {
                return Err(with(what));
            }
            through_driver(&store, &read, &direct).await.map_err(with)?;
            walled.run(case, &direct).await?;
            // A wall costs no index: views are merged into the statement as the rewriter's subqueries are.
            let behind = plan(&connection, &rewrite(Dialect::Sqlite, &planned, case)?)?;
            let plan = plan(&connection, &read)?;
            if plan == behind { Ok(()) } else { Err(format!("planned {plan:#?}\n   and behind the wall {behind:#?}")) }
        };
        if let Err(what) = outcome.await {
            findings.push((case.name.clone(), case.sql.clone(), what));
        }
    }
    for case in &limits {
        let direct = run(&connection, &case.sql, &case.parameters).map_err(|error| error.to_string());
        if let Some(what) = refused(Dialect::Sqlite, &ceiling, case, direct) {
            findings.push((case.name.clone(), case.sql.clone(), what));
        }
    }
    report(cases.len() + limits.len(), &findings);
}

#[tokio::test]
async fn tpch_has_the_same_answers() {
    let fill = |connection: &mut Connection| {
        tpch::load::sqlite(connection, &tpch::tables()).unwrap();
        let mut empty = vec![];
        for case in corpus::tpch("sqlite") {
            let answer = run(connection, &case.sql, &[]).unwrap();
            let null = format!("{:?}", types::Value::Null);
            if answer.rows.iter().flatten().all(|cell| *cell == null) {
                empty.push(case.name);
            }
        }
        assert!(empty.is_empty(), "these find nothing: {empty:?}");
    };
    differential(fill, corpus::tpch("sqlite"), vec![]).await;
}

#[tokio::test]
async fn the_shops_statements_have_the_same_answers() {
    let fill = |connection: &mut Connection| connection.execute_batch(&corpus::file("shop/sqlite.sql")).unwrap();
    differential(fill, corpus::shop("sqlite"), corpus::refused("sqlite")).await;
}
