//! What the holders of the root's and the targets' keys do: begin a repository, say who may publish what, change keys.

use std::{collections::HashMap, fs, num::NonZeroU64, path::Path};

use tough::schema::{
    DelegatedRole, Delegations, PathPattern, PathSet, Role, RoleKeys, RoleType, Root, Signed, Snapshot, Targets,
    Timestamp,
    decoded::{Decoded, Hex},
    key::Key,
};

use super::{Keyring, Lifetimes, Repository, files, in_days, one};
use crate::{
    client,
    error::{Kind, TrustError},
    key::{PublicKey, SecretKey},
    name::Namespace,
    sign,
};

/// The draft of a root that waits for signatures.
const DRAFT: &str = "root.json";

/// What a repository begins with: each role has keys of its own.
#[derive(Clone, Debug)]
pub struct Init {
    /// The root's keys.
    pub root: Vec<SecretKey>,
    /// How many of them must sign.
    pub threshold: u64,
    /// Says who may publish what, and what is revoked.
    pub targets: SecretKey,
    /// Says which files belong together.
    pub snapshot: SecretKey,
    /// Says that this is the latest.
    pub timestamp: SecretKey,
    /// How long what they sign is good for.
    pub lifetimes: Lifetimes,
}

/// A publisher's key, and what shows that somebody holds it.
#[derive(Clone, Debug)]
pub enum Delegate {
    /// The key itself is at hand.
    Secret(SecretKey),
    /// A request that its holder signed, as [`request`] makes it.
    Request(Vec<u8>),
}

/// What is to change in a role of the root's.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Keys that it gets.
    pub add: Vec<PublicKey>,
    /// Keys that it loses, by their ids or the beginnings of them.
    pub remove: Vec<String>,
    /// How many must sign from now on.
    pub threshold: Option<u64>,
}

/// How far a change of the root has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ceremony {
    /// It is in force, as this version of the root.
    Done(u64),
    /// It is a draft, and waits for signatures.
    Waits {
        /// How many signatures of the keys in force are missing.
        old: u64,
        /// How many of the keys to come are.
        new: u64,
    },
}

/// What the holder of a new publisher's key sends to whoever holds the repository's targets key: the key, and metadata of
/// nothing that is signed with it.
///
/// # Errors
/// Where it cannot be signed.
pub fn request(key: &SecretKey) -> Result<Vec<u8>, TrustError> {
    let signed = sign::sign(nothing(Lifetimes::default().targets)?, std::slice::from_ref(key))?;
    let metadata = serde_json::to_value(&signed).map_err(|error| bad_request(&error))?;
    let request = serde_json::json!({ "public": key.public().to_string(), "metadata": metadata });
    serde_json::to_vec_pretty(&request).map_err(|error| bad_request(&error))
}

fn bad_request(error: &dyn std::fmt::Display) -> TrustError {
    TrustError::Key(format!("no request of a publisher's: {error}: `mountgate trust key` writes one"))
}

impl Delegate {
    fn read(&self) -> Result<(PublicKey, Signed<Targets>), TrustError> {
        match self {
            Self::Secret(key) => {
                Ok((key.public(), sign::sign(nothing(Lifetimes::default().targets)?, std::slice::from_ref(key))?))
            }
            Self::Request(bytes) => {
                let request: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| bad_request(&error))?;
                let public = request.get("public").and_then(serde_json::Value::as_str).unwrap_or_default();
                let metadata = request.get("metadata").cloned().unwrap_or_default();
                let metadata: Signed<Targets> =
                    serde_json::from_value(metadata).map_err(|error| bad_request(&error))?;
                if !metadata.signed.targets.is_empty() {
                    return Err(bad_request(&"it signs something already"));
                }
                Ok((PublicKey::read(public)?, metadata))
            }
        }
    }
}

/// Metadata that lists nothing.
fn nothing(days: u32) -> Result<Targets, TrustError> {
    let mut targets = Targets::new(sign::SPEC_VERSION.to_owned(), one(), in_days(days)?);
    targets.delegations = None;
    Ok(targets)
}

fn role_keys(keys: &[PublicKey], threshold: u64) -> Result<RoleKeys, TrustError> {
    let keyids = keys.iter().map(sign::id).collect::<Result<Vec<_>, _>>()?;
    Ok(RoleKeys { threshold: of_keys(threshold, keyids.len())?, keyids, _extra: HashMap::new() })
}

/// A threshold that so many keys can meet.
fn of_keys(threshold: u64, keys: usize) -> Result<NonZeroU64, TrustError> {
    let most = u64::try_from(keys).unwrap_or(u64::MAX);
    NonZeroU64::new(threshold).filter(|threshold| threshold.get() <= most).ok_or_else(|| {
        TrustError::Usage(format!("a threshold of {threshold} cannot be met by {keys} keys: it is 1 to {keys}"))
    })
}

