//! What an instance's store holds: its limits, and its empty world where it imports one.

use wasmtime::ResourceLimiter;

use crate::wasi::Wasi;

/// The store's own data.
pub(crate) struct State {
    max_memory: usize,
    max_table: usize,
    pub(crate) max_trace: usize,
    pub(crate) wasi: Option<Box<Wasi>>,
    /// Bytes of all of its memories: they only grow.
    pub(crate) memory: u64,
    /// What it asked for and did not get. It may have carried on without, or trapped for want of it.
    pub(crate) refused: Option<String>,
}

impl State {
    pub(crate) fn new(max_memory: usize, max_table: usize, max_trace: usize) -> Self {
        Self { max_memory, max_table, max_trace, wasi: None, memory: 0, refused: None }
    }

    fn grant(&mut self, what: &str, desired: usize, limit: usize) -> bool {
        if desired > limit {
            self.refused = Some(format!("{desired} {what}, more than {limit}"));
        }
        desired <= limit
    }
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let limit = self.max_memory;
        let granted = self.grant("bytes of memory", desired, limit);
        if granted {
            self.memory = self.memory.saturating_add(desired.saturating_sub(current) as u64);
        }
        Ok(granted)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let limit = self.max_table;
        Ok(self.grant("elements of a table", desired, limit))
    }
}
