//! Between `core`'s types and the contract's. What comes from a policy is checked here, value by value: nothing of a
//! verdict is believed.
//!
//! The versions of the contract have the same values, masks, filters and limits, as types of their own: `from_contract`
//! reads them for each. Whether a grant stays within the ceiling, `Scope::narrow` says.

#[macro_use]
mod from_contract;
pub(crate) mod v0_1;
pub(crate) mod v0_2;

use mountgate_core as core;

/// Bytes of a reason or hint: a sentence or two for an agent, not a channel.
pub(crate) const MAX_REASON: usize = 1_000;
/// Relations of a grant.
const MAX_RELATIONS: usize = 10_000;
/// Columns of a relation's grant.
const MAX_COLUMNS: usize = 10_000;
/// Masks of a column, one over the other.
const MAX_MASKS: usize = 16;
/// The most rates of one kind: each is a counter that the gateway keeps.
const MAX_RATES: usize = 8;

/// JSON text of an array that the contract has no variant for: WIT has no recursive types.
fn array_text(items: &[core::Value]) -> String {
    serde_json::to_string(items).unwrap_or_default()
}

/// Limits have no unsigned numbers in the contract; those of a mount beyond its range are as good as none.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
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

fn denial_code(code: String) -> Result<String, String> {
    let short = (1..=40).contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if short { Ok(code) } else { Err("the code of a denial is not 1 to 40 of `a-z`, `0-9` and `_`".into()) }
}

fn milliseconds(name: &str, value: Option<i64>) -> Result<Option<u64>, String> {
    value.map(|value| u64::try_from(value).map_err(|_| format!("{name} is {value}"))).transpose()
}

fn rate(name: &str, amount: i64, window_ms: i64) -> Result<core::Rate, String> {
    match (u64::try_from(amount), u64::try_from(window_ms)) {
        (Ok(amount), Ok(window_ms)) if amount > 0 && window_ms > 0 => Ok(core::Rate { amount, window_ms }),
        _ => Err(format!("limits: a rate of {name} is {amount} per {window_ms} ms")),
    }
}

fn cap(name: &str, cap: Option<i64>) -> Result<Option<u64>, String> {
    cap.map(|cap| u64::try_from(cap).map_err(|_| format!("limits: {name} is {cap}"))).transpose()
}

/// How many of a list a policy may give.
fn at_most(limit: usize, found: usize, what: impl FnOnce() -> String) -> Result<(), String> {
    if found > limit { Err(format!("{}, more than {limit}", what())) } else { Ok(()) }
}
