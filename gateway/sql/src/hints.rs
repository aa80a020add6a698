//! What to write instead of what other stores call it: people and models mix their dialects.

use crate::Dialect;

/// Names of functions that a dialect lacks, or that are on no list, with what to write. Sorted.
const SQLITE: &[(&str, &str)] = &[
    ("ceil", "write `CAST(x AS INTEGER) + (x > CAST(x AS INTEGER))`"),
    ("charindex", "write `instr(text, part)`"),
    ("curdate", "write `date('now')`"),
    ("date_add", "write `date(x, '+1 day')`"),
    ("date_part", "write `strftime('%Y', x)`, with the part's letter"),
    ("date_trunc", "write `date(x, 'start of month')`"),
    ("dateadd", "write `date(x, '+1 day')`"),
    ("datediff", "write `julianday(one) - julianday(other)`"),
    ("day", "write `strftime('%d', x)`"),
    ("extract", "write `strftime('%Y', x)`, with the part's letter"),
    ("floor", "write `CAST(x AS INTEGER) - (x < CAST(x AS INTEGER))`"),
    ("getdate", "write `datetime('now')`"),
    ("greatest", "write `max(one, other)`"),
    ("isnull", "write `coalesce(x, y)`"),
    ("least", "write `min(one, other)`"),
    ("left", "write `substr(x, 1, n)`"),
    ("len", "write `length(x)`"),
    ("locate", "write `instr(text, part)`"),
    ("lpad", "write `substr('0000' || x, -4)`"),
    ("mod", "write `x % y`"),
    ("month", "write `strftime('%m', x)`"),
    ("now", "write `datetime('now')`"),
    ("nvl", "write `coalesce(x, y)`"),
    ("right", "write `substr(x, -n)`"),
    ("split_part", "write `substr(x, 1, instr(x, separator) - 1)`"),
    ("strpos", "write `instr(text, part)`"),
    ("sysdate", "write `datetime('now')`"),
    ("to_char", "write `strftime('%Y-%m', x)`, or `printf('%.2f', x)`"),
    ("to_date", "write `date(x)`"),
    ("year", "write `strftime('%Y', x)`"),
];

const POSTGRES: &[(&str, &str)] = &[
    ("charindex", "write `strpos(text, part)`"),
    ("curdate", "write `current_date`"),
    ("date_add", "write `x + INTERVAL '1 day'`"),
    ("dateadd", "write `x + INTERVAL '1 day'`"),
    ("datediff", "write `one - other`, of two dates"),
    ("datetime", "write `x::timestamp`, or `now()`"),
    ("day", "write `extract(day FROM x)`"),
    ("getdate", "write `now()`"),
    ("glob", "write `x LIKE 'pattern%'`, or `x ~ 'expression'`"),
    ("group_concat", "write `string_agg(x, ',')`"),
    ("if", "write `CASE WHEN … THEN … ELSE … END`"),
    ("ifnull", "write `coalesce(x, y)`"),
    ("iif", "write `CASE WHEN … THEN … ELSE … END`"),
    ("instr", "write `strpos(text, part)`"),
    ("isnull", "write `coalesce(x, y)`"),
    ("json_extract", "write `x -> 'key'`, or `x ->> 'key'` for text"),
    ("julianday", "write `extract(epoch FROM x) / 86400`"),
    ("len", "write `length(x)`"),
    ("locate", "write `strpos(text, part)`"),
    ("month", "write `extract(month FROM x)`"),
    ("nvl", "write `coalesce(x, y)`"),
    ("printf", "write `format('%s', x)`, or `to_char(x, 'FM990.00')`"),
    ("strftime", "write `to_char(x, 'YYYY-MM')`"),
    ("sysdate", "write `now()`"),
    ("total", "write `coalesce(sum(x), 0)`"),
    ("unixepoch", "write `extract(epoch FROM x)`"),
    ("year", "write `extract(year FROM x)`"),
];

