//! A small shop for tests: a SQLite file, a configuration over it, and a mount.

pub(crate) mod signed;

use std::{
    fs,
    path::{Path, PathBuf},
};

use rusqlite::Connection;
use tempfile::TempDir;

use crate::config::{Config, MAIN_FILE, MOUNTS_FOLDER};

const SHOP: &str = "
CREATE TABLE customers (customer_id INTEGER PRIMARY KEY, name TEXT, email TEXT, balance REAL, secret TEXT);
CREATE TABLE orders (order_id INTEGER PRIMARY KEY, customer_id INTEGER, status TEXT, note TEXT);
INSERT INTO customers VALUES (1, 'Ada', 'ada@example.com', 12.5, 's1'), (2, 'Bob', 'bob@example.com', 99.0, 's2');
INSERT INTO orders VALUES (1, 1, 'open', 'n1'), (2, 1, 'shipped', 'n2'), (3, 2, 'open', 'n3');
";

const MAIN: &str = r#"[server]
data = "127.0.0.1:0"
admin = "127.0.0.1:0"

[backends.shop]
kind = "sqlite"
path = "shop.db"
threads = 2
"#;

pub(crate) const MOUNT: &str = r#"name = "support"
backend = "shop"
agents = ["support-bot"]
policy = "ceiling"

[tables.orders]
columns = ["order_id", "customer_id", "status"]
filter = "customer_id = claim.customer_id"

[tables.customers]
columns = ["customer_id", "name", "email"]
masks = { email = { partial = { first = 1, last = 4 } } }
filter = "customer_id = claim.customer_id"

[limits]
max_rows = 100
"#;

/// The shop's folder; gone when dropped.
pub(crate) struct Shop {
    folder: TempDir,
}

impl Shop {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Connection::open(folder.path().join("shop.db")).unwrap().execute_batch(SHOP).unwrap();
        let shop = Self { folder };
        fs::create_dir(shop.path().join(MOUNTS_FOLDER)).unwrap();
        shop.main("");
        shop.mount(MOUNT);
        shop
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn config_path(&self) -> PathBuf {
        self.path().join(MAIN_FILE)
    }

    /// Writes the main file, with more at its end.
    pub(crate) fn main(&self, more: &str) {
        fs::write(self.config_path(), format!("{MAIN}{more}")).unwrap();
    }

    /// Writes the mount's file.
    pub(crate) fn mount(&self, text: &str) {
        fs::write(self.path().join("mounts/support.toml"), text).unwrap();
    }

    /// Writes the mount's file with one stretch replaced, which must be there.
    pub(crate) fn mount_with(&self, from: &str, to: &str) {
        assert!(MOUNT.contains(from), "`{from}` is not in the mount");
        self.mount(&MOUNT.replacen(from, to, 1));
    }

    pub(crate) fn config(&self) -> Config {
        Config::load(&self.config_path()).unwrap_or_else(|problems| panic!("{problems}"))
    }
}
