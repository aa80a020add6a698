//! The middle: one way for every door.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use mountgate_core::{
    Caller, Code, ColumnType, Counted, DecisionRequest, Digest, Door, MountName, Rate, Refusal, Value, Verdict,
};
use mountgate_identity::{Credential, Identity, Person};
use mountgate_ledger::{
    AdminRecord, CapsRecord, DecisionId, DecisionRecord, Ledger, LedgerError, Outcome, Recorded, RefusalRecord, Status,
    applied_masks,
};
use mountgate_limits::{BudgetKey, GateKey, Gated, Limiter, Permitted};
use parking_lot::Mutex;

use crate::{
    Explanation, Generation, Mint, Minted, Mount, Query, Read, Refused, Reply, ReplyCaps, ReplyColumn, SharedHolds,
    SharedJournal, Signatures,
    decide::{Decided, Failed, Question},
    describe::explained,
    known::{Known, Planned, Unplanned},
    metrics::Metrics,
    quarantine::Quarantine,
    reload::Reloads,
    shadow::{Beside, Shadows},
};

/// The longest statement, in bytes, that the record of a refusal keeps.
const RECORDED: usize = 256 << 10;

/// The longest purpose, in characters.
pub(crate) const PURPOSE: usize = 500;

/// What a gateway is made of.
pub struct Parts {
    /// Who may ask.
    pub identity: Identity,
    /// The record.
    pub ledger: Ledger,
    /// How often a caller may ask at all, before anything is parsed.
    pub gate: Rate,
    /// Mounts and policies.
    pub generation: Generation,
    /// Where writes wait for approval; without it, those that need one are refused.
    pub holds: Option<SharedHolds>,
    /// What was answered under which idempotency key; without it, writes with a key are refused.
    pub journal: Option<SharedJournal>,
    /// What an operator should know: walls not built, unsigned plugins.
    pub warnings: Vec<String>,
}

/// The gateway. Cloning it clones a handle.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    identity: Identity,
    limiter: Limiter,
    ledger: Ledger,
    gate: Rate,
    generation: ArcSwap<Generation>,
    holds: Option<SharedHolds>,
    journal: Option<SharedJournal>,
    /// Generations before it. Held here too, so that the last request on one need not pay for its end.
    retired: Mutex<Vec<Arc<Generation>>>,
    reloads: Reloads,
    shadows: Shadows,
    quarantine: Quarantine,
    warnings: ArcSwap<Vec<String>>,
    signatures: ArcSwapOption<Signatures>,
    metrics: Metrics,
    started: Instant,
}

/// A caller who is authenticated and within the gate's rate. [`Gateway::enter`] is the only constructor.
pub struct Entered {
    caller: Caller,
    door: Door,
    since: Instant,
    _gated: Gated,
}

impl Entered {
    /// The caller.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The door.
    pub fn door(&self) -> Door {
        self.door
    }

    pub(crate) fn since(&self) -> Instant {
        self.since
    }
}

impl Gateway {
    /// Puts a gateway together.
    pub fn new(parts: Parts) -> Self {
        let metrics = Metrics::new();
        metrics.generation(parts.generation.number());
        metrics.reload_succeeded(now_ms());
        let has_shadows = parts.generation.has_shadows();
        let gateway = Self(Arc::new(Inner {
            identity: parts.identity,
            limiter: Limiter::new(),
            ledger: parts.ledger,
            gate: parts.gate,
            generation: ArcSwap::from_pointee(parts.generation),
            holds: parts.holds,
            journal: parts.journal,
            retired: Mutex::default(),
            reloads: Reloads::new(),
            shadows: Shadows::new(),
            quarantine: Quarantine::new(),
            warnings: ArcSwap::from_pointee(parts.warnings),
            signatures: ArcSwapOption::empty(),
            metrics,
            started: Instant::now(),
        }));
        if has_shadows {
            gateway.start_shadows();
        }
        gateway
    }

    /// The generation in force.
    pub fn generation(&self) -> Arc<Generation> {
        self.0.generation.load_full()
    }

