//! Attacks on purpose: names that are hidden, and predicates that raise on hidden rows only.

use mountgate_core::Value;
use mountgate_sql::Dialect;

use super::{
    rng::Rng,
    tree::{Printed, Tree, opt, seq, text, wrap},
    world::{Kind, Table, World},
};

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A hidden name and one that does not exist, and a statement with each.
pub struct Names {
    /// The name that is hidden.
    pub hidden: (String, Printed),
    /// The name that does not exist.
    pub absent: (String, Printed),
}

/// A name of the same length that nothing has.
fn absent(world: &World, name: &str) -> String {
    let taken = |name: &str| {
        let tables = world.tables.iter().map(|table| table.name.as_str());
        let columns = world.tables.iter().flat_map(|table| &table.columns).map(|column| column.name.as_str());
        tables.chain(columns).any(|known| known.eq_ignore_ascii_case(name))
    };
    let count = name.chars().count();
    for last in ('a'..='z').chain('0'..='9') {
        // As many bytes as well as characters: places are told in either.
        let mut other: String = name.chars().take(count - 1).collect();
        other.push(last);
        if other.len() == name.len() && !taken(&other) && !other.starts_with(|c: char| c.is_ascii_digit()) {
            return other;
        }
    }
    "q".repeat(name.len())
}

/// Something hidden, asked for by name.
pub fn names(world: &World, rng: &mut Rng) -> Option<Names> {
    let shown: Vec<&Table> = world.tables.iter().filter(|table| table.granted).collect();
    // What the ceiling shows, its agents may know of: there only columns are asked for.
    let hidden_tables: Vec<&Table> = world.tables.iter().filter(|table| !table.declared).collect();
    let base = *rng.pick(&shown);
    let base_name = quote(&base.name);
    let visible = base.shown().next().map(|(_, column)| quote(&column.name))?;
    let (name, templates): (String, &[&str]) = if !hidden_tables.is_empty() && rng.chance(40) {
        (
            rng.pick(&hidden_tables).name.clone(),
            &[
                "SELECT * FROM @",
                "SELECT 1 FROM #, @",
                "SELECT count(*) FROM # JOIN @ ON 1 = 1",
                "SELECT (SELECT count(*) FROM @) FROM #",
                "SELECT 1 FROM # WHERE EXISTS (SELECT 1 FROM @)",
                "WITH c AS (SELECT * FROM @) SELECT * FROM c",
                "SELECT % FROM # UNION SELECT 1 FROM @",
                "SELECT @.% FROM #",
                "SELECT @.* FROM #",
                "SELECT % FROM # ORDER BY (SELECT count(*) FROM @)",
                "SELECT % FROM # LIMIT (SELECT count(*) FROM @)",
                "SELECT count(*) FILTER (WHERE EXISTS (SELECT 1 FROM @)) FROM #",
                "SELECT 1 FROM # WHERE % IN (SELECT 1 FROM @)",
                "VALUES ((SELECT count(*) FROM @))",
                "SELECT @ FROM @",
            ],
        )
    } else {
        let columns: Vec<&str> = base
            .columns
            .iter()
            .filter(|column| column.scope.is_none())
            .map(|column| column.name.as_str())
            // An output is called so too, which may be named.
            .filter(|name| !["count", "max", "coalesce"].contains(name))
            .filter(|name| {
                // What a shown column or table is called as well means that one.
                let same = |other: &str| other.eq_ignore_ascii_case(name);
                !base.shown().any(|(_, column)| same(&column.name)) && !same(&base.name)
            })
            .collect();
        if columns.is_empty() {
            return None;
        }
        (
            (*rng.pick(&columns)).to_owned(),
            &[
                "SELECT @ FROM #",
                "SELECT #.@ FROM #",
                "SELECT % FROM # WHERE @ = 1",
                "SELECT % FROM # WHERE @ IS NULL",
                "SELECT % FROM # ORDER BY @",
                "SELECT count(*) FROM # GROUP BY @",
                "SELECT count(*) FROM # HAVING max(@) > 1",
                "SELECT count(*) OVER (PARTITION BY @) FROM #",
                "SELECT row_number() OVER (ORDER BY @) FROM #",
                "SELECT 1 FROM # one1 JOIN # two2 USING (@)",
                "SELECT 1 FROM # one1 JOIN # two2 ON one1.@ = two2.@",
                "SELECT (SELECT @) FROM #",
                "SELECT (SELECT max(@) FROM #)",
                "SELECT x.@ FROM (SELECT * FROM #) x",
                "WITH c AS (SELECT * FROM #) SELECT @ FROM c",
                "SELECT count(*) FILTER (WHERE @ > 1) FROM #",
                "SELECT CASE WHEN @ = 1 THEN 1 END FROM #",
                "SELECT % FROM # WHERE (%, @) = (1, 1)",
                "SELECT % FROM # WHERE EXISTS (SELECT 1 WHERE @ = 1)",
                "SELECT % FROM # LIMIT (SELECT @)",
                "SELECT coalesce(@, 1) FROM #",
                "SELECT max(@) FROM #",
            ],
        )
    };
    let template = *rng.pick(templates);
    let print = |name: &str| {
        let sql = template.replace('#', "\u{1}").replace('%', "\u{2}").replace('@', &quote(name));
        Printed { sql: sql.replace('\u{1}', &base_name).replace('\u{2}', &visible), ..Printed::default() }
    };
    let other = absent(world, &name);
    let (hidden, absent) = (print(&name), print(&other));
    Some(Names { hidden: (name, hidden), absent: (other, absent) })
}

