//! Rate and volume limits, in process.
//!
//! Two places on a request's way: [`Limiter::gate`] on the caller's rate, before anything is parsed; and
//! [`Limiter::permit`], which takes one request, reserves rows and bytes up to the caps, and takes a place of the
//! mount's concurrency, all or nothing. [`Permit::settle`] gives back what was reserved and not used; a permit that is
//! dropped unsettled keeps its reservation, because then nobody knows how much left.
//!
//! Every rate is a GCRA (a leaky bucket: a burst up to `amount`, refilled evenly over `window`). It is our own and not
//! `governor`'s, because that one can't give back, can't reserve *what is left*, and can't take from several rates at
//! once or from none.
//!
//! Memory is bounded: idle entries are swept, and where all are in use a new caller is refused (closed) rather than
//! an old one forgotten. A rate that changes in configuration or in a verdict is another rate and starts full.
//!
//! This crate deliberately knows no clock (time is passed in, but for [`Permit::settle`]), no SQL and no protocol.
//! What it can't hide: where a budget is shared (`per = "mount"`), what is left of it tells of the others' use.

mod bucket;
mod limiter;
mod message;
mod seen;
mod table;

pub use limiter::{BudgetKey, Caps, GateKey, Gated, Limiter, Permit, Permitted};
