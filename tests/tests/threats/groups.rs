//! Statistics only (`aggregate`): every group of every answer has enough distinct people, as counted here by code that
//! shares nothing with the rewriter, on both engines.

use std::collections::{BTreeMap, BTreeSet};

use mountgate_core::{Code, Value};
use tokio::sync::Mutex;

use super::world::{BOTH, Engine, World};

const MOUNT: &str = r#"
name    = "test"
backend = "shop"
agents  = ["desk"]
policy  = "ceiling"

[tables.pay]
columns   = ["pay_id", "dept", "city", "salary", "bonus"]
aggregate = { unit = "person", min_group = 5 }
filter    = "region = claim.region"

[tables.badges]
columns = ["pay_id", "door"]
"#;

#[derive(Clone, Debug)]
struct Pay {
    pay_id: i64,
    person: Option<i64>,
    dept: i64,
    city: &'static str,
    salary: i64,
    bonus: Option<i64>,
    north: bool,
}

/// Departments: 1 has many people; 2 three people and many rows; 3 five people of whom one has a bonus; 4 five people of
/// whom one is out of scope; 5 one person, and rows of nobody.
fn rows() -> Vec<Pay> {
    let mut rows = Vec::new();
    let mut add = |person: Option<i64>, dept: i64, city, bonus: Option<i64>, north| {
        let pay_id = rows.len() as i64 + 1;
        rows.push(Pay { pay_id, person, dept, city, salary: 1000 + pay_id * 7 % 13, bonus, north });
    };
    for person in 1..=8 {
        add(Some(person), 1, if person % 2 == 0 { "Ulm" } else { "Bonn" }, Some(person), true);
        add(Some(person), 1, "Ulm", None, true);
    }
    for row in 0..12 {
        add(Some(10 + row % 3), 2, "Bonn", Some(row), true);
    }
    for person in 20..25 {
        add(Some(person), 3, "Ulm", (person == 20).then_some(777), true);
    }
    for person in 30..35 {
        add(Some(person), 4, "Ulm", Some(person), person != 34);
    }
    add(Some(40), 5, "Ulm", Some(1), true);
    for _ in 0..9 {
        add(None, 5, "Ulm", Some(1), true);
    }
    rows
}

/// Doors that people have badges for: one has ten.
fn badges() -> Vec<(i64, i64)> {
    rows().iter().flat_map(|pay| (0..if pay.pay_id == 17 { 10 } else { 1 }).map(|door| (pay.pay_id, door))).collect()
}

fn data() -> String {
    let mut sql = "CREATE TABLE pay (pay_id INTEGER PRIMARY KEY, person INTEGER, dept INTEGER, city VARCHAR(20),
            salary INTEGER, bonus INTEGER, region VARCHAR(20));
        CREATE TABLE badges (pay_id INTEGER, door INTEGER);\n"
        .to_owned();
    let or_null = |value: Option<i64>| value.map_or("NULL".to_owned(), |value| value.to_string());
    for Pay { pay_id, person, dept, city, salary, bonus, north } in rows() {
        let region = if north { "north" } else { "south" };
        let (person, bonus) = (or_null(person), or_null(bonus));
        sql +=
            &format!("INSERT INTO pay VALUES ({pay_id}, {person}, {dept}, '{city}', {salary}, {bonus}, '{region}');\n");
    }
    for (pay_id, door) in badges() {
        sql += &format!("INSERT INTO badges VALUES ({pay_id}, {door});\n");
    }
    sql
}

async fn world(engine: Engine, name: &str) -> World {
    World::with(engine, name, &data(), MOUNT, &[("region", "north")]).await
}

const KEYS: [&[&str]; 6] = [&[], &["dept"], &["city"], &["dept", "city"], &["bonus"], &["pay_id"]];

fn key(pay: &Pay, column: &str) -> String {
    match column {
        "dept" => format!("{:?}", Value::Integer(pay.dept)),
        "city" => format!("{:?}", Value::Text(pay.city.into())),
        "bonus" => format!("{:?}", pay.bonus.map_or(Value::Null, Value::Integer)),
        _ => format!("{:?}", Value::Integer(pay.pay_id)),
    }
}

