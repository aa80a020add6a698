//! Each mistake tells file, line, column and the next step; what is right lowers to what it says.

use std::{fmt::Write as _, time::Duration};

use mountgate_core::{AgentName, LimitKey, Mask, Rate, Value};

use super::*;

const MAIN: &str = r#"
[server]
data = "127.0.0.1:7411"

[backends.shop]
kind = "sqlite"
path = "shop.db"

[plugins."acme/support"]
path = "plugins/support.wasm"

[plugins_development]
allow_unsigned_plugins = true
"#;

const MOUNT: &str = r#"
name    = "support"
backend = "shop"
agents  = ["support-bot"]
policy  = "ceiling"

[tables.orders]
columns = ["order_id", "customer_id", "status"]
masks   = { status = "hash" }
filter  = "customer_id = claim.customer_id"

[limits]
requests = "60/minute"
"#;

/// The mount file of the design, word for word.
const DESIGN: &str = r#"name    = "support"
backend = "shop"
agents  = ["support-bot"]
policy  = "ceiling"                    # or "tiers", or a plugin: "acme/support"
expires = 2027-03-31
hours   = "Mon-Fri 07:00-19:00 Europe/Berlin"

[tables.orders]
columns = ["order_id", "customer_id", "status", "created_at"]
filter  = "customer_id = claim.customer_id"

[tables.customers]
columns = ["customer_id", "name", "email"]
masks   = { email = { partial = { first = 1, last = 4 } } }
filter  = "customer_id = claim.customer_id"

[tables.tickets]
columns = ["ticket_id", "customer_id", "body", "state"]
filter  = "customer_id = claim.customer_id"
lend    = ["region"]                   # policies may filter by it; agents don't see it
require = ["ticket_id"]                # look-ups by key only
write   = { update = ["state"], approval = "required", max_rows = 1 }

[limits]
requests = "60/minute"
rows     = "10_000/hour"
max_rows = 500
timeout  = "5s"

[agent.support-bot-beta]               # per-agent policy on the same mount
policy   = "acme/support"
settings = { tier = "beta" }
"#;

fn load(main: &str, mounts: &[(&str, &str)]) -> Result<Config, Problems> {
    let source =
        |shown: &str, text: &str| Source { path: shown.into(), shown: shown.to_owned(), text: text.to_owned() };
    let mounts = mounts.iter().map(|(name, text)| source(&format!("mounts/{name}.toml"), text)).collect();
    Config::lower(PathBuf::from("/conf"), source(MAIN_FILE, main), mounts, vec![])
}

fn told(out: &mut String, title: &str, result: Result<Config, Problems>) {
    let problems = result.map(|_| ()).expect_err(title);
    writeln!(out, "## {title}\n{problems}\n").unwrap();
}

/// Each case replaces one stretch of a sound file; it must be there, so that no case goes stale.
fn mistakes(base: &str, cases: &[(&str, &str)], load: impl Fn(&str) -> Result<Config, Problems>) -> String {
    let mut out = String::new();
    for (from, to) in cases {
        assert!(base.contains(from), "`{from}` is not in the base");
        told(&mut out, to, load(&base.replacen(from, to, 1)));
    }
    out
}

#[test]
fn sound_files_load() {
    let config = load(MAIN, &[("support", MOUNT)]).unwrap_or_else(|problems| panic!("{problems}"));
    let mount = &config.mounts["support"];
    assert_eq!(mount.backend.as_str(), "shop");
    assert_eq!(mount.tables["orders"].columns.len(), 3);
    assert_eq!(mount.tables["orders"].masks["status"], Mask::Hash);
    assert!(mount.tables["orders"].filter.is_some());
    assert_eq!(mount.limits.requests, [Rate { amount: 60, window_ms: 60_000 }]);
    assert_eq!(mount.per, LimitKey::Agent);
    assert_eq!(config.main.server.state, PathBuf::from("/conf/state"));
    assert_eq!(config.main.ledger.dir, PathBuf::from("/conf/state/ledger"));
    assert_eq!(
        config.main.backends["shop"].store,
        StoreSection::Sqlite(SqliteSection { path: "/conf/shop.db".into(), threads: None })
    );
    assert_eq!(
        config.warnings,
        ["plugin `acme/support` runs unsigned (`allow_unsigned_plugins`): for development only"]
    );
}

