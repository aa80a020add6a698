//! A statement's life on a session: begin, read, roll back, in one go to the server.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::Stream;
use mountgate_core::{
    Value,
    weaken::{Defence, is_down},
};
use tokio::{sync::mpsc, time::Instant};
use tokio_postgres::{
    RowStream,
    types::{FromSql, Type},
};

use super::{
    Transactions,
    bind::Parameter,
    error::{Phase, failed, is_stale, is_survivable, is_unsealed},
    pool::Lease,
    session::{Answer, Prepared},
};
use crate::{Batch, Class, StoreError};

const BATCH_ROWS: usize = 256;
const BATCH_BYTES: usize = 64 << 10;
/// Batches that may wait in a stream for its caller.
const DEPTH: usize = 4;

/// A statement under way. Dropped before its end, it has the work cancelled and its session settled or closed.
pub(super) struct Running {
    /// `None` once the session is given back.
    lease: Option<Lease>,
    prepared: Prepared,
    begin: Option<Answer<()>>,
    seal: Option<Answer<u64>>,
    query: Option<Answer<RowStream>>,
    stream: Option<Pin<Box<RowStream>>>,
    rollback: Option<Answer<()>>,
    batch: Batch,
    bytes: usize,
    pub(super) deadline: Instant,
    /// The statement must be prepared anew; nothing of an answer has come.
    pub(super) stale: bool,
    /// The connection had ended before anything of an answer came.
    pub(super) lost: bool,
}

