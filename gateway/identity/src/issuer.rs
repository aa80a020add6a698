//! An issuer of tokens (OIDC): what of its tokens is believed, and how they become callers.
//!
//! Checked in this order, so that what costs comes last: size, form, issuer, audience, times, algorithm, key, and then the
//! signature, once for each token and at most [`CHECKS`] a second. What was checked is remembered by the token's digest
//! until the token ends or the issuer's keys change; revocations are looked up for each request all the same.

mod claims;
mod fault;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use data_encoding::BASE32_DNSSEC;
use moka::sync::Cache;
use mountgate_core::{AgentName, ClaimName, Claims, SessionId, UserName};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

pub(crate) use self::claims::intersect;
pub use self::{
    claims::{ClaimPath, ClaimSource},
    fault::JwtFault,
};
use crate::{
    Algorithm, Certificate, KeySet,
    jwks::Found,
    jws::{LONGEST, Unverified},
    strict::Json,
};

/// Signatures that are checked in a second, for each issuer: a flood of forged tokens costs a fraction of a core. Tokens
/// that were checked before cost none.
pub const CHECKS: u32 = 1_000;
/// Tokens that are remembered, good and bad.
const REMEMBERED: u64 = 50_000;
/// How long a token that was refused for its signature is remembered.
const REFUSED_FOR: Duration = Duration::from_secs(60);
/// The most audiences of a token, and the deepest `act`.
const MOST: usize = 100;

/// What of an issuer's tokens is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerRules {
    /// The issuer's name in configuration, for the ledger and the log.
    pub name: String,
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must be, or hold.
    pub audience: String,
    /// The algorithms that its tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// The `typ` that its tokens may have, in lower case; a token without one passes where `jwt` is among them.
    pub types: BTreeSet<String>,
    /// The claim that says which agent asks.
    pub agent: ClaimPath,
    /// Which value of it is which agent. Other values are nobody.
    pub agents: BTreeMap<String, AgentName>,
    /// The claim that names the user on whose behalf the agent asks; every token must have it then.
    pub user: Option<ClaimPath>,
    /// The claims of the session, by their names here.
    pub claims: BTreeMap<ClaimName, ClaimSource>,
    /// How far the clocks may be apart, in milliseconds.
    pub leeway_ms: i64,
    /// The longest that a token may live, in milliseconds: from `iat` to `exp`, and from now to `exp`.
    pub max_lifetime_ms: i64,
}

/// What an issuer vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vouched {
    pub(crate) agent: AgentName,
    pub(crate) user: Option<UserName>,
    pub(crate) claims: Claims,
    pub(crate) session: SessionId,
    /// When the token ends, leeway included.
    pub(crate) until_ms: i64,
    /// When it begins, leeway included.
    from_ms: i64,
    /// SHA-256 of the only certificate by whose holder it may be shown (RFC 8705).
    bound: Option<[u8; 32]>,
}

/// What is remembered of a token.
#[derive(Clone)]
struct Known {
    /// The keys that it was checked with.
    keys: u64,
    result: Result<Arc<Vouched>, JwtFault>,
}

/// Told when a token names a key that the set does not have.
pub type UnknownKey = Arc<dyn Fn() + Send + Sync>;

struct Keys {
    set: KeySet,
    number: u64,
}

/// The signatures that may be checked still, in this second.
struct Allowance {
    second: i64,
    left: u32,
}

