//! Names of a wall's roles and schemas.

use mountgate_core::MountName;

/// The names of a mount's wall. Each is shorter than the 63 bytes that PostgreSQL keeps, and needs no quoting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The role that the mount's pool logs in as.
    pub login: String,
    /// The role that owns what the wall is made of; nobody can log in as it.
    pub owner: String,
    /// The schema of the views.
    pub views: String,
    /// The schema of the keys and of the function that checks seals.
    pub own: String,
}

impl Names {
    /// `mountgate_support_1f2e3d4c` and what begins with it. Roles are the whole cluster's, so `id` tells databases
    /// and gateways apart.
    pub fn new(mount: &MountName, id: &[u8]) -> Self {
        let word: String = mount
            .as_str()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
            .take(30)
            .collect();
        let id: String = id.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let base = format!("mountgate_{word}_{id}");
        Self { owner: format!("{base}_owner"), own: format!("{base}_own"), views: base.clone(), login: base }
    }
}
