//! `mountgate plugin …`: for whoever writes a policy.

mod bench;
mod dev;
mod inspect;
mod test;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use mountgate_core::PolicyName;
use mountgate_ledger::DecisionId;

use super::{
    Exit, Output,
    output::say,
    shadow::{self, ShadowArgs},
};
use crate::{
    config::{MAIN_FILE, MainFile},
    plugin::{
        build::build,
        capture::{self, Captured},
        new,
        project::{Language, Project, published_name},
    },
};

const EXAMPLES: &str = "\
Examples:
  mountgate plugin new --lang python acme/support      a project in ./support
  cd support
  mountgate plugin build                               installs what is missing, and says so
  mountgate plugin test                                each case: verdict, time, memory
  mountgate plugin dev                                 on every change: build, test, reload into a demo gateway
  mountgate plugin case 0193… --config mountgate.toml  a decided request as a case
  mountgate plugin inspect build/plugin.wasm

docs/plugins has a page for each language.";

/// Write policies.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PluginArgs {
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Debug, Subcommand)]
enum PluginCommand {
    /// Make a project: a policy that does something, its settings, its cases.
    #[command(
        after_help = "Examples:\n  mountgate plugin new --lang rust acme/support\n  mountgate plugin new --lang python acme/support --dir policies/support"
    )]
    New {
        /// The language.
        #[arg(long, value_enum)]
        lang: Language,
        /// Publisher and name: `acme/support`.
        #[arg(value_parser = published_name)]
        name: PolicyName,
        /// The folder; the policy's own name unless said.
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
    },
    /// Build the component, with whatever its language needs.
    #[command(after_help = "Examples:\n  mountgate plugin build\n  mountgate plugin build --project policies/support")]
    Build {
        #[command(flatten)]
        project: In,
    },
    /// Ask it every case. Ends with 1 where one is not as expected.
    #[command(
        after_help = "Examples:\n  mountgate plugin test\n  mountgate plugin test --no-build claims          cases with `claims` in their names\n  mountgate plugin test --from-ledger 0193… --config mountgate.toml"
    )]
    Test {
        #[command(flatten)]
        project: In,
        /// Only cases whose names hold this.
        #[arg(value_name = "FILTER")]
        only: Option<String>,
        /// The component as it is, without building it.
        #[arg(long)]
        no_build: bool,
        /// A request that a gateway decided, from the ledger of `--config`, in the place of cases: what the policy makes
        /// of it is shown, and compared with what was decided.
        #[arg(long, value_name = "DECISION")]
        from_ledger: Option<DecisionId>,
    },
    /// How long decisions take, for each case that gets a verdict.
    #[command(after_help = "Examples:\n  mountgate plugin bench --count 10000")]
    Bench {
        #[command(flatten)]
        project: In,
        /// Decisions for each case.
        #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        count: u32,
    },
    /// What a component is: digest, size, imports, contract, manifest, settings.
    #[command(
        after_help = "Examples:\n  mountgate plugin inspect\n  mountgate plugin inspect build/plugin.wasm --json"
    )]
    Inspect {
        /// The component; the project's own unless said.
        file: Option<PathBuf>,
    },
    /// Write a request that a gateway decided as a case file, from the ledger of `--config`.
    #[command(
        after_help = "Examples:\n  mountgate plugin case 0193… --config mountgate.toml\n  mountgate plugin case 0193… --config mountgate.toml --out -"
    )]
    Case {
        /// The decision: `X-Mountgate-Decision` of the answer.
        decision: DecisionId,
        #[command(flatten)]
        project: In,
        /// The file; `cases/DECISION.toml` unless said. `-` is standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Try a candidate on live traffic, beside the policy in force.
    Shadow(ShadowArgs),
    /// On every change: build, test, and reload into a demo gateway that this command starts.
    #[command(after_help = "Examples:
  mountgate plugin dev
  mountgate plugin dev --data-port 0 --admin-port 0
  mountgate plugin dev --repository repository

With `--repository` nothing is built: the demo gateway trusts that repository's first root, and takes each release that
`mountgate trust publish` puts there.")]
    Dev {
        #[command(flatten)]
        project: In,
        /// The port for agents; 0 for any that is free.
        #[arg(long, value_name = "PORT", default_value_t = 7411)]
        data_port: u16,
        /// The port for operators; 0 for any that is free.
        #[arg(long, value_name = "PORT", default_value_t = 7412)]
        admin_port: u16,
        /// Build, test and reload once, and end.
        #[arg(long)]
        once: bool,
        /// Take the plugin from this repository, signed, instead of the project's build.
        #[arg(long, value_name = "FOLDER")]
        repository: Option<PathBuf>,
    },
}

