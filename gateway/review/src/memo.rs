//! Parts that many records share, read once: most of a decision record is the same touch, spelt again.

use std::{collections::HashMap, sync::Arc};

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// The most parts kept. Agents that never ask the same twice turn it over.
const KEPT: usize = 4096;

/// Values by their spelling.
pub(crate) struct Memo<T> {
    known: HashMap<Box<str>, Arc<T>>,
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self { known: HashMap::new() }
    }
}

impl<T: DeserializeOwned> Memo<T> {
    pub(crate) fn get(&mut self, spelt: &RawValue) -> Result<Arc<T>, serde_json::Error> {
        if let Some(known) = self.known.get(spelt.get()) {
            return Ok(Arc::clone(known));
        }
        let value: Arc<T> = Arc::new(serde_json::from_str(spelt.get())?);
        if self.known.len() >= KEPT {
            self.known.clear();
        }
        self.known.insert(spelt.get().into(), Arc::clone(&value));
        Ok(value)
    }
}