impl Repository {
    /// Begins a repository.
    ///
    /// # Errors
    /// Where there is one already, keys are used twice, or the threshold cannot be met.
    pub fn init(folder: &Path, init: Init) -> Result<Self, TrustError> {
        let metadata = folder.join(files::METADATA);
        if metadata.exists() {
            return Err(TrustError::Usage(format!("`{}` is there already: choose another folder", metadata.display())));
        }
        let Init { root: root_keys, threshold, targets, snapshot, timestamp, lifetimes } = init;
        let mut all: Vec<PublicKey> = root_keys.iter().map(SecretKey::public).collect();
        all.extend([&targets, &snapshot, &timestamp].map(SecretKey::public));
        let mut different = all.clone();
        different.sort();
        different.dedup();
        if different.len() != all.len() {
            return Err(TrustError::Usage("each role has keys of its own: one is used twice".to_owned()));
        }
        for name in [files::METADATA, files::TARGETS] {
            let path = folder.join(name);
            fs::create_dir_all(&path).map_err(TrustError::io("make the folder", &path))?;
        }
        let root_public: Vec<PublicKey> = root_keys.iter().map(SecretKey::public).collect();
        let single = |key: &SecretKey| role_keys(&[key.public()], 1);
        let root = Root {
            spec_version: sign::SPEC_VERSION.to_owned(),
            consistent_snapshot: true,
            version: one(),
            expires: in_days(lifetimes.root)?,
            keys: all.iter().map(|key| Ok((sign::id(key)?, sign::tuf_key(key)))).collect::<Result<_, TrustError>>()?,
            roles: HashMap::from([
                (RoleType::Root, role_keys(&root_public, threshold)?),
                (RoleType::Targets, single(&targets)?),
                (RoleType::Snapshot, single(&snapshot)?),
                (RoleType::Timestamp, single(&timestamp)?),
            ]),
            _extra: HashMap::new(),
        };
        let root = sign::sign(root, &root_keys)?;
        let own = sign::to_bytes(&sign::sign(nothing(lifetimes.targets)?, &[targets])?)?;
        let mut first = Snapshot::new(sign::SPEC_VERSION.to_owned(), one(), in_days(lifetimes.snapshot)?);
        first.meta.insert("targets.json".to_owned(), sign::metafile(one(), &own));
        let first = sign::to_bytes(&sign::sign(first, &[snapshot])?)?;
        let mut now = Timestamp::new(sign::SPEC_VERSION.to_owned(), one(), in_days(lifetimes.timestamp)?);
        now.meta.insert("snapshot.json".to_owned(), sign::metafile(one(), &first));
        let now = sign::to_bytes(&sign::sign(now, &[timestamp])?)?;
        for (file, bytes) in [
            ("1.root.json", sign::to_bytes(&root)?),
            ("1.targets.json", own),
            ("1.snapshot.json", first),
            ("timestamp.json", now),
        ] {
            files::replace(&metadata, file, &bytes)?;
        }
        Self::open(folder)
    }

    /// Lets these keys sign `namespace/*` and nothing else, instead of those that could before.
    ///
    /// # Errors
    /// Where the repository's targets key is not at hand, or what is published would not be signed any more.
    pub fn delegate(
        &mut self,
        namespace: &Namespace,
        delegates: &[Delegate],
        threshold: u64,
        keyring: &mut Keyring,
    ) -> Result<(), TrustError> {
        let name = namespace.as_str();
        let own_keys = keyring.of_root(self.root(), RoleType::Targets)?;
        let read = delegates.iter().map(Delegate::read).collect::<Result<Vec<_>, _>>()?;
        let keys: Vec<PublicKey> = read.iter().map(|(key, _)| key.clone()).collect();
        self.refuse_keys_of_root(&keys)?;
        let mut delegations = self.delegations();
        let before = client::delegated(&self.loaded.targets.signed).find(|(role, _)| *role == name);
        let before = before.map(|(_, metadata)| metadata.clone());
        let RoleKeys { keyids, threshold, .. } = role_keys(&keys, threshold)?;
        let pattern = PathPattern::new(format!("{name}/*"))
            .map_err(|error| TrustError::metadata(Kind::Malformed, error.to_string()))?;
        let role = DelegatedRole {
            name: name.to_owned(),
            keyids,
            threshold,
            paths: PathSet::Paths(vec![pattern]),
            // What is not in there is nowhere.
            terminating: true,
            targets: None,
        };
        delegations.roles.retain(|role| role.name != name);
        delegations.roles.push(role);
        delegations.roles.sort_by(|a, b| a.name.cmp(&b.name));
        for key in &keys {
            delegations.keys.insert(sign::id(key)?, sign::tuf_key(key));
        }
        drop_unused(&mut delegations);
        // What is published stays, signed by the new keys; of what never was, the requests are the first metadata.
        for delegate in delegates {
            if let Delegate::Secret(key) = delegate {
                keyring.add(key.clone());
            }
        }
        let metadata = match before {
            Some(before) if delegations.verify_role(&before, name).is_ok() => None,
            Some(before) => {
                let keys = keyring.of_role(&delegations, name)?;
                Some(sign::sign(self.renewed(before.signed)?, &keys)?)
            }
            None => {
                let first = join(read.into_iter().map(|(_, metadata)| metadata).collect())?;
                delegations.verify_role(&first, name).map_err(|error| {
                    TrustError::Key(format!("the requests of `{name}`'s keys do not make its first metadata: {error}"))
                })?;
                Some(first)
            }
        };
        let mut targets = self.renewed(self.targets())?;
        targets.delegations = Some(delegations);
        let delegated = metadata.map(|metadata| (name.to_owned(), metadata)).into_iter().collect();
        self.write(Some(sign::sign(targets, &own_keys)?), delegated, keyring)
    }

