//! Keys, and who may do what with them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use mountgate_trust::{
    Namespace, PublicKey, Repository, SecretKey, TrustError,
    key::KeyFile,
    repository::{Ceremony, Change, Delegate, Init, Keyring, Lifetimes, Role, request},
};
use zeroize::Zeroizing;

use super::RoleName;
use crate::{
    cli::{Exit, Output, output::say},
    config::Secret,
};

/// What a passphrase is read from where no other place is named.
const PASSPHRASE: &str = "MOUNTGATE_KEY_PASSPHRASE";

/// The keys at hand.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct KeyArgs {
    /// Folders and files of keys.
    #[arg(short, long, value_name = "PATH", default_value = "keys")]
    keys: Vec<PathBuf>,
    /// The file of the keys' passphrase; without, it is in MOUNTGATE_KEY_PASSPHRASE or asked for.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl KeyArgs {
    /// The keys, each opened when it is needed.
    pub(super) fn ring(&self) -> anyhow::Result<Keyring> {
        let mut files = Vec::new();
        for path in &self.keys {
            if path.is_dir() {
                files.extend(KeyFile::read_folder(path)?);
            } else {
                files.push(KeyFile::read(path)?);
            }
        }
        let from = self.clone();
        // Asked once: a set of keys that were made together has one passphrase.
        let mut known: Option<Zeroizing<String>> = None;
        Ok(Keyring::new(files, move |path| {
            if let Some(known) = &known {
                return Ok(known.clone());
            }
            let asked = from.passphrase(&format!("passphrase of `{}`: ", path.display()));
            let asked = asked.map_err(|error| TrustError::Key(format!("{error:#}")))?;
            Ok(known.insert(asked).clone())
        }))
    }

    fn passphrase(&self, prompt: &str) -> anyhow::Result<Zeroizing<String>> {
        if let Some(path) = &self.passphrase_file {
            return Secret::File(path.clone()).load().map_err(anyhow::Error::msg);
        }
        if std::env::var_os(PASSPHRASE).is_some() {
            return Secret::Env(PASSPHRASE.to_owned()).load().map_err(anyhow::Error::msg);
        }
        mountgate_trust::key::ask(prompt).with_context(|| {
            format!("there is no terminal to ask for a passphrase: name `--passphrase-file`, or set {PASSPHRASE}")
        })
    }

    /// A passphrase for keys that are made: asked for twice.
    fn new_passphrase(&self) -> anyhow::Result<Zeroizing<String>> {
        let first = self.passphrase("passphrase of the new keys: ")?;
        let is_asked = self.passphrase_file.is_none() && std::env::var_os(PASSPHRASE).is_none();
        if is_asked && self.passphrase("the same once more: ")? != first {
            anyhow::bail!("the passphrases are not the same");
        }
        Ok(first)
    }

    /// The folder for keys that are made.
    fn folder(&self) -> anyhow::Result<PathBuf> {
        let folder = self.keys.first().cloned().unwrap_or_else(|| PathBuf::from("keys"));
        std::os::unix::fs::DirBuilderExt::mode(fs::DirBuilder::new().recursive(true), 0o700)
            .create(&folder)
            .with_context(|| format!("can't make the folder `{}`", folder.display()))?;
        Ok(folder)
    }
}

pub(super) fn init(
    folder: &Path,
    root_keys: u64,
    threshold: u64,
    args: &KeyArgs,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    if threshold == 0 || threshold > root_keys {
        anyhow::bail!("a threshold of {threshold} cannot be met by {root_keys} keys: it is 1 to {root_keys}");
    }
    if folder.join("metadata").exists() {
        anyhow::bail!("`{}` holds a repository already: choose another folder", folder.display());
    }
    let at = args.folder()?;
    let passphrase = args.new_passphrase()?;
    let mut written = Vec::new();
    let mut make = |role: &str| -> anyhow::Result<SecretKey> {
        let (key, path) = (SecretKey::generate()?, at.join(format!("{role}.pem")));
        key.write(&path, role, &passphrase)?;
        written.push(path);
        Ok(key)
    };
    let root = (1..=root_keys).map(|number| make(&format!("root-{number}"))).collect::<Result<Vec<_>, _>>()?;
    let (targets, snapshot, timestamp) = (make("targets")?, make("snapshot")?, make("timestamp")?);
    let init = Init { root, threshold, targets, snapshot, timestamp, lifetimes: Lifetimes::default() };
    drop(Repository::init(folder, init)?);
    let root = folder.join("metadata").join("1.root.json");
    if output.is_json() {
        output.data(&serde_json::json!({ "repository": folder, "root": root, "keys": written }))?;
        return Ok(Exit::Done);
    }
    for path in &written {
        output.line(format!("made  {}", path.display()))?;
    }
    output.line(format!("made  {}", folder.display()))?;
    output.line(format!("root  {}   (what gateways trust: their `root.json`)", root.display()))?;
    say(format!(
        "next: move the root's and the targets' keys to where nobody publishes, then\n  mountgate trust key {at}/acme.pem\n  mountgate trust delegate acme --key {at}/acme.request --repository {repository}",
        at = at.display(),
        repository = folder.display()
    ));
    Ok(Exit::Done)
}

