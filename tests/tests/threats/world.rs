//! Two gateways per engine, over stores that differ in what is out of scope.

use std::{collections::BTreeMap, path::PathBuf};

use mountgate::serve::{Overrides, Server};
use mountgate_core::{ClaimName, ClaimValue, Code, Door, Refusal, Value};
use mountgate_mediate::{Gateway, Query};
use tokio_postgres::{Client, NoTls};

/// The engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

pub(crate) const BOTH: [Engine; 2] = [Engine::Sqlite, Engine::Postgres];

const TABLES: &str = "
CREATE TABLE customers (customer_id INTEGER PRIMARY KEY, name VARCHAR(40), email VARCHAR(80), joined DATE,
    spent INTEGER, salary INTEGER, region VARCHAR(20));
CREATE TABLE orders (order_id INTEGER PRIMARY KEY, customer_id INTEGER, status VARCHAR(20), total INTEGER,
    tenant VARCHAR(20));
CREATE TABLE notenant (v VARCHAR(20));
CREATE TABLE secrets (id INTEGER PRIMARY KEY, word VARCHAR(40));
CREATE INDEX orders_customer ON orders (customer_id);
INSERT INTO notenant VALUES ('one'), ('two');
INSERT INTO orders VALUES (10, 1, 'open', 12, 'a'), (11, 1, 'shipped', 99, 'a'), (12, 3, 'open', 7, 'a');
";

/// What both may see alike; `{}` is the middle of each masked address.
const SEEN: &str = "
INSERT INTO customers VALUES
  (1, 'Ada', 'a{}@example.org', '2020-{m}-01', 1{d}5, {salary}1, 'north'),
  (3, 'Cyd', 'c{}@example.org', '2021-{m}-02', 2{d}5, {salary}2, 'north'),
  (4, 'Eve', NULL, NULL, NULL, NULL, 'north');
";

/// Hidden rows on which predicates would raise or print, were they to see them.
const HIDDEN: [&str; 2] = [
    "INSERT INTO customers VALUES (2, '0', 'zero@example.org', '2019-01-01', 0, 0, 'south');
     INSERT INTO orders VALUES (0, 2, 'canary-status', 0, 'b'), (13, 1, 'open', 0, 'b');
     INSERT INTO secrets VALUES (1, 'canary-secret');",
    "INSERT INTO customers VALUES (2, 'Bob', 'bob@example.org', '2018-05-05', 500, 777, 'south'),
       (5, 'canary-name', 'x', '2017-01-01', 2147483647, 1, 'NORTH');
     INSERT INTO orders VALUES (14, 3, 'shipped', 5, 'b'), (15, 3, 'shipped', 5, 'A');
     INSERT INTO secrets VALUES (7, 'canary-other');",
];

const MOUNT: &str = r#"
name    = "test"
backend = "shop"
agents  = ["desk"]
policy  = "ceiling"

[limits]
max_rows = 1000
timeout  = "3s"

[tables.customers]
columns = ["customer_id", "name", "email", "joined", "spent"]
masks   = { email = { partial = { first = 1, last = 4 } }, joined = { truncate = "year" }, spent = { bucket = 100 } }
filter  = "region = claim.region"

[tables.orders]
columns = ["order_id", "customer_id", "status", "total"]
# Dearer than an agent's predicate, so that PostgreSQL would run that one first.
filter  = "tenant = claim.tenant OR tenant = 'y' OR tenant = 'z'"

[tables.notenant]
columns = ["v"]
"#;

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Value>>,
    pub(crate) truncated: bool,
}

/// A whole gateway over one store, and a session of an agent with claims.
pub(crate) struct World {
    gateway: Gateway,
    token: String,
    _server: Server,
    _folder: tempfile::TempDir,
}

/// The server's URL without its database.
fn server() -> String {
    let url = std::env::var("MOUNTGATE_TEST_POSTGRES").expect(
        "MOUNTGATE_TEST_POSTGRES must hold the URL of a superuser of a scratch PostgreSQL; `cargo xtask test` sets one up",
    );
    let (scheme, rest) = url.split_once("://").expect("MOUNTGATE_TEST_POSTGRES is a URL");
    format!("{scheme}://{}", rest.split('/').next().unwrap_or(rest))
}

