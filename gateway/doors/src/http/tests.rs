use crate::{
    limits::HttpLimits,
    testing::{Server, TOKEN},
};

const JSON: &str = "content-type: application/json";

async fn server() -> Server {
    Server::start(HttpLimits::default()).await
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}")
}

#[tokio::test]
async fn who_shows_no_good_token_is_refused_before_anything_is_read() {
    let server = server().await;
    for headers in [
        vec![JSON.to_owned()],
        vec![JSON.to_owned(), bearer("bad")],
        vec![JSON.to_owned(), bearer("")],
        vec![JSON.to_owned(), "authorization: Basic good".to_owned()],
        vec![JSON.to_owned(), "authorization: good".to_owned()],
        vec![JSON.to_owned(), "x-api-key: good".to_owned()],
    ] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        for (method, path) in [
            ("POST", "/v1/query"),
            ("POST", "/v1/read"),
            ("POST", "/v1/write"),
            ("POST", "/v1/explain"),
            ("POST", "/mcp"),
            ("GET", "/v1/mounts"),
            ("GET", "/v1/mounts/support"),
        ] {
            // The body is no JSON: whoever reads it first would say so.
            let body: &[u8] = if method == "POST" { b"{" } else { b"" };
            let answer = server.send(method, path, &headers, body).await;
            assert_eq!(answer.refused(401), "unauthenticated", "{path}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert_eq!(answer.header("x-mountgate-decision"), None);
        }
    }
    assert_eq!(server.send("POST", "/v1/sessions", &[JSON], b"{").await.refused(401), "unauthenticated");
}

#[tokio::test]
async fn two_tokens_are_refused() {
    let server = server().await;
    let headers = [JSON, "authorization: Bearer good", "authorization: Bearer bad"];
    assert_eq!(server.send("POST", "/v1/query", &headers, b"{}").await.refused(400), "malformed");
}

#[tokio::test]
async fn a_token_in_the_url_is_refused_and_not_repeated() {
    let server = server().await;
    for query in
        ["token=good-secret", "access_token=good-secret", "apiKey=good-secret", "a=1&Authorization=good-secret"]
    {
        let answer = server.send("GET", &format!("/v1/mounts?{query}"), &[&bearer(TOKEN)], b"").await;
        assert_eq!(answer.refused(400), "malformed");
        assert!(answer.text().contains("the URL holds what looks like a token"), "{}", answer.text());
        assert!(!answer.text().contains("good-secret"));
    }
    let answer = server.send("GET", "/v1/mounts?limit=1", &[&bearer(TOKEN)], b"").await;
    assert_eq!(answer.refused(400), "malformed");
}

