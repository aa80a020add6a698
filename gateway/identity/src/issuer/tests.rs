//! Tokens that open nothing, first; then those that do. Keys are made here, and so are the forgeries: by whoever has the
//! public keys, another key, or an old token.

use std::sync::LazyLock;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
        RsaKeyPair, RsaPublicKeyComponents,
    },
};
use data_encoding::BASE64URL_NOPAD;
use hmac_by_hand::hs256;
use mountgate_core::{Caller, ClaimValue, Code, Principal};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::{
    ClaimType, Clients, Credential, Identity, Reason, Shown, SubjectName,
    identity::tests::{again, claims, open},
};

const NOW: i64 = 1_800_000_000_000;
const SECONDS: i64 = NOW / 1000;
const ISS: &str = "https://login.example.com/";

static RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
static OTHER_RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
static EC: LazyLock<EcdsaKeyPair> = LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());
static ED: LazyLock<Ed25519KeyPair> = LazyLock::new(|| Ed25519KeyPair::generate().unwrap());

/// HMAC-SHA-256 of a forger, who has no reason to use a library of ours.
mod hmac_by_hand {
    use sha2::{Digest as _, Sha256};

    pub(super) fn hs256(secret: &[u8], message: &[u8]) -> Vec<u8> {
        let mut block = [0_u8; 64];
        if secret.len() > 64 {
            block[..32].copy_from_slice(&Sha256::digest(secret));
        } else {
            block[..secret.len()].copy_from_slice(secret);
        }
        let inner = Sha256::digest([&block.map(|byte| byte ^ 0x36)[..], message].concat());
        Sha256::digest([&block.map(|byte| byte ^ 0x5c)[..], &inner].concat()).to_vec()
    }
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL_NOPAD.encode(bytes.as_ref())
}

fn rsa_jwk(key: &RsaKeyPair, kid: &str) -> Value {
    let parts = RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key());
    json!({ "kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": b64(&parts.n), "e": b64(&parts.e) })
}

fn ec_jwk(kid: &str) -> Value {
    let point = EC.public_key().as_ref();
    json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": b64(&point[1..33]), "y": b64(&point[33..]) })
}

fn ed_jwk(kid: &str) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(ED.public_key().as_ref()) })
}

fn set(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

const ALL: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

fn key_set() -> KeySet {
    KeySet::read(&set(&[rsa_jwk(&RSA, "r1"), ec_jwk("e1"), ed_jwk("d1")]), &ALL).unwrap()
}

fn path(name: &str) -> ClaimPath {
    ClaimPath::new(vec![name.to_owned()]).unwrap()
}

fn rules() -> IssuerRules {
    IssuerRules {
        name: "corp".into(),
        issuer: ISS.into(),
        audience: "mountgate".into(),
        algorithms: ALL.to_vec(),
        types: ["jwt".into(), "at+jwt".into()].into(),
        agent: path("azp"),
        agents: [("client-1".into(), AgentName::from("bot")), ("client-2".into(), AgentName::from("other"))].into(),
        user: None,
        claims: [
            ("customer_id".into(), ClaimSource { claim: path("cust"), ty: ClaimType::Integer }),
            ("regions".into(), ClaimSource { claim: path("https://example.com/regions"), ty: ClaimType::Texts }),
        ]
        .into(),
        leeway_ms: 30_000,
        max_lifetime_ms: 3_600_000,
    }
}

fn header(kid: &str, alg: &str) -> Value {
    json!({ "alg": alg, "kid": kid, "typ": "JWT" })
}

fn payload() -> Value {
    json!({
        "iss": ISS, "aud": "mountgate", "azp": "client-1", "sub": "client-1", "cust": 42,
        "iat": SECONDS - 10, "exp": SECONDS + 600,
    })
}

fn with(mut base: Value, name: &str, value: Value) -> Value {
    base[name] = value;
    base
}

fn without(mut base: Value, name: &str) -> Value {
    base.as_object_mut().unwrap().remove(name).unwrap();
    base
}

fn sign_rsa(key: &RsaKeyPair, message: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
    signature
}

fn token_of(header: &str, payload: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", b64(header), b64(payload));
    let signature = sign(signed.as_bytes());
    format!("{signed}.{}", b64(signature))
}

/// Signed as the issuer does, with `r1`.
fn good(header: &Value, payload: &Value) -> String {
    token_of(&header.to_string(), &payload.to_string(), |message| sign_rsa(&RSA, message))
}

fn ed(payload: &Value) -> String {
    token_of(&header("d1", "EdDSA").to_string(), &payload.to_string(), |message| ED.sign(message).as_ref().to_vec())
}

struct World {
    _dir: TempDir,
    identity: Identity,
    issuer: Arc<Issuer>,
}

impl World {
    fn new(rules: IssuerRules) -> Self {
        let (dir, identity) = open();
        identity.add_agent("bot", &Claims::new()).unwrap();
        let issuer = Arc::new(Issuer::new(rules, key_set(), None));
        identity.set_issuers(Issuers::new([Arc::clone(&issuer)]).unwrap());
        Self { _dir: dir, identity, issuer }
    }

    fn at(&self, token: &str, now_ms: i64) -> Result<Caller, Reason> {
        match self.identity.authenticate(token, now_ms) {
            Ok(Credential::Caller(caller)) => Ok(caller),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.reason().clone()),
        }
    }

    fn caller(&self, token: &str) -> Result<Caller, Reason> {
        self.at(token, NOW)
    }

    #[track_caller]
    fn refuses(&self, token: &str, fault: JwtFault) {
        assert_eq!(self.caller(token).unwrap_err(), Reason::Jwt(fault));
    }

    fn checked(&self) -> u64 {
        self.issuer.checked.load(Ordering::Relaxed)
    }
}

