//! Any bytes as a policy's verdict.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    mountgate_policy::fuzz_verdict(data);
});