#[tokio::test]
async fn bodies_of_other_types_are_refused() {
    let server = server().await;
    let body = b"{\"mount\":\"support\",\"sql\":\"rows 1\"}";
    for types in [
        vec![],
        vec!["content-type: text/plain"],
        vec!["content-type: application/x-www-form-urlencoded"],
        vec!["content-type: multipart/form-data; boundary=x"],
        vec!["content-type: application/jsonp"],
        vec!["content-type: application/json; charset=latin1"],
        vec![JSON, JSON],
        vec![JSON, "content-encoding: gzip"],
    ] {
        let token = bearer(TOKEN);
        let mut headers = vec![token.as_str()];
        headers.extend(&types);
        let answer = server.send("POST", "/v1/query", &headers, body).await;
        assert_eq!(answer.refused(415), "media_type", "{types:?}");
    }
    for accept in ["text/html", "application/json;q=0", "image/*"] {
        let headers = [JSON, &bearer(TOKEN), &format!("accept: {accept}")];
        assert_eq!(server.send("POST", "/v1/query", &headers, body).await.refused(415), "media_type", "{accept}");
    }
    // NDJSON is for rows only.
    let headers = [&bearer(TOKEN), "accept: application/x-ndjson"];
    assert_eq!(server.send("GET", "/v1/mounts", &headers, b"").await.refused(415), "media_type");
    assert_eq!(server.seen.ran.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_for_the_method() {
    let server = server().await;
    for path in [
        "/",
        "/v1",
        "/v1/query/",
        "/v1/Query",
        "/v1/mounts/",
        "/v1/mounts/a/b",
        "/v1/%71uery",
        "//v1/query",
        "/metrics",
    ] {
        assert_eq!(
            server.send("POST", path, &[&bearer(TOKEN), JSON], b"{}").await.refused(404),
            "route_not_found",
            "{path}"
        );
    }
    let answer = server.send("GET", "/v1/query", &[&bearer(TOKEN)], b"").await;
    assert_eq!(answer.refused(405), "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("POST, OPTIONS"));
    let answer = server.send("DELETE", "/v1/mounts", &[&bearer(TOKEN)], b"").await;
    assert_eq!(answer.refused(405), "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
    for method in ["GET", "DELETE"] {
        let answer = server.send(method, "/mcp", &[&bearer(TOKEN)], b"").await;
        assert_eq!(answer.refused(405), "method_not_allowed");
    }
    let answer = server.send("OPTIONS", "/v1/query", &["origin: https://evil.example"], b"").await;
    assert_eq!((answer.status, answer.header("allow")), (204, Some("POST, OPTIONS")));
    assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control")));
}

#[tokio::test]
async fn bad_bodies_are_malformed_with_their_place() {
    let server = server().await;
    for (body, why) in [
        (&b"{\"mount\":\"support\",\"sql\":\"rows 1\""[..], "ends early"),
        (b"{\"mount\":\"support\",\"sql\":\"rows 1\",\"sql\":\"rows 2\"}", "`sql` is there twice"),
        (b"{\"mount\":\"support\",\"sql\":\"rows 1\",\"param\":[]}", "did you mean `params`?"),
        (b"{\"mount\":\"support\",\"sql\":1}", "`sql` must be a text"),
        (b"{\"mount\":\"support\",\"sql\":\"\xff\"}", "not UTF-8"),
        (b"{\"mount\":\"support\",\"sql\":\"\\u0000\"}", "NUL"),
    ] {
        let answer = server.send("POST", "/v1/query", &[JSON, &bearer(TOKEN)], body).await;
        assert_eq!(answer.refused(400), "malformed");
        assert!(answer.text().contains(why), "{}", answer.text());
    }
    assert_eq!(server.seen.ran.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let server = server().await;
    // By its length, before it is sent.
    let head = format!(
        "POST /v1/query HTTP/1.1\r\nhost: {}\r\n{JSON}\r\n{}\r\ncontent-length: 99999999\r\n\r\n",
        server.address,
        bearer(TOKEN)
    );
    let answer = server.raw(head.as_bytes()).await;
    assert_eq!(answer.refused(413), "too_large");
    // By its bytes, where no length is told.
    let mut chunked = format!(
        "POST /v1/query HTTP/1.1\r\nhost: {}\r\n{JSON}\r\n{}\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n",
        server.address,
        bearer(TOKEN)
    )
    .into_bytes();
    for _ in 0..33 {
        chunked.extend_from_slice(b"8000\r\n");
        chunked.extend(std::iter::repeat_n(b' ', 0x8000));
        chunked.extend_from_slice(b"\r\n");
    }
    assert_eq!(server.raw(&chunked).await.refused(413), "too_large");
    let statement = format!("{{\"mount\":\"support\",\"sql\":\"{}\"}}", "x".repeat(300 << 10));
    assert_eq!(server.post("/v1/query", &statement).await.refused(413), "too_large");
    assert_eq!(server.post("/v1/explain", &statement).await.refused(413), "too_large");
    let mint = format!("{{\"agent\":\"{}\",\"ttl_seconds\":1}}", "x".repeat(70 << 10));
    let answer = server.send("POST", "/v1/sessions", &[JSON, &bearer("minter")], mint.as_bytes()).await;
    assert_eq!(answer.refused(413), "too_large");
    assert_eq!(server.seen.ran.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn refusals_of_the_middle_come_with_their_decision() {
    let server = server().await;
    let answer = server.post("/v1/query", "{\"mount\":\"support\",\"sql\":\"refuse\"}").await;
    assert_eq!(answer.refused(403), "not_in_scope");
    assert_eq!(answer.header("x-mountgate-decision"), Some("d-refused"));
    assert_eq!(answer.json()["error"]["decision_id"], "d-refused");
    assert_eq!(answer.json()["error"]["hint"], "do otherwise");
    let answer = server.send("GET", "/v1/mounts", &[&bearer("often")], b"").await;
    assert_eq!(answer.refused(429), "rate_limited");
    assert_eq!(answer.header("retry-after"), Some("7"));
    assert_eq!(answer.json()["error"]["retry_after"], 7);
    // In MessagePack where that is asked for.
    let headers = [&bearer("often"), "accept: application/msgpack"];
    let answer = server.send("GET", "/v1/mounts", &headers, b"").await;
    assert_eq!((answer.status, answer.header("content-type")), (429, Some("application/msgpack")));
    let read: std::collections::BTreeMap<String, serde_json::Value> = rmp_serde::from_slice(&answer.body).unwrap();
    assert_eq!(read["error"]["code"], "rate_limited");
}

#[tokio::test]
async fn a_panic_is_answered_and_the_server_serves_on() {
    let server = server().await;
    for _ in 0..3 {
        let answer = server.post("/v1/query", "{\"mount\":\"support\",\"sql\":\"panic\"}").await;
        assert_eq!(answer.refused(500), "internal");
        assert!(!answer.text().contains("scripted"));
    }
    // In the middle of a stream: no last chunk.
    let answer = server.post("/v1/query", "{\"mount\":\"support\",\"sql\":\"panic 2000\"}").await;
    assert_eq!(answer.status, 200);
    assert!(!answer.whole && !answer.text().contains("complete"));
    assert_eq!(server.post("/v1/query", "{\"mount\":\"support\",\"sql\":\"rows 1\"}").await.status, 200);
}

#[tokio::test]
async fn a_small_answer_comes_whole_with_its_length() {
    let server = server().await;
    let answer = server.post("/v1/query", "{\"mount\":\"support\",\"sql\":\"rows 2\"}").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-mountgate-decision"), Some("d-1"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let json = answer.json();
    assert_eq!(json["rows"].as_array().unwrap().len(), 2);
    assert_eq!(json["columns"][1]["masks"][0], "partial");
    assert_eq!((&json["row_count"], &json["complete"]), (&2.into(), &true.into()));
    let answer = server.post("/v1/query", "{\"mount\":\"support\",\"sql\":\"break 0\"}").await;
    assert_eq!(answer.refused(422), "data_error");
    assert_eq!(answer.header("x-mountgate-decision"), Some("d-1"));
}

#[tokio::test]
async fn large_answers_stream_in_every_encoding_that_can() {
    let server = server().await;
    let body = b"{\"mount\":\"support\",\"sql\":\"rows 2000\"}";
    let answer = server.send("POST", "/v1/query", &[JSON, &bearer(TOKEN)], body).await;
    assert!(answer.whole && answer.header("content-length").is_none());
    assert_eq!(answer.json()["rows"].as_array().unwrap().len(), 2000);
    assert_eq!(answer.json()["complete"], true);
    let headers = [JSON, &bearer(TOKEN), "accept: application/x-ndjson"];
    let answer = server.send("POST", "/v1/query", &headers, body).await;
    assert!(answer.whole && answer.header("content-length").is_none());
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(answer.text().lines().count(), 2002);
    assert!(answer.text().ends_with("{\"row_count\":2000,\"truncated\":false,\"complete\":true}\n"));
    let headers = [JSON, &bearer(TOKEN), "accept: application/msgpack"];
    let answer = server.send("POST", "/v1/query", &headers, body).await;
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    let read: std::collections::BTreeMap<String, serde_json::Value> = rmp_serde::from_slice(&answer.body).unwrap();
    assert_eq!(read["rows"].as_array().unwrap().len(), 2000);
    assert_eq!(read["complete"], true);
}

#[tokio::test]
async fn an_answer_that_breaks_off_says_so_in_every_encoding() {
    let server = server().await;
    let body = b"{\"mount\":\"support\",\"sql\":\"break 2000\"}";
    let answer = server.send("POST", "/v1/query", &[JSON, &bearer(TOKEN)], body).await;
    let json = answer.json();
    assert_eq!(answer.status, 200);
    assert_eq!(json["complete"], false);
    assert_eq!(json["error"]["code"], "data_error");
    assert_eq!(json["row_count"], 2000);
    assert!(json.get("truncated").is_none());
    let headers = [JSON, &bearer(TOKEN), "accept: application/x-ndjson"];
    let answer = server.send("POST", "/v1/query", &headers, body).await;
    let last: serde_json::Value = serde_json::from_str(answer.text().lines().last().unwrap()).unwrap();
    assert_eq!((&last["complete"], &last["error"]["code"]), (&false.into(), &"data_error".into()));
    // MessagePack has not left yet.
    let headers = [JSON, &bearer(TOKEN), "accept: application/msgpack"];
    assert_eq!(server.send("POST", "/v1/query", &headers, body).await.status, 422);
}

#[tokio::test]
async fn an_answer_too_large_for_messagepack_is_refused_with_advice() {
    let server = Server::start(HttpLimits { buffered_bytes: 10_000, ..HttpLimits::default() }).await;
    let headers = [JSON, &bearer(TOKEN), "accept: application/msgpack;q=0.9, text/html"];
    let answer = server.send("POST", "/v1/query", &headers, b"{\"mount\":\"support\",\"sql\":\"endless\"}").await;
    assert_eq!(answer.status, 413);
    let read: std::collections::BTreeMap<String, serde_json::Value> = rmp_serde::from_slice(&answer.body).unwrap();
    assert!(read["error"]["hint"].as_str().unwrap().contains("application/x-ndjson"));
    assert_eq!(server.seen.dropped.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn messagepack_in_is_messagepack_out_unless_asked_otherwise() {
    let server = server().await;
    #[derive(serde::Serialize)]
    struct Body {
        mount: &'static str,
        sql: &'static str,
        params: (i64, &'static str, Option<i64>, f64),
    }
    let body =
        rmp_serde::to_vec_named(&Body { mount: "support", sql: "echo", params: (1 << 60, "é", None, 0.5) }).unwrap();
    for name in ["application/msgpack", "application/x-msgpack", "application/vnd.msgpack"] {
        let headers = [&format!("content-type: {name}"), &bearer(TOKEN), "accept: */*"];
        let answer = server.send("POST", "/v1/query", &headers.map(|h| h as &str), &body).await;
        assert_eq!(answer.header("content-type"), Some("application/msgpack"), "{}", answer.text());
        let read: std::collections::BTreeMap<String, serde_json::Value> = rmp_serde::from_slice(&answer.body).unwrap();
        assert_eq!(read["rows"], serde_json::json!([[1i64 << 60, "é", null, 0.5]]));
    }
    let headers = ["content-type: application/msgpack", &bearer(TOKEN), "accept: application/json"];
    let answer = server.send("POST", "/v1/query", &headers, &body).await;
    assert_eq!(answer.json()["rows"], serde_json::json!([[1i64 << 60, "é", null, 0.5]]));
    assert!(answer.text().contains("1152921504606846976"));
}

#[tokio::test]
async fn the_other_routes() {
    let server = server().await;
    let answer = server.post("/v1/explain", "{\"mount\":\"support\",\"sql\":\"x\"}").await;
    assert_eq!(answer.json()["verdict"], "allow");
    assert_eq!(answer.header("x-mountgate-decision"), Some("d-2"));
    let answer = server.post("/v1/read", "{\"mount\":\"support\",\"from\":\"rows 3\"}").await;
    assert_eq!(answer.json()["row_count"], 3);
    let answer = server.send("GET", "/v1/mounts", &[&bearer(TOKEN)], b"").await;
    assert_eq!(answer.json()["mounts"][0]["name"], "support");
    let answer = server.send("GET", "/v1/mounts/support", &[&bearer(TOKEN)], b"").await;
    assert_eq!(answer.json()["relations"][0]["columns"][0]["key"], true);
    assert_eq!(server.send("GET", "/v1/mounts/other", &[&bearer(TOKEN)], b"").await.refused(404), "mount_not_found");
    let mint = b"{\"agent\":\"bot\",\"claims\":{\"customer_id\":42},\"ttl_seconds\":60}";
    let answer = server.send("POST", "/v1/sessions", &[JSON, &bearer("minter")], mint).await;
    assert_eq!(answer.json()["token"], "for-bot");
    let answer = server.send("POST", "/v1/sessions", &[JSON, &bearer(TOKEN)], mint).await;
    assert_eq!(answer.refused(403), "not_permitted");
    let answer = server.send("HEAD", "/v1/mounts", &[&bearer(TOKEN)], b"").await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    let answer = server.send("GET", "/openapi.json", &[], b"").await;
    assert_eq!(answer.json()["openapi"], "3.1.0");
}

#[tokio::test]
async fn request_ids_are_echoed_or_made() {
    let server = server().await;
    let answer = server.send("GET", "/v1/mounts", &[&bearer(TOKEN), "x-request-id: abc-1"], b"").await;
    assert_eq!(answer.header("x-request-id"), Some("abc-1"));
    let answer = server.send("GET", "/nowhere", &["x-request-id: a\"b"], b"").await;
    assert_eq!(answer.header("x-request-id").unwrap().len(), 32);
}

#[tokio::test]
async fn an_answer_of_an_observed_mount_says_so_in_every_encoding() {
    let server = server().await;
    for accept in ["application/json", "application/x-ndjson", "application/msgpack"] {
        // Two rows leave whole, two thousand in frames, where they can.
        for (statement, observed) in
            [("observe 2", true), ("observe 2000", true), ("rows 2", false), ("rows 2000", false)]
        {
            let headers = [JSON, &bearer(TOKEN), &format!("accept: {accept}")];
            let body = format!("{{\"mount\":\"support\",\"sql\":\"{statement}\"}}");
            let answer = server.send("POST", "/v1/query", &headers, body.as_bytes()).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("x-mountgate-mode"), observed.then_some("observe"), "{accept} {statement}");
            let text = String::from_utf8_lossy(&answer.body);
            let expected: &[&str] = if accept == "application/msgpack" {
                &["\u{a4}mode", "observe"]
            } else {
                &["\"decision_id\":\"d-1\",\"mode\":\"observe\",\"columns\""]
            };
            let is_said = expected.iter().all(|part| text.contains(part.trim_start_matches('\u{a4}')));
            assert_eq!(is_said, observed, "{accept} {statement}");
        }
    }
}

#[tokio::test]
async fn a_write_is_answered_with_what_it_did_or_that_it_waits() {
    let server = server().await;
    let body =
        |sql: &str| format!(r#"{{"mount":"support","sql":"{sql}","params":["x"],"idempotency_key":"k","reason":"r"}}"#);
    let done = server.post("/v1/write", &body("write")).await;
    assert_eq!(done.status, 200);
    let expected = r#"{"decision_id":"d-3","state":"written","changed":1,"columns":[{"name":"id","type":"integer","masks":["hash"]}],"rows":[["x"]]}"#;
    assert_eq!(done.text(), expected);
    let held = server.post("/v1/write", &body("hold")).await;
    assert_eq!(held.status, 202);
    assert!(held.text().contains(r#""write":"w-1""#), "{}", held.text());
    assert_eq!(server.post("/v1/write", &body("refuse")).await.status, 403);
    let unknown = body("write").replace("reason", "raeson");
    assert_eq!(server.post("/v1/write", &unknown).await.status, 400);
}
