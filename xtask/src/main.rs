//! `cargo xtask …`: whatever a task needs is found or installed first; each can be repeated, and one that fails says
//! what to run by hand.

mod bench;
mod ci;
mod demo;
mod links;
mod plugins;
mod postgres;
mod setup;
mod soundness;
mod test;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A demo shop, the gateway before it, and a tour; then it serves on.
    Demo(demo::Demo),
    /// Every test, PostgreSQL and Python clients included.
    Test(test::Test),
    /// The gateway's speed beside that of the same server without it: one table.
    Bench(bench::Bench),
    /// Generated statements: what comes back is the scope's, and nothing else.
    Soundness(soundness::Soundness),
    /// The bundled policies as components.
    #[command(subcommand)]
    Plugins(plugins::Plugins),
    /// One of the checks of `.ci/run`.
    #[command(subcommand)]
    Ci(ci::Ci),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Demo(demo) => demo::run(&demo),
        Command::Test(test) => test::run(&test).map(|()| ExitCode::SUCCESS),
        Command::Bench(bench) => bench::run(&bench).map(|()| ExitCode::SUCCESS),
        Command::Soundness(soundness) => soundness::run(&soundness).map(|()| ExitCode::SUCCESS),
        Command::Plugins(what) => plugins::run(what).map(|()| ExitCode::SUCCESS),
        Command::Ci(what) => ci::run(what).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
