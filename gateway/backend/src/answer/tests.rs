use std::{path::Path, sync::Arc};

use mountgate_core::{
    Code, DecisionRequest, Digest, Door, Limits, MountName, Rate, Touch, Verb, Verdict, request::Usage, verdict::Grant,
};
use mountgate_driver::{SqliteConfig, StoreConfig};
use mountgate_ledger::{CapsRecord, DecisionRecord, Ledger, LedgerConfig};
use mountgate_limits::{BudgetKey, Limiter};

use super::*;

/// A store, a budget and a ledger, as the middle would put them together.
struct Bench {
    dir: tempfile::TempDir,
    store: Store,
    limiter: Limiter,
    ledger: Ledger,
    limits: Limits,
}

const ROWS: u64 = 1000;
const BYTES: u64 = 100_000;
const NUMBERS: &str = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT ?1) SELECT x, x > 1 FROM n";

impl Bench {
    async fn new(max_rows: Option<u64>, max_bytes: Option<u64>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.db");
        // One page, so that it is a database.
        std::fs::write(&path, []).unwrap();
        let config = SqliteConfig { threads: 1, ..SqliteConfig::new(&path) };
        let store = Store::open(StoreConfig::Sqlite(config)).await.unwrap();
        let ledger = Ledger::open(&LedgerConfig::new(dir.path().join("ledger"), [1; 32], [2; 32])).unwrap();
        let window_ms = 3_600_000;
        let limits = Limits {
            rows: vec![Rate { amount: ROWS, window_ms }],
            bytes: vec![Rate { amount: BYTES, window_ms }],
            max_rows,
            max_bytes,
            timeout_ms: Some(300),
            concurrency: Some(1),
            ..Limits::default()
        };
        Self { dir, store, limiter: Limiter::new(), ledger, limits }
    }

    fn key(&self) -> BudgetKey {
        BudgetKey { mount: MountName::from("m"), agent: None, session: None }
    }

    fn permit(&self) -> Result<(Permit, Completion), Refusal> {
        let permitted = self.limiter.permit((), self.key(), &self.limits, Instant::now())?;
        let request = DecisionRequest {
            agent: "a".into(),
            session: None,
            claims: Arc::default(),
            mount: "m".into(),
            door: Door::Http,
            purpose: None,
            time: None,
            usage: None,
            parameters: None,
            touch: Arc::new(Touch { verb: Verb::Read, relations: Vec::new(), predicates: Vec::new() }),
            ceiling: Arc::new(Vec::new()),
            limits: Arc::new(self.limits.clone()),
        };
        let verdict = Verdict::Allow { grant: Grant::Ceiling, limits: Limits::default(), valid_for_ms: None };
        let record = DecisionRecord {
            id: DecisionId::new(),
            time_ms: 0,
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
            caps: CapsRecord { max_rows: ROWS, max_bytes: BYTES, timeout_ms: 300 },
            fenced: &[],
            counted: &[],
            statement: "",
        };
        let ((), completion) = self.ledger.record((), &record).unwrap().into_parts();
        Ok((permitted.into_parts().1, completion))
    }

    async fn begin(&self, sql: &str, values: &[Value]) -> Result<Answer, Refusal> {
        let (permit, completion) = self.permit()?;
        let call = Call { sql: sql.into(), values: values.to_vec(), timeout: permit.caps().timeout, behind: None };
        Answer::begin(&self.store, call, vec![Some(ColumnType::Integer), Some(ColumnType::Boolean)], permit, completion)
            .await
    }

    fn left(&self) -> (Option<i64>, Option<i64>) {
        let Usage { rows_left, bytes_left, .. } = self.limiter.usage(&self.key(), &self.limits, Instant::now());
        (rows_left, bytes_left)
    }

    /// The completions, oldest first.
    fn completions(self) -> Vec<Completed> {
        let Self { dir, ledger, .. } = self;
        drop(ledger);
        completions(&dir.path().join("ledger"))
    }
}

/// Outcome, code, rows and bytes of a completion.
type Completed = (String, Option<String>, Option<u64>, Option<u64>);

fn completions(dir: &Path) -> Vec<Completed> {
    mountgate_ledger::tail(dir, 100)
        .unwrap()
        .iter()
        .filter(|entry| entry.kind() == "completion")
        .map(|entry| {
            let record = entry.record().unwrap();
            let text = |field: &str| record[field].as_str().map(str::to_owned);
            (text("outcome").unwrap(), text("code"), record["rows"].as_u64(), record["bytes"].as_u64())
        })
        .collect()
}

