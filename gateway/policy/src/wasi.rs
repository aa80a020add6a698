//! WASI for policies: there because languages' runtimes import it, and empty. No files, no network, no environment, no
//! arguments. The clocks stand at the request's time, randomness comes from the request's digest, and what a policy
//! prints goes to the trace. So the same request always gets the same verdict, and nothing leaks in or out.

use std::time::Duration;

use mountgate_core::Digest;
use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::{
    Deterministic, HostMonotonicClock, HostWallClock, ResourceTable, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView,
    async_trait,
    p2::{
        DynPollable, Pollable,
        bindings::clocks::monotonic_clock::{self, Host as MonotonicClock},
        pipe::MemoryOutputPipe,
        subscribe,
    },
};

use crate::state::State;

/// Bytes that one call for randomness may ask for.
const MAX_RANDOM: u64 = 64 << 10;
/// Blocks of randomness before it repeats.
const RANDOM_BLOCKS: u64 = 256;

/// What an instance sees of WASI.
pub(crate) struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
    printed: MemoryOutputPipe,
}

impl Wasi {
    /// A world at the beginning of time, for instances that no request has met yet.
    pub(crate) fn new(max_trace: usize) -> Self {
        let printed = MemoryOutputPipe::new(max_trace);
        Self { ctx: context(&printed, 0, Digest::of(b"mountgate policy")), table: ResourceTable::new(), printed }
    }

    /// The world as a request sees it.
    pub(crate) fn set(&mut self, unix_ms: i64, seed: Digest) {
        self.ctx = context(&self.printed, unix_ms, seed);
    }

    /// What the policy printed.
    pub(crate) fn printed(&self) -> String {
        String::from_utf8_lossy(&self.printed.contents()).into_owned()
    }
}

fn context(printed: &MemoryOutputPipe, unix_ms: i64, seed: Digest) -> WasiCtx {
    let now = Duration::from_millis(u64::try_from(unix_ms).unwrap_or(0));
    let random = stream(seed);
    let mut low = [0; 16];
    low.copy_from_slice(seed.as_bytes().first_chunk::<16>().unwrap_or(&[0; 16]));
    WasiCtxBuilder::new()
        .stdout(printed.clone())
        .stderr(printed.clone())
        .wall_clock(Standing(now))
        .monotonic_clock(Standing(now))
        .secure_random(Deterministic::new(random.clone()))
        .insecure_random(Deterministic::new(random))
        .insecure_random_seed(u128::from_le_bytes(low))
        .max_random_size(MAX_RANDOM)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

/// SHA-256 in counter mode.
fn stream(seed: Digest) -> Vec<u8> {
    (0..RANDOM_BLOCKS)
        .flat_map(|block| {
            let mut input = seed.as_bytes().to_vec();
            input.extend(block.to_le_bytes());
            *Digest::of(&input).as_bytes()
        })
        .collect()
}

/// A clock that stands.
struct Standing(Duration);

impl HostWallClock for Standing {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

impl HostMonotonicClock for Standing {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let max_trace = self.max_trace;
        let Wasi { ctx, table, .. } = self.wasi.get_or_insert_with(|| Box::new(Wasi::new(max_trace))).as_mut();
        WasiCtxView { ctx, table }
    }
}

/// A linker that answers WASI.
///
/// # Errors
/// Where two interfaces define the same name: a fault of ours.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<State, Clock>(linker, |state| state)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The monotonic clock, shadowed: a timer of `wasmtime-wasi` sleeps for real, in host code, where the deadline of the
/// policy's own code doesn't reach. Where time stands, a timer is due at once.
struct Clock;

impl HasData for Clock {
    type Data<'a> = &'a mut State;
}

struct Due;

#[async_trait]
impl Pollable for Due {
    async fn ready(&mut self) {}
}

impl MonotonicClock for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        wasmtime_wasi::clocks::WasiClocksView::clocks(self).now()
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        wasmtime_wasi::clocks::WasiClocksView::clocks(self).resolution()
    }

    fn subscribe_instant(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let table = self.ctx().table;
        let due = table.push(Due)?;
        subscribe(table, due)
    }

    fn subscribe_duration(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe_instant(0)
    }
}
