//! The limiter: the gate, permits, and what they give back.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use mountgate_core::{
    AgentName, Caller, Code, ColumnName, Counted, Distinct, LimitKey, Limits, MountName, Rate, Refusal, SessionId,
    request::Usage,
};
use parking_lot::Mutex;

use crate::{
    bucket::Bucket,
    message,
    seen::Seen,
    table::{Full, Idle, Table},
};

/// The most callers, and the most budgets, that are counted at once.
const CAPACITY: usize = 1 << 18;
/// The most rates of one budget: a policy that invents a new rate for each request must not fill the memory.
const MAX_RATES: usize = 64;

/// Whose requests the gate counts together: each session on its own, so that one that is misled can't use up its
/// agent's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GateKey {
    /// The agent.
    pub agent: AgentName,
    /// The session, where the caller is one.
    pub session: Option<SessionId>,
}

impl GateKey {
    /// The caller's key.
    pub fn of(caller: &Caller) -> Self {
        Self { agent: caller.agent.clone(), session: caller.session().cloned() }
    }
}

/// Whose use of a mount's limits is counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BudgetKey {
    /// The mount.
    pub mount: MountName,
    /// The agent, unless all of the mount's agents share.
    pub agent: Option<AgentName>,
    /// The session, where each has its own.
    pub session: Option<SessionId>,
}

impl BudgetKey {
    /// The key of a caller's use of a mount whose limits are counted per `per`.
    pub fn new(per: LimitKey, mount: &MountName, caller: &Caller) -> Self {
        let (agent, session) = match per {
            LimitKey::Session => (Some(caller.agent.clone()), caller.session().cloned()),
            LimitKey::Agent => (Some(caller.agent.clone()), None),
            LimitKey::Mount => (None, None),
        };
        Self { mount: mount.clone(), agent, session }
    }
}

/// The caps of one request: `u64::MAX` (and `Duration::MAX`) where the limits set none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// The most rows: the limits' cap, or what is left of the budget where that is less.
    pub max_rows: u64,
    /// The most bytes of values, likewise.
    pub max_bytes: u64,
    /// How long the backend may work.
    pub timeout: Duration,
}

/// Proof that the gate let a caller through.
#[must_use]
#[derive(Debug)]
pub struct Gated(());

/// Something whose limits have been taken. [`Limiter::permit`] is the only constructor.
#[must_use = "a permit was taken: run it, or settle it"]
#[derive(Debug)]
pub struct Permitted<T> {
    item: T,
    permit: Permit,
}

impl<T> Permitted<T> {
    /// What is permitted.
    pub fn get(&self) -> &T {
        &self.item
    }

    /// The caps that hold.
    pub fn caps(&self) -> Caps {
        self.permit.caps
    }

    /// The same permit for what is made of the item.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Permitted<U> {
        Permitted { item: make(self.item), permit: self.permit }
    }

    /// The item, and the permit to settle when its answer has ended.
    pub fn into_parts(self) -> (T, Permit) {
        (self.item, self.permit)
    }
}

/// What was taken for a request. While it lives it holds a place of the concurrency.
#[derive(Debug)]
pub struct Permit {
    budget: Arc<Mutex<Budget>>,
    taken: Instant,
    rows: Vec<Rate>,
    bytes: Vec<Rate>,
    caps: Caps,
}

impl Permit {
    /// The caps that hold.
    pub fn caps(&self) -> Caps {
        self.caps
    }

    /// Gives back what was reserved and not used. Dropping the permit instead keeps the whole reservation.
    pub fn settle(self, rows: u64, bytes: u64) {
        self.settle_at(rows, bytes, Instant::now());
    }

