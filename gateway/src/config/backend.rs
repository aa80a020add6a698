//! `[backends.NAME]`: which store, and how to reach it.

use std::path::{Path, PathBuf};

use mountgate_core::ColumnType;
use mountgate_driver::PostgresConfig;
use mountgate_sql::{Dialect, allow::Extra};

use super::{
    main_file::path,
    reader::{Table, Value},
    secret::{Secret, secret},
};

/// Whether a backend must have a wall of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wall {
    /// It has none, with a warning at start, in `check` and `/healthz`.
    Off,
    /// It has one where it can; else it serves with that warning.
    #[default]
    Warn,
    /// It has one, or the gateway refuses to start.
    Require,
}

/// `[backends.NAME]`
#[derive(Clone, Debug, PartialEq)]
pub struct BackendConfig {
    /// The store.
    pub store: StoreSection,
    /// Whether it must have a wall.
    pub wall: Wall,
    /// Functions that its mounts' agents may call beside those on the list.
    pub extras: Vec<Extra>,
}

/// Which store.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreSection {
    /// `kind = "sqlite"`
    Sqlite(SqliteSection),
    /// `kind = "postgres"`
    Postgres(PostgresSection),
}

/// A SQLite file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteSection {
    /// The file.
    pub path: PathBuf,
    /// Threads, each with a connection of its own; the driver's default where absent.
    pub threads: Option<usize>,
}

/// A PostgreSQL database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresSection {
    /// Where it is and as whom.
    pub target: PostgresTarget,
    /// The role's password.
    pub password: Option<Secret>,
    /// Connections; the driver's default where absent.
    pub pool: Option<usize>,
}

/// Where a PostgreSQL database is and as whom to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostgresTarget {
    /// A URL or `key=value` pairs, without a password.
    Plain(String),
    /// A URL that is a secret, for it may hold a password.
    Secret(Secret),
}

/// Stands for a backend whose section is wrong, until loading fails because of it.
pub(super) fn unsound() -> BackendConfig {
    BackendConfig {
        store: StoreSection::Sqlite(SqliteSection { path: PathBuf::new(), threads: None }),
        wall: Wall::Warn,
        extras: vec![],
    }
}

/// Lowers a backend's section. What is wrong is noted.
pub(super) fn backend(table: &Table<'_>, folder: &Path) -> Option<BackendConfig> {
    #[derive(Clone, Copy)]
    enum Kind {
        Sqlite,
        Postgres,
    }
    let kind = table
        .require("kind", "kind = \"sqlite\"")
        .and_then(|value| value.choice(&[("sqlite", Kind::Sqlite), ("postgres", Kind::Postgres)]));
    let wall = table.get("wall");
    let walls = [("off", Wall::Off), ("warn", Wall::Warn), ("require", Wall::Require)];
    let wall = wall.as_ref().and_then(|value| value.choice(&walls)).unwrap_or_default();
    let store = match kind {
        Some(Kind::Sqlite) => StoreSection::Sqlite(SqliteSection {
            threads: table
                .get("threads")
                .and_then(|value| value.integer(1, 256))
                .and_then(|threads| usize::try_from(threads).ok()),
            path: table.require("path", "path = \"shop.db\"").and_then(|value| path(&value, folder))?,
        }),
        Some(Kind::Postgres) => StoreSection::Postgres(postgres(table, folder)?),
        None => {
            // Its other keys can't be judged without its kind.
            drop(table.entries());
            return None;
        }
    };
    let dialect = match &store {
        StoreSection::Sqlite(_) => Dialect::Sqlite,
        StoreSection::Postgres(_) => Dialect::Postgres,
    };
    let extras = table.get("allow").map(|value| extras(&value, dialect)).unwrap_or_default();
    Some(BackendConfig { store, wall, extras })
}

