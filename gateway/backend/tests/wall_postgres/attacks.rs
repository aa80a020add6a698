//! What an agent may try with any SQL it likes on a session of the mount's.

use mountgate_core::Value;
use mountgate_driver::Class;

use crate::world::{World, north, set_seal};

/// What every statement of the list gives, on the driver's session and on a raw one: an error without a canary, or rows
/// without one.
async fn nothing_hidden(world: &World, sql: &str) {
    match world.support.north(sql).await {
        Ok(rows) => assert!(!format!("{rows:?}").contains("canary"), "`{sql}` gave {rows:?}"),
        Err(error) => assert!(!error.detail.contains("canary"), "`{sql}` told {}", error.detail),
    }
    let client = world.support.log_in().await;
    let seal = world.support.seal_for(&client, &north()).await;
    set_seal(&client, &seal).await;
    let _ = client.batch_execute("SET default_transaction_read_only = off").await;
    match client.simple_query(sql).await {
        Ok(messages) => {
            for message in messages {
                let tokio_postgres::SimpleQueryMessage::Row(row) = message else { continue };
                for at in 0..row.len() {
                    assert!(!row.get(at).unwrap_or_default().contains("canary"), "`{sql}` gave {row:?}");
                }
            }
        }
        Err(error) => assert!(!format!("{error:?}").contains("canary"), "`{sql}` told {error:?}"),
    }
}

#[tokio::test]
async fn base_tables_and_other_mounts_schemas_are_out_of_reach() {
    let world = World::new("reach").await;
    let report = &world.report.wall.names().views;
    let (views, own) = (&world.support.wall.names().views, &world.support.wall.names().own);
    for sql in [
        "SELECT * FROM public.customers".to_owned(),
        "SELECT count(*) FROM public.orders".into(),
        "SELECT 1 FROM public.secrets".into(),
        "TABLE public.secrets".into(),
        "SELECT * FROM ONLY public.customers TABLESAMPLE SYSTEM (100)".into(),
        "SELECT (c).salary FROM public.customers AS c".into(),
        "SELECT * FROM secrets".into(),
        format!("SELECT * FROM {report}.customers"),
        format!("SELECT * FROM {own}.key"),
        format!("SELECT {own}.sealed()"),
        format!("SELECT salary_of FROM {views}.customers"),
        "SELECT region FROM customers".into(),
        "SELECT note FROM orders".into(),
    ] {
        assert_eq!(world.support.refused(&sql).await.0, Class::Refused, "{sql}");
    }
}

#[tokio::test]
async fn no_role_can_be_taken() {
    let world = World::new("roles").await;
    let (owner, other) = (&world.support.wall.names().owner, &world.report.wall.names().login);
    for role in ["postgres", owner, other, "pg_read_all_data"] {
        let refused = world.support.refused(&format!("SELECT set_config('role', '{role}', true)")).await;
        assert_eq!(refused.0, Class::Refused, "{role}");
        nothing_hidden(&world, &format!("SET ROLE {role}; SELECT * FROM public.secrets")).await;
        nothing_hidden(&world, &format!("SET SESSION AUTHORIZATION {role}; SELECT * FROM public.secrets")).await;
    }
    nothing_hidden(&world, "DO $$ BEGIN RESET ROLE; PERFORM * FROM public.secrets; END $$").await;
    nothing_hidden(&world, "DO $$ BEGIN EXECUTE 'RESET SESSION AUTHORIZATION'; RAISE EXCEPTION '%', (SELECT word FROM public.secrets); END $$").await;
    nothing_hidden(&world, "RESET ROLE; RESET SESSION AUTHORIZATION; SELECT * FROM public.secrets").await;
}

