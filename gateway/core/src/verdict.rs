//! What a policy answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ColumnName, Filter, Limits, Mask, RelationName};

/// What a policy grants of one relation. It stands on the ceiling's output; whatever it repeats of the ceiling
/// (a mask that the ceiling has too, a conjunct of the ceiling's filter) is applied once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RelationGrant {
    /// The columns, each with its masks in order.
    pub columns: Vec<(ColumnName, Vec<Mask>)>,
    /// The rows.
    pub filter: Option<Filter>,
}

/// What a policy grants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// The ceiling as it is.
    Ceiling,
    /// These relations, narrowed; others are not granted.
    Narrowed(BTreeMap<RelationName, RelationGrant>),
}

/// A policy's verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No.
    Deny {
        /// The policy's own short code, `[a-z0-9_]{1,40}`.
        code: String,
        /// Why, for the agent.
        reason: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// Yes, so much.
    Allow {
        /// How much.
        grant: Grant,
        /// Limits on top of the mount's.
        limits: Limits,
        /// For how long, in milliseconds, the same request may be decided the same way.
        valid_for_ms: Option<u64>,
    },
    /// Yes, after approval.
    Hold {
        /// How much.
        grant: Grant,
        /// Why a person must look.
        reason: String,
        /// For how long, in milliseconds, the hold waits.
        expires_ms: Option<u64>,
    },
}
