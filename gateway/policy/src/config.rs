//! What the host allows.

use std::{fmt, path::PathBuf, time::Duration};

use zeroize::Zeroizing;

/// Where compiled components are kept between runs.
#[derive(Clone)]
pub struct DiskCache {
    /// The folder. Made where it does not exist.
    pub dir: PathBuf,
    /// Bytes that its files may have together; those used longest ago go first.
    pub bytes: u64,
    /// The gateway's own key. A file that was not written under it is ignored.
    pub key: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for DiskCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskCache").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl DiskCache {
    /// Bytes that the files may have together, where nothing else is said.
    pub const BYTES: u64 = 1 << 30;
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
    /// Bytes of one function.
    pub max_function: usize,
    /// Bytes of compiled code kept in memory, about.
    pub compiled_bytes: u64,
    /// Compiled components on disk, if anywhere.
    pub disk: Option<DiskCache>,
    /// Instances alive at once, over all policies.
    pub max_instances: u32,
    /// Instances of each policy kept ready.
    pub ready: usize,
    /// Instances kept warm at once, over all policies with [`Isolation::Warm`](crate::Isolation::Warm).
    pub max_warm: usize,
    /// Decisions that a warm instance serves before it is thrown away.
    pub warm_calls: u32,
    /// How long a warm instance is kept without serving one.
    pub warm_idle: Duration,
    /// Threads that compile, each of the lowest priority.
    pub compilers: usize,
    /// How long a compilation is waited for.
    pub compile_deadline: Duration,
    /// How long a decision waits for a place before it is refused as overloaded.
    pub wait: Duration,
    /// Bytes that a policy's prints may leave in the trace, per call.
    pub max_trace: usize,
}

/// Limits that are a plugin's own. They only tighten the host's: the smaller one holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PluginLimits {
    /// Bytes of linear memory that an instance may have.
    pub max_memory: Option<usize>,
    /// How long `decide` may run.
    pub decide_deadline: Option<Duration>,
    /// Bytes of an answer, about.
    pub max_output: Option<usize>,
}

impl PluginLimits {
    /// The host's configuration, with these limits where they are the smaller ones.
    #[must_use]
    pub fn tighten(&self, host: HostConfig) -> HostConfig {
        let smaller = |own: Option<usize>, hosts: usize| own.map_or(hosts, |own| own.min(hosts));
        HostConfig {
            max_memory: smaller(self.max_memory, host.max_memory),
            max_output: smaller(self.max_output, host.max_output),
            decide_deadline: self.decide_deadline.map_or(host.decide_deadline, |own| own.min(host.decide_deadline)),
            ..host
        }
    }
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
            max_function: 1 << 20,
            compiled_bytes: 256 << 20,
            disk: None,
            max_instances: 256,
            ready: 32,
            max_warm: 64,
            warm_calls: 1_000,
            warm_idle: Duration::from_secs(60),
            compilers: std::thread::available_parallelism().map_or(1, usize::from),
            compile_deadline: Duration::from_secs(300),
            wait: Duration::from_millis(20),
            max_trace: 16 << 10,
        }
    }
}
