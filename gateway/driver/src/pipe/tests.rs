use super::*;

#[tokio::test]
async fn items_come_in_order_and_then_the_end() {
    let (tx, mut rx) = pipe(2);
    let thread = std::thread::spawn(move || {
        for n in 0..1000 {
            tx.send(n, Duration::from_secs(10)).unwrap();
        }
    });
    for n in 0..1000 {
        assert_eq!(rx.next().await, Some(n));
        assert!(rx.depth() <= 2);
    }
    assert_eq!(rx.next().await, None);
    thread.join().unwrap();
}

#[test]
fn a_full_pipe_refuses_after_its_patience() {
    let (tx, _rx) = pipe(1);
    tx.send(1, Duration::ZERO).unwrap();
    assert_eq!(tx.send(2, Duration::from_millis(5)), Err(SendError::Full));
}

#[test]
fn a_waiting_sender_learns_that_the_receiver_has_gone() {
    let (tx, rx) = pipe(1);
    tx.send(1, Duration::ZERO).unwrap();
    assert!(!tx.gone().load(Ordering::Acquire));
    let thread = std::thread::spawn(move || (tx.send(2, Duration::from_secs(60)), tx.gone().load(Ordering::Acquire)));
    std::thread::sleep(Duration::from_millis(20));
    drop(rx);
    assert_eq!(thread.join().unwrap(), (Err(SendError::Gone), true));
}

#[tokio::test]
async fn the_last_item_needs_no_room() {
    let (tx, mut rx) = pipe(1);
    tx.send(1, Duration::ZERO).unwrap();
    assert!(!tx.has_room());
    tx.finish(2);
    assert_eq!((rx.next().await, rx.next().await, rx.next().await), (Some(1), Some(2), None));
}
