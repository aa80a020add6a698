//! Why a token opens nothing, and why an act on identities is refused.

use std::path::PathBuf;

use mountgate_core::{AgentName, ClaimName, Code, MountName, Refusal};

/// The token opens nothing. To the caller there is one such error, whatever the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is missing, unknown, expired or revoked")]
pub struct Unauthenticated {
    reason: Reason,
}

impl Unauthenticated {
    pub(crate) fn new(reason: Reason) -> Self {
        Self { reason }
    }

    /// Why, for the operator's log only.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// What the caller is told.
    pub fn refusal(&self) -> Refusal {
        Refusal::new(Code::Unauthenticated, self.to_string())
            .hint("send `Authorization: Bearer <token>` with a token of this gateway")
    }
}

/// Why a token opens nothing. Never shown to its bearer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It does not look like a token.
    #[error("it is not of the form of a token")]
    Malformed,
    /// Its checksum is wrong: mistyped, or cut.
    #[error("its checksum does not hold: it is mistyped or cut")]
    Checksum,
    /// Nothing has its public id.
    #[error("no credential has this id")]
    Unknown,
    /// Its secret is not the one of its public id.
    #[error("its secret is wrong")]
    WrongSecret,
    /// It was good until then.
    #[error("it has expired")]
    Expired,
    /// It was revoked.
    #[error("it was revoked")]
    Revoked,
    /// Its session's agent was revoked or is gone.
    #[error("its agent was revoked")]
    AgentRevoked,
    /// The file of identities can't be read, so nothing is known to be still good.
    #[error("the identities cannot be read: {0}")]
    Unreadable(String),
}

/// Why an act on identities is refused.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// SQLite, or the file system.
    #[error("identities: cannot {act} `{}`: {why}", path.display())]
    Store {
        /// What was being done.
        act: &'static str,
        /// The file.
        path: PathBuf,
        /// What was said.
        why: String,
    },
    /// A file that another version has written, or that is no file of identities.
    #[error("identities: `{}` is not a file of identities that this version reads: {why}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What it is.
        why: String,
    },
    /// A name that does not follow the rules.
    #[error(
        "{kind} name `{name}` is not allowed: use 1 to 63 of a-z, 0-9, `.`, `_`, `-`, beginning with a letter or digit"
    )]
    Name {
        /// Agent, minter or operator.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// A mount that can't be.
    #[error("`{0}` is no name of a mount: up to 64 letters, digits, `-`, `_` and `.`; name each mount by itself")]
    Mount(MountName),
    /// A name that is taken.
    #[error("{kind} `{name}` exists already{}", if *revoked { ", though revoked: its name is not given again" } else { "" })]
    Exists {
        /// Agent, minter or operator.
        kind: &'static str,
        /// The name.
        name: String,
        /// Whether it is revoked.
        revoked: bool,
    },
    /// Nothing of that name, or it is revoked already.
    #[error("there is no {kind} `{name}` that is not revoked")]
    NotFound {
        /// Agent, minter, operator or session.
        kind: &'static str,
        /// The name, or the session's id.
        name: String,
    },
    /// A claim's name that does not follow the rules.
    #[error("claim name `{0}` is not allowed: use 1 to 63 of a-z, 0-9 and `_`, beginning with a letter")]
    ClaimName(ClaimName),
    /// A claim that is too large.
    #[error("claim `{claim}` is too large: {why}")]
    ClaimSize {
        /// The claim.
        claim: ClaimName,
        /// The bound.
        why: &'static str,
    },
    /// More claims than allowed.
    #[error("{0} claims are too many: at most 64")]
    TooManyClaims(usize),
    /// A session may not claim this.
    #[error("claim `{0}` is not among those that this minter may give")]
    ClaimNotAllowed(ClaimName),
    /// A session's claim that its agent has already.
    #[error("claim `{0}` is the agent's own: a session can't change it")]
    ClaimShadows(ClaimName),
    /// A claim of another type.
    #[error("claim `{claim}` must be {wanted}, not {found}")]
    ClaimMistyped {
        /// The claim.
        claim: ClaimName,
        /// The type that it must have.
        wanted: &'static str,
        /// The type that it has.
        found: &'static str,
    },
    /// A value that the minter may not give.
    #[error("claim `{0}` may not have this value from this minter")]
    ClaimValue(ClaimName),
    /// A minter's rule that allows nothing.
    #[error("the rule for claim `{claim}` can't be met: {why}")]
    Rule {
        /// The claim.
        claim: ClaimName,
        /// Why.
        why: String,
    },
    /// An agent that the minter may not mint for, does not exist, or is revoked: to a minter all the same.
    #[error("agent `{0}` is not one that this minter may mint sessions for")]
    AgentNotAllowed(AgentName),
    /// A lifetime that is zero or too long.
    #[error("a session of {wanted_ms} ms is not allowed: from 1 to {most_ms} ms")]
    Lifetime {
        /// The lifetime asked for.
        wanted_ms: i64,
        /// The longest.
        most_ms: i64,
    },
    /// Too many live sessions of the agent.
    #[error("agent `{agent}` has {most} live sessions, which is the most: wait for one to end, or revoke one")]
    TooManySessions {
        /// The agent.
        agent: AgentName,
        /// The most.
        most: u32,
    },
    /// The minter was revoked meanwhile.
    #[error("the minter was revoked")]
    MinterRevoked,
    /// The system gave no randomness.
    #[error("the system's randomness failed: {0}")]
    Randomness(String),
}

impl IdentityError {
    /// What a minter is told.
    pub fn refusal(&self) -> Refusal {
        let code = match self {
            Self::ClaimNotAllowed(_)
            | Self::ClaimShadows(_)
            | Self::ClaimValue(_)
            | Self::AgentNotAllowed(_)
            | Self::Lifetime { .. } => Code::NotPermitted,
            Self::ClaimMistyped { .. } => Code::ClaimMistyped,
            Self::ClaimName(_) | Self::ClaimSize { .. } | Self::TooManyClaims(_) => Code::Malformed,
            Self::TooManySessions { .. } => Code::TooManyConcurrent,
            Self::MinterRevoked => Code::Unauthenticated,
            Self::Store { .. }
            | Self::Version { .. }
            | Self::Name { .. }
            | Self::Mount(_)
            | Self::Exists { .. }
            | Self::NotFound { .. }
            | Self::Rule { .. }
            | Self::Randomness(_) => {
                // Paths and the store's own texts are the operator's.
                return Refusal::new(Code::Internal, "the session could not be minted; the operator's log says why");
            }
        };
        Refusal::new(code, self.to_string())
    }
}