    /// Puts another generation in force, whole. Requests under way finish on theirs. What has been used of a mount's
    /// budgets stays used, also where its rates are others now.
    pub fn swap(&self, generation: Generation, warnings: Vec<String>) {
        let before = self.generation();
        for (name, mount) in generation.mounts() {
            if let Some(old) = before.mounts().get(name).filter(|old| old.limits != mount.limits) {
                self.0.limiter.carry(name, &old.limits, &mount.limits, Instant::now());
            }
        }
        drop(before);
        if generation.has_shadows() {
            self.start_shadows();
        }
        self.0.metrics.generation(generation.number());
        self.0.warnings.store(Arc::new(warnings));
        let old = self.0.generation.swap(Arc::new(generation));
        self.0.reloads.swapped();
        self.0.retired.lock().push(old);
        self.retire();
    }

    /// Drops the generations before the one in force that no request holds any more, on this thread; says how many are
    /// left. To be called now and then, off the way of requests: what ends with a generation may be much.
    pub fn retire(&self) -> usize {
        let (ended, left) = {
            let mut retired = self.0.retired.lock();
            // INVARIANT: nobody can get hold of a generation that is no longer in force but by cloning one that he
            // holds, so a count of one is for good.
            let (ended, left): (Vec<_>, Vec<_>) =
                retired.drain(..).partition(|generation| Arc::strong_count(generation) == 1);
            *retired = left;
            (ended, retired.len())
        };
        drop(ended);
        self.0.metrics.retired(left);
        left
    }

    /// Replaces what an operator should know.
    pub fn warn(&self, warnings: Vec<String>) {
        self.0.warnings.store(Arc::new(warnings));
    }

    /// Who may ask.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// Where writes wait for approval.
    pub fn holds(&self) -> Option<&SharedHolds> {
        self.0.holds.as_ref()
    }

    pub(crate) fn journal(&self) -> Option<&SharedJournal> {
        self.0.journal.as_ref()
    }

    /// The record.
    pub fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    pub(crate) fn limiter(&self) -> &Limiter {
        &self.0.limiter
    }

    /// What an operator should know.
    pub fn warnings(&self) -> Arc<Vec<String>> {
        self.0.warnings.load_full()
    }

    /// Generations before the one in force that requests are still on, or were a moment ago.
    pub fn retired(&self) -> usize {
        self.0.retired.lock().len()
    }

    pub(crate) fn signatures_slot(&self) -> &ArcSwapOption<Signatures> {
        &self.0.signatures
    }

    pub(crate) fn reloads(&self) -> &Reloads {
        &self.0.reloads
    }

    pub(crate) fn quarantine(&self) -> &Quarantine {
        &self.0.quarantine
    }

    pub(crate) fn shadows(&self) -> &Shadows {
        &self.0.shadows
    }

