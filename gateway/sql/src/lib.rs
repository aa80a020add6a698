//! Parse, resolve and enforce SQL; no I/O.
