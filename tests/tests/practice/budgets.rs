//! So much a day, and so many different customers: what can't be counted is refused, and a restart refills nothing.

use mountgate::cli::Exit;
use mountgate_core::{Code, Door, MountName, Value};
use mountgate_mediate::MountDetail;
use mountgate_tests::{command, gateway::Fixture};

use super::settled;

fn mount(limits: &str) -> String {
    format!(
        r#"
name = "test"
backend = "shop"
agents = ["desk", "other"]
policy = "ceiling"

[tables.customers]
columns = ["customer_id", "name", "email"]

[tables.orders]
columns = ["order_id", "customer_id", "status"]

[tables.secrets]
columns = ["id", "word"]

[limits]
{limits}
"#
    )
}

const NAME: &str = "SELECT name FROM customers WHERE customer_id = ?1";

async fn ask(fixture: &Fixture, token: &str, sql: &str, params: &[i64]) -> Result<usize, Code> {
    let params: Vec<Value> = params.iter().map(|value| Value::Integer(*value)).collect();
    fixture.ask(token, sql, &params).await.map(|answer| answer.rows.len()).map_err(|refusal| refusal.code)
}

fn detail(fixture: &Fixture, token: &str) -> MountDetail {
    let entered = fixture.gateway.enter(Some(token), Door::Http).unwrap_or_else(|refused| panic!("{refused:?}"));
    fixture.gateway.mount(&entered, &MountName::from("test")).unwrap_or_else(|refused| panic!("{refused:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_counted_is_refused() {
    let fixture = Fixture::shop(&mount("distinct = { customer_id = \"100/day\" }")).await.unwrap();
    let token = fixture.agent("desk").unwrap();
    for sql in [
        "SELECT name FROM customers",
        "SELECT count(*) FROM customers",
        "SELECT name FROM customers WHERE customer_id IN (1, 2)",
        "SELECT name FROM customers WHERE customer_id > 0",
        "SELECT name FROM customers WHERE customer_id = 1 OR customer_id = 2",
        "SELECT name FROM customers WHERE customer_id = 1 UNION SELECT name FROM customers",
        "SELECT (SELECT name FROM customers LIMIT 1)",
        "SELECT word FROM secrets WHERE EXISTS (SELECT 1 FROM orders WHERE status = word)",
        "SELECT o.status FROM customers c JOIN orders o ON o.customer_id = c.customer_id WHERE c.customer_id = 1",
        "SELECT c.name FROM customers c LEFT JOIN secrets s ON c.customer_id = 1",
    ] {
        assert_eq!(ask(&fixture, &token, sql, &[]).await, Err(Code::KeyRequired), "{sql}");
    }
    // Where there is nothing of a customer, there is nothing to count.
    assert_eq!(ask(&fixture, &token, "SELECT word FROM secrets", &[]).await, Ok(1));
    assert_eq!(detail(&fixture, &token).keys_left["customer_id"], 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_customers_a_day_and_no_more() {
    let fixture = Fixture::shop(&mount("distinct = { customer_id = \"3/day\" }")).await.unwrap();
    let (token, other) = (fixture.agent("desk").unwrap(), fixture.agent("other").unwrap());
    assert_eq!(ask(&fixture, &token, NAME, &[1]).await, Ok(1));
    assert_eq!(detail(&fixture, &token).keys_left["customer_id"], 2);
    // However it is spelt, and in whichever table.
    for sql in [
        "SELECT name FROM customers WHERE 1 = customer_id",
        "SELECT status FROM orders WHERE customer_id = 1",
        "SELECT o.status FROM customers c JOIN orders o ON o.customer_id = 1 WHERE c.customer_id = 1",
    ] {
        assert!(ask(&fixture, &token, sql, &[]).await.is_ok(), "{sql}");
    }
    assert_eq!(detail(&fixture, &token).keys_left["customer_id"], 2);
    // One that is not there counts: that it is not is an answer, too. Two at once are two.
    assert_eq!(ask(&fixture, &token, NAME, &[-7_531_902_468]).await, Ok(0));
    let both = "SELECT c.name, o.status FROM customers c, orders o WHERE c.customer_id = 2 AND o.customer_id = 3";
    assert_eq!(ask(&fixture, &token, both, &[]).await, Err(Code::BudgetExhausted), "one is left, and these are two");
    assert_eq!(ask(&fixture, &token, NAME, &[2]).await, Ok(1));
    assert_eq!(detail(&fixture, &token).keys_left["customer_id"], 0);
    assert_eq!(ask(&fixture, &token, NAME, &[3]).await, Err(Code::BudgetExhausted));
    assert_eq!(ask(&fixture, &token, NAME, &[1]).await, Ok(1), "known already");
    assert_eq!(ask(&fixture, &other, NAME, &[3]).await, Ok(1), "another agent has its own");

    // Closed, and open again: nothing is refilled, and what was known is known.
    settled().await;
    let fixture = fixture.restarted().await.unwrap();
    assert_eq!(detail(&fixture, &token).keys_left["customer_id"], 0);
    assert_eq!(ask(&fixture, &token, NAME, &[3]).await, Err(Code::BudgetExhausted));
    assert_eq!(ask(&fixture, &token, NAME, &[2]).await, Ok(1));
    // The record has no customer's number.
    let written = String::from_utf8_lossy(&fixture.written().unwrap()).into_owned();
    assert!(
        written.contains("\"counted\":[{\"column\":\"customer_id\",\"digest\":\"") && !written.contains("7531902468")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_shared_budget_is_not_shown() {
    let fixture = Fixture::shop(&mount("per = \"mount\"\ndistinct = { customer_id = \"2/day\" }")).await.unwrap();
    let (token, other) = (fixture.agent("desk").unwrap(), fixture.agent("other").unwrap());
    assert_eq!(ask(&fixture, &token, NAME, &[1]).await, Ok(1));
    assert_eq!(ask(&fixture, &other, NAME, &[2]).await, Ok(1));
    assert_eq!(ask(&fixture, &token, NAME, &[3]).await, Err(Code::BudgetExhausted));
    let detail = detail(&fixture, &other);
    assert!(detail.left.is_none() && detail.keys_left.is_empty(), "{detail:?}");
    assert_eq!(detail.limits["distinct"], "2/day of customer_id");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_refills_no_budget() {
    let fixture = Fixture::shop(&mount("requests = \"3/day\"\nrows = \"100/day\"\nbytes = \"1MB/day\"")).await.unwrap();
    let token = fixture.agent("desk").unwrap();
    for _ in 0..2 {
        assert_eq!(ask(&fixture, &token, "SELECT name FROM customers", &[]).await, Ok(3));
    }
    settled().await;
    let left = detail(&fixture, &token).left.unwrap();
    let fixture = fixture.restarted().await.unwrap();
    let after = detail(&fixture, &token).left.unwrap();
    assert_eq!((after.requests_left, after.rows_left), (Some(1), Some(94)), "{left:?} {after:?}");
    assert_eq!(ask(&fixture, &token, "SELECT name FROM customers", &[]).await, Ok(3));
    assert_eq!(ask(&fixture, &token, "SELECT name FROM customers", &[]).await, Err(Code::BudgetExhausted));

    // Cut in the middle, an answer counts at its caps: the record has no end of it.
    let fixture = Fixture::shop(&mount("rows = \"10_000/day\"\nmax_rows = 4_000")).await.unwrap();
    let token = fixture.agent("desk").unwrap();
    assert_eq!(ask(&fixture, &token, "SELECT name FROM customers", &[]).await, Ok(3));
    settled().await;
    let ledger = fixture.folder().join("state/ledger");
    let fixture = fixture
        .stopped(|| {
            let mut segments: Vec<_> = std::fs::read_dir(&ledger)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
                .collect();
            segments.sort();
            let text = std::fs::read_to_string(segments.last().unwrap()).unwrap();
            let (before, _) = text.split_once("{\"kind\":\"completion\"").unwrap();
            let whole = before.rsplit_once('\n').unwrap().0;
            std::fs::write(segments.last().unwrap(), format!("{whole}\n")).unwrap();
        })
        .await
        .unwrap();
    assert_eq!(detail(&fixture, &token).left.unwrap().rows_left, Some(6_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_cannot_be_counted_is_no_budget() {
    let fixture = Fixture::shop(&mount("requests = \"3/day\"")).await.unwrap();
    for (limits, tables) in [
        ("distinct = { nobody = \"5/day\" }", ""),
        ("distinct = { customer_id = \"0/day\" }", ""),
        ("distinct = { customer_id = \"200_000/day\" }", ""),
        ("distinct = { customer_id = \"5/day\" }", "masked"),
        ("distinct = { customer_id = \"5/day\" }", "hidden"),
    ] {
        let text = match tables {
            "masked" => mount(limits).replacen("\"email\"]", "\"email\"]\nmasks = { customer_id = \"hash\" }", 1),
            "hidden" => mount(limits).replacen("\"order_id\", \"customer_id\"", "\"order_id\"", 1),
            _ => mount(limits),
        };
        std::fs::write(fixture.folder().join("mounts/test.toml"), text).unwrap();
        let (exit, told) = command::run(fixture.folder(), &["check"]).await.unwrap();
        assert_eq!(exit, Exit::Misconfigured, "{limits} {tables}: {told}");
        assert!(told.contains("mounts/test.toml"), "{told}");
    }
}
