//! `/v1/read`.
/// x
pub struct ReadRequest;
