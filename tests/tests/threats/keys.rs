//! Look-ups by key only (`require`): two stores that differ in rows of other keys can't be told apart, though those rows
//! are in scope.

use mountgate_core::{Code, Value};
use tokio::sync::Mutex;

use super::world::{BOTH, Engine, World, text};

const MOUNT: &str = r#"
name    = "test"
backend = "shop"
agents  = ["desk"]
policy  = "ceiling"

[tables.tickets]
columns = ["ticket_id", "owner", "body"]
filter  = "region = claim.region"
require = ["ticket_id"]

[tables.owners]
columns = ["owner"]
"#;

/// Alike at key 7; other keys differ, one of them so that predicates raise on it.
const DATA: [&str; 2] = [
    "INSERT INTO tickets VALUES (7, 1, 'mine', 'north'), (8, 0, 'canary-one', 'north'), (9, 2, 'x', 'north');",
    "INSERT INTO tickets VALUES (7, 1, 'mine', 'north'), (10, 1, 'canary-two', 'north'), (11, 0, '0', 'north');",
];

async fn pair(engine: Engine, name: &str) -> [World; 2] {
    let world = async |at: usize, rows: &str| {
        let tables =
            "CREATE TABLE tickets (ticket_id INTEGER PRIMARY KEY, owner INTEGER, body VARCHAR(40), region VARCHAR(20));
            CREATE TABLE owners (owner INTEGER PRIMARY KEY); INSERT INTO owners VALUES (0), (1), (2);";
        let data = format!("{tables}{rows}");
        World::with(engine, &format!("{name}_{at}"), &data, MOUNT, &[("region", "north")]).await
    };
    let [one, other] = DATA;
    [world(0, one).await, world(1, other).await]
}

const REFUSED: &[&str] = &[
    "SELECT body FROM tickets",
    "SELECT body FROM tickets WHERE ticket_id > 7",
    "SELECT body FROM tickets WHERE ticket_id = 7 OR owner = 0",
    "SELECT body FROM tickets WHERE ticket_id IN (7, 8, 9, 10, 11)",
    "SELECT count(*) FROM tickets",
    "SELECT a.body FROM tickets t JOIN tickets a ON a.owner = t.owner WHERE t.ticket_id = 7",
    "SELECT body FROM tickets WHERE ticket_id = 7 UNION ALL SELECT body FROM tickets",
    "SELECT o.owner FROM owners o WHERE EXISTS (SELECT 1 FROM tickets t WHERE t.owner = o.owner)",
    "SELECT t.body FROM tickets t LEFT JOIN owners o ON t.ticket_id = 7",
    "SELECT t.body FROM owners o JOIN tickets t ON t.ticket_id = o.owner",
    "WITH t AS (SELECT * FROM tickets) SELECT body FROM t WHERE ticket_id = 7",
];

/// Each has its key, and finds the same on both, though some would raise on rows of other keys.
const ANSWERED: &[&str] = &[
    "SELECT body FROM tickets WHERE ticket_id = 7",
    "SELECT count(*) FROM tickets WHERE ticket_id = 7",
    "SELECT body FROM tickets WHERE ticket_id = 7 AND 1 / (CASE WHEN body = '0' OR owner = 0 THEN 0 ELSE 1 END) = 1",
    "SELECT body FROM tickets WHERE 10 / owner > 1 AND ticket_id = 7",
    "SELECT o.owner, t.body FROM owners o LEFT JOIN tickets t ON t.owner = o.owner AND t.ticket_id = 7 ORDER BY 1",
    "SELECT o.owner, t.body FROM owners o LEFT JOIN tickets t ON t.owner = o.owner WHERE t.ticket_id = 7",
    "SELECT o.owner, t.body FROM owners o FULL JOIN tickets t ON t.owner = o.owner WHERE t.ticket_id = 7",
    "SELECT o.owner FROM owners o WHERE EXISTS (SELECT 1 FROM tickets t WHERE t.owner = o.owner AND t.ticket_id = 7)",
    "SELECT a.body, b.body FROM tickets a JOIN tickets b ON a.owner = b.owner WHERE a.ticket_id = 7 AND b.ticket_id = 7",
];

/// In a weakened build, tests that take a defence down must not meet those that want it up.
static DEFENCES: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn look_ups_by_key_only() {
    let _up = DEFENCES.lock().await;
    for engine in BOTH {
        let [one, other] = pair(engine, "keys").await;
        for sql in REFUSED {
            for world in [&one, &other] {
                let refused = world.ask(sql, &[]).await.expect_err(sql);
                assert_eq!(refused.code, Code::KeyRequired, "{engine:?} {sql}: {refused:?}");
            }
        }
        for sql in ANSWERED {
            let answer = one.ask(sql, &[]).await.unwrap_or_else(|refusal| panic!("{engine:?} {sql}: {refusal:?}"));
            assert!(!answer.rows.is_empty(), "{engine:?} {sql}");
            assert_eq!(other.ask(sql, &[]).await.unwrap(), answer, "{engine:?} {sql}");
            assert!(!format!("{answer:?}").contains("canary"), "{engine:?} {sql}: {answer:?}");
        }
        let bound = "SELECT body FROM tickets WHERE ticket_id = $1";
        assert_eq!(one.ask(bound, &[Value::Integer(7)]).await.unwrap().rows, [[text("mine")]], "{engine:?}");
        assert_eq!(one.ask(bound, &[Value::Integer(8)]).await.unwrap().rows, [[text("canary-one")]], "{engine:?}");
        assert!(one.ask(bound, &[Value::Null]).await.unwrap().rows.is_empty(), "{engine:?}");
    }
}

#[cfg(mountgate_weaken)]
#[tokio::test]
async fn without_the_demand_the_table_is_listed() {
    use mountgate_core::weaken::{Defence, set};

    let _down = DEFENCES.lock().await;
    for engine in BOTH {
        let [one, other] = pair(engine, "keys_down").await;
        set(Defence::Require, true);
        let mut told = Vec::new();
        for sql in REFUSED.iter().chain(ANSWERED) {
            let answers = [one.ask(sql, &[]).await, other.ask(sql, &[]).await];
            let [one, other] = answers.map(|answer| format!("{answer:?}"));
            if one != other {
                told.push(*sql);
            }
        }
        set(Defence::Require, false);
        for sql in REFUSED.iter().filter(|sql| sql.starts_with("SELECT body")) {
            assert!(told.contains(sql), "{engine:?} {sql} tells nothing");
        }
    }
}