/// A predicate that raises on a row that holds a value which only hidden rows hold.
pub fn early(world: &World, rng: &mut Rng) -> Option<Tree> {
    let lite = world.dialect == Dialect::Sqlite;
    let tables: Vec<&Table> = world
        .tables
        .iter()
        .filter(|table| table.granted && (table.filter.is_some() || table.narrowed.is_some()))
        .collect();
    if tables.is_empty() {
        return None;
    }
    let table = *rng.pick(&tables);
    let columns: Vec<(usize, &str, Kind)> = table
        .shown()
        .filter(|(_, column)| {
            column.scope.as_ref().is_some_and(Vec::is_empty) && matches!(column.kind, Kind::Int | Kind::Text)
        })
        .map(|(at, column)| (at, column.name.as_str(), column.kind))
        .collect();
    if columns.is_empty() {
        return None;
    }
    let (at, name, kind) = *rng.pick(&columns);
    let hidden: Vec<&Value> = table
        .rows
        .iter()
        .filter(|row| !table.in_scope(world.dialect, &world.claims, world.secret, row))
        .map(|row| &row[at])
        .filter(|value| matches!(value, Value::Integer(number) if *number > 0) || matches!(value, Value::Text(_)))
        .filter(|value| matches!((value, kind), (Value::Integer(_), Kind::Int) | (Value::Text(_), Kind::Text)))
        .collect();
    // A value that some row in scope has may raise there, or not, as the store comes to it.
    let shown: Vec<Value> = world.copy(table).into_iter().flatten().collect();
    let hidden: Vec<&Value> = hidden.into_iter().filter(|value| !shown.contains(value)).collect();
    let column = format!("t.{}", quote(name));
    let literal = match hidden.is_empty() {
        true => if kind == Kind::Int { "0" } else { "'nobody'" }.to_owned(),
        false => match rng.pick(&hidden) {
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
            _ => return None,
        },
    };
    let case = |bad: &str, good: &str| format!("CASE WHEN {column} = {literal} THEN {bad} ELSE {good} END");
    let raising = if lite {
        match rng.below(4) {
            0 => format!("abs({}) > 0", case("-9223372036854775807 - 1", "1")),
            1 => format!("json_extract({}, '$') IS NULL", case("'{bad'", "'{}'")),
            2 => format!("json_array_length({}) = 0", case("'['", "'[]'")),
            _ => format!(
                "length(replace({}, 'a', 'b')) >= 0 AND abs({}) > 0",
                case("'a'", "'b'"),
                case("-9223372036854775807 - 1", "1")
            ),
        }
    } else {
        match rng.below(5) {
            0 => format!("1 / ({}) = 1", case("0", "1")),
            1 => format!("({})::int = 1", case("'x'", "'1'")),
            2 => format!("sqrt({}) >= 0", case("-1", "1")),
            3 => format!("({})::jsonb IS NOT NULL", case("'{'", "'{}'")),
            _ => format!("({})::date > '2000-01-01'", case("'never'", "'2026-01-01'")),
        }
    };
    let from = quote(&table.name);
    let raising = || text(raising.clone());
    let other = table.shown().next().map(|(_, column)| format!("t.{}", quote(&column.name)))?;
    Some(match rng.below(13) {
        0 => seq([text(format!("SELECT count(*) FROM {from} t WHERE ")), raising()]),
        1 => seq([text(format!("SELECT count(*) FROM {from} t WHERE {column} >= {literal} AND ")), raising()]),
        2 => seq([text(format!("SELECT {other} FROM {from} t WHERE {column} <> {literal} OR ")), raising()]),
        3 => seq([text(format!("SELECT count(*) FROM {from} t JOIN {from} u ON ")), raising()]),
        4 => seq([text(format!("SELECT count(*) FROM {from} u LEFT JOIN {from} t ON ")), raising()]),
        5 => seq([text("SELECT max(CASE WHEN "), raising(), text(format!(" THEN 1 ELSE 0 END) FROM {from} t"))]),
        6 => seq([text(format!("SELECT count(*) FROM (SELECT * FROM {from}) t WHERE ")), raising()]),
        7 => seq([text(format!("WITH t AS (SELECT * FROM {from}) SELECT count(*) FROM t WHERE ")), raising()]),
        8 => seq([text(format!("SELECT 1 WHERE EXISTS (SELECT 1 FROM {from} t WHERE ")), raising(), text(")")]),
        9 => seq([text(format!("SELECT {column}, count(*) FROM {from} t GROUP BY {column} HAVING ")), raising()]),
        10 => seq([text("SELECT count(*) FILTER (WHERE "), raising(), text(format!(") FROM {from} t"))]),
        11 => {
            let probe = wrap("CASE WHEN ", raising(), " THEN 1 ELSE 2 END");
            seq([text("SELECT p, count(*) FROM (SELECT "), probe, text(format!(" AS p FROM {from} t) x GROUP BY p"))])
        }
        _ => {
            let branches = vec![
                seq([text(format!("SELECT count(*) FROM {from} t WHERE ")), raising()]),
                text(format!("SELECT count(*) FROM {from}")),
            ];
            opt(Tree::List { sep: " UNION ALL ", items: branches, min: 1 })
        }
    })
}

