//! The wall alone: statements that no rewriter has seen, as an agent would write them who got past it.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use mountgate_core::Value;

use super::{BehindSqlite, Shown, SqliteWall, WalledView, random_name};
use crate::{Behind, Call, Class, SqliteConfig, SqliteStore, StoreError};

const SHOP: &str = "
CREATE TABLE emp (id INTEGER PRIMARY KEY, tenant TEXT COLLATE NOCASE, name TEXT, email TEXT, salary INTEGER);
CREATE INDEX emp_tenant ON emp (tenant);
CREATE INDEX emp_name ON emp (name);
INSERT INTO emp VALUES (1, 'a', 'Ada', 'ada@example.org', 10), (2, 'b', 'Bob', 'bob@example.org', 20),
    (3, 'A', 'Cyd', 'cyd@example.org', 30), (4, 'a', 'Dan', 'dan@example.org', 40);
CREATE TABLE secrets (id INTEGER PRIMARY KEY, word TEXT);
INSERT INTO secrets VALUES (1, 'canary');
CREATE TABLE open (id INTEGER PRIMARY KEY, word TEXT);
INSERT INTO open VALUES (1, 'one'), (2, 'two');
CREATE VIEW emp_view AS SELECT id, salary FROM emp;
CREATE TABLE json_like (value TEXT);
ANALYZE;
";

/// A file behind walls, and the wall of a mount.
struct World {
    store: SqliteStore,
    wall: Arc<SqliteWall>,
    emp: String,
    open: String,
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn reads(table: &str, columns: &[&str]) -> BTreeMap<String, std::collections::BTreeSet<String>> {
    [(table.to_owned(), columns.iter().map(|column| (*column).to_owned()).collect())].into()
}

fn view(select: String, reads: BTreeMap<String, std::collections::BTreeSet<String>>) -> WalledView {
    let calls = !reads.is_empty();
    WalledView { columns: vec![], select: Some(select), reads, shown: Shown::Everyone, calls }
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.db");
        rusqlite::Connection::open(&path).unwrap().execute_batch(SHOP).unwrap();
        let config = SqliteConfig { threads: 1, walled: true, ..SqliteConfig::new(&path) };
        let store = SqliteStore::open(config).await.unwrap();
        let (wall, emp, open) = wall(store.schema().unwrap(), true);
        Self { store, wall, emp, open, _dir: dir, path }
    }

    /// With the wall of another mount of the same file.
    fn other(&self) -> (Arc<SqliteWall>, String, String) {
        wall(self.store.schema().unwrap(), false)
    }

    async fn ask_as(&self, wall: &Arc<SqliteWall>, tenant: &str, sql: &str) -> Result<Vec<Vec<Value>>, StoreError> {
        let claims = vec![Value::Text(tenant.into())];
        self.ask_behind(BehindSqlite { wall: Arc::clone(wall), claims, lends: false }, sql).await
    }

    async fn ask_behind(&self, behind: BehindSqlite, sql: &str) -> Result<Vec<Vec<Value>>, StoreError> {
        let behind = Some(Behind::Sqlite(behind));
        let call = Call { sql: sql.into(), values: vec![], timeout: Duration::from_secs(20), behind };
        let mut rows = self.store.stream(call).await?;
        let mut out = Vec::new();
        while let Some(batch) = rows.next().await? {
            out.extend(batch.rows().map(<[Value]>::to_vec));
        }
        Ok(out)
    }

    async fn ask(&self, sql: &str) -> Result<Vec<Vec<Value>>, StoreError> {
        self.ask_as(&self.wall, "a", sql).await
    }

    async fn told(&self, sql: &str) -> String {
        match self.ask(sql).await {
            Ok(rows) => format!("{rows:?}"),
            Err(error) => panic!("{sql}: {error:?}"),
        }
    }

    async fn refused(&self, sql: &str) {
        match self.ask(sql).await {
            Ok(rows) => panic!("`{sql}` gave {rows:?}"),
            Err(error) => assert_eq!(error.class, Class::Refused, "{sql}: {error:?}"),
        }
    }

