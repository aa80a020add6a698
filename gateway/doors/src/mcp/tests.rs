use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::tools::TOOLS;
use crate::{
    limits::HttpLimits,
    testing::{Answered, Server},
};

const JSON: &str = "content-type: application/json";
const ACCEPT: &str = "accept: application/json, text/event-stream";

async fn server() -> Server {
    Server::start(HttpLimits::default()).await
}

async fn rpc_as(server: &Server, token: &str, method: &str, params: Value) -> Answered {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let token = format!("authorization: Bearer {token}");
    let headers = [token.as_str(), JSON, ACCEPT, "mcp-protocol-version: 2025-06-18"];
    server.send("POST", "/mcp", &headers, body.as_bytes()).await
}

async fn call_as(server: &Server, token: &str, tool: &str, arguments: Value) -> Value {
    let answer = rpc_as(server, token, "tools/call", json!({ "name": tool, "arguments": arguments })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json()["result"].clone()
}

async fn call(server: &Server, tool: &str, arguments: Value) -> Value {
    call_as(server, "good", tool, arguments).await
}

/// The error's code, after checking that the text tells it too.
#[track_caller]
fn refused(result: &Value) -> String {
    assert_eq!(result["isError"], true, "{result}");
    let code = result["structuredContent"]["error"]["code"].as_str().unwrap().to_owned();
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with(&format!("refused ({code}): ")), "{text}");
    code
}

