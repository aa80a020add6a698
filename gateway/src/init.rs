//! `mountgate init`: a commented start that loads as it stands.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};

use crate::config::MOUNTS_FOLDER;

/// What to write.
#[derive(Clone, Debug)]
pub struct Init {
    /// The main file to write; its folder is made where it is not there.
    pub main: PathBuf,
    /// A SQLite file to look into: its tables are then in the mount, every column commented out but for the keys.
    pub sqlite: Option<PathBuf>,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A file is there already.
    #[error("`{}` is there already, and is left as it is: choose another folder", .0.display())]
    Exists(PathBuf),
    /// The file system said no.
    #[error("cannot write `{}`: {why}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was said.
        why: String,
    },
    /// The database could not be looked into.
    #[error("cannot look into `{}`: {why}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What was said.
        why: String,
    },
}

/// A table found in a database.
struct Found {
    name: String,
    columns: Vec<(String, String, bool)>,
}

impl Init {
    /// Writes the files, and says which.
    ///
    /// # Errors
    /// Where one of them is there already (none is then written), or the database can't be read.
    pub fn write(&self) -> Result<Vec<PathBuf>, InitError> {
        let (database, tables) = match &self.sqlite {
            Some(path) => {
                let found = look(path).map_err(|why| InitError::Database { path: path.clone(), why })?;
                // Relative paths in the file are relative to its folder, not to where `init` was run.
                let path = fs::canonicalize(path)
                    .map_err(|error| InitError::Database { path: path.clone(), why: error.to_string() })?;
                (path.display().to_string(), Some(found))
            }
            None => ("shop.db".to_owned(), None),
        };
        let mounts = self.main.parent().unwrap_or(Path::new("")).join(MOUNTS_FOLDER);
        let files = [
            (self.main.clone(), main_file(&database)),
            (mounts.join("example.toml"), tables.as_deref().map_or_else(|| EXAMPLE.to_owned(), mount_file)),
        ];
        if let Some((there, _)) = files.iter().find(|(path, _)| path.exists()) {
            return Err(InitError::Exists(there.clone()));
        }
        fs::create_dir_all(&mounts).map_err(|error| failed(&mounts, &error))?;
        for (path, text) in &files {
            fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(path)
                .and_then(|mut file| file.write_all(text.as_bytes()))
                .map_err(|error| failed(path, &error))?;
        }
        Ok(files.into_iter().map(|(path, _)| path).collect())
    }
}

fn failed(path: &Path, error: &std::io::Error) -> InitError {
    InitError::Io { path: path.to_owned(), why: error.to_string() }
}

fn main_file(database: &str) -> String {
    MAIN.replace("\"shop.db\"", &quoted(database))
}

/// A TOML string on one line, good as a key too.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            _ if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out + "\""
}

