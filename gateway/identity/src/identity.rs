//! Identities as the gateway and the command line use them.

use std::{
    fmt, fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use mountgate_core::{AgentName, Caller, Claims, SessionId};
use parking_lot::{Condvar, Mutex, RwLock};
use rusqlite::{Connection, Transaction, params};
use serde::Serialize;

use crate::{
    IdentityError, Minter, MinterGrant, Operator, Person, Reason, Token, Unauthenticated,
    claims::{check_shape, check_subject},
    commits::{Commits, Sign},
    index::Index,
    store::{self, Place, Stored},
    token::{Kind, Presented},
};

/// How often uses are saved and ended sessions purged.
const TEND_EVERY: Duration = Duration::from_secs(5);
/// How long an ended session stays in the file, so that its bearer's failure can be explained to the operator.
const KEEP_ENDED_MS: i64 = 3_600_000;

/// Bounds on sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentityConfig {
    /// The longest that a session may live, in milliseconds, whatever its minter may.
    pub max_session_ms: i64,
    /// The most live sessions of one agent.
    pub max_sessions: u32,
}

impl Default for IdentityConfig {
    /// 24 hours; 10 000 sessions.
    fn default() -> Self {
        Self { max_session_ms: 24 * 3_600_000, max_sessions: 10_000 }
    }
}

/// Whom a token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// An agent, by its key or by a session: may ask.
    Caller(Caller),
    /// A minter: may mint sessions, and nothing else.
    Minter(Minter),
    /// An operator: may use the admin port, and nothing else.
    Operator(Operator),
    /// A person: may see and approve writes that wait, and nothing else.
    Person(Person),
}

struct Watch {
    connection: Connection,
    version: i64,
    seen: i64,
}

struct Shared {
    place: Place,
    /// Device and inode of the file that is open.
    file: (u64, u64),
    /// Set where the file was moved or removed: nobody else's revocation would reach us.
    lost: AtomicBool,
    write: Mutex<Connection>,
    watch: Mutex<Watch>,
    commits: Commits,
    /// The sign up to which the index holds every commit.
    seen: Mutex<Option<Sign>>,
    index: RwLock<Index>,
    stop: Mutex<bool>,
    wake: Condvar,
}

/// The agents, sessions, minters and operators of a gateway.
///
/// Several processes may have the same file open: the gateway, and the command line. All but
/// [`Identity::authenticate`] may block for milliseconds; async callers run them on blocking threads.
pub struct Identity {
    shared: Arc<Shared>,
    config: IdentityConfig,
    tending: Option<JoinHandle<()>>,
}

pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

impl Shared {
    /// Takes in what other connections have committed.
    fn refresh(&self) -> Result<(), IdentityError> {
        // Looked at before anything is read: what is committed after this look makes the next one differ.
        let sign = self.commits.look();
        if sign.is_some() && *self.seen.lock() == sign {
            return Ok(());
        }
        self.read_commits()?;
        *self.seen.lock() = sign;
        Ok(())
    }

    fn read_commits(&self) -> Result<(), IdentityError> {
        let mut watch = self.watch.lock();
        let version = store::data_version(&watch.connection).map_err(self.place.failed("read"))?;
        if version == watch.version {
            return Ok(());
        }
        // A commit between the two reads is taken in now, and makes one needless look the next time.
        let rows = store::changed_since(&watch.connection, watch.seen).map_err(self.place.failed("read"))?;
        if let Some(last) = rows.last() {
            watch.seen = last.changed;
            self.index.write().take(rows);
        }
        watch.version = version;
        Ok(())
    }

    fn tend(&self) {
        loop {
            {
                let mut stop = self.stop.lock();
                if !*stop {
                    self.wake.wait_for(&mut stop, TEND_EVERY);
                }
                if *stop {
                    drop(stop);
                    self.report(self.save_uses());
                    return;
                }
            }
            let here = fs::metadata(&self.place.0).map(|there| (there.dev(), there.ino()));
            if here.ok() != Some(self.file) && !self.lost.swap(true, Ordering::AcqRel) {
                tracing::error!(path = %self.place.0.display(), "the file of identities was moved or removed; nobody is let in until a restart");
            }
            if self.lost.load(Ordering::Acquire) {
                continue;
            }
            self.report(self.save_uses());
            self.report(self.purge(now_ms()));
        }
    }

