use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use clap::CommandFactory as _;

use super::*;
use crate::shop::Shop;

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs a command line over the shop, and gives its standard output.
fn run(shop: &Shop, line: &[&str]) -> (Exit, String) {
    let path = shop.config_path().display().to_string();
    let cli = Cli::parse_from(["mountgate", "--config", &path].iter().chain(line));
    let kept = Kept::default();
    let exit = {
        let output = Output::to(cli.json, kept.clone());
        cli.run_to(output)
    };
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    (exit, text)
}

fn json(shop: &Shop, line: &[&str]) -> serde_json::Value {
    let (exit, text) = run(shop, &[line, &["--json"]].concat());
    assert_eq!(exit, Exit::Done, "{line:?}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{line:?}: {error}: {text}"))
}

#[test]
fn what_statements_may_use_is_listed_with_reasons() {
    let shop = Shop::new();
    let lite = json(&shop, &["sql", "allowed", "sqlite"]);
    let has = |list: &serde_json::Value, kind: &str, name: &str| {
        let entries = list.as_array().unwrap();
        entries.iter().any(|entry| {
            entry["kind"] == kind && entry["name"] == name && !entry["reason"].as_str().unwrap().is_empty()
        })
    };
    assert!(has(&lite, "function", "lower") && has(&lite, "operator", "||") && has(&lite, "type", "integer"));
    assert!(has(&lite, "function in FROM", "json_each") && !has(&lite, "function", "load_extension"));
    let post = json(&shop, &["sql", "allowed", "postgres"]);
    assert!(has(&post, "aggregate", "string_agg") && has(&post, "window function", "lag"));
    assert_eq!(json(&shop, &["sql", "allowed", "--backend", "shop"]), lite);
    let (exit, text) = run(&shop, &["sql", "allowed", "postgres"]);
    assert!(exit == Exit::Done && text.starts_with("KIND"), "{text}");
    assert_eq!(run(&shop, &["sql", "allowed", "--backend", "nosuch"]).0, Exit::Failed);
}

#[test]
fn the_command_line_is_sound_and_every_command_has_examples() {
    let mut command = Cli::command();
    command.build();
    Cli::command().debug_assert();
    fn look(command: &clap::Command, without: &mut Vec<String>) {
        let quiet = ["list", "revoke", "rotate", "demo"];
        let leaf = command.get_subcommands().all(|sub| sub.get_name() == "help");
        if leaf && !quiet.contains(&command.get_name()) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            if !help.contains("Examples:") {
                without.push(command.get_name().to_owned());
            }
        }
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            look(sub, without);
        }
    }
    let mut without = Vec::new();
    look(&command, &mut without);
    assert!(without.is_empty(), "no examples: {without:?}");
}

#[test]
fn agents_come_and_go() {
    let shop = Shop::new();
    let (exit, token) = run(&shop, &["agent", "add", "support-bot", "--claim", "region=eu"]);
    assert_eq!(exit, Exit::Done);
    assert!(token.starts_with("mga_") && token.trim_end().lines().count() == 1, "the token alone: {token}");
    assert_eq!(run(&shop, &["agent", "add", "support-bot"]).0, Exit::Failed, "the name is taken");
    let listed = json(&shop, &["agent", "list"]);
    assert_eq!(listed[0]["name"], "support-bot");
    assert_eq!(listed[0]["claims"]["region"], "eu");
    assert!(!listed.to_string().contains(token.trim_end()));
    let (_, table) = run(&shop, &["agent", "list"]);
    assert!(table.starts_with("AGENT") && table.contains("region=\"eu\"") && table.contains("live"), "{table}");

    let minted = json(&shop, &["session", "mint", "--agent", "support-bot", "--claim", "customer_id=1"]);
    assert!(minted["token"].as_str().unwrap().starts_with("mgs_"));
    let claimed = run(&shop, &["session", "mint", "--agent", "support-bot", "--claim", "region=us"]);
    assert_eq!(claimed.0, Exit::Failed, "a session can't change the agent's own claim");
    let ended = json(&shop, &["agent", "revoke", "support-bot"]);
    assert_eq!(ended["sessions_ended"], 1);
    assert_eq!(run(&shop, &["agent", "revoke", "support-bot"]).0, Exit::Failed);
}

