//! A bounded, sharded map from keys to their state.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher as _, Hash},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

const SHARDS: usize = 64;

/// A full shard is not swept more often: a flood of new keys must not make each request pay for a sweep.
const SWEEP_EVERY: Duration = Duration::from_millis(100);

/// State that may be forgotten once it is idle.
pub(crate) trait Idle {
    fn is_idle(&self, now: Instant) -> bool;
}

struct Shard<K, S> {
    states: HashMap<K, Arc<Mutex<S>>>,
    /// The size at which to sweep next; doubles with what a sweep leaves, so that sweeping costs each insert little.
    sweep_at: usize,
    swept: Option<Instant>,
}

pub(crate) struct Table<K, S> {
    shards: Box<[Mutex<Shard<K, S>>]>,
    hasher: RandomState,
    per_shard: usize,
}

/// Every place is taken by a key that is in use.
pub(crate) struct Full;

impl<K: Hash + Eq + Clone, S: Idle> Table<K, S> {
    /// A table of at most `capacity` keys, or a little more.
    pub(crate) fn new(capacity: usize) -> Self {
        let shard = || Mutex::new(Shard { states: HashMap::new(), sweep_at: 64, swept: None });
        Self {
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            hasher: RandomState::new(),
            per_shard: capacity.div_ceil(SHARDS).max(1),
        }
    }

    fn shard(&self, key: &K) -> Option<&Mutex<Shard<K, S>>> {
        self.shards.get(self.hasher.hash_one(key) as usize % SHARDS)
    }

    /// The state of a key, where it has one.
    pub(crate) fn get(&self, key: &K) -> Option<Arc<Mutex<S>>> {
        self.shard(key)?.lock().states.get(key).cloned()
    }

    /// The state of a key, made where it has none. It stays while the `Arc` is held.
    pub(crate) fn get_or_insert(&self, key: &K, now: Instant, new: fn() -> S) -> Result<Arc<Mutex<S>>, Full> {
        let mut shard = self.shard(key).ok_or(Full)?.lock();
        if let Some(state) = shard.states.get(key) {
            return Ok(Arc::clone(state));
        }
        if shard.states.len() >= shard.sweep_at.min(self.per_shard) {
            let rested = shard.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP_EVERY);
            if rested || shard.states.len() < self.per_shard {
                shard.sweep(now);
            }
            if shard.states.len() >= self.per_shard {
                return Err(Full);
            }
        }
        let state = Arc::new(Mutex::new(new()));
        shard.states.insert(key.clone(), Arc::clone(&state));
        Ok(state)
    }

    /// Does something to the state of each key of which `wanted` holds, a shard at a time.
    pub(crate) fn each(&self, wanted: impl Fn(&K) -> bool, mut act: impl FnMut(&mut S)) {
        for shard in &self.shards {
            let states: Vec<Arc<Mutex<S>>> = {
                let shard = shard.lock();
                shard.states.iter().filter(|(key, _)| wanted(key)).map(|(_, state)| Arc::clone(state)).collect()
            };
            for state in states {
                act(&mut state.lock());
            }
        }
    }

    pub(crate) fn sweep(&self, now: Instant) {
        for shard in &self.shards {
            shard.lock().sweep(now);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().states.len()).sum()
    }
}

impl<K: Hash + Eq, S: Idle> Shard<K, S> {
    fn sweep(&mut self, now: Instant) {
        // INVARIANT: a state is handed out under the shard's lock, so a count of one means that nobody holds it.
        self.states.retain(|_, state| Arc::strong_count(state) > 1 || !state.lock().is_idle(now));
        self.sweep_at = self.states.len().saturating_mul(2).max(64);
        self.swept = Some(now);
        if self.states.capacity() > self.sweep_at.saturating_mul(4) {
            self.states.shrink_to(self.sweep_at);
        }
    }
}
