//! Keys of issuers that publish them under a URL: asked for again and again, and at once (within bounds) when a token names
//! one that is not known. What was good last stays in force while the issuer can't be asked, and `/healthz` says so.

use std::{sync::Arc, time::Duration};

use mountgate_core::Digest;
use mountgate_identity::KeySet;
use mountgate_ledger::AdminRecord;
use mountgate_mediate::Gateway;

use crate::{compose::Published, state::now_ms};

/// The least time between two requests to one issuer, whatever tokens name.
const LEAST: Duration = if cfg!(test) { Duration::from_millis(300) } else { Duration::from_secs(10) };
/// The time until the next try after one that failed.
const RETRY: Duration = if cfg!(test) { Duration::from_millis(300) } else { Duration::from_secs(30) };
/// How long the start waits for the first answers.
const START: Duration = Duration::from_secs(5);

/// The issuers that are followed; dropped, they are not.
#[derive(Default)]
pub(super) struct Followed(Vec<(Arc<Published>, tokio::task::JoinHandle<()>)>);

impl Followed {
    /// Follows these, and no others. One that is followed already goes on.
    pub(super) fn follow(&mut self, gateway: &Gateway, all: &[Arc<Published>]) {
        self.0.retain(|(one, task)| {
            let stays = all.iter().any(|other| Arc::ptr_eq(one, other));
            if !stays {
                task.abort();
                gateway.alarm(&alarm(one), None);
            }
            stays
        });
        for one in all {
            if !self.0.iter().any(|(other, _)| Arc::ptr_eq(one, other)) {
                self.0.push((Arc::clone(one), tokio::spawn(follow(gateway.clone(), Arc::clone(one)))));
            }
        }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.0.iter().for_each(|(_, task)| task.abort());
    }
}

/// Asks each once, and waits for the answers a moment: who starts a gateway expects tokens to be taken then.
pub(super) async fn first(all: &[Arc<Published>]) {
    let asking = all.iter().map(|one| async move {
        if let Ok((set, digest)) = ask(one).await {
            one.take(set, digest);
        }
    });
    let _ = tokio::time::timeout(START, futures::future::join_all(asking)).await;
}

fn alarm(one: &Published) -> String {
    format!("issuer {}", one.issuer.rules().name)
}

async fn ask(one: &Published) -> Result<(KeySet, Digest), String> {
    let bytes = crate::jwks::fetch(&one.address, one.roots.as_ref()).await?;
    let set = KeySet::read(&bytes, &one.issuer.rules().algorithms)?;
    Ok((set, Digest::of(&bytes)))
}

async fn follow(gateway: Gateway, one: Arc<Published>) {
    let name = one.issuer.rules().name.clone();
    loop {
        let wait = match ask(&one).await {
            Ok((set, digest)) => {
                let keys = set.len();
                if one.take(set, digest) {
                    tracing::info!(issuer = name, keys, "an issuer's keys are in force");
                    record(&gateway, &name, keys, digest);
                }
                if gateway.alarm(&alarm(&one), None) {
                    tracing::info!(issuer = name, "an issuer's keys can be had again");
                }
                one.refresh
            }
            Err(why) => {
                let state = if one.is_known() { "the last good ones stay in force" } else { "its tokens open nothing" };
                let wrong = format!("the keys of issuer `{name}` cannot be had: {why}; {state}");
                if gateway.alarm(&alarm(&one), Some(wrong.clone())) {
                    tracing::error!("{wrong}");
                }
                RETRY.min(one.refresh)
            }
        };
        // A flood of tokens that name unknown keys makes one request each `LEAST`, and no more.
        tokio::time::sleep(LEAST).await;
        let _ = tokio::time::timeout(wait.saturating_sub(LEAST), one.wanted.notified()).await;
    }
}

fn record(gateway: &Gateway, issuer: &str, keys: usize, digest: Digest) {
    let details = serde_json::json!({ "issuer": issuer, "keys": keys, "digest": digest });
    let record = AdminRecord { time_ms: now_ms(), act: "issuer.keys", who: "gateway", details };
    if let Err(error) = gateway.ledger().admin(&record) {
        tracing::error!(%error, issuer, "that an issuer's keys are others could not be recorded");
    }
}
