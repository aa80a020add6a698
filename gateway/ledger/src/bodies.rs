//! Records spelt and not yet written, one after another in one buffer that is used again and again: a record on its way
//! costs no allocation, and none that another thread has to free.

use std::cell::Cell;

use serde::Serialize;

/// A buffer that has grown beyond this is given back: one enormous record must not pin its memory for good.
const KEPT: usize = 1 << 20;

/// Records in the order in which they are to be written.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    bytes: Vec<u8>,
    /// Where each record ends.
    ends: Vec<usize>,
}

impl Bodies {
    pub(crate) fn push(&mut self, body: &[u8]) {
        self.bytes.extend_from_slice(body);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.ends.clear();
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes.as_slice();
        let mut begin = 0;
        self.ends.iter().map_while(move |end| {
            let (body, after) = rest.split_at_checked(end.saturating_sub(begin))?;
            (rest, begin) = (after, *end);
            Some(body)
        })
    }
}

thread_local! {
    static SPELT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Spells a record in this thread's buffer, for `with` to take it from there.
pub(crate) fn spell<T>(body: &impl Serialize, with: impl FnOnce(&[u8]) -> T) -> Result<T, serde_json::Error> {
    // A thread that is ending has no buffer any more, and needs one of its own.
    let mut out = SPELT.try_with(Cell::take).unwrap_or_default();
    out.clear();
    let result = serde_json::to_writer(&mut out, body).map(|()| with(&out));
    out.shrink_to(KEPT);
    let _ = SPELT.try_with(|spelt| spelt.set(out));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_as_they_went_in() {
        let mut bodies = Bodies::default();
        for _ in 0..2 {
            bodies.clear();
            for body in [&b"{}"[..], b"", b"{\"a\":1}", b""] {
                bodies.push(body);
            }
            assert_eq!((bodies.len(), bodies.bytes()), (4, 9));
            assert_eq!(bodies.iter().collect::<Vec<_>>(), [&b"{}"[..], b"", b"{\"a\":1}", b""]);
        }
    }

    #[test]
    fn a_record_spelt_after_a_longer_one_has_nothing_of_it() {
        spell(&"a long one, of somebody else", |_| ()).unwrap();
        assert_eq!(spell(&1, <[u8]>::to_vec).unwrap(), b"1");
        // A failure leaves nothing behind either, and one record may be spelt while another is looked at.
        struct Failing;
        impl Serialize for Failing {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::{Error as _, SerializeSeq as _};
                serializer.serialize_seq(None)?.serialize_element(&1)?;
                Err(S::Error::custom("no"))
            }
        }
        assert!(spell(&Failing, |_| ()).is_err());
        let both = spell(&2, |outer| (outer.to_vec(), spell(&3, <[u8]>::to_vec).unwrap())).unwrap();
        assert_eq!(both, (b"2".to_vec(), b"3".to_vec()));
    }
}
