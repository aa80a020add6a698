//! Bundled policy: grants the ceiling as it is.
//!
//! It says so in full (every column, mask and filter of each touched relation) instead of answering `ceiling`, so
//! that its verdict holds by itself: the gateway's own enforcement of the ceiling stands behind it, not in its place.

use mountgate_plugin_sdk::prelude::*;
use serde::Deserialize;

/// The policy.
#[derive(Debug)]
pub struct Ceiling;

/// It takes none; any key is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {}

impl Policy for Ceiling {
    type Settings = Settings;
    /// The grant of each relation.
    type Prepared<'a> = Listed<'a, Granted>;

    const KEEPS_CEILING: bool = false;

    fn describe() -> Manifest {
        Manifest::new("ceiling", "grants the ceiling as it is")
    }

    fn configure(_: Settings, mount: &Mount) -> Result<Listed<'static, Granted>, String> {
        mount.prepare(|relation| Ok(Some(relation.narrowed().into())))
    }

    fn decide(prepared: &Listed<'_, Granted>, request: &Request<'_>) -> Result<Verdict, String> {
        let mut grants = Vec::with_capacity(request.touch.relations.len());
        for touched in request.relations() {
            if let Some(granted) = prepared.get(touched.in_mount())? {
                grants.push(touched.grant(granted));
            }
        }
        Ok(Verdict::allow(grants).into())
    }
}

export_policy!(Ceiling);

#[cfg(test)]
mod tests;
