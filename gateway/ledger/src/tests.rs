//! Tests of the ledger as a whole, on real folders.

mod chain;
mod failing;
mod killed;
mod opening;
mod reading;
mod speed;
mod spelling;

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use mountgate_core::{
    ClaimValue, Claims, ColumnType, CompareOp, DecisionRequest, Digest, Door, Filter, Grant, Limits, Node, Predicate,
    PredicateValue, Rate, RelationName, RelationTouch, Touch, Use, Uses, Value, Verb, Verdict,
    request::{RequestColumn, RequestRelation},
};
use tempfile::TempDir;

use crate::{
    AdminRecord, CapsRecord, Completion, DecisionId, DecisionRecord, Ledger, LedgerConfig, Outcome, Status,
    commit::now_ms, segment::Segment,
};

pub(crate) const KEY: [u8; 32] = [7; 32];
pub(crate) const SIGNING: [u8; 32] = [9; 32];

pub(crate) fn config(dir: &Path) -> LedgerConfig {
    LedgerConfig::new(dir, KEY, SIGNING)
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A request of the size that a look-up by a support agent has.
pub(crate) fn request() -> DecisionRequest {
    let uses = |one: &[Use]| one.iter().copied().collect::<Uses>();
    let column = |name: &str, ty, key| RequestColumn { name: name.into(), ty, key, masks: vec![] };
    DecisionRequest {
        agent: "support-bot".into(),
        session: Some("0123456789abcdef".into()),
        claims: Arc::new(Claims::from([
            ("customer_id".into(), ClaimValue::Integer(42)),
            ("region".into(), ClaimValue::Text("north".into())),
        ])),
        mount: "support".into(),
        door: Door::Http,
        purpose: Some("answer a ticket".into()),
        time: None,
        usage: None,
        parameters: None,
        touch: Arc::new(Touch {
            verb: Verb::Read,
            relations: vec![RelationTouch {
                relation: "orders".into(),
                columns: vec![
                    ("order_id".into(), uses(&[Use::Projected])),
                    ("customer_id".into(), uses(&[Use::Filtered])),
                    ("status".into(), uses(&[Use::Projected, Use::Filtered])),
                ],
                references: 1,
            }],
            predicates: vec![
                Predicate {
                    relation: "orders".into(),
                    column: "customer_id".into(),
                    op: Some(CompareOp::Eq),
                    value: PredicateValue::Parameter(0),
                },
                Predicate {
                    relation: "orders".into(),
                    column: "status".into(),
                    op: Some(CompareOp::Eq),
                    value: PredicateValue::Literal(Value::Text("very-secret-status".into())),
                },
            ],
        }),
        ceiling: Arc::new(vec![RequestRelation {
            name: "orders".into(),
            columns: vec![
                column("order_id", ColumnType::Integer, true),
                column("customer_id", ColumnType::Integer, false),
                column("status", ColumnType::Text, false),
                column("created_at", ColumnType::TimestampTz, false),
            ],
            lent: vec![],
            filter: Some(
                Filter::new(vec![
                    Node::Column("customer_id".into()),
                    Node::Claim("customer_id".into()),
                    Node::Compare { op: CompareOp::Eq, left: 0, right: 1 },
                ])
                .unwrap(),
            ),
        }]),
        limits: Arc::new(Limits {
            requests: vec![Rate { amount: 60, window_ms: 60_000 }],
            max_rows: Some(500),
            timeout_ms: Some(5_000),
            ..Limits::default()
        }),
    }
}

/// A decision on [`request`], all of whose parts live long enough.
pub(crate) struct Sample {
    request: DecisionRequest,
    verdict: Verdict,
    fenced: Vec<RelationName>,
    parameters: Vec<Value>,
}

impl Sample {
    pub(crate) fn new() -> Self {
        Self {
            request: request(),
            verdict: Verdict::Allow { grant: Grant::Ceiling, limits: Limits::default(), valid_for_ms: None },
            fenced: vec!["orders".into()],
            parameters: vec![Value::Integer(42)],
        }
    }

    pub(crate) fn decision(&self) -> DecisionRecord<'_> {
        DecisionRecord {
            id: DecisionId::new(),
            time_ms: now_ms(),
            generation: 3,
            plugin: Digest::of(b"plugin"),
            settings: None,
            cached: false,
            replayable: true,
            request: &self.request,
            parameters: &self.parameters,
            verdict: &self.verdict,
            grant: None,
            masks: &[],
            caps: CapsRecord { max_rows: 500, max_bytes: 1 << 20, timeout_ms: 5_000 },
            fenced: &self.fenced,
            counted: &[],
            statement: "SELECT order_id, status FROM orders WHERE customer_id = ?1 AND status = 'very-secret-status'",
        }
    }
}

/// Records a decision and leaves its completion open.
pub(crate) fn decide(ledger: &Ledger) -> (DecisionId, Completion) {
    let sample = Sample::new();
    let decision = sample.decision();
    let id = decision.id;
    let (_, completion) = ledger.record((), &decision).unwrap().into_parts();
    (id, completion)
}

pub(crate) fn whole(rows: u64) -> Outcome {
    Outcome { status: Status::Whole, rows, bytes: rows * 10, backend_us: 100, total_us: 200 }
}

/// Records so many decisions, each completed.
pub(crate) fn fill(ledger: &Ledger, count: usize) -> Vec<DecisionId> {
    (0..count)
        .map(|_| {
            let (id, completion) = decide(ledger);
            completion.finish(whole(1));
            id
        })
        .collect()
}

pub(crate) fn admin<'a>(act: &'a str) -> AdminRecord<'a> {
    AdminRecord { time_ms: now_ms(), act, who: "test", details: serde_json::json!({}) }
}

/// The bytes of each segment, by name.
pub(crate) fn contents(dir: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    Segment::list(dir).unwrap().into_iter().map(|s| (s.path.clone(), fs::read(&s.path).unwrap())).collect()
}
