//! The bounded queue in front of the threads.
//!
//! Threads are woken one after another: while one is on its way, others are not woken too, and the one that arrives
//! wakes the next where there is more to do. Under load the threads that are awake then take most of the items, and
//! waking, which costs more than a look-up by key, is rare; an item never waits for one that is being worked on.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};

pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    room: usize,
}

struct State<T> {
    items: VecDeque<T>,
    closed: bool,
    /// Threads that sleep.
    asleep: usize,
    /// Whether one of them was woken and has not looked yet.
    waking: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(room: usize) -> Self {
        Self {
            state: Mutex::new(State { items: VecDeque::new(), closed: false, asleep: 0, waking: false }),
            filled: Condvar::new(),
            room: room.max(1),
        }
    }

    /// Puts an item; gives it back where there is no room, or the queue is closed.
    pub(super) fn put(&self, item: T) -> Result<(), T> {
        let mut state = self.state.lock();
        if state.closed || state.items.len() >= self.room {
            return Err(item);
        }
        state.items.push_back(item);
        let wake = state.wake_next();
        drop(state);
        if wake {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits for an item; `None` when the queue is closed.
    pub(super) fn take(&self) -> Option<T> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(item) = state.items.pop_front() {
                let wake = !state.items.is_empty() && state.wake_next();
                drop(state);
                if wake {
                    self.filled.notify_one();
                }
                return Some(item);
            }
            state.asleep += 1;
            self.filled.wait(&mut state);
            state.asleep -= 1;
            state.waking = false;
        }
    }

    /// Ends it: what waits is dropped, and every thread wakes.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let items = std::mem::take(&mut state.items);
        drop(state);
        drop(items);
        self.filled.notify_all();
    }
}

impl<T> State<T> {
    /// Whether the caller has to wake a thread, which counts as on its way from then on.
    fn wake_next(&mut self) -> bool {
        let wake = self.asleep > 0 && !self.waking;
        self.waking |= wake;
        wake
    }
}
