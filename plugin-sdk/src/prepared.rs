//! Prepared settings as bytes: made once per mount, decoded for every decision, so decoding must be cheap.

use std::{borrow::Cow, marker::PhantomData};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Encodes prepared settings.
///
/// # Errors
/// Where a type can't be encoded (a map without a known length, say).
pub fn encode<T: Serialize>(prepared: &T) -> Result<Vec<u8>, String> {
    postcard::to_allocvec(prepared).map_err(|_| "the prepared settings can't be encoded".to_owned())
}

/// Decodes prepared settings.
///
/// # Errors
/// Where the bytes are not those of [`encode`].
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    postcard::from_bytes(bytes).map_err(|_| "the prepared settings can't be decoded".to_owned())
}

/// A table by name of which a decision decodes only the entries that it asks for: fifty tables in the settings cost
/// a decision no more than one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Indexed<'a, V> {
    // Entries sorted by key, one after another, each: key length, value length (u32 LE), key, value. Before them,
    // their number and offsets (u32 LE each).
    #[serde(with = "blob", borrow)]
    bytes: Cow<'a, [u8]>,
    #[serde(skip)]
    of: PhantomData<fn() -> V>,
}

mod blob {
    use std::borrow::Cow;

    use serde::{Deserializer, Serializer, de::Visitor};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    struct Bytes;

    impl<'de> Visitor<'de> for Bytes {
        type Value = Cow<'de, [u8]>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("bytes")
        }

        fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Cow<'de, [u8]>, E> {
            Ok(Cow::Borrowed(bytes))
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Cow<'de, [u8]>, E> {
            Ok(Cow::Owned(bytes.to_vec()))
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, [u8]>, D::Error> {
        deserializer.deserialize_bytes(Bytes)
    }
}

impl<V> Default for Indexed<'_, V> {
    fn default() -> Self {
        Self { bytes: Cow::Owned(vec![0; 4]), of: PhantomData }
    }
}

impl<V: Serialize + DeserializeOwned> Indexed<'_, V> {
    /// Makes the table.
    ///
    /// # Errors
    /// Where a key comes twice, a value can't be encoded, or the whole is larger than 4 GiB.
    pub fn new(entries: impl IntoIterator<Item = (String, V)>) -> Result<Self, String> {
        let mut sorted: Vec<(String, V)> = entries.into_iter().collect();
        sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut offsets = Vec::with_capacity(sorted.len());
        let mut body = Vec::new();
        let mut before: Option<String> = None;
        let head = 4 + 4 * sorted.len();
        for (key, value) in sorted {
            if before.as_ref() == Some(&key) {
                return Err(format!("`{key}` is there twice"));
            }
            offsets.push(small(head + body.len())?);
            let value = encode(&value)?;
            body.extend(small(key.len())?.to_le_bytes());
            body.extend(small(value.len())?.to_le_bytes());
            body.extend(key.as_bytes());
            body.extend(value);
            before = Some(key);
        }
        let mut bytes = small(offsets.len())?.to_le_bytes().to_vec();
        bytes.extend(offsets.iter().flat_map(|offset| offset.to_le_bytes()));
        bytes.extend(body);
        Ok(Self { bytes: Cow::Owned(bytes), of: PhantomData })
    }

    /// The entry of that key.
    ///
    /// # Errors
    /// Where the bytes are damaged.
    pub fn get(&self, key: &str) -> Result<Option<V>, String> {
        let damaged = || "the prepared settings can't be decoded".to_owned();
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            let (found, value) = self.entry(middle).ok_or_else(damaged)?;
            match found.cmp(key.as_bytes()) {
                std::cmp::Ordering::Equal => return decode(value).map(Some),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.word(0).unwrap_or(0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn word(&self, at: usize) -> Option<usize> {
        let bytes: [u8; 4] = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    }

    fn entry(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let at = self.word(4 + 4 * index)?;
        let (key, value) = (self.word(at)?, self.word(at.checked_add(4)?)?);
        let key_at = at.checked_add(8)?;
        let value_at = key_at.checked_add(key)?;
        Some((self.bytes.get(key_at..value_at)?, self.bytes.get(value_at..value_at.checked_add(value)?)?))
    }
}

/// Something for each relation of the mount, or for some of them, by place; a decision decodes only what it asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Listed<'a, V> {
    // Where each entry ends (u32 LE each), then the entries, one after another. An empty one is absent: every value's
    // encoding is kept behind one byte more.
    #[serde(borrow)]
    ends: Blob<'a>,
    #[serde(borrow)]
    body: Blob<'a>,
    #[serde(skip)]
    of: PhantomData<fn() -> V>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Blob<'a>(#[serde(with = "blob", borrow)] Cow<'a, [u8]>);

impl<V> Default for Listed<'_, V> {
    fn default() -> Self {
        Self { ends: Blob::default(), body: Blob::default(), of: PhantomData }
    }
}

impl<V: Serialize + DeserializeOwned> Listed<'_, V> {
    /// Makes the list.
    ///
    /// # Errors
    /// Where a value can't be encoded, or the whole is larger than 4 GiB.
    pub fn new(entries: impl IntoIterator<Item = Option<V>>) -> Result<Self, String> {
        let (mut ends, mut body) = (Vec::new(), Vec::new());
        for entry in entries {
            if let Some(value) = entry {
                body.push(1);
                body.extend(encode(&value)?);
            }
            ends.extend(small(body.len())?.to_le_bytes());
        }
        Ok(Self { ends: Blob(Cow::Owned(ends)), body: Blob(Cow::Owned(body)), of: PhantomData })
    }

    /// The entry at that place, where there is one.
    ///
    /// # Errors
    /// Where the bytes are damaged.
    pub fn get(&self, place: u32) -> Result<Option<V>, String> {
        let damaged = || "the prepared settings can't be decoded".to_owned();
        let Ok(place) = usize::try_from(place) else { return Ok(None) };
        let Some(end) = self.end(place) else { return Ok(None) };
        let start = match place.checked_sub(1) {
            Some(before) => self.end(before).ok_or_else(damaged)?,
            None => 0,
        };
        match self.body.0.get(start..end).ok_or_else(damaged)? {
            [] => Ok(None),
            [_, value @ ..] => decode(value).map(Some),
        }
    }

    fn end(&self, place: usize) -> Option<usize> {
        let at = place.checked_mul(4)?;
        let bytes: [u8; 4] = self.ends.0.get(at..at.checked_add(4)?)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    }
}

fn small(size: usize) -> Result<u32, String> {
    u32::try_from(size).map_err(|_| "the settings are too large".to_owned())
}

#[cfg(test)]
mod tests;
