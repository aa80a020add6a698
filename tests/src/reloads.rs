//! A gateway whose configuration changes while it is asked: generations that tell themselves apart in every answer, and
//! changes that must not come into force.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request,
    client::conn::http1::SendRequest,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST},
};
use mountgate::{config::Config, state::State};
use serde_json::Value as Json;

use crate::{gateway::SHOP, load};

/// What every client asks.
pub const ASKED: &str = "SELECT * FROM customers";

/// The ways in which a generation can be: columns, masks, rows and who decides, each another.
pub const VARIANTS: [Variant; 4] = [
    Variant {
        policy: "policy = \"ceiling\"",
        table: "columns = [\"customer_id\", \"name\"]\nmasks = { name = { fixed = \"A\" } }\nfilter = \"region = 'north'\"",
        answer: r#"{"columns":["customer_id","name"],"rows":[[1,"A"],[3,"A"]]}"#,
    },
    Variant {
        policy: "policy = \"tiers\"\nsettings = { tiers = [], otherwise = \"ceiling\" }",
        table: "columns = [\"customer_id\", \"name\", \"region\"]\nmasks = { name = { fixed = \"B\" } }\nfilter = \"region = 'south'\"",
        answer: r#"{"columns":["customer_id","name","region"],"rows":[[2,"B","south"]]}"#,
    },
    Variant {
        policy: "policy = \"test/puppet\"\nsettings = { verdict = \"allow\", grant = { customers = { columns = { customer_id = [], region = [{ fixed = \"C\" }] }, filter = \"customer_id = 1\" } } }",
        table: "columns = [\"customer_id\", \"name\", \"region\"]",
        answer: r#"{"columns":["customer_id","region"],"rows":[[1,"C"]]}"#,
    },
    Variant {
        policy: "policy = \"test/puppet\"\nsettings = { verdict = \"allow\", grant = { customers = { columns = { name = [{ fixed = \"D\" }] }, filter = \"customer_id = 2\" } } }",
        table: "columns = [\"customer_id\", \"name\", \"region\"]",
        answer: r#"{"columns":["name"],"rows":[["D"]]}"#,
    },
];

/// One way.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    policy: &'static str,
    table: &'static str,
    answer: &'static str,
}

impl Variant {
    fn mount(&self) -> String {
        format!(
            "name = \"test\"\nbackend = \"shop\"\nagents = [\"desk\"]\n{}\n\n[limits]\nrequests = \"10_000_000/minute\"\nconcurrency = 1000\n\n[tables.customers]\n{}\n",
            self.policy, self.table
        )
    }
}

/// Which variant an answer is of, if it is whole and of one.
///
/// # Errors
/// Where it is no whole answer, or of none.
pub fn variant_of(body: &[u8]) -> anyhow::Result<usize> {
    let answer: Json = serde_json::from_slice(body)?;
    ensure!(answer.get("complete") == Some(&true.into()), "not whole: {answer}");
    let columns = answer.get("columns").and_then(Json::as_array).context("no columns")?;
    let names: Vec<&Json> = columns.iter().filter_map(|column| column.get("name")).collect();
    let seen = serde_json::json!({ "columns": names, "rows": answer.get("rows") });
    VARIANTS
        .iter()
        .position(|variant| serde_json::from_str::<Json>(variant.answer).is_ok_and(|wanted| wanted == seen))
        .with_context(|| format!("a mixture: {seen}"))
}

/// What is done to the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Another variant.
    To(usize),
    /// The main file is no TOML.
    BadToml,
    /// The mount has a key that there is none of.
    UnknownKey,
    /// A component that breaks off.
    BrokenComponent,
    /// A component that wants the network.
    WrongImport,
    /// A component whose cases fail.
    FailingCase,
    /// A column that the store has not.
    NoSuchColumn,
}

impl Change {
    /// The step at which it must fail; none for one that is sound.
    pub fn fails_at(self) -> Option<&'static str> {
        match self {
            Self::To(_) => None,
            Self::BadToml | Self::UnknownKey => Some("read"),
            Self::BrokenComponent | Self::WrongImport => Some("admit"),
            Self::FailingCase => Some("self_test"),
            Self::NoSuchColumn => Some("fit"),
        }
    }
}

/// The folder, and who may ask.
pub struct World {
    folder: tempfile::TempDir,
    /// An agent's token.
    pub agent: String,
    /// An operator's token.
    pub operator: String,
}

