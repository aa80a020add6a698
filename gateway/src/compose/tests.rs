use super::*;
use crate::shop::{
    Shop,
    signed::{SignedShop, TRUST},
};

async fn compose(shop: &Shop) -> Result<Composed, Problems> {
    let config = shop.config();
    let keys = Keys::peek(&config.main).unwrap();
    Composer::new(HostConfig::default()).unwrap().compose(&config, &keys, 7).await
}

/// What is wrong, as `file:line:column message`.
async fn wrong(shop: &Shop) -> Vec<String> {
    let Err(Problems(problems)) = compose(shop).await else { panic!("it composed") };
    problems.iter().map(|p| format!("{}:{}:{} {}", p.file, p.line, p.column, p.message)).collect()
}

#[tokio::test]
async fn a_sound_shop_composes_behind_its_wall() {
    let shop = Shop::new();
    shop.main("wall = \"require\"\n");
    let composed = compose(&shop).await.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(composed.generation.number(), 7);
    let mount = &composed.generation.mounts()["support"];
    assert_eq!(mount.ceiling().relations().len(), 2);
    assert!(mount.ceiling().relations().values().all(|relation| relation.wall.is_some()));
    assert_eq!(composed.warnings, [""; 0]);
}

#[tokio::test]
async fn a_wall_that_is_taken_down_is_warned_of() {
    let shop = Shop::new();
    shop.main("wall = \"off\"\n");
    let composed = compose(&shop).await.unwrap_or_else(|problems| panic!("{problems}"));
    let mount = &composed.generation.mounts()["support"];
    assert!(mount.ceiling().relations().values().all(|relation| relation.wall.is_none()));
    assert_eq!(composed.warnings.len(), 1, "{:?}", composed.warnings);
    assert!(composed.warnings[0].contains("`shop` has no wall"));
}

#[tokio::test]
async fn what_the_backend_lacks_is_told_at_its_place() {
    let shop = Shop::new();
    let mount =
        crate::shop::MOUNT.replace("\"status\"]", "\"staus\"]").replace("[tables.customers]", "[tables.costumers]");
    shop.mount(&mount);
    let wrong = wrong(&shop).await;
    assert_eq!(
        wrong,
        [
            "mounts/support.toml:10:9 the backend has no relation `costumers`",
            "mounts/support.toml:7:39 `orders` has no column `staus`; did you mean `status`?",
        ]
    );
}

#[tokio::test]
async fn what_is_lent_is_there_and_hidden() {
    let shop = Shop::new();
    shop.mount_with("\"status\"]", "\"status\"]\nlend = [\"nte\", \"status\"]");
    assert_eq!(
        wrong(&shop).await,
        [
            "mounts/support.toml:8:9 `orders` has no column `nte`; did you mean `note`?",
            "mounts/support.toml:8:16 `status` is among `columns` of `orders`: policies filter by visible columns anyway, as agents see them; keep it in one of them",
        ]
    );
    shop.mount_with("\"status\"]", "\"status\"]\nlend = [\"note\"]");
    let composed = compose(&shop).await.unwrap_or_else(|problems| panic!("{problems}"));
    let ceiling = composed.generation.mounts()["support"].ceiling();
    let orders = &ceiling.relations()["orders"];
    assert_eq!(orders.lent.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["note"]);
    assert!(orders.column(&"note".into()).is_none());
}

