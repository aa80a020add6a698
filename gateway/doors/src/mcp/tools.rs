//! What the tools are called, what they take and how a model is told of them.

use std::sync::{Arc, LazyLock};

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

/// Told to the model once, when the client connects.
pub(super) const INSTRUCTIONS: &str = "Data behind a policy. You see only the tables, columns and rows that you may \
    see; some columns are masked. Start with `list_tables`, then `describe_table`, then `query` with one SELECT in \
    the mount's SQL dialect, values as parameters. A refusal says what to do instead: change the statement, do not \
    retry it as it is. `explain` tells how a statement would fare without running it.";

/// A tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    ListTables,
    DescribeTable,
    Query,
    Explain,
    MyPermissions,
}

impl Name {
    const ALL: [Self; 5] = [Self::ListTables, Self::DescribeTable, Self::Query, Self::Explain, Self::MyPermissions];

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.text() == name)
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::ListTables => "list_tables",
            Self::DescribeTable => "describe_table",
            Self::Query => "query",
            Self::Explain => "explain",
            Self::MyPermissions => "my_permissions",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::ListTables => "The tables that you may read, with their columns' names. Call this first.",
            Self::DescribeTable => {
                "One table: columns, types, keys, which columns are masked and how, whether rows are filtered, which columns a look-up must give (`require`), the smallest group of a table for statistics (`min_group`)."
            }
            Self::Query => {
                "Runs one SELECT and returns its rows. Give values as parameters ($1, $2, … or ? in SQLite) in `params`. \
                 `truncated` says that there were more rows than are returned: narrow the statement or aggregate."
            }
            Self::Explain => {
                "Whether a statement would be answered, without running it: columns, masks, caps, or the refusal."
            }
            Self::MyPermissions => {
                "All that you may do: tables, columns, masks, limits, hours, and what is left of the limits."
            }
        }
    }

    fn schema(self) -> Value {
        let mount = json!({
            "type": "string",
            "description": "The mount. May be left out where you have just one.",
        });
        let (properties, required) = match self {
            Self::ListTables | Self::MyPermissions => (json!({ "mount": mount }), json!([])),
            Self::DescribeTable => (
                json!({ "mount": mount, "table": { "type": "string", "description": "As `list_tables` names it." } }),
                json!(["table"]),
            ),
            Self::Query | Self::Explain => (
                json!({
                    "mount": mount,
                    "sql": { "type": "string", "description": "One SELECT in the mount's dialect." },
                    "params": {
                        "type": "array",
                        "description": "Values of the parameters, by position. What JSON has no form for is typed: \
                                        {\"type\":\"decimal\",\"value\":\"1.20\"}; types: boolean, integer, float, \
                                        decimal, text, bytes (base64), date, time, timestamp, timestamptz, interval, \
                                        uuid, json, each also as array: integer[].",
                        "items": {},
                    },
                    "purpose": {
                        "type": "string",
                        "maxLength": 500,
                        "description": "What you want the answer for.",
                    },
                }),
                json!(["sql"]),
            ),
        };
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    }

    fn tool(self) -> Tool {
        let schema = match self.schema() {
            Value::Object(schema) => schema,
            _ => JsonObject::new(),
        };
        let annotations = ToolAnnotations::new().read_only(true).destructive(false).idempotent(true).open_world(false);
        Tool::new(self.text(), self.description(), Arc::new(schema)).with_annotations(annotations)
    }
}

/// Every tool.
pub(super) static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(|| Name::ALL.into_iter().map(Name::tool).collect());
