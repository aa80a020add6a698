//! `mountgate init`

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Exit, Output, output::say};
use crate::{config::Config, init::Init, keys::Keys};

const EXAMPLES: &str = "\
Examples:
  mountgate init                              mountgate.toml and mounts/example.toml, here
  mountgate init --sqlite shop.db             with the tables of shop.db, to be opened one by one
  mountgate init --config /etc/mountgate/mountgate.toml

Nothing that is there already is touched.";

/// Write a commented start.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct InitArgs {
    /// A SQLite file: its tables are then in the mount, commented out.
    #[arg(long, value_name = "FILE")]
    sqlite: Option<PathBuf>,
}

pub(super) fn run(args: &InitArgs, config: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let folder = match config.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let written = Init { main: config.to_owned(), sqlite: args.sqlite.clone() }.write()?;
    // The master key comes with it, so that the state folder is known to be writable before anything relies on it.
    let loaded = Config::load(config)?;
    Keys::open(&loaded.main)?;
    if output.is_json() {
        output.data(&serde_json::json!({ "written": written, "state": loaded.main.server.state }))?;
    } else {
        for path in &written {
            output.line(format!("wrote {}", path.display()))?;
        }
        output.line(format!("made  {} (the master key; back it up)", loaded.main.server.state.display()))?;
    }
    let shown = if folder == Path::new(".") { String::new() } else { format!(" --config {}", config.display()) };
    say(format!(
        "next: say in `mounts/example.toml` what agents may see, then\n  mountgate{shown} check\n  mountgate{shown} agent add example-bot\n  mountgate{shown} serve"
    ));
    Ok(Exit::Done)
}
