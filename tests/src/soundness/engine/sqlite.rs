//! SQLite files in memory, opened by the driver as the gateway opens them, and by hand.

use std::path::{Path, PathBuf};

use mountgate_backend::wall::sqlite::SqliteWall;
use mountgate_core::{Catalogue, Ceiling, RelationName, Value};
use mountgate_driver::{Behind, Call, SqliteConfig, SqliteStore, Store, StoreConfig};
use mountgate_sql::{MaskKeys as _, Read};
use rusqlite::{Connection, types};

use super::{Layout, Mount, Outcome, Stores, Which, difference, float, laid_out};
use crate::soundness::world::World;

/// A world's three files.
#[derive(Debug)]
pub struct Sqlite {
    folder: PathBuf,
    catalogue: Catalogue,
    one: Store,
    other: Store,
    walls: Vec<(Which, Mount, SqliteWall)>,
    direct_one: Connection,
    direct_copy: Connection,
    /// The same databases laid out otherwise; made when asked for.
    otherwise: Vec<(Which, Connection)>,
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Sqlite {
    /// Lays the world out in a folder of its own within `scratch`.
    pub async fn load(world: &World, scratch: &Path) -> anyhow::Result<Self> {
        let folder = scratch.join(format!("w{:016x}", world.secret));
        std::fs::create_dir_all(&folder)?;
        let plain = Layout { reversed: false, indexed: false };
        for (which, name) in [(Which::One, "one"), (Which::Other, "other"), (Which::Copy, "copy")] {
            fill(world, which, plain, &folder.join(name))?;
        }
        let store = async |name: &str| {
            let config = SqliteConfig {
                threads: 1,
                statements: 2,
                mmap_bytes: 0,
                walled: world.walled,
                ..SqliteConfig::new(folder.join(name))
            };
            Store::open(StoreConfig::Sqlite(config)).await
        };
        let (one, other) = (store("one").await?, store("other").await?);
        let names: Vec<RelationName> = world.tables.iter().map(|table| table.name.as_str().into()).collect();
        let catalogue = one.catalogue(&names).await?;
        Ok(Self {
            catalogue,
            one,
            other,
            walls: vec![],
            direct_one: plainly(&folder.join("one"))?,
            direct_copy: plainly(&folder.join("copy"))?,
            otherwise: vec![],
            folder,
        })
    }
}

fn fill(world: &World, which: Which, layout: Layout, path: &Path) -> anyhow::Result<()> {
    let connection = Connection::open(path)?;
    connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN")?;
    for table in &world.tables {
        let Some((ddl, rows)) = laid_out(world, table, which, layout) else { continue };
        connection.execute_batch(&ddl)?;
        let Some(first) = rows.first() else { continue };
        let places = vec!["?"; first.len()].join(", ");
        let mut insert = connection.prepare(&format!("INSERT INTO {} VALUES ({places})", super::quote(&table.name)))?;
        for row in rows {
            insert.execute(rusqlite::params_from_iter(row.iter().map(bind)))?;
        }
    }
    connection.execute_batch("COMMIT")?;
    if world.indexed {
        connection.execute_batch("ANALYZE")?;
    }
    Ok(())
}

thread_local! {
    /// How often the statement under way has been looked at: one that does not end is given up.
    static STEPS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

fn plainly(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.progress_handler(100_000, Some(|| STEPS.with(|steps| steps.replace(steps.get() + 1) > 500)))?;
    Ok(connection)
}

fn bind(value: &Value) -> types::Value {
    match value {
        Value::Null => types::Value::Null,
        Value::Boolean(truth) => i64::from(*truth).into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Bytes(bytes) => bytes.clone().into(),
        Value::Text(text) | Value::Json(text) | Value::Date(text) | Value::Decimal(text) => text.clone().into(),
        other => unreachable!("{other:?} in SQLite"),
    }
}

/// Whole numbers are one whether they are stored as INTEGER or REAL: a copy's NUMERIC column makes them INTEGER.
fn number(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 { format!("{}", number as i64) } else { float(number) }
}

fn ask(connection: &Connection, sql: &str, values: &[Value]) -> Outcome {
    let failed = |error: &rusqlite::Error| {
        use mountgate_driver::Class;
        let detail = error.to_string();
        let class = match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::TooBig | rusqlite::ErrorCode::OutOfMemory) => Class::Resource,
            Some(rusqlite::ErrorCode::OperationInterrupted) => Class::Timeout,
            _ => Class::Data,
        };
        Outcome::Failed { class, detail }
    };
    STEPS.set(0);
    let mut statement = match connection.prepare(sql) {
        Ok(statement) => statement,
        Err(error) => return Outcome::Invalid(error.to_string()),
    };
    // SQLite's own name for a column of a parenthesised join, where two share one, ends in `:1`.
    let own = |name: &str| name.strip_suffix(":1").or(name.strip_suffix(":2")).unwrap_or(name).to_owned();
    let columns: Vec<String> = statement.column_names().map(own).collect();
    let width = columns.len();
    let mut rows = match statement.query(rusqlite::params_from_iter(values.iter().map(bind))) {
        Ok(rows) => rows,
        Err(error) => return failed(&error),
    };
    let mut out = Vec::new();
    loop {
        match rows.next() {
            Err(error) => return failed(&error),
            Ok(None) => return Outcome::Rows { columns, rows: out },
            Ok(Some(row)) => {
                let cells = (0..width).map(|at| match row.get_ref(at) {
                    Ok(types::ValueRef::Null) => "NULL".to_owned(),
                    Ok(types::ValueRef::Integer(whole)) => whole.to_string(),
                    Ok(types::ValueRef::Real(real)) => number(real),
                    Ok(types::ValueRef::Text(text)) => match std::str::from_utf8(text) {
                        Ok(text) => format!("'{text}'"),
                        Err(_) => format!("{text:?}"),
                    },
                    Ok(types::ValueRef::Blob(bytes)) => format!("{bytes:?}"),
                    Err(error) => error.to_string(),
                });
                out.push(cells.collect());
            }
        }
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Boolean(truth) => i32::from(*truth).to_string(),
        Value::Integer(whole) => whole.to_string(),
        Value::Float(real) => number(*real),
        Value::Text(text) => format!("'{text}'"),
        Value::Bytes(bytes) => format!("{bytes:?}"),
        other => format!("{other:?}"),
    }
}

