//! What was used before the gateway was started, counted again from its ledger: a restart refills no budget.

use std::{
    collections::{HashMap, VecDeque},
    path::Path,
    time::{Duration, Instant},
};

use mountgate_core::{AgentName, Counted, LimitKey, Limits, MountName, Rate, SessionId};
use mountgate_ledger::{CapsRecord, DecisionId, LedgerError, Selection, export};
use mountgate_limits::BudgetKey;
use serde::Deserialize;

use crate::{Gateway, gateway::now_ms};

/// What is full again within that time is not counted again.
const SHORT_MS: u64 = 60_000;
/// Decisions whose completion is waited for. Beyond that, the oldest counts at its caps.
const WAITING: usize = 65_536;

#[derive(Deserialize)]
struct Whole {
    record: Record,
}

#[derive(Deserialize)]
struct Record {
    id: Option<DecisionId>,
    #[serde(default)]
    time_ms: i64,
    request: Option<Request>,
    verdict: Option<Verdict>,
    caps: Option<CapsRecord>,
    #[serde(default)]
    counted: Vec<Counted>,
    rows: Option<u64>,
    bytes: Option<u64>,
}

#[derive(Deserialize)]
struct Request {
    agent: AgentName,
    session: Option<SessionId>,
    mount: MountName,
    limits: Limits,
}

#[derive(Deserialize)]
struct Verdict {
    allow: Option<Allowed>,
}

#[derive(Deserialize)]
struct Allowed {
    limits: Limits,
}

/// A decision that is to be counted.
struct Used {
    key: BudgetKey,
    limits: Limits,
    time_ms: i64,
    caps: (u64, u64),
    /// What left, once that is on record.
    left: Option<(u64, u64)>,
    counted: Vec<Counted>,
}

/// Decisions in their order, each until its end is known.
#[derive(Default)]
struct Waiting {
    queue: VecDeque<Used>,
    /// The number of the first in the queue.
    first: usize,
    numbers: HashMap<DecisionId, usize>,
}

impl Gateway {
    /// Counts again what the ledger in `dir` has on record of the mounts' budgets, as far back as the longest of them
    /// goes; says how many requests that were. An answer whose end is not on record counts at its caps. To be called before
    /// the first request; nothing is read where every budget is full again within a minute.
    ///
    /// # Errors
    /// Where the ledger can't be read: nobody then knows what is left, and nothing may be served.
    pub fn restore_budgets(&self, dir: &Path) -> Result<u64, LedgerError> {
        let generation = self.generation();
        let longest = generation.mounts().values().flat_map(|mount| windows(&mount.limits)).max().unwrap_or(0);
        if longest <= SHORT_MS {
            return Ok(0);
        }
        let (now, begun) = (Instant::now(), now_ms());
        let from_ms = begun.saturating_sub(i64::try_from(longest).unwrap_or(i64::MAX));
        let at = |time_ms: i64| {
            let age = u64::try_from(begun.saturating_sub(time_ms)).unwrap_or(0);
            // Before the machine's clock began: counted as of now, which is longer.
            now.checked_sub(Duration::from_millis(age)).unwrap_or(now)
        };
        let (mut waiting, mut count) = (Waiting::default(), 0_u64);
        let restore = |used: Used| {
            let left = used.left.unwrap_or(used.caps);
            if let Err(refusal) = self.limiter().restore(&used.key, &used.limits, left, &used.counted, at(used.time_ms))
            {
                // New callers are then refused as well: nobody gains by it.
                tracing::warn!(%refusal, "a budget cannot be counted again");
            }
        };
        for entry in export(dir, Selection { from_ms: Some(from_ms), ..Selection::default() })? {
            let entry = entry?;
            if !matches!(entry.kind(), "decision" | "completion") {
                continue;
            }
            let Whole { record } = serde_json::from_str(entry.line())?;
            match record.request {
                Some(request) => {
                    let Some(mount) = generation.mounts().get(&request.mount) else { continue };
                    // Under the rates of then and those of now.
                    let mut limits = mount.limits.tighten(&request.limits);
                    if let Some(allowed) = record.verdict.and_then(|verdict| verdict.allow) {
                        limits = limits.tighten(&allowed.limits);
                    }
                    let per = mount.ceiling().per;
                    let key = BudgetKey {
                        mount: request.mount,
                        agent: (per != LimitKey::Mount).then_some(request.agent),
                        session: request.session.filter(|_| per == LimitKey::Session),
                    };
                    let caps = record.caps.map_or((u64::MAX, u64::MAX), |caps| (caps.max_rows, caps.max_bytes));
                    let used = Used { key, limits, time_ms: record.time_ms, caps, left: None, counted: record.counted };
                    count = count.saturating_add(1);
                    waiting.push(record.id, used);
                }
                None => waiting.end(record.id, record.rows.zip(record.bytes)),
            }
            while let Some(used) = waiting.ready() {
                restore(used);
            }
        }
        waiting.queue.into_iter().for_each(restore);
        Ok(count)
    }
}

impl Waiting {
    fn push(&mut self, id: Option<DecisionId>, used: Used) {
        if let Some(id) = id {
            self.numbers.insert(id, self.first.saturating_add(self.queue.len()));
        }
        self.queue.push_back(used);
    }

    fn end(&mut self, id: Option<DecisionId>, left: Option<(u64, u64)>) {
        let number = id.and_then(|id| self.numbers.remove(&id));
        let used = number.and_then(|number| self.queue.get_mut(number.checked_sub(self.first)?));
        if let Some(used) = used {
            used.left = Some(left.unwrap_or(used.caps));
        }
    }

    /// The oldest, where its end is known or is waited for no longer.
    fn ready(&mut self) -> Option<Used> {
        let known = self.queue.front()?.left.is_some();
        if !known && self.queue.len() <= WAITING {
            return None;
        }
        self.first = self.first.saturating_add(1);
        if self.numbers.len() > WAITING.saturating_mul(2) {
            let first = self.first;
            self.numbers.retain(|_, number| *number >= first);
        }
        self.queue.pop_front()
    }
}

fn windows(limits: &Limits) -> impl Iterator<Item = u64> {
    let rates = [&limits.requests, &limits.rows, &limits.bytes].into_iter().flatten().copied();
    rates.chain(limits.distinct.iter().map(|distinct| distinct.rate)).map(|rate: Rate| rate.window_ms)
}