#[test]
fn functions_that_are_added_are_warned_of() {
    let allow = "kind = \"sqlite\"\nallow = { functions = [{ name = \"zeroblob\", returns = \"bytes\", arguments = 1, leakproof = false }] }";
    let config = load(&MAIN.replace("kind = \"sqlite\"", allow), &[("support", MOUNT)]);
    let config = config.unwrap_or_else(|problems| panic!("{problems}"));
    let extras = &config.main.backends["shop"].extras;
    assert_eq!(extras.len(), 1);
    assert!(extras[0].name() == "zeroblob" && extras[0].takes(1) && !extras[0].takes(2));
    assert!(
        config.warnings.iter().any(|warning| warning.contains("agents may call `zeroblob`")),
        "{:?}",
        config.warnings
    );
}

#[test]
fn operators_and_types_that_are_added_are_warned_of() {
    let allow = "kind = \"postgres\"\nurl = \"postgres://gate@localhost/shop?sslmode=disable\"\n\
        allow = { operators = [{ schema = \"public\", symbol = \"<->\" }], types = [{ schema = \"public\", name = \"citext\", is = \"text\" }] }";
    let main = MAIN.replace("kind = \"sqlite\"\npath = \"shop.db\"", allow);
    let config = load(&main, &[("support", MOUNT)]).unwrap_or_else(|problems| panic!("{problems}"));
    let kinds: Vec<_> = config.main.backends["shop"].extras.iter().map(|extra| extra.kind()).collect();
    assert_eq!(kinds, ["operator", "type"]);
    for warning in ["agents may use `public.<->`", "agents may cast to `public.citext`"] {
        assert!(config.warnings.iter().any(|told| told.contains(warning)), "{:?}", config.warnings);
    }
    let lite = "kind = \"sqlite\"\nallow = { operators = [{ symbol = \"<->\" }] }";
    let problems = load(&MAIN.replace("kind = \"sqlite\"", lite), &[("support", MOUNT)]).unwrap_err();
    assert!(problems.to_string().contains("none can be added"), "{problems}");
}

#[test]
fn what_a_mount_lets_be_written_is_closed_by_default() {
    let of = |write: &str| {
        let line = "write   = { update = [\"state\"], approval = \"required\", max_rows = 1 }";
        load(MAIN, &[("support", &DESIGN.replace(line, &format!("write = {{ {write} }}")))])
    };
    let config = of("update = [\"state\"]").unwrap_or_else(|problems| panic!("{problems}"));
    let write = config.mounts["support"].tables["tickets"].write.clone().unwrap();
    assert_eq!((write.approval, write.max_rows), (mountgate_core::Approval::Required, 1));
    let over = of("delete = true, max_rows = 10, approval = \"over 5 rows\"").unwrap();
    let write = over.mounts["support"].tables["tickets"].write.clone().unwrap();
    assert_eq!(write.approval, mountgate_core::Approval::OverRows(5));
    for (write, told) in [
        ("max_rows = 1", "nothing may be written"),
        ("delete = false", "nothing may be written"),
        ("insert = []", "no column is named"),
        ("insert = [\"*\"]", "named one by one"),
        ("update = [\"state\"], max_rows = 0", "from 1 to 1000"),
        ("update = [\"state\"], approval = \"never\"", "none of `required`, `none` and `over 5 rows`"),
        ("update = [\"state\"], approval = \"over 1 rows\"", "never needed or always"),
        ("update = [\"state\"], aproval = \"none\"", "did you mean `approval`?"),
    ] {
        let problems = of(write).expect_err(write).to_string();
        assert!(problems.contains(told), "{write}: {problems}");
    }
}

