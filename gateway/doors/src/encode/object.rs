//! Single objects: errors, descriptions, sessions.

use bytes::Bytes;
use mountgate_core::Refusal;
use serde::Serialize;

use crate::media::Encoding;

/// The body of an error: `{"error": {…}}`.
#[derive(Serialize)]
pub(crate) struct ErrorBody<'a> {
    pub(crate) error: ErrorFields<'a>,
}

/// The error object of every encoding and door. All five fields are always there.
#[derive(Serialize)]
pub(crate) struct ErrorFields<'a> {
    code: &'static str,
    message: &'a str,
    hint: Option<&'a str>,
    decision_id: Option<&'a str>,
    retry_after: Option<u64>,
}

pub(crate) fn error_fields<'a>(refusal: &'a Refusal, decision_id: Option<&'a str>) -> ErrorFields<'a> {
    ErrorFields {
        code: refusal.code.as_str(),
        message: &refusal.message,
        hint: refusal.hint.as_deref(),
        decision_id,
        retry_after: refusal.retry_after,
    }
}

/// An object in an encoding.
pub(crate) fn object(value: &impl Serialize, encoding: Encoding) -> Bytes {
    let bytes = match encoding {
        Encoding::Json => serde_json::to_vec(value).ok(),
        Encoding::MessagePack => rmp_serde::to_vec_named(value).ok(),
    };
    // INVARIANT: every object that doors write is made of texts, numbers, lists and maps with text keys.
    bytes.unwrap_or_else(|| b"{}".to_vec()).into()
}
