//! What the bench looks up.

use anyhow::Context as _;

/// Rows of `orders`.
pub(crate) const ORDERS: u64 = 100_000;
/// Rows of `big`.
pub(crate) const BIG: u64 = 1_000_000;

/// A store that is filled.
pub(crate) struct Stored {
    pub(crate) dialect: &'static str,
    /// The look-up that everyone makes.
    pub(crate) lookup: &'static str,
    /// What the floor needs before a table's name: its sessions have no search path either.
    pub(crate) schema: &'static str,
    /// For the floor: `sqlite:` and a path, or a URL.
    pub(crate) place: String,
    /// For the gateway: its section of the main file.
    pub(crate) section: String,
    _folder: Option<tempfile::TempDir>,
}

impl Stored {
    /// Whether it has a wall that must be built first, and so can be measured beside none.
    pub(crate) fn has_provisioned_wall(&self) -> bool {
        self.dialect == "postgres"
    }
}

const TABLES: &str = "
CREATE TABLE orders (order_id BIGINT PRIMARY KEY, customer_id BIGINT, status TEXT, total_cents BIGINT);
CREATE TABLE big (id BIGINT PRIMARY KEY, customer_id BIGINT, status TEXT, note TEXT);
";

/// In a file.
pub(crate) fn sqlite() -> anyhow::Result<Stored> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("bench.db");
    let connection = rusqlite::Connection::open(&path)?;
    let numbers = |most: u64| format!("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT {most})");
    connection.execute_batch(&TABLES.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY"))?;
    connection.execute_batch(&format!(
        "BEGIN;
         {} INSERT INTO orders SELECT x, x % 977, CASE x % 3 WHEN 0 THEN 'open' ELSE 'shipped' END, x * 7 FROM n;
         {} INSERT INTO big SELECT x, x % 977, CASE x % 3 WHEN 0 THEN 'open' ELSE 'shipped' END, 'a note of order ' || x FROM n;
         COMMIT; ANALYZE;",
        numbers(ORDERS),
        numbers(BIG)
    ))?;
    Ok(Stored {
        dialect: "sqlite",
        lookup: "SELECT order_id, customer_id, status, total_cents FROM orders WHERE order_id = ?1",
        schema: "main.",
        place: format!("sqlite:{}", path.display()),
        section: format!("kind = \"sqlite\"\npath = \"{}\"", path.display()),
        _folder: Some(folder),
    })
}

/// In a database of its own on that server.
pub(crate) async fn postgres(url: &str) -> anyhow::Result<Stored> {
    const NAME: &str = "mountgate_bench";
    let mut config: tokio_postgres::Config = url.parse()?;
    let client = connect(&config).await?;
    client.batch_execute(&format!("DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")).await?;
    client.batch_execute(&format!("CREATE DATABASE {NAME}")).await?;
    let client = connect(config.dbname(NAME)).await?;
    client.batch_execute(TABLES).await?;
    client
        .batch_execute(&format!(
            "INSERT INTO orders SELECT x, x % 977, CASE x % 3 WHEN 0 THEN 'open' ELSE 'shipped' END, x * 7
               FROM generate_series(1, {ORDERS}) x;
             INSERT INTO big SELECT x, x % 977, CASE x % 3 WHEN 0 THEN 'open' ELSE 'shipped' END, 'a note of order ' || x
               FROM generate_series(1, {BIG}) x;"
        ))
        .await?;
    client.batch_execute("VACUUM ANALYZE").await?;
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let user = config.get_user().context("the URL names no user")?;
    let place = format!("postgres://{user}@127.0.0.1:{port}/{NAME}");
    Ok(Stored {
        dialect: "postgres",
        lookup: "SELECT order_id, customer_id, status, total_cents FROM orders WHERE order_id = $1",
        schema: "public.",
        section: format!("kind = \"postgres\"\nurl = \"{place}\""),
        place,
        _folder: None,
    })
}

async fn connect(config: &tokio_postgres::Config) -> anyhow::Result<tokio_postgres::Client> {
    let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
