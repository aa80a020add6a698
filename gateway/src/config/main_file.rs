//! `mountgate.toml`.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use mountgate_core::{BackendName, PolicyName, Rate};
use mountgate_ledger::Durability;

use super::{
    approvals::{self, ApprovalsSection, WebhookConfig},
    backend::{BackendConfig, backend, unsound},
    mount::policy_name,
    name,
    reader::{Table, Value},
    reload::{self, ReloadSection},
    secret::{Secret, secret},
    source::Source,
    trust::{TrustSection, trust},
    units,
};

/// The main file.
#[derive(Clone, Debug, PartialEq)]
pub struct MainFile {
    /// `[server]`
    pub server: ServerSection,
    /// `[keys] master`: where the master key is; made in the state folder where the file is silent.
    pub master: Option<Secret>,
    /// `[gate]`
    pub gate: Gate,
    /// `[quarantine]`: after how many refusals a session is set apart by itself; none: never.
    pub quarantine: Option<Rate>,
    /// `[ledger]`
    pub ledger: LedgerSection,
    /// `[log]`
    pub log: LogSection,
    /// `[reload]`
    pub reload: ReloadSection,
    /// `[approvals]`
    pub approvals: ApprovalsSection,
    /// `[webhooks.NAME]`
    pub webhooks: BTreeMap<String, WebhookConfig>,
    /// `[backends.NAME]`
    pub backends: BTreeMap<BackendName, BackendConfig>,
    /// `[plugins."publisher/name"]`
    pub plugins: BTreeMap<PolicyName, PluginConfig>,
    /// `[trust]`: where signed plugins come from.
    pub trust: Option<TrustSection>,
    /// The file.
    pub source: Arc<Source>,
}

/// `[server]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSection {
    /// Where agents ask.
    pub data: SocketAddr,
    /// Where operators ask.
    pub admin: SocketAddr,
    /// The folder of what the gateway keeps: keys, identities, the ledger.
    pub state: PathBuf,
    /// The largest request body, in bytes.
    pub max_body: usize,
    /// The largest request head, in bytes.
    pub max_header: usize,
    /// Connections at once, on each port.
    pub max_connections: usize,
    /// How long a client may take over a request's head.
    pub header_timeout: Duration,
    /// How long a client may take over a request's body.
    pub body_timeout: Duration,
    /// How long a connection may stay open between requests.
    pub idle_timeout: Duration,
    /// How long a client may take no byte of an answer.
    pub write_timeout: Duration,
    /// How long requests under way may take to end when the gateway stops.
    pub shutdown: Duration,
    /// Names beyond the data port's own address under which `/mcp` is reached.
    pub hosts: Vec<String>,
    /// Origins of pages that may use `/mcp`.
    pub origins: Vec<String>,
    /// Names beyond the admin port's own address under which it is reached.
    pub admin_hosts: Vec<String>,
    /// Origins of pages that may use the admin port.
    pub admin_origins: Vec<String>,
}

/// `[gate]`: before anything is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The rate of each caller.
    pub requests: Rate,
}

/// `[ledger]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerSection {
    /// The folder.
    pub dir: PathBuf,
    /// What a decision is safe from before the first byte of its answer leaves.
    pub durability: Durability,
    /// Bytes after which a segment is closed.
    pub rotate: u64,
    /// Bytes of all segments together, above which the oldest are dropped.
    pub max_size: u64,
    /// Whether statements' texts are kept.
    pub statements: bool,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSection {
    /// How it is written.
    pub format: LogFormat,
    /// A filter as `tracing-subscriber` reads it: `info`, or `info,mountgate_sql=debug`.
    pub level: String,
}

/// `[plugins."publisher/name"]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginConfig {
    /// The component.
    pub path: PathBuf,
    /// The folder of its cases, which must hold before it comes into force.
    pub cases: Option<PathBuf>,
}

impl MainFile {
    pub(super) fn warn(&self, warnings: &mut Vec<String>) {
        for (port, address) in [("data", self.server.data), ("admin", self.server.admin)] {
            if !address.ip().is_loopback() {
                warnings.push(format!(
                    "the {port} port listens on {address}, beyond this machine, without TLS: put a proxy that ends TLS before it"
                ));
            }
        }
        for (name, backend) in &self.backends {
            for extra in &backend.extras {
                warnings.push(format!(
                    "backend `{name}`: agents may {} `{}`, which is on no list of this gateway's: what it reads, changes and costs is yours to know",
                    match extra.kind() {
                        "type" => "cast to",
                        "operator" => "use",
                        _function => "call",
                    },
                    extra.shown()
                ));
            }
        }
        for name in self.plugins.keys() {
            warnings.push(format!("plugin `{name}` runs unsigned (`allow_unsigned_plugins`): for development only"));
        }
    }
}

