//! What generated statements found, each with the smallest statement that showed it.

use mountgate_core::Code;

use super::fixture::{plan, printed, refused};
use crate::Dialect::{Postgres, Sqlite};

fn names(dialect: crate::Dialect, sql: &str) -> Vec<String> {
    let plan = plan(dialect, sql).unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
    plan.columns().iter().map(|column| column.name.clone()).collect()
}

#[test]
fn a_parenthesised_join_sees_nothing_to_its_left() {
    // SQLite makes a derived table of it: `name` is `e`'s, or the outer query's, and never the sibling's.
    let sql = "SELECT 1 FROM emp a JOIN (dept d JOIN emp e ON d.id = e.dept AND name = 'x') ON a.id = d.id";
    assert!(plan(Sqlite, sql).is_ok());
    let sql =
        "SELECT (SELECT 1 FROM dept a JOIN (dept b JOIN dept c ON b.id = c.id AND a.id = 1) ON a.id = b.id) FROM emp a";
    let printed = printed(Sqlite, sql);
    assert!(printed.contains("\"t1\".\"id\" = 1"), "the outer query's `a` is meant: {printed}");
    assert_eq!(refused(Sqlite, &sql.replace("FROM emp a", "FROM emp o")), Code::NotInScope);
}

#[test]
fn a_merged_column_is_spelt_as_its_store_spells_it() {
    assert_eq!(names(Sqlite, "SELECT * FROM dept JOIN emp USING (ID)")[0], "id");
    assert_eq!(names(Postgres, "SELECT * FROM dept JOIN emp USING (ID)")[0], "id");
}

#[test]
fn a_cte_of_sqlite_names_each_of_its_columns() {
    assert_eq!(refused(Sqlite, "WITH c (k) AS (SELECT id, title FROM dept) SELECT k FROM c"), Code::TypeMismatch);
    assert!(plan(Postgres, "WITH c (k) AS (SELECT id, title FROM dept) SELECT k FROM c").is_ok());
}

#[test]
fn postgres_names_casts_and_cases_by_what_is_in_them() {
    for (sql, name) in [
        ("SELECT (TIMESTAMP '2026-01-01')::date", "date"),
        ("SELECT CASE WHEN true THEN 1 ELSE coalesce(1, 2) END", "coalesce"),
        ("SELECT CASE WHEN true THEN 1 ELSE 1::int END", "case"),
        ("SELECT (CASE WHEN true THEN 1 ELSE 2 END)::int", "int4"),
        ("SELECT (coalesce(1, 2))::text", "coalesce"),
        ("SELECT (INTERVAL '1 day')::text", "text"),
    ] {
        assert_eq!(names(Postgres, sql), [name], "{sql}");
    }
}
