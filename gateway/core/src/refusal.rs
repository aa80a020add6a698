//! Refusals: data, not strings. One table says what each code means; the docs and the API are made from it.

use std::fmt;

use serde::{Serialize, Serializer};

/// Whose doing a refusal is, and so whether asking again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The request itself: ask differently.
    Agent,
    /// The policy said no, or failed.
    Policy,
    /// The store.
    Backend,
    /// Mountgate itself.
    Gateway,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $status:literal, $kind:ident;)*) => {
        /// A refusal's code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $name),* }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code as agents see it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// The HTTP status that it is told with.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }

            /// Whose doing it is.
            pub fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind),* }
            }

            /// What it means, for the docs.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+)),* }
            }
        }
    };
}

codes! {
    /// The body is not what the route takes: not JSON or MessagePack, a wrong type, a duplicate or unknown key.
    Malformed = "malformed", 400, Agent;
    /// The statement is not one statement of the mount's dialect.
    Unparseable = "unparseable", 400, Agent;
    /// A parameter is missing, superfluous, or of a type that does not fit.
    ParameterInvalid = "parameter_invalid", 400, Agent;
    /// A name could mean two things in scope.
    Ambiguous = "ambiguous", 400, Agent;
    /// The token is missing, unknown, expired or revoked.
    Unauthenticated = "unauthenticated", 401, Agent;
    /// A relation or column that is not in scope; whether it exists is not told.
    NotInScope = "not_in_scope", 403, Agent;
    /// A table in scope is for look-ups by key, and the statement does not say every key in each reference to it.
    KeyRequired = "key_required", 403, Agent;
    /// A table in scope answers with statistics only, and the statement asks for more than those.
    AggregateOnly = "aggregate_only", 403, Agent;
    /// The policy denies the request.
    DeniedByPolicy = "denied_by_policy", 403, Policy;
    /// The caller lacks a claim that the mount or policy needs.
    ClaimMissing = "claim_missing", 403, Agent;
    /// A claim of the caller is of the wrong type.
    ClaimMistyped = "claim_mistyped", 403, Agent;
    /// The mount does not serve at this time.
    OutsideHours = "outside_hours", 403, Agent;
    /// The mount has ended.
    MountExpired = "mount_expired", 403, Agent;
    /// The token is good but not for this: an agent that mints, a minter that reads, claims beyond a minter's.
    NotPermitted = "not_permitted", 403, Agent;
    /// The mount lets nothing of the kind be written: not the verb, not the column, not without a key.
    WriteNotAllowed = "write_not_allowed", 403, Agent;
    /// A row that the write refers to is not in scope.
    RowOutOfScope = "row_out_of_scope", 403, Agent;
    /// The write would change more rows than the mount lets one write change.
    TooManyRows = "too_many_rows", 403, Agent;
    /// The session, or its agent, was set apart: by a person, or after too many refusals. A person lifts it.
    Quarantined = "quarantined", 403, Agent;
    /// The request needs a person's approval, which this route cannot wait for.
    ApprovalRequired = "approval_required", 403, Policy;
    /// The mount does not exist, or does not serve this agent.
    MountNotFound = "mount_not_found", 404, Agent;
    /// There is no such hold, or it is not the caller's, or not of a mount of the person's: told alike.
    HoldNotFound = "hold_not_found", 404, Agent;
    /// There is nothing at this path.
    RouteNotFound = "route_not_found", 404, Agent;
    /// The path exists, but not for this method.
    MethodNotAllowed = "method_not_allowed", 405, Agent;
    /// The client was too slow in sending its request.
    RequestTimeout = "request_timeout", 408, Agent;
    /// The key was used by another request of the same agent, mount and claims.
    IdempotencyConflict = "idempotency_conflict", 409, Agent;
    /// The store's constraints, or the mount's scope, do not take a row as it would be. Which, and of which rows, is not told.
    ConstraintFailed = "constraint_failed", 409, Agent;
    /// Something else changed the same rows at the same time, or the same request is still under way.
    WriteConflict = "write_conflict", 409, Agent;
    /// The hold is in another state than what was asked needs, or holds something else than what was shown.
    HoldConflict = "hold_conflict", 409, Agent;
    /// The body, the statement or a value is larger than allowed.
    TooLarge = "too_large", 413, Agent;
    /// The body is of a type that is not read here, or the answer is wanted in one that is not written.
    MediaType = "media_type", 415, Agent;
    /// The statement uses a construct, function, operator, type or cast that is not on the list.
    Unsupported = "unsupported", 422, Agent;
    /// The statement combines values of types that do not go together.
    TypeMismatch = "type_mismatch", 422, Agent;
    /// The statement failed on a value in scope: a division by zero, a number out of range, a text that is no number.
    DataError = "data_error", 422, Agent;
    /// The statement needs more depth, joins, memory, output or time than is allowed.
    ResourceLimit = "resource_limit", 422, Agent;
    /// The caller asks too often.
    RateLimited = "rate_limited", 429, Agent;
    /// A budget of requests, rows or bytes is used up for now.
    BudgetExhausted = "budget_exhausted", 429, Agent;
    /// Too many requests of the same caller are under way.
    TooManyConcurrent = "too_many_concurrent", 429, Agent;
    /// Something is wrong inside the gateway; the operator's log has the decision id.
    Internal = "internal", 500, Gateway;
    /// The store cannot be reached or is overloaded.
    BackendUnavailable = "backend_unavailable", 502, Backend;
    /// The store refused a statement that the gateway took for sound; the operator's log says more.
    BackendRefused = "backend_refused", 502, Backend;
    /// Whether the write took place is not known: the connection was lost, or the gateway stopped, while it was committed.
    OutcomeUnknown = "outcome_unknown", 502, Backend;
    /// The write needs a person's approval, and this gateway has no place where it could wait for one.
    ApprovalUnavailable = "approval_unavailable", 503, Gateway;
    /// The ledger cannot be written, so nothing may leave.
    LedgerUnavailable = "ledger_unavailable", 503, Gateway;
    /// The policy trapped, ran too long, used too much, or gave a verdict past the ceiling.
    PolicyFailed = "policy_failed", 503, Policy;
    /// The policy was revoked by whoever signs it, or its signatures are too old.
    PolicyWithdrawn = "policy_withdrawn", 503, Policy;
    /// The gateway is stopping, or all of its places are taken.
    Overloaded = "overloaded", 503, Gateway;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A refusal: what an agent is told instead of an answer.
///
/// INVARIANT: `message` and `hint` depend on the request and the scope only, never on hidden data or on a store's
/// own texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// The code.
    pub code: Code,
    /// What was refused and why, in terms of the ceiling.
    pub message: String,
    /// What to do instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Seconds after which asking again may help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// A refusal with its message (lower case, the agent's own words in backticks).
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, retry_after: None }
    }

    /// Adds what to do instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds when asking again may help, in whole seconds, at least one.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }
}
