//! That the wall costs no index and no check per row.

use crate::world::{Walled, World, north, set_seal};

async fn plan(walled: &Walled, sql: &str) -> String {
    let client = walled.log_in().await;
    let seal = walled.seal_for(&client, &north()).await;
    set_seal(&client, &seal).await;
    let rows = client.query(&format!("EXPLAIN (VERBOSE, COSTS OFF) {sql}"), &[]).await.unwrap();
    rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect()
}

#[tokio::test]
async fn a_look_up_keeps_its_index_and_the_seal_is_checked_once() {
    let world = World::new("plans").await;
    let plan_of = plan(&world.support, "SELECT status FROM orders WHERE order_id = 7").await;
    assert!(plan_of.contains("Index Scan using orders_pkey"), "{plan_of}");
    assert!(plan_of.contains("Index Cond: (t.order_id = 7)"), "{plan_of}");
    assert!(plan_of.contains("One-Time Filter"), "{plan_of}");
    // Once in the whole plan, in what runs once.
    assert_eq!(plan_of.matches("sealed()").count(), 1, "{plan_of}");
    assert!(plan_of.contains("CTE k"), "{plan_of}");

    // The claim's own column has an index as well.
    let plan_of = plan(&world.support, "SELECT status FROM orders").await;
    assert!(plan_of.contains("customer_id = $"), "{plan_of}");

    let plan_of = plan(&world.report, "SELECT region FROM customers WHERE customer_id = 1").await;
    assert!(plan_of.contains("InitPlan 1") && plan_of.matches("sealed()").count() == 1, "{plan_of}");
}

/// Not by its words but by its work: a scan of three thousand rows checks one seal.
#[tokio::test]
async fn a_scan_checks_one_seal() {
    let world = World::new("scan").await;
    let calls = format!(
        "SELECT COALESCE(sum(calls), 0) FROM pg_stat_xact_user_functions WHERE schemaname = '{}'",
        world.support.wall.names().own
    );
    // Only a superuser may count calls: the setting is the role's, from the next session on.
    let role = &world.support.wall.names().login;
    world.admin.run(&format!("ALTER ROLE {role} SET track_functions = 'all'")).await.unwrap();
    let client = world.support.log_in().await;
    let seal = world.support.seal_for(&client, &north()).await;
    set_seal(&client, &seal).await;
    client.batch_execute("BEGIN").await.unwrap();
    let rows = client.query("SELECT o.order_id FROM orders AS o", &[]).await.unwrap().len();
    assert_eq!(rows, 1000);
    let told = client.simple_query(&calls).await.unwrap();
    let called = told.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    assert_eq!(called.as_deref(), Some("1"));
}

/// What the wall costs a look-up and a scan, in the driver alone: the ratio of medians, asked in turns.
#[tokio::test]
#[ignore = "a measure: run it alone, in a quiet machine, with --nocapture"]
async fn what_the_wall_costs() {
    use std::time::Instant;

    use mountgate_driver::{Behind, Call, PostgresConfig, PostgresStore, Seal};

    let world = World::new("cost").await;
    world
        .admin
        .run("INSERT INTO public.orders SELECT x, 1, 'open', x, 'n' FROM generate_series(10000, 310000) x; ANALYZE public.orders")
        .await
        .unwrap();
    let mut config = PostgresConfig::new(&crate::world::url(&world.database)).unwrap();
    config.connections = 1;
    let plain = PostgresStore::open(config).await.unwrap();
    let (sealer, said) = (world.support.wall.sealer(), mountgate_backend::wall::postgres::Said::new(&north(), false));
    let seal = Seal::new(move |pid, until| sealer.seal(pid, until, &said));
    let views = &world.support.wall.names().views;
    let ask = async |store: &PostgresStore, sql: &str, behind: Option<Behind>| {
        let call = Call { sql: sql.into(), values: vec![], timeout: std::time::Duration::from_secs(60), behind };
        let begun = Instant::now();
        let mut rows = store.stream(call).await.unwrap();
        while rows.next().await.unwrap().is_some() {}
        begun.elapsed()
    };
    for (what, condition, rounds, most) in
        [("look-up", "order_id = 7777", 2000, 2.5), ("scan", "order_id > 0 AND status <> 'x'", 15, 1.3)]
    {
        let direct = format!("SELECT order_id, status FROM public.orders WHERE customer_id = 1 AND {condition}");
        let walled = format!("SELECT order_id, status FROM {views}.orders WHERE {condition}");
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            without.push(ask(&plain, &direct, None).await);
            with.push(ask(&world.support.store, &walled, Some(Behind::Postgres(seal.clone()))).await);
        }
        without.sort();
        with.sort();
        let (without, with) = (without[rounds / 2], with[rounds / 2]);
        let ratio = with.as_secs_f64() / without.as_secs_f64();
        println!("{what}: {without:?} without, {with:?} behind the wall: {ratio:.2}");
        assert!(ratio < most, "{what}: {ratio}");
    }
}
