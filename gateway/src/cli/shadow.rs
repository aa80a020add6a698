//! `mountgate plugin shadow`: a candidate beside the policy in force, on live traffic, and never obeyed.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use mountgate_core::{AgentName, MountName, PolicyName};
use mountgate_ledger::{Selection, export};
use mountgate_trust::{PluginName, Store};
use serde_json::{Value as Json, json};

use super::{
    Exit, Output,
    output::say,
    reload::Admin,
    trust::{Candidate, KeyArgs, RepositoryArgs, promote as promote_signed},
};
use crate::{
    compose::trust::store_config,
    config::{Config, MainFile, Problems, SHADOWS_FOLDER},
    plugin::{cases::Case, project::ProjectLimits},
    shadow::{Report, Reporter},
    state::{Act, State, now_ms},
};

/// Try a candidate on live traffic, beside the policy in force.
#[derive(Debug, Args)]
pub(super) struct ShadowArgs {
    #[command(subcommand)]
    command: ShadowCommand,
}

#[derive(Debug, Subcommand)]
enum ShadowCommand {
    /// Ask a candidate about each request of a mount, and record what it would have decided.
    #[command(after_help = "\
Examples:
  mountgate plugin shadow start --mount support --policy acme/support-next
  mountgate plugin shadow start --mount support --policy tiers --settings '{\"default\": \"basic\"}' --share 0.1

Writes `shadows/MOUNT.toml`, which holds until `stop`; a mount's file may say the same under `[shadow]`. A running gateway
takes it by the way of every reload: admitted, compiled, self-tested. Its verdicts are compared and recorded, and never
applied: no answer waits for them or changes by them.")]
    Start {
        /// The mount.
        #[arg(long)]
        mount: String,
        /// The candidate, as `policy` in a mount's file would name it.
        #[arg(long)]
        policy: String,
        /// Its settings, as a JSON object.
        #[arg(long, value_name = "JSON")]
        settings: Option<String>,
        /// The part of the requests that it is asked about.
        #[arg(long, default_value_t = 1.0)]
        share: f64,
        #[command(flatten)]
        admin: Admin,
    },
    /// Take the candidate away.
    #[command(after_help = "\
Examples:
  mountgate plugin shadow stop --mount support")]
    Stop {
        /// The mount.
        #[arg(long)]
        mount: String,
        #[command(flatten)]
        admin: Admin,
    },
    /// Tell what candidates would have decided, the dangerous first.
    #[command(after_help = "\
Examples:
  mountgate plugin shadow report
  mountgate plugin shadow report --mount support --agent support-bot --since 24h
  mountgate plugin shadow report --json | jq '.shadows[].outcomes[] | select(.outcome == \"granted\")'

Reads the ledger; no gateway need run. Each difference comes with the id of a decision: `mountgate ledger export` has its
record, and the shadow's beside it.")]
    Report {
        /// Of this mount.
        #[arg(long)]
        mount: Option<String>,
        /// Of this agent.
        #[arg(long)]
        agent: Option<String>,
        /// Of so long ago or less: `24h`.
        #[arg(long, value_parser = crate::config::duration, value_name = "SPAN")]
        since: Option<Duration>,
        /// Differences told for each outcome.
        #[arg(long, default_value_t = 3)]
        examples: usize,
    },
    /// Publish the candidate as the next release of the mount's policy. A signed act: with the publisher's key.
    #[command(after_help = "\
Examples:
  mountgate plugin shadow report --mount support
  mountgate plugin shadow promote --mount support --repository repository --keys keys

The component that is asked beside the policy is signed under the policy's own name, with its cases and limits, which must
hold here first; every gateway that trusts the repository takes it at its next refresh. Where the keys are on another machine:
`mountgate trust publish` there, of the same component. Settings are the mount's file's: they are not signed, and not changed.")]
    Promote {
        /// The mount.
        #[arg(long)]
        mount: String,
        #[command(flatten)]
        repository: RepositoryArgs,
        #[command(flatten)]
        keys: KeyArgs,
    },
}

