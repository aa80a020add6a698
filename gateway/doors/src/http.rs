//! The data port.

mod answer;
mod meta;
mod routes;
#[cfg(test)]
mod tests;

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use futures::FutureExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Method, Request, Response,
    body::{Body, Incoming},
    header::{AUTHORIZATION, HeaderValue},
};
use mountgate_core::{Code, Door, MountName, Refusal};
use mountgate_mediate::{Gateway, HoldId, Refused};
use tokio::net::TcpListener;
use tracing::Instrument;

pub(crate) use self::{
    answer::{allow, bytes, described, refused},
    meta::Meta,
    routes::{Handler, ROUTES, Route, Success},
};
use crate::{
    body,
    hosts::Hosts,
    limits::HttpLimits,
    mcp::Mcp,
    media::{self, Encoding, Format},
    middle::Middle,
    openapi,
    serve::{Answers, Payload, serve},
};

/// Bytes of a body that asks for a session: its minter is authenticated after it is read.
const MINT_BYTES: usize = 64 << 10;

/// Serves the data port: HTTP/1.1 and HTTP/2 without TLS (a proxy in front has that), until `shutdown` is done and
/// what was under way has ended, or the grace period has.
///
/// `hosts` are the names, beyond the listener's own address, under which `/mcp` is reached.
pub async fn serve_data(
    listener: TcpListener,
    gateway: Gateway,
    limits: HttpLimits,
    hosts: Hosts,
    shutdown: impl Future<Output = ()>,
) {
    serve_middle(listener, gateway, limits, hosts, shutdown).await;
}

pub(crate) async fn serve_middle<M: Middle>(
    listener: TcpListener,
    middle: M,
    limits: HttpLimits,
    hosts: Hosts,
    shutdown: impl Future<Output = ()>,
) {
    let hosts = match listener.local_addr() {
        Ok(address) => hosts.with_address(address),
        Err(_) => hosts,
    };
    let port = Port { mcp: Mcp::new(middle.clone(), &hosts, &limits), middle, limits, openapi: openapi::bytes() };
    serve(listener, Arc::new(port), limits, shutdown).await;
}

/// The data port's state.
struct Port<M: Middle> {
    middle: M,
    limits: HttpLimits,
    mcp: Mcp<M>,
    openapi: Bytes,
}

impl<M: Middle> Answers for Port<M> {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Payload> {
        let meta = Meta::of(&request);
        let span = meta.span(request.method(), request.uri().path());
        let mut response = self.route(request).instrument(span.clone()).await;
        span.in_scope(|| tracing::info!(status = response.status().as_u16(), "answered"));
        meta.mark(response.headers_mut());
        response
    }

    fn panicked(&self) -> Response<Payload> {
        let refusal = Refusal::new(Code::Internal, "something is wrong inside the gateway")
            .hint("tell the operator the time of this request");
        refused(&refusal.into(), Encoding::Json)
    }
}

impl<M: Middle> Port<M> {
    async fn route(&self, request: Request<Incoming>) -> Response<Payload> {
        let wanted = media::of_error(request.headers());
        let (route, parameter) = match routes::find(request.method(), request.uri().path()) {
            routes::Found::Route(route, parameter) => (route, parameter.map(str::to_owned)),
            routes::Found::Options(methods) => return allow(&methods),
            routes::Found::Method(refusal, methods) => {
                let mut response = refused(&refusal.into(), wanted);
                response.headers_mut().extend(allow(&methods).headers().clone());
                return response;
            }
            routes::Found::Nothing(refusal) => return refused(&refusal.into(), wanted),
        };
        let answered = match no_query(request.uri().query()) {
            Ok(()) => self.handle(route, parameter, request).await,
            Err(refusal) => Err(refusal.into()),
        };
        answered.unwrap_or_else(|refusal| refused(&refusal, wanted))
    }

