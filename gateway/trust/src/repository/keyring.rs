//! The keys that are at hand for signing.

use std::{collections::HashMap, path::Path};

use tough::schema::{
    Delegations, RoleType, Root,
    decoded::{Decoded, Hex},
};
use zeroize::Zeroizing;

use crate::{
    error::TrustError,
    key::{KeyFile, SecretKey},
    sign,
};

type Passphrase = dyn FnMut(&Path) -> Result<Zeroizing<String>, TrustError>;

/// Keys on disk, each opened when it is first needed.
pub struct Keyring {
    files: Vec<KeyFile>,
    passphrase: Box<Passphrase>,
    opened: HashMap<String, SecretKey>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("files", &self.files.len()).finish_non_exhaustive()
    }
}

impl Keyring {
    /// These files; `passphrase` is asked for that of one when it is needed.
    pub fn new(
        files: Vec<KeyFile>,
        passphrase: impl FnMut(&Path) -> Result<Zeroizing<String>, TrustError> + 'static,
    ) -> Self {
        Self { files, passphrase: Box::new(passphrase), opened: HashMap::new() }
    }

    /// These keys, which are open.
    pub fn of(keys: impl IntoIterator<Item = SecretKey>) -> Self {
        let opened = keys.into_iter().map(|key| (key.public().id(), key)).collect();
        Self { files: Vec::new(), passphrase: Box::new(|_| Ok(Zeroizing::default())), opened }
    }

    /// Adds a key that is open.
    pub fn add(&mut self, key: SecretKey) {
        self.opened.insert(key.public().id(), key);
    }

    /// Those of the keys with these ids that are at hand.
    ///
    /// # Errors
    /// Where one does not open.
    pub(super) fn among<'i>(
        &mut self,
        ids: impl IntoIterator<Item = &'i Decoded<Hex>>,
    ) -> Result<Vec<SecretKey>, TrustError> {
        let mut found = Vec::new();
        for id in ids {
            let id = sign::hex(id);
            if let Some(key) = self.opened.get(&id) {
                found.push(key.clone());
                continue;
            }
            let Some(file) = self.files.iter().find(|file| file.public.id() == id) else { continue };
            let key = file.open(&(self.passphrase)(&file.path)?)?;
            self.opened.insert(id, key.clone());
            found.push(key);
        }
        Ok(found)
    }

    /// Enough keys of a role of the root's.
    pub(super) fn of_root(&mut self, root: &Root, role: RoleType) -> Result<Vec<SecretKey>, TrustError> {
        let (ids, threshold) = root.roles.get(&role).map_or((&[][..], 1), |keys| (&keys.keyids, keys.threshold.get()));
        let found = self.among(ids)?;
        enough(&role.to_string(), found, threshold)
    }

    /// Enough keys of a delegated role.
    pub(super) fn of_role(&mut self, delegations: &Delegations, name: &str) -> Result<Vec<SecretKey>, TrustError> {
        let role = delegations.roles.iter().find(|role| role.name == name).ok_or_else(|| {
            TrustError::Usage(format!(
                "nobody may sign `{name}/*`: whoever holds the repository's targets key runs `mountgate trust delegate {name}`"
            ))
        })?;
        let found = self.among(&role.keyids)?;
        enough(name, found, role.threshold.get())
    }
}

fn enough(role: &str, found: Vec<SecretKey>, threshold: u64) -> Result<Vec<SecretKey>, TrustError> {
    let at_hand = u64::try_from(found.len()).unwrap_or(u64::MAX);
    if at_hand < threshold {
        return Err(TrustError::Key(format!(
            "`{role}` needs {threshold} of its keys, and {at_hand} are at hand: name their folder or files with `--keys`"
        )));
    }
    Ok(found)
}
