//! The clock of deadlines: a thread that advances the engine's epoch.

use std::{
    sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    thread::JoinHandle,
    time::Duration,
};

use wasmtime::Engine;

/// How long an epoch is. A deadline is late by one at most.
pub(crate) const EPOCH: Duration = Duration::from_millis(5);

/// The thread; stopped when this is dropped.
pub(crate) struct Ticker {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts it.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let (stop, stopped) = sync_channel::<()>(0);
        let engine = engine.clone();
        let thread = std::thread::Builder::new().name("policy-ticker".into()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(EPOCH) {
                engine.increment_epoch();
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    /// A duration in epochs: at least it, since the epoch under way has begun already.
    pub(crate) fn epochs(duration: Duration) -> u64 {
        let epochs = duration.as_millis().div_ceil(EPOCH.as_millis());
        u64::try_from(epochs).unwrap_or(u64::MAX / 4).saturating_add(1)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been told by the panic hook.
            let _ = thread.join();
        }
    }
}