#[test]
fn the_designs_mount_loads_as_it_stands() {
    let config = load(MAIN, &[("support", DESIGN)]).unwrap_or_else(|problems| panic!("{problems}"));
    let mount = &config.mounts["support"];
    let agents: Vec<&str> = mount.agents.iter().map(AgentName::as_str).collect();
    assert_eq!(agents, ["support-bot", "support-bot-beta"]);
    assert_eq!(mount.tables["tickets"].lend, ["region".into()]);
    assert_eq!(mount.tables["tickets"].require, ["ticket_id".into()]);
    let write = mountgate_core::WriteDeclaration {
        update: vec!["state".into()],
        max_rows: 1,
        ..mountgate_core::WriteDeclaration::default()
    };
    assert_eq!(mount.tables["tickets"].write, Some(write));
    let beta = &mount.per_agent["support-bot-beta"];
    assert_eq!(beta.name.as_str(), "acme/support");
    assert_eq!(beta.settings, serde_json::json!({"tier": "beta"}));
    assert_eq!(mount.tables["customers"].masks["email"], Mask::Partial { first: 1, last: 4, fill: "*".into() });
    assert_eq!(mount.limits.max_rows, Some(500));
    assert_eq!(mount.limits.timeout_ms, Some(5_000));
    // Through the end of the day in Berlin, where the clocks were put forward three days before: 22:00 UTC.
    assert_eq!(
        mount.expires.as_ref().unwrap().end_ms,
        "2027-03-31T22:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond()
    );
    assert!(config.ended(mount.expires.as_ref().unwrap().end_ms - 1).is_empty());
    assert_eq!(config.ended(mount.expires.as_ref().unwrap().end_ms).len(), 1);
}

#[test]
fn what_is_for_a_time_ends_with_its_day_in_the_mounts_zone() {
    let practice = |lines: &str| {
        let mount = MOUNT.replace("policy  = \"ceiling\"", &format!("policy  = \"ceiling\"\n{lines}"));
        load(MAIN, &[("support", &mount)]).unwrap_or_else(|problems| panic!("{problems}")).mounts["support"]
            .practice
            .clone()
    };
    let ms = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let berlin = "hours = \"Mon-Sun 00:00-24:00 Europe/Berlin\"\n";
    let observe = practice(&format!("{berlin}mode = \"observe\"\nuntil = 2027-01-31")).observe.unwrap();
    assert_eq!((observe.day.as_str(), observe.end_ms), ("2027-01-31", ms("2027-01-31T23:00:00Z")));
    assert!(!observe.is_over(observe.end_ms - 1) && observe.is_over(observe.end_ms));
    assert_eq!(practice("mode = \"enforce\"").observe, None);
    let review = practice("review_every = \"90d\"\nreviewed = 2026-11-24").review.unwrap();
    assert_eq!((review.day.as_str(), review.end_ms), ("2027-02-22", ms("2027-02-23T00:00:00Z")));
    let by = practice("review = 2027-02-22");
    assert_eq!(by.review.as_ref(), Some(&review));
    assert_eq!(by.notices(&"support".into(), review.end_ms - 1), Vec::<String>::new());
    assert_eq!(by.notices(&"support".into(), review.end_ms).len(), 1);
}

