//! Who may approve what, and what does not count as an approval.

use super::*;

#[tokio::test]
async fn an_approved_write_is_done_once_and_told() {
    let world = World::new();
    let id = world.approvals.hold(world.counting()).unwrap();
    assert_eq!((world.state(&id), world.done()), (State::Pending, 0));
    assert_eq!(world.approve("alice", &id).await.unwrap(), State::Executed);
    assert_eq!(world.done(), 1);
    let told = world.approvals.status(&id, &"support-bot".into(), None, &claims(42)).unwrap();
    assert_eq!((told.rows, told.code), (Some(1), None));
    let who: Vec<_> = world.story(&id);
    let expected = [
        ("agent support-bot", State::Pending),
        ("person alice", State::Approved),
        ("gateway", State::Executing),
        ("gateway", State::Executed),
    ];
    assert_eq!(who, expected.map(|(who, state)| (who.to_owned(), state)));
    world.agrees(&id);
    // An approval is not good a second time.
    let again = world.approve("alice", &id).await.unwrap_err();
    assert!(matches!(again, ApprovalError::State { state: State::Executed, .. }), "{again}");
    world.approvals.tend().await.unwrap();
    assert_eq!(world.done(), 1);
}

#[tokio::test]
async fn none_but_people_with_the_role_and_not_who_asked() {
    let world = World::new();
    let id = world.approvals.hold(world.counting()).unwrap();
    let digest = world.digest("alice", &id);
    let refused =
        async |name: &str, id: &HoldId| world.approvals.approve(&world.person(name), id, &digest).await.unwrap_err();
    // Of another mount: it does not exist.
    assert!(matches!(refused("carol", &id).await, ApprovalError::NotFound));
    assert!(matches!(world.approvals.show(&world.person("carol"), &id), Err(ApprovalError::NotFound)));
    assert!(matches!(world.approvals.deny(&world.person("carol"), &id), Err(ApprovalError::NotFound)));
    assert!(world.approvals.list(&world.person("carol"), &State::ALL).unwrap().is_empty());
    assert!(matches!(refused("alice", &HoldId::new()).await, ApprovalError::NotFound));
    // Whoever runs the agent sees it and can't approve it.
    assert!(matches!(refused("dave", &id).await, ApprovalError::NotYours(_)));
    assert!(world.approvals.list(&world.person("dave"), &[State::Pending]).unwrap()[0].not_yours.is_some());
    // The one on whose behalf it is asked, however the name is spelt.
    let mine = world.approvals.hold(NewHold { on_behalf_of: Some("ALICE".into()), ..world.counting() }).unwrap();
    let digest = world.digest("bob", &mine);
    let own = world.approvals.approve(&world.person("alice"), &mine, &digest).await.unwrap_err();
    assert!(matches!(own, ApprovalError::NotYours(_)));
    // The agent's own name is nobody's.
    let grant = PersonGrant { approves: [MountName::new("support")].into(), ..PersonGrant::default() };
    world.shop.0.identity.add_person("support-bot", &grant).unwrap();
    assert!(matches!(refused("support-bot", &id).await, ApprovalError::NotYours(_)));
    let of_mine = world.approvals.show(&world.person("bob"), &mine).unwrap().listed.state;
    assert_eq!((world.state(&id), of_mine, world.done()), (State::Pending, State::Pending, 0));
    world.agrees(&id);
}

#[tokio::test]
async fn a_person_who_was_revoked_meanwhile_counts_for_nothing() {
    let world = World::new();
    let id = world.approvals.hold(NewHold { needed: 2, ..world.counting() }).unwrap();
    let alice = world.person("alice");
    assert_eq!(world.approve("alice", &id).await.unwrap(), State::Pending);
    world.shop.0.identity.revoke_person("alice").unwrap();
    // With what was known of her when the request came in.
    let digest = world.digest("bob", &id);
    let late = world.approvals.approve(&alice, &id, &digest).await.unwrap_err();
    assert!(matches!(late, ApprovalError::NotFound), "{late}");
    let state = world.approvals.approve(&world.person("bob"), &id, &digest).await.unwrap();
    assert_eq!((state, world.done()), (State::Pending, 0), "one of two is no longer an approval");
    world.agrees(&id);
}