#[test]
fn minters_and_operators_come_and_go() {
    let shop = Shop::new();
    let minter = json(
        &shop,
        &["minter", "add", "desk", "--agent", "support-bot", "--claim", "customer_id:integer", "--max-ttl", "15m"],
    );
    assert!(minter["token"].as_str().unwrap().starts_with("mgm_"));
    assert_eq!(json(&shop, &["minter", "list"])[0]["grant"]["max_ttl_ms"], 900_000);
    assert_eq!(run(&shop, &["minter", "revoke", "desk"]).0, Exit::Done);
    let operator = json(&shop, &["operator", "add", "alice"]);
    assert!(operator["token"].as_str().unwrap().starts_with("mgo_"));
    assert_eq!(run(&shop, &["operator", "revoke", "alice"]).0, Exit::Done);
}

/// Whoever reads the ledger must know who was let in; and no token may be in it.
#[test]
fn every_act_is_in_the_ledger_without_its_token() {
    let shop = Shop::new();
    let (_, token) = run(&shop, &["agent", "add", "support-bot"]);
    run(&shop, &["agent", "add", "support-bot"]);
    run(&shop, &["agent", "revoke", "support-bot"]);
    let (exit, exported) = run(&shop, &["ledger", "export", "--kind", "admin"]);
    assert_eq!(exit, Exit::Done);
    let acts: Vec<(String, bool)> = exported
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["record"].take())
        .filter(|record| record["act"] != "ledger.open")
        .map(|record| (record["act"].as_str().unwrap().to_owned(), record["details"].get("failed").is_some()))
        .collect();
    let expected = [("agent.add", false), ("agent.add", false), ("agent.add", true), ("agent.revoke", false)];
    assert_eq!(acts, expected.map(|(act, failed)| (act.to_owned(), failed)));
    let secret = token.trim_end().rsplit('_').next().unwrap();
    assert!(secret.len() > 60 && !exported.contains(secret));
}

#[test]
fn revoking_works_while_a_mount_is_wrong() {
    let shop = Shop::new();
    run(&shop, &["agent", "add", "support-bot"]);
    shop.mount("name = ");
    assert_eq!(run(&shop, &["agent", "revoke", "support-bot"]).0, Exit::Done);
    assert_eq!(run(&shop, &["check"]).0, Exit::Misconfigured);
}

#[test]
fn the_ledger_is_verified_and_sealed() {
    let shop = Shop::new();
    run(&shop, &["agent", "add", "support-bot"]);
    let checkpoint = run(&shop, &["ledger", "checkpoint"]).1;
    let kept = shop.path().join("monday.json");
    std::fs::write(&kept, &checkpoint).unwrap();
    run(&shop, &["agent", "revoke", "support-bot"]);
    let kept = kept.display().to_string();
    let (exit, told) = run(&shop, &["ledger", "verify", "--checkpoint", &kept]);
    assert_eq!(exit, Exit::Done, "{told}");
    assert!(told.contains("the checkpoint holds") && told.contains("the chain holds"), "{told}");
    let other = "0".repeat(64);
    assert_eq!(run(&shop, &["ledger", "verify", "--checkpoint", &kept, "--key", &other]).0, Exit::Unsound);

    let (_, tail) = run(&shop, &["ledger", "tail", "-n", "1"]);
    assert!(tail.contains("agent.revoke"), "{tail}");

    let folder = shop.path().join("state/ledger");
    let segment = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .unwrap();
    let text = std::fs::read_to_string(&segment).unwrap();
    std::fs::write(&segment, text.replace("agent.revoke", "agent.remove")).unwrap();
    let (exit, told) = run(&shop, &["ledger", "verify"]);
    assert_eq!(exit, Exit::Unsound);
    assert!(told.contains("BROKEN"), "{told}");
    assert_eq!(run(&shop, &["ledger", "checkpoint"]).0, Exit::Failed, "nothing broken is signed");
}

#[test]
fn check_tells_what_holds_and_what_does_not() {
    let shop = Shop::new();
    let (exit, told) = run(&shop, &["check"]);
    assert_eq!(exit, Exit::Done, "{told}");
    assert!(told.contains("support") && told.contains("all of it holds"), "{told}");
    assert!(told.contains("warning: agent `support-bot` of mount `support` is not there yet"), "{told}");
    assert!(!shop.path().join("state").exists(), "check writes nothing");

    shop.mount_with("\"status\"]", "\"staus\"]");
    assert_eq!(run(&shop, &["check", "--offline"]).0, Exit::Done, "the files alone are sound");
    let (exit, told) = run(&shop, &["check", "--json"]);
    assert_eq!(exit, Exit::Misconfigured);
    let found: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(found["problems"][0]["line"], 7);
    assert!(found["problems"][0]["message"].as_str().unwrap().contains("did you mean `status`?"));
}

