//! `cargo xtask soundness`: generated worlds and statements against the three oracles, on both engines.

use anyhow::Result;
use clap::Args;

use crate::{
    postgres::{self, Scratch},
    tools,
};

/// The proof.
#[derive(Debug, Args)]
pub(crate) struct Soundness {
    /// How many cases per engine.
    #[arg(long, default_value_t = 2000)]
    cases: u64,
    /// The seed of all of them.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// `sqlite`, `postgres` or `both`.
    #[arg(long, default_value = "both")]
    engine: String,
    /// Only this case of the seed, with everything about it.
    #[arg(long)]
    case: Option<u64>,
    /// Threads; one for each core where it is left out.
    #[arg(long)]
    jobs: Option<usize>,
    /// Optimised: for long runs.
    #[arg(long)]
    release: bool,
    /// Print every statement.
    #[arg(long)]
    verbose: bool,
    /// Instead: takes down one defence after another, in a build in which that can be done, and prints the table of the
    /// cases that notice.
    #[arg(long, conflicts_with_all = ["case", "verbose"])]
    defences: bool,
}

impl Soundness {
    /// What every run of the tests asks: some thousands of cases.
    pub(crate) fn bounded() -> Self {
        Self {
            cases: 3000,
            seed: 1,
            engine: "both".into(),
            case: None,
            jobs: None,
            release: false,
            verbose: false,
            defences: false,
        }
    }

    /// The table of defences, as every run of the tests asks for it.
    pub(crate) fn of_defences() -> Self {
        Self { defences: true, ..Self::bounded() }
    }

    /// The command that does it.
    ///
    /// # Errors
    /// Where cargo is not there.
    pub(crate) fn command(&self, scratch: Option<&Scratch>) -> Result<std::process::Command> {
        let mut cargo = tools::cargo()?;
        cargo.args(["run", "--quiet", "--locked", "--package", "mountgate-tests", "--bin", "soundness"]);
        if self.release {
            cargo.arg("--release");
        }
        let jobs = self.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, std::num::NonZero::get));
        cargo.args(["--", "--cases", &self.cases.to_string(), "--seed", &self.seed.to_string()]);
        cargo.args(["--engine", &self.engine, "--jobs", &jobs.to_string()]);
        if let Some(case) = self.case {
            cargo.args(["--case", &case.to_string()]);
        }
        if self.verbose {
            cargo.arg("--verbose");
        }
        if self.defences {
            cargo.arg("--defences");
            cargo.env("MOUNTGATE_WEAKEN", "1");
        }
        if let Some(scratch) = scratch {
            cargo.env("MOUNTGATE_TEST_POSTGRES", scratch.url());
        }
        Ok(cargo)
    }
}

/// Runs it.
pub(crate) fn run(soundness: &Soundness) -> Result<()> {
    let given = std::env::var_os("MOUNTGATE_TEST_POSTGRES").is_some();
    let scratch =
        if soundness.engine == "sqlite" || given { None } else { Some(Scratch::start(&postgres::ensure()?)?) };
    tools::run("soundness", &mut soundness.command(scratch.as_ref())?)
}