#[tokio::test]
async fn two_approvals_of_one_person_are_one() {
    let world = World::new();
    let id = world.approvals.hold(NewHold { needed: 2, ..world.counting() }).unwrap();
    assert_eq!(world.approve("alice", &id).await.unwrap(), State::Pending);
    for _ in 0..3 {
        let again = world.approve("alice", &id).await.unwrap_err();
        assert!(matches!(again, ApprovalError::Already { missing: 1 }), "{again}");
    }
    assert_eq!((world.state(&id), world.done()), (State::Pending, 0));
    let shown = world.approvals.show(&world.person("bob"), &id).unwrap();
    assert_eq!(shown.listed.approved_by, ["alice"]);
    assert_eq!(world.approve("bob", &id).await.unwrap(), State::Executed);
    assert_eq!(world.done(), 1);
    world.agrees(&id);
}

#[tokio::test]
async fn the_digest_of_another_hold_approves_nothing() {
    let world = World::new();
    let id = world.approvals.hold(world.counting()).unwrap();
    // The same write, word for word, held again is another one.
    let other = world.approvals.hold(world.counting()).unwrap();
    let (of_it, of_other) = (world.digest("alice", &id), world.digest("alice", &other));
    assert_ne!(of_it, of_other);
    for digest in [of_other, Digest::of(b"forged"), Digest::from_bytes([0; 32])] {
        let forged = world.approvals.approve(&world.person("alice"), &id, &digest).await.unwrap_err();
        assert!(matches!(forged, ApprovalError::Digest), "{forged}");
    }
    assert_eq!((world.state(&id), world.done()), (State::Pending, 0));
}

#[tokio::test]
async fn what_can_not_be_seen_can_not_be_approved() {
    let world = World::new();
    let sql = "INSERT INTO tickets VALUES (1, 0, 'a duplicate')";
    let id = world.approvals.hold(world.new_hold(sql, vec![])).unwrap();
    let shown = world.approvals.show(&world.person("alice"), &id).unwrap();
    assert_eq!(shown.listed.header.preview_failed.as_deref(), Some("constraint_failed"));
    let blind = world.approve("alice", &id).await.unwrap_err();
    assert!(matches!(blind, ApprovalError::NoPreview(_)), "{blind}");
    assert_eq!(world.approvals.deny(&world.person("alice"), &id).unwrap(), State::Denied);
    let late = world.approvals.deny(&world.person("alice"), &id).unwrap_err();
    assert!(matches!(late, ApprovalError::State { state: State::Denied, .. }));
    world.agrees(&id);
}

