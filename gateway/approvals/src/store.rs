//! The file of holds: SQLite, written by one gateway or several.

mod rows;
mod schema;

use std::path::PathBuf;

use mountgate_core::Digest;
use parking_lot::Mutex;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde_json::Value as Json;

pub(crate) use self::rows::{Approval, Row};
use crate::{ApprovalError, Change, Counts, HoldId, State, seal::Sealer};

/// A step that a transaction takes.
pub(crate) struct Move {
    /// The state after.
    pub(crate) to: State,
    /// By whom.
    pub(crate) who: String,
    /// What else is needed to understand it; no values.
    pub(crate) details: Json,
    /// The gateway that has it in hand from now on.
    pub(crate) owner: Option<String>,
    /// The rows changed.
    pub(crate) rows: Option<u64>,
    /// A refusal's code.
    pub(crate) code: Option<String>,
}

impl Move {
    pub(crate) fn new(to: State, who: impl Into<String>) -> Self {
        Self { to, who: who.into(), details: Json::Null, owner: None, rows: None, code: None }
    }
}

/// The store.
pub(crate) struct Store {
    path: PathBuf,
    connection: Mutex<Connection>,
    sealer: Sealer,
    /// Held while changes are recorded, so that this gateway records each once.
    recording: Mutex<()>,
    /// For each event, the webhooks that are told of it.
    hooks: Vec<(String, Vec<State>)>,
}

