//! `[server.tls]` and `[server.admin_tls]`: TLS of the two ports.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use mountgate_core::AgentName;
use mountgate_identity::SubjectName;

use super::{
    agent_name,
    main_file::path,
    reader::Table,
    secret::{Secret, secret},
};

/// TLS of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSection {
    /// The chain of certificates, the port's own first, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: Secret,
    /// Certificates of clients; the data port's alone.
    pub clients: Option<ClientSection>,
}

/// Certificates of clients: whose are believed, and whose agent each is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSection {
    /// The authorities, in PEM.
    pub ca: PathBuf,
    /// Whether a client must show one.
    pub demand: bool,
    /// Which name in one is which agent.
    pub agents: BTreeMap<SubjectName, AgentName>,
}

/// Lowers the section of a port; `clients` where agents ask there. What is wrong is noted.
pub(super) fn tls(table: &Table<'_>, folder: &Path, clients: bool) -> Option<TlsSection> {
    let certificate =
        table.require("certificate", "certificate = \"tls/certificate.pem\"").and_then(|value| path(&value, folder));
    let key = table.require("key", "key = { file = \"tls/key.pem\" }").and_then(|value| secret(&value, folder));
    let section = if clients { client(table, folder)? } else { None };
    Some(TlsSection { certificate: certificate?, key: key?, clients: section })
}

/// The three keys of clients' certificates; `None` where they are wrong, which is told then.
#[expect(clippy::option_option, reason = "wrong, not there, there")]
fn client(table: &Table<'_>, folder: &Path) -> Option<Option<ClientSection>> {
    let ca = table.get("client_ca");
    let demand = table.get("client_required");
    let agents = table.get("clients");
    let Some(ca) = ca else {
        for value in [demand, agents].into_iter().flatten() {
            value.reject_key(format!(
                "`{}` needs the authority of clients' certificates beside it: write `client_ca = \"tls/agents-ca.pem\"`",
                value.name()
            ));
        }
        return Some(None);
    };
    let demand = demand.map_or(Some(false), |value| value.boolean());
    let ca = path(&ca, folder);
    let example = "clients = { \"spiffe://example.com/support-bot\" = \"support-bot\" }";
    let named = table.require("clients", example).and_then(|value| value.table())?;
    let mut out = BTreeMap::new();
    for entry in named.entries() {
        let agent = entry.parsed(agent_name);
        match SubjectName::parse(&entry.key) {
            Ok(name) => drop(agent.map(|agent| out.insert(name, AgentName::new(agent)))),
            Err(why) => entry.reject_key(why),
        }
    }
    if named.is_empty() {
        named.reject(format!("`clients` is empty, so that no certificate is anybody's: write `{example}`"));
    }
    Some(Some(ClientSection { ca: ca?, demand: demand?, agents: out }))
}
