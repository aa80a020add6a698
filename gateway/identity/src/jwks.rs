//! The keys of an issuer (RFC 7517), as it publishes them.

use std::{collections::BTreeMap, sync::Arc};

use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};
use data_encoding::BASE64URL_NOPAD;

use crate::{Algorithm, jws::Check, strict::Json};

/// The largest set, in bytes.
const LARGEST: usize = 256 << 10;
/// The most keys of a set.
const MOST: usize = 100;
/// Bytes of an RSA modulus: from 2048 bits to 8192.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;
/// Bytes of an RSA exponent: a longer one makes each check as dear as a signature.
const EXPONENT: std::ops::RangeInclusive<usize> = 1..=4;

/// The keys by which an issuer's tokens are checked. Only those that can be used with its algorithms are kept.
#[derive(Clone, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    kid: Option<String>,
    /// Parsed once for each of the issuer's algorithms that it fits.
    uses: BTreeMap<Algorithm, Arc<ParsedPublicKey>>,
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| (&key.kid, key.uses.keys()))).finish()
    }
}

/// What a token's header makes of a set.
pub(crate) enum Found<'a> {
    Key(&'a ParsedPublicKey),
    /// No key of that `kid`: a new one may have been published.
    UnknownKid,
    /// A key of that `kid`, for other algorithms.
    Unfit,
    /// No `kid`, and more keys than one.
    Ambiguous,
}

impl KeySet {
    /// Reads a set and keeps what can be used with these algorithms.
    ///
    /// # Errors
    /// What is no set; one without a key that can be used; one that publishes a private key, or two keys that one token
    /// could mean.
    pub fn read(bytes: &[u8], algorithms: &[Algorithm]) -> Result<Self, String> {
        if bytes.len() > LARGEST {
            return Err(format!("the key set has more than {LARGEST} bytes"));
        }
        let set = Json::read(bytes).map_err(|error| format!("it is no JSON as key sets have it: {error}"))?;
        let Some(Json::List(entries)) = set.get("keys") else {
            return Err("it is no key set: a list `keys` is missing".to_owned());
        };
        if entries.len() > MOST {
            return Err(format!("the key set has more than {MOST} keys"));
        }
        let mut keys: Vec<Key> = Vec::new();
        for entry in entries {
            // Whoever can read the set could sign: every token of the issuer is worth nothing.
            if ["d", "p", "q", "k"].iter().any(|private| entry.get(private).is_some()) {
                return Err("it holds a private or a symmetric key: publish public keys alone".to_owned());
            }
            let Some(key) = key(entry, algorithms) else { continue };
            let same = |other: &Key| other.kid == key.kid && other.uses.keys().any(|used| key.uses.contains_key(used));
            if key.kid.is_some() && keys.iter().any(same) {
                return Err(format!("two keys have the `kid` `{}`", key.kid.unwrap_or_default().escape_debug()));
            }
            keys.push(key);
        }
        if keys.is_empty() {
            let names: Vec<&str> = algorithms.iter().map(|algorithm| algorithm.label()).collect();
            return Err(format!("it has no key that can be used with {}", names.join(", ")));
        }
        Ok(Self { keys })
    }

    /// How many keys can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether none can.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Found<'_> {
        let mut of_kid = self.keys.iter().filter(|key| kid.is_none() || key.kid.as_deref() == kid).peekable();
        if of_kid.peek().is_none() {
            return Found::UnknownKid;
        }
        let mut fit = of_kid.filter_map(|key| key.uses.get(&algorithm));
        match (fit.next(), fit.next()) {
            (Some(key), None) => Found::Key(key),
            (Some(_), Some(_)) => Found::Ambiguous,
            (None, _) => Found::Unfit,
        }
    }
}

/// A key that can be used, or none: sets hold keys for encryption and of kinds to come, which are nobody's fault.
fn key(entry: &Json, algorithms: &[Algorithm]) -> Option<Key> {
    if entry.get("use").is_some_and(|usage| usage.text() != Some("sig")) {
        return None;
    }
    match entry.get("key_ops") {
        None => {}
        Some(Json::List(ops)) if ops.iter().any(|op| op.text() == Some("verify")) => {}
        Some(_) => return None,
    }
    let kid = match entry.get("kid") {
        None => None,
        Some(Json::Text(kid)) => Some(kid.clone()),
        Some(_) => return None,
    };
    let only = match entry.get("alg") {
        None => None,
        Some(alg) => Some(alg.text().and_then(Algorithm::named)?),
    };
    let bytes = |name: &str| BASE64URL_NOPAD.decode(entry.get(name)?.text()?.as_bytes()).ok();
    let kty = entry.get("kty")?.text()?;
    let crv = entry.get("crv").and_then(Json::text);
    let mut uses = BTreeMap::new();
    for algorithm in algorithms.iter().copied().filter(|algorithm| only.is_none_or(|only| only == *algorithm)) {
        let parsed = match algorithm.check() {
            Check::Rsa(parameters) if kty == "RSA" => {
                let (n, e) = (bytes("n")?, bytes("e")?);
                // With 1 as its exponent, any text is its own signature.
                let odd = e.last().is_some_and(|last| last & 1 == 1) && e != [1];
                if !MODULUS.contains(&n.len()) || !EXPONENT.contains(&e.len()) || !odd {
                    return None;
                }
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters).ok()
            }
            Check::Ecdsa(verification, curve) if kty == "EC" && crv == Some(curve) => {
                let point = [&[4_u8][..], &bytes("x")?, &bytes("y")?].concat();
                ParsedPublicKey::new(verification, point).ok()
            }
            Check::Ed25519(verification) if kty == "OKP" && crv == Some("Ed25519") => {
                ParsedPublicKey::new(verification, bytes("x")?).ok()
            }
            Check::Rsa(_) | Check::Ecdsa(..) | Check::Ed25519(_) => None,
        };
        if let Some(parsed) = parsed {
            uses.insert(algorithm, Arc::new(parsed));
        }
    }
    (!uses.is_empty()).then_some(Key { kid, uses })
}
