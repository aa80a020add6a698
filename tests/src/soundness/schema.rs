//! Tables with names that have broken rewriters, and rows whose hidden cells hold canaries, or poison: values on which
//! the agent's own expressions raise, were they run on them.

use mountgate_core::{Mask, Value};
use mountgate_sql::Dialect;

use super::{
    rng::Rng,
    world::{Column, Kind, Row, Table, World},
};

/// What every text canary holds; nothing in scope does.
pub const CANARY: &str = "cnry";
/// Whole numbers from here on are canaries; nothing in scope is as large, nor are sums and products of it.
pub const CANARY_NUMBER: i64 = 760_000_000;

/// Names of tables: plain ones, functions, keywords, names that the printer gives out itself, odd characters.
const TABLES: [&str; 24] = [
    "orders",
    "customers",
    "tickets",
    "items",
    "staff",
    "notes",
    "count",
    "select",
    "t1",
    "t2",
    "s1",
    "c_1",
    "w1",
    "f0",
    "Group By",
    "we\"ird",
    "naïve",
    "json_type",
    "main",
    "public",
    "coalesce",
    "Orders2",
    "left",
    "values",
];
const COLUMNS: [&str; 30] = [
    "name", "value", "key", "status", "total", "count", "order", "Sel ect", "a\"b", "t1", "c1", "s1", "city", "x", "y",
    "note", "größe", "date", "max", "group", "from", "f0", "m", "v", "amount", "column1", "n", "user", "id2", "kind",
];
const WORDS: [&str; 16] = [
    "Ann",
    "Bob",
    "Cid",
    "Dee",
    "Zoë",
    "a b",
    "x'y",
    "open",
    "paid",
    "50%",
    "a_b",
    "",
    "back\\slash",
    "\"q\"",
    "--",
    "ab",
];

/// The tables' shapes.
pub fn tables(dialect: Dialect, rng: &mut Rng) -> Vec<Table> {
    let mut names = TABLES.to_vec();
    rng.shuffle(&mut names);
    let count = 3 + rng.below(3);
    names
        .into_iter()
        .take(count)
        .map(|name| Table {
            name: name.to_owned(),
            columns: columns(dialect, rng),
            declared: true,
            granted: true,
            filter: None,
            narrowed: None,
            lend: vec![],
            keyed: false,
            least: None,
            rows: vec![],
            other: vec![],
            indexes: vec![],
        })
        .collect()
}

fn columns(dialect: Dialect, rng: &mut Rng) -> Vec<Column> {
    let column = |name: &str, kind: Kind, declared: &str| Column {
        name: name.to_owned(),
        kind,
        declared: declared.to_owned(),
        nocase: false,
        digits: false,
        ceiling: None,
        scope: None,
    };
    let mut out = vec![column("id", Kind::Int, if dialect == Dialect::Sqlite { "INTEGER" } else { "int8" })];
    let mut names = COLUMNS.to_vec();
    rng.shuffle(&mut names);
    // PostgreSQL tells these from their plain namesakes.
    if dialect == Dialect::Postgres && rng.chance(30) {
        names.insert(0, "Name");
        names.insert(0, "ID");
    }
    // To SQLite the words for truth are names where something is called so. Hidden: else what they mean would change.
    if dialect == Dialect::Sqlite && rng.chance(15) {
        names.insert(0, *rng.pick(&["FALSE", "true"]));
    }
    let pool: &[(Kind, &[&str])] = match dialect {
        Dialect::Sqlite => &[
            (Kind::Int, &["INTEGER", "INT", "BIGINT"]),
            (Kind::Int, &["INTEGER"]),
            (Kind::Text, &["TEXT", "VARCHAR(40)"]),
            (Kind::Text, &["TEXT"]),
            (Kind::Text, &["TEXT COLLATE NOCASE"]),
            (Kind::Float, &["REAL"]),
            (Kind::Dec, &["DECIMAL(10,2)", "NUMERIC"]),
            (Kind::Bool, &["BOOLEAN"]),
            (Kind::Date, &["DATE"]),
            (Kind::Ts, &["TIMESTAMP", "DATETIME"]),
            (Kind::Json, &["JSON"]),
            (Kind::Bytes, &["BLOB"]),
            (Kind::Any, &[""]),
        ],
        Dialect::Postgres => &[
            (Kind::Int, &["int4", "int8", "int2"]),
            (Kind::Int, &["int4"]),
            (Kind::Text, &["text", "varchar(60)"]),
            (Kind::Text, &["text"]),
            (Kind::Text, &["text"]),
            (Kind::Float, &["float8"]),
            (Kind::Dec, &["numeric(12,2)"]),
            (Kind::Bool, &["bool"]),
            (Kind::Date, &["date"]),
            (Kind::Ts, &["timestamp"]),
            (Kind::Tz, &["timestamptz"]),
            (Kind::Time, &["time"]),
            (Kind::Interval, &["interval"]),
            (Kind::Uuid, &["uuid"]),
            (Kind::Json, &["jsonb"]),
            (Kind::Bytes, &["bytea"]),
            (Kind::IntArr, &["int4[]"]),
            (Kind::TextArr, &["text[]"]),
        ],
    };
    for name in names.into_iter().take(4 + rng.below(6)) {
        let (kind, declared) = *rng.pick(pool);
        let mut column = column(name, kind, rng.pick::<&str>(declared));
        column.nocase = column.declared.ends_with("NOCASE");
        column.digits = kind == Kind::Text && !column.nocase && rng.chance(30);
        out.push(column);
    }
    out
}

