//! Configuration: `mountgate.toml` and `mounts/*.toml` beside it, read strictly and lowered into one internal form.
//!
//! Start, reload and `check` share one path, [`Config::load`]. It tells everything that is wrong in all files at once,
//! each with file, line, column and the next step. Only this crate knows TOML; what the files say of a backend's
//! relations is checked against the backend by the composition.

mod approvals;
mod backend;
pub(crate) mod json;
mod main_file;
pub(crate) mod mask;
pub(crate) mod mount;
mod practice;
pub(crate) mod reader;
mod reload;
mod secret;
mod shadow;
pub(crate) mod source;
mod trust;
pub(crate) mod units;
mod write;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use mountgate_core::{BackendName, Digest, MountName, PolicyName, ceiling::likely};
use toml::{Spanned, de::DeTable};

use self::{reader::Table, source::Notes};

pub use self::{
    approvals::{ApprovalsSection, WebhookConfig},
    backend::{BackendConfig, PostgresSection, PostgresTarget, SqliteSection, StoreSection, Wall},
    main_file::{Gate, LedgerSection, LogFormat, LogSection, MainFile, PluginConfig, ServerSection},
    mount::{Expiry, MountConfig, PolicyChoice},
    reload::ReloadSection,
    secret::Secret,
    shadow::ShadowChoice,
    source::{Problem, Problems, Source},
    trust::TrustSection,
    units::duration,
};

/// The name of the main file.
pub const MAIN_FILE: &str = "mountgate.toml";
/// The folder of mounts, beside the main file.
pub const MOUNTS_FOLDER: &str = "mounts";
/// The folder of shadows, beside the main file.
pub const SHADOWS_FOLDER: &str = "shadows";
/// Policies that are part of the gateway.
pub const BUNDLED: [&str; 2] = ["ceiling", "tiers"];