/// Lowers the main file. What is wrong is noted; a sound value stands in its place.
pub(super) fn lower(source: &Arc<Source>, root: &Table<'_>, folder: &Path) -> MainFile {
    let server = server(root.get("server").and_then(|value| value.table()).as_ref(), folder);
    let master = root.get("keys").and_then(|value| value.table()).and_then(|keys| {
        let master = keys.require("master", "master = { env = \"MOUNTGATE_MASTER_KEY\" }")?;
        secret(&master, folder)
    });
    let quarantine = root
        .get("quarantine")
        .and_then(|value| value.table())
        .and_then(|table| table.require("refusals", "refusals = \"20/minute\"")?.parsed(units::rate));
    let gate = root
        .get("gate")
        .and_then(|value| value.table())
        .and_then(|gate| gate.require("requests", "requests = \"6000/minute\"")?.parsed(units::rate))
        .unwrap_or(Rate { amount: 6_000, window_ms: 60_000 });
    let ledger = ledger(root.get("ledger").and_then(|value| value.table()).as_ref(), folder, &server.state);
    let log = log(root.get("log").and_then(|value| value.table()).as_ref());
    let mut backends = BTreeMap::new();
    if let Some(all) = root.require("backends", "[backends.shop]").and_then(|value| value.table()) {
        for entry in all.entries() {
            match name(&entry.key) {
                Ok(name) => {
                    if let Some(backend) = entry.table().and_then(|table| backend(&table, folder)) {
                        backends.insert(BackendName::new(name), backend);
                    } else {
                        // Named, if not soundly: mounts that refer to it are not wrong as well.
                        backends.entry(BackendName::new(name)).or_insert_with(unsound);
                    }
                }
                Err(why) => entry.reject_key(why),
            }
        }
    }
    let unsigned = root
        .get("plugins_development")
        .and_then(|value| value.table())
        .and_then(|table| table.require("allow_unsigned_plugins", "allow_unsigned_plugins = true")?.boolean())
        .unwrap_or(false);
    let mut plugins = BTreeMap::new();
    for entry in root.get("plugins").and_then(|value| value.table()).map(|table| table.entries()).unwrap_or_default() {
        if let Some((name, plugin)) = plugin(&entry, unsigned, folder) {
            plugins.insert(name, plugin);
        }
    }
    MainFile {
        server,
        master,
        gate: Gate { requests: gate },
        quarantine,
        ledger,
        log,
        reload: reload::lower(root.get("reload").and_then(|value| value.table()).as_ref()),
        approvals: approvals::section(root.get("approvals").and_then(|value| value.table()).as_ref()),
        webhooks: approvals::webhooks(root.get("webhooks").and_then(|value| value.table()).as_ref(), folder),
        backends,
        plugins,
        trust: root.get("trust").and_then(|value| value.table()).and_then(|table| trust(&table, folder)),
        source: Arc::clone(source),
    }
}

fn server(table: Option<&Table<'_>>, folder: &Path) -> ServerSection {
    let get = |key| table.and_then(|table| table.get(key));
    let address = |key, default: u16| {
        get(key)
            .and_then(|value| {
                value.parsed(|text| {
                    text.parse::<SocketAddr>()
                        .map_err(|_| format!("`{text}` is no address: write one like `127.0.0.1:{default}`"))
                })
            })
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], default)))
    };
    let size = |key, default: usize| {
        get(key)
            .and_then(|value| value.parsed(units::size))
            .and_then(|size| usize::try_from(size).ok())
            .unwrap_or(default)
    };
    let span =
        |key, default| get(key).and_then(|value| value.parsed(units::duration)).unwrap_or(Duration::from_secs(default));
    let words = |key, sound: fn(&str) -> Result<(), String>| {
        let Some(value) = get(key) else { return vec![] };
        let all = value.strings().unwrap_or_default();
        all.into_iter()
            .filter(|(text, span)| sound(text).map_err(|why| value.reject_at(span, why)).is_ok())
            .map(|(text, _)| text.to_owned())
            .collect()
    };
    let (data, admin) = (address("data", 7411), address("admin", 7412));
    if let Some(value) = get("admin").filter(|_| data == admin && admin.port() != 0) {
        value.reject("`data` and `admin` are the same address: give each its own port");
    }
    ServerSection {
        data,
        admin,
        state: get("state").and_then(|value| path(&value, folder)).unwrap_or_else(|| folder.join("state")),
        max_body: size("max_body", 1 << 20),
        max_header: header_size(get("max_header")),
        max_connections: get("max_connections")
            .and_then(|value| value.integer(1, 1_000_000))
            .and_then(|most| usize::try_from(most).ok())
            .unwrap_or(1024),
        header_timeout: span("header_timeout", 10),
        body_timeout: span("body_timeout", 30),
        idle_timeout: span("idle_timeout", 75),
        write_timeout: span("write_timeout", 30),
        shutdown: span("shutdown", 10),
        hosts: words("hosts", host),
        origins: words("origins", origin),
        admin_hosts: words("admin_hosts", host),
        admin_origins: words("admin_origins", origin),
    }
}

