//! What `/metrics` tells: counts and durations, no names of agents, mounts or relations (a label for each would grow
//! without bound, and tell).

use std::{fmt::Write as _, sync::atomic::AtomicU64, time::Duration};

use mountgate_core::{Code, Door};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::signatures::SignatureMetrics;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DoorLabel {
    door: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabel {
    door: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultLabel {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReusedLabel {
    reused: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabel {
    result: &'static str,
    /// The step that failed; empty where none did.
    step: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShadowLabel {
    outcome: &'static str,
}

/// The gateway's counters.
pub(crate) struct Metrics {
    registry: Registry,
    answers: Family<DoorLabel, Counter>,
    refusals: Family<RefusalLabel, Counter>,
    unauthenticated: Counter,
    faults: Family<FaultLabel, Counter>,
    decisions: Family<ReusedLabel, Counter>,
    deciding: Histogram,
    answering: Histogram,
    generation: Gauge<u64, AtomicU64>,
    retired: Gauge<u64, AtomicU64>,
    reloads: Family<ReloadLabel, Counter>,
    reload_success: Gauge<f64, AtomicU64>,
    shadows: Family<ShadowLabel, Counter>,
    shadows_missed: Counter,
    observed: Gauge<u64, AtomicU64>,
    overdue: Gauge<u64, AtomicU64>,
    signatures: SignatureMetrics,
}

/// Buckets from 1 µs to 4 s, each twice the one before.
fn histogram() -> Histogram {
    Histogram::new(prometheus_client::metrics::histogram::exponential_buckets(1e-6, 2.0, 23))
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("mountgate");
        let answers = Family::default();
        registry.register("answers", "Requests that got an answer, by door", answers.clone());
        let refusals = Family::default();
        registry.register("refusals", "Requests that were refused, by door and code", refusals.clone());
        let unauthenticated = Counter::default();
        registry.register("unauthenticated", "Requests without a good token", unauthenticated.clone());
        let faults = Family::default();
        registry.register("policy_faults", "Decisions on which a policy failed, by code", faults.clone());
        let decisions = Family::default();
        registry.register("decisions", "Verdicts, by whether they were reused", decisions.clone());
        let deciding = histogram();
        registry.register("decision_seconds", "Time that a policy took", deciding.clone());
        let answering = histogram();
        registry.register(
            "answer_seconds",
            "Time from the request's head to the answer's first row",
            answering.clone(),
        );
        let generation = Gauge::default();
        registry.register("generation", "The generation in force", generation.clone());
        let retired = Gauge::default();
        registry.register(
            "generations_retired",
            "Generations that only requests under way still hold",
            retired.clone(),
        );
        let reloads = Family::default();
        registry.register("reloads", "Reloads, by result and by the step that failed", reloads.clone());
        let reload_success = Gauge::default();
        registry.register(
            "reload_success_timestamp_seconds",
            "When a reload, or the start, last went well",
            reload_success.clone(),
        );
        let shadows = Family::default();
        registry.register("shadow_comparisons", "Verdicts of shadows beside those in force", shadows.clone());
        let shadows_missed = Counter::default();
        registry.register("shadow_missed", "Requests that a shadow had no time for", shadows_missed.clone());
        let observed = Gauge::default();
        registry.register("mounts_observed", "Mounts that are open for observation", observed.clone());
        let overdue = Gauge::default();
        registry.register("mounts_review_overdue", "Mounts whose review is overdue", overdue.clone());
        let signatures = SignatureMetrics::new(&mut registry);
        Self {
            registry,
            answers,
            refusals,
            unauthenticated,
            faults,
            decisions,
            deciding,
            answering,
            generation,
            retired,
            reloads,
            reload_success,
            shadows,
            shadows_missed,
            observed,
            overdue,
            signatures,
        }
    }

    pub(crate) fn answered(&self, door: Door, elapsed: Duration) {
        self.answers.get_or_create(&DoorLabel { door: door.label() }).inc();
        self.answering.observe(elapsed.as_secs_f64());
    }

    pub(crate) fn refused(&self, door: Door, code: Code) {
        self.refusals.get_or_create(&RefusalLabel { door: door.label(), code: code.as_str() }).inc();
    }

    pub(crate) fn unauthenticated(&self) {
        self.unauthenticated.inc();
    }

    pub(crate) fn policy_fault(&self, code: &'static str) {
        self.faults.get_or_create(&FaultLabel { code }).inc();
    }

    pub(crate) fn decided(&self, elapsed: Duration, reused: bool) {
        self.decisions.get_or_create(&ReusedLabel { reused: if reused { "true" } else { "false" } }).inc();
        if !reused {
            self.deciding.observe(elapsed.as_secs_f64());
        }
    }

    pub(crate) fn generation(&self, number: u64) {
        self.generation.set(number);
    }

    pub(crate) fn retired(&self, generations: usize) {
        self.retired.set(generations as u64);
    }

    pub(crate) fn reload_succeeded(&self, time_ms: i64) {
        self.reload_success.set(time_ms as f64 / 1000.0);
    }

    pub(crate) fn reloaded(&self, result: &'static str, step: &'static str, time_ms: i64) {
        self.reloads.get_or_create(&ReloadLabel { result, step }).inc();
        if step.is_empty() {
            self.reload_succeeded(time_ms);
        }
    }

    pub(crate) fn shadowed(&self, outcome: &'static str) {
        self.shadows.get_or_create(&ShadowLabel { outcome }).inc();
    }

    pub(crate) fn signatures(&self) -> &SignatureMetrics {
        &self.signatures
    }

    pub(crate) fn shadow_missed(&self) {
        self.shadows_missed.inc();
    }

    pub(crate) fn practice(&self, observed: usize, overdue: usize) {
        self.observed.set(observed as u64);
        self.overdue.set(overdue as u64);
    }

    /// The OpenMetrics text.
    pub(crate) fn encode(&self) -> String {
        let mut out = String::new();
        if prometheus_client::encoding::text::encode(&mut out, &self.registry).is_err() {
            out.clear();
            let _ = writeln!(out, "# EOF");
        }
        out
    }
}
