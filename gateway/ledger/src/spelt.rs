//! Parts of requests that many requests share, spelt once: most of a decision record is its mount's ceiling.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use serde::Serialize;
use serde_json::value::RawValue;

/// The most parts kept. Requests whose parts are their own turn it over; those that share find theirs again.
const KEPT: usize = 512;

/// Spellings by the identity of what is spelt.
///
/// INVARIANT: a part is kept alive as long as its spelling, so that no other part can come to have its address.
pub(crate) struct Spelt<T> {
    known: RwLock<HashMap<usize, Kept<T>>>,
}

struct Kept<T> {
    /// Only to keep its address taken.
    _part: Arc<T>,
    spelt: Arc<RawValue>,
}

impl<T> Default for Spelt<T> {
    fn default() -> Self {
        Self { known: RwLock::default() }
    }
}

impl<T> Spelt<T> {
    /// The spelling of `part`, or of what `of` takes from it; `of` must be the same function at each call.
    pub(crate) fn get<S: Serialize + ?Sized>(
        &self,
        part: &Arc<T>,
        of: fn(&T) -> &S,
    ) -> Result<Arc<RawValue>, serde_json::Error> {
        let address = Arc::as_ptr(part) as usize;
        if let Some(kept) = self.known.read().get(&address) {
            return Ok(Arc::clone(&kept.spelt));
        }
        let spelt: Arc<RawValue> = serde_json::value::to_raw_value(of(part))?.into();
        let mut known = self.known.write();
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(address, Kept { _part: Arc::clone(part), spelt: Arc::clone(&spelt) });
        Ok(spelt)
    }
}
