//! Places at which a test ends the process, as `kill -9` would.

/// The environment variable that names the place, and at which visit: `after commit#2`.
#[cfg(test)]
pub(crate) const DIE_AT: &str = "MOUNTGATE_TEST_DIE_AT";

/// Ends the process here where a test asks for it.
#[cfg(test)]
pub(crate) fn at(place: &str) {
    static VISITS: parking_lot::Mutex<std::collections::BTreeMap<String, u32>> =
        parking_lot::Mutex::new(std::collections::BTreeMap::new());
    let Ok(wanted) = std::env::var(DIE_AT) else { return };
    let mut visits = VISITS.lock();
    let visit = visits.entry(place.to_owned()).or_default();
    *visit += 1;
    if wanted == format!("{place}#{visit}") {
        std::process::abort();
    }
}

/// Nothing outside of tests.
#[cfg(not(test))]
pub(crate) const fn at(_: &str) {}
