//! The host: one engine, its limits, its threads.

use std::sync::Arc;

use moka::sync::Cache;
use mountgate_core::Digest;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    component::{Component, Linker},
};

use crate::{
    admission,
    compiled::Compiled,
    compiler::Compiler,
    config::{HostConfig, PluginLimits},
    error::AdmissionError,
    instances::Keeper,
    plugin::Plugin,
    state::State,
    ticker::Ticker,
    warm::Warmth,
    wasi,
};

/// Core instances that a component may be made of: a language's runtime comes in several modules.
const MAX_CORE_INSTANCES: u32 = 40;
/// Bytes of wasm stack. Policies are shallow; a decision runs on the caller's own thread.
const MAX_STACK: usize = 256 << 10;

/// The host. Cheap to clone; its threads end with the last clone and the last policy.
#[derive(Clone)]
pub struct Host {
    shared: Arc<Shared>,
}

/// What every plugin of the host shares.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) config: HostConfig,
    pub(crate) keeper: Keeper,
    pub(crate) warmth: Warmth,
    linker: Linker<State>,
    wasi_linker: Linker<State>,
    compiled: Cache<Digest, Component>,
    disk: Option<Compiled>,
    compiler: Compiler,
    // Held for its thread.
    _ticker: Ticker,
}

impl Host {
    /// Makes the engine and starts its threads.
    ///
    /// # Errors
    /// Where the machine does not give what the configuration asks for (address space, threads).
    pub fn new(config: HostConfig) -> Result<Self, AdmissionError> {
        let unusable = |error: wasmtime::Error| AdmissionError::Unusable(format!("{error:#}"));
        let engine = Engine::new(&engine_config(&config)).map_err(unusable)?;
        let thread = |error: std::io::Error| AdmissionError::Unusable(format!("starting a thread: {error}"));
        let ticker = Ticker::start(&engine).map_err(thread)?;
        let keeper = Keeper::start(config.max_instances as usize, config.ready).map_err(thread)?;
        let linker = Linker::new(&engine);
        let mut wasi_linker = Linker::new(&engine);
        wasi::link(&mut wasi_linker).map_err(unusable)?;
        let disk = config.disk.clone().map(|disk| Compiled::open(disk, &engine)).transpose();
        let disk =
            disk.map_err(|error| AdmissionError::Unusable(format!("the folder of compiled policies: {error}")))?;
        let compiled = Cache::builder()
            .max_capacity(config.compiled_bytes)
            .weigher(|_, component: &Component| {
                let code = component.image_range();
                u32::try_from(code.end.addr().saturating_sub(code.start.addr())).unwrap_or(u32::MAX)
            })
            .build();
        let warmth = Warmth::new(config.max_warm, config.warm_calls, config.warm_idle);
        let compiler = Compiler::new(config.compilers, config.compile_deadline);
        let shared =
            Shared { engine, config, keeper, warmth, linker, wasi_linker, compiled, disk, compiler, _ticker: ticker };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Reads, compiles and describes a component. Blocks for as long as compiling takes: never on a request's path.
    ///
    /// # Errors
    /// Whatever keeps it from being a policy.
    pub fn admit(&self, bytes: &[u8]) -> Result<Arc<Plugin>, AdmissionError> {
        self.admit_within(bytes, PluginLimits::default())
    }

    /// The same, within limits of the plugin's own where they are the smaller ones. What is compiled is the same for
    /// all of them.
    ///
    /// # Errors
    /// As [`Host::admit`].
    pub fn admit_within(&self, bytes: &[u8], limits: PluginLimits) -> Result<Arc<Plugin>, AdmissionError> {
        let read = admission::read(bytes, &self.shared.config)?;
        let digest = Digest::of(bytes);
        let unusable = |error: wasmtime::Error| AdmissionError::Unusable(format!("{error:#}"));
        // Single flight: who asks for a component that is being compiled waits for it.
        let component = self
            .shared
            .compiled
            .try_get_with(digest, || self.compile(digest, bytes))
            .map_err(|error| AdmissionError::Unusable(error.to_string()))?;
        // A component that imports nothing gets a linker that has nothing.
        let linker = if read.wasi { &self.shared.wasi_linker } else { &self.shared.linker };
        let pre = linker.instantiate_pre(&component).map_err(unusable)?;
        Plugin::new(Arc::clone(&self.shared), digest, pre, read, limits)
    }

    fn compile(&self, digest: Digest, bytes: &[u8]) -> Result<Component, String> {
        let engine = &self.shared.engine;
        if let Some(component) = self.shared.disk.as_ref().and_then(|disk| disk.load(engine, digest)) {
            return Ok(component);
        }
        let component = self.shared.compiler.compile(engine, bytes)?;
        if let Some(disk) = &self.shared.disk {
            disk.store(&component, digest);
        }
        Ok(component)
    }
}

fn engine_config(config: &HostConfig) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    // A few more than are ever alive: a store gives its places back when it is dropped, a moment after the place
    // that the host counts.
    let places = config.max_instances + 8;
    pool.total_component_instances(places)
        // A language's runtime is made of dozens; a place must be enough for any. They cost nothing until they are there.
        .total_core_instances(places.saturating_mul(MAX_CORE_INSTANCES))
        .total_memories(places)
        .total_tables(places.saturating_mul(2))
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_component(1)
        .max_tables_per_component(4)
        .max_memories_per_module(1)
        .max_tables_per_module(2)
        .table_elements(config.max_table)
        .max_memory_size(config.max_memory)
        // A policy's few pages stay mapped between instances and are cleaned when the instance is dropped, off the
        // request's path: a fresh instance then takes no page fault.
        .linear_memory_keep_resident(512 << 10)
        .table_keep_resident(16 << 10)
        .pagemap_scan(Enabled::Auto);
    let mut engine = Config::new();
    engine
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(MAX_STACK)
        .cranelift_opt_level(OptLevel::Speed)
        // A verdict must be the same on every machine: NaN bits and relaxed SIMD differ between processors.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .wasm_backtrace_max_frames(None);
    engine
}