/// A value that may be in scope.
pub fn value(dialect: Dialect, column: &Column, rng: &mut Rng) -> Value {
    if rng.chance(12) {
        return Value::Null;
    }
    let day = |rng: &mut Rng| format!("2026-{:02}-{:02}", rng.between(1, 12), rng.between(1, 28));
    let clock =
        |rng: &mut Rng| format!("{:02}:{:02}:{:02}", rng.between(0, 23), rng.between(0, 59), rng.between(0, 59));
    let sqlite = dialect == Dialect::Sqlite;
    match column.kind {
        // Never zero: a hidden row's is, and dividing by it raises.
        Kind::Int if sqlite && rng.chance(2) => Value::Float(2.5),
        Kind::Int => Value::Integer(if rng.chance(15) { -rng.between(1, 9) } else { rng.between(1, 30) }),
        // Quarters: sums of them are exact whatever their order.
        Kind::Float => Value::Float(rng.between(-40, 160) as f64 / 4.0),
        Kind::Dec if sqlite => {
            let number = rng.between(1, 400);
            if number % 4 == 0 { Value::Integer(number / 4) } else { Value::Float(number as f64 / 4.0) }
        }
        Kind::Dec => {
            let cents = rng.between(1, 9999);
            Value::Decimal(format!("{}.{:02}", cents / 100, cents % 100))
        }
        Kind::Text if column.digits => Value::Text(rng.between(1, 40).to_string()),
        Kind::Text => Value::Text((*rng.pick(&WORDS)).to_owned()),
        Kind::Bool => Value::Boolean(rng.chance(50)),
        Kind::Date if sqlite => Value::Text(day(rng)),
        Kind::Date => Value::Date(day(rng)),
        Kind::Ts if sqlite => Value::Text(format!("{} {}", day(rng), clock(rng))),
        Kind::Ts => Value::Timestamp(format!("{}T{}", day(rng), clock(rng))),
        Kind::Tz => Value::TimestampTz(format!("{}T{}Z", day(rng), clock(rng))),
        Kind::Time => Value::Time(clock(rng)),
        Kind::Interval => Value::Interval(format!("P{}DT{}H", rng.between(1, 9), rng.between(1, 9))),
        Kind::Uuid => Value::Uuid(format!("00000000-0000-4000-8000-{:012x}", rng.between(1, 20))),
        Kind::Json => Value::Json(format!(
            "{{\"a\": [{}, {}], \"k\": {}, \"n\": {{\"d\": {}}}, \"s\": \"{}\"}}",
            rng.between(1, 9),
            rng.between(1, 9),
            rng.between(1, 9),
            rng.between(1, 9),
            rng.pick(&["Ann", "Bob", "open"]),
        )),
        Kind::Bytes => Value::Bytes((0..rng.below(4)).map(|_| rng.between(0, 255) as u8).collect()),
        Kind::IntArr => Value::Array((0..1 + rng.below(3)).map(|_| Value::Integer(rng.between(1, 9))).collect()),
        Kind::TextArr => {
            Value::Array((0..1 + rng.below(2)).map(|_| Value::Text((*rng.pick(&["Ann", "Bob"])).to_owned())).collect())
        }
        Kind::Any => match rng.below(4) {
            0 => Value::Integer(rng.between(1, 30)),
            1 => Value::Text((*rng.pick(&WORDS)).to_owned()),
            2 => Value::Bytes(vec![rng.between(0, 255) as u8]),
            _ => Value::Float(rng.between(1, 30) as f64 + 0.5),
        },
    }
}

