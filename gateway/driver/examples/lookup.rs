//! How long a point look-up takes in the driver alone: `cargo run --release -p mountgate-driver --example lookup`,
//! with a PostgreSQL URL as its argument for PostgreSQL too (and then `implicit` for its cheaper transactions). Prints the median and what 32 at once reach.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mountgate_core::Value;
use mountgate_driver::{
    Behind, BehindSqlite, Call, PostgresConfig, Shown, SqliteConfig, SqliteStore, SqliteWall, Store, StoreConfig,
    StoreError, Transactions, WalledView,
};

const SET_UP: &str = "CREATE TABLE lookup_t (id INTEGER PRIMARY KEY, name TEXT, status TEXT, total INTEGER)";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("lookup.db");
    let connection = rusqlite::Connection::open(&path)?;
    connection.execute_batch(SET_UP)?;
    connection.execute_batch(
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 10000)
         INSERT INTO lookup_t SELECT x, 'name ' || x, 'open', x * 7 FROM n",
    )?;
    let store = Store::open(StoreConfig::Sqlite(SqliteConfig::new(&path))).await?;
    let scoped =
        "(SELECT s.id AS id, s.name AS name, s.total AS total FROM main.lookup_t AS s WHERE s.status = 'open')";
    let walled = SqliteStore::open(SqliteConfig { walled: true, ..SqliteConfig::new(&path) }).await?;
    let (view, behind) = wall(walled.schema().unwrap_or_default())?;
    let walled = Store::Sqlite(walled);
    let from = |from: &str| format!("SELECT t.id, t.name, t.total FROM {from} AS t WHERE t.id = ?1");
    let shown = format!("(SELECT s.id AS id, s.name AS name, s.total AS total FROM temp.{view} AS s)");
    for _ in 0..3 {
        println!("without a wall:");
        measure(&store, &from(scoped), None).await?;
        println!("behind one:");
        measure(&walled, &from(&shown), Some(&behind)).await?;
    }
    measure(&store, "SELECT id, name, status, total FROM lookup_t WHERE id = ?1", None).await?;
    million(
        &store,
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT ?1) SELECT x, 'row ' || x FROM n",
    )
    .await?;
    if let Some(url) = std::env::args().nth(1) {
        let mut config = PostgresConfig::new(&url)?;
        if std::env::args().nth(2).as_deref() == Some("implicit") {
            config.transactions = Transactions::Implicit;
        }
        let store = Store::open(StoreConfig::Postgres(config)).await?;
        measure(&store, "SELECT oid::int8 AS id, typname::text, typtype::text, typlen FROM pg_catalog.pg_type WHERE oid = $1::int8::oid", None).await?;
        million(&store, "SELECT x, \'row \' || x FROM (SELECT generate_series(1, $1::int8) AS x) AS n").await?;
    }
    Ok(())
}

/// A wall of one view, its name, and a call's claims.
fn wall(schema: &str) -> Result<(String, Behind), StoreError> {
    let name = SqliteStore::fresh_name()?;
    let view = WalledView {
        columns: vec![],
        select: Some(format!(
            "SELECT b.id AS id, b.name AS name, b.total AS total FROM \"{schema}\".lookup_t AS b \
             WHERE b.status COLLATE BINARY = mountgate_wall_claim(0)"
        )),
        reads: [("lookup_t".to_owned(), ["id", "name", "total", "status"].map(str::to_owned).into())].into(),
        shown: Shown::Everyone,
        calls: true,
    };
    let wall = Arc::new(SqliteWall::new([(name.clone(), view)].into(), vec![], &[]));
    Ok((name, Behind::Sqlite(BehindSqlite { wall, claims: vec![Value::Text("open".into())], lends: false })))
}

async fn one(store: &Store, sql: &Arc<str>, id: i64, behind: Option<&Behind>) -> Result<usize, StoreError> {
    let (values, timeout) = (vec![Value::Integer(id)], Duration::from_secs(5));
    let call = Call { sql: Arc::clone(sql), values, timeout, behind: behind.cloned() };
    let mut rows = store.stream(call).await?;
    let mut count = 0;
    while let Some(batch) = rows.next().await? {
        count += batch.len();
    }
    Ok(count)
}

async fn million(store: &Store, sql: &str) -> Result<(), StoreError> {
    let start = Instant::now();
    let call = Call {
        sql: sql.into(),
        values: vec![Value::Integer(1_000_000)],
        timeout: Duration::from_secs(60),
        behind: None,
    };
    let mut rows = store.stream(call).await?;
    let first = start.elapsed();
    let mut count = 0;
    while let Some(batch) = rows.next().await? {
        count += batch.len();
    }
    println!("{}: {count} rows in {:?}, the first after {first:?}", store.dialect_name(), start.elapsed());
    Ok(())
}

async fn measure(store: &Store, sql: &str, behind: Option<&Behind>) -> Result<(), StoreError> {
    let sql: Arc<str> = sql.into();
    let mut times = Vec::new();
    for n in 0..20_000 {
        let start = Instant::now();
        one(store, &sql, 16 + n % 8, behind).await?;
        times.push(start.elapsed());
    }
    times.sort();
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
    println!("{}: p50 {:?}, p99 {:?} at 1", store.dialect_name(), at(50), at(99));
    let start = Instant::now();
    let tasks: Vec<_> = (0..32)
        .map(|n| {
            let (store, sql, behind) = (store.clone(), Arc::clone(&sql), behind.cloned());
            tokio::spawn(async move {
                for _ in 0..2000 {
                    one(&store, &sql, 16 + n % 8, behind.as_ref()).await?;
                }
                Ok::<_, StoreError>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap_or(Ok(()))?;
    }
    println!("{}: {:.0} a second at 32", store.dialect_name(), 64_000.0 / start.elapsed().as_secs_f64());
    Ok(())
}
