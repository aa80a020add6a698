//! Between the middle and the people who approve: what the middle holds goes to the approvals, and what they approve goes
//! the middle's way again.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures::future::BoxFuture;
use mountgate_approvals::{
    ApprovalError, Approvals, ApprovalsConfig, Change, Executed, HeldWrite, HoldId, Middle, NewHold, Preview,
    Previewed, Run, State as HoldState, Way, Webhook,
};
use mountgate_core::{Caller, Code, Effect, MountName, Principal, Refusal};
use mountgate_identity::Person;
use mountgate_ledger::HoldRecord;
use mountgate_mediate::{self as mediate, Gateway, HoldStatus, Holds, Write};

use crate::{
    config::{Config, MainFile},
    keys::APPROVALS,
    state::{State, now_ms},
};

/// The gateway, where it is still there. The gateway holds this, so that this must not hold the gateway.
type Weakly = Box<dyn Fn() -> Option<Gateway> + Send + Sync>;

/// The approvals of a gateway. Cloning it clones a handle.
#[derive(Clone)]
pub(super) struct People(Arc<Inner>);

struct Inner {
    approvals: Approvals,
    gateway: OnceLock<Weakly>,
    /// How long a write waits, where the policy does not say.
    waits_ms: i64,
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl People {
    /// Opens the file of holds in the state folder.
    pub(super) fn open(config: &Config, state: &State) -> anyhow::Result<Self> {
        let section = &config.main.approvals;
        let mut wanted = ApprovalsConfig::new(state.folder().join(APPROVALS), state.keys().approvals());
        wanted.undo_for_ms = millis(section.undo);
        wanted.erase_after_ms = millis(section.erase);
        wanted.most_pending = section.pending;
        wanted.webhooks = webhooks(&config.main)?;
        let approvals = Approvals::open(wanted)?;
        Ok(Self(Arc::new(Inner { approvals, gateway: OnceLock::new(), waits_ms: millis(section.expires) })))
    }

    /// Gives it the gateway that holds it.
    pub(super) fn attach(&self, gateway: &Gateway) {
        let _ = self.0.gateway.set(Box::new(gateway.downgrade()));
        self.0.approvals.attach(self.clone());
    }

    /// The holds.
    pub(super) fn approvals(&self) -> &Approvals {
        &self.0.approvals
    }

    fn gateway(&self) -> Option<Gateway> {
        self.0.gateway.get().and_then(|gateway| gateway())
    }

    /// How many people the mount wants for a write like that.
    fn needed(&self, mount: &MountName, effect: &Effect) -> Option<u32> {
        let generation = self.gateway()?.generation();
        let ceiling = generation.mounts().get(mount)?.ceiling().relation(&effect.relation)?;
        Some(ceiling.write.as_ref()?.declared.approvals)
    }

    fn new_hold(&self, hold: mediate::NewHold) -> Result<NewHold, Refusal> {
        let mediate::NewHold {
            decision_id,
            caller,
            door,
            generation,
            plugin,
            settings,
            write,
            effect,
            why,
            expires_ms,
        } = hold;
        let latest = now_ms().saturating_add(self.0.waits_ms);
        let needed = match &effect {
            // Where the mount is gone meanwhile nothing says how many, so nothing is held.
            Ok(effect) => self.needed(&write.mount, effect).ok_or_else(unavailable)?,
            // What has no preview is not approved by anybody.
            Err(_) => 1,
        };
        Ok(NewHold {
            session: caller.session().cloned(),
            mount: write.mount,
            agent: caller.agent,
            on_behalf_of: None,
            decision: Some(decision_id),
            door,
            generation,
            plugin,
            settings,
            needed,
            // A policy may want less time, never more.
            expires_ms: expires_ms.map_or(latest, |at| at.min(latest)),
            write: HeldWrite {
                sql: write.sql,
                params: write.params,
                purpose: write.purpose,
                reason: write.reason,
                why,
                idempotency_key: write.idempotency_key,
                claims: (*caller.claims).clone(),
                preview: effect.map_or_else(|code| Preview::Failed(code.as_str().to_owned()), Preview::Effect),
            },
        })
    }
}

/// The webhooks of the configuration, with their secrets.
pub(super) fn webhooks(main: &MainFile) -> anyhow::Result<Vec<Webhook>> {
    let load = |(name, hook): (&String, &crate::config::WebhookConfig)| {
        let secret = hook.secret.load().map_err(|why| anyhow::anyhow!("webhook `{name}`: {why}"))?;
        Ok(Webhook { name: name.clone(), address: hook.url.clone(), secret, events: hook.events.clone() })
    };
    main.webhooks.iter().map(load).collect()
}

fn unavailable() -> Refusal {
    Refusal::new(Code::ApprovalUnavailable, "the write cannot wait for approval now").hint("try again in a moment")
}

/// Blocking work, off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApprovalError> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(|_| unavailable())?.map_err(|error| error.refusal())
}

