//! The bounded queue in front of the threads.

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
}

impl<T> Queue<T> {
    pub(super) fn new(room: usize) -> Self {
        Self {
            state: Mutex::new(State { items: VecDeque::new(), closed: false }),
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
        drop(state);
        self.filled.notify_one();
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
                return Some(item);
            }
            self.filled.wait(&mut state);
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
