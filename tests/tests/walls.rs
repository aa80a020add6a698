//! SQLite's own wall (invariant 4): with the rewriter out of the way, with both up, and what each does alone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, path::Path, time::Duration};

use mountgate_backend::wall::sqlite::SqliteWall;
use mountgate_core::{
    Ceiling, ClaimName, ClaimValue, LimitKey, Limits, Mask, RelationName, Value, ceiling::RelationDeclaration,
};
use mountgate_driver::{Behind, Call, SqliteConfig, SqliteStore, StoreError};
use mountgate_tests::gateway::{Fixture, SHOP};

/// A statement as an agent would write it, that no rewriter has seen.
async fn raw(store: &SqliteStore, behind: Option<Behind>, sql: &str) -> Result<Vec<Vec<Value>>, StoreError> {
    let call = Call { sql: sql.into(), values: vec![], timeout: Duration::from_secs(20), behind };
    let mut rows = store.stream(call).await?;
    let mut out = Vec::new();
    while let Some(batch) = rows.next().await? {
        out.extend(batch.rows().map(<[Value]>::to_vec));
    }
    Ok(out)
}

/// The shop's file with its wall: Ada's and Cyd's rows, three columns, one of them masked.
async fn walled(path: &Path) -> (SqliteStore, SqliteWall, String) {
    let store = SqliteStore::open(SqliteConfig { walled: true, threads: 1, ..SqliteConfig::new(path) }).await.unwrap();
    let customers = RelationName::from("customers");
    let catalogue = store.catalogue(std::slice::from_ref(&customers)).await.unwrap();
    let declared = RelationDeclaration {
        columns: ["customer_id", "name", "email"].map(Into::into).to_vec(),
        masks: [("email".into(), Mask::Partial { first: 1, last: 0, fill: "*".into() })].into(),
        filter: Some(mountgate_sql::filter::parse("region = claim.region").unwrap()),
        ..RelationDeclaration::default()
    };
    let declared = BTreeMap::from([(customers.clone(), declared)]);
    let ceiling =
        Ceiling::build(&declared, &catalogue, vec![], Limits::default(), LimitKey::Agent, None, None).unwrap();
    let mut draw = || SqliteStore::fresh_name().map_err(|error| error.detail);
    let views = store.views().await.unwrap();
    let wall = SqliteWall::new(store.schema().unwrap(), &views, &ceiling, &mut draw, &|_, _| [0; 32]).unwrap();
    let view = wall.before(ceiling).relation(&customers).unwrap().wall.clone().unwrap().name;
    (store, wall, view)
}

/// What leaks where no wall stands.
const ATTACKS: &[&str] = &[
    "SELECT word FROM secrets",
    "SELECT count(*) FROM secrets",
    "SELECT salary_canary FROM customers",
    "SELECT email FROM customers WHERE customer_id = 1",
    "SELECT name FROM customers",
    "SELECT count(*) FROM customers",
    "SELECT count(*) FROM main.customers",
    "SELECT rowid FROM customers",
    "SELECT 1 WHERE 'canary-secret' IN (SELECT word FROM secrets)",
    "SELECT 2 WHERE (1, 'canary-secret') IN secrets",
    "WITH customers AS (SELECT * FROM main.customers) SELECT salary_canary FROM customers",
    "WITH c AS (SELECT note_canary FROM orders) SELECT note_canary FROM c",
    "SELECT note_canary FROM (SELECT * FROM orders) AS customers",
    "SELECT (SELECT max(word) FROM secrets)",
    "SELECT mountgate_hash(X'00', word) FROM secrets",
];

