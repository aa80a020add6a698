//! Sizes, and bytes of any kind.

use mountgate_core::Code;

use super::fixture::{BOTH, plan, printed, refused};
use crate::{
    Dialect::{self, Postgres, Sqlite},
    bounds,
    fuzz::fuzz_statement,
};

#[test]
fn size_is_bounded() {
    for dialect in BOTH {
        assert_eq!(refused(dialect, &format!("SELECT '{}'", "x".repeat(bounds::TEXT))), Code::TooLarge);
        let deep = format!("SELECT {}1{}", "(".repeat(3000), ")".repeat(3000));
        assert_eq!(refused(dialect, &deep), Code::ResourceLimit);
        let deep = format!("{}SELECT 1{}", "SELECT * FROM (".repeat(300), ") t".repeat(300));
        assert_eq!(refused(dialect, &deep), Code::ResourceLimit);
        let joins = format!("SELECT 1 FROM dept{}", ", dept".repeat(bounds::RELATIONS));
        assert_eq!(refused(dialect, &joins), Code::ResourceLimit);
        let unions = format!("SELECT 1{}", " UNION SELECT 1".repeat(bounds::SET_OPERATIONS + 1));
        assert_eq!(refused(dialect, &unions), Code::ResourceLimit);
        let tokens = format!("SELECT 1{}", ",1".repeat(bounds::TOKENS));
        assert_eq!(refused(dialect, &tokens), Code::ResourceLimit);
        let columns = format!("SELECT 1{}", ",1".repeat(bounds::COLUMNS));
        assert_eq!(refused(dialect, &columns), Code::ResourceLimit);
        assert_eq!(refused(dialect, "SELECT $5000"), Code::ResourceLimit);
        // Left-leaning trees are not nesting.
        let sum = format!("SELECT 1{}", " + 1".repeat(2000));
        assert!(plan(dialect, &sum).is_ok());
        let either = format!("SELECT id FROM emp WHERE id = 0{}", " OR id = 1".repeat(1000));
        assert!(plan(dialect, &either).is_ok());
        let mixed = format!("SELECT 1{}", " + 1 - 1".repeat(500));
        assert_eq!(refused(dialect, &mixed), Code::ResourceLimit);
        let nots = format!("SELECT {} TRUE", "NOT ".repeat(2000));
        assert!(matches!(refused(dialect, &nots), Code::ResourceLimit | Code::Unparseable));
    }
    // An alias that stands for a large expression, used many times.
    let mut sql = "SELECT 1 + 1 AS a0".to_owned();
    sql.push_str(" FROM dept WHERE ");
    sql.push_str(&vec!["a0 = 1"; 1000].join(" AND "));
    assert!(plan(Dialect::Sqlite, &sql).is_ok());
    let casts = format!("SELECT 1{}", "::text".repeat(1000));
    assert_eq!(refused(Dialect::Postgres, &casts), Code::ResourceLimit);
}

#[test]
fn parameters_are_counted_and_used() {
    for (dialect, sql, count) in [
        (Dialect::Sqlite, "SELECT ?, ?5, ?", 6),
        (Dialect::Sqlite, "SELECT $2, ?1", 2),
        (Dialect::Postgres, "SELECT $1, $2, $1", 2),
        (Dialect::Postgres, "SELECT 1", 0),
    ] {
        assert_eq!(crate::Statement::parse(dialect, sql).unwrap().parameters(), count, "{sql}");
    }
    assert_eq!(refused(Dialect::Postgres, "SELECT $2"), Code::ParameterInvalid);
}

