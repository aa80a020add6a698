//! A bounded channel from a thread to a task. The thread may wait for room, with a deadline, and each side learns
//! when the other has gone. One lock and at most one wake-up per item: a point look-up is a single item.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

/// Makes a pipe that holds at most `room` items.
pub(crate) fn pipe<T>(room: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        gone: Arc::new(AtomicBool::new(false)),
        state: Mutex::new(State { items: VecDeque::with_capacity(room), waker: None, ended: false }),
        taken: Condvar::new(),
        room,
    });
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared })
}

struct Shared<T> {
    /// The receiver was dropped.
    gone: Arc<AtomicBool>,
    state: Mutex<State<T>>,
    taken: Condvar,
    room: usize,
}

struct State<T> {
    items: VecDeque<T>,
    waker: Option<Waker>,
    /// The sender was dropped.
    ended: bool,
}

/// Why an item could not be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SendError {
    /// Nobody listens any more.
    Gone,
    /// There was no room until the limit.
    Full,
}

/// The thread's end.
pub(crate) struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// A flag that says when the receiver was dropped; cheap enough for a progress handler.
    pub(crate) fn gone(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.shared.gone)
    }

    /// Whether an item can be sent without waiting. This end is the only one that sends, so it stays true until it does.
    pub(crate) fn has_room(&self) -> bool {
        self.shared.state.lock().items.len() < self.shared.room
    }

    /// Sends the last item, room or no room: why a stream ended must not be lost because nobody read.
    pub(crate) fn finish(self, item: T) {
        self.shared.state.lock().items.push_back(item);
        // Dropping this end wakes the other.
    }

    /// Sends, waiting for room for at most `patience`. Returns how long it waited.
    pub(crate) fn send(&self, item: T, patience: Duration) -> Result<Duration, SendError> {
        let mut waited = Duration::ZERO;
        let mut state = self.shared.state.lock();
        if state.items.len() >= self.shared.room {
            let start = Instant::now();
            let until = start + patience;
            while state.items.len() >= self.shared.room && !self.shared.gone.load(Ordering::Acquire) {
                if self.shared.taken.wait_until(&mut state, until).timed_out() && state.items.len() >= self.shared.room
                {
                    return Err(SendError::Full);
                }
            }
            waited = start.elapsed();
        }
        if self.shared.gone.load(Ordering::Acquire) {
            return Err(SendError::Gone);
        }
        state.items.push_back(item);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(waited)
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.ended = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The task's end.
pub(crate) struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Receiver<T> {
    /// The next item; `None` when the sender has gone and everything was taken.
    pub(crate) async fn next(&mut self) -> Option<T> {
        poll_fn(|cx| {
            let mut state = self.shared.state.lock();
            if let Some(item) = state.items.pop_front() {
                drop(state);
                self.shared.taken.notify_one();
                return Poll::Ready(Some(item));
            }
            if state.ended {
                return Poll::Ready(None);
            }
            match &mut state.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
        .await
    }

    #[cfg(test)]
    pub(crate) fn depth(&self) -> usize {
        self.shared.state.lock().items.len()
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        self.shared.gone.store(true, Ordering::Release);
        let items = std::mem::take(&mut state.items);
        drop(state);
        drop(items);
        self.shared.taken.notify_all();
    }
}

impl<T> std::fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Receiver")
    }
}

#[cfg(test)]
mod tests;