#[test]
fn every_mistake_in_a_mount_is_told_with_its_place() {
    let cases = [
        ("name    =", "nam     ="),
        ("name    = \"support\"", "name    = \"sup port\""),
        ("name    = \"support\"", "name    = 7"),
        ("backend = \"shop\"", "backend = \"shpo\""),
        ("backend = \"shop\"", "backend = \"warehouse\""),
        ("agents  = [\"support-bot\"]", "agents  = \"support-bot\""),
        ("agents  = [\"support-bot\"]", "agents  = [\"support-bot\", 7, \"support-bot\"]"),
        ("agents  = [\"support-bot\"]", "agents  = [\"Support-Bot\"]"),
        ("agents  = [\"support-bot\"]", "agents  = []"),
        ("agents  = [\"support-bot\"]", "agent   = [\"support-bot\"]"),
        ("policy  = \"ceiling\"", "policy  = \"cieling\""),
        ("policy  = \"ceiling\"", "policy  = \"other/support\""),
        ("policy  = \"ceiling\"", ""),
        ("policy  = \"ceiling\"", "policy  = \"ceiling\"\nsettings = \"beta\""),
        ("policy  = \"ceiling\"", "policy  = \"ceiling\"\nsettings = { share = inf }"),
        ("policy  = \"ceiling\"", "policy  = \"ceiling\"\nexpires = 2027-02-30"),
        ("policy  = \"ceiling\"", "policy  = \"ceiling\"\nexpires = \"2027-2-3\""),
        ("policy  = \"ceiling\"", "policy  = \"ceiling\"\nexpires = 2027-03-31T12:00:00Z"),
        ("policy  = \"ceiling\"", "policy  = \"ceiling\"\nhours   = \"Mon-Fri 07:00-19:00 Europe/Berln\""),
        ("policy  = \"ceiling\"", "policy  = \"ceiling\"\nhours   = \"weekdays\""),
        ("policy  = \"ceiling\"", "policy  = \"ceiling\"\nmode    = \"observe\""),
        ("policy  = \"ceiling\"", "policy  = \"ceiling\"\nmode    = \"watch\""),
        ("policy  = \"ceiling\"", "policy  = \"ceiling\"\nuntil   = 2027-01-31"),
        ("policy  = \"ceiling\"", "policy  = \"ceiling\"\nmode    = \"observe\"\nuntil   = \"soon\""),
        ("policy  = \"ceiling\"", "policy  = \"ceiling\"\nreview_every = \"90d\""),
        ("policy  = \"ceiling\"", "policy  = \"ceiling\"\nreview_every = \"36h\"\nreviewed = 2026-11-01"),
        ("policy  = \"ceiling\"", "policy  = \"ceiling\"\nreviewed = 2026-11-01"),
        ("policy  = \"ceiling\"", "policy  = \"ceiling\"\nreview  = 2027-01-31\nreviewed = 2026-11-01"),
        ("[tables.orders]", "[table.orders]"),
        ("[tables.orders]", "[tables.sales.orders]"),
        ("[tables.orders]", "[tables.\"a.b.c\"]"),
        ("columns =", "colums ="),
        ("columns = [\"order_id\", \"customer_id\", \"status\"]", "columns = [\"*\"]"),
        ("columns = [\"order_id\", \"customer_id\", \"status\"]", "columns = []"),
        ("columns = [\"order_id\", \"customer_id\", \"status\"]", "columns = [\"order_id\", \"order_id\"]"),
        ("columns = [\"order_id\", \"customer_id\", \"status\"]", "columns = [\"order_id\"]\ncolumns = [\"status\"]"),
        ("{ status = \"hash\" }", "{ status = \"hsah\" }"),
        ("{ status = \"hash\" }", "{ status = { partail = { first = 1 } } }"),
        ("{ status = \"hash\" }", "{ status = { partial = { frist = 1 } } }"),
        ("{ status = \"hash\" }", "{ status = { partial = { first = -1, fill = \"**\" } } }"),
        ("{ status = \"hash\" }", "{ status = { truncate = \"week\" } }"),
        ("{ status = \"hash\" }", "{ status = { round = 40 } }"),
        ("{ status = \"hash\" }", "{ status = { bucket = 0 } }"),
        ("{ status = \"hash\" }", "{ status = { bucket = 10, round = 2 } }"),
        ("{ status = \"hash\" }", "{ status = {} }"),
        ("{ status = \"hash\" }", "{ status = true }"),
        ("{ status = \"hash\" }", "{ status = { fixed = [1] } }"),
        ("filter  = \"customer_id = claim.customer_id\"", "filter  = \"customer_id = \""),
        ("filter  = \"customer_id = claim.customer_id\"", "filter  = 7"),
        ("requests = \"60/minute\"", "request = \"60/minute\""),
        ("requests = \"60/minute\"", "requests = 60"),
        ("requests = \"60/minute\"", "requests = \"60/min\""),
        ("requests = \"60/minute\"", "requests = \"0/minute\""),
        ("requests = \"60/minute\"", "requests = [\"60/minute\", \"90/minute\", \"x/day\"]"),
        ("requests = \"60/minute\"", "bytes = \"10/hour\""),
        ("requests = \"60/minute\"", "max_bytes = \"8mb\""),
        ("requests = \"60/minute\"", "max_rows = 0"),
        ("requests = \"60/minute\"", "max_rows = \"500\""),
        ("requests = \"60/minute\"", "timeout = 5"),
        ("requests = \"60/minute\"", "timeout = \"5\""),
        ("requests = \"60/minute\"", "concurrency = -1"),
        ("requests = \"60/minute\"", "per = \"sesion\""),
        ("requests = \"60/minute\"", ""),
        ("[limits]", "[agent.support-bot]\n[limits]"),
        ("[limits]", "[agent.beta]\npolcy = \"tiers\"\n[limits]"),
        ("[limits]", "[agent.\"b b\"]\npolicy = \"tiers\"\n[limits]"),
        ("[limits]", "[limits"),
        ("[limits]", "[tables.customers]\ncolumns = [\"name\"]\nlend = \"region\"\n[limits]"),
        ("[limits]", "[tables.customers]\ncolumns = [\"name\"]\nlend = [\"region\", \"region\"]\n[limits]"),
        ("[limits]", "[tables.customers]\ncolumns = [\"name\"]\nlend = [\"*\"]\n[limits]"),
        ("[limits]", "[orders]\naggregate = 5\n[limits]"),
        ("[limits]", "[tables.customers]\ncolumns = [\"name\"]\nrequire = [1]\n[limits]"),
        ("[limits]", "[tables.customers]\ncolumns = [\"name\"]\naggregate = 5\n[limits]"),
        ("[limits]", "[tables.customers]\ncolumns = [\"name\"]\naggregate = { minimum = 5 }\n[limits]"),
        (
            "[limits]",
            "[tables.customers]\ncolumns = [\"name\"]\naggregate = { unit = \"id\", min_group = 1 }\n[limits]",
        ),
    ];
    insta::assert_snapshot!(mistakes(MOUNT, &cases, |mount| load(MAIN, &[("support", mount)])));
}

