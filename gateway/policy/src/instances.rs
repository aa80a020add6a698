//! Instances: made ahead, used once, dropped elsewhere.
//!
//! A decision takes an instance that is ready. One thread makes the next ones and drops the used ones. That thread is
//! woken only after it fell asleep for want of work; under load it looks around by itself, so a decision pays for no
//! system call.

use std::{
    sync::{Arc, Weak},
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
    free: Mutex<usize>,
    freed: Condvar,
    total: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.places.free.lock() += 1;
        self.places.freed.notify_one();
    }
}

/// How long the thread goes on looking around after the last work.
const LINGER: Duration = Duration::from_millis(50);
/// Used instances dropped between two looks around.
const BATCH: usize = 16;
/// How often it looks around.
const ROUND: Duration = Duration::from_micros(500);

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
        let places = Arc::new(Places { free: Mutex::new(places), freed: Condvar::new(), total: places });
        let room = Arc::new(Room { desk: Mutex::new(Desk::default()), work: Condvar::new() });
        let thread = {
            let (room, places) = (Arc::clone(&room), Arc::clone(&places));
            std::thread::Builder::new().name("policy-instances".into()).spawn(move || keep(&room, &places, ready))?
        };
        Ok(Self { places, room, thread: Some(thread) })
    }

    /// A place, where one is free.
    pub(crate) fn free(&self) -> Option<Place> {
        let mut free = self.places.free.lock();
        *free = free.checked_sub(1)?;
        Some(Place { places: Arc::clone(&self.places) })
    }

    /// A place, waiting for one where all are taken.
    pub(crate) fn place(&self, wait: Duration) -> Option<Place> {
        let until = Instant::now() + wait;
        loop {
            {
                let mut free = self.places.free.lock();
                if *free > 0 {
                    *free -= 1;
                    return Some(Place { places: Arc::clone(&self.places) });
                }
            }
            // Used instances hold places until they are dropped. On a busy machine the thread may not get to it: whoever
            // waits for a place does it for them.
            let used = self.room.desk.lock().used.pop();
            if used.is_some() {
                continue;
            }
            let mut free = self.places.free.lock();
            if *free == 0 {
                let late = self.places.freed.wait_until(&mut free, until).timed_out();
                if late && *free == 0 {
                    return None;
                }
            }
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

    /// Drops a used instance, elsewhere.
    pub(crate) fn used(&self, instance: Instance) {
        let mut desk = self.room.desk.lock();
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
        // A few at a time, so that few places are held where nobody else can free them.
        let keep = desk.used.len().saturating_sub(BATCH);
        let used = desk.used.split_off(keep);
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
            let place = {
                let mut free = places.free.lock();
                // Half of the places are for those who ask: stocks must not starve them.
                if *free <= places.total / 2 {
                    return;
                }
                *free -= 1;
                Place { places: Arc::clone(places) }
            };
            if !stock.make(place) {
                break;
            }
        }
    }
}
