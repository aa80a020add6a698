//! Write Mountgate policies in Rust.
