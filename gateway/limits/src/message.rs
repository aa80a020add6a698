//! How a refusal by a limit reads.

use std::time::Duration;

use mountgate_core::{Code, Rate, Refusal};

use crate::BudgetKey;

/// `60 requests per minute`
pub(crate) fn rate(rate: Rate, what: &str) -> String {
    let window = match rate.window_ms {
        1_000 => "second".to_owned(),
        60_000 => "minute".to_owned(),
        3_600_000 => "hour".to_owned(),
        86_400_000 => "day".to_owned(),
        ms if ms.is_multiple_of(3_600_000) => format!("{} hours", ms / 3_600_000),
        ms if ms.is_multiple_of(60_000) => format!("{} minutes", ms / 60_000),
        ms if ms.is_multiple_of(1_000) => format!("{} seconds", ms / 1_000),
        ms => format!("{ms} ms"),
    };
    let what = if rate.amount == 1 { what.strip_suffix('s').unwrap_or(what) } else { what };
    format!("{} {what} per {window}", rate.amount)
}

/// Whose limit it is.
pub(crate) fn whose(key: &BudgetKey) -> String {
    match (&key.session, &key.agent) {
        (Some(_), _) => format!("this session on mount `{}`", key.mount),
        (None, Some(agent)) => format!("agent `{agent}` on mount `{}`", key.mount),
        (None, None) => format!("mount `{}`", key.mount),
    }
}

/// Whole seconds, rounded up: asking again after them finds something.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

pub(crate) fn used_up(code: Code, limit: Rate, what: &str, whose: &str, wait: Duration) -> Refusal {
    let seconds = seconds(wait);
    let are = if limit.amount == 1 { "is" } else { "are" };
    Refusal::new(code, format!("{} of {whose} {are} used up; try again in {seconds} s", rate(limit, what)))
        .retry_after(seconds)
}

pub(crate) fn too_many(limit: u32, whose: &str) -> Refusal {
    let requests = if limit == 1 { "request" } else { "requests" };
    Refusal::new(
        Code::TooManyConcurrent,
        format!("{limit} {requests} of {whose} may be under way at once; wait for one to end, then try again"),
    )
    .retry_after(1)
}

pub(crate) fn full() -> Refusal {
    Refusal::new(Code::Overloaded, "all places for counting callers are taken; try again in 1 s").retry_after(1)
}
