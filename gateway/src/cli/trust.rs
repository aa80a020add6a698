//! `mountgate trust`: signed repositories of plugins, both halves: what signs and publishes, and what a gateway takes.

mod keys;
mod publish;
mod take;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use mountgate_trust::{Namespace, PluginName, Selector};

pub(super) use self::{
    keys::KeyArgs,
    publish::{Candidate, promote},
};
use super::{Exit, Output};

/// Sign, publish, verify and take plugins.
#[derive(Debug, Args)]
pub struct TrustArgs {
    #[command(subcommand)]
    command: TrustCommand,
}

/// A role of the root's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum RoleName {
    /// Says who has the other roles.
    Root,
    /// Says who publishes what, and what is revoked.
    Targets,
    /// Says which files belong together.
    Snapshot,
    /// Says what is latest.
    Timestamp,
}

/// Where a repository is published.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct RepositoryArgs {
    /// The repository's folder.
    #[arg(short, long, value_name = "FOLDER", default_value = "repository")]
    repository: PathBuf,
}

#[derive(Debug, Subcommand)]
enum TrustCommand {
    /// Begin a repository: keys for each role, and the root that gateways trust.
    #[command(after_help = "\
Examples:
  mountgate trust init repository                              one root key; its keys in `keys`
  mountgate trust init repository --root-keys 3 --threshold 2  two of three people must sign a new root
  mountgate trust init repository --passphrase-file ~/.trust   for scripts

Afterwards, move `root-*.pem` and `targets.pem` off the machine that publishes: it needs `snapshot.pem`,
`timestamp.pem` and its publisher's key. Give gateways `repository/metadata/1.root.json` as their `root.json`.
Serve the folder by any web server, or share it.")]
    Init {
        /// The folder, which is made.
        #[arg(default_value = "repository", value_name = "FOLDER")]
        folder: PathBuf,
        /// How many keys the root has.
        #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=16))]
        root_keys: u64,
        /// How many of them must sign.
        #[arg(long, value_name = "COUNT", default_value_t = 1)]
        threshold: u64,
        #[command(flatten)]
        keys: KeyArgs,
    },
    /// Make a signing key, and the request that lets its holder publish.
    #[command(after_help = "\
Examples:
  mountgate trust key keys/acme.pem      the key, and keys/acme.request for whoever delegates
  mountgate trust key keys/root-4.pem    one for `trust rotate root --add`

The file is encrypted PKCS #8 (scrypt, AES-256): `openssl pkey -in keys/acme.pem` reads it, too.")]
    Key {
        /// The file, which is made.
        file: PathBuf,
        #[command(flatten)]
        keys: KeyArgs,
    },
    /// Let a publisher's key sign `NAMESPACE/*`, and nothing else. Signed with the targets key.
    #[command(after_help = "\
Examples:
  mountgate trust delegate acme --key keys/acme.request     a key that is elsewhere, by its request
  mountgate trust delegate acme --key keys/acme.pem         one that is here
  mountgate trust delegate acme --remove                    nobody any more; what it published is withdrawn

Which mounts use which plugin is in the mounts (`policy = \"acme/support\"`).")]
    Delegate {
        /// The publisher.
        namespace: Namespace,
        /// Its key: a request, or the key itself. Replaces those that it had.
        #[arg(long, value_name = "FILE", required_unless_present = "remove")]
        key: Vec<PathBuf>,
        /// How many of them must sign.
        #[arg(long, value_name = "COUNT", default_value_t = 1)]
        threshold: u64,
        /// Let nobody sign there.
        #[arg(long, conflicts_with = "key")]
        remove: bool,
        #[command(flatten)]
        repository: RepositoryArgs,
        #[command(flatten)]
        keys: KeyArgs,
    },
    /// Sign and publish a plugin: a project's folder, or a component.
    #[command(after_help = "\
Examples:
  mountgate trust publish support/                                     a project, as its plugin.toml says
  mountgate trust publish tiers.wasm --name acme/support --release 1   a component
  mountgate trust publish support/ --release 3 --rollback-of 4         back to what release 3 was

The component is admitted by this machine's policy host first. A release number never falls, unless what is signed says
which release it takes back.")]
    Publish(publish::PublishArgs),
    /// Revoke a plugin or a release: no gateway runs it from its next refresh on. Signed with the targets key.
    #[command(after_help = "\
Examples:
  mountgate trust revoke acme/support@3 --reason \"leaks the region\"   one release
  mountgate trust revoke acme/support --reason \"key stolen\"           all of it
  mountgate trust revoke acme/support --lift                          take the revocation back

Mounts that use it refuse, with `policy_withdrawn`, until a release that is not revoked is published.")]
    Revoke {
        /// The plugin, or one release of it.
        selector: Selector,
        /// Why, in printable ASCII; gateways show it to their operators.
        #[arg(long, required_unless_present = "lift")]
        reason: Option<String>,
        /// Take the revocation back.
        #[arg(long, conflicts_with = "reason")]
        lift: bool,
        #[command(flatten)]
        repository: RepositoryArgs,
        #[command(flatten)]
        keys: KeyArgs,
    },
    /// Sign the snapshot and the timestamp anew, before they expire.
    #[command(after_help = "\
Examples:
  mountgate trust renew                                    daily, by a timer: the timestamp holds for 7 days
  mountgate trust renew --all                              also what the other keys at hand have signed
  mountgate trust renew --root                             the root, which holds for a year")]
    Renew {
        /// Also what the other keys at hand have signed: the targets, publishers.
        #[arg(long)]
        all: bool,
        /// The root.
        #[arg(long, conflicts_with = "all")]
        root: bool,
        #[command(flatten)]
        repository: RepositoryArgs,
        #[command(flatten)]
        keys: KeyArgs,
    },
    /// Change the keys of a role. Signed with the root's keys, those before and those after.
    #[command(after_help = "\
Examples:
  mountgate trust key keys/timestamp-2.pem
  mountgate trust rotate timestamp --add keys/timestamp-2.pem --remove 3f1c9a20
  mountgate trust rotate root --add keys/root-4.pem --remove 8b02d7e1 --threshold 2

Where too few of the root's keys are at hand, a draft waits in the repository's `drafts/`, and `mountgate trust sign`
adds signatures to it. A publisher's keys are changed by `trust delegate`. `trust show` lists the ids of keys.")]
    Rotate {
        /// The role.
        role: RoleName,
        /// A key that it gets: its file, or 64 hexadecimal digits.
        #[arg(long, value_name = "KEY")]
        add: Vec<String>,
        /// A key that it loses: the beginning of its id.
        #[arg(long, value_name = "ID")]
        remove: Vec<String>,
        /// How many must sign from now on.
        #[arg(long, value_name = "COUNT")]
        threshold: Option<u64>,
        #[command(flatten)]
        repository: RepositoryArgs,
        #[command(flatten)]
        keys: KeyArgs,
    },
    /// Add the signatures of the keys at hand to the draft of a root.
    #[command(after_help = "\
Examples:
  mountgate trust sign --keys /media/stick/root-2.pem --keys keys")]
    Sign {
        #[command(flatten)]
        repository: RepositoryArgs,
        #[command(flatten)]
        keys: KeyArgs,
    },
    /// Verify a whole repository as a gateway would, and say each thing that was checked.
    #[command(after_help = "\
Examples:
  mountgate trust verify                                                the one that `[trust]` names
  mountgate trust verify repository --root root.json
  mountgate trust verify https://plugins.example.com/ --root root.json

Ends with 4 where something does not hold.")]
    Verify {
        /// The repository: a folder or an address; that of `[trust]` without.
        repository: Option<String>,
        /// The root that is trusted; that of `[trust]` without.
        #[arg(long, value_name = "FILE", requires = "repository")]
        root: Option<PathBuf>,
        /// The repository's host is one of this network.
        #[arg(long, requires = "repository")]
        internal: bool,
    },
    /// Take what the repository of `[trust]` offers into the gateway's state folder.
    #[command(after_help = "\
Examples:
  mountgate trust refresh                  a running gateway sees it at its own next refresh
  mountgate trust refresh --accept-clock   after the machine's clock was wrong and far ahead

Ends with 4 where what is offered does not hold; what was in force stays.")]
    Refresh {
        /// Take the machine's clock for right, though a later time was known.
        #[arg(long)]
        accept_clock: bool,
    },
    /// Show what a repository holds, or what this gateway has taken.
    #[command(after_help = "\
Examples:
  mountgate trust show                 what this gateway has taken, and how it stands
  mountgate trust show repository      roles, keys, plugins, revocations
  mountgate trust show repository --json | jq '.roles[] | {role, keys}'")]
    Show {
        /// A repository's folder.
        repository: Option<PathBuf>,
        /// One plugin, with its manifest.
        #[arg(long, value_name = "NAME", requires = "repository")]
        plugin: Option<PluginName>,
    },
}

