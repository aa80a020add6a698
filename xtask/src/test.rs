//! `cargo xtask test`: set-up, then everything that can fail.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::{
    demo::{self, Backend, Demo},
    postgres::{self, Scratch},
    setup,
    soundness::Soundness,
    tools::{self, Counts},
};

/// The tests.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Only Rust tests, and of them only those whose names hold this.
    filter: Option<String>,
}

/// Runs it.
pub(crate) fn run(test: &Test) -> Result<()> {
    let scratch = Scratch::start(&postgres::ensure()?)?;
    let binary = demo::gateway()?;
    let mut totals = Totals::default();
    totals.take(rust(test.filter.as_deref(), &scratch, &binary)?);
    if test.filter.is_none() {
        let mut doc = tools::cargo()?;
        totals.take(tools::counted("doc tests", doc.args(["test", "--doc", "--workspace", "--locked"]))?);
        let python = setup::python_clients()?;
        for backend in [Backend::Sqlite, Backend::Postgres] {
            demonstrated(backend, &binary, &scratch, &python, &mut totals)?;
        }
        totals.take(languages(&binary)?);
        totals.take(interoperability()?);
        totals.take(tools::counted("soundness", &mut Soundness::bounded().command(Some(&scratch))?)?);
        totals.take(weakened(&scratch)?);
        totals.take(tools::counted("defences", &mut Soundness::of_defences().command(Some(&scratch))?)?);
    }
    let Counts { passed, failed, skipped } = totals.counts;
    for failure in &totals.failures {
        println!("{failure}");
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    ensure!(totals.failures.is_empty() && failed == 0, "not all tests passed");
    ensure!(passed > 0, "no test ran");
    Ok(())
}

#[derive(Default)]
struct Totals {
    counts: Counts,
    failures: Vec<String>,
}

impl Totals {
    fn take(&mut self, (counts, failure): (Counts, Option<String>)) {
        self.counts.add(counts);
        self.failures.extend(failure);
    }
}

/// Unit and end-to-end tests, by nextest where it is there: one process per test.
fn rust(filter: Option<&str>, scratch: &Scratch, binary: &Path) -> Result<(Counts, Option<String>)> {
    let mut cargo = tools::cargo()?;
    if tools::runs(tools::cargo()?.args(["nextest", "--version"])) {
        cargo.args(["nextest", "run", "--workspace", "--locked", "--no-fail-fast", "--status-level", "fail"]);
        cargo.args(["--final-status-level", "fail", "--success-output", "never"]);
    } else {
        cargo.args(["test", "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins", "--tests", "--quiet"]);
    }
    cargo.args(filter);
    cargo.env("MOUNTGATE_TEST_POSTGRES", scratch.url()).env("MOUNTGATE_TEST_BINARY", binary);
    tools::counted("tests", &mut cargo)
}

/// Policies in every language: `mountgate plugin build` says which toolchains it installs, and keeps them under `target/`.
fn languages(binary: &Path) -> Result<(Counts, Option<String>)> {
    let mut cargo = tools::cargo()?;
    cargo.args([
        "test",
        "--package",
        "mountgate",
        "--test",
        "languages",
        "--locked",
        "--",
        "--ignored",
        "--test-threads=1",
    ]);
    println!(
        "── languages: componentize-py (PyPI), componentize-js (npm), clang and WASI's C library (the system's packages), \
         where they are missing"
    );
    cargo.env("MOUNTGATE_TEST_BINARY", binary).env("MOUNTGATE_CACHE", tools::target_dir()?.join("xtask"));
    tools::counted("policies in every language", &mut cargo)
}

/// Signed repositories, held against the reference implementation of TUF.
fn interoperability() -> Result<(Counts, Option<String>)> {
    let mut cargo = tools::cargo()?;
    cargo.args(["test", "--package", "mountgate-trust", "--test", "interoperability", "--locked", "--", "--ignored"]);
    cargo.env("MOUNTGATE_TEST_TUF", setup::python_tuf()?);
    tools::counted("signed repositories and Python's TUF", &mut cargo)
}

/// In a build in which defences can be taken down: that the tests notice. The last, for it builds the crates above `core`
/// another way. One process per test or one test at a time: the switches are the process's.
fn weakened(scratch: &Scratch) -> Result<(Counts, Option<String>)> {
    let mut cargo = tools::cargo()?;
    cargo.args([
        "test",
        "--package",
        "mountgate-tests",
        "--test",
        "narrowing",
        "--test",
        "threats",
        "--test",
        "walls",
        "--test",
        "walls_fuzzed",
        "--locked",
        "--",
        "--test-threads=1",
    ]);
    tools::counted(
        "tests with defences down",
        cargo.env("MOUNTGATE_WEAKEN", "1").env("MOUNTGATE_TEST_POSTGRES", scratch.url()),
    )
}

/// The tour, then Python's clients against the demo that serves on.
fn demonstrated(backend: Backend, binary: &Path, scratch: &Scratch, python: &Path, totals: &mut Totals) -> Result<()> {
    let name = match backend {
        Backend::Sqlite => "sqlite",
        Backend::Postgres => "postgres",
    };
    let scratch = (backend == Backend::Postgres).then_some(scratch);
    let dir = tools::target_dir()?.join("xtask").join(format!("demo-{name}"));
    let mut tour = Demo::quiet(dir.clone(), backend, true).command(&binary.to_owned(), scratch)?;
    totals.take(tools::counted(&format!("demo ({name})"), &mut tour)?);

    let serving = Serving::start(Demo::quiet(dir, backend, false).command(&binary.to_owned(), scratch)?)?;
    for script in scripts()? {
        let what = script.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut command = Command::new(python);
        command.arg(&script).arg(&serving.description);
        command.current_dir(tools::root()?).env("PYTHONDONTWRITEBYTECODE", "1");
        totals.take(tools::counted(&format!("{what} ({name})"), &mut command)?);
    }
    serving.stop()
}

fn scripts() -> Result<Vec<PathBuf>> {
    let dir = tools::root()?.join("tests/python");
    let entries = fs::read_dir(&dir).with_context(|| format!("reading {}", dir.display()))?;
    let mut scripts = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "py"));
    scripts.sort();
    ensure!(!scripts.is_empty(), "{} holds no script", dir.display());
    Ok(scripts)
}

