//! The bundled policies as components: built, wrapped, and compared with those that are committed, so that a plain
//! `cargo build` needs no Wasm toolchain and nobody has to trust a binary that the sources don't make.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use wit_component::ComponentEncoder;

const TARGET: &str = "wasm32-unknown-unknown";
/// The bundled policies, and the tests' attacker, each with its folder.
const COMPONENTS: [(&str, &str); 3] =
    [("ceiling", "plugins/ceiling"), ("tiers", "plugins/tiers"), ("puppet", "tests/puppet")];
/// Those that have conformance cases.
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
    for (name, folder) in COMPONENTS {
        let built = toolchain.build(&root, name)?;
        let place = root.join(folder);
        let (component, stamp) = (place.join(format!("{name}.wasm")), place.join(format!("{name}.toolchain")));
        match what {
            Plugins::Build => {
                fs::write(&component, &built)?;
                fs::write(&stamp, format!("{version}\n"))?;
                println!("{folder}/{name}.wasm: {} bytes, by {version}", built.len());
            }
            Plugins::Check => {
                let committed = fs::read(&component).with_context(|| format!("reading {}", component.display()))?;
                anonymous(&committed, &root).with_context(|| format!("{folder}/{name}.wasm"))?;
                if fs::read_to_string(&stamp)?.trim() != version {
                    other_toolchain = true;
                    if !BUNDLED.contains(&name) {
                        println!("{folder}: made by another toolchain; the committed one is what the tests use");
                        continue;
                    }
                    let beside = env::temp_dir().join(format!("mountgate-{}-{name}.wasm", std::process::id()));
                    fs::write(&beside, &built)?;
                    conformance(&root, name, &beside)?;
                    fs::remove_file(&beside)?;
                    println!("{folder}: made by another toolchain; the one built here meets the same cases");
                } else if committed == built {
                    println!("{folder}/{name}.wasm: the sources make it, byte for byte");
                } else {
                    bail!(
                        "{folder}/{name}.wasm is not what the sources make ({} bytes committed, {} built): run `cargo xtask plugins build` and commit the result",
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
        // Every page of an instance's memory is looked at when it is thrown away: the linker's stack of 1 MiB would be most
        // of them. What overflows this one traps, since it lies below everything else.
        let mut flags = vec!["-Clink-arg=-zstack-size=131072".to_owned()];
        for (here, there) in renamed(root, self)? {
            flags.push(format!("--remap-path-prefix={}={there}", here.display()));
        }
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
        let component = componentise(&module).with_context(|| format!("wrapping {package} as a component"))?;
        anonymous(&component, root).with_context(|| format!("{package} as built here"))?;
        Ok(component)
    }
}

/// The folders whose names panic messages hold, and what stands for them in a component, so that its bytes do not
/// depend on where it was built.
fn renamed(root: &Path, toolchain: &Toolchain) -> Result<Vec<(PathBuf, &'static str)>> {
    // Where crates were unpacked has the registry's name in it: a mirror has another one than the registry itself.
    let metadata = cargo()
        .current_dir(root)
        .args(["metadata", "--locked", "--format-version=1", "--filter-platform", TARGET])
        .output()?;
    if !metadata.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&metadata.stderr).trim());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout)?;
    let packages = metadata.get("packages").and_then(serde_json::Value::as_array).context("no packages")?;
    let mut crates = BTreeSet::new();
    for package in packages.iter().filter(|package| package.get("source").is_some_and(|source| !source.is_null())) {
        let manifest = package.get("manifest_path").and_then(serde_json::Value::as_str).context("no manifest")?;
        // …/serde-1.0.0/Cargo.toml
        crates.extend(Path::new(manifest).parent().and_then(Path::parent).map(Path::to_owned));
    }
    // The standard library's sources, where they are there, or built from there.
    let rustc = match toolchain {
        Toolchain::Rustup => "rustc",
        Toolchain::Debian { .. } => "/usr/bin/rustc",
    };
    let library = PathBuf::from(output(rustc, &["--print", "sysroot"])?).join("lib/rustlib/src/rust");
    let library = [fs::canonicalize(&library).ok(), Some(library)].into_iter().flatten();
    // Of several that match the compiler takes the last: the outermost come first.
    let mut renamed: Vec<_> = crates.into_iter().map(|folder| (folder, "/crates")).collect();
    renamed.extend(library.map(|folder| (folder, "/rustc")));
    renamed.push((root.to_owned(), "/mountgate"));
    renamed.sort_by_key(|(folder, _)| folder.components().count());
    Ok(renamed)
}

/// Refuses a component that tells who built it: a folder of this machine, or the registry that its crates came from.
fn anonymous(component: &[u8], root: &Path) -> Result<()> {
    let mut own = vec![root.to_owned(), env::temp_dir()];
    own.extend(env::home_dir());
    own.extend(
        ["CARGO_HOME", "RUSTUP_HOME", "CARGO_TARGET_DIR"].into_iter().filter_map(env::var_os).map(PathBuf::from),
    );
    own.push(PathBuf::from(output("rustc", &["--print", "sysroot"])?));
    // A home that is `/` would be found in every path.
    let own =
        own.into_iter().filter(|folder| folder.components().count() > 1).map(|folder| format!("{}/", folder.display()));
    let anywhere = ["/home/", "/root/", "/Users/", ".cargo/", "registry/src/", "index."].map(str::to_owned);
    for told in own.chain(anywhere) {
        if let Some(at) = component.windows(told.len()).position(|window| window == told.as_bytes()) {
            let around = component.get(at.saturating_sub(20)..(at + 80).min(component.len())).unwrap_or_default();
            bail!("it holds a path of the machine that built it: `{}`", String::from_utf8_lossy(around).escape_debug());
        }
    }
    Ok(())
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
