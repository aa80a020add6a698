//! What `.ci/run` checks beside the tests.

use anyhow::Result;
use clap::Subcommand;

use crate::{links, setup, tools};

/// A check.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Ci {
    /// Formatting.
    Fmt,
    /// Clippy over everything, warnings denied.
    Clippy,
    /// Licences, bans and sources of dependencies.
    Deny,
    /// The documentation builds without a warning.
    Docs,
    /// Links in the documents lead to what they name.
    Links,
}

/// Runs it.
pub(crate) fn run(what: Ci) -> Result<()> {
    let mut cargo = tools::cargo()?;
    match what {
        Ci::Fmt => tools::run("fmt", cargo.args(["fmt", "--all", "--check"])),
        Ci::Clippy => tools::run(
            "clippy",
            cargo.args(["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"]),
        ),
        Ci::Deny => {
            let mut deny = std::process::Command::new(setup::cargo_deny()?);
            deny.current_dir(tools::root()?);
            println!(
                "── deny: advisories are not checked: their database is fetched from the network (`cargo deny check advisories`)"
            );
            tools::run(
                "deny",
                deny.args(["--locked", "--workspace", "--log-level", "error", "check", "licenses", "bans", "sources"]),
            )
        }
        Ci::Docs => tools::run(
            "docs",
            cargo
                .args(["doc", "--workspace", "--no-deps", "--locked", "--quiet", "--document-private-items"])
                .env("RUSTDOCFLAGS", "-D warnings"),
        ),
        Ci::Links => links::check(),
    }
}
