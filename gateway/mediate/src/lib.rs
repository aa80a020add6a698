//! The way of a request: identity, gate, parse, resolve, decide, enforce, limits, ledger, backend.
