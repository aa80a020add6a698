//! The shop's tables.

use jiff::{ToSpan as _, civil::DateTime};

use super::{Cell, Kind, Table, random::Random, words};

/// How many customers; other tables grow from that.
const CUSTOMERS: i64 = 600;
const ORDERS: i64 = 5_000;
const TICKETS: i64 = 1_800;
const ACTIONS: i64 = 2_400;
const NOTES: i64 = 1_200;
const EMPLOYEES: i64 = 140;

/// Every table of the shop.
pub(in super::super) fn shop() -> Vec<Table> {
    // A seed of its own each: a row more in one leaves the others as they are.
    let customers = customers(&mut Random::new(1));
    let (orders, items) = orders(&mut Random::new(2));
    let tickets = tickets(&mut Random::new(3), &customers);
    let actions = agent_actions(&mut Random::new(4));
    let notes = internal_notes(&mut Random::new(5));
    let employees = employee_records(&mut Random::new(6));
    vec![customers, orders, items, tickets, actions, notes, employees]
}

fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

/// A moment so many minutes after the shop's first day.
fn moment(minutes: i64) -> DateTime {
    const OPENED: DateTime = jiff::civil::datetime(2025, 1, 2, 8, 0, 0, 0);
    OPENED.checked_add(minutes.minutes()).unwrap_or(OPENED)
}

fn timestamp(minutes: i64) -> Cell {
    text(moment(minutes).strftime("%Y-%m-%dT%H:%M:%S").to_string())
}

fn date(minutes: i64) -> Cell {
    text(moment(minutes).date().to_string())
}

const DAY: i64 = 24 * 60;
const YEAR: i64 = 365 * DAY;

fn person(random: &mut Random) -> (String, String) {
    let (first, last) = (random.one_of(words::FIRST), random.one_of(words::LAST));
    let plain = |name: &str| name.to_lowercase().replace('\'', "");
    (format!("{first} {last}"), format!("{}.{}", plain(first), plain(last)))
}

fn customers(random: &mut Random) -> Table {
    let rows = (1..=CUSTOMERS)
        .map(|id| {
            let (name, mailbox) = person(random);
            let (region, city) = random.one_of(words::CITIES).split_once('/').unwrap_or_default();
            vec![
                Cell::Integer(id),
                text(name),
                text(format!("{mailbox}{id}@example.com")),
                text(format!("+00 555 {:06}", random.between(0, 999_999))),
                date(-random.between(20 * YEAR, 75 * YEAR)),
                text(city),
                text(region),
                text(random.one_of(words::TIERS)),
                Cell::Integer(random.between(2, 60) * 25_000),
                Cell::Boolean(random.chance(40)),
                timestamp(random.between(0, YEAR)),
            ]
        })
        .collect();
    Table {
        name: "customers",
        columns: vec![
            ("customer_id", Kind::Integer, false),
            ("name", Kind::Text, false),
            ("email", Kind::Text, false),
            ("phone", Kind::Text, false),
            ("birthday", Kind::Date, false),
            ("city", Kind::Text, false),
            ("region", Kind::Text, false),
            ("tier", Kind::Text, false),
            ("credit_limit", Kind::Integer, false),
            ("newsletter", Kind::Boolean, false),
            ("created_at", Kind::Timestamp, false),
        ],
        key: &["customer_id"],
        indices: &["region"],
        rows,
    }
}

fn orders(random: &mut Random) -> (Table, Table) {
    let (mut orders, mut items) = (Vec::new(), Vec::new());
    for id in 1..=ORDERS {
        let mut total = 0;
        for line in 1..=random.between(1, 3) {
            let (product, price) = random.one_of(words::PRODUCTS).split_once('/').unwrap_or_default();
            let (price, quantity) = (price.parse().unwrap_or(0), random.between(1, 4));
            total += price * quantity;
            items.push(vec![
                Cell::Integer(id),
                Cell::Integer(line),
                text(product),
                Cell::Integer(quantity),
                Cell::Integer(price),
            ]);
        }
        let status = random.one_of(words::STATUSES);
        let placed = id * (YEAR / ORDERS) + random.between(0, 90);
        let shipped = matches!(status, "delivered" | "shipped" | "returned");
        orders.push(vec![
            Cell::Integer(id),
            Cell::Integer(random.between(1, CUSTOMERS)),
            text(status),
            Cell::Integer(total),
            Cell::Integer(total * random.between(4, 38) / 100),
            text(format!("card ending {:04}", random.between(0, 9_999))),
            timestamp(placed),
            if shipped { timestamp(placed + random.between(DAY / 4, 4 * DAY)) } else { Cell::Null },
        ]);
    }
    let orders = Table {
        name: "orders",
        columns: vec![
            ("order_id", Kind::Integer, false),
            ("customer_id", Kind::Integer, false),
            ("status", Kind::Text, false),
            ("total_cents", Kind::Integer, false),
            ("margin_cents", Kind::Integer, false),
            ("paid_with", Kind::Text, false),
            ("created_at", Kind::Timestamp, false),
            ("shipped_at", Kind::Timestamp, true),
        ],
        key: &["order_id"],
        indices: &["customer_id"],
        rows: orders,
    };
    let items = Table {
        name: "order_items",
        columns: vec![
            ("order_id", Kind::Integer, false),
            ("line", Kind::Integer, false),
            ("product", Kind::Text, false),
            ("quantity", Kind::Integer, false),
            ("unit_cents", Kind::Integer, false),
        ],
        key: &["order_id", "line"],
        indices: &[],
        rows: items,
    };
    (orders, items)
}

