//! Names that must not be confused with one another, each its own type.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as the name. Where a name has rules, configuration checks them.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "`{}`", self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self::new(text)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

names! {
    /// An agent: an authenticated caller.
    AgentName,
    /// A minter: mints sessions and reads nothing.
    MinterName,
    /// A session's public id (never its secret).
    SessionId,
    /// A mount.
    MountName,
    /// A backend as named in configuration.
    BackendName,
    /// A policy as named in configuration: `ceiling`, `tiers`, `acme/support`.
    PolicyName,
    /// A claim of an agent or session.
    ClaimName,
    /// A relation as the mount names it: `orders`, or `sales.orders` where a schema is given.
    RelationName,
    /// A column of a relation, spelt as the store spells it.
    ColumnName,
}
