use std::{sync::atomic::Ordering, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep, timeout},
};

use crate::{
    limits::HttpLimits,
    testing::{Server, answered, parse, request},
};

const HEADERS: [&str; 2] = ["authorization: Bearer good", "content-type: application/json"];

fn short() -> HttpLimits {
    HttpLimits {
        header_timeout: Duration::from_millis(300),
        body_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_millis(600),
        write_timeout: Duration::from_millis(300),
        grace: Duration::from_millis(500),
        ..HttpLimits::default()
    }
}

fn query(server: &Server, sql: &str) -> Vec<u8> {
    let body = format!("{{\"mount\":\"support\",\"sql\":\"{sql}\"}}");
    request("POST", "/v1/query", server.address, &HEADERS, body.as_bytes())
}

/// Waits for something that another task does.
async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(5), "{what} did not happen");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn who_sends_headers_slowly_is_cut() {
    let server = Server::start(short()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /v1/mounts HTTP/1.1\r\n").await.unwrap();
    let begun = Instant::now();
    // A header every 50 ms would go on for ever.
    let dripping = async {
        for n in 0.. {
            if stream.write_all(format!("x-{n}: y\r\n").as_bytes()).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(3), dripping).await.expect("the connection is still open");
    assert!(begun.elapsed() >= Duration::from_millis(250));
}

#[tokio::test]
async fn who_sends_nothing_is_cut() {
    let server = Server::start(short()).await;
    let mut stream = server.connect().await;
    let mut bytes = Vec::new();
    timeout(Duration::from_secs(3), stream.read_to_end(&mut bytes)).await.expect("still open").unwrap();
    assert!(bytes.is_empty());
}

#[tokio::test]
async fn an_idle_connection_is_kept_and_then_closed() {
    let server = Server::start(HttpLimits { idle_timeout: Duration::from_secs(2), ..short() }).await;
    let mut stream = server.connect().await;
    let request = format!("GET /openapi.json HTTP/1.1\r\nhost: {}\r\n\r\n", server.address);
    let mut bytes = vec![0; 1 << 16];
    for _ in 0..3 {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut read = 0;
        while parse_length(&bytes[..read]).is_none_or(|length| read < length) {
            read += stream.read(&mut bytes[read..]).await.unwrap();
        }
        assert_eq!(parse(&bytes[..read]).status, 200);
        // Longer than headers may take, shorter than idle.
        sleep(Duration::from_millis(500)).await;
    }
    let read = timeout(Duration::from_secs(5), stream.read(&mut bytes)).await.expect("still open");
    assert_eq!(read.unwrap_or(0), 0);
}

/// The length of an answer whose head is there.
fn parse_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]);
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    Some(head + length.trim().parse::<usize>().unwrap())
}

