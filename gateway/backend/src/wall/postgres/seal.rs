//! Seals: the gateway's word, for one backend process and a short time, on whose claims a transaction runs under.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use mountgate_core::{ClaimName, ClaimValue, MountName};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::literal;

/// Makes seals of a mount.
#[derive(Clone)]
pub struct Sealer {
    mount: MountName,
    /// With its key's schedule made: a seal is made for each call.
    keyed: Hmac<Sha256>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").field("mount", &self.mount).finish_non_exhaustive()
    }
}

/// What a seal says, apart from where and until when.
#[derive(Clone, PartialEq, Eq)]
pub struct Said(String);

impl Said {
    /// The claims of a request, and whether its policy filters by lent columns.
    pub fn new(claims: &[(ClaimName, ClaimValue)], lends: bool) -> Self {
        let claims: std::collections::BTreeMap<&str, &ClaimValue> =
            claims.iter().map(|(name, value)| (name.as_str(), value)).collect();
        Self(serde_json::json!({ "claims": claims, "lends": lends }).to_string())
    }
}

impl Sealer {
    pub(super) fn new(mount: &MountName, key: &Zeroizing<[u8; 32]>) -> Self {
        // HMAC pads a key to the hash's block of 64 bytes with zeros; doing it here makes the constructor infallible.
        let mut block = Zeroizing::new([0; 64]);
        for (to, from) in block.iter_mut().zip(key.iter()) {
            *to = *from;
        }
        Self { mount: mount.clone(), keyed: Hmac::new(&(*block).into()) }
    }

    /// The seal for the process of that id, until that moment of the server's clock (milliseconds since
    /// 1970-01-01T00:00Z): the MAC in hexadecimal, the moment, and what is said.
    pub fn seal(&self, pid: i32, until_ms: i64, said: &Said) -> String {
        let Said(said) = said;
        let rest = format!("{until_ms} {said}");
        // Anyone who could end one field and begin the next could say something else under the same MAC: a mount's name
        // and the numbers hold no space.
        let mac = self.keyed.clone().chain_update(format!("{} {pid} ", self.mount)).chain_update(&rest).finalize();
        let mut seal = String::with_capacity(65 + rest.len());
        HEXLOWER.encode_append(&mac.into_bytes(), &mut seal);
        seal.push(' ');
        seal.push_str(&rest);
        seal
    }
}

/// The padded keys of HMAC-SHA-256 (RFC 2104): inner, outer.
pub(super) fn pads(key: &[u8; 32]) -> [String; 2] {
    [0x36_u8, 0x5c].map(|with| {
        let mut block = Zeroizing::new([with; 64]);
        for (at, byte) in block.iter_mut().zip(key) {
            *at ^= byte;
        }
        literal::bytes(block.as_ref())
    })
}