fn look(path: &Path) -> Result<Vec<Found>, String> {
    let said = |error: rusqlite::Error| error.to_string();
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(said)?;
    let mut tables = connection
        .prepare(
            "SELECT name FROM pragma_table_list
             WHERE schema = 'main' AND type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
             ORDER BY name",
        )
        .map_err(said)?;
    let names: Vec<String> = tables.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(said)?;
    let mut columns = connection
        .prepare("SELECT name, type, pk > 0 FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid")
        .map_err(said)?;
    names
        .into_iter()
        .map(|name| {
            let columns = columns
                .query_map([&name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .and_then(Iterator::collect)
                .map_err(said)?;
            Ok(Found { name, columns })
        })
        .collect()
}

/// A mount of the first table's key alone: everything else is there to be uncommented, for what an agent may see is
/// for a person to say.
fn mount_file(tables: &[Found]) -> String {
    let mut out = HEAD.to_owned();
    let mut shown = false;
    for Found { name, columns } in tables {
        let usable = !name.is_empty() && !name.contains('.') && !name.chars().any(char::is_control);
        let key = columns.iter().find(|(_, _, key)| *key).or(columns.first());
        let (Some((key, _, _)), true) = (key, usable) else { continue };
        // The first one is open, so that the file loads; the others wait to be wanted.
        let off = if shown { "# " } else { "" };
        shown = true;
        let _ = writeln!(out, "\n{off}[tables.{}]\n{off}columns = [", quoted(name));
        for (column, ty, _) in columns {
            let hidden = if column == key { "" } else { "# " };
            let ty = ty.replace(char::is_control, " ");
            let _ = writeln!(
                out,
                "{off}    {hidden}{},  # {}",
                quoted(column),
                if ty.is_empty() { "any type" } else { &ty }
            );
        }
        let _ = writeln!(out, "{off}]");
        // Only where it reads as it stands: a name from the database must not end the comment.
        if key.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            let _ = writeln!(out, "# filter = \"{key} = claim.{key}\"");
        }
    }
    if !shown {
        out.push_str("\n# The database has no table yet. This one is a placeholder: `mountgate check` will say that it is missing.\n");
        out.push_str("[tables.orders]\ncolumns = [\"order_id\"]\n");
    }
    out.push_str(TAIL);
    out
}

const MAIN: &str = r#"# Mountgate: where it listens, what it keeps, and which stores it opens onto.
# Every key is checked: one that is misspelt is an error, and none is ignored. `mountgate check` says what is wrong.
# Relative paths are relative to this file.

[server]
data  = "127.0.0.1:7411"        # where agents ask: HTTP and MCP
admin = "127.0.0.1:7412"        # health, metrics, administration; keep it to this machine
state = "state"                 # keys, identities and the ledger; for this user only, and worth a backup

# max_body        = "1MB"       # the largest request (MB is 1,000,000 bytes, MiB is 1,048,576)
# max_header      = "32KiB"
# max_connections = 1024
# header_timeout  = "10s"
# body_timeout    = "30s"
# idle_timeout    = "75s"
# write_timeout   = "30s"
# hosts           = ["gateway.example.com"]          # names beside the address itself under which /mcp is reached
# origins         = ["https://console.example.com"]  # pages that may use /mcp
# admin_hosts     = ["admin.example.com"]            # likewise for the admin port
# admin_origins   = ["https://console.example.com"]
# shutdown        = "10s"       # how long requests under way may take to end

# [keys]                        # made in the state folder on first start; or keep it elsewhere:
# master = { env = "MOUNTGATE_MASTER_KEY" }    # 64 hexadecimal digits

# [gate]
# requests = "6000/minute"      # how often one caller may ask at all, before anything is parsed

# [ledger]
# durability = "disk"           # "process" (the default): safe from a crash of the gateway; "disk": from power loss
# rotate     = "64MiB"
# max_size   = "1GiB"           # the oldest segments go first
# statements = true             # keep statements' text, values and all; without, only a keyed digest

# [log]
# format = "json"
# level  = "info"

[backends.shop]
kind = "sqlite"
path = "shop.db"
# threads = 8
# wall = "require"              # refuse to serve without a wall in the store itself; "off" takes it down (docs/wall.md)

# [backends.warehouse]
# kind     = "postgres"
# host     = "127.0.0.1"
# port     = 5432
# user     = "mountgate"        # a role that may only read, and only what mounts show
# database = "warehouse"
# password = { env = "WAREHOUSE_PASSWORD" }    # or { file = "warehouse.password" }
# pool     = 16
"#;

const HEAD: &str = r#"# A mount: for these agents, this much of that backend. What is not named here does not exist for them.
# Add the agent with `mountgate agent add example-bot`, then `mountgate check`, then `mountgate serve`.

name    = "example"
backend = "shop"
agents  = ["example-bot"]
policy  = "ceiling"             # grants what this file says; "tiers" narrows it by claims

# expires = 2027-03-31          # the last day on which it serves (in the zone of `hours`, or UTC)
# hours   = "Mon-Fri 07:00-19:00 Europe/Berlin"
"#;

const TAIL: &str = r#"
[limits]
requests = "60/minute"          # or several: ["60/minute", "1_000/day"]
# rows     = "10_000/hour"
# bytes    = "10MB/hour"
max_rows = 500                  # of one answer
timeout  = "5s"
# concurrency = 4
# per      = "session"          # whose use is counted together: "session", "agent" (the default) or "mount"

# [agent.example-bot-beta]      # another agent on the same mount, under another policy
# policy = "tiers"
# settings = { otherwise = "ceiling" }
"#;

const EXAMPLE: &str = r#"# A mount: for these agents, this much of that backend. What is not named here does not exist for them.
# Add the agent with `mountgate agent add example-bot`, then `mountgate check`, then `mountgate serve`.

name    = "example"
backend = "shop"
agents  = ["example-bot"]
policy  = "ceiling"             # grants what this file says; "tiers" narrows it by claims

# expires = 2027-03-31          # the last day on which it serves (in the zone of `hours`, or UTC)
# hours   = "Mon-Fri 07:00-19:00 Europe/Berlin"

[tables.orders]                 # in a schema: [tables."sales.orders"]
columns = ["order_id", "customer_id", "status"]
# Only the rows of the customer for whom the session was minted:
#   mountgate session mint --agent example-bot --claim customer_id=42
filter  = "customer_id = claim.customer_id"

# [tables.customers]
# columns = ["customer_id", "name", "email", "birthday", "balance"]
# masks   = { email = { partial = { first = 1, last = 4 } }, birthday = { truncate = "year" }, balance = { bucket = 1000 } }
#           # also "null", "hash", { fixed = "…" }, { round = -2 }
# filter  = "customer_id = claim.customer_id"

[limits]
requests = "60/minute"          # or several: ["60/minute", "1_000/day"]
# rows     = "10_000/hour"
# bytes    = "10MB/hour"
max_rows = 500                  # of one answer
timeout  = "5s"
# concurrency = 4
# per      = "session"          # whose use is counted together: "session", "agent" (the default) or "mount"

# [agent.example-bot-beta]      # another agent on the same mount, under another policy
# policy = "tiers"
# settings = { otherwise = "ceiling" }
"#;

#[cfg(test)]
mod tests;
