//! The keys of the store: values are encrypted, headers and approvals are sealed.

use chacha20poly1305::{
    Key, KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hmac::{Hmac, Mac as _};
use mountgate_core::{Claims, Digest};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::HoldId;

/// Bytes of a nonce. Chosen at random: 192 bits do not come twice.
const NONCE: usize = 24;

/// A seal, or a keyed digest.
pub(crate) type Seal = [u8; 32];

/// The keys.
pub(crate) struct Sealer {
    cipher: XChaCha20Poly1305,
    key: Zeroizing<[u8; 32]>,
}

impl Sealer {
    /// From one key, which the file does not hold.
    pub(crate) fn new(master: &[u8; 32]) -> Self {
        let key = |label: &str| Zeroizing::new(mac(master, &[b"mountgate approvals", label.as_bytes()]));
        Self { cipher: XChaCha20Poly1305::new(&Key::from(*key("values"))), key: key("seals") }
    }

    /// Encrypts, with the header as associated data.
    pub(crate) fn encrypt(&self, id: &HoldId, header: &[u8], plain: &[u8]) -> Result<Vec<u8>, String> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|error| error.to_string())?;
        let aad = bound(id, header);
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &aad });
        let mut out = nonce.to_vec();
        out.extend(sealed.map_err(|_| "the values can't be encrypted".to_owned())?);
        Ok(out)
    }

    /// Decrypts. None where the bytes, the header or the hold are others.
    pub(crate) fn decrypt(&self, id: &HoldId, header: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let aad = bound(id, header);
        self.cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &aad }).ok().map(Zeroizing::new)
    }

    /// The seal of a header: what is left once the values are erased.
    pub(crate) fn header(&self, id: &HoldId, header: &[u8]) -> Seal {
        mac(&self.key, &[b"header", id.to_string().as_bytes(), header])
    }

    /// The seal of an approval.
    pub(crate) fn approval(&self, id: &HoldId, person: &str, at_ms: i64, digest: &Digest) -> Seal {
        let id = id.to_string();
        mac(&self.key, &[b"approval", id.as_bytes(), person.as_bytes(), &at_ms.to_be_bytes(), digest.as_bytes()])
    }

    /// The digest of what is shown: of the bytes that are kept, and that are executed. Keyed, for it goes to the ledger,
    /// where a plain one of few possible values could be searched for.
    pub(crate) fn shown(&self, header: &[u8], plain: &[u8]) -> Digest {
        Digest::from_bytes(mac(&self.key, &[b"shown", header, plain]))
    }

    /// A digest of claims that can't be searched for without the key.
    pub(crate) fn claims(&self, claims: &Claims) -> Digest {
        // A map by name: the same claims are the same text.
        let text = serde_json::to_vec(claims).unwrap_or_default();
        Digest::from_bytes(mac(&self.key, &[b"claims", &text]))
    }
}

fn bound(id: &HoldId, header: &[u8]) -> Vec<u8> {
    [b"mountgate hold 1\0".as_slice(), id.to_string().as_bytes(), header].concat()
}

/// Each part goes in with its length, so that no two lists are the same bytes.
fn mac(key: &[u8; 32], parts: &[&[u8]]) -> Seal {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
