//! Ways in: HTTP (JSON, MessagePack, NDJSON), MCP, and the admin port.