#[tokio::test]
async fn demands_must_fit_their_columns() {
    let shop = Shop::new();
    let customers = "filter = \"customer_id = claim.customer_id\"\n\n[limits]";
    let with = |keys: &str| crate::shop::MOUNT.replacen(customers, &format!("{keys}\n\n[limits]"), 1);
    shop.mount(&with("require = [\"custmer_id\", \"secret\", \"email\"]"));
    let at = |column: usize, why: &str| format!("mounts/support.toml:13:{column} {why}");
    assert_eq!(
        wrong(&shop).await,
        [
            at(12, "`customers` has no column `custmer_id`; did you mean `customer_id`?"),
            at(26, "`secret` is not among `columns` of `customers`: agents can't look rows up by what they can't name"),
            at(
                36,
                "`email` of `customers` has a mask, and many rows may be alike under a mask: take one of the two out"
            ),
        ]
    );
    shop.mount(&with("aggregate = { unit = \"email\", min_group = 5 }"));
    let masked = wrong(&shop).await;
    assert!(
        masked.len() == 1
            && masked[0].starts_with("mounts/support.toml:13:")
            && masked[0].contains("has a mask, under which"),
        "{masked:?}"
    );
    shop.mount(&with("aggregate = { unit = \"person\", min_group = 5 }"));
    let unknown = wrong(&shop).await;
    assert!(unknown.len() == 1 && unknown[0].contains("`customers` has no column `person`"), "{unknown:?}");
    shop.mount(&with("require = [\"customer_id\"]\naggregate = { unit = \"secret\", min_group = 2 }"));
    let composed = compose(&shop).await.unwrap_or_else(|problems| panic!("{problems}"));
    let customers = &composed.generation.mounts()["support"].ceiling().relations()["customers"];
    assert_eq!(customers.require, ["customer_id".into()]);
    assert_eq!(customers.aggregate.as_ref().map(|a| (a.unit.as_str(), a.min_group)), Some(("secret", 2)));
    assert_eq!(customers.hidden_unit(), Some(&"secret".into()));
}

#[tokio::test]
async fn a_mask_and_a_filter_must_fit_their_columns() {
    let shop = Shop::new();
    let mount = crate::shop::MOUNT.replace("{ partial = { first = 1, last = 4 } }", "{ round = 2 }").replacen(
        "customer_id = claim.customer_id",
        "custmer_id = claim.customer_id",
        1,
    );
    shop.mount(&mount);
    let wrong = wrong(&shop).await;
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(
        wrong.iter().any(|w| w.starts_with("mounts/support.toml:12:11 ") && w.contains("mask `round`")),
        "{wrong:?}"
    );
    assert!(
        wrong.iter().any(|w| w.starts_with("mounts/support.toml:8:1 ") && w.contains("`customer_id`?")),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn one_relation_cannot_have_two_ceilings() {
    let shop = Shop::new();
    shop.mount(
        &crate::shop::MOUNT
            .replace("[limits]", "[tables.\"main.orders\"]\ncolumns = [\"order_id\", \"note\"]\n\n[limits]"),
    );
    let wrong = wrong(&shop).await;
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].contains("one and the same relation"), "{wrong:?}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_told_and_the_rest_too() {
    let shop = Shop::new();
    std::fs::remove_file(shop.path().join("shop.db")).unwrap();
    let plugin = "\n[plugins.\"acme/x\"]\npath = \"none.wasm\"\n[plugins_development]\nallow_unsigned_plugins = true\n";
    shop.main(plugin);
    let wrong = wrong(&shop).await;
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[0].starts_with("mountgate.toml:5:11 backend `shop` cannot be opened"), "{wrong:?}");
    assert!(wrong[1].starts_with("mountgate.toml:11:1 policy `acme/x`"), "{wrong:?}");
}

#[tokio::test]
async fn settings_that_the_policy_refuses_are_told_at_the_settings() {
    let shop = Shop::new();
    shop.mount_with("policy = \"ceiling\"", "policy = \"ceiling\"\nsettings = { tier = \"beta\" }");
    let refused = wrong(&shop).await;
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].starts_with("mounts/support.toml:5:1 policy `ceiling`"), "{refused:?}");

    let agent = "[agent.beta]\npolicy = \"tiers\"\nsettings = { teirs = [] }\n\n[limits]";
    shop.mount_with("[limits]", agent);
    let refused = wrong(&shop).await;
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].starts_with("mounts/support.toml:17:1 policy `tiers`"), "{refused:?}");
}

#[tokio::test]
async fn a_plugin_is_admitted_from_its_file() {
    let shop = Shop::new();
    std::fs::write(shop.path().join("copy.wasm"), mountgate_policy::bundled::CEILING).unwrap();
    shop.main("\n[plugins.\"acme/x\"]\npath = \"copy.wasm\"\n[plugins_development]\nallow_unsigned_plugins = true\n");
    shop.mount_with("policy = \"ceiling\"", "policy = \"acme/x\"");
    let composed = compose(&shop).await.unwrap_or_else(|problems| panic!("{problems}"));
    assert!(composed.warnings.iter().any(|warning| warning.contains("`acme/x` runs unsigned")));
    std::fs::write(shop.path().join("copy.wasm"), "not wasm").unwrap();
    assert!(wrong(&shop).await[0].contains("no WebAssembly component"));
}

