//! Bundled policy: grants the ceiling as it is.
//!
//! It says so in full (every column, mask and filter of each touched relation) instead of answering `ceiling`, so
//! that its verdict holds by itself: the gateway's own enforcement of the ceiling stands behind it, not in its place.

use mountgate_plugin_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// The policy.
#[derive(Debug)]
pub struct Ceiling;

/// It takes none; any key is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {}

/// It needs none.
#[derive(Debug, Serialize, Deserialize)]
pub struct Prepared;

impl Policy for Ceiling {
    type Settings = Settings;
    type Prepared<'a> = Prepared;

    fn describe() -> Manifest {
        Manifest::new("ceiling", "grants the ceiling as it is")
    }

    fn configure(_: Settings) -> Result<Prepared, String> {
        Ok(Prepared)
    }

    fn decide(_: &Prepared, request: Request) -> Result<Verdict, String> {
        let grants: Vec<RelationGrant> = request.ceiling.into_iter().map(RelationGrant::from).collect();
        Ok(Verdict::allow(grants).into())
    }
}

export_policy!(Ceiling);

#[cfg(test)]
mod tests;
