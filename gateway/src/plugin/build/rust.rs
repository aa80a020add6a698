//! Rust: a core module for `wasm32-unknown-unknown`, wrapped as a component here.

use std::{fs, path::Path, process::Command};

use anyhow::Context as _;

use super::toolchain::{self, Say};
use crate::plugin::project::Project;

const TARGET: &str = "wasm32-unknown-unknown";

pub(super) fn build(project: &Project, say: &Say<'_>) -> anyhow::Result<Vec<u8>> {
    set_up(say)?;
    let target = project.folder.join("build").join("target");
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(&project.folder)
        .args(["build", "--release", "--quiet", "--target", TARGET, "--target-dir"])
        .arg(std::path::absolute(&target)?)
        // Colours and flags of whoever calls are not the project's.
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("RUSTFLAGS");
    toolchain::run("cargo build", &mut cargo)?;
    let name = package(&project.folder)?.replace('-', "_");
    let module = target.join(TARGET).join("release").join(format!("{name}.wasm"));
    let bytes = fs::read(&module).with_context(|| format!("reading `{}`", module.display()))?;
    wrap(&bytes)
}

/// A core module as a component.
pub(super) fn wrap(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    wit_component::ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| encoder.validate(true).encode())
        .context("the module can't be made a component: it imports something that policies may not have, or does not export the contract")
}

fn package(folder: &Path) -> anyhow::Result<String> {
    let path = folder.join("Cargo.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("reading `{}`", path.display()))?;
    let manifest: toml::Table = text.parse().with_context(|| format!("reading `{}`", path.display()))?;
    let name = manifest.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
    Ok(name.with_context(|| format!("`{}` names no package", path.display()))?.to_owned())
}

fn set_up(say: &Say<'_>) -> anyhow::Result<()> {
    const BY_HAND: &str = "install Rust with rustup, then run `rustup target add wasm32-unknown-unknown`";
    anyhow::ensure!(toolchain::runs("cargo", &["--version"]), "there is no `cargo`: {BY_HAND}");
    if is_there() {
        return Ok(());
    }
    say(&format!("installing the target {TARGET} with rustup"));
    let mut add = Command::new("rustup");
    toolchain::run("rustup target add", add.args(["target", "add", TARGET])).context(BY_HAND)?;
    anyhow::ensure!(is_there(), "the target {TARGET} is still missing: {BY_HAND}");
    Ok(())
}

/// Asked of the compiler itself: it need not be rustup's.
fn is_there() -> bool {
    toolchain::printed("rustc", &["--print", "target-libdir", "--target", TARGET])
        .is_some_and(|folder| Path::new(&folder).exists())
}
