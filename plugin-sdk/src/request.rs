//! What a request says, by name and with its type.

use std::fmt;

use crate::types::{ClaimValue, Request};

/// Why a claim can't be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimError {
    /// The caller has no claim of that name.
    Missing(String),
    /// The claim has another type than the one wanted.
    Mistyped {
        /// The claim.
        claim: String,
        /// The type wanted.
        wanted: &'static str,
    },
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(claim) => write!(f, "the caller has no claim `{claim}`"),
            Self::Mistyped { claim, wanted } => write!(f, "claim `{claim}` is not {wanted}"),
        }
    }
}

impl std::error::Error for ClaimError {}

impl From<ClaimError> for String {
    fn from(error: ClaimError) -> Self {
        error.to_string()
    }
}

impl Request {
    /// The claim of that name, whatever its type.
    pub fn claim(&self, name: &str) -> Option<&ClaimValue> {
        self.claims.iter().find(|claim| claim.name == name).map(|claim| &claim.value)
    }

    fn typed<'a, T>(
        &'a self,
        name: &str,
        wanted: &'static str,
        take: impl Fn(&'a ClaimValue) -> Option<T>,
    ) -> Result<T, ClaimError> {
        let value = self.claim(name).ok_or_else(|| ClaimError::Missing(name.to_owned()))?;
        take(value).ok_or_else(|| ClaimError::Mistyped { claim: name.to_owned(), wanted })
    }

    /// A text claim.
    ///
    /// # Errors
    /// Where the caller lacks it, or it is no text.
    pub fn claim_text(&self, name: &str) -> Result<&str, ClaimError> {
        self.typed(name, "a text", |value| match value {
            ClaimValue::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// A whole-number claim.
    ///
    /// # Errors
    /// Where the caller lacks it, or it is no whole number.
    pub fn claim_integer(&self, name: &str) -> Result<i64, ClaimError> {
        self.typed(name, "a whole number", |value| match value {
            ClaimValue::Integer(integer) => Some(*integer),
            _ => None,
        })
    }

    /// A true-or-false claim.
    ///
    /// # Errors
    /// Where the caller lacks it, or it is neither.
    pub fn claim_boolean(&self, name: &str) -> Result<bool, ClaimError> {
        self.typed(name, "true or false", |value| match value {
            ClaimValue::Boolean(boolean) => Some(*boolean),
            _ => None,
        })
    }

    /// A claim that is a list of texts; a single text counts as a list of one.
    ///
    /// # Errors
    /// Where the caller lacks it, or it is something else.
    pub fn claim_texts(&self, name: &str) -> Result<&[String], ClaimError> {
        self.typed(name, "a list of texts", |value| match value {
            ClaimValue::Texts(texts) => Some(texts.as_slice()),
            ClaimValue::Text(text) => Some(std::slice::from_ref(text)),
            _ => None,
        })
    }

    /// A claim that is a list of whole numbers; a single one counts as a list of one.
    ///
    /// # Errors
    /// Where the caller lacks it, or it is something else.
    pub fn claim_integers(&self, name: &str) -> Result<&[i64], ClaimError> {
        self.typed(name, "a list of whole numbers", |value| match value {
            ClaimValue::Integers(integers) => Some(integers.as_slice()),
            ClaimValue::Integer(integer) => Some(std::slice::from_ref(integer)),
            _ => None,
        })
    }
}
