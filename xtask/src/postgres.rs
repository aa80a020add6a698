//! PostgreSQL for tests, demo and benches: finds or installs its programs, and runs a scratch cluster that goes away
//! with the value that stands for it.

use std::{
    ffi::OsStr,
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

/// Where the programs are.
#[derive(Clone, Debug)]
pub(crate) struct Binaries {
    /// The folder with `initdb`, `pg_ctl` and `postgres`.
    pub(crate) dir: PathBuf,
    /// The major version.
    pub(crate) version: u32,
}

/// The oldest version that the gateway is tested with.
const OLDEST: u32 = 13;

/// Finds PostgreSQL's programs, or installs them with apt-get where we may.
///
/// # Errors
/// With the command to run by hand, where they can't be installed from here.
pub(crate) fn ensure() -> anyhow::Result<Binaries> {
    if let Some(found) = find() {
        println!("postgres: version {} in {}", found.version, found.dir.display());
        return Ok(found);
    }
    const BY_HAND: &str = "install PostgreSQL's server by hand (Debian, Ubuntu: `sudo apt-get install -y postgresql`; \
                           Fedora: `sudo dnf install postgresql-server`; macOS: `brew install postgresql@17`) and run this again";
    if !is_root() || !runs("apt-get") {
        bail!("PostgreSQL is not installed, and can't be installed from here: {BY_HAND}");
    }
    println!(
        "postgres: not found; installing it with apt-get (`apt-get install -y --no-install-recommends postgresql`)"
    );
    let apt = |arguments: &[&str]| -> anyhow::Result<()> {
        let output = Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .output()
            .context("can't run apt-get")?;
        ensure!(
            output.status.success(),
            "`apt-get {}` failed: {BY_HAND}\n{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    };
    let install = ["install", "-y", "--no-install-recommends", "postgresql"];
    // The lists may be old or absent; fetching them is slow, so only where it is needed.
    if apt(&install).is_err() {
        apt(&["update"])?;
        apt(&install)?;
    }
    let found =
        find().with_context(|| format!("PostgreSQL was installed, but its programs can't be found: {BY_HAND}"))?;
    println!("postgres: installed version {} in {}", found.version, found.dir.display());
    Ok(found)
}

/// The newest in Debian's places, else what is on the PATH or where others put it.
fn find() -> Option<Binaries> {
    let mut dirs = Vec::new();
    for root in ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"] {
        let entries = fs::read_dir(root).into_iter().flatten().flatten();
        dirs.extend(entries.map(|entry| entry.path().join("bin")));
    }
    for root in fs::read_dir("/usr").into_iter().flatten().flatten() {
        // Red Hat's own packages: /usr/pgsql-17/bin.
        if root.file_name().to_string_lossy().starts_with("pgsql-") {
            dirs.push(root.path().join("bin"));
        }
    }
    dirs.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    dirs.into_iter()
        .filter(|dir| ["initdb", "pg_ctl", "postgres"].iter().all(|program| dir.join(program).is_file()))
        .filter_map(|dir| version(&dir).map(|version| Binaries { dir, version }))
        .filter(|found| found.version >= OLDEST)
        .max_by_key(|found| found.version)
}

fn version(dir: &Path) -> Option<u32> {
    let output = Command::new(dir.join("postgres")).arg("--version").output().ok()?;
    // `postgres (PostgreSQL) 15.14 (Debian 15.14-1)`, `17beta1`
    let text = String::from_utf8(output.stdout).ok()?;
    let number = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let major: String = number.chars().take_while(char::is_ascii_digit).collect();
    major.parse().ok()
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn runs(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// A cluster of its own on a free port of this machine, in a temporary folder. Stopped and removed when dropped.
///
/// It trusts whoever connects from this machine, and forgets what it holds with a crash: for tests only.
#[derive(Debug)]
pub(crate) struct Scratch {
    dir: PathBuf,
    bin: PathBuf,
    port: u16,
    as_user: Option<String>,
}

/// How long starting and stopping may take.
const WAIT: Duration = Duration::from_secs(60);

impl Scratch {
    /// Makes a cluster and starts it.
    ///
    /// # Errors
    /// With the server's own log, where it doesn't start.
    pub(crate) fn start(binaries: &Binaries) -> anyhow::Result<Self> {
        let dir = make_dir()?;
        // PostgreSQL refuses to run as root.
        let as_user = if is_root() { Some(unprivileged_user(&dir)?) } else { None };
        let mut scratch = Self { dir, bin: binaries.dir.clone(), port: 0, as_user };
        println!("postgres: a scratch cluster in {}", scratch.dir.display());
        scratch.run(
            "initdb",
            &[
                "--pgdata",
                &scratch.data(),
                "--username",
                "postgres",
                "--auth",
                "trust",
                "--encoding",
                "UTF8",
                "--locale",
                "C",
                "--no-sync",
                "--no-instructions",
            ],
        )?;
        // Another process may take a port between our look and the server's start.
        let mut last = None;
        for _ in 0..5 {
            scratch.port = free_port()?;
            match scratch.start_server() {
                Ok(()) => {
                    println!("postgres: listening on 127.0.0.1:{}", scratch.port);
                    return Ok(scratch);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("the scratch cluster did not start")))
    }

    /// Its URL, as its superuser.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn data(&self) -> String {
        self.dir.join("data").display().to_string()
    }

    fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    fn start_server(&self) -> anyhow::Result<()> {
        let settings = [
            ("port", self.port.to_string()),
            ("listen_addresses", "127.0.0.1".into()),
            // The default folder belongs to an installed server.
            ("unix_socket_directories", String::new()),
            ("fsync", "off".into()),
            ("synchronous_commit", "off".into()),
            ("full_page_writes", "off".into()),
            ("max_connections", "200".into()),
            ("shared_buffers", "64MB".into()),
        ];
        let options: Vec<String> = settings.iter().map(|(name, value)| format!("-c {name}='{value}'")).collect();
        let started = self.run(
            "pg_ctl",
            &[
                "start",
                "--pgdata",
                &self.data(),
                "--log",
                &self.log().display().to_string(),
                "--wait",
                "--timeout",
                &WAIT.as_secs().to_string(),
                "--options",
                &options.join(" "),
            ],
        );
        if let Err(error) = started {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            return Err(error.context(format!("the scratch cluster did not start; its log says:\n{log}")));
        }
        let until = Instant::now() + WAIT;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            ensure!(Instant::now() < until, "the scratch cluster started but does not listen on port {}", self.port);
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Runs one of PostgreSQL's programs, as another user where we are root.
    fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let program = self.bin.join(program);
        let mut command = match &self.as_user {
            None => Command::new(&program),
            Some(user) => {
                let mut command = Command::new("runuser");
                command.args([OsStr::new("-u"), OsStr::new(user), OsStr::new("--")]).arg(&program);
                command
            }
        };
        // The server that pg_ctl leaves behind would hold a pipe open, so output goes to a file.
        let out = self.dir.join("out");
        let file = fs::File::create(&out)?;
        let status = command
            .args(arguments)
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .status()
            .with_context(|| format!("can't run {}", program.display()))?;
        ensure!(
            status.success(),
            "`{} {}` failed ({status}):\n{}",
            program.display(),
            arguments.join(" "),
            fs::read_to_string(&out).unwrap_or_default()
        );
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.dir.join("data/postmaster.pid").exists() {
            let stop = [
                "stop",
                "--pgdata",
                &self.data(),
                "--mode",
                "immediate",
                "--wait",
                "--timeout",
                &WAIT.as_secs().to_string(),
            ];
            if let Err(error) = self.run("pg_ctl", &stop) {
                eprintln!("postgres: the scratch cluster in {} can't be stopped: {error:#}", self.dir.display());
                return;
            }
        }
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            eprintln!("postgres: {} can't be removed: {error}", self.dir.display());
        }
    }
}

fn make_dir() -> anyhow::Result<PathBuf> {
    let nanos = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    let dir = std::env::temp_dir().join(format!("mountgate-postgres-{}-{nanos}", std::process::id()));
    fs::create_dir(&dir).with_context(|| format!("can't make {}", dir.display()))?;
    Ok(dir)
}

/// The user that runs the server where we are root; the folder becomes its own.
fn unprivileged_user(dir: &Path) -> anyhow::Result<String> {
    for user in ["postgres", "nobody"] {
        let is_known = Command::new("id")
            .arg(user)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success());
        if is_known {
            let owned = Command::new("chown").arg(user).arg(dir).status().context("can't run chown")?;
            ensure!(owned.success(), "can't give {} to `{user}`", dir.display());
            return Ok(user.to_owned());
        }
    }
    bail!("PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody` to run it as")
}

fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}
