//! What the tour shows, and what each step must give.

use mountgate_core::Code;
use mountgate_sql::Dialect;

/// What a step must give.
pub(super) enum Expect {
    /// A refusal with that code.
    Refused(Code),
    /// The rows that this SQL gives on a direct connection.
    SameAs(String),
    /// Rows, each with such a value in that column.
    Every { column: &'static str, is: fn(&str) -> bool },
    /// So many rows, and the word that a cap cut the answer.
    Truncated(usize),
    /// So many requests, of which some are answered and the rest refused for their rate.
    Burst { requests: usize },
    /// A session that an agent's key can't mint.
    Mint,
}

/// A step.
pub(super) struct Step {
    pub(super) title: &'static str,
    /// A session's name, or an agent's.
    pub(super) who: &'static str,
    pub(super) mount: &'static str,
    pub(super) sql: String,
    /// Whether to show what the same SQL gives on a direct connection.
    pub(super) beside: bool,
    pub(super) expect: Expect,
    /// What to notice.
    pub(super) notice: &'static str,
}

/// The steps.
pub(super) fn steps(dialect: Dialect, email: &str) -> Vec<Step> {
    let mut steps = support();
    steps.extend(reporting());
    steps.extend(tiers());
    steps.extend(trial(dialect, email));
    steps
}

fn support() -> Vec<Step> {
    vec![
        Step {
            title: "support: `SELECT *` of somebody whose session is for one customer",
            who: "support-42",
            mount: "support",
            sql: "SELECT * FROM orders ORDER BY order_id".into(),
            beside: false,
            expect: Expect::Every { column: "customer_id", is: |value| value == "42" },
            notice: "one customer's rows, and no margin: `*` is what the mount shows",
        },
        Step {
            title: "support: aggregates count what is in scope",
            who: "support-42",
            mount: "support",
            sql: "SELECT status, count(*) AS orders, sum(total_cents) AS cents\nFROM orders\nGROUP BY status ORDER BY status".into(),
            beside: false,
            expect: Expect::SameAs(
                "SELECT status, count(*), sum(total_cents) FROM orders WHERE customer_id = 42 GROUP BY status ORDER BY status".into(),
            ),
            notice: "the sums of customer 42, as a direct connection with the right WHERE has them",
        },
        Step {
            title: "support: masks",
            who: "support-42",
            mount: "support",
            sql: "SELECT name, email, phone FROM customers".into(),
            beside: true,
            expect: Expect::Every { column: "email", is: |value| value.contains('*') && value.ends_with("@example.com") },
            notice: "one person, masked in the store before anything else sees it",
        },
        Step {
            title: "support: a join keeps to the customer on both sides",
            who: "support-42",
            mount: "support",
            sql: "SELECT c.city, t.subject, o.status\nFROM customers c\nJOIN tickets t ON t.customer_id = c.customer_id\nJOIN orders o ON o.customer_id = c.customer_id\nWHERE t.state = 'open' ORDER BY t.ticket_id, o.order_id".into(),
            beside: false,
            expect: Expect::SameAs(
                "SELECT c.city, t.subject, o.status FROM customers c JOIN tickets t ON t.customer_id = c.customer_id JOIN orders o ON o.customer_id = c.customer_id WHERE t.state = 'open' AND c.customer_id = 42 ORDER BY t.ticket_id, o.order_id".into(),
            ),
            notice: "joined as usual",
        },
        Step {
            title: "support: without a session there is no customer",
            who: "support-bot",
            mount: "support",
            sql: "SELECT order_id FROM orders".into(),
            beside: true,
            expect: Expect::Refused(Code::ClaimMissing),
            notice: "the filter needs a claim, and a claim that is missing denies",
        },
    ]
}

fn reporting() -> Vec<Step> {
    vec![
        Step {
            title: "reporting: everyone, as numbers",
            who: "reporting-bot",
            mount: "reporting",
            sql: "SELECT c.region, count(*) AS orders, sum(o.total_cents) / 100 AS total\nFROM orders o\nJOIN customers c USING (customer_id)\nGROUP BY c.region ORDER BY total DESC".into(),
            beside: false,
            expect: Expect::SameAs(
                "SELECT c.region, count(*) AS orders, sum(o.total_cents) / 100 AS total FROM orders o JOIN customers c USING (customer_id) GROUP BY c.region ORDER BY total DESC".into(),
            ),
            notice: "every row counts, and the answer is a direct connection's",
        },
        Step {
            title: "reporting: a birthday is a year",
            who: "reporting-bot",
            mount: "reporting",
            sql: "SELECT birthday, count(*) AS people FROM customers GROUP BY birthday ORDER BY people DESC, birthday LIMIT 3".into(),
            beside: true,
            expect: Expect::Every { column: "birthday", is: |value| value.ends_with("-01-01") },
            notice: "grouping sees the mask, so it can't tell days apart",
        },
        Step {
            title: "reporting: no names",
            who: "reporting-bot",
            mount: "reporting",
            sql: "SELECT name, email FROM customers".into(),
            beside: true,
            expect: Expect::Refused(Code::NotInScope),
            notice: "a hidden column and one that doesn't exist are refused alike",
        },
    ]
}

fn tiers() -> Vec<Step> {
    let both = "SELECT customer_id, name, email, region\nFROM customers ORDER BY customer_id LIMIT 4";
    vec![
        Step {
            title: "tiers: the senior agent",
            who: "senior-bot",
            mount: "backoffice",
            sql: both.into(),
            beside: false,
            expect: Expect::SameAs(both.into()),
            notice: "its tier grants the ceiling",
        },
        Step {
            title: "tiers: the junior one, the same mount and statement",
            who: "junior-bot",
            mount: "backoffice",
            sql: both.into(),
            beside: false,
            expect: Expect::Every { column: "region", is: |value| value == "north" },
            notice: "its tier masks names, hashes addresses and keeps to its region",
        },
        Step {
            title: "tiers: an address is a hash, which still joins and counts",
            who: "junior-bot",
            mount: "backoffice",
            sql: "SELECT email FROM customers ORDER BY customer_id LIMIT 3".into(),
            beside: true,
            expect: Expect::Every {
                column: "email",
                is: |value| value.len() == 32 && value.chars().all(|c| c.is_ascii_hexdigit()),
            },
            notice: "keyed per mount and column: nobody looks it up",
        },
        Step {
            title: "tiers: a column of the ceiling that the tier leaves out",
            who: "junior-bot",
            mount: "backoffice",
            sql: "SELECT credit_limit FROM customers".into(),
            beside: true,
            expect: Expect::Refused(Code::NotInScope),
            notice: "the senior agent may ask this",
        },
        Step {
            title: "tiers: a smaller cap",
            who: "junior-bot",
            mount: "backoffice",
            sql: "SELECT customer_id FROM customers ORDER BY customer_id".into(),
            beside: false,
            expect: Expect::Truncated(20),
            notice: "20 rows where the mount gives 1,000, and the answer says that it was cut",
        },
    ]
}

/// An agent that was talked into trying what it may not.
fn trial(dialect: Dialect, email: &str) -> Vec<Step> {
    let catalogue = match dialect {
        Dialect::Sqlite => "SELECT name, sql FROM sqlite_master",
        Dialect::Postgres => "SELECT relname, reltuples FROM pg_catalog.pg_class WHERE relkind = 'r'",
    };
    let denied = |title, sql: &str, notice| Step {
        title,
        who: "trial-42",
        mount: "trial",
        sql: sql.to_owned(),
        beside: true,
        expect: Expect::Refused(Code::NotInScope),
        notice,
    };
    vec![
        denied(
            "trial: a hidden column",
            "SELECT order_id, margin_cents FROM orders ORDER BY margin_cents DESC LIMIT 3",
            "not in any clause",
        ),
        denied("trial: a hidden column, where it does not show", "SELECT order_id FROM orders WHERE margin_cents > 5000", "a filter on it would tell it too"),
        Step {
            title: "trial: guessing behind a mask",
            who: "trial-42",
            mount: "trial",
            sql: format!("SELECT count(*) AS hits FROM customers WHERE email = '{}'", email.replace('\'', "''")),
            beside: true,
            expect: Expect::SameAs("SELECT 0".into()),
            notice: "WHERE sees the mask, so a right guess finds nothing",
        },
        Step {
            title: "trial: another customer's rows",
            who: "trial-42",
            mount: "trial",
            sql: "SELECT customer_id, count(*) AS orders FROM orders\nWHERE customer_id = 43 OR 1 = 1 GROUP BY customer_id".into(),
            beside: true,
            expect: Expect::SameAs("SELECT customer_id, count(*) FROM orders WHERE customer_id = 42 GROUP BY customer_id".into()),
            notice: "its WHERE comes after the mount's",
        },
        Step {
            title: "trial: … or by way of a set operation",
            who: "trial-42",
            mount: "trial",
            sql: "WITH o AS (SELECT customer_id FROM orders UNION SELECT customer_id FROM customers)\nSELECT count(*) AS people FROM o".into(),
            beside: true,
            expect: Expect::SameAs("SELECT 1".into()),
            notice: "every reference is rewritten, wherever it stands",
        },
        denied(
            "trial: other tables",
            "SELECT name, salary_cents FROM employee_records ORDER BY salary_cents DESC LIMIT 3",
            "not in the mount: for this agent it does not exist",
        ),
        denied(
            "trial: other tables, in a corner",
            "SELECT order_id FROM orders ORDER BY (SELECT max(note) FROM internal_notes) LIMIT 3",
            "nor in a subquery of ORDER BY",
        ),
        denied("trial: the catalogue", catalogue, "what there is, is told by the mount alone"),
        Step {
            title: "trial: writing",
            who: "trial-42",
            mount: "trial",
            sql: "DELETE FROM orders".into(),
            beside: false,
            expect: Expect::Refused(Code::Unsupported),
            notice: "reads only (the direct connection was not asked this one)",
        },
        Step {
            title: "trial: a mount of others",
            who: "trial-42",
            mount: "reporting",
            sql: "SELECT count(*) AS orders FROM orders".into(),
            beside: true,
            expect: Expect::Refused(Code::MountNotFound),
            notice: "not found, as if there were none",
        },
        Step {
            title: "trial: a session of its own making",
            who: "trial-bot",
            mount: "trial",
            sql: "POST /v1/sessions for customer 7, with the agent's own key".into(),
            beside: false,
            expect: Expect::Mint,
            notice: "an agent's key mints nothing",
        },
        Step {
            title: "trial: a burst over its rate (30 a minute)",
            who: "trial-42",
            mount: "trial",
            sql: "SELECT count(*) AS orders FROM orders".into(),
            beside: false,
            expect: Expect::Burst { requests: 45 },
            notice: "the rest has to wait",
        },
    ]
}
