//! The binary `mountgate`.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    mountgate::cli::Cli::parse().run().into()
}
