//! `mountgate reload`

use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use serde_json::Value as Json;

use super::{Exit, Output};
use crate::{config::MainFile, http};

const EXAMPLES: &str = "\
Examples:
  export MOUNTGATE_OPERATOR_TOKEN=$(mountgate operator add alice)
  mountgate reload
  mountgate reload --json | jq .changed
  mountgate reload --admin 127.0.0.1:7412 --token-file /run/secrets/operator

Has a running gateway read its files again: `mountgate.toml`, `mounts/`, plugins. All of it comes into force at once, or
none of it: what was in force then stays, and what is wrong is told. Ends with 3 where something is wrong. A gateway
also takes changed files by itself, and SIGHUP.";

/// Have a running gateway read its files again.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReloadArgs {
    #[command(flatten)]
    admin: Admin,
}

/// The admin port of a running gateway, and an operator's token for it.
#[derive(Debug, Args)]
pub(super) struct Admin {
    /// Where the admin port is; what the configuration says where it is left out.
    #[arg(long = "admin", value_name = "HOST:PORT")]
    address: Option<String>,
    /// A file with an operator's token; without it the token is in MOUNTGATE_OPERATOR_TOKEN.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Admin {
    /// Posts JSON, and gives status and answer.
    pub(super) fn post(&self, config: &Path, path: &str, body: &Json) -> anyhow::Result<(u16, Json)> {
        let address = self.address(config)?;
        let answer = http::post(address, path, &self.token()?, body).with_context(|| {
            format!("no gateway answers at {address}: `mountgate serve` starts one, `--admin` says where it is")
        })?;
        if answer.status == 401 {
            anyhow::bail!("the token is no operator's: `mountgate operator add NAME` prints one");
        }
        Ok((answer.status, answer.body))
    }

    /// Whether a token is given at all.
    pub(super) fn has_token(&self) -> bool {
        self.token_file.is_some() || std::env::var_os("MOUNTGATE_OPERATOR_TOKEN").is_some()
    }

    fn address(&self, config: &Path) -> anyhow::Result<SocketAddr> {
        address(self.address.as_deref(), config)
    }

    fn token(&self) -> anyhow::Result<String> {
        let hint = "the admin port wants an operator's token: `export MOUNTGATE_OPERATOR_TOKEN=$(mountgate operator add NAME)`, or `--token-file FILE`";
        token(self.token_file.as_deref(), "MOUNTGATE_OPERATOR_TOKEN", hint)
    }
}

/// Where the admin port is: as said, or what the configuration says.
pub(super) fn address(said: Option<&str>, config: &Path) -> anyhow::Result<SocketAddr> {
    let Some(text) = said else { return Ok(MainFile::load(config)?.server.admin) };
    let found = text.to_socket_addrs().ok().and_then(|mut all| all.next());
    found.with_context(|| format!("`{text}` is no address: write one like `127.0.0.1:7412`"))
}

/// A token from a file, or from the environment; `hint` where there is none.
pub(super) fn token(file: Option<&Path>, variable: &str, hint: &str) -> anyhow::Result<String> {
    let token = match file {
        Some(path) => std::fs::read_to_string(path)
            .with_context(|| format!("the token file `{}` cannot be read", path.display()))?,
        None => std::env::var(variable).unwrap_or_default(),
    };
    let token = token.trim();
    // In a header, so nothing that could begin another line.
    anyhow::ensure!(!token.is_empty() && token.chars().all(|c| c.is_ascii_graphic()), "{hint}");
    Ok(token.to_owned())
}

pub(super) fn run(args: &ReloadArgs, config: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let (status, ended) = args.admin.post(config, "/v1/admin/reload", &Json::Null)?;
    let text = |key: &str| ended.get(key).and_then(Json::as_str).unwrap_or_default();
    let generation = ended.get("generation").and_then(Json::as_u64).unwrap_or_default();
    let exit = match text("result") {
        "swapped" | "unchanged" => Exit::Done,
        "failed" => Exit::Misconfigured,
        _ => anyhow::bail!("the gateway answered {status}: {ended}"),
    };
    if output.is_json() {
        output.data(&ended)?;
        return Ok(exit);
    }
    match text("result") {
        "unchanged" => {
            output.line(format!("nothing is different: generation {generation} stays in force"))?;
            warn(&ended, output)?;
        }
        "swapped" => {
            output.line(format!("generation {generation} is in force"))?;
            for (what, key) in [("new", "added"), ("gone", "removed"), ("changed", "changed"), ("policies", "policies")]
            {
                let names = ended.pointer(&format!("/changed/{key}")).and_then(Json::as_array);
                let names: Vec<&str> = names.into_iter().flatten().filter_map(Json::as_str).collect();
                if !names.is_empty() {
                    output.line(format!("{what:<9} {}", names.join(", ")))?;
                }
            }
            warn(&ended, output)?;
        }
        _ => {
            output.line(format!("it failed at `{}`, and generation {generation} stays in force", text("step")))?;
            output.line(text("message"))?;
            let details = ended.get("details").and_then(Json::as_array);
            for detail in
                details.into_iter().flatten().filter_map(Json::as_str).filter(|text| *text != self::message(&ended))
            {
                output.line(detail)?;
            }
        }
    }
    Ok(exit)
}

fn warn(ended: &Json, output: &mut Output) -> anyhow::Result<()> {
    for warning in ended.get("warnings").and_then(Json::as_array).into_iter().flatten() {
        output.line(format!("warning: {}", warning.as_str().unwrap_or_default()))?;
    }
    Ok(())
}

fn message(ended: &Json) -> &str {
    ended.get("message").and_then(Json::as_str).unwrap_or_default()
}
