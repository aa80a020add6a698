use std::collections::BTreeSet;

use mountgate_core::Code;
use serde_json::{Value, json};

use super::document;
use crate::{
    limits::HttpLimits,
    testing::{Answered, Server},
};

/// Checks a value against the part of JSON Schema that the document uses; an unknown keyword fails the test.
fn check(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let Some(schema) = schema.as_object() else { return Ok(()) };
    for (keyword, rule) in schema {
        let ok = match keyword.as_str() {
            "description" | "minimum" | "maxLength" | "minItems" => true,
            "$ref" => {
                let target = document.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap();
                check(document, target, value, at)?;
                true
            }
            "type" => {
                let types = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                types.iter().any(|ty| is(ty.as_str().unwrap(), value))
            }
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "required" => rule.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
            "properties" => {
                for (key, rule) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(key) {
                        check(document, rule, value, &format!("{at}.{key}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                for (key, value) in value.as_object().into_iter().flatten() {
                    if known.is_some_and(|known| known.contains_key(key)) {
                        continue;
                    }
                    if *rule == false {
                        return Err(format!("{at}.{key} is not documented"));
                    }
                    check(document, rule, value, &format!("{at}.{key}"))?;
                }
                true
            }
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, rule, value, &format!("{at}[{index}]"))?;
                }
                true
            }
            "minLength" => {
                let least = usize::try_from(rule.as_u64().unwrap()).unwrap();
                value.as_str().is_none_or(|text| text.chars().count() >= least)
            }
            "allOf" => {
                for rule in rule.as_array().unwrap() {
                    check(document, rule, value, at)?;
                }
                true
            }
            "oneOf" => {
                rule.as_array().unwrap().iter().filter(|rule| check(document, rule, value, at).is_ok()).count() == 1
            }
            other => panic!("`{other}` is not checked"),
        };
        if !ok {
            return Err(format!("{at} is {value}, against `{keyword}`: {rule}"));
        }
    }
    Ok(())
}

fn is(ty: &str, value: &Value) -> bool {
    match ty {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("type `{other}`"),
    }
}

/// Checks an answer against what is documented for its operation and status.
#[track_caller]
fn documented(document: &Value, path: &str, method: &str, answer: &Answered) {
    let response = &document["paths"][path][method]["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{method} {path} answers {} without saying so: {}", answer.status, answer.text());
    let media = answer.header("content-type").unwrap();
    let schema = &response["content"][media]["schema"];
    assert!(schema.is_object(), "{method} {path} answers {} in {media} without saying so", answer.status);
    check(document, schema, &answer.json(), "body").unwrap_or_else(|why| panic!("{method} {path}: {why}"));
}

/// Bodies for each operation: those that succeed, and those that are refused.
fn bodies(path: &str) -> (Vec<Value>, Vec<Value>) {
    match path {
        "/v1/query" => (
            vec![
                json!({ "mount": "support", "sql": "rows 1" }),
                json!({ "mount": "support", "sql": "rows 5000", "params": null, "purpose": "test" }),
                json!({ "mount": "support", "sql": "break 5000" }),
                json!({ "mount": "support", "sql": "echo", "params": [1, null, { "type": "decimal", "value": "1.2" }] }),
            ],
            vec![
                json!({ "mount": "support", "sql": "refuse" }),
                json!({ "mount": "elsewhere", "sql": "rows 1" }),
                json!({ "mount": "support", "sql": "panic" }),
                json!({ "mount": "support", "sql": "break 0" }),
            ],
        ),
        "/v1/read" => (
            vec![
                json!({ "mount": "support", "from": "rows 1", "where": { "a": 1, "b": [1, 2], "c": null }, "order": ["a"] }),
                json!({ "mount": "support", "from": "rows 1", "select": ["a"], "limit": 3, "where": [
                    { "column": "a", "op": "ge", "value": 1 }, { "column": "b", "op": "is_null" },
                ], "order": [{ "column": "a", "descending": true }] }),
            ],
            vec![json!({ "mount": "support", "from": "refuse" })],
        ),
        "/v1/write" => (
            vec![json!({ "mount": "support", "sql": "x", "params": [1], "reason": "test", "idempotency_key": "k" })],
            vec![json!({ "mount": "support", "sql": "refuse" })],
        ),
        "/v1/explain" => {
            (vec![json!({ "mount": "support", "sql": "x" })], vec![json!({ "mount": "support", "sql": "refuse" })])
        }
        "/v1/sessions" => {
            (vec![json!({ "agent": "bot", "claims": { "a": 1, "b": ["x"], "c": true }, "ttl_seconds": 60 })], vec![])
        }
        "/mcp" => (vec![json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })], vec![]),
        _ => panic!("a body for {path}?"),
    }
}

