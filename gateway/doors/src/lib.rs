//! Ways in: HTTP (JSON, MessagePack, NDJSON), MCP, and the admin port.
//!
//! A door turns bytes into what `mediate` takes and back, and decides nothing: whatever is refused for what it asks
//! is refused in the middle, alike for every door. Only this crate knows HTTP and JSON. It deliberately knows no
//! SQL, no policy and no store.

mod admin;
mod body;
mod docs;
mod encode;
mod hosts;
mod http;
mod limits;
mod mcp;
mod media;
mod middle;
mod openapi;
mod serve;
#[cfg(test)]
mod testing;

pub use admin::serve_admin;
pub use body::fuzz_body;
pub use docs::errors_markdown;
pub use hosts::Hosts;
pub use http::serve_data;
pub use limits::HttpLimits;
pub use openapi::document as openapi_document;
