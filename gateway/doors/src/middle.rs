//! What a door needs of the middle. The gateway is the one that serves; tests of doors put a scripted one here, to
//! see what becomes of answers that break off, stall or never end.

use std::{future::Future, sync::Arc};

use mountgate_backend::{Answer, Batch};
use mountgate_core::{Door, MountName, Refusal};
use mountgate_mediate::{
    Entered, Explanation, Gateway, HoldId, HoldStatus, Mint, Minted, MountDetail, MountSummary, Query, Read, Refused,
    ReplyColumn, Write, WriteReply,
};

use crate::encode::End;

/// An answer's rows.
pub(crate) trait Rows: Send + 'static {
    /// The next rows; none at the end.
    fn next(&mut self) -> impl Future<Output = Result<Option<Batch>, Refusal>> + Send;
    /// Ends it here: the door takes no more.
    fn cut(&mut self);
    /// What the whole came to, after the end.
    fn end(&self) -> End;
}

/// An answer that has begun.
pub(crate) struct Opened<R> {
    pub(crate) decision_id: String,
    /// Whether the mount is open for observation: the answer says so.
    pub(crate) observed: bool,
    pub(crate) columns: Arc<[ReplyColumn]>,
    pub(crate) rows: R,
}

/// The middle, as doors see it.
pub(crate) trait Middle: Clone + Send + Sync + 'static {
    /// A caller let in.
    type Entered: Send + Sync + 'static;
    /// Rows of an answer.
    type Rows: Rows;

    fn enter(&self, token: Option<&str>, door: Door) -> Result<Self::Entered, Refused>;
    fn query(
        &self,
        entered: &Self::Entered,
        query: Query,
    ) -> impl Future<Output = Result<Opened<Self::Rows>, Refused>> + Send;
    fn read(
        &self,
        entered: &Self::Entered,
        read: Read,
    ) -> impl Future<Output = Result<Opened<Self::Rows>, Refused>> + Send;
    fn write(&self, entered: &Self::Entered, write: Write) -> impl Future<Output = Result<WriteReply, Refused>> + Send;
    fn write_status(
        &self,
        entered: &Self::Entered,
        id: &HoldId,
    ) -> impl Future<Output = Result<HoldStatus, Refused>> + Send;
    fn explain(
        &self,
        entered: &Self::Entered,
        query: Query,
    ) -> impl Future<Output = Result<Explanation, Refused>> + Send;
    fn mounts(&self, entered: &Self::Entered) -> Result<Vec<MountSummary>, Refused>;
    fn mount(&self, entered: &Self::Entered, name: &MountName) -> Result<MountDetail, Refused>;
    fn mint(&self, token: Option<&str>, mint: &Mint) -> Result<Minted, Refused>;
}

impl Rows for Answer {
    async fn next(&mut self) -> Result<Option<Batch>, Refusal> {
        Answer::next(self).await
    }

    fn cut(&mut self) {
        Answer::cut(self);
    }

    fn end(&self) -> End {
        let summary = self.summary();
        End { rows: summary.rows, truncated: summary.truncated }
    }
}

impl From<mountgate_mediate::Reply> for Opened<Answer> {
    fn from(reply: mountgate_mediate::Reply) -> Self {
        Self { decision_id: reply.decision_id, observed: reply.observed, columns: reply.columns, rows: reply.answer }
    }
}

impl Middle for Gateway {
    type Entered = Entered;
    type Rows = Answer;

    fn enter(&self, token: Option<&str>, door: Door) -> Result<Entered, Refused> {
        Gateway::enter(self, token, door)
    }

    async fn query(&self, entered: &Entered, query: Query) -> Result<Opened<Answer>, Refused> {
        Gateway::query(self, entered, query).await.map(Opened::from)
    }

    async fn read(&self, entered: &Entered, read: Read) -> Result<Opened<Answer>, Refused> {
        Gateway::read(self, entered, read).await.map(Opened::from)
    }

    async fn write(&self, entered: &Entered, write: Write) -> Result<WriteReply, Refused> {
        Gateway::write(self, entered, write).await
    }

    async fn write_status(&self, entered: &Entered, id: &HoldId) -> Result<HoldStatus, Refused> {
        Gateway::write_status(self, entered, id).await
    }

    async fn explain(&self, entered: &Entered, query: Query) -> Result<Explanation, Refused> {
        Gateway::explain(self, entered, query).await
    }

    fn mounts(&self, entered: &Entered) -> Result<Vec<MountSummary>, Refused> {
        Gateway::mounts(self, entered)
    }

    fn mount(&self, entered: &Entered, name: &MountName) -> Result<MountDetail, Refused> {
        Gateway::mount(self, entered, name)
    }

    fn mint(&self, token: Option<&str>, mint: &Mint) -> Result<Minted, Refused> {
        Gateway::mint(self, token, mint)
    }
}
