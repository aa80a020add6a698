//! Any bytes as the body of each route, in JSON and MessagePack.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    mountgate_doors::fuzz_body(data);
});
