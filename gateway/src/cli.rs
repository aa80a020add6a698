//! The command line.

mod approvals;
mod backend;
mod check;
mod explain;
mod identities;
mod init;
mod ledger;
mod output;
mod people;
mod plugin;
mod quarantine;
mod reload;
mod replay;
mod review;
mod serve;
mod shadow;
mod sql;
mod suggest;
mod trust;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::config::{MAIN_FILE, Problems};

pub use output::Output;

/// How a command ended. The codes are part of the interface: scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: it could not be done; standard error says why. (2 is clap's: the command line itself is wrong.)
    Failed,
    /// 3: the configuration is wrong, or does not fit its backends and policies.
    Misconfigured,
    /// 4: the ledger is not what was written, or a repository of plugins not what was signed.
    Unsound,
    /// 5: `explain`: the statement would be refused.
    Refused,
    /// 6: `replay`: something would newly be granted.
    NewGrants,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Misconfigured => 3,
            Exit::Unsound => 4,
            Exit::Refused => 5,
            Exit::NewGrants => 6,
        })
    }
}

const EXITS: &str = "\
Exit codes:
  0  done
  1  it could not be done; standard error says why
  2  the command line is wrong
  3  the configuration is wrong, or does not fit its backends and policies (`reload`: what was in force stays);
     `backend check`: a wall does not stand
  4  `ledger verify`: the ledger is not what was written;
     `trust verify`, `trust refresh`: what is offered does not hold
  5  `explain`: the statement would be refused
  6  `replay`: something would newly be granted, and is not accepted

First steps:
  mountgate init --sqlite shop.db     write mountgate.toml and a mount of your tables
  mountgate check                     see that they hold
  mountgate agent add example-bot     get the agent's key
  mountgate serve                     and ask: POST http://127.0.0.1:7411/v1/query";

/// A gateway between AI agents and the stores that they ask for data.
#[derive(Debug, Parser)]
#[command(name = "mountgate", version, after_help = EXITS, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// The main file; `mounts/*.toml` are beside it.
    #[arg(short, long, global = true, env = "MOUNTGATE_CONFIG", default_value = MAIN_FILE, value_name = "FILE")]
    pub config: PathBuf,
    /// Print data as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a commented start: mountgate.toml and mounts/example.toml.
    Init(init::InitArgs),
    /// A demo shop, the gateway before it, and a tour; then it serves on.
    Demo(crate::demo::DemoArgs),
    /// Serve agents until told to stop.
    Serve(serve::ServeArgs),
    /// Have a running gateway read its files again.
    Reload(reload::ReloadArgs),
    /// Say everything that is wrong: files, backends, ceilings, policies.
    Check(check::CheckArgs),
    /// Lay a statement open: touch, verdict, rewritten SQL. Nothing is run.
    Explain(explain::ExplainArgs),
    /// List what statements may use, and why each is safe.
    Sql(sql::SqlArgs),
    /// Build and check the walls of backends.
    Backend(backend::BackendArgs),
    /// Add, list and revoke agents.
    Agent(identities::AgentArgs),
    /// Add, list and revoke minters: what an agent's own back end mints sessions with.
    Minter(identities::MinterArgs),
    /// Mint, list and revoke sessions.
    Session(identities::SessionArgs),
    /// Add, list and revoke operators: whoever may use the admin port.
    Operator(identities::OperatorArgs),
    /// Add, list, grant and revoke people: whoever approves writes.
    Person(people::PersonArgs),
    /// List, show, approve, deny and revert writes that wait for people.
    Approvals(approvals::ApprovalsArgs),
    /// Write policies: new, build, test, bench, inspect, case, dev; and try them: shadow.
    Plugin(plugin::PluginArgs),
    /// Follow, verify and export the ledger.
    Ledger(ledger::LedgerArgs),
    /// Write the mount file that an agent's recorded work needs.
    Suggest(suggest::SuggestArgs),
    /// Hold what mounts show against what is used of it.
    Review(review::ReviewArgs),
    /// Who is not served until a person lifts it: list, set, lift.
    Quarantine(quarantine::QuarantineArgs),
    /// Ask recorded requests again, of a candidate policy or mount: what would newly be granted.
    Replay(replay::ReplayArgs),
    /// Sign, publish, verify and take plugins.
    Trust(trust::TrustArgs),
}

impl Cli {
    /// Does it, with data on standard output.
    pub fn run(self) -> Exit {
        let output = Output::new(self.json);
        self.run_to(output)
    }

    /// Does it, with data to `output`.
    pub fn run_to(self, mut output: Output) -> Exit {
        let done = match self.command {
            Command::Init(args) => init::run(&args, &self.config, &mut output),
            Command::Demo(args) => crate::demo::run(&args),
            Command::Serve(args) => serve::run(&args, &self.config, &mut output),
            Command::Reload(args) => reload::run(&args, &self.config, &mut output),
            Command::Check(args) => check::run(&args, &self.config, &mut output),
            Command::Explain(args) => explain::run(&args, &self.config, &mut output),
            Command::Sql(args) => sql::run(args, &self.config, &mut output),
            Command::Backend(args) => backend::run(args, &self.config, &mut output),
            Command::Agent(args) => identities::agent(args, &self.config, &mut output),
            Command::Minter(args) => identities::minter(args, &self.config, &mut output),
            Command::Session(args) => identities::session(args, &self.config, &mut output),
            Command::Operator(args) => identities::operator(args, &self.config, &mut output),
            Command::Person(args) => people::run(args, &self.config, &mut output),
            Command::Approvals(args) => approvals::run(args, &self.config, &mut output),
            Command::Plugin(args) => plugin::run(args, &self.config, &mut output),
            Command::Ledger(args) => ledger::run(args, &self.config, &mut output),
            Command::Suggest(args) => suggest::run(&args, &self.config, &mut output),
            Command::Review(args) => review::run(&args, &self.config, &mut output),
            Command::Quarantine(args) => quarantine::run(&args, &self.config, &mut output),
            Command::Replay(args) => replay::run(&args, &self.config, &mut output),
            Command::Trust(args) => trust::run(args, &self.config, &mut output),
        };
        match done {
            Ok(exit) => exit,
            // `… | head` has seen enough.
            Err(error) if broken_pipe(&error) => Exit::Done,
            Err(error) => match error.downcast_ref::<Problems>() {
                Some(problems) => {
                    eprintln!("{problems}");
                    Exit::Misconfigured
                }
                None => {
                    eprintln!("error: {error:#}");
                    Exit::Failed
                }
            },
        }
    }
}

fn broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

/// Runs asynchronous work to its end.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

#[cfg(test)]
mod tests;