#[tokio::test]
async fn functions_that_run_text_have_no_more_rights() {
    let world = World::new("texts").await;
    for sql in [
        "SELECT query_to_xml('SELECT * FROM public.secrets', true, true, '')",
        "SELECT table_to_xml('public.secrets', true, true, '')",
        "SELECT schema_to_xml('public', true, true, '')",
        "SELECT database_to_xml(true, true, '')",
        "SELECT cursor_to_xml('x', 10, true, true, '')",
        "SELECT ts_stat('SELECT to_tsvector(word) FROM public.secrets')",
        "SELECT ts_rewrite('a'::tsquery, 'SELECT word::tsquery, word::tsquery FROM public.secrets')",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT pg_ls_dir('.')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT lo_get(1)",
        "COPY public.secrets TO STDOUT",
        "COPY (SELECT * FROM public.secrets) TO STDOUT",
        "COPY customers TO '/tmp/mountgate-canary'",
        "COPY customers TO PROGRAM 'cat'",
        "CREATE TEMP TABLE t AS SELECT * FROM public.secrets",
        "CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT word FROM public.secrets'; SELECT pg_temp.f()",
        "CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS 'SELECT word FROM public.secrets'",
        "CREATE VIEW pg_temp.v AS SELECT * FROM public.secrets; SELECT * FROM pg_temp.v",
        "PREPARE p AS SELECT * FROM public.secrets; EXECUTE p",
        "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM public.secrets; FETCH ALL FROM c",
        "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM public.secrets",
        "EXPLAIN (ANALYZE, VERBOSE, BUFFERS) SELECT * FROM customers, orders",
        "SELECT currtid2('public.secrets', '(0,1)'::tid)",
        "SELECT pg_get_expr('x', 0), pg_relation_filepath('public.secrets')",
        "SELECT pg_logical_emit_message(true, 'a', 'b')",
        "LOAD 'auto_explain'",
        "LISTEN x",
        "SELECT dblink('dbname=postgres', 'SELECT 1')",
    ] {
        nothing_hidden(&world, sql).await;
    }
}