/// Groups of a table that answers with statistics only, with how many rows those have that are large enough.
pub fn grouped(world: &World, rng: &mut Rng) -> Option<(Printed, Vec<u64>)> {
    let tables: Vec<(&Table, u32)> =
        world.tables.iter().filter(|table| table.granted).filter_map(|table| Some((table, table.least?))).collect();
    if tables.is_empty() {
        return None;
    }
    let (table, least) = *rng.pick(&tables);
    let keys: Vec<usize> = table
        .shown()
        .filter(|(_, column)| matches!(column.shown(), Kind::Int | Kind::Date | Kind::Uuid) && !column.nocase)
        .map(|(at, _)| at)
        .collect();
    let key = (!keys.is_empty() && rng.chance(80)).then(|| *rng.pick(&keys));
    let mut groups: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    if key.is_none() {
        groups.insert(String::new(), 0);
    }
    for row in table.rows.iter().filter(|row| table.in_scope(world.dialect, &world.claims, world.secret, row)) {
        let image = |at: usize| format!("{:?}", table.image(world.dialect, world.secret, at, &row[at]));
        *groups.entry(key.map(image).unwrap_or_default()).or_default() += 1;
    }
    // The unit is the first column, which no two rows share.
    let mut counts: Vec<u64> = groups.into_values().filter(|count| *count >= u64::from(least)).collect();
    counts.sort_unstable();
    let from = quote(&table.name);
    let sql = match key.map(|at| quote(&table.columns[at].name)) {
        Some(key) => format!("SELECT {key}, count(*) FROM {from} GROUP BY {key}"),
        None => format!("SELECT count(*) FROM {from}"),
    };
    Some((Printed { sql, ..Printed::default() }, counts))
}

