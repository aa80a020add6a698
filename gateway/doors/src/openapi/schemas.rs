//! Schemas of bodies and answers.

use mountgate_core::Code;
use mountgate_sql::read::ConditionOp;
use serde_json::{Value, json};

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn of(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn or_null(ty: &str) -> Value {
    json!({ "type": [ty, "null"] })
}

/// A body: nothing but these keys.
fn strict(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

/// An answer: these keys, and in later versions perhaps others.
fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}

/// Every schema, by name.
pub(super) fn all() -> Value {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let labels = list(json!({ "type": "string" }));
    let cap = json!({ "type": "integer", "minimum": 0 });
    json!({
        "Query": strict(&["mount", "sql"], json!({
            "mount": text("the mount"),
            "sql": text("one statement in the mount's dialect"),
            "params": { "type": ["array", "null"], "items": of("Parameter"), "description": "by position" },
            "purpose": { "type": ["string", "null"], "maxLength": 500, "description": "what the answer is for" },
        })),
        "Write": strict(&["mount", "sql"], json!({
            "mount": text("the mount"),
            "sql": text("one INSERT, UPDATE or DELETE in the mount's dialect"),
            "params": { "type": ["array", "null"], "items": of("Parameter"), "description": "by position" },
            "purpose": { "type": ["string", "null"], "maxLength": 500, "description": "what the write is for" },
            "idempotency_key": {
                "type": ["string", "null"], "minLength": 1, "maxLength": 200,
                "description": "the same request under the same key is one write and one answer",
            },
            "reason": { "type": ["string", "null"], "maxLength": 2000, "description": "for the people who approve" },
        })),
        "Written": object(&["decision_id", "state", "changed", "columns", "rows"], json!({
            "decision_id": text("under which the ledger has it"),
            "state": { "const": "written" },
            "changed": cap,
            "columns": list(of("Column")),
            "rows": list(list(json!({}))),
        })),
        "Held": object(&["decision_id", "state", "write"], json!({
            "decision_id": text("under which the ledger has it"),
            "state": { "const": "held" },
            "write": text("the id under which it waits"),
        })),
        "HoldStatus": object(&["hold", "state", "expires_ms"], json!({
            "hold": text("its id"),
            "state": { "enum": ["pending", "approved", "executed", "failed", "stale", "expired", "denied", "unknown"] },
            "rows": { "type": "integer", "minimum": 0, "description": "rows changed, once it is executed" },
            "expires_ms": { "type": "integer", "description": "until when it may be approved" },
        })),
        "Parameter": {
            "description": "A bare value, a list of values of one type, or a typed value. See docs/types.md.",
            "oneOf": [
                { "type": ["null", "boolean", "number", "string"] },
                list(json!({})),
                strict(&["type", "value"], json!({ "type": { "enum": parameter_types() }, "value": {} })),
            ],
        },
        "Read": read(),
        "Mint": strict(&["agent", "ttl_seconds"], json!({
            "agent": text("for which agent"),
            "claims": {
                "type": "object",
                "description": "further claims, by name",
                "additionalProperties": { "oneOf": [
                    { "type": ["boolean", "integer", "string"] },
                    list(json!({ "type": "integer" })),
                    list(json!({ "type": "string" })),
                ] },
            },
            "ttl_seconds": { "type": ["integer"], "minimum": 0 },
        })),
        "Minted": object(&["token", "session", "until_ms"], json!({
            "token": text("shown once"),
            "session": text("the session's public id"),
            "until_ms": { "type": "integer", "description": "milliseconds since 1970-01-01T00:00Z" },
        })),
        "Column": object(&["name", "type"], json!({
            "name": text("as the statement names it"),
            "type": text("boolean, integer, float, decimal, text, bytes, date, time, timestamp, timestamptz, interval, \
                          uuid, json, any, or one of these with []"),
            "masks": { "type": "array", "items": { "type": "string" }, "description": "the masks that its values went through" },
        })),
        "Rows": object(&["decision_id", "columns", "rows", "row_count", "complete"], json!({
            "decision_id": text("under which the ledger has it"),
            "mode": mode(),
            "columns": list(of("Column")),
            "rows": list(list(json!({}))),
            "row_count": cap,
            "truncated": { "type": "boolean", "description": "whether a cap cut the answer; absent where it broke off" },
            "error": of("ErrorFields"),
            "complete": { "type": "boolean", "description": "whether the answer is whole; last of all" },
        })),
        "Caps": object(&["max_rows", "max_bytes", "timeout_ms"], json!({
            "max_rows": cap, "max_bytes": cap, "timeout_ms": cap,
        })),
        "Explanation": object(&["decision_id", "verdict", "columns", "relations", "caps"], json!({
            "decision_id": text("under which the ledger has it"),
            "verdict": { "const": "allow" },
            "mode": mode(),
            "columns": list(of("Column")),
            "relations": list(object(&["name", "columns", "filtered"], json!({
                "name": text("the relation"),
                "columns": list(object(&["name", "uses", "masks"], json!({
                    "name": text("the column"), "uses": labels, "masks": labels,
                }))),
                "filtered": { "type": "boolean" },
            }))),
            "caps": of("Caps"),
        })),
        "Mounts": object(&["mounts"], json!({ "mounts": list(of("MountSummary")) })),
        "MountSummary": object(&["name", "dialect", "tables", "open"], mount_properties()),
        "Mount": {
            "allOf": [
                of("MountSummary"),
                object(&["relations", "limits"], json!({
                    "hours": text("when it serves"),
                    "expires": text("the last day on which it serves"),
                    "relations": list(object(&["name", "columns", "filtered"], json!({
                        "name": text("the relation"),
                        "columns": list(object(&["name", "type"], json!({
                            "name": text("the column"),
                            "type": text("its type"),
                            "key": { "type": "boolean", "description": "part of the primary key" },
                            "masks": labels,
                        }))),
                        "filtered": { "type": "boolean" },
                        "require": list(text("a column that every reference must fix to one value")),
                        "min_group": { "type": "integer", "description": "it answers with counts, sums and averages over groups of at least so many" },
                        "write": object(&["max_rows", "approval"], json!({
                            "insert": list(text("a column that an INSERT may give")),
                            "update": list(text("a column that an UPDATE may set")),
                            "delete": { "type": "boolean" },
                            "max_rows": { "type": "integer", "description": "the most rows that one write may change" },
                            "approval": text("when a person must approve: required, over 5 rows, none"),
                        })),
                    }))),
                    "limits": { "type": "object", "additionalProperties": { "type": "string" } },
                    "keys_left": { "type": "object", "description": "how many different values of each counted column may still be looked up", "additionalProperties": { "type": "integer" } },
                    "left": { "type": "object", "description": "what is left of the limits, where nobody else draws on them" },
                })),
            ],
        },
        "JsonRpc": { "type": "object", "description": "one JSON-RPC 2.0 message of MCP" },
        "Error": object(&["error"], json!({ "error": of("ErrorFields") })),
        "ErrorFields": object(&["code", "message", "hint", "decision_id", "retry_after"], json!({
            "code": { "enum": codes },
            "message": text("what was refused and why"),
            "hint": or_null("string"),
            "decision_id": or_null("string"),
            "retry_after": or_null("integer"),
        })),
    })
}

fn mode() -> Value {
    json!({ "const": "observe", "description": "there where the mount is open for observation, and only there" })
}

fn mount_properties() -> Value {
    json!({
        "name": text("the mount"),
        "dialect": { "enum": ["sqlite", "postgres"] },
        "tables": list(json!({ "type": "string" })),
        "open": { "type": "boolean", "description": "whether it serves now" },
        "mode": mode(),
        "until": text("the last day on which it is open for observation"),
    })
}

fn parameter_types() -> Vec<String> {
    let names = crate::body::TYPES.iter();
    names.clone().map(|name| (*name).to_owned()).chain(names.map(|name| format!("{name}[]"))).collect()
}

fn read() -> Value {
    let words: Vec<&str> = ConditionOp::ALL.iter().map(|(word, _)| *word).collect();
    strict(
        &["mount", "from"],
        json!({
            "mount": text("the mount"),
            "from": text("the table, as the mount names it"),
            "select": {
                "type": ["array", "null"],
                "items": { "type": "string" },
                "minItems": 1,
                "description": "the columns; every column in scope without it",
            },
            "where": {
                "description": "conditions, all of which hold",
                "oneOf": [
                    {
                        "type": "object",
                        "description": "by column: a value to equal, a list to be in, or null",
                        "additionalProperties": of("Parameter"),
                    },
                    list(strict(&["column", "op"], json!({
                        "column": text("the column"),
                        "op": { "enum": words },
                        "value": { "description": "a value; for `in` a list; none for the tests of NULL" },
                    }))),
                    { "type": "null" },
                ],
            },
            "order": {
                "type": ["array", "null"],
                "items": { "oneOf": [
                    { "type": "string", "description": "a column, least first" },
                    strict(&["column"], json!({ "column": text("the column"), "descending": { "type": "boolean" } })),
                ] },
            },
            "limit": { "type": ["integer", "null"], "minimum": 0 },
            "purpose": { "type": ["string", "null"], "maxLength": 500, "description": "what the answer is for" },
        }),
    )
}
