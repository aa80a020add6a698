mod attacks;
mod bounds;
mod fixture;
mod real;
mod rewritten;
mod touched;
mod walled;
