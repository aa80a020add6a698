//! Signed tokens as issuers write them (RFC 7515, compact), taken apart and checked against a key.
//!
//! What a token says of its own key is never believed: `jku`, `x5u`, `jwk` and `x5c` name or carry a key that whoever
//! made the token chose, so a token that has one is refused, and `kid` is only ever compared.

use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters, VerificationAlgorithm};
use data_encoding::BASE64URL_NOPAD;

use crate::{issuer::JwtFault, strict::Json};

/// The longest token, in bytes. What carries tens of groups has four thousand.
pub(crate) const LONGEST: usize = 16 << 10;
/// The longest header, in bytes of its text.
const LONGEST_HEADER: usize = 4 << 10;
/// The longest `kid`, in bytes.
const LONGEST_KID: usize = 512;

/// How a token is signed. There is neither `none` nor any of the HMACs: with one, who can check a token can make it, and
/// a public key would serve as the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256,
    /// RSA PKCS #1 v1.5 with SHA-384.
    Rs384,
    /// RSA PKCS #1 v1.5 with SHA-512.
    Rs512,
    /// RSA PSS with SHA-256.
    Ps256,
    /// RSA PSS with SHA-384.
    Ps384,
    /// RSA PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

/// How the algorithms check.
#[derive(Clone, Copy)]
pub(crate) enum Check {
    Rsa(&'static RsaParameters),
    Ecdsa(&'static EcdsaVerificationAlgorithm, &'static str),
    Ed25519(&'static dyn VerificationAlgorithm),
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The name in tokens, keys and configuration.
    pub fn label(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The one of that name, in exactly that spelling: `None`, `nOnE` and the like are no names.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.label() == name)
    }

    pub(crate) fn check(self) -> Check {
        match self {
            Self::Rs256 => Check::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Check::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Check::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Check::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Check::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Check::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
            Self::Es256 => Check::Ecdsa(&signature::ECDSA_P256_SHA256_FIXED, "P-256"),
            Self::Es384 => Check::Ecdsa(&signature::ECDSA_P384_SHA384_FIXED, "P-384"),
            Self::EdDsa => Check::Ed25519(&signature::ED25519),
        }
    }
}

/// A token taken apart. Nothing of it is true yet.
pub(crate) struct Unverified<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<String>,
    /// In lower case, without `application/`.
    pub(crate) typ: Option<String>,
    pub(crate) payload: Json,
    signed: &'a [u8],
    signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    /// Whether it looks like such a token at all: three parts, the first of which begins with `{"`.
    pub(crate) fn looks_like(token: &str) -> bool {
        token.starts_with("eyJ") && token.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// Takes a token apart.
    pub(crate) fn read(token: &'a str) -> Result<Self, JwtFault> {
        if token.len() > LONGEST {
            return Err(JwtFault::TooLong);
        }
        let mut parts = token.split('.');
        let (Some(head), Some(body), Some(tail), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwtFault::Malformed);
        };
        if head.len() > LONGEST_HEADER {
            return Err(JwtFault::TooLong);
        }
        let bytes = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| JwtFault::Malformed);
        let header = Json::read(&bytes(head)?).map_err(|_| JwtFault::Malformed)?;
        let Json::Object(entries) = &header else { return Err(JwtFault::Malformed) };
        // `b64` changes what is signed, and needs `crit`; nothing that is critical is understood here.
        if ["crit", "b64"].iter().any(|name| entries.contains_key(*name)) {
            return Err(JwtFault::Critical);
        }
        if ["jku", "x5u", "jwk", "x5c"].iter().any(|name| entries.contains_key(*name)) {
            return Err(JwtFault::OwnKey);
        }
        let text = |name: &str| match header.get(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text.clone())),
            Some(_) => Err(JwtFault::Malformed),
        };
        let algorithm = text("alg")?.as_deref().and_then(Algorithm::named).ok_or(JwtFault::Algorithm)?;
        let kid = text("kid")?;
        if kid.as_ref().is_some_and(|kid| kid.len() > LONGEST_KID) {
            return Err(JwtFault::TooLong);
        }
        let typ = text("typ")?.map(|typ| {
            let typ = typ.to_ascii_lowercase();
            typ.strip_prefix("application/").map(str::to_owned).unwrap_or(typ)
        });
        let payload = Json::read(&bytes(body)?).map_err(|_| JwtFault::Malformed)?;
        if !matches!(payload, Json::Object(_)) {
            return Err(JwtFault::Malformed);
        }
        let signature = bytes(tail)?;
        let signed = token.as_bytes().get(..head.len() + 1 + body.len()).ok_or(JwtFault::Malformed)?;
        Ok(Self { algorithm, kid, typ, payload, signed, signature })
    }

    /// Checks the signature.
    pub(crate) fn verify(&self, key: &ParsedPublicKey) -> Result<(), JwtFault> {
        key.verify_sig(self.signed, &self.signature).map_err(|_| JwtFault::Signature)
    }
}
