//! A port: connections, their limits and their end. What is answered is the caller's.

mod guarded;
mod payload;
#[cfg(test)]
mod tests;

use std::{convert::Infallible, future::Future, io, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

use self::guarded::{Activity, Guarded};
pub(crate) use self::payload::Payload;
use crate::limits::HttpLimits;

/// Told to a client that finds no place. It is written before anything was read, so it can't be in another encoding.
const FULL: &str = "{\"error\":{\"code\":\"overloaded\",\"message\":\"the gateway's connections are all taken\",\
                    \"hint\":\"try again later\",\"decision_id\":null,\"retry_after\":1}}";
/// Clients that are told so at once; further ones are closed.
const TURNED_AWAY: usize = 64;
/// How long a client that found no place may take to read that.
const TURNING_AWAY: Duration = Duration::from_secs(1);
/// After the system refused a connection (no file handles left), before the next try.
const PAUSE: Duration = Duration::from_millis(50);

/// What a port answers with. A panic in it is answered with `internal`, and the port serves on.
pub(crate) trait Answers: Send + Sync + 'static {
    /// Answers a request.
    fn answer(self: Arc<Self>, request: Request<Incoming>) -> impl Future<Output = Response<Payload>> + Send;
    /// The answer in the place of one whose making panicked.
    fn panicked(&self) -> Response<Payload>;
}

/// Serves until `shutdown` is done, then finishes what is under way for at most the grace period.
pub(crate) async fn serve<A: Answers>(
    listener: TcpListener,
    answers: Arc<A>,
    limits: HttpLimits,
    shutdown: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY));
    let graceful = GracefulShutdown::new();
    let builder = builder(&limits);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        while connections.try_join_next().is_some() {}
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            if let Ok(place) = Arc::clone(&turned_away).try_acquire_owned() {
                connections.spawn(async move {
                    let _ = tokio::time::timeout(TURNING_AWAY, turn_away(stream)).await;
                    drop(place);
                });
            }
            continue;
        };
        let _ = stream.set_nodelay(true);
        let activity = Arc::new(Activity::default());
        let io = TokioIo::new(Guarded::new(stream, Arc::clone(&activity), limits));
        let answers = Arc::clone(&answers);
        let service = service_fn(move |request| answer(Arc::clone(&answers), request, Arc::clone(&activity)));
        let connection = graceful.watch(builder.serve_connection(io, service).into_owned());
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.grace, graceful.shutdown()).await.is_err() {
        tracing::warn!(under_way = connections.len(), "the grace period is over; answers under way are cut");
    }
    connections.shutdown().await;
}

fn builder(limits: &HttpLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // `Guarded` counts from the first byte; a second clock would also count idle time.
        .header_read_timeout(None)
        .max_buf_size(limits.header_bytes.max(8 << 10))
        .max_headers(limits.headers);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        // A peer that is gone without a word is found by its silence.
        .keep_alive_interval(limits.idle_timeout / 2)
        .keep_alive_timeout(limits.write_timeout);
    builder
}

async fn answer<A: Answers>(
    answers: Arc<A>,
    request: Request<Incoming>,
    activity: Arc<Activity>,
) -> Result<Response<Payload>, Infallible> {
    let busy = activity.begin();
    let response = AssertUnwindSafe(Box::pin(Arc::clone(&answers).answer(request))).catch_unwind().await;
    let response = response.unwrap_or_else(|_| {
        tracing::error!("a request's handling panicked");
        answers.panicked()
    });
    Ok(response.map(|payload| payload.keep(busy)))
}

async fn turn_away(mut stream: TcpStream) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         retry-after: 1\r\nconnection: close\r\n\r\n",
        FULL.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(FULL.as_bytes()).await?;
    stream.shutdown().await?;
    // Closing with bytes unread would reset the connection and take the answer with it.
    let mut unread = [0; 1024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}
