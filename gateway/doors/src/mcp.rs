//! MCP: the same middle as tools for a model, over streamable HTTP at `/mcp`.
//!
//! There are no MCP sessions here: each HTTP request shows its own token and is authenticated by it alone. A session
//! id that stood for a token would be a second credential, one that outlives the first one's revocation and that a
//! client can be made to use with another's.

mod call;
mod plain;
#[cfg(test)]
mod tests;
mod tools;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::FutureExt;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::Incoming,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
};
use mountgate_core::{Code, Door, Refusal};
use mountgate_mediate::Refused;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};

use self::{
    call::{Caller, Tools},
    plain::Plain,
};
use crate::{
    body::{self, Item},
    hosts::Hosts,
    limits::HttpLimits,
    media::Encoding,
    middle::Middle,
    serve::Payload,
};

/// The MCP door.
pub(crate) struct Mcp<M: Middle> {
    middle: M,
    hosts: Hosts,
    tools: Tools<M>,
    service: StreamableHttpService<Tools<M>, NeverSessionManager>,
    body_bytes: usize,
    body_timeout: Duration,
}

impl<M: Middle> Mcp<M> {
    pub(crate) fn new(middle: M, hosts: &Hosts, limits: &HttpLimits) -> Self {
        // The library checks hosts and origins too, and before us only in appearance: `answer` comes first.
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_max_request_body_bytes(limits.body_bytes)
            .with_allowed_hosts(hosts.hosts.iter().cloned())
            .with_allowed_origins(hosts.origins.iter().cloned())
            .enforce_origin_validation();
        let tools = Tools::new(middle.clone(), limits.tool_bytes, limits.statement_bytes);
        let each = tools.clone();
        let service =
            StreamableHttpService::new(move || Ok(each.clone()), Arc::new(NeverSessionManager::default()), config);
        Self {
            middle,
            hosts: hosts.clone(),
            tools,
            service,
            body_bytes: limits.body_bytes,
            body_timeout: limits.body_timeout,
        }
    }

    /// Answers a request.
    ///
    /// # Errors
    /// A host or origin that is not this port's; a caller who is not let in; a body that does not arrive.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        token: fn(&HeaderMap) -> Result<Option<&str>, Refusal>,
    ) -> Result<Response<Payload>, Refused> {
        self.hosts.check(request.uri(), request.headers())?;
        let entered = self.middle.enter(token(request.headers())?, Door::Mcp)?;
        if crate::media::of_body(request.headers())? != Encoding::Json {
            return Err(Refusal::new(Code::MediaType, "MCP is JSON")
                .hint("send `Content-Type: application/json`")
                .into());
        }
        let (mut parts, incoming) = request.into_parts();
        let bytes = self.body(incoming).await?;
        // Read strictly once, and the tools' arguments are taken from that reading: the library's own keeps the last
        // of two equal keys and makes floats of large integers.
        let message = match body::decode(&bytes, Encoding::Json) {
            Ok(message) => message,
            Err(refusal) => return Ok(unreadable(&refusal)),
        };
        // For whoever does not take JSON the library has words.
        let takes_json = accept(&mut parts.headers);
        let plain = if takes_json { Plain::of(&parts.method, &parts.headers, message) } else { Err(message) };
        let message = match plain {
            Ok(mut plain) => {
                let arguments = plain.arguments.take();
                let told = self.tools.told(plain.name, &entered, arguments).await;
                return Ok(unstored(plain.answer(&told)));
            }
            Err(message) => message,
        };
        parts.extensions.insert(Arc::new(Caller::<M> {
            entered,
            arguments: arguments(message),
            span: tracing::Span::current(),
        }));
        let response = self.service.handle(Request::from_parts(parts, Full::new(bytes))).await;
        Ok(unstored(response.map(Payload::other)))
    }

    async fn body(&self, incoming: Incoming) -> Result<Bytes, Refusal> {
        let mut collecting = std::pin::pin!(Limited::new(incoming, self.body_bytes).collect());
        // Most bodies are there by now, and need no timer.
        let collected = match (&mut collecting).now_or_never() {
            Some(collected) => collected,
            None => tokio::time::timeout(self.body_timeout, collecting)
                .await
                .map_err(|_| Refusal::new(Code::RequestTimeout, "the body did not arrive in time"))?,
        };
        Ok(collected
            .map_err(|error| match error.downcast_ref::<LengthLimitError>() {
                Some(_) => Refusal::new(Code::TooLarge, format!("the body is larger than {} bytes", self.body_bytes)),
                None => body::malformed("the body broke off"),
            })?
            .to_bytes())
    }
}

/// The arguments of a `tools/call`, if it is one.
fn arguments(message: Item) -> Option<Item> {
    let field = |item: Item, name: &str| match item {
        Item::Map(entries) => entries.into_iter().find(|(key, _)| key == name).map(|(_, item)| item),
        _ => None,
    };
    field(field(message, "params")?, "arguments")
}

/// The library wants both types accepted, as the protocol asks of clients; it answers these requests with JSON, so
/// who accepts JSON is served too.
fn accept(headers: &mut HeaderMap) -> bool {
    let takes_json = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|range| {
            let essence = range.split(';').next().unwrap_or_default().trim();
            ["application/json", "application/*", "*/*"].iter().any(|json| essence.eq_ignore_ascii_case(json))
        })
    });
    let takes_json = takes_json || !headers.contains_key(ACCEPT);
    if takes_json {
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    }
    takes_json
}

fn unstored(mut response: Response<Payload>) -> Response<Payload> {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// JSON-RPC's own error for a body that can't be read.
fn unreadable(refusal: &Refusal) -> Response<Payload> {
    let hint = refusal.hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default();
    let body = serde_json::json!({
        "jsonrpc": "2.0",
        "id": null,
        "error": { "code": -32700, "message": format!("{}{hint}", refusal.message) },
    });
    let mut response = Response::new(Payload::whole(body.to_string().into()));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
