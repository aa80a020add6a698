//! Approvals, put together: holds come in, people and agents ask after them.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::{SystemTime, UNIX_EPOCH},
};

use mountgate_core::{AgentName, Claims, Digest};
use mountgate_identity::Person;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::{
    ApprovalError, Header, HeldWrite, HoldId, Listed, Middle, NewHold, Preview, Requester, Shown, State, Webhook,
    WriteStatus,
    owner::Owner,
    seal::Sealer,
    store::{Move, Row, Store},
};

/// The most holds in one list.
const LISTED: u32 = 500;

/// How approvals are kept.
pub struct ApprovalsConfig {
    /// The file.
    pub path: PathBuf,
    /// The key of what is kept, which the file does not hold.
    pub key: Zeroizing<[u8; 32]>,
    /// For how long an executed write can be undone, in milliseconds; then its values are erased.
    pub undo_for_ms: i64,
    /// How long after its end the values of any other hold are erased, in milliseconds.
    pub erase_after_ms: i64,
    /// The most writes of one agent that may wait.
    pub most_pending: u32,
    /// Whom to tell.
    pub webhooks: Vec<Webhook>,
}

impl ApprovalsConfig {
    /// Undo for a week, other values for a day, a hundred waiting writes of each agent, nobody told.
    pub fn new(path: PathBuf, key: Zeroizing<[u8; 32]>) -> Self {
        Self { path, key, undo_for_ms: 7 * 86_400_000, erase_after_ms: 86_400_000, most_pending: 100, webhooks: vec![] }
    }
}

/// How many holds there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By state; states that no hold is in are left out.
    pub holds: Vec<(State, u64)>,
    /// How long the oldest that waits has waited, in milliseconds.
    pub oldest_pending_ms: Option<u64>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) owner: Owner,
    pub(crate) config: ApprovalsConfig,
    pub(crate) middle: OnceLock<Box<dyn Middle>>,
    /// Holds that this gateway executes now.
    pub(crate) running: Mutex<HashSet<HoldId>>,
    /// There is something to do.
    pub(crate) wake: Notify,
}

/// The holds of a gateway. Cloning it clones a handle.
#[derive(Clone)]
pub struct Approvals(pub(crate) Arc<Inner>);

impl std::fmt::Debug for Approvals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Approvals").field("path", self.0.store.path()).finish_non_exhaustive()
    }
}

/// Milliseconds since 1970-01-01T00:00Z, by the system's clock.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Blocking work, off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApprovalError> + Send + 'static,
) -> Result<T, ApprovalError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(ApprovalError::Stopping))
}

impl Approvals {
    /// Opens the file of holds, made for its owner only where there is none. Nothing is executed before
    /// [`Approvals::attach`] and [`Approvals::run`].
    ///
    /// # Errors
    /// Where the file can't be opened, or is not ours.
    pub fn open(config: ApprovalsConfig) -> Result<Self, ApprovalError> {
        let hooks = config.webhooks.iter().map(|hook| (hook.name.clone(), hook.events.clone())).collect();
        let store = Store::open(config.path.clone(), Sealer::new(&config.key), hooks)?;
        let owner = Owner::new(&config.path).map_err(|error| ApprovalError::Store {
            act: "lock a file beside",
            path: config.path.clone(),
            why: error.to_string(),
        })?;
        Ok(Self(Arc::new(Inner {
            store,
            owner,
            config,
            middle: OnceLock::new(),
            running: Mutex::default(),
            wake: Notify::new(),
        })))
    }

    /// Gives it the gateway. The first one stays.
    pub fn attach(&self, middle: impl Middle) {
        let _ = self.0.middle.set(Box::new(middle));
    }

    pub(crate) fn middle(&self) -> Result<&dyn Middle, ApprovalError> {
        self.0.middle.get().map(AsRef::as_ref).ok_or(ApprovalError::Stopping)
    }

