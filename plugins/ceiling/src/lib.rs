//! Bundled policy: grants the ceiling as it is.