pub(super) fn run(args: &ShadowArgs, config: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    match &args.command {
        ShadowCommand::Start { mount, policy, settings, share, admin } => {
            start(config, mount, policy, settings.as_deref(), *share, admin, output)
        }
        ShadowCommand::Stop { mount, admin } => stop(config, mount, admin, output),
        ShadowCommand::Report { mount, agent, since, examples } => {
            let since_ms = since.map(|since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
            let selection = Selection {
                from_ms: since_ms.map(|since| now_ms().saturating_sub(since)),
                agent: agent.as_deref().map(AgentName::from),
                mount: mount.as_deref().map(MountName::from),
                kind: Some("shadow".to_owned()),
                ..Selection::default()
            };
            let mut reporter = Reporter::default();
            for entry in export(&MainFile::load(config)?.ledger.dir, selection)? {
                reporter.take(&entry?)?;
            }
            let report = reporter.report(*examples);
            if output.is_json() {
                output.data(&report)?
            } else {
                tell(&report, output)?
            }
            Ok(Exit::Done)
        }
        ShadowCommand::Promote { mount, repository, keys } => promote(config, mount, repository, keys, output),
    }
}

/// The file of a mount's shadow. The name is one of a mount that there is, so it is no path.
fn file(config: &Path, loaded: &Config, mount: &str) -> anyhow::Result<PathBuf> {
    let known = loaded.mounts.keys().find(|name| name.as_str() == mount);
    let known = known.with_context(|| format!("there is no mount `{mount}`"))?;
    let folder = config.parent().unwrap_or(Path::new("")).join(SHADOWS_FOLDER);
    Ok(folder.join(format!("{known}.toml")))
}

fn start(
    config: &Path,
    mount: &str,
    policy: &str,
    settings: Option<&str>,
    share: f64,
    admin: &Admin,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let loaded = Config::load(config)?;
    let path = file(config, &loaded, mount)?;
    let settings: serde_json::Map<String, Json> = match settings {
        Some(text) => {
            serde_json::from_str(text).with_context(|| format!("the settings are no JSON object: `{text}`"))?
        }
        None => serde_json::Map::new(),
    };
    let mut text = toml::Table::new();
    text.insert("mount".to_owned(), mount.into());
    text.insert("policy".to_owned(), policy.into());
    text.insert("share".to_owned(), share.into());
    text.insert("settings".to_owned(), toml::Value::try_from(&settings).context("the settings have no form in TOML")?);
    let text = format!(
        "# Written by `mountgate plugin shadow start`; `mountgate plugin shadow stop --mount {mount}` takes it away.\n{}",
        toml::to_string(&text)?
    );
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    }
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
    let mut made = made.with_context(|| {
        format!("cannot write `{}`: is there a shadow of `{mount}` already? `stop` takes it away", path.display())
    })?;
    let kept = made
        .write_all(text.as_bytes())
        .map_err(anyhow::Error::from)
        // It must load, or the next reload, for whatever reason, would fail by it.
        .and_then(|()| Config::load(config).map_err(anyhow::Error::from))
        .and_then(|loaded| {
            let state = State::open(&loaded.main)?;
            let details = json!({ "mount": mount, "policy": policy, "settings": settings, "share": share });
            state.record(&Act::of_command_line("shadow.start", details))?;
            Ok(())
        })
        .and_then(|()| take(config, admin));
    match kept {
        Ok(taken) => {
            output.line(format!("`{policy}` is asked beside the policy of `{mount}`{}", taken.told()))?;
            say("next: mountgate plugin shadow report");
            Ok(Exit::Done)
        }
        Err(error) => {
            std::fs::remove_file(&path).with_context(|| format!("cannot take `{}` away again", path.display()))?;
            match error.downcast::<Problems>() {
                Ok(problems) => Err(problems.into()),
                Err(error) => Err(error.context(format!("`{policy}` is no shadow of `{mount}`"))),
            }
        }
    }
}

fn stop(config: &Path, mount: &str, admin: &Admin, output: &mut Output) -> anyhow::Result<Exit> {
    // By the file's name alone: a shadow whose mount is gone must be taken away too.
    let sound = mount.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) && !mount.starts_with('.');
    anyhow::ensure!(sound && !mount.is_empty(), "`{mount}` is no name of a mount");
    let path = config.parent().unwrap_or(Path::new("")).join(SHADOWS_FOLDER).join(format!("{mount}.toml"));
    anyhow::ensure!(
        path.exists(),
        "`{mount}` has no shadow in `{SHADOWS_FOLDER}/`; one under `[shadow]` in the mount's file is taken out there"
    );
    let state = State::open(&MainFile::load(config)?)?;
    state.record(&Act::of_command_line("shadow.stop", json!({ "mount": mount })))?;
    std::fs::remove_file(&path).with_context(|| format!("cannot take `{}` away", path.display()))?;
    let taken = take(config, admin)?;
    output.line(format!("`{mount}` has no shadow any more{}", taken.told()))?;
    Ok(Exit::Done)
}

