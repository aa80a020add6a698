//! `mountgate plugin dev`: on every change, build, test, and reload into a demo gateway that the command starts.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context as _;

use super::{Exit, Output, test};
use crate::{
    cli::output::say,
    config::MAIN_FILE,
    plugin::{
        build::build,
        cases::{Case, Outcome, run as run_case},
        project::Project,
    },
};

/// How often the project's files are looked at.
const ROUND: Duration = Duration::from_millis(400);
/// How long the demo may take to be there, and a reload to be in force.
const PATIENCE: Duration = Duration::from_secs(60);

/// The mount that the policy decides for in the demo.
const MOUNT: &str = "\
# The policy in development decides for this mount. Edit it: it is watched like the policy itself.
name    = \"plugin-dev\"
backend = \"shop\"
agents  = [\"junior-bot\", \"senior-bot\"]   # the claims of `junior-bot` are role = \"junior\", region = \"north\"
policy  = \"POLICY\"
# settings = { … }

[tables.customers]
columns = [\"customer_id\", \"name\", \"email\", \"city\"]
masks   = { email = \"hash\" }
lend    = [\"region\"]

[tables.tickets]
columns = [\"ticket_id\", \"customer_id\", \"subject\", \"state\", \"region\"]

[tables.orders]
columns = [\"order_id\", \"customer_id\", \"status\", \"total_cents\"]
";

pub(super) fn run(
    project: &Project,
    data_port: u16,
    admin_port: u16,
    once: bool,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let mut exit = cycle(project, output)?;
    let demo = Demo::start(project, data_port, admin_port)?;
    demo.take_file(project)?;
    if exit == Exit::Done {
        exit = demo.reload()?;
        demo.invite(output)?;
    }
    if once {
        return Ok(exit);
    }
    let mut seen = watched(project, &demo);
    loop {
        std::thread::sleep(ROUND);
        let now = watched(project, &demo);
        if now == seen {
            continue;
        }
        seen = now;
        // A project's own file may have changed too.
        match Project::load(&project.folder) {
            Ok(project) => {
                if cycle(&project, output)? == Exit::Done {
                    demo.reload()?;
                }
            }
            Err(problems) => say(problems.to_string()),
        }
        say("watching for changes; Ctrl-C ends it");
    }
}

/// A demo gateway that takes the plugin from a repository, as any gateway would.
pub(super) fn signed(
    project: &Project,
    repository: &Path,
    data_port: u16,
    admin_port: u16,
    once: bool,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let repository = std::path::absolute(repository)?;
    let demo = Demo::start(project, data_port, admin_port)?;
    demo.take_signed(project, &repository)?;
    let exit = demo.reload()?;
    if exit != Exit::Done {
        return Ok(exit);
    }
    let state = demo.told()?.pointer("/signatures/state").and_then(|state| state.as_str().map(str::to_owned));
    anyhow::ensure!(state.as_deref() == Some("current"), "the demo gateway has no fresh signatures: {state:?}");
    say(format!("`{}` runs as it is signed in {}", project.name, repository.display()));
    demo.invite(output)?;
    if once {
        return Ok(exit);
    }
    loop {
        std::thread::sleep(ROUND);
        anyhow::ensure!(demo.told().is_ok(), "the demo gateway is gone: start `plugin dev` again");
    }
}

/// Builds and tests. What fails is told, and what runs in the demo stays.
fn cycle(project: &Project, output: &mut Output) -> anyhow::Result<Exit> {
    let cases = match Case::load_dir(&project.cases()) {
        Ok(cases) => cases,
        Err(problems) => {
            say(problems.to_string());
            return Ok(Exit::Failed);
        }
    };
    say("building …");
    let built = match build(project, &|text| say(text)) {
        Ok(built) => built,
        Err(error) => {
            say(format!("{error:#}"));
            return Ok(Exit::Failed);
        }
    };
    say(format!("built in {:.1} s", built.took.as_secs_f64()));
    let outcomes: Vec<Outcome> = cases.iter().map(|case| run_case(case, &built.plugin)).collect();
    test::tell(&outcomes, output)
}

/// The demo gateway, until this value is dropped.
struct Demo {
    gateway: Child,
    folder: PathBuf,
    description: serde_json::Value,
}

/// How the demo's reloads went.
struct Reloads {
    /// The generation in force.
    generation: u64,
    /// When one last went well, in milliseconds since 1970-01-01T00:00Z.
    succeeded_ms: u64,
    /// When the last one failed; 0 where it did not.
    failed_ms: u64,
}

impl Demo {
    fn start(project: &Project, data_port: u16, admin_port: u16) -> anyhow::Result<Self> {
        let folder = std::path::absolute(project.folder.join("build").join("demo"))?;
        say("starting a demo gateway …");
        let mut command = Command::new(std::env::current_exe().context("this program does not know where it is")?);
        command
            .arg("demo")
            .arg("--dir")
            .arg(&folder)
            .args(["--data-port", &data_port.to_string(), "--admin-port", &admin_port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let mut gateway = command.spawn().context("the demo gateway can't be started")?;
        let described = folder.join("demo.json");
        let begun = Instant::now();
        // A file of an earlier demo is gone once this one has its folder.
        let old = modified(&described);
        let description = loop {
            if let Some(status) = gateway.try_wait()? {
                anyhow::bail!(
                    "the demo gateway did not start ({status}); is a port taken? Choose others with `--data-port` and `--admin-port`"
                );
            }
            let text = fs::read_to_string(&described).ok().filter(|_| modified(&described) != old || old.is_none());
            if let Some(description) = text.and_then(|text| serde_json::from_str(&text).ok()) {
                break description;
            }
            if begun.elapsed() > PATIENCE {
                let _ = gateway.kill();
                anyhow::bail!("the demo gateway is not there after {} s", PATIENCE.as_secs());
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        Ok(Self { gateway, folder, description })
    }

    /// Has the gateway take the project's build, unsigned.
    fn take_file(&self, project: &Project) -> anyhow::Result<()> {
        let main = self.folder.join(MAIN_FILE);
        let text = fs::read_to_string(&main)?;
        let declared = format!(
            "{text}\n[plugins_development]\nallow_unsigned_plugins = true   # for development alone\n\n[plugins.\"{}\"]\npath = {}\n",
            project.name,
            crate::plugin::notation::text(&std::path::absolute(project.component())?.display().to_string()),
        );
        fs::write(&main, declared)?;
        fs::write(self.mount(), MOUNT.replace("POLICY", project.name.as_str()))?;
        Ok(())
    }

    /// Has the gateway trust that repository, instead of the demo's own; what was signed there is bundled, too.
    fn take_signed(&self, project: &Project, repository: &Path) -> anyhow::Result<()> {
        let main = self.folder.join(MAIN_FILE);
        let text = fs::read_to_string(&main)?;
        let path = |path: &Path| crate::plugin::notation::text(&path.display().to_string());
        let (before, _) = text.split_once("[trust]\n").context("the demo's configuration has no `[trust]`")?;
        let declared = format!(
            "{before}[trust]\nrepository = {}\nroot = {}\nrefresh = \"1s\"\n",
            path(repository),
            path(&repository.join("metadata").join("1.root.json")),
        );
        fs::write(&main, declared)?;
        let backoffice = self.folder.join("mounts").join("backoffice.toml");
        fs::write(&backoffice, fs::read_to_string(&backoffice)?.replace("\"demo/tiers\"", "\"tiers\""))?;
        // The store is begun with another root.
        let _ = fs::remove_dir_all(self.folder.join("state").join("trust"));
        fs::write(self.mount(), MOUNT.replace("POLICY", project.name.as_str()))?;
        Ok(())
    }

    fn mount(&self) -> PathBuf {
        self.folder.join("mounts").join("plugin-dev.toml")
    }

    /// Has the gateway read its files again, and waits until they are in force.
    fn reload(&self) -> anyhow::Result<Exit> {
        let before = self.health()?;
        let hangup = Command::new("kill").args(["-HUP", &self.gateway.id().to_string()]).status();
        anyhow::ensure!(
            hangup.is_ok_and(|status| status.success()),
            "the demo gateway is gone: start `plugin dev` again"
        );
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(50));
            let now = self.health()?;
            // It may have taken the files by itself already, and then found nothing to do.
            if now.succeeded_ms > before.succeeded_ms {
                say(format!("reloaded: generation {} is in force", now.generation));
                return Ok(Exit::Done);
            }
            if now.failed_ms > before.failed_ms {
                break;
            }
        }
        say("the gateway did not take it, and what was in force stays:");
        let mut check = Command::new(std::env::current_exe()?);
        check.arg("check").arg("--config").arg(self.folder.join(MAIN_FILE)).status()?;
        Ok(Exit::Failed)
    }

    /// How its reloads went.
    fn health(&self) -> anyhow::Result<Reloads> {
        let health = self.told()?;
        let number = |at: &str| health.pointer(at).and_then(serde_json::Value::as_u64).unwrap_or(0);
        Ok(Reloads {
            generation: number("/generation"),
            succeeded_ms: number("/reload/last_success_ms"),
            failed_ms: number("/reload/failed/time_ms"),
        })
    }

    /// What it tells of its health.
    fn told(&self) -> anyhow::Result<serde_json::Value> {
        let url = self.description.get("admin_url").and_then(serde_json::Value::as_str).unwrap_or_default();
        let address: SocketAddr =
            url.trim_start_matches("http://").parse().context("the demo says no admin address")?;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        let from = body.find('{').unwrap_or(0);
        let to = body.rfind('}').map_or(from, |at| at + 1);
        serde_json::from_str(body.get(from..to).unwrap_or_default()).context("the demo's health is not told")
    }

    /// How to ask.
    fn invite(&self, output: &mut Output) -> anyhow::Result<()> {
        let text = |value: Option<&serde_json::Value>| {
            value.and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
        };
        let data = text(self.description.get("data_url"));
        let token = text(self.description.pointer("/agents/junior-bot/token"));
        if output.is_json() {
            output.data(&serde_json::json!({
                "data_url": data, "token": token, "mount": "plugin-dev", "config": self.folder.join(MAIN_FILE),
            }))?;
            return Ok(());
        }
        output.line(format!(
            "\nask it, as `junior-bot`:\n\n  curl -s {data}/v1/query -H 'Authorization: Bearer {token}' \\\n    -H 'Content-Type: application/json' \\\n    -d '{{\"mount\":\"plugin-dev\",\"sql\":\"SELECT name, city FROM customers LIMIT 3\"}}'\n\nits mount is {}",
            self.mount().display()
        ))?;
        say("watching for changes; Ctrl-C ends it");
        Ok(())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.gateway.kill();
        let _ = self.gateway.wait();
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}

/// When each file of the project, and the demo's mount, was last changed. What is built is left out.
fn watched(project: &Project, demo: &Demo) -> BTreeMap<PathBuf, SystemTime> {
    let mut seen = BTreeMap::new();
    collect(&project.folder, &mut seen, 0);
    if let Some(at) = modified(&demo.mount()) {
        seen.insert(demo.mount(), at);
    }
    seen
}

fn collect(folder: &Path, into: &mut BTreeMap<PathBuf, SystemTime>, depth: usize) {
    const LEFT_OUT: [&str; 4] = ["build", "target", "node_modules", "__pycache__"];
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // Editors' own files come and go; `Cargo.lock` is written by the build.
        if name.starts_with('.') || name.ends_with('~') || name == "Cargo.lock" {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => {
                if depth < 8 && !LEFT_OUT.contains(&name.as_ref()) {
                    collect(&entry.path(), into, depth + 1);
                }
            }
            _ => {
                if let Some(at) = modified(&entry.path()) {
                    into.insert(entry.path(), at);
                }
            }
        }
    }
}