    /// A handle that does not keep the gateway.
    pub fn downgrade(&self) -> impl Fn() -> Option<Self> + Send + Sync + use<> + 'static {
        let weak = Arc::downgrade(&self.0);
        move || weak.upgrade().map(Self)
    }

    pub(crate) fn metrics_registry(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn started(&self) -> Instant {
        self.0.started
    }

    /// Identity, then the gate: the rate of the caller, before anything is parsed.
    ///
    /// # Errors
    /// A token that is missing, unknown, expired or revoked (one answer for all), one that is a minter's, or a
    /// caller above the gate's rate. The first is counted and not recorded: a flood of it must not fill the ledger.
    pub fn enter(&self, token: Option<&str>, door: Door) -> Result<Entered, Refused> {
        let since = Instant::now();
        let caller = match self.authenticate(token)? {
            Credential::Caller(caller) => caller,
            Credential::Minter(minter) => {
                return Err(
                    self.not_permitted(door, format!("minter `{}` mints sessions and reads nothing", minter.name()))
                );
            }
            Credential::Operator(operator) => {
                return Err(self.not_permitted(door, format!("operator `{}` reads nothing here", operator.name())));
            }
            Credential::Person(person) => {
                let message = format!("`{}` approves writes on the admin port and reads nothing here", person.name());
                return Err(self.not_permitted(door, message));
            }
        };
        if let Err(refusal) = self.0.quarantine.check(&caller) {
            // Counted and not recorded, as what the gate stops: a session that goes on asking must not fill the ledger.
            self.0.metrics.refused(door, refusal.code);
            return Err(refusal.into());
        }
        let key = GateKey::of(&caller);
        match self.0.limiter.gate(&key, self.0.gate, since) {
            Ok(gated) => Ok(Entered { caller, door, since, _gated: gated }),
            Err(refusal) => {
                self.0.metrics.refused(door, refusal.code);
                Err(refusal.into())
            }
        }
    }

    fn not_permitted(&self, door: Door, message: String) -> Refused {
        self.0.metrics.refused(door, Code::NotPermitted);
        Refusal::new(Code::NotPermitted, message)
            .hint("agents' keys and sessions' tokens read; minters' tokens mint; operators' tokens open the admin port")
            .into()
    }

    /// Whether the token is an operator's, who may use the admin port; their name.
    pub fn operator(&self, token: &str) -> Option<String> {
        match self.0.identity.authenticate(token, now_ms()) {
            Ok(Credential::Operator(operator)) => Some(operator.name().to_owned()),
            Ok(Credential::Caller(_) | Credential::Minter(_) | Credential::Person(_)) | Err(_) => None,
        }
    }

    /// The person whose token it is, who may see and approve the writes that wait in some mounts.
    pub fn person(&self, token: &str) -> Option<Person> {
        match self.0.identity.authenticate(token, now_ms()) {
            Ok(Credential::Person(person)) => Some(person),
            Ok(Credential::Caller(_) | Credential::Minter(_) | Credential::Operator(_)) | Err(_) => None,
        }
    }

    fn authenticate(&self, token: Option<&str>) -> Result<Credential, Refused> {
        // No token is told like an unknown one.
        self.0.identity.authenticate(token.unwrap_or_default(), now_ms()).map_err(|error| {
            self.0.metrics.unauthenticated();
            // Not louder: a flood of bad tokens must not fill the log either. `/metrics` counts them.
            tracing::debug!(reason = %error.reason(), "unauthenticated");
            error.refusal().into()
        })
    }

    /// A minter's wish for a session.
    ///
    /// # Errors
    /// A token that is no minter's, or a wish beyond what the minter may.
    pub fn mint(&self, token: Option<&str>, mint: &Mint) -> Result<Minted, Refused> {
        let minter = match self.authenticate(token)? {
            Credential::Minter(minter) => minter,
            // An agent that could mint would widen its own scope.
            Credential::Caller(caller) => {
                return Err(self.not_permitted(Door::Http, format!("agent `{}` cannot mint sessions", caller.agent)));
            }
            Credential::Operator(operator) => {
                let message = format!("operator `{}` mints by `mountgate session mint`, not here", operator.name());
                return Err(self.not_permitted(Door::Http, message));
            }
            Credential::Person(person) => {
                return Err(self.not_permitted(Door::Http, format!("`{}` cannot mint sessions", person.name())));
            }
        };
        // An agent's name has no colon: a minter's rate is its own.
        let key = GateKey { agent: format!("minter:{}", minter.name()).into(), session: None };
        let _gated = self.0.limiter.gate(&key, self.0.gate, Instant::now())?;
        let ttl_ms = i64::try_from(mint.ttl_seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
        let minted = self
            .0
            .identity
            .mint_session(&minter, &mint.agent, &mint.claims, ttl_ms, now_ms())
            .map_err(|error| error.refusal())?;
        // The act is recorded before the token leaves.
        self.0
            .ledger
            .admin(&AdminRecord {
                time_ms: now_ms(),
                act: "session.mint",
                who: minter.name().as_str(),
                details: serde_json::json!({
                    "agent": mint.agent,
                    "session": minted.id,
                    "claims": mint.claims,
                    "until_ms": minted.until_ms,
                }),
            })
            .map_err(unrecorded)?;
        Ok(Minted {
            token: minted.token.expose().to_owned(),
            session: minted.id.to_string(),
            until_ms: minted.until_ms,
        })
    }

    /// A statement, on its whole way.
    ///
    /// # Errors
    /// Every refusal of the way, each recorded.
    pub async fn query(&self, entered: &Entered, query: Query) -> Result<Reply, Refused> {
        let source = Source::Text { text: &query.sql, params: &query.params };
        self.answer(entered, &query.mount, source, query.purpose.as_deref()).await
    }

    /// A read without SQL, on the same way.
    ///
    /// # Errors
    /// Every refusal of the way, each recorded.
    pub async fn read(&self, entered: &Entered, read: Read) -> Result<Reply, Refused> {
        self.answer(entered, &read.mount, Source::Read(&read.read), read.purpose.as_deref()).await
    }

    async fn answer(
        &self,
        entered: &Entered,
        name: &MountName,
        source: Source<'_>,
        purpose: Option<&str>,
    ) -> Result<Reply, Refused> {
        let generation = self.generation();
        let mut trail = Trail::begin(name, &source);
        // In a place of its own: it is large, and would be copied into each future around it.
        let result = Box::pin(self.run(entered, &generation, name, &source, purpose, &mut trail)).await;
        let beside = trail.beside.take();
        let answered = match result {
            Ok(mut reply) => {
                self.0.metrics.answered(entered.door, entered.since.elapsed());
                // Its rows may still come when another generation is in force.
                reply.answer.hold(generation);
                Ok(reply)
            }
            Err(refusal) => Err(self.refuse(&entered.caller, entered.door, &generation, &trail, refusal)),
        };
        // After the decision is on record, and never waited for.
        if let Some(beside) = beside {
            self.shadow(beside);
        }
        answered
    }

    async fn run(
        &self,
        entered: &Entered,
        generation: &Generation,
        name: &MountName,
        source: &Source<'_>,
        purpose: Option<&str>,
        trail: &mut Trail,
    ) -> Result<Reply, Refusal> {
        let mount = generation.mount(&entered.caller, name)?;
        let Ready { known, params, planned, decided, .. } =
            self.decide(entered, generation, mount, source, purpose, trail)?;
        // enforce ─▶ limits ─▶ ledger ─▶ backend: each takes what the one before it made.
        let authorized = planned.plan.authorize(&params, &entered.caller.claims, mount.spec.mask_keys.as_ref())?;
        let counted = self.counted(&decided, &planned, &params, &entered.caller)?;
        let permitted = self.permit(mount, entered, &decided, authorized, &counted)?;
        let caps = ReplyCaps::from(permitted.caps());
        let recorded =
            self.record(permitted, generation, &known, &params, &planned, &decided, caps, &counted, trail).await?;
        trail.recorded = true;
        let answer = mount.spec.backend.read(recorded).await?;
        let columns = planned.columns(answer.columns());
        Ok(Reply { decision_id: trail.id.to_string(), observed: mount.is_observed(), columns, answer, caps })
    }

    /// How a statement would fare: decided, limited and recorded as if it ran, and not run.
    ///
    /// # Errors
    /// Every refusal that the statement itself would meet before the backend.
    pub async fn explain(&self, entered: &Entered, query: Query) -> Result<Explanation, Refused> {
        let generation = self.generation();
        let source = Source::Text { text: &query.sql, params: &query.params };
        let mut trail = Trail::begin(&query.mount, &source);
        let result = async {
            let mount = generation.mount(&entered.caller, &query.mount)?;
            let Ready { known, params, planned, decided, .. } =
                self.decide(entered, &generation, mount, &source, query.purpose.as_deref(), &mut trail)?;
            let counted = self.counted(&decided, &planned, &params, &entered.caller)?;
            let permitted = self.permit(mount, entered, &decided, (), &counted)?;
            let caps = ReplyCaps::from(permitted.caps());
            let recorded = self
                .record(permitted, &generation, &known, &params, &planned, &decided, caps, &counted, &trail)
                .await?;
            trail.recorded = true;
            let (permitted, completion) = recorded.into_parts();
            permitted.into_parts().1.settle(0, 0);
            completion.finish(Outcome { status: Status::Explained, rows: 0, bytes: 0, backend_us: 0, total_us: 0 });
            Ok(Explanation {
                decision_id: trail.id.to_string(),
                verdict: "allow",
                mode: mount.mode(),
                columns: planned
                    .plan
                    .columns()
                    .iter()
                    .map(|column| ReplyColumn {
                        name: column.name.clone(),
                        ty: column.ty.as_ref().map_or_else(|| "any".to_owned(), ColumnType::label),
                        masks: column.masks.iter().map(|mask| (*mask).to_owned()).collect(),
                    })
                    .collect(),
                relations: explained(&known.touch, &planned.scope),
                caps,
            })
        }
        .await;
        let beside = trail.beside.take();
        let explained =
            result.map_err(|refusal| self.refuse(&entered.caller, entered.door, &generation, &trail, refusal));
        if let Some(beside) = beside {
            self.shadow(beside);
        }
        explained
    }

    /// parse ─▶ resolve ─▶ decide ─▶ enforce, all within the caller's thread: nothing here waits.
    fn decide<'a>(
        &self,
        entered: &Entered,
        generation: &Generation,
        mount: &Arc<Mount>,
        source: &Source<'a>,
        purpose: Option<&str>,
        trail: &mut Trail,
    ) -> Result<Ready<'a>, Refusal> {
        mount.open_at(trail.time_ms)?;
        if purpose.is_some_and(|purpose| purpose.chars().count() > PURPOSE) {
            return Err(Refusal::new(Code::TooLarge, format!("`purpose` has more than {PURPOSE} characters")));
        }
        let (known, params) = match source {
            Source::Text { text, params } => (Known::find(mount, text)?, Cow::Borrowed(*params)),
            Source::Read(read) => {
                let (statement, params) = mountgate_sql::read::statement(mount.spec.dialect, read)?;
                trail.statement = statement.text().to_owned();
                (Known::find(mount, statement.text())?, Cow::Owned(params))
            }
        };
        let question = Question {
            seen: Some(known.seen),
            caller: &entered.caller,
            door: entered.door,
            now_ms: trail.time_ms,
            purpose,
            parameters: &params,
            touch: &known.touch,
            ceiling: &known.ceiling,
            usage: &|| self.usage(mount, &entered.caller),
        };
        let asked = mount.decide(&question);
        trail.beside = Beside::of(mount, generation.number(), trail.id, &question, &asked);
        self.0.metrics.decided(asked.elapsed, asked.reused);
        trail.request = Some(asked.request);
        trail.plugin = Some(asked.plugin);
        trail.settings = Some(asked.settings);
        trail.reused = asked.reused;
        let decided = asked.outcome.map_err(|failed| match failed {
            Failed::Denied(denied) => {
                let (refusal, verdict) = *denied;
                trail.verdict = Some(verdict);
                refusal
            }
            Failed::Fault(why, code) => self.fault(mount, trail, &why, code),
            Failed::Overloaded => Refusal::new(Code::Overloaded, "every place for a policy's decision is taken")
                .hint("try again in a moment")
                .retry_after(1),
            Failed::Withdrawn => {
                self.0.metrics.policy_fault("withdrawn");
                crate::decide::withdrawn()
            }
        })?;
        let planned = known.plan(mount, &decided.grant).map_err(|unplanned| match unplanned {
            Unplanned::Refused(refusal) => refusal,
            Unplanned::Policy(why) => self.fault(mount, trail, &why, "past_ceiling"),
        })?;
        Ok(Ready { known, params, planned, decided })
    }

    /// A policy's fault is told to the operator; the agent learns that there was one, and no more.
    pub(crate) fn fault(&self, mount: &Mount, trail: &Trail, why: &str, code: &'static str) -> Refusal {
        self.0.metrics.policy_fault(code);
        tracing::error!(decision = %trail.id, mount = %mount.name(), code, why, "policy failed");
        Refusal::new(Code::PolicyFailed, "the mount's policy failed on this request, so it is denied")
            .hint("tell the mount's owner the decision id")
    }

    fn permit<T>(
        &self,
        mount: &Mount,
        entered: &Entered,
        decided: &Decided,
        item: T,
        counted: &[Counted],
    ) -> Result<Permitted<T>, Refusal> {
        let key = budget_key(mount, &entered.caller);
        self.0.limiter.permit_counting(item, key, &decided.limits, counted, Instant::now())
    }

    /// What the statement looks up, of the columns of which different values are counted.
    fn counted(
        &self,
        decided: &Decided,
        planned: &Planned,
        parameters: &[Value],
        caller: &Caller,
    ) -> Result<Vec<Counted>, Refusal> {
        let distinct = &decided.limits.distinct;
        if distinct.is_empty() {
            return Ok(vec![]);
        }
        let sought = planned.plan.sought().ok_or_else(|| {
            Refusal::new(Code::KeyRequired, "what the statement looks up cannot be told, and the mount counts it")
                .hint("compare each key with a value or a parameter")
        })?;
        let mut counted: Vec<Counted> = sought
            .iter()
            .filter(|sought| distinct.iter().any(|distinct| distinct.column == sought.column))
            .map(|sought| Counted {
                column: sought.column.clone(),
                digest: self.0.ledger.digest(&sought.value(parameters, &caller.claims)),
            })
            .collect();
        counted.sort();
        counted.dedup();
        Ok(counted)
    }

    #[expect(clippy::too_many_arguments, reason = "a record is of everything that was decided")]
    async fn record<T>(
        &self,
        item: T,
        generation: &Generation,
        known: &Known,
        params: &[Value],
        planned: &Planned,
        decided: &Decided,
        caps: ReplyCaps,
        counted: &[Counted],
        trail: &Trail,
    ) -> Result<Recorded<T>, Refusal> {
        let (Some(request), Some(plugin)) = (&trail.request, trail.plugin) else {
            return Err(Refusal::new(Code::Internal, "a decision without a question"));
        };
        let masks = applied_masks(&planned.scope);
        let row = DecisionRecord {
            id: trail.id,
            time_ms: trail.time_ms,
            generation: generation.number(),
            plugin,
            settings: trail.settings,
            cached: trail.reused,
            replayable: decided.replayable,
            request,
            parameters: params,
            verdict: &decided.verdict,
            // Equal to the verdict's own: that is how the plan was found.
            grant: Some(&planned.grant),
            masks: &masks,
            caps: CapsRecord { max_rows: caps.max_rows, max_bytes: caps.max_bytes, timeout_ms: caps.timeout_ms },
            fenced: planned.plan.fenced(),
            counted,
            statement: known.statement.text(),
        };
        self.0.ledger.record_durable(item, &row).await.map_err(unrecorded)
    }

    /// Records a refusal. Where it can't be recorded, the caller gets that refusal instead: nothing leaves unrecorded.
    pub(crate) fn refuse(
        &self,
        caller: &Caller,
        door: Door,
        generation: &Generation,
        trail: &Trail,
        refusal: Refusal,
    ) -> Refused {
        self.0.metrics.refused(door, refusal.code);
        self.tried(caller, refusal.code);
        if trail.recorded {
            // The decision is on record, and its completion says how it ended.
            return Refused { refusal, decision_id: Some(trail.id.to_string()) };
        }
        let recorded = self.0.ledger.refuse(&RefusalRecord {
            id: trail.id,
            time_ms: trail.time_ms,
            generation: generation.number(),
            agent: &caller.agent,
            session: caller.session(),
            mount: Some(&trail.mount),
            door,
            code: refusal.code,
            message: &refusal.message,
            // One that is too large to be recorded must still be refused as what it is.
            statement: Some(trail.statement.as_str()).filter(|text| text.len() <= RECORDED),
            plugin: trail.plugin,
            request: trail.request.as_ref(),
            verdict: trail.verdict.as_ref(),
        });
        match recorded {
            Ok(()) => Refused { refusal, decision_id: Some(trail.id.to_string()) },
            Err(error) => unrecorded(error).into(),
        }
    }
}

