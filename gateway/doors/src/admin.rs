//! The admin port: health, metrics, and what operators ask of a running gateway.
//!
//! `/healthz` and `/readyz` are open to whoever reaches the port, for probes have no tokens: they tell states, and no
//! names of agents, tables or columns. Everything else wants an operator's token, for metrics tell who asks what
//! and how often. Host and origin are checked for all: the port is the one that a page in an operator's browser would
//! want to reach.

mod approvals;
#[cfg(test)]
mod tests;

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
};
use mountgate_approvals::Approvals;
use mountgate_core::{Code, Refusal};
use mountgate_identity::Person;
use mountgate_mediate::{Gateway, Subject, reload::Trigger};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tracing::Instrument;

use crate::{
    body::shown,
    hosts::Hosts,
    http::{Meta, allow, bytes, described, is_head, refused, token},
    limits::HttpLimits,
    media::{Encoding, Format},
    serve::{Answers, Payload, serve},
};

const OPENMETRICS: HeaderValue = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Serves the admin port until `shutdown` is done. `hosts` are the names, beyond the listener's own address, under
/// which it is reached, and the origins of pages that may use it.
pub async fn serve_admin(
    listener: TcpListener,
    gateway: Gateway,
    approvals: Approvals,
    limits: HttpLimits,
    hosts: Hosts,
    shutdown: impl Future<Output = ()>,
) {
    serve_operations(listener, Served { gateway, approvals }, limits, hosts, shutdown).await;
}

/// What the port serves.
#[derive(Clone)]
struct Served {
    gateway: Gateway,
    approvals: Approvals,
}

pub(crate) async fn serve_operations<O: Operations>(
    listener: TcpListener,
    operations: O,
    limits: HttpLimits,
    hosts: Hosts,
    shutdown: impl Future<Output = ()>,
) {
    let hosts = match listener.local_addr() {
        Ok(address) => hosts.with_address(address),
        Err(_) => hosts,
    };
    serve(listener, Arc::new(Port { operations, hosts, limits }), limits, shutdown).await;
}

/// What the port asks of the gateway.
pub(crate) trait Operations: Clone + Send + Sync + 'static {
    /// Where writes that wait are decided.
    type Desk: approvals::Desk;

    fn desk(&self) -> Self::Desk;
    /// The person whose token it is.
    fn person(&self, token: &str) -> Option<Person>;
    /// The operator whose token it is.
    fn operator(&self, token: &str) -> Option<String>;
    /// `full` for an operator.
    fn health(&self, full: bool) -> Value;
    fn ready(&self) -> bool;
    fn metrics(&self) -> String;
    fn generation(&self) -> Value;
    /// Has the files read again, and says how that ended: its word (`swapped`, `unchanged`, `failed`) under `result`.
    fn reload(&self, operator: String) -> impl Future<Output = Result<Value, String>> + Send;
    /// Who is set apart.
    fn set_apart(&self) -> Value;
    /// Sets somebody apart, or lifts that; whether anything changed.
    fn quarantine(&self, subject: Subject, lift: bool, operator: &str) -> Result<bool, Refusal>;
    /// A signed checkpoint of the ledger; the error is for the operator.
    fn checkpoint(&self) -> Result<Value, String>;
}

impl Operations for Served {
    type Desk = Approvals;

    fn desk(&self) -> Approvals {
        self.approvals.clone()
    }

    fn person(&self, token: &str) -> Option<Person> {
        self.gateway.person(token)
    }

    fn operator(&self, token: &str) -> Option<String> {
        self.gateway.operator(token)
    }

    fn health(&self, full: bool) -> Value {
        let health = if full { self.gateway.full_health() } else { self.gateway.health() };
        serde_json::to_value(health).unwrap_or_default()
    }

    fn ready(&self) -> bool {
        self.gateway.ready()
    }

    fn metrics(&self) -> String {
        approvals::with_metrics(self.gateway.metrics(), &self.approvals)
    }

    fn generation(&self) -> Value {
        let generation = self.gateway.generation();
        let mounts: Vec<&str> = generation.mounts().keys().map(|name| name.as_str()).collect();
        json!({ "generation": generation.number(), "mounts": mounts })
    }

    async fn reload(&self, operator: String) -> Result<Value, String> {
        let ended = self.gateway.reload(Trigger::Operator(operator)).await.map_err(|error| error.to_string())?;
        serde_json::to_value(&*ended).map_err(|error| error.to_string())
    }

    fn set_apart(&self) -> Value {
        json!({ "set_apart": self.gateway.set_apart() })
    }