    /// [`Permit::settle`] at a given time.
    pub fn settle_at(self, rows: u64, bytes: u64, now: Instant) {
        let mut budget = self.budget.lock();
        for (what, rates, reserved, used) in
            [(What::Rows, &self.rows, self.caps.max_rows, rows), (What::Bytes, &self.bytes, self.caps.max_bytes, bytes)]
        {
            for rate in rates {
                // A bucket whose reservation has leaked wholly may be gone; there is nothing to give back then.
                if let Some(bucket) = budget.find(what, *rate) {
                    bucket.give_back(reserved.saturating_sub(used), self.taken, now);
                    if used > reserved {
                        bucket.take(used.saturating_sub(reserved), now);
                    }
                }
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut budget = self.budget.lock();
        budget.under_way = budget.under_way.saturating_sub(1);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Requests,
    Rows,
    Bytes,
}

impl What {
    fn label(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Rows => "rows",
            Self::Bytes => "bytes",
        }
    }
}

/// All that is counted under one key.
#[derive(Debug, Default)]
struct Budget {
    buckets: Vec<(What, Bucket)>,
    seen: BTreeMap<ColumnName, Seen>,
    under_way: u32,
}

impl Budget {
    fn find(&mut self, what: What, rate: Rate) -> Option<&mut Bucket> {
        self.buckets.iter_mut().find(|(kind, bucket)| *kind == what && bucket.rate() == rate).map(|(_, bucket)| bucket)
    }

    /// Makes the buckets that are missing. Fails where there would be too many that are in use.
    fn prepare(&mut self, limits: &Limits, now: Instant) -> Result<(), Full> {
        for (what, rates) in kinds(limits) {
            for rate in rates {
                if self.find(what, *rate).is_some() {
                    continue;
                }
                if self.buckets.len() >= MAX_RATES {
                    let asked = |what: What, rate: &Rate| {
                        kinds(limits).iter().any(|(kind, rates)| *kind == what && rates.contains(rate))
                    };
                    self.buckets.retain(|(what, bucket)| !bucket.is_idle(now) || asked(*what, &bucket.rate()));
                }
                if self.buckets.len() >= MAX_RATES {
                    return Err(Full);
                }
                self.buckets.push((what, Bucket::new(*rate, now)));
            }
        }
        Ok(())
    }

    fn carry(&mut self, wanted: &[(What, Rate)], now: Instant) {
        for (what, rate) in wanted {
            if self.find(*what, *rate).is_some() || self.buckets.len() >= MAX_RATES {
                continue;
            }
            // Of every rate that was counted lately, not of the last ones alone: what the last one had no room for was used
            // all the same.
            let known =
                self.buckets.iter().filter(|(kind, known)| kind == what && known.rate().window_ms <= rate.window_ms);
            let used = known.map(|(_, known)| known.used(now)).max().unwrap_or(0);
            let mut bucket = Bucket::new(*rate, now);
            bucket.take(used.min(rate.amount), now);
            self.buckets.push((*what, bucket));
        }
    }

    /// The rate that has least left, and how much.
    fn least(&mut self, what: What, rates: &[Rate], now: Instant) -> Option<(u64, Rate, Duration)> {
        let mut least: Option<(u64, Rate, Duration)> = None;
        for rate in rates {
            let Some(bucket) = self.find(what, *rate) else { continue };
            let (left, wait) = (bucket.left(now), bucket.wait(now));
            // Of two that are used up the one that takes longer to refill is told.
            if least.is_none_or(|(other, _, waits)| left < other || (left == other && wait > waits)) {
                least = Some((left, *rate, wait));
            }
        }
        least
    }

    fn look_up(&mut self, counted: &[Counted], limits: &Limits, at: Instant) {
        for one in counted {
            let windows = limits.distinct.iter().filter(|distinct| distinct.column == one.column);
            let Some(window) = windows.map(|distinct| distinct.rate.window()).max() else { continue };
            self.seen.entry(one.column.clone()).or_default().add(&one.digest, window, at);
        }
    }

    fn take(&mut self, what: What, rates: &[Rate], units: u64, now: Instant) {
        for rate in rates {
            if let Some(bucket) = self.find(what, *rate) {
                bucket.take(units, now);
            }
        }
    }
}

impl Idle for Budget {
    fn is_idle(&self, now: Instant) -> bool {
        self.under_way == 0
            && self.buckets.iter().all(|(_, bucket)| bucket.is_idle(now))
            && self.seen.values().all(|seen| seen.is_idle(now))
    }
}

fn kinds(limits: &Limits) -> [(What, &[Rate]); 3] {
    [(What::Requests, &limits.requests), (What::Rows, &limits.rows), (What::Bytes, &limits.bytes)]
}

#[derive(Default)]
struct Gate {
    bucket: Option<Bucket>,
}

impl Idle for Gate {
    fn is_idle(&self, now: Instant) -> bool {
        self.bucket.is_none_or(|bucket| bucket.is_idle(now))
    }
}

/// Counts callers and budgets. One for the process.
pub struct Limiter {
    gates: Table<GateKey, Gate>,
    budgets: Table<BudgetKey, Budget>,
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

impl Limiter {
    /// A limiter that has counted nothing.
    pub fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    /// A limiter that counts at most `capacity` callers and as many budgets at once.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { gates: Table::new(capacity), budgets: Table::new(capacity) }
    }

    /// Counts a request against its caller's rate, before anything of it is parsed.
    ///
    /// # Errors
    /// [`Code::RateLimited`] where the rate is used up; [`Code::Overloaded`] where no further caller can be counted.
    pub fn gate(&self, caller: &GateKey, rate: Rate, now: Instant) -> Result<Gated, Refusal> {
        let gate = self.gates.get_or_insert(caller, now, Gate::default).map_err(|Full| message::full())?;
        let mut gate = gate.lock();
        let bucket = match &mut gate.bucket {
            Some(bucket) if bucket.rate() == rate => bucket,
            other => other.insert(Bucket::new(rate, now)),
        };
        if bucket.left(now) == 0 {
            let whose = match &caller.session {
                Some(_) => "this session".to_owned(),
                None => format!("agent `{}`", caller.agent),
            };
            return Err(message::used_up(Code::RateLimited, rate, "requests", &whose, bucket.wait(now)));
        }
        bucket.take(1, now);
        Ok(Gated(()))
    }

    /// Takes one request, reserves rows and bytes up to the caps or to what is left, and takes a place of the
    /// concurrency: all of it, or nothing.
    ///
    /// # Errors
    /// [`Code::TooManyConcurrent`], [`Code::BudgetExhausted`], or [`Code::Overloaded`] where no further budget can
    /// be counted.
    pub fn permit<T>(&self, item: T, key: BudgetKey, limits: &Limits, now: Instant) -> Result<Permitted<T>, Refusal> {
        self.permit_counting(item, key, limits, &[], now)
    }

    /// The same, of a request that looks up values of which different ones are counted. What was looked up stays counted,
    /// whatever comes of the request: whether a value is there is an answer, too.
    ///
    /// # Errors
    /// As [`Limiter::permit`].
    pub fn permit_counting<T>(
        &self,
        item: T,
        key: BudgetKey,
        limits: &Limits,
        counted: &[Counted],
        now: Instant,
    ) -> Result<Permitted<T>, Refusal> {
        let shared = self.budgets.get_or_insert(&key, now, Budget::default).map_err(|Full| message::full())?;
        let mut budget = shared.lock();
        if let Some(limit) = limits.concurrency
            && budget.under_way >= limit
        {
            return Err(message::too_many(limit, &message::whose(&key)));
        }
        budget.prepare(limits, now).map_err(|Full| message::full())?;
        // First look at everything, then take everything: one lock, so nothing comes between.
        let mut caps = [1, limits.max_rows.unwrap_or(u64::MAX), limits.max_bytes.unwrap_or(u64::MAX)];
        for ((what, rates), cap) in kinds(limits).into_iter().zip(&mut caps) {
            if let Some((left, rate, wait)) = budget.least(what, rates, now) {
                if left == 0 && *cap > 0 {
                    let whose = message::whose(&key);
                    return Err(message::used_up(Code::BudgetExhausted, rate, what.label(), &whose, wait));
                }
                *cap = left.min(*cap);
            }
        }
        for distinct in &limits.distinct {
            let new = counted.iter().filter(|one| one.column == distinct.column).map(|one| one.digest.as_str());
            let seen = budget.seen.entry(distinct.column.clone()).or_default();
            if let Err(wait) = seen.fits(new, distinct.rate, now) {
                let what = format!("different values of `{}`", distinct.column);
                return Err(message::used_up(Code::BudgetExhausted, distinct.rate, &what, &message::whose(&key), wait));
            }
        }
        budget.look_up(counted, limits, now);
        let [_, max_rows, max_bytes] = caps;
        for ((what, rates), cap) in kinds(limits).into_iter().zip(caps) {
            budget.take(what, rates, cap, now);
        }
        budget.under_way = budget.under_way.saturating_add(1);
        drop(budget);
        let permit = Permit {
            budget: shared,
            taken: now,
            rows: limits.rows.clone(),
            bytes: limits.bytes.clone(),
            caps: Caps { max_rows, max_bytes, timeout: limits.timeout_ms.map_or(Duration::MAX, Duration::from_millis) },
        };
        Ok(Permitted { item, permit })
    }

    /// Counts again what was used before the gateway was started: one request of so many rows and bytes, that looked up
    /// those values, at that time. Beyond what the limits allow, too: it has left the gateway.
    ///
    /// # Errors
    /// Where no further budget can be counted.
    pub fn restore(
        &self,
        key: &BudgetKey,
        limits: &Limits,
        (rows, bytes): (u64, u64),
        counted: &[Counted],
        at: Instant,
    ) -> Result<(), Refusal> {
        let shared = self.budgets.get_or_insert(key, at, Budget::default).map_err(|Full| message::full())?;
        let mut budget = shared.lock();
        budget.prepare(limits, at).map_err(|Full| message::full())?;
        for ((what, rates), units) in kinds(limits).into_iter().zip([1, rows, bytes]) {
            budget.take(what, rates, units, at);
        }
        budget.look_up(counted, limits, at);
        Ok(())
    }

    /// How many different values of each counted column may still be looked up.
    pub fn keys_left(&self, key: &BudgetKey, limits: &Limits, now: Instant) -> BTreeMap<ColumnName, u64> {
        let budget = self.budgets.get(key);
        let budget = budget.as_ref().map(|budget| budget.lock());
        let mut out: BTreeMap<ColumnName, u64> = BTreeMap::new();
        for Distinct { column, rate } in &limits.distinct {
            let used =
                budget.as_ref().and_then(|budget| budget.seen.get(column)).map_or(0, |seen| seen.within(*rate, now));
            let left = rate.amount.saturating_sub(used);
            out.entry(column.clone()).and_modify(|least| *least = left.min(*least)).or_insert(left);
        }
        out
    }

    /// A mount's limits have changed: what was used under the old rates counts under the new ones too, so that a change
    /// refills no budget. What a rate has counted was used within its window, so it counts for rates over windows at
    /// least as long; of a shorter window nothing is known, and it begins unused.
    pub fn carry(&self, mount: &MountName, old: &Limits, new: &Limits, now: Instant) {
        let wanted: Vec<(What, Rate)> = kinds(new)
            .into_iter()
            .zip(kinds(old))
            .flat_map(|((what, new), (_, old))| {
                new.iter().filter(|rate| !old.contains(rate)).map(move |rate| (what, *rate))
            })
            .collect();
        if wanted.is_empty() {
            return;
        }
        self.budgets.each(|key| &key.mount == mount, |budget| budget.carry(&wanted, now));
    }

    /// What is left of each kind of limit; `None` where the limits set none.
    pub fn usage(&self, key: &BudgetKey, limits: &Limits, now: Instant) -> Usage {
        let budget = self.budgets.get(key);
        let mut budget = budget.as_ref().map(|budget| budget.lock());
        let [requests_left, rows_left, bytes_left] = kinds(limits).map(|(what, rates)| {
            rates
                .iter()
                .map(|rate| {
                    let bucket = budget.as_mut().and_then(|budget| budget.find(what, *rate));
                    bucket.map_or(rate.amount, |bucket| bucket.left(now))
                })
                .min()
                .map(|left| i64::try_from(left).unwrap_or(i64::MAX))
        });
        Usage { requests_left, rows_left, bytes_left }
    }

    /// Forgets what is idle. Done on the way by itself; call it now and then to give memory back after a flood.
    pub fn sweep(&self, now: Instant) {
        self.gates.sweep(now);
        self.budgets.sweep(now);
    }

    /// Callers and budgets that are counted now, for metrics.
    pub fn counted(&self) -> (usize, usize) {
        (self.gates.len(), self.budgets.len())
    }
}

impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limiter").field("counted", &self.counted()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
