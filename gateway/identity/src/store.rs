//! The file of identities: one table in SQLite, written by the gateway and the command line alike.
//!
//! Each row carries the number of its last change, so that a reader takes in what others have changed without reading
//! all of it again.

use std::{
    fs::{self, OpenOptions},
    io::ErrorKind,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};

use crate::{
    IdentityError,
    token::{Kind, PublicId, SecretHash},
};

/// `Mgid` in ASCII: tells our files from others'.
const APPLICATION: i32 = 0x4d67_6964;
const VERSION: i32 = 2;

const SCHEMA: &str = "
CREATE TABLE credentials (
    id           TEXT PRIMARY KEY,
    kind         TEXT NOT NULL CHECK (kind IN ('agent', 'session', 'minter', 'operator', 'person')),
    name         TEXT NOT NULL,
    minter       TEXT,
    hash         BLOB NOT NULL CHECK (typeof(hash) = 'blob' AND length(hash) = 32),
    detail       TEXT NOT NULL,
    created_ms   INTEGER NOT NULL,
    until_ms     INTEGER,
    revoked_ms   INTEGER,
    last_used_ms INTEGER,
    changed      INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX names ON credentials (kind, name) WHERE kind <> 'session';
CREATE INDEX changes ON credentials (changed);
CREATE INDEX sessions ON credentials (name, until_ms) WHERE kind = 'session';
-- A deleted row would stay in the memory of a running gateway: only what has ended anyway may be deleted.
CREATE TRIGGER revoke_instead BEFORE DELETE ON credentials
WHEN old.kind <> 'session' OR old.until_ms > unixepoch() * 1000
BEGIN SELECT RAISE(ABORT, 'credentials are revoked, not deleted'); END;
CREATE TABLE changes_made (last INTEGER NOT NULL) STRICT;
INSERT INTO changes_made (last) VALUES (0);
";

/// A row.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) id: PublicId,
    pub(crate) kind: Kind,
    /// The agent's, minter's, operator's or person's name; of a session, its agent's.
    pub(crate) name: String,
    /// Of a session, its minter's name; none where an operator minted it.
    pub(crate) minter: Option<String>,
    pub(crate) hash: SecretHash,
    /// Claims or a minter's grant, as JSON.
    pub(crate) detail: String,
    pub(crate) created_ms: i64,
    pub(crate) until_ms: Option<i64>,
    pub(crate) revoked_ms: Option<i64>,
    pub(crate) last_used_ms: Option<i64>,
    pub(crate) changed: i64,
}

const COLUMNS: &str = "id, kind, name, minter, hash, detail, created_ms, until_ms, revoked_ms, last_used_ms, changed";

impl Stored {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let kind: String = row.get(1)?;
        let kind = Kind::from_label(&kind).ok_or_else(|| {
            rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, "an unknown kind".into())
        })?;
        Ok(Self {
            id: row.get(0)?,
            kind,
            name: row.get(2)?,
            minter: row.get(3)?,
            hash: row.get(4)?,
            detail: row.get(5)?,
            created_ms: row.get(6)?,
            until_ms: row.get(7)?,
            revoked_ms: row.get(8)?,
            last_used_ms: row.get(9)?,
            changed: row.get(10)?,
        })
    }
}

/// Makes errors of SQLite ours.
#[derive(Clone, Debug)]
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    pub(crate) fn failed(&self, act: &'static str) -> impl FnOnce(rusqlite::Error) -> IdentityError {
        let path = self.0.clone();
        move |error| IdentityError::Store { act, path, why: error.to_string() }
    }

    fn io(&self, act: &'static str) -> impl FnOnce(std::io::Error) -> IdentityError {
        let path = self.0.clone();
        move |error| IdentityError::Store { act, path, why: error.to_string() }
    }
}

/// Opens the file, made for its owner only where there is none, and brings it to our schema.
pub(crate) fn open(path: &Path) -> Result<Connection, IdentityError> {
    let place = Place(path.to_owned());
    // Made by us and not by SQLite, so that there is no moment at which others can read it. SQLite gives its
    // write-ahead log the same mode.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let mut permissions = fs::metadata(path).map_err(place.io("look at"))?.permissions();
            if permissions.mode() & 0o077 != 0 {
                tracing::warn!(path = %path.display(), "the file of identities was open to others; now it is not");
                permissions.set_mode(0o600);
                fs::set_permissions(path, permissions).map_err(place.io("close to others"))?;
            }
        }
        Err(error) => return Err(place.io("make")(error)),
    }
    let mut connection = connect(path)?;
    migrate(&mut connection, &place)?;
    Ok(connection)
}