/// The server reads heads in no less than 8 KiB: a smaller limit would not hold.
fn header_size(value: Option<Value<'_>>) -> usize {
    const LEAST: u64 = 8 << 10;
    let size = value.and_then(|value| {
        value.parsed(|text| match units::size(text)? {
            size if size < LEAST => {
                Err(format!("`{text}` is less than a head can be limited to: write `8KiB` or more"))
            }
            size => Ok(size),
        })
    });
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(32 << 10)
}

/// A host as browsers and clients send it: `gateway.example.com`, or with a port.
fn host(text: &str) -> Result<(), String> {
    let sound = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(c));
    sound.then_some(()).ok_or_else(|| format!("`{text}` is no host: write one like `gateway.example.com`"))
}

/// An origin as browsers send it.
fn origin(text: &str) -> Result<(), String> {
    let name = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    name.filter(|name| host(name).is_ok())
        .map(drop)
        .ok_or_else(|| format!("`{text}` is no origin: write one like `https://console.example.com`"))
}

fn ledger(table: Option<&Table<'_>>, folder: &Path, state: &Path) -> LedgerSection {
    let get = |key| table.and_then(|table| table.get(key));
    let rotate = get("rotate").and_then(|value| value.parsed(units::size)).unwrap_or(64 << 20);
    let bound = get("max_size");
    let max_size = bound.as_ref().and_then(|value| value.parsed(units::size)).unwrap_or((1 << 30).max(rotate * 2));
    if max_size < rotate.saturating_mul(2)
        && let Some(value) = &bound
    {
        value.reject("`max_size` should be at least twice `rotate`: a whole segment is kept while the next is written");
    }
    LedgerSection {
        dir: get("dir").and_then(|value| path(&value, folder)).unwrap_or_else(|| state.join("ledger")),
        durability: get("durability")
            .and_then(|value| value.choice(&[("process", Durability::Process), ("disk", Durability::Disk)]))
            .unwrap_or_default(),
        rotate,
        max_size,
        statements: get("statements").and_then(|value| value.boolean()).unwrap_or(false),
    }
}

fn log(table: Option<&Table<'_>>) -> LogSection {
    let get = |key| table.and_then(|table| table.get(key));
    LogSection {
        format: get("format")
            .and_then(|value| value.choice(&[("human", LogFormat::Human), ("json", LogFormat::Json)]))
            .unwrap_or_default(),
        level: get("level")
            .and_then(|value| {
                value.parsed(|text| match text.parse::<tracing_subscriber::EnvFilter>() {
                    Ok(_) if !text.is_empty() => Ok(text.to_owned()),
                    _ => Err(format!("`{text}` is no level: write `error`, `warn`, `info`, `debug` or `trace`")),
                })
            })
            .unwrap_or_else(|| "info".to_owned()),
    }
}

pub(super) fn path(value: &Value<'_>, folder: &Path) -> Option<PathBuf> {
    let text = value.string()?;
    if text.is_empty() {
        value.reject(format!("`{}` is an empty path", value.name()));
        return None;
    }
    Some(folder.join(text))
}

fn plugin(entry: &Value<'_>, unsigned: bool, folder: &Path) -> Option<(PolicyName, PluginConfig)> {
    let name = match policy_name(&entry.key) {
        Ok(name) if entry.key.contains('/') => name,
        Ok(_) => {
            entry.reject_key(format!(
                "a plugin has a publisher: write `[plugins.\"acme/{}\"]` (names without one are bundled policies)",
                entry.key
            ));
            return None;
        }
        Err(why) => {
            entry.reject_key(why);
            return None;
        }
    };
    if !unsigned {
        entry.reject_key(format!(
            "plugin `{name}` is a file, which nobody signed: publish it to the repository that `[trust]` names, or, to run it unsigned while you develop it, write `allow_unsigned_plugins = true` under `[plugins_development]`"
        ));
    }
    let table = entry.table()?;
    let path = table.require("path", "path = \"plugins/support.wasm\"").and_then(|value| path(&value, folder));
    // Named, if not soundly: mounts that refer to it are not wrong as well.
    let cases = table.get("cases").and_then(|value| self::path(&value, folder));
    Some((name, PluginConfig { path: path.unwrap_or_default(), cases }))
}
