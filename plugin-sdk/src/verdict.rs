//! Verdicts.

use crate::types::{Allowance, Denial, Grant, Holding, Limits, Verdict};

/// An `allow` under construction; `.into()` makes it a [`Verdict`].
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Allow(Allowance);

/// A `hold` under construction; `.into()` makes it a [`Verdict`].
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Hold(Holding);

impl Verdict {
    /// No, with the policy's own code (`[a-z0-9_]{1,40}`) and a reason that the agent reads.
    pub fn deny(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Deny(Denial { code: code.into(), reason: reason.into(), hint: None })
    }

    /// No, and what to do instead.
    pub fn deny_with_hint(code: impl Into<String>, reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Deny(Denial { code: code.into(), reason: reason.into(), hint: Some(hint.into()) })
    }

    /// Yes, so much. Relations that are not among the grants are as if they did not exist.
    pub fn allow(grant: impl Into<Grant>) -> Allow {
        Allow(Allowance { grant: grant.into(), limits: Limits::none(), valid_for_ms: None })
    }

    /// Yes, after a person's approval.
    pub fn hold(grant: impl Into<Grant>, reason: impl Into<String>) -> Hold {
        Hold(Holding { grant: grant.into(), reason: reason.into(), expires_ms: None })
    }

    /// The code of a denial. For tests.
    pub fn denied(&self) -> Option<&str> {
        match self {
            Self::Deny(denial) => Some(&denial.code),
            Self::Allow(_) | Self::Hold(_) => None,
        }
    }
}

impl Allow {
    /// Limits on top of the mount's.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.0.limits = limits;
        self
    }

    /// For how long an equal request may be decided the same without asking again.
    pub fn valid_for_ms(mut self, milliseconds: u32) -> Self {
        self.0.valid_for_ms = Some(i64::from(milliseconds));
        self
    }
}

impl Hold {
    /// How long the hold waits.
    pub fn expires_ms(mut self, milliseconds: u32) -> Self {
        self.0.expires_ms = Some(i64::from(milliseconds));
        self
    }
}

impl From<Allow> for Verdict {
    fn from(allow: Allow) -> Self {
        Self::Allow(allow.0)
    }
}

impl From<Hold> for Verdict {
    fn from(hold: Hold) -> Self {
        Self::Hold(hold.0)
    }
}
