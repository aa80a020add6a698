//! Version 0.2: a policy is configured for a mount's whole ceiling; requests and verdicts name relations and columns by
//! their places in it.

mod mount;
mod request;
mod verdict;

use mountgate_core as core;

pub(crate) use self::{mount::with_mount, request::with_request, verdict::verdict_from};
use super::{
    MAX_COLUMNS, MAX_MASKS, MAX_RATES, MAX_RELATIONS, array_text, at_most, cap, denial_code, milliseconds, rate, text,
    whole,
};
use crate::{
    error::PolicyError,
    plugin::{Inputs, Manifest},
};

/// The version's types; what verdicts and requests share has here the name that it has in the contract, as verdicts own
/// it, and `Param` behind it where a request lends it.
pub(crate) mod wit {
    pub(crate) use crate::bindings::v0_2::mountgate::policy::types::{
        LimitsResult as Limits, MaskResult as Mask, MembershipResult as Membership, NodeResult as Node,
        PartialResult as Partial, ValueResult as Value, *,
    };
}

from_contract!();

/// What the policy says of itself.
pub(crate) fn manifest_from(manifest: wit::Manifest) -> Manifest {
    let wit::Manifest { name, summary, inputs, settings_schema } = manifest;
    let mut declared = Inputs::default();
    for input in inputs {
        match input {
            wit::Input::Time => declared.time = true,
            wit::Input::Usage => declared.usage = true,
            wit::Input::Parameters => declared.parameters = true,
            wit::Input::Predicates => declared.predicates = true,
            wit::Input::Ceiling => declared.ceiling = true,
        }
    }
    Manifest { name, summary, inputs: declared, settings_schema }
}

/// The value as lent. Arrays have been spelt out before: see [`mount::spelt`].
fn value_to(value: &core::Value) -> wit::ValueParam<'_> {
    use core::Value as V;
    match value {
        V::Null | V::Array(_) => wit::ValueParam::Null,
        V::Boolean(b) => wit::ValueParam::Boolean(*b),
        V::Integer(i) => wit::ValueParam::Integer(*i),
        V::Float(f) => wit::ValueParam::Float(*f),
        V::Decimal(t) => wit::ValueParam::Decimal(t),
        V::Text(t) => wit::ValueParam::Text(t),
        V::Bytes(b) => wit::ValueParam::Bytes(b),
        V::Date(t) => wit::ValueParam::Date(t),
        V::Time(t) => wit::ValueParam::Time(t),
        V::Timestamp(t) => wit::ValueParam::Timestamp(t),
        V::TimestampTz(t) => wit::ValueParam::Timestamptz(t),
        V::Interval(t) => wit::ValueParam::Interval(t),
        V::Uuid(t) => wit::ValueParam::Uuid(t),
        V::Json(t) => wit::ValueParam::Json(t),
    }
}
