//! `/v1/admin/approvals`: where people see the writes that wait, and decide them. An operator's token does not open it, and a
//! person's nothing else: who runs the gateway does not thereby approve what agents write.

use std::{fmt::Write as _, future::Future};

use http_body_util::{BodyExt as _, Limited};
use hyper::{Method, Request, Response, body::Incoming};
use mountgate_approvals::{Approvals, HoldId, State};
use mountgate_core::{Code, Digest, Refusal};
use mountgate_identity::Person;
use serde_json::{Value, json};

use crate::{
    body::{self, Fields, Path, shown},
    http::{allow, described, is_head},
    limits::HttpLimits,
    media::{self, Encoding, Format},
    serve::Payload,
};

/// Where the holds are.
pub(super) const PATH: &str = "/v1/admin/approvals";
/// Bytes of a body: a digest.
const BODY: usize = 4 << 10;

/// What the routes ask of approvals. Blocking ones may be called on async threads' blocking pool only.
pub(crate) trait Desk: Clone + Send + Sync + 'static {
    /// Every hold that the person may see.
    fn list(&self, person: &Person) -> Result<Value, Refusal>;
    /// One with its values.
    fn show(&self, person: &Person, id: &HoldId) -> Result<Value, Refusal>;
    fn approve(
        &self,
        person: &Person,
        id: &HoldId,
        digest: &Digest,
    ) -> impl Future<Output = Result<State, Refusal>> + Send;
    fn deny(&self, person: &Person, id: &HoldId) -> Result<State, Refusal>;
    /// The id of the hold that takes it back.
    fn revert(&self, person: &Person, id: &HoldId) -> impl Future<Output = Result<HoldId, Refusal>> + Send;
}

impl Desk for Approvals {
    fn list(&self, person: &Person) -> Result<Value, Refusal> {
        let all = Approvals::list(self, person, &State::ALL).map_err(|error| error.refusal())?;
        Ok(json!({ "approvals": all }))
    }

    fn show(&self, person: &Person, id: &HoldId) -> Result<Value, Refusal> {
        let shown = Approvals::show(self, person, id).map_err(|error| error.refusal())?;
        serde_json::to_value(shown).map_err(|error| Refusal::new(Code::Internal, error.to_string()))
    }

    async fn approve(&self, person: &Person, id: &HoldId, digest: &Digest) -> Result<State, Refusal> {
        Approvals::approve(self, person, id, digest).await.map_err(|error| error.refusal())
    }

    fn deny(&self, person: &Person, id: &HoldId) -> Result<State, Refusal> {
        Approvals::deny(self, person, id).map_err(|error| error.refusal())
    }

    async fn revert(&self, person: &Person, id: &HoldId) -> Result<HoldId, Refusal> {
        Approvals::revert(self, person, id).await.map_err(|error| error.refusal())
    }
}

/// The metrics, with those of holds: how many by state, and how long the oldest has waited.
pub(super) fn with_metrics(metrics: String, approvals: &Approvals) -> String {
    let counts = match approvals.counts() {
        Ok(counts) => counts,
        Err(error) => {
            tracing::error!(%error, "holds cannot be counted");
            return metrics;
        }
    };
    let mut out = metrics.strip_suffix("# EOF\n").unwrap_or(&metrics).to_owned();
    out.push_str("# HELP mountgate_holds Writes that people decide, by state.\n# TYPE mountgate_holds gauge\n");
    for state in State::ALL {
        let count = counts.holds.iter().find(|(other, _)| *other == state).map_or(0, |(_, count)| *count);
        let _ = writeln!(out, "mountgate_holds{{state=\"{}\"}} {count}", state.label());
    }
    out.push_str("# HELP mountgate_hold_oldest_pending_seconds How long the oldest write that waits has waited.\n");
    out.push_str("# TYPE mountgate_hold_oldest_pending_seconds gauge\n");
    let seconds = counts.oldest_pending_ms.unwrap_or(0) / 1000;
    let _ = writeln!(out, "mountgate_hold_oldest_pending_seconds {seconds}\n# EOF");
    out
}

/// What there is under [`PATH`].
enum Wanted {
    List,
    Show(HoldId),
    Approve(HoldId),
    Deny(HoldId),
    Revert(HoldId),
}

impl Wanted {
    fn method(&self) -> Method {
        match self {
            Self::List | Self::Show(_) => Method::GET,
            Self::Approve(_) | Self::Deny(_) | Self::Revert(_) => Method::POST,
        }
    }