type Condition = (&'static str, fn(&Pay) -> bool);

const CONDITIONS: [Condition; 8] = [
    ("", |_| true),
    (" WHERE salary > 1005", |pay| pay.salary > 1005),
    (" WHERE dept = 2", |pay| pay.dept == 2),
    (" WHERE pay_id = 17", |pay| pay.pay_id == 17),
    (" WHERE NOT pay_id = 17 AND city <> 'Bonn'", |pay| pay.pay_id != 17 && pay.city != "Bonn"),
    (" WHERE bonus IS NULL OR dept IN (3, 5)", |pay| pay.bonus.is_none() || [3, 5].contains(&pay.dept)),
    (" WHERE city LIKE 'U%'", |pay| pay.city.starts_with('U')),
    // One person's value and the NULLs of others.
    (" WHERE dept = 3 AND (bonus = 777 OR bonus IS NULL)", |pay| pay.dept == 3),
];

/// What the answer must be: by key, count(*), and sum(of) where one is asked.
fn wanted(keys: &[&str], condition: fn(&Pay) -> bool, of_bonus: bool, doors: bool) -> BTreeSet<String> {
    let mut groups: BTreeMap<Vec<String>, Vec<Pay>> = BTreeMap::new();
    for pay in rows().into_iter().filter(|pay| pay.north && condition(pay)) {
        let times = if doors { badges().iter().filter(|(id, _)| *id == pay.pay_id).count() } else { 1 };
        let group = groups.entry(keys.iter().map(|column| key(&pay, column)).collect()).or_default();
        group.extend(std::iter::repeat_n(pay, times));
    }
    let people = |group: &[Pay], counts: fn(&Pay) -> bool| {
        group.iter().filter(|pay| counts(pay)).filter_map(|pay| pay.person).collect::<BTreeSet<_>>().len()
    };
    groups
        .into_iter()
        .filter(|(_, group)| people(group, |_| true) >= 5)
        .filter(|(_, group)| !of_bonus || people(group, |pay| pay.bonus.is_some()) >= 5)
        .map(|(mut told, group)| {
            told.push(format!("{:?}", Value::Integer(group.len() as i64)));
            if of_bonus {
                told.push(format!("{:?}", Value::Integer(group.iter().filter_map(|pay| pay.bonus).sum())));
            }
            told.join(" ")
        })
        .collect()
}

fn told(rows: &[Vec<Value>]) -> BTreeSet<String> {
    rows.iter().map(|row| row.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(" ")).collect()
}

/// In a weakened build, tests that take a defence down must not meet those that want it up.
static DEFENCES: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn groups_of_too_few_people_are_left_out() {
    let _up = DEFENCES.lock().await;
    for engine in BOTH {
        let world = world(engine, "groups").await;
        let (mut shown, mut left_out) = (0, 0);
        for keys in KEYS {
            for (text, condition) in CONDITIONS {
                for (of_bonus, doors) in [(false, false), (true, false), (false, true), (true, true)] {
                    let list: Vec<&str> =
                        keys.iter().copied().chain(["count(*)"]).chain(of_bonus.then_some("sum(bonus)")).collect();
                    // With the join, two tables have a `pay_id`.
                    let qualified = |text: &str| text.replace("pay_id", "pay.pay_id");
                    let by = if keys.is_empty() { String::new() } else { format!(" GROUP BY {}", keys.join(", ")) };
                    let from = if doors { "pay JOIN badges ON pay.pay_id = badges.pay_id" } else { "pay" };
                    let sql = format!(
                        "SELECT {} FROM {from}{}{}",
                        qualified(&list.join(", ")),
                        qualified(text),
                        qualified(&by)
                    );
                    let answer = world.ask(&sql, &[]).await.unwrap_or_else(|why| panic!("{engine:?} {sql}: {why:?}"));
                    let wanted = wanted(keys, condition, of_bonus, doors);
                    assert_eq!(told(&answer.rows), wanted, "{engine:?} {sql}");
                    shown += wanted.len();
                    left_out += usize::from(wanted.is_empty());
                }
            }
        }
        assert!(shown > 50 && left_out > 50, "{shown} {left_out}");
    }
}

#[tokio::test]
async fn every_grouping_set_has_its_own_groups() {
    let _up = DEFENCES.lock().await;
    let world = world(Engine::Postgres, "sets").await;
    let sql = "SELECT dept, city, count(*) FROM pay GROUP BY GROUPING SETS ((dept, city), (dept), (city), ())";
    let mut all = BTreeSet::new();
    let null = format!("{:?}", Value::Null);
    for keys in [&["dept", "city"][..], &["dept"], &["city"], &[]] {
        for row in wanted(keys, |_| true, false, false) {
            all.insert(match keys {
                ["dept"] => row.replacen(' ', &format!(" {null} "), 1),
                ["city"] => format!("{null} {row}"),
                [] => format!("{null} {null} {row}"),
                _ => row,
            });
        }
    }
    assert_eq!(told(&world.ask(sql, &[]).await.unwrap().rows), all);
}

/// What would show a person, and raises on that person alone.
const REFUSED: &[&str] = &[
    "SELECT salary FROM pay",
    "SELECT max(bonus) FROM pay",
    "SELECT sum(bonus * 2) FROM pay",
    "SELECT sum(CASE WHEN pay_id = 17 THEN salary ELSE 0 END) FROM pay",
    "SELECT sum(salary) FILTER (WHERE pay_id = 17) FROM pay",
    "SELECT count(*) FROM pay WHERE 1 / (bonus - 777) = 1",
    "SELECT count(*), sum(p.salary) FROM pay p JOIN (SELECT 1 AS x UNION ALL SELECT 2 UNION ALL SELECT 3) v ON v.x <= p.dept WHERE p.pay_id = 17",
    "SELECT door FROM badges b WHERE EXISTS (SELECT 1 FROM pay p WHERE p.pay_id = b.pay_id AND p.salary > 1010)",
    "SELECT salary FROM pay UNION SELECT door FROM badges",
    "WITH p AS (SELECT * FROM pay) SELECT sum(salary) FROM p WHERE pay_id = 17",
    "SELECT salary, row_number() OVER () FROM pay GROUP BY salary",
    "SELECT b.door, p.salary FROM badges b LEFT JOIN pay p ON p.pay_id = b.pay_id",
];

#[tokio::test]
async fn what_shows_a_person_is_refused() {
    let _up = DEFENCES.lock().await;
    for engine in BOTH {
        let world = world(engine, "persons").await;
        for sql in REFUSED {
            let refused = world.ask(sql, &[]).await.expect_err(sql);
            assert_eq!(refused.code, Code::AggregateOnly, "{engine:?} {sql}: {refused:?}");
        }
        // An answer that raises, or not, by the values of a group that is left out, would tell of it.
        let having = "SELECT dept FROM pay GROUP BY dept HAVING sum(bonus) = 777";
        assert!(world.ask(having, &[]).await.unwrap().rows.is_empty());
        // Joined with itself, each reference counts: everyone is paired with row 17.
        let fanned = "SELECT sum(a.salary) FROM pay a JOIN pay b ON a.dept = b.dept WHERE a.pay_id = 17";
        assert!(world.ask(fanned, &[]).await.unwrap().rows.is_empty());
        // Averages are of the same groups.
        let averages = world.ask("SELECT dept, avg(bonus) FROM pay GROUP BY dept", &[]).await.unwrap();
        assert_eq!(averages.rows.len(), 1, "{engine:?} {averages:?}");
    }
}

#[cfg(mountgate_weaken)]
#[tokio::test]
async fn without_the_demand_a_person_shows() {
    use mountgate_core::weaken::{Defence, set};

    let _down = DEFENCES.lock().await;
    for engine in BOTH {
        let world = world(engine, "groups_down").await;
        set(Defence::Aggregate, true);
        let salary = world.ask("SELECT sum(salary) FROM pay WHERE pay_id = 17", &[]).await;
        let rows = world.ask(REFUSED[0], &[]).await;
        set(Defence::Aggregate, false);
        assert_eq!(salary.unwrap().rows, [[Value::Integer(1000 + 17 * 7 % 13)]], "{engine:?}");
        assert!(rows.unwrap().rows.len() > 30, "{engine:?}");
    }
}