impl World {
    /// A folder with the first variant in it. `socket` is a component that imports the network.
    ///
    /// # Errors
    /// Where it can't be made.
    pub fn new(socket: &[u8]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        rusqlite::Connection::open(at("shop.db"))?.execute_batch(SHOP)?;
        fs::create_dir(at("mounts"))?;
        fs::create_dir(at("cases"))?;
        fs::write(at("cases/own.toml"), CASE)?;
        let puppet = fs::read(Path::new(crate::root()).join("puppet/puppet.wasm"))?;
        fs::write(at("puppet.wasm"), &puppet)?;
        fs::write(at("broken.wasm"), puppet.get(..puppet.len() / 2).unwrap_or_default())?;
        fs::write(at("socket.wasm"), socket)?;
        let mut world = Self { folder, agent: String::new(), operator: String::new() };
        world.change(Change::To(0))?;
        let config = Config::load(&world.config()).map_err(|problems| anyhow::anyhow!("{problems}"))?;
        let identity = State::open(&config.main)?.identity()?;
        world.agent = identity.add_agent("desk", &BTreeMap::new())?.expose().to_owned();
        world.operator = identity.add_operator("ada")?.expose().to_owned();
        Ok(world)
    }

    /// The main file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("mountgate.toml")
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Changes the files.
    ///
    /// # Errors
    /// Where they can't be written.
    pub fn change(&self, change: Change) -> anyhow::Result<()> {
        let [first, ..] = VARIANTS;
        let sound = |component: &str| {
            format!(
                "[server]\ndata = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\n[gate]\nrequests = \"10_000_000/second\"\n\n\
                 [ledger]\nmax_size = \"8GiB\"\n\n[reload]\nwatch = false\n\n[backends.shop]\nkind = \"sqlite\"\npath = \"shop.db\"\n\n\
                 [plugins.\"test/puppet\"]\npath = \"{component}.wasm\"\n\n\
                 [plugins_development]\nallow_unsigned_plugins = true\n"
            )
        };
        let (main, mount) = match change {
            Change::To(at) => (sound("puppet"), VARIANTS.get(at).context("no such variant")?.mount()),
            Change::BadToml => ("[backends\n".to_owned(), first.mount()),
            Change::UnknownKey => (sound("puppet"), format!("polcy = 1\n{}", first.mount())),
            Change::BrokenComponent => (sound("broken"), first.mount()),
            Change::WrongImport => (sound("socket"), first.mount()),
            Change::FailingCase => {
                let plain = sound("puppet");
                (plain.replace("[plugins_development]", "cases = \"cases\"\n\n[plugins_development]"), first.mount())
            }
            Change::NoSuchColumn => (sound("puppet"), first.mount().replace("\"name\"]", "\"nmae\"]")),
        };
        fs::write(self.config(), main)?;
        fs::write(self.folder().join("mounts/test.toml"), mount)?;
        Ok(())
    }
}

/// A case that the puppet fails: it says what its settings tell it to, and they tell it to allow.
const CASE: &str = r#"
[settings]
verdict = "allow"

[mount]
name = "test"
[mount.tables.customers]
columns = ["customer_id"]
types   = { customer_id = "integer" }

[request]
agent = "desk"
touch.customers = ["customer_id"]

[expect]
verdict = "deny"
"#;

/// What came of a request.
#[derive(Debug)]
pub struct Got {
    /// The status.
    pub status: u16,
    /// The decision's id.
    pub decision: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// Posts JSON on an open connection.
///
/// # Errors
/// Where the connection breaks.
pub async fn post(
    sender: &mut SendRequest<Full<Bytes>>,
    address: SocketAddr,
    path: &str,
    token: &str,
    body: &Json,
) -> anyhow::Result<Got> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(HOST, address.to_string())
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json")
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .body(Full::new(Bytes::from(body.to_string())))?;
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let decision = response.headers().get("x-mountgate-decision").and_then(|id| id.to_str().ok()).map(str::to_owned);
    Ok(Got { status, decision, body: response.into_body().collect().await?.to_bytes() })
}

/// Has the gateway reload, and gives status and answer.
///
/// # Errors
/// Where it does not answer.
pub async fn reload(admin: SocketAddr, operator: &str) -> anyhow::Result<(u16, Json)> {
    let mut sender = load::connect(admin).await?;
    let got = post(&mut sender, admin, "/v1/admin/reload", operator, &Json::Null).await?;
    Ok((got.status, serde_json::from_slice(&got.body)?))
}
