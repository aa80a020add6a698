//! Any bytes as a statement: parse, resolve, enforce, in both dialects.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    mountgate_sql::fuzz::fuzz_statement(data);
});
