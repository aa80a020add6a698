//! `mode`, `until`, `review`, `review_every` and `reviewed` in a mount's file: what is for a time.

use std::time::Duration;

use jiff::{ToSpan as _, civil::Date, tz::TimeZone};
use mountgate_core::practice::{LastDay, Practice};
use toml::de::DeValue;

use super::{
    reader::{Table, Value},
    units,
};

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Enforce,
    Observe,
}

pub(super) fn practice(root: &Table<'_>, zone: &TimeZone) -> Practice {
    Practice { observe: observe(root, zone), review: review(root, zone) }
}

fn observe(root: &Table<'_>, zone: &TimeZone) -> Option<LastDay> {
    let mode = root.get("mode");
    let chosen =
        mode.as_ref().and_then(|value| value.choice(&[("enforce", Mode::Enforce), ("observe", Mode::Observe)]));
    let until = root.get("until");
    match (&mode, chosen, &until) {
        (Some(mode), Some(Mode::Observe), None) => {
            mode.reject("`until` is missing: what is open for observation ends by itself, write `until = 2027-01-31`");
            None
        }
        (_, Some(Mode::Observe), Some(until)) => last_day(until, zone, "the last on which the mount is observed"),
        (_, _, Some(until)) => {
            until.reject("`until` is of `mode = \"observe\"`; a mount in force ends by `expires`");
            None
        }
        (_, _, None) => None,
    }
}

fn review(root: &Table<'_>, zone: &TimeZone) -> Option<LastDay> {
    let (by, every, reviewed) = (root.get("review"), root.get("review_every"), root.get("reviewed"));
    if let Some(by) = &by {
        for other in [&every, &reviewed].into_iter().flatten() {
            other.reject(format!("`{}` and `review` say the same twice: keep one of them", other.name()));
        }
        return last_day(by, zone, "the last by which somebody reviews the mount");
    }
    match (&every, &reviewed) {
        (Some(every), Some(reviewed)) => {
            let days = every.parsed(days)?;
            let from = last_day(reviewed, zone, "that of the last review")?;
            let day = from.day.parse::<Date>().ok().and_then(|date| date.checked_add(days.days()).ok())?;
            of_date(day, zone)
        }
        (Some(every), None) => {
            every.reject("`reviewed` is missing: write the day of the last review, `reviewed = 2026-11-24`");
            None
        }
        (None, Some(reviewed)) => {
            reviewed.reject("`review_every` is missing: write how often, `review_every = \"90d\"`");
            None
        }
        (None, None) => None,
    }
}

/// Whole days.
fn days(text: &str) -> Result<i64, String> {
    const DAY: Duration = Duration::from_secs(86_400);
    let span = units::duration(text)?;
    let days = span.as_secs() / DAY.as_secs();
    if days == 0 || days > 3660 || span.subsec_nanos() > 0 || span.as_secs() % DAY.as_secs() > 0 {
        return Err(format!("`{text}` should be whole days, up to ten years: `90d`"));
    }
    i64::try_from(days).map_err(|error| error.to_string())
}

fn of_date(date: Date, zone: &TimeZone) -> Option<LastDay> {
    let end = date.tomorrow().ok()?.to_zoned_datetime(zone.clone()).ok()?;
    Some(LastDay { day: date.to_string(), end_ms: end.timestamp().as_millisecond() })
}

/// A day, given as a date or as its text. `what` says which.
pub(super) fn last_day(value: &Value<'_>, zone: &TimeZone, what: &str) -> Option<LastDay> {
    let day = match value.raw() {
        DeValue::Datetime(moment) if moment.time.is_none() => moment.to_string(),
        DeValue::String(text) => text.to_string(),
        DeValue::Datetime(_) => {
            value.reject(format!("`{}` should be a day like `2027-03-31`, {what}, without a time", value.name()));
            return None;
        }
        _ => {
            value.mistyped(&format!("a day like `2027-03-31`, {what}"));
            return None;
        }
    };
    // `Date` reads longer texts too; the day alone is meant.
    let date = day.parse::<Date>().ok().filter(|date| date.to_string() == day);
    let last = date.and_then(|date| of_date(date, zone));
    if last.is_none() {
        value.reject(format!("`{day}` is no day: write one like `2027-03-31`"));
    }
    last
}
