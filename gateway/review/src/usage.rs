//! What was used: one pass over the ledger.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    path::Path,
};

use mountgate_core::{
    AgentName, ClaimName, ColumnName, CompareOp, Grant, MountName, RelationName, RelationTouch, SessionId, Verb,
};
use mountgate_ledger::{DecisionId, LedgerError, Selection, export};
use serde::Serialize;

use crate::{
    memo::Memo,
    peaks::Peaks,
    record::{Predicate, Record, Request, Verdict, Whole},
    seen::Seen,
};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Decisions whose completion is waited for. Beyond that, the oldest counts as one that was never completed.
const UNDER_WAY: usize = 65_536;

/// Different values of one thing that are told apart; more count as this many.
const DISTINCT: usize = 64;

/// Sets of relations that are told apart for each agent and mount.
const SHAPES: usize = 1_000;

/// Sessions that are told apart for each agent and mount.
const SESSIONS: usize = 100_000;

/// What was used within a ledger.
#[derive(Default)]
pub struct Usage {
    /// Every record that was looked at, whatever its kind.
    pub records: Seen,
    /// By mount and agent.
    pub tasks: BTreeMap<(MountName, AgentName), TaskUse>,
    /// Refusals that name no mount.
    pub elsewhere: u64,
    /// Every agent that asked for anything, whatever came of it.
    pub asked: BTreeMap<AgentName, Seen>,
}

/// What one agent did through one mount.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TaskUse {
    /// Requests that were decided, and allowed.
    pub decisions: Seen,
    /// By verb.
    pub verbs: BTreeMap<Verb, Seen>,
    /// The relations touched.
    pub tables: BTreeMap<RelationName, TableUse>,
    /// The relations that one session used (one request, where there was no session), each set once; the first
    /// thousand different sets.
    #[serde(skip)]
    pub together: BTreeSet<BTreeSet<RelationName>>,
    /// The claims that callers had.
    pub claims: BTreeMap<ClaimName, Seen>,
    /// The plugins that decided, by digest.
    pub plugins: BTreeMap<String, Seen>,
    /// Sessions; 100,000 stands for that many or more.
    pub sessions: u64,
    /// What was refused, by code.
    pub refused: BTreeMap<String, RefusedUse>,
    /// Sizes and rates.
    pub sizes: Sizes,
}

/// Refusals of one code.
#[derive(Clone, Debug, Serialize)]
pub struct RefusedUse {
    /// How often.
    pub seen: Seen,
    /// The first of them.
    pub example: Option<DecisionId>,
}

/// How a relation was used.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TableUse {
    /// The requests that touched it.
    pub seen: Seen,
    /// Its columns.
    pub columns: BTreeMap<ColumnName, ColumnUse>,
    /// The columns that a request pinned to one given value, in requests that refer to the relation once.
    pub equalities: BTreeMap<ColumnName, Equality>,
    /// Requests that refer to it more than once: which reference a predicate holds for is not on record.
    pub several: u64,
    /// What policies granted of it: columns, over all requests. Empty where the ceiling was always granted as it is.
    pub granted: BTreeSet<ColumnName>,
    /// How often the ceiling was granted as it is.
    pub whole: u64,
}

/// How a column was used.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ColumnUse {
    /// The requests that touched it.
    pub seen: Seen,
    /// In which ways.
    pub uses: BTreeMap<&'static str, Seen>,
}

/// A column that requests pinned to one given value.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Equality {
    /// The requests that did.
    pub seen: Seen,
    /// How many different values; 64 stands for that many or more.
    #[serde(serialize_with = "count")]
    pub values: HashSet<Box<str>>,
    /// Whose claim the value was: in how many requests, and how many different values.
    pub claims: BTreeMap<ClaimName, ClaimEquality>,
}

/// An equality with a claim.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ClaimEquality {
    /// The requests.
    pub seen: Seen,
    /// Different values.
    #[serde(serialize_with = "count")]
    pub values: HashSet<Box<str>>,
}

fn count<S: serde::Serializer>(values: &HashSet<Box<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(values.len() as u64)
}

/// The largest answers and the highest rates.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Sizes {
    /// Answers whose end is on record.
    pub finished: u64,
    /// Answers whose end is not: they count as large as their caps allowed, and are left out of what follows.
    pub unfinished: u64,
    /// Answers that a cap cut.
    pub truncated: u64,
    /// Rows of the largest answer.
    pub rows: u64,
    /// Bytes of the largest.
    pub bytes: u64,
    /// The longest time, in microseconds.
    pub total_us: u64,
    /// Requests of one session (or of the agent, where it had none) in one minute.
    pub session_requests_a_minute: u64,
    /// Requests of the agent in one minute.
    pub agent_requests_a_minute: u64,
    /// Rows to one session in one hour.
    pub session_rows_an_hour: u64,
    /// Rows to the agent in one hour.
    pub agent_rows_an_hour: u64,
}

/// How far a pass has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Records looked at.
    pub records: u64,
    /// The moment of the last one, in milliseconds since 1970-01-01T00:00Z.
    pub time_ms: i64,
}

