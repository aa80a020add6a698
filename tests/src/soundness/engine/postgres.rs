//! PostgreSQL: three scratch databases, filled anew for each world.

use std::fmt::Write as _;

use anyhow::Context as _;
use mountgate_backend::wall::postgres::{Names, PostgresWall, Said, Sealer, Secrets, WallKeys};
use mountgate_core::{Catalogue, Ceiling, MountName, RelationName, Value};
use mountgate_driver::{Behind, Class, PostgresAdmin, PostgresConfig, Seal, Store, StoreConfig};
use mountgate_sql::{MaskKeys as _, Read};
use sha2::{Digest as _, Sha256};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage, types::Type};

use super::{Layout, Mount, Outcome, Stores, Which, difference, float, laid_out, sqlite::through};
use crate::soundness::world::World;

/// Where the databases are.
#[derive(Clone, Debug)]
pub struct Server {
    url: String,
    prefix: String,
}

impl Server {
    /// The server that `MOUNTGATE_TEST_POSTGRES` names; `tag` tells this process's databases from others'.
    ///
    /// # Errors
    /// Where it is not set, or no URL.
    pub fn of_environment(tag: &str) -> anyhow::Result<Self> {
        let url = std::env::var("MOUNTGATE_TEST_POSTGRES")
            .context("MOUNTGATE_TEST_POSTGRES is not set; `cargo xtask soundness` starts a PostgreSQL and sets it")?;
        let (scheme, rest) = url.split_once("://").context("MOUNTGATE_TEST_POSTGRES is no URL")?;
        let authority = rest.split('/').next().unwrap_or(rest);
        Ok(Self { url: format!("{scheme}://{authority}"), prefix: format!("soundness_{}_{tag}", std::process::id()) })
    }

    fn database(&self, which: &str) -> String {
        format!("{}_{which}", self.prefix)
    }

    async fn connect(&self, database: &str) -> anyhow::Result<Client> {
        let (client, connection) = tokio_postgres::connect(&format!("{}/{database}", self.url), NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Makes the databases.
    ///
    /// # Errors
    /// Where the server can't be reached.
    pub async fn create(&self) -> anyhow::Result<()> {
        let admin = self.connect("postgres").await?;
        for which in ["one", "other", "copy", "again"] {
            let name = self.database(which);
            admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
            admin
                .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"))
                .await?;
        }
        Ok(())
    }

    /// Takes the databases away.
    ///
    /// # Errors
    /// Where the server can't be reached.
    pub async fn drop(&self) -> anyhow::Result<()> {
        let admin = self.connect("postgres").await?;
        for which in ["one", "other", "copy", "again"] {
            admin.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database(which))).await?;
        }
        // What the walls' roles owned went with the databases.
        for (which, mount) in
            [(Which::One, Mount::Narrow), (Which::Other, Mount::Narrow), (Which::One, Mount::Permissive)]
        {
            let (name, keys) = self.wall(which, mount);
            let names = Names::new(&name, &keys.id);
            let (login, owner) = (super::quote(&names.login), super::quote(&names.owner));
            admin.batch_execute(&format!("DROP ROLE IF EXISTS {login}; DROP ROLE IF EXISTS {owner}")).await?;
        }
        Ok(())
    }

    fn config(&self, which: &str) -> anyhow::Result<PostgresConfig> {
        let mut config = PostgresConfig::new(&format!("{}/{}", self.url, self.database(which)))?;
        (config.connections, config.statements) = (1, 8);
        Ok(config)
    }

    /// What a wall's roles and schemas are named after, and its keys: of this process alone.
    fn wall(&self, which: Which, mount: Mount) -> (MountName, WallKeys) {
        let id = Sha256::digest(format!("{} {which:?}", self.prefix)).iter().copied().take(8).collect();
        let keys = WallKeys { id, password: "soundness".to_owned().into(), seal: [3; 32].into() };
        (format!("{mount:?}").to_lowercase().as_str().into(), keys)
    }
}

fn database_of(which: Which) -> &'static str {
    match which {
        Which::One => "one",
        Which::Other => "other",
        Which::Copy => "copy",
    }
}

/// A world's databases.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    catalogue: Catalogue,
    one: Store,
    other: Store,
    direct_one: Client,
    direct_copy: Client,
    otherwise: Option<(Which, Client)>,
    /// The walls' pools.
    walls: Vec<(Which, Mount, Store, Sealer)>,
}