#[test]
fn every_mistake_in_the_main_file_is_told_with_its_place() {
    let cases = [
        ("[server]", "[sever]"),
        ("data =", "dat ="),
        ("\"127.0.0.1:7411\"", "\"localhost\""),
        ("\"127.0.0.1:7411\"", "\"127.0.0.1:7411\"\nadmin = \"127.0.0.1:7411\""),
        ("\"127.0.0.1:7411\"", "\"127.0.0.1:7411\"\nmax_body = 10\nheader_timeout = \"1 year\"\nmax_connections = 0"),
        ("\"127.0.0.1:7411\"", "\"127.0.0.1:7411\"\nstate = \"\""),
        (
            "\"127.0.0.1:7411\"",
            "\"127.0.0.1:7411\"\nmax_header = \"4KB\"\nhosts = [\"https://a\"]\nadmin_origins = [\"a\"]",
        ),
        ("kind = \"sqlite\"", "kind = \"mysql\""),
        ("kind = \"sqlite\"", "kind = \"postgre\""),
        ("kind = \"sqlite\"", ""),
        ("kind = \"sqlite\"", "kind = \"sqlite\"\npool = 4"),
        ("kind = \"sqlite\"", "kind = \"sqlite\"\nwall = \"requires\""),
        ("kind = \"sqlite\"", "kind = \"sqlite\"\nallow = { functions = \"zeroblob\" }"),
        ("kind = \"sqlite\"", "kind = \"sqlite\"\nallow = {}"),
        (
            "kind = \"sqlite\"",
            "kind = \"sqlite\"\nallow = { functions = [{ name = \"zeroblob\", returns = \"blob\" }, 7] }",
        ),
        (
            "kind = \"sqlite\"",
            "kind = \"sqlite\"\nallow = { functions = [{ name = \"zeroblob\", returns = \"bytes\", leakproof = true }, { name = \"lower\", returns = \"text\" }, { schema = \"x\", name = \"f\", returns = \"text\", argument = 1 }] }",
        ),
        ("path = \"shop.db\"", "pth = \"shop.db\""),
        ("path = \"shop.db\"", "path = \"shop.db\"\nthreads = 0"),
        (
            "kind = \"sqlite\"\npath = \"shop.db\"",
            "kind = \"postgres\"\nuser = \"m\"\ndatabase = \"d\"\npassword = \"hunter2\"",
        ),
        (
            "kind = \"sqlite\"\npath = \"shop.db\"",
            "kind = \"postgres\"\nuser = \"m\"\ndatabase = \"d\"\npassword = { envv = \"P\" }",
        ),
        (
            "kind = \"sqlite\"\npath = \"shop.db\"",
            "kind = \"postgres\"\nuser = \"m\"\ndatabase = \"d\"\npassword = { env = \"P\", file = \"p\" }",
        ),
        ("kind = \"sqlite\"\npath = \"shop.db\"", "kind = \"postgres\"\nurl = \"postgres://m:hunter2@db/shop\""),
        (
            "kind = \"sqlite\"\npath = \"shop.db\"",
            "kind = \"postgres\"\nuser = \"m\"\ndatabase = \"d\"\nsslmode = \"require\"",
        ),
        (
            "kind = \"sqlite\"\npath = \"shop.db\"",
            "kind = \"postgres\"\nhost = \"db.example.org\"\nuser = \"m\"\ndatabase = \"d\"",
        ),
        (
            "kind = \"sqlite\"\npath = \"shop.db\"",
            "kind = \"postgres\"\nurl = \"postgres://m@localhost/d\"\nport = 5433",
        ),
        ("kind = \"sqlite\"\npath = \"shop.db\"", "kind = \"postgres\"\nurl = \"localhost\""),
        ("[backends.shop]", "[backends.\"the shop\"]"),
        ("[plugins.\"acme/support\"]", "[plugins.support]"),
        ("path = \"plugins/support.wasm\"", "file = \"plugins/support.wasm\""),
        ("allow_unsigned_plugins = true", "allow_unsigned_plugins = false"),
        ("allow_unsigned_plugins = true", "allow_unsigned = true"),
        ("[server]", "[keys]\nmaster = \"00ff\"\n[server]"),
        ("[server]", "[keys]\nmaster = { file = 7 }\n[server]"),
        ("[server]", "[gate]\nrequests = \"many\"\n[server]"),
        ("[server]", "[gate]\n[server]"),
        (
            "[server]",
            "[ledger]\ndurability = \"disc\"\nrotate = \"1GB\"\nmax_size = \"1GB\"\nstatements = \"yes\"\n[server]",
        ),
        ("[server]", "[log]\nformat = \"jsn\"\nlevel = \"a=b=c\"\n[server]"),
    ];
    let out = mistakes(MAIN, &cases, |main| load(main, &[]));
    assert!(!out.replace("## ", "").lines().any(|line| line.contains("hunter2") && line.contains('|')));
    insta::assert_snapshot!(out);
}