/// A decision whose completion has not come yet.
struct UnderWay {
    task: (MountName, AgentName),
    session: Option<SessionId>,
    time_ms: i64,
}

/// What a pass needs besides the usage.
#[derive(Default)]
struct Pass {
    touches: Memo<Vec<RelationTouch>>,
    grants: Memo<Grant>,
    under_way: HashMap<DecisionId, UnderWay>,
    order: VecDeque<DecisionId>,
    /// What each session used.
    sessions: HashMap<(MountName, AgentName), HashMap<SessionId, BTreeSet<RelationName>>>,
    rates: HashMap<(MountName, AgentName), Rates>,
}

struct Rates {
    session_requests: Peaks<Option<SessionId>>,
    agent_requests: Peaks<()>,
    session_rows: Peaks<Option<SessionId>>,
    agent_rows: Peaks<()>,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            session_requests: Peaks::new(MINUTE_MS),
            agent_requests: Peaks::new(MINUTE_MS),
            session_rows: Peaks::new(HOUR_MS),
            agent_rows: Peaks::new(HOUR_MS),
        }
    }
}

impl Usage {
    /// Goes through the ledger in `dir`, also while a gateway writes it. `progress` is told every 50,000 records.
    ///
    /// Memory grows with the number of mounts, agents, tables and columns, and not with the number of records.
    ///
    /// # Errors
    /// Where the ledger can't be read, or a record is not one.
    pub fn read(dir: &Path, only: Selection, progress: &mut dyn FnMut(Progress)) -> Result<Self, LedgerError> {
        let mut usage = Self::default();
        let mut pass = Pass::default();
        for entry in export(dir, only)? {
            let entry = entry?;
            let whole: Whole<'_> = serde_json::from_str(entry.line())?;
            usage.take(&mut pass, &whole.record)?;
            if usage.records.count % 50_000 == 0 {
                progress(Progress { records: usage.records.count, time_ms: usage.records.last_ms });
            }
        }
        for under_way in pass.under_way.into_values() {
            if let Some(task) = usage.tasks.get_mut(&under_way.task) {
                task.sizes.unfinished += 1;
            }
        }
        for (key, sessions) in pass.sessions {
            if let Some(task) = usage.tasks.get_mut(&key) {
                task.sessions = sessions.len() as u64;
                for together in sessions.into_values() {
                    task.used_together(together);
                }
            }
        }
        for (key, rates) in pass.rates {
            if let Some(task) = usage.tasks.get_mut(&key) {
                task.sizes.session_requests_a_minute = rates.session_requests.highest();
                task.sizes.agent_requests_a_minute = rates.agent_requests.highest();
                task.sizes.session_rows_an_hour = rates.session_rows.highest();
                task.sizes.agent_rows_an_hour = rates.agent_rows.highest();
            }
        }
        Ok(usage)
    }

    fn take(&mut self, pass: &mut Pass, record: &Record<'_>) -> Result<(), serde_json::Error> {
        self.records.add(record.time_ms);
        match record.kind.as_ref() {
            "decision" => self.decision(pass, record),
            "completion" => {
                self.completion(pass, record);
                Ok(())
            }
            "refusal" => {
                self.refusal(record);
                Ok(())
            }
            // Acts of people and of the gateway itself use nothing through a mount.
            _ => Ok(()),
        }
    }

    fn decision(&mut self, pass: &mut Pass, record: &Record<'_>) -> Result<(), serde_json::Error> {
        let Some(request) = &record.request else { return Ok(()) };
        self.asked.entry(request.agent.clone()).or_default().add(record.time_ms);
        let key = (request.mount.clone(), request.agent.clone());
        let task = self.tasks.entry(key.clone()).or_default();
        task.decisions.add(record.time_ms);
        task.verbs.entry(request.touch.verb).or_default().add(record.time_ms);
        for claim in request.claims.keys() {
            task.claims.entry(claim.clone()).or_default().add(record.time_ms);
        }
        if let Some(plugin) = &record.plugin {
            task.plugins.entry(plugin.to_string()).or_default().add(record.time_ms);
        }
        let relations = pass.touches.get(request.touch.relations)?;
        task.touch(record.time_ms, &relations, request);
        if let Some(verdict) = record.verdict {
            let verdict: Verdict<'_> = serde_json::from_str(verdict.get())?;
            if let Some(allowed) = verdict.allow {
                task.granted(&relations, &*pass.grants.get(allowed.grant)?);
            }
        }
        let used = relations.iter().map(|touched| touched.relation.clone());
        match &request.session {
            Some(session) => {
                let sessions = pass.sessions.entry(key.clone()).or_default();
                if sessions.len() < SESSIONS || sessions.contains_key(session) {
                    sessions.entry(session.clone()).or_default().extend(used);
                }
            }
            None => task.used_together(used.collect()),
        }
        let rates = pass.rates.entry(key.clone()).or_default();
        rates.session_requests.add(request.session.clone(), record.time_ms, 1);
        rates.agent_requests.add((), record.time_ms, 1);
        if let Some(id) = record.id {
            if pass.under_way.len() >= UNDER_WAY {
                // What has been completed is still in the order, and is passed over.
                while let Some(oldest) = pass.order.pop_front() {
                    if let Some(lost) = pass.under_way.remove(&oldest) {
                        if let Some(task) = self.tasks.get_mut(&lost.task) {
                            task.sizes.unfinished += 1;
                        }
                        break;
                    }
                }
            }
            if pass.order.len() >= UNDER_WAY.saturating_mul(2) {
                pass.order.retain(|id| pass.under_way.contains_key(id));
            }
            pass.order.push_back(id);
            let under_way = UnderWay { task: key, session: request.session.clone(), time_ms: record.time_ms };
            pass.under_way.insert(id, under_way);
        }
        Ok(())
    }

