//! The masks that a store has no function for, as plain functions. None can fail: what a mask makes no sense for
//! becomes `None` (NULL), since an error would tell something of the value.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A keyed hash, its key already taken in.
#[derive(Clone)]
pub(crate) struct KeyedHash(Hmac<Sha256>);

impl KeyedHash {
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        // HMAC takes a key of any length; an empty one would be no key at all.
        if key.is_empty() {
            return None;
        }
        Hmac::new_from_slice(key).ok().map(Self)
    }

    /// The first 32 hexadecimal digits of HMAC-SHA-256 over the value's text.
    pub(crate) fn digest(&self, text: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(text);
        let bytes = mac.finalize().into_bytes();
        let mut hex = data_encoding::HEXLOWER.encode(&bytes);
        hex.truncate(32);
        hex
    }
}

/// The first and last characters, `fill` for each between. A text of `first + last` characters or fewer is filled
/// wholly: else a short one would be shown as it is.
pub(crate) fn partial(text: &str, first: i64, last: i64, fill: &str) -> String {
    let fill = fill.chars().next().unwrap_or('*');
    let first = usize::try_from(first.max(0)).unwrap_or(usize::MAX);
    let last = usize::try_from(last.max(0)).unwrap_or(usize::MAX);
    let length = text.chars().count();
    let kept = first.saturating_add(last);
    if length <= kept {
        return std::iter::repeat_n(fill, length).collect();
    }
    let tail = length - last;
    text.chars().enumerate().map(|(at, c)| if at < first || at >= tail { c } else { fill }).collect()
}

/// An ISO date or timestamp cut to `part`; its shape (separator, fraction dropped, zone kept) stays.
pub(crate) fn truncate(text: &str, part: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let (year, month, day) = (digits(bytes, 0, 4)?, digits(bytes, 5, 2)?, digits(bytes, 8, 2)?);
    if bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') || !(1..=12).contains(&month) {
        return None;
    }
    if day < 1 || day > days_of(year, month) {
        return None;
    }
    let clock = Clock::parse(bytes.get(10..)?)?;
    let (month, day, hour) = match part {
        "year" => (1, 1, 0),
        "quarter" => ((month - 1) / 3 * 3 + 1, 1, 0),
        "month" => (month, 1, 0),
        "day" => (month, day, 0),
        "hour" => (month, day, clock.as_ref().map_or(0, |clock| clock.hour)),
        _ => return None,
    };
    let date = format!("{year:04}-{month:02}-{day:02}");
    Some(match clock {
        None => date,
        Some(Clock { separator, zone, .. }) => format!("{date}{separator}{hour:02}:00:00{zone}"),
    })
}

struct Clock<'a> {
    separator: char,
    hour: u32,
    zone: &'a str,
}

impl<'a> Clock<'a> {
    /// Reads `T08:53[:01[.25]][Z|+01:00]`; `Some(None)` where there is nothing at all.
    #[expect(clippy::option_option, reason = "no time of day, and a wrong one, are different")]
    fn parse(bytes: &'a [u8]) -> Option<Option<Self>> {
        let separator = match bytes.first() {
            None => return Some(None),
            Some(b'T') => 'T',
            Some(b' ') => ' ',
            Some(_) => return None,
        };
        let (hour, minute) = (digits(bytes, 1, 2)?, digits(bytes, 4, 2)?);
        if bytes.get(3) != Some(&b':') || hour > 23 || minute > 59 {
            return None;
        }
        let mut at = 6;
        if bytes.get(at) == Some(&b':') {
            if digits(bytes, 7, 2)? > 60 {
                return None;
            }
            at = 9;
            if bytes.get(at) == Some(&b'.') {
                let fraction = bytes.get(10..)?.iter().take_while(|b| b.is_ascii_digit()).count();
                if fraction == 0 {
                    return None;
                }
                at = 10 + fraction;
            }
        }
        let zone = bytes.get(at..)?;
        let sound = match zone.first() {
            None => true,
            Some(b'Z') => zone.len() == 1,
            Some(b'+' | b'-') => {
                digits(zone, 1, 2).is_some_and(|hours| hours <= 23)
                    && (zone.len() == 3
                        || (zone.len() == 6 && zone.get(3) == Some(&b':') && digits(zone, 4, 2).is_some()))
            }
            Some(_) => false,
        };
        sound.then_some(())?;
        Some(Some(Self { separator, hour, zone: std::str::from_utf8(zone).ok()? }))
    }
}

fn digits(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    let part = bytes.get(at..at.checked_add(count)?)?;
    part.iter().try_fold(0u32, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0')))
}

fn days_of(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The lower edge of the bucket.
pub(crate) fn bucket_integer(x: i64, width: i64) -> Option<i64> {
    if width <= 0 {
        return None;
    }
    x.div_euclid(width).checked_mul(width)
}

/// The whole number as which a column of SQLite's numeric affinity holds it; none where it stays a fraction.
/// <https://www.sqlite.org/datatype3.html#type_affinity>
pub(crate) fn held_as_numeric(x: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "a cast saturates, and what it changed is not taken")]
    let whole = x as i64;
    #[expect(clippy::cast_precision_loss, reason = "as SQLite compares them")]
    let same = whole as f64 == x;
    (same && whole > i64::MIN && whole < i64::MAX).then_some(whole)
}

/// The lower edge of the bucket.
pub(crate) fn bucket_float(x: f64, width: i64) -> Option<f64> {
    if width <= 0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "a width over 2^53 is a bucket of everything anyway")]
    let width = width as f64;
    let edge = (x / width).floor() * width;
    edge.is_finite().then_some(edge)
}

/// Rounded half away from zero to so many digits, as PostgreSQL rounds numerics.
pub(crate) fn round_integer(x: i64, digits: i64) -> Option<i64> {
    if digits >= 0 {
        return Some(x);
    }
    let Some(unit) = u32::try_from(-digits).ok().and_then(|zeros| 10i128.checked_pow(zeros)) else {
        return Some(0);
    };
    let x = i128::from(x);
    let half = unit / 2;
    let rounded = if x >= 0 { (x + half) / unit } else { (x - half) / unit } * unit;
    i64::try_from(rounded).ok()
}

/// Rounded half away from zero to so many digits.
pub(crate) fn round_float(x: f64, digits: i64) -> Option<f64> {
    if !x.is_finite() {
        return None;
    }
    let digits = i32::try_from(digits.clamp(-400, 400)).ok()?;
    let rounded = if digits >= 0 {
        let scaled = x * 10f64.powi(digits);
        // Past 2^53 there are no digits left to round, and the scaling might overflow.
        if scaled.abs() >= 9e15 { x } else { scaled.round() / 10f64.powi(digits) }
    } else {
        let unit = 10f64.powi(-digits);
        if unit.is_finite() { (x / unit).round() * unit } else { 0.0 }
    };
    rounded.is_finite().then_some(rounded)
}

#[cfg(test)]
mod tests;