async fn connect(database: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(&format!("{}/{database}", server()), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

impl World {
    /// A gateway over a store of its own that `data` made. `name` tells databases apart.
    pub(crate) async fn with(engine: Engine, name: &str, data: &str, mount: &str, claims: &[(&str, &str)]) -> Self {
        Self::load(engine, name, data, mount, claims).await.unwrap()
    }

    /// The same, for a mount that may not load.
    pub(crate) async fn load(
        engine: Engine,
        name: &str,
        data: &str,
        mount: &str,
        claims: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().unwrap();
        let backend = match engine {
            Engine::Sqlite => {
                let path: PathBuf = folder.path().join("shop.db");
                rusqlite::Connection::open(&path).unwrap().execute_batch(data).unwrap();
                format!("kind = \"sqlite\"\npath = {:?}", path.display().to_string())
            }
            Engine::Postgres => {
                let database = format!("mountgate_threats_{name}{}", if crate::WALLED { "_walled" } else { "" });
                let admin = connect("postgres").await;
                admin.batch_execute(&format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)")).await.unwrap();
                let create = format!("CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'");
                admin.batch_execute(&create).await.unwrap();
                connect(&database).await.batch_execute(data).await.unwrap();
                std::fs::write(folder.path().join("url"), format!("{}/{database}", server())).unwrap();
                let wall = if crate::WALLED { "require" } else { "off" };
                format!("kind = \"postgres\"\nurl = {{ file = \"url\" }}\npool = 2\nwall = \"{wall}\"")
            }
        };
        std::fs::create_dir(folder.path().join("mounts")).unwrap();
        std::fs::write(folder.path().join("mounts/test.toml"), mount).unwrap();
        let main = folder.path().join("mountgate.toml");
        let gate = "[gate]\nrequests = \"100_000/second\"";
        let puppet = concat!(env!("CARGO_MANIFEST_DIR"), "/puppet/puppet.wasm");
        let plugins = format!(
            "[plugins.\"test/puppet\"]\npath = {puppet:?}\n\n[plugins_development]\nallow_unsigned_plugins = true"
        );
        std::fs::write(&main, format!("[backends.shop]\n{backend}\n\n{gate}\n\n{plugins}\n")).unwrap();
        if crate::WALLED && engine == Engine::Postgres {
            mountgate_tests::walls::provision(&main).await?;
        }
        let server =
            Server::start(&main, Overrides { data_port: Some(0), admin_port: Some(0), ..Overrides::default() }).await?;
        let gateway = server.gateway().clone();
        gateway.identity().add_agent("desk", &BTreeMap::new()).unwrap();
        let claims =
            claims.iter().map(|(name, text)| (ClaimName::from(*name), ClaimValue::Text((*text).into()))).collect();
        let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
        let minted = gateway.identity().operator_mint(&"desk".into(), &claims, 3_600_000, now).unwrap();
        let token = minted.token.expose().to_owned();
        Ok(Self { gateway, token, _server: server, _folder: folder })
    }

    /// Another session of the same agent.
    pub(crate) fn session(&self, claims: &[(&str, ClaimValue)]) -> String {
        let claims = claims.iter().map(|(name, value)| (ClaimName::from(*name), value.clone())).collect();
        let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
        self.gateway
            .identity()
            .operator_mint(&"desk".into(), &claims, 3_600_000, now)
            .unwrap()
            .token
            .expose()
            .to_owned()
    }

    pub(crate) async fn ask(&self, sql: &str, params: &[Value]) -> Result<Answer, Refusal> {
        self.ask_as(&self.token, sql, params).await
    }

    pub(crate) async fn ask_as(&self, token: &str, sql: &str, params: &[Value]) -> Result<Answer, Refusal> {
        let entered = self.gateway.enter(Some(token), Door::Http).map_err(|refused| refused.refusal)?;
        let query = Query { mount: "test".into(), sql: sql.to_owned(), params: params.to_vec(), purpose: None };
        let mut reply = self.gateway.query(&entered, query).await.map_err(|refused| refused.refusal)?;
        let mut rows = Vec::new();
        while let Some(batch) = reply.answer.next().await? {
            rows.extend(batch.rows().map(<[Value]>::to_vec));
        }
        let truncated = reply.answer.summary().truncated;
        Ok(Answer { columns: reply.columns.iter().map(|column| column.name.clone()).collect(), rows, truncated })
    }
}

/// Two worlds that an agent must not be able to tell apart.
pub(crate) struct Pair {
    pub(crate) engine: Engine,
    one: World,
    other: World,
}

impl Pair {
    /// `name` is the test's: databases are told apart by it.
    pub(crate) async fn new(engine: Engine, name: &str) -> Self {
        let seen = |middle: &str, month: &str, digit: &str, salary: &str| {
            SEEN.replace("{}", middle).replace("{m}", month).replace("{d}", digit).replace("{salary}", salary)
        };
        let claims = [("region", "north"), ("tenant", "a")];
        let one = format!("{TABLES}{}{}", seen("da", "03", "1", "10"), HIDDEN[0]);
        let other = format!("{TABLES}{}{}", seen("xy", "11", "8", "99"), HIDDEN[1]);
        Self {
            engine,
            one: World::with(engine, &format!("{name}_one"), &one, MOUNT, &claims).await,
            other: World::with(engine, &format!("{name}_other"), &other, MOUNT, &claims).await,
        }
    }

    /// What each answers, or refuses.
    pub(crate) async fn each(&self, sql: &str, params: &[Value]) -> (Result<Answer, Refusal>, Result<Answer, Refusal>) {
        tokio::join!(self.one.ask(sql, params), self.other.ask(sql, params))
    }

    /// What both answer, or refuse.
    pub(crate) async fn same(&self, sql: &str, params: &[Value]) -> Result<Answer, Refusal> {
        let (mut one, mut other) = self.each(sql, params).await;
        if !sql.contains("ORDER BY") {
            for answer in [&mut one, &mut other].into_iter().flatten() {
                answer.rows.sort_by_key(|row| format!("{row:?}"));
            }
        }
        let told = |outcome: &Result<Answer, Refusal>| format!("{outcome:?}");
        assert_eq!(told(&one), told(&other), "{:?} tells the two apart: {sql}", self.engine);
        assert!(!told(&one).contains("canary"), "{:?} {sql}: {one:?}", self.engine);
        one
    }

    /// That both answer alike.
    pub(crate) async fn answered(&self, sql: &str) -> Vec<Vec<Value>> {
        match self.same(sql, &[]).await {
            Ok(answer) => answer.rows,
            Err(refusal) => panic!("{:?} refuses {sql}: {refusal:?}", self.engine),
        }
    }

    /// That both refuse alike, with one of the codes.
    pub(crate) async fn refused(&self, sql: &str, codes: &[Code]) -> Refusal {
        match self.same(sql, &[]).await {
            Ok(answer) => panic!("{:?} answers {sql}: {answer:?}", self.engine),
            Err(refusal) => {
                assert!(codes.contains(&refusal.code), "{:?} {sql}: {refusal:?}", self.engine);
                refusal
            }
        }
    }
}

/// Refused before anything runs.
pub(crate) const BEFORE: &[Code] = &[Code::NotInScope, Code::Unsupported, Code::Unparseable];

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.into())
}
