//! Rows by region: a caller sees the rows whose region is its own claim, in the tables that have such a column.
//!
//! `configure` runs once, when a mount loads; `decide` for each request. Both get everything they may know as arguments:
//! there are no files, no network and no clock here, and nothing is kept from one request to the next.

use mountgate_plugin_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// The policy.
pub struct Rows;

/// The mount's settings. A key that is not here is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The column that says whose a row is.
    #[serde(default = "region")]
    column: String,
    /// The claim that says whose rows a caller may see.
    #[serde(default = "region")]
    claim: String,
}

fn region() -> String {
    "region".to_owned()
}

/// What `configure` prepares for every decision.
#[derive(Serialize, Deserialize)]
pub struct Prepared<'a> {
    claim: String,
    /// What is granted of each table of the mount that can be told apart.
    #[serde(borrow)]
    tables: Listed<'a, Granted>,
}

impl Policy for Rows {
    type Settings = Settings;
    type Prepared<'a> = Prepared<'a>;

    // Every grant is prepared: no decision looks at the ceiling again.
    const KEEPS_CEILING: bool = false;

    fn describe() -> Manifest {
        Manifest::new("{{name}}", "rows of the caller's own region").settings_schema(
            r#"{
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "column": {
                        "type": "string",
                        "description": "the column that says whose a row is; shown or lent by the mount",
                        "default": "region"
                    },
                    "claim": {
                        "type": "string",
                        "description": "the claim that says whose rows a caller may see",
                        "default": "region"
                    }
                }
            }"#,
        )
    }

    fn configure(settings: Settings, mount: &Mount) -> Result<Prepared<'static>, String> {
        let Settings { column, claim: name } = settings;
        if !mount.relations.iter().any(|relation| relation.may_filter_by(&column)) {
            return Err(format!("no table of `{}` shows or lends `{column}`", mount.name));
        }
        let tables = mount.prepare(|relation| {
            let own_rows = col(&column).eq(claim(&name));
            Ok(relation.may_filter_by(&column).then(|| relation.narrowed().filter(own_rows).into()))
        })?;
        Ok(Prepared { claim: name, tables })
    }

    fn decide(prepared: &Prepared<'_>, request: &Request<'_>) -> Result<Verdict, String> {
        let name = &prepared.claim;
        if request.claim(name).is_none() {
            return Ok(Verdict::deny_with_hint(
                "no_claim",
                format!("your claims do not say `{name}`"),
                format!("ask with a session that has the claim `{name}`"),
            ));
        }
        let mut grants = Vec::new();
        for touched in request.relations() {
            if let Some(granted) = prepared.tables.get(touched.in_mount())? {
                grants.push(touched.grant(granted));
            }
        }
        Ok(Verdict::allow(grants).into())
    }
}

export_policy!(Rows);