/// A table that shares its name with a CTE in scope, and is meant: by its schema.
pub fn shadowed(world: &World, rng: &mut Rng) -> Option<Tree> {
    let plain = |table: &&Table| table.granted && !table.keyed && table.least.is_none();
    let tables: Vec<&Table> = world.tables.iter().filter(plain).collect();
    if tables.is_empty() {
        return None;
    }
    let table = *rng.pick(&tables);
    let name = quote(&table.name);
    let meant = format!("{}.{name}", if world.dialect == Dialect::Sqlite { "main" } else { "public" });
    let column = table.shown().next().map(|(_, column)| quote(&column.name))?;
    let with = format!("WITH {name} AS (SELECT {column} FROM {meant} WHERE 1 = 0) SELECT");
    Some(text(match rng.below(4) {
        0 => format!("{with} count(*) FROM {meant}"),
        1 => format!("{with} {column} FROM {meant}"),
        2 => format!("{with} (SELECT count(*) FROM {meant}), count(*) FROM {name}"),
        _ => format!("{with} count(*) FROM {meant} x LEFT JOIN {name} y ON 1 = 1"),
    }))
}

/// A look-up in a table that demands its key.
pub fn keyed(world: &World, rng: &mut Rng) -> Option<Tree> {
    let tables: Vec<&Table> = world.tables.iter().filter(|table| table.granted && table.keyed).collect();
    if tables.is_empty() {
        return None;
    }
    let table = *rng.pick(&tables);
    if !table.columns[0].scope.as_ref().is_some_and(Vec::is_empty) {
        return None;
    }
    let (from, key) = (quote(&table.name), quote(&table.columns[0].name));
    let value = Tree::Param(rng.pick(&table.rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>()).clone());
    let parts = match rng.below(4) {
        0 => vec![text(format!("SELECT * FROM {from} WHERE {key} = ")), value],
        1 => vec![text(format!("SELECT count(*) FROM {from} t WHERE t.{key} IN (")), value, text(")")],
        2 => vec![
            text(format!("WITH c AS (SELECT * FROM {from} WHERE {key} = ")),
            value,
            text(") SELECT count(*) FROM c"),
        ],
        _ => vec![text(format!("SELECT 1 WHERE EXISTS (SELECT 1 FROM {from} WHERE {key} = ")), value, text(")")],
    };
    Some(seq(parts))
}

/// A call of a function that is on no list: what reads files, settings, the catalogue, or runs a text as SQL.
pub fn function(world: &World, rng: &mut Rng) -> Printed {
    let table = quote(&rng.pick(&world.tables).name);
    let sql = match world.dialect {
        Dialect::Sqlite => (*rng.pick(&[
            "SELECT load_extension('x')",
            "SELECT readfile('/etc/hostname')",
            "SELECT fts3_tokenizer('simple')",
            "SELECT sqlite_version()",
            "SELECT last_insert_rowid()",
            "SELECT mountgate_hash(x'00', 'a')",
            "SELECT zeroblob(10)",
        ]))
        .to_owned(),
        Dialect::Postgres => rng
            .pick(&[
                "SELECT query_to_xml('SELECT * FROM public.#', true, false, '')",
                "SELECT table_to_xml('public.#', true, false, '')",
                "SELECT pg_read_file('PG_VERSION')",
                "SELECT current_setting('server_version')",
                "SELECT set_config('a.b', 'c', false)",
                "SELECT pg_sleep(0)",
                "SELECT version()",
                "SELECT lo_get(1)",
                "SELECT nextval('s')",
            ])
            .replace('#', &table),
    };
    Printed { sql, ..Printed::default() }
}
