//! The set of configuration and plugins in force, as one number.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mountgate_core::{Caller, Code, MountName, Refusal, UserName};

use crate::Mount;

/// A generation: swapped whole, never changed. A request finishes on the one that it began with.
pub struct Generation {
    number: u64,
    mounts: BTreeMap<MountName, Arc<Mount>>,
    users: Option<Users>,
}

/// The mounts that agents may use on behalf of each user. A user who is not among them has none.
pub type Users = BTreeMap<UserName, BTreeSet<MountName>>;

impl Generation {
    /// A generation of these mounts.
    pub fn new(number: u64, mounts: impl IntoIterator<Item = Mount>) -> Self {
        let mounts = mounts.into_iter().map(|mount| (mount.name().clone(), Arc::new(mount))).collect();
        Self { number, mounts, users: None }
    }

    /// The same, with what users may. Without it, what an agent may on a user's behalf is what the agent may.
    #[must_use]
    pub fn for_users(self, users: Option<Users>) -> Self {
        Self { users, ..self }
    }

    /// Whether the mount is the caller's: its agent's, and the user's too, on whose behalf it asks.
    pub(crate) fn opens(&self, mount: &Mount, caller: &Caller) -> bool {
        let users = match (&caller.user, &self.users) {
            (Some(user), Some(users)) => users.get(user).is_some_and(|mounts| mounts.contains(mount.name())),
            (None, _) | (_, None) => true,
        };
        users && mount.serves(&caller.agent)
    }

    /// Its number: one more than that of the generation that it follows.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Every mount, by name.
    pub fn mounts(&self) -> &BTreeMap<MountName, Arc<Mount>> {
        &self.mounts
    }

    pub(crate) fn has_shadows(&self) -> bool {
        self.mounts.values().any(|mount| mount.spec.shadow.is_some())
    }

    /// The mount of that name, where it is the caller's.
    ///
    /// # Errors
    /// One refusal for a mount that does not exist and for one that is not the caller's.
    pub(crate) fn mount(&self, caller: &Caller, name: &MountName) -> Result<&Arc<Mount>, Refusal> {
        self.mounts.get(name).filter(|mount| self.opens(mount, caller)).ok_or_else(|| {
            Refusal::new(
                Code::MountNotFound,
                format!("no mount `{}` for agent `{}`", clip(name.as_str()), caller.agent),
            )
            .hint("GET /v1/mounts lists the mounts that you may use")
        })
    }
}

/// A name that an agent sent, short enough to repeat.
fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}
