//! What a call may cost that no timeout ends: stores look at the clock between calls, and never within one.

use sqlparser::tokenizer::Span;

use super::{Outcome, Resolver};
use crate::{Dialect, allow, bounds, ir::Expr, refuse};

/// Bytes that a value of unknown length is taken to have.
const UNKNOWN: u64 = 256;

impl<'a> Resolver<'a> {
    /// That the call is neither asked to make much, nor to look for much in much.
    pub(super) fn check_cost(&mut self, name: &str, args: &[Expr<'a>], span: Span) -> Outcome<()> {
        if let Some((at, limit)) = allow::short_argument(self.dialect, name)
            && let Some(arg) = args.get(at)
        {
            if matches!(arg, Expr::Text(text) if text.len() > limit) {
                return Err(refuse::too_much(&format!("bytes for `{}` to look for", name), limit));
            }
            // SQLite's driver measures what is computed. PostgreSQL has nothing that could.
            if self.dialect == Dialect::Postgres && !self.weight(arg).is_within(limit as u64) {
                return Err(refuse::unsupported(format!("what `{}` looks for, computed so", name), span)
                    .hint("look for a literal, a parameter or a column, put together from few of them"));
            }
        }
        if self.dialect == Dialect::Postgres && allow::counted_argument(self.dialect, name).is_some() {
            let made = made(name, args);
            self.made = self.made.saturating_add(made);
            if self.made > bounds::MADE {
                return Err(refuse::too_much(
                    &format!("bytes to make by `{}` and its like", name),
                    bounds::MADE as usize,
                ));
            }
        }
        Ok(())
    }
}

/// Bytes that the call makes, as far as its text tells.
fn made(name: &str, args: &[Expr<'_>]) -> u64 {
    let count = args.get(1).map_or(0, count);
    match name {
        "repeat" => args.first().map_or(UNKNOWN, length).saturating_mul(count),
        // Padding is to a length, whatever is padded.
        _padded => count.saturating_add(args.first().map_or(UNKNOWN, length)),
    }
}

fn length(expr: &Expr<'_>) -> u64 {
    match expr {
        Expr::Text(text) => text.len() as u64,
        Expr::Call(call) if allow::counted_argument(Dialect::Postgres, call.name).is_some() => {
            made(call.name, &call.args)
        }
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
