//! C: bindings made from the contract here, the rest by clang for WASI, whose functions a policy does without.

use std::{fs, path::Path, process::Command};

use anyhow::Context as _;
use wit_bindgen_core::{Files, wit_parser::Resolve};

use super::{
    rust,
    toolchain::{self, Say},
};
use crate::plugin::project::Project;

pub(super) fn build(project: &Project, say: &Say<'_>) -> anyhow::Result<Vec<u8>> {
    set_up(say)?;
    let made = project.folder.join("build").join("bindings");
    fs::create_dir_all(&made).with_context(|| format!("making `{}`", made.display()))?;
    bindings(&super::contract(project)?, &made)?;
    let mut sources = Vec::new();
    for entry in fs::read_dir(&project.folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            sources.push(path);
        }
    }
    anyhow::ensure!(!sources.is_empty(), "there is no `.c` file in `{}`", project.folder.display());
    sources.sort();
    let module = project.folder.join("build").join("module.wasm");
    let mut clang = Command::new("clang");
    clang
        .args(["--target=wasm32-wasi", "-mexec-model=reactor", "-std=c11", "-Os", "-Wall", "-Wextra"])
        .args(["-Wl,--gc-sections", "-Wl,--strip-debug", "-Wl,-z,stack-size=65536"])
        .arg("-I")
        .arg(&made)
        .args(&sources)
        .args([made.join("policy.c"), made.join("policy_component_type.o")])
        .arg("-o")
        .arg(&module);
    toolchain::run("clang", &mut clang)?;
    let bytes = fs::read(&module).with_context(|| format!("reading `{}`", module.display()))?;
    rust::wrap(&bytes).context("a policy prints nothing and opens nothing: leave `stdio.h` and files out")
}

fn bindings(contract: &Path, into: &Path) -> anyhow::Result<()> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(contract).with_context(|| format!("reading `{}`", contract.display()))?;
    let world = resolve.select_world(&[package], Some("policy"))?;
    let mut files = Files::default();
    wit_bindgen_c::Opts::default().build().generate(&mut resolve, world, &mut files)?;
    for (name, bytes) in files.iter() {
        fs::write(into.join(name), bytes).with_context(|| format!("writing `{name}`"))?;
    }
    Ok(())
}

fn set_up(say: &Say<'_>) -> anyhow::Result<()> {
    // The runtime's parts are packaged by clang's own version.
    let version = || {
        let said = toolchain::printed("clang", &["--version"])?;
        let number = said.split("version ").nth(1)?.split('.').next()?.to_owned();
        number.parse::<u32>().ok()
    };
    let ready = || {
        let works = toolchain::runs("wasm-ld", &["--version"]) && Path::new("/usr/lib/wasm32-wasi/libc.a").exists();
        let builtins = toolchain::printed("clang", &["--target=wasm32-wasi", "--print-libgcc-file-name"]);
        works && builtins.is_some_and(|path| Path::new(&path).exists())
    };
    if version().is_some() && ready() {
        return Ok(());
    }
    if version().is_none() {
        toolchain::apt(&["clang", "lld"], say)?;
    }
    let number = version().context("`clang --version` says no version: install clang 14 or newer")?;
    let runtime = format!("libclang-rt-{number}-dev-wasm32");
    toolchain::apt(&["clang", "lld", "wasi-libc", &runtime], say)?;
    anyhow::ensure!(ready(), "clang can't build for WASI yet: `clang`, `lld`, `wasi-libc` and `{runtime}` are needed");
    Ok(())
}