    /// What SQLite plans to do.
    fn plan(&self, sql: &str) -> String {
        let super::super::connection::Guarded { connection, guard, mut walls } = super::super::connection::open(
            &SqliteConfig { walled: true, ..SqliteConfig::new(&self.path) },
            self.store.schema(),
            &Arc::default(),
        )
        .unwrap();
        walls.stand(&connection, &guard, &self.wall).unwrap();
        guard.own(|| {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let values = vec![1; statement.parameter_count()];
            let lines = statement.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
            lines.collect::<Result<Vec<_>, _>>().unwrap().join("\n")
        })
    }
}

/// `emp`: the tenant's rows, tenant and salary hidden, the address masked; `open`: everything. Where `plain`, both can
/// also be read under their plain names, as an agent writes them.
fn wall(schema: &str, plain: bool) -> (Arc<SqliteWall>, String, String) {
    let (emp, open) = (random_name().unwrap(), random_name().unwrap());
    let mut views = BTreeMap::from([
        (
            emp.clone(),
            view(
                format!(
                    "SELECT b.id AS id, b.name AS name, \
                     CAST(mountgate_partial(b.email, 1, 0, mountgate_wall_value(0)) AS TEXT) AS email, \
                     CAST(mountgate_wall_hash(0, b.name) AS TEXT) AS hashed \
                     FROM \"{schema}\".emp AS b WHERE b.tenant COLLATE BINARY = mountgate_wall_claim(0)"
                ),
                reads("emp", &["id", "name", "email", "tenant"]),
            ),
        ),
        (
            open.clone(),
            view(
                format!("SELECT b.id AS id, b.word AS word FROM \"{schema}\".open AS b"),
                reads("open", &["id", "word"]),
            ),
        ),
    ]);
    if plain {
        views.insert("emp".to_owned(), view(format!("SELECT * FROM temp.{emp}"), BTreeMap::new()));
        views.insert("open".to_owned(), view(format!("SELECT * FROM temp.{open}"), BTreeMap::new()));
    }
    (Arc::new(SqliteWall::new(views, vec![Value::Text("*".into())], &[[7; 32]])), emp, open)
}

#[tokio::test]
async fn the_ceilings_output_is_all_that_is_there() {
    let world = World::new().await;
    let World { emp, open, .. } = &world;
    for emp in ["emp", emp] {
        let rows = world.ask(&format!("SELECT id, name, email FROM {emp} ORDER BY id")).await.unwrap();
        let text = |text: &str| Value::Text(text.into());
        // Claims compare bytewise, though the column's collation is not.
        assert_eq!(
            rows,
            [
                [Value::Integer(1), text("Ada"), text("a**************")],
                [Value::Integer(4), text("Dan"), text("d**************")]
            ]
        );
        assert_eq!(world.told(&format!("SELECT count(*) FROM {emp}")).await, "[[Integer(2)]]");
        assert_eq!(world.ask_as(&world.wall, "b", &format!("SELECT name FROM {emp}")).await.unwrap(), [[text("Bob")]]);
    }
    for open in ["open", open] {
        // Read without any column, merged into the statement or not, in a CTE or not.
        for sql in [
            format!("SELECT count(*) FROM {open}"),
            format!("SELECT count(*) FROM (SELECT 1 AS f0 FROM temp.{open} AS s1) AS t1"),
            format!("SELECT count(*) FROM (SELECT 1 AS f0 FROM temp.{open} AS s1 LIMIT -1) AS t1"),
            format!("WITH c1 AS (SELECT 1 AS f1 FROM (SELECT 1 AS f0 FROM {open}) AS t1) SELECT count(*) FROM c1"),
            format!("WITH c1 AS MATERIALIZED (SELECT id FROM {open}) SELECT count(*) FROM c1"),
            format!("SELECT sum(1) FROM (SELECT DISTINCT id FROM {open})"),
            "SELECT count(*) FROM json_each('[1,2]')".to_owned(),
            "SELECT count(*) FROM \"temp\".json_each('[1,2]')".to_owned(),
            format!("SELECT (SELECT count(*) FROM {open} WHERE id = t.id + 0) * 2 FROM {open} AS t LIMIT 1"),
            format!("SELECT count(*) FROM {open} AS a LEFT JOIN {open} AS b ON b.id = a.id"),
            format!("SELECT count(*) OVER () FROM {open} LIMIT 1"),
            format!("SELECT count(*) FROM (SELECT id FROM {open} UNION SELECT id FROM {open})"),
        ] {
            assert_eq!(world.told(&sql).await, "[[Integer(2)]]", "{sql}");
        }
    }
    // The hash is the mask's, under the key that no text holds.
    let hash = crate::mask::KeyedHash::new(&[7; 32]).unwrap().digest(b"Ada");
    assert_eq!(world.told("SELECT hashed FROM emp WHERE id = 1").await, format!("[[Text({hash:?})]]"));
}

