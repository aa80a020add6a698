//! How to reach a PostgreSQL database.

use std::{fmt, path::PathBuf, time::Duration};

use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::config::{Host, SslMode};
use zeroize::Zeroizing;

use super::guard::Socket;
use crate::{Class, StoreError};

/// What stands around a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transactions {
    /// `BEGIN READ ONLY` before and `ROLLBACK` behind, sent along in one write: whatever a function of the statement
    /// set in the session goes with it.
    Explicit,
    /// The statement's own implicit transaction, read-only by the session's default: about half the server's time of
    /// a look-up. It leans on the statement calling no function that sets session state. Where one did change a
    /// setting that the server reports (the read-only default among them, from PostgreSQL 14), the connection is
    /// closed after it.
    Implicit,
}

/// How to reach a PostgreSQL database, and what to allow on it.
#[derive(Clone)]
pub struct PostgresConfig {
    url: Zeroizing<String>,
    password: Option<Zeroizing<String>>,
    role: Option<String>,
    walled: Option<String>,
    host: Address,
    database: String,
    /// Connections at most.
    pub connections: usize,
    /// Prepared statements kept per connection.
    pub statements: usize,
    /// The largest row, in bytes; a larger one breaks its connection.
    pub max_row_bytes: u32,
    /// What ends a statement in the server itself, should the gateway no longer be there to do it.
    pub statement_timeout: Duration,
    /// How long to wait for a connection to be made.
    pub connect_timeout: Duration,
    /// Memory for each sort or hash of a statement, in KiB (`work_mem`).
    pub work_mem_kib: u32,
    /// Temporary files of one connection, in KiB (`temp_file_limit`); set only where the role may set it.
    pub temp_file_kib: u32,
    /// How long in all a statement may wait for its caller to take rows, before it is given up as timed out.
    pub patience: Duration,
    /// What stands around a statement; [`Transactions::Explicit`] by default.
    pub transactions: Transactions,
    /// How long a connection is used before a new one takes its place.
    pub lifetime: Duration,
}

#[derive(Clone, Debug)]
enum Address {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold the password.
        f.debug_struct("PostgresConfig")
            .field("host", &self.host)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

impl PostgresConfig {
    /// The defaults for the database at that URL (`postgres://user@host:5432/database`, or `key=value` pairs).
    ///
    /// # Errors
    /// `Refused` for a URL that isn't one, for more than one host, and where the connection would need TLS: there is
    /// none yet, so a host that isn't this machine must be named with `sslmode=disable`, said knowingly.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let refused = |text: &str| StoreError::new(Class::Refused, text);
        // The parser's own text may hold parts of the URL, and so of the password.
        let parsed: tokio_postgres::Config = url
            .parse()
            .map_err(|_| refused("the URL is no PostgreSQL URL; write it as `postgres://user@host:5432/database`"))?;
        let [host] = parsed.get_hosts() else { return Err(refused("the URL must name one host")) };
        let port = parsed.get_ports().first().copied().unwrap_or(5432);
        let (host, local) = match host {
            Host::Tcp(name) => {
                let local = name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
                (Address::Tcp(name.clone(), port), local)
            }
            Host::Unix(dir) => (Address::Unix(dir.join(format!(".s.PGSQL.{port}"))), true),
        };
        match parsed.get_ssl_mode() {
            SslMode::Disable => {}
            SslMode::Prefer if local => {}
            SslMode::Prefer => {
                return Err(refused(
                    "the host is not this machine, and TLS to PostgreSQL is not built yet; \
                     add `?sslmode=disable` if the network in between is yours",
                ));
            }
            _ => return Err(refused("TLS to PostgreSQL is not built yet; `sslmode` can be `disable` only")),
        }
        if parsed.get_options().is_some() {
            return Err(refused("`options` can't be given: the gateway pins the session's settings"));
        }
        let database = parsed.get_dbname().or(parsed.get_user()).unwrap_or_default().to_owned();
        Ok(Self {
            url: Zeroizing::new(url.to_owned()),
            password: None,
            role: None,
            walled: None,
            host,
            database,
            connections: 16,
            statements: 128,
            max_row_bytes: 16 << 20,
            statement_timeout: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(5),
            work_mem_kib: 16 << 10,
            temp_file_kib: 1 << 20,
            patience: Duration::from_secs(60),
            transactions: Transactions::Explicit,
            lifetime: Duration::from_secs(1800),
        })
    }

