//! What is sent to the store, as it stands.

use super::fixture::printed;
use crate::Dialect::{Postgres, Sqlite};

#[test]
fn a_point_lookup() {
    insta::assert_snapshot!(printed(Sqlite, "SELECT id, name FROM emp WHERE id = ?"), @r#"SELECT "t1"."id" AS "id", "t1"."name" AS "name" FROM (SELECT "s1"."id" AS "id", "s1"."name" AS "name" FROM "main"."emp" AS "s1" WHERE ("s1"."tenant" = ?2)) AS "t1" WHERE ("t1"."id" = ?1)"#);
    insta::assert_snapshot!(printed(Postgres, "SELECT id, name FROM emp WHERE id = $1"), @r#"SELECT "t1"."id" AS "id", "t1"."name" AS "name" FROM (SELECT "s1"."id" AS "id", "s1"."name" AS "name" FROM "main"."emp" AS "s1" WHERE ("s1"."tenant" = $2::text)) AS "t1" WHERE ("t1"."id" = $1)"#);
}

#[test]
fn masked_columns() {
    insta::assert_snapshot!(printed(Sqlite, "SELECT email, hired FROM emp WHERE email LIKE 'a%' ORDER BY hired"), @r#"SELECT "t1"."email" AS "email", "t1"."hired" AS "hired" FROM (SELECT CAST(mountgate_partial("s1"."email", 1, 4, '*') AS TEXT) AS "email", mountgate_truncate("s1"."hired", 'year') AS "hired" FROM "main"."emp" AS "s1" WHERE ("s1"."tenant" = ?1)) AS "t1" WHERE ("t1"."email" LIKE 'a%') ORDER BY "t1"."hired""#);
    insta::assert_snapshot!(printed(Postgres, "SELECT email, hired FROM emp WHERE email = 'a' ORDER BY hired"), @r#"SELECT "t1"."email" AS "email", "t1"."hired" AS "hired" FROM (SELECT CASE WHEN pg_catalog.char_length(("s1"."email")::text) <= 5 THEN pg_catalog.repeat('*', pg_catalog.char_length(("s1"."email")::text)) ELSE pg_catalog.left(("s1"."email")::text, 1) || pg_catalog.repeat('*', pg_catalog.char_length(("s1"."email")::text) - 5) || pg_catalog.right(("s1"."email")::text, 4) END AS "email", CASE WHEN ("s1"."hired") >= '4000-01-01 BC'::date AND ("s1"."hired") < '200000-01-01'::date THEN pg_catalog.date_trunc('year', ("s1"."hired")::timestamp)::date END AS "hired" FROM "main"."emp" AS "s1" WHERE ("s1"."tenant" = $1::text)) AS "t1" WHERE ("t1"."email" = 'a') ORDER BY 2"#);
}

#[test]
fn ctes_joins_and_windows() {
    insta::assert_snapshot!(printed(Postgres, "WITH x AS (SELECT d.title, count(*) AS n FROM emp e JOIN dept d ON d.id = e.dept GROUP BY d.title) \
        SELECT title, n, rank() OVER w FROM x WINDOW w AS (ORDER BY n DESC) ORDER BY n LIMIT 5"), @r#"WITH "c1"("f1", "f2") AS (SELECT "t2"."title" AS "f1", pg_catalog."count"(*) AS "f2" FROM (SELECT "s1"."dept" AS "dept" FROM "main"."emp" AS "s1" WHERE ("s1"."tenant" = $1::text)) AS "t1" JOIN (SELECT "s2"."id" AS "id", "s2"."title" AS "title" FROM "main"."dept" AS "s2") AS "t2" ON ("t2"."id" = "t1"."dept") GROUP BY "t2"."title") SELECT "t3"."f1" AS "title", "t3"."f2" AS "n", pg_catalog."rank"() OVER "w1" AS "rank" FROM "c1" AS "t3" WINDOW "w1" AS (ORDER BY "t3"."f2" DESC) ORDER BY 2 LIMIT 5"#);
    insta::assert_snapshot!(printed(Postgres, "SELECT e.id, elem ->> 'x' FROM emp e, jsonb_array_elements(e.data) AS elem WHERE e.hired > DATE '2020-01-01' - INTERVAL '1' MONTH"), @r#"SELECT "t1"."id" AS "id", ("t2"."f1" ->> 'x') AS "?column?" FROM (SELECT "s1"."id" AS "id", CASE WHEN ("s1"."hired") >= '4000-01-01 BC'::date AND ("s1"."hired") < '200000-01-01'::date THEN pg_catalog.date_trunc('year', ("s1"."hired")::timestamp)::date END AS "hired", "s1"."data" AS "data" FROM "main"."emp" AS "s1" WHERE ("s1"."tenant" = $1::text) OFFSET 0) AS "t1", pg_catalog."jsonb_array_elements"("t1"."data") AS "t2"("f1") WHERE ("t1"."hired" > (CAST('2020-01-01' AS date) - INTERVAL '1' MONTH))"#);
    insta::assert_snapshot!(printed(Postgres, "SELECT dept, count(*) FROM emp GROUP BY ROLLUP (dept) HAVING grouping(dept) = 0"), @r#"SELECT "t1"."dept" AS "dept", pg_catalog."count"(*) AS "count" FROM (SELECT "s1"."dept" AS "dept" FROM "main"."emp" AS "s1" WHERE ("s1"."tenant" = $1::text) OFFSET 0) AS "t1" GROUP BY ROLLUP (("t1"."dept")) HAVING (grouping("t1"."dept") = 0)"#);
    insta::assert_snapshot!(printed(Sqlite, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT * FROM n JOIN dept USING (id)"
        .replace("USING (id)", "ON dept.id = n.i").as_str()), @r#"WITH RECURSIVE "mountgate_cte1"("f1") AS (SELECT 1 AS "f1" UNION ALL SELECT ("t1"."f1" + 1) AS "f1" FROM "mountgate_cte1" AS "t1" WHERE ("t1"."f1" < 3)) SELECT "t2"."f1" AS "i", "t3"."id" AS "id", "t3"."title" AS "title" FROM "mountgate_cte1" AS "t2" JOIN (SELECT "s3"."id" AS "id", "s3"."title" AS "title" FROM "main"."dept" AS "s3") AS "t3" ON ("t3"."id" = "t2"."f1")"#);
}

#[test]
fn columns_that_depend_on_a_grouped_key() {
    // PostgreSQL knows no key behind the subquery: the columns become keys.
    let sql = printed(Postgres, "SELECT e.id, e.name, count(*) FROM emp e GROUP BY e.id");
    assert!(sql.ends_with(r#"GROUP BY "t1"."id", "t1"."name""#), "{sql}");
    let sql = printed(Postgres, "SELECT e.dept, max(e.name) FROM emp e GROUP BY e.dept");
    assert!(sql.ends_with(r#"GROUP BY "t1"."dept""#), "{sql}");
    let sql = printed(Postgres, "SELECT e.id, sum(e.dept) FROM emp e GROUP BY e.id");
    assert!(sql.ends_with(r#"GROUP BY "t1"."id""#), "{sql}");
}

#[test]
fn sqlite_set_operations_associate_to_the_left() {
    let sql = printed(Sqlite, "SELECT 1 UNION SELECT 2 INTERSECT SELECT 3");
    assert!(sql.contains("UNION SELECT 2") && sql.contains("INTERSECT SELECT 3") && !sql.contains('('), "{sql}");
    let sql = printed(Postgres, "SELECT 1 UNION SELECT 2 INTERSECT SELECT 3");
    assert!(sql.contains("UNION (SELECT 2"), "{sql}");
}