impl Running {
    /// Asks. Everything goes out in one write with the first poll.
    pub(super) fn start(
        lease: Lease,
        prepared: Prepared,
        parameters: Vec<Parameter>,
        seal: Option<String>,
        deadline: Instant,
    ) -> Self {
        let batch_execute = |sql: &'static str| -> Answer<()> {
            let client = lease.session().map(|session| Arc::clone(&session.client));
            Box::pin(async move {
                match client {
                    Some(client) => client.batch_execute(sql).await,
                    None => Ok(()),
                }
            })
        };
        let explicit = lease.transactions() == Transactions::Explicit;
        let begin = explicit
            .then(|| batch_execute(if is_down(Defence::ReadOnly) { "BEGIN READ WRITE" } else { "BEGIN READ ONLY" }));
        // Whatever the statement left behind in the session goes with it. An advisory lock would not: with the rewriter
        // down a statement may take one, and whoever has the connection next would hold it.
        let rollback = explicit.then(|| {
            batch_execute(if lease.is_walled() {
                "ROLLBACK; SELECT pg_catalog.pg_advisory_unlock_all()"
            } else {
                "ROLLBACK"
            })
        });
        // Bound, not written: logs and `pg_stat_activity` show texts.
        let seal = lease.session().and_then(|session| session.sealing.clone().zip(seal)).map(|(sealing, seal)| {
            let client = lease.session().map(|session| Arc::clone(&session.client));
            let told: Answer<u64> = Box::pin(async move {
                match client {
                    Some(client) => client.execute(&sealing.statement, &[&seal]).await,
                    None => Ok(0),
                }
            });
            told
        });
        let statement = prepared.statement.clone();
        let client = lease.session().map(|session| Arc::clone(&session.client));
        let query: Option<Answer<RowStream>> = client.map(|client| -> Answer<RowStream> {
            Box::pin(async move { client.query_raw(&statement, parameters).await })
        });
        let batch = Batch::new(prepared.columns.len());
        Self {
            lease: Some(lease),
            prepared,
            begin,
            seal,
            query,
            stream: None,
            rollback,
            batch,
            bytes: 0,
            deadline,
            stale: false,
            lost: false,
        }
    }

    /// The next rows; `None` at the end, which has then given the session back.
    pub(super) async fn next(&mut self) -> Result<Option<Batch>, StoreError> {
        let deadline = self.deadline;
        let next = tokio::time::timeout_at(deadline, poll_fn(|cx| self.poll_next(cx))).await;
        match next {
            Ok(next) => next,
            Err(_) => {
                self.abandon();
                Err(StoreError::timeout())
            }
        }
    }

    /// Whether the session is given back: nothing more comes.
    pub(super) fn is_over(&self) -> bool {
        self.lease.is_none()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Batch>, StoreError>> {
        let mut second_look = false;
        loop {
            match self.poll_answers(cx) {
                Poll::Ready(Ok(true)) => {
                    self.give_back();
                    let batch = std::mem::take(&mut self.batch);
                    return Poll::Ready(Ok((!batch.is_empty()).then_some(batch)));
                }
                Poll::Ready(Ok(false)) => return Poll::Ready(Ok(Some(self.take_batch()))),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if second_look => {
                    // The rest isn't there yet; what is there doesn't wait for it.
                    return if self.batch.is_empty() {
                        Poll::Pending
                    } else {
                        Poll::Ready(Ok(Some(self.take_batch())))
                    };
                }
                Poll::Pending => {}
            }
            let Some(session) = self.lease.as_mut().and_then(Lease::session_mut) else { return Poll::Ready(Ok(None)) };
            if let Poll::Ready(error) = session.poll_connection(cx) {
                // An error of the server's may have come in just before the end of the connection.
                if let Poll::Ready(Err(error)) = self.poll_answers(cx) {
                    return Poll::Ready(Err(error));
                }
                self.lost = self.stream.is_none() && error.class == Class::Unavailable;
                self.discard();
                return Poll::Ready(Err(error));
            }
            second_look = true;
        }
    }

    /// Takes what has come in. Ready with true at the end of the answer, with false when a batch is full.
    fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, StoreError>> {
        if self.lease.is_none() {
            return Poll::Ready(Ok(true));
        }
        if let Some(begin) = &mut self.begin
            && let Poll::Ready(began) = begin.as_mut().poll(cx)
        {
            self.begin = None;
            if let Err(error) = began {
                // Without a transaction that is read-only nothing may run.
                return Poll::Ready(Err(self.break_off(&error)));
            }
        }
        if let Some(seal) = &mut self.seal
            && let Poll::Ready(told) = seal.as_mut().poll(cx)
        {
            self.seal = None;
            if let Err(error) = told {
                return Poll::Ready(Err(self.break_off(&error)));
            }
        }
        if let Some(query) = &mut self.query
            && let Poll::Ready(bound) = query.as_mut().poll(cx)
        {
            self.query = None;
            match bound {
                Ok(stream) => self.stream = Some(Box::pin(stream)),
                Err(error) => {
                    self.stale = is_stale(&error);
                    return Poll::Ready(Err(self.fail(&error, Phase::Bind)));
                }
            }
        }
        // Sent right behind, so that the server needs no second word from us to be done with it.
        if let Some(rollback) = &mut self.rollback
            && let Poll::Ready(done) = rollback.as_mut().poll(cx)
        {
            self.rollback = None;
            if let Err(error) = done {
                return Poll::Ready(Err(self.break_off(&error)));
            }
        }
        let Some(stream) = &mut self.stream else { return Poll::Pending };
        loop {
            match stream.as_mut().poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Ok(true)),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(self.fail(&error, Phase::Run))),
                Poll::Ready(Some(Ok(row))) => {
                    for (n, decoder) in self.prepared.decoders.iter().enumerate() {
                        let value = match row.try_get::<_, Cell<'_>>(n) {
                            Ok(Cell(None)) => Ok(Value::Null),
                            Ok(Cell(Some(cell))) => decoder.decode(cell).map_err(|_| ()),
                            Err(_) => Err(()),
                        };
                        let Ok(value) = value else {
                            let detail = format!("column {n} is not in the form of its type");
                            self.abandon();
                            return Poll::Ready(Err(StoreError::new(Class::Refused, detail)));
                        };
                        self.bytes = self.bytes.saturating_add(value.weight());
                        self.batch.push(value);
                    }
                    if self.batch.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
                        return Poll::Ready(Ok(false));
                    }
                }
            }
        }
    }

    fn take_batch(&mut self) -> Batch {
        self.bytes = 0;
        std::mem::replace(&mut self.batch, Batch::new(self.prepared.columns.len()))
    }

    /// A failure of the statement's own leaves a session that the roll-back behind it cleans.
    fn fail(&mut self, error: &tokio_postgres::Error, phase: Phase) -> StoreError {
        // A seal that was not taken may be due to a server's clock that was set: a new session asks for it anew.
        if !is_survivable(error) || self.stale || is_unsealed(error) {
            return self.break_off(error);
        }
        self.give_back();
        failed(error, phase)
    }

    /// A failure of the connection, or of what must not fail on it.
    fn break_off(&mut self, error: &tokio_postgres::Error) -> StoreError {
        let failure = failed(error, Phase::Run);
        self.lost = self.stream.is_none() && failure.class == Class::Unavailable;
        self.discard();
        failure
    }

    /// Gives the session back; whoever takes it waits for what is left of the roll-back.
    fn give_back(&mut self) {
        self.stream = None;
        self.query = None;
        // A transaction that never answered its beginning is not one that is known to have ended.
        if self.begin.is_some() || self.seal.is_some() {
            self.discard();
        } else if let Some(lease) = self.lease.take() {
            lease.give_back(self.rollback.take());
        }
    }

    /// Has the work cancelled.
    fn abandon(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.abandon(
                self.begin.take(),
                self.seal.take(),
                self.query.take(),
                self.stream.take(),
                self.rollback.take(),
            );
        }
    }

    /// Closes the connection.
    fn discard(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.discard();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// A cell as the server sent it.
pub(super) struct Cell<'a>(pub(super) Option<&'a [u8]>);