impl Holds for People {
    fn hold(&self, hold: mediate::NewHold) -> BoxFuture<'_, Result<mediate::HoldId, Refusal>> {
        Box::pin(async move {
            let new = self.new_hold(hold)?;
            let approvals = self.0.approvals.clone();
            let id = blocking(move || approvals.hold(new)).await?;
            Ok(mediate::HoldId(id.to_string()))
        })
    }

    fn status<'a>(&'a self, caller: &'a Caller, id: &'a mediate::HoldId) -> BoxFuture<'a, Result<HoldStatus, Refusal>> {
        Box::pin(async move {
            let parsed: HoldId = id.0.parse().map_err(|_| ApprovalError::NotFound.refusal())?;
            let (approvals, caller) = (self.0.approvals.clone(), caller.clone());
            let told = blocking(move || approvals.status(&parsed, &caller.agent, None, &caller.claims)).await?;
            Ok(HoldStatus {
                hold: id.clone(),
                // That a gateway has it in hand is nothing that an agent could act upon.
                state: if told.state == HoldState::Executing {
                    HoldState::Approved.label()
                } else {
                    told.state.label()
                },
                rows: told.rows,
                expires_ms: Some(told.expires_ms),
            })
        })
    }
}

fn held(run: &Run) -> mediate::HeldWrite {
    mediate::HeldWrite {
        id: mediate::HoldId(run.hold.to_string()),
        caller: Caller {
            agent: run.agent.clone(),
            principal: run.session.clone().map_or(Principal::Agent, Principal::Session),
            claims: Arc::new(run.claims.clone()),
            until_ms: None,
        },
        door: run.door,
        plugin: run.plugin,
        settings: run.settings,
        write: Write {
            mount: run.mount.clone(),
            sql: run.sql.clone(),
            params: run.params.clone(),
            purpose: run.purpose.clone(),
            idempotency_key: run.idempotency_key.clone(),
            reason: run.reason.clone(),
        },
    }
}

impl Middle for People {
    fn record(&self, change: &Change) -> Result<(), String> {
        let gateway = self.gateway().ok_or("the gateway is stopping")?;
        let record = HoldRecord {
            hold: &change.hold.to_string(),
            step: change.step,
            time_ms: change.time_ms,
            who: &change.who,
            mount: &change.mount,
            agent: &change.agent,
            session: change.session.as_ref(),
            from: change.from.map(HoldState::label),
            to: change.to.label(),
            details: &change.details,
        };
        gateway.ledger().hold(&record).map_err(|error| error.to_string())
    }

    fn person(&self, name: &str) -> Result<Option<Person>, String> {
        let gateway = self.gateway().ok_or("the gateway is stopping")?;
        gateway.identity().person(name).map_err(|error| error.to_string())
    }

    fn preview<'a>(&'a self, run: &'a Run) -> Way<'a, Result<Previewed, String>> {
        Box::pin(async move {
            let gateway = self.gateway().ok_or("the gateway is stopping")?;
            let held = self.standing(&gateway, run).map_err(|refusal| refusal.message)?;
            let previewed = gateway.preview(&held).await.map_err(|refused| refused.refusal.message)?;
            let needed = self.needed(&run.mount, &previewed.effect).ok_or("the mount is gone")?;
            Ok(Previewed {
                effect: previewed.effect,
                generation: previewed.generation,
                plugin: previewed.plugin,
                settings: previewed.settings,
                needed,
                waits_ms: self.0.waits_ms,
            })
        })
    }

    fn execute<'a>(&'a self, run: &'a Run, expected: &'a Effect) -> Way<'a, Executed> {
        Box::pin(async move {
            // It was taken up and not begun: whoever looks after it finds no marker.
            let Some(gateway) = self.gateway() else { return Executed::Unknown };
            let held = match self.standing(&gateway, run) {
                Ok(held) => held,
                Err(refusal) => return Executed::Failed(refusal.code.as_str().to_owned()),
            };
            match gateway.execute(&held, expected, &run.hold.to_string()).await {
                mediate::Executed::Done { effect, .. } => Executed::Done { rows: effect.rows.len() as u64 },
                mediate::Executed::Stale(why) => {
                    tracing::info!(hold = %run.hold, why, "an approved write is stale");
                    Executed::Stale
                }
                mediate::Executed::Failed(refusal) => Executed::Failed(refusal.code.as_str().to_owned()),
                mediate::Executed::Unknown => Executed::Unknown,
            }
        })
    }

    fn marker<'a>(&'a self, mount: &'a MountName, hold: &'a HoldId) -> Way<'a, Result<Option<bool>, String>> {
        Box::pin(async move {
            let gateway = self.gateway().ok_or("the gateway is stopping")?;
            gateway.marker(mount, &hold.to_string()).await.map_err(|refusal| refusal.message)
        })
    }
}

impl People {
    /// The write of an agent, or of a session, that has not been revoked since it asked.
    fn standing(&self, gateway: &Gateway, run: &Run) -> Result<mediate::HeldWrite, Refusal> {
        match gateway.identity().stands(&run.agent, run.session.as_ref()) {
            Ok(true) => Ok(held(run)),
            Ok(false) => Err(Refusal::new(Code::NotPermitted, "the agent, or its session, was revoked meanwhile")),
            Err(error) => {
                tracing::error!(%error, "whether an agent was revoked cannot be known");
                Err(unavailable())
            }
        }
    }
}
