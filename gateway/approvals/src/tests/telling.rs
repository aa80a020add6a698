//! Webhooks: signed, tried again, bounded, and told nothing but what is on record.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::mpsc,
};

use super::*;
use crate::{Webhook, verify_signature};

/// Answers each message with the next of the statuses (the last one for ever), and passes them on.
fn receiver(statuses: &'static [&'static str]) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/hooks", listener.local_addr().unwrap());
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for at in 0.. {
            let (mut stream, _) = listener.accept().unwrap();
            let mut got = Vec::new();
            let mut part = [0; 4096];
            loop {
                let read = stream.read(&mut part).unwrap();
                got.extend_from_slice(&part[..read]);
                let text = String::from_utf8_lossy(&got);
                let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                    length.is_some_and(|length| body.len() >= length.parse::<usize>().unwrap())
                });
                if whole || read == 0 {
                    break;
                }
            }
            let status = statuses[at.min(statuses.len() - 1)];
            let _ = stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes());
            if send.send(String::from_utf8(got).unwrap()).is_err() {
                return;
            }
        }
    });
    (address, receive)
}

fn hook(address: &str) -> Webhook {
    Webhook {
        name: "desk".into(),
        address: address.parse().unwrap(),
        secret: Zeroizing::new("s3cret".into()),
        events: vec![State::Pending, State::Executed],
    }
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap()
}

#[tokio::test]
async fn a_message_is_signed_and_holds_no_values() {
    let (address, messages) = receiver(&["204 No Content"]);
    let world = World::new();
    let gateway = world.another_with(|config| config.webhooks = vec![hook(&address)]);
    let id = gateway.hold(world.counting()).unwrap();
    assert_eq!(gateway.tell_due().await.unwrap(), 1);
    let message = messages.recv().unwrap();
    let (_, body) = message.split_once("\r\n\r\n").unwrap();
    let signed = header(&message, "mountgate-signature");
    let now = now_ms() / 1000;
    assert!(verify_signature("s3cret", signed, body.as_bytes(), now, 60));
    assert!(!verify_signature("other", signed, body.as_bytes(), now, 60), "another's secret");
    assert!(!verify_signature("s3cret", signed, body.replace("support", "billing").as_bytes(), now, 60));
    assert!(!verify_signature("s3cret", signed, body.as_bytes(), now + 3600, 60), "an old one, sent again");
    assert!(!verify_signature("s3cret", &signed.replace("t=", "t=1"), body.as_bytes(), now, 60));
    let told: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((&told["event"], &told["hold"]), (&"hold.pending".into(), &id.to_string().into()));
    assert_eq!((&told["mount"], &told["relation"], &told["rows"]), (&"support".into(), &"tickets".into(), &1.into()));
    for hidden in ["UPDATE", "customer", "asked", "open"] {
        assert!(!message.contains(hidden), "{hidden}: {message}");
    }
    assert_eq!(header(&message, "mountgate-delivery"), told["id"]);
    // Once.
    assert_eq!(gateway.tell_due().await.unwrap(), 0);
    assert!(messages.try_recv().is_err());
}

#[tokio::test]
async fn what_fails_is_tried_again_and_a_redirect_is_not_followed() {
    let (elsewhere, never) = receiver(&["200 OK"]);
    let redirect: &'static str = Box::leak(format!("302 Found\r\nlocation: {elsewhere}").into_boxed_str());
    let statuses: &'static [&'static str] = Box::leak(vec!["500 Oh", redirect, "200 OK"].into_boxed_slice());
    let (address, messages) = receiver(statuses);
    let world = World::new();
    let gateway = world.another_with(|config| config.webhooks = vec![hook(&address)]);
    gateway.hold(world.counting()).unwrap();
    let file = Connection::open(world.dir.join("approvals.db")).unwrap();
    for sent in [0, 0, 1] {
        assert_eq!(gateway.tell_due().await.unwrap(), sent);
        messages.recv().unwrap();
        assert_eq!(gateway.tell_due().await.unwrap(), 0, "not before its pause is over");
        file.execute("UPDATE notices SET next_ms = 0", []).unwrap();
    }
    assert!(never.try_recv().is_err());
    // One that never answers well is given up.
    let (address, _messages) = receiver(&["500 Oh"]);
    let gateway = world.another_with(|config| config.webhooks = vec![hook(&address)]);
    gateway.hold(world.counting()).unwrap();
    let left = || file.query_row("SELECT count(*) FROM notices", [], |row| row.get::<_, i64>(0)).unwrap();
    for _ in 0..10 {
        assert_eq!(left(), 1);
        file.execute("UPDATE notices SET next_ms = 0", []).unwrap();
        gateway.tell_due().await.unwrap();
    }
    assert_eq!(left(), 0);
}

#[tokio::test]
async fn nobody_is_told_what_is_not_on_record() {
    let (address, messages) = receiver(&["200 OK"]);
    let world = World::new();
    let gateway = world.another_with(|config| config.webhooks = vec![hook(&address)]);
    world.shop.0.unrecordable.store(true, Ordering::SeqCst);
    gateway.hold(world.counting()).unwrap_err();
    assert_eq!(gateway.tell_due().await.unwrap(), 0);
    assert!(messages.try_recv().is_err());
}

#[test]
fn addresses_are_of_this_machine_or_none() {
    for good in ["http://127.0.0.1:9000/hooks", "http://localhost/a?b=c", "http://[::1]:1/", "http://127.0.0.2"] {
        let address: crate::WebhookAddress = good.parse().unwrap();
        assert_eq!(address.to_string().parse::<crate::WebhookAddress>().unwrap(), address);
    }
    for bad in [
        "",
        "127.0.0.1:9000",
        "ftp://127.0.0.1/",
        "http://example.com/",
        "http://10.0.0.1/",
        "https://example.com/",
        "http://127.0.0.1@example.com/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:9000/a b",
        "http://127.0.0.1:9000/a\r\nx: y",
        "http://localhost.example.com/",
    ] {
        assert!(bad.parse::<crate::WebhookAddress>().is_err(), "{bad}");
    }
}