#[test]
fn explain_lays_a_statement_open_and_ends_with_five_where_it_is_refused() {
    let shop = Shop::new();
    let ask = ["explain", "--mount", "support", "--agent", "support-bot", "--claim", "customer_id=1"];
    let (exit, told) = run(&shop, &[&ask[..], &["SELECT status FROM orders"]].concat());
    assert_eq!(exit, Exit::Done, "{told}");
    assert!(told.contains("claim `customer_id`") && told.contains("sql\n"), "{told}");
    let (exit, told) = run(&shop, &[&ask[..], &["SELECT note FROM orders"]].concat());
    assert_eq!(exit, Exit::Refused, "{told}");
    assert!(told.contains("refused\n  not_in_scope"), "{told}");
}

#[test]
fn explain_knows_the_agents_own_claims() {
    let shop = Shop::new();
    run(&shop, &["agent", "add", "support-bot", "--claim", "customer_id=1"]);
    let ask = ["explain", "--mount", "support", "--agent", "support-bot", "SELECT status FROM orders"];
    assert_eq!(run(&shop, &ask).0, Exit::Done);
    let over = [&ask[..], &["--claim", "customer_id=2"]].concat();
    assert_eq!(run(&shop, &over).0, Exit::Failed);
}

#[test]
fn init_writes_a_start_that_checks() {
    let shop = Shop::new();
    let (config, database) = (shop.path().join("new/mountgate.toml"), shop.path().join("shop.db"));
    let (config, database) = (config.display().to_string(), database.display().to_string());
    assert_eq!(run(&shop, &["init", "--config", &config, "--sqlite", &database]).0, Exit::Done);
    let (exit, told) = run(&shop, &["check", "--config", &config]);
    assert_eq!(exit, Exit::Done, "{told}");
    assert_eq!(run(&shop, &["init", "--config", &config]).0, Exit::Failed, "what is there is left as it is");
}