/// An issuer, with its keys.
pub struct Issuer {
    rules: IssuerRules,
    keys: ArcSwap<Keys>,
    /// Sets that were in force.
    sets: AtomicU64,
    unknown: Option<UnknownKey>,
    known: Cache<[u8; 32], Known>,
    refused: Cache<[u8; 32], Known>,
    allowance: Mutex<Allowance>,
    #[cfg(test)]
    checked: AtomicU64,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Issuer {
    /// An issuer with these keys; `unknown` is told of tokens whose key is not among them, and must not block.
    pub fn new(rules: IssuerRules, keys: KeySet, unknown: Option<UnknownKey>) -> Self {
        Self {
            rules,
            keys: ArcSwap::from_pointee(Keys { set: keys, number: 0 }),
            sets: AtomicU64::new(0),
            unknown,
            known: Cache::new(REMEMBERED),
            refused: Cache::builder().max_capacity(REMEMBERED).time_to_live(REFUSED_FOR).build(),
            allowance: Mutex::new(Allowance { second: 0, left: CHECKS }),
            #[cfg(test)]
            checked: AtomicU64::new(0),
        }
    }

    /// What of its tokens is believed.
    pub fn rules(&self) -> &IssuerRules {
        &self.rules
    }

    /// Puts other keys in force. Tokens that were checked with the old ones are checked again.
    pub fn set_keys(&self, set: KeySet) {
        let number = self.sets.fetch_add(1, Ordering::AcqRel) + 1;
        self.keys.store(Arc::new(Keys { set, number }));
        self.known.invalidate_all();
        self.refused.invalidate_all();
    }

    /// What is known of a token that was checked with the keys in force.
    fn recall(&self, digest: &[u8; 32]) -> Option<Result<Arc<Vouched>, JwtFault>> {
        let known = self.known.get(digest).or_else(|| self.refused.get(digest))?;
        (known.keys == self.keys.load().number).then_some(known.result)
    }

    fn check(&self, digest: [u8; 32], unverified: &Unverified<'_>, now_ms: i64) -> Result<Arc<Vouched>, JwtFault> {
        let keys = self.keys.load();
        // What needs no key comes first.
        let vouched = self.read(unverified, now_ms)?;
        if !self.rules.algorithms.contains(&unverified.algorithm) {
            return Err(JwtFault::Algorithm);
        }
        let key = match keys.set.find(unverified.kid.as_deref(), unverified.algorithm) {
            Found::Key(key) => key,
            Found::Unfit => return Err(JwtFault::Algorithm),
            Found::Ambiguous => return Err(JwtFault::Ambiguous),
            Found::UnknownKid => {
                if let Some(unknown) = &self.unknown {
                    unknown();
                }
                return Err(JwtFault::UnknownKey);
            }
        };
        if !self.allow(now_ms) {
            return Err(JwtFault::Busy);
        }
        #[cfg(test)]
        self.checked.fetch_add(1, Ordering::Relaxed);
        let result = unverified.verify(key).map(|()| Arc::new(vouched));
        let known = Known { keys: keys.number, result: result.clone() };
        match &result {
            Ok(_) => self.known.insert(digest, known),
            // Apart, so that a flood of bad ones drives no good one out.
            Err(_) => self.refused.insert(digest, known),
        }
        result
    }

    fn allow(&self, now_ms: i64) -> bool {
        let second = now_ms.div_euclid(1000);
        let mut allowance = self.allowance.lock();
        if allowance.second != second {
            *allowance = Allowance { second, left: CHECKS };
        }
        let may = allowance.left > 0;
        allowance.left = allowance.left.saturating_sub(1);
        may
    }

    /// What the token says, as far as it can be believed without its signature.
    fn read(&self, unverified: &Unverified<'_>, now_ms: i64) -> Result<Vouched, JwtFault> {
        let (rules, payload) = (&self.rules, &unverified.payload);
        if !rules.types.contains(unverified.typ.as_deref().unwrap_or("jwt")) {
            return Err(JwtFault::Type);
        }
        if payload.get("iss").and_then(Json::text) != Some(rules.issuer.as_str()) {
            return Err(JwtFault::Issuer);
        }
        let meant = match payload.get("aud") {
            Some(Json::Text(audience)) => *audience == rules.audience,
            Some(Json::List(all)) if all.len() <= MOST => {
                // One that is no text makes the list something else than what is known here.
                all.iter().all(|audience| audience.text().is_some())
                    && all.iter().any(|audience| audience.text() == Some(rules.audience.as_str()))
            }
            _ => false,
        };
        if !meant {
            return Err(JwtFault::Audience);
        }
        let bound = payload.get("cnf").map(claims::bound).transpose()?;
        let (from_ms, until_ms) = self.times(payload, now_ms)?;
        let agent = self.agent(payload)?;
        let user = match &rules.user {
            None if payload.get("act").is_some() => return Err(JwtFault::Delegated),
            None => None,
            Some(path) => Some(claims::user(path.find(payload).ok_or(JwtFault::NoUser)?)?),
        };
        let claims = claims::session(&rules.claims, payload)?;
        let subject = payload.get("sub").and_then(Json::text).unwrap_or_default();
        let session = self.session(&agent, user.as_ref(), subject, &claims)?;
        Ok(Vouched { agent, user, claims, session, until_ms, from_ms, bound })
    }

    fn times(&self, payload: &Json, now_ms: i64) -> Result<(i64, i64), JwtFault> {
        let IssuerRules { leeway_ms, max_lifetime_ms, .. } = self.rules;
        let time = |name: &str| payload.get(name).map(claims::time_ms).transpose();
        let exp = time("exp")?.ok_or(JwtFault::NoEnd)?;
        let until_ms = exp.saturating_add(leeway_ms);
        if now_ms >= until_ms {
            return Err(JwtFault::Expired);
        }
        if exp.saturating_sub(now_ms) > max_lifetime_ms.saturating_add(leeway_ms) {
            return Err(JwtFault::Lifetime);
        }
        let mut from_ms = i64::MIN;
        if let Some(iat) = time("iat")? {
            if exp.saturating_sub(iat) > max_lifetime_ms {
                return Err(JwtFault::Lifetime);
            }
            from_ms = iat.saturating_sub(leeway_ms);
        }
        if let Some(nbf) = time("nbf")? {
            from_ms = from_ms.max(nbf.saturating_sub(leeway_ms));
        }
        if now_ms < from_ms {
            return Err(JwtFault::NotYet);
        }
        Ok((from_ms, until_ms))
    }

    /// The agent that the token is for. Where it says who acts, that one must be the same agent.
    fn agent(&self, payload: &Json) -> Result<AgentName, JwtFault> {
        let named = |value: &Json| self.rules.agents.get(value.text()?).cloned();
        let agent = self.rules.agent.find(payload).and_then(named).ok_or(JwtFault::NoAgent)?;
        if let Some(actor) = payload.get("act") {
            let actor = actor.get("sub").and_then(named).ok_or(JwtFault::Actor)?;
            if actor != agent {
                return Err(JwtFault::Actor);
            }
        }
        Ok(agent)
    }

    /// One id for all tokens that say the same: a token that is fetched anew fills no budget again and leaves no quarantine.
    fn session(
        &self,
        agent: &AgentName,
        user: Option<&UserName>,
        subject: &str,
        claims: &Claims,
    ) -> Result<SessionId, JwtFault> {
        let claims = serde_json::to_string(claims).map_err(|_| JwtFault::Malformed)?;
        let mut hasher = Sha256::new();
        hasher.update(b"mountgate issuer session 1\0");
        let user = user.map_or("", UserName::as_str);
        for part in [self.rules.issuer.as_str(), agent.as_str(), user, subject, &claims] {
            hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        let digest: [u8; 32] = hasher.finalize().into();
        let short = digest.first_chunk::<10>().ok_or(JwtFault::Malformed)?;
        Ok(SessionId::new(format!("{}:{}", self.rules.name, BASE32_DNSSEC.encode(short))))
    }
}

/// The issuers whose tokens are believed.
#[derive(Clone, Debug, Default)]
pub struct Issuers(BTreeMap<String, Arc<Issuer>>);

impl Issuers {
    /// These issuers.
    ///
    /// # Errors
    /// Two with the same `iss`: which one's rules hold would be chance.
    pub fn new(all: impl IntoIterator<Item = Arc<Issuer>>) -> Result<Self, String> {
        let mut out = BTreeMap::new();
        for issuer in all {
            let iss = issuer.rules.issuer.clone();
            if let Some(other) = out.insert(iss, Arc::clone(&issuer)) {
                return Err(format!(
                    "issuers `{}` and `{}` are both `{}`",
                    other.rules.name, issuer.rules.name, issuer.rules.issuer
                ));
            }
        }
        Ok(Self(out))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Issuer>> {
        self.0.values()
    }

    pub(crate) fn vouch(
        &self,
        token: &str,
        certificate: Option<&Certificate>,
        now_ms: i64,
    ) -> Result<Arc<Vouched>, JwtFault> {
        if self.0.is_empty() {
            return Err(JwtFault::Issuer);
        }
        if token.len() > LONGEST {
            return Err(JwtFault::TooLong);
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let vouched = match self.0.values().find_map(|issuer| issuer.recall(&digest)) {
            Some(known) => known?,
            None => {
                let unverified = Unverified::read(token)?;
                let issuer = unverified.payload.get("iss").and_then(Json::text).and_then(|iss| self.0.get(iss));
                issuer.ok_or(JwtFault::Issuer)?.check(digest, &unverified, now_ms)?
            }
        };
        // Also of one that is remembered.
        if now_ms >= vouched.until_ms {
            return Err(JwtFault::Expired);
        }
        if now_ms < vouched.from_ms {
            return Err(JwtFault::NotYet);
        }
        // A token that is bound to a key of its holder's is good for nobody who has not shown that key.
        if vouched.bound.as_ref().is_some_and(|bound| certificate.map(Certificate::digest) != Some(bound)) {
            return Err(JwtFault::Bound);
        }
        Ok(vouched)
    }
}
