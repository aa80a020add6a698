//! Rates, sizes and durations as people write them.

use std::time::Duration;

use mountgate_core::{Rate, ceiling::likely};

const WINDOWS: [(&str, u64); 4] = [("second", 1_000), ("minute", 60_000), ("hour", 3_600_000), ("day", 86_400_000)];

const SIZES: [(&str, u64); 7] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

const SPANS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// `10_000/hour`: a number of requests or rows per `second`, `minute`, `hour` or `day`.
pub(crate) fn rate(text: &str) -> Result<Rate, String> {
    windowed(text, "60/minute", |amount| digits(amount, "60/minute"))
}

/// `10MB/hour`: a size per window.
pub(crate) fn byte_rate(text: &str) -> Result<Rate, String> {
    windowed(text, "10MB/hour", size)
}

fn windowed(text: &str, example: &str, amount: impl Fn(&str) -> Result<u64, String>) -> Result<Rate, String> {
    let shape = || format!("`{text}` should read like `{example}`");
    let (first, window) = text.split_once('/').ok_or_else(shape)?;
    let (first, window) = (first.trim(), window.trim());
    let Some((_, window_ms)) = WINDOWS.iter().find(|(name, _)| *name == window) else {
        let near = likely(window, WINDOWS.iter().map(|(name, _)| *name));
        return Err(match near {
            Some(near) => format!("`{window}` is no window; did you mean `{near}`?"),
            None => format!("`{window}` is no window: write `second`, `minute`, `hour` or `day`"),
        });
    };
    let amount = amount(first)?;
    if amount == 0 {
        return Err(format!("`{text}` would never let anything through: to stop an agent, take it off the mount"));
    }
    Ok(Rate { amount, window_ms: *window_ms })
}

/// `8MB` (8,000,000), `16MiB` (16 × 2²⁰), `512B`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let Some((_, factor)) = SIZES.iter().find(|(name, _)| *name == unit) else {
        return Err(if unit.is_empty() {
            format!("`{text}` needs a unit: write `{text}B`, `{text}KB` or `{text}MB`")
        } else {
            let near = SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
            match near {
                Some((near, _)) => format!("`{unit}` is no unit of size; did you mean `{near}`?"),
                None => format!("`{unit}` is no unit of size: write B, KB, MB, GB, KiB, MiB or GiB"),
            }
        });
    };
    positive(digits(number, "8MB")?.checked_mul(*factor), text)
}

/// `500ms`, `5s`, `2m`, `1h`, `14d`.
///
/// # Errors
/// Says what it should look like.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let Some((_, factor)) = SPANS.iter().find(|(name, _)| *name == unit) else {
        return Err(if unit.is_empty() {
            format!("`{text}` needs a unit: write `{text}ms`, `{text}s` or `{text}m`")
        } else {
            format!("`{unit}` is no unit of time: write ms, s, m, h or d")
        });
    };
    Ok(Duration::from_millis(positive(digits(number, "5s")?.checked_mul(*factor), text)?))
}

fn positive(number: Option<u64>, text: &str) -> Result<u64, String> {
    match number {
        Some(0) => Err(format!("`{text}` should be more than nothing")),
        Some(number) if i64::try_from(number).is_ok() => Ok(number),
        _ => Err(format!("`{text}` is too large")),
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end).unwrap_or((text, ""));
    (number, unit.trim())
}

fn digits(text: &str, example: &str) -> Result<u64, String> {
    let well = !text.is_empty()
        && text.split('_').all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    if !well {
        return Err(format!("`{text}` is no whole number: write it like `{example}`"));
    }
    match text.replace('_', "").parse::<u64>() {
        Ok(number) if i64::try_from(number).is_ok() => Ok(number),
        _ => Err(format!("`{text}` is too large")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_as_written() {
        assert_eq!(rate("60/minute"), Ok(Rate { amount: 60, window_ms: 60_000 }));
        assert_eq!(rate("10_000/hour"), Ok(Rate { amount: 10_000, window_ms: 3_600_000 }));
        assert_eq!(rate("5 / second"), Ok(Rate { amount: 5, window_ms: 1_000 }));
        assert_eq!(rate("1_000_000/day"), Ok(Rate { amount: 1_000_000, window_ms: 86_400_000 }));
        assert_eq!(byte_rate("10MB/hour"), Ok(Rate { amount: 10_000_000, window_ms: 3_600_000 }));
        for bad in ["60", "60/min", "-1/hour", "0/hour", "1_/hour", "_1/hour", "1.5/hour", "99999999999999999999/day"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
        assert!(rate("60/minutes").is_err_and(|why| why.contains("did you mean `minute`?")));
        assert!(byte_rate("10/hour").is_err());
    }

    #[test]
    fn sizes_and_durations_need_their_unit() {
        assert_eq!(size("8MB"), Ok(8_000_000));
        assert_eq!(size("16MiB"), Ok(16 << 20));
        assert_eq!(size("1_000 B"), Ok(1_000));
        for bad in ["8", "8mb", "MB", "0MB", "-1MB", "99999999999GB", ""] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert_eq!(duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        for bad in ["5", "5sec", "s", "0s", "1.5s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
