//! The generator.

use super::words;

/// A value, before a store has given it a type of its own.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A key, a number of pieces.
    Integer(i64),
    /// Money, in hundredths.
    Cents(i64),
    /// Text.
    Text(String),
    /// A day, `1995-06-17`.
    Date(String),
}

/// A table and all of its rows.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns and their SQL types, good for both dialects.
    pub columns: &'static [(&'static str, &'static str)],
    /// Its primary key.
    pub key: &'static str,
    /// Its rows.
    pub rows: Vec<Vec<Cell>>,
}

const CUSTOMERS: i64 = 1500;
const ORDERS: i64 = 15_000;
const PARTS: i64 = 2000;
const SUPPLIERS: i64 = 100;
/// 1992-01-01 and the last day of orders (151 days before 1998-12-31), in days since 1970-01-01.
const FIRST_DAY: i64 = 8035;
const LAST_ORDER: i64 = 10_440;
/// 1995-06-17: what was received by then has been returned or not, what was shipped later is open.
const TODAY: i64 = 9298;

/// SplitMix64: a few lines, and the same numbers on every machine and in every release.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both included.
    fn within(&mut self, low: i64, high: i64) -> i64 {
        let span = (high - low + 1).unsigned_abs();
        low + i64::try_from(self.next() % span).unwrap_or(0)
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        let at = self.within(0, from.len() as i64 - 1);
        from.get(usize::try_from(at).unwrap_or(0)).copied().unwrap_or_default()
    }

    fn words(&mut self, from: &[&'static str], count: i64) -> String {
        (0..count).map(|_| self.pick(from)).collect::<Vec<_>>().join(" ")
    }

    /// Some words, in so many characters at most.
    fn comment(&mut self, most: usize) -> Cell {
        let mut text = self.pick(&words::COMMENT).to_owned();
        for _ in 0..self.within(2, 7) {
            let word = self.pick(&words::COMMENT);
            if text.len() + 1 + word.len() <= most {
                text.push(' ');
                text.push_str(word);
            }
        }
        Cell::Text(text)
    }

    fn address(&mut self) -> Cell {
        let street = self.words(&words::COLOURS, 2);
        Cell::Text(format!("{} {street} road", self.within(1, 999)))
    }

    fn phone(&mut self, nation: i64) -> Cell {
        let (a, b, c) = (self.within(100, 999), self.within(100, 999), self.within(1000, 9999));
        Cell::Text(format!("{}-{a}-{b}-{c}", nation + 10))
    }
}

