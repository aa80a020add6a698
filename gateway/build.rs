//! Packs what `mountgate plugin new` writes into the binary: the contract, the SDK, the templates. An installed binary
//! makes projects without this repository.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

type Failed = Box<dyn std::error::Error>;

fn main() -> Result<(), Failed> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut code = String::new();
    for (name, folder) in [("WIT", "wit"), ("SDK", "plugin-sdk/src"), ("TEMPLATES", "plugin-sdk/templates")] {
        let folder = root.join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut files = Vec::new();
        collect(&folder, &folder, &mut files)?;
        files.sort();
        writeln!(code, "pub(super) const {name}: &[(&str, &str)] = &[")?;
        for (shown, path) in files {
            writeln!(code, "    ({shown:?}, include_str!({:?})),", path.display().to_string())?;
        }
        writeln!(code, "];")?;
    }
    for manifest in ["Cargo.toml", "plugin-sdk/Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", root.join(manifest).display());
    }
    let manifest = standalone(
        &fs::read_to_string(root.join("plugin-sdk/Cargo.toml"))?,
        &fs::read_to_string(root.join("Cargo.toml"))?,
    )?;
    writeln!(code, "pub(super) const SDK_MANIFEST: &str = {manifest:?};")?;
    fs::write(out.join("embedded.rs"), code)?;
    Ok(())
}

fn collect(root: &Path, folder: &Path, into: &mut Vec<(String, PathBuf)>) -> Result<(), Failed> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, into)?;
        } else {
            into.push((path.strip_prefix(root)?.to_string_lossy().replace('\\', "/"), path));
        }
    }
    Ok(())
}

/// The SDK's manifest without its workspace: what it takes from there is written out.
fn standalone(manifest: &str, workspace: &str) -> Result<String, Failed> {
    let mut out = String::new();
    let mut skipped = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            // Lints are the repository's own affair.
            skipped = line == "[lints]";
        }
        if skipped {
            continue;
        }
        match line.strip_suffix(".workspace = true") {
            Some(key) => {
                let given = workspace.lines().find(|given| given.starts_with(&format!("{key} = ")));
                let given = given.ok_or_else(|| format!("the workspace says nothing of `{key}`"))?;
                writeln!(out, "{}", given.split(" # ").next().unwrap_or(given))?;
            }
            None => writeln!(out, "{line}")?,
        }
    }
    Ok(out)
}