#[tokio::test]
async fn a_function_that_tells_is_not_run_on_hidden_rows() {
    let world = World::new("leaky").await;
    // The hidden customer's name is '0', and hidden orders' status is a canary: on them, each of these would raise.
    for sql in [
        "SELECT customer_id FROM customers WHERE 1 / (CASE WHEN customer_id = 2 THEN 0 ELSE 1 END) = 1",
        "SELECT customer_id FROM customers WHERE (CASE WHEN customer_id = 2 THEN email ELSE '1' END)::int = 1",
        "SELECT order_id FROM orders WHERE (CASE status WHEN 'open' THEN '1' ELSE status END)::int = 1 LIMIT 1",
        "SELECT 1 FROM customers WHERE 1 / (customer_id - 2) IS NOT NULL",
        "SELECT 1 FROM orders WHERE 1 / (customer_id - 2) IS NOT NULL LIMIT 1",
        "SELECT 1 FROM orders GROUP BY status HAVING min((CASE status WHEN 'open' THEN '1' ELSE status END)::int) = 1",
        "SELECT 1 FROM orders ORDER BY 1 / (customer_id - 2) LIMIT 1",
        "SELECT 1 FROM orders AS o JOIN customers AS c ON 1 / (c.customer_id - 2) IS NOT NULL AND 1 / (o.customer_id - 2) IS NOT NULL LIMIT 1",
        "SELECT 1 FROM (SELECT * FROM orders OFFSET 0) AS o WHERE query_to_xml('SELECT ' || (CASE status WHEN 'open' THEN '1' ELSE status END), true, true, '') IS NOT NULL LIMIT 1",
    ] {
        let rows = world.support.north(sql).await.unwrap_or_else(|e| panic!("`{sql}` told {}", e.detail));
        assert!(!rows.is_empty(), "{sql}");
    }
    // With notices: what a predicate could print.
    let client = world.support.log_in().await;
    let seal = world.support.seal_for(&client, &north()).await;
    set_seal(&client, &seal).await;
    let made = client
        .batch_execute(
            "SET default_transaction_read_only = off;
             CREATE FUNCTION pg_temp.tell(x text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE EXCEPTION 'told %', x; END $$",
        )
        .await;
    if made.is_ok() {
        let told = client.query("SELECT * FROM orders WHERE customer_id <> 1 AND pg_temp.tell(status)", &[]).await;
        assert_eq!(told.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn masks_are_seen_and_never_what_is_under_them() {
    let world = World::new("masked").await;
    for (condition, count) in [
        ("salary = 51234", 0),
        ("salary = 51000", 1),
        ("email = 'ada@example.org'", 0),
        ("email LIKE '%@%'", 0),
        ("name = 'Ada'", 0),
        ("born = '1990-05-17'", 0),
        ("born = '1990-01-01'", 1),
    ] {
        let sql = format!("SELECT count(*) FROM customers WHERE {condition}");
        assert_eq!(world.support.north(&sql).await.unwrap(), [[Value::Integer(count)]], "{condition}");
    }
    for sql in [
        "SELECT row_to_json(c)::text FROM customers AS c",
        "SELECT c::text FROM customers AS c",
        "SELECT to_jsonb(o)::text FROM orders AS o",
    ] {
        let told = format!("{:?}", world.support.north(sql).await.unwrap());
        for hidden in ["51234", "ada@", "1990-05-17", "canary", "region", "note"] {
            assert!(!told.contains(hidden), "`{sql}` gave {told}");
        }
    }
    for column in ["ctid", "xmin", "xmax", "cmin", "tableoid", "oid"] {
        assert_eq!(
            world.support.refused(&format!("SELECT {column} FROM customers")).await.0,
            Class::Refused,
            "{column}"
        );
    }
}

/// A keyed hash that the caller may compute is a dictionary: key and check are in a schema that it may not name.
#[tokio::test]
async fn a_keyed_hash_is_no_oracle() {
    let world = World::new("oracle").await;
    let own = &world.support.wall.names().own;
    for sql in [
        format!("SELECT * FROM {own}.key"),
        format!("SELECT inner_pad FROM {own}.key WHERE name = 'seal'"),
        format!("SELECT {own}.sealed()"),
        format!("SELECT has_function_privilege('{own}.sealed()', 'EXECUTE')"),
        format!("SELECT query_to_xml('SELECT * FROM {own}.key', true, true, '')"),
    ] {
        assert_eq!(world.support.refused(&sql).await.0, Class::Refused, "{sql}");
    }
    // Nothing that the login may call, of ours, takes an argument.
    let sql = "SELECT count(*) FROM pg_proc p WHERE p.pronamespace::regnamespace::text LIKE 'mountgate%' AND has_function_privilege(p.oid, 'EXECUTE') AND p.pronargs > 0";
    assert_eq!(world.support.north(sql).await.unwrap(), [[Value::Integer(0)]]);
    // Definitions are the ceiling's text, which is public to the mount's agents; no key is in them.
    let client = world.support.log_in().await;
    let key: String = [9_u8 ^ 0x36].iter().map(|byte| format!("{byte:02x}").repeat(16)).collect();
    for sql in [
        "SELECT string_agg(pg_get_viewdef(c.oid), ' ') FROM pg_class c WHERE c.relkind = 'v' AND c.relname = 'customers'",
        "SELECT string_agg(prosrc, ' ') FROM pg_proc",
        "SELECT string_agg(s::text, ' ') FROM pg_stats s",
    ] {
        let told: Option<String> = client.query_one(sql, &[]).await.unwrap().get(0);
        assert!(!told.unwrap_or_default().contains(&key), "{sql}");
    }
}

#[tokio::test]
async fn statistics_show_no_hidden_value() {
    let world = World::new("statistics").await;
    for sql in [
        "SELECT * FROM pg_stats WHERE tablename IN ('customers', 'orders', 'secrets', 'key')",
        "SELECT most_common_vals::text, histogram_bounds::text FROM pg_stats WHERE schemaname = 'public'",
        "SELECT * FROM pg_stats_ext",
        "SELECT * FROM pg_stats_ext_exprs",
        "SELECT stavalues1::text FROM pg_statistic",
        "SELECT * FROM pg_statistic_ext_data",
        "SELECT rolpassword FROM pg_authid",
        "SELECT passwd FROM pg_shadow",
        "SELECT * FROM pg_largeobject",
        "SELECT * FROM pg_user_mapping",
    ] {
        match world.support.north(sql).await {
            Ok(rows) => assert!(rows.is_empty(), "`{sql}` gave {rows:?}"),
            Err(error) => assert_eq!(error.class, Class::Refused, "`{sql}`: {}", error.detail),
        }
    }
}

#[tokio::test]
async fn what_outlives_a_transaction_is_gone_when_the_session_is_used_again() {
    let world = World::new("outlives").await;
    let settings = "SELECT current_setting('search_path'), current_setting('DateStyle'), current_setting('statement_timeout'), current_setting('mountgate.mark', true)";
    let before = world.support.north(settings).await.unwrap();
    world.support
        .north("SELECT set_config('search_path', 'public', false), set_config('DateStyle', 'German', false), set_config('statement_timeout', '0', false), set_config('mountgate.mark', 'x', false)")
        .await
        .unwrap();
    let after = world.support.north(settings).await.unwrap();
    assert_eq!(before[0][..3], after[0][..3]);
    assert!(matches!(&after[0][3], Value::Null | Value::Text(_)) && after[0][3] != Value::Text("x".into()));

    for sql in ["SELECT pg_advisory_lock(4711)::text", "SELECT pg_try_advisory_lock_shared(4711, 1)"] {
        world.support.north(sql).await.unwrap();
        let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        assert_eq!(world.support.north(held).await.unwrap(), [[Value::Integer(0)]], "{sql}");
        // Also while nobody uses the session, and where the statement failed after it.
        assert_eq!(world.admin.rows(held).await.unwrap(), [[Some("0".to_owned())]], "{sql}");
    }
    let failing = "SELECT pg_advisory_lock(4712)::text, 1 / (count(*) - count(*)) FROM orders";
    let _ = world.support.refused(failing).await;
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4712";
    assert_eq!(world.support.north(held).await.unwrap(), [[Value::Integer(0)]]);
    // Large objects are rolled back.
    let _ = world.support.north("SELECT lo_from_bytea(0, 'x')::text").await;
    assert_eq!(
        world.admin.rows("SELECT count(*) FROM pg_largeobject_metadata").await.unwrap(),
        [[Some("0".to_owned())]]
    );
}

/// Statements of another mount are on another pool's sessions, under another role.
#[tokio::test]
async fn prepared_statements_and_activity_show_no_other_mounts() {
    let world = World::new("prepared").await;
    world.report.ask(&[], "SELECT region, 'canary' FROM customers").await.unwrap();
    let sql = "SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%cana' || 'ry%'";
    assert!(world.support.north(sql).await.unwrap().is_empty());
    let sql = "SELECT query FROM pg_stat_activity WHERE query LIKE '%region, ''cana' || 'ry%'";
    assert!(world.support.north(sql).await.unwrap().is_empty());
}

#[tokio::test]
async fn nothing_can_be_written_or_made() {
    let world = World::new("written").await;
    for sql in [
        "INSERT INTO orders VALUES (1)",
        "UPDATE customers SET email = 'x' RETURNING email",
        "DELETE FROM orders RETURNING order_id",
        "SELECT * FROM orders FOR UPDATE",
        "CREATE TEMP TABLE orders (x int)",
        "CREATE TABLE x (y int)",
        "CREATE SCHEMA x",
        "ALTER VIEW orders RESET (security_barrier)",
        "DROP VIEW orders",
        "GRANT SELECT ON orders TO PUBLIC",
    ] {
        assert_eq!(world.support.refused(sql).await.0, Class::Refused, "{sql}");
    }
    let client = world.support.log_in().await;
    client.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    for sql in [
        "CREATE TABLE public.x (y int)",
        "CREATE SCHEMA x",
        "DROP VIEW orders",
        "ALTER VIEW orders RESET (security_barrier)",
        "DELETE FROM orders",
        "UPDATE customers SET born = '2000-01-01'",
    ] {
        assert!(client.batch_execute(sql).await.is_err(), "{sql}");
    }
    // A temporary table does not come before the mount's views.
    if client.batch_execute("CREATE TEMP TABLE orders (x int)").await.is_ok() {
        let seal = world.support.seal_for(&client, &north()).await;
        set_seal(&client, &seal).await;
        assert!(client.query("SELECT order_id FROM orders LIMIT 1", &[]).await.is_ok());
    }
}

/// The tests above bite: with one defence taken away, the statement that it stops gets through.
#[tokio::test]
async fn without_its_defence_each_attack_succeeds() {
    let world = World::new("bites").await;
    let names = world.support.wall.names();
    let (views, own, login) = (&names.views, &names.own, &names.login);
    let early = "SELECT 1 FROM customers WHERE 1 / (customer_id - 2) IS NOT NULL";
    assert_eq!(world.support.north(early).await.unwrap().len(), 2);
    world.admin.run(&format!("ALTER VIEW {views}.customers RESET (security_barrier)")).await.unwrap();
    assert_eq!(world.support.refused(early).await.0, Class::Data);

    // Rights of the login.
    world.admin.run(&format!("GRANT SELECT ON public.secrets TO {login}")).await.unwrap();
    assert_eq!(world.support.north("SELECT word FROM public.secrets").await.unwrap().len(), 1);
    // A seal for any process.
    world.admin.run(&format!(
        "CREATE OR REPLACE FUNCTION {own}.sealed() RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER AS
         $$ SELECT (substr(current_setting('mountgate.seal', true), strpos(current_setting('mountgate.seal', true), '{{')))::jsonb $$"
    )).await.unwrap();
    let client = world.support.log_in().await;
    set_seal(&client, "x {\"claims\":{\"region\":\"south\"}}").await;
    assert_eq!(client.query("SELECT * FROM customers", &[]).await.unwrap().len(), 1);
}
