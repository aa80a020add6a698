//! Instances: made ahead, used once, dropped elsewhere.
//!
//! A decision takes an instance that is ready. One thread makes the next ones and drops the used ones. That thread is
//! woken only after it fell asleep for want of work; under load it looks around by itself, so a decision pays for no
//! system call.
//!
//! It takes what the processors have to spare: it yields to every other thread. Where they have nothing to spare, making
//! and dropping elsewhere saves nobody any time, and costs more than doing both where the decision is made (a warm-up,
//! another core's caches): decisions then do so by themselves. Since that thread may not run for a while, no decision
//! waits for a lock that it may hold.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use wasmtime::Store;

use crate::{contract::Bound, plugin::Stock, state::State};

/// An instance.
pub(crate) struct Instance {
    pub(crate) store: Store<State>,
    pub(crate) bound: Bound,
    /// How many decisions it has been asked for.
    pub(crate) calls: u32,
    // Given back after the store: fields are dropped in this order.
    _place: Place,
}

impl Instance {
    pub(crate) fn new(store: Store<State>, bound: Bound, place: Place) -> Self {
        Self { store, bound, calls: 0, _place: place }
    }
}

/// The right to have an instance: the allocator's pool is never asked for more than it has.
pub(crate) struct Place {
    places: Arc<Places>,
}

struct Places {
    free: AtomicUsize,
    total: usize,
    waiting: Mutex<()>,
    freed: Condvar,
}

impl Places {
    /// Takes a place that is free, if `spare` are free beside it.
    fn take(self: &Arc<Self>, spare: usize) -> Option<Place> {
        let less = |free: usize| free.checked_sub(1).filter(|left| *left >= spare);
        self.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).ok()?;
        Some(Place { places: Arc::clone(self) })
    }

    /// How many used instances may wait to be dropped.
    fn batch(&self) -> usize {
        BATCH.min(self.total / PART)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.free.fetch_add(1, Ordering::AcqRel);
        self.places.freed.notify_one();
    }
}

/// How long the thread goes on looking around after the last work.
const LINGER: Duration = Duration::from_millis(50);
/// Used instances that wait to be dropped, at most; so many are dropped between two looks around. They hold places while
/// the thread that drops them waits for a processor: a small part of all at most.
const BATCH: usize = 16;
const PART: usize = 8;
/// How often who waits for a place looks by himself: a place may be given back just before he waits.
const LOOK: Duration = Duration::from_millis(1);
/// How often it looks around.
const ROUND: Duration = Duration::from_micros(500);

/// The least of the system's priorities.
const YIELDING: i32 = 19;

#[derive(Default)]
struct Desk {
    used: Vec<Instance>,
    stocks: Vec<Weak<Stock>>,
    wanted: bool,
    asleep: bool,
    stopped: bool,
}

struct Room {
    desk: Mutex<Desk>,
    work: Condvar,
}

/// Makes, counts and drops instances. Its thread ends when this is dropped.
pub(crate) struct Keeper {
    places: Arc<Places>,
    room: Arc<Room>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system gives none.
    pub(crate) fn start(places: usize, ready: usize) -> std::io::Result<Self> {
        let free = AtomicUsize::new(places);
        let places = Arc::new(Places { free, total: places, waiting: Mutex::default(), freed: Condvar::new() });
        let room = Arc::new(Room { desk: Mutex::new(Desk::default()), work: Condvar::new() });
        let thread = {
            let (room, places) = (Arc::clone(&room), Arc::clone(&places));
            std::thread::Builder::new().name("policy-instances".into()).spawn(move || keep(&room, &places, ready))?
        };
        Ok(Self { places, room, thread: Some(thread) })
    }

    /// A place, where one is free.
    pub(crate) fn free(&self) -> Option<Place> {
        self.places.take(0)
    }

    /// A place, waiting for one where all are taken.
    pub(crate) fn place(&self, wait: Duration) -> Option<Place> {
        let until = Instant::now() + wait;
        loop {
            if let Some(place) = self.places.take(0) {
                return Some(place);
            }
            // Used instances hold places until they are dropped. On a busy machine the thread may not get to it: whoever
            // waits for a place does it for them.
            let used = self.room.desk.try_lock().and_then(|mut desk| desk.used.pop());
            if used.is_some() {
                continue;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.places.freed.wait_for(&mut self.places.waiting.lock(), left.min(LOOK));
        }
    }

    /// Has a stock filled from now on, until it is dropped.
    pub(crate) fn stock(&self, stock: &Arc<Stock>) {
        let mut desk = self.room.desk.lock();
        desk.stocks.push(Arc::downgrade(stock));
        desk.wanted = true;
        drop(desk);
        self.room.work.notify_one();
    }

    /// Drops a used instance: elsewhere, unless the thread is behind.
    pub(crate) fn used(&self, instance: Instance) {
        let Some(mut desk) = self.room.desk.try_lock().filter(|desk| desk.used.len() < self.places.batch()) else {
            return drop(instance);
        };
        desk.used.push(instance);
        let asleep = desk.asleep;
        drop(desk);
        if asleep {
            self.room.work.notify_one();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.room.desk.lock().stopped = true;
        self.room.work.notify_one();
        if let Some(thread) = self.thread.take()
            // The last owner may be this very thread, which drops instances.
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

fn keep(room: &Room, places: &Arc<Places>, ready: usize) {
    // Of this thread alone (Linux). Where it may not, it runs like any other.
    let _ = rustix::process::nice(YIELDING);
    let mut last_work = Instant::now();
    loop {
        let mut desk = room.desk.lock();
        if desk.used.is_empty() && !desk.wanted && !desk.stopped {
            if last_work.elapsed() > LINGER {
                desk.asleep = true;
                room.work.wait(&mut desk);
                desk.asleep = false;
            } else {
                room.work.wait_for(&mut desk, ROUND);
            }
        }
        if desk.stopped {
            return;
        }
        let used = std::mem::take(&mut desk.used);
        let wanted = std::mem::take(&mut desk.wanted);
        if used.is_empty() && !wanted {
            continue;
        }
        desk.stocks.retain(|stock| stock.strong_count() > 0);
        let stocks: Vec<Arc<Stock>> = desk.stocks.iter().filter_map(Weak::upgrade).collect();
        drop(desk);
        last_work = Instant::now();
        // Making comes first: somebody may be waiting for one.
        fill(&stocks, places, ready);
        drop(used);
        fill(&stocks, places, ready);
    }
}

fn fill(stocks: &[Arc<Stock>], places: &Arc<Places>, ready: usize) {
    for stock in stocks {
        while stock.len() < ready {
            // Half of the places are for those who ask: stocks must not starve them.
            let Some(place) = places.take(places.total / 2) else { return };
            if !stock.make(place) {
                break;
            }
        }
    }
}