/// `[backends.NAME.allow]`: `functions = [{ schema = "public", name = "similarity", returns = "float" }]`, `operators`,
/// `types`.
fn extras(value: &Value<'_>, dialect: Dialect) -> Vec<Extra> {
    let Some(table) = value.table() else { return vec![] };
    let mut out: Vec<Extra> = Vec::new();
    let mut any = false;
    let mut each = |key: &'static str, make: &dyn Fn(&Table<'_>, Dialect) -> Option<Extra>| {
        let Some(list) = table.get(key) else { return };
        any = true;
        for entry in list.tables().unwrap_or_default() {
            let Some(extra) = make(&entry, dialect) else { continue };
            if out.iter().any(|other| other.kind() == extra.kind() && other.name() == extra.name()) {
                entry.reject(format!("`{}` is allowed twice: once is enough", extra.name()));
                continue;
            }
            out.push(extra);
        }
    };
    each("functions", &function);
    each("operators", &operator);
    each("types", &of_type);
    if !any {
        let _ = table.require("functions", "functions = [{ name = \"soundex\", returns = \"text\" }]");
    }
    out
}

/// The schema of an entry, where it has one; `None` where it is wrong, which is told already.
fn schema(table: &Table<'_>) -> Option<Option<String>> {
    let schema = table.get("schema").map(|value| value.string().map(str::to_owned));
    if let Some(value) = table.get("leakproof")
        && value.boolean() == Some(true)
    {
        value.reject("what a function of your own does with a row is not known here: it is always fenced; write `leakproof = false`, or take it out");
    }
    schema.map_or(Some(None), |schema| schema.map(Some))
}

fn kind_of(value: &Value<'_>) -> Option<Returns> {
    value.choice(&[
        ("boolean", Returns::Boolean),
        ("integer", Returns::Integer),
        ("float", Returns::Float),
        ("decimal", Returns::Decimal),
        ("text", Returns::Text),
        ("bytes", Returns::Bytes),
        ("date", Returns::Date),
        ("timestamp", Returns::Timestamp),
        ("timestamptz", Returns::TimestampTz),
        ("uuid", Returns::Uuid),
        ("json", Returns::Json),
        ("any", Returns::Any),
    ])
}

fn function(table: &Table<'_>, dialect: Dialect) -> Option<Extra> {
    let name = table.require("name", "name = \"similarity\"");
    let name = name.as_ref().and_then(Value::string);
    let returns = table.require("returns", "returns = \"float\"").and_then(|value| kind_of(&value));
    let arguments = table.get("arguments").map(|value| value.integer(0, 100));
    let schema = schema(table)?;
    let arguments = arguments.map_or(Some(None), |arguments| arguments.map(Some))?;
    let arguments = arguments.and_then(|arguments| u8::try_from(arguments).ok());
    Extra::function(dialect, schema.as_deref(), name?, returns?.into(), arguments).map_err(|why| table.reject(why)).ok()
}

fn operator(table: &Table<'_>, dialect: Dialect) -> Option<Extra> {
    let symbol = table.require("symbol", "symbol = \"<->\"");
    let symbol = symbol.as_ref().and_then(Value::string);
    let schema = schema(table)?;
    Extra::operator(dialect, schema.as_deref(), symbol?).map_err(|why| table.reject(why)).ok()
}

fn of_type(table: &Table<'_>, dialect: Dialect) -> Option<Extra> {
    let name = table.require("name", "name = \"citext\"");
    let name = name.as_ref().and_then(Value::string);
    let is = table.require("is", "is = \"text\"").and_then(|value| kind_of(&value));
    let schema = schema(table)?;
    Extra::of_type(dialect, schema.as_deref(), name?, is?.into()).map_err(|why| table.reject(why)).ok()
}

#[derive(Clone, Copy)]
enum Returns {
    Boolean,
    Integer,
    Float,
    Decimal,
    Text,
    Bytes,
    Date,
    Timestamp,
    TimestampTz,
    Uuid,
    Json,
    Any,
}