#[tokio::test]
async fn the_server_does_what_the_document_says() {
    let server = Server::start(HttpLimits::default()).await;
    let served = server.send("GET", "/openapi.json", &[], b"").await.json();
    assert_eq!(served, document());
    let document = served;
    let types = "content-type: application/json";
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            let concrete = path.replace("{name}", "support");
            let verb = method.to_uppercase();
            let token = match path.as_str() {
                "/v1/sessions" => "authorization: Bearer minter",
                _ => "authorization: Bearer good",
            };
            let (good, bad) = match operation.get("requestBody") {
                Some(_) => bodies(path),
                None => (vec![Value::Null], vec![]),
            };
            for (body, succeeds) in good.iter().map(|body| (body, true)).chain(bad.iter().map(|body| (body, false))) {
                let bytes = if body.is_null() { String::new() } else { body.to_string() };
                if let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") {
                    check(&document, schema, body, "request").unwrap_or_else(|why| panic!("{path}: {why}"));
                }
                let answer = server.send(&verb, &concrete, &[token, types], bytes.as_bytes()).await;
                assert_eq!(answer.status == 200, succeeds, "{method} {path}: {}", answer.text());
                documented(&document, path, method, &answer);
            }
            // Without a token: refused just where the document wants one.
            let first = good.first().filter(|body| !body.is_null()).map(Value::to_string).unwrap_or_default();
            let answer = server.send(&verb, &concrete, &[types], first.as_bytes()).await;
            let open = operation.get("security") == Some(&json!([]));
            assert_eq!(answer.status, if open { 200 } else { 401 }, "{method} {path}");
            documented(&document, path, method, &answer);
            // An URL with a query.
            let answer = server.send(&verb, &format!("{concrete}?token=x"), &[token, types], first.as_bytes()).await;
            assert_eq!(answer.status, 400);
            documented(&document, path, method, &answer);
            // A body that the schema does not allow is not taken either.
            if operation.get("requestBody").is_some() && path != "/mcp" {
                let answer = server.send(&verb, &concrete, &[token, types], b"{\"unknown\":1}").await;
                assert_eq!(answer.status, 400);
                documented(&document, path, method, &answer);
                let answer = server.send(&verb, &concrete, &[token, "content-type: text/plain"], b"{}").await;
                assert_eq!(answer.status, 415);
                documented(&document, path, method, &answer);
            }
        }
    }
    assert_eq!(operations, crate::http::ROUTES.len());
}

#[tokio::test]
async fn what_is_not_in_the_document_is_not_served() {
    let server = Server::start(HttpLimits::default()).await;
    let document = document();
    let mut paths: BTreeSet<String> =
        document["paths"].as_object().unwrap().keys().map(|path| path.replace("{name}", "support")).collect();
    paths.extend(
        [
            "/",
            "/v1",
            "/v1/write",
            "/v1/writes/1",
            "/v1/access-requests",
            "/healthz",
            "/metrics",
            "/v1/admin/generation",
        ]
        .map(String::from),
    );
    for path in paths {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND"] {
            let template = match path.as_str() {
                "/v1/mounts/support" => "/v1/mounts/{name}",
                held if held.starts_with("/v1/writes/") => "/v1/writes/{name}",
                other => other,
            };
            let known = document["paths"].get(template);
            if known.is_some_and(|item| item.get(method.to_lowercase()).is_some()) {
                continue;
            }
            let answer = server.send(method, &path, &["authorization: Bearer good"], b"").await;
            // `CONNECT` takes an authority, so a path there is no HTTP.
            let expected: &[u16] = match (known, method) {
                (_, "CONNECT") => &[400, 404, 405],
                (Some(_), _) => &[405],
                (None, _) => &[404],
            };
            assert!(expected.contains(&answer.status), "{method} {path}: {}", answer.status);
        }
    }
}

#[test]
fn every_code_is_in_the_document() {
    let document = document();
    let codes = document["components"]["schemas"]["ErrorFields"]["properties"]["code"]["enum"].as_array().unwrap();
    assert_eq!(codes.len(), Code::ALL.len());
    let of = |path: &str| document["paths"][path]["post"]["responses"].as_object().unwrap();
    let responses = [of("/v1/query"), of("/v1/write")];
    for code in Code::ALL {
        // People approve on the admin port; what is asked of one hold has a route of its own.
        if matches!(code, Code::RouteNotFound | Code::MethodNotAllowed | Code::HoldNotFound | Code::HoldConflict) {
            continue;
        }
        let told =
            responses.iter().filter_map(|responses| responses.get(&code.status().to_string())?["description"].as_str());
        assert!(told.into_iter().any(|text| text.contains(&format!("`{code}`"))), "{code}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(document: &Value, value: &Value, seen: &mut usize) {
        match value {
            Value::Object(entries) => {
                for (key, value) in entries {
                    if key == "$ref" {
                        *seen += 1;
                        let pointer = value.as_str().unwrap().strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{pointer}");
                    }
                    walk(document, value, seen);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(document, item, seen)),
            _ => {}
        }
    }
    let mut seen = 0;
    walk(&document(), &document(), &mut seen);
    assert!(seen > 20);
}