impl Store {
    pub(crate) fn open(path: PathBuf, sealer: Sealer, hooks: Vec<(String, Vec<State>)>) -> Result<Self, ApprovalError> {
        let connection = schema::open(&path)?;
        Ok(Self { path, connection: Mutex::new(connection), sealer, recording: Mutex::new(()), hooks })
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    pub(crate) fn path(&self) -> &PathBuf {
        &self.path
    }

    pub(crate) fn failed(&self, act: &'static str) -> impl FnOnce(rusqlite::Error) -> ApprovalError {
        let path = self.path.clone();
        move |error| ApprovalError::Store { act, path, why: error.to_string() }
    }

    /// Work in one transaction that writes. Others wait.
    pub(crate) fn write<T>(
        &self,
        act: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, ApprovalError>,
    ) -> Result<T, ApprovalError> {
        let mut connection = self.connection.lock();
        let write = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(self.failed(act))?;
        let out = work(&write)?;
        crate::fault::at("before commit");
        write.commit().map_err(self.failed(act))?;
        crate::fault::at("after commit");
        Ok(out)
    }

    /// Work that reads.
    pub(crate) fn read<T>(
        &self,
        act: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, ApprovalError> {
        work(&self.connection.lock()).map_err(self.failed(act))
    }

    /// The hold, as it was written: its seal is looked at each time.
    pub(crate) fn load(&self, id: &HoldId) -> Result<Row, ApprovalError> {
        let found = self.read("read", |connection| rows::load(connection, id))?;
        self.sound(found.ok_or(ApprovalError::NotFound)?)
    }

    fn sound(&self, row: Row) -> Result<Row, ApprovalError> {
        rows::check(row, &self.sealer)
    }

    /// Takes one step of a hold, where `decide` says so of what is there now, in one transaction: of several that try,
    /// one finds the state that it wants.
    pub(crate) fn step<T>(
        &self,
        id: &HoldId,
        now_ms: i64,
        decide: impl FnOnce(&Transaction<'_>, &Row) -> Result<(Option<Move>, T), ApprovalError>,
    ) -> Result<T, ApprovalError> {
        self.write("change a hold in", |write| {
            let found = rows::load(write, id).map_err(self.failed("read"))?;
            let row = self.sound(found.ok_or(ApprovalError::NotFound)?)?;
            let (taken, out) = decide(write, &row)?;
            if let Some(taken) = taken {
                self.apply(write, &row, taken, now_ms).map_err(self.failed("change a hold in"))?;
            }
            Ok(out)
        })
    }

    fn apply(&self, write: &Transaction<'_>, row: &Row, taken: Move, now_ms: i64) -> rusqlite::Result<()> {
        let step = row.step + 1;
        let changed = write.execute(
            "UPDATE holds SET state = ?3, step = ?4, owner = ?5, taken_ms = ?6, rows = coalesce(?7, rows),
                    code = coalesce(?8, code), ended_ms = CASE WHEN ?9 THEN ?6 END
             WHERE id = ?1 AND step = ?2",
            params![
                row.header.id.to_string(),
                row.step,
                taken.to.label(),
                step,
                taken.owner,
                now_ms,
                taken.rows.map(|rows| i64::try_from(rows).unwrap_or(i64::MAX)),
                taken.code,
                taken.to.is_over(),
            ],
        )?;
        // The transaction has the file to itself, so that nobody can have taken the step since it was looked at.
        if changed != 1 {
            return Err(rusqlite::Error::StatementChangedRows(changed));
        }
        self.note(write, &row.header.id, step, Some(row.state), &taken, now_ms)
    }

    /// Writes a change down, not recorded yet, and whom to tell of it.
    fn note(
        &self,
        write: &Transaction<'_>,
        id: &HoldId,
        step: i64,
        from: Option<State>,
        taken: &Move,
        now_ms: i64,
    ) -> rusqlite::Result<()> {
        write.execute(
            "INSERT INTO changes (hold, step, from_state, to_state, who, at_ms, details, recorded)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)",
            params![
                id.to_string(),
                step,
                from.map(State::label),
                taken.to.label(),
                taken.who,
                now_ms,
                taken.details.to_string(),
            ],
        )?;
        if from == Some(taken.to) {
            return Ok(());
        }
        for (hook, _) in self.hooks.iter().filter(|(_, states)| states.contains(&taken.to)) {
            write.execute(
                "INSERT INTO notices (id, hook, hold, step, state, made_ms, tries, next_ms)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, 0, ?6 WHERE (SELECT count(*) FROM notices WHERE hook = ?2) < ?7",
                params![
                    uuid::Uuid::now_v7().to_string(),
                    hook,
                    id.to_string(),
                    step,
                    taken.to.label(),
                    now_ms,
                    crate::webhook::MOST,
                ],
            )?;
        }
        Ok(())
    }

    /// Adds a hold.
    pub(crate) fn add(
        &self,
        header: &crate::Header,
        header_text: &str,
        sealed: &[u8],
        first: &Move,
        most_pending: u32,
    ) -> Result<(), ApprovalError> {
        let id = &header.id;
        let seal = self.sealer.header(id, header_text.as_bytes());
        self.write("add a hold to", |write| {
            let waiting: u32 = write
                .query_row(
                    "SELECT count(*) FROM holds WHERE agent = ?1 AND state = 'pending'",
                    [header.agent.as_str()],
                    |row| row.get(0),
                )
                .map_err(self.failed("read"))?;
            if waiting >= most_pending {
                return Err(ApprovalError::TooMany(most_pending));
            }
            let insert = || {
                write.execute(
                    "INSERT INTO holds (id, header, seal, mount, agent, state, step, created_ms, expires_ms, taken_ms, held)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?8, ?7, ?9)",
                    params![
                        id.to_string(),
                        header_text,
                        seal,
                        header.mount.as_str(),
                        header.agent.as_str(),
                        first.to.label(),
                        header.created_ms,
                        header.expires_ms,
                        sealed,
                    ],
                )?;
                self.note(write, id, 1, None, first, header.created_ms)
            };
            insert().map_err(self.failed("add a hold to"))
        })
    }

    /// Adds an approval within a step.
    pub(crate) fn add_approval(
        &self,
        write: &Transaction<'_>,
        id: &HoldId,
        person: &str,
        at_ms: i64,
        digest: &Digest,
    ) -> Result<(), ApprovalError> {
        let seal = self.sealer.approval(id, person, at_ms, digest);
        // One row for each person: an approval given twice is one, and one whose seal is not ours is replaced.
        write
            .execute(
                "INSERT OR REPLACE INTO approvals (hold, person, at_ms, digest, seal) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![id.to_string(), person, at_ms, digest.as_bytes(), seal],
            )
            .map(drop)
            .map_err(self.failed("add an approval to"))
    }

    /// The approvals of a hold that are ours and of that digest, each person once.
    pub(crate) fn approvals(
        &self,
        connection: &Connection,
        id: &HoldId,
        digest: &Digest,
    ) -> Result<Vec<Approval>, ApprovalError> {
        let all = rows::approvals(connection, id).map_err(self.failed("read"))?;
        Ok(all
            .into_iter()
            .filter(|approval| {
                approval.digest == *digest.as_bytes()
                    && approval.seal == self.sealer.approval(id, &approval.person, approval.at_ms, digest)
            })
            .collect())
    }

    /// Records in the ledger what is not recorded yet of a hold, in order.
    pub(crate) fn record(
        &self,
        id: &HoldId,
        record: impl Fn(&Change) -> Result<(), String>,
    ) -> Result<(), ApprovalError> {
        let row = self.load(id)?;
        let _recording = self.recording.lock();
        for change in self.read("read", |connection| rows::unrecorded(connection, &row.header))? {
            record(&change).map_err(ApprovalError::Unrecorded)?;
            crate::fault::at("after record");
            let step = i64::try_from(change.step).unwrap_or(i64::MAX);
            self.read("mark a change in", |connection| {
                connection.execute(
                    "UPDATE changes SET recorded = 1 WHERE hold = ?1 AND step = ?2",
                    params![id.to_string(), step],
                )
            })?;
        }
        Ok(())
    }

    /// Whether the change that led to where the hold is now is on record.
    pub(crate) fn is_recorded(&self, row: &Row) -> Result<bool, ApprovalError> {
        self.read("read", |connection| rows::is_recorded(connection, &row.header.id, row.step))
    }

    /// Holds that have changes which are not recorded.
    pub(crate) fn with_unrecorded(&self) -> Result<Vec<HoldId>, ApprovalError> {
        self.read("read", |connection| {
            rows::ids(connection, "SELECT DISTINCT hold FROM changes WHERE recorded = 0 ORDER BY hold", [])
        })
    }

    /// Holds in a state, the oldest first.
    pub(crate) fn in_state(&self, state: State) -> Result<Vec<HoldId>, ApprovalError> {
        self.read("read", |connection| {
            rows::ids(connection, "SELECT id FROM holds WHERE state = ?1 ORDER BY created_ms, id", [state.label()])
        })
    }

    /// Holds that wait, and whose time is over.
    pub(crate) fn overdue(&self, now_ms: i64) -> Result<Vec<HoldId>, ApprovalError> {
        self.read("read", |connection| {
            rows::ids(
                connection,
                "SELECT id FROM holds WHERE state IN ('pending', 'approved') AND expires_ms <= ?1 ORDER BY expires_ms, id",
                [now_ms],
            )
        })
    }

    /// The holds in the states asked for, those that are not over first, and then the newest, at most so many. A row that is not as it was written is
    /// left out, and logged.
    pub(crate) fn list(&self, states: &[State], most: u32) -> Result<Vec<Row>, ApprovalError> {
        let all = self.read("read", |connection| rows::all(connection, states, most))?;
        Ok(all
            .into_iter()
            .filter_map(|row| {
                let id = row.id.clone();
                self.sound(row).inspect_err(|error| tracing::error!(%error, id, "a hold is left out")).ok()
            })
            .collect())
    }

    /// Overwrites the values of holds that ended before those moments: executed ones, which can be undone until then, and
    /// others. Says how many.
    pub(crate) fn erase(&self, executed_before_ms: i64, others_before_ms: i64) -> Result<usize, ApprovalError> {
        let erased = self.read("erase values in", |connection| {
            connection.execute(
                "UPDATE holds SET held = NULL WHERE held IS NOT NULL AND ended_ms IS NOT NULL
                 AND ended_ms <= CASE WHEN state IN ('executed', 'unknown') THEN ?1 ELSE ?2 END",
                [executed_before_ms, others_before_ms],
            )
        })?;
        if erased > 0 {
            // `secure_delete` overwrites what was in the file; the log before it is cut, or it would keep a copy.
            self.read("erase values in", |connection| {
                connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            })?;
        }
        Ok(erased)
    }

    /// How many holds are in each state, and for how long the oldest that waits has waited.
    pub(crate) fn counts(&self, now_ms: i64) -> Result<Counts, ApprovalError> {
        self.read("read", |connection| {
            let mut counts = Counts::default();
            let mut all = connection.prepare_cached("SELECT state, count(*) FROM holds GROUP BY state")?;
            let mut found = all.query([])?;
            while let Some(row) = found.next()? {
                if let Some(state) = State::from_label(&row.get::<_, String>(0)?) {
                    counts.holds.push((state, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0)));
                }
            }
            let oldest: Option<i64> =
                connection
                    .query_row("SELECT min(created_ms) FROM holds WHERE state = 'pending'", [], |row| row.get(0))?;
            counts.oldest_pending_ms = oldest.map(|made| u64::try_from(now_ms.saturating_sub(made)).unwrap_or(0));
            Ok(counts)
        })
    }
}