impl From<Returns> for ColumnType {
    fn from(returns: Returns) -> Self {
        match returns {
            Returns::Boolean => Self::Boolean,
            Returns::Integer => Self::Integer,
            Returns::Float => Self::Float,
            Returns::Decimal => Self::Decimal,
            Returns::Text => Self::Text,
            Returns::Bytes => Self::Bytes,
            Returns::Date => Self::Date,
            Returns::Timestamp => Self::Timestamp,
            Returns::TimestampTz => Self::TimestampTz,
            Returns::Uuid => Self::Uuid,
            Returns::Json => Self::Json,
            Returns::Any => Self::Any,
        }
    }
}

fn postgres(table: &Table<'_>, folder: &Path) -> Option<PostgresSection> {
    let password = table.get("password").map(|value| secret(&value, folder));
    let pool = table.get("pool").and_then(|value| value.integer(1, 1_000)).and_then(|pool| usize::try_from(pool).ok());
    let target = match table.get("url") {
        Some(url) => {
            for part in ["host", "port", "user", "database", "sslmode"] {
                if let Some(value) = table.get(part) {
                    value.reject_key(format!("`{part}` is said in `url` already: keep one of them"));
                }
            }
            url_of(&url, folder)
        }
        None => parts(table),
    };
    // A password that is there and wrong is told already.
    let password = password.map_or(Some(None), |password| password.map(Some))?;
    Some(PostgresSection { target: target?, password, pool })
}

fn url_of(value: &Value<'_>, folder: &Path) -> Option<PostgresTarget> {
    if value.is_table() {
        return secret(value, folder).map(PostgresTarget::Secret);
    }
    let text = value.string()?;
    if holds_password(text) {
        value.reject(
            "this URL holds a password, and secrets are not written in the configuration: take it out and write `password = { env = \"NAME\" }`, or `url = { env = \"NAME\" }`",
        );
        return None;
    }
    reachable(value, text)
}

/// Whether a URL, or `key=value` pairs, may hold a password; closed where it can't be told.
fn holds_password(text: &str) -> bool {
    let credentials = text.split_once("://").and_then(|(_, rest)| Some(rest.rsplit_once('@')?.0));
    credentials.is_some_and(|credentials| credentials.contains(':')) || text.to_lowercase().contains("password")
}

fn parts(table: &Table<'_>) -> Option<PostgresTarget> {
    let text = |key, example| table.require(key, example).and_then(|value| value.string());
    let host_value = table.get("host");
    let host = host_value.as_ref().map_or(Some("localhost"), Value::string);
    let port = table.get("port").map_or(Some(5432), |value| value.integer(1, 65_535));
    let (user, database) = (text("user", "user = \"mountgate\""), text("database", "database = \"shop\""));
    let sslmode = table.get("sslmode").map(|value| {
        let text = value.string()?;
        if text != "disable" {
            value.reject(format!(
                "`sslmode = \"{text}\"` is not supported by this version yet: TLS to PostgreSQL is not built; write \"disable\" if the network in between is yours"
            ));
            return None;
        }
        Some(())
    });
    let (host, port, user, database) = (host?, port?, user?, database?);
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let mut pairs = format!("host={} port={port} user={} dbname={}", quoted(host), quoted(user), quoted(database));
    match sslmode {
        None => {}
        Some(None) => return None,
        Some(Some(())) => pairs.push_str(" sslmode=disable"),
    }
    match &host_value {
        Some(value) => match PostgresConfig::new(&pairs) {
            Ok(_) => Some(PostgresTarget::Plain(pairs)),
            Err(error) => {
                let why = error.detail.replace("`?sslmode=disable`", "`sslmode = \"disable\"`");
                value.reject(format!("`{}`: {why}", value.name()));
                None
            }
        },
        None => Some(PostgresTarget::Plain(pairs)),
    }
}

/// What the driver will not connect to is told here, where there is a line to point at. The driver's text holds
/// nothing of the URL.
fn reachable(value: &Value<'_>, url: &str) -> Option<PostgresTarget> {
    match PostgresConfig::new(url) {
        Ok(_) => Some(PostgresTarget::Plain(url.to_owned())),
        Err(error) => {
            value.reject(format!("`{}`: {}", value.name(), error.detail));
            None
        }
    }
}
