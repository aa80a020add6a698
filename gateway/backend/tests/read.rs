//! The whole way of a read from a statement's text to its rows, on both engines: what the driver's functions, the
//! printed SQL and the binders make of masks and claims must be one thing.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use mountgate_backend::Backend;
use mountgate_core::{
    Catalogue, Ceiling, ClaimValue, Claims, ColumnName, CompareOp, DatePart, DecisionRequest, Digest, Door, Filter,
    LimitKey, Limits, Mask, MountName, Node, Refusal, RelationName, Scope, Value, Verdict,
    ceiling::RelationDeclaration, verdict::Grant,
};
use mountgate_driver::{PostgresConfig, SqliteConfig, Store, StoreConfig};
use mountgate_ledger::{CapsRecord, DecisionId, DecisionRecord, Ledger, LedgerConfig};
use mountgate_limits::{BudgetKey, Limiter};
use mountgate_sql::{MaskKeys, Statement};

const SHOP: &str = "CREATE TABLE people (id BIGINT PRIMARY KEY, customer BIGINT, name VARCHAR(40), email VARCHAR(80),
        born DATE, salary BIGINT, active BOOLEAN);
    INSERT INTO people VALUES
        (1, 7, 'Alice', 'alice@example.org', '1990-05-17', 51234, true),
        (2, 7, 'Bob', NULL, '1985-12-31', 48750, false),
        (3, 8, 'Mallory', 'mallory@example.org', '1970-01-01', 99999, true);";

struct Keys;

impl MaskKeys for Keys {
    fn key(&self, _: &RelationName, _: &ColumnName) -> [u8; 32] {
        [7; 32]
    }
}

struct Mount {
    backend: Backend,
    ceiling: Ceiling,
    limiter: Limiter,
    ledger: Ledger,
    _dir: tempfile::TempDir,
}

impl Mount {
    async fn new(store: Store, dir: tempfile::TempDir) -> Self {
        let backend = Backend::new("shop".into(), store);
        let names = [RelationName::from("people")];
        let catalogue: Catalogue = backend.catalogue(&names).await.unwrap();
        let masks = [
            ("name", Mask::Hash),
            ("email", Mask::Partial { first: 1, last: 4, fill: "*".into() }),
            ("born", Mask::Truncate(DatePart::Quarter)),
            ("salary", Mask::Bucket { width: 1000 }),
        ];
        let declaration = RelationDeclaration {
            columns: ["id", "name", "email", "born", "salary", "active"].map(ColumnName::from).to_vec(),
            masks: masks.into_iter().map(|(column, mask)| (column.into(), mask)).collect(),
            filter: Some(
                Filter::new(vec![
                    Node::Column("customer".into()),
                    Node::Claim("customer".into()),
                    Node::Compare { op: CompareOp::Eq, left: 0, right: 1 },
                ])
                .unwrap(),
            ),
            ..RelationDeclaration::default()
        };
        let declared = BTreeMap::from([(names[0].clone(), declaration)]);
        let limits = Limits { max_rows: Some(100), timeout_ms: Some(10_000), ..Limits::default() };
        let ceiling =
            Ceiling::build(&declared, &catalogue, vec!["a".into()], limits, LimitKey::Agent, None, None).unwrap();
        let ledger = Ledger::open(&LedgerConfig::new(dir.path().join("ledger"), [1; 32], [2; 32])).unwrap();
        Self { backend, ceiling, limiter: Limiter::new(), ledger, _dir: dir }
    }

    async fn ask(&self, sql: &str, parameters: &[Value], customer: i64) -> Result<Vec<Vec<Value>>, Refusal> {
        let statement = Statement::parse(self.backend.dialect(), sql)?;
        let touch = statement.touch(&self.ceiling)?;
        let scope = Scope::narrow(&self.ceiling, &touch, &Grant::Ceiling).unwrap();
        let plan = Arc::new(statement.enforce(&scope)?);
        let claims = Claims::from([("customer".into(), ClaimValue::Integer(customer))]);
        let authorized = plan.authorize(parameters, &claims, &Keys)?;
        let key = BudgetKey { mount: MountName::from("m"), agent: None, session: None };
        let permitted = self.limiter.permit(authorized, key, &self.ceiling.limits, Instant::now())?;
        let request = DecisionRequest {
            agent: "a".into(),
            session: None,
            claims: claims.into(),
            mount: "m".into(),
            door: Door::Http,
            purpose: None,
            time: None,
            usage: None,
            parameters: None,
            touch: Arc::new(touch),
            ceiling: Arc::new(Vec::new()),
            limits: Arc::new(self.ceiling.limits.clone()),
        };
        let verdict = Verdict::Allow { grant: Grant::Ceiling, limits: Limits::default(), valid_for_ms: None };
        let record = DecisionRecord {
            id: DecisionId::new(),
            time_ms: 0,
            generation: 1,
            plugin: Digest::of(b"plugin"),
            settings: None,
            cached: false,
            replayable: true,
            request: &request,
            parameters,
            verdict: &verdict,
            grant: None,
            masks: &[],
            caps: CapsRecord { max_rows: 100, max_bytes: 1 << 20, timeout_ms: 10_000 },
            fenced: plan.fenced(),
            counted: &[],
            statement: sql,
        };
        let recorded = self.ledger.record(permitted, &record).unwrap();
        let mut answer = self.backend.read(recorded).await?;
        let mut rows = Vec::new();
        while let Some(batch) = answer.next().await? {
            rows.extend(batch.rows().map(<[Value]>::to_vec));
        }
        Ok(rows)
    }
}

