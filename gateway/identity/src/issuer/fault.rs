//! Why an issuer's token opens nothing.

/// Why an issuer's token opens nothing: for the operator's log, never for its bearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtFault {
    /// It is longer than any that is looked at.
    #[error("it is too long")]
    TooLong,
    /// It can't be taken apart, or a part is not what it must be, or has a key twice.
    #[error("it is no JWT, or a part of it is not what it must be")]
    Malformed,
    /// It has `crit` or `b64`.
    #[error("its header has a critical part, and none is understood here")]
    Critical,
    /// Its header brings a key, or says where one is.
    #[error("its header brings a key of its own (`jwk`, `jku`, `x5c`, `x5u`)")]
    OwnKey,
    /// `alg` is not one of the issuer's, or not one of the key's.
    #[error("its `alg` is not one that is configured for the issuer and that its key is for")]
    Algorithm,
    /// `typ` is another kind of token.
    #[error("its `typ` is not one that is configured for the issuer")]
    Type,
    /// No issuer that is configured.
    #[error("its `iss` is no issuer that is configured")]
    Issuer,
    /// Meant for somebody else.
    #[error("its `aud` does not name this gateway")]
    Audience,
    /// Bound to a key that was not shown.
    #[error("it is bound to a key of its holder's (`cnf`), which was not shown")]
    Bound,
    /// No `exp`.
    #[error("it has no `exp`")]
    NoEnd,
    /// A time that is no number of seconds.
    #[error("its `exp`, `nbf` or `iat` is no time")]
    Time,
    /// Over.
    #[error("it has expired")]
    Expired,
    /// Not begun.
    #[error("its time has not come (`nbf`, `iat`)")]
    NotYet,
    /// It lives longer than it may.
    #[error("it lives longer than `max_lifetime`")]
    Lifetime,
    /// Its agent is not one that is mapped.
    #[error("its claim for the agent is missing, or no agent is mapped to its value")]
    NoAgent,
    /// Who acts is not the agent.
    #[error("its `act` names another agent than its own claim does, or none")]
    Actor,
    /// It is on a user's behalf, and the issuer is not configured for that.
    #[error("it is on behalf of a user (`act`), and the issuer has no `user`")]
    Delegated,
    /// No user, where there must be one.
    #[error("its claim for the user is missing or no text")]
    NoUser,
    /// A mapped claim is of another type, or too large.
    #[error("a claim that is mapped is of another type than configured, or too large")]
    Claim,
    /// No such key.
    #[error("its key (`kid`) is not among the issuer's")]
    UnknownKey,
    /// Several keys.
    #[error("it names no key (`kid`), and the issuer has more than one")]
    Ambiguous,
    /// The signature is not the key's.
    #[error("its signature does not hold")]
    Signature,
    /// Its claims and the agent's own do not agree.
    #[error("its claims and the agent's own contradict each other")]
    Contradiction,
    /// Too many signatures at once.
    #[error("too many signatures are to be checked at once")]
    Busy,
}
