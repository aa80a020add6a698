//! People: who may approve the writes that wait.

use std::collections::BTreeSet;

use mountgate_core::{AgentName, MountName};
use rusqlite::params;
use serde::{Deserialize, Serialize};

use crate::{Identity, IdentityError, Token, claims::check_subject, identity::not_found, store, token::Kind};

/// What a person may approve.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonGrant {
    /// Writes of these mounts, each by name: there is no word for all of them.
    pub approves: BTreeSet<MountName>,
    /// Agents that the person runs, or speaks through: their writes are for others to approve.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub runs: BTreeSet<AgentName>,
}

impl PersonGrant {
    fn check(&self) -> Result<(), IdentityError> {
        // As configuration names mounts; so `*` is none.
        let sound = |mount: &&MountName| {
            let name = mount.as_str();
            name.len() <= 64
                && name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        if let Some(mount) = self.approves.iter().find(|mount| !sound(mount)) {
            return Err(IdentityError::Mount(mount.clone()));
        }
        self.runs.iter().try_for_each(|agent| check_subject("agent", agent.as_str()))
    }
}

impl Identity {
    /// Adds a person. The token is shown this once. The mounts need not exist yet.
    ///
    /// # Errors
    /// Where the name is taken or not allowed, or one in the grant is not.
    pub fn add_person(&self, name: &str, grant: &PersonGrant) -> Result<Token, IdentityError> {
        grant.check()?;
        self.add(Kind::Person, name, grant)
    }

    /// Gives a person another grant, in the place of the one before. Holds for the next request.
    ///
    /// # Errors
    /// Where there is no such person, or they are revoked, or a name in the grant is not allowed.
    pub fn grant_person(&self, name: &str, grant: &PersonGrant) -> Result<(), IdentityError> {
        grant.check()?;
        let detail = self.encode(grant)?;
        let found = self.change("change a grant in", |write| {
            let change = store::next_change(write)?;
            write.execute(
                "UPDATE credentials SET detail = ?2, changed = ?3
                 WHERE kind = 'person' AND name = ?1 AND revoked_ms IS NULL",
                params![name, detail, change],
            )
        })?;
        if found == 0 { Err(not_found("person", name)) } else { Ok(()) }
    }

    /// Revokes a person. Holds for the next request, also for approvals given that no write has followed yet.
    ///
    /// # Errors
    /// Where there is no such person, or they are revoked already.
    pub fn revoke_person(&self, name: &str) -> Result<(), IdentityError> {
        self.revoke(Kind::Person, name, "false AND name = ?1").map(drop)
    }
}

#[cfg(test)]
mod tests;
