use super::*;
use crate::config::{Config, MAIN_FILE};

fn load(folder: &Path) -> Config {
    Config::load(&folder.join(MAIN_FILE)).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn what_it_writes_loads_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let written = Init { main: folder.path().join("new").join(MAIN_FILE), sqlite: None }.write().unwrap();
    assert_eq!(written.len(), 2);
    let config = load(&folder.path().join("new"));
    assert_eq!(config.mounts["example"].tables["orders"].columns.len(), 3);
    let again = Init { main: folder.path().join("new").join(MAIN_FILE), sqlite: None }.write();
    assert!(matches!(again, Err(InitError::Exists(_))));
}

/// Every commented key is a key: uncommenting all of them must load too.
#[test]
fn what_it_suggests_loads_too() {
    let folder = tempfile::tempdir().unwrap();
    let all = |text: &str| -> String {
        text.lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest) if rest.starts_with('[') || rest.split_once('=').is_some_and(|(key, _)| is_key(key)) => {
                    format!("{rest}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect()
    };
    fn is_key(key: &str) -> bool {
        let key = key.trim_end();
        !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    }
    let (main, mount) = (all(MAIN), all(EXAMPLE));
    assert!(main.contains("\npassword = ") && mount.contains("\nmasks   = ") && mount.contains("\n[agent."));
    fs::create_dir(folder.path().join(MOUNTS_FOLDER)).unwrap();
    fs::write(folder.path().join(MAIN_FILE), main).unwrap();
    fs::write(folder.path().join("mounts/example.toml"), mount).unwrap();
    let config = load(folder.path());
    assert_eq!(config.main.backends.len(), 2);
    assert_eq!(config.mounts["example"].per_agent.len(), 1);
}

#[test]
fn a_database_is_looked_into_and_nothing_is_opened_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("shop \"1\".db");
    Connection::open(&database)
        .unwrap()
        .execute_batch(
            "CREATE TABLE orders (status TEXT, order_id INTEGER PRIMARY KEY, customer_id INTEGER);
             CREATE TABLE \"odd \"\" name\" (\"a\nb\" TEXT);
             CREATE TABLE \"with.dot\" (x);
             CREATE VIEW open_orders AS SELECT order_id FROM orders;",
        )
        .unwrap();
    let init = Init { main: folder.path().join("conf").join(MAIN_FILE), sqlite: Some(database.clone()) };
    let written = init.write().unwrap();
    let text = fs::read_to_string(&written[1]).unwrap();
    assert!(text.contains("# [tables.\"orders\"]") || text.contains("[tables.\"orders\"]"), "{text}");
    let config = load(&folder.path().join("conf"));
    let tables = &config.mounts["example"].tables;
    assert_eq!(tables.len(), 1, "one table is open so that the file loads; the others are for a person to open");
    assert_eq!(tables.values().next().unwrap().columns.len(), 1);
    assert!(
        matches!(&config.main.backends["shop"].store, crate::config::StoreSection::Sqlite(sqlite) if sqlite.path.ends_with("shop \"1\".db"))
    );
    let missing =
        Init { main: folder.path().join("x").join(MAIN_FILE), sqlite: Some(folder.path().join("none.db")) }.write();
    assert!(matches!(missing, Err(InitError::Database { .. })));
}