impl Postgres {
    /// Lays the world out.
    ///
    /// # Errors
    /// Where the server does not take it.
    pub async fn load(world: &World, server: &Server) -> anyhow::Result<Self> {
        let plain = Layout { reversed: false, indexed: false };
        fill(world, Which::One, plain, server, "one").await?;
        fill(world, Which::Other, plain, server, "other").await?;
        fill(world, Which::Copy, plain, server, "copy").await?;
        let store = async |which: &str| -> anyhow::Result<Store> {
            Ok(Store::open(StoreConfig::Postgres(server.config(which)?)).await?)
        };
        let (one, other) = (store("one").await?, store("other").await?);
        let names: Vec<RelationName> = world.tables.iter().map(|table| table.name.as_str().into()).collect();
        let catalogue = one.catalogue(&names).await?;
        let (direct_one, direct_copy) = (as_a_person(server, "one").await?, as_a_person(server, "copy").await?);
        Ok(Self {
            server: server.clone(),
            catalogue,
            one,
            other,
            direct_one,
            direct_copy,
            otherwise: None,
            walls: vec![],
        })
    }
}

async fn as_a_person(server: &Server, which: &str) -> anyhow::Result<Client> {
    let client = server.connect(&server.database(which)).await?;
    client
        .batch_execute(
            "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'iso_8601'; SET jit = off;
             SET statement_timeout = '20s'; SET max_parallel_workers_per_gather = 0; SET enable_seqscan = on",
        )
        .await?;
    Ok(client)
}

async fn fill(world: &World, which: Which, layout: Layout, server: &Server, database: &str) -> anyhow::Result<()> {
    let mut sql = String::from("DROP SCHEMA public CASCADE; CREATE SCHEMA public;\n");
    for table in &world.tables {
        let Some((ddl, rows)) = laid_out(world, table, which, layout) else { continue };
        sql += &ddl;
        if rows.is_empty() {
            continue;
        }
        let rows: Vec<String> =
            rows.iter().map(|row| format!("({})", row.iter().map(literal).collect::<Vec<_>>().join(", "))).collect();
        let _ = writeln!(sql, "INSERT INTO {} VALUES {};", super::quote(&table.name), rows.join(", "));
    }
    if world.indexed {
        sql += "ANALYZE;\n";
    }
    let name = server.database(database);
    // The planner is pushed towards indexes, where predicates meet rows before filters do.
    let on = if world.indexed && which != Which::Copy { "off" } else { "on" };
    let _ = writeln!(sql, "ALTER DATABASE {name} SET enable_seqscan = {on};");
    let client = server.connect(&name).await?;
    client.batch_execute(&sql).await.with_context(|| sql.clone())
}

/// A value as a literal of unknown type, to be read as what it stands for.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        value => format!("'{}'", cell(value).replace('\'', "''")),
    }
}

/// A cell as PostgreSQL prints it.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Boolean(truth) => if *truth { "t" } else { "f" }.into(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Timestamp(text) => text.replace('T', " "),
        Value::TimestampTz(text) => text.replace('T', " ").replace('Z', "+00"),
        Value::Decimal(text)
        | Value::Text(text)
        | Value::Date(text)
        | Value::Time(text)
        | Value::Interval(text)
        | Value::Uuid(text)
        | Value::Json(text) => text.clone(),
        Value::Bytes(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\\x{digits}")
        }
        Value::Array(items) => {
            let items: Vec<String> = items
                .iter()
                .map(|item| match item {
                    Value::Text(text) if bare(text) => text.clone(),
                    Value::Text(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
                    item => cell(item),
                })
                .collect();
            format!("{{{}}}", items.join(","))
        }
    }
}

fn bare(text: &str) -> bool {
    let special = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | ',' | '"' | '\\');
    !text.is_empty() && !text.contains(special) && !text.eq_ignore_ascii_case("null")
}

/// As [`cell`], floating-point numbers as far as they do not depend on an order.
fn shown(value: &Value) -> String {
    match value {
        Value::Float(number) => float(*number),
        value => cell(value),
    }
}

async fn ask(client: &Client, sql: &str, values: &[Value]) -> Outcome {
    match asked(client, sql, values).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let Some(db) = error.as_db_error() else { return Outcome::Invalid(error.to_string()) };
            let detail = format!("{}: {}", db.code().code(), db.message());
            match db.code().code().get(..2).unwrap_or_default() {
                "22" | "21" | "23" => Outcome::Failed { class: Class::Data, detail },
                "53" | "54" | "57" => Outcome::Failed { class: Class::Resource, detail },
                _ => Outcome::Invalid(detail),
            }
        }
    }
}

