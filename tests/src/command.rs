//! The command line over a fixture's folder, as a person would use it.

use std::{
    io::Write,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use clap::Parser as _;
use mountgate::cli::{Cli, Exit, Output};

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs a command line, without `mountgate` and `--config`, on a thread of its own (some commands have a runtime of
/// theirs), and gives how it ended and what it printed.
///
/// # Errors
/// Where the line is none, or what is printed is no text.
pub async fn run(folder: &Path, line: &[&str]) -> anyhow::Result<(Exit, String)> {
    let path = folder.join("mountgate.toml").display().to_string();
    let line: Vec<String> =
        ["mountgate", "--config", &path].iter().chain(line).map(|part| (*part).to_owned()).collect();
    let cli = Cli::try_parse_from(line).context("the command line")?;
    let kept = Kept::default();
    let to = kept.clone();
    let exit = tokio::task::spawn_blocking(move || {
        let output = Output::to(cli.json, to);
        cli.run_to(output)
    });
    let exit = exit.await?;
    let printed = kept.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok((exit, String::from_utf8(printed)?))
}