    fn quarantine(&self, subject: Subject, lift: bool, operator: &str) -> Result<bool, Refusal> {
        if lift {
            return self.gateway.lift(&subject, operator).map_err(|refused| refused.refusal);
        }
        self.gateway.quarantine_by(subject, operator, "by hand").map_err(|refused| refused.refusal)?;
        Ok(true)
    }

    fn checkpoint(&self) -> Result<Value, String> {
        let checkpoint = self.gateway.ledger().checkpoint().map_err(|error| error.to_string())?;
        serde_json::to_value(checkpoint).map_err(|error| error.to_string())
    }
}

#[derive(Clone, Copy)]
enum Handler {
    Health,
    Ready,
    Metrics,
    Generation,
    Reload,
    Checkpoint,
    SetApart,
    /// Whether it is lifted, and whether it is an agent's.
    Quarantine {
        lift: bool,
        agent: bool,
    },
}

struct Route {
    method: Method,
    path: &'static str,
    handler: Handler,
    open: bool,
}

impl Route {
    fn takes(&self, path: &str) -> bool {
        match self.path.strip_suffix("{name}") {
            None => self.path == path,
            Some(before) => path.strip_prefix(before).is_some_and(|name| !name.is_empty() && !name.contains('/')),
        }
    }
}

static ROUTES: [Route; 11] = [
    Route { method: Method::GET, path: "/healthz", handler: Handler::Health, open: true },
    Route { method: Method::GET, path: "/readyz", handler: Handler::Ready, open: true },
    Route { method: Method::GET, path: "/metrics", handler: Handler::Metrics, open: false },
    Route { method: Method::GET, path: "/v1/admin/generation", handler: Handler::Generation, open: false },
    Route { method: Method::POST, path: "/v1/admin/reload", handler: Handler::Reload, open: false },
    Route { method: Method::POST, path: "/v1/admin/ledger/checkpoint", handler: Handler::Checkpoint, open: false },
    Route { method: Method::GET, path: "/v1/admin/quarantine", handler: Handler::SetApart, open: false },
    Route {
        method: Method::POST,
        path: "/v1/admin/quarantine/set/agents/{name}",
        handler: Handler::Quarantine { lift: false, agent: true },
        open: false,
    },
    Route {
        method: Method::POST,
        path: "/v1/admin/quarantine/set/sessions/{name}",
        handler: Handler::Quarantine { lift: false, agent: false },
        open: false,
    },
    Route {
        method: Method::POST,
        path: "/v1/admin/quarantine/lift/agents/{name}",
        handler: Handler::Quarantine { lift: true, agent: true },
        open: false,
    },
    Route {
        method: Method::POST,
        path: "/v1/admin/quarantine/lift/sessions/{name}",
        handler: Handler::Quarantine { lift: true, agent: false },
        open: false,
    },
];

struct Port<O> {
    operations: O,
    hosts: Hosts,
    limits: HttpLimits,
}

impl<O: Operations> Answers for Port<O> {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Payload> {
        let meta = Meta::of(&request);
        let span = meta.span(request.method(), request.uri().path());
        let answering = async {
            let path = request.uri().path().to_owned();
            let answered = match path.starts_with(approvals::PATH) {
                true => self.approvals(request).await,
                false => self.handle(&request).await,
            };
            answered.unwrap_or_else(|refusal| {
                let code = refusal.code;
                let mut response = refused(&refusal.into(), Encoding::Json);
                if code == Code::MethodNotAllowed {
                    let methods = approvals::methods(&path).map_or_else(|| methods(&path), str::to_owned);
                    response.headers_mut().extend(allow(&methods).headers().clone());
                }
                response
            })
        };
        let mut response = answering.instrument(span).await;
        meta.mark(response.headers_mut());
        response
    }

    fn panicked(&self) -> Response<Payload> {
        refused(&Refusal::new(Code::Internal, "something is wrong inside the gateway").into(), Encoding::Json)
    }
}

impl<O: Operations> Port<O> {
    /// What people ask of the writes that wait.
    async fn approvals(&self, request: Request<Incoming>) -> Result<Response<Payload>, Refusal> {
        self.hosts.check(request.uri(), request.headers())?;
        let token = token(request.headers())?.map(str::to_owned);
        let person = || {
            let person = token.as_deref().and_then(|token| self.operations.person(token)).ok_or_else(|| {
                Refusal::new(Code::Unauthenticated, "the token is missing, or is no person's").hint(
                    "send `Authorization: Bearer <token>` with the token of `mountgate person add`; operators' and agents' open nothing here",
                )
            })?;
            tracing::info!(person = person.name(), "admitted");
            Ok(person)
        };
        approvals::handle(&self.operations.desk(), person, &self.limits, request).await
    }