fn promote(
    config: &Path,
    mount: &str,
    repository: &RepositoryArgs,
    keys: &KeyArgs,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let loaded = Config::load(config)?;
    let declared = loaded.mounts.get(mount).with_context(|| format!("there is no mount `{mount}`"))?;
    let shadow = declared.shadow.as_ref().with_context(|| format!("mount `{mount}` has no shadow"))?;
    let in_force = &declared.policy;
    anyhow::ensure!(
        loaded.main.trust.is_some() && !loaded.main.plugins.contains_key(&in_force.name),
        "the policy of `{mount}`, `{}`, comes from no signed repository, so there is nobody whose signature would bring another into force: an operator changes `policy` in the mount's file",
        in_force.name
    );
    let name = in_force.name.as_str().parse::<PluginName>().map_err(|why| {
        anyhow::anyhow!("the policy of `{mount}` is bundled and nobody's to publish: an operator changes `policy` in the mount's file ({why})")
    })?;
    let candidate = candidate(&loaded, &shadow.policy.name)?;
    let release = promote_signed(candidate, name, repository, keys, output)?;
    let state = State::open(&loaded.main)?;
    let details =
        json!({ "mount": mount, "policy": in_force.name, "candidate": shadow.policy.name, "release": release });
    state.record(&Act::of_command_line("shadow.promote", details))?;
    if shadow.policy.settings != in_force.settings {
        say(format!(
            "the candidate was asked with settings of its own, which are not signed: put them into the file of `{mount}` where they are meant"
        ));
    }
    say(format!(
        "gateways take it at their next refresh (`mountgate reload` at once); then: mountgate plugin shadow stop --mount {mount}"
    ));
    Ok(Exit::Done)
}

/// The component that is asked beside the policy in force, from where the gateway has it.
fn candidate(loaded: &Config, name: &PolicyName) -> anyhow::Result<Candidate> {
    if let Some(declared) = loaded.main.plugins.get(name) {
        let component =
            std::fs::read(&declared.path).with_context(|| format!("`{}` cannot be read", declared.path.display()))?;
        let cases = declared.cases.as_deref().map_or(Ok(vec![]), Case::load_dir)?;
        return Ok(Candidate { component, limits: ProjectLimits::default(), cases });
    }
    let wanted = store_config(&loaded.main).context("`[trust]` is not configured")?;
    let set = Store::open(wanted)?.current().context("this gateway has no set of signed plugins yet")?;
    let plugin = set
        .plugins
        .get(name)
        .with_context(|| format!("`{name}` is no plugin that could be published: neither signed nor a file"))?;
    let cases = plugin.manifest.cases.iter().cloned().map(serde_json::from_value).collect::<Result<_, _>>()?;
    let limits = serde_json::from_value(plugin.manifest.limits.clone().into())?;
    Ok(Candidate { component: plugin.component()?, limits, cases })
}

/// Whether a running gateway has taken the change.
enum Taken {
    Yes,
    /// No token was given: the gateway looks at its files by itself.
    ByItself,
}

impl Taken {
    fn told(&self) -> &'static str {
        match self {
            Self::Yes => "",
            Self::ByItself => {
                " as soon as a gateway has read its files: by itself within seconds, or with `mountgate reload`"
            }
        }
    }
}

fn take(config: &Path, admin: &Admin) -> anyhow::Result<Taken> {
    if !admin.has_token() {
        return Ok(Taken::ByItself);
    }
    let (_, ended) = admin.post(config, "/v1/admin/reload", &Json::Null)?;
    match ended.get("result").and_then(Json::as_str) {
        Some("swapped" | "unchanged") => Ok(Taken::Yes),
        _ => anyhow::bail!(
            "the gateway did not take it: {}",
            ended.get("message").and_then(Json::as_str).unwrap_or("it did not say why")
        ),
    }
}

fn tell(report: &Report, output: &mut Output) -> anyhow::Result<()> {
    if report.shadows.is_empty() {
        output.line("no shadow was asked: `mountgate plugin shadow start` has one asked")?;
    }
    for compared in &report.shadows {
        let plugin: String = compared.plugin.chars().take(19).collect();
        output.line(format!(
            "{} · {} · {} ({plugin}…): {} requests compared",
            compared.mount, compared.agent, compared.policy, compared.compared
        ))?;
        for told in &compared.outcomes {
            output.line(format!("  {:>8}  {:<12} {}", told.count, told.outcome, told.meaning))?;
            for example in &told.examples {
                let changes = if example.changes.is_empty() { "-".to_owned() } else { example.changes.join("; ") };
                // What a policy says of itself must not move the operator's cursor.
                let changes: String = changes.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
                output.line(format!("  {:>8}    {changes}  (decision {})", example.count, example.decision))?;
            }
        }
    }
    if report.missed > 0 {
        output.line(format!("{} requests were not compared: there was no time", report.missed))?;
    }
    Ok(())
}