#[tokio::test]
async fn backends_and_plugins_are_kept_for_the_next_generation() {
    let shop = Shop::new();
    let config = shop.config();
    let keys = Keys::peek(&config.main).unwrap();
    let mut composer = Composer::new(HostConfig::default()).unwrap();
    let mut compose = async |config: &Config, number| {
        let composed = composer.compose(config, &keys, number).await?;
        let changes = composed.changes.clone();
        let (generation, _) = composer.adopt(composed);
        Ok::<_, Problems>((changes, Arc::clone(&composer.kept.backends["shop"].backend), generation))
    };
    let (changes, first, _) = compose(&config, 1).await.unwrap_or_else(|problems| panic!("{problems}"));
    assert!(changes.main && changes.added.contains("support"), "{changes:?}");
    let (changes, same, _generation) = compose(&config, 2).await.unwrap_or_else(|problems| panic!("{problems}"));
    assert!(Arc::ptr_eq(&first, &same) && changes.is_empty(), "{changes:?}");

    // A composition that fails leaves all as it was: the backend that would have been another, too.
    let other_store = |config: &mut Config| {
        if let StoreSection::Sqlite(sqlite) = &mut config.main.backends.get_mut("shop").unwrap().store {
            sqlite.threads = Some(3);
        }
    };
    shop.mount_with("\"status\"]", "\"staus\"]");
    let mut wrong = shop.config();
    other_store(&mut wrong);
    assert!(compose(&wrong, 3).await.is_err());
    let (changes, same, _generation) = compose(&config, 3).await.unwrap_or_else(|problems| panic!("{problems}"));
    assert!(Arc::ptr_eq(&first, &same) && changes.is_empty(), "{changes:?}");

    // Another section is another store.
    let mut changed = config.clone();
    other_store(&mut changed);
    let (changes, other, _) = compose(&changed, 4).await.unwrap_or_else(|problems| panic!("{problems}"));
    assert!(!Arc::ptr_eq(&first, &other) && changes.changed.contains("support"), "{changes:?}");
}

/// What a reload must not take for the same: the store's own side has changed, and no file has.
#[tokio::test]
async fn what_changed_in_the_store_is_a_change() {
    let shop = Shop::new();
    let database = rusqlite::Connection::open(shop.path().join("shop.db")).unwrap();
    database.execute_batch("CREATE VIEW open_orders AS SELECT order_id, status FROM orders").unwrap();
    shop.mount_with("[tables.customers]", "[tables.open_orders]\ncolumns = [\"order_id\"]\n\n[tables.customers]");
    let config = shop.config();
    let keys = Keys::peek(&config.main).unwrap();
    let mut composer = Composer::new(HostConfig::default()).unwrap();
    let mut number = 0;
    let mut changes = async || {
        number += 1;
        let composed = composer.compose(&config, &keys, number).await.unwrap_or_else(|problems| panic!("{problems}"));
        let changes = composed.changes.clone();
        (changes, composer.adopt(composed).0)
    };
    let (_, _first) = changes().await;
    let (none, _second) = changes().await;
    assert!(none.is_empty(), "{none:?}");
    database
        .execute_batch(
            "DROP VIEW open_orders; CREATE VIEW open_orders AS SELECT order_id, status FROM orders WHERE status = 'open'",
        )
        .unwrap();
    let (view, _third) = changes().await;
    assert!(view.changed.contains("support"), "{view:?}");
    database.execute_batch("ALTER TABLE orders ADD COLUMN later TEXT").unwrap();
    let (column, _fourth) = changes().await;
    assert!(column.changed.contains("support"), "{column:?}");
}