#[tokio::test]
async fn after_its_time_nothing_is_approved_or_executed() {
    let world = World::new();
    let id = world.approvals.hold(NewHold { expires_ms: now_ms() - 1, ..world.counting() }).unwrap();
    let late = world.approve("alice", &id).await.unwrap_err();
    assert!(matches!(late, ApprovalError::State { state: State::Expired, .. }), "{late}");
    world.agrees(&id);
    // One that was approved in time, and not taken up in time.
    let id = world.approvals.hold(NewHold { expires_ms: now_ms() + 300, ..world.counting() }).unwrap();
    let digest = world.digest("alice", &id);
    world.approvals.approve_only(&world.person("alice"), &id, &digest).unwrap();
    while now_ms() <= world.approvals.show(&world.person("alice"), &id).unwrap().listed.header.expires_ms {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(world.approvals.execute(&id).await.unwrap(), State::Expired);
    // And one that nobody decided.
    let id = world.approvals.hold(NewHold { expires_ms: now_ms() - 1, ..world.counting() }).unwrap();
    world.approvals.tend().await.unwrap();
    assert_eq!((world.state(&id), world.done()), (State::Expired, 0));
    world.agrees(&id);
}

#[tokio::test]
async fn what_changed_since_it_was_shown_is_stale() {
    let world = World::new();
    let shop = world.shop.connect();
    let id = world.approvals.hold(world.counting()).unwrap();
    shop.execute("UPDATE tickets SET state = 'closed' WHERE id = 1", []).unwrap();
    assert_eq!(world.approve("alice", &id).await.unwrap(), State::Stale, "a column that the write does not touch");
    let id = world.approvals.hold(world.new_hold("DELETE FROM tickets WHERE n = 0", vec![])).unwrap();
    shop.execute("INSERT INTO tickets VALUES (4, 0, 'new')", []).unwrap();
    assert_eq!(world.approve("alice", &id).await.unwrap(), State::Stale, "a row more");
    let id = world.approvals.hold(world.counting()).unwrap();
    *world.shop.0.policy.lock() = Digest::of(b"another policy");
    assert_eq!(world.approve("alice", &id).await.unwrap(), State::Stale, "another policy");
    assert_eq!((world.done(), world.ticket(4).is_some()), (0, true));
    world.agrees(&id);
}

#[tokio::test]
async fn an_agent_sees_its_own_writes_and_no_effect() {
    let world = World::new();
    let id = world.approvals.hold(world.counting()).unwrap();
    let ask = |agent: &str, customer| world.approvals.status(&id, &agent.into(), None, &claims(customer));
    assert!(matches!(ask("other-bot", 42), Err(ApprovalError::NotFound)));
    assert!(matches!(ask("support-bot", 43), Err(ApprovalError::NotFound)));
    assert!(matches!(
        world.approvals.status(&HoldId::new(), &"support-bot".into(), None, &claims(42)),
        Err(ApprovalError::NotFound)
    ));
    // Nor what it asked on somebody's behalf, when it asks for nobody.
    let for_alice = world.approvals.hold(NewHold { on_behalf_of: Some("alice".into()), ..world.counting() }).unwrap();
    let of = |user| world.approvals.status(&for_alice, &"support-bot".into(), user, &claims(42));
    assert!(of(None).is_err() && of(Some("bob")).is_err() && of(Some("alice")).is_ok());
    let told = serde_json::to_value(ask("support-bot", 42).unwrap()).unwrap();
    let keys: Vec<&String> = told.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["expires_ms", "id", "mount", "state"]);
}

#[tokio::test]
async fn one_agent_can_not_fill_the_file() {
    let world = World::new();
    let few = world.another_with(|config| config.most_pending = 2);
    let first = few.hold(world.counting()).unwrap();
    few.hold(world.counting()).unwrap();
    assert!(matches!(few.hold(world.counting()), Err(ApprovalError::TooMany(2))));
    few.hold(NewHold { agent: "other-bot".into(), ..world.counting() }).unwrap();
    few.deny(&world.person("alice"), &first).unwrap();
    few.hold(world.counting()).unwrap();
}

#[tokio::test]
async fn without_the_ledger_nothing_is_done() {
    let world = World::new();
    let id = world.approvals.hold(world.counting()).unwrap();
    let digest = world.digest("alice", &id);
    world.shop.0.unrecordable.store(true, Ordering::SeqCst);
    let refused = world.approvals.hold(world.counting()).unwrap_err();
    assert!(matches!(refused, ApprovalError::Unrecorded(_)), "{refused}");
    let refused = world.approvals.approve(&world.person("alice"), &id, &digest).await.unwrap_err();
    assert!(matches!(refused, ApprovalError::Unrecorded(_)), "{refused}");
    world.approvals.tend().await.unwrap();
    assert_eq!((world.done(), world.shop.0.executions.load(Ordering::SeqCst)), (0, 0));
    world.shop.0.unrecordable.store(false, Ordering::SeqCst);
    world.approvals.tend().await.unwrap();
    assert_eq!((world.state(&id), world.done()), (State::Executed, 1), "what was kept is recorded and then done");
    world.agrees(&id);
    // The one that could not be told to the agent is closed.
    let all = world.approvals.list(&world.person("alice"), &State::ALL).unwrap();
    assert_eq!(all.iter().filter(|hold| hold.state == State::Denied).count(), 1);
}
