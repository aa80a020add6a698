//! PostgreSQL's failures by class.

use std::error::Error as _;

use tokio_postgres::{Error, error::SqlState};

use super::guard::TooLarge;
use crate::{Class, StoreError};

/// Where in its life a statement failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Prepare,
    Bind,
    Run,
}

pub(super) fn failed(error: &Error, phase: Phase) -> StoreError {
    let Some(db) = error.as_db_error() else {
        return StoreError::new(if is_too_large(error) { Class::Resource } else { Class::Unavailable }, chain(error));
    };
    let code = db.code();
    let class = match code.code().get(..2).unwrap_or_default() {
        // What the server can't read as a parameter's type shows when the parameters are bound.
        "22" if phase == Phase::Bind && is_unreadable(code) => Class::Parameter,
        "22" => Class::Data,
        // Constraints, CHECK OPTION, and what a trigger raises.
        "23" | "44" | "P0" => Class::Constraint,
        "53" | "54" => Class::Resource,
        "08" => Class::Unavailable,
        "57" if *code == SqlState::QUERY_CANCELED => Class::Timeout,
        "57" => Class::Unavailable,
        // A change by something else, a deadlock, a conflict with recovery on a replica: it may go better next time.
        "40" => Class::Conflict,
        "55" if *code == SqlState::LOCK_NOT_AVAILABLE => Class::Timeout,
        // A text that can't be put into the database's encoding, a lost relation of an internal kind: see the log.
        _ => Class::Refused,
    };
    let detail = format!("{}: {}", code.code(), db.message());
    StoreError::new(class, detail)
}

fn is_unreadable(code: &SqlState) -> bool {
    [
        SqlState::INVALID_TEXT_REPRESENTATION,
        SqlState::INVALID_BINARY_REPRESENTATION,
        SqlState::INVALID_DATETIME_FORMAT,
        SqlState::DATETIME_FIELD_OVERFLOW,
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        SqlState::CHARACTER_NOT_IN_REPERTOIRE,
        SqlState::UNTRANSLATABLE_CHARACTER,
        SqlState::INVALID_PARAMETER_VALUE,
        SqlState::INVALID_ESCAPE_SEQUENCE,
    ]
    .contains(code)
}

fn is_too_large(error: &Error) -> bool {
    error
        .source()
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .and_then(std::io::Error::get_ref)
        .is_some_and(|inner| inner.is::<TooLarge>())
}

fn chain(error: &Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// Whether the connection may go on after this error, once its transaction is rolled back.
pub(super) fn is_survivable(error: &Error) -> bool {
    error.as_db_error().is_some_and(|db| !matches!(db.severity(), "FATAL" | "PANIC"))
}

/// Whether the statement must be prepared anew: a table has changed, or a pooler in between lost it.
pub(super) fn is_stale(error: &Error) -> bool {
    error.as_db_error().is_some_and(|db| {
        *db.code() == SqlState::INVALID_SQL_STATEMENT_NAME
            || (*db.code() == SqlState::FEATURE_NOT_SUPPORTED && db.routine() == Some("RevalidateCachedQuery"))
    })
}

/// Whether the wall's check did not take the seal.
pub(super) fn is_unsealed(error: &Error) -> bool {
    error.as_db_error().is_some_and(|db| *db.code() == SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}
