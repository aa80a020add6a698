//! Holds over a real store, a real ledger and real identities.

mod killed;
mod once;
mod roles;
mod tampered;
mod telling;
mod undo;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use mountgate_core::{ClaimName, ClaimValue, Claims, Digest, Effect, MountName, RowChange, Value, Verb};
use mountgate_identity::{Identity, IdentityConfig, Person, PersonGrant};
use mountgate_ledger::{HoldRecord, Ledger, LedgerConfig, Selection, export};
use parking_lot::Mutex;
use rusqlite::{Connection, types::ValueRef};
use zeroize::Zeroizing;

use crate::{
    ApprovalError, Approvals, ApprovalsConfig, Change, Executed, HeldWrite, HoldId, Middle, NewHold, Preview,
    Previewed, Run, State, Way, approvals::now_ms,
};

pub(crate) const KEY: [u8; 32] = [7; 32];
const LEDGER_KEYS: ([u8; 32], [u8; 32]) = ([1; 32], [2; 32]);

/// A gateway as far as approvals need one: the statements run as they are, on a real SQLite file.
#[derive(Clone)]
pub(crate) struct Shop(Arc<Inside>);

pub(crate) struct Inside {
    path: PathBuf,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) identity: Arc<Identity>,
    /// Whether the store has a place for markers.
    markers: bool,
    pub(crate) executions: AtomicU32,
    /// The connection is lost between the commit and its answer.
    pub(crate) lost: AtomicBool,
    pub(crate) unrecordable: AtomicBool,
    pub(crate) policy: Mutex<Digest>,
}

impl Shop {
    fn connect(&self) -> Connection {
        let connection = Connection::open(&self.0.path).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        connection
    }

    /// The whole table, by key.
    fn rows(connection: &Connection) -> Vec<(i64, Vec<Value>)> {
        let mut all = connection.prepare("SELECT id, n, state FROM tickets ORDER BY id").unwrap();
        all.query_map([], |row| {
            let value = |at: usize| match row.get_ref_unwrap(at) {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(integer) => Value::Integer(integer),
                ValueRef::Real(real) => Value::Float(real),
                ValueRef::Text(text) => Value::Text(String::from_utf8(text.to_vec()).unwrap()),
                ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
            };
            Ok((row.get_unwrap(0), vec![value(0), value(1), value(2)]))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect()
    }

    /// Runs the statement and says what it did. In a transaction of the caller's.
    fn act(connection: &Connection, sql: &str, params: &[Value]) -> Result<Effect, String> {
        let before = Self::rows(connection);
        let bound = params.iter().map(|value| -> rusqlite::types::Value {
            match value {
                Value::Integer(integer) => (*integer).into(),
                Value::Text(text) => text.clone().into(),
                Value::Float(float) => (*float).into(),
                other => panic!("{other:?}"),
            }
        });
        connection.execute(sql, rusqlite::params_from_iter(bound)).map_err(|_| "constraint_failed".to_owned())?;
        let after = Self::rows(connection);
        let of = |rows: &[(i64, Vec<Value>)], id: i64| {
            rows.iter().find(|(other, _)| *other == id).map(|(_, row)| row.clone())
        };
        let mut ids: Vec<i64> = before.iter().chain(&after).map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        let rows: Vec<RowChange> = ids
            .into_iter()
            .map(|id| RowChange { key: vec![Value::Integer(id)], before: of(&before, id), after: of(&after, id) })
            .filter(|row| row.before != row.after)
            .collect();
        let verb = match sql.split(' ').next().unwrap() {
            "UPDATE" => Verb::Update,
            "DELETE" => Verb::Delete,
            _ => Verb::Insert,
        };
        Ok(Effect {
            relation: "tickets".into(),
            verb,
            key: vec!["id".into()],
            columns: vec!["id".into(), "n".into(), "state".into()],
            rows,
        })
    }

    pub(crate) fn previewed(&self, sql: &str, params: &[Value]) -> Result<Effect, String> {
        let mut connection = self.connect();
        let rolled_back = connection.transaction().unwrap();
        Self::act(&rolled_back, sql, params)
    }

    fn executed(&self, run: &Run, expected: &Effect) -> Executed {
        self.0.executions.fetch_add(1, Ordering::SeqCst);
        if run.plugin != *self.0.policy.lock() {
            return Executed::Stale;
        }
        let mut connection = self.connect();
        let write = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
        if self.0.markers {
            let marked = write.execute("INSERT INTO mountgate_marker VALUES (?1)", [run.hold.to_string()]);
            if marked.is_err() {
                return Executed::Done { rows: expected.rows.len() as u64 };
            }
        }
        let effect = match Self::act(&write, &run.sql, &run.params) {
            Ok(effect) => effect,
            Err(code) => return Executed::Failed(code),
        };
        if effect != *expected {
            return Executed::Stale;
        }
        crate::fault::at("before the store's commit");
        write.commit().unwrap();
        crate::fault::at("after the store's commit");
        if self.0.lost.load(Ordering::SeqCst) {
            return Executed::Unknown;
        }
        Executed::Done { rows: effect.rows.len() as u64 }
    }
}

impl Middle for Shop {
    fn record(&self, change: &Change) -> Result<(), String> {
        if self.0.unrecordable.load(Ordering::SeqCst) {
            return Err("the disk is full".into());
        }
        let record = HoldRecord {
            hold: &change.hold.to_string(),
            step: change.step,
            time_ms: change.time_ms,
            who: &change.who,
            mount: &change.mount,
            agent: &change.agent,
            session: change.session.as_ref(),
            from: change.from.map(State::label),
            to: change.to.label(),
            details: &change.details,
        };
        self.0.ledger.hold(&record).map_err(|error| error.to_string())
    }

    fn person(&self, name: &str) -> Result<Option<Person>, String> {
        self.0.identity.person(name).map_err(|error| error.to_string())
    }

    fn preview<'a>(&'a self, run: &'a Run) -> Way<'a, Result<Previewed, String>> {
        Box::pin(async move {
            let effect = self.previewed(&run.sql, &run.params)?;
            Ok(Previewed {
                effect,
                generation: 1,
                plugin: *self.0.policy.lock(),
                settings: policy(),
                needed: 1,
                waits_ms: 60_000,
            })
        })
    }

    fn execute<'a>(&'a self, run: &'a Run, expected: &'a Effect) -> Way<'a, Executed> {
        Box::pin(async move { self.executed(run, expected) })
    }