    /// Records what is not recorded of a hold.
    pub(crate) fn record(&self, id: &HoldId) -> Result<(), ApprovalError> {
        let middle = self.middle()?;
        self.0.store.record(id, |change| middle.record(change))
    }

    /// Takes a write in, to wait for people. Blocks on the disk. When this returns, the hold is kept and recorded.
    ///
    /// # Errors
    /// Where it can't be kept or recorded, or too many of the agent's wait.
    pub fn hold(&self, new: NewHold) -> Result<HoldId, ApprovalError> {
        self.hold_for(HoldId::new(), new, Requester::Agent, None)
    }

    pub(crate) fn hold_for(
        &self,
        id: HoldId,
        new: NewHold,
        requester: Requester,
        reverts: Option<HoldId>,
    ) -> Result<HoldId, ApprovalError> {
        let store = &self.0.store;
        let effect = new.write.effect();
        let header = Header {
            id,
            claims: store.sealer().claims(&new.write.claims),
            relation: effect.map(|effect| effect.relation.clone()),
            verb: effect.map(|effect| effect.verb),
            rows: effect.map(|effect| effect.rows.len() as u64),
            preview_failed: match &new.write.preview {
                Preview::Effect(_) => None,
                Preview::Failed(code) => Some(code.clone()),
            },
            mount: new.mount,
            agent: new.agent,
            session: new.session,
            on_behalf_of: new.on_behalf_of,
            requester,
            decision: new.decision,
            generation: new.generation,
            door: new.door,
            plugin: new.plugin,
            settings: new.settings,
            // An approval that nobody gives is none.
            needed: new.needed.max(1),
            created_ms: now_ms(),
            expires_ms: new.expires_ms,
            reverts,
        };
        let unkept = |why: String| ApprovalError::Store { act: "encode for", path: store.path().clone(), why };
        let header_text = serde_json::to_string(&header).map_err(|error| unkept(error.to_string()))?;
        let plain = Zeroizing::new(new.write.pack().map_err(unkept)?);
        let sealed = store.sealer().encrypt(&id, header_text.as_bytes(), &plain).map_err(unkept)?;
        let digest = store.sealer().shown(header_text.as_bytes(), &plain);
        let who = match &header.requester {
            Requester::Agent => format!("agent {}", header.agent),
            Requester::Person(person) => format!("person {person}"),
        };
        let first = Move { details: told(&header, &digest), ..Move::new(State::Pending, who) };
        store.add(&header, &header_text, &sealed, &first, self.0.config.most_pending)?;
        if let Err(error) = self.record(&id) {
            // Nobody is told its id, so nobody may come upon it later.
            let closed = store.step(&id, now_ms(), |_, row| {
                let taken = (row.state == State::Pending).then(|| Move {
                    details: json!({ "why": "it could not be recorded when it was made" }),
                    ..Move::new(State::Denied, "gateway")
                });
                Ok((taken, ()))
            });
            if let Err(error) = closed {
                tracing::error!(%error, hold = %id, "a hold that could not be recorded could not be closed either");
            }
            return Err(error);
        }
        self.0.wake.notify_one();
        Ok(id)
    }

    /// What an agent is told of its own write: the same agent, for the same user, with the same claims. Blocks on the
    /// disk.
    ///
    /// # Errors
    /// Where there is none of its own with that id.
    pub fn status(
        &self,
        id: &HoldId,
        agent: &AgentName,
        on_behalf_of: Option<&str>,
        claims: &Claims,
    ) -> Result<WriteStatus, ApprovalError> {
        let row = self.0.store.load(id)?;
        if row.header.on_behalf_of.as_deref() != on_behalf_of {
            return Err(ApprovalError::NotFound);
        }
        if row.header.agent != *agent || row.header.claims != self.0.store.sealer().claims(claims) {
            return Err(ApprovalError::NotFound);
        }
        // What a person wants undone is no write of the agent's.
        if row.header.requester != Requester::Agent {
            return Err(ApprovalError::NotFound);
        }
        Ok(WriteStatus {
            id: *id,
            mount: row.header.mount,
            state: row.state,
            rows: row.rows.filter(|_| row.state == State::Executed),
            code: row.code.filter(|_| row.state == State::Failed),
            expires_ms: row.header.expires_ms,
        })
    }