#[tokio::test]
async fn who_sends_a_body_slowly_is_told_and_cut() {
    let server = Server::start(short()).await;
    for path in ["/v1/query", "/mcp"] {
        let mut stream = server.connect().await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\n{}\r\n{}\r\ncontent-length: 100\r\n\r\n{{\"mount\"",
            server.address, HEADERS[0], HEADERS[1]
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(answered(&mut stream).await.refused(408), "request_timeout", "{path}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_does_no_harm() {
    let server = Server::start(short()).await;
    let mut stream = server.connect().await;
    let whole = query(&server, "rows 1");
    stream.write_all(&whole[..whole.len() - 5]).await.unwrap();
    drop(stream);
    assert_eq!(server.raw(&query(&server, "rows 1")).await.status, 200);
    assert_eq!(server.seen.ran.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn too_many_or_too_large_headers_are_refused() {
    let server = Server::start(short()).await;
    let large = format!("x-large: {}", "x".repeat(40 << 10));
    let answer = server.send("GET", "/v1/mounts", &[&large], b"").await;
    assert_eq!(answer.status, 431);
    let many: Vec<String> = (0..200).map(|n| format!("x-{n}: y")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(server.send("GET", "/v1/mounts", &many, b"").await.status, 431);
    for bad in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..], b"GET / HTTP/9.9\r\n\r\n", b"\0\0\0\r\n\r\n"]
    {
        assert_eq!(server.raw(bad).await.status, 400, "{bad:?}");
    }
}

#[tokio::test]
async fn requests_with_two_lengths_are_refused() {
    let server = Server::start(short()).await;
    for lengths in [
        "content-length: 5\r\ncontent-length: 6",
        "content-length: 5\r\ntransfer-encoding: chunked\r\ncontent-length: 6",
    ] {
        let bytes = format!(
            "POST /v1/query HTTP/1.1\r\nhost: {}\r\n{}\r\n{}\r\nconnection: close\r\n{lengths}\r\n\r\n{{}}   ",
            server.address, HEADERS[0], HEADERS[1]
        );
        assert_eq!(server.raw(bytes.as_bytes()).await.status, 400, "{lengths}");
    }
    assert_eq!(server.seen.ran.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_client_that_is_gone_drops_the_answer() {
    let server = Server::start(HttpLimits::default()).await;
    // While rows are made.
    let mut stream = server.connect().await;
    stream.write_all(&query(&server, "stall 1")).await.unwrap();
    until("the statement", || server.seen.ran.load(Ordering::SeqCst) == 1).await;
    drop(stream);
    until("the drop", || server.seen.dropped.load(Ordering::SeqCst) == 1).await;
    // While they are sent.
    let mut stream = server.connect().await;
    stream.write_all(&query(&server, "endless")).await.unwrap();
    let mut some = vec![0; 100_000];
    stream.read_exact(&mut some).await.unwrap();
    drop(stream);
    until("the drop", || server.seen.dropped.load(Ordering::SeqCst) == 2).await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_and_slows_the_backend_before() {
    let server = Server::start(HttpLimits { write_timeout: Duration::from_secs(2), ..short() }).await;
    let mut stream = server.connect().await;
    stream.write_all(&query(&server, "endless")).await.unwrap();
    until("the statement", || server.seen.ran.load(Ordering::SeqCst) == 1).await;
    // What fits the sockets' buffers is made; the rest waits for the reader.
    let mut made = 0;
    loop {
        sleep(Duration::from_millis(100)).await;
        assert_eq!(server.seen.dropped.load(Ordering::SeqCst), 0, "rows were made until the cut");
        let now = server.seen.batches.load(Ordering::SeqCst);
        if now == made {
            break;
        }
        made = now;
    }
    until("the cut", || server.seen.dropped.load(Ordering::SeqCst) == 1).await;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let answer = parse(&bytes);
    assert!(!answer.whole && !answer.text().contains("\"complete\""));
}

#[tokio::test]
async fn connections_beyond_the_limit_are_told_so() {
    let server = Server::start(HttpLimits { connections: 1, ..HttpLimits::default() }).await;
    let mut first = server.connect().await;
    first.write_all(&query(&server, "stall 1")).await.unwrap();
    until("the statement", || server.seen.ran.load(Ordering::SeqCst) == 1).await;
    let answer = server.raw(&query(&server, "rows 1")).await;
    assert_eq!(answer.refused(503), "overloaded");
    assert_eq!(answer.header("retry-after"), Some("1"));
    drop(first);
    until("the drop", || server.seen.dropped.load(Ordering::SeqCst) == 1).await;
    let begun = Instant::now();
    while server.raw(&query(&server, "rows 1")).await.status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_shutdown_finishes_what_is_under_way() {
    let mut server = Server::start(HttpLimits::default()).await;
    let mut under_way = server.connect().await;
    under_way.write_all(&query(&server, "rows 100000")).await.unwrap();
    let mut some = vec![0; 1000];
    under_way.read_exact(&mut some).await.unwrap();
    server.stop();
    sleep(Duration::from_millis(50)).await;
    assert!(tokio::net::TcpStream::connect(server.address).await.is_err(), "it still accepts");
    under_way.read_to_end(&mut some).await.unwrap();
    let answer = parse(&some);
    assert!(answer.whole);
    assert_eq!(answer.json()["row_count"], 100_000);
    timeout(Duration::from_secs(3), server.task).await.expect("it did not stop").unwrap();
}

#[tokio::test]
async fn a_shutdown_does_not_wait_beyond_the_grace_period() {
    let mut server = Server::start(short()).await;
    let mut stalled = server.connect().await;
    stalled.write_all(&query(&server, "stall 1")).await.unwrap();
    until("the statement", || server.seen.ran.load(Ordering::SeqCst) == 1).await;
    server.stop();
    timeout(Duration::from_secs(3), server.task).await.expect("it did not stop").unwrap();
    assert_eq!(server.seen.dropped.load(Ordering::SeqCst), 1);
}
