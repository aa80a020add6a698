//! The demo's folder: configuration that anyone may read and edit, keys, and `demo.json` for programs.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::Write as _,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use mountgate_core::ClaimValue;
use mountgate_identity::{ClaimRule, ClaimType, Identity, MinterGrant};

use super::{DemoBackend, store::Shop};
use crate::config::{MAIN_FILE, MOUNTS_FOLDER};

/// The store's password, where it has one.
pub(super) const PASSWORD: &str = "shop.password";
/// Marks a folder as a demo's, which may be emptied; locked while its demo runs.
const MARK: &str = ".mountgate-demo";
const DESCRIPTION: &str = "demo.json";

/// How long the tour's sessions last.
pub(super) const SESSION: u64 = 8 * 3600;

const MOUNTS: [(&str, &str); 4] = [
    ("support.toml", include_str!("files/support.toml")),
    ("reporting.toml", include_str!("files/reporting.toml")),
    ("backoffice.toml", include_str!("files/backoffice.toml")),
    ("trial.toml", include_str!("files/trial.toml")),
];

/// Each agent with its mount.
pub(super) const AGENTS: [(&str, &str); 5] = [
    ("support-bot", "support"),
    ("reporting-bot", "reporting"),
    ("senior-bot", "backoffice"),
    ("junior-bot", "backoffice"),
    ("trial-bot", "trial"),
];

/// The tokens of the demo. They are for a shop that holds nobody's data, and so may be shown.
#[derive(Clone)]
pub(super) struct Tokens {
    /// By agent.
    pub(super) agents: BTreeMap<&'static str, String>,
    pub(super) minter: String,
    pub(super) operator: String,
}

/// A session of the demo.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) token: String,
    pub(super) agent: &'static str,
    pub(super) claims: serde_json::Value,
}