#[tokio::test]
async fn base_tables_are_read_by_nothing_but_the_walls_views() {
    let world = World::new().await;
    for sql in [
        "SELECT * FROM main.emp",
        "SELECT count(*) FROM main.emp",
        "SELECT * FROM secrets",
        "SELECT word FROM secrets",
        "SELECT 1 FROM secrets",
        "SELECT count(*) FROM secrets",
        "SELECT count(*) FROM SECRETS",
        "SELECT count(*) FROM emp, secrets",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM secrets)",
        "SELECT 1 WHERE 1 IN secrets",
        "SELECT 1 WHERE 1 IN (SELECT id FROM secrets)",
        "SELECT (SELECT max(word) FROM secrets)",
        "SELECT id FROM emp ORDER BY (SELECT word FROM secrets)",
        "SELECT id FROM emp LIMIT (SELECT count(*) FROM secrets)",
        "VALUES ((SELECT count(*) FROM secrets))",
        "SELECT 1 UNION ALL SELECT count(*) FROM secrets",
        "WITH c AS (SELECT * FROM secrets) SELECT 1 FROM c",
        "WITH c AS (SELECT count(*) AS n FROM secrets) SELECT n FROM c",
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c, secrets LIMIT 3) SELECT n FROM c",
        "SELECT * FROM emp_view",
        "SELECT count(*) FROM emp_view",
        "SELECT id FROM json_each('[1]') JOIN secrets",
        "SELECT count(*) FROM secrets NOT INDEXED",
        // Of these columns SQLite does not ask.
        "SELECT 1 FROM open NATURAL JOIN secrets",
        "SELECT 1 FROM open JOIN secrets USING (id)",
        "SELECT count(*) FROM (SELECT 'canary' AS word) AS x JOIN secrets USING (word)",
        "SELECT count(*) FROM (SELECT 'emp' AS tbl) AS x NATURAL JOIN sqlite_stat1",
        "SELECT count(*) FROM (SELECT 'secrets' AS name) AS x JOIN sqlite_schema USING (name)",
        "SELECT 1 FROM open /* ' */ NATURAL JOIN secrets -- '",
    ] {
        world.refused(sql).await;
    }
}

#[tokio::test]
async fn hidden_columns_and_rowids_are_not_there() {
    let world = World::new().await;
    for sql in [
        "SELECT salary FROM emp",
        "SELECT tenant FROM emp",
        "SELECT rowid FROM emp",
        "SELECT oid FROM emp",
        "SELECT _rowid_ FROM emp",
        "SELECT emp.salary FROM emp",
        "SELECT id FROM emp WHERE salary > 5",
        "SELECT id FROM emp ORDER BY salary",
        "SELECT id FROM emp NATURAL JOIN secrets",
        "SELECT id FROM emp JOIN open USING (salary)",
    ] {
        world.refused(sql).await;
    }
    assert_eq!(world.ask("SELECT * FROM emp").await.unwrap()[0].len(), 4);
    // A predicate sees the mask.
    assert_eq!(world.told("SELECT count(*) FROM emp WHERE email LIKE 'ada%'").await, "[[Integer(0)]]");
}

