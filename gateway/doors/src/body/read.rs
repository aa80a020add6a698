//! `/v1/read`: a read without SQL.

use mountgate_core::Refusal;
use mountgate_sql::read::ReadRequest;

use super::Fields;

/// The fields of a read.
pub(crate) fn request(fields: &mut Fields) -> Result<ReadRequest, Refusal> {
    let _ = fields.need_text("from")?;
    Ok(ReadRequest)
}
