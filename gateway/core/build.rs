//! Sets the cfg `mountgate_weaken` for test builds (`MOUNTGATE_WEAKEN=1`), in which single defences can be taken down
//! at run time to see that the tests notice. An environment variable rather than a Cargo feature, so that no
//! dependency can switch it on; and rather than RUSTFLAGS, so that third-party crates are not built again.
fn main() {
    println!("cargo:rustc-check-cfg=cfg(mountgate_weaken)");
    println!("cargo:rerun-if-env-changed=MOUNTGATE_WEAKEN");
    if std::env::var_os("MOUNTGATE_WEAKEN").is_some_and(|value| value == "1") {
        println!("cargo:rustc-cfg=mountgate_weaken");
    }
}