#[test]
fn fuzzed_bytes_do_not_panic() {
    // Pieces of SQL put together at random: enough of them are statements for the whole way to run.
    let pieces = [
        "SELECT",
        " ",
        "id",
        ",",
        "*",
        " FROM ",
        "emp",
        "dept",
        " WHERE ",
        "(",
        ")",
        "=",
        "1",
        "'x'",
        "\"",
        "'",
        " AS ",
        "a",
        ".",
        " JOIN ",
        " ON ",
        " USING ",
        " UNION ",
        " ORDER BY ",
        " GROUP BY ",
        "count(*)",
        " OVER ",
        " LIMIT ",
        "WITH a AS ",
        " NOT ",
        " IN ",
        " EXISTS ",
        "SELECT id FROM emp",
        "NULL",
        "\0",
        "é",
        "$1",
        "?",
        "::",
        "[",
        "]",
        "->>",
        "||",
        "CASE WHEN 1 THEN 2 END",
        " HAVING ",
        " NATURAL JOIN ",
        "LATERAL ",
        "--",
        "/*",
        ";",
        "E'\\'",
        "$$",
        "0x1F",
        "email",
        "hired",
        " BETWEEN 1 AND 2",
        "VALUES (1)",
        " EXCEPT ",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let mut taken = 0;
    for _ in 0..4000 {
        let mut text = String::from("SELECT id FROM emp");
        for _ in 0..next(8) {
            let at = next(text.len() + 1);
            if text.is_char_boundary(at) {
                text.insert_str(at, pieces[next(pieces.len())]);
            }
        }
        taken += fuzz_statement(text.as_bytes());
    }
    assert!(taken > 200, "only {taken} statements were taken");
    for _ in 0..2000 {
        let bytes: Vec<u8> = (0..next(64)).map(|_| next(256) as u8).collect();
        fuzz_statement(&bytes);
    }
}

proptest::proptest! {
    #[test]
    fn expressions_print_and_parse(sql in "SELECT (id|name|1|'a''b'|NULL|\\(id\\)|emp\\.id)( (=|<>|<|AND|OR|\\+|\\|\\|) (id|1|'x'|name|2\\.5)){0,6} FROM emp") {
        for dialect in BOTH {
            if let Ok(plan) = plan(dialect, &sql) {
                proptest::prop_assert!(crate::print::reparses(dialect, plan.sql()), "{}", plan.sql());
            }
        }
    }

    #[test]
    fn any_text_is_refused_or_taken(sql in "\\PC{0,80}") {
        fuzz_statement(sql.as_bytes());
    }
}

#[test]
fn what_no_timeout_ends_is_bounded() {
    let set = "x".repeat(65);
    for (dialect, sql) in [
        (Postgres, "SELECT repeat('x', 1000000000)".to_owned()),
        (Postgres, "SELECT repeat(repeat('x', 10000), 10000)".to_owned()),
        (Postgres, "SELECT repeat('x' || repeat('x', 10000), 10000)".to_owned()),
        (Postgres, "SELECT lpad(name, 1000000000) FROM emp".to_owned()),
        (Postgres, "SELECT rpad('x', 20000000, 'y')".to_owned()),
        (Postgres, format!("SELECT repeat('{}', id) FROM emp", "x".repeat(400))),
        (Postgres, format!("SELECT {}", ["repeat('x', 1000000)"; 12].join(", "))),
        (Postgres, format!("SELECT btrim(name, '{set}') FROM emp")),
        (Postgres, format!("SELECT trim(both '{set}' from name) FROM emp")),
        (Postgres, format!("SELECT translate(name, '{}', '') FROM emp", "x".repeat(1001))),
        (Sqlite, format!("SELECT trim(name, '{set}') FROM emp")),
        (Sqlite, format!("SELECT rtrim(name, '{set}') FROM emp")),
        (Sqlite, format!("SELECT instr(name, '{}') FROM emp", "x".repeat(1001))),
        (Sqlite, format!("SELECT replace(name, '{}', '') FROM emp", "x".repeat(1001))),
    ] {
        assert_eq!(refused(dialect, &sql), Code::ResourceLimit, "{sql}");
    }
    for sql in [
        "SELECT strpos(repeat('a', 200000), 'b' || repeat('a', 100000))",
        "WITH x AS MATERIALIZED (SELECT repeat('a', 200000) AS s) SELECT btrim(name, s) FROM emp, x",
        "SELECT translate(name, (SELECT string_agg(name, '') FROM emp), '') FROM emp",
        "SELECT replace(name, string_agg(email, ''), '') FROM emp GROUP BY name",
        "SELECT position(array_to_string(ARRAY[name], 'x') IN email) FROM emp",
    ] {
        assert_eq!(refused(Postgres, sql), Code::Unsupported, "{sql}");
    }
    printed(
        Postgres,
        "SELECT strpos(name, $1), replace(name, lower(email), 'x'), split_part(name, ' ' || id::text, 1) FROM emp",
    );
    for (dialect, sql, wanted) in [
        (Postgres, "SELECT repeat('#', 20)", "repeat\"('#', 20)"),
        (Postgres, "SELECT repeat('#', -1)", "repeat\"('#', (- 1))"),
        (Postgres, "SELECT repeat('#', id) FROM emp", "('#', CAST(CAST(\"t1\".\"id\" AS smallint) AS integer))"),
        (Postgres, "SELECT lpad(name, $1) FROM emp", "CAST(CAST($1 AS smallint) AS integer)"),
        (Sqlite, "SELECT trim(name, 'x') FROM emp", "trim(\"t1\".\"name\", 'x')"),
        (Sqlite, "SELECT trim(name, email) FROM emp", "mountgate_short(\"t1\".\"email\", 64)"),
        (Sqlite, "SELECT instr(name, ?) FROM emp", "mountgate_short(?1, 1000)"),
        (Sqlite, "SELECT replace(name, upper('a'), 'b') FROM emp", "mountgate_short(upper('a'), 1000)"),
    ] {
        assert!(printed(dialect, sql).contains(wanted), "{sql}: {}", printed(dialect, sql));
    }
}