/// A value for a hidden cell: a canary, or poison.
fn hidden(dialect: Dialect, column: &Column, rng: &mut Rng) -> Value {
    let number = CANARY_NUMBER + rng.between(0, 99_999_999);
    let word = |rng: &mut Rng| format!("{CANARY}{:06}", rng.between(0, 999_999));
    let sqlite = dialect == Dialect::Sqlite;
    match column.kind {
        Kind::Int if column.declared == "int2" => Value::Integer(if rng.chance(50) { 0 } else { 32_767 }),
        Kind::Int => match rng.below(5) {
            0 => Value::Integer(0),
            1 if sqlite => Value::Integer(i64::MIN),
            1 if column.declared == "int8" => Value::Integer(i64::MAX),
            2 if sqlite => Value::Integer(i64::MAX),
            3 if sqlite => Value::Text(word(rng)),
            _ => Value::Integer(number),
        },
        Kind::Float => Value::Float(if rng.chance(30) { 0.0 } else { number as f64 + 0.5 }),
        Kind::Dec if sqlite => Value::Integer(number),
        Kind::Dec => Value::Decimal(if rng.chance(30) { "0.00".to_owned() } else { format!("{number}.00") }),
        Kind::Text if rng.chance(10) => Value::Null,
        Kind::Text if column.nocase && rng.chance(50) => Value::Text(rng.pick(&["BOB", "ann", "OPEN"]).to_string()),
        Kind::Text => Value::Text(word(rng)),
        Kind::Date | Kind::Ts if sqlite => Value::Text(word(rng)),
        Kind::Date => Value::Date(format!("{}-01-01", rng.between(3000, 3999))),
        Kind::Ts => Value::Timestamp(format!("{}-01-01T00:00:01", rng.between(3000, 3999))),
        Kind::Tz => Value::TimestampTz(format!("{}-01-01T00:00:01Z", rng.between(3000, 3999))),
        // No JSON at all: SQLite's functions raise on it.
        Kind::Json if sqlite => Value::Text(format!("{{{}", word(rng))),
        Kind::Json => Value::Json(format!("{{\"k\": \"{}\", \"s\": {number}, \"a\": 0}}", word(rng))),
        Kind::Bytes => Value::Bytes(word(rng).into_bytes()),
        Kind::IntArr => Value::Array(vec![Value::Integer(number)]),
        Kind::TextArr => Value::Array(vec![Value::Text(word(rng))]),
        Kind::Uuid => Value::Uuid(format!("{:08x}-ffff-4fff-8fff-ffffffffffff", rng.number() as u32)),
        Kind::Any => Value::Text(word(rng)),
        Kind::Bool | Kind::Time | Kind::Interval => value(dialect, column, rng),
    }
}

/// A raw value whose image under the masks is that of `raw`, with a canary where the masks leave room for one.
fn behind(world: &World, table: &Table, at: usize, raw: &Value, rng: &mut Rng) -> Value {
    let column = &table.columns[at];
    let masks = column.scope.as_deref().unwrap_or_default();
    let candidate = match (masks.first(), raw) {
        (Some(Mask::Null | Mask::Fixed(_)), _) => hidden(world.dialect, column, rng),
        (Some(Mask::Partial { first, last, .. }), Value::Text(text)) => {
            let chars: Vec<char> = text.chars().collect();
            let (first, last) = (*first as usize, *last as usize);
            if chars.len() <= first + last {
                return raw.clone();
            }
            // As many characters, others.
            let middle = (first..chars.len() - last).map(|_| *rng.pick(&['k', 'q', 'w', 'ø']));
            let text = chars[..first].iter().copied().chain(middle).chain(chars[chars.len() - last..].iter().copied());
            Value::Text(text.collect())
        }
        (Some(Mask::Bucket { width }), Value::Integer(number)) => {
            Value::Integer(number.div_euclid(*width) * width + rng.between(0, width - 1))
        }
        (Some(Mask::Round { digits }), Value::Integer(number)) if *digits < 0 => {
            Value::Integer(number + rng.between(-3, 3))
        }
        (Some(Mask::Round { .. } | Mask::Bucket { .. }), Value::Float(number)) => {
            Value::Float(number + rng.between(-2, 2) as f64 / 4.0)
        }
        (Some(Mask::Truncate(_)), Value::Text(text)) if text.len() >= 10 => {
            Value::Text(format!("{}{:02}{}", &text[..8], rng.between(1, 28), &text[10..]))
        }
        _ => return raw.clone(),
    };
    let image = |value: &Value| table.image(world.dialect, world.secret, at, value);
    if image(&candidate) == image(raw) { candidate } else { raw.clone() }
}

