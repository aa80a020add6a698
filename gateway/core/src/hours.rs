//! When a mount serves: `Mon-Fri 07:00-19:00 Europe/Berlin`.

use jiff::{Timestamp, civil::Weekday, tz::TimeZone};
use serde::Serialize;

/// Weekdays and a span of the day in a time zone. A span whose end is not after its start runs past midnight and
/// belongs to the weekday on which it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    text: String,
    days: [bool; 7],
    from: u16,
    to: u16,
    zone: TimeZone,
}

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

impl Hours {
    /// Reads `DAYS HH:MM-HH:MM ZONE`; DAYS is a list (`Mon,Wed`) of days and ranges (`Mon-Fri`, `Fri-Mon`).
    ///
    /// # Errors
    /// Says which part is wrong, and what it should look like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split_whitespace();
        let (Some(days_text), Some(span), Some(zone), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(format!("`{text}` should read like `Mon-Fri 07:00-19:00 Europe/Berlin`"));
        };
        let day = |name: &str| {
            DAYS.iter()
                .position(|(short, _)| *short == name.to_ascii_lowercase())
                .ok_or_else(|| format!("`{name}` is no weekday: write Mon, Tue, Wed, Thu, Fri, Sat or Sun"))
        };
        let mut days = [false; 7];
        for item in days_text.split(',') {
            let (first, last) = match item.split_once('-') {
                Some((first, last)) => (day(first)?, day(last)?),
                None => (day(item)?, day(item)?),
            };
            let mut at = first;
            loop {
                if let Some(slot) = days.get_mut(at) {
                    *slot = true;
                }
                if at == last {
                    break;
                }
                at = (at + 1) % 7;
            }
        }
        let (from, to) = span.split_once('-').ok_or_else(|| format!("`{span}` should read like `07:00-19:00`"))?;
        let (from, to) = (minute(from)?, minute(to)?);
        if from == to {
            return Err(format!("`{span}` is empty: write `00:00-24:00` for the whole day"));
        }
        let zone =
            TimeZone::get(zone).map_err(|_| format!("`{zone}` is no time zone: write one like `Europe/Berlin`"))?;
        Ok(Self { text: text.to_owned(), days, from, to, zone })
    }

    /// Whether the mount serves at that moment (milliseconds since 1970-01-01T00:00Z).
    pub fn open_at(&self, unix_ms: i64) -> bool {
        let Ok(now) = Timestamp::from_millisecond(unix_ms) else { return false };
        let local = now.to_zoned_datetime(self.zone.clone());
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        let today = local.weekday().to_monday_zero_offset().unsigned_abs() as usize;
        let on = |day: usize| self.days.get(day % 7).copied().unwrap_or(false);
        if self.from < self.to {
            on(today) && minute >= self.from && minute < self.to
        } else {
            (on(today) && minute >= self.from) || (on(today + 6) && minute < self.to)
        }
    }

    /// The zone in which the mount's local time is told to policies.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The text that it was read from.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Serialize for Hours {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

fn minute(text: &str) -> Result<u16, String> {
    let bad = || format!("`{text}` is no time of day: write one like `07:00`");
    let (hour, minute) = text.split_once(':').ok_or_else(bad)?;
    if hour.len() != 2 || minute.len() != 2 {
        return Err(bad());
    }
    let (hour, minute): (u16, u16) = (hour.parse().map_err(|_| bad())?, minute.parse().map_err(|_| bad())?);
    if minute > 59 || hour * 60 + minute > 24 * 60 {
        return Err(bad());
    }
    Ok(hour * 60 + minute)
}

#[cfg(test)]
mod tests;
