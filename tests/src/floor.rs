//! The floor of the benches: the same hyper server and the same store code as the gateway, with identity, policy,
//! rewrite, limits and ledger left out. Whoever has its port has the database: for benches on loopback only.
//!
//! It takes the body of `/v1/query`, runs `sql` as it is, and answers in the gateway's shape: JSON, or lines of JSON
//! where `Accept` asks for them.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use anyhow::Context as _;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::StreamExt as _;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::{ACCEPT, CONTENT_TYPE},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use mountgate_core::Value;
use mountgate_driver::{Call, Rows, Store};
use serde::Deserialize;
use tokio::net::TcpListener;

/// An answer up to so many bytes is sent whole, as the gateway does.
const SMALL: usize = 32 << 10;

type Payload = UnsyncBoxBody<Bytes, Infallible>;

#[derive(Deserialize)]
struct Query {
    sql: Arc<str>,
    #[serde(default)]
    params: Vec<serde_json::Value>,
}

/// Serves on a port of its own until dropped.
///
/// # Errors
/// Where the listener fails.
pub async fn serve(listener: TcpListener, store: Store) -> io::Result<()> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // As `mountgate-doors` sets it up.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(32 << 10).max_headers(100);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(128);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let store = store.clone();
        let service = service_fn(move |request| {
            let store = store.clone();
            async move { Ok::<_, Infallible>(answer(&store, request).await) }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        tokio::spawn(async move {
            let _ = connection.await;
        });
    }
}

async fn answer(store: &Store, request: Request<Incoming>) -> Response<Payload> {
    let lines = request.headers().get(ACCEPT).is_some_and(|accept| accept == "application/x-ndjson");
    match rows(store, request).await {
        Ok(rows) => encoded(rows, lines).await,
        Err(error) => {
            let mut response = Response::new(whole(Bytes::from(format!("{error:#}"))));
            *response.status_mut() = StatusCode::BAD_REQUEST;
            response
        }
    }
}

async fn rows(store: &Store, request: Request<Incoming>) -> anyhow::Result<Rows> {
    let body = request.into_body().collect().await?.to_bytes();
    let Query { sql, params } = serde_json::from_slice(&body).context("the body")?;
    let values = params.into_iter().map(|value| match value {
        serde_json::Value::Number(number) => Ok(Value::Integer(number.as_i64().context("a whole number")?)),
        serde_json::Value::String(text) => Ok(Value::Text(text)),
        other => anyhow::bail!("a parameter like {other}"),
    });
    let values = values.collect::<anyhow::Result<_>>()?;
    let call = Call { sql, values, timeout: Duration::from_secs(60), behind: None };
    store.stream(call).await.map_err(|error| anyhow::anyhow!("{error:?}"))
}

fn whole(bytes: Bytes) -> Payload {
    Full::new(bytes).boxed_unsync()
}

/// Whole where it is short, in frames where it is long.
async fn encoded(rows: Rows, lines: bool) -> Response<Payload> {
    let kind = if lines { "application/x-ndjson" } else { "application/json" };
    let mut under_way = UnderWay { rows, lines, count: 0, ended: false };
    let mut out = BytesMut::with_capacity(1 << 10);
    under_way.begin(&mut out);
    while !under_way.ended && out.len() < SMALL {
        under_way.more(&mut out).await;
    }
    let body = if under_way.ended {
        whole(out.freeze())
    } else {
        let first = futures::stream::iter([out.freeze()]);
        let rest = futures::stream::unfold(under_way, |mut under_way| async move {
            if under_way.ended {
                return None;
            }
            let mut out = BytesMut::with_capacity(SMALL);
            under_way.more(&mut out).await;
            Some((out.freeze(), under_way))
        });
        StreamBody::new(first.chain(rest).map(|bytes| Ok(Frame::data(bytes)))).boxed_unsync()
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}

struct UnderWay {
    rows: Rows,
    lines: bool,
    count: u64,
    ended: bool,
}

impl UnderWay {
    fn begin(&self, out: &mut BytesMut) {
        out.put_slice(b"{\"columns\":[");
        for (at, column) in self.rows.columns().iter().enumerate() {
            out.put_slice(if at > 0 { b",{\"name\":" } else { b"{\"name\":" });
            text(&column.name, out);
            out.put_slice(b",\"type\":");
            text(&column.ty.label(), out);
            out.put_u8(b'}');
        }
        out.put_slice(if self.lines { b"]}\n" } else { b"],\"rows\":[" });
    }

    /// The next batch, or the end.
    async fn more(&mut self, out: &mut BytesMut) {
        match self.rows.next().await {
            Ok(Some(batch)) => {
                for row in batch.rows() {
                    if self.count > 0 && !self.lines {
                        out.put_u8(b',');
                    }
                    self.count += 1;
                    values(row, out);
                    if self.lines {
                        out.put_u8(b'\n');
                    }
                }
            }
            Ok(None) => {
                self.ended = true;
                out.put_slice(if self.lines { b"{\"row_count\":" } else { b"],\"row_count\":" });
                number(self.count, out);
                out.put_slice(b",\"truncated\":false,\"complete\":true}");
            }
            Err(error) => {
                self.ended = true;
                text(&format!("{error:?}"), out);
            }
        }
    }
}

fn number(number: impl itoa::Integer, out: &mut BytesMut) {
    out.put_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn values(values: &[Value], out: &mut BytesMut) {
    out.put_u8(b'[');
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        match value {
            Value::Integer(integer) => number(*integer, out),
            Value::Null => out.put_slice(b"null"),
            Value::Boolean(truth) => out.put_slice(if *truth { b"true" } else { b"false" }),
            Value::Text(form) | Value::Timestamp(form) | Value::Date(form) | Value::Decimal(form) => text(form, out),
            other => text(&format!("{other:?}"), out),
        }
    }
    out.put_u8(b']');
}

/// A text of the benches' own data: it is copied as it is where nothing must be escaped.
fn text(text: &str, out: &mut BytesMut) {
    if text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        out.put_slice(serde_json::Value::from(text).to_string().as_bytes());
    } else {
        out.put_u8(b'"');
        out.put_slice(text.as_bytes());
        out.put_u8(b'"');
    }
}
