//! `mountgate sql`

use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};
use mountgate_sql::{Dialect, allow};
use serde::Serialize;

use super::{Exit, Output};
use crate::config::{BackendConfig, Config, StoreSection};

const EXAMPLES: &str = "\
Examples:
  mountgate sql allowed sqlite
  mountgate sql allowed --backend shop            with what `[backends.shop.allow]` adds
  mountgate sql allowed postgres --json | jq '.[] | select(.kind == \"operator\") | .name'

Whatever is not on the list is refused by name.";

/// What statements may use.
#[derive(Debug, Args)]
pub struct SqlArgs {
    #[command(subcommand)]
    command: SqlCommand,
}

#[derive(Debug, Subcommand)]
enum SqlCommand {
    /// List functions, operators and types that statements may use, each with why it is safe.
    #[command(after_help = EXAMPLES)]
    Allowed {
        /// The dialect.
        #[arg(value_enum, required_unless_present = "backend", conflicts_with = "backend")]
        dialect: Option<Named>,
        /// A backend of the configuration: its dialect, and what is added to the lists there.
        #[arg(long, value_name = "NAME")]
        backend: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Named {
    Sqlite,
    Postgres,
}

/// An entry of the lists.
#[derive(Debug, Serialize)]
struct Allowed {
    /// `function`, `aggregate`, `window function`, `function in FROM`, `operator`, `type`.
    kind: &'static str,
    name: String,
    /// Why it is safe; or that an operator's configuration adds it, at the operator's risk.
    reason: &'static str,
}

/// Why what a configuration adds is there.
const ADDED: &str = "added by `[backends.NAME.allow]`, at the operator's risk: relations are fenced from it";

pub(super) fn run(args: SqlArgs, config: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let SqlCommand::Allowed { dialect, backend } = args.command;
    let mut list = Vec::new();
    let dialect = match (dialect, backend) {
        (Some(Named::Sqlite), _) => Dialect::Sqlite,
        (Some(Named::Postgres), _) => Dialect::Postgres,
        (None, name) => {
            let config = Config::load(config)?;
            let name = name.unwrap_or_default();
            let known = || config.main.backends.keys().map(|name| name.to_string()).collect::<Vec<_>>().join(", ");
            let found = config.main.backends.iter().find(|(known, _)| known.as_str() == name);
            let (_, backend) =
                found.ok_or_else(|| anyhow::anyhow!("there is no backend `{name}`; there are: {}", known()))?;
            list.extend(added(backend));
            match backend.store {
                StoreSection::Sqlite(_) => Dialect::Sqlite,
                StoreSection::Postgres(_) => Dialect::Postgres,
            }
        }
    };
    list.extend(allow::entries(dialect).map(|(kind, name, reason)| Allowed { kind, name: name.to_owned(), reason }));
    if output.is_json() {
        output.data(&list)?;
    } else {
        let rows: Vec<Vec<String>> =
            list.into_iter().map(|entry| vec![entry.kind.to_owned(), entry.name, entry.reason.to_owned()]).collect();
        output.table(&["kind", "name", "why it is safe"], &rows)?;
    }
    Ok(Exit::Done)
}

fn added(backend: &BackendConfig) -> impl Iterator<Item = Allowed> {
    backend.extras.iter().map(|extra| Allowed { kind: extra.kind(), name: extra.shown(), reason: ADDED })
}
