//! A project's component: its toolchain set up, saying what it installs; its sources built; the result admitted by the
//! host that serves, so that what a gateway would refuse is told here.

mod c;
mod js;
mod python;
mod rust;
mod toolchain;

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use mountgate_core::Digest;
use mountgate_policy::{DiskCache, Host, HostConfig, Plugin, PluginLimits};
use zeroize::Zeroizing;

use super::{
    new,
    project::{Language, Project},
};

pub use self::toolchain::{Say, cache};

/// Bytes of compiled components that are kept.
const COMPILED_BYTES: u64 = 1 << 30;

/// A component that was built.
pub struct Built {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: Digest,
    /// How long building took, with what had to be installed.
    pub took: Duration,
    /// The component, admitted.
    pub plugin: Arc<Plugin>,
}

/// Builds the project and puts the component in its place.
///
/// # Errors
/// Where a toolchain can't be had (with the command to run by hand), the sources don't build, or the host does not admit
/// what they make.
pub fn build(project: &Project, say: &Say<'_>) -> anyhow::Result<Built> {
    let begun = Instant::now();
    let out = project.component();
    if let Some(parent) = out.parent() {
        fs::create_dir_all(parent).with_context(|| format!("making `{}`", parent.display()))?;
    }
    let bytes = match project.language {
        Language::Rust => rust::build(project, say)?,
        Language::Python => python::build(project, say)?,
        Language::Js => js::build(project, say)?,
        Language::C => c::build(project, say)?,
    };
    let took = begun.elapsed();
    let plugin = admit(project, &bytes)?;
    // Last and whole: what is there is always a component that was admitted.
    let beside = out.with_extension("wasm.new");
    fs::write(&beside, &bytes)
        .and_then(|()| fs::rename(&beside, &out))
        .with_context(|| format!("writing `{}`", out.display()))?;
    Ok(Built { digest: Digest::of(&bytes), bytes, took, plugin })
}

/// The folder of the contract that the project is built against: its own, or this program's.
fn contract(project: &Project) -> anyhow::Result<PathBuf> {
    let own = project.folder.join("wit").join(new::CONTRACT);
    if own.exists() {
        return Ok(std::path::absolute(own)?);
    }
    let made = project.folder.join("build").join("wit");
    new::write_contract(&made)?;
    Ok(std::path::absolute(made.join(new::CONTRACT))?)
}

/// Admits a project's component within the project's own limits.
///
/// # Errors
/// As the host, and where the component gives itself another name than `plugin.toml`.
pub fn admit(project: &Project, bytes: &[u8]) -> anyhow::Result<Arc<Plugin>> {
    let plugin = host(project)?.admit(bytes)?;
    let named = &plugin.manifest().name;
    anyhow::ensure!(
        named == project.name.as_str(),
        "the component says that its name is `{named}`, and `plugin.toml` that it is `{}`: make them the same",
        project.name
    );
    Ok(plugin)
}

/// The host that a project is tried on: as a gateway's, with the project's own limits, for one at a time.
///
/// # Errors
/// Where the machine does not give what it asks for.
pub fn host(project: &Project) -> anyhow::Result<Host> {
    let config = HostConfig { max_instances: 16, ready: 2, disk: compiled(), ..HostConfig::default() };
    Ok(Host::new(PluginLimits::from(project.limits).tighten(config))?)
}

/// Where compiled components are kept: an interpreter of 18 MB takes seconds to compile, and each command asks for it.
/// None where there is no such place, which costs time alone.
pub fn compiled() -> Option<DiskCache> {
    let dir = cache().ok()?.join("compiled");
    fs::create_dir_all(&dir).ok()?;
    let path = dir.join("key");
    let mut key = Zeroizing::new([0; 32]);
    match fs::read(&path) {
        Ok(kept) => key.copy_from_slice(kept.first_chunk::<32>()?),
        Err(_) => {
            getrandom::fill(key.as_mut_slice()).ok()?;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).ok()?;
            file.write_all(key.as_slice()).ok()?;
        }
    }
    Some(DiskCache { dir, key, bytes: COMPILED_BYTES })
}
