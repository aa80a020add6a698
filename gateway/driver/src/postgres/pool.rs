//! The connections. One is used by one statement at a time, and again only when it is known to be clean.

use std::{pin::Pin, sync::Arc, task::Poll, time::Duration};

use futures::Stream as _;
use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};
use tokio_postgres::RowStream;

use super::{
    PostgresConfig, Transactions,
    session::{self, Answer, Session},
};
use crate::{Class, StoreError};

/// How long an abandoned statement may take to end before its connection is closed.
const SETTLE: Duration = Duration::from_secs(5);

pub(super) struct Pool {
    pub(super) config: PostgresConfig,
    idle: Mutex<Vec<Session>>,
    places: Arc<Semaphore>,
    /// Statements that may wait for a place.
    queue: Arc<Semaphore>,
}

impl Pool {
    pub(super) fn new(config: PostgresConfig) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(config.connections.max(1)));
        Arc::new(Self { config, idle: Mutex::new(Vec::new()), places, queue: Arc::new(Semaphore::new(1024)) })
    }

    /// A clean session, by the deadline. Whether it was used before is told.
    pub(super) async fn take(self: &Arc<Self>, deadline: Instant, fresh: bool) -> Result<(Lease, bool), StoreError> {
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                let full = || StoreError::new(Class::Unavailable, "all connections are busy and the queue is full");
                let _queued = self.queue.try_acquire().map_err(|_| full())?;
                timeout_at(deadline, Arc::clone(&self.places).acquire_owned())
                    .await
                    .map_err(|_| StoreError::timeout())?
                    .map_err(|_| full())?
            }
        };
        while let Some(mut session) = if fresh { None } else { self.pop() } {
            if session.born.elapsed() >= self.config.lifetime {
                continue;
            }
            // A session that doesn't settle is dropped, and so closed.
            if timeout_at(deadline, session.settle()).await.map_err(|_| StoreError::timeout())?.is_ok()
                && session.is_as_it_was()
            {
                return Ok((self.lease(session, place), true));
            }
        }
        // A new one takes the place of an idle one, so that there are never more than places.
        drop(self.pop());
        let session =
            timeout_at(deadline, Session::connect(&self.config)).await.map_err(|_| StoreError::timeout())??;
        Ok((self.lease(session, place), false))
    }

    fn pop(&self) -> Option<Session> {
        self.idle.lock().pop()
    }

    fn lease(self: &Arc<Self>, session: Session, place: OwnedSemaphorePermit) -> Lease {
        Lease { pool: Arc::clone(self), session: Some(session), place: Some(place) }
    }

    #[cfg(test)]
    pub(super) fn idle(&self) -> usize {
        self.idle.lock().len()
    }
}

/// A session in use, and its place among the pool's. Dropped without a word, the session is closed: an unknown state
/// never returns.
pub(super) struct Lease {
    pool: Arc<Pool>,
    session: Option<Session>,
    place: Option<OwnedSemaphorePermit>,
}

impl Lease {
    pub(super) fn transactions(&self) -> Transactions {
        self.pool.config.transactions
    }

    /// Whether what a statement may leave beyond its transaction is wiped too.
    pub(super) fn is_walled(&self) -> bool {
        self.pool.config.is_walled()
    }

    pub(super) fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    pub(super) fn session_mut(&mut self) -> Option<&mut Session> {
        self.session.as_mut()
    }

    /// Gives the session back, with the roll-back whose answer nobody has waited for.
    pub(super) fn give_back(mut self, rollback: Option<Answer<()>>) {
        if let Some(mut session) = self.session.take()
            // Changed settings that a roll-back is on its way for are seen to by it.
            && (rollback.is_some() || session.is_as_it_was())
        {
            session.rollback = rollback;
            self.pool.idle.lock().push(session);
        }
        // The place is free only now that the session can be taken.
        self.place = None;
    }

    /// Closes the connection.
    pub(super) fn discard(mut self) {
        self.session = None;
    }

    /// Has the work cancelled in the background, and the session given back if it comes clean in time.
    pub(super) fn abandon(
        mut self,
        begin: Option<Answer<()>>,
        seal: Option<Answer<u64>>,
        query: Option<Answer<RowStream>>,
        stream: Option<Pin<Box<RowStream>>>,
        rollback: Option<Answer<()>>,
    ) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let Some(mut session) = self.session.take() else { return };
            let token = session.cancel.clone();
            let settle = async {
                session::cancel(&self.pool.config, &token)
                    .await
                    .map_err(|e| StoreError::new(Class::Unavailable, format!("can't cancel: {e}")))?;
                if let Some(begin) = begin {
                    session.drive(begin).await?.map_err(|e| super::error::failed(&e, super::error::Phase::Prepare))?;
                }
                if let Some(seal) = seal {
                    // The cancel may have hit it; the roll-back is behind it all the same.
                    let _ = session.drive(seal).await?;
                }
                let stream = match (stream, query) {
                    (Some(stream), _) => Some(stream),
                    (None, Some(query)) => session.drive(query).await?.ok().map(Box::pin),
                    (None, None) => None,
                };
                if let Some(mut stream) = stream {
                    // Rows on their way, and then the error that the cancel gave, or the end.
                    let drained = std::future::poll_fn(move |cx| {
                        loop {
                            match stream.as_mut().poll_next(cx) {
                                Poll::Ready(Some(Ok(_))) => {}
                                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                                Poll::Pending => return Poll::Pending,
                            }
                        }
                    });
                    session.drive(drained).await?;
                }
                match rollback {
                    Some(rollback) => {
                        session.drive(rollback).await?.map_err(|e| super::error::failed(&e, super::error::Phase::Run))
                    }
                    None if self.pool.config.transactions == Transactions::Implicit => Ok(()),
                    // It was never sent, or its answer already came, which it can't have before the query's.
                    None => Err(StoreError::new(Class::Unavailable, "no roll-back to wait for")),
                }
            };
            match timeout(SETTLE, settle).await {
                Ok(Ok(())) => {
                    self.session = Some(session);
                    self.give_back(None);
                }
                Ok(Err(error)) => tracing::debug!(detail = error.detail, "an abandoned connection is closed"),
                Err(_) => tracing::warn!("an abandoned statement did not end in time; its connection is closed"),
            }
        });
    }
}
