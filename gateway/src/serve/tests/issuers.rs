//! Tokens of an issuer, at a gateway that serves: refused first, and then let in for as long as they are good.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use data_encoding::BASE64URL_NOPAD;
use serde_json::json;

use super::*;

pub(super) const ISS: &str = "https://login.example.com/";

/// An issuer's key.
pub(super) struct Key {
    pair: Ed25519KeyPair,
    kid: &'static str,
}

impl Key {
    pub(super) fn new(kid: &'static str) -> Self {
        Self { pair: Ed25519KeyPair::generate().unwrap(), kid }
    }

    /// The set with these keys, as the issuer publishes it.
    pub(super) fn set(keys: &[&Self]) -> String {
        let keys: Vec<_> = keys
            .iter()
            .map(|key| {
                let x = BASE64URL_NOPAD.encode(key.pair.public_key().as_ref());
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": key.kid, "x": x })
            })
            .collect();
        json!({ "keys": keys }).to_string()
    }

    /// A token of that client, for that customer, that ends after so many seconds.
    pub(super) fn token(&self, client: &str, customer: serde_json::Value, seconds: i64) -> String {
        let now = now_ms() / 1000;
        self.sign(&json!({
            "iss": ISS, "aud": "mountgate", "azp": client, "sub": "alice", "cust": customer, "iat": now - 1,
            "exp": now + seconds,
        }))
    }

    pub(super) fn sign(&self, payload: &serde_json::Value) -> String {
        let header = json!({ "alg": "EdDSA", "kid": self.kid, "typ": "JWT" }).to_string();
        let signed = [header, payload.to_string()].map(|part| BASE64URL_NOPAD.encode(part.as_bytes())).join(".");
        let signature = BASE64URL_NOPAD.encode(self.pair.sign(signed.as_bytes()).as_ref());
        format!("{signed}.{signature}")
    }
}

/// The section, with its keys from there.
pub(super) fn section(keys: &str) -> String {
    format!(
        "\n[issuers.corp]\nissuer = \"{ISS}\"\naudience = \"mountgate\"\njwks = {keys}\nalgorithms = [\"EdDSA\"]\n\
         agent = {{ claim = \"azp\", map = {{ \"client-1\" = \"support-bot\", \"client-2\" = \"sales-bot\" }} }}\n\
         claims = {{ customer_id = {{ claim = \"cust\", type = \"integer\" }} }}\nleeway = \"1s\"\n"
    )
}

const ORDERS: &str = "SELECT order_id FROM orders ORDER BY order_id";

#[tokio::test(flavor = "multi_thread")]
async fn an_issuers_token_asks_as_its_agent_within_its_claims() {
    let shop = Shop::new();
    let (key, next) = (Key::new("k1"), Key::new("k2"));
    let file = shop.path().join("corp.jwks.json");
    std::fs::write(&file, Key::set(&[&key])).unwrap();
    shop.main(&section("{ file = \"corp.jwks.json\" }"));
    running(start(&shop).await, async |gateway, reload| {
        let ask = async |token: &str| rows(&gateway, token, ORDERS).await.map(|rows| rows.len());
        let good = key.token("client-1", json!(1), 600);
        // The agent is not there yet.
        assert_eq!(ask(&good).await, Err(Code::Unauthenticated));
        gateway.identity().add_agent("support-bot", &Default::default()).unwrap();
        gateway.identity().add_agent("sales-bot", &Default::default()).unwrap();
        for (what, token) in [
            ("expired", key.token("client-1", json!(1), -2)),
            ("another key", Key::new("k1").token("client-1", json!(1), 600)),
            ("another client", key.token("client-3", json!(1), 600)),
            ("a text for a number", key.token("client-1", json!("1"), 600)),
        ] {
            assert_eq!(ask(&token).await, Err(Code::Unauthenticated), "{what}");
        }
        // The mount needs the claim, and does not serve the other agent.
        let without = key.token("client-1", json!(1), 600);
        let missing = key.sign(&json!({
            "iss": ISS, "aud": "mountgate", "azp": "client-1", "exp": now_ms() / 1000 + 60,
        }));
        assert_eq!(ask(&missing).await, Err(Code::ClaimMissing));
        assert_eq!(ask(&key.token("client-2", json!(1), 600)).await, Err(Code::MountNotFound));

        assert_eq!(ask(&good).await, Ok(2));
        assert_eq!(ask(&without).await, Ok(2));
        assert_eq!(ask(&key.token("client-1", json!(2), 600)).await, Ok(1));

        // The key is withdrawn: what was checked with it is worth nothing.
        let later = next.token("client-1", json!(2), 600);
        assert_eq!(ask(&later).await, Err(Code::Unauthenticated));
        std::fs::write(&file, Key::set(&[&next])).unwrap();
        reload.send(()).await.unwrap();
        eventually("the next key", || gateway.generation().number() >= 2).await;
        assert_eq!(ask(&later).await, Ok(1));
        assert_eq!(ask(&good).await, Err(Code::Unauthenticated));

        // A set that publishes a private key stays out, and the last good one stays in.
        std::fs::write(&file, Key::set(&[&next]).replacen("\"kid\"", "\"d\":\"AA\",\"kid\"", 1)).unwrap();
        reload.send(()).await.unwrap();
        eventually("the refusal", || gateway.full_health().reload.failed.is_some()).await;
        assert!(gateway.full_health().reload.failed.unwrap().message.contains("private"));
        assert_eq!(ask(&later).await, Ok(1));

        gateway.identity().revoke_agent("support-bot").unwrap();
        assert_eq!(ask(&later).await, Err(Code::Unauthenticated));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_set_that_is_not_there_keeps_the_gateway_from_starting() {
    let shop = Shop::new();
    shop.main(&section("{ file = \"corp.jwks.json\" }"));
    let error = Server::start(&shop.config_path(), Overrides::default()).await.err().expect("no keys");
    assert!(format!("{error:#}").contains("issuer `corp`: the key set"), "{error:#}");
}
