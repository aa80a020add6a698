mod attacks;
mod bounds;
pub(crate) mod fixture;
mod found;
mod real;
mod rewritten;
mod touched;
mod walled;