    /// The holds in those states that the person may see, those that are not over first, and then the newest. Blocks on the disk.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub fn list(&self, person: &Person, states: &[State]) -> Result<Vec<Listed>, ApprovalError> {
        let rows = self.0.store.list(states, LISTED)?;
        rows.into_iter()
            .filter(|row| may_see(person, &row.header))
            .map(|row| {
                let given = self.approvers(&row)?;
                Ok(Listed::new(row, given, person))
            })
            .collect()
    }

    /// A hold with its values, for a person who may see it. Blocks on the disk.
    ///
    /// # Errors
    /// Where there is none that the person may see, or it was tampered with.
    pub fn show(&self, person: &Person, id: &HoldId) -> Result<Shown, ApprovalError> {
        let row = self.0.store.load(id)?;
        if !may_see(person, &row.header) {
            return Err(ApprovalError::NotFound);
        }
        let given = self.approvers(&row)?;
        let opened = match self.opened(&row) {
            Ok(opened) => Some(opened),
            Err(ApprovalError::Erased) => None,
            Err(error) => return Err(error),
        };
        Ok(Shown::new(Listed::new(row, given, person), opened))
    }

    /// Who has approved what the hold holds.
    fn approvers(&self, row: &Row) -> Result<Vec<String>, ApprovalError> {
        let digest = match self.opened(row) {
            Ok((_, digest)) => digest,
            Err(ApprovalError::Erased) => return Ok(vec![]),
            Err(error) => return Err(error),
        };
        let path = self.0.store.path().clone();
        let all = self.0.store.read("read", |connection| {
            self.0.store.approvals(connection, &row.header.id, &digest).map_err(|_| rusqlite::Error::InvalidQuery)
        });
        let all = all.map_err(|error| ApprovalError::Store { act: "read", path, why: error.to_string() })?;
        Ok(all.into_iter().map(|approval| approval.person).collect())
    }

    /// The write of a hold and the digest of what is shown of it.
    pub(crate) fn opened(&self, row: &Row) -> Result<(HeldWrite, Digest), ApprovalError> {
        let sealed = row.held.as_ref().ok_or(ApprovalError::Erased)?;
        let sealer = self.0.store.sealer();
        let header = row.header_text.as_bytes();
        let tampered = || ApprovalError::Tampered(row.id.clone());
        let plain = sealer.decrypt(&row.header.id, header, sealed).ok_or_else(tampered)?;
        let write = HeldWrite::unpack(&plain).map_err(|_| tampered())?;
        Ok((write, sealer.shown(header, &plain)))
    }

    /// How many holds there are. Blocks on the disk.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub fn counts(&self) -> Result<Counts, ApprovalError> {
        self.0.store.counts(now_ms())
    }
}

/// Whether the person may see the hold: it is of a mount of theirs.
pub(crate) fn may_see(person: &Person, header: &Header) -> bool {
    person.grant().approves.contains(&header.mount)
}

/// What the ledger is told of a new hold: names and counts, no values.
fn told(header: &Header, digest: &Digest) -> serde_json::Value {
    json!({
        "decision": header.decision,
        "generation": header.generation,
        "plugin": header.plugin,
        "settings": header.settings,
        "needed": header.needed,
        "expires_ms": header.expires_ms,
        "relation": header.relation,
        "verb": header.verb,
        "rows": header.rows,
        "preview_failed": header.preview_failed,
        "reverts": header.reverts,
        "on_behalf_of": header.on_behalf_of,
        "shown": digest,
    })
}