/// Held by whoever needs the defences as they are; they are the whole process's.
static DEFENCES: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Each line of THREATS.md, "The second wall, with the first one down", that is about SQLite, and the side doors: what is
/// there to be had without a wall, and is not behind one.
#[tokio::test]
async fn with_the_rewriter_down_nothing_above_the_ceiling_comes_back() {
    let _up = DEFENCES.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(SHOP).unwrap();
    let (store, wall, view) = walled(&path).await;
    let open = SqliteStore::open(SqliteConfig { threads: 1, ..SqliteConfig::new(&path) }).await.unwrap();
    let claims = |region: &str| [(ClaimName::from("region"), ClaimValue::Text(region.into()))];
    let behind = |region: &str| Some(Behind::Sqlite(wall.call(&claims(region), false)));
    for sql in ATTACKS {
        let leaked = raw(&open, None, sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        assert!(!leaked.is_empty(), "{sql} finds nothing even without a wall");
        let held = raw(&store, behind("north"), sql).await;
        assert!(held.is_err(), "{sql} gave {held:?}");
    }
    // What is above the ceiling is not there under the view's own name either, were it known.
    let count = format!("SELECT count(*) FROM {view}");
    assert_eq!(raw(&store, behind("north"), &count).await.unwrap(), [[Value::Integer(2)]]);
    assert_eq!(raw(&store, behind("NORTH"), &count).await.unwrap(), [[Value::Integer(0)]]);
    assert_eq!(raw(&store, Some(Behind::Sqlite(wall.call(&[], false))), &count).await.unwrap(), [[Value::Integer(0)]]);
    let rows = raw(&store, behind("south"), &format!("SELECT * FROM {view}")).await.unwrap();
    let text = |text: &str| Value::Text(text.into());
    assert_eq!(rows, [[Value::Integer(2), text("Bob"), text("b**************")]]);
    for sql in [format!("SELECT salary_canary FROM {view}"), format!("SELECT rowid FROM {view}")] {
        assert!(raw(&store, behind("south"), &sql).await.is_err(), "{sql}");
    }
}

const ODD: &str = "
CREATE TABLE odd (id INTEGER PRIMARY KEY, kind TEXT COLLATE NOCASE, tag TEXT, born DATE, at TIMESTAMP, n INTEGER, x REAL,
    d DECIMAL(10,2), flag BOOLEAN, blob BLOB, misc, hidden TEXT);
INSERT INTO odd VALUES
  (1, 'a', 'one', '2020-05-17', '2020-05-17T10:11:12Z', 1234, 12.345, 10.25, 1, x'0102', 7, 'h1'),
  (2, 'A', 'two', '2021-12-31', '2021-12-31 23:59:59.5', -1250, -0.5, 99.99, 0, NULL, 'seven', 'h2'),
  (3, 'a', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, 'b', 'Ünïcode', 'no date', 'nor time', 'text', 'text', 'text', 'text', 'text', x'ff', 'h4'),
  (5, 'a', '', '0001-01-01', '', 9223372036854775807, 1e300, -0.005, 2, x'', -1, 'h5'),
  (6, 'a', 'it''s', '2020-02-30', '2020-01-01', -9223372036854775808, -1e-9, 1e20, 1, zeroblob(3), 2.5, 'h6'),
  (7, 'c', 'x', '1999-01-01', '1999-01-01', 5, 5.0, 5, 1, NULL, 1, 'h7');
CREATE VIEW seen AS SELECT id, tag, hidden AS secret FROM odd WHERE n IS NOT NULL;
CREATE VIEW seen_again AS WITH some AS (SELECT * FROM seen) SELECT some.id, o.kind, some.secret FROM some JOIN odd o USING (id);
";

fn mount(masks: &str, filter: &str) -> String {
    format!(
        "name = \"test\"\nbackend = \"shop\"\nagents = [\"desk\"]\npolicy = \"ceiling\"\n\n\
         [tables.odd]\ncolumns = [\"id\", \"kind\", \"tag\", \"born\", \"at\", \"n\", \"x\", \"d\", \"flag\", \"blob\", \"misc\"]\n\
         {masks}\n{filter}\n\n[tables.seen]\ncolumns = [\"id\", \"tag\"]\nfilter = \"secret <> 'h2'\"\n\n\
         [tables.seen_again]\ncolumns = [\"id\", \"secret\"]\nmasks = {{ secret = {{ partial = {{ first = 1, last = 0 }} }} }}\n"
    )
}

/// Two walls made by two pieces of code from one mount: an agent can't tell whether the second stands.
#[tokio::test]
async fn with_both_walls_up_the_answers_are_those_of_the_rewrite_alone() -> anyhow::Result<()> {
    let claims = [
        ("kind", ClaimValue::Text("a".into())),
        ("kinds", ClaimValue::Texts(vec!["a".into(), "b".into(), "\"]'".into()])),
        ("ids", ClaimValue::Integers(vec![1, 3, 4, 5])),
        ("id", ClaimValue::Integer(1)),
        ("yes", ClaimValue::Boolean(true)),
    ];
    // One key for both, so that hashes are the same.
    let folder = tempfile::tempdir()?;
    let key = folder.path().join("key");
    std::fs::write(&key, "07".repeat(32))?;
    let main = format!("[keys]\nmaster = {{ file = {:?} }}\n", key.display().to_string());
    for masks in [
        "",
        "masks = { kind = \"hash\", tag = { partial = { first = 1, last = 1 } }, born = { truncate = \"quarter\" }, at = { truncate = \"hour\" }, n = { bucket = 100 }, x = { round = 1 }, d = { round = -1 }, flag = \"null\", misc = \"hash\" }",
        "masks = { kind = { fixed = \"it's\" }, tag = \"null\", born = \"hash\", at = { truncate = \"year\" }, n = { round = -2 }, x = { bucket = 3 }, d = { bucket = 7 }, blob = \"hash\", flag = { fixed = true } }",
        "masks = { id = \"hash\", n = { round = 0 }, x = { round = -1 }, d = { fixed = 1.5 } }",
    ] {
        for filter in [
            "",
            "filter = \"kind = claim.kind\"",
            "filter = \"kind IN (claim.kinds) AND NOT (id = 5)\"",
            "filter = \"id IN (claim.ids) OR hidden = 'h2'\"",
            "filter = \"flag = claim.yes AND n > 0\"",
            "filter = \"born >= '2020-01-01' AND hidden IS NOT NULL\"",
            "filter = \"misc = claim.id OR misc = claim.kind OR x IN (5.0, 12.345)\"",
            "filter = \"tag IN ('one', 'it''s', '') AND kind <> 'A'\"",
        ] {
            let mount = mount(masks, filter);
            let both = Fixture::with(ODD, &mount, &main).await?;
            let alone = Fixture::unwalled(ODD, &mount, &main).await?;
            let token = |fixture: &Fixture| {
                fixture.agent("desk")?;
                fixture.session("desk", &claims)
            };
            let (token_both, token_alone) = (token(&both)?, token(&alone)?);
            for sql in [
                "SELECT * FROM odd ORDER BY 1, 6",
                "SELECT count(*), count(tag), count(DISTINCT kind), min(x), max(n), sum(d) FROM odd",
                "SELECT kind, count(*) FROM odd GROUP BY kind ORDER BY 2, length(kind)",
                "SELECT n, typeof(n), typeof(x), typeof(d), typeof(flag), typeof(misc), x, d, flag FROM odd ORDER BY 1, 7, 8, 9",
                "SELECT a.n FROM odd a JOIN odd b ON a.id = b.id AND a.kind = b.kind WHERE a.n > -2000 ORDER BY 1",
                "SELECT count(*) FROM odd WHERE kind = 'A'",
                "SELECT count(*) FROM odd WHERE born LIKE '2020%' OR at > '2020'",
                "SELECT count(*) FROM odd WHERE x = 12.3 OR n = '1200'",
                "SELECT count(*) FROM (SELECT 1 FROM odd, odd)",
                "WITH w AS (SELECT id FROM odd) SELECT count(*) FROM w, w AS v",
                "SELECT id, tag FROM seen ORDER BY id",
                "SELECT count(*) FROM seen",
                "SELECT count(*) FROM seen_again WHERE secret = 'h*'",
                "SELECT id, secret FROM seen_again ORDER BY id",
                "SELECT s.id FROM seen s LEFT JOIN seen_again t ON t.id = s.id ORDER BY 1",
                "SELECT secret FROM seen",
                "SELECT hidden FROM odd",
            ] {
                let (one, other) = (both.ask(&token_both, sql, &[]).await, alone.ask(&token_alone, sql, &[]).await);
                assert_eq!(format!("{one:?}"), format!("{other:?}"), "{sql}\n{masks}\n{filter}");
            }
        }
    }
    Ok(())
}

/// The wall's list of functions is its own; nothing that the rewriter lets through may fall at it.
#[tokio::test]
async fn every_function_that_the_rewriter_knows_passes_the_wall() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(SHOP).unwrap();
    let (store, wall, _) = walled(&path).await;
    let mut asked = 0;
    for function in mountgate_sql::allow::every_function(mountgate_sql::Dialect::Sqlite) {
        let args = vec!["'1'"; usize::from(function.min_args)].join(", ");
        let sql = match (function.kind, function.name) {
            (_, name @ ("current_date" | "current_time" | "current_timestamp")) => format!("SELECT {name}"),
            (mountgate_sql::allow::Kind::Table, name) => format!("SELECT 1 FROM {name}({args})"),
            (mountgate_sql::allow::Kind::Window, name) => format!("SELECT {name}({args}) OVER ()"),
            (_, name) => format!("SELECT {name}({args})"),
        };
        // Some take no text; that is another matter.
        if let Err(error) = raw(&store, Some(Behind::Sqlite(wall.call(&[], false))), &sql).await {
            assert!(!error.detail.contains("not authorized") && !error.detail.contains("outside"), "{sql}: {error:?}");
        }
        asked += 1;
    }
    assert!(asked > 90, "{asked}");
}