#[test]
fn secrets_in_the_wrong_place_are_not_printed() {
    let main = MAIN.replace(
        "kind = \"sqlite\"",
        "kind = \"postgres\"\npasword = \"hunter2\"\nuser = \"m\"\nurl='postgres://m:hunter2@h/d'",
    );
    let problems = load(&main, &[]).expect_err("a secret in the file").to_string();
    assert!(!problems.contains("hunter2"), "{problems}");
}

#[test]
fn all_files_are_told_at_once() {
    let main = MAIN.replace("path = \"shop.db\"", "pth = \"shop.db\"");
    let one = MOUNT.replace("columns", "colums").replace("60/minute", "60");
    let other = MOUNT.replace("policy ", "polcy ");
    let broken = "name = ";
    let mut out = String::new();
    told(&mut out, "three files", load(&main, &[("broken", broken), ("one", &one), ("other", &other)]));
    insta::assert_snapshot!(out);
}

#[test]
fn two_files_cannot_be_one_mount() {
    let mut out = String::new();
    told(&mut out, "one name twice", load(MAIN, &[("one", MOUNT), ("two", MOUNT)]));
    insta::assert_snapshot!(out);
}

#[test]
fn masks_limits_and_settings_lower_to_what_they_say() {
    let mount = MOUNT
        .replace(
            "{ status = \"hash\" }",
            r#"{ a = "null", b = { fixed = "x" }, c = { partial = { last = 2, fill = "•" } }, d = { truncate = "month" }, e = { round = -2 }, f = { bucket = 1_0 }, g = { fixed = 2026-11-24 } }"#,
        )
        .replace(
            "requests = \"60/minute\"",
            "requests = [\"60/minute\", \"1_000/day\"]\nbytes = \"10MB/hour\"\nmax_bytes = \"8MB\"\ntimeout = \"500ms\"\nconcurrency = 3\nper = \"session\"",
        )
        .replace("policy  = \"ceiling\"", "policy = \"tiers\"\nsettings = { tiers = [{ when = { role = \"junior\" }, share = 0.5, since = 2026-01-01 }] }")
        + "\n[agent.beta]\nsettings = { tiers = [] }\n";
    let config = load(MAIN, &[("support", &mount)]).unwrap_or_else(|problems| panic!("{problems}"));
    let mount = &config.mounts["support"];
    let masks: Vec<&Mask> = mount.tables["orders"].masks.values().collect();
    assert_eq!(
        masks,
        [
            &Mask::Null,
            &Mask::Fixed(Value::Text("x".into())),
            &Mask::Partial { first: 0, last: 2, fill: "•".into() },
            &Mask::Truncate(mountgate_core::DatePart::Month),
            &Mask::Round { digits: -2 },
            &Mask::Bucket { width: 10 },
            &Mask::Fixed(Value::Date("2026-11-24".into())),
        ]
    );
    let limits = &mount.limits;
    assert_eq!(limits.requests.len(), 2);
    assert_eq!(limits.bytes, [Rate { amount: 10_000_000, window_ms: 3_600_000 }]);
    assert_eq!((limits.max_bytes, limits.timeout_ms, limits.concurrency), (Some(8_000_000), Some(500), Some(3)));
    assert_eq!(mount.per, LimitKey::Session);
    assert_eq!(
        mount.policy.settings,
        serde_json::json!({"tiers": [{"when": {"role": "junior"}, "share": 0.5, "since": "2026-01-01"}]})
    );
    // Settings alone: the mount's policy under other settings.
    assert_eq!(mount.per_agent["beta"].name.as_str(), "tiers");
    assert_eq!(mount.per_agent["beta"].place, ["agent", "beta", "settings"]);
}