/// The whole configuration, sound as far as it can be without asking a backend or a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The folder that relative paths are relative to.
    pub folder: PathBuf,
    /// What the main file says.
    pub main: MainFile,
    /// The mounts, by name.
    pub mounts: BTreeMap<MountName, MountConfig>,
    /// The files of shadows that are not in their mounts' own.
    pub shadows: Vec<Arc<Source>>,
    /// What an operator should know, and what does not keep the gateway from serving.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads and lowers the main file at `path` and the mounts beside it.
    ///
    /// # Errors
    /// Everything that is wrong in any of the files.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        let folder = folder_of(path);
        let main = read_main(path)?;
        let (mounts, mut problems) = toml_files(&folder, MOUNTS_FOLDER);
        let (shadows, unreadable) = toml_files(&folder, SHADOWS_FOLDER);
        problems.extend(unreadable);
        Self::lower(folder, main, mounts, problems)?.with_shadows(shadows)
    }

    /// Adds the shadows that have files of their own.
    fn with_shadows(mut self, files: Vec<Source>) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        for source in files {
            let source = Arc::new(source);
            parse(Arc::clone(&source), &mut problems, |notes, root| {
                if let Some((policy, span)) = shadow::file(notes, root, &mut self.mounts) {
                    must_be_there(notes, &policy, &span, &self.main);
                }
            });
            self.shadows.push(source);
        }
        if problems.is_empty() { Ok(self) } else { Err(Problems(problems)) }
    }

    /// The digest of the files' names and texts.
    pub fn digest(&self) -> Digest {
        let mut all = String::new();
        let files = std::iter::once(&self.main.source)
            .chain(self.mounts.values().map(|mount| &mount.source))
            .chain(&self.shadows);
        for source in files {
            // Lengths first, so that no text can stand for two.
            all.push_str(&format!("{} {}\n", source.shown.len(), source.text.len()));
            all.push_str(&source.shown);
            all.push_str(&source.text);
        }
        Digest::of(all.as_bytes())
    }

    /// The configuration at `main` as it would be with `text` in the mount's file `mount`. Nothing is written.
    ///
    /// # Errors
    /// Everything that would be wrong in any of the files.
    pub fn with_mount(&self, main: &Path, mount: &Path, text: &str) -> Result<Self, Problems> {
        let (mut mounts, problems) = toml_files(&self.folder, MOUNTS_FOLDER);
        for source in mounts.iter_mut().filter(|source| source.path == mount) {
            text.clone_into(&mut source.text);
        }
        Self::lower(self.folder.clone(), read_main(main)?, mounts, problems)
    }

    /// Lowers files that are read already.
    fn lower(folder: PathBuf, main: Source, mounts: Vec<Source>, unreadable: Vec<Problem>) -> Result<Self, Problems> {
        let mut problems = unreadable;
        let mut warnings = Vec::new();
        let main = parse(Arc::new(main), &mut problems, |notes, root| main_file::lower(&notes.source, root, &folder));
        if let Some(main) = &main {
            main.warn(&mut warnings);
        }
        let mut lowered: BTreeMap<MountName, MountConfig> = BTreeMap::new();
        for source in mounts {
            let mount = parse(Arc::new(source), &mut problems, |notes, root| {
                let found = mount::lower(notes, root)?;
                refer(notes, &found, main.as_ref(), &lowered);
                Some(found.mount)
            });
            if let Some(mount) = mount.flatten() {
                lowered.entry(mount.name.clone()).or_insert(mount);
            }
        }
        let Some(main) = main.filter(|_| problems.is_empty()) else { return Err(Problems(problems)) };
        if lowered.is_empty() {
            warnings.push(format!("there is no mount: add a file to `{MOUNTS_FOLDER}/`"));
        }
        for backend in main.backends.keys() {
            if !lowered.values().any(|mount| &mount.backend == backend) {
                warnings.push(format!("backend `{backend}` is used by no mount"));
            }
        }
        Ok(Self { folder, main, mounts: lowered, shadows: vec![], warnings })
    }

    /// What is for a time about its mounts, at that moment (milliseconds since 1970-01-01T00:00Z), as warnings.
    pub fn notices(&self, now_ms: i64) -> Vec<String> {
        self.mounts.values().flat_map(|mount| mount.practice.notices(&mount.name, now_ms)).collect()
    }

    /// Mounts whose last day is over at that moment (milliseconds since 1970-01-01T00:00Z), as warnings.
    pub fn ended(&self, now_ms: i64) -> Vec<String> {
        self.mounts
            .values()
            .filter_map(|mount| Some((&mount.name, mount.expires.as_ref().filter(|expires| expires.end_ms <= now_ms)?)))
            .map(|(name, expires)| format!("mount `{name}` has ended: it served until the end of {}", expires.day))
            .collect()
    }
}

impl MainFile {
    /// Reads and lowers the main file alone: what acts on the state folder must work while a mount's file is wrong
    /// (an agent has to be revoked at once).
    ///
    /// # Errors
    /// Everything that is wrong in it.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        let folder = folder_of(path);
        let mut problems = Vec::new();
        let main = parse(Arc::new(read_main(path)?), &mut problems, |notes, root| {
            main_file::lower(&notes.source, root, &folder)
        });
        main.filter(|_| problems.is_empty()).ok_or(Problems(problems))
    }
}

