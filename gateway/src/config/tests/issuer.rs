use mountgate_identity::{Algorithm, ClaimType};

use super::*;

const ISSUER: &str = r#"
[issuers.corp]
issuer = "https://login.example.com/"
audience = "mountgate"
jwks = { file = "corp.jwks.json" }
algorithms = ["RS256", "ES256"]
agent = { claim = "azp", map = { "client-id" = "support-bot" } }
claims = { customer_id = { claim = "cust", type = "integer" } }
"#;

fn with(more: &str) -> Result<Config, Problems> {
    load(&format!("{MAIN}{more}"), &[("support", MOUNT)])
}

#[test]
fn an_issuer_lowers_to_what_it_says() {
    let config = with(ISSUER).unwrap_or_else(|problems| panic!("{problems}"));
    let issuer = &config.main.issuers["corp"];
    assert_eq!(issuer.keys, KeysFrom::File("/conf/corp.jwks.json".into()));
    let rules = &issuer.rules;
    assert_eq!(rules.algorithms, [Algorithm::Rs256, Algorithm::Es256]);
    assert_eq!(rules.agents["client-id"].as_str(), "support-bot");
    assert_eq!(rules.claims["customer_id"].ty, ClaimType::Integer);
    assert_eq!((rules.leeway_ms, rules.max_lifetime_ms, rules.user.is_some()), (30_000, 86_400_000, false));

    let all = ISSUER.replace("claim = \"azp\"", "claim = [\"act\", \"sub\"]")
        + "user = { claim = \"sub\" }\ntypes = [\"AT+JWT\"]\nleeway = \"5s\"\nmax_lifetime = \"1h\"\n";
    let config = with(&all).unwrap_or_else(|problems| panic!("{problems}"));
    let rules = &config.main.issuers["corp"].rules;
    assert_eq!((rules.leeway_ms, rules.max_lifetime_ms, rules.user.is_some()), (5_000, 3_600_000, true));
    assert_eq!(rules.types, ["at+jwt".to_owned()].into());
}

#[test]
fn keys_under_a_url_lower_with_their_authority() {
    let url = "url = \"https://login.example.com/jwks\", ca = \"corp-ca.pem\", refresh = \"1m\"";
    let config =
        with(&ISSUER.replace("file = \"corp.jwks.json\"", url)).unwrap_or_else(|problems| panic!("{problems}"));
    let KeysFrom::Url { address, ca, refresh } = &config.main.issuers["corp"].keys else { panic!("a file") };
    assert!(address.is_tls());
    assert_eq!((ca.as_deref(), *refresh), (Some("/conf/corp-ca.pem".as_ref()), Duration::from_secs(60)));
}

#[test]
fn every_mistake_in_an_issuer_is_told_with_its_place() {
    let cases = [
        ("issuer =", "isuer ="),
        ("issuer = \"https://login.example.com/\"\n", ""),
        ("audience = \"mountgate\"", "audience = \"\""),
        ("audience = \"mountgate\"", "audience = [\"mountgate\"]"),
        ("audience = \"mountgate\"\n", ""),
        ("jwks = { file = \"corp.jwks.json\" }", "jwks = \"corp.jwks.json\""),
        ("jwks = { file = \"corp.jwks.json\" }", "jwks = {}"),
        ("file = \"corp.jwks.json\"", "url = \"http://login.example.com/jwks\""),
        ("file = \"corp.jwks.json\"", "url = \"https://u:p@login.example.com/jwks\""),
        ("file = \"corp.jwks.json\"", "url = \"https://login.example.com/jwks\", file = \"corp.jwks.json\""),
        ("file = \"corp.jwks.json\"", "url = \"https://login.example.com/jwks\", refresh = \"1s\""),
        ("file = \"corp.jwks.json\"", "url = \"https://login.example.com/jwks\", refresh = \"30d\", cache = 1"),
        ("file = \"corp.jwks.json\"", "file = \"corp.jwks.json\", refresh = \"5m\""),
        ("[\"RS256\", \"ES256\"]", "[\"none\"]"),
        ("[\"RS256\", \"ES256\"]", "[\"RS256\", \"HS256\"]"),
        ("[\"RS256\", \"ES256\"]", "[\"rs256\"]"),
        ("[\"RS256\", \"ES256\"]", "[]"),
        ("[\"RS256\", \"ES256\"]", "\"RS256\""),
        ("algorithms = [\"RS256\", \"ES256\"]\n", ""),
        ("agent = {", "agents = {"),
        ("claim = \"azp\", ", ""),
        ("claim = \"azp\"", "claim = []"),
        ("claim = \"azp\"", "claim = \"\""),
        ("map = { \"client-id\" = \"support-bot\" }", "map = {}"),
        ("map = { \"client-id\" = \"support-bot\" }", "map = { \"client-id\" = \"Support Bot\" }"),
        ("map = { \"client-id\" = \"support-bot\" }", "mapp = { \"client-id\" = \"support-bot\" }"),
        ("customer_id = {", "\"Customer-Id\" = {"),
        ("type = \"integer\"", "type = \"int\""),
        (", type = \"integer\"", ""),
        ("claim = \"cust\"", "clam = \"cust\""),
        ("[issuers.corp]", "[issuers.\"the corp\"]"),
        ("[issuers.corp]", "[issuers.corp]\nleeway = \"1h\""),
        ("[issuers.corp]", "[issuers.corp]\nmax_lifetime = \"365d\"\nsecret = \"x\""),
        ("[issuers.corp]", "[issuers.corp]\ntypes = []\nuser = \"sub\""),
    ];
    let mut out = mistakes(ISSUER, &cases, with);
    told(&mut out, "one issuer twice", with(&format!("{ISSUER}{}", ISSUER.replace("corp]", "again]"))));
    insta::assert_snapshot!(out);
}

#[test]
fn users_have_mounts_that_are_there() {
    let user = "\n[users.\"alice@example.com\"]\nmounts = [\"support\"]\n";
    let config = with(user).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(config.main.users.unwrap()["alice@example.com"].contains("support"));
    assert!(with("").unwrap_or_else(|problems| panic!("{problems}")).main.users.is_none());
    let told = |from: &str, to: &str| with(&user.replace(from, to)).unwrap_err().to_string();
    assert!(told("\"support\"", "\"suport\"").contains("there is no mount `suport`; did you mean `support`?"));
    assert!(told("mounts", "mount").contains("unknown key `mount`"));
    assert!(told("mounts = [\"support\"]", "").contains("`mounts` is missing"));
}
