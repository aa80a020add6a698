//! `cargo xtask bench`: optimised builds, a scratch PostgreSQL, and the benches one after another.

use anyhow::Result;
use clap::Args;

use crate::{
    postgres::{self, Scratch},
    tools,
};

/// The benches.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Only the table of the gateway beside its floor.
    #[arg(long)]
    table: bool,
    /// Only this bench of `tests/benches`: `gateway`, `policy`, `reload` or `sql`.
    #[arg(long, value_name = "NAME", conflicts_with = "table")]
    only: Option<String>,
    /// A quicker, rougher run.
    #[arg(long)]
    quick: bool,
}

/// Runs it.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    let scratch = Scratch::start(&postgres::ensure()?)?;
    let names = match (&bench.only, bench.table) {
        (Some(name), _) => vec![name.as_str()],
        (None, true) => vec!["gateway"],
        (None, false) => vec!["policy", "sql", "reload", "gateway"],
    };
    for name in names {
        let mut cargo = tools::cargo()?;
        cargo.args(["bench", "--locked", "--package", "mountgate-tests", "--bench", name]);
        cargo.env("MOUNTGATE_TEST_POSTGRES", scratch.url());
        if bench.quick {
            cargo.env("MOUNTGATE_BENCH_QUICK", "1");
        }
        tools::run(name, &mut cargo)?;
    }
    Ok(())
}