    async fn handle(
        &self,
        route: &Route,
        parameter: Option<String>,
        request: Request<Incoming>,
    ) -> Result<Response<Payload>, Refused> {
        match route.handler {
            Handler::OpenApi => Ok(answer::bytes(self.openapi.clone(), Encoding::Json)),
            // In a place of its own: it is large, and would be copied into each future around it.
            Handler::Mcp => Box::pin(self.mcp.answer(request, token)).await,
            Handler::Sessions => self.sessions(request).await,
            Handler::Mounts => {
                let entered = self.middle.enter(token(request.headers())?, Door::Http)?;
                let format = media::of_answer(request.headers(), Encoding::Json, false)?;
                Ok(described(&Mounts { mounts: self.middle.mounts(&entered)? }, None, format))
            }
            Handler::Mount => {
                let entered = self.middle.enter(token(request.headers())?, Door::Http)?;
                let format = media::of_answer(request.headers(), Encoding::Json, false)?;
                let name = MountName::new(parameter.unwrap_or_default());
                let detail = self.middle.mount(&entered, &name)?;
                let mut response = described(&detail, None, format);
                answer::mode(&mut response, detail.summary.mode.is_some());
                Ok(response)
            }
            Handler::WriteStatus => {
                let entered = self.middle.enter(token(request.headers())?, Door::Http)?;
                let format = media::of_answer(request.headers(), Encoding::Json, false)?;
                let id = HoldId(parameter.unwrap_or_default());
                Ok(described(&self.middle.write_status(&entered, &id).await?, None, format))
            }
            Handler::Query => {
                let entered = self.middle.enter(token(request.headers())?, Door::Http)?;
                let (encoding, format) = types(request.headers(), true)?;
                let query = body::query(self.body(request, encoding, self.limits.body_bytes).await?)?;
                self.fits(&query.sql)?;
                let opened = self.middle.query(&entered, query).await?;
                answer::rows(opened, format, &self.limits).await
            }
            Handler::Read => {
                let entered = self.middle.enter(token(request.headers())?, Door::Http)?;
                let (encoding, format) = types(request.headers(), true)?;
                let read = body::read(self.body(request, encoding, self.limits.body_bytes).await?)?;
                let opened = self.middle.read(&entered, read).await?;
                answer::rows(opened, format, &self.limits).await
            }
            Handler::Write => {
                let entered = self.middle.enter(token(request.headers())?, Door::Http)?;
                let (encoding, format) = types(request.headers(), false)?;
                let write = body::write(self.body(request, encoding, self.limits.body_bytes).await?)?;
                self.fits(&write.sql)?;
                let reply = self.middle.write(&entered, write).await?;
                Ok(answer::written(&reply, format))
            }
            Handler::Explain => {
                let entered = self.middle.enter(token(request.headers())?, Door::Http)?;
                let (encoding, format) = types(request.headers(), false)?;
                let query = body::explain(self.body(request, encoding, self.limits.body_bytes).await?)?;
                self.fits(&query.sql)?;
                let explanation = self.middle.explain(&entered, query).await?;
                let mut response = described(&explanation, Some(&explanation.decision_id), format);
                answer::mode(&mut response, explanation.mode.is_some());
                Ok(response)
            }
        }
    }

    async fn sessions(&self, request: Request<Incoming>) -> Result<Response<Payload>, Refused> {
        let token = token(request.headers())?.map(str::to_owned);
        if token.is_none() {
            // Counted and refused there, as for every route; nothing is read for who shows no token.
            self.middle.enter(None, Door::Http)?;
        }
        let (encoding, format) = types(request.headers(), false)?;
        let mint = body::mint(self.body(request, encoding, MINT_BYTES.min(self.limits.body_bytes)).await?)?;
        Ok(described(&self.middle.mint(token.as_deref(), &mint)?, None, format))
    }

    fn fits(&self, sql: &str) -> Result<(), Refusal> {
        let limit = self.limits.statement_bytes;
        if sql.len() > limit {
            return Err(Refusal::new(
                Code::TooLarge,
                format!("the statement has {} bytes, and {limit} are allowed", sql.len()),
            )
            .hint("bind data as parameters"));
        }
        Ok(())
    }

    async fn body(&self, request: Request<Incoming>, encoding: Encoding, limit: usize) -> Result<body::Item, Refusal> {
        let too_large =
            || Refusal::new(Code::TooLarge, format!("the body is larger than {limit} bytes")).hint("send less at once");
        let incoming = request.into_body();
        if incoming.size_hint().lower() > limit as u64 {
            return Err(too_large());
        }
        let collecting = Limited::new(incoming, limit).collect();
        // Most bodies are there by now, and need no timer.
        let mut collecting = std::pin::pin!(collecting);
        let collected = match (&mut collecting).now_or_never() {
            Some(collected) => collected,
            None => tokio::time::timeout(self.limits.body_timeout, collecting).await.map_err(|_| {
                Refusal::new(Code::RequestTimeout, "the body did not arrive in time")
                    .hint("send the body right after the headers")
            })?,
        };
        let bytes = collected
            .map_err(|error| match error.downcast_ref::<LengthLimitError>() {
                Some(_) => too_large(),
                None => body::malformed("the body broke off").hint("send as many bytes as `Content-Length` says"),
            })?
            .to_bytes();
        body::decode(&bytes, encoding)
    }
}

#[derive(serde::Serialize)]
struct Mounts {
    mounts: Vec<mountgate_mediate::MountSummary>,
}

fn types(headers: &HeaderMap, rows: bool) -> Result<(Encoding, Format), Refusal> {
    let encoding = media::of_body(headers)?;
    Ok((encoding, media::of_answer(headers, encoding, rows)?))
}

/// The token that a request shows.
///
/// # Errors
/// More than one `Authorization`: two readers could take two of them.
pub(crate) fn token(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(body::malformed("`Authorization` is there twice").hint("send one token"));
    }
    Ok(first.and_then(bearer))
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}

/// No route takes a query. A token there ends up in logs, histories and proxies, so its sender is told; the query
/// itself is never repeated.
fn no_query(query: Option<&str>) -> Result<(), Refusal> {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(()) };
    let secret = query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
        ["token", "key", "secret", "auth", "bearer", "password", "session"].iter().any(|word| name.contains(word))
    });
    Err(if secret {
        body::malformed("the URL holds what looks like a token")
            .hint("send it as `Authorization: Bearer …` only, and have this one replaced: URLs are logged on the way")
    } else {
        body::malformed("the URL holds a query, which no route here takes").hint("put the fields into the body")
    })
}

/// Whether the method's answer has no body.
pub(crate) fn is_head(method: &Method) -> bool {
    method == Method::HEAD
}
