//! What an instance's store holds: its limits, and its empty world where it imports one.

use wasmtime::ResourceLimiter;

use crate::wasi::Wasi;

/// The store's own data.
pub(crate) struct State {
    max_memory: usize,
    max_table: usize,
    pub(crate) max_trace: usize,
    pub(crate) wasi: Option<Box<Wasi>>,
    /// What it asked for and did not get. It may have carried on without, or trapped for want of it.
    pub(crate) refused: Option<String>,
}

impl State {
    pub(crate) fn new(max_memory: usize, max_table: usize, max_trace: usize) -> Self {
        Self { max_memory, max_table, max_trace, wasi: None, refused: None }
    }

    fn grant(&mut self, what: &str, desired: usize, limit: usize) -> bool {
        if desired > limit {
            self.refused = Some(format!("{desired} {what}, more than {limit}"));
        }
        desired <= limit
    }
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let limit = self.max_memory;
        Ok(self.grant("bytes of memory", desired, limit))
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let limit = self.max_table;
        Ok(self.grant("elements of a table", desired, limit))
    }
}