/// A statement as it came.
enum Source<'a> {
    Text { text: &'a str, params: &'a [Value] },
    Read(&'a mountgate_sql::read::ReadRequest),
}

/// A statement decided and planned.
struct Ready<'a> {
    known: Arc<Known>,
    params: Cow<'a, [Value]>,
    planned: Arc<Planned>,
    decided: Arc<Decided>,
}

/// What is known of a request so far, for its record.
pub(crate) struct Trail {
    pub(crate) id: DecisionId,
    pub(crate) time_ms: i64,
    mount: MountName,
    statement: String,
    pub(crate) request: Option<DecisionRequest>,
    pub(crate) plugin: Option<Digest>,
    pub(crate) settings: Option<Digest>,
    pub(crate) verdict: Option<Verdict>,
    reused: bool,
    /// What the mount's shadow is to be asked, once this is on record.
    beside: Option<Box<Beside>>,
    /// Whether the decision itself is on record.
    pub(crate) recorded: bool,
}

impl Trail {
    fn begin(mount: &MountName, source: &Source<'_>) -> Self {
        let statement = match source {
            Source::Text { text, .. } => (*text).to_owned(),
            Source::Read(_) => String::new(),
        };
        Self::of(mount, &statement)
    }

    pub(crate) fn of(mount: &MountName, statement: &str) -> Self {
        Self {
            id: DecisionId::new(),
            time_ms: now_ms(),
            mount: mount.clone(),
            statement: statement.to_owned(),
            request: None,
            plugin: None,
            settings: None,
            verdict: None,
            reused: false,
            beside: None,
            recorded: false,
        }
    }
}

pub(crate) fn unrecorded(error: LedgerError) -> Refusal {
    tracing::error!(%error, "the ledger cannot be written");
    Refusal::new(Code::LedgerUnavailable, "the decision cannot be recorded, so nothing may leave")
        .hint("try again later; the operator's log says more")
        .retry_after(5)
}

/// Whose budget a request draws on.
pub(crate) fn budget_key(mount: &Mount, caller: &Caller) -> BudgetKey {
    BudgetKey::new(mount.spec.ceiling.per, mount.name(), caller)
}

/// Milliseconds since 1970-01-01T00:00Z, by the system's clock.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
