//! Python: the interpreter and the policy's modules in one component, by `componentize-py`.

use std::{fs, process::Command};

use anyhow::Context as _;

use super::toolchain::{self, Say};
use crate::plugin::project::Project;

/// One version: a policy's bytes should not depend on the day of its build.
const COMPONENTIZE: &str = "componentize-py==0.25.1";

pub(super) fn build(project: &Project, say: &Say<'_>) -> anyhow::Result<Vec<u8>> {
    let programs = toolchain::once(
        &COMPONENTIZE.replace("==", "-"),
        say,
        &format!("`{COMPONENTIZE}` from PyPI, in a Python environment of its own,"),
        |folder| {
            environment(folder, say)?;
            let mut pip = Command::new(folder.join("bin").join("python"));
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", COMPONENTIZE]);
            toolchain::run("pip install", &mut pip)
                .with_context(|| format!("`pip install {COMPONENTIZE}` must be possible to build a policy in Python"))
        },
    )?
    .join("bin");
    let out = std::path::absolute(project.folder.join("build").join("python.wasm"))?;
    let mut componentize = Command::new(programs.join("componentize-py"));
    componentize
        .current_dir(&project.folder)
        .arg("-d")
        .arg(super::contract(project)?)
        .args(["-w", "policy", "componentize", "policy", "--stub-wasi", "-p", ".", "-o"])
        .arg(&out);
    toolchain::run("componentize-py", &mut componentize)?;
    let bytes = fs::read(&out).with_context(|| format!("reading `{}`", out.display()))?;
    fs::remove_file(&out)?;
    Ok(bytes)
}

fn environment(folder: &std::path::Path, say: &Say<'_>) -> anyhow::Result<()> {
    let make = || {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(folder);
        toolchain::run("python3 -m venv", &mut venv)
    };
    if make().is_ok() {
        return Ok(());
    }
    toolchain::apt(&["python3", "python3-venv"], say)?;
    make()
}
