//! The set of configuration and plugins in force, as one number.

use std::{collections::BTreeMap, sync::Arc};

use mountgate_core::{Caller, Code, MountName, Refusal};

use crate::Mount;

/// A generation: swapped whole, never changed. A request finishes on the one that it began with.
pub struct Generation {
    number: u64,
    mounts: BTreeMap<MountName, Arc<Mount>>,
}

impl Generation {
    /// A generation of these mounts.
    pub fn new(number: u64, mounts: impl IntoIterator<Item = Mount>) -> Self {
        let mounts = mounts.into_iter().map(|mount| (mount.name().clone(), Arc::new(mount))).collect();
        Self { number, mounts }
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

    /// The mount of that name, where it serves the caller's agent.
    ///
    /// # Errors
    /// One refusal for a mount that does not exist and for one that is not the caller's.
    pub(crate) fn mount(&self, caller: &Caller, name: &MountName) -> Result<&Arc<Mount>, Refusal> {
        self.mounts.get(name).filter(|mount| mount.serves(&caller.agent)).ok_or_else(|| {
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
