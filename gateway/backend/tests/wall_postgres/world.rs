//! A database with two mounts' walls.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use mountgate_backend::wall::postgres::{PostgresWall, Said, Secrets, WallKeys};
use mountgate_core::{
    Ceiling, ClaimName, ClaimValue, ColumnName, DatePart, LimitKey, Limits, Mask, RelationName, Value,
    ceiling::RelationDeclaration,
};
use mountgate_driver::{Behind, Call, Class, PostgresAdmin, PostgresConfig, PostgresStore, Seal, StoreError};
use tokio_postgres::{Client, NoTls};

const SHOP: &str = "
CREATE TYPE mood AS ENUM ('calm', 'cross');
CREATE TABLE customers (customer_id int8 PRIMARY KEY, name text, email text, region text, salary int4, born date,
    mood mood, span daterange);
CREATE TABLE orders (order_id int8 PRIMARY KEY, customer_id int8, status text, total numeric(10,2), note text);
CREATE TABLE secrets (id int8 PRIMARY KEY, word text);
INSERT INTO customers VALUES
  (1, 'Ada', 'ada@example.org', 'north', 51234, '1990-05-17', 'calm', '[2026-01-01,2027-01-01)'),
  (2, '0', 'canary@example.org', 'south', 777, '1985-12-31', 'cross', '[2020-01-01,2021-01-01)'),
  (3, 'Cyd', NULL, 'north', NULL, NULL, NULL, NULL);
INSERT INTO orders SELECT x, x % 3 + 1, CASE WHEN x % 3 = 1 THEN 'canary' ELSE 'open' END, x, 'canary-note' FROM generate_series(1, 3000) x;
CREATE INDEX ON orders (customer_id);
INSERT INTO secrets VALUES (1, 'canary-secret');
ANALYZE;
";

/// Keys that only tests have.
pub(crate) fn keys(database: &str, mount: &str) -> WallKeys {
    let id = format!("{database}{mount}").bytes().fold(5381_u32, |hash, byte| hash.wrapping_mul(33) ^ u32::from(byte));
    let mut seal = [7; 32];
    seal[..4].copy_from_slice(&id.to_be_bytes());
    WallKeys { id: id.to_be_bytes().to_vec(), password: format!("password of {mount}").into(), seal: seal.into() }
}

fn server() -> String {
    std::env::var("MOUNTGATE_TEST_POSTGRES").expect(
        "MOUNTGATE_TEST_POSTGRES must hold the URL of a superuser of a scratch PostgreSQL; `cargo xtask test` sets one up",
    )
}

/// The test server's URL with another database.
pub(crate) fn url(database: &str) -> String {
    let mut url = server();
    let at = url.rfind('/').unwrap();
    url.replace_range(at + 1.., database);
    url
}

pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A relation as a mount's file would declare it.
pub(crate) fn table(columns: &[&str], masks: &[(&str, Mask)], filter: Option<&str>) -> RelationDeclaration {
    RelationDeclaration {
        columns: columns.iter().map(|column| ColumnName::from(*column)).collect(),
        masks: masks.iter().map(|(column, mask)| (ColumnName::from(*column), mask.clone())).collect(),
        filter: filter.map(|text| mountgate_sql::filter::parse(text).unwrap()),
        ..RelationDeclaration::default()
    }
}

pub(crate) type Declared = BTreeMap<RelationName, RelationDeclaration>;

/// What the mount `support` shows: customers and orders of the claim's region and customer.
pub(crate) fn support() -> Declared {
    BTreeMap::from([
        (
            "customers".into(),
            table(
                &["customer_id", "name", "email", "salary", "born"],
                &[
                    ("name", Mask::Hash),
                    ("email", Mask::Partial { first: 1, last: 4, fill: "*".into() }),
                    ("salary", Mask::Bucket { width: 1000 }),
                    ("born", Mask::Truncate(DatePart::Year)),
                ],
                // Dearer than an agent's predicate, so that PostgreSQL would run that one first if it could.
                Some("region = claim.region OR region = 'y' OR region = 'z' OR region = 'w'"),
            ),
        ),
        (
            "orders".into(),
            table(&["order_id", "customer_id", "status", "total"], &[], Some("customer_id = claim.customer_id")),
        ),
    ])
}

/// What the mount `report` shows: names, whoever asks.
pub(crate) fn report() -> Declared {
    BTreeMap::from([("customers".into(), table(&["customer_id", "region"], &[], Some("region <> 'south'")))])
}

pub(crate) fn claims(claims: &[(&str, ClaimValue)]) -> Vec<(ClaimName, ClaimValue)> {
    claims.iter().map(|(name, value)| (ClaimName::from(*name), value.clone())).collect()
}

pub(crate) fn text(text: &str) -> ClaimValue {
    ClaimValue::Text(text.into())
}

/// A mount's wall, and sessions behind it.
pub(crate) struct Walled {
    pub(crate) database: String,
    pub(crate) wall: Arc<PostgresWall>,
    pub(crate) store: PostgresStore,
}

