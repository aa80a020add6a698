use mountgate_identity::SubjectName;

use super::*;

const TLS: &str = r#"
[server.tls]
certificate = "tls/port.pem"
key = { file = "tls/port.key" }
client_ca = "tls/agents.pem"
clients = { "spiffe://corp/support" = "support-bot", "Bot.example.com" = "support-bot" }
"#;

fn with(more: &str) -> Result<Config, Problems> {
    load(&format!("{MAIN}{more}"), &[("support", MOUNT)])
}

#[test]
fn tls_lowers_to_what_it_says() {
    let config = with(TLS).unwrap_or_else(|problems| panic!("{problems}"));
    let tls = config.main.tls.unwrap();
    assert_eq!(tls.certificate, PathBuf::from("/conf/tls/port.pem"));
    assert_eq!(tls.key, Secret::File("/conf/tls/port.key".into()));
    let clients = tls.clients.unwrap();
    assert_eq!((clients.ca, clients.demand), (PathBuf::from("/conf/tls/agents.pem"), false));
    assert_eq!(clients.agents[&SubjectName::Dns("bot.example.com".into())].as_str(), "support-bot");
    assert_eq!(clients.agents[&SubjectName::Uri("spiffe://corp/support".into())].as_str(), "support-bot");
    assert!(config.main.admin_tls.is_none());
}

#[test]
fn every_mistake_in_tls_is_told_with_its_place() {
    let cases = [
        ("[server.tls]", "[server.tsl]"),
        ("certificate = \"tls/port.pem\"\n", ""),
        ("certificate =", "cert ="),
        ("key = { file = \"tls/port.key\" }", "key = \"tls/port.key\""),
        ("key = { file = \"tls/port.key\" }\n", ""),
        ("client_ca = \"tls/agents.pem\"\n", ""),
        ("client_ca = \"tls/agents.pem\"", "client_ca = \"\""),
        ("client_ca = \"tls/agents.pem\"", "client_ca = \"tls/agents.pem\"\nclient_required = \"yes\""),
        ("clients =", "client ="),
        (
            "clients = { \"spiffe://corp/support\" = \"support-bot\", \"Bot.example.com\" = \"support-bot\" }",
            "clients = {}",
        ),
        ("\"spiffe://corp/support\" =", "\"*.example.com\" ="),
        ("\"spiffe://corp/support\" = \"support-bot\"", "\"spiffe://corp/support\" = \"Support Bot\""),
        ("[server.tls]", "[server.admin_tls]"),
    ];
    insta::assert_snapshot!(mistakes(TLS, &cases, with));
}
