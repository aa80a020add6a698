//! Taking an executed write back.

use super::*;

async fn done(world: &World, sql: &str, params: Vec<Value>) -> HoldId {
    let id = world.approvals.hold(world.new_hold(sql, params)).unwrap();
    assert_eq!(world.approve("alice", &id).await.unwrap(), State::Executed, "{sql}");
    id
}

#[tokio::test]
async fn what_was_done_is_taken_back_by_another_hold() {
    let writes = [
        ("UPDATE tickets SET state = 'closed' WHERE id = 1", 1),
        ("UPDATE tickets SET state = NULL, n = 9 WHERE id IN (1, 2)", 1),
        ("DELETE FROM tickets WHERE id = 3", 3),
        ("INSERT INTO tickets VALUES (5, 1, 'it''s \"new\"')", 5),
    ];
    for (sql, ticket) in writes {
        let world = World::new();
        let before = world.ticket(ticket);
        let id = done(&world, sql, vec![]).await;
        assert_ne!(world.ticket(ticket), before, "{sql}");
        let undo = world.approvals.revert(&world.person("alice"), &id).await.unwrap();
        assert_ne!(world.ticket(ticket), before, "{sql}: it waits");
        // Alice asked for it, so it is Bob's to approve.
        let own = world.approve("alice", &undo).await.unwrap_err();
        assert!(matches!(own, ApprovalError::NotYours(_)), "{own}");
        let shown = world.approvals.show(&world.person("bob"), &undo).unwrap();
        assert_eq!(shown.listed.header.reverts, Some(id));
        assert_eq!(world.approve("bob", &undo).await.unwrap(), State::Executed, "{sql}");
        assert_eq!(world.ticket(ticket), before, "{sql}");
        // It is a person's, so the agent is not told of it.
        assert!(world.approvals.status(&undo, &"support-bot".into(), None, &claims(42)).is_err());
        assert_eq!(world.story(&undo)[0], ("person alice".to_owned(), State::Pending));
    }
}

#[tokio::test]
async fn rows_that_changed_since_are_left_alone() {
    let world = World::new();
    let shop = world.shop.connect();
    let id = done(&world, "UPDATE tickets SET state = 'closed' WHERE id = 1", vec![]).await;
    shop.execute("UPDATE tickets SET n = 5 WHERE id = 1", []).unwrap();
    let refused = world.approvals.revert(&world.person("alice"), &id).await.unwrap_err();
    assert!(matches!(refused, ApprovalError::Revert(_)), "{refused}");
    // And where they change between the preview and the approval.
    shop.execute("UPDATE tickets SET n = 0 WHERE id = 1", []).unwrap();
    let undo = world.approvals.revert(&world.person("alice"), &id).await.unwrap();
    shop.execute("UPDATE tickets SET n = 5 WHERE id = 1", []).unwrap();
    assert_eq!(world.approve("bob", &undo).await.unwrap(), State::Stale);
    assert_eq!(world.ticket(1), Some((5, Some("closed".into()))));
}

#[tokio::test]
async fn what_was_not_done_and_what_is_not_yours_is_not_taken_back() {
    let world = World::new();
    let id = world.approvals.hold(world.counting()).unwrap();
    let early = world.approvals.revert(&world.person("alice"), &id).await.unwrap_err();
    assert!(matches!(early, ApprovalError::State { state: State::Pending, .. }));
    world.approve("alice", &id).await.unwrap();
    let foreign = world.approvals.revert(&world.person("carol"), &id).await.unwrap_err();
    assert!(matches!(foreign, ApprovalError::NotFound));
    // Rows that had different values before are more than one statement brings back.
    let id = done(&world, "UPDATE tickets SET state = 'x' WHERE id IN (1, 3)", vec![]).await;
    let refused = world.approvals.revert(&world.person("alice"), &id).await.unwrap_err();
    assert!(matches!(&refused, ApprovalError::Revert(why) if why.contains("`state`")), "{refused}");
}
