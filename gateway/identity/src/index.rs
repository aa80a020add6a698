//! The credentials in memory, kept equal to the file.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use mountgate_core::{AgentName, Caller, Claims, MinterName, Principal, SessionId};
use subtle::ConstantTimeEq as _;

use crate::{
    Credential, MinterGrant, PersonGrant, Reason,
    claims::check_shadows,
    store::Stored,
    token::{Kind, Presented, PublicId, SecretHash},
};

/// A minter that has shown its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minter {
    name: MinterName,
    id: PublicId,
}

impl Minter {
    /// Its name.
    pub fn name(&self) -> &MinterName {
        &self.name
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

/// An operator who has shown a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    name: String,
}

impl Operator {
    /// The name, for the ledger.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A person who has shown a token: may see and approve the writes that wait in the mounts of the grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    name: String,
    grant: PersonGrant,
}

impl Person {
    /// The name, for the ledger.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the person may approve.
    pub fn grant(&self) -> &PersonGrant {
        &self.grant
    }
}

#[derive(Debug)]
enum Holder {
    Agent {
        name: AgentName,
        claims: Arc<Claims>,
    },
    /// `claims` are its own, and its agent's under them.
    Session {
        agent: AgentName,
        id: SessionId,
        claims: Arc<Claims>,
    },
    Minter(Minter),
    Operator(Operator),
    Person(Person),
    /// A row whose content makes no sense: it opens nothing.
    Unreadable(String),
}

#[derive(Debug)]
pub(crate) struct Known {
    hash: SecretHash,
    until_ms: Option<i64>,
    revoked: bool,
    holder: Holder,
    last_used_ms: AtomicI64,
    /// The use that the file knows of.
    saved_ms: AtomicI64,
}

/// Uses closer together than this count as one: the file is written at most so often for each credential.
const USE_STEP_MS: i64 = 60_000;

#[derive(Debug, Default)]
pub(crate) struct Index {
    known: HashMap<PublicId, Known>,
    agents: HashMap<AgentName, PublicId>,
    people: HashMap<String, PublicId>,
}

impl Index {
    /// Takes in changed rows.
    pub(crate) fn take(&mut self, mut rows: Vec<Stored>) {
        // Agents before sessions, which need their claims.
        rows.sort_by_key(|row| row.kind == Kind::Session);
        for row in rows {
            let holder = self.holder(&row);
            if let Holder::Unreadable(why) = &holder {
                tracing::error!(
                    id = row.id,
                    why,
                    "a credential in the file of identities makes no sense; it opens nothing"
                );
            }
            if row.kind == Kind::Agent {
                let name = AgentName::new(row.name.as_str());
                // A rotated key has another id; the old one is no longer in the file.
                if let Some(old) = self.agents.insert(name, row.id.clone())
                    && old != row.id
                {
                    self.known.remove(&old);
                }
            }
            if row.kind == Kind::Person {
                self.people.insert(row.name.clone(), row.id.clone());
            }
            let used = row.last_used_ms.unwrap_or(0);
            let used =
                self.known.get(&row.id).map_or(used, |known| used.max(known.last_used_ms.load(Ordering::Relaxed)));
            self.known.insert(
                row.id,
                Known {
                    hash: row.hash,
                    until_ms: row.until_ms,
                    revoked: row.revoked_ms.is_some(),
                    holder,
                    last_used_ms: AtomicI64::new(used),
                    saved_ms: AtomicI64::new(row.last_used_ms.unwrap_or(0)),
                },
            );
        }
    }

    fn holder(&self, row: &Stored) -> Holder {
        let claims = || serde_json::from_str::<Claims>(&row.detail).map_err(|error| error.to_string());
        let holder = match row.kind {
            Kind::Agent => claims()
                .map(|claims| Holder::Agent { name: AgentName::new(row.name.as_str()), claims: Arc::new(claims) }),
            Kind::Session => claims().and_then(|claims| self.session(row, claims)),
            Kind::Minter => serde_json::from_str::<MinterGrant>(&row.detail)
                .map_err(|error| error.to_string())
                .map(|_| Holder::Minter(Minter { name: MinterName::new(row.name.as_str()), id: row.id.clone() })),
            Kind::Operator => Ok(Holder::Operator(Operator { name: row.name.clone() })),
            Kind::Person => serde_json::from_str::<PersonGrant>(&row.detail)
                .map_err(|error| error.to_string())
                .map(|grant| Holder::Person(Person { name: row.name.clone(), grant })),
        };
        holder.unwrap_or_else(Holder::Unreadable)
    }

