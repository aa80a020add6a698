//! A store's failures as refusals.

use std::time::Duration;

use mountgate_core::{
    Code, Refusal,
    weaken::{Defence, is_down},
};
use mountgate_driver::{Class, StoreError};
use mountgate_ledger::DecisionId;

/// Tells the operator what the store said, and the agent what it may know.
///
/// INVARIANT: the refusal depends on the failure's class and the request's own caps only. A store's words quote
/// values (`invalid input syntax for type integer: "…"`), and constraint and type names of what is hidden.
pub(crate) fn refusal(error: &StoreError, decision: DecisionId, timeout: Duration) -> Refusal {
    let told = told(error, decision, timeout);
    if is_down(Defence::ErrorTexts) { Refusal::new(told.code, error.detail.clone()) } else { told }
}

fn told(error: &StoreError, decision: DecisionId, timeout: Duration) -> Refusal {
    let detail = error.detail.as_str();
    match error.class {
        Class::Data => {
            tracing::info!(%decision, detail, "the statement failed on a value");
            Refusal::new(Code::DataError, "the statement failed on a value that it computes with").hint(
                "look for a division by zero, a number out of range, or a cast of a text that is no number or date",
            )
        }
        Class::Constraint => {
            tracing::info!(%decision, detail, "a constraint of the store does not take the write");
            Refusal::new(Code::ConstraintFailed, "the store's constraints do not take the write; nothing is changed")
                .hint("which constraint it was is not told: look at what the values must be, unique and not empty among them")
        }
        Class::Conflict => {
            tracing::info!(%decision, detail, "something else changed the same at the same time");
            Refusal::new(
                Code::WriteConflict,
                "something else changed the same rows at the same time; nothing is changed",
            )
            .hint("ask again")
            .retry_after(1)
        }
        Class::Resource => {
            tracing::info!(%decision, detail, "the statement is over a limit of the store");
            Refusal::new(Code::ResourceLimit, "the statement needs more memory, depth or output than is allowed")
                .hint("ask for fewer or smaller rows, or for less work in one statement")
        }
        Class::Timeout => {
            tracing::info!(%decision, detail, "the statement timed out");
            Refusal::new(Code::ResourceLimit, format!("the statement took longer than {timeout:?}"))
                .hint("ask for less: a narrower filter, fewer joins, a LIMIT")
        }
        Class::Parameter => {
            tracing::info!(%decision, detail, "the store can't take a parameter");
            Refusal::new(Code::ParameterInvalid, "a parameter, or a constant of the statement, is no value of its type")
                .hint("check the types and ranges of parameters, and of what is computed from constants alone")
        }
        Class::Unavailable => {
            tracing::warn!(%decision, detail, "the store is unavailable");
            Refusal::new(Code::BackendUnavailable, "the backend can't be reached or is overloaded")
                .hint("ask again later")
                .retry_after(1)
        }
        Class::Refused => {
            tracing::error!(%decision, detail, "the store refused a statement");
            Refusal::new(Code::BackendRefused, "the backend refused the statement")
                .hint("write it differently, or tell the mount's owner the decision id")
        }
    }
}
