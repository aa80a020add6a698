//! Compiles components on threads of their own, which the scheduler runs only where nothing else wants the core: a
//! request waits for no compilation, and is slowed by none.

use std::{
    sync::{
        OnceLock,
        mpsc::{RecvTimeoutError, sync_channel},
    },
    time::Duration,
};

use wasmtime::{Engine, component::Component};

/// The lowest priority that there is.
const NICE: i32 = 19;

/// The threads, made at the first compilation.
pub(crate) struct Compiler {
    pool: OnceLock<Result<rayon::ThreadPool, String>>,
    threads: usize,
    deadline: Duration,
}

impl Compiler {
    pub(crate) fn new(threads: usize, deadline: Duration) -> Self {
        Self { pool: OnceLock::new(), threads, deadline }
    }

    /// Compiles a component.
    ///
    /// # Errors
    /// Where it does not compile, or not within the deadline. What has run longer is not stopped (nothing can), but
    /// nobody waits for it, and it takes only cores that are idle.
    pub(crate) fn compile(&self, engine: &Engine, bytes: &[u8]) -> Result<Component, String> {
        let pool = self.pool.get_or_init(|| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(self.threads)
                .thread_name(|number| format!("policy-compiler-{number}"))
                .start_handler(|_| {
                    // Of this thread alone: on Linux, that is what the call changes.
                    if let Err(error) = rustix::process::nice(NICE) {
                        tracing::warn!(%error, "compilations keep the priority of requests");
                    }
                })
                .build()
                .map_err(|error| format!("no threads for compiling: {error}"))
        });
        let pool = pool.as_ref().map_err(Clone::clone)?;
        let (done, wait) = sync_channel(1);
        let (engine, bytes) = (engine.clone(), bytes.to_owned());
        pool.spawn(move || {
            // Nobody may be waiting any more.
            let _ = done.send(Component::new(&engine, bytes).map_err(|error| format!("{error:#}")));
        });
        match wait.recv_timeout(self.deadline) {
            Ok(compiled) => compiled,
            Err(RecvTimeoutError::Timeout) => {
                Err(format!("it takes longer than {} s to compile", self.deadline.as_secs()))
            }
            Err(RecvTimeoutError::Disconnected) => Err("the compiler gave up on it".to_owned()),
        }
    }
}
