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
//! Closed by default: a table that the tier does not name is not granted, so a misspelt name takes away and never
//! gives. A column that the ceiling does not show is an error, and denies.
//!
//! The verdict repeats what is left of the ceiling in full, so that it holds by itself.

mod settings;

use mountgate_plugin_sdk::{prelude::*, types::Node};
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
    otherwise: Fallback,
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
    when: Vec<(String, Vec<ClaimValue>)>,
    #[serde(borrow)]
    tables: Indexed<'a, Table>,
    denied: Vec<String>,
    others: Fallback,
    limits: Limits,
    valid_for_ms: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Table {
    columns: Option<Vec<String>>,
    masks: Vec<(String, Mask)>,
    filter: Option<Vec<Node>>,
}

impl Policy for Tiers {
    type Settings = Settings;
    type Prepared<'a> = Prepared<'a>;

    fn describe() -> Manifest {
        Manifest::new("tiers", "narrows the ceiling by claims; the first tier that matches counts")
            .settings_schema(include_str!("schema.json"))
    }

    fn configure(settings: Settings) -> Result<Prepared<'static>, String> {
        settings.prepare()
    }

    fn decide(prepared: &Prepared<'_>, request: Request) -> Result<Verdict, String> {
        let Some(tier) = prepared.tiers.iter().find(|tier| tier.matches(&request)) else {
            return Ok(match prepared.otherwise {
                Fallback::Deny => Verdict::deny("no_tier", "no tier of this mount matches your claims"),
                Fallback::Ceiling => {
                    Verdict::allow(request.ceiling.into_iter().map(RelationGrant::from).collect::<Vec<_>>()).into()
                }
            });
        };
        let mut grants = Vec::with_capacity(request.ceiling.len());
        for relation in request.ceiling {
            match tier.tables.get(&relation.name)? {
                Some(table) => grants.push(table.narrow(relation.into())?),
                None if tier.others == Fallback::Ceiling && !tier.denied.contains(&relation.name) => {
                    grants.push(relation.into());
                }
                None => {}
            }
        }
        let mut allow = Verdict::allow(grants).limits(tier.limits.clone());
        if let Some(milliseconds) = tier.valid_for_ms.and_then(|ms| u32::try_from(ms).ok()) {
            allow = allow.valid_for_ms(milliseconds);
        }
        Ok(allow.into())
    }
}

export_policy!(Tiers);

impl Tier<'_> {
    fn matches(&self, request: &Request) -> bool {
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

impl Table {
    fn narrow(self, grant: RelationGrant) -> Result<RelationGrant, String> {
        let mut grant = match self.columns {
            Some(columns) => grant.only_columns(columns)?,
            None => grant,
        };
        for (column, mask) in self.masks {
            grant = grant.mask(&column, mask)?;
        }
        Ok(match self.filter.and_then(Expr::from_nodes) {
            Some(filter) => grant.filter(filter),
            None => grant,
        })
    }
}

#[cfg(test)]
mod tests;
