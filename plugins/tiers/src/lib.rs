//! Bundled policy: narrows the ceiling by claims.
//!
//! ```toml
//! policy = "tiers"
//!
//! [settings]
//! otherwise = "deny"                       # whom no tier matches: "deny" (the default) or "ceiling"
//!
//! [[settings.tiers]]                       # the first tier that matches counts
//! when      = { role = ["junior", "temp"] } # all of these claims, each with this value or one of these
//! others    = "deny"                       # tables not named here: "deny" (the default) or "ceiling"
//! deny      = ["employee_records"]         # with others = "ceiling": but not these
//! limits    = { max_rows = 50, requests = "10/minute" }
//! valid_for = "30s"
//!
//! [settings.tiers.tables]
//! orders    = {}                           # as the ceiling has it
//! customers = { columns = ["customer_id", "email"], masks = { email = "hash" }, filter = "region = claim.region" }
//! ```
//!
//! Closed by default: a table that the tier does not name is not granted. A table or column that the mount does not show
//! is an error when the mount loads.
//!
//! The verdict repeats what is left of the ceiling in full, so that it holds by itself.

mod settings;

use std::borrow::Cow;

use mountgate_plugin_sdk::prelude::*;
use serde::{Deserialize, Serialize};

pub use settings::Settings;

/// The policy.
#[derive(Debug)]
pub struct Tiers;

/// Settings, prepared.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Prepared<'a> {
    #[serde(borrow)]
    tiers: Vec<Tier<'a>>,
    /// Whether whom no tier matches gets the ceiling.
    otherwise: Fallback,
    /// The ceiling of each relation, where some tier keeps it.
    #[serde(borrow)]
    ceiling: Listed<'a, Granted>,
}

/// What holds where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// Nothing is granted.
    #[default]
    Deny,
    /// The ceiling as it is.
    Ceiling,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Tier<'a> {
    #[serde(borrow)]
    when: Vec<(Cow<'a, str>, Vec<ClaimValue>)>,
    #[serde(borrow)]
    tables: Listed<'a, Table>,
    limits: Limits,
    valid_for_ms: Option<i64>,
}

/// What a tier grants of a relation that it grants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Table {
    /// The ceiling as it is.
    Ceiling,
    /// So much of it.
    Narrowed(Granted),
}

impl Policy for Tiers {
    type Settings = Settings;
    type Prepared<'a> = Prepared<'a>;

    const KEEPS_CEILING: bool = false;

    fn describe() -> Manifest {
        Manifest::new("tiers", "narrows the ceiling by claims; the first tier that matches counts")
            .settings_schema(include_str!("schema.json"))
    }

    fn configure(settings: Settings, mount: &Mount) -> Result<Prepared<'static>, String> {
        settings.prepare(mount)
    }

    fn decide(prepared: &Prepared<'_>, request: &Request<'_>) -> Result<Verdict, String> {
        let tier = prepared.tiers.iter().find(|tier| tier.matches(request));
        if tier.is_none() && prepared.otherwise == Fallback::Deny {
            return Ok(Verdict::deny("no_tier", "no tier of this mount matches your claims"));
        }
        let mut grants = Vec::with_capacity(request.touch.relations.len());
        for touched in request.relations() {
            let place = touched.in_mount();
            let table = match tier {
                Some(tier) => tier.tables.get(place)?,
                None => Some(Table::Ceiling),
            };
            let granted = match table {
                Some(Table::Narrowed(granted)) => Some(granted),
                Some(Table::Ceiling) => prepared.ceiling.get(place)?,
                None => None,
            };
            grants.extend(granted.map(|granted| touched.grant(granted)));
        }
        let mut allow = Verdict::allow(grants);
        if let Some(tier) = tier {
            allow = allow.limits(tier.limits.clone());
            if let Some(milliseconds) = tier.valid_for_ms.and_then(|ms| u32::try_from(ms).ok()) {
                allow = allow.valid_for_ms(milliseconds);
            }
        }
        Ok(allow.into())
    }
}

export_policy!(Tiers);

impl Tier<'_> {
    fn matches(&self, request: &Request<'_>) -> bool {
        self.when.iter().all(|(name, wanted)| {
            request.claim(name).is_some_and(|claim| wanted.iter().any(|wanted| meets(claim, wanted)))
        })
    }
}

/// A list-valued claim meets a wanted value where one of its own does.
fn meets(claim: &ClaimValue, wanted: &ClaimValue) -> bool {
    match (claim, wanted) {
        (ClaimValue::Texts(texts), ClaimValue::Text(wanted)) => texts.contains(wanted),
        (ClaimValue::Integers(integers), ClaimValue::Integer(wanted)) => integers.contains(wanted),
        (claim, wanted) => claim == wanted,
    }
}

#[cfg(test)]
mod tests;
