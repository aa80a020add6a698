//! What a good repository may do.

use std::fs;

use mountgate_trust::{
    Kind, Refreshed, Store,
    repository::{Delegate, Keyring, request},
    store::Health,
};

use crate::fixtures::{DAY, World, expected, publication, releases};

#[test]
fn a_set_is_taken_and_there_again_after_a_restart_without_the_repository() {
    let world = World::new();
    let store = world.store();
    assert_eq!(releases(&store), expected(&[("acme/a", 1), ("globex/b", 1)]));
    let set = store.current().unwrap();
    assert_eq!(set.plugins["acme/a"].component().unwrap(), b"a1");
    assert_eq!(set.plugins["acme/a"].signed_by, "acme");
    assert!(matches!(store.refresh().unwrap(), Refreshed::Unchanged(_)));
    world.publish("acme/a", 2, b"a2");
    assert!(matches!(store.refresh().unwrap(), Refreshed::Changed(_)));
    assert_eq!(store.current().unwrap().plugins["acme/a"].component().unwrap(), b"a2");
    assert_eq!(store.status().health, Health::Current);

    fs::remove_dir_all(world.repository()).unwrap();
    let again = Store::open(world.config()).unwrap();
    assert_eq!(releases(&again), expected(&[("acme/a", 2), ("globex/b", 1)]));
    assert_eq!(again.refresh().unwrap_err().kind(), Kind::Unreachable);
    assert_eq!(again.status().health, Health::Late);
    assert_eq!(again.current().unwrap().plugins["acme/a"].component().unwrap(), b"a2");
}

#[test]
fn without_a_set_there_is_none() {
    let world = World::new();
    fs::rename(world.repository(), world.folder.path().join("gone")).unwrap();
    let store = Store::open(world.config()).unwrap();
    assert!(store.refresh().is_err());
    assert!(store.current().is_none());
    assert_eq!(store.status().health, Health::Absent);
}

#[test]
fn a_build_machine_publishes_its_own_names_and_changes_nothing_else() {
    let world = World::new();
    let store = world.store();
    let mut keys = world.keys.build_machine();
    world.open().publish(&publication("acme/new", 1, b"n1"), &mut keys).unwrap();
    store.refresh().unwrap();
    assert_eq!(releases(&store), expected(&[("acme/a", 1), ("acme/new", 1), ("globex/b", 1)]));

    let theirs = world.open().publish(&publication("globex/b", 2, b"b2"), &mut keys).unwrap_err();
    assert_eq!(theirs.kind(), Kind::Key, "{theirs}");
    let nobodys = world.open().publish(&publication("initech/c", 1, b"c"), &mut keys).unwrap_err();
    assert_eq!(nobodys.kind(), Kind::Usage, "{nobodys}");
    let mine = [Delegate::Secret(world.keys.acme.clone())];
    assert_eq!(world.open().delegate(&"globex".parse().unwrap(), &mine, 1, &mut keys).unwrap_err().kind(), Kind::Key);
    assert_eq!(world.open().revoke(&"globex/b".parse().unwrap(), "mine", &mut keys).unwrap_err().kind(), Kind::Key);
}

#[test]
fn a_publisher_is_added_by_a_request_that_proves_its_key() {
    let world = World::new();
    let store = world.store();
    let key = mountgate_trust::SecretKey::generate().unwrap();
    let namespace = "initech".parse().unwrap();
    let asked = [Delegate::Request(request(&key).unwrap())];
    world.open().delegate(&namespace, &asked, 1, &mut world.keys.all()).unwrap();
    store.refresh().unwrap();
    let mut keys = Keyring::of([key, world.keys.snapshot.clone(), world.keys.timestamp.clone()]);
    world.open().publish(&publication("initech/c", 1, b"c1"), &mut keys).unwrap();
    store.refresh().unwrap();
    assert_eq!(releases(&store), expected(&[("acme/a", 1), ("globex/b", 1), ("initech/c", 1)]));

    // And taken away again: what it published is out of the set, and its running instances are not asked any more.
    let standing = std::sync::Arc::clone(&store.current().unwrap().plugins["initech/c"].standing);
    assert!(standing.holds_at(world.now()));
    world.open().undelegate(&namespace, &mut world.keys.all()).unwrap();
    store.refresh().unwrap();
    assert_eq!(releases(&store), expected(&[("acme/a", 1), ("globex/b", 1)]));
    assert!(!standing.holds_at(world.now()));
}

