//! `mountgate backend`: the walls of PostgreSQL backends.

use std::path::Path;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use mountgate_backend::{
    Backend,
    wall::postgres::{Finding, PostgresWall, Secrets, Standing},
};
use mountgate_core::BackendName;
use mountgate_driver::{PostgresAdmin, PostgresConfig};
use serde::Serialize;

use super::{Exit, Output, block_on, output::say};
use crate::{
    compose::wall::{Walls, walls},
    config::Config,
    keys::Keys,
};

/// Build and check the walls of backends.
#[derive(Debug, Args)]
pub struct BackendArgs {
    #[command(subcommand)]
    command: BackendCommand,
}

#[derive(Debug, Subcommand)]
enum BackendCommand {
    /// Build the walls of a PostgreSQL backend's mounts, print how, or take them down.
    #[command(after_help = "\
Examples:
  mountgate backend provision shop --print              the statements, secrets as variables of psql
  mountgate backend provision shop --print --secrets    the statements as they are run, keys and all
  MOUNTGATE_PROVISION_URL=postgres://admin:…@db/shop \\
      mountgate backend provision shop --apply          build them, or build them anew
  mountgate backend provision shop --drop               take them down

For each mount: two roles, two schemas, and a view for each table of the mount's file. All in one transaction; run again
whenever a mount's file has changed. Passwords and keys are derived from the gateway's master key: there is nothing
to configure. Whoever provisions must own the tables (or be a superuser), and may create roles and schemas. Without a
URL it is the backend's own login.")]
    #[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["print", "apply", "drop"]))]
    Provision {
        /// The backend, as the main file names it.
        name: String,
        /// Print the statements and run nothing.
        #[arg(long, conflicts_with = "apply")]
        print: bool,
        /// Run them.
        #[arg(long)]
        apply: bool,
        /// Take the walls down.
        #[arg(long, conflicts_with = "apply")]
        drop: bool,
        /// Print keys and password verifiers as they are.
        #[arg(long, requires = "print", conflicts_with = "drop")]
        secrets: bool,
        /// Whom to provision as; a password belongs into the variable, not on the command line.
        #[arg(long, env = "MOUNTGATE_PROVISION_URL", hide_env_values = true, value_name = "URL")]
        url: Option<String>,
    },
    /// Compare what is provisioned with the mounts, and say what has drifted.
    #[command(after_help = "\
Examples:
  mountgate backend check shop
  mountgate backend check shop --strict     remarks count, too
  mountgate backend check shop --json | jq '.mounts[].findings[].text'

It looks at roles, memberships, schemas, views, the function that checks seals, and everything else that the mounts'
logins may read, call, own or create; and it logs in as each. Ends with 3 where a wall is missing or not as it should be.")]
    Check {
        /// The backend, as the main file names it.
        name: String,
        /// Count remarks: what every role of the database may do.
        #[arg(long)]
        strict: bool,
    },
}

/// How a mount's wall stands.
#[derive(Debug, Serialize)]
struct MountStanding {
    mount: String,
    login: String,
    schema: String,
    standing: &'static str,
    findings: Vec<MountFinding>,
}

#[derive(Debug, Serialize)]
struct MountFinding {
    breach: bool,
    text: String,
}

#[derive(Debug, Serialize)]
struct Checked {
    ok: bool,
    mounts: Vec<MountStanding>,
}

