//! Recorded requests asked again, of a candidate: what would newly be granted, first, and everything else that would be
//! different. The ledger is read once, and memory grows with what is different and not with the record.

mod accepted;
mod candidate;
mod report;

use std::{path::Path, sync::Arc};

use mountgate_core::{AgentName, Caller, Limits, MountName, Principal, Verdict};
use mountgate_ledger::{Entry, LedgerError, Selection, export};
use mountgate_mediate::{
    Generation,
    replay::{Past, Was},
};

use self::report::Asked;
pub use self::{
    accepted::Accepted,
    candidate::{Candidate, Change},
    report::{Difference, Replay},
};
use crate::recorded::{Record, Request, Whole};

/// Refusals for what the policy granted.
const DENIED: [&str; 6] =
    ["approval_required", "claim_missing", "claim_mistyped", "denied_by_policy", "not_in_scope", "policy_failed"];
/// Refusals for a key that was not said, or for more than statistics.
const UNKEYED: [&str; 2] = ["aggregate_only", "key_required"];

/// How far a replay has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Records looked at.
    pub records: u64,
    /// The moment of the last one, in milliseconds since 1970-01-01T00:00Z.
    pub time_ms: i64,
}

/// Asks every selected request of the ledger in `dir` again. `current` is what is configured, `next` what would be.
///
/// # Errors
/// Where the ledger can't be read.
pub fn replay(
    dir: &Path,
    only: Selection,
    candidate: &Candidate,
    current: &Generation,
    next: &Generation,
    progress: &mut dyn FnMut(Progress),
) -> Result<Replay, LedgerError> {
    let mut out = Replay::default();
    if let Change::Mount(name) = &candidate.change
        && let (Some(old), Some(new)) = (current.mounts().get(name), next.mounts().get(name))
    {
        out.ceiling(name, &new.against(old));
    }
    for entry in export(dir, only)? {
        let entry = entry?;
        out.records = out.records.saturating_add(1);
        if out.records.is_multiple_of(50_000) {
            progress(Progress { records: out.records, time_ms: entry.time_ms() });
        }
        if matches!(entry.kind(), "decision" | "refusal") {
            take(&mut out, &entry, candidate, current, next)?;
        }
    }
    Ok(out)
}

fn take(
    out: &mut Replay,
    entry: &Entry,
    candidate: &Candidate,
    current: &Generation,
    next: &Generation,
) -> Result<(), LedgerError> {
    let id = entry.decision().map(|id| id.to_string()).unwrap_or_default();
    let (Some(mount), Some(agent)) = (entry.mount(), entry.agent()) else { return Ok(()) };
    if !candidate.concerns(mount, agent) {
        out.other = out.other.saturating_add(1);
        return Ok(());
    }
    let (Some(old), Some(new)) = (current.mounts().get(mount), next.mounts().get(mount)) else {
        out.unjudged(&format!("mount `{mount}` is not in the configuration"), &id);
        return Ok(());
    };
    // What an older or a newer gateway wrote may be spelt otherwise: told, and not guessed.
    let Ok(Whole { record }) = serde_json::from_str::<Whole>(entry.line()) else {
        out.unjudged("the record is not as this version writes it", &id);
        return Ok(());
    };
    let asked = match past(record, entry.kind() == "decision") {
        Ok(asked) => asked,
        Err(Unfit::NotAsked(code)) => {
            out.not_asked(&code);
            return Ok(());
        }
        Err(Unfit::Unjudged(why)) => {
            out.unjudged(&why, &id);
            return Ok(());
        }
    };
    match new.replay(&asked, old) {
        Ok(replayed) => out.judged(&Asked { id: &id, mount, agent, past: &asked }, &replayed),
        Err(why) => out.unjudged(&why.to_string(), &id),
    }
    Ok(())
}

/// Why a record is no request to ask again.
enum Unfit {
    /// The gateway refused it before any policy was asked.
    NotAsked(String),
    /// It can't be.
    Unjudged(String),
}

fn past(record: Record, is_decision: bool) -> Result<Past, Unfit> {
    let Record { time_ms, request, verdict, code, replayable, parameters: digests, .. } = record;
    let code = code.unwrap_or_default();
    let Some(request) = request else { return Err(Unfit::NotAsked(code)) };
    if !replayable {
        return Err(Unfit::Unjudged(
            "the policy kept its instances warm: the same request might have had another verdict".to_owned(),
        ));
    }
    let Request { agent, session, claims, mount: _, door, purpose, time: _, usage, parameters, touch, ceiling, limits } =
        request;
    let was = match verdict {
        _ if DENIED.contains(&code.as_str()) => Was::Denied,
        _ if UNKEYED.contains(&code.as_str()) => Was::Unkeyed,
        // Limits stood in the way, the statement's own text, or the gateway itself.
        _ if !is_decision => {
            return Err(Unfit::Unjudged(format!("refused as `{code}`: what the policy granted is not on record")));
        }
        Some(Verdict::Allow { grant, limits: verdicts, .. }) => {
            Was::Granted { grant, limits: Limits::tighten(&limits, &verdicts) }
        }
        Some(Verdict::Deny { .. } | Verdict::Hold { .. }) | None => {
            return Err(Unfit::Unjudged("a decision without a grant".to_owned()));
        }
    };
    let (touch, literals_withheld) = touch.restored(&claims);
    let none = digests.or(parameters).is_some_and(|digests| digests.is_empty());
    Ok(Past {
        caller: Caller {
            agent: AgentName::new(agent),
            principal: session.map_or(Principal::Agent, |session| Principal::Session(session.as_str().into())),
            claims: Arc::new(claims),
            until_ms: None,
        },
        door,
        purpose,
        time_ms,
        usage: usage.map(Into::into),
        parameters: none.then(Vec::new),
        touch,
        literals_withheld,
        ceiling: ceiling.into_iter().map(Into::into).collect(),
        was,
    })
}

/// The mount that a mount's file is of.
///
/// # Errors
/// Where that can't be read.
pub fn mount_of(text: &str) -> Result<MountName, String> {
    let table: toml::Table = toml::from_str(text).map_err(|error| format!("not TOML: {}", error.message()))?;
    let name =
        table.get("name").and_then(toml::Value::as_str).ok_or("`name` is missing: write `name = \"support\"`")?;
    Ok(name.into())
}

#[cfg(test)]
mod tests;