#[test]
fn every_key_of_the_main_file_lowers() {
    let main = r#"
[server]
data = "0.0.0.0:1"
admin = "127.0.0.1:2"
state = "/var/lib/mountgate"
max_body = "2MB"
max_header = "9KB"
max_connections = 7
header_timeout = "1s"
body_timeout = "2s"
idle_timeout = "4s"
write_timeout = "5s"
shutdown = "3s"
hosts = ["gateway.example.com"]
origins = ["https://console.example.com"]
admin_hosts = ["admin.example.com:8443"]
admin_origins = ["http://localhost:3000"]
[keys]
master = { env = "MOUNTGATE_MASTER_KEY" }
[gate]
requests = "5/second"
[ledger]
dir = "ledger"
durability = "disk"
rotate = "1MB"
max_size = "3MB"
statements = true
[log]
format = "json"
level = "warn,mountgate=debug"
[backends.pg]
kind = "postgres"
host = "db"
port = 5433
user = "mount'gate"
database = "shop"
sslmode = "disable"
password = { file = "pg.password" }
pool = 9
wall = "require"
"#;
    let config = load(main, &[]).unwrap_or_else(|problems| panic!("{problems}"));
    let MainFile { server, master, gate, ledger, log, backends, .. } = &config.main;
    assert_eq!((server.max_body, server.max_header, server.max_connections), (2_000_000, 9_000, 7));
    let times =
        [server.header_timeout, server.body_timeout, server.shutdown, server.idle_timeout, server.write_timeout];
    assert_eq!(times, [1, 2, 3, 4, 5].map(Duration::from_secs));
    assert_eq!([&server.hosts, &server.admin_hosts], [&["gateway.example.com"], &["admin.example.com:8443"]]);
    assert_eq!(
        [&server.origins, &server.admin_origins],
        [&["https://console.example.com"], &["http://localhost:3000"]]
    );
    assert_eq!(server.state, PathBuf::from("/var/lib/mountgate"));
    assert_eq!(*master, Some(Secret::Env("MOUNTGATE_MASTER_KEY".into())));
    assert_eq!(gate.requests, Rate { amount: 5, window_ms: 1_000 });
    assert_eq!((ledger.rotate, ledger.max_size, ledger.statements), (1_000_000, 3_000_000, true));
    assert_eq!(ledger.durability, mountgate_ledger::Durability::Disk);
    assert_eq!((log.format, log.level.as_str()), (LogFormat::Json, "warn,mountgate=debug"));
    let expected = StoreSection::Postgres(PostgresSection {
        target: PostgresTarget::Plain("host='db' port=5433 user='mount\\'gate' dbname='shop' sslmode=disable".into()),
        password: Some(Secret::File("/conf/pg.password".into())),
        pool: Some(9),
    });
    assert_eq!(backends["pg"], BackendConfig { store: expected, wall: Wall::Require, extras: vec![] });
    assert!(config.warnings.iter().any(|warning| warning.contains("0.0.0.0:1")));
}

