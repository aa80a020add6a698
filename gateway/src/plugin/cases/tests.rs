use std::sync::Arc;

use mountgate_policy::{Host, HostConfig, Plugin, bundled};

use super::*;

const MOUNT: &str = r#"
[mount]
name = "support"
zone = "Europe/Berlin"
[mount.tables.orders]
columns = ["order_id", "status", "email", "created_at"]
types = { order_id = "integer", status = "text", email = "text", created_at = "timestamp", region = "text", tenant = "integer" }
key = ["order_id"]
masks = { email = "hash" }
lend = ["region"]
filter = "tenant = 7"
[mount.tables.customers]
columns = ["customer_id"]
types = { customer_id = "integer" }
"#;

fn case(rest: &str) -> Case {
    let mut cases = Case::parse("cases/x.toml", &format!("{MOUNT}\n{rest}")).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(cases.len(), 1);
    cases.remove(0)
}

fn plugin(component: &[u8]) -> Arc<Plugin> {
    Host::new(HostConfig { max_instances: 8, ready: 1, ..HostConfig::default() }).unwrap().admit(component).unwrap()
}

const TIER: &str = r#"
[[settings.tiers]]
when = { role = "support" }
limits = { max_rows = 50 }
valid_for = "30s"
[settings.tiers.tables.orders]
columns = ["order_id", "status"]
masks = { status = "null" }
filter = "region = claim.region AND order_id > 5"
[request]
agent = "bot"
claims = { role = "support", region = "north" }
sql = "SELECT status FROM orders WHERE order_id = 3"
"#;

#[test]
fn a_case_is_asked_on_the_host_and_held_against_the_ceiling() {
    let tiers = plugin(bundled::TIERS);
    let whole = case(&format!(
        r#"{TIER}
[expect]
verdict = "allow"
limits = {{ max_rows = 50 }}
valid_for = "30s"
[expect.tables.orders]
columns = ["status", "order_id"]
masks = {{ status = "null" }}
filter = "order_id > 5 AND region = claim.region"
"#
    ));
    let outcome = run(&whole, &tiers);
    assert_eq!(
        (outcome.passed, outcome.differences.as_slice(), outcome.unchecked.as_slice()),
        (true, &[][..], &[][..])
    );
    assert!(outcome.memory_bytes >= 64 << 10 && outcome.decide_micros > 0, "{outcome:?}");
    assert_eq!(whole.request.touch.relations[0].columns.len(), 2);
}

#[test]
fn each_part_that_differs_is_named_and_each_that_is_not_said() {
    let tiers = plugin(bundled::TIERS);
    for (expect, differs) in [
        ("[expect]\nverdict = \"deny\"", vec!["verdict"]),
        ("[expect]\nverdict = \"allow\"\ngrant = \"ceiling\"", vec!["columns", "masks", "filter"]),
        ("[expect]\nverdict = \"allow\"\nvalid_for = \"none\"", vec!["valid_for"]),
        ("[expect]\nverdict = \"allow\"\nlimits = {}", vec!["limits"]),
        ("[expect]\nverdict = \"allow\"\ntables = {}", vec!["tables.orders"]),
        ("[expect]\nverdict = \"allow\"\ntables.customers = {}", vec!["tables.customers", "tables.orders"]),
        ("[expect]\nverdict = \"allow\"\ntables.orders.columns = [\"status\"]", vec!["columns"]),
        ("[expect]\nverdict = \"allow\"\ntables.orders.masks = {}", vec!["masks"]),
        ("[expect]\nverdict = \"allow\"\ntables.orders.filter = \"region = claim.region\"", vec!["filter"]),
        ("[expect]\nverdict = \"allow\"\ntables.orders.filter = \"TRUE\"", vec!["filter"]),
    ] {
        let outcome = run(&case(&format!("{TIER}\n{expect}")), &tiers);
        assert!(!outcome.passed, "{expect}");
        let found: Vec<&str> = outcome.differences.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(found.len(), differs.len(), "{expect}: {:?}", outcome.differences);
        for part in differs {
            assert!(found.iter().any(|what| what.ends_with(part)), "{expect}: {found:?}");
        }
    }
    let bare = run(&case(&format!("{TIER}\n[expect]\nverdict = \"allow\"")), &tiers);
    assert!(bare.passed && bare.unchecked == ["tables", "limits", "valid_for"], "{bare:?}");
}

#[test]
fn denials_and_faults_are_expected_by_code_and_words() {
    let tiers = plugin(bundled::TIERS);
    let asked = "[request]\nagent = \"bot\"\ntouch.orders = [\"status\"]\n";
    let none = "[[settings.tiers]]\nwhen = { role = \"boss\" }\ntables.orders = {}\n";
    let denied = case(&format!("{none}{asked}[expect]\nverdict = \"deny\"\ncode = \"no_tier\"\nreason = \"no tier\""));
    let outcome = run(&denied, &tiers);
    assert!(outcome.passed && outcome.unchecked == ["hint"], "{outcome:?}");
    let other = case(&format!("{none}{asked}[expect]\nverdict = \"deny\"\ncode = \"closed\"\nreason = \"too late\""));
    assert_eq!(run(&other, &tiers).differences.len(), 2);
    let settings = "[settings]\nteirs = []\n";
    let refused = case(&format!(
        "{settings}{asked}[expect]\nverdict = \"fault\"\ncode = \"policy_settings\"\nreason = \"teirs\""
    ));
    assert!(run(&refused, &tiers).passed);
    // A column that the ceiling does not show is a fault, and no verdict that a case could take for one.
    let past = "[[settings.tiers]]\nwhen = {}\ntables.orders = { columns = [\"tenant\"] }\n";
    let past = case(&format!("{past}{asked}[expect]\nverdict = \"fault\"\nreason = \"tenant\""));
    assert!(run(&past, &tiers).passed, "{:?}", run(&past, &tiers));
}

