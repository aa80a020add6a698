//! What there is, for the operator's eyes: never a secret.

use mountgate_core::{AgentName, Claims, MinterName, SessionId};
use serde::Serialize;

use crate::{
    Identity, IdentityError, MinterGrant, PersonGrant,
    store::{self, Stored},
    token::Kind,
};

/// An agent, as listed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListedAgent {
    /// Its name.
    pub name: AgentName,
    /// The public id of its key.
    pub key: String,
    /// Its claims.
    pub claims: Claims,
    /// When it was added. Times are milliseconds since 1970-01-01T00:00Z.
    pub created_ms: i64,
    /// When it was revoked.
    pub revoked_ms: Option<i64>,
    /// When its key was last used, to the minute.
    pub last_used_ms: Option<i64>,
}

/// A minter, as listed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListedMinter {
    /// Its name.
    pub name: MinterName,
    /// The public id of its key.
    pub key: String,
    /// What it may mint.
    pub grant: MinterGrant,
    /// When it was added.
    pub created_ms: i64,
    /// When it was revoked.
    pub revoked_ms: Option<i64>,
    /// When its key was last used, to the minute.
    pub last_used_ms: Option<i64>,
}

/// An operator, as listed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListedOperator {
    /// The name.
    pub name: String,
    /// The public id of the key.
    pub key: String,
    /// When it was added.
    pub created_ms: i64,
    /// When it was revoked.
    pub revoked_ms: Option<i64>,
    /// When its key was last used, to the minute.
    pub last_used_ms: Option<i64>,
}

/// A person, as listed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListedPerson {
    /// The name.
    pub name: String,
    /// The public id of the key.
    pub key: String,
    /// What the person may approve.
    pub grant: PersonGrant,
    /// When the person was added.
    pub created_ms: i64,
    /// When the person was revoked.
    pub revoked_ms: Option<i64>,
    /// When the key was last used, to the minute.
    pub last_used_ms: Option<i64>,
}

/// A session, as listed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListedSession {
    /// Its public id.
    pub id: SessionId,
    /// Its agent.
    pub agent: AgentName,
    /// Its minter; none where an operator minted it.
    pub minter: Option<MinterName>,
    /// Its own claims, without its agent's.
    pub claims: Claims,
    /// When it was minted.
    pub created_ms: i64,
    /// When it ends.
    pub until_ms: i64,
    /// When it was revoked.
    pub revoked_ms: Option<i64>,
    /// When it was last used, to the minute.
    pub last_used_ms: Option<i64>,
}

impl Identity {
    fn list<T>(&self, kind: Kind, make: impl Fn(Stored) -> Option<T>) -> Result<Vec<T>, IdentityError> {
        let rows = store::all(&self.writer(), kind).map_err(self.place().failed("list"))?;
        rows.into_iter()
            .map(|row| {
                let id = row.id.clone();
                make(row).ok_or_else(|| IdentityError::Store {
                    act: "list",
                    path: self.path().to_owned(),
                    why: format!("credential `{id}` makes no sense"),
                })
            })
            .collect()
    }

    /// Every agent, the revoked too, the oldest first.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub fn list_agents(&self) -> Result<Vec<ListedAgent>, IdentityError> {
        self.list(Kind::Agent, |row| {
            Some(ListedAgent {
                name: AgentName::new(row.name),
                key: row.id,
                claims: serde_json::from_str(&row.detail).ok()?,
                created_ms: row.created_ms,
                revoked_ms: row.revoked_ms,
                last_used_ms: row.last_used_ms,
            })
        })
    }

    /// Every minter, the revoked too, the oldest first.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub fn list_minters(&self) -> Result<Vec<ListedMinter>, IdentityError> {
        self.list(Kind::Minter, |row| {
            Some(ListedMinter {
                name: MinterName::new(row.name),
                key: row.id,
                grant: serde_json::from_str(&row.detail).ok()?,
                created_ms: row.created_ms,
                revoked_ms: row.revoked_ms,
                last_used_ms: row.last_used_ms,
            })
        })
    }

    /// Every operator, the revoked too, the oldest first.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub fn list_operators(&self) -> Result<Vec<ListedOperator>, IdentityError> {
        self.list(Kind::Operator, |row| {
            Some(ListedOperator {
                name: row.name,
                key: row.id,
                created_ms: row.created_ms,
                revoked_ms: row.revoked_ms,
                last_used_ms: row.last_used_ms,
            })
        })
    }

    /// Every person, the revoked too, the oldest first.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub fn list_people(&self) -> Result<Vec<ListedPerson>, IdentityError> {
        self.list(Kind::Person, |row| {
            Some(ListedPerson {
                name: row.name,
                key: row.id,
                grant: serde_json::from_str(&row.detail).ok()?,
                created_ms: row.created_ms,
                revoked_ms: row.revoked_ms,
                last_used_ms: row.last_used_ms,
            })
        })
    }

    /// Every session that has not been purged (an hour after its end), the oldest first.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub fn list_sessions(&self) -> Result<Vec<ListedSession>, IdentityError> {
        self.list(Kind::Session, |row| {
            Some(ListedSession {
                id: SessionId::new(row.id),
                agent: AgentName::new(row.name),
                minter: row.minter.map(MinterName::new),
                claims: serde_json::from_str(&row.detail).ok()?,
                created_ms: row.created_ms,
                until_ms: row.until_ms?,
                revoked_ms: row.revoked_ms,
                last_used_ms: row.last_used_ms,
            })
        })
    }
}