/// The database, with the walls of both mounts.
pub(crate) struct World {
    pub(crate) admin: PostgresAdmin,
    pub(crate) database: String,
    pub(crate) support: Walled,
    pub(crate) report: Walled,
}

/// A wall, not built.
pub(crate) async fn wall(database: &str, mount: &str, declared: &Declared) -> Result<PostgresWall, String> {
    let store = PostgresStore::open(PostgresConfig::new(&url(database)).unwrap()).await.unwrap();
    let names: Vec<RelationName> = declared.keys().cloned().collect();
    let catalogue = store.catalogue(&names).await.unwrap();
    let ceiling = Ceiling::build(declared, &catalogue, vec![], Limits::default(), LimitKey::Agent, None, None).unwrap();
    PostgresWall::new(&mount.into(), &ceiling, keys(database, mount), &|_, _| [9; 32])
}

pub(crate) async fn database(name: &str, data: &str) -> (String, PostgresAdmin) {
    let database = format!("mountgate_wall_{name}");
    let admin = connect(&url("postgres")).await;
    admin.batch_execute(&format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)")).await.unwrap();
    admin
        .batch_execute(&format!("CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"))
        .await
        .unwrap();
    let admin = PostgresAdmin::connect(&PostgresConfig::new(&url(&database)).unwrap()).await.unwrap();
    admin.run(data).await.unwrap();
    (database, admin)
}

impl Walled {
    pub(crate) async fn build(admin: &PostgresAdmin, database: &str, mount: &str, declared: &Declared) -> Self {
        let wall = wall(database, mount, declared).await.unwrap();
        admin.run(&wall.provision(Secrets::Written)).await.unwrap_or_else(|e| panic!("{mount}: {}", e.detail));
        Self::open(database, wall).await
    }

    pub(crate) async fn open(database: &str, wall: PostgresWall) -> Self {
        let mut config = PostgresConfig::new(&url(database)).unwrap().behind_wall(
            &wall.names().login,
            wall.password(),
            &wall.search_path(),
        );
        config.connections = 1;
        let store = PostgresStore::open(config).await.unwrap();
        Self { database: database.to_owned(), wall: Arc::new(wall), store }
    }

    /// The agent's own text on a session of the mount's, under a seal with those claims: the rewriter is down.
    pub(crate) async fn ask(
        &self,
        claims: &[(ClaimName, ClaimValue)],
        sql: &str,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let (sealer, said) = (self.wall.sealer(), Said::new(claims, false));
        let seal = Some(Seal::new(move |pid, until| sealer.seal(pid, until, &said)));
        self.run(sql, seal).await
    }

    pub(crate) async fn run(&self, sql: &str, seal: Option<Seal>) -> Result<Vec<Vec<Value>>, StoreError> {
        let call = Call {
            sql: Arc::from(sql),
            values: vec![],
            timeout: Duration::from_secs(20),
            behind: seal.map(Behind::Postgres),
        };
        let mut rows = self.store.stream(call).await?;
        let mut out = Vec::new();
        while let Some(batch) = rows.next().await? {
            out.extend(batch.rows().map(<[Value]>::to_vec));
        }
        Ok(out)
    }

    /// As an agent of the region `north`, customer 1.
    pub(crate) async fn north(&self, sql: &str) -> Result<Vec<Vec<Value>>, StoreError> {
        self.ask(&north(), sql).await
    }

    /// The class and text of the refusal; no answer, and no canary, comes.
    pub(crate) async fn refused(&self, sql: &str) -> (Class, String) {
        match self.north(sql).await {
            Ok(rows) => panic!("`{sql}` gave {rows:?}"),
            Err(error) => {
                assert!(!error.detail.contains("canary"), "`{sql}` told {}", error.detail);
                (error.class, error.detail)
            }
        }
    }

    /// A connection that anyone could make who has the login's password: no driver in between.
    pub(crate) async fn log_in(&self) -> Client {
        let mut config: tokio_postgres::Config = url(&self.database).parse().unwrap();
        config.user(&self.wall.names().login).password(self.wall.password());
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// A seal for that session, for a minute.
    pub(crate) async fn seal_for(&self, client: &Client, claims: &[(ClaimName, ClaimValue)]) -> String {
        let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        self.wall.sealer().seal(pid, now_ms() + 60_000, &Said::new(claims, false))
    }
}

pub(crate) fn north() -> Vec<(ClaimName, ClaimValue)> {
    claims(&[("region", text("north")), ("customer_id", ClaimValue::Integer(1))])
}

pub(crate) fn now_ms() -> i64 {
    i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

/// Sets the seal on a raw session.
pub(crate) async fn set_seal(client: &Client, seal: &str) {
    client.execute("SELECT set_config('mountgate.seal', $1, false)", &[&seal]).await.unwrap();
}

impl World {
    pub(crate) async fn new(name: &str) -> Self {
        let (database, admin) = database(name, SHOP).await;
        let support = Walled::build(&admin, &database, "support", &support()).await;
        let report = Walled::build(&admin, &database, "report", &report()).await;
        Self { admin, database, support, report }
    }
}
