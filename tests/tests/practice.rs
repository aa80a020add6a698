//! Least privilege as a practice: what an agent needs is learned from what it did, enforced, and narrowed again.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test, a failure is a failure")]

#[path = "practice/budgets.rs"]
mod budgets;
#[path = "practice/observe.rs"]
mod observe;
#[path = "practice/quarantine.rs"]
mod quarantine;
#[path = "practice/replay.rs"]
mod replay;

use mountgate::{
    cli::Exit,
    config::Config,
    keys::IDENTITIES,
    state::{State, now_ms},
};
use mountgate_core::{ClaimValue, Code, Value};
use mountgate_ledger::AdminRecord;
use mountgate_tests::{command, gateway::Fixture};

/// What an agent gets that nobody has scoped: every table, every column.
const BROAD: &str = r#"
name    = "test"
backend = "shop"
agents  = ["desk", "idle"]
policy  = "ceiling"

[tables.customers]
columns = ["customer_id", "name", "email", "region", "salary_canary"]

# What people bought.
[tables.orders]
columns = ["order_id", "customer_id", "status", "total", "placed_at", "note_canary"]

[tables.secrets]
columns = ["id", "word"]

[limits]
requests = "100_000/minute"
"#;

const LOOKUP: &str = "SELECT status, total FROM orders WHERE order_id = ?1 AND customer_id = ?2";
const NAME: &str = "SELECT name FROM customers WHERE customer_id = ?1";

/// Runs a command that must be done.
async fn run(fixture: &Fixture, line: &[&str]) -> String {
    let (exit, printed) = command::run(fixture.folder(), line).await.unwrap();
    assert_eq!(exit, Exit::Done, "{printed}");
    printed
}

async fn desk(fixture: &Fixture, customer: i64) -> String {
    fixture.session("desk", &[("customer_id", ClaimValue::Integer(customer))]).unwrap()
}

/// The agent's real work: a customer's orders, one by one, and the customer's name.
async fn work(fixture: &Fixture) -> Vec<Vec<Vec<Value>>> {
    let mut answers = Vec::new();
    for _ in 0..6 {
        for (customer, orders) in [(1, vec![10, 11]), (2, vec![12]), (3, vec![13])] {
            let session = desk(fixture, customer).await;
            for order in orders {
                let params = [Value::Integer(order), Value::Integer(customer)];
                answers.push(fixture.ask(&session, LOOKUP, &params).await.unwrap().rows);
            }
            answers.push(fixture.ask(&session, NAME, &[Value::Integer(customer)]).await.unwrap().rows);
        }
    }
    answers
}

/// The same gateway, as if its ledger had begun and its agents had been added so many days ago.
async fn aged(fixture: Fixture, days: i64) -> Fixture {
    let config = Config::load(&fixture.folder().join("mountgate.toml")).unwrap();
    let begun_ms = now_ms() - days * 86_400_000;
    fixture
        .stopped(|| {
            let state = State::open(&config.main).unwrap();
            let record =
                AdminRecord { time_ms: begun_ms, act: "test.begun", who: "test", details: serde_json::json!({}) };
            state.ledger().unwrap().admin(&record).unwrap();
            let identities = rusqlite::Connection::open(config.main.server.state.join(IDENTITIES)).unwrap();
            identities.execute("UPDATE credentials SET created_ms = ?1 WHERE kind = 'agent'", [begun_ms]).unwrap();
        })
        .await
        .unwrap()
}

/// Completions are written within 50 ms, or with the next decision.
async fn settled() {
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_needs_is_learned_enforced_and_reviewed() {
    let fixture = Fixture::shop(BROAD).await.unwrap();
    fixture.agent("desk").unwrap();
    fixture.agent("idle").unwrap();
    let before = work(&fixture).await;
    settled().await;

    // Learned.
    // The work is done three times over, and no restart refills a budget.
    let line = ["suggest", "--agent", "desk", "--since", "14d", "--evidence", "18", "--headroom", "5"];
    let file = run(&fixture, &line).await;
    assert_eq!(run(&fixture, &line).await, file, "the same record gives the same file");
    for expected in [
        "filter = \"customer_id = claim.customer_id\"",
        "require = [\"order_id\"]",
        "agents  = [\"desk\"]",
        "# What people bought.",
        "`secrets`",
        "0 of the 42 recorded requests",
    ] {
        assert!(file.contains(expected), "{expected} is not in\n{file}");
    }
    for gone in ["salary_canary\"", "note_canary\"", "\"word\""] {
        assert!(!file.contains(&format!("    {}", gone.replace('"', ""))), "{gone} is in\n{file}");
    }

    // Enforced: the work passes, and nothing else does.
    std::fs::write(fixture.folder().join("mounts/test.toml"), &file).unwrap();
    let fixture = fixture.restarted().await.unwrap();
    assert_eq!(work(&fixture).await, before);
    let session = desk(&fixture, 1).await;
    let code = async |sql, params: &[Value]| fixture.ask(&session, sql, params).await.map_err(|refusal| refusal.code);
    assert_eq!(code("SELECT word FROM secrets", &[]).await, Err(Code::NotInScope));
    assert_eq!(code("SELECT note_canary FROM orders WHERE order_id = 10", &[]).await, Err(Code::NotInScope));
    assert_eq!(code("SELECT salary_canary FROM customers", &[]).await, Err(Code::NotInScope));
    assert_eq!(code("SELECT status FROM orders", &[]).await, Err(Code::KeyRequired));
    let other = code(LOOKUP, &[Value::Integer(12), Value::Integer(2)]).await.unwrap();
    assert_eq!(other.rows, Vec::<Vec<Value>>::new(), "another customer's order");

    // Reviewed: too early, nothing is called unused; sixty days later, what was never used goes.
    let wide = file.replace("agents  = [\"desk\"]", "agents  = [\"desk\", \"idle\"]")
        + "\n[tables.secrets]\ncolumns = [\"id\", \"word\"]\n";
    std::fs::write(fixture.folder().join("mounts/test.toml"), &wide).unwrap();
    settled().await;
    let early = run(&fixture, &["review", "--unused", "60d", "--apply"]).await;
    assert!(early.contains("too short to call anything unused") && early.contains("not written"), "{early}");
    assert!(early.contains("agent idle") && early.contains("agent revoke idle"), "{early}");
    assert_eq!(std::fs::read_to_string(fixture.folder().join("mounts/test.toml")).unwrap(), wide);
    let later = jiff::Timestamp::from_millisecond(now_ms() + 50 * 86_400_000).unwrap().strftime("%Y-%m-%d").to_string();
    let report = run(&fixture, &["review", "--unused", "40d", "--as-of", &later]).await;
    assert!(report.contains("nothing of this mount is in use"), "all is unused when nobody comes: {report}");
    // The same, had the gateway and its agents been there for seventy days.
    let fixture = aged(fixture, 70).await;
    let applied = run(&fixture, &["review", "--unused", "60d", "--apply"]).await;
    assert!(applied.contains("-[tables.secrets]") && applied.contains("written"), "{applied}");
    let narrow = std::fs::read_to_string(fixture.folder().join("mounts/test.toml")).unwrap();
    assert!(!narrow.contains("[tables.secrets]") && !narrow.contains("\"idle\""), "{narrow}");
    let fixture = fixture.restarted().await.unwrap();
    assert_eq!(work(&fixture).await, before);
}
