use std::sync::Arc;

use mountgate_review::{ColumnSuggestion, LimitSuggestion};

use super::*;
use crate::{config::Config, shop::Shop};

const DAY: i64 = 86_400_000;

fn seen(count: u64) -> Seen {
    Seen { count, first_ms: 20_000 * DAY, last_ms: 20_013 * DAY }
}

fn used(columns: &[&str]) -> TableSuggestion {
    let column = |name: &&str| {
        (ColumnName::new(*name), ColumnSuggestion { seen: seen(900), uses: vec!["filtered", "projected"] })
    };
    TableSuggestion {
        seen: seen(1204),
        columns: columns.iter().map(column).collect(),
        filters: [].into(),
        require: [].into(),
    }
}

fn suggestion(tables: &[(&str, TableSuggestion)]) -> Suggestion {
    Suggestion {
        mount: "support".into(),
        agent: "support-bot".into(),
        decisions: seen(1204),
        tables: tables.iter().map(|(name, table)| ((*name).into(), table.clone())).collect(),
        limits: vec![],
        left_out: vec![],
        unsure: vec![],
    }
}

/// Narrows the shop's mount and loads what comes out.
fn narrow(mount: &str, suggestion: &Suggestion) -> (String, MountConfig) {
    let shop = Shop::new();
    shop.mount(mount);
    let path = shop.config_path();
    let config = Config::load(&path).unwrap_or_else(|problems| panic!("{problems}"));
    let declared = &config.mounts["support"];
    let text = narrowed(declared, suggestion, &Predicted { decisions: 1204, ..Predicted::default() }).unwrap();
    let loaded =
        config.with_mount(&path, &declared.source.path, &text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    (text, loaded.mounts["support"].clone())
}

#[test]
fn what_is_not_used_goes_and_what_people_wrote_stays() {
    let mount = r#"# The help desk's own words.
name = "support" # theirs
backend = "shop"
agents = ["support-bot", "other-bot"]
policy = "ceiling"
hours = "Mon-Fri 07:00-19:00 Europe/Berlin"

# Orders, of one customer.
[tables.orders]
columns = ["order_id", "customer_id", "status"]
filter = "customer_id = claim.customer_id"

[tables.customers]
columns = ["customer_id", "name", "email"]
masks = { email = { partial = { first = 1, last = 4 } } }

[limits]
requests = ["60/minute", "1000/day"]
max_rows = 100

[agent.third-bot]
policy = "tiers"
"#;
    let mut orders = used(&["order_id", "status"]);
    orders.require.insert("order_id".into(), seen(1204));
    let mut suggested = suggestion(&[("orders", orders)]);
    suggested.limits = vec![
        LimitSuggestion { key: "requests", value: 20, window: Some("minute"), highest: 9 },
        LimitSuggestion { key: "max_rows", value: 500, window: None, highest: 200 },
        LimitSuggestion { key: "timeout", value: 1000, window: None, highest: 12 },
    ];
    suggested.unsure.push("nothing\nat all".to_owned());
    let (text, loaded) = narrow(mount, &suggested);
    insta::assert_snapshot!(text);
    assert_eq!(loaded.agents.len(), 1);
    assert_eq!(loaded.tables.len(), 1);
    let orders = &loaded.tables["orders"];
    assert_eq!(orders.columns, ["order_id".into(), "status".into()]);
    assert_eq!(orders.require, ["order_id".into()]);
    assert_eq!(loaded.limits.max_rows, Some(100), "a limit is never raised");
    assert_eq!(loaded.limits.timeout_ms, Some(1000));
}

#[test]
fn a_filter_that_was_learned_joins_the_one_that_is_there() {
    let mut customers = used(&["customer_id", "name", "Order"]);
    customers.filters.insert("customer_id".into(), ("customer_id".into(), seen(1204)));
    customers.filters.insert("Order".into(), ("region".into(), seen(1204)));
    let mount = |filter: &str| {
        format!(
            "name = \"support\"\nbackend = \"shop\"\nagents = [\"support-bot\"]\npolicy = \"ceiling\"\n\
             [tables.customers]\ncolumns = [\"customer_id\", \"name\", \"Order\", \"email\"]\n\
             masks = {{ email = \"hash\" }}\n{filter}\n"
        )
    };
    let filter = |text: &str| Some(mountgate_sql::filter::parse(text).unwrap());
    let suggested = suggestion(&[("customers", customers)]);
    let (text, loaded) = narrow(&mount(""), &suggested);
    let learned = "\"Order\" = claim.region";
    assert_eq!(
        loaded.tables["customers"].filter,
        filter(&format!("({learned}) AND customer_id = claim.customer_id")),
        "{text}"
    );
    assert!(loaded.tables["customers"].masks.is_empty(), "{text}");
    let (text, loaded) = narrow(&mount("filter = \"name = 'a' OR customer_id = claim.customer_id\""), &suggested);
    let both =
        format!("((name = 'a' OR customer_id = claim.customer_id) AND {learned}) AND customer_id = claim.customer_id");
    assert_eq!(loaded.tables["customers"].filter, filter(&both), "{text}");
    // One that is enforced already is not said twice.
    let (text, loaded) = narrow(&mount("filter = \"customer_id = claim.customer_id AND name = 'a'\""), &suggested);
    let both = format!("(customer_id = claim.customer_id AND name = 'a') AND {learned}");
    assert_eq!(loaded.tables["customers"].filter, filter(&both), "{text}");
}

#[test]
fn a_name_with_a_line_feed_ends_no_comment() {
    let mut suggested = suggestion(&[("orders", used(&["status"]))]);
    suggested.left_out.push("`a\nagents = [\"evil\"]`".to_owned());
    let (text, loaded) = narrow(crate::shop::MOUNT, &suggested);
    assert_eq!(loaded.agents, [mountgate_core::AgentName::new("support-bot")], "{text}");
}

#[test]
fn a_mount_that_would_show_nothing_is_not_written() {
    let shop = Shop::new();
    let config = Config::load(&shop.config_path()).unwrap_or_else(|problems| panic!("{problems}"));
    let mount = Arc::new(config.mounts["support"].clone());
    let nothing = narrowed(&mount, &suggestion(&[("elsewhere", used(&["a"]))]), &Predicted::default());
    assert!(matches!(nothing, Err(NarrowError::Nothing { .. })));
}

fn review(mount: &str, unused: &[(&str, Option<&str>)], idle: &[&str]) -> Result<Option<String>, NarrowError> {
    let shop = Shop::new();
    shop.mount(mount);
    let path = shop.config_path();
    let config = Config::load(&path).unwrap_or_else(|problems| panic!("{problems}"));
    let declared = &config.mounts["support"];
    let unused: Vec<Unused> = unused
        .iter()
        .map(|(table, column)| Unused { table: (*table).into(), column: column.map(ColumnName::new), last_ms: None })
        .collect();
    let idle: Vec<AgentName> = idle.iter().map(|agent| AgentName::new(*agent)).collect();
    let text = without(declared, &unused, &idle)?;
    if let Some(text) = &text {
        config.with_mount(&path, &declared.source.path, text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    }
    Ok(text)
}

#[test]
fn a_review_takes_out_what_is_unused_and_touches_nothing_else() {
    let unused = [("orders", None), ("customers", Some("email")), ("elsewhere", None)];
    let text = review(crate::shop::MOUNT, &unused, &["not-there"]);
    let (before, rest) = crate::shop::MOUNT.split_once("[tables.orders]").unwrap();
    let (_, customers) = rest.split_once("[tables.customers]").unwrap();
    let customers = customers
        .replace("\"name\", \"email\"]", "\"name\"]")
        .replace("masks = { email = { partial = { first = 1, last = 4 } } }\n", "");
    assert_eq!(text.unwrap().unwrap(), format!("{before}[tables.customers]{customers}"));
    assert_eq!(review(crate::shop::MOUNT, &[], &[]).unwrap(), None);
}

#[test]
fn a_review_never_leaves_a_mount_that_shows_nothing_or_serves_nobody() {
    let all = [("orders", None), ("customers", None)];
    assert!(matches!(review(crate::shop::MOUNT, &all, &[]), Err(NarrowError::Nothing { .. })));
    assert!(matches!(review(crate::shop::MOUNT, &[], &["support-bot"]), Err(NarrowError::Nothing { .. })));
}