async fn sqlite() -> Mount {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(SHOP).unwrap();
    let store = Store::open(StoreConfig::Sqlite(SqliteConfig::new(&path))).await.unwrap();
    Mount::new(store, dir).await
}

async fn postgres() -> Mount {
    let url = std::env::var("MOUNTGATE_TEST_POSTGRES").expect(
        "MOUNTGATE_TEST_POSTGRES must hold the URL of a superuser of a scratch PostgreSQL; `cargo xtask test` sets one up",
    );
    let (admin, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    admin.batch_execute("DROP DATABASE IF EXISTS backend_read WITH (FORCE)").await.unwrap();
    admin.batch_execute("CREATE DATABASE backend_read TEMPLATE template0 ENCODING 'UTF8'").await.unwrap();
    let (root, _) = url.rsplit_once('/').unwrap();
    let url = format!("{root}/backend_read");
    let (admin, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    admin.batch_execute(SHOP).await.unwrap();
    let store = Store::open(StoreConfig::Postgres(PostgresConfig::new(&url).unwrap())).await.unwrap();
    Mount::new(store, tempfile::tempdir().unwrap()).await
}

/// Dates are text in SQLite.
fn plain(value: &Value) -> Value {
    match value {
        Value::Date(text) => Value::Text(text.clone()),
        other => other.clone(),
    }
}

async fn scoped_and_masked(mount: &Mount) -> Vec<Vec<Value>> {
    let sql = "SELECT id, name, email, born, salary, active FROM people ORDER BY id";
    let rows = mount.ask(sql, &[], 7).await.unwrap();
    let rows: Vec<Vec<Value>> = rows.iter().map(|row| row.iter().map(plain).collect()).collect();
    let text = |text: &str| Value::Text(text.into());
    // Alice's hash by another hand: HMAC-SHA-256 under 32 bytes of 7.
    let hash = |name: &[u8]| {
        use hmac::{Hmac, KeyInit, Mac};
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&[7; 32]).unwrap();
        mac.update(name);
        Value::Text(mac.finalize().into_bytes().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    };
    let wanted = [
        [
            Value::Integer(1),
            hash(b"Alice"),
            text("a************.org"),
            text("1990-04-01"),
            Value::Integer(51000),
            Value::Boolean(true),
        ],
        [
            Value::Integer(2),
            hash(b"Bob"),
            Value::Null,
            text("1985-10-01"),
            Value::Integer(48000),
            Value::Boolean(false),
        ],
    ];
    assert_eq!(rows, wanted);
    // What is hidden by the filter is hidden, and what is masked is compared masked.
    let none = mount.ask("SELECT id FROM people WHERE id = 3", &[], 7).await.unwrap();
    assert_eq!(none, Vec::<Vec<Value>>::new());
    let masked = mount.ask("SELECT count(*) FROM people WHERE salary = 51234", &[], 7).await.unwrap();
    assert_eq!(masked, [[Value::Integer(0)]]);
    let count = mount.ask("SELECT count(*) FROM people WHERE active", &[], 8).await.unwrap();
    assert_eq!(count, [[Value::Integer(1)]]);
    rows
}

#[tokio::test]
async fn sqlite_answers_are_scoped_and_masked() {
    let mount = sqlite().await;
    scoped_and_masked(&mount).await;
    let found = mount.ask("SELECT id FROM people WHERE id = ?", &[Value::Integer(2)], 7).await.unwrap();
    assert_eq!(found, [[Value::Integer(2)]]);
}

#[tokio::test]
async fn postgres_answers_are_scoped_and_masked_the_same() {
    let mount = postgres().await;
    let rows = scoped_and_masked(&mount).await;
    let found = mount.ask("SELECT id FROM people WHERE id = $1", &[Value::Integer(2)], 7).await.unwrap();
    assert_eq!(found, [[Value::Integer(2)]]);
    assert_eq!(rows, scoped_and_masked(&sqlite().await).await);
}

#[tokio::test]
async fn a_read_that_is_not_awaited_to_its_end_leaves_its_place() {
    let mount = sqlite().await;
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n, people";
    assert!(tokio::time::timeout(Duration::from_millis(50), mount.ask(endless, &[], 7)).await.is_err());
    assert_eq!(mount.ask("SELECT count(*) FROM people", &[], 7).await.unwrap(), [[Value::Integer(2)]]);
}
