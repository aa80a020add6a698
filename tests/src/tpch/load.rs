//! Loaders into stores.

use std::fmt::Write as _;

use anyhow::Context as _;
use futures::SinkExt as _;

use super::{Cell, Table};

fn create(table: &Table) -> String {
    let columns: Vec<_> = table.columns.iter().map(|(name, ty)| format!("{name} {ty} NOT NULL")).collect();
    format!("CREATE TABLE {} ({}, PRIMARY KEY ({}))", table.name, columns.join(", "), table.key)
}

/// Makes the tables in a SQLite database, their rows and their indexes.
///
/// # Errors
/// SQLite's.
pub fn sqlite(connection: &mut rusqlite::Connection, tables: &[Table]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for table in tables {
        transaction.execute_batch(&create(table))?;
        let marks = vec!["?"; table.columns.len()].join(", ");
        let mut insert = transaction.prepare(&format!("INSERT INTO {} VALUES ({marks})", table.name))?;
        for row in &table.rows {
            insert.execute(rusqlite::params_from_iter(row.iter().map(sqlite_value)))?;
        }
    }
    transaction.execute_batch(INDEXES)?;
    transaction.commit()?;
    connection.execute_batch("ANALYZE")
}

fn sqlite_value(cell: &Cell) -> rusqlite::types::Value {
    match cell {
        Cell::Integer(number) => (*number).into(),
        Cell::Cents(cents) => (*cents as f64 / 100.0).into(),
        Cell::Text(text) | Cell::Date(text) => text.clone().into(),
    }
}

/// Foreign keys, without which the subqueries of SQLite take minutes.
const INDEXES: &str = "
    CREATE INDEX lineitem_part ON lineitem (l_partkey, l_suppkey);
    CREATE INDEX lineitem_supplier ON lineitem (l_suppkey);
    CREATE INDEX orders_customer ON orders (o_custkey);
    CREATE INDEX partsupp_supplier ON partsupp (ps_suppkey);
    CREATE INDEX supplier_nation ON supplier (s_nationkey);
    CREATE INDEX customer_nation ON customer (c_nationkey);
";

/// Makes the tables in the client's current schema, their rows (by COPY) and their indexes.
///
/// # Errors
/// PostgreSQL's.
pub async fn postgres(client: &tokio_postgres::Client, tables: &[Table]) -> anyhow::Result<()> {
    for table in tables {
        client.batch_execute(&create(table)).await.with_context(|| format!("making {}", table.name))?;
        let sink = client.copy_in::<_, bytes::Bytes>(&format!("COPY {} FROM STDIN", table.name)).await?;
        let mut sink = std::pin::pin!(sink);
        for rows in table.rows.chunks(1000) {
            let mut text = String::new();
            for row in rows {
                for (at, cell) in row.iter().enumerate() {
                    let gap = if at == 0 { "" } else { "\t" };
                    // No text of the generator has a tab, a backslash or an end of line.
                    match cell {
                        Cell::Integer(number) => write!(text, "{gap}{number}")?,
                        Cell::Cents(cents) => {
                            let sign = if *cents < 0 { "-" } else { "" };
                            write!(text, "{gap}{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)?;
                        }
                        Cell::Text(value) | Cell::Date(value) => write!(text, "{gap}{value}")?,
                    }
                }
                text.push('\n');
            }
            sink.send(bytes::Bytes::from(text)).await?;
        }
        sink.finish().await?;
    }
    client.batch_execute(INDEXES).await?;
    client.batch_execute("ANALYZE").await?;
    Ok(())
}
