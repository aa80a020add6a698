//! Publishing, and taking back.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use mountgate_policy::{Host, HostConfig};
use mountgate_trust::{Manifest, PluginName, Publication, Repository, Selector, repository::Published};

use super::{
    RepositoryArgs,
    keys::{self, KeyArgs},
};
use crate::{
    cli::{Exit, Output},
    plugin::{
        cases::{Case, first_failure},
        project::{Project, ProjectLimits},
    },
};

/// Sign and publish a plugin.
#[derive(Debug, Args)]
pub(super) struct PublishArgs {
    /// A project's folder (`plugin.toml`, `cases/`, `build/plugin.wasm`), or a component.
    what: PathBuf,
    /// Its name, `publisher/name`; a project says it in its plugin.toml.
    #[arg(long)]
    name: Option<PluginName>,
    /// Its release, which counts up; a project says it in its plugin.toml.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    release: Option<u64>,
    /// The later release that this one takes back.
    #[arg(long, value_name = "NUMBER")]
    rollback_of: Option<u64>,
    #[command(flatten)]
    repository: RepositoryArgs,
    #[command(flatten)]
    keys: KeyArgs,
}

/// What is signed, as its files have it.
struct Read {
    name: PluginName,
    release: u64,
    limits: ProjectLimits,
    cases: Vec<Case>,
    component: PathBuf,
}

pub(super) fn publish(args: &PublishArgs, output: &mut Output) -> anyhow::Result<Exit> {
    let read = if args.what.is_dir() { project(args)? } else { bare(args)? };
    let component = &read.component;
    let bytes = fs::read(component).with_context(|| {
        let next = if args.what.is_dir() { "; `mountgate plugin build` makes it" } else { "" };
        format!("`{}` cannot be read{next}", component.display())
    })?;
    let manifest = manifest(read, &bytes, args.rollback_of)?;
    let mut repository = Repository::open(&args.repository.repository)?;
    let publication = Publication { manifest, component: bytes };
    tell(&repository.publish(&publication, &mut args.keys.ring()?)?, output)?;
    Ok(Exit::Done)
}

fn tell(published: &Published, output: &mut Output) -> anyhow::Result<()> {
    if output.is_json() {
        output.data(published)?;
    } else {
        let before = published.before.map_or_else(String::new, |before| format!(", after {before}"));
        output.line(format!("published {}, release {}{before}", published.name, published.release))?;
        output.line(format!("component {}", published.digest))?;
        output.line(format!("the repository is at version {}", published.version))?;
    }
    Ok(())
}

/// A candidate that was asked beside the policy of a mount.
pub(in crate::cli) struct Candidate {
    /// Its component.
    pub(in crate::cli) component: Vec<u8>,
    /// The limits that it was asked within.
    pub(in crate::cli) limits: ProjectLimits,
    /// Its cases.
    pub(in crate::cli) cases: Vec<Case>,
}

/// Publishes a candidate as the next release of the policy in force: what a gateway obeys is that signature, not whoever runs
/// this.
pub(in crate::cli) fn promote(
    candidate: Candidate,
    name: PluginName,
    repository: &RepositoryArgs,
    keys: &KeyArgs,
    output: &mut Output,
) -> anyhow::Result<u64> {
    let Candidate { component, limits, cases } = candidate;
    let mut repository = Repository::open(&repository.repository)?;
    let before = repository.published(&name)?;
    let release = before.map_or(1, |before| before.release.saturating_add(1));
    let read = Read { name, release, limits, cases, component: PathBuf::new() };
    let manifest = manifest(read, &component, None)?;
    tell(&repository.publish(&Publication { manifest, component }, &mut keys.ring()?)?, output)?;
    Ok(release)
}

/// The manifest of a component that this machine's policy host admits and whose cases hold: what no gateway would put into
/// force is not worth a signature.
fn manifest(read: Read, component: &[u8], rollback_of: Option<u64>) -> anyhow::Result<Manifest> {
    let Read { name, release, limits, cases, .. } = read;
    let plugin = Host::new(HostConfig::default())?.admit_within(component, limits.into())?;
    if let Some(why) = first_failure(&cases, &plugin) {
        anyhow::bail!("`{name}` is not published: {why}");
    }
    let mut manifest = Manifest::new(name, release, component, plugin.contract().version());
    manifest.rollback_of = rollback_of;
    if let serde_json::Value::Object(limits) = serde_json::to_value(limits)? {
        manifest.limits = limits;
    }
    manifest.cases = cases.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
    let schema = &plugin.manifest().settings_schema;
    manifest.settings_schema =
        Some(serde_json::from_str(schema).context("the schema of the plugin's settings is no JSON")?);
    Ok(manifest)
}

fn bare(args: &PublishArgs) -> anyhow::Result<Read> {
    let (Some(name), Some(release)) = (args.name.clone(), args.release) else {
        anyhow::bail!("a component does not say its name and release: write `--name publisher/name --release 1`");
    };
    Ok(Read { name, release, limits: ProjectLimits::default(), cases: vec![], component: args.what.clone() })
}

fn project(args: &PublishArgs) -> anyhow::Result<Read> {
    let project = Project::load(&args.what)?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => project.name.as_str().parse().map_err(anyhow::Error::msg)?,
    };
    Ok(Read {
        name,
        release: args.release.unwrap_or(project.release),
        limits: project.limits,
        cases: Case::load_dir(&project.cases())?,
        component: project.component(),
    })
}

pub(super) fn revoke(
    repository: &Path,
    selector: &Selector,
    reason: Option<&str>,
    args: &KeyArgs,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let mut keyring = args.ring()?;
    let mut repository = Repository::open(repository)?;
    match reason {
        Some(reason) => {
            repository.revoke(selector, reason, &mut keyring)?;
            keys::done(output, &format!("`{selector}` is revoked"), &repository)
        }
        None => {
            repository.lift(selector, &mut keyring)?;
            keys::done(output, &format!("`{selector}` is not revoked any more"), &repository)
        }
    }
}

pub(super) fn renew(
    repository: &Path,
    all: bool,
    root: bool,
    args: &KeyArgs,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let mut keyring = args.ring()?;
    let mut repository = Repository::open(repository)?;
    if root {
        let ceremony = repository.renew_root(&mut keyring)?;
        return keys::tell(&ceremony, &repository, output);
    }
    let renewed = repository.renew(all, &mut keyring)?;
    keys::done(output, &format!("renewed: {}", renewed.join(", ")), &repository)
}