pub(super) fn run(args: TrustArgs, config: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    match args.command {
        TrustCommand::Init { folder, root_keys, threshold, keys } => {
            keys::init(&folder, root_keys, threshold, &keys, output)
        }
        TrustCommand::Key { file, keys } => keys::make(&file, &keys, output),
        TrustCommand::Delegate { namespace, key, threshold, remove, repository, keys } => {
            let RepositoryArgs { repository } = repository;
            if remove {
                return keys::undelegate(&repository, &namespace, &keys, output);
            }
            keys::delegate(&repository, &namespace, &key, threshold, &keys, output)
        }
        TrustCommand::Publish(args) => publish::publish(&args, output),
        TrustCommand::Revoke { selector, reason, lift, repository, keys } => {
            let reason = reason.filter(|_| !lift);
            publish::revoke(&repository.repository, &selector, reason.as_deref(), &keys, output)
        }
        TrustCommand::Renew { all, root, repository, keys } => {
            publish::renew(&repository.repository, all, root, &keys, output)
        }
        TrustCommand::Rotate { role, add, remove, threshold, repository, keys } => {
            keys::rotate(&repository.repository, role, &add, remove, threshold, &keys, output)
        }
        TrustCommand::Sign { repository, keys } => keys::sign(&repository.repository, &keys, output),
        TrustCommand::Verify { repository, root, internal } => {
            take::verify(config, repository.as_deref(), root, internal, output)
        }
        TrustCommand::Refresh { accept_clock } => take::refresh(config, accept_clock, output),
        TrustCommand::Show { repository: Some(folder), plugin } => take::show(&folder, plugin.as_ref(), output),
        TrustCommand::Show { repository: None, .. } => take::standing(config, output),
    }
}