/// Fills a table of the world, whose rules are made.
pub fn populate(world: &mut World, at: usize, rng: &mut Rng) {
    let dialect = world.dialect;
    let mut table = world.tables[at].clone();
    let in_scope =
        |table: &Table, row: &Row| table.granted && table.in_scope(dialect, &world.claims, world.secret, row);
    let mut next_id = 1;
    let mut fresh = |table: &Table, rng: &mut Rng| -> Row {
        let id = next_id;
        next_id += 1;
        let rest = table.columns.iter().skip(1).map(|column| value(dialect, column, rng));
        std::iter::once(Value::Integer(id)).chain(rest).collect()
    };
    let candidates: Vec<Row> = (0..8 + rng.below(14)).map(|_| fresh(&table, rng)).collect();
    let (mut shown, mut out): (Vec<Row>, Vec<Row>) = candidates.into_iter().partition(|row| in_scope(&table, row));
    shown.truncate(7);
    one_spelling(&table, &mut shown);
    let (strayed, mut shown): (Vec<Row>, Vec<Row>) = shown.into_iter().partition(|row| !in_scope(&table, row));
    out.extend(strayed);
    let mut more: Vec<Row> =
        (0..rng.below(16)).map(|_| fresh(&table, rng)).filter(|row| !in_scope(&table, row)).collect();

    // What no filter looks at may be anything in a row out of scope.
    for row in out.iter_mut().chain(&mut more) {
        for (at, column) in table.columns.iter().enumerate().skip(1) {
            if !table.is_filtered_by(&column.name) && rng.chance(85) {
                row[at] = hidden(dialect, column, rng);
            }
        }
    }
    let disguise = |rows: &mut Vec<Row>, rng: &mut Rng| {
        for row in rows {
            for (at, column) in table.columns.iter().enumerate().skip(1) {
                if table.is_filtered_by(&column.name) {
                    continue;
                }
                row[at] = match &column.scope {
                    Some(masks) if table.granted && masks.is_empty() => continue,
                    Some(_) if table.granted => behind(world, &table, at, &row[at], rng),
                    _ => hidden(dialect, column, rng),
                };
            }
        }
    };
    let mut twins = shown.clone();
    disguise(&mut shown, rng);
    disguise(&mut twins, rng);
    // Hidden rows on both sides of what is shown.
    let mut rows = shown;
    rows.extend(out.clone());
    rng.shuffle(&mut rows);
    let mut other = twins;
    other.extend(more);
    rng.shuffle(&mut other);
    let mut indexes: Vec<usize> = (1..table.columns.len()).filter(|_| rng.chance(40)).collect();
    indexes.retain(|at| !matches!(table.columns[*at].kind, Kind::Json | Kind::IntArr | Kind::TextArr));
    (table.rows, table.other, table.indexes) = (rows, other, indexes);
    world.tables[at] = table;
}

/// In scope each word of a case-blind column is spelt one way: else which spelling DISTINCT shows is the store's whim.
fn one_spelling(table: &Table, rows: &mut [Row]) {
    for (at, column) in table.columns.iter().enumerate() {
        if !column.nocase {
            continue;
        }
        let mut seen: Vec<String> = Vec::new();
        for row in rows.iter_mut() {
            let Value::Text(text) = &row[at] else { continue };
            match seen.iter().find(|known| known.eq_ignore_ascii_case(text)) {
                Some(known) => row[at] = Value::Text(known.clone()),
                None => seen.push(text.clone()),
            }
        }
    }
}