#[test]
fn files_are_read_from_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Config::load(&folder.path().join(MAIN_FILE)).expect_err("there is no file");
    assert!(missing.to_string().contains("`mountgate init`"), "{missing}");
    std::fs::write(folder.path().join(MAIN_FILE), MAIN).unwrap();
    std::fs::create_dir(folder.path().join(MOUNTS_FOLDER)).unwrap();
    std::fs::write(folder.path().join("mounts/support.toml"), MOUNT).unwrap();
    // Editors leave these behind; they are no mounts.
    std::fs::write(folder.path().join("mounts/.#support.toml"), "x").unwrap();
    std::fs::write(folder.path().join("mounts/support.toml~"), "x").unwrap();
    let config = Config::load(&folder.path().join(MAIN_FILE)).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.mounts.len(), 1);
    std::fs::write(folder.path().join("mounts/latin.toml"), b"name = \"\xff\"").unwrap();
    assert!(Config::load(&folder.path().join(MAIN_FILE)).is_err_and(|problems| problems.0.len() == 1));
}

#[test]
fn what_a_backend_says_points_into_the_mounts_file() {
    let config = load(MAIN, &[("support", MOUNT)]).unwrap_or_else(|problems| panic!("{problems}"));
    let mount = &config.mounts["support"];
    let error = |place: &[&str], culprit: Option<&str>| mountgate_core::ceiling::CeilingError {
        place: place.iter().map(|part| (*part).to_owned()).collect(),
        culprit: culprit.map(str::to_owned),
        message: "no".into(),
    };
    let at = |place: &[&str], culprit| {
        let problem = mount.point(&error(place, culprit));
        (problem.line, problem.column)
    };
    assert_eq!(at(&["tables", "orders"], None), (7, 9));
    assert_eq!(at(&["tables", "orders", "columns"], Some("status")), (8, 39));
    assert_eq!(at(&["tables", "orders", "masks"], Some("status")), (9, 13));
    assert_eq!(at(&["tables", "orders", "filter"], Some("customer_id")), (10, 1));
}

#[test]
fn isolation_is_fresh_unless_said_and_goes_with_the_policy() {
    use mountgate_policy::Isolation::{Fresh, Warm};
    let agents = "\n[agent.tuned]\nsettings = { a = 1 }\n[agent.own]\npolicy = \"tiers\"\n[agent.warm]\npolicy = \"tiers\"\nisolation = \"warm\"\n[agent.fresh]\nisolation = \"fresh\"\n";
    let of = |top: &str| {
        let text = MOUNT.replace("[tables.orders]", &format!("{top}\n[tables.orders]")) + agents;
        let config = load(MAIN, &[("support", &text)]).unwrap();
        let mount = config.mounts.values().next().unwrap().clone();
        let of = |name: &str| mount.per_agent[&AgentName::from(name)].isolation;
        (mount.policy.isolation, of("tuned"), of("own"), of("warm"), of("fresh"))
    };
    assert_eq!(of(""), (Fresh, Fresh, Fresh, Warm, Fresh));
    assert_eq!(of("isolation = \"warm\""), (Warm, Warm, Fresh, Warm, Fresh));
    let text = MOUNT.replace("[tables.orders]", "isolation = \"hot\"\n[tables.orders]");
    let problems = load(MAIN, &[("support", &text)]).unwrap_err().to_string();
    assert!(problems.contains("`hot` is neither `fresh` nor `warm`"), "{problems}");
}
