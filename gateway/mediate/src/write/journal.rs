//! Idempotency: what was asked under which key, and what was answered.

use std::sync::Arc;

use futures::future::BoxFuture;
use mountgate_core::{Caller, Code, Digest, Refusal};

use super::{SharedJournal, Write, WriteReply};

/// A request under a key. A key is one within its agent, mount and claims: nobody can name another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Stands for agent, mount, claims and key.
    pub key: Digest,
    /// Stands for everything that was asked.
    pub request: Digest,
}

impl Entry {
    pub(super) fn of(caller: &Caller, write: &Write, key: &str) -> Result<Self, Refusal> {
        let spell = |parts: &dyn erased::Spelt| {
            parts.spell().map_err(|error| Refusal::new(Code::Internal, format!("the request cannot be spelt: {error}")))
        };
        let own = spell(&(&caller.agent, &write.mount, &*caller.claims, key))?;
        let request = spell(&(&write.sql, &write.params, &write.purpose, &write.reason))?;
        Ok(Self { key: Digest::of(&own), request: Digest::of(&request) })
    }

    /// What the write leaves in the store, where that has a place for markers.
    pub fn marker(&self) -> String {
        format!("key:{}", self.key)
    }
}

mod erased {
    /// What can be spelt as JSON, whatever its type.
    pub(super) trait Spelt {
        fn spell(&self) -> serde_json::Result<Vec<u8>>;
    }

    impl<T: serde::Serialize> Spelt for T {
        fn spell(&self) -> serde_json::Result<Vec<u8>> {
            serde_json::to_vec(self)
        }
    }
}

/// What is known of an entry.
#[derive(Clone, Debug)]
pub enum Begun {
    /// Nothing: it is now under way.
    New,
    /// What was answered.
    Answered(WriteReply),
    /// The key stands for another request.
    Conflict,
    /// The same request has not ended yet.
    UnderWay,
    /// The same request was under way when the gateway stopped.
    Lost,
}

/// Keeps entries across restarts.
pub trait Journal: Send + Sync {
    /// Begins an entry, or says what is known of it. What it says is on disk when it returns.
    ///
    /// # Errors
    /// Where it can't be kept.
    fn begin<'a>(&'a self, entry: &'a Entry, now_ms: i64) -> BoxFuture<'a, Result<Begun, Refusal>>;

    /// Takes over an entry that is lost, once it is known that nothing was written; `false` where another has.
    ///
    /// # Errors
    /// Where it can't be kept.
    fn retry<'a>(&'a self, entry: &'a Entry, now_ms: i64) -> BoxFuture<'a, Result<bool, Refusal>>;

    /// Ends an entry: with what was answered, or, where nothing was written, as if it had never begun. It is no failure
    /// of the write's where this fails: the entry then reads as lost.
    fn end<'a>(&'a self, entry: &'a Entry, answered: Option<&'a WriteReply>) -> BoxFuture<'a, ()>;

    /// Marks an entry whose end is not known.
    fn lose<'a>(&'a self, entry: &'a Entry) -> BoxFuture<'a, ()>;
}

/// An entry under way. Dropped without an end, it is lost: nobody knows what became of the write.
pub(super) struct Claimed {
    journal: SharedJournal,
    entry: Entry,
    ended: bool,
}

impl Claimed {
    pub(super) fn new(journal: SharedJournal, entry: Entry) -> Self {
        Self { journal, entry, ended: false }
    }

    pub(super) async fn end(mut self, done: &Result<WriteReply, Refusal>) {
        self.ended = true;
        let (journal, entry) = (Arc::clone(&self.journal), self.entry.clone());
        match done {
            Ok(reply) => journal.end(&entry, Some(reply)).await,
            Err(refusal) if refusal.code == Code::OutcomeUnknown => journal.lose(&entry).await,
            Err(_) => journal.end(&entry, None).await,
        }
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // The caller went away; the write may still be under way in its own task.
        let (journal, entry) = (Arc::clone(&self.journal), self.entry.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { journal.lose(&entry).await });
        }
    }
}
