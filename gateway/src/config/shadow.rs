//! Shadows: `[shadow]` in a mount's file, or a file of its own in `shadows/`, which `mountgate plugin shadow` writes.

use std::{collections::BTreeMap, sync::Arc};

use mountgate_core::{MountName, PolicyName};
use mountgate_policy::Isolation;
use toml::de::DeValue;

use super::{
    MountConfig, SHADOWS_FOLDER, json,
    mount::{PolicyChoice, empty, policy_name},
    name,
    reader::{Table, Value},
    source::{Notes, Source},
};

/// A candidate policy, asked beside the one in force.
#[derive(Clone, Debug, PartialEq)]
pub struct ShadowChoice {
    /// The candidate.
    pub policy: PolicyChoice,
    /// The part of requests that it is asked about, of 1 000 000.
    pub share: u32,
    /// The file that says so.
    pub source: Arc<Source>,
}

/// Lowers the table; `place` is where it is in its file. The policy comes with where it stands.
pub(super) fn lower(
    notes: &Notes,
    table: &Table<'_>,
    place: &[&str],
) -> Option<(ShadowChoice, PolicyName, std::ops::Range<usize>)> {
    let policy = table.require("policy", "policy = \"acme/support-next\"");
    let name = policy.as_ref().and_then(|value| value.parsed(policy_name));
    let settings = table.get("settings");
    let settings = settings.as_ref().map_or_else(empty, json::object);
    let share = match table.get("share") {
        Some(value) => share(&value)?,
        None => 1_000_000,
    };
    let (policy, name) = (policy?, name?);
    let place = place.iter().copied().chain(["policy"]).map(str::to_owned).collect();
    let source = Arc::clone(&notes.source);
    let choice = ShadowChoice {
        policy: PolicyChoice { name: name.clone(), settings, isolation: Isolation::Fresh, place },
        share,
        source,
    };
    Some((choice, name, policy.span()))
}

/// A part between 0 and 1, in millionths.
fn share(value: &Value<'_>) -> Option<u32> {
    let part: Option<f64> = match value.raw() {
        DeValue::Float(part) => part.as_str().replace('_', "").parse().ok(),
        DeValue::Integer(whole) if whole.as_str() == "1" => Some(1.0),
        _ => {
            value.mistyped("a part of the requests like `0.25`, or `1.0` for all");
            return None;
        }
    };
    match part {
        Some(part) if part > 0.0 && part <= 1.0 => Some(((part * 1e6).round() as u32).max(1)),
        _ => {
            value.reject("the share is above 0 and at most 1: write `0.25` for a quarter of the requests");
            None
        }
    }
}

/// A file in `shadows/`: the mount, and what `[shadow]` would hold. Says which policy it names, and where.
pub(super) fn file(
    notes: &Notes,
    root: &Table<'_>,
    mounts: &mut BTreeMap<MountName, MountConfig>,
) -> Option<(PolicyName, std::ops::Range<usize>)> {
    let named = root.require("mount", "mount = \"support\"")?;
    let mount: MountName = named.parsed(name)?.into();
    let (choice, policy, span) = lower(notes, root, &[])?;
    match mounts.get_mut(&mount) {
        None => named.reject(format!(
            "there is no mount `{mount}`: `mountgate plugin shadow stop --mount {mount}` takes this file away"
        )),
        Some(declared) if declared.shadow.is_some() => {
            let file = &notes.source.shown;
            named.reject(format!("mount `{mount}` has a shadow already: take `[shadow]` out of its file, or `{file}` out of `{SHADOWS_FOLDER}/`"));
        }
        Some(declared) => declared.shadow = Some(choice),
    }
    Some((policy, span))
}