#[tokio::test]
async fn each_request_is_authenticated_by_its_own_token() {
    let server = server().await;
    let initialize = json!({
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    });
    let answer = rpc_as(&server, "good", "initialize", initialize.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["result"]["serverInfo"]["name"], "mountgate");
    assert!(answer.json()["result"]["capabilities"]["tools"].is_object());
    // There is no session that could be used with another token, or with none.
    assert_eq!(answer.header("mcp-session-id"), None);
    for token in ["", "bad", "minter"] {
        for (method, params) in [
            ("initialize", initialize.clone()),
            ("tools/list", json!({})),
            ("ping", json!({})),
            ("tools/call", json!({ "name": "query", "arguments": { "sql": "rows 1" } })),
        ] {
            let answer = rpc_as(&server, token, method, params).await;
            assert_eq!(answer.refused(401), "unauthenticated", "{token} {method}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    let body =
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":{"sql":"rows 1"}}}"#;
    let headers = [JSON, ACCEPT, "mcp-session-id: 1"];
    assert_eq!(server.send("POST", "/mcp", &headers, body).await.refused(401), "unauthenticated");
    assert_eq!(rpc_as(&server, "often", "ping", json!({})).await.refused(429), "rate_limited");
    assert_eq!(server.seen.ran.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused() {
    let server = server().await;
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let send = async |host: &str, origin: Option<&str>| {
        let origin = origin.map(|origin| format!("origin: {origin}\r\n")).unwrap_or_default();
        let head = format!(
            "POST /mcp HTTP/1.1\r\n{host}{origin}authorization: Bearer good\r\n{JSON}\r\n{ACCEPT}\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        server.raw(&[head.as_bytes(), body].concat()).await
    };
    let port = server.address.port();
    for host in [
        "host: evil.example\r\n".to_owned(),
        format!("host: evil.example:{port}\r\n"),
        format!("host: 127.0.0.1.evil.example:{port}\r\n"),
        "host: 127.0.0.1\r\n".to_owned(),
        format!("host: 127.0.0.1:{}\r\n", port ^ 1),
        String::new(),
        format!("host: 127.0.0.1:{port}\r\nhost: evil.example\r\n"),
    ] {
        assert_eq!(send(&host, None).await.refused(403), "not_permitted", "{host}");
    }
    let good = format!("host: 127.0.0.1:{port}\r\n");
    for origin in ["https://evil.example", "null", &format!("http://127.0.0.1:{port}"), ""] {
        assert_eq!(send(&good, Some(origin)).await.refused(403), "not_permitted", "{origin}");
    }
    for host in [good, format!("host: localhost:{port}\r\n"), format!("host: LOCALHOST:{port}\r\n")] {
        let answer = send(&host, None).await;
        assert_eq!(answer.status, 200, "{host}: {}", answer.text());
    }
}

#[tokio::test]
async fn arguments_are_read_strictly() {
    let server = server().await;
    for (arguments, why) in [
        (json!({}), "`sql` is missing"),
        (json!({ "sql": 1 }), "`sql` must be a text"),
        (json!({ "sql": "rows 1", "parms": [] }), "did you mean `params`?"),
        (json!({ "sql": "rows 1", "params": [[[1]]] }), "list in a list"),
        (json!({ "sql": "rows 1", "mount": 1 }), "`mount` must be a text"),
        (json!({ "sql": "rows 1", "limit": 1 }), "unknown key `limit`"),
    ] {
        for tool in ["query", "explain"] {
            let result = call(&server, tool, arguments.clone()).await;
            assert_eq!(refused(&result), "malformed");
            assert!(result["content"][0]["text"].as_str().unwrap().contains(why), "{result}");
        }
    }
    // What two readers would read differently is refused before the library reads it.
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":{"sql":"a","sql":"rows 1"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"query","arguments":{"sql":"rows 1"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":{"sql":"echo","params":[100000000000000000000]}}}"#,
        r#"{"jsonrpc":"2.0","id":1"#,
        r#"{} {}"#,
    ] {
        let headers = ["authorization: Bearer good", JSON, ACCEPT];
        let answer = server.send("POST", "/mcp", &headers, body.as_bytes()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.json()["error"]["code"], -32700, "{body}");
    }
    assert_eq!(server.seen.ran.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn denials_are_told_so_that_a_model_can_act() {
    let server = server().await;
    let result = call(&server, "query", json!({ "sql": "refuse" })).await;
    assert_eq!(refused(&result), "not_in_scope");
    assert_eq!(
        result["content"][0]["text"],
        "refused (not_in_scope): no column `x` in scope; columns in scope of `orders`: `id`\nwhat to do: do otherwise\n\
         decision: d-refused"
    );
    assert_eq!(result["structuredContent"]["error"]["decision_id"], "d-refused");
    let result = call(&server, "query", json!({ "sql": "rows 1", "mount": "elsewhere" })).await;
    assert_eq!(refused(&result), "mount_not_found");
    let result = call(&server, "explain", json!({ "sql": "refuse" })).await;
    assert_eq!(refused(&result), "not_in_scope");
    let result = call(&server, "describe_table", json!({ "table": "salaries" })).await;
    assert_eq!(refused(&result), "not_in_scope");
    assert!(result["content"][0]["text"].as_str().unwrap().contains("tables in scope: `orders`"));
    // An answer that breaks off is no answer.
    let result = call(&server, "query", json!({ "sql": "break 2000" })).await;
    assert_eq!(refused(&result), "data_error");
    let result = call(&server, "query", json!({ "sql": "panic 200" })).await;
    assert_eq!(refused(&result), "internal");
    let answer = rpc_as(&server, "good", "tools/call", json!({ "name": "drop_table" })).await;
    assert_eq!(answer.json()["error"]["code"], -32602);
}

#[tokio::test]
async fn the_mount_may_be_left_out_where_there_is_one() {
    let server = server().await;
    let result = call(&server, "query", json!({ "sql": "rows 1" })).await;
    assert_eq!(result["isError"], false);
    let result = call_as(&server, "two-mounts", "query", json!({ "sql": "rows 1" })).await;
    assert_eq!(refused(&result), "malformed");
    assert!(result["content"][0]["text"].as_str().unwrap().contains("`support`, `sales`"));
    let result = call_as(&server, "two-mounts", "query", json!({ "sql": "rows 1", "mount": "sales" })).await;
    assert_eq!(result["isError"], false);
    let result = call_as(&server, "two-mounts", "my_permissions", json!({})).await;
    assert_eq!(result["structuredContent"]["mounts"].as_array().unwrap().len(), 2);
}

/// The library reads, checks and writes for itself; a call that goes past it must get the same.
#[tokio::test]
async fn a_plain_call_is_answered_as_the_library_would() {
    let server = server().await;
    let echo = json!({ "sql": "echo", "params": ["\"\\\u{1}\n é", 9_007_199_254_740_993_i64, null, 1.5, true] });
    for (name, arguments) in [
        ("query", json!({ "sql": "rows 3" })),
        ("query", echo),
        ("query", json!({ "sql": "refuse" })),
        ("query", json!({ "sql": "panic" })),
        ("query", json!({ "sql": "rows 1", "colour": "red" })),
        ("query", json!({})),
        ("explain", json!({ "sql": "rows 1" })),
        ("explain", json!({ "sql": "refuse" })),
        ("list_tables", json!({})),
        ("describe_table", json!({ "table": "orders" })),
        ("my_permissions", json!({})),
    ] {
        for id in [json!(1), json!("a \"name\"")] {
            let mut told = Vec::new();
            // With a field that means nothing the call is not plain.
            for params in [
                json!({ "name": name, "arguments": arguments }),
                json!({ "name": name, "arguments": arguments, "_meta": {} }),
            ] {
                let body = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string();
                let headers = ["authorization: Bearer good", JSON, ACCEPT, "mcp-protocol-version: 2025-06-18"];
                let answer = server.send("POST", "/mcp", &headers, body.as_bytes()).await;
                let header = |name| answer.header(name).map(str::to_owned);
                told.push((answer.status, header("content-type"), header("cache-control"), answer.json()));
            }
            assert_eq!(told[0], told[1], "{name} {arguments}");
            assert_eq!(told[0].3["id"], id);
        }
    }
}

/// What the library would refuse must not be taken because it looks plain.
#[tokio::test]
async fn what_is_not_plain_is_the_librarys() {
    let server = server().await;
    let plain = json!({ "name": "query", "arguments": { "sql": "rows 1" } });
    let send = async |message: Value, header: &str| {
        let headers = ["authorization: Bearer good", JSON, ACCEPT, header];
        server.send("POST", "/mcp", &headers, message.to_string().as_bytes()).await
    };
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": plain });
    for header in ["mcp-protocol-version: 1999-01-01", "mcp-protocol-version: 2026-07-28"] {
        assert_ne!(send(message.clone(), header).await.status, 200, "{header}");
    }
    for (field, value) in [
        ("jsonrpc", json!("1.0")),
        ("id", json!(null)),
        ("method", json!("tools/none")),
        ("params", json!({ "name": "none", "arguments": {} })),
        ("params", json!({ "name": 1, "arguments": {} })),
        ("params", json!({ "arguments": {} })),
        ("params", json!([])),
    ] {
        let mut message = message.clone();
        message[field] = value.clone();
        let answer = send(message, "x-nothing: 1").await;
        let told = answer.text();
        assert!(!told.contains("\"content\""), "{field} {value}: {told}");
    }
    assert_eq!(server.seen.ran.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn rows_come_as_text_and_as_structure() {
    let server = server().await;
    let params = json!([9_007_199_254_740_993i64, "é", null, [1, 2], { "type": "decimal", "value": "1.20" }]);
    let result = call(&server, "query", json!({ "sql": "echo", "params": params })).await;
    let structure = &result["structuredContent"];
    assert_eq!(structure["rows"], json!([[9_007_199_254_740_993i64, "é", null, [1, 2], "1.20"]]));
    assert_eq!((&structure["complete"], &structure["truncated"]), (&json!(true), &json!(false)));
    let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text, *structure);
}

#[tokio::test]
async fn more_rows_than_a_model_reads_are_cut_and_said_to_be() {
    let server = Server::start(HttpLimits { tool_bytes: 10_000, ..HttpLimits::default() }).await;
    let result = call(&server, "query", json!({ "sql": "endless" })).await;
    let structure = &result["structuredContent"];
    assert_eq!(structure["truncated"], true);
    assert_eq!(structure["row_count"], structure["rows"].as_array().unwrap().len());
    assert!((50..200).contains(&structure["rows"].as_array().unwrap().len()));
    // A cut, not a client that went away.
    assert_eq!(server.seen.cut.load(Ordering::SeqCst), 1);
    assert_eq!(server.seen.dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_other_tools() {
    let server = server().await;
    let result = call(&server, "list_tables", json!({})).await;
    assert_eq!(
        result["structuredContent"],
        json!({ "mount": "support", "dialect": "sqlite", "tables": [
            { "name": "orders", "columns": ["id"], "filtered": true },
        ] })
    );
    let result = call(&server, "describe_table", json!({ "table": "orders" })).await;
    assert_eq!(result["structuredContent"]["table"]["columns"][0]["type"], "integer");
    let result = call(&server, "explain", json!({ "sql": "x" })).await;
    assert_eq!(result["structuredContent"]["verdict"], "allow");
    let result = call(&server, "my_permissions", json!({})).await;
    assert_eq!(result["structuredContent"]["mounts"][0]["limits"]["requests"], "60/minute");
}

#[tokio::test]
async fn tools_are_listed_with_strict_schemas() {
    let server = server().await;
    let answer = rpc_as(&server, "good", "tools/list", json!({})).await;
    let json = answer.json();
    let tools = json["result"]["tools"].as_array().unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["list_tables", "describe_table", "query", "explain", "my_permissions"]);
    for tool in tools {
        assert_eq!(tool["inputSchema"]["type"], "object");
        assert_eq!(tool["inputSchema"]["additionalProperties"], false);
        assert_eq!(tool["annotations"]["readOnlyHint"], true);
    }
    assert_eq!(TOOLS.len(), names.len());
}

#[tokio::test]
async fn a_client_that_is_gone_drops_the_answer() {
    use tokio::io::AsyncWriteExt;
    let server = server().await;
    let body =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":{"sql":"stall 1"}}}"#;
    let headers = ["authorization: Bearer good", JSON, ACCEPT];
    let mut stream = server.connect().await;
    let bytes = crate::testing::request("POST", "/mcp", server.address, &headers, body.as_bytes());
    stream.write_all(&bytes).await.unwrap();
    for (what, seen) in [("run", &server.seen.ran), ("dropped", &server.seen.dropped)] {
        for waited in 0.. {
            if seen.load(Ordering::SeqCst) == 1 {
                break;
            }
            assert!(waited < 1000, "not {what}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        if what == "run" {
            let _ = stream.shutdown().await;
        }
    }
}

#[tokio::test]
async fn a_client_that_accepts_only_json_is_served() {
    let server = server().await;
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for accept in ["accept: application/json", "accept: */*", "x-none: 1"] {
        let headers = ["authorization: Bearer good", JSON, accept];
        assert_eq!(server.send("POST", "/mcp", &headers, body).await.status, 200, "{accept}");
    }
    let headers = ["authorization: Bearer good", "content-type: application/msgpack", ACCEPT];
    assert_eq!(server.send("POST", "/mcp", &headers, b"\x80").await.status, 415);
}

#[tokio::test]
async fn an_answer_of_an_observed_mount_says_so() {
    let server = server().await;
    let observed = call(&server, "query", json!({ "sql": "observe 1" })).await;
    assert_eq!(observed["structuredContent"]["mode"], "observe", "{observed}");
    assert!(observed["content"][0]["text"].as_str().unwrap().contains("\"mode\":\"observe\""), "{observed}");
    let plain = call(&server, "query", json!({ "sql": "rows 1" })).await;
    assert_eq!(plain["structuredContent"].get("mode"), None, "{plain}");
}
