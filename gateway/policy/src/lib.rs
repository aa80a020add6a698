//! The Wasm host: admission, compiled cache, instances, calls.
