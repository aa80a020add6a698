//! `plugin.toml`: what a project says of the policy that it makes.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use mountgate_core::PolicyName;
use mountgate_policy::PluginLimits;
use serde::{Deserialize, Serialize};

use crate::config::{
    self, Problem, Problems, duration,
    mount::policy_name,
    reader::{Table, Value},
    units,
};

/// The name of a project's file.
pub const PROJECT_FILE: &str = "plugin.toml";
/// The folder of its cases.
pub const CASES_FOLDER: &str = "cases";
/// Where a build puts the component.
pub const BUILT: &str = "build/plugin.wasm";

/// A language that a policy can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Rust, with the SDK.
    Rust,
    /// Python.
    Python,
    /// JavaScript.
    Js,
    /// C, against the contract's own binary interface.
    C,
}

impl Language {
    /// The word that stands for it in `plugin.toml` and on the command line.
    pub fn label(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Js => "js",
            Self::C => "c",
        }
    }
}

/// Limits that a plugin sets itself. They only tighten the host's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectLimits {
    /// Bytes of memory that an instance may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// How long a decision may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decide_ms: Option<u64>,
    /// Bytes of a verdict, about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
}

impl From<ProjectLimits> for PluginLimits {
    fn from(limits: ProjectLimits) -> Self {
        let ProjectLimits { memory_bytes, decide_ms, output_bytes } = limits;
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Self {
            max_memory: memory_bytes.map(size),
            decide_deadline: decide_ms.map(Duration::from_millis),
            max_output: output_bytes.map(size),
        }
    }
}

/// A project.
#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    /// Its folder.
    pub folder: PathBuf,
    /// The policy's name: `acme/support`.
    pub name: PolicyName,
    /// What it is written in.
    pub language: Language,
    /// The release number; it never falls.
    pub release: u64,
    /// The plugin's own limits.
    pub limits: ProjectLimits,
}

impl Project {
    /// Reads the project in the folder.
    ///
    /// # Errors
    /// Everything that is wrong in `plugin.toml`, each with its place and the next step.
    pub fn load(folder: &Path) -> Result<Self, Problems> {
        let path = folder.join(PROJECT_FILE);
        let source = config::read(&path, path.display().to_string()).map_err(|mut problem: Problem| {
            problem.message = format!("{}; `mountgate plugin new` makes a project", problem.message);
            Problems(vec![problem])
        })?;
        let mut problems = Vec::new();
        let project = config::parse(Arc::new(source), &mut problems, |_, root| lower(root, folder));
        project.flatten().filter(|_| problems.is_empty()).ok_or(Problems(problems))
    }

    /// Where its component is, once it is built.
    pub fn component(&self) -> PathBuf {
        self.folder.join(BUILT)
    }

    /// Where its cases are.
    pub fn cases(&self) -> PathBuf {
        self.folder.join(CASES_FOLDER)
    }
}

fn lower(root: &Table<'_>, folder: &Path) -> Option<Project> {
    let name = root.require("name", "name = \"acme/support\"").and_then(|value| value.parsed(published_name));
    let language = root.require("language", "language = \"rust\"").and_then(|value| {
        value.choice(&[
            ("rust", Language::Rust),
            ("python", Language::Python),
            ("js", Language::Js),
            ("c", Language::C),
        ])
    });
    let release = root.require("release", "release = 1").and_then(|value| value.integer(1, i64::MAX));
    let limits = root.get("limits").and_then(|value| limits(&value)).unwrap_or_default();
    Some(Project {
        folder: folder.to_owned(),
        name: name?,
        language: language?,
        release: u64::try_from(release?).ok()?,
        limits,
    })
}

/// A plugin's name, with its publisher; names without one are bundled policies'.
///
/// # Errors
/// Says what it should look like.
pub fn published_name(text: &str) -> Result<PolicyName, String> {
    let name = policy_name(text)?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.' | '/');
    if !text.contains('/') {
        return Err(format!("`{text}` has no publisher: write a name like `acme/{text}`"));
    }
    if !text.chars().all(plain) {
        return Err(format!("`{text}` should be of `a-z`, `0-9`, `-`, `_` and `.`, with one `/`"));
    }
    Ok(name)
}

fn limits(value: &Value<'_>) -> Option<ProjectLimits> {
    let table = value.table()?;
    if table.is_empty() {
        value.reject_key("`limits` is empty: name a limit, or take it out");
    }
    Some(ProjectLimits {
        memory_bytes: table.get("memory").and_then(|value| value.parsed(units::size)),
        decide_ms: table
            .get("decide")
            .and_then(|value| value.parsed(duration))
            .and_then(|time| u64::try_from(time.as_millis()).ok()),
        output_bytes: table.get("output").and_then(|value| value.parsed(units::size)),
    })
}

#[cfg(test)]
mod tests;