/// A shop in a PostgreSQL database of its own; what is returned asks it as its owner.
fn postgres_shop(name: &str) -> (Shop, impl Fn(&str)) {
    let url = std::env::var("MOUNTGATE_TEST_POSTGRES").expect(
        "MOUNTGATE_TEST_POSTGRES must hold the URL of a superuser of a scratch PostgreSQL; `cargo xtask test` sets one up",
    );
    let ask = move |url: &str, sql: &str| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute(sql).await.unwrap();
        });
    };
    ask(&url, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    ask(&url, &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"));
    let mut own = url.clone();
    own.replace_range(url.rfind('/').unwrap() + 1.., name);
    ask(
        &own,
        "CREATE TABLE customers (customer_id int8 PRIMARY KEY, name text, email text, secret text);
         CREATE TABLE orders (order_id int8 PRIMARY KEY, customer_id int8, status text, note text);
         INSERT INTO orders VALUES (1, 1, 'open', 'n'), (2, 2, 'open', 'n');",
    );
    let shop = Shop::new();
    std::fs::write(shop.path().join("url"), &own).unwrap();
    postgres_main(&shop, "");
    (shop, move |sql: &str| ask(&own, sql))
}

fn postgres_main(shop: &Shop, more: &str) {
    let main = format!("[backends.shop]\nkind = \"postgres\"\nurl = {{ file = \"url\" }}\npool = 2\n{more}");
    std::fs::write(shop.config_path(), main).unwrap();
}

#[test]
fn walls_are_provisioned_checked_and_taken_down() {
    let (shop, ask) = postgres_shop("mountgate_cli_wall");
    let check = |strict: &[&str]| run(&shop, &[&["backend", "check", "shop"], strict].concat());
    let wall = || {
        let found = json(&shop, &["check"]);
        let warned = found["warnings"].to_string().contains("no wall");
        (found["mounts"][0]["wall"].as_str().unwrap().to_owned(), warned)
    };

    let (exit, told) = check(&[]);
    assert_eq!(exit, Exit::Misconfigured, "{told}");
    assert!(told.contains("missing"), "{told}");
    let (exit, printed) = run(&shop, &["backend", "provision", "shop", "--print"]);
    assert_eq!(exit, Exit::Done);
    assert!(
        printed.contains("CREATE VIEW") && printed.contains("_password") && !printed.contains("SCRAM"),
        "{printed}"
    );
    assert!(!shop.path().join("state").exists(), "printing writes nothing");
    assert_eq!(run(&shop, &["backend", "provision", "shop", "--print", "--secrets"]).0, Exit::Failed, "no key yet");
    assert_eq!(wall(), ("none".to_owned(), true));
    postgres_main(&shop, "wall = \"require\"\n");
    let (exit, told) = run(&shop, &["check"]);
    assert_eq!(exit, Exit::Misconfigured);
    assert!(told.contains("mount `support`: none is provisioned") && told.contains("backend provision shop"), "{told}");

    let (exit, told) = run(&shop, &["backend", "provision", "shop", "--apply"]);
    assert_eq!(exit, Exit::Done, "{told}");
    assert!(told.contains("whole"), "{told}");
    assert_eq!(wall(), ("whole".to_owned(), false));
    assert_eq!(check(&[]).0, Exit::Done);
    assert_eq!(check(&["--strict"]).0, Exit::Misconfigured, "every role may make temporary tables");
    let (_, printed) = run(&shop, &["backend", "provision", "shop", "--print", "--secrets"]);
    assert!(printed.contains("SCRAM-SHA-256$"), "{printed}");

    // A mount's file that has changed, a login that may more.
    shop.mount_with(
        "columns = [\"order_id\", \"customer_id\", \"status\"]",
        "columns = [\"order_id\", \"customer_id\"]",
    );
    let (exit, told) = check(&[]);
    assert_eq!(exit, Exit::Misconfigured);
    assert!(told.contains("has changed table `orders`"), "{told}");
    assert_eq!(run(&shop, &["check"]).0, Exit::Misconfigured, "it is required");
    postgres_main(&shop, "");
    assert_eq!(wall(), ("none".to_owned(), true));
    assert_eq!(run(&shop, &["backend", "provision", "shop", "--apply"]).0, Exit::Done);
    assert_eq!(wall(), ("whole".to_owned(), false));
    ask("GRANT SELECT ON orders TO PUBLIC");
    let (exit, told) = check(&[]);
    assert_eq!(exit, Exit::Misconfigured);
    assert!(told.contains("may read or change public.orders"), "{told}");
    ask("REVOKE SELECT ON orders FROM PUBLIC");

    postgres_main(&shop, "wall = \"off\"\n");
    assert_eq!(wall(), ("off".to_owned(), true));
    assert_eq!(run(&shop, &["backend", "provision", "shop", "--drop"]).0, Exit::Done);
    assert_eq!(check(&[]).0, Exit::Misconfigured);

    assert_eq!(run(&shop, &["backend", "check", "nosuch"]).0, Exit::Misconfigured);
    let sqlite = Shop::new();
    assert_eq!(run(&sqlite, &["backend", "check", "shop"]).0, Exit::Done);
    assert_eq!(run(&sqlite, &["backend", "provision", "shop", "--apply"]).0, Exit::Failed);
}

#[test]
fn a_shadow_is_started_told_of_and_stopped_and_promoted_by_nobody() {
    let shop = Shop::new();
    let file = shop.path().join("shadows/support.toml");
    for wrong in [&["--policy", "acme/none"][..], &["--policy", "tiers", "--share", "0"], &["--policy", "../x"]] {
        let line = [&["plugin", "shadow", "start", "--mount", "support"], wrong].concat();
        assert_ne!(run(&shop, &line).0, Exit::Done, "{wrong:?}");
        assert!(!file.exists(), "{wrong:?} was left behind");
    }
    for nowhere in ["none", "../support", ""] {
        let line = ["plugin", "shadow", "start", "--mount", nowhere, "--policy", "ceiling"];
        assert_eq!(run(&shop, &line).0, Exit::Failed, "{nowhere}");
        assert_eq!(run(&shop, &["plugin", "shadow", "stop", "--mount", nowhere]).0, Exit::Failed, "{nowhere}");
    }
    let start = ["plugin", "shadow", "start", "--mount", "support", "--policy", "ceiling", "--share", "0.5"];
    assert_eq!(run(&shop, &start).0, Exit::Done);
    let shadow = shop.config().mounts["support"].shadow.clone().unwrap();
    assert_eq!((shadow.policy.name.as_str(), shadow.share), ("ceiling", 500_000));
    // One is enough, and it is nobody's to bring into force.
    assert_eq!(run(&shop, &start).0, Exit::Failed);
    assert_eq!(run(&shop, &["plugin", "shadow", "promote", "--mount", "support"]).0, Exit::Failed);
    assert_eq!(shop.config().mounts["support"].policy.name.as_str(), "ceiling");
    assert_eq!(json(&shop, &["plugin", "shadow", "report"])["shadows"], serde_json::json!([]));
    assert_eq!(run(&shop, &["plugin", "shadow", "stop", "--mount", "support"]).0, Exit::Done);
    assert!(shop.config().mounts["support"].shadow.is_none() && !file.exists());
}

#[test]
fn plugins_are_signed_taken_and_a_candidate_is_promoted_by_whoever_holds_the_publishers_key() {
    let shop = Shop::new();
    let at = |name: &str| shop.path().join(name).display().to_string();
    std::fs::write(at("passphrase"), "a passphrase").unwrap();
    let (repository, keys, elsewhere) = (at("repository"), at("keys"), at("elsewhere"));
    let (passphrase, acme) = (at("passphrase"), at("elsewhere/acme.pem"));
    let with = |line: &[&str], keys: &[&str]| {
        let keys: Vec<&str> = keys.iter().flat_map(|keys| ["--keys", keys]).collect();
        run(&shop, &[line, &["--passphrase-file", &passphrase], &keys].concat())
    };
    assert_eq!(with(&["trust", "init", &repository], &[&keys]).0, Exit::Done);
    assert_eq!(with(&["trust", "key", &acme], &[]).0, Exit::Done);
    let request = at("elsewhere/acme.request");
    let delegate = ["trust", "delegate", "acme", "--key", &request, "--repository", &repository];
    assert_eq!(with(&delegate, &[&keys]).0, Exit::Done);
    for (release, name) in [(7, "acme/support"), (8, "acme/next")] {
        let component = at(&format!("{release}.wasm"));
        std::fs::write(&component, crate::shop::signed::component(release)).unwrap();
        let line = ["trust", "publish", &component, "--name", name, "--release", "1", "--repository", &repository];
        // The keys of the repository are not the publisher's, and the publisher's not the repository's.
        assert_eq!(with(&line, &[&keys]).0, Exit::Failed);
        assert_eq!(with(&line, &[&elsewhere]).0, Exit::Failed);
        let (exit, told) = with(&line, &[&keys, &elsewhere]);
        assert_eq!(exit, Exit::Done, "{told}");
    }
    assert_eq!(run(&shop, &["trust", "refresh"]).0, Exit::Failed);
    let root = at("repository/metadata/1.root.json");
    shop.main(&format!("[trust]\nrepository = {repository:?}\nroot = {root:?}\n"));
    shop.mount_with("policy = \"ceiling\"", "policy = \"acme/support\"");
    assert_eq!(run(&shop, &["trust", "refresh"]).0, Exit::Done);
    assert_eq!(run(&shop, &["check"]).0, Exit::Done);
    assert_eq!(run(&shop, &["trust", "verify"]).0, Exit::Done);

    let promote = ["plugin", "shadow", "promote", "--mount", "support", "--repository", &repository];
    assert_eq!(with(&promote, &[&keys, &elsewhere]).0, Exit::Failed, "it has no shadow");
    let start = ["plugin", "shadow", "start", "--mount", "support", "--policy", "acme/next"];
    assert_eq!(run(&shop, &start).0, Exit::Done);
    assert_eq!(with(&promote, &[&keys]).0, Exit::Failed, "without the publisher's key");
    let digest = |release: u64| mountgate_core::Digest::of(&crate::shop::signed::component(release)).to_string();
    let in_force = || {
        let plugins = json(&shop, &["trust", "show"])["plugins"].clone();
        let found = plugins.as_array().unwrap().iter().find(|plugin| plugin["name"] == "acme/support").unwrap().clone();
        (found["release"].as_u64().unwrap(), found["digest"].as_str().unwrap().to_owned())
    };
    assert_eq!(with(&promote, &[&keys, &elsewhere]).0, Exit::Done);
    assert_eq!(in_force(), (1, digest(7)));
    assert_eq!(run(&shop, &["trust", "refresh"]).0, Exit::Done);
    assert_eq!(in_force(), (2, digest(8)));

    let revoke = ["trust", "revoke", "acme/support@2", "--reason", "leaks", "--repository", &repository];
    assert_eq!(with(&revoke, &[&elsewhere]).0, Exit::Failed, "a publisher's key revokes nothing");
    assert_eq!(with(&revoke, &[&keys]).0, Exit::Done);
    assert_eq!(run(&shop, &["trust", "refresh"]).0, Exit::Done);
    let (exit, told) = run(&shop, &["check"]);
    assert!(exit == Exit::Done && told.contains("is revoked: leaks"), "{told}");

    // A byte of what was signed, anywhere, and it is told.
    let hex = mountgate_core::Digest::of(&crate::shop::signed::component(8)).to_hex();
    let component = at(&format!("repository/targets/acme/{hex}.support.wasm"));
    let mut bytes = std::fs::read(&component).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&component, bytes).unwrap();
    assert_eq!(run(&shop, &["trust", "verify"]).0, Exit::Unsound);
}
