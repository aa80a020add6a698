//! The same cfg as `gateway/core/build.rs` sets, for the tests that take defences down.
fn main() {
    println!("cargo:rustc-check-cfg=cfg(mountgate_weaken)");
    println!("cargo:rerun-if-env-changed=MOUNTGATE_WEAKEN");
    if std::env::var_os("MOUNTGATE_WEAKEN").is_some_and(|value| value == "1") {
        println!("cargo:rustc-cfg=mountgate_weaken");
    }
}