/// A claim that is missing is refused before the wall would show nothing.
/// The wall must tell a CTE from a table of that name; a hidden one would otherwise show by failing every CTE.
#[tokio::test]
async fn a_hidden_table_does_not_get_in_the_way_of_ctes() -> anyhow::Result<()> {
    let named = format!("{SHOP}CREATE TABLE c1 (x); CREATE TABLE f1 (x); CREATE TABLE t1 (x); CREATE TABLE s1 (x);");
    let mount = "name = \"test\"\nbackend = \"shop\"\nagents = [\"desk\"]\npolicy = \"ceiling\"\n\n[tables.customers]\ncolumns = [\"name\"]\n";
    let fixture = Fixture::with(&named, mount, "").await?;
    let token = fixture.agent("desk")?;
    for sql in [
        "WITH c1 AS (SELECT name FROM customers) SELECT count(*) FROM c1",
        "WITH RECURSIVE t1(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t1 WHERE x < 3) SELECT count(*) FROM t1",
    ] {
        let answer = fixture.ask(&token, sql, &[]).await.map_err(|refusal| anyhow::anyhow!("{sql}: {refusal:?}"))?;
        assert_eq!(answer.rows, [[Value::Integer(3)]], "{sql}");
    }
    Ok(())
}

#[tokio::test]
async fn a_claim_that_only_the_wall_needs_is_missed() -> anyhow::Result<()> {
    let mount = mount("", "filter = \"hidden = claim.who\"");
    let fixture = Fixture::with(ODD, &mount, "").await?;
    let token = fixture.agent("desk")?;
    let refusal = fixture.ask(&token, "SELECT count(*) FROM odd", &[]).await.unwrap_err();
    assert_eq!(refusal.code, mountgate_core::Code::ClaimMissing);
    let token = fixture.session("desk", &[("who", ClaimValue::Text("h2".into()))])?;
    assert_eq!(fixture.ask(&token, "SELECT id FROM odd", &[]).await.unwrap().rows, [[Value::Integer(2)]]);
    Ok(())
}