async fn asked(client: &Client, sql: &str, values: &[Value]) -> Result<Outcome, tokio_postgres::Error> {
    let described = client.prepare(sql).await?;
    let columns = described.columns().iter().map(|column| column.name().to_owned()).collect();
    let types: Vec<Type> = described.columns().iter().map(|column| column.type_().clone()).collect();
    // As text, and with parameters as text: exactly what the server makes of them.
    let messages = if values.is_empty() {
        client.simple_query(sql).await?
    } else {
        client.batch_execute(&format!("DEALLOCATE ALL; PREPARE direct AS {sql}")).await?;
        let list: Vec<String> = values.iter().map(literal).collect();
        client.simple_query(&format!("EXECUTE direct ({})", list.join(", "))).await?
    };
    let mut rows = vec![];
    for message in messages {
        let SimpleQueryMessage::Row(row) = message else { continue };
        let cell = |(at, ty): (usize, &Type)| match row.get(at) {
            None => "NULL".to_owned(),
            Some(text) if *ty == Type::FLOAT4 || *ty == Type::FLOAT8 => float(text.parse().unwrap()),
            Some(text) => text.to_owned(),
        };
        rows.push(types.iter().enumerate().map(cell).collect());
    }
    Ok(Outcome::Rows { columns, rows })
}

impl Stores for Postgres {
    fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    async fn behind(&mut self, world: &World, which: Which, mount: Mount, ceiling: Ceiling) -> anyhow::Result<Ceiling> {
        if !world.walled {
            return Ok(ceiling);
        }
        let keys = |relation: &RelationName, column: &mountgate_core::ColumnName| world.key(relation, column);
        let (name, keyed) = self.server.wall(which, mount);
        let wall = PostgresWall::new(&name, &ceiling, keyed, &keys).map_err(anyhow::Error::msg)?;
        let failed = |error: mountgate_driver::StoreError| anyhow::anyhow!("the wall: {}", error.detail);
        let config = self.server.config(database_of(which))?;
        let admin = PostgresAdmin::connect(&config).await.map_err(failed)?;
        admin.run(&wall.provision(Secrets::Written)).await.map_err(failed)?;
        let behind = config.behind_wall(&wall.names().login, wall.password(), &wall.search_path());
        let store = Store::open(StoreConfig::Postgres(behind)).await.map_err(failed)?;
        let ceiling = ceiling.behind(|relation| wall.walled(relation));
        self.walls.push((which, mount, store, wall.sealer()));
        Ok(ceiling)
    }

    async fn gateway(&mut self, which: Which, mount: Mount, read: &Read) -> Outcome {
        if let Some((_, _, store, sealer)) = self.walls.iter().find(|(of, on, ..)| *of == which && *on == mount) {
            let (sealer, said) = (sealer.clone(), Said::new(read.claims(), read.plan().lends()));
            let seal = Seal::new(move |pid, until| sealer.seal(pid, until, &said));
            return through(store, read, Some(Behind::Postgres(seal)), &shown).await;
        }
        let store = if which == Which::Other { &self.other } else { &self.one };
        through(store, read, None, &shown).await
    }

    async fn direct(&mut self, which: Which, sql: &str, values: &[Value]) -> Outcome {
        ask(if which == Which::Copy { &self.direct_copy } else { &self.direct_one }, sql, values).await
    }

    async fn is_arbitrary(&mut self, world: &World, which: Which, sql: &str, values: &[Value], ordered: bool) -> bool {
        if self.otherwise.as_ref().is_none_or(|(known, _)| *known != which) {
            let layout = Layout { reversed: true, indexed: true };
            if fill(world, which, layout, &self.server, "again").await.is_err() {
                return false;
            }
            let Ok(client) = as_a_person(&self.server, "again").await else { return false };
            self.otherwise = Some((which, client));
        }
        let Some((_, client)) = &self.otherwise else { return false };
        let first = ask(if which == Which::Copy { &self.direct_copy } else { &self.direct_one }, sql, values).await;
        for setting in ["on", "off"] {
            let settings = ["hashjoin", "hashagg", "seqscan", "nestloop"];
            let list: String = settings.iter().map(|name| format!("SET enable_{name} = {setting};")).collect();
            if client.batch_execute(&list).await.is_err() {
                return false;
            }
            if difference(&first, &ask(client, sql, values).await, ordered).is_some() {
                return true;
            }
        }
        false
    }
}
