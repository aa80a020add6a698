//! What may go wrong in a store, by what can be done about it.

use std::fmt;

/// The class of a failure: all that anyone but the operator may learn of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The statement failed on a value: a division by zero, a number out of range, a text that is no number.
    Data,
    /// A constraint of the store's, or a trigger, does not take what is written.
    Constraint,
    /// Something else changed the same at the same time.
    Conflict,
    /// It needs more memory, size, depth or output than is allowed.
    Resource,
    /// It took longer than its deadline.
    Timeout,
    /// The store can't be reached, is stopping, or all of its places are taken.
    Unavailable,
    /// The store refused the statement: unknown names, no permission, not a single read.
    Refused,
    /// A parameter is missing, superfluous or can't be taken as what the statement wants.
    Parameter,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Data => "data error",
            Self::Constraint => "constraint",
            Self::Conflict => "conflict",
            Self::Resource => "over a resource limit",
            Self::Timeout => "timed out",
            Self::Unavailable => "unavailable",
            Self::Refused => "refused",
            Self::Parameter => "bad parameter",
        })
    }
}

/// A failure of a store.
///
/// INVARIANT: `detail` may hold the store's own text, and so hidden values (`invalid input syntax: "secret"`); it is
/// for the operator's log and never for an agent. `Display` leaves it out, so that a careless `{error}` tells
/// nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the store failed: {class}")]
pub struct StoreError {
    /// What kind of failure.
    pub class: Class,
    /// The store's own words. For the operator's log only.
    pub detail: String,
}

impl StoreError {
    /// A failure of that class.
    pub fn new(class: Class, detail: impl Into<String>) -> Self {
        Self { class, detail: detail.into() }
    }

    pub(crate) fn timeout() -> Self {
        Self::new(Class::Timeout, "deadline reached")
    }
}