#[cfg(mountgate_weaken)]
mod weakened {
    use mountgate_core::weaken::{Defence, set};

    use super::*;

    #[tokio::test]
    async fn without_the_authorizer_what_it_withholds_comes_back() {
        let _down = DEFENCES.lock().await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        rusqlite::Connection::open(&path).unwrap().execute_batch(SHOP).unwrap();
        let (store, wall, _) = walled(&path).await;
        set(Defence::Authorizer, true);
        let mut leaked = Vec::new();
        for sql in ATTACKS {
            leaked.extend(raw(&store, Some(Behind::Sqlite(wall.call(&[], false))), sql).await.ok().map(|_| sql));
        }
        set(Defence::Authorizer, false);
        // What says `main` does not find the file, which bears another name: that holds by itself.
        let held: Vec<_> = ATTACKS.iter().filter(|sql| !leaked.contains(sql)).collect();
        assert!(held.iter().all(|sql| sql.contains("main.")) && !leaked.is_empty(), "{held:?}");
    }

    /// The agent's own text, under the names that it knows, with nothing between it and the store but the wall.
    #[tokio::test]
    async fn an_agents_own_text_finds_the_ceilings_output_and_no_more() {
        let _up = DEFENCES.lock().await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        rusqlite::Connection::open(&path).unwrap().execute_batch(SHOP).unwrap();
        let (store, wall, _) = walled(&path).await;
        let wall = wall.under_plain_names().unwrap();
        let claims = [(ClaimName::from("region"), ClaimValue::Text("north".into()))];
        let ask = |sql| raw(&store, Some(Behind::Sqlite(wall.call(&claims, false))), sql);
        let text = |text: &str| Value::Text(text.into());
        for sql in [
            "SELECT name FROM customers ORDER BY 1",
            "WITH c AS (SELECT * FROM customers) SELECT name FROM c ORDER BY 1",
        ] {
            assert_eq!(ask(sql).await.unwrap(), [[text("Ada")], [text("Cyd")]], "{sql}");
        }
        let masked = "SELECT email FROM customers WHERE customer_id = 1";
        assert_eq!(ask(masked).await.unwrap(), [[text("a**************")]]);
        assert_eq!(ask("SELECT count(*) FROM customers").await.unwrap(), [[Value::Integer(2)]]);
        let above = ATTACKS.iter().filter(|sql| !sql.starts_with("SELECT name") && !sql.starts_with("SELECT email"));
        for sql in above.filter(|sql| **sql != "SELECT count(*) FROM customers") {
            let held = ask(sql).await;
            assert!(held.is_err(), "{sql} gave {held:?}");
        }
    }