    /// Lets nobody sign `namespace/*` any more. What was published there is out of the set.
    ///
    /// # Errors
    /// Where nobody could, or the repository's targets key is not at hand.
    pub fn undelegate(&mut self, namespace: &Namespace, keyring: &mut Keyring) -> Result<(), TrustError> {
        let own_keys = keyring.of_root(self.root(), RoleType::Targets)?;
        let mut delegations = self.delegations();
        let before = delegations.roles.len();
        delegations.roles.retain(|role| role.name != namespace.as_str());
        if delegations.roles.len() == before {
            return Err(TrustError::Usage(format!("nobody may sign `{namespace}/*`")));
        }
        drop_unused(&mut delegations);
        let mut targets = self.renewed(self.targets())?;
        targets.delegations = (!delegations.roles.is_empty()).then_some(delegations);
        self.write(Some(sign::sign(targets, &own_keys)?), Vec::new(), keyring)
    }

    /// Changes the keys of a role of the root's. Where too few of the root's keys are at hand, it is a draft that
    /// [`Repository::sign_draft`] goes on with.
    ///
    /// # Errors
    /// Where the change makes no sense, or keys of the role that are needed at once are not at hand.
    pub fn rotate(&mut self, role: RoleType, change: &Change, keyring: &mut Keyring) -> Result<Ceremony, TrustError> {
        let mut root = self.root().clone();
        let mut keys = root.roles.get(&role).cloned().ok_or_else(|| {
            TrustError::Usage(format!("the root names no keys of `{role}`: a publisher's are changed by `delegate`"))
        })?;
        for removed in &change.remove {
            let before = keys.keyids.len();
            keys.keyids.retain(|id| removed.len() < 8 || !sign::hex(id).starts_with(removed.as_str()));
            if keys.keyids.len() == before {
                return Err(TrustError::Usage(format!(
                    "`{role}` has no key whose id begins with `{removed}` (8 digits or more): `mountgate trust show` lists them"
                )));
            }
        }
        for added in &change.add {
            let id = sign::id(added)?;
            if root.roles.values().any(|role| role.keyids.contains(&id)) {
                return Err(TrustError::Usage(format!("the key {added} has a role already: each has its own")));
            }
            root.keys.insert(id.clone(), sign::tuf_key(added));
            keys.keyids.push(id);
        }
        keys.threshold = of_keys(change.threshold.unwrap_or(keys.threshold.get()), keys.keyids.len())?;
        root.roles.insert(role, keys);
        let used: Vec<Decoded<Hex>> = root.roles.values().flat_map(|role| role.keyids.clone()).collect();
        root.keys.retain(|id, _: &mut Key| used.contains(id));
        root.version = sign::next(root.version)?;
        root.expires = in_days(self.lifetimes.root)?;
        self.advance(Signed { signed: root, signatures: Vec::new() }, keyring)
    }

    /// Signs the root anew as it is, before it expires.
    ///
    /// # Errors
    /// As [`Repository::rotate`].
    pub fn renew_root(&mut self, keyring: &mut Keyring) -> Result<Ceremony, TrustError> {
        self.rotate(RoleType::Root, &Change::default(), keyring)
    }