/// The same mount on PostgreSQL: by URL and by parts, with the password from a file.
#[tokio::test]
async fn a_postgres_backend_composes_and_its_password_is_read_from_where_it_is() {
    let url = std::env::var("MOUNTGATE_TEST_POSTGRES").expect(
        "MOUNTGATE_TEST_POSTGRES must hold the URL of a superuser of a scratch PostgreSQL; `cargo xtask test` sets one up",
    );
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
        .batch_execute(
            "DROP SCHEMA IF EXISTS mountgate_compose CASCADE; CREATE SCHEMA mountgate_compose;
             CREATE TABLE mountgate_compose.orders (order_id int8 PRIMARY KEY, customer_id int8, status text);
             CREATE TABLE mountgate_compose.customers (customer_id int8 PRIMARY KEY, name text, email text);",
        )
        .await
        .unwrap();
    let shop = Shop::new();
    std::fs::write(shop.path().join("url"), &url).unwrap();
    std::fs::write(shop.config_path(), "[backends.shop]\nkind = \"postgres\"\nurl = { file = \"url\" }\npool = 2\n")
        .unwrap();
    let mount = crate::shop::MOUNT
        .replace("[tables.orders]", "[tables.\"mountgate_compose.orders\"]")
        .replace("[tables.customers]", "[tables.\"mountgate_compose.customers\"]");
    shop.mount(&mount);
    let composed = compose(&shop).await.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(composed.generation.mounts()["support"].ceiling().relations().len(), 2);

    let main = std::fs::read_to_string(shop.config_path()).unwrap();
    std::fs::write(shop.config_path(), format!("{main}wall = \"require\"\n")).unwrap();
    let walled = wrong(&shop).await;
    assert!(walled.len() == 1 && walled[0].starts_with("mountgate.toml:5:1 "), "{walled:?}");
    assert!(walled[0].contains("no wall of its own"), "{walled:?}");
    std::fs::write(shop.config_path(), main).unwrap();

    shop.mount(&mount.replace("\"status\"]", "\"staus\"]"));
    assert!(wrong(&shop).await[0].contains("did you mean `status`?"));

    std::fs::write(shop.path().join("url"), "postgres://nobody:hunter2@127.0.0.1:1/none").unwrap();
    let wrong = wrong(&shop).await;
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].starts_with("mountgate.toml:1:11 backend `shop` cannot be opened"), "{wrong:?}");
    assert!(!wrong[0].contains("hunter2"), "{wrong:?}");
}

