//! Domain types and refusal codes of Mountgate; no I/O, no SQL.