/// What says who asks, and of which store: on neither list, whatever it is called.
const WHOSE: [&str; 12] = [
    "changes",
    "current_catalog",
    "current_database",
    "current_role",
    "current_schema",
    "current_user",
    "database",
    "session_user",
    "sqlite_source_id",
    "sqlite_version",
    "user",
    "version",
];

/// What to write instead of a function of that name (lower case) that is not on the list.
pub(crate) fn of_function(dialect: Dialect, name: &str) -> Option<&'static str> {
    if WHOSE.contains(&name) {
        return Some(
            "the store, its version and its users are not told; `GET /v1/mounts/{name}` lists what is in scope",
        );
    }
    let list = match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
    };
    list.binary_search_by(|(entry, _)| (*entry).cmp(name)).ok().and_then(|at| list.get(at)).map(|(_, hint)| *hint)
}

/// What a text that does not parse may have meant.
pub(crate) fn of_text(dialect: Dialect, text: &str) -> Option<&'static str> {
    let mut words = text.split_whitespace().map(str::to_ascii_lowercase).peekable();
    while let Some(word) = words.next() {
        if word.ends_with("select") && words.peek().is_some_and(|next| next == "top" || next.starts_with("top(")) {
            return Some("write `LIMIT n` at the end instead of `TOP n`");
        }
        if word == "show" || word == "describe" || word == "desc" && words.peek().is_some() {
            return Some(
                "`GET /v1/mounts/{name}` (MCP: `list_tables`, `describe_table`) lists tables and columns in scope",
            );
        }
    }
    (dialect == Dialect::Postgres && text.contains('`')).then_some("put double quotes around names, not backticks")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allow;

    #[test]
    fn hints_are_found_and_name_nothing_that_is_allowed() {
        for (dialect, list) in [(Dialect::Sqlite, SQLITE), (Dialect::Postgres, POSTGRES)] {
            assert!(list.is_sorted_by(|one, other| one.0 < other.0), "{dialect:?}");
            for (name, hint) in list {
                assert_eq!(of_function(dialect, name), Some(*hint));
                assert!(allow::functions(dialect, name).is_empty(), "{dialect:?} has `{name}`");
            }
            for name in WHOSE {
                assert!(allow::functions(dialect, name).is_empty(), "{dialect:?} has `{name}`");
            }
        }
    }

    #[test]
    fn what_models_mix_up_is_refused_with_what_to_write() {
        for (dialect, sql, wanted) in [
            (Dialect::Sqlite, "SELECT TOP 5 name FROM emp", "LIMIT"),
            (Dialect::Postgres, "SELECT TOP 5 name FROM emp", "LIMIT"),
            (Dialect::Sqlite, "SELECT version()", "/v1/mounts"),
            (Dialect::Postgres, "SELECT version()", "/v1/mounts"),
            (Dialect::Sqlite, "SELECT getdate()", "datetime('now')"),
            (Dialect::Postgres, "SELECT getdate()", "now()"),
            (Dialect::Sqlite, "SELECT id FROM emp WHERE name ILIKE 'a%'", "LIKE"),
            (Dialect::Sqlite, "SELECT year(hired) FROM emp", "strftime"),
            (Dialect::Postgres, "SELECT group_concat(name) FROM emp", "string_agg"),
            (Dialect::Postgres, "SELECT `name` FROM emp", "double quotes"),
            (Dialect::Postgres, "SELECT strftime('%Y', hired) FROM emp", "to_char"),
            (Dialect::Sqlite, "SELECT EXTRACT(YEAR FROM hired) FROM emp", "strftime"),
        ] {
            let refusal = crate::Statement::parse(dialect, sql)
                .and_then(|statement| statement.touch(crate::fuzz::shop().unwrap()))
                .unwrap_err();
            let hint = refusal.hint.clone().unwrap_or_default();
            assert!(hint.contains(wanted), "{dialect:?} {sql}: {refusal} {hint}");
        }
    }
}
