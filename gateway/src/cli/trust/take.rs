//! What a gateway does: verify, take, and say how things stand.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mountgate_trust::{
    Address, Kind, PluginName, Repository, Store, TrustError,
    repository::{Check, verify as verify_repository},
    store::Refreshed,
};

use crate::{
    cli::{
        Exit, Output,
        output::{maybe, moment, say},
    },
    compose::trust::{store_config, warnings},
    config::MainFile,
    state::{Act, State, now_ms},
};

const NO_SECTION: &str =
    "`[trust]` is not configured: write `repository` and `root` there, or name a repository and `--root`";

pub(super) fn verify(
    config: &Path,
    repository: Option<&str>,
    root: Option<PathBuf>,
    internal: bool,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let (address, root, internal) = match repository {
        Some(repository) => {
            let address = Address::parse(repository, Path::new("")).map_err(anyhow::Error::msg)?;
            (address, root.context("name the root that is trusted: `--root root.json`")?, internal)
        }
        None => {
            let section = MainFile::load(config)?.trust.context(NO_SECTION)?;
            (section.repository, section.root, section.internal)
        }
    };
    let checks = verify_repository(&address, internal, &root, now_ms());
    let holds = checks.iter().all(|check| check.holds);
    if output.is_json() {
        output.data(&serde_json::json!({ "holds": holds, "repository": address.to_string(), "checks": checks }))?;
    } else {
        for Check { what, holds, found } in &checks {
            let found = if found.is_empty() { String::new() } else { format!(" ({found})") };
            output.line(format!("{} {what}{found}", if *holds { "ok  " } else { "FAIL" }))?;
        }
    }
    Ok(if holds { Exit::Done } else { Exit::Unsound })
}

pub(super) fn refresh(config: &Path, accept_clock: bool, output: &mut Output) -> anyhow::Result<Exit> {
    let main = MainFile::load(config)?;
    let wanted = store_config(&main).context(NO_SECTION)?;
    let state = State::open(&main)?;
    let store = Store::open(wanted)?;
    if accept_clock {
        state.record(&Act::of_command_line("trust.accept_clock", serde_json::json!({})))?;
        store.accept_clock()?;
    }
    match store.refresh() {
        Ok(refreshed) => {
            let set = refreshed.set();
            let changed = matches!(refreshed, Refreshed::Changed(_));
            if changed {
                let details = serde_json::json!({ "version": set.version, "plugins": set.plugins.len() });
                state.record(&Act::of_command_line("trust.refresh", details))?;
            }
            if output.is_json() {
                output.data(&serde_json::json!({ "changed": changed, "status": store.status() }))?;
            } else {
                let what = if changed { "took" } else { "has already" };
                output.line(format!("{what} version {} with {} plugins", set.version, set.plugins.len()))?;
            }
            for warning in warnings(&store.status()) {
                say(format!("warning: {warning}"));
            }
            Ok(Exit::Done)
        }
        Err(error) => {
            if output.is_json() {
                output.data(&serde_json::json!({ "changed": false, "status": store.status() }))?;
            }
            say(format!("error: {error}"));
            say(match store.current() {
                Some(set) => format!("version {} stays in force", set.version),
                None => "there is no good set".to_owned(),
            });
            Ok(exit_of(&error))
        }
    }
}

/// Whether something could not be done, or what is there does not hold.
fn exit_of(error: &TrustError) -> Exit {
    match error.kind() {
        Kind::Unreachable | Kind::Key | Kind::Io | Kind::Usage => Exit::Failed,
        Kind::TooLarge
        | Kind::Malformed
        | Kind::Unsigned
        | Kind::RolledBack
        | Kind::Mismatched
        | Kind::Expired
        | Kind::NotDelegated
        | Kind::BadPlugin => Exit::Unsound,
    }
}

pub(super) fn show(folder: &Path, plugin: Option<&PluginName>, output: &mut Output) -> anyhow::Result<Exit> {
    let repository = Repository::open(folder)?;
    if let Some(name) = plugin {
        let manifest = repository.published(name)?;
        output.data(&manifest.with_context(|| format!("`{name}` is not published there"))?)?;
        return Ok(Exit::Done);
    }
    let report = repository.report()?;
    if output.is_json() {
        output.data(&report)?;
        return Ok(Exit::Done);
    }
    let short = |id: &String| id.chars().take(8).collect::<String>();
    let rows: Vec<Vec<String>> = report
        .roles
        .iter()
        .map(|role| {
            let keys: Vec<String> = role.keys.iter().map(short).collect();
            vec![
                role.role.clone(),
                role.signs.clone(),
                format!("{} of {}", role.threshold, role.keys.len()),
                keys.join(" "),
                role.version.to_string(),
                moment(role.expires_ms),
            ]
        })
        .collect();
    output.table(&["role", "signs", "must sign", "keys", "version", "expires"], &rows)?;
    output.line("")?;
    let rows: Vec<Vec<String>> = report
        .plugins
        .iter()
        .map(|plugin| {
            vec![
                plugin.name.to_string(),
                plugin.release.to_string(),
                plugin.contract.clone(),
                plugin.cases.to_string(),
                plugin.digest.to_string(),
            ]
        })
        .collect();
    output.table(&["plugin", "release", "contract", "cases", "component"], &rows)?;
    for revoked in &report.revoked {
        let release = revoked.release.map_or_else(String::new, |release| format!("@{release}"));
        output.line(format!("revoked: {}{release}: {}", revoked.name, revoked.reason))?;
    }
    Ok(Exit::Done)
}

/// What this gateway has taken.
pub(super) fn standing(config: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let main = MainFile::load(config)?;
    let store = Store::open(store_config(&main).context(NO_SECTION)?)?;
    let (status, set) = (store.status(), store.current());
    let plugins: Vec<_> = set.iter().flat_map(|set| set.plugins.values()).collect();
    if output.is_json() {
        let plugins: Vec<serde_json::Value> = plugins
            .iter()
            .map(|plugin| {
                serde_json::json!({
                    "name": plugin.name, "release": plugin.manifest.release, "digest": plugin.digest,
                    "signed_by": plugin.signed_by, "revoked": plugin.revoked,
                })
            })
            .collect();
        output.data(&serde_json::json!({ "status": status, "plugins": plugins }))?;
        return Ok(Exit::Done);
    }
    output.line(format!(
        "{}: version {}, expires {}, refuses after {}",
        status.health.as_str(),
        status.version.map_or_else(|| "-".to_owned(), |version| version.to_string()),
        maybe(status.expires_ms),
        maybe(status.denies_ms),
    ))?;
    let rows: Vec<Vec<String>> = plugins
        .iter()
        .map(|plugin| {
            vec![
                plugin.name.to_string(),
                plugin.manifest.release.to_string(),
                plugin.signed_by.clone(),
                plugin.revoked.clone().unwrap_or_else(|| "-".to_owned()),
                plugin.digest.to_string(),
            ]
        })
        .collect();
    output.table(&["plugin", "release", "signed by", "revoked", "component"], &rows)?;
    Ok(Exit::Done)
}
