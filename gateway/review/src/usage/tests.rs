use std::sync::Arc;

use mountgate_core::{
    ClaimValue, Claims, DecisionRequest, Digest, Door, Grant, Limits, Predicate, PredicateValue, Touch, Use, Uses,
    Value, Verdict,
};
use mountgate_ledger::{CapsRecord, DecisionRecord, Ledger, LedgerConfig, Outcome, RefusalRecord, Status};
use tempfile::TempDir;

use super::*;

pub(crate) const AGENT: &str = "support-bot";
pub(crate) const MOUNT: &str = "support";

/// Columns with their uses.
pub(crate) type Columns = Vec<(&'static str, &'static [Use])>;

/// One request, in short.
pub(crate) struct Ask {
    pub(crate) time_ms: i64,
    pub(crate) customer: i64,
    /// Relation, how often it is referred to, and its columns with their uses.
    pub(crate) touched: Vec<(&'static str, u32, Columns)>,
    /// Relation and column that equal a value.
    pub(crate) equal: Vec<(&'static str, &'static str, i64)>,
    /// `None`: the answer has no end.
    pub(crate) rows: Option<u64>,
}

/// A look-up of one order of the customer that the session is for.
pub(crate) fn lookup(time_ms: i64, customer: i64, order: i64) -> Ask {
    Ask {
        time_ms,
        customer,
        touched: vec![(
            "orders",
            1,
            vec![("order_id", &[Use::Filtered]), ("customer_id", &[Use::Filtered]), ("status", &[Use::Projected])],
        )],
        equal: vec![("orders", "customer_id", customer), ("orders", "order_id", order)],
        rows: Some(1),
    }
}

pub(crate) fn ledger(dir: &Path) -> Ledger {
    Ledger::open(&LedgerConfig::new(dir, [7; 32], [9; 32])).unwrap()
}

/// Records what was asked, in a real ledger.
pub(crate) fn recorded(asks: &[Ask]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    for ask in asks {
        record(&ledger, ask);
    }
    drop(ledger);
    folder
}

fn record(ledger: &Ledger, ask: &Ask) {
    let request = DecisionRequest {
        agent: AGENT.into(),
        session: Some(format!("session{}", ask.customer).into()),
        claims: Arc::new(Claims::from([("customer_id".into(), ClaimValue::Integer(ask.customer))])),
        mount: MOUNT.into(),
        door: Door::Http,
        purpose: None,
        time: None,
        usage: None,
        parameters: None,
        touch: Arc::new(Touch {
            verb: Verb::Read,
            relations: ask
                .touched
                .iter()
                .map(|(relation, references, columns)| RelationTouch {
                    relation: (*relation).into(),
                    columns: columns
                        .iter()
                        .map(|(column, uses)| ((*column).into(), uses.iter().copied().collect::<Uses>()))
                        .collect(),
                    references: *references,
                })
                .collect(),
            predicates: ask
                .equal
                .iter()
                .map(|(relation, column, value)| Predicate {
                    relation: (*relation).into(),
                    column: (*column).into(),
                    op: Some(CompareOp::Eq),
                    value: PredicateValue::Literal(Value::Integer(*value)),
                })
                .collect(),
        }),
        ceiling: Arc::new(vec![]),
        limits: Arc::new(Limits::default()),
    };
    let verdict = Verdict::Allow { grant: Grant::Ceiling, limits: Limits::default(), valid_for_ms: None };
    let decision = DecisionRecord {
        id: DecisionId::new(),
        time_ms: ask.time_ms,
        generation: 1,
        plugin: Digest::of(b"plugin"),
        settings: None,
        cached: false,
        replayable: true,
        request: &request,
        parameters: &[],
        verdict: &verdict,
        grant: None,
        masks: &[],
        caps: CapsRecord { max_rows: 500, max_bytes: 1 << 20, timeout_ms: 5_000 },
        fenced: &[],
        counted: &[],
        statement: "SELECT 1",
    };
    let (_, completion) = ledger.record((), &decision).unwrap().into_parts();
    match ask.rows {
        Some(rows) => completion.finish(Outcome {
            status: Status::Whole,
            rows,
            bytes: rows * 100,
            backend_us: 100,
            total_us: 2_500,
        }),
        None => drop(completion),
    }
}

pub(crate) fn usage(dir: &Path) -> Usage {
    Usage::read(dir, Selection::default(), &mut |_| ()).unwrap()
}

fn task(usage: &Usage) -> &TaskUse {
    &usage.tasks[&(MOUNT.into(), AGENT.into())]
}

#[test]
fn what_was_used_is_counted_once_for_each_request() {
    let folder = recorded(&[lookup(1_000, 1, 10), lookup(2_000, 1, 11), lookup(70_000, 2, 12)]);
    let usage = usage(folder.path());
    let task = task(&usage);
    assert_eq!(task.decisions, Seen { count: 3, first_ms: 1_000, last_ms: 70_000 });
    assert_eq!((task.sessions, task.verbs[&Verb::Read].count), (2, 3));
    let orders = &task.tables["orders"];
    assert_eq!(orders.columns["status"].uses.keys().copied().collect::<Vec<_>>(), ["projected"]);
    assert_eq!(orders.columns["order_id"].seen.count, 3);
    let customer = &orders.equalities["customer_id"];
    assert_eq!((customer.seen.count, customer.claims["customer_id"].seen.count), (3, 3));
    assert_eq!(customer.claims["customer_id"].values.len(), 2);
    assert_eq!(orders.equalities["order_id"].values.len(), 3);
    assert!(orders.equalities["order_id"].claims.is_empty());
    assert_eq!((task.sizes.finished, task.sizes.rows, task.sizes.total_us), (3, 1, 2_500));
    assert_eq!((task.sizes.session_requests_a_minute, task.sizes.agent_rows_an_hour), (2, 3));
}

#[test]
fn a_condition_on_a_relation_that_is_there_twice_says_nothing_of_either() {
    let mut twice = lookup(1_000, 1, 10);
    twice.touched[0].1 = 2;
    let folder = recorded(&[twice]);
    let usage = usage(folder.path());
    let orders = &task(&usage).tables["orders"];
    assert_eq!((orders.several, orders.equalities.len()), (1, 0));
}

#[test]
fn an_answer_without_an_end_is_not_taken_for_a_small_one() {
    let mut cut = lookup(1_000, 1, 10);
    cut.rows = None;
    let folder = recorded(&[cut, lookup(2_000, 1, 10)]);
    let usage = usage(folder.path());
    assert_eq!((task(&usage).sizes.unfinished, task(&usage).sizes.finished), (1, 1));
}

#[test]
fn refusals_are_kept_apart_with_an_example() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    let (agent, mount) = (AGENT.into(), MOUNT.into());
    let mut refusal = RefusalRecord {
        id: DecisionId::new(),
        time_ms: 5,
        generation: 1,
        agent: &agent,
        session: None,
        mount: Some(&mount),
        door: Door::Http,
        code: mountgate_core::Code::NotInScope,
        message: "there is no column `salary`",
        statement: None,
        plugin: None,
        request: None,
        verdict: None,
    };
    let first = refusal.id;
    ledger.refuse(&refusal).unwrap();
    (refusal.id, refusal.time_ms) = (DecisionId::new(), 6);
    ledger.refuse(&refusal).unwrap();
    (refusal.id, refusal.mount) = (DecisionId::new(), None);
    ledger.refuse(&refusal).unwrap();
    drop(ledger);
    let usage = usage(folder.path());
    let refused = &task(&usage).refused["not_in_scope"];
    assert_eq!((refused.seen.count, refused.example), (2, Some(first)));
    assert_eq!((task(&usage).decisions.count, usage.elsewhere), (0, 1));
    assert_eq!(usage.asked[AGENT].count, 3);
}
