//! The bundled policies as components: built, wrapped, and compared with those that are committed, so that a plain
//! `cargo build` needs no Wasm toolchain and nobody has to trust a binary that the sources don't make.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use wit_component::ComponentEncoder;

const TARGET: &str = "wasm32-unknown-unknown";
const BUNDLED: [&str; 2] = ["ceiling", "tiers"];

/// What to do with the bundled policies.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Plugins {
    /// Build the components and put them in place of the committed ones.
    Build,
    /// Build the components and compare: bytes where the toolchain is the one that made the committed ones,
    /// conformance cases where not.
    Check,
}

/// Runs it.
pub(crate) fn run(what: Plugins) -> Result<()> {
    let root = root()?;
    let toolchain = Toolchain::set_up()?;
    let version = toolchain.version()?;
    let mut other_toolchain = false;
    for name in BUNDLED {
        let built = toolchain.build(&root, name)?;
        let place = root.join("plugins").join(name);
        let (component, stamp) = (place.join(format!("{name}.wasm")), place.join(format!("{name}.toolchain")));
        match what {
            Plugins::Build => {
                fs::write(&component, &built)?;
                fs::write(&stamp, format!("{version}\n"))?;
                println!("plugins/{name}/{name}.wasm: {} bytes, by {version}", built.len());
            }
            Plugins::Check => {
                let committed = fs::read(&component).with_context(|| format!("reading {}", component.display()))?;
                if fs::read_to_string(&stamp)?.trim() != version {
                    other_toolchain = true;
                    let beside = env::temp_dir().join(format!("mountgate-{}-{name}.wasm", std::process::id()));
                    fs::write(&beside, &built)?;
                    conformance(&root, name, &beside)?;
                    fs::remove_file(&beside)?;
                    println!("plugins/{name}: made by another toolchain; the one built here meets the same cases");
                } else if committed == built {
                    println!("plugins/{name}/{name}.wasm: the sources make it, byte for byte");
                } else {
                    bail!(
                        "plugins/{name}/{name}.wasm is not what the sources make ({} bytes committed, {} built): run `cargo xtask plugins build` and commit the result",
                        committed.len(),
                        built.len()
                    );
                }
            }
        }
    }
    if other_toolchain {
        println!("the committed components meet the conformance cases in `cargo test -p mountgate-policy`");
    }
    Ok(())
}

/// The conformance cases, with one component replaced by the one just built.
fn conformance(root: &Path, name: &str, component: &Path) -> Result<()> {
    let status = cargo()
        .current_dir(root)
        .env(format!("MOUNTGATE_CONFORMANCE_{}", name.to_uppercase()), component)
        .args(["test", "--quiet", "--package", "mountgate-policy", "--test", "conformance"])
        .status()?;
    if !status.success() {
        bail!("plugins/{name}, as built here, does not meet the conformance cases");
    }
    Ok(())
}

fn root() -> Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(manifest.parent().context("xtask has no folder above it")?.to_owned())
}

fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Where a compiler for Wasm comes from.
enum Toolchain {
    /// rustup's, with the target added.
    Rustup,
    /// Debian's compiler for the web, which builds its own standard library; the linker is rustup's.
    Debian { linker: PathBuf },
}

impl Toolchain {
    fn set_up() -> Result<Self> {
        // Asked for offline first: where the target is there, nothing needs the network.
        if target_installed() {
            return Ok(Self::Rustup);
        }
        println!("adding the target {TARGET}");
        let added = Command::new("rustup").args(["target", "add", TARGET]).status();
        if added.is_ok_and(|status| status.success()) && target_installed() {
            return Ok(Self::Rustup);
        }
        println!("rustup has no {TARGET} to give; taking Debian's compiler for the web");
        let installed = Command::new("apt-get")
            .args(["install", "--yes", "--quiet", "rustc-web", "cargo-web", "rust-web-src"])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .status();
        if !installed.is_ok_and(|status| status.success()) {
            bail!(
                "no compiler for {TARGET}: `rustup target add {TARGET}` and `apt-get install rustc-web cargo-web rust-web-src` both failed"
            );
        }
        let sysroot = PathBuf::from(output("rustc", &["--print", "sysroot"])?);
        let host = host()?;
        let linker = sysroot.join("lib/rustlib").join(host).join("bin/rust-lld");
        if !linker.exists() {
            bail!("{} is missing: the fallback links with rustup's own linker", linker.display());
        }
        Ok(Self::Debian { linker })
    }

    /// The compiler's full version: what decides whether bytes can be compared.
    fn version(&self) -> Result<String> {
        match self {
            Self::Rustup => output("rustc", &["--version"]),
            Self::Debian { .. } => Ok(format!("{} (Debian)", output("/usr/bin/rustc", &["--version"])?)),
        }
    }

    fn build(&self, root: &Path, name: &str) -> Result<Vec<u8>> {
        let package = format!("mountgate-plugin-{name}");
        let target_dir = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        // Panic messages hold source paths: those of this machine must not end up in the component.
        let cargo_home = env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
            .context("neither CARGO_HOME nor HOME is set")?;
        let mut flags = vec![
            format!("--remap-path-prefix={}=/cargo", cargo_home.display()),
            format!("--remap-path-prefix={}=/mountgate", root.display()),
        ];
        let mut command = match self {
            Self::Rustup => cargo(),
            Self::Debian { linker } => {
                flags.push(format!("-Clinker={}", linker.display()));
                let mut command = Command::new("/usr/bin/cargo");
                command
                    .env("RUSTC", "/usr/bin/rustc")
                    .env("RUSTC_BOOTSTRAP", "1")
                    .args(["-Zbuild-std=std,panic_abort", "--ignore-rust-version"]);
                command
            }
        };
        // A crate of its own per flag set would be built again by every plain `cargo build`: the flags are Wasm's only.
        let status = command
            .current_dir(root)
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags.join(" "))
            .env("CARGO_TARGET_DIR", &target_dir)
            .args(["build", "--quiet", "--locked", "--profile", "plugin", "--target", TARGET, "--lib"])
            .args(["--package", &package])
            .status()?;
        if !status.success() {
            bail!("building {package} for {TARGET} failed");
        }
        let module = target_dir.join(TARGET).join("plugin").join(format!("{}.wasm", package.replace('-', "_")));
        let module = fs::read(&module).with_context(|| format!("reading {}", module.display()))?;
        componentise(&module).with_context(|| format!("wrapping {package} as a component"))
    }
}

/// Wraps a core module, with the contract that its bindings left in it, as a component.
fn componentise(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default().module(module)?.validate(true).encode()
}

fn target_installed() -> bool {
    let Ok(sysroot) = output("rustc", &["--print", "sysroot"]) else { return false };
    Path::new(&sysroot).join("lib/rustlib").join(TARGET).join("lib").is_dir()
}

fn host() -> Result<String> {
    let verbose = output("rustc", &["--version", "--verbose"])?;
    let host = verbose.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say its host")?.to_owned())
}

fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| format!("running {program}"))?;
    if !output.status.success() {
        bail!("{program} {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
