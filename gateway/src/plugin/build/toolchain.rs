//! What a toolchain needs, found or installed, each in a place of its own.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;

/// Tells whoever waits what is going on.
pub type Say<'a> = dyn Fn(&str) + 'a;

/// Where toolchains are kept from one build to the next: `MOUNTGATE_CACHE`, or the user's own cache folder.
///
/// # Errors
/// Where neither is set.
pub fn cache() -> anyhow::Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("MOUNTGATE_CACHE")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("mountgate")))
        .or_else(|| Some(set("HOME")?.join(".cache").join("mountgate")))
        .context("there is no folder to keep toolchains in: set `MOUNTGATE_CACHE` to one")
}

/// A folder that is made once. `install` fills it; one that was cut short is filled again.
pub(super) fn once(
    name: &str,
    say: &Say<'_>,
    what: &str,
    install: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let folder = cache()?.join("toolchains").join(name);
    let done = folder.join(".installed");
    if done.exists() {
        return Ok(folder);
    }
    say(&format!("installing {what} into {}", folder.display()));
    fs::create_dir_all(&folder).with_context(|| format!("making `{}`", folder.display()))?;
    install(&folder)?;
    fs::write(&done, what).with_context(|| format!("writing `{}`", done.display()))?;
    Ok(folder)
}

/// Whether a program is there and runs.
pub(super) fn runs(program: &str, args: &[&str]) -> bool {
    let quiet =
        Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

/// What a program prints, where it runs.
pub(super) fn printed(program: &str, args: &[&str]) -> Option<String> {
    let done = Command::new(program).args(args).stdin(Stdio::null()).output().ok()?;
    done.status.success().then(|| String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

/// Runs a command to its end, quietly: what it printed is told where it fails.
pub(super) fn run(what: &str, command: &mut Command) -> anyhow::Result<()> {
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("{what} can't be run"))?;
    if done.status.success() {
        return Ok(());
    }
    let mut said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    if said.is_empty() {
        said = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    }
    anyhow::bail!("{what} failed:\n{said}")
}

/// Packages of a Debian-like system, installed where that can be done without asking.
pub(super) fn apt(packages: &[&str], say: &Say<'_>) -> anyhow::Result<()> {
    let by_hand = format!("sudo apt-get install -y --no-install-recommends {}", packages.join(" "));
    let root = printed("id", &["-u"]).is_some_and(|id| id == "0");
    anyhow::ensure!(
        root && runs("apt-get", &["--version"]),
        "missing: {}. On Debian or Ubuntu run `{by_hand}`; elsewhere, install the same from your system's packages",
        packages.join(", ")
    );
    say(&format!("installing {} from the system's packages", packages.join(", ")));
    let install = || {
        let mut command = Command::new("apt-get");
        command
            .args(["install", "-y", "--no-install-recommends", "-qq"])
            .args(packages)
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    if run("apt-get install", &mut install()).is_ok() {
        return Ok(());
    }
    // The list of packages may be old, or not there yet.
    run("apt-get update", Command::new("apt-get").args(["update", "-qq"]))
        .with_context(|| format!("run `{by_hand}`"))?;
    run("apt-get install", &mut install()).with_context(|| format!("run `{by_hand}`"))
}
