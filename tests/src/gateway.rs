//! A whole gateway in a scratch folder: real configuration files, a real SQLite file, the real composition.

use std::collections::BTreeMap;

use anyhow::Context as _;
use mountgate::serve::{Overrides, Server};
use mountgate_core::{ClaimName, ClaimValue, Door, Refusal, Value};
use mountgate_mediate::{Gateway, Query, Refused};

/// A gateway that is put together, over a folder that goes with it.
pub struct Fixture {
    /// The gateway.
    pub gateway: Gateway,
    server: Option<Server>,
    folder: tempfile::TempDir,
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Value>>,
    /// Whether a cap cut them.
    pub truncated: bool,
}

/// Small data whose hidden cells hold canaries: none of them may ever come back.
pub const SHOP: &str = "
CREATE TABLE customers (customer_id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT, region TEXT, salary_canary INTEGER);
CREATE TABLE orders (order_id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers, status TEXT, total REAL, placed_at TIMESTAMP, note_canary TEXT);
CREATE TABLE secrets (id INTEGER PRIMARY KEY, word TEXT);
INSERT INTO customers VALUES (1, 'Ada', 'ada@example.org', 'north', 7771001), (2, 'Bob', 'bob@example.org', 'south', 7771002), (3, 'Cyd', 'cyd@example.org', 'north', 7771003);
INSERT INTO orders VALUES
  (10, 1, 'open', 12.5, '2026-01-02T10:00:00', 'canary-10'), (11, 1, 'shipped', 99.0, '2026-02-03T11:00:00', 'canary-11'),
  (12, 2, 'open', 5.0, '2026-01-09T09:30:00', 'canary-12'), (13, 3, 'open', 7.25, '2026-03-01T08:00:00', 'canary-13');
INSERT INTO secrets VALUES (1, 'canary-secret');
";

impl Fixture {
    /// A gateway over [`SHOP`] with one mount, whose file is `mount`. The backend is `shop`.
    ///
    /// # Errors
    /// Where the mount does not load, with every mistake.
    pub async fn shop(mount: &str) -> anyhow::Result<Self> {
        Self::with(SHOP, mount, "").await
    }

    /// A gateway over a SQLite file made by `data`; `main` is added to the main file.
    ///
    /// # Errors
    /// Where the configuration does not load, with every mistake.
    pub async fn with(data: &str, mount: &str, main: &str) -> anyhow::Result<Self> {
        Self::over(data, mount, "", main).await
    }

    /// The same without the wall in the store: the rewrite alone.
    ///
    /// # Errors
    /// As [`Fixture::with`].
    pub async fn unwalled(data: &str, mount: &str, main: &str) -> anyhow::Result<Self> {
        Self::over(data, mount, "wall = \"off\"\n", main).await
    }

    /// `backend` is added to the backend's section.
    async fn over(data: &str, mount: &str, backend: &str, main: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let database = folder.path().join("shop.db");
        rusqlite::Connection::open(&database)?.execute_batch(data)?;
        std::fs::create_dir(folder.path().join("mounts"))?;
        std::fs::write(folder.path().join("mounts/test.toml"), mount)?;
        let path = folder.path().join("mountgate.toml");
        std::fs::write(
            &path,
            format!(
                "[backends.shop]\nkind = \"sqlite\"\npath = {:?}\n{backend}\n[gate]\nrequests = \"100_000/second\"\n{main}",
                database.display().to_string()
            ),
        )?;
        let server =
            Server::start(&path, Overrides { data_port: Some(0), admin_port: Some(0), ..Overrides::default() }).await?;
        Ok(Self { gateway: server.gateway().clone(), server: Some(server), folder })
    }

    /// A gateway over a PostgreSQL database, as that login sees it; no wall stands there.
    ///
    /// # Errors
    /// As [`Fixture::with`].
    pub async fn postgres(url: &str, mount: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("mounts"))?;
        std::fs::write(folder.path().join("mounts/test.toml"), mount)?;
        let path = folder.path().join("mountgate.toml");
        let backend = format!("[backends.shop]\nkind = \"postgres\"\nurl = {url:?}\nwall = \"off\"\n");
        std::fs::write(&path, format!("{backend}\n[gate]\nrequests = \"100_000/second\"\n"))?;
        let server =
            Server::start(&path, Overrides { data_port: Some(0), admin_port: Some(0), ..Overrides::default() }).await?;
        Ok(Self { gateway: server.gateway().clone(), server: Some(server), folder })
    }

    /// The folder of the configuration, the data and the state.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The same folder under a gateway that was started anew, on the files as they are now.
    ///
    /// # Errors
    /// Where they do not load.
    pub async fn restarted(self) -> anyhow::Result<Self> {
        self.stopped(|| ()).await
    }

    /// The same, and `meanwhile` is done while no gateway runs.
    ///
    /// # Errors
    /// As [`Fixture::restarted`].
    pub async fn stopped(self, meanwhile: impl FnOnce()) -> anyhow::Result<Self> {
        let Self { gateway, server, folder } = self;
        drop((gateway, server));
        meanwhile();
        let path = folder.path().join("mountgate.toml");
        let server =
            Server::start(&path, Overrides { data_port: Some(0), admin_port: Some(0), ..Overrides::default() }).await?;
        Ok(Self { gateway: server.gateway().clone(), server: Some(server), folder })
    }

    /// The server, to be run; once.
    pub fn server(&mut self) -> Option<Server> {
        self.server.take()
    }

    /// A new agent's key.
    ///
    /// # Errors
    /// Where the name is taken.
    pub fn agent(&self, name: &str) -> anyhow::Result<String> {
        Ok(self.gateway.identity().add_agent(name, &BTreeMap::new())?.expose().to_owned())
    }

    /// A session of the agent, with claims, for an hour.
    ///
    /// # Errors
    /// Where the agent does not exist.
    pub fn session(&self, agent: &str, claims: &[(&str, ClaimValue)]) -> anyhow::Result<String> {
        let claims = claims.iter().map(|(name, value)| (ClaimName::from(*name), value.clone())).collect();
        let now = i64::try_from(std::time::UNIX_EPOCH.elapsed()?.as_millis())?;
        Ok(self.gateway.identity().operator_mint(&agent.into(), &claims, 3_600_000, now)?.token.expose().to_owned())
    }

    /// The statement's answer in the mount `test`.
    ///
    /// # Errors
    /// The refusal.
    pub async fn ask(&self, token: &str, sql: &str, params: &[Value]) -> Result<Answered, Refusal> {
        let refusal = |refused: Refused| refused.refusal;
        let entered = self.gateway.enter(Some(token), Door::Http).map_err(refusal)?;
        let query = Query { mount: "test".into(), sql: sql.to_owned(), params: params.to_vec(), purpose: None };
        let mut reply = self.gateway.query(&entered, query).await.map_err(refusal)?;
        let mut rows = Vec::new();
        while let Some(batch) = reply.answer.next().await? {
            rows.extend(batch.rows().map(<[Value]>::to_vec));
        }
        let truncated = reply.answer.summary().truncated;
        Ok(Answered { columns: reply.columns.iter().map(|column| column.name.clone()).collect(), rows, truncated })
    }

    /// Everything that the gateway wrote into its folder but the database itself, to look for canaries in.
    ///
    /// # Errors
    /// Where a file can't be read.
    pub fn written(&self) -> anyhow::Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut folders = vec![self.folder().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.file_name().is_none_or(|name| name != "shop.db") {
                    all.extend(std::fs::read(&path)?);
                }
            }
        }
        Ok(all)
    }
}
