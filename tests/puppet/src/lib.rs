//! A policy that says whatever its settings tell it to, whether or not that is within the ceiling: the attacker of the
//! tests. Never shipped.

use std::sync::Mutex;

use mountgate_plugin_sdk::{
    prelude::*,
    settings::{FilterSetting, MaskSetting},
    types::ColumnGrant,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// The policy.
#[derive(Debug)]
pub struct Puppet;

/// What it is to say.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Script {
    /// `allow`, `hold`, or `tell`: a denial whose reason holds every claim that it has seen since it was started.
    pub verdict: String,
    /// `{ relation: { columns: { name: [masks] }, filter } }`; none grants the ceiling as it is.
    pub grant: Option<Map<String, Json>>,
    /// Rows of one answer.
    pub max_rows: Option<u32>,
    /// Milliseconds of the backend's work.
    pub timeout_ms: Option<u32>,
    /// Requests per minute.
    pub per_minute: Option<u32>,
    /// For how many milliseconds a verdict is reused.
    pub valid_for_ms: Option<u32>,
}

/// A place that nothing has.
const NOWHERE: u32 = 1_000;

/// Claims seen: what a fresh instance for every decision must keep empty.
static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Policy for Puppet {
    type Settings = Script;
    /// The script as JSON text.
    type Prepared<'a> = String;

    fn describe() -> Manifest {
        Manifest::new("test/puppet", "says what it is told to").settings_schema(r#"{"type":"object"}"#)
    }

    fn configure(script: Script, _: &Mount) -> Result<String, String> {
        serde_json::to_string(&script).map_err(|error| error.to_string())
    }

    fn decide(prepared: &String, request: &Request<'_>) -> Result<Verdict, String> {
        let script: Script = serde_json::from_str(prepared).map_err(|error| error.to_string())?;
        let grant = match script.grant {
            None => Grant::Ceiling,
            Some(relations) => Grant::Narrowed(
                relations.iter().map(|(name, grant)| granted(request, name, grant)).collect::<Result<_, _>>()?,
            ),
        };
        let mut limits = Limits::none();
        if let Some(rows) = script.max_rows {
            limits = limits.max_rows(rows);
        }
        if let Some(milliseconds) = script.timeout_ms {
            limits = limits.timeout_ms(milliseconds);
        }
        if let Some(requests) = script.per_minute {
            limits = limits.requests(mountgate_plugin_sdk::limits::per_minute(requests));
        }
        match script.verdict.as_str() {
            "allow" => {
                let allow = Verdict::allow(grant).limits(limits);
                Ok(match script.valid_for_ms {
                    Some(milliseconds) => allow.valid_for_ms(milliseconds).into(),
                    None => allow.into(),
                })
            }
            "hold" => Ok(Verdict::hold(grant, "told to").into()),
            "tell" => {
                let mut seen = SEEN.lock().map_err(|error| error.to_string())?;
                seen.extend(request.claims.iter().map(|claim| format!("{claim:?}")));
                Ok(Verdict::deny("told", seen.join(" ").replace(|ch: char| !ch.is_ascii_graphic(), " ")))
            }
            other => Err(format!("no verdict is called `{other}`")),
        }
    }
}

/// A name that the mount or the request does not have becomes a place that it does not have.
fn granted(request: &Request<'_>, name: &str, grant: &Json) -> Result<RelationGrant, String> {
    let touched = request.relation(name);
    let shown = touched.map(|touched| touched.ceiling()).transpose()?;
    let place_of = |column: &str| {
        let shown = shown.as_ref()?.columns.iter().position(|shown| shown.name == column)?;
        u32::try_from(shown).ok()
    };
    let columns = match grant.get("columns") {
        Some(Json::Object(columns)) => columns
            .iter()
            .map(|(column, masks)| {
                let masks = masks.as_array().cloned().unwrap_or_default();
                let masks = masks.into_iter().map(|mask| MaskSetting::read(mask).map(|mask| mask.0));
                let column = place_of(column).unwrap_or(NOWHERE);
                Ok(ColumnGrant { column, masks: masks.collect::<Result<_, String>>()? })
            })
            .collect::<Result<_, String>>()?,
        _ => vec![],
    };
    let filter = match grant.get("filter").and_then(Json::as_str) {
        Some(text) => Some(FilterSetting::read(text)?.0.into_nodes()),
        None => None,
    };
    Ok(match touched {
        Some(touched) => touched.grant(Granted { columns, filter }),
        None => RelationGrant { relation: NOWHERE, columns, filter },
    })
}

export_policy!(Puppet);
