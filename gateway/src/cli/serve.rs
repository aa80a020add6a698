//! `mountgate serve`

use std::path::Path;

use clap::Args;

use super::{Exit, Output, block_on, output::say};
use crate::{
    config::MainFile,
    log,
    serve::{Overrides, Server, reloads_on_signal, shutdown_on_signal},
};

const EXAMPLES: &str = "\
Examples:
  mountgate serve
  mountgate serve --config /etc/mountgate/mountgate.toml
  mountgate serve --data-port 0 --admin-port 0 --json     any free ports; prints where they are

Changed files come into force by themselves, with `mountgate reload`, or on SIGHUP; where they are wrong, all of it is
logged and what was in force stays. SIGTERM and
SIGINT finish what is under way; a second one ends at once.
`MOUNTGATE_LOG=debug` stands over the configured level.";

/// Serve agents until told to stop.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ServeArgs {
    /// The data port, whatever the configuration says; 0 for any that is free.
    #[arg(long, value_name = "PORT")]
    data_port: Option<u16>,
    /// The admin port, whatever the configuration says; 0 for any that is free.
    #[arg(long, value_name = "PORT")]
    admin_port: Option<u16>,
}

pub(super) fn run(args: &ServeArgs, path: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let main = MainFile::load(path)?;
    log::begin(&main.log).map_err(anyhow::Error::msg)?;
    let overrides = Overrides { data_port: args.data_port, admin_port: args.admin_port, ..Overrides::default() };
    block_on(async {
        // Before anything is opened, so that a signal meanwhile is not lost.
        let (reloads, shutdown) = (reloads_on_signal()?, shutdown_on_signal()?);
        say("opening backends, compiling policies …");
        let server = Server::start(path, overrides).await?;
        let (data, admin) = (server.data_address()?, server.admin_address()?);
        if output.is_json() {
            output.data(&serde_json::json!({
                "data_url": format!("http://{data}"),
                "admin_url": format!("http://{admin}"),
                "mounts": server.config().mounts.keys().collect::<Vec<_>>(),
            }))?;
        } else {
            tell(&server, data, admin, output)?;
        }
        server.run(reloads, shutdown).await?;
        say("stopped");
        Ok(Exit::Done)
    })
}

fn tell(
    server: &Server,
    data: std::net::SocketAddr,
    admin: std::net::SocketAddr,
    output: &mut Output,
) -> anyhow::Result<()> {
    output.line(format!("agents     http://{data}   (MCP: http://{data}/mcp, API: http://{data}/openapi.json)"))?;
    output.line(format!("operators  http://{admin}   (/healthz, /readyz, /metrics)"))?;
    for mount in server.config().mounts.values() {
        let agents: Vec<&str> = mount.agents.iter().map(mountgate_core::AgentName::as_str).collect();
        output.line(format!("mount      {} on {} for {}", mount.name, mount.backend, agents.join(", ")))?;
    }
    let identity = server.gateway().identity();
    let live = identity.list_agents()?.iter().any(|agent| agent.revoked_ms.is_none());
    if !live {
        output.line("next: mountgate agent add NAME    (an agent that a mount names; prints its key)")?;
    } else if let Some(name) = server.config().mounts.keys().next() {
        output.line(format!(
            "next: curl http://{data}/v1/query -H \"Authorization: Bearer $KEY\" -H 'Content-Type: application/json' \\\n        -d '{{\"mount\": \"{name}\", \"sql\": \"SELECT …\"}}'"
        ))?;
    }
    if identity.list_operators()?.iter().all(|operator| operator.revoked_ms.is_some()) {
        output.line("      mountgate operator add NAME (for /metrics and the rest of the admin port)")?;
    }
    Ok(())
}