    async fn handle(&self, request: &Request<Incoming>) -> Result<Response<Payload>, Refusal> {
        self.hosts.check(request.uri(), request.headers())?;
        let path = request.uri().path();
        let method = if is_head(request.method()) { &Method::GET } else { request.method() };
        if !ROUTES.iter().any(|route| route.takes(path)) {
            return Err(Refusal::new(Code::RouteNotFound, format!("there is nothing at `{}`", shown(path))));
        }
        if method == Method::OPTIONS {
            return Ok(allow(&methods(path)));
        }
        let route = ROUTES.iter().find(|route| route.takes(path) && route.method == *method).ok_or_else(|| {
            Refusal::new(Code::MethodNotAllowed, format!("`{path}` is not for {}", shown(method.as_str())))
                .hint(format!("use one of: {}", methods(path)))
        })?;
        let operator = if route.open { None } else { Some(self.admit(request)?) };
        match route.handler {
            Handler::Health => {
                // A probe has no token. With an operator's, the reason of a failed reload is told in full; a token that is
                // none is no reason to fail a probe.
                let full = self.admit(request).is_ok();
                let health = self.operations.health(full);
                let failing = health.get("status").and_then(Value::as_str) == Some("failing");
                Ok(with_status(described(&health, None, Format::Json), !failing))
            }
            Handler::Ready => {
                let ready = self.operations.ready();
                Ok(with_status(described(&json!({ "ready": ready }), None, Format::Json), ready))
            }
            Handler::Metrics => {
                let operations = self.operations.clone();
                // Holds are counted in their file.
                let metrics = tokio::task::spawn_blocking(move || operations.metrics())
                    .await
                    .map_err(|_| Refusal::new(Code::Internal, "something is wrong inside the gateway"))?;
                let mut response = bytes(Bytes::from(metrics), Encoding::Json);
                response.headers_mut().insert(CONTENT_TYPE, OPENMETRICS);
                Ok(response)
            }
            Handler::Generation => Ok(described(&self.operations.generation(), None, Format::Json)),
            Handler::Reload => {
                let operator = operator.unwrap_or_default();
                let ended = self.operations.reload(operator).await.map_err(|why| {
                    Refusal::new(Code::Overloaded, format!("there is no reload: {why}"))
                        .hint("try again in a moment; /healthz tells how far the one under way is")
                        .retry_after(1)
                })?;
                let failed = ended.get("result").and_then(Value::as_str) == Some("failed");
                let mut response = described(&ended, None, Format::Json);
                if failed {
                    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
                }
                Ok(response)
            }
            Handler::SetApart => Ok(described(&self.operations.set_apart(), None, Format::Json)),
            Handler::Quarantine { lift, agent } => {
                let name = path.rsplit('/').next().unwrap_or_default();
                let subject = if agent { Subject::Agent(name.into()) } else { Subject::Session(name.into()) };
                let (operations, operator) = (self.operations.clone(), operator.unwrap_or_default());
                // It waits for the disk.
                let done = tokio::task::spawn_blocking(move || operations.quarantine(subject, lift, &operator))
                    .await
                    .unwrap_or_else(|_| Err(Refusal::new(Code::Internal, "it panicked")))?;
                if !done {
                    return Err(Refusal::new(Code::RouteNotFound, format!("`{}` is not set apart", shown(name)))
                        .hint("`mountgate quarantine list` tells who is"));
                }
                Ok(described(&json!({ "done": true }), None, Format::Json))
            }
            Handler::Checkpoint => {
                let operations = self.operations.clone();
                // It waits for the disk.
                let checkpoint = tokio::task::spawn_blocking(move || operations.checkpoint())
                    .await
                    .unwrap_or_else(|_| Err("it panicked".to_owned()))
                    .map_err(|why| Refusal::new(Code::LedgerUnavailable, format!("there is no checkpoint: {why}")))?;
                Ok(described(&checkpoint, None, Format::Json))
            }
        }
    }

    /// The operator whose token it is.
    fn admit(&self, request: &Request<Incoming>) -> Result<String, Refusal> {
        let operator =
            token(request.headers())?.and_then(|token| self.operations.operator(token)).ok_or_else(|| {
                Refusal::new(Code::Unauthenticated, "the token is missing, or is no operator's")
                    .hint("send `Authorization: Bearer <token>` with an operator's token; agents have none here")
            })?;
        tracing::info!(operator, "admitted");
        Ok(operator)
    }
}

fn with_status(mut response: Response<Payload>, good: bool) -> Response<Payload> {
    if !good {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

fn methods(path: &str) -> String {
    let mut methods = Vec::new();
    for route in ROUTES.iter().filter(|route| route.takes(path)) {
        methods.push(route.method.as_str());
        if route.method == Method::GET {
            methods.push("HEAD");
        }
    }
    methods.push("OPTIONS");
    methods.join(", ")
}