/// The calendar's date of a day since 1970-01-01.
fn date(day: i64) -> Cell {
    let (mut year, mut rest) = (1970, day);
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    while rest >= 365 + i64::from(leap(year)) {
        rest -= 365 + i64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    Cell::Date(format!("{year:04}-{month:02}-{:02}", rest + 1))
}

fn retail_price(part: i64) -> i64 {
    90_000 + (part / 10) % 20_001 + 100 * (part % 1000)
}

/// The supplier of a part, one of four.
fn supplier_of(part: i64, which: i64) -> i64 {
    (part + which * (SUPPLIERS / 4 + (part - 1) / SUPPLIERS)) % SUPPLIERS + 1
}

use Cell::{Cents, Integer};

fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

fn regions() -> Vec<Vec<Cell>> {
    let mut random = Random(1);
    (0..).zip(words::REGIONS).map(|(key, name)| vec![Integer(key), text(name), random.comment(100)]).collect()
}

fn nations() -> Vec<Vec<Cell>> {
    let mut random = Random(2);
    (0..)
        .zip(words::NATIONS)
        .map(|(key, (name, region))| vec![Integer(key), text(name), Integer(region), random.comment(100)])
        .collect()
}

fn suppliers() -> Vec<Vec<Cell>> {
    let mut random = Random(3);
    (1..=SUPPLIERS)
        .map(|key| {
            // Four in each nation: by chance some would have none, and the queries that name them no rows.
            let nation = key * 7 % 25;
            let comment = match key % 40 {
                // More of them than the specification's five in ten thousand, or there would be none.
                7 => text("quickly bold Customer deposits nag Complaints"),
                27 => text("final Customer accounts Recommends"),
                _ => random.comment(100),
            };
            vec![
                Integer(key),
                text(format!("Supplier#{key:09}")),
                random.address(),
                Integer(nation),
                random.phone(nation),
                Cents(random.within(-99_999, 999_999)),
                comment,
            ]
        })
        .collect()
}

fn parts() -> Vec<Vec<Cell>> {
    let mut random = Random(4);
    (1..=PARTS)
        .map(|key| {
            let maker = random.within(1, 5);
            let kind: Vec<_> = words::TYPES.iter().map(|syllable| random.pick(syllable)).collect();
            let container: Vec<_> = words::CONTAINERS.iter().map(|syllable| random.pick(syllable)).collect();
            vec![
                Integer(key),
                text(random.words(&words::COLOURS, 5)),
                text(format!("Manufacturer#{maker}")),
                text(format!("Brand#{maker}{}", random.within(1, 5))),
                text(kind.join(" ")),
                Integer(random.within(1, 50)),
                text(container.join(" ")),
                Cents(retail_price(key)),
                random.comment(100),
            ]
        })
        .collect()
}

fn part_suppliers() -> Vec<Vec<Cell>> {
    let mut random = Random(5);
    (1..=PARTS)
        .flat_map(|part| (0..4).map(move |which| (part, which)))
        .map(|(part, which)| {
            vec![
                Integer(part),
                Integer(supplier_of(part, which)),
                Integer(random.within(1, 9999)),
                Cents(random.within(100, 100_000)),
                random.comment(100),
            ]
        })
        .collect()
}

fn customers() -> Vec<Vec<Cell>> {
    let mut random = Random(6);
    (1..=CUSTOMERS)
        .map(|key| {
            let nation = random.within(0, 24);
            vec![
                Integer(key),
                text(format!("Customer#{key:09}")),
                random.address(),
                Integer(nation),
                random.phone(nation),
                Cents(random.within(-99_999, 999_999)),
                text(random.pick(&words::SEGMENTS)),
                random.comment(100),
            ]
        })
        .collect()
}

fn orders_and_items() -> (Vec<Vec<Cell>>, Vec<Vec<Cell>>) {
    let mut random = Random(7);
    let (mut orders, mut items) = (Vec::new(), Vec::new());
    for number in 0..ORDERS {
        // Eight keys of every thirty-two are in use.
        let key = number / 8 * 32 + number % 8 + 1;
        // A third of the customers never orders.
        let customer = random.within(0, CUSTOMERS / 3 - 1) * 3 + random.within(1, 2);
        let ordered = random.within(FIRST_DAY, LAST_ORDER);
        // Some large orders, which come up once in twenty thousand by chance.
        let large = number % 3000 == 17;
        let lines = if large { 7 } else { random.within(1, 7) };
        let (mut total, mut open) = (0, 0);
        for line in 1..=lines {
            let part = random.within(1, PARTS);
            let which = random.within(0, 3);
            let quantity = random.within(if large { 45 } else { 1 }, 50);
            let price = quantity * retail_price(part);
            let (discount, tax) = (random.within(0, 10), random.within(0, 8));
            let shipped = ordered + random.within(1, 121);
            let committed = ordered + random.within(30, 90);
            let received = shipped + random.within(1, 30);
            let returned = match received <= TODAY {
                true => random.pick(&["R", "A"]),
                false => "N",
            };
            let is_open = shipped > TODAY;
            open += i64::from(is_open);
            total += price * (100 - discount) * (100 + tax) / 10_000;
            items.push(vec![
                Integer(key),
                Integer(part),
                Integer(supplier_of(part, which)),
                Integer(line),
                Cents(quantity * 100),
                Cents(price),
                Cents(discount),
                Cents(tax),
                text(returned),
                text(if is_open { "O" } else { "F" }),
                date(shipped),
                date(committed),
                date(received),
                text(random.pick(&words::INSTRUCTIONS)),
                text(random.pick(&words::MODES)),
                random.comment(44),
            ]);
        }
        let status = match open {
            0 => "F",
            all if all == lines => "O",
            _ => "P",
        };
        orders.push(vec![
            Integer(key),
            Integer(customer),
            text(status),
            Cents(total),
            date(ordered),
            text(random.pick(&words::PRIORITIES)),
            text(format!("Clerk#{:09}", random.within(1, 10))),
            Integer(0),
            random.comment(79),
        ]);
    }
    (orders, items)
}

/// The eight tables, each after those that it refers to.
pub fn tables() -> Vec<Table> {
    let (orders, items) = orders_and_items();
    vec![
        Table {
            name: "region",
            columns: &[("r_regionkey", "INTEGER"), ("r_name", "CHAR(25)"), ("r_comment", "VARCHAR(152)")],
            key: "r_regionkey",
            rows: regions(),
        },
        Table {
            name: "nation",
            columns: &[
                ("n_nationkey", "INTEGER"),
                ("n_name", "CHAR(25)"),
                ("n_regionkey", "INTEGER"),
                ("n_comment", "VARCHAR(152)"),
            ],
            key: "n_nationkey",
            rows: nations(),
        },
        Table {
            name: "supplier",
            columns: &[
                ("s_suppkey", "INTEGER"),
                ("s_name", "CHAR(25)"),
                ("s_address", "VARCHAR(40)"),
                ("s_nationkey", "INTEGER"),
                ("s_phone", "CHAR(15)"),
                ("s_acctbal", "DECIMAL(15,2)"),
                ("s_comment", "VARCHAR(101)"),
            ],
            key: "s_suppkey",
            rows: suppliers(),
        },
        Table {
            name: "part",
            columns: &[
                ("p_partkey", "INTEGER"),
                ("p_name", "VARCHAR(55)"),
                ("p_mfgr", "CHAR(25)"),
                ("p_brand", "CHAR(10)"),
                ("p_type", "VARCHAR(25)"),
                ("p_size", "INTEGER"),
                ("p_container", "CHAR(10)"),
                ("p_retailprice", "DECIMAL(15,2)"),
                ("p_comment", "VARCHAR(101)"),
            ],
            key: "p_partkey",
            rows: parts(),
        },
        Table {
            name: "partsupp",
            columns: &[
                ("ps_partkey", "INTEGER"),
                ("ps_suppkey", "INTEGER"),
                ("ps_availqty", "INTEGER"),
                ("ps_supplycost", "DECIMAL(15,2)"),
                ("ps_comment", "VARCHAR(199)"),
            ],
            key: "ps_partkey, ps_suppkey",
            rows: part_suppliers(),
        },
        Table {
            name: "customer",
            columns: &[
                ("c_custkey", "INTEGER"),
                ("c_name", "VARCHAR(25)"),
                ("c_address", "VARCHAR(40)"),
                ("c_nationkey", "INTEGER"),
                ("c_phone", "CHAR(15)"),
                ("c_acctbal", "DECIMAL(15,2)"),
                ("c_mktsegment", "CHAR(10)"),
                ("c_comment", "VARCHAR(117)"),
            ],
            key: "c_custkey",
            rows: customers(),
        },
        Table {
            name: "orders",
            columns: &[
                ("o_orderkey", "INTEGER"),
                ("o_custkey", "INTEGER"),
                ("o_orderstatus", "CHAR(1)"),
                ("o_totalprice", "DECIMAL(15,2)"),
                ("o_orderdate", "DATE"),
                ("o_orderpriority", "CHAR(15)"),
                ("o_clerk", "CHAR(15)"),
                ("o_shippriority", "INTEGER"),
                ("o_comment", "VARCHAR(79)"),
            ],
            key: "o_orderkey",
            rows: orders,
        },
        Table {
            name: "lineitem",
            columns: &[
                ("l_orderkey", "INTEGER"),
                ("l_partkey", "INTEGER"),
                ("l_suppkey", "INTEGER"),
                ("l_linenumber", "INTEGER"),
                ("l_quantity", "DECIMAL(15,2)"),
                ("l_extendedprice", "DECIMAL(15,2)"),
                ("l_discount", "DECIMAL(15,2)"),
                ("l_tax", "DECIMAL(15,2)"),
                ("l_returnflag", "CHAR(1)"),
                ("l_linestatus", "CHAR(1)"),
                ("l_shipdate", "DATE"),
                ("l_commitdate", "DATE"),
                ("l_receiptdate", "DATE"),
                ("l_shipinstruct", "CHAR(25)"),
                ("l_shipmode", "CHAR(10)"),
                ("l_comment", "VARCHAR(44)"),
            ],
            key: "l_orderkey, l_linenumber",
            rows: items,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_the_calendars() {
        for (day, text) in
            [(0, "1970-01-01"), (FIRST_DAY, "1992-01-01"), (LAST_ORDER, "1998-08-02"), (TODAY, "1995-06-17")]
        {
            assert_eq!(date(day), Cell::Date(text.into()));
        }
    }

    #[test]
    fn sizes_are_those_of_scale_one_hundredth_and_every_run_makes_the_same() {
        let made = tables();
        for (table, rows) in made.iter().zip([5, 25, 100, 2000, 8000, 1500, 15_000]) {
            assert_eq!(table.rows.len(), rows, "{}", table.name);
        }
        let items = &made.last().unwrap().rows;
        assert!((58_000..62_000).contains(&items.len()), "{}", items.len());
        assert!(made.iter().all(|table| table.rows.iter().all(|row| row.len() == table.columns.len())));
        assert_eq!(tables().last().unwrap().rows, *items);
    }
}
