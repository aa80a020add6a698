//! Bundled policy: narrows the ceiling by claims.
