//! `/healthz` and `/readyz`: how the gateway is, without a secret or a name of data.

use std::sync::Arc;

use serde::Serialize;

use crate::{Gateway, Signatures, reload::ReloadHealth};

/// How the gateway is.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// `ok`, `degraded` (it serves, with warnings) or `failing` (it refuses).
    pub status: &'static str,
    /// The generation in force.
    pub generation: u64,
    /// Since when, in milliseconds since 1970-01-01T00:00Z.
    pub since_ms: i64,
    /// Generations before it that requests are still on.
    pub retired: usize,
    /// How reloads are.
    pub reload: ReloadHealth,
    /// How what signs the plugins stands, where a repository of signed plugins is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signatures: Option<Arc<Signatures>>,
    /// The mounts in force.
    pub mounts: usize,
    /// Seconds since the gateway started.
    pub uptime_seconds: u64,
    /// The ledger: `ok`, or `failing`, when nothing is answered; the operator's log says why.
    pub ledger: &'static str,
    /// What an operator should know.
    pub warnings: Arc<Vec<String>>,
}

impl Gateway {
    /// How the gateway is, as whoever reaches the port may know it.
    pub fn health(&self) -> Health {
        let mut health = self.full_health();
        if let Some(failed) = &mut health.reload.failed {
            failed.message = failed.for_anyone();
        }
        health.signatures = health.signatures.map(|told| Arc::new(told.for_anyone()));
        health
    }

    /// How the gateway is, for an operator: the reason of a failed reload in full.
    pub fn full_health(&self) -> Health {
        let generation = self.generation();
        let ledger = self.ledger().health();
        let now = crate::gateway::now_ms();
        let practice = generation.mounts().values().flat_map(|mount| mount.practice().notices(mount.name(), now));
        let mut warnings = self.warnings();
        let notices: Vec<String> = practice.collect();
        if !notices.is_empty() {
            Arc::make_mut(&mut warnings).extend(notices);
        }
        let signatures = self.signatures();
        let is_alarmed = signatures.as_ref().is_some_and(|told| !told.is_well);
        let status = if !ledger.writable {
            "failing"
        } else if warnings.is_empty() && !self.reloads().has_failed() && !is_alarmed {
            "ok"
        } else {
            "degraded"
        };
        Health {
            status,
            generation: generation.number(),
            since_ms: self.reloads().since_ms(),
            retired: self.retired(),
            reload: self.reloads().health(),
            signatures,
            mounts: generation.mounts().len(),
            uptime_seconds: self.started().elapsed().as_secs(),
            ledger: if ledger.writable { "ok" } else { "failing" },
            warnings,
        }
    }

    /// Whether it can answer: the ledger can be written.
    pub fn ready(&self) -> bool {
        self.ledger().health().writable
    }

    /// The metrics, as OpenMetrics text.
    pub fn metrics(&self) -> String {
        let (generation, now) = (self.generation(), crate::gateway::now_ms());
        let mounts = generation.mounts().values();
        let observed = mounts.clone().filter(|mount| mount.is_observed()).count();
        self.metrics_registry().practice(observed, mounts.filter(|mount| mount.practice().is_overdue(now)).count());
        self.metrics_registry().encode()
    }
}
