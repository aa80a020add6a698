//! Media types: which encoding a body is in, and which one its sender wants back.

use hyper::{
    HeaderMap,
    header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue},
};
use mountgate_core::{Code, Refusal};

/// The encoding of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    MessagePack,
}

/// The encoding of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    MessagePack,
    Ndjson,
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const MSGPACK: &str = "application/msgpack";
pub(crate) const NDJSON: &str = "application/x-ndjson";
/// Names that MessagePack goes by; the first is ours.
const MSGPACK_NAMES: [&str; 3] = [MSGPACK, "application/x-msgpack", "application/vnd.msgpack"];
const NDJSON_NAMES: [&str; 3] = [NDJSON, "application/ndjson", "application/jsonl"];

impl Format {
    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => JSON,
            Self::MessagePack => MSGPACK,
            Self::Ndjson => NDJSON,
        })
    }

    /// The encoding of single objects: errors, descriptions.
    pub(crate) fn of_objects(self) -> Encoding {
        match self {
            Self::Json | Self::Ndjson => Encoding::Json,
            Self::MessagePack => Encoding::MessagePack,
        }
    }
}

impl Encoding {
    pub(crate) fn content_type(self) -> HeaderValue {
        self.format().content_type()
    }

    fn format(self) -> Format {
        match self {
            Self::Json => Format::Json,
            Self::MessagePack => Format::MessagePack,
        }
    }
}

fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

fn is_one_of(essence: &str, names: &[&str]) -> bool {
    names.iter().any(|name| essence.eq_ignore_ascii_case(name))
}

/// The encoding of a body, by its headers.
///
/// # Errors
/// `media_type` where there is none, or one that isn't read here. A form or plain text is refused although it might
/// hold JSON: those are what a page of another site may send without asking.
pub(crate) fn of_body(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let refuse = |message: String| {
        Refusal::new(Code::MediaType, message)
            .hint("send `Content-Type: application/json` or `Content-Type: application/msgpack`")
    };
    if headers.get_all(CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Refusal::new(Code::MediaType, "the body is compressed, which is not read here")
            .hint("send it without `Content-Encoding`"));
    }
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let value = values.next().ok_or_else(|| refuse("the body's type is not told".into()))?;
    if values.next().is_some() {
        return Err(refuse("`Content-Type` is there twice".into()));
    }
    let text = value.to_str().unwrap_or_default();
    let charset = text.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    if charset.is_some_and(|charset| !charset.eq_ignore_ascii_case("utf-8")) {
        return Err(refuse("the body's charset is not UTF-8".into()));
    }
    match essence(text) {
        json if json.eq_ignore_ascii_case(JSON) => Ok(Encoding::Json),
        msgpack if is_one_of(msgpack, &MSGPACK_NAMES) => Ok(Encoding::MessagePack),
        other => Err(refuse(format!("a body of type `{}` is not read here", crate::body::shown(other)))),
    }
}

/// The encoding of the answer: what `Accept` weighs highest; the body's own where it does not care.
///
/// # Errors
/// `media_type` where it wants only what isn't written here; `rows` says whether NDJSON is.
pub(crate) fn of_answer(headers: &HeaderMap, body: Encoding, rows: bool) -> Result<Format, Refusal> {
    let mut best: Option<(u16, Format)> = None;
    let mut asked = false;
    for value in headers.get_all(ACCEPT) {
        for range in value.to_str().unwrap_or_default().split(',') {
            let name = essence(range);
            if name.is_empty() {
                continue;
            }
            asked = true;
            let format = match name {
                "*/*" | "application/*" => body.format(),
                json if json.eq_ignore_ascii_case(JSON) => Format::Json,
                msgpack if is_one_of(msgpack, &MSGPACK_NAMES) => Format::MessagePack,
                ndjson if rows && is_one_of(ndjson, &NDJSON_NAMES) => Format::Ndjson,
                _ => continue,
            };
            let weight = weight(range);
            if weight > best.map_or(0, |(weight, _)| weight) {
                best = Some((weight, format));
            }
        }
    }
    match best {
        Some((_, format)) => Ok(format),
        None if !asked => Ok(body.format()),
        None => Err(Refusal::new(Code::MediaType, "`Accept` names no type that is written here").hint(if rows {
            "accept `application/json`, `application/msgpack` or `application/x-ndjson`"
        } else {
            "accept `application/json` or `application/msgpack`"
        })),
    }
}

/// The encoding of an error, where the request may be too broken to say: MessagePack only if it is asked for.
pub(crate) fn of_error(headers: &HeaderMap) -> Encoding {
    let body = of_body(headers).unwrap_or(Encoding::Json);
    of_answer(headers, body, true).map_or(Encoding::Json, Format::of_objects)
}

/// The weight of a media range, in thousandths.
fn weight(range: &str) -> u16 {
    let Some(q) = range.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    }) else {
        return 1000;
    };
    match q.parse::<f32>() {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
        Ok(q) if (0.0..=1.0).contains(&q) => (q * 1000.0) as u16,
        _ => 1000,
    }
}
