//! Durations, rates and limits as a mount's file writes them.

use serde::{Deserialize, Deserializer, de};

use crate::types::{Limits, Rate};

/// A duration in milliseconds, from `"500ms"`, `"30s"`, `"5m"` or `"1h"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurationSetting(pub i64);

/// A rate, from `"10/minute"` (`second`, `minute`, `hour`, `day`); digits may be grouped: `"10_000/hour"`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateSetting(pub Rate);

impl DurationSetting {
    /// Reads a duration.
    ///
    /// # Errors
    /// What is wrong.
    pub fn read(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no duration: write one like `500ms`, `30s`, `5m` or `1h`");
        let end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let (number, unit) = text.split_at(end);
        let scale = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(bad()),
        };
        let number: i64 = number.parse().map_err(|_| bad())?;
        match number.checked_mul(scale) {
            Some(milliseconds) if milliseconds > 0 => Ok(Self(milliseconds)),
            _ => Err(bad()),
        }
    }
}

impl RateSetting {
    /// Reads a rate.
    ///
    /// # Errors
    /// What is wrong.
    pub fn read(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no rate: write one like `60/minute` or `10_000/hour`");
        let (amount, window) = text.split_once('/').ok_or_else(bad)?;
        let window_ms = match window.trim() {
            "second" => 1_000,
            "minute" => 60_000,
            "hour" => 3_600_000,
            "day" => 86_400_000,
            _ => return Err(bad()),
        };
        match amount.trim().replace('_', "").parse() {
            Ok(amount) if amount > 0 => Ok(Self(Rate { amount, window_ms })),
            _ => Err(bad()),
        }
    }
}

macro_rules! from_text {
    ($($name:ident),*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::read(&String::deserialize(deserializer)?).map_err(de::Error::custom)
            }
        }
    )*};
}

from_text!(DurationSetting, RateSetting);

/// Limits, with the keys of a mount's `[limits]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSetting {
    /// Requests per window.
    pub requests: Option<RateSetting>,
    /// Rows per window.
    pub rows: Option<RateSetting>,
    /// Bytes per window.
    pub bytes: Option<RateSetting>,
    /// The most rows of one answer.
    pub max_rows: Option<u32>,
    /// The most bytes of one answer.
    pub max_bytes: Option<u32>,
    /// How long the backend may work.
    pub timeout: Option<DurationSetting>,
    /// Requests under way at once.
    pub concurrency: Option<u32>,
}

impl From<LimitsSetting> for Limits {
    fn from(setting: LimitsSetting) -> Self {
        let rates = |rate: Option<RateSetting>| rate.into_iter().map(|rate| rate.0).collect();
        Self {
            requests: rates(setting.requests),
            rows: rates(setting.rows),
            bytes: rates(setting.bytes),
            max_rows: setting.max_rows.map(i64::from),
            max_bytes: setting.max_bytes.map(i64::from),
            timeout_ms: setting.timeout.map(|duration| duration.0),
            concurrency: setting.concurrency,
        }
    }
}

#[cfg(test)]
mod tests;
