//! What the host allows.

use std::{fmt, path::PathBuf, time::Duration};

use zeroize::Zeroizing;

/// Where compiled components are kept between runs.
#[derive(Clone)]
pub struct DiskCache {
    /// The folder. Made where it does not exist.
    pub dir: PathBuf,
    /// The gateway's own key. A file that was not written under it is ignored.
    pub key: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for DiskCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskCache").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// What the host allows.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Bytes of linear memory that an instance may have.
    pub max_memory: usize,
    /// Elements of tables that an instance may have.
    pub max_table: usize,
    /// How long `decide` may run.
    pub decide_deadline: Duration,
    /// How long `describe` and `configure` may run.
    pub configure_deadline: Duration,
    /// Bytes of an answer, about.
    pub max_output: usize,
    /// Bytes of a component's file.
    pub max_component: usize,
    /// Functions of a component, over all of its core modules.
    pub max_functions: usize,
    /// Bytes of compiled code kept in memory, about.
    pub compiled_bytes: u64,
    /// Compiled components on disk, if anywhere.
    pub disk: Option<DiskCache>,
    /// Instances alive at once, over all policies.
    pub max_instances: u32,
    /// Instances of each policy kept ready.
    pub ready: usize,
    /// How long a decision waits for a place before it is refused as overloaded.
    pub wait: Duration,
    /// Bytes that a policy's prints may leave in the trace, per call.
    pub max_trace: usize,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            max_memory: 16 << 20,
            max_table: 20_000,
            decide_deadline: Duration::from_millis(50),
            configure_deadline: Duration::from_secs(2),
            max_output: 1 << 20,
            max_component: 32 << 20,
            max_functions: 100_000,
            compiled_bytes: 256 << 20,
            disk: None,
            max_instances: 256,
            ready: 32,
            wait: Duration::from_millis(20),
            max_trace: 16 << 10,
        }
    }
}