/// A further connection to a file that [`open`] has made ready.
pub(crate) fn connect(path: &Path) -> Result<Connection, IdentityError> {
    let place = Place(path.to_owned());
    let connection = Connection::open(path).map_err(place.failed("open"))?;
    let set = |connection: &Connection| {
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        // A revocation must not be undone by a power loss.
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON;")
    };
    set(&connection).map_err(place.failed("set up"))?;
    Ok(connection)
}

fn migrate(connection: &mut Connection, place: &Place) -> Result<(), IdentityError> {
    let write = begin(connection, place)?;
    let number = |pragma: &str| write.query_row(pragma, [], |row| row.get::<_, i32>(0));
    let application = number("PRAGMA application_id").map_err(place.failed("read"))?;
    let version = number("PRAGMA user_version").map_err(place.failed("read"))?;
    let tables = number("SELECT count(*) FROM sqlite_master").map_err(place.failed("read"))?;
    match (application, version, tables) {
        (0, 0, 0) => {
            write.execute_batch(SCHEMA).map_err(place.failed("make the tables of"))?;
            write.pragma_update(None, "application_id", APPLICATION).map_err(place.failed("mark"))?;
            write.pragma_update(None, "user_version", VERSION).map_err(place.failed("mark"))?;
            write.commit().map_err(place.failed("write"))
        }
        (APPLICATION, VERSION, _) => Ok(()),
        (APPLICATION, 1, _) => {
            write.execute_batch(&from_version_1()).map_err(place.failed("bring up to date"))?;
            write.pragma_update(None, "user_version", VERSION).map_err(place.failed("mark"))?;
            write.commit().map_err(place.failed("write"))
        }
        (APPLICATION, version, _) => Err(IdentityError::Version {
            path: place.0.clone(),
            why: format!("it is of version {version}, this reads version {VERSION}"),
        }),
        _ => Err(IdentityError::Version { path: place.0.clone(), why: "it is another program's".into() }),
    }
}

/// Version 1 knew no people. Dropping a table fires no trigger, so nothing is in the way of that.
fn from_version_1() -> String {
    format!(
        "DROP INDEX names; DROP INDEX changes; DROP INDEX sessions; DROP TRIGGER revoke_instead;
         ALTER TABLE credentials RENAME TO before; ALTER TABLE changes_made RENAME TO made_before;
         {SCHEMA}
         INSERT INTO credentials ({COLUMNS}) SELECT {COLUMNS} FROM before;
         UPDATE changes_made SET last = (SELECT last FROM made_before);
         DROP TABLE before; DROP TABLE made_before;"
    )
}

/// Begins to write. Waits for other writers, not for readers.
pub(crate) fn begin<'a>(connection: &'a mut Connection, place: &Place) -> Result<Transaction<'a>, IdentityError> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(place.failed("write"))
}

/// The number of a further change.
pub(crate) fn next_change(write: &Transaction<'_>) -> rusqlite::Result<i64> {
    write.query_row("UPDATE changes_made SET last = last + 1 RETURNING last", [], |row| row.get(0))
}

pub(crate) fn insert(write: &Transaction<'_>, row: &Stored) -> rusqlite::Result<()> {
    write
        .prepare_cached(
            "INSERT INTO credentials (id, kind, name, minter, hash, detail, created_ms, until_ms, changed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            row.id,
            row.kind.label(),
            row.name,
            row.minter,
            row.hash,
            row.detail,
            row.created_ms,
            row.until_ms,
            row.changed
        ])
        .map(drop)
}

/// The agent, minter or operator of that name, revoked or not.
pub(crate) fn named(connection: &Connection, kind: Kind, name: &str) -> rusqlite::Result<Option<Stored>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM credentials WHERE kind = ?1 AND name = ?2 AND kind <> 'session'"
        ))?
        .query_row(params![kind.label(), name], Stored::of)
        .optional()
}

/// Every row of a kind, the oldest first.
pub(crate) fn all(connection: &Connection, kind: Kind) -> rusqlite::Result<Vec<Stored>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM credentials WHERE kind = ?1 ORDER BY created_ms, id"))?
        .query_map([kind.label()], Stored::of)?
        .collect()
}

/// Rows changed after that number.
pub(crate) fn changed_since(connection: &Connection, seen: i64) -> rusqlite::Result<Vec<Stored>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM credentials WHERE changed > ?1 ORDER BY changed"))?
        .query_map([seen], Stored::of)?
        .collect()
}

/// A number that differs from the last call's where another connection has committed since.
pub(crate) fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}