pub(super) fn make(file: &Path, args: &KeyArgs, output: &mut Output) -> anyhow::Result<Exit> {
    let passphrase = args.new_passphrase()?;
    let key = SecretKey::generate()?;
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).with_context(|| format!("can't make the folder `{}`", folder.display()))?;
    }
    let name = file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    key.write(file, &name, &passphrase)?;
    let asked = file.with_extension("request");
    fs::write(&asked, request(&key)?).with_context(|| format!("can't write `{}`", asked.display()))?;
    let public = key.public();
    if output.is_json() {
        output.data(&serde_json::json!({
            "key": file, "request": asked, "id": public.id(), "public": public.to_string(),
        }))?;
    } else {
        output.line(format!("made     {}", file.display()))?;
        output.line(format!("request  {}   (for whoever delegates to it)", asked.display()))?;
        output.line(format!("id       {}", public.id()))?;
    }
    Ok(Exit::Done)
}

pub(super) fn delegate(
    repository: &Path,
    namespace: &Namespace,
    files: &[PathBuf],
    threshold: u64,
    args: &KeyArgs,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let mut keyring = args.ring()?;
    let mut delegates = Vec::new();
    for path in files {
        let bytes = fs::read(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
        if bytes.trim_ascii_start().starts_with(b"{") {
            delegates.push(Delegate::Request(bytes));
        } else {
            let file = KeyFile::read(path)?;
            let key = file.open(&args.passphrase(&format!("passphrase of `{}`: ", path.display()))?)?;
            delegates.push(Delegate::Secret(key));
        }
    }
    let mut repository = Repository::open(repository)?;
    repository.delegate(namespace, &delegates, threshold, &mut keyring)?;
    done(output, &format!("{} of {} keys may sign `{namespace}/*`", threshold, delegates.len()), &repository)
}

pub(super) fn undelegate(
    repository: &Path,
    namespace: &Namespace,
    args: &KeyArgs,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let mut keyring = args.ring()?;
    let mut repository = Repository::open(repository)?;
    repository.undelegate(namespace, &mut keyring)?;
    done(output, &format!("nobody may sign `{namespace}/*` any more"), &repository)
}

pub(super) fn rotate(
    repository: &Path,
    role: RoleName,
    add: &[String],
    remove: Vec<String>,
    threshold: Option<u64>,
    args: &KeyArgs,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let add = add.iter().map(|text| public(text)).collect::<anyhow::Result<Vec<_>>>()?;
    if add.is_empty() && remove.is_empty() && threshold.is_none() {
        anyhow::bail!("nothing is to change: name `--add`, `--remove` or `--threshold`");
    }
    let mut keyring = args.ring()?;
    let mut repository = Repository::open(repository)?;
    let role = match role {
        RoleName::Root => Role::Root,
        RoleName::Targets => Role::Targets,
        RoleName::Snapshot => Role::Snapshot,
        RoleName::Timestamp => Role::Timestamp,
    };
    let ceremony = repository.rotate(role, &Change { add, remove, threshold }, &mut keyring)?;
    tell(&ceremony, &repository, output)
}

pub(super) fn sign(repository: &Path, args: &KeyArgs, output: &mut Output) -> anyhow::Result<Exit> {
    let mut keyring = args.ring()?;
    let mut repository = Repository::open(repository)?;
    let ceremony = repository.sign_draft(&mut keyring)?;
    tell(&ceremony, &repository, output)
}

pub(super) fn tell(ceremony: &Ceremony, repository: &Repository, output: &mut Output) -> anyhow::Result<Exit> {
    match ceremony {
        Ceremony::Done(version) => done(output, &format!("root {version} is in force"), repository),
        Ceremony::Waits { old, new } => {
            if output.is_json() {
                output.data(&serde_json::json!({ "done": false, "missing": { "old": old, "new": new } }))?;
            } else {
                output.line(format!(
                    "a draft waits in `drafts/`: {old} signatures of the root's keys are missing, {new} of its keys to come: `mountgate trust sign`"
                ))?;
            }
            Ok(Exit::Done)
        }
    }
}

/// Says what was done, and the repository's version.
pub(super) fn done(output: &mut Output, what: &str, repository: &Repository) -> anyhow::Result<Exit> {
    let version = repository.version();
    if output.is_json() {
        output.data(&serde_json::json!({ "done": true, "what": what, "version": version }))?;
    } else {
        output.line(format!("{what}; the repository is at version {version}"))?;
    }
    Ok(Exit::Done)
}

/// A public key: digits, a key's file, or a request.
fn public(text: &str) -> anyhow::Result<PublicKey> {
    if !Path::new(text).exists() {
        return Ok(PublicKey::read(text)?);
    }
    let read = fs::read_to_string(text).map(Zeroizing::new).with_context(|| format!("`{text}` cannot be read"))?;
    let request = serde_json::from_str::<serde_json::Value>(&read).ok();
    let of_request = request.as_ref().and_then(|request| request.get("public")?.as_str());
    Ok(PublicKey::read(of_request.unwrap_or(&read))?)
}