/// What a forger, a thief or a mistake may send; each with why it opens nothing.
fn forgeries() -> Vec<(&'static str, String, JwtFault)> {
    let fine = payload();
    let rs = header("r1", "RS256");
    let public = rsa_jwk(&RSA, "r1");
    let pem_like = BASE64URL_NOPAD.decode(public["n"].as_str().unwrap().as_bytes()).unwrap();
    let jwk_text = public.to_string();
    let none = |alg: &str| token_of(&header("r1", alg).to_string(), &payload().to_string(), |_| vec![]);
    let hmac = |secret: &[u8]| {
        token_of(&header("r1", "HS256").to_string(), &payload().to_string(), |message| hs256(secret, message))
    };
    let signed_by_other =
        |header: &Value| token_of(&header.to_string(), &payload().to_string(), |message| sign_rsa(&OTHER_RSA, message));
    let exp = |exp: Value| good(&rs, &with(payload(), "exp", exp));
    let twice_header = token_of(r#"{"alg":"RS256","alg":"none","kid":"r1"}"#, &fine.to_string(), |m| sign_rsa(&RSA, m));
    let twice_aud = fine.to_string().replacen('{', r#"{"aud":"somebody","#, 1);
    let twice_payload = token_of(&rs.to_string(), &twice_aud, |message| sign_rsa(&RSA, message));
    let valid = good(&rs, &fine);
    let (head_and_body, tail) = valid.rsplit_once('.').unwrap();
    let (head, body) = head_and_body.split_once('.').unwrap();
    let edited = b64(with(payload(), "cust", json!(43)).to_string());
    let mut flipped = BASE64URL_NOPAD.decode(tail.as_bytes()).unwrap();
    flipped[7] ^= 1;
    use JwtFault as F;
    vec![
        ("alg none", none("none"), F::Algorithm),
        ("alg None", none("None"), F::Algorithm),
        ("alg nOnE", none("nOnE"), F::Algorithm),
        ("no alg", token_of(r#"{"kid":"r1"}"#, &fine.to_string(), |_| vec![]), F::Algorithm),
        ("alg is a list", token_of(r#"{"alg":["RS256"],"kid":"r1"}"#, &fine.to_string(), |_| vec![]), F::Malformed),
        ("no signature", format!("{head_and_body}."), F::Signature),
        ("HS256 with the modulus as its secret", hmac(&pem_like), F::Algorithm),
        ("HS256 with the public JWK as its secret", hmac(jwk_text.as_bytes()), F::Algorithm),
        ("HS256 with nothing as its secret", hmac(b""), F::Algorithm),
        ("PS256, which is not the issuer's", pss(&fine), F::Algorithm),
        ("RS256 with the key of ES256", good(&header("e1", "RS256"), &fine), F::Algorithm),
        ("ES256 with the key of RS256", good(&header("r1", "ES256"), &fine), F::Algorithm),
        ("an own key under the issuer's kid", signed_by_other(&rs), F::Signature),
        ("an own key by jwk", signed_by_other(&with(rs.clone(), "jwk", rsa_jwk(&OTHER_RSA, "r1"))), F::OwnKey),
        ("an own key by jku", signed_by_other(&with(rs.clone(), "jku", json!("https://evil.example/jwks"))), F::OwnKey),
        ("an own key by x5u", signed_by_other(&with(rs.clone(), "x5u", json!("https://evil.example/c"))), F::OwnKey),
        ("an own key by x5c", signed_by_other(&with(rs.clone(), "x5c", json!(["MIIB"]))), F::OwnKey),
        ("kid as a path", signed_by_other(&header("../../../../dev/null", "RS256")), F::UnknownKey),
        ("kid as SQL", signed_by_other(&header("x' UNION SELECT 'k' -- ", "RS256")), F::UnknownKey),
        ("kid as a URL", signed_by_other(&header("https://evil.example/key", "RS256")), F::UnknownKey),
        ("kid is empty", signed_by_other(&header("", "RS256")), F::UnknownKey),
        ("kid is a number", good(&with(rs.clone(), "kid", json!(1)), &fine), F::Malformed),
        ("a long kid", good(&header(&"k".repeat(600), "RS256"), &fine), F::TooLong),
        ("crit", good(&with(rs.clone(), "crit", json!(["exp"])), &fine), F::Critical),
        ("b64", good(&with(rs.clone(), "b64", json!(false)), &fine), F::Critical),
        ("typ of another kind", good(&with(rs.clone(), "typ", json!("logout+jwt")), &fine), F::Type),
        ("typ dpop", good(&with(rs.clone(), "typ", json!("application/dpop+jwt")), &fine), F::Type),
        ("alg twice", twice_header, F::Malformed),
        ("aud twice", twice_payload, F::Malformed),
        ("another payload", format!("{head}.{edited}.{tail}"), F::Signature),
        ("a flipped bit", format!("{head_and_body}.{}", b64(&flipped)), F::Signature),
        ("a padded part", format!("{head}=.{body}.{tail}"), F::Malformed),
        ("another issuer", good(&rs, &with(payload(), "iss", json!("https://evil.example/"))), F::Issuer),
        (
            "an issuer but for its slash",
            good(&rs, &with(payload(), "iss", json!("https://login.example.com"))),
            F::Issuer,
        ),
        ("an issuer in a list", good(&rs, &with(payload(), "iss", json!([ISS]))), F::Issuer),
        ("no issuer", good(&rs, &without(payload(), "iss")), F::Issuer),
        ("another audience", good(&rs, &with(payload(), "aud", json!("somebody"))), F::Audience),
        ("other audiences", good(&rs, &with(payload(), "aud", json!(["a", "mountgate2"]))), F::Audience),
        ("an audience of other types", good(&rs, &with(payload(), "aud", json!(["mountgate", 1]))), F::Audience),
        ("no audience", good(&rs, &without(payload(), "aud")), F::Audience),
        ("no audience but an empty one", good(&rs, &with(payload(), "aud", json!([]))), F::Audience),
        ("expired", exp(json!(SECONDS - 31)), F::Expired),
        ("expired to the second", exp(json!(SECONDS - 30)), F::Expired),
        ("no exp", good(&rs, &without(payload(), "exp")), F::NoEnd),
        ("exp is text", exp(json!("9999999999")), F::Time),
        ("exp is null", exp(Value::Null), F::Time),
        ("exp is negative", exp(json!(-1)), F::Time),
        ("exp is past all time", exp(json!(i64::MAX)), F::Time),
        (
            "exp is past all numbers",
            token_of(
                &rs.to_string(),
                &payload().to_string().replace(&format!("\"exp\":{}", SECONDS + 600), "\"exp\":1e300"),
                |m| sign_rsa(&RSA, m),
            ),
            F::Time,
        ),
        (
            "it lives too long",
            good(&rs, &with(with(payload(), "exp", json!(SECONDS + 3600)), "iat", json!(SECONDS - 30))),
            F::Lifetime,
        ),
        (
            "it ends too far away",
            good(&rs, &with(without(payload(), "iat"), "exp", json!(SECONDS + 7200))),
            F::Lifetime,
        ),
        ("nbf to come", good(&rs, &with(payload(), "nbf", json!(SECONDS + 31))), F::NotYet),
        ("iat to come", good(&rs, &with(payload(), "iat", json!(SECONDS + 31))), F::NotYet),
        ("iat is text", good(&rs, &with(payload(), "iat", json!("now"))), F::Time),
        ("another client", good(&rs, &with(payload(), "azp", json!("client-9"))), F::NoAgent),
        ("an agent by its name here", good(&rs, &with(payload(), "azp", json!("bot"))), F::NoAgent),
        ("no client", good(&rs, &without(payload(), "azp")), F::NoAgent),
        ("a client in a list", good(&rs, &with(payload(), "azp", json!(["client-1"]))), F::NoAgent),
        ("a claim of another type", good(&rs, &with(payload(), "cust", json!("42"))), F::Claim),
        ("a claim with a fraction", good(&rs, &with(payload(), "cust", json!(42.5))), F::Claim),
        ("a claim that is null", good(&rs, &with(payload(), "cust", Value::Null)), F::Claim),
        ("a list for a claim", good(&rs, &with(payload(), "cust", json!([42]))), F::Claim),
        ("a claim past 64 bits", good(&rs, &with(payload(), "cust", json!(u64::MAX))), F::Claim),
        (
            "on behalf of a user, unasked",
            good(&rs, &with(payload(), "act", json!({ "sub": "client-1" }))),
            F::Delegated,
        ),
        ("another actor", good(&rs, &with(payload(), "act", json!({ "sub": "client-2" }))), F::Actor),
        ("bound to a key", good(&rs, &with(payload(), "cnf", json!({ "jkt": "x" }))), F::Bound),
        ("a payload that is a list", token_of(&rs.to_string(), "[]", |m| sign_rsa(&RSA, m)), F::Malformed),
        ("a payload that is no JSON", token_of(&rs.to_string(), "exp=1", |m| sign_rsa(&RSA, m)), F::Malformed),
        (
            "a payload with more after it",
            token_of(&rs.to_string(), &format!("{fine}{{}}"), |m| sign_rsa(&RSA, m)),
            F::Malformed,
        ),
        ("a long token", good(&rs, &with(payload(), "pad", json!("x".repeat(20_000)))), F::TooLong),
    ]
}

fn pss(payload: &Value) -> String {
    token_of(&header("r1", "PS256").to_string(), &payload.to_string(), |message| {
        let mut signature = vec![0; RSA.public_modulus_len()];
        RSA.sign(&RSA_PSS_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    })
}

#[test]
fn every_forgery_is_refused_and_all_are_told_the_same() {
    let world = World::new(rules());
    let told = |token: &str| {
        let error = world.identity.authenticate(token, NOW).unwrap_err();
        (error.refusal().code, error.refusal().message, error.refusal().hint)
    };
    let nobody = told("");
    assert_eq!(nobody.0, Code::Unauthenticated);
    for (what, token, fault) in forgeries() {
        assert_eq!(world.caller(&token).map(|caller| caller.agent), Err(Reason::Jwt(fault)), "{what}");
        assert_eq!(told(&token), nobody, "{what}");
        // And when it comes again.
        assert_eq!(world.caller(&token).map(|caller| caller.agent), Err(Reason::Jwt(fault)), "{what}, again");
    }
}

#[test]
fn what_costs_a_signature_is_only_what_everything_else_is_right_about() {
    let world = World::new(rules());
    for (what, token, fault) in forgeries() {
        let before = world.checked();
        let _ = world.caller(&token);
        let _ = world.caller(&token);
        let cost = world.checked() - before;
        // One that was refused for its signature is remembered.
        assert_eq!(cost, u64::from(fault == JwtFault::Signature), "{what}");
    }
}

#[test]
fn without_issuers_no_token_of_theirs_opens_anything() {
    let world = World::new(rules());
    let token = good(&header("r1", "RS256"), &payload());
    assert!(world.caller(&token).is_ok());
    world.identity.set_issuers(Issuers::default());
    world.refuses(&token, JwtFault::Issuer);
}

#[test]
fn each_algorithm_that_is_configured_is_taken_and_the_claims_are_typed() {
    let world = World::new(rules());
    let es = token_of(&header("e1", "ES256").to_string(), &payload().to_string(), |message| {
        EC.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    });
    let lists =
        with(with(payload(), "aud", json!(["x", "mountgate"])), "https://example.com/regions", json!(["n", "s"]));
    for (token, count) in [
        (good(&header("r1", "RS256"), &payload()), 1),
        (good(&without(header("r1", "RS256"), "typ"), &payload()), 1),
        (good(&with(header("r1", "RS256"), "typ", json!("application/at+JWT")), &payload()), 1),
        (es, 1),
        (ed(&payload()), 1),
        (ed(&lists), 2),
        (ed(&with(payload(), "exp", json!(SECONDS as f64 + 0.5))), 1),
        // Within the leeway.
        (ed(&with(payload(), "exp", json!(SECONDS - 29))), 1),
        (ed(&with(payload(), "nbf", json!(SECONDS + 29))), 1),
    ] {
        let caller = world.caller(&token).unwrap();
        assert_eq!(caller.agent.as_str(), "bot");
        assert_eq!(caller.claims["customer_id"], ClaimValue::Integer(42));
        assert_eq!(caller.claims.len(), count);
        assert_eq!(caller.user, None);
        assert!(matches!(caller.principal, Principal::Session(_)));
    }
}

#[test]
fn a_claim_that_is_missing_is_left_out_for_mounts_to_refuse() {
    let world = World::new(rules());
    assert!(world.caller(&ed(&without(payload(), "cust"))).unwrap().claims.is_empty());
}

#[test]
fn a_token_that_was_checked_ends_all_the_same() {
    let world = World::new(rules());
    let token = ed(&payload());
    let end = (SECONDS + 630) * 1000;
    assert_eq!(world.caller(&token).unwrap().until_ms, Some(end));
    assert!(world.at(&token, end - 1).is_ok());
    assert_eq!(world.at(&token, end).unwrap_err(), Reason::Jwt(JwtFault::Expired));
    // The clock may go back, too.
    assert_eq!(world.at(&token, NOW - 3_600_000).unwrap_err(), Reason::Jwt(JwtFault::NotYet));
    assert_eq!(world.checked(), 1);
}

#[test]
fn a_revoked_agent_is_refused_though_its_token_is_good() {
    let world = World::new(rules());
    let token = ed(&payload());
    assert!(world.caller(&token).is_ok());
    // By another process, as the command line does.
    again(&world.identity).revoke_agent("bot").unwrap();
    assert_eq!(world.caller(&token).unwrap_err(), Reason::AgentRevoked);
    // An agent that is mapped and was never added is nobody.
    let other = ed(&with(payload(), "azp", json!("client-2")));
    assert_eq!(world.caller(&other).unwrap_err(), Reason::Unknown);
}

#[test]
fn tokens_of_withdrawn_keys_open_nothing_though_they_were_checked() {
    let world = World::new(rules());
    let token = ed(&payload());
    assert!(world.caller(&token).is_ok());
    world.issuer.set_keys(KeySet::read(&set(&[rsa_jwk(&RSA, "r1")]), &ALL).unwrap());
    world.refuses(&token, JwtFault::UnknownKey);
    // And the other way round: what was refused for its key is good once that is published.
    world.issuer.set_keys(key_set());
    assert!(world.caller(&token).is_ok());
}

#[test]
fn an_unknown_key_is_told_and_only_for_tokens_that_are_right_otherwise() {
    let told = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&told);
    let unknown: UnknownKey = Arc::new(move || {
        seen.fetch_add(1, Ordering::Relaxed);
    });
    let issuer = Arc::new(Issuer::new(rules(), key_set(), Some(unknown)));
    let world = World::new(rules());
    world.identity.set_issuers(Issuers::new([issuer]).unwrap());
    world.refuses(&good(&header("new", "RS256"), &with(payload(), "aud", json!("x"))), JwtFault::Audience);
    world.refuses(&good(&header("new", "RS256"), &with(payload(), "exp", json!(1))), JwtFault::Expired);
    assert_eq!(told.load(Ordering::Relaxed), 0);
    world.refuses(&good(&header("new", "RS256"), &payload()), JwtFault::UnknownKey);
    assert_eq!(told.load(Ordering::Relaxed), 1);
}

#[test]
fn a_flood_of_forgeries_is_checked_so_often_and_no_more() {
    let world = World::new(rules());
    let before = ed(&payload());
    assert!(world.caller(&before).is_ok());
    let forged = |at: u32| {
        token_of(&header("d1", "EdDSA").to_string(), &with(payload(), "jti", json!(at)).to_string(), |_| vec![0; 64])
    };
    for at in 1..CHECKS {
        world.refuses(&forged(at), JwtFault::Signature);
    }
    let late = ed(&with(payload(), "cust", json!(43)));
    for token in [forged(CHECKS + 1), late.clone()] {
        let error = world.identity.authenticate(&token, NOW).unwrap_err();
        assert_eq!((error.refusal().code, error.refusal().retry_after), (Code::Overloaded, Some(1)));
    }
    // Whoever was let in before goes on, and the next second has its own.
    assert!(world.caller(&before).is_ok());
    assert!(world.at(&late, NOW + 1000).is_ok());
    assert_eq!(world.checked(), u64::from(CHECKS) + 1);
}

#[test]
fn tokens_that_say_the_same_are_one_session() {
    let world = World::new(rules());
    let session = |payload: &Value| world.caller(&ed(payload)).unwrap().session().unwrap().clone();
    let first = session(&payload());
    // Fetched anew: no budget is filled again by that.
    assert_eq!(session(&with(with(payload(), "jti", json!("n")), "exp", json!(SECONDS + 700))), first);
    assert!(first.as_str().starts_with("corp:"));
    for other in [with(payload(), "cust", json!(43)), with(payload(), "sub", json!("z")), without(payload(), "cust")] {
        assert_ne!(session(&other), first);
    }
}

#[test]
fn the_agents_own_claims_are_never_widened() {
    let own = claims(&[
        ("customer_id", ClaimValue::Integers(vec![42, 43])),
        ("regions", ClaimValue::Texts(vec!["n".into(), "e".into()])),
        ("tenant", ClaimValue::Text("acme".into())),
    ]);
    let world = World::new(rules());
    again(&world.identity).add_agent("other", &own).unwrap();
    let client = with(payload(), "azp", json!("client-2"));
    let caller = world.caller(&ed(&client)).unwrap();
    assert_eq!(caller.claims["customer_id"], ClaimValue::Integer(42));
    assert_eq!(caller.claims["regions"], own["regions"]);
    assert_eq!(caller.claims["tenant"], own["tenant"]);
    let regions = |list: Value| with(client.clone(), "https://example.com/regions", list);
    let caller = world.caller(&ed(&regions(json!(["s", "e"])))).unwrap();
    assert_eq!(caller.claims["regions"], ClaimValue::Texts(vec!["e".into()]));
    for contradiction in [with(client.clone(), "cust", json!(44)), regions(json!(["s"])), regions(json!([]))] {
        world.refuses(&ed(&contradiction), JwtFault::Contradiction);
    }
}

#[test]
fn on_behalf_of_a_user_both_are_named() {
    let user = Some(path("sub"));
    let world = World::new(IssuerRules { user, ..rules() });
    let delegated = with(with(payload(), "sub", json!("alice@example.com")), "act", json!({ "sub": "client-1" }));
    let caller = world.caller(&ed(&delegated)).unwrap();
    assert_eq!((caller.agent.as_str(), caller.user.as_ref().unwrap().as_str()), ("bot", "alice@example.com"));
    // By the issuer's mapping alone, likewise.
    let caller = world.caller(&ed(&without(delegated.clone(), "act"))).unwrap();
    assert_eq!(caller.user.unwrap().as_str(), "alice@example.com");
    for (payload, fault) in [
        (without(payload(), "sub"), JwtFault::NoUser),
        (with(payload(), "sub", json!("")), JwtFault::NoUser),
        (with(payload(), "sub", json!(7)), JwtFault::NoUser),
        (with(payload(), "sub", json!("a\nb")), JwtFault::NoUser),
        (with(payload(), "sub", json!("u".repeat(300))), JwtFault::NoUser),
        // The user's own token, in the hands of another actor.
        (with(delegated.clone(), "act", json!({ "sub": "client-2" })), JwtFault::Actor),
        (with(delegated.clone(), "act", json!({ "sub": "evil" })), JwtFault::Actor),
        (with(delegated.clone(), "act", json!({})), JwtFault::Actor),
        (with(delegated, "act", json!("client-1")), JwtFault::Actor),
    ] {
        world.refuses(&ed(&payload), fault);
    }
}

#[test]
fn key_sets_that_would_let_somebody_else_sign_are_refused() {
    let rsa = rsa_jwk(&RSA, "r1");
    for (what, keys) in [
        ("nothing", json!({})),
        ("no list", json!({ "keys": {} })),
        ("no key", json!({ "keys": [] })),
        ("a private key", json!({ "keys": [with(rsa.clone(), "d", json!("AQAB"))] })),
        ("a secret", json!({ "keys": [rsa.clone(), { "kty": "oct", "k": "AAAA" }] })),
        ("a kid twice", json!({ "keys": [rsa.clone(), rsa_jwk(&OTHER_RSA, "r1")] })),
        ("a key for encryption", json!({ "keys": [with(rsa.clone(), "use", json!("enc"))] })),
        ("a key for signing", json!({ "keys": [with(rsa.clone(), "key_ops", json!(["sign"]))] })),
        ("a key for another algorithm", json!({ "keys": [with(rsa.clone(), "alg", json!("PS256"))] })),
        ("a key for an HMAC", json!({ "keys": [with(rsa.clone(), "alg", json!("HS256"))] })),
        ("a small key", json!({ "keys": [with(rsa.clone(), "n", json!(b64([0xff; 128])))] })),
        ("a huge key", json!({ "keys": [with(rsa.clone(), "n", json!(b64([0xff; 2000])))] })),
        ("an exponent of one", json!({ "keys": [with(rsa.clone(), "e", json!(b64([1])))] })),
        ("an even exponent", json!({ "keys": [with(rsa.clone(), "e", json!(b64([2])))] })),
        ("a huge exponent", json!({ "keys": [with(rsa.clone(), "e", json!(b64([0xff; 64])))] })),
        ("a point off the curve", json!({ "keys": [with(ec_jwk("e"), "x", json!(b64([7; 32])))] })),
        ("another curve", json!({ "keys": [with(ec_jwk("e"), "crv", json!("P-384"))] })),
        ("a short point", json!({ "keys": [with(ed_jwk("e"), "x", json!(b64([7; 31])))] })),
        ("too many", json!({ "keys": vec![rsa; 101] })),
    ] {
        assert!(KeySet::read(keys.to_string().as_bytes(), &ALL).is_err(), "{what}");
    }
    let twice = String::from_utf8(set(&[ed_jwk("d1")])).unwrap().replacen('{', "{\"keys\":[],", 1);
    assert!(KeySet::read(twice.as_bytes(), &ALL).unwrap_err().contains("twice"));
    assert!(KeySet::read(&vec![b' '; 1 << 20], &ALL).is_err());
    // Keys of kinds to come, and for encryption, are nobody's fault beside one that can be used.
    let beside = [json!({ "kty": "XYZ" }), with(ec_jwk("e1"), "use", json!("enc")), ed_jwk("d1")];
    assert_eq!(KeySet::read(&set(&beside), &ALL).unwrap().len(), 1);
}

#[test]
fn a_token_without_kid_is_checked_where_one_key_fits() {
    let world = World::new(rules());
    let token = good(&without(header("r1", "RS256"), "kid"), &payload());
    assert!(world.caller(&token).is_ok());
    world.issuer.set_keys(KeySet::read(&set(&[rsa_jwk(&RSA, "r1"), rsa_jwk(&OTHER_RSA, "r2")]), &ALL).unwrap());
    world.refuses(&token, JwtFault::Ambiguous);
}

#[test]
fn two_issuers_cannot_be_one() {
    let issuer = || Arc::new(Issuer::new(rules(), key_set(), None));
    assert!(Issuers::new([issuer(), issuer()]).unwrap_err().contains("are both"));
}

proptest! {
    /// Whatever is sent, nothing panics, and nothing but the token itself is let in.
    #[test]
    fn anything_that_is_not_the_token_is_refused(
        at in 0_usize..2000, with in any::<u8>(), cut in 0_usize..2000, noise in "\\PC{0,40}", how in 0_u8..4,
    ) {
        thread_local!(static WORLD: World = World::new(rules()));
        WORLD.with(|world| {
            let token = ed(&payload());
            let mut bytes = token.clone().into_bytes();
            match how {
                0 => { let at = at % bytes.len(); bytes[at] = with; }
                1 => bytes.truncate(cut % bytes.len()),
                2 => { let at = at % bytes.len(); bytes.splice(at..at, noise.bytes()); }
                _ => bytes = format!("eyJ{}.{noise}.{}", b64(&noise), b64([with])).into_bytes(),
            }
            let sent = String::from_utf8_lossy(&bytes).into_owned();
            prop_assert_eq!(world.caller(&sent).is_ok(), sent == token);
            let _ = KeySet::read(noise.as_bytes(), &ALL);
            Ok(())
        })?;
    }
}

/// What a handshake has proved.
fn certificate(names: &[&str], der: &[u8]) -> Certificate {
    Certificate::new(names.iter().map(|name| SubjectName::parse(name).unwrap()), der)
}

#[test]
fn a_certificate_is_one_agents_and_a_token_beside_it_must_be_the_same_ones() {
    let world = World::new(rules());
    let key = again(&world.identity).add_agent("other", &Claims::new()).unwrap();
    let own = world.identity.rotate_agent("bot").unwrap();
    let minter = world.identity.add_minter("minter", &crate::identity::tests::grant()).unwrap();
    let operator = world.identity.add_operator("operator").unwrap();
    world.identity.set_clients(Clients::new(
        [
            ("spiffe://corp/bot", "bot"),
            ("bot.example.com", "bot"),
            ("spiffe://corp/other", "other"),
            ("spiffe://corp/gone", "gone"),
        ]
        .map(|(name, agent)| (SubjectName::parse(name).unwrap(), AgentName::from(agent)))
        .into(),
    ));
    let ask = |token: Option<&str>, certificate: &Certificate| {
        let shown = Shown { token, certificate: Some(certificate) };
        match world.identity.identify(shown, NOW) {
            Ok(Credential::Caller(caller)) => Ok(caller),
            Ok(other) => panic!("{other:?}"),
            Err(error) => {
                assert_eq!(error.refusal().code, Code::Unauthenticated);
                Err(error.reason().clone())
            }
        }
    };
    let bot = certificate(&["spiffe://corp/bot", "bot.example.com", "elsewhere.example.com"], b"der");
    for (what, shown, reason) in [
        ("no name", certificate(&[], b"der"), Reason::NoAgent),
        ("void", Certificate::void(), Reason::NoAgent),
        ("another name", certificate(&["spiffe://corp/bot2"], b"der"), Reason::NoAgent),
        ("another case", certificate(&["spiffe://corp/Bot"], b"der"), Reason::NoAgent),
        ("a pattern", Certificate::new([SubjectName::Dns("*.example.com".into())], b"der"), Reason::NoAgent),
        ("two agents", certificate(&["spiffe://corp/bot", "spiffe://corp/other"], b"der"), Reason::SeveralAgents),
        ("an agent that is not here", certificate(&["spiffe://corp/gone"], b"der"), Reason::Unknown),
    ] {
        assert_eq!(ask(None, &shown).unwrap_err(), reason, "{what}");
    }
    for token in ["", "Basic", "mga_nonsense", key.expose(), minter.expose(), operator.expose()] {
        assert!(ask(Some(token), &bot).is_err(), "{token}");
    }
    let other = ed(&with(payload(), "azp", json!("client-2")));
    assert_eq!(ask(Some(&other), &bot).unwrap_err(), Reason::OtherAgent);

    assert_eq!(ask(None, &bot).unwrap().agent.as_str(), "bot");
    assert_eq!(ask(None, &certificate(&["BOT.example.com"], b"der")).unwrap().agent.as_str(), "bot");
    assert_eq!(ask(Some(own.expose()), &bot).unwrap().agent.as_str(), "bot");
    assert!(ask(Some(&ed(&payload())), &bot).unwrap().session().is_some());

    // Bound to the certificate: with another, or without any, it is worth nothing.
    let digest = Sha256::digest(b"der");
    let bound = ed(&with(payload(), "cnf", json!({ "x5t#S256": b64(digest) })));
    world.refuses(&bound, JwtFault::Bound);
    let renewed = certificate(&["spiffe://corp/bot"], b"another");
    assert_eq!(ask(Some(&bound), &renewed).unwrap_err(), Reason::Jwt(JwtFault::Bound));
    assert!(ask(Some(&bound), &bot).is_ok());
    world.refuses(&bound, JwtFault::Bound);

    again(&world.identity).revoke_agent("bot").unwrap();
    assert_eq!(ask(None, &bot).unwrap_err(), Reason::AgentRevoked);
}
