use mountgate_core::Use;

use super::*;
use crate::usage::tests::{AGENT, Ask, MOUNT, lookup, recorded, usage};

const DAY: i64 = 86_400_000;

fn mount() -> Reviewed {
    let columns = |names: &[&str]| names.iter().map(|name| ColumnName::new(*name)).collect::<Vec<_>>();
    Reviewed {
        mount: MOUNT.into(),
        agents: [(AGENT.into(), Some(0)), ("idle-bot".into(), Some(0))].into(),
        tables: [
            ("orders".into(), columns(&["order_id", "customer_id", "status", "note"])),
            ("customers".into(), columns(&["customer_id", "name"])),
        ]
        .into(),
    }
}

fn reviewed(asks: &[Ask], mount: Reviewed, now_ms: i64, unused_ms: i64) -> MountReview {
    let folder = recorded(asks);
    review(&[mount], &usage(folder.path()), now_ms, unused_ms).remove(0)
}

fn named(unused: &[Unused]) -> Vec<String> {
    let name = |one: &Unused| one.column.as_ref().map_or(one.table.to_string(), |c| format!("{}.{c}", one.table));
    unused.iter().map(name).collect()
}

#[test]
fn what_nobody_used_is_told_once_it_was_watched_for_long_enough() {
    let asks = [lookup(0, 1, 1), lookup(80 * DAY, 1, 1)];
    let found = reviewed(&asks, mount(), 90 * DAY, 60 * DAY);
    assert_eq!(named(&found.unused), ["customers", "orders.note"]);
    assert_eq!(found.idle, ["idle-bot".into()]);
    assert!(found.watch.is_some_and(|watch| watch.enough));
    // The same after a week of watching is no finding yet.
    let found = reviewed(&[lookup(80 * DAY, 1, 1)], mount(), 87 * DAY, 60 * DAY);
    assert_eq!(found.watch, Some(Watch { from_ms: 80 * DAY, until_ms: 87 * DAY, enough: false }));
}

#[test]
fn what_was_used_long_ago_is_unused_with_its_day() {
    let found = reviewed(&[lookup(DAY, 1, 1)], mount(), 100 * DAY, 60 * DAY);
    let orders = found.unused.iter().find(|unused| unused.table.as_str() == "orders").unwrap();
    assert_eq!((orders.column.clone(), orders.last_ms), (None, Some(DAY)));
}

#[test]
fn an_agent_that_came_lately_keeps_the_mount_from_being_called_stale() {
    let mut mount = mount();
    mount.agents.insert("new-bot".into(), Some(89 * DAY));
    mount.agents.insert("revoked-bot".into(), None);
    let found = reviewed(&[lookup(0, 1, 1), lookup(80 * DAY, 1, 1)], mount, 90 * DAY, 60 * DAY);
    assert!(found.watch.is_some_and(|watch| !watch.enough && watch.from_ms == 89 * DAY));
    assert!(found.agents["revoked-bot"].watch.is_none());
}

#[test]
fn tables_that_no_session_uses_together_are_separate_tasks() {
    let of = |customer, table| Ask {
        touched: vec![(table, 1, vec![("customer_id", &[Use::Projected])])],
        equal: vec![],
        ..lookup(1, customer, 1)
    };
    let found = reviewed(&[of(1, "orders"), of(2, "customers")], mount(), 2, 1);
    assert_eq!(found.tasks.len(), 2);
    // One session that uses both makes them one.
    let found = reviewed(&[of(1, "orders"), of(2, "customers"), of(3, "orders"), of(3, "customers")], mount(), 2, 1);
    assert_eq!(found.tasks, []);
}
