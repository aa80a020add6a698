//! What a call may cost that no timeout ends: stores look at the clock between calls, and never within one.

use super::{Outcome, Resolver};
use crate::{
    Dialect, allow, bounds,
    ir::{Call, Expr},
    refuse,
};

/// Bytes that a value of unknown length is taken to have.
const UNKNOWN: u64 = 256;

impl<'a> Resolver<'a> {
    /// That the call is neither asked to make much, nor to look for much in much.
    pub(super) fn check_cost(&mut self, call: &Call<'a>) -> Outcome<()> {
        if let Some((at, limit)) = allow::short_argument(self.dialect, call.name)
            && let Some(Expr::Text(text)) = call.args.get(at)
            && text.len() > limit
        {
            return Err(refuse::too_much(&format!("bytes for `{}` to look for", call.name), limit));
        }
        if self.dialect == Dialect::Postgres && allow::counted_argument(self.dialect, call.name).is_some() {
            let made = made(call);
            self.made = self.made.saturating_add(made);
            if self.made > bounds::MADE {
                return Err(refuse::too_much(
                    &format!("bytes to make by `{}` and its like", call.name),
                    bounds::MADE as usize,
                ));
            }
        }
        Ok(())
    }
}

/// Bytes that the call makes, as far as its text tells.
fn made(call: &Call<'_>) -> u64 {
    let count = call.args.get(1).map_or(0, count);
    match call.name {
        "repeat" => call.args.first().map_or(UNKNOWN, length).saturating_mul(count),
        // Padding is to a length, whatever is padded.
        _padded => count.saturating_add(call.args.first().map_or(UNKNOWN, length)),
    }
}

fn length(expr: &Expr<'_>) -> u64 {
    match expr {
        Expr::Text(text) => text.len() as u64,
        Expr::Call(call) if allow::counted_argument(Dialect::Postgres, call.name).is_some() => made(call),
        other => {
            let mut sum = 0_u64;
            let mut any = false;
            other.children(&mut |child| {
                any = true;
                sum = sum.saturating_add(length(child));
            });
            if any { sum } else { UNKNOWN }
        }
    }
}

/// The count that is asked for: as written, or the most that the printer lets it be.
fn count(expr: &Expr<'_>) -> u64 {
    written_count(expr).unwrap_or(i16::MAX as u64)
}

/// A count that is written out.
pub(crate) fn written_count(expr: &Expr<'_>) -> Option<u64> {
    match expr {
        Expr::Number(digits) => digits.parse().ok(),
        Expr::Prefix { op: "-", expr } => matches!(**expr, Expr::Number(_)).then_some(0),
        _computed => None,
    }
}
