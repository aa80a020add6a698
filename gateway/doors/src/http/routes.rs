//! The routes of the data port: the server and `/openapi.json` are both made from this table.

use hyper::Method;
use mountgate_core::{Code, Refusal};

use crate::body::shown;

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handler {
    Query,
    Read,
    Write,
    WriteStatus,
    Mounts,
    Mount,
    Explain,
    Sessions,
    OpenApi,
    Mcp,
}

/// What a route answers with, where it does not refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Success {
    /// Rows, in every encoding.
    Rows,
    /// An object of that schema, in JSON or MessagePack.
    Object(&'static str),
    /// JSON only, described elsewhere.
    Json(&'static str),
}

/// A route.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// With at most one parameter, the last segment.
    pub(crate) path: &'static str,
    pub(crate) handler: Handler,
    pub(crate) summary: &'static str,
    /// The schema of the body.
    pub(crate) body: Option<&'static str>,
    pub(crate) success: Success,
    /// Whose token; none for what anyone may read.
    pub(crate) token: Option<&'static str>,
}

const AGENT: Option<&str> = Some("an agent's key or a session's token");

/// Every route.
pub(crate) static ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        path: "/v1/query",
        handler: Handler::Query,
        summary: "Runs a statement within the scope that the mount's policy grants.",
        body: Some("Query"),
        success: Success::Rows,
        token: AGENT,
    },
    Route {
        method: Method::POST,
        path: "/v1/read",
        handler: Handler::Read,
        summary: "Reads from one table, without SQL.",
        body: Some("Read"),
        success: Success::Rows,
        token: AGENT,
    },
    Route {
        method: Method::POST,
        path: "/v1/write",
        handler: Handler::Write,
        summary: "Inserts, updates or deletes rows of one table, within what the mount lets be written.",
        body: Some("Write"),
        success: Success::Object("Written"),
        token: AGENT,
    },
    Route {
        method: Method::GET,
        path: "/v1/writes/{name}",
        handler: Handler::WriteStatus,
        summary: "What became of a write of the caller's that waits for approval, or waited.",
        body: None,
        success: Success::Object("HoldStatus"),
        token: AGENT,
    },
    Route {
        method: Method::POST,
        path: "/v1/explain",
        handler: Handler::Explain,
        summary: "How a statement would fare: columns, masks, caps. Nothing runs.",
        body: Some("Query"),
        success: Success::Object("Explanation"),
        token: AGENT,
    },
    Route {
        method: Method::GET,
        path: "/v1/mounts",
        handler: Handler::Mounts,
        summary: "The mounts that the caller may use.",
        body: None,
        success: Success::Object("Mounts"),
        token: AGENT,
    },
    Route {
        method: Method::GET,
        path: "/v1/mounts/{name}",
        handler: Handler::Mount,
        summary: "What the caller may do in a mount now, and what is left of it.",
        body: None,
        success: Success::Object("Mount"),
        token: AGENT,
    },
    Route {
        method: Method::POST,
        path: "/v1/sessions",
        handler: Handler::Sessions,
        summary: "Mints a session for an agent, with further claims.",
        body: Some("Mint"),
        success: Success::Object("Minted"),
        token: Some("a minter's token"),
    },
    Route {
        method: Method::GET,
        path: "/openapi.json",
        handler: Handler::OpenApi,
        summary: "This document.",
        body: None,
        success: Success::Json("the OpenAPI 3.1 document of this port"),
        token: None,
    },
    Route {
        method: Method::POST,
        path: "/mcp",
        handler: Handler::Mcp,
        summary: "The Model Context Protocol (streamable HTTP, without sessions).",
        body: Some("JsonRpc"),
        success: Success::Json("a JSON-RPC response; nothing (202) for a notification"),
        token: AGENT,
    },
];

/// What there is at a path.
pub(crate) enum Found<'a> {
    /// A route, with its parameter.
    Route(&'static Route, Option<&'a str>),
    /// `OPTIONS`: the methods.
    Options(String),
    /// Not for this method; the methods.
    Method(Refusal, String),
    /// Nothing.
    Nothing(Refusal),
}

/// Finds what answers.
pub(crate) fn find<'a>(method: &Method, path: &'a str) -> Found<'a> {
    // What answers GET answers HEAD; hyper leaves the body out.
    let asked = if super::is_head(method) { &Method::GET } else { method };
    let mut methods: Vec<&str> = Vec::new();
    for route in ROUTES {
        let Some(parameter) = parameter(route.path, path) else { continue };
        if route.method == *asked {
            return Found::Route(route, parameter);
        }
        methods.push(route.method.as_str());
        if route.method == Method::GET {
            methods.push("HEAD");
        }
    }
    if methods.is_empty() {
        return Found::Nothing(
            Refusal::new(Code::RouteNotFound, format!("there is nothing at `{}`", shown(path)))
                .hint("`GET /openapi.json` lists what there is"),
        );
    }
    methods.push("OPTIONS");
    let listed = methods.join(", ");
    if method == Method::OPTIONS {
        return Found::Options(listed);
    }
    let refusal =
        Refusal::new(Code::MethodNotAllowed, format!("`{}` is not for {}", shown(path), shown(method.as_str())))
            .hint(format!("use one of: {listed}"));
    Found::Method(refusal, listed)
}

/// `None` where the path is another; else its parameter, where the route has one.
///
/// The parameter is taken as it is spelt: names of mounts need no escapes, and undoing them here would give one
/// mount two paths.
fn parameter<'a>(route: &str, path: &'a str) -> Option<Option<&'a str>> {
    match route.strip_suffix("{name}") {
        None => (route == path).then_some(None),
        Some(before) => {
            let name = path.strip_prefix(before)?;
            (!name.is_empty() && !name.contains('/')).then_some(Some(name))
        }
    }
}