    fn report(&self, result: Result<(), IdentityError>) {
        if let Err(error) = result {
            tracing::warn!(%error, "tending the identities failed; it is tried again");
        }
    }

    fn save_uses(&self) -> Result<(), IdentityError> {
        let uses = self.index.read().unsaved();
        if uses.is_empty() {
            return Ok(());
        }
        // Not a change that others need to read, so that `changed` stays.
        self.change("save uses in", |write| {
            let mut update = write.prepare_cached(
                "UPDATE credentials SET last_used_ms = ?2 WHERE id = ?1 AND coalesce(last_used_ms, 0) < ?2",
            )?;
            for (id, used) in &uses {
                update.execute(params![id, used])?;
            }
            Ok(())
        })?;
        self.index.read().saved(&uses);
        Ok(())
    }

    fn purge(&self, now_ms: i64) -> Result<(), IdentityError> {
        let before = now_ms.saturating_sub(KEEP_ENDED_MS);
        let sql = "SELECT EXISTS (SELECT 1 FROM credentials WHERE kind = 'session' AND until_ms < ?1)";
        let any = self.write.lock().query_row(sql, [before], |row| row.get(0)).map_err(self.place.failed("read"))?;
        if any {
            self.change("purge", |write| {
                write.execute("DELETE FROM credentials WHERE kind = 'session' AND until_ms < ?1", [before]).map(drop)
            })?;
        }
        self.index.write().purge(before);
        Ok(())
    }

    fn change<T>(
        &self,
        act: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, IdentityError> {
        let mut connection = self.write.lock();
        let write = store::begin(&mut connection, &self.place)?;
        let out = work(&write).map_err(self.place.failed(act))?;
        write.commit().map_err(self.place.failed(act))?;
        Ok(out)
    }
}

impl Identity {
    /// Opens the file of identities, made for its owner only where there is none.
    ///
    /// # Errors
    /// Where the file can't be opened or is not ours.
    pub fn open(path: impl Into<PathBuf>, config: IdentityConfig) -> Result<Self, IdentityError> {
        let path = path.into();
        let place = Place(path.clone());
        let write = store::open(&path)?;
        let watching = store::connect(&path)?;
        let there = fs::metadata(&path).map_err(|error| IdentityError::Store {
            act: "look at",
            path: path.clone(),
            why: error.to_string(),
        })?;
        // -1 is no version, so that the first refresh reads everything.
        let watch = Watch { connection: watching, version: -1, seen: 0 };
        let commits = Commits::of(&path);
        let shared = Arc::new(Shared {
            place,
            file: (there.dev(), there.ino()),
            lost: AtomicBool::new(false),
            write: Mutex::new(write),
            watch: Mutex::new(watch),
            commits,
            seen: Mutex::new(None),
            index: RwLock::default(),
            stop: Mutex::new(false),
            wake: Condvar::new(),
        });
        shared.refresh()?;
        let tended = Arc::clone(&shared);
        let tending = std::thread::Builder::new()
            .name("identity-tend".into())
            .spawn(move || tended.tend())
            .map_err(|error| IdentityError::Store { act: "start the thread of", path, why: error.to_string() })?;
        Ok(Self { shared, config, tending: Some(tending) })
    }

    /// Whom the token belongs to, at that time (milliseconds since 1970-01-01T00:00Z). Takes microseconds; a revocation
    /// committed by any process before the call holds.
    ///
    /// # Errors
    /// One error to the caller, with its reason for the operator's log.
    pub fn authenticate(&self, token: &str, now_ms: i64) -> Result<Credential, Unauthenticated> {
        let presented = Presented::parse(token).map_err(Unauthenticated::new)?;
        if self.shared.lost.load(Ordering::Acquire) {
            return Err(Unauthenticated::new(Reason::Unreadable("the file was moved or removed".into())));
        }
        // Closed: without the file nobody knows what was revoked.
        self.shared.refresh().map_err(|error| Unauthenticated::new(Reason::Unreadable(error.to_string())))?;
        self.shared.index.read().credential(&presented, now_ms).map_err(Unauthenticated::new)
    }

