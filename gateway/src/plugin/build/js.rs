//! JavaScript: an engine and the policy's module in one component, by `componentize-js`.

use std::{fs, process::Command};

use anyhow::Context as _;

use super::toolchain::{self, Say};
use crate::plugin::project::Project;

/// One version: a policy's bytes should not depend on the day of its build.
const COMPONENTIZE: &str = "@bytecodealliance/componentize-js@0.23.0";

/// Every feature is off: a policy has no clock, no randomness, no output and no network to begin with.
const SCRIPT: &str = "\
import { componentize } from '@bytecodealliance/componentize-js';
import { readFile, writeFile } from 'node:fs/promises';

const [source, witPath, out] = process.argv.slice(2);
const { component } = await componentize(await readFile(source, 'utf8'), {
  witPath,
  worldName: 'policy',
  sourceName: 'policy.js',
  disableFeatures: ['random', 'stdio', 'clocks', 'http', 'fetch-event'],
});
await writeFile(out, component);
";

pub(super) fn build(project: &Project, say: &Say<'_>) -> anyhow::Result<Vec<u8>> {
    for (program, package) in [("node", "nodejs"), ("npm", "npm")] {
        if !toolchain::runs(program, &["--version"]) {
            toolchain::apt(&[package], say)?;
        }
    }
    let toolchain = toolchain::once("componentize-js-0.23.0", say, &format!("`{COMPONENTIZE}` from npm"), |folder| {
        fs::write(folder.join("package.json"), "{ \"private\": true, \"type\": \"module\" }\n")?;
        let mut npm = Command::new("npm");
        npm.current_dir(folder).args(["install", "--no-audit", "--no-fund", "--silent", "--save-exact", COMPONENTIZE]);
        toolchain::run("npm install", &mut npm)
            .with_context(|| format!("`npm install {COMPONENTIZE}` must be possible to build a policy in JavaScript"))
    })?;
    let script = toolchain.join("mountgate.mjs");
    fs::write(&script, SCRIPT).with_context(|| format!("writing `{}`", script.display()))?;
    let folder = std::path::absolute(&project.folder)?;
    let out = folder.join("build").join("js.wasm");
    let mut node = Command::new("node");
    node.current_dir(&toolchain).arg(&script).arg(folder.join("policy.js")).arg(super::contract(project)?).arg(&out);
    toolchain::run("componentize-js", &mut node)?;
    let bytes = fs::read(&out).with_context(|| format!("reading `{}`", out.display()))?;
    fs::remove_file(&out)?;
    Ok(bytes)
}
