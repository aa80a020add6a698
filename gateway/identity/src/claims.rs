//! Claims: their names, their types, their size, and a minter's rules for them.

use std::{collections::BTreeMap, str::FromStr};

use mountgate_core::{ClaimName, ClaimValue, Claims};
use serde::{Deserialize, Serialize};

use crate::IdentityError;

const MAX_CLAIMS: usize = 64;
const MAX_TEXT: usize = 4096;
const MAX_ITEMS: usize = 1000;
const MAX_TOTAL: usize = 32_768;

/// The type of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimType {
    /// True or false.
    Boolean,
    /// A whole number.
    Integer,
    /// Text.
    Text,
    /// A list of whole numbers.
    Integers,
    /// A list of texts.
    Texts,
}

impl ClaimType {
    const ALL: [Self; 5] = [Self::Boolean, Self::Integer, Self::Text, Self::Integers, Self::Texts];

    /// The type of a value.
    pub fn of(value: &ClaimValue) -> Self {
        match value {
            ClaimValue::Boolean(_) => Self::Boolean,
            ClaimValue::Integer(_) => Self::Integer,
            ClaimValue::Text(_) => Self::Text,
            ClaimValue::Integers(_) => Self::Integers,
            ClaimValue::Texts(_) => Self::Texts,
        }
    }

    /// The type in words, as [`ClaimValue::label`] has them.
    pub fn label(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Text => "text",
            Self::Integers => "list of integers",
            Self::Texts => "list of texts",
        }
    }

    /// The type as configuration and command line spell it.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Text => "text",
            Self::Integers => "integers",
            Self::Texts => "texts",
        }
    }

    /// Whether the value is of this type. An empty list is a list of anything: JSON's `[]` says no more.
    fn takes(self, value: &ClaimValue) -> bool {
        let found = Self::of(value);
        let empty = match value {
            ClaimValue::Integers(items) => items.is_empty(),
            ClaimValue::Texts(items) => items.is_empty(),
            ClaimValue::Boolean(_) | ClaimValue::Integer(_) | ClaimValue::Text(_) => false,
        };
        found == self || (empty && matches!(self, Self::Integers | Self::Texts))
    }
}

impl FromStr for ClaimType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|ty| ty.keyword() == text).ok_or_else(|| {
            format!("`{text}` is no type of a claim: use `boolean`, `integer`, `text`, `integers` or `texts`")
        })
    }
}

/// What a minter may claim under one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimRule {
    /// The type that the claim must have.
    #[serde(rename = "type")]
    pub ty: ClaimType,
    /// The values that it may have; any of the type where there are none listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<ClaimValue>>,
}

impl ClaimRule {
    /// Any value of that type.
    pub fn of(ty: ClaimType) -> Self {
        Self { ty, values: None }
    }

    pub(crate) fn check_sound(&self, claim: &ClaimName) -> Result<(), IdentityError> {
        check_name(claim)?;
        let Some(values) = &self.values else { return Ok(()) };
        if values.is_empty() {
            return Err(IdentityError::Rule { claim: claim.clone(), why: "its list of values is empty".into() });
        }
        for value in values {
            check_size(claim, value)?;
            if !self.ty.takes(value) {
                let why = format!("a value is {}, not {}", value.label(), self.ty.label());
                return Err(IdentityError::Rule { claim: claim.clone(), why });
            }
        }
        Ok(())
    }

    fn check(&self, claim: &ClaimName, value: &ClaimValue) -> Result<(), IdentityError> {
        if !self.ty.takes(value) {
            return Err(IdentityError::ClaimMistyped {
                claim: claim.clone(),
                wanted: self.ty.label(),
                found: value.label(),
            });
        }
        match &self.values {
            Some(values) if !values.contains(value) => Err(IdentityError::ClaimValue(claim.clone())),
            _ => Ok(()),
        }
    }
}

/// Checks claims against a minter's rules: every claim needs a rule.
pub(crate) fn check_rules(claims: &Claims, rules: &BTreeMap<ClaimName, ClaimRule>) -> Result<(), IdentityError> {
    claims.iter().try_for_each(|(claim, value)| {
        rules.get(claim).ok_or_else(|| IdentityError::ClaimNotAllowed(claim.clone()))?.check(claim, value)
    })
}

/// Checks that a session's claims change none of its agent's: not even to the same value, which would outlive it.
pub(crate) fn check_shadows(session: &Claims, agent: &Claims) -> Result<(), IdentityError> {
    match session.keys().find(|claim| agent.contains_key(*claim)) {
        Some(claim) => Err(IdentityError::ClaimShadows(claim.clone())),
        None => Ok(()),
    }
}

/// Checks names and sizes.
pub(crate) fn check_shape(claims: &Claims) -> Result<(), IdentityError> {
    if claims.len() > MAX_CLAIMS {
        return Err(IdentityError::TooManyClaims(claims.len()));
    }
    let mut total = 0_usize;
    claims.iter().try_for_each(|(claim, value)| {
        check_name(claim)?;
        check_size(claim, value)?;
        total = total.saturating_add(value.to_value().weight());
        if total > MAX_TOTAL {
            return Err(IdentityError::ClaimSize {
                claim: claim.clone(),
                why: "all claims together may have 32768 bytes",
            });
        }
        Ok(())
    })
}

fn check_name(claim: &ClaimName) -> Result<(), IdentityError> {
    let text = claim.as_str();
    let sound = text.len() <= 63
        && text.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if sound { Ok(()) } else { Err(IdentityError::ClaimName(claim.clone())) }
}

fn check_size(claim: &ClaimName, value: &ClaimValue) -> Result<(), IdentityError> {
    let large = |why| Err(IdentityError::ClaimSize { claim: claim.clone(), why });
    match value {
        ClaimValue::Boolean(_) | ClaimValue::Integer(_) => Ok(()),
        ClaimValue::Text(text) if text.len() > MAX_TEXT => large("a text may have 4096 bytes"),
        ClaimValue::Integers(items) if items.len() > MAX_ITEMS => large("a list may have 1000 items"),
        ClaimValue::Texts(items) if items.len() > MAX_ITEMS => large("a list may have 1000 items"),
        ClaimValue::Texts(items) if items.iter().map(String::len).sum::<usize>() > 4 * MAX_TEXT => {
            large("the texts of a list may have 16384 bytes together")
        }
        ClaimValue::Text(_) | ClaimValue::Integers(_) | ClaimValue::Texts(_) => Ok(()),
    }
}

/// Checks the name of an agent, a minter or an operator.
pub(crate) fn check_subject(kind: &'static str, name: &str) -> Result<(), IdentityError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let sound = name.len() <= 63
        && name.bytes().next().is_some_and(allowed)
        && name.bytes().all(|byte| allowed(byte) || matches!(byte, b'.' | b'_' | b'-'));
    if sound { Ok(()) } else { Err(IdentityError::Name { kind, name: name.to_owned() }) }
}
