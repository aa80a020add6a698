//! `cargo xtask …`

mod plugins;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The bundled policies as components.
    #[command(subcommand)]
    Plugins(plugins::Plugins),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Plugins(what) => plugins::run(what),
    }
}