/// A demo that serves until it is stopped, or this value goes away.
struct Serving {
    child: std::process::Child,
    description: PathBuf,
    ended: bool,
}

impl Serving {
    /// How long the shop, the start and the tour may take.
    const WAIT: Duration = Duration::from_secs(180);

    fn start(mut command: Command) -> Result<Self> {
        let line = tools::by_hand(&command);
        let dir =
            command.get_args().skip_while(|argument| *argument != "--dir").nth(1).context("a demo without a folder")?;
        let description = Path::new(dir).join("demo.json");
        let log = Path::new(dir).with_extension("log");
        let _ = fs::remove_file(&description);
        let out = fs::File::create(&log).with_context(|| format!("writing {}", log.display()))?;
        println!("── serving: {line}");
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let mut serving =
            Self { child: command.spawn().with_context(|| format!("can't run `{line}`"))?, description, ended: false };
        let until = Instant::now() + Self::WAIT;
        while !serving.description.exists() {
            if let Some(status) = serving.child.try_wait()? {
                serving.ended = true;
                bail!("the demo ended ({status}): {}", fs::read_to_string(&log).unwrap_or_default());
            }
            ensure!(Instant::now() < until, "the demo does not serve; its log is {}", log.display());
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(serving)
    }

    fn stop(mut self) -> Result<()> {
        demo::terminate(&self.child);
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                self.ended = true;
                ensure!(status.success(), "the demo did not end in order: {status}");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("the demo does not end when it is asked to")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