fn tickets(random: &mut Random, customers: &Table) -> Table {
    let region_of = |customer: i64| {
        let row = usize::try_from(customer - 1).ok().and_then(|at| customers.rows.get(at));
        row.and_then(|row| row.get(6)).cloned().unwrap_or(Cell::Null)
    };
    let rows = (1..=TICKETS)
        .map(|id| {
            let customer = random.between(1, CUSTOMERS);
            vec![
                Cell::Integer(id),
                Cell::Integer(customer),
                text(random.one_of(words::SUBJECTS)),
                text(random.one_of(words::BODIES)),
                text(random.one_of(words::STATES)),
                text(random.one_of(words::PRIORITIES)),
                region_of(customer),
                timestamp(id * (YEAR / TICKETS) + random.between(0, 200)),
            ]
        })
        .collect();
    Table {
        name: "tickets",
        columns: vec![
            ("ticket_id", Kind::Integer, false),
            ("customer_id", Kind::Integer, false),
            ("subject", Kind::Text, false),
            ("body", Kind::Text, false),
            ("state", Kind::Text, false),
            ("priority", Kind::Text, false),
            ("region", Kind::Text, false),
            ("created_at", Kind::Timestamp, false),
        ],
        key: &["ticket_id"],
        indices: &["customer_id"],
        rows,
    }
}

fn agent_actions(random: &mut Random) -> Table {
    let rows = (1..=ACTIONS)
        .map(|id| {
            vec![
                Cell::Integer(id),
                text(random.one_of(words::AGENTS)),
                Cell::Integer(random.between(1, CUSTOMERS)),
                text(random.one_of(words::ACTIONS)),
                Cell::Boolean(random.chance(92)),
                timestamp(id * (YEAR / ACTIONS) + random.between(0, 100)),
            ]
        })
        .collect();
    Table {
        name: "agent_actions",
        columns: vec![
            ("action_id", Kind::Integer, false),
            ("agent", Kind::Text, false),
            ("customer_id", Kind::Integer, false),
            ("action", Kind::Text, false),
            ("succeeded", Kind::Boolean, false),
            ("created_at", Kind::Timestamp, false),
        ],
        key: &["action_id"],
        indices: &["customer_id"],
        rows,
    }
}

fn internal_notes(random: &mut Random) -> Table {
    let rows = (1..=NOTES)
        .map(|id| {
            vec![
                Cell::Integer(id),
                Cell::Integer(random.between(1, CUSTOMERS)),
                Cell::Integer(random.between(1, EMPLOYEES)),
                text(random.one_of(words::NOTES)),
                timestamp(id * (YEAR / NOTES) + random.between(0, 300)),
            ]
        })
        .collect();
    Table {
        name: "internal_notes",
        columns: vec![
            ("note_id", Kind::Integer, false),
            ("customer_id", Kind::Integer, false),
            ("author_id", Kind::Integer, false),
            ("note", Kind::Text, false),
            ("created_at", Kind::Timestamp, false),
        ],
        key: &["note_id"],
        indices: &["customer_id"],
        rows,
    }
}

fn employee_records(random: &mut Random) -> Table {
    let rows = (1..=EMPLOYEES)
        .map(|id| {
            let (name, mailbox) = person(random);
            vec![
                Cell::Integer(id),
                text(name),
                text(format!("{mailbox}@shop.example.com")),
                text(random.one_of(words::JOBS)),
                if id == 1 { Cell::Null } else { Cell::Integer(random.between(1, (id - 1).min(12))) },
                Cell::Integer(random.between(26, 118) * 100_000),
                date(-random.between(0, 12 * YEAR)),
                text(format!("XX00 0000 {:04} {:04}", random.between(0, 9_999), random.between(0, 9_999))),
            ]
        })
        .collect();
    Table {
        name: "employee_records",
        columns: vec![
            ("employee_id", Kind::Integer, false),
            ("name", Kind::Text, false),
            ("email", Kind::Text, false),
            ("job", Kind::Text, false),
            ("manager_id", Kind::Integer, true),
            ("salary_cents", Kind::Integer, false),
            ("hired_on", Kind::Date, false),
            ("bank_account", Kind::Text, false),
        ],
        key: &["employee_id"],
        indices: &[],
        rows,
    }
}