async fn drain(answer: &mut Answer) -> Result<u64, Refusal> {
    let mut rows = 0;
    while let Some(batch) = answer.next().await? {
        rows += batch.len() as u64;
    }
    Ok(rows)
}

fn whole(outcome: &str, rows: u64, bytes: u64) -> Completed {
    (outcome.to_owned(), None, Some(rows), Some(bytes))
}

#[tokio::test]
async fn a_whole_answer_pays_for_what_left() {
    let bench = Bench::new(Some(500), Some(50_000)).await;
    let mut answer = bench.begin(NUMBERS, &[Value::Integer(300)]).await.unwrap();
    assert_eq!(bench.left(), (Some(500), Some(50_000)), "the caps are reserved while it runs");
    // A first row that took long comes alone.
    let mut rows: Vec<Vec<Value>> = Vec::new();
    while rows.len() < 2 {
        rows.extend(answer.next().await.unwrap().unwrap().rows().map(<[Value]>::to_vec));
    }
    assert_eq!(rows[0], [Value::Integer(1), Value::Boolean(false)]);
    assert_eq!(rows[1], [Value::Integer(2), Value::Boolean(true)]);
    drain(&mut answer).await.unwrap();
    // Eight bytes for a number, one for a boolean, though SQLite holds that as a number.
    assert_eq!(answer.summary(), Summary { rows: 300, bytes: 300 * 9, truncated: false });
    assert!(answer.next().await.unwrap().is_none());
    assert_eq!(bench.left(), (Some(700), Some(100_000 - 2700)));
    drop(answer);
    assert_eq!(bench.completions(), [whole("whole", 300, 2700)]);
}

#[tokio::test]
async fn a_cap_on_rows_cuts_and_says_so() {
    for (cap, asked, truncated) in
        [(10, 11, true), (10, 10, false), (256, 256, false), (256, 257, true), (300, 100_000_000, true), (0, 1, true)]
    {
        let bench = Bench::new(Some(cap), None).await;
        let mut answer = bench.begin(NUMBERS, &[Value::Integer(asked)]).await.unwrap();
        let rows = drain(&mut answer).await.unwrap();
        let wanted = cap.min(asked as u64);
        assert_eq!(
            (rows, answer.summary().rows, answer.summary().truncated),
            (wanted, wanted, truncated),
            "{cap} of {asked}"
        );
        assert_eq!(bench.left().0, Some((ROWS - wanted) as i64));
        // The work is cancelled: the only thread is free, and so is the only place.
        drop(answer);
        let mut next = bench.begin("SELECT 1, 2", &[]).await.unwrap();
        assert_eq!(drain(&mut next).await.unwrap(), 1.min(cap));
        drop(next);
        let outcome = if truncated { "truncated" } else { "whole" };
        assert_eq!(bench.completions()[0], whole(outcome, wanted, wanted * 9));
    }
}

#[tokio::test]
async fn a_cap_on_bytes_cuts_between_rows() {
    let bench = Bench::new(None, Some(100)).await;
    let mut answer = bench.begin(NUMBERS, &[Value::Integer(50)]).await.unwrap();
    assert_eq!(drain(&mut answer).await.unwrap(), 11);
    assert_eq!(answer.summary(), Summary { rows: 11, bytes: 99, truncated: true });
    drop(answer);
    // A first row above the cap does not come at all.
    let mut answer = bench.begin("SELECT 1, hex(zeroblob(60))", &[]).await.unwrap();
    assert_eq!(drain(&mut answer).await.unwrap(), 0);
    assert!(answer.summary().truncated);
    drop(answer);
    assert_eq!(bench.completions(), [whole("truncated", 11, 99), whole("truncated", 0, 0)]);
}

#[tokio::test]
async fn whoever_takes_no_more_cuts_and_it_is_on_record_as_that() {
    let bench = Bench::new(None, None).await;
    let mut answer = bench.begin(NUMBERS, &[Value::Integer(900)]).await.unwrap();
    let first = answer.next().await.unwrap().unwrap().len() as u64;
    assert!(first < 900);
    answer.cut();
    let cut = Summary { rows: first, bytes: first * 9, truncated: true };
    assert_eq!(answer.summary(), cut);
    assert!(answer.next().await.unwrap().is_none());
    assert_eq!(bench.left().0, Some((ROWS - first) as i64));
    drop(answer);
    // After the end there is nothing to cut.
    let mut answer = bench.begin("SELECT 1, 2", &[]).await.unwrap();
    drain(&mut answer).await.unwrap();
    answer.cut();
    assert!(!answer.summary().truncated);
    drop(answer);
    assert_eq!(bench.completions(), [whole("truncated", first, first * 9), whole("whole", 1, 16)]);
}

