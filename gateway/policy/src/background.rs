//! Threads for work that may take its time: they get what requests leave over.

use std::thread::JoinHandle;

/// Where every core is wanted, a thread of this niceness gets a tenth of one.
const NICE: i32 = 10;

/// Starts a thread of a low priority: compiling, self-tests and shadows take no core that a request needs.
///
/// # Errors
/// Where the system gives no thread.
pub fn in_background(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Linux means the thread by this, not the process. Where it says no, the work is done all the same.
        if let Err(error) = rustix::process::nice(NICE) {
            tracing::debug!(%error, "a thread in the background keeps its priority");
        }
        work();
    })
}
