//! A connection: a client and its protocol machine in one place, driven by whoever waits for an answer. There is no
//! task in between, so a look-up wakes one task once.

use std::{
    collections::HashMap,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use tokio::io::AsyncReadExt as _;
use tokio_postgres::{CancelToken, Client, Connection, NoTls, Statement, tls::NoTlsStream};

use super::{
    PostgresConfig,
    decode::Decoder,
    error::{Phase, failed},
    guard::Guarded,
};
use crate::{Class, RowColumn, StoreError};

pub(super) type Answer<T> = BoxFuture<'static, Result<T, tokio_postgres::Error>>;

/// A statement as this connection knows it.
#[derive(Clone)]
pub(super) struct Prepared {
    pub(super) statement: Statement,
    pub(super) columns: Arc<[RowColumn]>,
    pub(super) decoders: Arc<[Decoder]>,
}

/// Settings that the server reports when they change (those that it knows).
const REPORTED: [&str; 7] = [
    "default_transaction_read_only",
    "search_path",
    "standard_conforming_strings",
    "session_authorization",
    "TimeZone",
    "DateStyle",
    "IntervalStyle",
];

/// What a session behind a wall needs to tell its seals.
#[derive(Clone)]
pub(super) struct Sealing {
    /// Takes the seal, for the transaction.
    pub(super) statement: Statement,
    /// The id of the server's process.
    pub(super) pid: i32,
    /// The server's clock at the session's start, in milliseconds since 1970-01-01T00:00Z. Seals end by the server's
    /// clock, and this one may be wrong.
    pub(super) server_ms: i64,
}

impl Sealing {
    /// The moment of the server's clock that is `from_now` away.
    pub(super) fn until_ms(&self, born: Instant, from_now: Duration) -> i64 {
        let ahead = born.elapsed().saturating_add(from_now).as_millis();
        self.server_ms.saturating_add(i64::try_from(ahead).unwrap_or(i64::MAX))
    }
}

pub(super) struct Session {
    pub(super) client: Arc<Client>,
    connection: Connection<Guarded, NoTlsStream>,
    pub(super) cancel: CancelToken,
    statements: HashMap<Arc<str>, (Prepared, u64)>,
    capacity: usize,
    tick: u64,
    /// The values of [`REPORTED`] at the start.
    reported: [Option<String>; 7],
    pub(super) born: Instant,
    /// What a session behind a wall needs to tell its seals.
    pub(super) sealing: Option<Sealing>,
    /// The answer to the last `ROLLBACK`, where nobody has waited for it yet. Until it has come the session is not
    /// known to be clean.
    pub(super) rollback: Option<Answer<()>>,
}

impl Session {
    /// Connects and logs in.
    pub(super) async fn connect(config: &PostgresConfig) -> Result<Self, StoreError> {
        let unreachable =
            |e: &dyn std::fmt::Display| StoreError::new(Class::Unavailable, format!("can't connect: {e}"));
        let socket = config.socket().await.map_err(|e| unreachable(&e))?;
        // Slack for the row's own framing.
        let guarded = Guarded::new(socket, config.max_row_bytes.saturating_add(64 << 10));
        let start_up = config.start_up()?;
        let log_in = start_up.connect_raw(guarded, NoTls);
        let (client, connection) = tokio::time::timeout(config.connect_timeout, log_in)
            .await
            .map_err(|e| unreachable(&e))?
            .map_err(|e| StoreError::new(Class::Unavailable, failed(&e, Phase::Prepare).detail))?;
        let reported = REPORTED.map(|name| connection.parameter(name).map(str::to_owned));
        let mut session = Self {
            cancel: client.cancel_token(),
            client: Arc::new(client),
            connection,
            statements: HashMap::new(),
            capacity: config.statements.max(1),
            tick: 0,
            reported,
            born: Instant::now(),
            sealing: None,
            rollback: None,
        };
        // Only superusers may set it; what other roles get is the server's own limit.
        let limit = format!("SET temp_file_limit = {}", config.temp_file_kib);
        let client = Arc::clone(&session.client);
        let set = session.drive(async move { client.batch_execute(&limit).await });
        if let Ok(Err(error)) = tokio::time::timeout(config.connect_timeout, set).await.map_err(|e| unreachable(&e))? {
            tracing::debug!(
                detail = failed(&error, Phase::Prepare).detail,
                "temp_file_limit can't be set by this role"
            );
        }
        if config.is_walled() {
            let sealing = tokio::time::timeout(config.connect_timeout, session.prepare_sealing()).await;
            session.sealing = Some(sealing.map_err(|e| unreachable(&e))??);
        }
        Ok(session)
    }

    async fn prepare_sealing(&mut self) -> Result<Sealing, StoreError> {
        let client = Arc::clone(&self.client);
        let work = async move {
            let statement = client.prepare("SELECT pg_catalog.set_config('mountgate.seal', $1, true)").await?;
            let asked = "SELECT pg_catalog.pg_backend_pid(), (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) * 1000)::int8";
            let row = client.query_one(asked, &[]).await?;
            Ok(Sealing { statement, pid: row.try_get(0)?, server_ms: row.try_get(1)? })
        };
        let sealing = self.drive(work).await?.map_err(|e: tokio_postgres::Error| failed(&e, Phase::Prepare))?;
        // The clock was read before now: a seal ends early rather than late.
        self.born = Instant::now();
        Ok(sealing)
    }

    /// Whether what the server reports of the session's settings is what it was at its start.
    pub(super) fn is_as_it_was(&self) -> bool {
        REPORTED.iter().zip(&self.reported).all(|(name, was)| self.connection.parameter(name) == was.as_deref())
    }

    /// Moves bytes. Ready only when the connection has ended, well or badly.
    pub(super) fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<StoreError> {
        loop {
            match self.connection.poll_message(cx) {
                // Notices and notifications may hold data; nobody asked for them.
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => return Poll::Ready(failed(&error, Phase::Run)),
                Poll::Ready(None) => {
                    return Poll::Ready(StoreError::new(Class::Unavailable, "the server closed the connection"));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Drives the connection until the answer is there. The outer error is the connection's end.
    pub(super) async fn drive<F: Future>(&mut self, answer: F) -> Result<F::Output, StoreError> {
        let mut answer = pin!(answer);
        poll_fn(|cx| {
            // First: asking is what the first poll does.
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(Ok(answer));
            }
            let ended = self.poll_connection(cx);
            // What has come in may be the answer; also where the connection then ended.
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(Ok(answer));
            }
            ended.map(Err)
        })
        .await
    }

    /// Waits until the session is known to be clean.
    pub(super) async fn settle(&mut self) -> Result<(), StoreError> {
        if let Some(rollback) = self.rollback.take() {
            return self.drive(rollback).await?.map_err(|e| failed(&e, Phase::Run));
        }
        // Notices an end that came while it was idle.
        poll_fn(|cx| match self.poll_connection(cx) {
            Poll::Ready(error) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Ready(Ok(())),
        })
        .await
    }

    /// The statement, prepared now or before.
    pub(super) async fn prepare(&mut self, sql: &Arc<str>) -> Result<Prepared, StoreError> {
        self.tick += 1;
        if let Some((prepared, tick)) = self.statements.get_mut(sql) {
            *tick = self.tick;
            return Ok(prepared.clone());
        }
        let (client, text) = (Arc::clone(&self.client), Arc::clone(sql));
        let statement =
            self.drive(async move { client.prepare(&text).await }).await?.map_err(|e| failed(&e, Phase::Prepare))?;
        let mut columns = Vec::new();
        let mut decoders = Vec::new();
        for column in statement.columns() {
            let Some(decoder) = Decoder::of(column.type_()) else {
                let detail = format!("no decoder for type `{}` of a result column", column.type_());
                return Err(StoreError::new(Class::Refused, detail));
            };
            columns.push(RowColumn { name: column.name().to_owned(), ty: decoder.column_type() });
            decoders.push(decoder);
        }
        if columns.is_empty() {
            return Err(StoreError::new(Class::Refused, "not a statement that reads rows"));
        }
        let prepared = Prepared { statement, columns: columns.into(), decoders: decoders.into() };
        if self.statements.len() >= self.capacity
            && let Some(oldest) =
                self.statements.iter().min_by_key(|(_, (_, tick))| *tick).map(|(sql, _)| Arc::clone(sql))
        {
            // Its last clone dropped closes it on the server.
            self.statements.remove(&oldest);
        }
        self.statements.insert(Arc::clone(sql), (prepared.clone(), self.tick));
        Ok(prepared)
    }
}

/// Asks the server to end what the session is doing, and waits until the request has been acted on: a cancel that
/// comes late would hit the connection's next statement.
pub(super) async fn cancel(config: &PostgresConfig, token: &CancelToken) -> std::io::Result<()> {
    let mut socket = config.socket().await?;
    token.cancel_query_raw(&mut socket, NoTls).await.map_err(std::io::Error::other)?;
    // The server closes once the signal is sent.
    let mut nothing = [0u8; 1];
    while socket.read(&mut nothing).await? > 0 {}
    Ok(())
}
