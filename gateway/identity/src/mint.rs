//! Minting sessions, by a minter or by an operator.

use std::collections::BTreeMap;

use mountgate_core::{AgentName, ClaimName, Claims, SessionId};
use rusqlite::{Transaction, params};
use serde::{Deserialize, Serialize};

use crate::{
    ClaimRule, Identity, IdentityError, Minter, Token,
    claims::{check_rules, check_shadows, check_shape},
    store::{self, Stored},
    token::Kind,
};

/// What a minter may mint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinterGrant {
    /// For which agents.
    pub agents: Vec<AgentName>,
    /// With which claims, of which types and values; no others.
    pub claims: BTreeMap<ClaimName, ClaimRule>,
    /// For how long at most, in milliseconds.
    pub max_ttl_ms: i64,
}

impl MinterGrant {
    pub(crate) fn check(&self, most_ms: i64) -> Result<(), IdentityError> {
        check_ttl(self.max_ttl_ms, most_ms)?;
        self.agents.iter().try_for_each(|agent| crate::claims::check_subject("agent", agent.as_str()))?;
        self.claims.iter().try_for_each(|(claim, rule)| rule.check_sound(claim))
    }
}

/// A new session.
#[derive(Debug)]
pub struct Minted {
    /// Its token, shown this once.
    pub token: Token,
    /// Its public id.
    pub id: SessionId,
    /// When it ends, in milliseconds since 1970-01-01T00:00Z.
    pub until_ms: i64,
}

fn check_ttl(wanted_ms: i64, most_ms: i64) -> Result<(), IdentityError> {
    if (1..=most_ms).contains(&wanted_ms) { Ok(()) } else { Err(IdentityError::Lifetime { wanted_ms, most_ms }) }
}

impl Identity {
    /// Mints a session of `agent` with further claims, for `ttl_ms` from `now_ms` on.
    ///
    /// # Errors
    /// Where the minter may not: the agent, a claim, its type or value, the lifetime. Where a claim is the agent's
    /// own. Where the agent has too many live sessions.
    pub fn mint_session(
        &self,
        minter: &Minter,
        agent: &AgentName,
        claims: &Claims,
        ttl_ms: i64,
        now_ms: i64,
    ) -> Result<Minted, IdentityError> {
        self.mint(Some(minter), agent, claims, ttl_ms, now_ms)
    }

    /// Mints a session on an operator's word: any agent, any claim but the agent's own.
    ///
    /// # Errors
    /// As [`Identity::mint_session`], without a minter's bounds.
    pub fn operator_mint(
        &self,
        agent: &AgentName,
        claims: &Claims,
        ttl_ms: i64,
        now_ms: i64,
    ) -> Result<Minted, IdentityError> {
        self.mint(None, agent, claims, ttl_ms, now_ms)
    }

    fn mint(
        &self,
        minter: Option<&Minter>,
        agent: &AgentName,
        claims: &Claims,
        ttl_ms: i64,
        now_ms: i64,
    ) -> Result<Minted, IdentityError> {
        check_shape(claims)?;
        check_ttl(ttl_ms, self.config().max_session_ms)?;
        let detail = self.encode(claims)?;
        let (token, id, hash) = Token::new(Kind::Session)?;
        let until_ms = now_ms.saturating_add(ttl_ms);

        let mut connection = self.writer();
        // From here on nobody else writes: a revocation comes wholly before, and is seen, or wholly after, and ends
        // this session too.
        let write = store::begin(&mut connection, self.place())?;
        if let Some(minter) = minter {
            self.check_minter(&write, minter, agent, claims, ttl_ms)?;
        }
        let row = store::named(&write, Kind::Agent, agent.as_str()).map_err(self.place().failed("read"))?;
        let row = row.filter(|row| row.revoked_ms.is_none()).ok_or_else(|| match minter {
            Some(_) => IdentityError::AgentNotAllowed(agent.clone()),
            None => IdentityError::NotFound { kind: "agent", name: agent.to_string() },
        })?;
        check_shadows(claims, &self.decode(&row)?)?;
        self.check_count(&write, agent, now_ms)?;

        let add = |write: &Transaction<'_>| {
            let changed = store::next_change(write)?;
            store::insert(
                write,
                &Stored {
                    id: id.clone(),
                    kind: Kind::Session,
                    name: agent.to_string(),
                    minter: minter.map(|minter| minter.name().to_string()),
                    hash,
                    detail,
                    created_ms: now_ms,
                    until_ms: Some(until_ms),
                    revoked_ms: None,
                    last_used_ms: None,
                    changed,
                },
            )
        };
        add(&write).map_err(self.place().failed("add to"))?;
        write.commit().map_err(self.place().failed("add to"))?;
        Ok(Minted { token, id: SessionId::new(id), until_ms })
    }

    fn decode<T: for<'de> Deserialize<'de>>(&self, row: &Stored) -> Result<T, IdentityError> {
        serde_json::from_str(&row.detail).map_err(|error| IdentityError::Store {
            act: "read",
            path: self.path().to_owned(),
            why: format!("credential `{}` makes no sense: {error}", row.id),
        })
    }

    /// Asks the file, not the credential: what a minter may is what holds now.
    fn check_minter(
        &self,
        write: &Transaction<'_>,
        minter: &Minter,
        agent: &AgentName,
        claims: &Claims,
        ttl_ms: i64,
    ) -> Result<(), IdentityError> {
        let row = store::named(write, Kind::Minter, minter.name().as_str())
            .map_err(self.place().failed("read"))?
            .filter(|row| row.revoked_ms.is_none() && row.id == minter.id())
            .ok_or(IdentityError::MinterRevoked)?;
        let grant: MinterGrant = self.decode(&row)?;
        if !grant.agents.contains(agent) {
            return Err(IdentityError::AgentNotAllowed(agent.clone()));
        }
        check_ttl(ttl_ms, grant.max_ttl_ms)?;
        check_rules(claims, &grant.claims)
    }

    fn check_count(&self, write: &Transaction<'_>, agent: &AgentName, now_ms: i64) -> Result<(), IdentityError> {
        let count: u32 = write
            .prepare_cached(
                "SELECT count(*) FROM credentials
                 WHERE kind = 'session' AND name = ?1 AND until_ms > ?2 AND revoked_ms IS NULL",
            )
            .and_then(|mut count| count.query_row(params![agent.as_str(), now_ms], |row| row.get(0)))
            .map_err(self.place().failed("count sessions in"))?;
        let most = self.config().max_sessions;
        if count >= most { Err(IdentityError::TooManySessions { agent: agent.clone(), most }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
