//! Tokens: how they look, and what is kept of them.

use std::fmt;

use data_encoding::{BASE32_DNSSEC, HEXLOWER};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{IdentityError, Reason};

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Agent,
    Session,
    Minter,
    Operator,
    Person,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Agent, Self::Session, Self::Minter, Self::Operator, Self::Person];

    fn prefix(self) -> &'static str {
        match self {
            Self::Agent => "mga_",
            Self::Session => "mgs_",
            Self::Minter => "mgm_",
            Self::Operator => "mgo_",
            Self::Person => "mgp_",
        }
    }

    /// The kind's name in the store and in messages.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Session => "session",
            Self::Minter => "minter",
            Self::Operator => "operator",
            Self::Person => "person",
        }
    }

    pub(crate) fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.label() == label)
    }
}

/// Characters of a public id: 80 random bits, so that ids stay apart in a ledger that outlives the sessions.
const ID: usize = 16;
const SECRET: usize = 64;
const CHECKSUM: usize = 8;
const LENGTH: usize = 4 + ID + 1 + SECRET + CHECKSUM;

/// The public part of a token: names the credential, proves nothing.
pub(crate) type PublicId = String;

/// What is stored of a secret: SHA-256, bound to the kind and the id, so that a row's hash is good for no other row.
pub(crate) type SecretHash = [u8; 32];

/// A token, shown once. Its text is wiped from memory when dropped and never printed by `Debug`.
pub struct Token(Zeroizing<String>);

impl Token {
    /// The text, for showing it to whom it belongs, once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A new token of that kind, its public id, and what to store of its secret.
    pub(crate) fn new(kind: Kind) -> Result<(Self, PublicId, SecretHash), IdentityError> {
        let failed = |error: getrandom::Error| IdentityError::Randomness(error.to_string());
        let (mut id, mut secret) = ([0; 10], Zeroizing::new([0; 32]));
        getrandom::fill(&mut id).map_err(failed)?;
        getrandom::fill(secret.as_mut()).map_err(failed)?;
        let id = BASE32_DNSSEC.encode(&id);
        let mut hex = HEXLOWER.encode(secret.as_ref());
        // Made at its full size at once: growing would leave copies behind that nobody wipes.
        let mut text = Zeroizing::new(String::with_capacity(LENGTH));
        for part in [kind.prefix(), &id, "_", &hex] {
            text.push_str(part);
        }
        hex.zeroize();
        let checksum = checksum(text.as_bytes());
        for byte in checksum {
            text.push(char::from(byte));
        }
        let hash = hash(kind, id.as_bytes(), secret.as_ref());
        Ok((Self(text), id, hash))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The public id is no secret, and says which token is meant.
        write!(f, "Token({}…)", self.0.get(..4 + ID).unwrap_or_default())
    }
}

fn checksum(text: &[u8]) -> [u8; CHECKSUM] {
    let full = Sha256::digest(text);
    let mut out = [0; CHECKSUM];
    if let Some(first) = full.get(..CHECKSUM / 2) {
        HEXLOWER.encode_mut(first, &mut out);
    }
    out
}

fn hash(kind: Kind, id: &[u8], secret: &[u8]) -> SecretHash {
    let mut hasher = Sha256::new();
    hasher.update(b"mountgate token 1\0");
    hasher.update(kind.label().as_bytes());
    hasher.update(b"\0");
    hasher.update(id);
    hasher.update(secret);
    hasher.finalize().into()
}

/// What a token's text says.
pub(crate) struct Presented<'a> {
    pub(crate) id: &'a str,
    pub(crate) hash: SecretHash,
}

impl<'a> Presented<'a> {
    /// Takes a token's text apart.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Reason> {
        let bytes = text.as_bytes();
        if bytes.len() != LENGTH || !bytes.is_ascii() {
            return Err(Reason::Malformed);
        }
        let (body, sum) = bytes.split_at_checked(LENGTH - CHECKSUM).ok_or(Reason::Malformed)?;
        let kind = Kind::ALL.into_iter().find(|kind| text.starts_with(kind.prefix())).ok_or(Reason::Malformed)?;
        let id = text.get(4..4 + ID).ok_or(Reason::Malformed)?;
        if body.get(4 + ID) != Some(&b'_') {
            return Err(Reason::Malformed);
        }
        let hex = body.get(5 + ID..).ok_or(Reason::Malformed)?;
        let mut secret = Zeroizing::new([0; 32]);
        HEXLOWER.decode_mut(hex, secret.as_mut()).map_err(|_| Reason::Malformed)?;
        // No secret is compared here: the checksum is a function of the presented text alone.
        if checksum(body) != sum {
            return Err(Reason::Checksum);
        }
        Ok(Self { id, hash: hash(kind, id.as_bytes(), secret.as_ref()) })
    }
}

#[cfg(test)]
mod tests;