#[test]
fn the_ceiling_as_it_is_is_told_by_what_it_shows() {
    let asked = "[request]\nagent = \"bot\"\nsql = \"SELECT * FROM orders\"\n";
    let outcome =
        run(&case(&format!("{asked}[expect]\nverdict = \"allow\"\ngrant = \"ceiling\"")), &plugin(bundled::CEILING));
    assert!(outcome.passed && !outcome.unchecked.contains(&"tables".to_owned()), "{outcome:?}");
}

#[test]
fn a_case_survives_as_json() {
    let rest = format!("{TIER}time = 2026-11-24T10:00:00\nparameters = [1, \"x\", 2.5]\nusage = {{ rows_left = 5 }}\n");
    let one = case(&format!("{rest}[expect]\nverdict = \"allow\"\ntables.orders.filter = \"region = claim.region\""));
    // Ten o'clock in Berlin is nine in Greenwich.
    assert_eq!(one.request.time_ms, Some(1_795_510_800_000));
    let json = serde_json::to_string(&one).unwrap();
    assert_eq!(serde_json::from_str::<Case>(&json).unwrap(), one);
    let strange = json.replacen("\"agent\":", "\"agnet\":1,\"agent\":", 1);
    assert!(serde_json::from_str::<Case>(&strange).is_err());
}

#[test]
fn a_file_may_hold_several_cases_over_what_it_says_itself() {
    let text = format!(
        r#"{MOUNT}
[settings]
otherwise = "ceiling"
tiers = [{{ when = {{ role = "boss" }}, tables = {{ orders = {{}} }} }}]
[request]
agent = "bot"
sql = "SELECT status FROM orders"
[[cases]]
name = "one"
expect = "allow"
[[cases]]
name = "two"
settings = {{ tiers = [{{ when = {{ role = "boss" }}, tables = {{ orders = {{}} }} }}] }}
request = {{ touch.customers = ["customer_id"], claims = {{ role = "x" }} }}
expect.verdict = "deny"
"#
    );
    let cases = Case::parse("cases/both.toml", &text).unwrap();
    let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["both/one", "both/two"]);
    assert_eq!(cases[1].request.touch.relations[0].relation.as_str(), "customers");
    let tiers = plugin(bundled::TIERS);
    assert!(cases.iter().all(|case| run(case, &tiers).passed));
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let good = "[request]\nagent = \"bot\"\nsql = \"SELECT status FROM orders\"\n[expect]\nverdict = \"allow\"\n";
    assert!(Case::parse("x.toml", &format!("{MOUNT}{good}")).is_ok());
    for (from, to, says) in [
        ("agent =", "agnet =", "unknown key `agnet`"),
        ("verdict = \"allow\"", "verdict = \"alow\"", "did you mean `allow`?"),
        ("verdict = \"allow\"", "verdict = \"allow\"\nreason = \"x\"", "says nothing of a verdict `allow`"),
        ("verdict = \"allow\"", "verdict = \"allow\"\ntables.order = {}", "did you mean `orders`?"),
        ("sql = \"SELECT status FROM orders\"", "touch.orders = [\"statos\"]", "did you mean `status`?"),
        ("sql = \"SELECT status FROM orders\"", "touch.orders = { status = [\"filterd\"] }", "no use of a column"),
        ("SELECT status", "SELECT region", "refuses this statement before any policy is asked"),
        ("sql = \"SELECT status FROM orders\"\n", "", "what is asked for is missing"),
        ("region = \"text\", ", "", "`types` says nothing of `region`"),
        ("status = \"text\"", "status = \"txt\"", "did you mean `text`?"),
        ("Europe/Berlin", "Europe/Berln", "no time zone"),
        ("tenant = 7", "tenant = 'x'", "another type"),
        ("[expect]\nverdict = \"allow\"\n", "", "`expect` is missing"),
        ("key = [\"order_id\"]", "key = [\"oder_id\"]", "which is in `key`"),
    ] {
        let text = format!("{MOUNT}{good}");
        assert!(text.contains(from), "{from}");
        let why = Case::parse("x.toml", &text.replacen(from, to, 1)).expect_err(to).to_string();
        assert!(why.contains(says), "{to}: {why}");
        assert!(why.contains("x.toml:"), "{why}");
    }
    let nowhere = Case::load_dir(Path::new("/nonexistent/cases")).unwrap_err().to_string();
    assert!(nowhere.contains("/nonexistent/cases"), "{nowhere}");
}
