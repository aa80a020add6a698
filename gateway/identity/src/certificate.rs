//! Certificates of clients: whose agent one is. That a connection's other end holds its key, and that an authority signed
//! it, was checked before one of these is made.

use std::collections::{BTreeMap, BTreeSet};

use mountgate_core::AgentName;
use sha2::{Digest as _, Sha256};

use crate::Reason;

/// A name in a certificate (a subject alternative name; the subject's common name is none).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectName {
    /// A URI, as SPIFFE has them; compared byte for byte.
    Uri(String),
    /// A name in the DNS, in lower case.
    Dns(String),
}

impl SubjectName {
    /// A name as configuration writes it: a URI has `://`.
    ///
    /// # Errors
    /// What is neither. A pattern is none: a certificate is one agent's.
    pub fn parse(text: &str) -> Result<Self, String> {
        let plain = !text.is_empty() && text.len() <= 2048 && text.bytes().all(|byte| byte.is_ascii_graphic());
        if plain && text.contains("://") {
            return Ok(Self::Uri(text.to_owned()));
        }
        let dns = plain && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if dns {
            return Ok(Self::Dns(text.to_ascii_lowercase()));
        }
        Err(format!(
            "`{text}` is no name of a certificate: write a URI (`spiffe://example.com/bot`) or a DNS name (`bot.example.com`)"
        ))
    }
}

/// A certificate that a client has shown, and proved to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    names: BTreeSet<SubjectName>,
    digest: [u8; 32],
}

impl Certificate {
    /// One with these names, in that encoding (DER).
    pub fn new(names: impl IntoIterator<Item = SubjectName>, der: &[u8]) -> Self {
        Self { names: names.into_iter().collect(), digest: Sha256::digest(der).into() }
    }

    /// One that was shown and is good no longer: nobody's.
    pub fn void() -> Self {
        Self { names: BTreeSet::new(), digest: [0; 32] }
    }

    /// SHA-256 of its encoding: what a token that is bound to it names.
    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

/// What a request shows of who sends it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown<'a> {
    /// A token.
    pub token: Option<&'a str>,
    /// The certificate of the connection's other end.
    pub certificate: Option<&'a Certificate>,
}

impl<'a> From<Option<&'a str>> for Shown<'a> {
    fn from(token: Option<&'a str>) -> Self {
        Self { token, certificate: None }
    }
}

/// Which name is which agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clients(BTreeMap<SubjectName, AgentName>);

impl Clients {
    /// These.
    pub fn new(agents: BTreeMap<SubjectName, AgentName>) -> Self {
        Self(agents)
    }

    /// The one agent that a certificate is.
    pub(crate) fn agent(&self, certificate: &Certificate) -> Result<AgentName, Reason> {
        let agents: BTreeSet<&AgentName> = certificate.names.iter().filter_map(|name| self.0.get(name)).collect();
        let mut agents = agents.into_iter();
        match (agents.next(), agents.next()) {
            (Some(agent), None) => Ok(agent.clone()),
            // Who could be either would choose.
            (Some(_), Some(_)) => Err(Reason::SeveralAgents),
            (None, _) => Err(Reason::NoAgent),
        }
    }
}
