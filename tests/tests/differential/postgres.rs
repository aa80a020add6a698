//! PostgreSQL, on scratch databases of a server that `cargo xtask test` starts.

use mountgate_backend::wall::postgres::{PostgresWall, Said, Secrets, WallKeys};
use mountgate_core::{Catalogue, Ceiling, RelationName, Value};
use mountgate_driver::{Behind, PostgresAdmin, PostgresConfig, Seal, Store, StoreConfig};
use mountgate_sql::Dialect;
use mountgate_tests::tpch;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage, types::Type};

use crate::{
    compare::{Answer, difference, float, literal, permissive, refused, report, rewrite, through_driver_behind},
    corpus::{self, Case},
};

/// The server's URL without its database. A missing server is a failure: skipped tests pass for years.
fn server() -> String {
    let url = std::env::var("MOUNTGATE_TEST_POSTGRES").unwrap_or_else(|_| {
        panic!("MOUNTGATE_TEST_POSTGRES is not set; run `cargo xtask test`, which starts a PostgreSQL and sets it")
    });
    let (scheme, rest) = url.split_once("://").unwrap_or_else(|| panic!("MOUNTGATE_TEST_POSTGRES is no URL"));
    let authority = rest.split('/').next().unwrap_or(rest);
    format!("{scheme}://{authority}")
}

async fn connect(database: &str) -> Client {
    connect_to(&format!("{}/{database}", server())).await
}

