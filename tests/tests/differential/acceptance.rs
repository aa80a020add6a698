//! Sets of statements that are not in this repository, under a mount that allows everything: how many of those that
//! the store takes does the gateway take, and are the answers the store's own?
//!
//! `MOUNTGATE_ACCEPTANCE` names a folder with a folder per set. A set has `statements.tsv` (a statement, a tab, the name
//! of a database) and `databases/`: `NAME.sqlite`, a database file, or `NAME.url`, the URL of a PostgreSQL database.
//!
//!     MOUNTGATE_ACCEPTANCE=/path cargo test -p mountgate-tests --test differential acceptance -- --ignored --nocapture

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use mountgate_core::Ceiling;
use mountgate_driver::{PostgresConfig, SqliteConfig, Store, StoreConfig};
use mountgate_sql::Dialect;
use tokio_postgres::Client;

use crate::{
    compare::{Answer, difference, permissive, rewrite},
    corpus::Case,
    postgres, sqlite,
};

/// Of each set, at least that part of what the store takes must come back alike.
const WANTED: f64 = 0.95;

enum Database {
    Sqlite(rusqlite::Connection, Ceiling),
    Postgres { direct: Client, pinned: Client, ceiling: Ceiling },
}

impl Database {
    async fn open(folder: &Path, name: &str) -> Self {
        let file = folder.join(format!("{name}.sqlite"));
        if file.exists() {
            let connection =
                rusqlite::Connection::open_with_flags(&file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
            sqlite::with_functions(&connection);
            let store = Store::open(StoreConfig::Sqlite(SqliteConfig::new(&file))).await.unwrap();
            let ceiling = permissive(&sqlite::catalogue(&store, &connection).await);
            return Self::Sqlite(connection, ceiling);
        }
        let url = std::fs::read_to_string(folder.join(format!("{name}.url"))).unwrap();
        let (direct, pinned) = postgres::clients(url.trim()).await;
        // A statement that takes a minute directly says nothing of the gateway.
        for client in [&direct, &pinned] {
            client.batch_execute("SET statement_timeout = '60s'").await.unwrap();
        }
        let store = Store::open(StoreConfig::Postgres(PostgresConfig::new(url.trim()).unwrap())).await.unwrap();
        let ceiling = permissive(&postgres::catalogue(&store, &direct).await);
        Self::Postgres { direct, pinned, ceiling }
    }

    async fn direct(&self, case: &Case) -> Result<Answer, String> {
        match self {
            Self::Sqlite(connection, _) => sqlite::run(connection, &case.sql, &[]).map_err(|error| error.to_string()),
            Self::Postgres { direct, .. } => postgres::run(direct, &case.sql, &[]).await,
        }
    }

    /// The answer through the rewriter; or that, and why, it refused.
    async fn ours(&self, case: &Case) -> Result<Answer, (&'static str, String)> {
        let (dialect, ceiling) = match self {
            Self::Sqlite(_, ceiling) => (Dialect::Sqlite, ceiling),
            Self::Postgres { ceiling, .. } => (Dialect::Postgres, ceiling),
        };
        let read = rewrite(dialect, ceiling, case).map_err(|why| ("refused", why))?;
        let answer = match self {
            Self::Sqlite(connection, _) => {
                sqlite::run(connection, read.sql(), read.values()).map_err(|error| error.to_string())
            }
            Self::Postgres { pinned, .. } => postgres::run(pinned, read.sql(), read.values()).await,
        };
        answer.map_err(|why| ("fails", format!("{why}\n   as {}", read.sql())))
    }
}

/// What a refusal says, without the place and what stands between backquotes, so that it can be counted.
fn kind(why: &str) -> String {
    let why = why.split(" (line ").next().unwrap_or(why);
    // A name of the statement's own says nothing of the reason; a construct's does.
    let named = if why.contains("not_in_scope") || why.contains("ambiguous") { Some('`') } else { None };
    let parts = why.split(|ch| Some(ch) == named).step_by(2);
    parts.collect::<Vec<_>>().join("`…`").chars().take(110).collect()
}

async fn set(folder: &Path) -> (usize, usize) {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let statements = std::fs::read_to_string(folder.join("statements.tsv")).unwrap();
    let mut databases: HashMap<String, Database> = HashMap::new();
    let (mut asked, mut taken, mut accepted, mut alike, mut filled) = (0, 0, 0, 0, 0);
    let mut reasons: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for (number, line) in statements.lines().enumerate() {
        let (sql, database) = line.rsplit_once('\t').unwrap();
        asked += 1;
        if !databases.contains_key(database) {
            databases.insert(database.into(), Database::open(&folder.join("databases"), database).await);
        }
        let database = databases.get(database).unwrap();
        let case = Case { name: format!("{name}:{}", number + 1), sql: sql.into(), parameters: vec![], ordered: false };
        let mut note = |what: String| {
            let entry = reasons.entry(what).or_insert((0, format!("{}: {sql}", number + 1)));
            entry.0 += 1;
        };
        let direct = match database.direct(&case).await {
            Ok(direct) => direct,
            Err(why) => {
                note(format!("direct: {}", kind(&why)));
                continue;
            }
        };
        taken += 1;
        filled += usize::from(!direct.rows.is_empty());
        match database.ours(&case).await {
            Ok(ours) => {
                accepted += 1;
                match difference(&direct, &ours, false) {
                    None => alike += 1,
                    Some(what) => note(format!("differs: {}", kind(&what))),
                }
            }
            Err((how, why)) => note(format!("{how}: {}", kind(&why))),
        }
    }
    println!(
        "\n{name}: {asked} statements, the store takes {taken} ({filled} find rows), accepted {accepted}, alike {alike}"
    );
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    for (what, (count, example)) in reasons {
        println!("  {count:5}  {what}\n           {example}");
    }
    (taken, alike)
}

#[tokio::test]
#[ignore = "needs MOUNTGATE_ACCEPTANCE, a folder of sets that are not in this repository"]
async fn what_is_really_sent_is_accepted_and_answered_as_directly() {
    let folder = PathBuf::from(std::env::var_os("MOUNTGATE_ACCEPTANCE").unwrap());
    let only = std::env::var("MOUNTGATE_ACCEPTANCE_SET").ok();
    let mut sets: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    sets.retain(|set| only.as_ref().is_none_or(|only| set.ends_with(only)));
    sets.sort();
    assert!(!sets.is_empty(), "{} has no sets", folder.display());
    let mut short = vec![];
    for folder in sets {
        let (taken, alike) = set(&folder).await;
        if (alike as f64) < (taken as f64) * WANTED {
            short.push(format!("{}: {alike} of {taken}", folder.display()));
        }
    }
    assert!(short.is_empty(), "{short:?}");
}