impl<'a> FromSql<'a> for Cell<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Some(raw)))
    }
    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(None))
    }
    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The rest of an answer.
#[derive(Debug)]
pub(crate) struct PostgresRows {
    first: Option<Batch>,
    /// `None` when the first batch was the whole.
    rest: Option<mpsc::Receiver<Result<Batch, StoreError>>>,
}

impl PostgresRows {
    /// A look-up is whole with its first batch. A longer answer goes on in a task of its own, which keeps the
    /// deadlines also while nobody asks.
    pub(super) fn new(first: Option<Batch>, running: Running, patience: Duration) -> Self {
        let rest = (!running.is_over()).then(|| {
            let (sender, receiver) = mpsc::channel(DEPTH);
            tokio::spawn(pump(running, sender, patience));
            receiver
        });
        Self { first, rest }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Batch>, StoreError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let Some(rest) = &mut self.rest else { return Ok(None) };
        let next = rest.recv().await.transpose();
        if !matches!(next, Ok(Some(_))) {
            self.rest = None;
        }
        match next {
            // The end is told; a channel that just closes is no end.
            Ok(Some(batch)) if batch.is_empty() => {
                self.rest = None;
                Ok(None)
            }
            Ok(None) => Err(StoreError::new(Class::Unavailable, "the stream stopped before the end of the answer")),
            other => other,
        }
    }

    #[cfg(test)]
    pub(crate) fn depth(&self) -> usize {
        self.rest.as_ref().map_or(0, |rest| rest.len())
    }
}

async fn pump(mut running: Running, sender: mpsc::Sender<Result<Batch, StoreError>>, mut patience: Duration) {
    loop {
        let next = tokio::select! {
            next = running.next() => next,
            () = sender.closed() => return,
        };
        let (item, last) = match next {
            Ok(Some(batch)) => (Ok(batch), false),
            // An empty batch says that the answer is whole.
            Ok(None) => (Ok(Batch::default()), true),
            Err(error) => (Err(error), true),
        };
        let Err(mpsc::error::TrySendError::Full(item)) = sender.try_send(item) else {
            if last || sender.is_closed() {
                return;
            }
            continue;
        };
        let start = Instant::now();
        let sent = sender.send_timeout(item, patience).await;
        let waited = start.elapsed();
        patience = patience.saturating_sub(waited);
        running.deadline += waited;
        match sent {
            Ok(()) if !last => {}
            Ok(()) => return,
            Err(mpsc::error::SendTimeoutError::Closed(_)) => return,
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                // The work ends now; why is told whenever the caller looks.
                drop(running);
                let error = StoreError::new(Class::Timeout, "the caller takes its rows too slowly");
                let _ = sender.send(Err(error)).await;
                return;
            }
        }
    }
}
