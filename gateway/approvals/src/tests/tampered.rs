//! Whoever can write the file and does not have the key.

use super::*;

impl World {
    fn file(&self) -> Connection {
        Connection::open(self.dir.join("approvals.db")).unwrap()
    }

    async fn refuses(&self, id: &HoldId, digest: &Digest, what: &str) {
        let refused = self.approvals.approve(&self.person("alice"), id, digest).await;
        assert!(matches!(refused, Err(ApprovalError::Tampered(_))), "{what}: {refused:?}");
        self.approvals.tend().await.unwrap();
        assert_eq!((self.done(), self.shop.0.executions.load(Ordering::SeqCst)), (0, 0), "{what}");
    }
}

#[tokio::test]
async fn a_changed_header_is_refused() {
    for (from, to) in [
        ("\"needed\":2", "\"needed\":1"),
        ("\"agent\":\"support-bot\"", "\"agent\":\"other-bots\""),
        ("\"mount\":\"support\"", "\"mount\":\"billing\""),
        ("\"on_behalf_of\":\"alice\"", "\"on_behalf_of\":\"nobody\""),
    ] {
        let world = World::new();
        let new = NewHold { needed: 2, on_behalf_of: Some("alice".into()), ..world.counting() };
        let id = world.approvals.hold(new).unwrap();
        let digest = world.digest("bob", &id);
        let changed = world
            .file()
            .execute("UPDATE holds SET header = replace(header, ?1, ?2) WHERE instr(header, ?1) > 0", [from, to])
            .unwrap();
        assert_eq!(changed, 1, "{from}");
        world.refuses(&id, &digest, from).await;
    }
}

#[tokio::test]
async fn swapped_values_and_changed_ones_are_refused() {
    let world = World::new();
    let id = world.approvals.hold(world.counting()).unwrap();
    let harmful = world.approvals.hold(world.new_hold("DELETE FROM tickets", vec![])).unwrap();
    let digest = world.digest("alice", &id);
    let file = world.file();
    let swap = "UPDATE holds SET held = (SELECT held FROM holds WHERE id = ?2) WHERE id = ?1";
    file.execute(swap, [id.to_string(), harmful.to_string()]).unwrap();
    world.refuses(&id, &digest, "another's values").await;
    assert!(world.approvals.show(&world.person("alice"), &id).is_err());
    // The whole of another row under this one's id.
    let whole =
        "UPDATE holds SET (header, seal, held) = (SELECT header, seal, held FROM holds WHERE id = ?2) WHERE id = ?1";
    file.execute(whole, [id.to_string(), harmful.to_string()]).unwrap();
    world.refuses(&id, &digest, "another's row").await;
    // Every byte counts.
    let world = World::new();
    let id = world.approvals.hold(world.counting()).unwrap();
    let digest = world.digest("alice", &id);
    let file = world.file();
    let held: Vec<u8> = file.query_row("SELECT held FROM holds", [], |row| row.get(0)).unwrap();
    for at in (0..held.len()).step_by(7) {
        let mut bad = held.clone();
        bad[at] ^= 1;
        file.execute("UPDATE holds SET held = ?1", [bad]).unwrap();
        world.refuses(&id, &digest, "a byte").await;
    }
    file.execute("UPDATE holds SET held = ?1", [held]).unwrap();
    assert_eq!(world.approve("alice", &id).await.unwrap(), State::Executed, "it was these that were refused");
}

#[tokio::test]
async fn what_is_written_into_the_file_is_no_approval() {
    let world = World::new();
    let id = world.approvals.hold(NewHold { needed: 2, ..world.counting() }).unwrap();
    let digest = world.digest("alice", &id);
    world.approve("alice", &id).await.unwrap();
    let file = world.file();
    // Alice's approval under Bob's name, with its seal.
    file.execute(
        "INSERT INTO approvals (hold, person, at_ms, digest, seal) SELECT hold, 'bob', at_ms, digest, seal FROM approvals",
        [],
    )
    .unwrap();
    assert_eq!(world.approvals.show(&world.person("alice"), &id).unwrap().listed.approved_by, ["alice"]);
    // And the state says that it is approved.
    file.execute("UPDATE holds SET state = 'approved'", []).unwrap();
    world.approvals.tend().await.unwrap();
    assert_eq!((world.state(&id), world.done()), (State::Pending, 0), "it waits again, and that is told");
    // An approval of another hold, moved here.
    let other = world.approvals.hold(world.counting()).unwrap();
    let of_other = world.digest("alice", &other);
    world.approvals.approve_only(&world.person("bob"), &other, &of_other).unwrap();
    file.execute("DELETE FROM approvals WHERE person = 'bob' AND hold = ?1", [id.to_string()]).unwrap();
    file.execute("UPDATE approvals SET hold = ?1 WHERE person = 'bob'", [id.to_string()]).unwrap();
    file.execute("UPDATE approvals SET digest = ?1 WHERE person = 'bob'", [digest.as_bytes()]).unwrap();
    file.execute("UPDATE holds SET state = 'approved' WHERE id = ?1", [id.to_string()]).unwrap();
    world.approvals.tend().await.unwrap();
    assert_eq!((world.state(&id), world.done()), (State::Pending, 0));
}

#[tokio::test]
async fn values_are_not_in_the_file_and_go_after_their_time() {
    let secret = "a text that is nowhere else 4711";
    let world = World::new();
    let new = world.new_hold("UPDATE tickets SET state = $1 WHERE id = 1", vec![Value::Text(secret.into())]);
    let id = world.approvals.hold(new).unwrap();
    let files = || -> Vec<u8> {
        ["approvals.db", "approvals.db-wal"]
            .iter()
            .flat_map(|name| std::fs::read(world.dir.join(name)).unwrap())
            .collect()
    };
    let holds = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).any(|part| part == what);
    assert!(holds(&files(), id.to_string().as_bytes()));
    assert!(!holds(&files(), secret.as_bytes()));
    assert!(!holds(&files(), b"the customer asked"));
    let ledger: Vec<u8> = std::fs::read_dir(world.dir.join("ledger"))
        .unwrap()
        .flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap_or_default())
        .collect();
    assert!(holds(&ledger, id.to_string().as_bytes()) && !holds(&ledger, secret.as_bytes()));

    let held: Vec<u8> = world.file().query_row("SELECT held FROM holds", [], |row| row.get(0)).unwrap();
    world.approve("alice", &id).await.unwrap();
    let later = world.another_with(|config| config.undo_for_ms = -1);
    assert!(holds(&files(), &held[held.len() - 64..]));
    later.tend().await.unwrap();
    assert!(!holds(&files(), &held[held.len() - 64..]), "the ciphertext is overwritten");
    let shown = world.approvals.show(&world.person("alice"), &id).unwrap();
    assert_eq!((shown.digest, shown.sql, shown.listed.state), (None, None, State::Executed));
    assert!(matches!(world.approvals.revert(&world.person("alice"), &id).await, Err(ApprovalError::Erased)));
    assert_eq!(world.state(&id), State::Executed);
}

#[tokio::test]
async fn a_key_that_is_another_opens_nothing() {
    let world = World::new();
    let id = world.approvals.hold(world.counting()).unwrap();
    let other = world.another_with(|config| config.key = Zeroizing::new([8; 32]));
    assert!(matches!(other.show(&world.person("alice"), &id), Err(ApprovalError::Tampered(_))));
}