    /// A statement that writes, as it would come through a hole in the rewriter.
    #[tokio::test]
    async fn what_is_not_opened_for_reading_only_is_written_to() {
        let _down = DEFENCES.lock().await;
        for down in [false, true] {
            set(Defence::ReadOnly, down);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("shop.db");
            rusqlite::Connection::open(&path).unwrap().execute_batch(SHOP).unwrap();
            let store = SqliteStore::open(SqliteConfig { threads: 1, ..SqliteConfig::new(&path) }).await.unwrap();
            let sqlite = raw(&store, None, "DELETE FROM secrets RETURNING word").await;
            let left = raw(&store, None, "SELECT count(*) FROM secrets").await.unwrap();
            set(Defence::ReadOnly, false);
            assert_eq!(sqlite.is_ok(), down, "{sqlite:?}");
            assert_eq!(left == [[Value::Integer(0)]], down, "{left:?}");
        }
    }

    #[tokio::test]
    async fn what_is_not_begun_for_reading_only_is_written_to() {
        let _down = DEFENCES.lock().await;
        let url = std::env::var("MOUNTGATE_TEST_POSTGRES").unwrap();
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let table = format!("read_only_{}", std::process::id());
        client
            .batch_execute(&format!("CREATE TABLE public.{table} (id int); INSERT INTO public.{table} VALUES (1)"))
            .await
            .unwrap();
        let store = mountgate_driver::PostgresStore::open(mountgate_driver::PostgresConfig::new(&url).unwrap()).await;
        let store = store.unwrap();
        for down in [false, true] {
            set(Defence::ReadOnly, down);
            let call = Call {
                sql: format!("DELETE FROM public.{table} RETURNING id").into(),
                values: vec![],
                timeout: Duration::from_secs(20),
                behind: None,
            };
            let deleted = match store.stream(call).await {
                Ok(mut rows) => rows.next().await.map(|batch| batch.is_some()),
                Err(error) => Err(error),
            };
            set(Defence::ReadOnly, false);
            assert_eq!(matches!(deleted, Ok(true)), down, "{deleted:?}");
        }
        client.batch_execute(&format!("DROP TABLE public.{table}")).await.unwrap();
    }

    /// What a store says of a failure quotes values, also those of rows that a filter hides from the one who asks.
    #[tokio::test]
    async fn a_stores_words_would_tell_what_it_met() {
        let _down = DEFENCES.lock().await;
        let mount = "name = \"test\"\nbackend = \"shop\"\nagents = [\"desk\"]\npolicy = \"ceiling\"\n\n[tables.customers]\ncolumns = [\"name\"]\n";
        let fixture = Fixture::with(SHOP, mount, "").await.unwrap();
        let token = fixture.agent("desk").unwrap();
        let sql = "SELECT json_extract(name, '$') FROM customers";
        let scrubbed = fixture.ask(&token, sql, &[]).await.unwrap_err();
        set(Defence::ErrorTexts, true);
        let told = fixture.ask(&token, sql, &[]).await.unwrap_err();
        set(Defence::ErrorTexts, false);
        assert_eq!(scrubbed.code, told.code);
        assert!(told.message.contains("JSON") && !scrubbed.message.contains("JSON"), "{told:?} {scrubbed:?}");
    }
}
