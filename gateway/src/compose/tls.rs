//! TLS of the ports put together, from what the files hold now.

use std::sync::Arc;

use mountgate_core::Digest;
use mountgate_doors::{TlsFault, TlsFiles};
use mountgate_identity::Clients;
use mountgate_mediate::reload::Step;

use super::Faults;
use crate::config::{Config, TlsSection};

/// TLS of both ports; none of one that speaks plainly.
#[derive(Clone, Default)]
pub struct PortsTls {
    /// Of the port where agents ask.
    pub data: Option<Arc<TlsFiles>>,
    /// Of the port where operators ask.
    pub admin: Option<Arc<TlsFiles>>,
    /// Whose agent a client's certificate is.
    pub clients: Clients,
    /// Of the files, for telling whether they are others; of what is public in them, for the ledger.
    digests: [Option<(Digest, Digest)>; 2],
}

impl PortsTls {
    /// Whether one of the files is another, or the mapping is.
    pub(super) fn differs(&self, before: &Self) -> bool {
        self.digests != before.digests || self.clients != before.clients
    }

    /// The digest of each port's certificates.
    pub(super) fn certificates(&self) -> std::collections::BTreeMap<String, Digest> {
        let names = ["data", "admin"].into_iter().zip(&self.digests);
        names.filter_map(|(name, digest)| Some((name.to_owned(), digest.as_ref()?.1))).collect()
    }
}

/// Reads the files. What is as it was stays what it was.
pub(super) fn ports(config: &Config, kept: &PortsTls, faults: &mut Faults) -> PortsTls {
    let mut out = PortsTls::default();
    let main = &config.main;
    for (at, (key, section)) in [("tls", &main.tls), ("admin_tls", &main.admin_tls)].into_iter().enumerate() {
        let Some(section) = section else { continue };
        let before = [&kept.data, &kept.admin].get(at).and_then(|before| before.as_ref());
        match read(section, before.zip(kept.digests.get(at).and_then(Option::as_ref))) {
            Ok((files, digests)) => {
                if let Some(place) = out.digests.get_mut(at) {
                    *place = Some(digests);
                }
                if at == 0 { out.data = Some(files) } else { out.admin = Some(files) }
            }
            Err((part, why)) => {
                let place: Vec<String> = ["server", key, part].map(str::to_owned).into();
                faults.add(Step::Read, main.source.point(&place, None, &format!("`server.{key}.{part}`: {why}")));
            }
        }
    }
    if let Some(clients) = main.tls.as_ref().and_then(|tls| tls.clients.as_ref()) {
        out.clients = Clients::new(clients.agents.clone());
    }
    out
}

type Read = (Arc<TlsFiles>, (Digest, Digest));

fn read(
    section: &TlsSection,
    before: Option<(&Arc<TlsFiles>, &(Digest, Digest))>,
) -> Result<Read, (&'static str, String)> {
    let file = |part, path: &std::path::Path| {
        std::fs::read(path).map_err(|error| (part, format!("`{}` cannot be read: {error}", path.display())))
    };
    let certificate = file("certificate", &section.certificate)?;
    let key = section.key.load().map_err(|why| ("key", why))?;
    let ca = section.clients.as_ref().map(|clients| file("client_ca", &clients.ca)).transpose()?;
    let demand = section.clients.as_ref().is_some_and(|clients| clients.demand);
    // Lengths first, so that no bytes can stand for two.
    let mut all = format!("{} {} {demand} {}\n", certificate.len(), key.len(), ca.is_some()).into_bytes();
    for part in [&certificate, key.as_bytes(), ca.as_deref().unwrap_or_default()] {
        all.extend_from_slice(part);
    }
    let digest = Digest::of(&all);
    zeroize::Zeroize::zeroize(&mut all);
    let digests = (digest, Digest::of(&certificate));
    if let Some((files, _)) = before.filter(|(_, before)| before.0 == digest) {
        return Ok((Arc::clone(files), digests));
    }
    let files = TlsFiles::read(&certificate, key.as_bytes(), ca.as_deref(), demand).map_err(|fault| match fault {
        TlsFault::Certificate(why) => ("certificate", why),
        TlsFault::Key(why) => ("key", why),
        TlsFault::ClientCa(why) => ("client_ca", why),
    })?;
    Ok((Arc::new(files), digests))
}