#[tokio::test]
async fn what_is_left_of_a_budget_is_a_cap() {
    let bench = Bench::new(None, None).await;
    let mut answer = bench.begin(NUMBERS, &[Value::Integer(5000)]).await.unwrap();
    assert_eq!(drain(&mut answer).await.unwrap(), ROWS);
    assert!(answer.summary().truncated);
    drop(answer);
    assert_eq!(bench.begin("SELECT 1, 2", &[]).await.unwrap_err().code, Code::BudgetExhausted);
}

#[tokio::test]
async fn an_answer_dropped_in_the_middle_is_cancelled_and_paid() {
    let bench = Bench::new(None, None).await;
    let mut answer = bench.begin(NUMBERS, &[Value::Integer(100_000_000)]).await.unwrap();
    let rows = answer.next().await.unwrap().unwrap().len() as u64;
    drop(answer);
    assert_eq!(bench.left().0, Some((ROWS - rows) as i64));
    let again = bench.begin("SELECT 1, 2", &[]).await.unwrap();
    drop(again);
    assert_eq!(bench.completions(), [whole("cancelled", rows, rows * 9), whole("cancelled", 0, 0)]);
}

const ENDLESS: &str = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*), 1 FROM n";

#[tokio::test]
async fn a_caller_who_leaves_while_waiting_has_paid_nothing() {
    let bench = Bench::new(None, None).await;
    assert!(tokio::time::timeout(Duration::from_millis(30), bench.begin(ENDLESS, &[])).await.is_err());
    assert_eq!(bench.left(), (Some(1000), Some(100_000)));
    assert_eq!(bench.completions(), [whole("cancelled", 0, 0)]);
}

#[tokio::test]
async fn failures_tell_nothing_of_the_store() {
    let bench = Bench::new(None, None).await;
    for (sql, values, code) in [
        ("SELECT abs(-9223372036854775808), 1", vec![], Code::DataError),
        ("SELECT json_extract('secret', '$'), 1", vec![], Code::DataError),
        ("SELECT hex(zeroblob(100000000)), 1", vec![], Code::ResourceLimit),
        (ENDLESS, vec![], Code::ResourceLimit),
        ("SELECT secret FROM hidden", vec![], Code::BackendRefused),
        ("SELECT ?1, 1", vec![], Code::ParameterInvalid),
    ] {
        let refusal = bench.begin(sql, &values).await.unwrap_err();
        assert_eq!(refusal.code, code, "{sql}");
        let told = serde_json::to_string(&refusal).unwrap();
        for word in ["secret", "hidden", "sqlite", "SQLite", "no such", "JSON", "overflow", "zeroblob"] {
            assert!(!told.contains(word), "{told}");
        }
        assert_eq!(bench.left(), (Some(1000), Some(100_000)), "{sql}");
    }
    let outcomes = bench.completions();
    assert_eq!(outcomes.len(), 6);
    assert_eq!(outcomes[3], ("failed".into(), Some("resource_limit".into()), Some(0), Some(0)));
}

#[tokio::test]
async fn a_failure_in_the_middle_is_no_end() {
    let bench = Bench::new(None, None).await;
    // The 500th row fails, when others have long left.
    let sql = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 600) \
               SELECT x, CASE WHEN x = 500 THEN abs(-9223372036854775807 - 1) END FROM n";
    let mut answer = bench.begin(sql, &[]).await.unwrap();
    let error = drain(&mut answer).await.unwrap_err();
    assert_eq!(error.code, Code::DataError);
    assert!(answer.next().await.unwrap().is_none());
    let Summary { rows, truncated, .. } = answer.summary();
    assert!((256..500).contains(&rows) && !truncated);
    assert_eq!(bench.left().0, Some((ROWS - rows) as i64));
    drop(answer);
    let outcomes = bench.completions();
    assert_eq!(
        (outcomes[0].0.as_str(), outcomes[0].1.as_deref(), outcomes[0].2),
        ("failed", Some("data_error"), Some(rows))
    );
}
