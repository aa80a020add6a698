//! The bundled policies, as the components that are committed. They run in the sandbox like any other.

/// Grants the ceiling as it is. It takes no settings.
pub const CEILING: &[u8] = include_bytes!("../../../plugins/ceiling/ceiling.wasm");

/// Narrows the ceiling by claims.
pub const TIERS: &[u8] = include_bytes!("../../../plugins/tiers/tiers.wasm");