    /// Sets the password apart from the URL.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(Zeroizing::new(password.to_owned()));
        self
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The same database, as the login of a mount's wall: its sessions find the wall's schema by `search_path`, and
    /// tell the server a call's seal before its statement.
    #[must_use]
    pub fn behind_wall(mut self, login: &str, password: &str, search_path: &str) -> Self {
        self.role = Some(login.to_owned());
        self.walled = Some(search_path.to_owned());
        // A session set would outlive an implicit transaction, and so would the seal.
        self.transactions = Transactions::Explicit;
        self.password(password)
    }

    /// Whether its sessions are behind a wall.
    pub(super) fn is_walled(&self) -> bool {
        self.walled.is_some()
    }

    /// What the start-up message of an administrator's connection says: nothing of the settings is pinned.
    pub(super) fn start_up_as_admin(&self) -> Result<tokio_postgres::Config, StoreError> {
        let mut config = self.start_up()?;
        config.options("-c client_min_messages=warning");
        Ok(config)
    }

    /// What the start-up message says: who, where, and the session's settings.
    pub(super) fn start_up(&self) -> Result<tokio_postgres::Config, StoreError> {
        let mut config: tokio_postgres::Config =
            self.url.parse().map_err(|_| StoreError::new(Class::Refused, "the URL is no PostgreSQL URL"))?;
        if let Some(password) = &self.password {
            config.password(password.as_str());
        }
        if let Some(role) = &self.role {
            config.user(role);
        }
        config.application_name("mountgate");
        config.options(self.settings());
        Ok(config)
    }

    /// The session's settings, pinned at its start: what a name, a literal and a date mean does not depend on the
    /// role's or the database's own.
    fn settings(&self) -> String {
        let settings = [
            // With `pg_temp` last: else a temporary table would come before the catalogue.
            ("search_path", self.walled.clone().unwrap_or_else(|| "pg_catalog,pg_temp".to_owned())),
            ("default_transaction_read_only", "on".into()),
            ("standard_conforming_strings", "on".into()),
            ("backslash_quote", "off".into()),
            ("transform_null_equals", "off".into()),
            ("row_security", "on".into()),
            ("statement_timeout", self.statement_timeout.as_millis().to_string()),
            ("lock_timeout", "5000".into()),
            ("idle_in_transaction_session_timeout", "30000".into()),
            ("TimeZone", "UTC".into()),
            ("DateStyle", "ISO".into()),
            ("IntervalStyle", "iso_8601".into()),
            ("bytea_output", "hex".into()),
            ("extra_float_digits", "1".into()),
            ("client_min_messages", "error".into()),
            ("jit", "off".into()),
            ("work_mem", self.work_mem_kib.to_string()),
            // Workers would multiply a statement's memory.
            ("max_parallel_workers_per_gather", "0".into()),
        ];
        settings.map(|(name, value)| format!("-c {name}={}", value.replace(' ', "\\ "))).join(" ")
    }

    /// Opens a socket to the server.
    pub(super) async fn socket(&self) -> std::io::Result<Socket> {
        let open = async {
            Ok(match &self.host {
                Address::Tcp(host, port) => {
                    let socket = TcpStream::connect((host.as_str(), *port)).await?;
                    socket.set_nodelay(true)?;
                    Socket::Tcp(socket)
                }
                Address::Unix(path) => Socket::Unix(UnixStream::connect(path).await?),
            })
        };
        tokio::time::timeout(self.connect_timeout, open).await.unwrap_or_else(|e| Err(e.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_elsewhere_needs_a_word_about_tls() {
        for url in [
            "postgres://u@db.example.org/x",
            "postgres://u@10.0.0.1/x",
            "postgres://u@127.0.0.1/x?sslmode=require",
            "postgres://u@a,b/x",
            "postgres://u@localhost/x?options=-csearch_path%3Dpublic",
            "nonsense",
            "postgres:///x",
        ] {
            assert_eq!(PostgresConfig::new(url).unwrap_err().class, Class::Refused, "{url}");
        }
        for url in [
            "postgres://u@127.0.0.1:5433/x",
            "postgres://u@localhost/x",
            "postgres://u@[::1]/x",
            "postgres://u@db.example.org/x?sslmode=disable",
            "host=/run/postgresql user=u",
        ] {
            assert!(PostgresConfig::new(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn the_password_is_never_printed() {
        let config = PostgresConfig::new("postgres://u:hunter2@localhost/x").unwrap().password("hunter3");
        assert!(!format!("{config:?}").contains("hunter"));
        assert!(!PostgresConfig::new("postgres://u:hunter2@localhost:bad/x").unwrap_err().detail.contains("hunter"));
    }
}