/// The folder, for as long as this value lives.
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Takes the folder and empties it of an earlier demo.
    ///
    /// # Errors
    /// Where it holds something else, or another demo runs in it.
    pub(super) fn take(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("can't make `{}`", path.display()))?;
        let path = fs::canonicalize(path)?;
        let mark = path.join(MARK);
        if !mark.exists() && fs::read_dir(&path)?.next().is_some() {
            bail!("`{}` is not empty and no demo's: choose another folder with `--dir`", path.display());
        }
        let lock = OpenOptions::new().create(true).append(true).open(&mark)?;
        if lock.try_lock().is_err() {
            bail!("another demo runs in `{}`: stop it, or choose another folder with `--dir`", path.display());
        }
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            if entry.file_name() == MARK {
                continue;
            }
            // What a link leads to is not the demo's.
            let is_folder = entry.file_type()?.is_dir();
            let gone = if is_folder { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
            gone.with_context(|| format!("can't remove `{}`", entry.path().display()))?;
        }
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn main_file(&self) -> PathBuf {
        self.path.join(MAIN_FILE)
    }

    /// Sends the gateway's log to a file, out of the tour's way.
    pub(super) fn log_to_file(&self) -> anyhow::Result<()> {
        let file = self.create("gateway.log", false)?;
        // Taken already where a test runs several demos in one process.
        let _ = tracing_subscriber::fmt().with_ansi(false).with_writer(std::sync::Mutex::new(file)).try_init();
        Ok(())
    }

    /// A password for the store's role, kept in a file.
    pub(super) fn new_password(&self) -> anyhow::Result<String> {
        let mut bytes = [0; 24];
        getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system's randomness failed: {error}"))?;
        let password = data_encoding::HEXLOWER.encode(&bytes);
        self.create(PASSWORD, true)?.write_all(password.as_bytes())?;
        Ok(password)
    }

    pub(super) fn write_configuration(&self, shop: &Shop, data: u16, admin: u16) -> anyhow::Result<()> {
        let port = |port: u16, usual: u16| if port == 0 { usual } else { port };
        let main = include_str!("files/mountgate.toml")
            .replace("7411", &port(data, 7411).to_string())
            .replace("7412", &port(admin, 7412).to_string())
            .replace("# [backends.shop]\n", &shop.section(&self.path));
        self.create(MAIN_FILE, false)?.write_all(main.as_bytes())?;
        fs::create_dir(self.path.join(MOUNTS_FOLDER))?;
        for (name, text) in MOUNTS {
            self.create(&format!("{MOUNTS_FOLDER}/{name}"), false)?.write_all(text.as_bytes())?;
        }
        Ok(())
    }

    /// Adds the demo's agents, the minter that the help desk's software would hold, and an operator.
    pub(super) fn add_agents(&self, identity: &Identity) -> anyhow::Result<Tokens> {
        let text = |text: &str| ClaimValue::Text(text.to_owned());
        let mut agents = BTreeMap::new();
        for (agent, _) in AGENTS {
            let claims = match agent {
                "senior-bot" => [("role".into(), text("senior"))].into(),
                "junior-bot" => [("role".into(), text("junior")), ("region".into(), text("north"))].into(),
                _ => BTreeMap::new(),
            };
            agents.insert(agent, identity.add_agent(agent, &claims)?.expose().to_owned());
        }
        let grant = MinterGrant {
            agents: vec!["support-bot".into(), "trial-bot".into()],
            claims: [("customer_id".into(), ClaimRule::of(ClaimType::Integer))].into(),
            max_ttl_ms: i64::try_from(SESSION)? * 1_000,
        };
        let minter = identity.add_minter("helpdesk", &grant)?.expose().to_owned();
        let operator = identity.add_operator("demo")?.expose().to_owned();
        Ok(Tokens { agents, minter, operator })
    }

    /// Writes `demo.json`, whole or not at all.
    pub(super) fn describe(
        &self,
        data: SocketAddr,
        admin: SocketAddr,
        backend: DemoBackend,
        tokens: &Tokens,
        sessions: &BTreeMap<&'static str, Session>,
    ) -> anyhow::Result<()> {
        let agents: serde_json::Map<String, serde_json::Value> = AGENTS
            .iter()
            .filter_map(|(agent, mount)| {
                let token = tokens.agents.get(agent)?;
                Some(((*agent).to_owned(), serde_json::json!({ "token": token, "mount": mount })))
            })
            .collect();
        let sessions: serde_json::Map<String, serde_json::Value> = sessions
            .iter()
            .map(|(name, Session { token, agent, claims })| {
                ((*name).to_owned(), serde_json::json!({ "token": token, "agent": agent, "claims": claims }))
            })
            .collect();
        let description = serde_json::json!({
            "data_url": format!("http://{data}"),
            "admin_url": format!("http://{admin}"),
            "admin_token": tokens.operator,
            "backend": match backend { DemoBackend::Sqlite => "sqlite", DemoBackend::Postgres => "postgres" },
            "config": self.main_file(),
            "agents": agents,
            "sessions": sessions,
        });
        let draft = "demo.json.new";
        let mut file = self.create(draft, true)?;
        serde_json::to_writer_pretty(&mut file, &description)?;
        file.write_all(b"\n")?;
        fs::rename(self.path.join(draft), self.path.join(DESCRIPTION))?;
        Ok(())
    }

    fn create(&self, name: &str, secret: bool) -> anyhow::Result<File> {
        let path = self.path.join(name);
        let mode = if secret { 0o600 } else { 0o644 };
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&path);
        file.with_context(|| format!("can't write `{}`", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_demos_configuration_loads() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::take(&dir.path().join("demo")).unwrap();
        folder.write_configuration(&Shop::Sqlite(folder.path().join("shop.db")), 0, 1).unwrap();
        let config = Config::load(&folder.main_file()).unwrap();
        assert_eq!(config.main.server.admin.port(), 1);
        for (agent, mount) in AGENTS {
            let mount = config.mounts.get(&mountgate_core::MountName::from(mount)).unwrap();
            assert!(mount.agents.contains(&agent.into()), "{agent}");
        }
        assert_eq!(config.warnings, Vec::<String>::new());
    }

    #[test]
    fn a_folder_of_somebody_elses_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), "…").unwrap();
        assert!(Folder::take(dir.path()).is_err());
        assert!(dir.path().join("thesis.tex").exists());
    }

    #[test]
    fn an_earlier_demo_gives_way_and_a_running_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::take(dir.path()).unwrap();
        fs::write(dir.path().join("shop.db"), "…").unwrap();
        assert!(Folder::take(dir.path()).is_err());
        assert!(dir.path().join("shop.db").exists());
        drop(folder);
        Folder::take(dir.path()).unwrap();
        assert!(!dir.path().join("shop.db").exists());
    }
}
