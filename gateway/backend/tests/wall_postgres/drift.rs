//! `backend check`: what is provisioned, beside what the mount says, and what its login could reach past it.

use mountgate_backend::wall::postgres::{Finding, Secrets, Standing};

use crate::world::{Walled, World, support, table, wall};

async fn breaches(world: &World) -> Vec<String> {
    match world.support.wall.inspect(&world.admin).await.unwrap() {
        Standing::Drifted(findings) => {
            findings.into_iter().filter(|finding| finding.breach).map(|finding| finding.text).collect()
        }
        other => panic!("{other:?}"),
    }
}

async fn whole(world: &World) -> Vec<Finding> {
    match world.support.wall.inspect(&world.admin).await.unwrap() {
        Standing::Whole(remarks) => remarks,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_wall_that_was_built_stands_and_each_change_is_told() {
    let world = World::new("drift").await;
    let remarks = whole(&world).await;
    assert!(remarks.iter().all(|remark| !remark.breach));
    assert!(remarks.iter().any(|remark| remark.text.contains("temporary tables")), "{remarks:?}");

    let names = world.support.wall.names();
    let (login, owner, views, own) = (&names.login, &names.owner, &names.views, &names.own);
    let _ = world.admin.run("DROP ROLE IF EXISTS mountgate_test_group").await;
    world.admin.run("CREATE ROLE mountgate_test_group").await.unwrap();
    for (change, told) in [
        (format!("ALTER ROLE {login} SUPERUSER"), "is a superuser"),
        (format!("ALTER ROLE {login} BYPASSRLS"), "bypasses row-level security"),
        (format!("ALTER ROLE {login} CREATEROLE"), "may create roles"),
        (format!("ALTER ROLE {login} CREATEDB"), "may create databases"),
        (format!("ALTER ROLE {login} REPLICATION"), "may replicate"),
        (format!("ALTER ROLE {login} INHERIT"), "inherits"),
        (format!("ALTER ROLE {login} NOLOGIN"), "may not log in"),
        (format!("ALTER ROLE {owner} LOGIN"), "may log in"),
        (format!("GRANT mountgate_test_group TO {login}"), "is a member of `mountgate_test_group`"),
        (format!("GRANT {owner} TO {login}"), "is a member of"),
        (format!("GRANT SELECT ON public.secrets TO {login}"), "may read or change public.secrets"),
        (format!("GRANT SELECT (word) ON public.secrets TO {login}"), "may read or change public.secrets"),
        (format!("GRANT DELETE ON public.orders TO {login}"), "may read or change public.orders"),
        (
            format!("CREATE TABLE {views}.extra (x int); ALTER TABLE {views}.extra OWNER TO {owner}"),
            "`extra` is in the schema",
        ),
        (format!("CREATE TABLE public.owned (x int); ALTER TABLE public.owned OWNER TO {login}"), "owns table"),
        (format!("GRANT CREATE ON SCHEMA public TO {login}"), "may create in the schema public"),
        (format!("GRANT CREATE ON DATABASE {} TO {login}", world.database), "may create in the database"),
        (format!("GRANT USAGE ON SCHEMA {own} TO {login}"), "where the keys are"),
        (format!("ALTER VIEW {views}.orders RESET (security_barrier)"), "is no security barrier"),
        (format!("ALTER VIEW {views}.orders OWNER TO postgres"), "belongs to another role"),
        (
            format!(
                "CREATE OR REPLACE VIEW {views}.orders WITH (security_barrier = true) AS SELECT order_id, customer_id, status, total FROM public.orders"
            ),
            "was changed by hand",
        ),
        (format!("DROP VIEW {views}.orders"), "there is no view for table `orders`"),
        (format!("REVOKE SELECT ON {views}.orders FROM {login}"), "may not read the view"),
        (format!("REVOKE SELECT (status) ON public.orders FROM {owner}"), "may not read public.orders.status"),
        (format!("GRANT EXECUTE ON FUNCTION {own}.sealed() TO PUBLIC"), "everyone may call"),
        (
            format!(
                "CREATE OR REPLACE FUNCTION {own}.sealed() RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT ''{{}}''::jsonb'"
            ),
            "is not the one that was made",
        ),
        (format!("COMMENT ON SCHEMA {own} IS 'x'"), "the keys are not this gateway's"),
    ] {
        world.admin.run(&change).await.unwrap_or_else(|e| panic!("{change}: {}", e.detail));
        let found = breaches(&world).await;
        assert!(found.iter().any(|text| text.contains(told)), "{change}: {found:?}");
        // Built anew it stands, whatever was done to it.
        world
            .admin
            .run(&world.support.wall.provision(Secrets::Written))
            .await
            .unwrap_or_else(|e| panic!("after {change}: {}", e.detail));
        whole(&world).await;
    }
    // What is everyone's can't be taken back on the way.
    for (change, undo, told) in [
        (
            "GRANT SELECT ON public.secrets TO PUBLIC",
            "REVOKE SELECT ON public.secrets FROM PUBLIC",
            "may read or change public.secrets",
        ),
        (
            "CREATE FUNCTION public.tell() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT word FROM public.secrets'",
            "DROP FUNCTION public.tell()",
            "may call public.tell()",
        ),
    ] {
        world.admin.run(change).await.unwrap();
        let found = breaches(&world).await;
        assert!(found.iter().any(|text| text.contains(told)), "{change}: {found:?}");
        world.admin.run(undo).await.unwrap();
        whole(&world).await;
    }
}

#[tokio::test]
async fn a_ceiling_that_has_changed_since_is_told_by_the_table() {
    let world = World::new("changed_ceiling").await;
    let mut declared = support();
    declared.insert("customers".into(), table(&["customer_id"], &[], Some("region = claim.region")));
    declared.insert("secrets".into(), table(&["id"], &[], None));
    let changed = wall(&world.database, "support", &declared).await.unwrap();
    let Standing::Drifted(found) = changed.inspect(&world.admin).await.unwrap() else { panic!("it stands") };
    let told: Vec<&str> = found.iter().map(|finding| finding.text.as_str()).collect();
    assert!(told.iter().any(|text| text.contains("has changed table `customers`")), "{told:?}");
    assert!(told.iter().any(|text| text.contains("no view for table `secrets`")), "{told:?}");
    assert!(!told.iter().any(|text| text.contains("`orders`")), "{told:?}");
    // What a ceiling no longer shows, its owner no longer reads.
    world.admin.run(&changed.provision(Secrets::Written)).await.unwrap();
    let sql =
        format!("SELECT has_column_privilege('{}', 'public.customers', 'salary', 'SELECT')", changed.names().owner);
    assert_eq!(world.admin.rows(&sql).await.unwrap(), [[Some("f".to_owned())]]);
}

#[tokio::test]
async fn a_wall_is_taken_down_whole_and_can_be_missing() {
    let world = World::new("dropped").await;
    let script = world.support.wall.drop_script();
    for _ in 0..2 {
        world.admin.run(&script).await.unwrap_or_else(|e| panic!("{}", e.detail));
        assert_eq!(world.support.wall.inspect(&world.admin).await.unwrap(), Standing::Missing);
    }
    let left = format!("SELECT rolname FROM pg_roles WHERE rolname LIKE '{}%'", world.support.wall.names().login);
    assert!(world.admin.rows(&left).await.unwrap().is_empty());
    // The other mount's stands as it did.
    assert!(matches!(world.report.wall.inspect(&world.admin).await.unwrap(), Standing::Whole(_)));
    assert_eq!(world.report.ask(&[], "SELECT region FROM customers").await.unwrap().len(), 2);
}

/// What others have made on top of a wall is not destroyed, and then nothing is changed.
#[tokio::test]
async fn a_script_that_fails_changes_nothing() {
    let world = World::new("atomic").await;
    let views = &world.support.wall.names().views;
    world.admin.run(&format!("CREATE VIEW public.mine AS SELECT * FROM {views}.orders")).await.unwrap();
    assert!(world.admin.run(&world.support.wall.provision(Secrets::Written)).await.is_err());
    assert!(world.admin.run(&world.support.wall.drop_script()).await.is_err());
    world.admin.run("DROP VIEW public.mine").await.unwrap();
    assert!(matches!(world.support.wall.inspect(&world.admin).await.unwrap(), Standing::Whole(_)));
}

#[tokio::test]
async fn a_script_holds_no_secret_unless_asked() {
    let world = World::new("script").await;
    let named = world.support.wall.provision(Secrets::Named);
    let key: String = "3f".repeat(20);
    for secret in [world.support.wall.password(), "SCRAM", key.as_str(), "'\\x"] {
        assert!(!named.contains(secret), "{secret}");
    }
    assert!(named.contains("_password") && named.contains("_key0_inner"));
    let written = world.support.wall.provision(Secrets::Written);
    assert!(written.contains("SCRAM-SHA-256$") && !written.contains(world.support.wall.password()));
}

/// A role that is no superuser but owns the tables can build a wall.
#[tokio::test]
async fn whoever_owns_the_tables_and_may_create_roles_can_build_it() {
    let (database, admin) = crate::world::database("nosuper", "").await;
    let _ = admin.run("DROP ROLE IF EXISTS mountgate_test_builder").await;
    admin
        .run(&format!(
            "CREATE ROLE mountgate_test_builder LOGIN CREATEROLE; GRANT CREATE ON DATABASE {database} TO mountgate_test_builder;
             GRANT CREATE ON SCHEMA public TO mountgate_test_builder"
        ))
        .await
        .unwrap();
    let mut url = crate::world::url(&database);
    let user = url.find("://").unwrap() + 3..url.rfind('@').unwrap();
    url.replace_range(user, "mountgate_test_builder");
    let config = mountgate_driver::PostgresConfig::new(&url).unwrap();
    let builder = mountgate_driver::PostgresAdmin::connect(&config).await.unwrap();
    builder.run("CREATE TABLE public.customers (customer_id int8, region text); INSERT INTO public.customers VALUES (1, 'north')").await.unwrap();
    let walled = wall(&database, "nosuper", &crate::world::report()).await.unwrap();
    for _ in 0..2 {
        builder.run(&walled.provision(Secrets::Written)).await.unwrap_or_else(|e| panic!("{}", e.detail));
    }
    let walled = Walled::open(&database, walled).await;
    assert!(matches!(walled.wall.inspect(&builder).await.unwrap(), Standing::Whole(_)));
    assert_eq!(walled.ask(&[], "SELECT * FROM customers").await.unwrap().len(), 1);
    builder.run(&walled.wall.drop_script()).await.unwrap_or_else(|e| panic!("{}", e.detail));
}
