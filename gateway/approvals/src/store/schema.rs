//! The file's tables.

use std::{
    fs::{self, OpenOptions},
    io::ErrorKind,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, TransactionBehavior};

use crate::ApprovalError;

/// `Mghd` in ASCII: tells our files from others'.
const APPLICATION: i32 = 0x4d67_6864;
const VERSION: i32 = 1;

const SCHEMA: &str = "
CREATE TABLE holds (
    id         TEXT PRIMARY KEY,
    -- What is known without the values, as JSON, and its seal. Never changed.
    header     TEXT NOT NULL,
    seal       BLOB NOT NULL CHECK (length(seal) = 32),
    -- For look-ups; the header says it too, and counts.
    mount      TEXT NOT NULL,
    agent      TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN
        ('pending', 'approved', 'executing', 'executed', 'failed', 'stale', 'expired', 'denied', 'unknown')),
    -- The number of the last change.
    step       INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    taken_ms   INTEGER NOT NULL,
    ended_ms   INTEGER,
    -- The gateway that executes it.
    owner      TEXT,
    rows       INTEGER,
    code       TEXT,
    -- The values, encrypted; none once they are erased.
    held       BLOB
) STRICT;
CREATE INDEX holds_by_state ON holds (state, expires_ms);
CREATE TABLE approvals (
    hold   TEXT NOT NULL REFERENCES holds (id),
    person TEXT NOT NULL,
    at_ms  INTEGER NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    seal   BLOB NOT NULL CHECK (length(seal) = 32),
    PRIMARY KEY (hold, person)
) STRICT, WITHOUT ROWID;
CREATE TABLE changes (
    hold       TEXT NOT NULL REFERENCES holds (id),
    step       INTEGER NOT NULL,
    from_state TEXT,
    to_state   TEXT NOT NULL,
    who        TEXT NOT NULL,
    at_ms      INTEGER NOT NULL,
    details    TEXT NOT NULL,
    recorded   INTEGER NOT NULL,
    PRIMARY KEY (hold, step)
) STRICT, WITHOUT ROWID;
CREATE INDEX changes_unrecorded ON changes (hold) WHERE recorded = 0;
CREATE TABLE notices (
    id      TEXT PRIMARY KEY,
    hook    TEXT NOT NULL,
    hold    TEXT NOT NULL REFERENCES holds (id),
    step    INTEGER NOT NULL,
    state   TEXT NOT NULL,
    made_ms INTEGER NOT NULL,
    tries   INTEGER NOT NULL,
    next_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX notices_due ON notices (next_ms);
";

/// Opens the file, made for its owner only where there is none.
pub(super) fn open(path: &Path) -> Result<Connection, ApprovalError> {
    let io = |act: &'static str| {
        let path = path.to_owned();
        move |error: std::io::Error| ApprovalError::Store { act, path, why: error.to_string() }
    };
    // Made by us and not by SQLite, so that there is no moment at which others can read it.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let mut permissions = fs::metadata(path).map_err(io("look at"))?.permissions();
            if permissions.mode() & 0o077 != 0 {
                tracing::warn!(path = %path.display(), "the file of holds was open to others; now it is not");
                permissions.set_mode(0o600);
                fs::set_permissions(path, permissions).map_err(io("close to others"))?;
            }
        }
        Err(error) => return Err(io("make")(error)),
    }
    let failed = |act: &'static str| {
        let path = path.to_owned();
        move |error: rusqlite::Error| ApprovalError::Store { act, path, why: error.to_string() }
    };
    let mut connection = Connection::open(path).map_err(failed("open"))?;
    let set = |connection: &Connection| {
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        // An approval must not be undone by a power loss after the write that followed from it.
        connection.execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON;",
        )
    };
    set(&connection).map_err(failed("set up"))?;
    let write = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed("write"))?;
    let number = |pragma: &str| write.query_row(pragma, [], |row| row.get::<_, i32>(0));
    let application = number("PRAGMA application_id").map_err(failed("read"))?;
    let version = number("PRAGMA user_version").map_err(failed("read"))?;
    let tables = number("SELECT count(*) FROM sqlite_master").map_err(failed("read"))?;
    match (application, version, tables) {
        (0, 0, 0) => {
            write.execute_batch(SCHEMA).map_err(failed("make the tables of"))?;
            write.pragma_update(None, "application_id", APPLICATION).map_err(failed("mark"))?;
            write.pragma_update(None, "user_version", VERSION).map_err(failed("mark"))?;
            write.commit().map_err(failed("write"))?;
        }
        (APPLICATION, VERSION, _) => write.rollback().map_err(failed("read"))?,
        (APPLICATION, version, _) => {
            return Err(ApprovalError::Store {
                act: "read",
                path: path.to_owned(),
                why: format!("it is of version {version}, this reads version {VERSION}"),
            });
        }
        _ => {
            let why = "it is another program's".to_owned();
            return Err(ApprovalError::Store { act: "read", path: path.to_owned(), why });
        }
    }
    Ok(connection)
}
