//! Two people, or two gateways, at once.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_gateways_that_are_told_at_once_execute_once() {
    let world = World::with_markers(false);
    let others: Vec<Approvals> = (0..4).map(|_| world.another()).collect();
    for round in 1..=10 {
        let id = world.approvals.hold(world.counting()).unwrap();
        let digest = world.digest("alice", &id);
        let names = ["alice", "bob", "alice", "bob"];
        let tries = others.iter().zip(names).map(|(gateway, name)| {
            let (gateway, person) = (gateway.clone(), world.person(name));
            tokio::spawn(async move { gateway.approve(&person, &id, &digest).await })
        });
        let ended: Vec<_> = futures::future::join_all(tries).await.into_iter().map(Result::unwrap).collect();
        let executed = ended.iter().filter(|ended| matches!(ended, Ok(State::Executed))).count();
        assert_eq!(executed, 1, "{ended:?}");
        assert_eq!((world.done(), world.state(&id)), (round, State::Executed));
        world.agrees(&id);
    }
    assert_eq!(world.shop.0.executions.load(Ordering::SeqCst), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_gateways_that_look_at_once_take_an_approved_hold_up_once() {
    let world = World::with_markers(false);
    let others: Vec<Approvals> = (0..4).map(|_| world.another()).collect();
    let ids: Vec<HoldId> = (0..5).map(|_| world.approvals.hold(world.counting()).unwrap()).collect();
    let id = ids[0];
    let digest = world.digest("alice", &id);
    world.approvals.approve_only(&world.person("alice"), &id, &digest).unwrap();
    let looks = others.iter().map(|gateway| {
        let gateway = gateway.clone();
        tokio::spawn(async move { gateway.tend().await })
    });
    for looked in futures::future::join_all(looks).await {
        looked.unwrap().unwrap();
    }
    assert_eq!((world.done(), world.shop.0.executions.load(Ordering::SeqCst)), (1, 1));
    world.agrees(&id);
}

#[tokio::test]
async fn a_hold_that_another_gateway_has_in_hand_is_left_to_it() {
    let world = World::with_markers(false);
    let other = world.another();
    let id = world.approvals.hold(world.counting()).unwrap();
    let alive = other.0.owner.name().to_owned();
    let taken = crate::store::Move { owner: Some(alive), ..crate::store::Move::new(State::Executing, "gateway") };
    world.approvals.0.store.step(&id, now_ms(), |_, _| Ok((Some(taken), ()))).unwrap();
    world.approvals.tend().await.unwrap();
    assert_eq!(world.state(&id), State::Executing);
    // Once it has ended, nobody knows: there is no marker to ask for.
    drop(other);
    world.approvals.tend().await.unwrap();
    assert_eq!((world.state(&id), world.done()), (State::Unknown, 0));
    world.agrees(&id);
}

#[tokio::test]
async fn a_lost_answer_is_looked_up_or_told_as_unknown() {
    for (markers, state) in [(true, State::Executed), (false, State::Unknown)] {
        let world = World::with_markers(markers);
        world.shop.0.lost.store(true, Ordering::SeqCst);
        let id = world.approvals.hold(world.counting()).unwrap();
        assert_eq!(world.approve("alice", &id).await.unwrap(), state);
        world.approvals.tend().await.unwrap();
        assert_eq!((world.state(&id), world.done()), (state, 1));
        world.agrees(&id);
    }
}
