//! `cargo xtask demo`: set-up, then `mountgate demo`, which makes the shop, serves it and gives the tour.

use std::{
    path::PathBuf,
    process::{Child, Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::{
    postgres::{self, Scratch},
    tools,
};

/// Where the shop is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// A SQLite file in the demo's folder.
    Sqlite,
    /// A scratch PostgreSQL that goes away with the demo.
    Postgres,
}

/// The demo.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where the demo keeps its files (default: `demo` here; made anew each time).
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// The port for agents; 0 for any.
    #[arg(long, value_name = "PORT", default_value_t = 7411)]
    data_port: u16,
    /// The port for operators; 0 for any.
    #[arg(long, value_name = "PORT", default_value_t = 7412)]
    admin_port: u16,
    /// End after the tour, non-zero if a step did not go as told.
    #[arg(long)]
    once: bool,
    /// The store behind the gateway.
    #[arg(long, value_enum, default_value = "sqlite")]
    backend: Backend,
}

/// Runs it.
pub(crate) fn run(demo: &Demo) -> Result<ExitCode> {
    let scratch = match demo.backend {
        Backend::Sqlite => None,
        Backend::Postgres => Some(Scratch::start(&postgres::ensure()?)?),
    };
    let binary = gateway()?;
    let mut command = demo.command(&binary, scratch.as_ref())?;
    let line = tools::by_hand(&command);
    let (interrupted, terminated) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    signal_hook::flag::register(SIGINT, Arc::clone(&interrupted))?;
    signal_hook::flag::register(SIGTERM, Arc::clone(&terminated))?;
    println!("── demo: {line}");
    let mut child = command.spawn().with_context(|| format!("can't run `{line}`"))?;
    let (mut since, mut asked) = (None, false);
    loop {
        if let Some(status) = child.try_wait()? {
            // Its PostgreSQL goes away only now.
            drop(scratch);
            let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
            return Ok(code.into());
        }
        let interrupted = interrupted.load(Ordering::Relaxed);
        if interrupted || terminated.load(Ordering::Relaxed) {
            let since = since.get_or_insert_with(Instant::now);
            // A terminal's interrupt reaches the demo too, and a second signal would end it in disorder.
            let grace = if interrupted { Duration::from_secs(15) } else { Duration::ZERO };
            if !asked && since.elapsed() >= grace {
                asked = true;
                terminate(&child);
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Demo {
    /// A demo in that folder, on any ports.
    pub(crate) fn quiet(dir: PathBuf, backend: Backend, once: bool) -> Self {
        Self { dir: Some(dir), data_port: 0, admin_port: 0, once, backend }
    }

    /// The gateway's own command for it.
    pub(crate) fn command(&self, binary: &PathBuf, scratch: Option<&Scratch>) -> Result<Command> {
        let mut command = Command::new(binary);
        let dir = self.dir.clone().map_or_else(|| Ok(tools::root()?.join("demo")), anyhow::Ok)?;
        command.arg("demo").arg("--dir").arg(dir);
        command.args(["--data-port", &self.data_port.to_string(), "--admin-port", &self.admin_port.to_string()]);
        if self.once {
            command.arg("--once");
        }
        if let Some(scratch) = scratch {
            // Trusts whoever connects from this machine, so there is no password in it.
            command.args(["--backend", "postgres", "--postgres-url", &scratch.url()]);
        }
        Ok(command)
    }
}

/// Asks a process to end.
pub(crate) fn terminate(child: &Child) {
    let asked = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    if !asked.is_ok_and(|status| status.success()) {
        eprintln!("process {} can't be asked to end: run `kill {}`", child.id(), child.id());
    }
}

/// Builds the gateway and says where it is.
pub(crate) fn gateway() -> Result<PathBuf> {
    tools::run("build", tools::cargo()?.args(["build", "--locked", "--package", "mountgate", "--bin", "mountgate"]))?;
    Ok(tools::target_dir()?.join("debug").join("mountgate"))
}
