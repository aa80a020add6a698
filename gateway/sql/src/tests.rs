mod attacks;
mod bounds;
mod fixture;
mod found;
mod real;
mod rewritten;
mod touched;
mod walled;