    fn marker<'a>(&'a self, _: &'a MountName, hold: &'a HoldId) -> Way<'a, Result<Option<bool>, String>> {
        Box::pin(async move {
            if !self.0.markers {
                return Ok(None);
            }
            let sql = "SELECT EXISTS (SELECT 1 FROM mountgate_marker WHERE hold = ?1)";
            let there = self.connect().query_row(sql, [hold.to_string()], |row| row.get(0));
            there.map(Some).map_err(|error| error.to_string())
        })
    }
}

/// A folder with everything in it.
pub(crate) struct World {
    pub(crate) dir: PathBuf,
    pub(crate) shop: Shop,
    pub(crate) approvals: Approvals,
    _folder: Option<tempfile::TempDir>,
}

pub(crate) fn policy() -> Digest {
    Digest::of(b"policy")
}

pub(crate) fn claims(customer: i64) -> Claims {
    [(ClaimName::new("customer_id"), ClaimValue::Integer(customer))].into()
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_markers(true)
    }

    pub(crate) fn with_markers(markers: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_owned();
        Connection::open(dir.join("shop.db"))
            .unwrap()
            .execute_batch(
                "CREATE TABLE tickets (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, state TEXT);
                 INSERT INTO tickets VALUES (1, 0, 'open'), (2, 0, 'open'), (3, 0, NULL);
                 CREATE TABLE mountgate_marker (hold TEXT PRIMARY KEY);",
            )
            .unwrap();
        let mut world = Self::open(&dir, markers);
        for (name, mounts, runs) in [
            ("alice", &["support"][..], &[][..]),
            ("bob", &["support"], &[]),
            ("carol", &["billing"], &[]),
            ("dave", &["support"], &["support-bot"]),
        ] {
            let grant = PersonGrant {
                approves: mounts.iter().map(|name| MountName::new(*name)).collect(),
                runs: runs.iter().map(|name: &&str| mountgate_core::AgentName::new(*name)).collect(),
            };
            world.shop.0.identity.add_person(name, &grant).unwrap();
        }
        world._folder = Some(folder);
        world
    }

    /// What another process finds there.
    pub(crate) fn open(dir: &Path, markers: bool) -> Self {
        let config = LedgerConfig::new(dir.join("ledger"), LEDGER_KEYS.0, LEDGER_KEYS.1);
        let shop = Shop(Arc::new(Inside {
            path: dir.join("shop.db"),
            ledger: Arc::new(Ledger::open(&config).unwrap()),
            identity: Arc::new(Identity::open(dir.join("identities.db"), IdentityConfig::default()).unwrap()),
            markers,
            executions: AtomicU32::new(0),
            lost: AtomicBool::new(false),
            unrecordable: AtomicBool::new(false),
            policy: Mutex::new(policy()),
        }));
        let approvals = Self::gateway(dir, &shop);
        Self { dir: dir.to_owned(), shop, approvals, _folder: None }
    }

    fn gateway(dir: &Path, shop: &Shop) -> Approvals {
        Self::gateway_with(dir, shop, |_| {})
    }

    fn gateway_with(dir: &Path, shop: &Shop, change: impl FnOnce(&mut ApprovalsConfig)) -> Approvals {
        let mut config = ApprovalsConfig::new(dir.join("approvals.db"), Zeroizing::new(KEY));
        change(&mut config);
        let approvals = Approvals::open(config).unwrap();
        approvals.attach(shop.clone());
        approvals
    }

    /// Another gateway on the same file.
    pub(crate) fn another(&self) -> Approvals {
        Self::gateway(&self.dir, &self.shop)
    }

    pub(crate) fn another_with(&self, change: impl FnOnce(&mut ApprovalsConfig)) -> Approvals {
        Self::gateway_with(&self.dir, &self.shop, change)
    }

    pub(crate) fn person(&self, name: &str) -> Person {
        self.shop.0.identity.person(name).unwrap().unwrap()
    }

    /// A write that shows how often it was done.
    pub(crate) fn counting(&self) -> NewHold {
        self.new_hold("UPDATE tickets SET n = n + 1 WHERE id = $1", vec![Value::Integer(1)])
    }

    pub(crate) fn new_hold(&self, sql: &str, params: Vec<Value>) -> NewHold {
        let preview = match self.shop.previewed(sql, &params) {
            Ok(effect) => Preview::Effect(effect),
            Err(code) => Preview::Failed(code),
        };
        NewHold {
            mount: "support".into(),
            agent: "support-bot".into(),
            session: Some("s1".into()),
            on_behalf_of: None,
            decision: None,
            generation: 1,
            door: mountgate_core::Door::Http,
            plugin: policy(),
            settings: policy(),
            needed: 1,
            expires_ms: now_ms() + 60_000,
            write: HeldWrite {
                sql: sql.into(),
                params,
                purpose: None,
                reason: Some("the customer asked".into()),
                why: None,
                idempotency_key: None,
                claims: claims(42),
                preview,
            },
        }
    }

    pub(crate) fn digest(&self, name: &str, id: &HoldId) -> Digest {
        self.approvals.show(&self.person(name), id).unwrap().digest.unwrap()
    }

    pub(crate) async fn approve(&self, name: &str, id: &HoldId) -> Result<State, ApprovalError> {
        let digest = self.digest("alice", id);
        self.approvals.approve(&self.person(name), id, &digest).await
    }

    pub(crate) fn state(&self, id: &HoldId) -> State {
        self.approvals.status(id, &"support-bot".into(), None, &claims(42)).unwrap().state
    }

    /// How often the counting write was done.
    pub(crate) fn done(&self) -> i64 {
        self.shop.connect().query_row("SELECT n FROM tickets WHERE id = 1", [], |row| row.get(0)).unwrap()
    }

    pub(crate) fn ticket(&self, id: i64) -> Option<(i64, Option<String>)> {
        let sql = "SELECT n, state FROM tickets WHERE id = ?1";
        self.shop.connect().query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?))).ok()
    }

    /// What the ledger tells of a hold, each change once: numbered without a gap, each from where the last one led to.
    pub(crate) fn story(&self, id: &HoldId) -> Vec<(String, State)> {
        let only = Selection { kind: Some("hold".into()), ..Selection::default() };
        let mut story: Vec<(String, State)> = Vec::new();
        for entry in export(&self.dir.join("ledger"), only).unwrap() {
            let record = entry.unwrap().record().unwrap();
            if record["hold"] != id.to_string() {
                continue;
            }
            let state = |key: &str| record[key].as_str().map(|label| State::from_label(label).unwrap());
            let step = usize::try_from(record["step"].as_u64().unwrap()).unwrap();
            let told = (record["who"].as_str().unwrap().to_owned(), state("to").unwrap());
            if step <= story.len() {
                assert_eq!(story[step - 1], told, "a change that is told twice is told alike");
                continue;
            }
            assert_eq!(step, story.len() + 1, "no change is left out");
            assert_eq!(state("from"), story.last().map(|(_, to)| *to));
            story.push(told);
        }
        story
    }

    /// The store is where the ledger says, and the ledger is whole.
    pub(crate) fn agrees(&self, id: &HoldId) {
        assert_eq!(self.story(id).last().map(|(_, state)| *state), Some(self.state(id)));
        let report = mountgate_ledger::verify(&self.dir.join("ledger"), None).unwrap();
        assert!(report.is_sound(), "{report:?}");
    }
}