#[tokio::test]
async fn catalogues_pragmas_and_virtual_tables_are_not_there() {
    let world = World::new().await;
    for sql in [
        "SELECT * FROM sqlite_master",
        "SELECT * FROM sqlite_schema",
        "SELECT count(*) FROM sqlite_schema",
        "SELECT sql FROM main.sqlite_schema",
        "SELECT name, sql FROM sqlite_temp_master",
        "SELECT name FROM sqlite_temp_schema",
        "SELECT count(*) FROM temp.sqlite_temp_schema",
        "SELECT name FROM temp.sqlite_master",
        "SELECT * FROM sqlite_stat1",
        "SELECT count(*) FROM sqlite_stat1",
        "SELECT * FROM sqlite_stat4",
        "SELECT * FROM pragma_table_info('emp')",
        "SELECT count(*) FROM pragma_table_info('emp')",
        "SELECT * FROM pragma_database_list",
        "SELECT count(*) FROM pragma_database_list",
        "SELECT name FROM pragma_table_list",
        "SELECT 1 WHERE 'salary' IN pragma_table_info('emp')",
        "SELECT * FROM pragma_function_list",
        "SELECT * FROM dbstat",
        "SELECT count(*) FROM dbstat",
        "SELECT * FROM bytecode('SELECT 1')",
        "PRAGMA database_list",
        "PRAGMA table_list",
        "PRAGMA query_only = 0",
        "EXPLAIN SELECT * FROM emp",
        "EXPLAIN QUERY PLAN SELECT * FROM emp",
    ] {
        world.refused(sql).await;
    }
}

#[tokio::test]
async fn a_cte_named_like_an_accessor_reads_no_more() {
    let world = World::new().await;
    for name in ["emp", "open", "secrets", "emp_view", "sqlite_master", "temp", "main"] {
        for sql in [
            format!("WITH {name} AS (SELECT id, salary FROM main.emp) SELECT * FROM {name}"),
            format!("WITH {name} AS (SELECT word FROM secrets) SELECT word FROM {name}"),
            format!("WITH {name} AS (SELECT count(*) AS n FROM secrets) SELECT n FROM {name}"),
            format!("WITH {name} AS (SELECT mountgate_wall_claim(0) AS n) SELECT n FROM {name}"),
            format!("WITH {name} AS (SELECT * FROM {name}) SELECT salary FROM {name}"),
        ] {
            world.refused(&sql).await;
        }
    }
}

#[tokio::test]
async fn the_walls_functions_are_called_by_its_views_alone() {
    let world = World::new().await;
    for sql in [
        "SELECT mountgate_wall_claim(0)",
        "SELECT MOUNTGATE_WALL_CLAIM(0)",
        "SELECT mountgate_wall_value(0)",
        "SELECT mountgate_wall_hash(0, 'Bob')",
        "SELECT id FROM emp WHERE hashed = mountgate_wall_hash(0, 'Ada')",
        "SELECT id FROM emp ORDER BY mountgate_wall_claim(0)",
        "WITH c AS (SELECT mountgate_wall_hash(0, 'Bob') AS h) SELECT h FROM c",
        "SELECT load_extension('x')",
        "SELECT readfile('/etc/passwd')",
        "SELECT fts3_tokenizer('simple')",
        "SELECT sqlite_compileoption_get(1)",
        "SELECT sqlite_version()",
        "SELECT changes()",
        "SELECT last_insert_rowid()",
        "SELECT zeroblob(10)",
        "SELECT id FROM emp WHERE name MATCH 'a'",
        "SELECT id FROM emp WHERE name REGEXP 'a'",
    ] {
        world.refused(sql).await;
    }
    // A mask hashes under the key that it is given: in an agent's hands it tells nothing.
    let given = crate::mask::KeyedHash::new(b"mine").unwrap().digest(b"Ada");
    assert_eq!(world.told("SELECT mountgate_hash(X'6d696e65', 'Ada')").await, format!("[[Text({given:?})]]"));
}