    /// The person of that name, where there is one who is not revoked. As fresh as [`Identity::authenticate`].
    ///
    /// # Errors
    /// Where the file can't be read: nobody then knows what was revoked.
    pub fn person(&self, name: &str) -> Result<Option<Person>, IdentityError> {
        self.shared.refresh()?;
        Ok(self.shared.index.read().person(name))
    }

    /// Whether the agent is there and not revoked, nor, as far as it is still known, its session: for what was asked in
    /// their name before, and is done now. A session that has ended by itself stands.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub fn stands(&self, agent: &AgentName, session: Option<&SessionId>) -> Result<bool, IdentityError> {
        self.shared.refresh()?;
        Ok(self.shared.index.read().stands(agent, session))
    }

    /// Adds an agent. Its token is shown this once.
    ///
    /// # Errors
    /// Where the name is taken or not allowed, or a claim is.
    pub fn add_agent(&self, name: &str, claims: &Claims) -> Result<Token, IdentityError> {
        check_shape(claims)?;
        self.add(Kind::Agent, name, claims)
    }

    /// Adds a minter. Its token is shown this once. The agents that it may mint for need not exist yet.
    ///
    /// # Errors
    /// Where the name is taken or not allowed, or the grant can't be met.
    pub fn add_minter(&self, name: &str, grant: &MinterGrant) -> Result<Token, IdentityError> {
        grant.check(self.config.max_session_ms)?;
        self.add(Kind::Minter, name, grant)
    }

    /// Adds an operator's credential for the admin port. Its token is shown this once.
    ///
    /// # Errors
    /// Where the name is taken or not allowed.
    pub fn add_operator(&self, name: &str) -> Result<Token, IdentityError> {
        self.add(Kind::Operator, name, &serde_json::Map::new())
    }

    pub(crate) fn add(&self, kind: Kind, name: &str, detail: &impl Serialize) -> Result<Token, IdentityError> {
        check_subject(kind.label(), name)?;
        let (token, id, hash) = Token::new(kind)?;
        let detail = self.encode(detail)?;
        let mut row = Stored {
            id,
            kind,
            name: name.to_owned(),
            minter: None,
            hash,
            detail,
            created_ms: now_ms(),
            until_ms: None,
            revoked_ms: None,
            last_used_ms: None,
            changed: 0,
        };
        let existing = self.shared.change("add to", |write| {
            if let Some(existing) = store::named(write, kind, name)? {
                return Ok(Some(existing));
            }
            row.changed = store::next_change(write)?;
            store::insert(write, &row)?;
            Ok(None)
        })?;
        match existing {
            Some(existing) => Err(IdentityError::Exists {
                kind: kind.label(),
                name: name.to_owned(),
                revoked: existing.revoked_ms.is_some(),
            }),
            None => Ok(token),
        }
    }

    pub(crate) fn encode(&self, detail: &impl Serialize) -> Result<String, IdentityError> {
        serde_json::to_string(detail).map_err(|error| IdentityError::Store {
            act: "encode for",
            path: self.path().to_owned(),
            why: error.to_string(),
        })
    }

    /// Gives an agent a new key; the old one ends at once. Its sessions stay.
    ///
    /// # Errors
    /// Where there is no such agent, or it is revoked.
    pub fn rotate_agent(&self, name: &str) -> Result<Token, IdentityError> {
        let (token, id, hash) = Token::new(Kind::Agent)?;
        let found = self.shared.change("rotate a key in", |write| {
            let change = store::next_change(write)?;
            write.execute(
                "UPDATE credentials SET id = ?2, hash = ?3, last_used_ms = NULL, changed = ?4
                 WHERE kind = 'agent' AND name = ?1 AND revoked_ms IS NULL",
                params![name, id, hash, change],
            )
        })?;
        if found == 0 { Err(not_found("agent", name)) } else { Ok(token) }
    }

