//! How what signs the plugins stands, as whoever watches their repository tells it: for `/healthz` and the metrics. What a
//! repository is, the composition knows.

use std::sync::{Arc, atomic::AtomicU64};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use serde::Serialize;

use crate::{Gateway, reload::hidden};

/// How what signs the plugins stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signatures {
    /// In a word: `current`, `late`, `expired`, `denying` or `absent`.
    pub state: &'static str,
    /// Whether all is as it should be; an alarm otherwise.
    pub is_well: bool,
    /// The version of the signed repository that is in force.
    pub version: Option<u64>,
    /// When the first of its metadata expires, in milliseconds since 1970-01-01T00:00Z.
    pub expires_ms: Option<i64>,
    /// When its plugins are not asked any more.
    pub denies_ms: Option<i64>,
    /// When the repository was last read, since the gateway started.
    pub refreshed_ms: Option<i64>,
    /// What was wrong with the latest attempt.
    pub failure: Option<SignatureFailure>,
    /// How many plugins of the repository are revoked, and not replaced yet.
    pub revoked: usize,
    /// Which, and why; for operators.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revocations: Vec<String>,
}

/// An attempt to read the repository that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignatureFailure {
    /// When, in milliseconds since 1970-01-01T00:00Z.
    pub time_ms: i64,
    /// What sort of thing was wrong: `unreachable`, `unsigned`, `rolled_back`, …
    pub kind: &'static str,
    /// What.
    pub message: String,
}

impl Signatures {
    /// What whoever reaches the port may know: what stands in backticks may be a name of data, and reasons are the
    /// signers'.
    pub(crate) fn for_anyone(&self) -> Self {
        let failure = self
            .failure
            .as_ref()
            .map(|failure| SignatureFailure { message: hidden(&failure.message), ..failure.clone() });
        Self { failure, revocations: vec![], ..self.clone() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// The counters of it.
pub(crate) struct SignatureMetrics {
    state: Family<StateLabel, Gauge<u64, AtomicU64>>,
    version: Gauge<u64, AtomicU64>,
    expire: Gauge<f64, AtomicU64>,
    revoked: Gauge<u64, AtomicU64>,
    refreshes: Family<ResultLabel, Counter>,
}

impl SignatureMetrics {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let state = Family::default();
        registry.register("signatures_state", "1 for how what signs the plugins stands", state.clone());
        let version = Gauge::default();
        registry.register("signatures_version", "The version of the signed repository in force", version.clone());
        let expire = Gauge::default();
        registry.register(
            "signatures_expire_timestamp_seconds",
            "When the first of what signs the plugins expires",
            expire.clone(),
        );
        let revoked = Gauge::default();
        registry.register("signatures_revoked", "Plugins that are revoked, and not replaced yet", revoked.clone());
        let refreshes = Family::default();
        registry.register(
            "signature_refreshes",
            "Attempts to read the signed repository: changed, unchanged, or what was wrong",
            refreshes.clone(),
        );
        Self { state, version, expire, revoked, refreshes }
    }

    fn tell(&self, told: Option<&Signatures>) {
        self.state.clear();
        if let Some(told) = told {
            self.state.get_or_create(&StateLabel { state: told.state }).set(1);
            self.version.set(told.version.unwrap_or(0));
            self.expire.set(told.expires_ms.map_or(0.0, |time_ms| time_ms as f64 / 1000.0));
            self.revoked.set(told.revoked as u64);
        }
    }
}

impl Gateway {
    /// Says how what signs the plugins stands; none where no plugin is signed.
    pub fn tell_signatures(&self, told: Option<Signatures>) {
        self.metrics_registry().signatures().tell(told.as_ref());
        self.signatures_slot().store(told.map(Arc::new));
    }

    /// How what signs the plugins stands.
    pub fn signatures(&self) -> Option<Arc<Signatures>> {
        self.signatures_slot().load_full()
    }

    /// The signed repository was asked, and it came to that: `changed`, `unchanged`, or the kind of what was wrong.
    pub fn signatures_refreshed(&self, result: &'static str) {
        self.metrics_registry().signatures().refreshes.get_or_create(&ResultLabel { result }).inc();
    }
}
