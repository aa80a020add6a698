//! The servers of the bench, each in a process of its own that ends with its standard input.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
};

use anyhow::{Context as _, bail};
use mountgate::serve::{Overrides, Server};
use mountgate_driver::{PostgresConfig, SqliteConfig, Store, StoreConfig};
use mountgate_tests::floor;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::shop::Stored;

/// What a server tells of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ports {
    pub(crate) data: SocketAddr,
    pub(crate) token: Option<String>,
}

/// A server.
pub(crate) struct Child {
    pub(crate) ports: Ports,
    process: std::process::Child,
    _stdin: Option<ChildStdin>,
    _folder: tempfile::TempDir,
}

impl Child {
    pub(crate) fn start(role: &str, store: &Stored) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        configure(folder.path(), store)?;
        let mut process = Command::new(std::env::current_exe()?)
            .env("MOUNTGATE_BENCH_ROLE", role)
            .env("MOUNTGATE_BENCH_FOLDER", folder.path())
            .env("MOUNTGATE_BENCH_STORE", &store.place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = process.stdin.take();
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("no output")?).read_line(&mut line)?;
        let ports = serde_json::from_str(&line).with_context(|| format!("the {role} does not serve: `{line}`"))?;
        Ok(Self { ports, process, _stdin: stdin, _folder: folder })
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The child's side.
pub(crate) fn serve(role: &str) -> anyhow::Result<()> {
    // Whoever started it may be killed, and then nobody else ends it.
    std::thread::spawn(|| {
        let mut rest = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut rest);
        std::process::exit(0);
    });
    let folder = PathBuf::from(std::env::var_os("MOUNTGATE_BENCH_FOLDER").context("no folder")?);
    let place = std::env::var("MOUNTGATE_BENCH_STORE")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match role {
            "floor" => {
                let config = match place.strip_prefix("sqlite:") {
                    Some(path) => StoreConfig::Sqlite(SqliteConfig::new(path)),
                    None => StoreConfig::Postgres(
                        PostgresConfig::new(&place).map_err(|error| anyhow::anyhow!("{error:?}"))?,
                    ),
                };
                let store = Store::open(config).await.map_err(|error| anyhow::anyhow!("{error:?}"))?;
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                tell(&Ports { data: listener.local_addr()?, token: None })?;
                floor::serve(listener, store).await?;
            }
            "gateway" | "walled" => {
                if role == "walled" {
                    mountgate_tests::walls::provision(&folder.join("mountgate.toml")).await?;
                }
                let any = Overrides { data_port: Some(0), admin_port: Some(0), ..Overrides::default() };
                let server = Server::start(&folder.join("mountgate.toml"), any).await?;
                let token = server.gateway().identity().add_agent("bench", &[("role".into(), text("desk"))].into())?;
                tell(&Ports { data: server.data_address()?, token: Some(token.expose().to_owned()) })?;
                let (_send, reloads) = tokio::sync::mpsc::channel(1);
                server.run(reloads, std::future::pending()).await?;
            }
            other => bail!("no role `{other}`"),
        }
        Ok(())
    })
}

fn text(text: &str) -> mountgate_core::ClaimValue {
    mountgate_core::ClaimValue::Text(text.to_owned())
}

fn tell(ports: &Ports) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(ports)?);
    Ok(())
}

/// Two mounts alike, under `tiers`; in one of them a verdict may be kept.
fn configure(folder: &Path, store: &Stored) -> anyhow::Result<()> {
    std::fs::create_dir(folder.join("mounts"))?;
    let main = format!("[gate]\nrequests = \"1_000_000_000/minute\"\n\n[backends.bench]\n{}\n", store.section);
    std::fs::write(folder.join("mountgate.toml"), main)?;
    for (name, valid_for) in [("fresh", ""), ("cached", "valid_for = \"60s\"\n")] {
        let mount = format!(
            r#"name    = "{name}"
backend = "bench"
agents  = ["bench"]
policy  = "tiers"

[tables.orders]
columns = ["order_id", "customer_id", "status", "total_cents"]
filter  = "status <> 'deleted'"

[tables.big]
columns = ["id", "customer_id", "status", "note"]

[limits]
requests    = "1_000_000_000/minute"
rows        = "1_000_000_000_000/hour"
max_rows    = 2_000_000
max_bytes   = "10GB"
timeout     = "120s"
concurrency = 1_000

[[settings.tiers]]
when   = {{ role = "desk" }}
limits = {{ max_rows = 1_500_000 }}
{valid_for}
[settings.tiers.tables]
orders = {{}}
big    = {{}}
"#
        );
        std::fs::write(folder.join(format!("mounts/{name}.toml")), mount)?;
    }
    Ok(())
}
