//! `/openapi.json`: OpenAPI 3.1, made from the route table and the table of codes.

mod schemas;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;
use mountgate_core::Code;
use serde_json::{Map, Value, json};

use crate::{
    http::{Handler, ROUTES, Route, Success},
    media::{JSON, MSGPACK, NDJSON},
};

/// The document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Value::Object(item) = item {
            item.insert(route.method.as_str().to_ascii_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Mountgate, data port",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Ask for data through a mount. Bodies are JSON or MessagePack, read strictly: unknown and \
                            duplicate keys are refused. See docs/types.md for values and docs/errors.md for errors.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "bearer": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "never in a URL" },
            },
            "schemas": schemas::all(),
            "headers": {
                "X-Mountgate-Decision": {
                    "description": "The id under which the ledger has the decision.",
                    "schema": { "type": "string" },
                },
                "X-Mountgate-Mode": {
                    "description": "`observe`, where the mount is open for observation.",
                    "schema": { "const": "observe" },
                },
                "X-Request-Id": {
                    "description": "The request's id: the client's own, or a new one.",
                    "schema": { "type": "string" },
                },
            },
        },
    })
}

/// The document as it is served.
pub(crate) fn bytes() -> Bytes {
    Bytes::from(document().to_string())
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": format!("{:?}", route.handler),
        "summary": route.summary,
        "responses": responses(route),
    });
    let Value::Object(fields) = &mut operation else { return operation };
    match route.token {
        Some(token) => fields.insert("description".into(), json!(format!("Wants {token}."))),
        None => fields.insert("security".into(), json!([])),
    };
    if route.path.ends_with("{name}") {
        let parameter = json!({ "name": "name", "in": "path", "required": true, "schema": { "type": "string" } });
        fields.insert("parameters".into(), json!([parameter]));
    }
    if let Some(schema) = route.body {
        let types: &[&str] = if route.handler == Handler::Mcp { &[JSON] } else { &[JSON, MSGPACK] };
        fields.insert("requestBody".into(), json!({ "required": true, "content": content(types, schema) }));
    }
    operation
}

fn content(types: &[&str], schema: &str) -> Value {
    let schema = json!({ "schema": { "$ref": format!("#/components/schemas/{schema}") } });
    Value::Object(types.iter().map(|name| ((*name).to_owned(), schema.clone())).collect())
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    let mut success = match route.success {
        Success::Rows => {
            let mut content = content(&[JSON, MSGPACK], "Rows");
            if let Value::Object(content) = &mut content {
                content.insert(
                    NDJSON.to_owned(),
                    json!({ "schema": {
                        "type": "string",
                        "description": "a line for the columns, one for each row, one that says `complete`",
                    } }),
                );
            }
            json!({
                "description": "The rows. Whole only with `complete: true` at its end.",
                "content": content,
            })
        }
        Success::Object(schema) => {
            json!({ "description": schema, "content": content(&[JSON, MSGPACK], schema) })
        }
        Success::Json(what) => json!({ "description": what, "content": { JSON: { "schema": { "type": "object" } } } }),
    };
    let mut headers = json!({ "X-Request-Id": { "$ref": "#/components/headers/X-Request-Id" } });
    if matches!(route.handler, Handler::Query | Handler::Read | Handler::Write | Handler::Explain)
        && let Value::Object(headers) = &mut headers
    {
        for name in ["X-Mountgate-Decision", "X-Mountgate-Mode"] {
            headers.insert(name.into(), json!({ "$ref": format!("#/components/headers/{name}") }));
        }
    }
    if let Value::Object(success) = &mut success {
        success.insert("headers".into(), headers);
    }
    responses.insert("200".into(), success);
    if route.handler == Handler::Write {
        let held = json!({ "description": "the write waits for a person's approval", "content": content(&[JSON, MSGPACK], "Held") });
        responses.insert("202".into(), held);
    }
    if route.handler == Handler::Mcp {
        responses.insert("202".into(), json!({ "description": "a notification was taken" }));
    }
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in Code::ALL.iter().filter(|code| may(route, **code)) {
        by_status.entry(code.status()).or_default().push(*code);
    }
    for (status, codes) in by_status {
        let description: Vec<String> =
            codes.iter().map(|code| format!("`{code}`: {}", code.meaning().trim())).collect();
        responses.insert(
            status.to_string(),
            json!({ "description": description.join("\n"), "content": content(&[JSON, MSGPACK], "Error") }),
        );
    }
    Value::Object(responses)
}

/// Whether the route may answer with the code.
fn may(route: &Route, code: Code) -> bool {
    let body = route.body.is_some();
    let statement = matches!(route.handler, Handler::Query | Handler::Read | Handler::Write | Handler::Explain);
    match code {
        // The URL's query is checked everywhere.
        Code::Malformed | Code::Internal => true,
        // What is at a path and for which method is what this document says.
        Code::RouteNotFound | Code::MethodNotAllowed => false,
        Code::WriteNotAllowed
        | Code::RowOutOfScope
        | Code::TooManyRows
        | Code::IdempotencyConflict
        | Code::ConstraintFailed
        | Code::WriteConflict
        | Code::OutcomeUnknown
        | Code::ApprovalUnavailable => route.handler == Handler::Write,
        // People approve on the admin port.
        Code::HoldConflict => false,
        Code::HoldNotFound => route.handler == Handler::WriteStatus,
        Code::Overloaded => true,
        Code::Unauthenticated | Code::RateLimited | Code::NotPermitted | Code::Quarantined => route.token.is_some(),
        Code::RequestTimeout | Code::TooLarge => body,
        Code::MediaType => route.token.is_some(),
        Code::MountNotFound => statement || route.handler == Handler::Mount,
        Code::ClaimMistyped | Code::LedgerUnavailable => statement || route.handler == Handler::Sessions,
        Code::Unparseable
        | Code::ParameterInvalid
        | Code::Ambiguous
        | Code::NotInScope
        | Code::KeyRequired
        | Code::AggregateOnly
        | Code::DeniedByPolicy
        | Code::ClaimMissing
        | Code::OutsideHours
        | Code::MountExpired
        | Code::ApprovalRequired
        | Code::Unsupported
        | Code::TypeMismatch
        | Code::DataError
        | Code::ResourceLimit
        | Code::BudgetExhausted
        | Code::TooManyConcurrent
        | Code::BackendUnavailable
        | Code::BackendRefused
        | Code::PolicyFailed
        | Code::PolicyWithdrawn => statement,
    }
}