    /// Adds the signatures of the keys at hand to the draft of a root, and puts it into force where they are enough.
    ///
    /// # Errors
    /// Where there is no draft.
    pub fn sign_draft(&mut self, keyring: &mut Keyring) -> Result<Ceremony, TrustError> {
        let path = self.folder.join(files::DRAFTS).join(DRAFT);
        let bytes = fs::read(&path)
            .map_err(|_| TrustError::Usage(format!("no draft waits for signatures in `{}`", path.display())))?;
        let draft: Signed<Root> = sign::from_bytes(DRAFT, &bytes)?;
        if draft.signed.version != sign::next(self.root().version)? {
            return Err(TrustError::Usage(
                "the draft follows another root than the one in force: draft it again".into(),
            ));
        }
        self.advance(draft, keyring)
    }

    fn advance(&mut self, mut draft: Signed<Root>, keyring: &mut Keyring) -> Result<Ceremony, TrustError> {
        client::check_root(&draft.signed)?;
        let ids = |root: &Root| root.roles.get(&RoleType::Root).map(|keys| keys.keyids.clone()).unwrap_or_default();
        let (old, new) = (ids(self.root()), ids(&draft.signed));
        let at_hand = keyring.among(old.iter().chain(new.iter().filter(|id| !old.contains(id))))?;
        let added = sign::sign(draft.signed.clone(), &at_hand)?.signatures;
        draft.signatures.retain(|there| added.iter().all(|new| new.keyid != there.keyid));
        draft.signatures.extend(added);
        draft.signatures.sort_by(|a, b| a.keyid.cmp(&b.keyid));
        let missing = |root: &Root, ids: &[Decoded<Hex>]| {
            let signed = draft.signatures.iter().filter(|signature| ids.contains(&signature.keyid)).count();
            let threshold = root.roles.get(&RoleType::Root).map_or(1, |keys| keys.threshold.get());
            threshold.saturating_sub(u64::try_from(signed).unwrap_or(u64::MAX))
        };
        let (old, new) = (missing(self.root(), &old), missing(&draft.signed, &new));
        let drafts = self.folder.join(files::DRAFTS);
        if old > 0 || new > 0 {
            fs::create_dir_all(&drafts).map_err(TrustError::io("make the folder", &drafts))?;
            files::replace(&drafts, DRAFT, &sign::to_bytes(&draft)?)?;
            return Ok(Ceremony::Waits { old, new });
        }
        for verified in [self.root().verify_role(&draft), draft.signed.verify_role(&draft)] {
            verified.map_err(|error| TrustError::metadata(Kind::Unsigned, format!("the new root: {error}")))?;
        }
        // Whatever the new root's keys must sign is signed first, so that a key that is missing is told before anything
        // is written.
        let version = draft.signed.version.get();
        let changed = |role| draft.signed.roles.get(&role) != self.root().roles.get(&role);
        let own = if changed(RoleType::Targets) {
            let keys = keyring.of_root(&draft.signed, RoleType::Targets)?;
            Some(sign::sign(self.renewed(self.targets())?, &keys)?)
        } else {
            None
        };
        for role in [RoleType::Snapshot, RoleType::Timestamp] {
            keyring.of_root(&draft.signed, role)?;
        }
        let bytes = sign::to_bytes(&draft)?;
        files::replace(&self.folder.join(files::METADATA), &format!("{version}.root.json"), &bytes)?;
        self.loaded.root = draft;
        self.write(own, Vec::new(), keyring)?;
        let _ = fs::remove_file(drafts.join(DRAFT));
        Ok(Ceremony::Done(version))
    }

    /// A publisher's key that is the root's, too, could do more than publish.
    fn refuse_keys_of_root(&self, keys: &[PublicKey]) -> Result<(), TrustError> {
        for key in keys {
            if self.root().keys.contains_key(&sign::id(key)?) {
                return Err(TrustError::Usage(format!("the key {key} has a role of the repository's: make another")));
            }
        }
        Ok(())
    }
}

/// One file of the signatures of several that say the same.
fn join(mut all: Vec<Signed<Targets>>) -> Result<Signed<Targets>, TrustError> {
    let mut joined = all.pop().ok_or_else(|| TrustError::Usage("no key is named: `--key`".to_owned()))?;
    for other in all {
        // Requests that were made at different moments differ in when they expire; a threshold above one is met by
        // keys that are at hand together, which sign the same.
        if other.signed != joined.signed {
            continue;
        }
        joined.signatures.extend(other.signatures);
    }
    joined.signatures.sort_by(|a, b| a.keyid.cmp(&b.keyid));
    joined.signatures.dedup_by(|a, b| a.keyid == b.keyid);
    debug_assert!(joined.signed.version() == one());
    Ok(joined)
}

fn drop_unused(delegations: &mut Delegations) {
    let used: Vec<Decoded<Hex>> = delegations.roles.iter().flat_map(|role| role.keyids.clone()).collect();
    delegations.keys.retain(|id, _| used.contains(id));
}