    fn find(path: &str) -> Option<Self> {
        let rest = path.strip_prefix(PATH)?;
        if rest.is_empty() {
            return Some(Self::List);
        }
        let rest = rest.strip_prefix('/')?;
        let (id, act) = rest.split_once('/').map_or((rest, None), |(id, act)| (id, Some(act)));
        let id: HoldId = id.parse().ok()?;
        match act {
            None => Some(Self::Show(id)),
            Some("approve") => Some(Self::Approve(id)),
            Some("deny") => Some(Self::Deny(id)),
            Some("revert") => Some(Self::Revert(id)),
            Some(_) => None,
        }
    }
}

/// The methods at a path, where there is something.
pub(super) fn methods(path: &str) -> Option<&'static str> {
    Some(match Wanted::find(path)?.method() {
        Method::GET => "GET, HEAD, OPTIONS",
        _ => "POST, OPTIONS",
    })
}

/// Answers a request under [`PATH`]. `person` finds out whose token it is.
pub(super) async fn handle<D: Desk>(
    desk: &D,
    person: impl FnOnce() -> Result<Person, Refusal>,
    limits: &HttpLimits,
    request: Request<Incoming>,
) -> Result<Response<Payload>, Refusal> {
    let path = request.uri().path();
    let wanted = Wanted::find(path)
        .ok_or_else(|| Refusal::new(Code::RouteNotFound, format!("there is nothing at `{}`", shown(path))))?;
    if request.method() == Method::OPTIONS {
        return Ok(allow(methods(path).unwrap_or_default()));
    }
    let method = if is_head(request.method()) { &Method::GET } else { request.method() };
    if *method != wanted.method() {
        return Err(Refusal::new(Code::MethodNotAllowed, format!("this is not for {}", shown(method.as_str())))
            .hint(format!("use one of: {}", methods(path).unwrap_or_default())));
    }
    if request.uri().query().is_some_and(|query| !query.is_empty()) {
        return Err(body::malformed("the URL holds a query, which no route here takes"));
    }
    let person = person()?;
    let answer = match wanted {
        Wanted::List => blocking(desk, move |desk| desk.list(&person)).await?,
        Wanted::Show(id) => blocking(desk, move |desk| desk.show(&person, &id)).await?,
        Wanted::Approve(id) => {
            let digest = digest(collect(request, limits).await?)?;
            let state = desk.approve(&person, &id, &digest).await?;
            json!({ "id": id, "state": state })
        }
        Wanted::Deny(id) => {
            nothing(collect(request, limits).await?)?;
            let state = blocking(desk, move |desk| desk.deny(&person, &id)).await?;
            json!({ "id": id, "state": state })
        }
        Wanted::Revert(id) => {
            nothing(collect(request, limits).await?)?;
            let new = desk.revert(&person, &id).await?;
            json!({ "id": new, "state": State::Pending, "reverts": id })
        }
    };
    Ok(described(&answer, None, Format::Json))
}

async fn blocking<D: Desk, T: Send + 'static>(
    desk: &D,
    work: impl FnOnce(&D) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let desk = desk.clone();
    tokio::task::spawn_blocking(move || work(&desk))
        .await
        .unwrap_or_else(|_| Err(Refusal::new(Code::Internal, "something is wrong inside the gateway")))
}

/// What an approval names: `{"digest": "sha256:…"}`.
fn digest(item: body::Item) -> Result<Digest, Refusal> {
    let mut fields = Fields::open(item, Path::default())?;
    let text = fields.need_text("digest")?;
    fields.end()?;
    text.parse().map_err(|_| {
        body::malformed("`digest` is no digest").hint("send the digest that the hold was shown with: `sha256:…`")
    })
}

fn nothing(item: body::Item) -> Result<(), Refusal> {
    Fields::open(item, Path::default())?.end()
}

/// The body, as JSON. Without one, a browser's form could be the sender: the type must say JSON.
async fn collect(request: Request<Incoming>, limits: &HttpLimits) -> Result<body::Item, Refusal> {
    if media::of_body(request.headers())? != Encoding::Json {
        return Err(Refusal::new(Code::MediaType, "this route takes JSON"));
    }
    let collecting = Limited::new(request.into_body(), BODY).collect();
    let collected = tokio::time::timeout(limits.body_timeout, collecting)
        .await
        .map_err(|_| Refusal::new(Code::RequestTimeout, "the body did not arrive in time"))?
        .map_err(|_| Refusal::new(Code::TooLarge, format!("the body is larger than {BODY} bytes, or broke off")))?;
    body::decode(&collected.to_bytes(), Encoding::Json)
}