    /// Revokes an agent and ends its sessions. Holds for the next request. Says how many sessions it ended.
    ///
    /// # Errors
    /// Where there is no such agent, or it is revoked already.
    pub fn revoke_agent(&self, name: &str) -> Result<usize, IdentityError> {
        self.revoke(Kind::Agent, name, "kind = 'session' AND name = ?1")
    }

    /// Revokes a minter and ends the sessions that it minted. Holds for the next request. Says how many it ended.
    ///
    /// # Errors
    /// Where there is no such minter, or it is revoked already.
    pub fn revoke_minter(&self, name: &str) -> Result<usize, IdentityError> {
        self.revoke(Kind::Minter, name, "kind = 'session' AND minter = ?1")
    }

    /// Revokes an operator. Holds for the next request.
    ///
    /// # Errors
    /// Where there is no such operator, or it is revoked already.
    pub fn revoke_operator(&self, name: &str) -> Result<(), IdentityError> {
        self.revoke(Kind::Operator, name, "false AND name = ?1").map(drop)
    }

    pub(crate) fn revoke(&self, kind: Kind, name: &str, sessions: &str) -> Result<usize, IdentityError> {
        let now = now_ms();
        let ended = self.shared.change("revoke in", |write| {
            let change = store::next_change(write)?;
            let found = write.execute(
                "UPDATE credentials SET revoked_ms = ?2, changed = ?3
                 WHERE kind = ?4 AND name = ?1 AND revoked_ms IS NULL",
                params![name, now, change, kind.label()],
            )?;
            if found == 0 {
                return Ok(None);
            }
            write
                .execute(
                    &format!(
                        "UPDATE credentials SET revoked_ms = ?2, changed = ?3 WHERE {sessions} AND revoked_ms IS NULL"
                    ),
                    params![name, now, change],
                )
                .map(Some)
        })?;
        ended.ok_or_else(|| not_found(kind.label(), name))
    }

    /// Ends a session. Holds for the next request.
    ///
    /// # Errors
    /// Where there is no such session, or it is revoked already.
    pub fn revoke_session(&self, id: &SessionId) -> Result<(), IdentityError> {
        let now = now_ms();
        let found = self.shared.change("revoke in", |write| {
            let change = store::next_change(write)?;
            write.execute(
                "UPDATE credentials SET revoked_ms = ?2, changed = ?3
                 WHERE kind = 'session' AND id = ?1 AND revoked_ms IS NULL",
                params![id.as_str(), now, change],
            )
        })?;
        if found == 0 { Err(not_found("session", id.as_str())) } else { Ok(()) }
    }

    /// Forgets sessions that ended an hour and more before that time. Done every few seconds by itself.
    ///
    /// # Errors
    /// Where the file can't be written.
    pub fn purge(&self, now_ms: i64) -> Result<(), IdentityError> {
        self.shared.purge(now_ms)
    }

    /// Writes when credentials were last used. Done every few seconds by itself.
    ///
    /// # Errors
    /// Where the file can't be written.
    pub fn save_uses(&self) -> Result<(), IdentityError> {
        self.shared.save_uses()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.shared.place.0
    }

    pub(crate) fn change<T>(
        &self,
        act: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, IdentityError> {
        self.shared.change(act, work)
    }

    pub(crate) fn config(&self) -> &IdentityConfig {
        &self.config
    }

    pub(crate) fn place(&self) -> &Place {
        &self.shared.place
    }

    pub(crate) fn writer(&self) -> parking_lot::MutexGuard<'_, Connection> {
        self.shared.write.lock()
    }
}

pub(crate) fn not_found(kind: &'static str, name: &str) -> IdentityError {
    IdentityError::NotFound { kind, name: name.to_owned() }
}

impl Drop for Identity {
    fn drop(&mut self) {
        *self.shared.stop.lock() = true;
        self.shared.wake.notify_all();
        if let Some(tending) = self.tending.take() {
            let _ = tending.join();
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("path", &self.shared.place.0).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests;
