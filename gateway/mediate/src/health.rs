//! `/healthz` and `/readyz`: how the gateway is, without a secret or a name of data.

use std::sync::Arc;

use serde::Serialize;

use crate::Gateway;

/// How the gateway is.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// `ok`, `degraded` (it serves, with warnings) or `failing` (it refuses).
    pub status: &'static str,
    /// The generation in force.
    pub generation: u64,
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
    /// How the gateway is.
    pub fn health(&self) -> Health {
        let generation = self.generation();
        let ledger = self.ledger().health();
        let warnings = self.warnings();
        let status = if !ledger.writable {
            "failing"
        } else if warnings.is_empty() {
            "ok"
        } else {
            "degraded"
        };
        Health {
            status,
            generation: generation.number(),
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
        self.metrics_registry().encode()
    }
}
