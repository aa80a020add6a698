//! Rows of the file, and what is read of them.

use rusqlite::{Connection, OptionalExtension as _, Params, types::Type};
use serde_json::Value as Json;

use crate::{
    ApprovalError, Change, Header, HoldId, State,
    seal::{Seal, Sealer},
};

/// A hold as it is in the file. Nothing of it counts before [`check`] has looked at its seal.
pub(crate) struct Row {
    /// The key under which it was found.
    pub(crate) id: String,
    pub(crate) header: Header,
    /// The header as it is written: what is sealed are these bytes.
    pub(crate) header_text: String,
    seal: Seal,
    pub(crate) state: State,
    pub(crate) step: i64,
    /// When the last step was taken.
    pub(crate) taken_ms: i64,
    pub(crate) ended_ms: Option<i64>,
    pub(crate) owner: Option<String>,
    pub(crate) rows: Option<u64>,
    pub(crate) code: Option<String>,
    /// The values, encrypted.
    pub(crate) held: Option<Vec<u8>>,
}

/// An approval as it is in the file.
pub(crate) struct Approval {
    pub(crate) person: String,
    pub(crate) at_ms: i64,
    pub(super) digest: [u8; 32],
    pub(super) seal: Seal,
}

const COLUMNS: &str = "id, header, seal, state, step, taken_ms, ended_ms, owner, rows, code, held";

fn odd(column: usize, why: impl Into<String>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into().into())
}

fn state(column: usize, label: &str) -> rusqlite::Result<State> {
    State::from_label(label).ok_or_else(|| odd(column, format!("`{label}` is no state")))
}

fn row(found: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let header_text: String = found.get(1)?;
    let header = serde_json::from_str(&header_text).map_err(|error| odd(1, error.to_string()))?;
    Ok(Row {
        id: found.get(0)?,
        header,
        header_text,
        seal: found.get(2)?,
        state: state(3, &found.get::<_, String>(3)?)?,
        step: found.get(4)?,
        taken_ms: found.get(5)?,
        ended_ms: found.get(6)?,
        owner: found.get(7)?,
        rows: found.get::<_, Option<i64>>(8)?.and_then(|rows| u64::try_from(rows).ok()),
        code: found.get(9)?,
        held: found.get(10)?,
    })
}

pub(super) fn load(connection: &Connection, id: &HoldId) -> rusqlite::Result<Option<Row>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM holds WHERE id = ?1"))?
        .query_row([id.to_string()], row)
        .optional()
}

/// Lets a row through whose header is ours, and is this hold's.
pub(super) fn check(row: Row, sealer: &Sealer) -> Result<Row, ApprovalError> {
    let seal = sealer.header(&row.header.id, row.header_text.as_bytes());
    if row.id == row.header.id.to_string() && seal == row.seal {
        return Ok(row);
    }
    Err(ApprovalError::Tampered(row.id))
}

pub(super) fn all(connection: &Connection, states: &[State], most: u32) -> rusqlite::Result<Vec<Row>> {
    let labels: Vec<String> = states.iter().map(|state| format!("'{}'", state.label())).collect();
    connection
        .prepare(&format!(
            "SELECT {COLUMNS} FROM holds WHERE state IN ({}) ORDER BY state IN ('pending', 'approved', 'executing') DESC, created_ms DESC, id DESC LIMIT ?1",
            labels.join(", ")
        ))?
        .query_map([most], row)?
        // One row that makes no sense must not hide the others.
        .filter_map(|row| row.inspect_err(|error| tracing::error!(%error, "a hold is left out")).ok())
        .map(Ok)
        .collect()
}

/// Whether the change that led to where the hold is now is on record. Where it is not, nothing was done upon it.
pub(super) fn is_recorded(connection: &Connection, id: &HoldId, step: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT recorded FROM changes WHERE hold = ?1 AND step = ?2")?
        .query_row(rusqlite::params![id.to_string(), step], |row| row.get(0))
}

pub(super) fn approvals(connection: &Connection, id: &HoldId) -> rusqlite::Result<Vec<Approval>> {
    connection
        .prepare_cached("SELECT person, at_ms, digest, seal FROM approvals WHERE hold = ?1 ORDER BY at_ms, person")?
        .query_map([id.to_string()], |row| {
            Ok(Approval { person: row.get(0)?, at_ms: row.get(1)?, digest: row.get(2)?, seal: row.get(3)? })
        })?
        .collect()
}

pub(super) fn unrecorded(connection: &Connection, header: &Header) -> rusqlite::Result<Vec<Change>> {
    connection
        .prepare_cached(
            "SELECT step, from_state, to_state, who, at_ms, details FROM changes
             WHERE hold = ?1 AND recorded = 0 ORDER BY step",
        )?
        .query_map([header.id.to_string()], |row| {
            let from: Option<String> = row.get(1)?;
            let details: String = row.get(5)?;
            Ok(Change {
                hold: header.id,
                step: u64::try_from(row.get::<_, i64>(0)?).map_err(|error| odd(0, error.to_string()))?,
                time_ms: row.get(4)?,
                who: row.get(3)?,
                mount: header.mount.clone(),
                agent: header.agent.clone(),
                session: header.session.clone(),
                from: from.map(|from| state(1, &from)).transpose()?,
                to: state(2, &row.get::<_, String>(2)?)?,
                details: serde_json::from_str(&details).unwrap_or(Json::Null),
            })
        })?
        .collect()
}

pub(super) fn ids(connection: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<Vec<HoldId>> {
    connection
        .prepare_cached(sql)?
        .query_map(params, |row| row.get::<_, String>(0)?.parse().map_err(|why: String| odd(0, why)))?
        .collect()
}