/// Which project.
#[derive(Debug, Args)]
struct In {
    /// The project's folder.
    #[arg(long = "project", value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
}

pub(super) fn run(args: PluginArgs, config: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    match args.command {
        PluginCommand::Shadow(args) => shadow::run(&args, config, output),
        PluginCommand::New { lang, name, dir } => {
            let short = name.as_str().rsplit('/').next().unwrap_or_default();
            let folder = dir.unwrap_or_else(|| PathBuf::from(short));
            let files = new::create(&name, lang, &folder)?;
            if output.is_json() {
                output.data(&serde_json::json!({ "folder": folder, "files": files }))?;
            } else {
                for file in files.iter().filter(|file| !file.starts_with("sdk/")) {
                    output.line(format!("{}", folder.join(file).display()))?;
                }
            }
            say(format!("next: cd {} && mountgate plugin build && mountgate plugin test", folder.display()));
            Ok(Exit::Done)
        }
        PluginCommand::Build { project } => {
            let project = Project::load(&project.folder)?;
            let built = build(&project, &|text| say(text))?;
            if output.is_json() {
                output.data(&serde_json::json!({
                    "component": project.component(),
                    "digest": built.digest,
                    "bytes": built.bytes.len(),
                    "seconds": built.took.as_secs_f64(),
                }))?;
            } else {
                output.line(format!(
                    "{}: {}, {}, built in {:.1} s",
                    project.component().display(),
                    inspect::bytes(built.bytes.len() as u64),
                    built.digest,
                    built.took.as_secs_f64()
                ))?;
            }
            Ok(Exit::Done)
        }
        PluginCommand::Test { project, only, no_build, from_ledger } => {
            let project = Project::load(&project.folder)?;
            match from_ledger {
                Some(decision) => test::captured(&project, no_build, &captured(config, decision)?, output),
                None => test::cases(&project, no_build, only.as_deref(), output),
            }
        }
        PluginCommand::Bench { project, count } => bench::run(&Project::load(&project.folder)?, count, output),
        PluginCommand::Inspect { file } => match file {
            Some(file) => inspect::run(&file, output),
            None => inspect::run(&Project::load(Path::new("."))?.component(), output),
        },
        PluginCommand::Case { decision, project, out } => {
            let found = captured(config, decision)?;
            for note in &found.notes {
                say(format!("note: {note}"));
            }
            let text = found.to_toml();
            match out {
                Some(out) if out.as_os_str() == "-" => output.line(text.trim_end())?,
                out => {
                    let out = out.unwrap_or_else(|| project.folder.join("cases").join(format!("{decision}.toml")));
                    anyhow::ensure!(!out.exists(), "`{}` is there already: choose another with `--out`", out.display());
                    std::fs::write(&out, text).map_err(|error| {
                        anyhow::anyhow!(
                            "`{}` can't be written: {error}; make its folder, or choose another with `--out`",
                            out.display()
                        )
                    })?;
                    output.line(format!("{}", out.display()))?;
                }
            }
            Ok(Exit::Done)
        }
        PluginCommand::Dev { project, data_port, admin_port, once, repository } => {
            let project = Project::load(&project.folder)?;
            match repository {
                Some(repository) => dev::signed(&project, &repository, data_port, admin_port, once, output),
                None => dev::run(&project, data_port, admin_port, once, output),
            }
        }
    }
}

fn captured(config: &Path, decision: DecisionId) -> anyhow::Result<Captured> {
    anyhow::ensure!(
        config.exists(),
        "the ledger is found by the gateway's configuration, and there is no `{}`: give `--config PATH/{MAIN_FILE}`",
        config.display()
    );
    capture::capture(config, &MainFile::load(config)?.ledger.dir, decision)
}