pub(super) fn run(args: BackendArgs, path: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let config = Config::load(path)?;
    match args.command {
        BackendCommand::Provision { name, print, drop, secrets, url, apply: _ } => {
            // The keys of a wall that is built must still be there at the next start.
            let keys = if print { Keys::peek(&config.main)? } else { Keys::open(&config.main)? };
            if print && secrets && !config.main.server.state.join("master.key").exists() && config.main.master.is_none()
            {
                bail!(
                    "there is no master key yet, so there are no secrets to print: `mountgate backend provision {name} --apply` makes one"
                );
            }
            block_on(provision(&config, &keys, &name.as_str().into(), print, drop, secrets, url.as_deref(), output))
        }
        BackendCommand::Check { name, strict } => {
            let keys = Keys::peek(&config.main)?;
            block_on(check(&config, &keys, &name.as_str().into(), strict, output))
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "they are the command's")]
async fn provision(
    config: &Config,
    keys: &Keys,
    name: &BackendName,
    print: bool,
    drop: bool,
    secrets: bool,
    url: Option<&str>,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let Some(asked) = walls(config, keys, name).await? else {
        bail!("backend `{name}` is a SQLite file: its wall is the gateway's own, and there is nothing to provision");
    };
    let Walls { database, walls } = &asked;
    if walls.is_empty() {
        bail!("no mount opens onto backend `{name}`");
    }
    let script = |secrets: Secrets| -> String {
        walls
            .iter()
            .map(|wall| if drop { wall.drop_script() } else { wall.provision(secrets) })
            .collect::<Vec<_>>()
            .join("\n")
    };
    if print {
        let script = script(if secrets { Secrets::Written } else { Secrets::Named });
        output.line(format!("BEGIN;\n{script}COMMIT;"))?;
        return Ok(Exit::Done);
    }
    let admin = match url {
        Some(url) => PostgresConfig::new(url).map_err(|error| anyhow::anyhow!(error.detail))?,
        None => database.clone(),
    };
    if admin.database() != database.database() {
        bail!(
            "the URL is of database `{}`, and backend `{name}` is database `{}`",
            admin.database(),
            database.database()
        );
    }
    let admin = PostgresAdmin::connect(&admin).await.map_err(|error| anyhow::anyhow!(error.detail))?;
    let done = if drop { admin.run(&script(Secrets::Written)).await } else { asked.build(&admin).await };
    done.map_err(|error| anyhow::anyhow!(error.detail)).context("nothing was changed")?;
    if drop {
        say(format!("the walls of {} mounts are taken down", walls.len()));
        return Ok(Exit::Done);
    }
    let mounts = standing(name, database, walls, &admin).await?;
    tell(mounts, false, output)
}

async fn check(
    config: &Config,
    keys: &Keys,
    name: &BackendName,
    strict: bool,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let Some(Walls { database, walls }) = walls(config, keys, name).await? else {
        say(format!("backend `{name}` is a SQLite file: its wall is the gateway's own, built anew at each start"));
        return Ok(Exit::Done);
    };
    let admin = PostgresAdmin::connect(&database).await.map_err(|error| anyhow::anyhow!(error.detail))?;
    let mounts = standing(name, &database, &walls, &admin).await?;
    tell(mounts, strict, output)
}

async fn standing(
    name: &BackendName,
    database: &PostgresConfig,
    walls: &[PostgresWall],
    admin: &PostgresAdmin,
) -> anyhow::Result<Vec<MountStanding>> {
    let mut mounts = Vec::new();
    for wall in walls {
        let standing = wall.inspect(admin).await.map_err(|error| anyhow::anyhow!(error.detail))?;
        let (word, mut findings) = match standing {
            Standing::Missing => ("missing", Vec::new()),
            Standing::Drifted(findings) => ("drifted", findings),
            Standing::Whole(findings) => ("whole", findings),
        };
        let mut word = word;
        // What catalogues say is one thing; that the gateway can log in there and is believed is another.
        if word == "whole"
            && let Err(error) = Backend::behind_postgres_wall(name.clone(), database.clone(), wall).await
        {
            word = "drifted";
            findings.push(Finding {
                breach: true,
                text: format!("the login `{}` gets nowhere: {}", wall.names().login, error.detail),
            });
        }
        mounts.push(MountStanding {
            mount: wall.mount().to_string(),
            login: wall.names().login.clone(),
            schema: wall.names().views.clone(),
            standing: word,
            findings: findings.into_iter().map(|Finding { breach, text }| MountFinding { breach, text }).collect(),
        });
    }
    Ok(mounts)
}

fn tell(mounts: Vec<MountStanding>, strict: bool, output: &mut Output) -> anyhow::Result<Exit> {
    let ok = mounts.iter().all(|mount| mount.standing == "whole" && (!strict || mount.findings.is_empty()));
    let checked = Checked { ok, mounts };
    if output.is_json() {
        output.data(&checked)?;
    } else {
        let rows: Vec<Vec<String>> = checked
            .mounts
            .iter()
            .map(|mount| {
                vec![mount.mount.clone(), mount.standing.to_owned(), mount.login.clone(), mount.schema.clone()]
            })
            .collect();
        output.table(&["mount", "wall", "login", "schema"], &rows)?;
        // What is said of several mounts is said once.
        let mut said = std::collections::BTreeSet::new();
        for mount in &checked.mounts {
            for finding in &mount.findings {
                if finding.breach {
                    output.line(format!("{}: {}", mount.mount, finding.text))?;
                } else if said.insert(&finding.text) {
                    output.line(format!("remark: {}", finding.text))?;
                }
            }
        }
    }
    Ok(if ok { Exit::Done } else { Exit::Misconfigured })
}
