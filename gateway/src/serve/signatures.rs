//! The signed repository, asked again and again while the gateway serves. What a refresh brings comes into force by a
//! reload like any other; a revocation, and metadata that nobody renews, reach the generation in force at once, by the
//! standing that its mounts look at.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mountgate_mediate::{Gateway, reload::Trigger};
use mountgate_trust::{Health, Kind, Refreshed, Status, TrustError};
use tokio::sync::{oneshot, watch};

use crate::{
    compose::trust::{Signed, refresh, signatures},
    state::{Act, State, now_ms},
};

/// How often it is looked at how things stand: time alone changes that.
const LOOK: Duration = Duration::from_secs(1);

/// Says what a refresh came to, in the metrics.
pub(super) fn count(gateway: &Gateway, ended: &Result<Refreshed, TrustError>) {
    gateway.signatures_refreshed(match ended {
        Ok(Refreshed::Changed(_)) => "changed",
        Ok(Refreshed::Unchanged(_)) => "unchanged",
        Err(error) => Kind::as_str(error.kind()),
    });
}

/// What was told last: what is like it is not told again.
#[derive(Clone, PartialEq)]
struct Told {
    health: Health,
    version: Option<u64>,
    failure: Option<(&'static str, String)>,
    withdrawn: Vec<mountgate_trust::client::Revocation>,
}

impl Told {
    fn of(status: &Status) -> Self {
        Self {
            health: status.health,
            version: status.version,
            failure: status.failure.as_ref().map(|failure| (failure.kind, failure.message.clone())),
            withdrawn: status.withdrawn.clone(),
        }
    }
}

/// Keeps what is in force fresh, for as long as the gateway serves.
pub(super) async fn keep(gateway: Gateway, state: Arc<State>, mut in_force: watch::Receiver<Option<Signed>>) {
    loop {
        let signed = in_force.borrow_and_update().clone();
        match signed {
            Some(signed) => {
                tokio::select! {
                    () = watch_over(&gateway, &state, &signed) => {}
                    changed = in_force.changed() => if changed.is_err() { return },
                }
            }
            None => {
                gateway.tell_signatures(None);
                if in_force.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn watch_over(gateway: &Gateway, state: &Arc<State>, signed: &Signed) {
    let first = signed.store().status();
    // What it was composed from is known; what is wrong with it is told, and recorded.
    let mut told = Told { health: Health::Current, failure: None, ..Told::of(&first) };
    let mut due = Instant::now();
    let mut refreshing: Option<oneshot::Receiver<()>> = None;
    let mut clock = tokio::time::interval(LOOK);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = clock.tick() => {}
            () = ended(&mut refreshing) => {
                refreshing = None;
                due = Instant::now() + signed.every();
            }
        }
        if refreshing.is_none() && Instant::now() >= due {
            let (done, wait) = oneshot::channel();
            let (gateway, store) = (gateway.clone(), Arc::clone(signed.store()));
            tokio::spawn(async move {
                count(&gateway, &refresh(&store).await);
                let _ = done.send(());
            });
            refreshing = Some(wait);
        }
        tell(gateway, state, signed, &mut told).await;
    }
}

/// Never, where none is under way.
async fn ended(refreshing: &mut Option<oneshot::Receiver<()>>) {
    match refreshing {
        Some(wait) => {
            let _ = wait.await;
        }
        None => std::future::pending().await,
    }
}

async fn tell(gateway: &Gateway, state: &Arc<State>, signed: &Signed, told: &mut Told) {
    let store = Arc::clone(signed.store());
    // It reads a file.
    let Ok(status) = tokio::task::spawn_blocking(move || store.status()).await else { return };
    let now = Told::of(&status);
    gateway.tell_signatures(Some(signatures(&status)));
    if now == *told {
        return;
    }
    let before = std::mem::replace(told, now.clone());
    match &now.failure {
        Some((kind, why)) if before.failure != now.failure => {
            tracing::error!(
                kind,
                why,
                state = now.health.as_str(),
                "the signed repository was refused: the last good set stays"
            );
        }
        _ => tracing::warn!(
            state = now.health.as_str(),
            version = now.version,
            "how the signed plugins stand has changed"
        ),
    }
    let details = serde_json::json!({
        "before": { "state": before.health.as_str(), "version": before.version },
        "state": now.health.as_str(),
        "version": now.version,
        "failure": now.failure.as_ref().map(|(kind, message)| serde_json::json!({ "kind": kind, "message": message })),
        "revoked": now.withdrawn,
    });
    let act = Act { time_ms: now_ms(), act: "trust.state".to_owned(), who: "gateway".to_owned(), details };
    let (state, recorder) = (Arc::clone(state), gateway.clone());
    let recorded = tokio::task::spawn_blocking(move || state.record_in(recorder.ledger(), &act)).await;
    if let Ok(Err(error)) = recorded {
        tracing::error!(%error, "how the signed plugins stand could not be recorded");
    }
    if before.version != now.version || before.withdrawn != now.withdrawn {
        gateway.wish_reload(Trigger::Repository);
    }
}

#[cfg(test)]
mod tests;