/// Everything that the driver gives of a statement.
pub(super) async fn through(
    store: &Store,
    read: &Read,
    behind: Option<Behind>,
    cell: &dyn Fn(&Value) -> String,
) -> Outcome {
    let failed = |error: mountgate_driver::StoreError| Outcome::Failed { class: error.class, detail: error.detail };
    let timeout = std::time::Duration::from_secs(20);
    let call = Call { sql: read.sql().clone(), values: read.values().to_vec(), timeout, behind };
    let mut stream = match store.stream(call).await {
        Ok(stream) => stream,
        Err(error) => return failed(error),
    };
    let columns = stream.columns().iter().map(|column| column.name.clone()).collect();
    let mut rows = Vec::new();
    loop {
        match stream.next().await {
            Ok(Some(batch)) => rows.extend(batch.rows().map(|row| row.iter().map(cell).collect::<Vec<_>>())),
            Ok(None) => return Outcome::Rows { columns, rows },
            Err(error) => return failed(error),
        }
    }
}

impl Stores for Sqlite {
    fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    async fn behind(&mut self, world: &World, which: Which, mount: Mount, ceiling: Ceiling) -> anyhow::Result<Ceiling> {
        let store = if which == Which::Other { &self.other } else { &self.one };
        let Store::Sqlite(store) = store else { return Ok(ceiling) };
        let Some(schema) = store.schema() else { return Ok(ceiling) };
        let mut draw = || SqliteStore::fresh_name().map_err(|error| error.detail);
        let no_views = std::collections::BTreeMap::new();
        let keys = |relation: &RelationName, column: &mountgate_core::ColumnName| world.key(relation, column);
        let wall = SqliteWall::new(schema, &no_views, &ceiling, &mut draw, &keys).map_err(anyhow::Error::msg)?;
        let ceiling = wall.before(ceiling);
        self.walls.push((which, mount, wall));
        Ok(ceiling)
    }

    async fn gateway(&mut self, which: Which, mount: Mount, read: &Read) -> Outcome {
        let store = if which == Which::Other { &self.other } else { &self.one };
        let wall = self.walls.iter().find(|(of, mounted, _)| *of == which && *mounted == mount);
        let behind = wall.map(|(_, _, wall)| Behind::Sqlite(wall.call(read.claims(), read.plan().lends())));
        through(store, read, behind, &cell).await
    }

    async fn direct(&mut self, which: Which, sql: &str, values: &[Value]) -> Outcome {
        let connection = if which == Which::Copy { &self.direct_copy } else { &self.direct_one };
        ask(connection, sql, values)
    }

    async fn is_arbitrary(&mut self, world: &World, which: Which, sql: &str, values: &[Value], ordered: bool) -> bool {
        if !self.otherwise.iter().any(|(known, _)| *known == which) {
            for (at, (reversed, indexed)) in [(true, false), (false, true), (true, true)].into_iter().enumerate() {
                let path = self.folder.join(format!("{which:?}{at}"));
                let filled = fill(world, which, Layout { reversed, indexed }, &path);
                let Ok(connection) = filled.and_then(|()| Ok(plainly(&path)?)) else { return false };
                self.otherwise.push((which, connection));
            }
        }
        let first = ask(if which == Which::Copy { &self.direct_copy } else { &self.direct_one }, sql, values);
        self.otherwise
            .iter()
            .filter(|(known, _)| *known == which)
            .any(|(_, connection)| difference(&first, &ask(connection, sql, values), ordered).is_some())
    }
}
