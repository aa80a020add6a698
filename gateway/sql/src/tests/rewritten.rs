//! What is sent to the store, as it stands.

use super::fixture::printed;
use crate::Dialect::{Postgres, Sqlite};

#[test]
fn a_point_lookup() {
    insta::assert_snapshot!(printed(Sqlite, "SELECT id, name FROM emp WHERE id = ?"), @"");
    insta::assert_snapshot!(printed(Postgres, "SELECT id, name FROM emp WHERE id = $1"), @"");
}

#[test]
fn masked_columns() {
    insta::assert_snapshot!(printed(Sqlite, "SELECT email, hired FROM emp WHERE email LIKE 'a%' ORDER BY hired"), @"");
    insta::assert_snapshot!(printed(Postgres, "SELECT email, hired FROM emp WHERE email = 'a' ORDER BY hired"), @"");
}

#[test]
fn ctes_joins_and_windows() {
    insta::assert_snapshot!(printed(Postgres, "WITH x AS (SELECT d.title, count(*) AS n FROM emp e JOIN dept d ON d.id = e.dept GROUP BY d.title) \
        SELECT title, n, rank() OVER w FROM x WINDOW w AS (ORDER BY n DESC) ORDER BY n LIMIT 5"), @"");
    insta::assert_snapshot!(printed(Postgres, "SELECT e.id, elem ->> 'x' FROM emp e, jsonb_array_elements(e.data) AS elem WHERE e.hired > DATE '2020-01-01' - INTERVAL '1' MONTH"), @"");
    insta::assert_snapshot!(printed(Postgres, "SELECT dept, count(*) FROM emp GROUP BY ROLLUP (dept) HAVING grouping(dept) = 0"), @"");
    insta::assert_snapshot!(printed(Sqlite, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT * FROM n JOIN dept USING (id)"
        .replace("USING (id)", "ON dept.id = n.i").as_str()), @"");
}
