//! Agents, sessions, minters, operators and people: who is asking.
//!
//! [`Identity::authenticate`] turns a token into a [`Credential`]. It runs on the request's path in a few microseconds:
//! the credentials are in memory, and each call looks whether any connection, of this process or of the command line's,
//! has committed since (by the header of the WAL-index, and where that differs by `PRAGMA data_version`), and reads
//! what has changed. So a revocation holds for the next request, wherever it was made.
//!
//! Tokens are `mga_` (agent), `mgs_` (session), `mgm_` (minter), `mgo_` (operator) or `mgp_` (person), 16 characters of public id, and
//! 32 random bytes in hexadecimal with a checksum, so that scanners find a leaked one and a mistyped one is told
//! without a look-up. Stored is SHA-256 of the secret, bound to kind and id. No slow hash: 256 random bits can't be
//! guessed, whatever a guess costs, and a slow hash on the request's path is a way to exhaust the gateway.
//!
//! Decisions:
//! - An agent's key mints nothing; a minter reads nothing; an operator does neither on the data port. The caller of
//!   this crate sees which it is by the variant of [`Credential`].
//! - A session adds claims and never changes one of its agent's. A minter is bound to agents, claims, their types and,
//!   where given, their values, and a lifetime.
//! - Revoking an agent ends its sessions. Revoking a minter ends the sessions that it minted: whoever stole it may
//!   have minted them. A revoked name is never given again, so that the ledger stays unambiguous.
//! - A person approves writes that wait in the mounts of their grant, and does nothing else. The grant is here, beside
//!   the token, and not in the configuration: taking it away must hold at once, also while a configuration is broken.
//! - What is unknown, expired or revoked is one and the same [`Unauthenticated`] to the caller; its reason is for the
//!   operator's log.
//!
//! This crate deliberately knows no HTTP and no mounts.

mod claims;
mod commits;
mod error;
mod identity;
mod index;
mod list;
mod mint;
mod person;
mod store;
mod token;

pub use claims::{ClaimRule, ClaimType};
pub use error::{IdentityError, Reason, Unauthenticated};
pub use identity::{Credential, Identity, IdentityConfig};
pub use index::{Minter, Operator, Person};
pub use list::{ListedAgent, ListedMinter, ListedOperator, ListedPerson, ListedSession};
pub use mint::{Minted, MinterGrant};
pub use person::PersonGrant;
pub use token::Token;
