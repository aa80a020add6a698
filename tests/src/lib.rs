//! End-to-end suites and benches.

pub mod command;
pub mod floor;
pub mod gateway;
pub mod load;
pub mod reloads;
pub mod soundness;
pub mod tpch;
pub mod walls;

/// This crate's folder, in which `corpus/` is.
pub fn root() -> &'static str {
    env!("CARGO_MANIFEST_DIR")
}

/// The gateway's binary: the one that `cargo xtask test` built, else the one beside this test.
///
/// # Panics
/// Where there is none, with the command that makes it: a test that was skipped would look like one that passed.
#[expect(clippy::panic, reason = "a test fails by panicking")]
pub fn binary() -> std::path::PathBuf {
    if let Some(binary) = std::env::var_os("MOUNTGATE_TEST_BINARY") {
        return binary.into();
    }
    // target/debug/deps/NAME-… → target/debug/mountgate
    let built = std::env::current_exe().ok().and_then(|test| Some(test.parent()?.parent()?.join("mountgate")));
    match built.filter(|built| built.exists()) {
        Some(built) => built,
        None => panic!("the gateway's binary is missing: run `cargo build -p mountgate`, or `cargo xtask test`"),
    }
}