    fn completion(&mut self, pass: &mut Pass, record: &Record<'_>) {
        let Some(begun) = record.id.and_then(|id| pass.under_way.remove(&id)) else { return };
        let Some(task) = self.tasks.get_mut(&begun.task) else { return };
        let sizes = &mut task.sizes;
        let (Some(rows), Some(bytes)) = (record.rows, record.bytes) else {
            sizes.unfinished += 1;
            return;
        };
        sizes.finished += 1;
        sizes.truncated += u64::from(record.outcome.as_deref() == Some("truncated"));
        sizes.rows = sizes.rows.max(rows);
        sizes.bytes = sizes.bytes.max(bytes);
        sizes.total_us = sizes.total_us.max(record.total_us.unwrap_or(0));
        let rates = pass.rates.entry(begun.task).or_default();
        rates.session_rows.add(begun.session, begun.time_ms, rows);
        rates.agent_rows.add((), begun.time_ms, rows);
    }

    fn refusal(&mut self, record: &Record<'_>) {
        let Some(agent) = &record.agent else { return };
        self.asked.entry(agent.clone()).or_default().add(record.time_ms);
        let Some(mount) = &record.mount else {
            self.elsewhere += 1;
            return;
        };
        let code = record.code.as_deref().unwrap_or("unknown");
        let task = self.tasks.entry((mount.clone(), agent.clone())).or_default();
        task.refused
            .entry(code.to_owned())
            .or_insert(RefusedUse { seen: Seen::default(), example: record.id })
            .seen
            .add(record.time_ms);
    }
}

impl TaskUse {
    fn used_together(&mut self, relations: BTreeSet<RelationName>) {
        if self.together.len() < SHAPES {
            self.together.insert(relations);
        }
    }

    fn touch(&mut self, time_ms: i64, relations: &[RelationTouch], request: &Request<'_>) {
        for touched in relations {
            let table = self.tables.entry(touched.relation.clone()).or_default();
            table.seen.add(time_ms);
            for (column, uses) in &touched.columns {
                let column = table.columns.entry(column.clone()).or_default();
                column.seen.add(time_ms);
                for one in uses.iter() {
                    column.uses.entry(one.label()).or_default().add(time_ms);
                }
            }
            if touched.references > 1 {
                table.several += 1;
                continue;
            }
            let pinned = request.touch.predicates.iter().filter(|predicate| {
                predicate.op == Some(CompareOp::Eq)
                    && predicate.digest.is_some()
                    && predicate.relation.as_ref() == touched.relation.as_str()
            });
            table.pin(time_ms, pinned);
        }
    }

    fn granted(&mut self, relations: &[RelationTouch], grant: &Grant) {
        for touched in relations {
            let Some(table) = self.tables.get_mut(&touched.relation) else { continue };
            match grant {
                Grant::Ceiling => table.whole += 1,
                Grant::Narrowed(granted) => {
                    let columns = granted.get(&touched.relation).map(|granted| granted.columns.as_slice());
                    table.granted.extend(columns.unwrap_or_default().iter().map(|(column, _)| column.clone()));
                }
            }
        }
    }
}

impl TableUse {
    /// Counts each pinned column once for the request, whichever way it is pinned.
    fn pin<'a>(&mut self, time_ms: i64, pinned: impl Iterator<Item = &'a Predicate<'a>>) {
        let mut counted = BTreeSet::new();
        let mut claimed = BTreeSet::new();
        for predicate in pinned {
            let equality = self.equalities.entry(predicate.column.clone()).or_default();
            let digest = predicate.digest.as_deref().unwrap_or_default();
            if counted.insert(&predicate.column) {
                equality.seen.add(time_ms);
            }
            remember(&mut equality.values, digest);
            for claim in &predicate.claims {
                let by_claim = equality.claims.entry(claim.clone()).or_default();
                if claimed.insert((&predicate.column, claim)) {
                    by_claim.seen.add(time_ms);
                }
                remember(&mut by_claim.values, digest);
            }
        }
    }
}

fn remember(values: &mut HashSet<Box<str>>, digest: &str) {
    if values.len() < DISTINCT {
        values.insert(digest.into());
    }
}

#[cfg(test)]
pub(crate) mod tests;