async fn connect_to(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

pub(crate) async fn run(client: &Client, sql: &str, values: &[Value]) -> Result<Answer, String> {
    let told = |error: tokio_postgres::Error| match error.as_db_error() {
        Some(inner) => inner.to_string(),
        None => error.to_string(),
    };
    let described = client.prepare(sql).await.map_err(told)?;
    let columns = described.columns().iter().map(|column| column.name().to_owned()).collect();
    let types: Vec<Type> = described.columns().iter().map(|column| column.type_().clone()).collect();
    // As text, and with parameters as text: exactly what the server makes of them.
    let messages = if values.is_empty() {
        client.simple_query(sql).await.map_err(told)?
    } else {
        client.batch_execute(&format!("PREPARE direct AS {sql}")).await.map_err(told)?;
        let list: Vec<String> = values.iter().map(literal).collect();
        let done = client.simple_query(&format!("EXECUTE direct ({})", list.join(", "))).await;
        client.batch_execute("DEALLOCATE direct").await.map_err(told)?;
        done.map_err(told)?
    };
    let mut rows = vec![];
    for message in messages {
        let SimpleQueryMessage::Row(row) = message else { continue };
        let cell = |(at, ty): (usize, &Type)| match row.get(at) {
            None => "NULL".to_owned(),
            Some(text) if *ty == Type::FLOAT4 || *ty == Type::FLOAT8 => float(text.parse().unwrap()),
            Some(text) => format!("{}:{text}", ty.name()),
        };
        rows.push(types.iter().enumerate().map(cell).collect());
    }
    Ok(Answer { columns, rows })
}

/// Clients of a database: one as a person connects, one as the driver pins it.
pub(crate) async fn clients(url: &str) -> (Client, Client) {
    let (direct, pinned) = (connect_to(url).await, connect_to(url).await);
    for client in [&direct, &pinned] {
        client
            .batch_execute("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'iso_8601'")
            .await
            .unwrap();
    }
    pinned.batch_execute("SET search_path = pg_catalog, pg_temp").await.unwrap();
    (direct, pinned)
}

/// The tables of the public schema.
pub(crate) async fn catalogue(store: &Store, direct: &Client) -> Catalogue {
    let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";
    let names: Vec<RelationName> =
        direct.query(tables, &[]).await.unwrap().iter().map(|row| RelationName::from(row.get::<_, &str>(0))).collect();
    store.catalogue(&names).await.unwrap()
}

/// Makes a database of that name and the clients on it: one as a person connects, one as the driver pins it.
async fn database(name: &str) -> (Client, Client, Store) {
    let admin = connect("postgres").await;
    admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
    admin
        .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"))
        .await
        .unwrap();
    let url = format!("{}/{name}", server());
    let (direct, pinned) = clients(&url).await;
    let config = PostgresConfig::new(&url).unwrap();
    (direct, pinned, Store::open(StoreConfig::Postgres(config)).await.unwrap())
}

/// A permissive mount's own wall in that database, and clients behind it.
async fn walled(name: &str, direct: &Client, store: &Store) -> (Ceiling, Client, Store, Behind) {
    let ceiling = permissive(&catalogue(store, direct).await);
    let id = name.bytes().fold(5381_u32, |hash, byte| hash.wrapping_mul(33) ^ u32::from(byte));
    let keys =
        WallKeys { id: id.to_be_bytes().to_vec(), password: "differential".to_owned().into(), seal: [3; 32].into() };
    let wall = PostgresWall::new(&"differential".into(), &ceiling, keys, &|_, _| [0; 32]).unwrap();
    let url = format!("{}/{name}", server());
    let config = PostgresConfig::new(&url).unwrap();
    let admin = PostgresAdmin::connect(&config).await.unwrap();
    admin.run(&wall.provision(Secrets::Written)).await.unwrap_or_else(|error| panic!("{}", error.detail));
    let login = &wall.names().login;
    let behind = config.behind_wall(login, wall.password(), &wall.search_path());
    let mut config: tokio_postgres::Config = url.parse().unwrap();
    let (client, connection) = config.user(login).password(wall.password()).connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'iso_8601'").await.unwrap();
    let (sealer, said) = (wall.sealer(), Said::new(&[], false));
    let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let seal = sealer.seal(pid, i64::MAX / 2, &said);
    client.execute("SELECT set_config('mountgate.seal', $1, false)", &[&seal]).await.unwrap();
    let store = Store::open(StoreConfig::Postgres(behind)).await.unwrap();
    let behind = Behind::Postgres(Seal::new(move |pid, until| sealer.seal(pid, until, &said)));
    (ceiling.behind(|relation| wall.walled(relation)), client, store, behind)
}

async fn differential(direct: &Client, pinned: &Client, store: &Store, cases: Vec<Case>, limits: Vec<Case>) {
    let ceiling = permissive(&catalogue(store, direct).await);
    compared(direct, pinned, store, &ceiling, None, cases, limits).await;
}

async fn compared(
    direct: &Client,
    pinned: &Client,
    store: &Store,
    ceiling: &Ceiling,
    behind: Option<Behind>,
    cases: Vec<Case>,
    limits: Vec<Case>,
) {
    let mut findings = vec![];
    for case in &cases {
        let answer = match run(direct, &case.sql, &case.parameters).await {
            Ok(answer) => answer,
            Err(error) => {
                findings.push((case.name.clone(), case.sql.clone(), format!("fails directly: {error}")));
                continue;
            }
        };
        let outcome = async {
            let read = rewrite(Dialect::Postgres, ceiling, case)?;
            let with = |what: String| format!("{what}\n   as {}", read.sql());
            let ours = run(pinned, read.sql(), read.values()).await.map_err(with)?;
            if let Some(what) = difference(&answer, &ours, case.ordered) {
                return Err(with(what));
            }
            through_driver_behind(store, &read, &answer, behind.clone()).await.map_err(with)
        };
        if let Err(what) = outcome.await {
            findings.push((case.name.clone(), case.sql.clone(), what));
        }
    }
    for case in &limits {
        let answer = run(direct, &case.sql, &case.parameters).await;
        if let Some(what) = refused(Dialect::Postgres, ceiling, case, answer) {
            findings.push((case.name.clone(), case.sql.clone(), what));
        }
    }
    report(cases.len() + limits.len(), &findings);
}

#[tokio::test]
async fn tpch_has_the_same_answers() {
    let (direct, pinned, store) = database("mountgate_differential_tpch").await;
    tpch::load::postgres(&direct, &tpch::tables()).await.unwrap();
    let mut empty = vec![];
    for case in corpus::tpch("postgres") {
        let answer = run(&direct, &case.sql, &[]).await.unwrap();
        if answer.rows.iter().flatten().all(|cell| cell == "NULL") {
            empty.push(case.name);
        }
    }
    assert!(empty.is_empty(), "these find nothing: {empty:?}");
    differential(&direct, &pinned, &store, corpus::tpch("postgres"), vec![]).await;
}

#[tokio::test]
async fn the_shops_statements_have_the_same_answers() {
    let (direct, pinned, store) = database("mountgate_differential_shop").await;
    direct.batch_execute(&corpus::file("shop/postgres.sql")).await.unwrap();
    differential(&direct, &pinned, &store, corpus::shop("postgres"), corpus::refused("postgres")).await;
}

/// The same behind PostgreSQL's own wall: it changes nothing of what a permissive mount answers.
#[tokio::test]
async fn behind_its_wall_the_answers_are_the_same() {
    for (name, data, cases, limits) in [
        ("mountgate_differential_tpch_walled", None, corpus::tpch("postgres"), vec![]),
        (
            "mountgate_differential_shop_walled",
            Some("shop/postgres.sql"),
            corpus::shop("postgres"),
            corpus::refused("postgres"),
        ),
    ] {
        let (direct, _, store) = database(name).await;
        match data {
            Some(file) => direct.batch_execute(&corpus::file(file)).await.unwrap(),
            None => tpch::load::postgres(&direct, &tpch::tables()).await.unwrap(),
        }
        let (ceiling, pinned, store, behind) = walled(name, &direct, &store).await;
        compared(&direct, &pinned, &store, &ceiling, Some(behind), cases, limits).await;
    }
}

/// Words of the grammar, which no catalogue lists, and what is newer than the oldest server that we take.
const NOT_IN_PG_PROC: [&str; 11] = [
    "any_value",
    "coalesce",
    "current_date",
    "current_time",
    "current_timestamp",
    "greatest",
    "grouping",
    "least",
    "localtime",
    "localtimestamp",
    "nullif",
];

/// The allow-list holds what it says: functions of the server's own, none of which changes anything.
#[tokio::test]
async fn the_allow_lists_functions_are_the_servers_and_none_is_volatile_but_the_draws() {
    let client = connect("postgres").await;
    let rows = client
        .query(
            "SELECT proname::text, bool_or(provolatile = 'v'), bool_or(prosecdef), bool_or(prokind = 'p') FROM pg_proc \
             WHERE pronamespace = 'pg_catalog'::regnamespace GROUP BY proname",
            &[],
        )
        .await
        .unwrap();
    let known: std::collections::BTreeMap<String, [bool; 3]> =
        rows.iter().map(|row| (row.get(0), [row.get(1), row.get(2), row.get(3)])).collect();
    for function in mountgate_sql::allow::every_function(Dialect::Postgres) {
        if NOT_IN_PG_PROC.contains(&function.name) {
            continue;
        }
        let Some([volatile, definer, procedure]) = known.get(function.name) else {
            panic!("`{}` is on the list and not in pg_catalog", function.name)
        };
        let draw = ["random", "gen_random_uuid"].contains(&function.name);
        assert_eq!(*volatile, draw, "`{}`", function.name);
        assert!(!definer && !procedure, "`{}`", function.name);
    }
}
