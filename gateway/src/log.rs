//! The log: structured, to standard error, for people or for machines.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::config::{LogFormat, LogSection};

/// Begins logging. `MOUNTGATE_LOG`, where it is set, stands for the configured level. Asked for a second time, it
/// leaves the first as it is.
///
/// # Errors
/// Where `MOUNTGATE_LOG` is no filter.
pub fn begin(section: &LogSection) -> Result<(), String> {
    let (text, from) = match std::env::var("MOUNTGATE_LOG") {
        Ok(text) => (text, "`MOUNTGATE_LOG`"),
        Err(_) => (section.level.clone(), "`log.level`"),
    };
    let filter: EnvFilter = text.parse().map_err(|error| format!("{from}: `{text}` is no filter: {error}"))?;
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    let _ = match section.format {
        LogFormat::Human => registry.with(layer.with_ansi(std::io::stderr().is_terminal())).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    Ok(())
}
