//! Claims of tokens, as sessions have them.

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use mountgate_core::{ClaimName, ClaimValue, Claims, UserName};

use super::JwtFault;
use crate::{ClaimType, claims::check_shape, strict::Json};

/// The longest name of a user, in bytes.
const LONGEST_USER: usize = 256;

/// Where in a token a claim is: a name, or several, each within the one before it. A name is never taken apart at its
/// dots or slashes: issuers use URLs for names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath(Vec<String>);

impl ClaimPath {
    /// These names, of which there must be one.
    pub fn new(names: Vec<String>) -> Option<Self> {
        (!names.is_empty() && names.iter().all(|name| !name.is_empty())).then_some(Self(names))
    }

    pub(super) fn find<'a>(&self, payload: &'a Json) -> Option<&'a Json> {
        self.0.iter().try_fold(payload, |within, name| within.get(name))
    }
}

/// Where a session's claim comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimSource {
    /// Where in the token it is.
    pub claim: ClaimPath,
    /// The type that it must have there: nothing is converted.
    pub ty: ClaimType,
}

/// The claims of a token's session. One that is missing is left out, and a mount that needs it refuses; one of another type
/// is not what the issuer was configured for, so that nothing of the token is believed (left out, it might widen what a
/// policy grants to whoever lacks it).
pub(super) fn session(sources: &BTreeMap<ClaimName, ClaimSource>, payload: &Json) -> Result<Claims, JwtFault> {
    let mut out = Claims::new();
    for (name, source) in sources {
        if let Some(found) = source.claim.find(payload) {
            out.insert(name.clone(), value(found, source.ty).ok_or(JwtFault::Claim)?);
        }
    }
    check_shape(&out).map_err(|_| JwtFault::Claim)?;
    Ok(out)
}

fn value(found: &Json, ty: ClaimType) -> Option<ClaimValue> {
    let items = || match found {
        Json::List(items) => Some(items.iter()),
        _ => None,
    };
    let integer = |json: &Json| match json {
        Json::Integer(number) => Some(*number),
        _ => None,
    };
    Some(match ty {
        ClaimType::Boolean => match found {
            Json::Boolean(truth) => ClaimValue::Boolean(*truth),
            _ => return None,
        },
        ClaimType::Integer => ClaimValue::Integer(integer(found)?),
        ClaimType::Text => ClaimValue::Text(found.text()?.to_owned()),
        ClaimType::Integers => ClaimValue::Integers(items()?.map(integer).collect::<Option<_>>()?),
        ClaimType::Texts => {
            ClaimValue::Texts(items()?.map(|item| item.text().map(str::to_owned)).collect::<Option<_>>()?)
        }
    })
}

/// The name of a user: printable, for it goes to records.
pub(super) fn user(found: &Json) -> Result<UserName, JwtFault> {
    let text = found.text().ok_or(JwtFault::NoUser)?;
    let sound = !text.is_empty() && text.len() <= LONGEST_USER && !text.chars().any(char::is_control);
    sound.then(|| UserName::new(text)).ok_or(JwtFault::NoUser)
}

/// The certificate that a token is bound to (RFC 8705). A bond of another kind is one that can't be checked here.
pub(super) fn bound(cnf: &Json) -> Result<[u8; 32], JwtFault> {
    let Json::Object(entries) = cnf else { return Err(JwtFault::Bound) };
    let digest = match (entries.len(), entries.get("x5t#S256").and_then(Json::text)) {
        (1, Some(digest)) => BASE64URL_NOPAD.decode(digest.as_bytes()).map_err(|_| JwtFault::Bound)?,
        _ => return Err(JwtFault::Bound),
    };
    digest.try_into().map_err(|_| JwtFault::Bound)
}

/// Seconds since 1970-01-01T00:00Z, whole or not, in milliseconds.
pub(super) fn time_ms(value: &Json) -> Result<i64, JwtFault> {
    /// The year 9999, about.
    const LAST: i64 = 253_402_300_800;
    let seconds = match value {
        Json::Integer(seconds) => *seconds,
        #[expect(
            clippy::cast_possible_truncation,
            reason = "within the bounds, and what is cut off is less than a second"
        )]
        Json::Number(seconds) if seconds.is_finite() && (0.0..1e12).contains(seconds) => seconds.floor() as i64,
        _ => return Err(JwtFault::Time),
    };
    if !(0..=LAST).contains(&seconds) {
        return Err(JwtFault::Time);
    }
    Ok(seconds.saturating_mul(1000))
}

/// The lesser of two sets of claims: where both say something under a name, what both say; else what either says.
///
/// # Errors
/// Where they contradict each other: two values that differ, or lists with nothing in common.
pub(crate) fn intersect(agent: &Claims, token: &Claims) -> Result<Claims, JwtFault> {
    let mut out = agent.clone();
    for (name, value) in token {
        let both = match out.get(name) {
            None => value.clone(),
            Some(own) => common(own, value).ok_or(JwtFault::Contradiction)?,
        };
        out.insert(name.clone(), both);
    }
    Ok(out)
}

fn common(one: &ClaimValue, other: &ClaimValue) -> Option<ClaimValue> {
    use ClaimValue::{Integer, Integers, Text, Texts};
    match (one, other) {
        (Integers(a), Integers(b)) => {
            let both: Vec<i64> = a.iter().filter(|item| b.contains(item)).copied().collect();
            (!both.is_empty()).then_some(Integers(both))
        }
        (Texts(a), Texts(b)) => {
            let both: Vec<String> = a.iter().filter(|item| b.contains(item)).cloned().collect();
            (!both.is_empty()).then_some(Texts(both))
        }
        (Integers(list), Integer(item)) | (Integer(item), Integers(list)) => {
            list.contains(item).then_some(Integer(*item))
        }
        (Texts(list), Text(item)) | (Text(item), Texts(list)) => list.contains(item).then(|| Text(item.clone())),
        (one, other) => (one == other).then(|| one.clone()),
    }
}