/// The next generation reads from behind the same wall, through the same pool; a wall built anew is another.
#[tokio::test]
async fn a_mount_keeps_its_place_behind_its_wall() {
    let url = std::env::var("MOUNTGATE_TEST_POSTGRES").expect(
        "MOUNTGATE_TEST_POSTGRES must hold the URL of a superuser of a scratch PostgreSQL; `cargo xtask test` sets one up",
    );
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("DROP DATABASE IF EXISTS mountgate_compose_wall WITH (FORCE)").await.unwrap();
    client.batch_execute("CREATE DATABASE mountgate_compose_wall TEMPLATE template0").await.unwrap();
    let mut own = url.clone();
    own.replace_range(url.rfind('/').unwrap() + 1.., "mountgate_compose_wall");
    let shop = Shop::new();
    std::fs::write(shop.path().join("url"), &own).unwrap();
    std::fs::write(shop.config_path(), "[backends.shop]\nkind = \"postgres\"\nurl = { file = \"url\" }\npool = 2\n")
        .unwrap();
    let (client, connection) = tokio_postgres::connect(&own, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
        .batch_execute(
            "CREATE TABLE orders (order_id int8 PRIMARY KEY, customer_id int8, status text);
             CREATE TABLE customers (customer_id int8 PRIMARY KEY, name text, email text);",
        )
        .await
        .unwrap();
    let config = shop.config();
    let keys = Keys::in_folder(&shop.path().join("state")).unwrap();
    let mut composer = Composer::new(HostConfig::default()).unwrap();
    let backend = |composed: &Composed| Arc::clone(composed.generation.mounts()["support"].backend());
    let without = composer.compose(&config, &keys, 1).await.unwrap_or_else(|problems| panic!("{problems}"));
    assert!(!backend(&without).is_walled() && without.warnings[0].contains("`support`: none is provisioned"));

    let name = mountgate_core::BackendName::from("shop");
    let build = async |config: &Config| {
        let walls = wall::walls(config, &keys, &name).await.unwrap_or_else(|problems| panic!("{problems}")).unwrap();
        let admin = mountgate_driver::PostgresAdmin::connect(&walls.database).await.unwrap();
        walls.build(&admin).await.unwrap_or_else(|error| panic!("{}", error.detail));
    };
    build(&config).await;
    let composed = composer.compose(&config, &keys, 2).await.unwrap_or_else(|problems| panic!("{problems}"));
    let first = backend(&composed);
    assert!(first.is_walled() && composed.warnings.is_empty(), "{:?}", composed.warnings);
    let relation = &composed.generation.mounts()["support"].ceiling().relations()["orders"];
    assert!(relation.wall.as_ref().unwrap().schema.starts_with("mountgate_support_"));
    let (_generation, _) = composer.adopt(composed);
    let next = composer.compose(&config, &keys, 3).await.unwrap_or_else(|problems| panic!("{problems}"));
    assert!(Arc::ptr_eq(&first, &backend(&next)) && next.changes.is_empty(), "{:?}", next.changes);

    shop.mount_with("columns = [\"order_id\", \"customer_id\", \"status\"]", "columns = [\"order_id\"]");
    let changed = shop.config();
    build(&changed).await;
    let other = composer.compose(&changed, &keys, 4).await.unwrap_or_else(|problems| panic!("{problems}"));
    assert!(backend(&other).is_walled() && !Arc::ptr_eq(&first, &backend(&other)));
}

fn ask(composed: &Composed) -> Result<(), mountgate_core::Code> {
    let caller = mountgate_core::Caller {
        agent: "support-bot".into(),
        principal: mountgate_core::Principal::Agent,
        claims: Arc::new([("customer_id".into(), mountgate_core::ClaimValue::Integer(1))].into()),
        until_ms: None,
    };
    let mount = &composed.generation.mounts()["support"];
    let asked = mount.inspect(&caller, "SELECT status FROM orders", &[], crate::state::now_ms());
    asked.refusal.map_or(Ok(()), |refusal| Err(refusal.code))
}

const WITHDRAWN: Result<(), mountgate_core::Code> = Err(mountgate_core::Code::PolicyWithdrawn);

/// Composes, and has it in force.
async fn next(composer: &mut Composer, shop: &Shop, number: u64) -> Result<Composed, Problems> {
    let config = shop.config();
    let keys = Keys::peek(&config.main).unwrap();
    composer.compose(&config, &keys, number).await
}

async fn refresh(composed: &Composed) {
    trust::refresh(composed.trust().unwrap().store()).await.unwrap();
}

#[tokio::test]
async fn a_signed_plugin_is_composed_and_a_revocation_reaches_the_generation_in_force() {
    let mut signed = SignedShop::new();
    let mut composer = Composer::new(HostConfig::default()).unwrap();
    let first = next(&mut composer, &signed.shop, 1).await.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(first.warnings, [""; 0]);
    assert_eq!((first.digests.repository, first.digests.releases["acme/support"]), (Some(3), 1));
    assert_eq!(ask(&first), Ok(()));

    signed.revoke("acme/support@1");
    refresh(&first).await;
    assert_eq!(ask(&first), WITHDRAWN);
    let told = trust::warnings(&first.trust().unwrap().store().status());
    assert!(told.iter().any(|warning| warning.contains("release 1, is revoked: leaks")), "{told:?}");
    signed.lift("acme/support@1");
    refresh(&first).await;
    assert_eq!(ask(&first), Ok(()));
}

#[tokio::test]
async fn a_policy_that_is_used_again_has_the_standing_of_now_and_a_revoked_one_never_the_old_one() {
    let mut signed = SignedShop::new();
    // The very component of a bundled policy: what stands in a revoked plugin's place has the same digest.
    let bundled = mountgate_policy::bundled::CEILING.to_vec();
    signed.publish_component(2, bundled, |_| {});
    let mut composer = Composer::new(HostConfig::default()).unwrap();
    let mut compose = async |shop: &Shop, number| {
        let composed = next(&mut composer, shop, number).await.unwrap_or_else(|problems| panic!("{problems}"));
        let changes = composed.changes.clone();
        let asked = ask(&composed);
        let store = Arc::clone(composed.trust().unwrap().store());
        composer.adopt(composed);
        (changes, asked, store)
    };
    let (_, asked, store) = compose(&signed.shop, 1).await;
    assert_eq!(asked, Ok(()));
    assert!(compose(&signed.shop, 2).await.0.is_empty());

    signed.revoke("acme/support@2");
    trust::refresh(&store).await.unwrap();
    let (changes, asked, _) = compose(&signed.shop, 3).await;
    assert!(!changes.is_empty());
    assert_eq!(asked, WITHDRAWN);
    // Nothing has changed, and what stands in its place is not brought back with it.
    let (changes, asked, _) = compose(&signed.shop, 4).await;
    assert!(changes.is_empty(), "{changes:?}");
    assert_eq!(asked, WITHDRAWN);

    signed.lift("acme/support@2");
    trust::refresh(&store).await.unwrap();
    let (changes, asked, _) = compose(&signed.shop, 5).await;
    assert!(changes.changed.contains("support") && changes.policies.contains("acme/support"), "{changes:?}");
    assert_eq!(asked, Ok(()));

    // Another store has standings of its own: what is used again must be watched by that one.
    signed.shop.main(&format!("{TRUST}deny_after = \"1h\"\n"));
    let (changes, asked, other) = compose(&signed.shop, 6).await;
    assert!(changes.changed.contains("support") && !Arc::ptr_eq(&store, &other), "{changes:?}");
    assert_eq!(asked, Ok(()));
    signed.revoke("acme/support");
    trust::refresh(&other).await.unwrap();
    let (_, asked, _) = compose(&signed.shop, 7).await;
    assert_eq!(asked, WITHDRAWN);
}

#[tokio::test]
async fn without_a_set_of_signed_plugins_nothing_starts_and_with_the_last_good_one_it_does() {
    let signed = SignedShop::new();
    let shop = &signed.shop;
    let (there, away) = signed.folders();
    std::fs::rename(&there, &away).unwrap();
    let told = wrong(shop).await;
    assert!(told[0].contains("there is no set of signed plugins yet"), "{told:?}");
    std::fs::rename(&away, &there).unwrap();
    compose(shop).await.unwrap_or_else(|problems| panic!("{problems}"));
    std::fs::rename(&there, &away).unwrap();
    compose(shop).await.unwrap_or_else(|problems| panic!("{problems}"));

    shop.mount_with("policy = \"ceiling\"", "policy = \"acme/suport\"");
    let told = wrong(shop).await;
    assert!(told[0].contains("no such plugin"), "{told:?}");
    // Without a repository there is nobody to sign, and a file is none of it.
    shop.main("");
    let Err(Problems(told)) = Config::load(&shop.config_path()) else { panic!("it loads") };
    assert!(told[0].message.contains("there is no policy `acme/suport`"), "{told:?}");
}

/// What a publication would say that no gateway puts into force.
async fn refused(change: impl FnOnce(&mut mountgate_trust::Manifest)) -> String {
    let mut signed = SignedShop::new();
    signed.publish(2, change);
    wrong(&signed.shop).await.remove(0)
}

#[tokio::test]
async fn what_is_signed_beside_a_component_must_be_of_it() {
    let told = refused(|manifest| manifest.contract = "0.1.0".to_owned()).await;
    assert!(told.contains("of the contract `0.1.0`, and it is of `0.2.0`"), "{told}");
    let told = refused(|manifest| manifest.settings_schema = Some(serde_json::json!({ "a": 1 }))).await;
    assert!(told.contains("another schema"), "{told}");
    let told = refused(|manifest| {
        manifest.limits.insert("files".to_owned(), 1.into());
    })
    .await;
    assert!(told.contains("the limits in its manifest do not read"), "{told}");
    let told = refused(|manifest| manifest.cases = vec![serde_json::json!({ "name": "half" })]).await;
    assert!(told.contains("its signed case 1 does not read"), "{told}");
}

#[tokio::test]
async fn a_manifests_limits_tighten_the_hosts_and_never_widen_them() {
    let mut signed = SignedShop::new();
    signed.publish(2, |manifest| {
        manifest.limits.insert("memory_bytes".to_owned(), (1_u64 << 40).into());
        manifest.limits.insert("decide_ms".to_owned(), 3_600_000.into());
    });
    let wide = compose(&signed.shop).await.unwrap_or_else(|problems| panic!("{problems}"));
    // Not even its stack fits.
    signed.publish(3, |manifest| {
        manifest.limits.insert("memory_bytes".to_owned(), 1.into());
    });
    refresh(&wide).await;
    let composed = compose(&signed.shop).await;
    let Err(Problems(told)) = composed else { panic!("it composed") };
    assert!(told[0].message.contains("memory"), "{told:?}");
}
