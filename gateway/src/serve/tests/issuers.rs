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

/// An issuer's HTTP server: says what it is told to say, and counts.
struct Publisher {
    address: std::net::SocketAddr,
    says: Arc<Mutex<String>>,
    asked: Arc<std::sync::atomic::AtomicUsize>,
    serving: tokio::task::JoinHandle<()>,
}

impl Publisher {
    async fn start(says: String) -> Self {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (says, asked) = (Arc::new(Mutex::new(says)), Arc::new(std::sync::atomic::AtomicUsize::new(0)));
        let (told, counted) = (Arc::clone(&says), Arc::clone(&asked));
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let answer = told.lock().clone();
                let mut head = [0; 2048];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { address, says, asked, serving }
    }

    fn say(&self, answer: String) {
        *self.says.lock() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(std::sync::atomic::Ordering::SeqCst)
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_under_a_url_are_followed_and_the_last_good_ones_stay() {
    let shop = Shop::new();
    let (first, second, evil) = (Key::new("k1"), Key::new("k2"), Key::new("k3"));
    let publisher = Publisher::start(ok(&Key::set(&[&first]))).await;
    let elsewhere = Publisher::start(ok(&Key::set(&[&evil]))).await;
    shop.main(&section(&format!("{{ url = \"http://{}/jwks\" }}", publisher.address)));
    running(start(&shop).await, async |gateway, _| {
        gateway.identity().add_agent("support-bot", &Default::default()).unwrap();
        let ask = async |token: &str| rows(&gateway, token, ORDERS).await.map(|rows| rows.len());
        let token = first.token("client-1", json!(1), 600);
        assert_eq!(ask(&token).await, Ok(2));

        // A flood of tokens with keys that nobody knows: the issuer is asked now and then.
        let (before, since) = (publisher.asked(), std::time::Instant::now());
        for _ in 0..300 {
            assert_eq!(ask(&evil.token("client-1", json!(1), 600)).await, Err(Code::Unauthenticated));
        }
        let most = 2 + usize::try_from(since.elapsed().as_millis() / 300).unwrap();
        assert!(publisher.asked() - before <= most, "{} requests", publisher.asked() - before);
        assert_eq!(ask(&token).await, Ok(2));

        // Rotated: the first token with the new key has it fetched, and the old key is worth nothing.
        publisher.say(ok(&Key::set(&[&second])));
        let renewed = second.token("client-1", json!(2), 600);
        let mut taken = false;
        for _ in 0..100 {
            taken = ask(&renewed).await == Ok(1);
            if taken {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(taken, "the next key did not come");
        assert_eq!(ask(&token).await, Err(Code::Unauthenticated));

        // It fails, leads elsewhere, or publishes what no issuer should: what was good last stays, with an alarm.
        let redirect =
            format!("HTTP/1.1 302 Found\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n", elsewhere.address);
        let private = Key::set(&[&evil]).replacen("\"kid\"", "\"d\":\"AA\",\"kid\"", 1);
        for (answer, why) in [
            ("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n".to_owned(), "answers 500"),
            (redirect, "redirects"),
            (ok(&private), "private"),
            (ok("{\"keys\":[]}"), "no key"),
        ] {
            publisher.say(answer);
            assert_eq!(ask(&evil.token("client-1", json!(1), 600)).await, Err(Code::Unauthenticated));
            let told = || gateway.health().warnings.iter().any(|told| told.contains("`corp`") && told.contains(why));
            eventually(why, told).await;
            assert_eq!(gateway.health().status, "degraded");
            assert_eq!(ask(&renewed).await, Ok(1));
        }
        publisher.say(ok(&Key::set(&[&second])));
        eventually("the end of the alarm", || {
            gateway.health().status != "degraded"
                || !gateway.health().warnings.iter().any(|told| told.contains("`corp`"))
        })
        .await;
        assert_eq!(ask(&evil.token("client-1", json!(1), 600)).await, Err(Code::Unauthenticated));
        assert_eq!(elsewhere.asked(), 0, "it was led elsewhere");
    })
    .await;
    let admin = Selection { kind: Some("admin".into()), ..Selection::default() };
    let records = export(&shop.path().join("state/ledger"), admin).unwrap();
    let taken = records.filter(|entry| entry.as_ref().unwrap().record().unwrap()["act"] == "issuer.keys").count();
    assert!(taken >= 1, "keys that came into force are not on record");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_cannot_be_asked_keeps_nobody_else_out() {
    let shop = Shop::new();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    shop.main(&section(&format!("{{ url = \"http://{nobody}/jwks\" }}")));
    running(start(&shop).await, async |gateway, _| {
        let own = session(&gateway, 1);
        assert_eq!(rows(&gateway, &own, ORDERS).await.unwrap().len(), 2);
        let token = Key::new("k1").token("client-1", json!(1), 600);
        assert_eq!(rows(&gateway, &token, ORDERS).await, Err(Code::Unauthenticated));
        let told = || gateway.health().warnings.iter().any(|told| told.contains("its tokens open nothing"));
        eventually("the alarm", told).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_behalf_of_a_user_a_mount_must_be_both_ones() {
    let shop = Shop::new();
    let key = Key::new("k1");
    std::fs::write(shop.path().join("corp.jwks.json"), Key::set(&[&key])).unwrap();
    let with = |users: &str| {
        shop.main(&format!("{}user = {{ claim = \"sub\" }}\n{users}", section("{ file = \"corp.jwks.json\" }")));
    };
    with("[users.bob]\nmounts = [\"support\"]\n[users.alice]\nmounts = []\n");
    running(start(&shop).await, async |gateway, reload| {
        let own = session(&gateway, 1);
        let token = key.token("client-1", json!(1), 600);
        let seen = |token: &str| gateway.mounts(&gateway.enter(Some(token), Door::Http).unwrap()).unwrap().len();
        // Alice may use no mount, whatever the agent may by itself.
        assert_eq!(rows(&gateway, &token, ORDERS).await, Err(Code::MountNotFound));
        assert_eq!((seen(&token), seen(&own)), (0, 1));
        assert_eq!(rows(&gateway, &own, ORDERS).await.unwrap().len(), 2);
        for (generation, users, opens) in
            [(2, "[users.bob]\nmounts = [\"support\"]\n", false), (3, "[users.alice]\nmounts = [\"support\"]\n", true)]
        {
            with(users);
            reload.send(()).await.unwrap();
            eventually("the users", || gateway.generation().number() >= generation).await;
            assert_eq!(rows(&gateway, &token, ORDERS).await.is_ok(), opens, "{users}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_and_user_are_both_on_record() {
    let shop = Shop::new();
    let key = Key::new("k1");
    std::fs::write(shop.path().join("corp.jwks.json"), Key::set(&[&key])).unwrap();
    shop.main(&(section("{ file = \"corp.jwks.json\" }") + "user = { claim = \"sub\" }\n"));
    running(start(&shop).await, async |gateway, _| {
        gateway.identity().add_agent("support-bot", &Default::default()).unwrap();
        let token = key.token("client-1", json!(1), 600);
        assert_eq!(rows(&gateway, &token, ORDERS).await.unwrap().len(), 2);
        assert_eq!(rows(&gateway, &token, "SELECT secret FROM customers").await, Err(Code::NotInScope));
    })
    .await;
    let folder = shop.path().join("state/ledger");
    for kind in ["decision", "refusal"] {
        let all = Selection { kind: Some(kind.into()), ..Selection::default() };
        let record = export(&folder, all).unwrap().next().unwrap().unwrap().record().unwrap();
        assert_eq!(record["user"], "alice", "{record}");
        let agent = record.get("agent").unwrap_or(&record["request"]["agent"]);
        assert_eq!(agent, "support-bot", "{record}");
    }
}