fn folder_of(main: &Path) -> PathBuf {
    match main.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn read_main(path: &Path) -> Result<Source, Problems> {
    let shown = path.file_name().map_or_else(|| path.display().to_string(), |name| name.display().to_string());
    read(path, shown).map_err(|mut problem| {
        problem.file = path.display().to_string();
        problem.message = format!("{}; `mountgate init` writes a commented start", problem.message);
        Problems(vec![problem])
    })
}

/// What a mount refers to must be there.
fn refer(notes: &Notes, found: &mount::Lowered, main: Option<&MainFile>, others: &BTreeMap<MountName, MountConfig>) {
    if let Some(other) = others.get(&found.mount.name) {
        notes.note(
            &found.name_span,
            format!(
                "mount `{}` is in `{}` already: give one of them another name",
                found.mount.name, other.source.shown
            ),
        );
    }
    // Where the main file could not be read, what it holds is not known.
    let Some(main) = main else { return };
    let backend: &BackendName = &found.mount.backend;
    if !main.backends.contains_key(backend) {
        let help = match likely(backend.as_str(), main.backends.keys().map(BackendName::as_str)) {
            Some(near) => format!("; did you mean `{near}`?"),
            None => format!(": add `[backends.{backend}]` to `{MAIN_FILE}`"),
        };
        notes.note(&found.backend_span, format!("there is no backend `{backend}`{help}"));
    }
    for (policy, span) in &found.policies {
        must_be_there(notes, policy, span, main);
    }
}

fn must_be_there(notes: &Notes, policy: &PolicyName, span: &std::ops::Range<usize>, main: &MainFile) {
    // Whether the repository has it is known when it was asked.
    let may_be_signed = main.trust.is_some() && policy.as_str().contains('/');
    if BUNDLED.contains(&policy.as_str()) || main.plugins.contains_key(policy) || may_be_signed {
        return;
    }
    let all = BUNDLED.into_iter().chain(main.plugins.keys().map(PolicyName::as_str));
    let help = match likely(policy.as_str(), all) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => format!(
            ": `ceiling` and `tiers` are bundled, signed plugins come from the repository of `[trust]` in `{MAIN_FILE}`"
        ),
    };
    notes.note(span, format!("there is no policy `{policy}`{help}"));
}

/// Parses a file and hands its root to `read`; what is wrong goes to `problems`.
pub(crate) fn parse<T>(
    source: Arc<Source>,
    problems: &mut Vec<Problem>,
    read: impl FnOnce(&Notes, &Table<'_>) -> T,
) -> Option<T> {
    let notes = Notes::new(Arc::clone(&source));
    let (document, errors): (Spanned<DeTable<'_>>, _) = DeTable::parse_recoverable(&source.text);
    let mut readable = true;
    for error in &errors {
        // A table with a key given twice can still be read; after other errors, what is read would be guesswork.
        let twice = error.message() == "duplicate key";
        readable &= twice;
        let message = if twice {
            "this key is given twice: keep one".to_owned()
        } else {
            format!("not TOML: {}", error.message().replace('\n', ", "))
        };
        notes.note(&error.span().unwrap_or(0..0), message);
    }
    let out = readable.then(|| {
        let root = Table::root(&notes, &document);
        read(&notes, &root)
    });
    problems.extend(notes.take());
    out
}

pub(crate) fn read(path: &Path, shown: String) -> Result<Source, Problem> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Source { path: path.to_owned(), shown, text }),
        Err(error) => Err(Problem::of_file(shown, format!("the file cannot be read: {error}"))),
    }
}

/// The files of that folder in the order of their names.
fn toml_files(folder: &Path, within: &str) -> (Vec<Source>, Vec<Problem>) {
    let mut problems = Vec::new();
    let entries = match std::fs::read_dir(folder.join(within)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return (vec![], problems),
        Err(error) => {
            problems.push(Problem::of_file(within, format!("the folder cannot be read: {error}")));
            return (vec![], problems);
        }
    };
    let mut files = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.ends_with(".toml") && !name.starts_with('.') {
                    files.push((name, entry.path()));
                }
            }
            Err(error) => {
                problems.push(Problem::of_file(within, format!("the folder cannot be read: {error}")));
            }
        }
    }
    files.sort();
    let mut sources = Vec::new();
    for (name, path) in files {
        match read(&path, format!("{within}/{name}")) {
            Ok(source) => sources.push(source),
            Err(problem) => problems.push(problem),
        }
    }
    (sources, problems)
}

/// A name of a mount, backend, agent or policy: short, printable and the same in every file system and URL.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if first && rest && text.len() <= 64 {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is no name: up to 64 letters, digits, `-`, `_` and `.`, a letter or digit first"))
    }
}

/// A name of an agent, by the rules of `mountgate-identity`: one that no agent can have would serve nobody.
pub(crate) fn agent_name(text: &str) -> Result<String, String> {
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if text.chars().next().is_some_and(sound)
        && text.chars().all(|c| sound(c) || matches!(c, '-' | '_' | '.'))
        && text.len() <= 63
    {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is no name of an agent: up to 63 of a-z, 0-9, `-`, `_` and `.`, a letter or digit first"))
    }
}

#[cfg(test)]
mod tests;