    fn session(&self, row: &Stored, own: Claims) -> Result<Holder, String> {
        let agent = AgentName::new(row.name.as_str());
        let Some(Holder::Agent { claims, .. }) =
            self.agents.get(&agent).and_then(|id| self.known.get(id)).map(|known| &known.holder)
        else {
            return Err(format!("its agent `{agent}` is not there"));
        };
        // Checked when it was minted; a file that was written by someone else must not widen an agent either.
        check_shadows(&own, claims).map_err(|error| error.to_string())?;
        if row.until_ms.is_none() {
            return Err("a session without an end".into());
        }
        let mut merged = Claims::clone(claims);
        merged.extend(own);
        Ok(Holder::Session { agent, id: SessionId::new(row.id.as_str()), claims: Arc::new(merged) })
    }

    /// Whom the token belongs to.
    pub(crate) fn credential(&self, presented: &Presented<'_>, now_ms: i64) -> Result<Credential, Reason> {
        // A secret is compared in constant time, and one is compared for an unknown id too.
        let known = self.known.get(presented.id);
        let stored = known.map_or(&[0; 32], |known| &known.hash);
        let equal = bool::from(stored.ct_eq(&presented.hash));
        let known = known.ok_or(Reason::Unknown)?;
        if !equal {
            return Err(Reason::WrongSecret);
        }
        if known.revoked {
            return Err(Reason::Revoked);
        }
        if known.until_ms.is_some_and(|until| now_ms >= until) {
            return Err(Reason::Expired);
        }
        let credential = match &known.holder {
            Holder::Agent { name, claims } => Credential::Caller(Caller {
                agent: name.clone(),
                principal: Principal::Agent,
                claims: Arc::clone(claims),
                until_ms: known.until_ms,
            }),
            Holder::Session { agent, id, claims } => {
                let live = self.agents.get(agent).and_then(|id| self.known.get(id)).is_some_and(|agent| !agent.revoked);
                if !live {
                    return Err(Reason::AgentRevoked);
                }
                Credential::Caller(Caller {
                    agent: agent.clone(),
                    principal: Principal::Session(id.clone()),
                    claims: Arc::clone(claims),
                    until_ms: known.until_ms,
                })
            }
            Holder::Minter(minter) => Credential::Minter(minter.clone()),
            Holder::Operator(operator) => Credential::Operator(operator.clone()),
            Holder::Person(person) => Credential::Person(person.clone()),
            Holder::Unreadable(why) => return Err(Reason::Unreadable(why.clone())),
        };
        if now_ms.saturating_sub(known.last_used_ms.load(Ordering::Relaxed)) >= USE_STEP_MS {
            known.last_used_ms.store(now_ms, Ordering::Relaxed);
        }
        Ok(credential)
    }

    /// Whether neither the agent nor the session is revoked.
    pub(crate) fn stands(&self, agent: &AgentName, session: Option<&SessionId>) -> bool {
        let live = self.agents.get(agent).and_then(|id| self.known.get(id)).is_some_and(|agent| !agent.revoked);
        let ended = session.and_then(|id| self.known.get(id.as_str())).is_some_and(|session| session.revoked);
        live && !ended
    }

    /// The person of that name, where there is one who is not revoked.
    pub(crate) fn person(&self, name: &str) -> Option<Person> {
        let known = self.people.get(name).and_then(|id| self.known.get(id)).filter(|known| !known.revoked)?;
        match &known.holder {
            Holder::Person(person) => Some(person.clone()),
            Holder::Agent { .. }
            | Holder::Session { .. }
            | Holder::Minter(_)
            | Holder::Operator(_)
            | Holder::Unreadable(_) => None,
        }
    }

    /// Uses that the file does not know of yet.
    pub(crate) fn unsaved(&self) -> Vec<(PublicId, i64)> {
        let mut out = Vec::new();
        for (id, known) in &self.known {
            let used = known.last_used_ms.load(Ordering::Relaxed);
            if used > known.saved_ms.load(Ordering::Relaxed) {
                out.push((id.clone(), used));
            }
        }
        out
    }

    /// Notes uses that the file knows of now.
    pub(crate) fn saved(&self, uses: &[(PublicId, i64)]) {
        for (id, used) in uses {
            if let Some(known) = self.known.get(id) {
                known.saved_ms.fetch_max(*used, Ordering::Relaxed);
            }
        }
    }

    /// Forgets sessions that ended before that moment.
    pub(crate) fn purge(&mut self, before_ms: i64) {
        self.known.retain(|_, known| known.until_ms.is_none_or(|until| until >= before_ms));
    }
}
