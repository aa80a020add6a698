//! The verdict, checked.

use std::collections::BTreeMap;

use mountgate_core::{Grant, RelationGrant, Verdict};

use super::values::{filter_from, limits_from, mask_from};
use crate::{bindings::v0_1::mountgate::policy::types as wit, error::PolicyError};

/// Bytes of a reason or hint: a sentence or two for an agent, not a channel.
pub(crate) const MAX_REASON: usize = 1_000;
/// Relations of a grant.
const MAX_RELATIONS: usize = 10_000;
/// Columns of a relation's grant.
const MAX_COLUMNS: usize = 10_000;
/// Masks of a column, one over the other.
const MAX_MASKS: usize = 16;

/// Takes the verdict for what it says, or says what is wrong with it.
///
/// Whether it stays within the ceiling is not known here: `Scope::narrow` checks that.
pub(crate) fn verdict_from(verdict: wit::Verdict) -> Result<Verdict, PolicyError> {
    check(verdict).map_err(PolicyError::Malformed)
}

fn check(verdict: wit::Verdict) -> Result<Verdict, String> {
    match verdict {
        wit::Verdict::Deny(wit::Denial { code, reason, hint }) => {
            let short = (1..=40).contains(&code.len())
                && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if !short {
                return Err("the code of a denial is not 1 to 40 of `a-z`, `0-9` and `_`".into());
            }
            Ok(Verdict::Deny {
                code,
                reason: text("reason", reason)?,
                hint: hint.map(|h| text("hint", h)).transpose()?,
            })
        }
        wit::Verdict::Allow(wit::Allowance { grant, limits, valid_for_ms }) => Ok(Verdict::Allow {
            grant: grant_from(grant)?,
            limits: limits_from(limits)?,
            valid_for_ms: milliseconds("valid-for-ms", valid_for_ms)?,
        }),
        wit::Verdict::Hold(wit::Holding { grant, reason, expires_ms }) => Ok(Verdict::Hold {
            grant: grant_from(grant)?,
            reason: text("reason", reason)?,
            expires_ms: milliseconds("expires-ms", expires_ms)?,
        }),
    }
}

/// A text that an agent or a person reads: short, one line, and nothing that moves a terminal's cursor.
fn text(name: &str, text: String) -> Result<String, String> {
    if text.len() > MAX_REASON {
        return Err(format!("the {name} has {} bytes, more than {MAX_REASON}", text.len()));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("the {name} has a control character"));
    }
    Ok(text)
}

fn milliseconds(name: &str, value: Option<i64>) -> Result<Option<u64>, String> {
    value.map(|value| u64::try_from(value).map_err(|_| format!("{name} is {value}"))).transpose()
}

fn grant_from(grant: wit::Grant) -> Result<Grant, String> {
    let relations = match grant {
        wit::Grant::Ceiling => return Ok(Grant::Ceiling),
        wit::Grant::Narrowed(relations) => relations,
    };
    if relations.len() > MAX_RELATIONS {
        return Err(format!("the grant has {} relations, more than {MAX_RELATIONS}", relations.len()));
    }
    let mut granted = BTreeMap::new();
    for wit::RelationGrant { name, columns, filter } in relations {
        if columns.len() > MAX_COLUMNS {
            return Err(format!("the grant of `{name}` has {} columns, more than {MAX_COLUMNS}", columns.len()));
        }
        let mut out = Vec::with_capacity(columns.len());
        for wit::ColumnGrant { name: column, masks } in columns {
            if masks.len() > MAX_MASKS {
                return Err(format!("`{name}`.`{column}` has {} masks, more than {MAX_MASKS}", masks.len()));
            }
            out.push((column.into(), masks.into_iter().map(mask_from).collect()));
        }
        let filter = filter.map(filter_from).transpose().map_err(|error| format!("the filter of `{name}`: {error}"))?;
        let grant = RelationGrant { columns: out, filter };
        // Twice the same relation: which of the two would hold?
        if granted.insert(name.as_str().into(), grant).is_some() {
            return Err(format!("the grant has `{name}` twice"));
        }
    }
    Ok(Grant::Narrowed(granted))
}
