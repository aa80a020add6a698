use mountgate_core::Use;

use super::*;
use crate::usage::tests::{AGENT, Ask, MOUNT, lookup, recorded, usage};

fn suggest(asks: &[Ask], options: &Options) -> (Suggestion, Predicted) {
    let folder = recorded(asks);
    let usage = usage(folder.path());
    let (mount, agent) = (MOUNT.into(), AGENT.into());
    let suggestion = Suggestion::of(&mount, &agent, &usage.tasks[&(mount.clone(), agent.clone())], options);
    let predicted = suggestion.predict(folder.path(), Selection::default(), &mut |_| ()).unwrap();
    (suggestion, predicted)
}

fn lookups(count: i64) -> Vec<Ask> {
    (0..count).map(|at| lookup(1_000 * at, 1 + at % 3, 100 + at)).collect()
}

#[test]
fn what_held_throughout_becomes_a_rule() {
    let (suggestion, predicted) = suggest(&lookups(30), &Options::default());
    let orders = &suggestion.tables["orders"];
    assert_eq!(orders.filters["customer_id"].0.as_str(), "customer_id");
    assert_eq!(orders.require.keys().map(ColumnName::as_str).collect::<Vec<_>>(), ["order_id"]);
    assert!(suggestion.unsure.is_empty(), "{:?}", suggestion.unsure);
    assert_eq!((predicted.decisions, predicted.refused), (30, 0));
    let max_rows = suggestion.limits.iter().find(|limit| limit.key == "max_rows").unwrap();
    assert_eq!((max_rows.highest, max_rows.value), (1, 2));
}

#[test]
fn one_request_without_it_and_it_is_no_rule() {
    let mut asks = lookups(30);
    asks[7].equal.clear();
    let (suggestion, _) = suggest(&asks, &Options::default());
    let orders = &suggestion.tables["orders"];
    assert!(orders.filters.is_empty() && orders.require.is_empty());
    assert!(suggestion.unsure.iter().any(|line| line.contains("in 29 of 30 requests")), "{:?}", suggestion.unsure);
}

#[test]
fn a_relation_that_is_there_twice_makes_no_rule() {
    let mut asks = lookups(30);
    asks[7].touched[0].1 = 2;
    let (suggestion, _) = suggest(&asks, &Options::default());
    let orders = &suggestion.tables["orders"];
    assert!(orders.filters.is_empty() && orders.require.is_empty());
    assert!(suggestion.unsure.iter().any(|line| line.contains("more than once")), "{:?}", suggestion.unsure);
}

#[test]
fn too_little_evidence_or_a_single_value_makes_no_rule() {
    let (few, _) = suggest(&lookups(5), &Options::default());
    assert!(few.tables["orders"].filters.is_empty() && few.tables["orders"].require.is_empty());
    assert!(few.unsure.iter().any(|line| line.contains("in 5 requests only")), "{:?}", few.unsure);

    let same: Vec<Ask> = (0..30).map(|at| lookup(at, 1, 7)).collect();
    let (same, _) = suggest(&same, &Options::default());
    assert!(same.tables["orders"].filters.is_empty() && same.tables["orders"].require.is_empty());
    assert!(same.unsure.iter().any(|line| line.contains("only one value of it was seen")), "{:?}", same.unsure);
    assert!(same.unsure.iter().any(|line| line.contains("one and the same value")), "{:?}", same.unsure);
}

#[test]
fn what_is_left_out_is_told_and_so_is_what_that_would_refuse() {
    let mut asks = lookups(99);
    let mut rare = lookup(200_000, 1, 5);
    rare.touched.push(("employees", 1, vec![("salary", &[Use::Projected])]));
    rare.touched[0].2.push(("note", &[Use::Projected]));
    asks.push(rare);
    let (suggestion, predicted) = suggest(&asks, &Options { min_share: 0.05, ..Options::default() });
    assert!(!suggestion.tables.contains_key("employees"));
    assert_eq!(suggestion.left_out, ["`employees`: 1 of 100 requests", "`orders`.`note`: 1 of 100 requests"]);
    assert_eq!((predicted.decisions, predicted.refused), (100, 1));
    let reasons: Vec<&str> = predicted.reasons.keys().map(String::as_str).collect();
    assert_eq!(reasons, ["it uses `employees`", "it uses `orders`.`note`"]);
    assert!(predicted.reasons.values().all(|(count, example)| *count == 1 && example.is_some()));
}

#[test]
fn the_same_record_gives_the_same_suggestion() {
    let spelt = |_: ()| serde_json::to_string(&suggest(&lookups(40), &Options::default()).0).unwrap();
    assert_eq!(spelt(()), spelt(()));
}