#[test]
fn a_revocation_takes_effect_at_the_next_refresh_wherever_the_plugin_runs() {
    let world = World::new();
    let store = world.store();
    let running = store.current().unwrap();
    let standing = &running.plugins["acme/a"].standing;
    assert!(standing.holds_at(world.now()));
    world.open().revoke(&"acme/a@1".parse().unwrap(), "leaks the region", &mut world.keys.all()).unwrap();
    store.refresh().unwrap();
    assert!(!standing.holds_at(world.now()), "the generation in force uses it on");
    assert!(running.plugins["globex/b"].standing.holds_at(world.now()));
    let set = store.current().unwrap();
    assert_eq!(set.plugins["acme/a"].revoked.as_deref(), Some("leaks the region"));
    assert!(set.plugins["acme/a"].component().is_err());

    let again = Store::open(world.config()).unwrap();
    let set = again.current().unwrap();
    assert!(set.plugins["acme/a"].revoked.is_some());
    assert!(!set.plugins["acme/a"].standing.holds_at(world.now()), "after a restart");

    // The next release is another one; and a revocation can be taken back.
    world.publish("acme/a", 2, b"a2");
    store.refresh().unwrap();
    let set = store.current().unwrap();
    assert!(set.plugins["acme/a"].revoked.is_none());
    assert!(set.plugins["acme/a"].standing.holds_at(world.now()));
    assert!(!standing.holds_at(world.now()));
    world.open().revoke(&"acme/a".parse().unwrap(), "all of it", &mut world.keys.all()).unwrap();
    store.refresh().unwrap();
    assert!(!set.plugins["acme/a"].standing.holds_at(world.now()));
    world.open().lift(&"acme/a".parse().unwrap(), &mut world.keys.all()).unwrap();
    store.refresh().unwrap();
    assert!(set.plugins["acme/a"].standing.holds_at(world.now()));
    assert!(!standing.holds_at(world.now()), "release 1 is revoked yet");
}

#[test]
fn a_revocation_does_not_wait_for_a_file_that_is_broken() {
    let world = World::new();
    let store = world.store();
    let standing = std::sync::Arc::clone(&store.current().unwrap().plugins["acme/a"].standing);
    world.publish("globex/b", 2, b"b2");
    world.open().revoke(&"acme/a".parse().unwrap(), "stolen key", &mut world.keys.all()).unwrap();
    // Whoever holds globex's part of the repository keeps the rest from being taken.
    for file in fs::read_dir(world.repository().join("targets/globex")).unwrap() {
        fs::write(file.unwrap().path(), b"xx").unwrap();
    }
    assert_eq!(store.refresh().unwrap_err().kind(), Kind::Mismatched);
    assert!(!standing.holds_at(world.now()));
    assert!(store.current().unwrap().plugins["acme/a"].revoked.is_some());
    let again = Store::open(world.config()).unwrap();
    assert!(again.current().unwrap().plugins["acme/a"].revoked.is_some(), "after a restart");
}

#[test]
fn a_release_falls_only_where_it_takes_back_what_came_after() {
    let world = World::new();
    world.publish("acme/a", 5, b"a5");
    let store = world.store();
    let back = publication("acme/a", 4, b"a4");
    let refused = world.open().publish(&back, &mut world.keys.all()).unwrap_err();
    assert_eq!(refused.kind(), Kind::RolledBack);
    let mut signed = back;
    signed.manifest.rollback_of = Some(5);
    world.open().publish(&signed, &mut world.keys.all()).unwrap();
    store.refresh().unwrap();
    assert_eq!(releases(&store), expected(&[("acme/a", 4), ("globex/b", 1)]));
    world.publish("acme/a", 6, b"a6");
    store.refresh().unwrap();
    assert_eq!(releases(&store), expected(&[("acme/a", 6), ("globex/b", 1)]));
}

#[test]
fn expired_metadata_keeps_the_last_good_set_then_denies_and_a_clock_that_goes_back_changes_nothing() {
    let world = World::new();
    let store = world.store();
    let set = store.current().unwrap();
    let standing = std::sync::Arc::clone(&set.plugins["acme/a"].standing);
    world.pass(8 * DAY);
    assert_eq!(store.refresh().unwrap_err().kind(), Kind::Expired);
    assert_eq!(store.status().health, Health::Expired);
    assert!(standing.holds_at(world.now()), "the last good set is used on");
    let again = Store::open(world.config()).unwrap();
    assert_eq!(again.status().health, Health::Expired);
    assert!(again.current().unwrap().plugins["acme/a"].standing.holds_at(world.now()));

    world.pass(7 * DAY);
    assert!(!standing.holds_at(world.now()), "without a refresh, by the clock alone");
    assert_eq!(store.refresh().unwrap_err().kind(), Kind::Expired);
    assert_eq!(store.status().health, Health::Denying);
    world.pass(-14 * DAY);
    assert!(!standing.holds_at(world.now()));
    assert_eq!(store.refresh().unwrap_err().kind(), Kind::Expired);
    let again = Store::open(world.config()).unwrap();
    assert_eq!(again.status().health, Health::Denying);
    assert!(!again.current().unwrap().plugins["acme/a"].standing.holds_at(world.now()));
    // An operator says that the clock is right now.
    again.accept_clock().unwrap();
    again.refresh().unwrap();
    assert!(again.current().unwrap().plugins["acme/a"].standing.holds_at(world.now()));
}
