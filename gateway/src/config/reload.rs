//! `[reload]`

use std::time::Duration;

use super::{reader::Table, units};

/// `[reload]`: how changes come into force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadSection {
    /// Whether files are looked at for changes.
    pub watch: bool,
    /// How often. A change is taken when the files were the same twice.
    pub every: Duration,
    /// How long a reload may take. What was in force stays in force where it takes longer.
    pub deadline: Duration,
}

impl Default for ReloadSection {
    fn default() -> Self {
        Self { watch: true, every: Duration::from_secs(1), deadline: Duration::from_secs(60) }
    }
}

pub(super) fn lower(table: Option<&Table<'_>>) -> ReloadSection {
    let get = |key| table.and_then(|table| table.get(key));
    let standard = ReloadSection::default();
    let span = |key, least: Duration, example: &str| {
        get(key).and_then(|value| {
            value.parsed(|text| match units::duration(text)? {
                span if span < least => Err(format!("`{text}` is too short: write `{example}` or more")),
                span => Ok(span),
            })
        })
    };
    ReloadSection {
        watch: get("watch").and_then(|value| value.boolean()).unwrap_or(standard.watch),
        every: span("every", Duration::from_millis(100), "100ms").unwrap_or(standard.every),
        deadline: span("deadline", Duration::from_secs(1), "1s").unwrap_or(standard.deadline),
    }
}
