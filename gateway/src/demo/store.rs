//! The shop in a store.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mountgate_sql::Dialect;
use tokio_postgres::{Client, Config, NoTls, config::Host};

use super::{folder::Folder, shop::shop};

/// The database and the role that the demo makes, and that nothing else should be called.
const NAME: &str = "mountgate_demo";

/// The shop, and how to reach it directly, as whoever holds the store's credential could.
#[derive(Clone)]
pub(super) enum Shop {
    Sqlite(PathBuf),
    Postgres { login: Box<Config>, host: String, port: u16 },
}

impl Shop {
    /// Makes it in a file.
    pub(super) fn in_sqlite(path: PathBuf) -> anyhow::Result<Self> {
        let mut connection = rusqlite::Connection::open(&path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        let write = connection.transaction()?;
        for table in shop() {
            write.execute_batch(&table.script(Dialect::Sqlite)).with_context(|| format!("making `{}`", table.name))?;
        }
        write.commit()?;
        connection.execute_batch("ANALYZE")?;
        Ok(Self::Sqlite(path))
    }

    /// Makes it in a database of its own, with a role that may read it and nothing else; earlier ones are replaced.
    pub(super) async fn in_postgres(url: &str, folder: &Folder) -> anyhow::Result<Self> {
        let mut config: Config = url.parse().context("`--postgres-url` is no PostgreSQL URL")?;
        let host = match config.get_hosts() {
            [Host::Tcp(name)] => name.clone(),
            [Host::Unix(path)] => path.display().to_string(),
            _ => anyhow::bail!("`--postgres-url` should name one host"),
        };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let password = folder.new_password()?;
        let client = connect(&config).await.context("`--postgres-url` can't be reached")?;
        for statement in [
            format!("DROP DATABASE IF EXISTS {NAME} WITH (FORCE)"),
            format!("CREATE DATABASE {NAME}"),
            format!("DROP ROLE IF EXISTS {NAME}"),
            // Hexadecimal digits: nothing to escape.
            format!("CREATE ROLE {NAME} LOGIN PASSWORD '{password}'"),
        ] {
            client.batch_execute(&statement).await.context("making the demo's database and role")?;
        }
        config.dbname(NAME);
        let client = connect(&config).await?;
        for table in shop() {
            let script = format!("BEGIN;\n{}COMMIT;", table.script(Dialect::Postgres));
            client.batch_execute(&script).await.with_context(|| format!("making `{}`", table.name))?;
        }
        client.batch_execute(&format!("ANALYZE; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {NAME}")).await?;
        config.user(NAME).password(&password);
        Ok(Self::Postgres { login: Box::new(config), host, port })
    }

    /// The section of the main file.
    pub(super) fn section(&self, folder: &Path) -> String {
        match self {
            Self::Sqlite(path) => {
                let path = path.strip_prefix(folder).unwrap_or(path);
                format!("[backends.shop]\nkind = \"sqlite\"\npath = \"{}\"\n", path.display())
            }
            Self::Postgres { host, port, .. } => format!(
                "[backends.shop]\nkind     = \"postgres\"\nhost     = \"{host}\"\nport     = {port}\nuser     = \"{NAME}\"\n\
                 database = \"{NAME}\"\npassword = {{ file = \"{}\" }}\n",
                super::folder::PASSWORD
            ),
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres { .. } => Dialect::Postgres,
        }
    }
}

pub(super) async fn connect(config: &Config) -> anyhow::Result<Client> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