#[tokio::test]
async fn nothing_is_written_attached_or_shadowed() {
    let world = World::new().await;
    for sql in [
        "INSERT INTO emp VALUES (9, 'x', 'x', 'x')",
        "INSERT INTO secrets VALUES (9, 'x') RETURNING id",
        "UPDATE open SET word = 'x' RETURNING id",
        "DELETE FROM open RETURNING id",
        "CREATE TEMP TABLE open (id)",
        "CREATE TEMP VIEW v AS SELECT 1",
        "CREATE TEMP TRIGGER t INSTEAD OF INSERT ON emp BEGIN SELECT 1; END",
        "DROP VIEW emp",
        "DROP VIEW temp.emp",
        "ALTER TABLE open RENAME TO x",
        "ATTACH DATABASE ':memory:' AS x",
        "DETACH DATABASE main",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT a",
        "VACUUM",
        "ANALYZE",
        "REINDEX",
        "SELECT 1; SELECT 2",
        "*/ SELECT 1",
        "/* SELECT 1",
    ] {
        world.refused(sql).await;
    }
    assert_eq!(world.told("SELECT count(*) FROM open").await, "[[Integer(2)]]");
}

#[tokio::test]
async fn another_mounts_views_are_not_there_even_by_name() {
    let world = World::new().await;
    let (other, emp, open) = world.other();
    // Both are on the one connection.
    assert_eq!(world.ask_as(&other, "b", &format!("SELECT name FROM {emp}")).await.unwrap().len(), 1);
    for sql in [
        format!("SELECT name FROM {emp}"),
        format!("SELECT name FROM temp.{emp}"),
        format!("SELECT count(*) FROM {emp}"),
        format!("SELECT count(*) FROM {open}"),
        format!("SELECT count(*) FROM (SELECT 1 FROM {open} LIMIT -1)"),
        format!("SELECT 1 WHERE EXISTS (SELECT 1 FROM {open})"),
        format!("WITH {emp} AS (SELECT * FROM secrets) SELECT * FROM {emp}"),
    ] {
        world.refused(&sql).await;
    }
    // What one mount's call had prepared is not run for another's, and the first one's claims are gone.
    let sql = format!("SELECT name FROM {emp}");
    assert_eq!(world.ask_as(&other, "a", &sql).await.unwrap().len(), 2);
    world.refused(&sql).await;
    assert_eq!(world.ask_as(&other, "nobody", &sql).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_call_without_a_wall_is_refused_where_one_stands() {
    let world = World::new().await;
    let call = |behind| Call { sql: "SELECT 1".into(), values: vec![], timeout: Duration::from_secs(5), behind };
    assert_eq!(world.store.stream(call(None)).await.unwrap_err().class, Class::Refused);
    let open = SqliteStore::open(SqliteConfig { threads: 1, ..SqliteConfig::new(&world.path) }).await.unwrap();
    let behind = Behind::Sqlite(BehindSqlite { wall: Arc::clone(&world.wall), claims: vec![], lends: false });
    assert_eq!(open.stream(call(Some(behind))).await.unwrap_err().class, Class::Refused);
}

#[tokio::test]
async fn a_view_that_reads_what_it_does_not_say_can_not_stand() {
    let world = World::new().await;
    let schema = world.store.schema().unwrap().to_owned();
    let tried = |select: &str| {
        let view = view(select.replace("{}", &schema), reads("emp", &["id"]));
        let wall = SqliteWall::new([(random_name().unwrap(), view)].into(), vec![], &[]);
        world.store.try_wall(Arc::new(wall))
    };
    tried("SELECT b.id FROM \"{}\".emp AS b").await.unwrap();
    for select in [
        "SELECT b.salary FROM \"{}\".emp AS b",
        "SELECT b.id FROM \"{}\".emp AS b WHERE b.salary > 1",
        "SELECT b.id FROM \"{}\".secrets AS b",
        "SELECT count(*) FROM \"{}\".secrets AS b",
        "SELECT b.id FROM \"{}\".emp_view AS b",
        "SELECT count(*) FROM secrets",
        "SELECT b.id FROM \"{}\".nosuch AS b",
        "SELECT * FROM emp",
    ] {
        assert_eq!(tried(select).await.unwrap_err().class, Class::Refused, "{select}");
    }
}

#[tokio::test]
async fn a_changed_file_is_read_under_the_same_rules() {
    let world = World::new().await;
    let change = |sql: &str| rusqlite::Connection::open(&world.path).unwrap().execute_batch(sql).unwrap();
    let cte = "WITH later AS (SELECT 1 AS x) SELECT count(*) FROM later";
    assert_eq!(world.told("SELECT count(*) FROM emp").await, "[[Integer(2)]]");
    assert_eq!(world.told(cte).await, "[[Integer(1)]]");
    change("ALTER TABLE emp ADD COLUMN note TEXT; CREATE TABLE later (x); INSERT INTO later VALUES (1), (2), (3)");
    assert_eq!(world.told("SELECT count(*) FROM emp").await, "[[Integer(2)]]");
    // It was the statement's own when it was prepared, and still is.
    assert_eq!(world.told(cte).await, "[[Integer(1)]]");
    world.refused("SELECT note FROM emp").await;
    world.refused("SELECT count(*) FROM later").await;
    change("ALTER TABLE emp RENAME COLUMN tenant TO owner");
    world.refused("SELECT count(*) FROM emp").await;
}

#[tokio::test]
async fn a_walled_look_up_uses_the_index_and_a_fence_stands() {
    let world = World::new().await;
    let (emp, open) = (&world.emp, &world.open);
    let scoped = format!("(SELECT s1.id AS id, s1.name AS name FROM temp.{emp} AS s1)");
    let fenced = format!("(SELECT s1.id AS id, s1.name AS name FROM temp.{emp} AS s1 LIMIT -1)");
    for (sql, wanted) in [
        (format!("SELECT name FROM {emp} WHERE id = ?1"), "SEARCH b USING INTEGER PRIMARY KEY (rowid=?)"),
        (
            format!("SELECT t1.name FROM {scoped} AS t1 WHERE t1.id = ?1"),
            "SEARCH b USING INTEGER PRIMARY KEY (rowid=?)",
        ),
        (format!("SELECT t1.id FROM {scoped} AS t1 WHERE t1.name = ?1"), "SEARCH b USING INDEX emp_name (name=?)"),
        (format!("SELECT count(*) FROM (SELECT 1 AS f0 FROM temp.{open} AS s1) AS t1"), "SCAN open"),
    ] {
        assert_eq!(world.plan(&sql), wanted, "{sql}");
    }
    let plan = world.plan(&format!("SELECT t1.name FROM {fenced} AS t1 WHERE abs(t1.id) = 1"));
    assert!(plan.starts_with("CO-ROUTINE t1\nSCAN b") || plan.starts_with("MATERIALIZE t1\nSCAN b"), "{plan}");
}

#[tokio::test]
async fn views_of_walls_that_are_gone_are_dropped_and_their_number_is_bounded() {
    let world = World::new().await;
    let super::super::connection::Guarded { connection, guard, mut walls } = super::super::connection::open(
        &SqliteConfig { walled: true, ..SqliteConfig::new(&world.path) },
        world.store.schema(),
        &Arc::default(),
    )
    .unwrap();
    let there = || {
        guard.own(|| {
            connection
                .query_row("SELECT count(*) FROM temp.sqlite_temp_schema", [], |row| row.get::<_, i64>(0))
                .unwrap()
        })
    };
    let new = || {
        let (name, schema) = (random_name().unwrap(), world.store.schema().unwrap());
        let views = (0..50).map(|n| {
            let select = format!("SELECT b.id AS id FROM \"{schema}\".open AS b");
            (format!("{name}{n}"), view(select, reads("open", &["id"])))
        });
        Arc::new(SqliteWall::new(views.collect(), vec![], &[]))
    };
    let kept: Vec<_> = (0..30).map(|_| new()).collect();
    for wall in &kept {
        walls.stand(&connection, &guard, wall).unwrap();
    }
    assert_eq!(there(), 1000);
    // The first was dropped; it is made again where it is asked for, and the one unused for longest goes.
    walls.stand(&connection, &guard, &kept[0]).unwrap();
    assert_eq!((there(), walls.made.len()), (1000, 20));
    drop(kept);
    walls.stand(&connection, &guard, &new()).unwrap();
    assert_eq!(there(), 50);
    // Nothing else can be written after; and meanwhile, not the file.
    assert!(guard.own(|| connection.execute_batch("CREATE TEMP TABLE t (x)")).is_err());
    let schema = world.store.schema().unwrap();
    let write = format!("PRAGMA query_only = 0; DELETE FROM \"{schema}\".open");
    let failed = guard.own(|| connection.execute_batch(&write)).unwrap_err();
    assert_eq!(failed.sqlite_error_code(), Some(rusqlite::ErrorCode::ReadOnly));
    assert!(guard.own(|| connection.execute_batch("ATTACH ':memory:' AS more")).is_err());
}

#[tokio::test]
async fn a_view_that_shows_lent_columns_is_read_by_calls_that_lend() {
    let world = World::new().await;
    let (name, schema) = (random_name().unwrap(), world.store.schema().unwrap());
    let select = format!("SELECT b.id AS id, b.tenant AS tenant FROM \"{schema}\".emp AS b");
    let view = WalledView { shown: Shown::Lenders, ..view(select, reads("emp", &["id", "tenant"])) };
    let wall = Arc::new(SqliteWall::new([(name.clone(), view)].into(), vec![], &[]));
    let call = |lends| BehindSqlite { wall: Arc::clone(&wall), claims: vec![], lends };
    for sql in [format!("SELECT count(id) FROM temp.{name} WHERE tenant = 'a'"), format!("SELECT count(*) FROM {name}")]
    {
        assert_eq!(world.ask_behind(call(true), &sql).await.unwrap().len(), 1, "{sql}");
        // Though it is prepared already.
        assert_eq!(world.ask_behind(call(false), &sql).await.unwrap_err().class, Class::Refused, "{sql}");
    }
}

#[tokio::test]
async fn a_view_within_views_is_read_by_views_alone() {
    let world = World::new().await;
    let (outer, inner, cte) = (random_name().unwrap(), random_name().unwrap(), random_name().unwrap());
    let schema = world.store.schema().unwrap();
    let all = format!("WITH {cte} AS (SELECT id, salary FROM \"{schema}\".emp) SELECT id, salary FROM {cte}");
    let within =
        WalledView { columns: vec!["n".into(), "s".into()], shown: Shown::Views, ..view(all, reads("emp", &[])) };
    let named = WalledView { select: None, ..view(String::new(), reads("emp", &["id", "salary"])) };
    let shown = view(format!("SELECT b.n AS n FROM temp.{inner} AS b WHERE b.s > 15"), BTreeMap::new());
    let views = [(outer.clone(), shown), (inner.clone(), within), (cte.clone(), named)];
    let wall = Arc::new(SqliteWall::new(views.into(), vec![], &[]));
    world.store.try_wall(Arc::clone(&wall)).await.unwrap();
    let call = || BehindSqlite { wall: Arc::clone(&wall), claims: vec![], lends: true };
    for sql in [format!("SELECT n FROM {outer}"), format!("SELECT 1 FROM {outer} AS s1")] {
        assert_eq!(world.ask_behind(call(), &sql).await.unwrap().len(), 3, "{sql}");
    }
    for sql in [
        format!("SELECT s FROM {inner}"),
        format!("SELECT s FROM {outer}"),
        format!("SELECT x.s FROM {outer} JOIN {inner} AS x ON x.n = {outer}.n"),
    ] {
        assert_eq!(world.ask_behind(call(), &sql).await.unwrap_err().class, Class::Refused, "{sql}");
    }
}

#[tokio::test]
async fn functions_that_configuration_adds_pass_and_no_more() {
    let world = World::new().await;
    let functions = ["zeroblob", "load_extension", "mountgate_wall_claim"].map(str::to_owned).to_vec();
    let config = SqliteConfig { threads: 1, walled: true, functions, ..SqliteConfig::new(&world.path) };
    let store = SqliteStore::open(config).await.unwrap();
    let (wall, _, _) = wall(store.schema().unwrap(), false);
    let world = World { store, wall, ..world };
    assert_eq!(world.told("SELECT length(zeroblob(3))").await, "[[Integer(3)]]");
    for sql in ["SELECT randomblob(3)", "SELECT load_extension('x')", "SELECT mountgate_wall_claim(0)"] {
        world.refused(sql).await;
    }
}
