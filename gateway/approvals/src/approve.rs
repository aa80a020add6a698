//! Approving and denying.

use std::collections::BTreeSet;

use mountgate_core::Digest;
use mountgate_identity::Person;
use rusqlite::Transaction;
use serde_json::json;

use crate::{
    ApprovalError, Approvals, Header, HoldId, Requester, State,
    approvals::{blocking, may_see, now_ms},
    store::{Move, Row},
};

/// Whether the person may approve the hold, where they may see it; why not.
pub(crate) fn may_approve(person: &Person, header: &Header) -> Result<(), &'static str> {
    let name = person.name();
    let same = |other: &str| other.eq_ignore_ascii_case(name);
    if !may_see(person, header) {
        return Err("you have no role for its mount");
    }
    match &header.requester {
        Requester::Person(other) if same(other) => return Err("you asked for it"),
        Requester::Person(_) | Requester::Agent => {}
    }
    if same(header.agent.as_str()) || person.grant().runs.contains(&header.agent) {
        return Err("the agent that asks is yours");
    }
    if header.on_behalf_of.as_deref().is_some_and(same) {
        return Err("it is asked on your behalf");
    }
    Ok(())
}

impl Approvals {
    /// Approves what has that digest. With the last approval that is needed, the write is executed, once, and the state
    /// that it came to is given back; a caller that goes away does not stop it.
    ///
    /// # Errors
    /// Where the person may not, it is in another state, or the digest is of something else.
    pub async fn approve(&self, person: &Person, id: &HoldId, digest: &Digest) -> Result<State, ApprovalError> {
        let (this, person, hold, digest) = (self.clone(), person.clone(), *id, *digest);
        let state = blocking(move || this.approve_only(&person, &hold, &digest)).await?;
        if state != State::Approved {
            return Ok(state);
        }
        let (this, hold) = (self.clone(), *id);
        match tokio::spawn(async move { this.execute(&hold).await }).await {
            Ok(state) => state,
            Err(_) => Err(ApprovalError::Stopping),
        }
    }

    /// The same without executing it: that is for whoever takes it up.
    pub(crate) fn approve_only(&self, person: &Person, id: &HoldId, digest: &Digest) -> Result<State, ApprovalError> {
        let now = now_ms();
        let name = person.name();
        let state = self.0.store.step(id, now, |write, row| {
            // As the person is now, and not as when the request came in.
            let person = self.current(name)?.ok_or(ApprovalError::NotFound)?;
            if !may_see(&person, &row.header) {
                return Err(ApprovalError::NotFound);
            }
            if row.state != State::Pending {
                return Err(ApprovalError::State { state: row.state, act: "approved" });
            }
            if row.header.expires_ms <= now {
                let refusal = ApprovalError::State { state: State::Expired, act: "approved" };
                return Ok((Some(Move::new(State::Expired, "gateway")), Err(refusal)));
            }
            may_approve(&person, &row.header).map_err(ApprovalError::NotYours)?;
            let (held, shown) = self.opened(row)?;
            if let crate::Preview::Failed(code) = held.preview {
                return Err(ApprovalError::NoPreview(code));
            }
            if shown != *digest {
                return Err(ApprovalError::Digest);
            }
            let before = self.counted(write, row, &shown)?;
            let missing = |given: usize| row.header.needed.saturating_sub(u32::try_from(given).unwrap_or(u32::MAX));
            if before.contains(name) {
                return Err(ApprovalError::Already { missing: missing(before.len()) });
            }
            self.0.store.add_approval(write, id, name, now, &shown)?;
            let missing = missing(before.len() + 1);
            let to = if missing == 0 { State::Approved } else { State::Pending };
            let details = json!({ "approved": shown, "missing": missing });
            Ok((Some(Move { details, ..Move::new(to, format!("person {name}")) }), Ok(to)))
        })?;
        crate::fault::at("after approval");
        self.record(id)?;
        state
    }

    /// Denies a hold that nobody has taken up yet. Blocks on the disk.
    ///
    /// # Errors
    /// Where the person may not see it, or it is in another state.
    pub fn deny(&self, person: &Person, id: &HoldId) -> Result<State, ApprovalError> {
        let name = person.name();
        self.0.store.step(id, now_ms(), |_, row| {
            let person = self.current(name)?.ok_or(ApprovalError::NotFound)?;
            if !may_see(&person, &row.header) {
                return Err(ApprovalError::NotFound);
            }
            if !matches!(row.state, State::Pending | State::Approved) {
                return Err(ApprovalError::State { state: row.state, act: "denied" });
            }
            Ok((Some(Move::new(State::Denied, format!("person {name}"))), ()))
        })?;
        self.record(id)?;
        Ok(State::Denied)
    }

    pub(crate) fn current(&self, name: &str) -> Result<Option<Person>, ApprovalError> {
        self.middle()?.person(name).map_err(|why| ApprovalError::Store {
            act: "ask who approves, for",
            path: self.0.store.path().clone(),
            why,
        })
    }

    /// The people whose approvals of these bytes count now: sealed by us, each person once, and each still there, with
    /// the role, and not who asked.
    pub(crate) fn counted(
        &self,
        write: &Transaction<'_>,
        row: &Row,
        shown: &Digest,
    ) -> Result<BTreeSet<String>, ApprovalError> {
        let mut counted = BTreeSet::new();
        for approval in self.0.store.approvals(write, &row.header.id, shown)? {
            let person = self.current(&approval.person)?;
            if person.is_some_and(|person| may_approve(&person, &row.header).is_ok()) {
                counted.insert(approval.person);
            }
        }
        Ok(counted)
    }
}
