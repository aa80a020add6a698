//! Dates, times and spans from PostgreSQL's counts to ISO 8601.

use super::{Malformed, Reader};

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
const EPOCH_DAYS: i64 = 10957;
const DAY: i64 = 86_400_000_000;

/// Days since 2000-01-01.
pub(super) fn date(days: i32) -> String {
    match days {
        i32::MAX => "infinity".into(),
        i32::MIN => "-infinity".into(),
        days => {
            let (date, era) = civil(i64::from(days));
            format!("{date}{era}")
        }
    }
}

/// Microseconds since 2000-01-01T00:00.
pub(super) fn timestamp(micros: i64, zone: &str) -> String {
    match micros {
        i64::MAX => "infinity".into(),
        i64::MIN => "-infinity".into(),
        micros => {
            let (date, era) = civil(micros.div_euclid(DAY));
            format!("{date}T{}{zone}{era}", time(micros.rem_euclid(DAY)))
        }
    }
}

/// Microseconds since midnight, up to and with 24:00:00.
pub(super) fn time(micros: i64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let mut out = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    push_fraction(&mut out, fraction);
    out
}

pub(super) fn time_with_zone(cell: &[u8]) -> Result<String, Malformed> {
    let mut reader = Reader(cell);
    let micros = reader.i64()?;
    // Seconds west of Greenwich.
    let east = -i64::from(reader.i32()?);
    let sign = if east < 0 { '-' } else { '+' };
    let east = east.abs();
    let mut out = format!("{}{sign}{:02}:{:02}", time(micros), east / 3600, east / 60 % 60);
    if east % 60 != 0 {
        out.push_str(&format!(":{:02}", east % 60));
    }
    Ok(out)
}

/// Months, days and microseconds, which PostgreSQL keeps apart, each with its own sign: `P1Y2M-3DT4H5M6.5S`.
pub(super) fn interval(cell: &[u8]) -> Result<String, Malformed> {
    let mut reader = Reader(cell);
    let (micros, days, months) = (reader.i64()?, reader.i32()?, reader.i32()?);
    // PostgreSQL 17's infinities.
    match (micros, days, months) {
        (i64::MAX, i32::MAX, i32::MAX) => return Ok("infinity".into()),
        (i64::MIN, i32::MIN, i32::MIN) => return Ok("-infinity".into()),
        _ => {}
    }
    let mut out = String::from("P");
    for (count, unit) in [(months / 12, 'Y'), (months % 12, 'M'), (days, 'D')] {
        if count != 0 {
            out.push_str(&format!("{count}{unit}"));
        }
    }
    if micros != 0 {
        out.push('T');
        let seconds = micros / 1_000_000;
        for (count, unit) in [(seconds / 3600, 'H'), (seconds / 60 % 60, 'M')] {
            if count != 0 {
                out.push_str(&format!("{count}{unit}"));
            }
        }
        let rest = micros % 60_000_000;
        if rest != 0 {
            if rest < 0 {
                out.push('-');
            }
            let rest = rest.abs();
            out.push_str(&(rest / 1_000_000).to_string());
            push_fraction(&mut out, rest % 1_000_000);
            out.push('S');
        }
    }
    if out == "P" {
        out.push_str("T0S");
    }
    Ok(out)
}

fn push_fraction(out: &mut String, micros: i64) {
    if micros != 0 {
        let digits = format!("{micros:06}");
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
}

/// The day as `YYYY-MM-DD`, and ` BC` where it is before year one.
fn civil(days_since_2000: i64) -> (String, &'static str) {
    // Days to civil, by eras of 400 years that begin on 1 March.
    let z = days_since_2000 + EPOCH_DAYS + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    (format!("{year:04}-{month:02}-{day:02}"), era)
}
