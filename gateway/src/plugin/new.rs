//! A new project: a policy that does something, its cases, and what it takes to build it without this repository.

use std::{fs, path::Path};

use anyhow::Context as _;
use mountgate_core::PolicyName;

use super::project::{Language, PROJECT_FILE};

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}

/// The folder of the contract that new projects are built against, within `wit`.
pub(super) const CONTRACT: &str = "v0.2";

/// Makes a project in the folder, which must not exist or be empty, and returns its files.
///
/// # Errors
/// Where the folder holds something, or can't be written.
pub fn create(name: &PolicyName, language: Language, folder: &Path) -> anyhow::Result<Vec<String>> {
    if let Ok(mut entries) = fs::read_dir(folder)
        && entries.next().is_some()
    {
        anyhow::bail!("`{}` is not empty: choose another folder with `--dir`", folder.display());
    }
    let files = files(name, language);
    for (path, text) in &files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("making `{}`", parent.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("writing `{}`", path.display()))?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

/// Writes the contract into a folder, for projects without one of their own.
///
/// # Errors
/// Where the folder can't be written.
pub(super) fn write_contract(folder: &Path) -> anyhow::Result<()> {
    for (path, text) in contract() {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("making `{}`", parent.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("writing `{}`", path.display()))?;
    }
    Ok(())
}

/// The files of the contract that is built against.
fn contract() -> impl Iterator<Item = (&'static str, &'static str)> {
    embedded::WIT.iter().copied().filter(|(path, _)| path.split('/').next() == Some(CONTRACT))
}

/// Every file of a new project.
fn files(name: &PolicyName, language: Language) -> Vec<(String, String)> {
    let short = name.as_str().rsplit('/').next().unwrap_or_default();
    let package = short.replace('.', "-");
    let fill = |text: &str| {
        let (source, more) = match language {
            Language::Rust => ("src/lib.rs", "| `sdk/` | the SDK that this `mountgate` came with |\n"),
            Language::Python => ("policy.py", ""),
            Language::Js => ("policy.js", ""),
            Language::C => ("rows.c", "| `settings.h` | reads the settings' JSON |\n"),
        };
        text.replace("{{name}}", name.as_str())
            .replace("{{crate}}", &package)
            .replace("{{language}}", spoken(language))
            .replace("{{source}}", source)
            .replace("{{files}}\n", more)
    };
    let mut files = vec![(PROJECT_FILE.to_owned(), project(name, language))];
    for (path, text) in embedded::TEMPLATES {
        let place = match path.split_once('/') {
            Some(("cases", _)) => Some((*path).to_owned()),
            Some((folder, rest)) if folder == language.label() => Some(rest.to_owned()),
            Some(_) => None,
            None => Some((*path).to_owned()),
        };
        let Some(place) = place else { continue };
        let place = match place.strip_suffix(".in") {
            Some("gitignore") => ".gitignore".to_owned(),
            Some(place) => place.to_owned(),
            None => place,
        };
        files.push((place, fill(text)));
    }
    files.extend(contract().map(|(path, text)| (format!("wit/{path}"), text.to_owned())));
    if language == Language::Rust {
        files.push(("sdk/Cargo.toml".to_owned(), embedded::SDK_MANIFEST.to_owned()));
        files.extend(embedded::SDK.iter().map(|(path, text)| (format!("sdk/src/{path}"), (*text).to_owned())));
    }
    files
}

fn project(name: &PolicyName, language: Language) -> String {
    format!(
        "name     = \"{name}\"        # publisher and name; the component says the same of itself\n\
         language = \"{}\"\n\
         release  = 1                 # goes up with each release, and never down\n\n\
         # Limits tighter than the host's, if the policy can do with less:\n\
         # [limits]\n\
         # memory = \"8MiB\"\n\
         # decide = \"10ms\"\n",
        language.label()
    )
}

fn spoken(language: Language) -> &'static str {
    match language {
        Language::Rust => "Rust",
        Language::Python => "Python",
        Language::Js => "JavaScript",
        Language::C => "C",
    }
}

#[cfg(test)]
mod tests;
