//! Settings in the forms that a mount's file uses, for policies that take masks, filters, rates and durations from
//! their operators: `{ partial = { first = 1, last = 4 } }`, `"region = claim.region"`, `"10/minute"`, `"30s"`.

pub mod filter;
pub mod mask;
pub mod time;

pub use filter::FilterSetting;
pub use mask::MaskSetting;
pub use time::{DurationSetting, LimitsSetting, RateSetting};
