//! `[issuers.NAME]`: whose tokens are believed, beside those that are given out here.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use mountgate_core::{AgentName, ClaimName, MountName, UserName};
use mountgate_identity::{Algorithm, ClaimPath, ClaimSource, ClaimType, IssuerRules};
use mountgate_mediate::Users;
use toml::de::DeValue;

use super::{
    agent_name,
    main_file::path,
    name,
    reader::{Table, Value},
    units,
};
use crate::jwks::JwksAddress;

/// How far clocks may be apart at most: a token is good for so long after its end.
const LEEWAY: Duration = Duration::from_secs(5 * 60);
/// The longest lifetime that may be configured.
const LIFETIME: Duration = Duration::from_secs(31 * 24 * 3600);

/// An issuer's keys are asked for no more often, and no more seldom.
const LEAST_REFRESH: Duration = Duration::from_secs(60);
const LONGEST_REFRESH: Duration = Duration::from_secs(24 * 3600);

/// `[issuers.NAME]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerConfig {
    /// What of its tokens is believed.
    pub rules: IssuerRules,
    /// Where its keys are.
    pub keys: KeysFrom,
}

/// Where an issuer's keys are. Never a place that a token names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeysFrom {
    /// In a file.
    File(PathBuf),
    /// Where the issuer publishes them.
    Url {
        /// The address.
        address: JwksAddress,
        /// The authorities by which its host is believed, in PEM; those of the machine where absent.
        ca: Option<PathBuf>,
        /// How often it is asked.
        refresh: Duration,
    },
}

/// Lowers `[issuers]`. What is wrong is noted.
pub(super) fn issuers(value: &Value<'_>, folder: &Path) -> BTreeMap<String, IssuerConfig> {
    let mut out: BTreeMap<String, IssuerConfig> = BTreeMap::new();
    let Some(all) = value.table() else { return out };
    for entry in all.entries() {
        let name = match name(&entry.key) {
            Ok(name) => name,
            Err(why) => {
                entry.reject_key(why);
                continue;
            }
        };
        let Some(issuer) = entry.table().and_then(|table| issuer(&name, &table, folder)) else { continue };
        if let Some(other) = out.values().find(|other| other.rules.issuer == issuer.rules.issuer) {
            entry.reject_key(format!(
                "issuer `{name}` and issuer `{}` are both `{}`: make them one, with the agents of both in its `map`",
                other.rules.name, issuer.rules.issuer
            ));
            continue;
        }
        out.insert(name, issuer);
    }
    out
}

fn issuer(name: &str, table: &Table<'_>, folder: &Path) -> Option<IssuerConfig> {
    let text = |key, example| {
        table.require(key, example).and_then(|value| {
            value.parsed(|text| if text.is_empty() { Err("it is empty") } else { Ok(text.to_owned()) })
        })
    };
    let issuer = text("issuer", "issuer = \"https://login.example.com/\"");
    let audience = text("audience", "audience = \"mountgate\"");
    let keys =
        table.require("jwks", "jwks = { file = \"issuer.jwks.json\" }").and_then(|value| keys(&value.table()?, folder));
    let algorithms = table.require("algorithms", "algorithms = [\"RS256\"]").and_then(|value| algorithms(&value));
    let agent = table
        .require("agent", "agent = { claim = \"azp\", map = { \"client-id\" = \"support-bot\" } }")
        .and_then(|value| agent(&value.table()?));
    let user = table.get("user").map(|value| claim(&value.table()?));
    let claims = table.get("claims").map(|value| claims(&value.table()?)).unwrap_or(Some(BTreeMap::new()));
    let types = table.get("types").map(|value| types(&value)).unwrap_or_else(|| {
        // An access token by RFC 9068, and what most issuers write.
        Some(["jwt", "at+jwt"].map(str::to_owned).into())
    });
    let leeway = span(table, "leeway", Duration::from_secs(30), LEEWAY);
    let lifetime = span(table, "max_lifetime", Duration::from_secs(24 * 3600), LIFETIME);
    let user = user.map_or(Some(None), |user| user.map(Some));
    let (agent, agents) = agent?;
    Some(IssuerConfig {
        keys: keys?,
        rules: IssuerRules {
            name: name.to_owned(),
            issuer: issuer?,
            audience: audience?,
            algorithms: algorithms?,
            types: types?,
            agent,
            agents,
            user: user?,
            claims: claims?,
            leeway_ms: leeway,
            max_lifetime_ms: lifetime,
        },
    })
}

fn span(table: &Table<'_>, key: &'static str, standard: Duration, most: Duration) -> i64 {
    let span = table.get(key).and_then(|value| {
        value.parsed(|text| match units::duration(text)? {
            span if span > most => Err(format!("`{text}` is too long: at most {} s", most.as_secs())),
            span => Ok(span),
        })
    });
    i64::try_from(span.unwrap_or(standard).as_millis()).unwrap_or(i64::MAX)
}

fn keys(table: &Table<'_>, folder: &Path) -> Option<KeysFrom> {
    let (file, url) = (table.get("file"), table.get("url"));
    let (ca, refresh) = (table.get("ca"), table.get("refresh"));
    if url.is_none() {
        for value in [ca, refresh].into_iter().flatten() {
            value.reject_key(format!("`{}` is for keys that are under a `url`: take it out", value.name()));
        }
        let file = table.require("file", "file = \"issuer.jwks.json\"")?;
        return path(&file, folder).map(KeysFrom::File);
    }
    if let Some(file) = file {
        file.reject_key("the keys are in a file or under a URL: keep one of `file` and `url`");
    }
    let ca = ca.map(|value| path(&value, folder));
    let refresh = refresh.map(|value| {
        value.parsed(|text| match units::duration(text)? {
            span if span < LEAST_REFRESH => Err(format!("`{text}` is too short: write `1m` or more")),
            span if span > LONGEST_REFRESH => Err(format!(
                "`{text}` is too long: a key that was withdrawn would be good for so long; write `1d` or less"
            )),
            span => Ok(span),
        })
    });
    let address = url?.parsed(JwksAddress::parse);
    let ca = ca.map_or(Some(None), |ca| ca.map(Some));
    let refresh = refresh.unwrap_or(Some(Duration::from_secs(5 * 60)));
    Some(KeysFrom::Url { address: address?, ca: ca?, refresh: refresh? })
}

fn algorithms(value: &Value<'_>) -> Option<Vec<Algorithm>> {
    let all = value.strings()?;
    if all.is_empty() {
        value.reject(
            "no algorithm would let no token in: write `algorithms = [\"RS256\"]`, or what the issuer signs with",
        );
        return None;
    }
    let mut out = Vec::new();
    for (text, span) in all {
        match Algorithm::named(text) {
            Some(algorithm) => out.push(algorithm),
            None => {
                let why = if text.eq_ignore_ascii_case("none") || text.to_ascii_uppercase().starts_with("HS") {
                    "with it, whoever can check a token can make one"
                } else {
                    "it is not known here"
                };
                let names: Vec<&str> = Algorithm::ALL.into_iter().map(Algorithm::label).collect();
                value.reject_at(
                    &span,
                    format!("`{text}` is no algorithm to pin: {why}; write one of {}", names.join(", ")),
                );
                return None;
            }
        }
    }
    Some(out)
}

fn types(value: &Value<'_>) -> Option<BTreeSet<String>> {
    let all = value.strings()?;
    if all.is_empty() {
        value.reject("no type would let no token in: write `types = [\"at+jwt\"]`, or take it out");
        return None;
    }
    Some(all.into_iter().map(|(text, _)| text.to_ascii_lowercase()).collect())
}

/// `{ claim = "azp", map = { … } }`
fn agent(table: &Table<'_>) -> Option<(ClaimPath, BTreeMap<String, AgentName>)> {
    let claim = claim(table);
    let map = table.require("map", "map = { \"client-id\" = \"support-bot\" }").and_then(|value| value.table());
    let mut agents = BTreeMap::new();
    let map = map?;
    if map.is_empty() {
        map.reject("an empty `map` would let nobody in: write `map = { \"client-id\" = \"support-bot\" }`");
        return None;
    }
    for entry in map.entries() {
        let agent = entry.parsed(agent_name)?;
        agents.insert(entry.key.to_string(), AgentName::new(agent));
    }
    Some((claim?, agents))
}

/// `claim = "azp"`, or `claim = ["act", "sub"]` for one within another.
fn claim(table: &Table<'_>) -> Option<ClaimPath> {
    let value = table.require("claim", "claim = \"azp\"")?;
    let names = match value.raw() {
        DeValue::Array(_) => value.strings()?.into_iter().map(|(text, _)| text.to_owned()).collect(),
        _ => vec![value.string()?.to_owned()],
    };
    let path = ClaimPath::new(names);
    if path.is_none() {
        value.reject(
            "a claim has a name: write `claim = \"azp\"`, or `claim = [\"act\", \"sub\"]` for one within another",
        );
    }
    path
}

/// `{ customer_id = { claim = "cust", type = "integer" } }`
fn claims(table: &Table<'_>) -> Option<BTreeMap<ClaimName, ClaimSource>> {
    let mut out = BTreeMap::new();
    let mut sound = true;
    for entry in table.entries() {
        let key = entry.key.as_ref();
        let named = key.len() <= 63
            && key.starts_with(|first: char| first.is_ascii_lowercase())
            && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !named {
            entry.reject_key(format!("`{key}` is no name of a claim: up to 63 of a-z, 0-9 and `_`, a letter first"));
            sound = false;
            continue;
        }
        let Some(within) = entry.table() else {
            sound = false;
            continue;
        };
        let source = claim(&within);
        let ty = within.require("type", "type = \"integer\"").and_then(|value| value.parsed(str::parse::<ClaimType>));
        match (source, ty) {
            (Some(claim), Some(ty)) => drop(out.insert(ClaimName::new(key), ClaimSource { claim, ty })),
            _ => sound = false,
        }
    }
    sound.then_some(out)
}

/// `[users."alice@example.com"]`: `mounts = ["support"]`. That the mounts are there is checked when they are read.
pub(super) fn users(value: &Value<'_>) -> Users {
    let mut out = Users::new();
    for entry in value.table().map(|table| table.entries()).unwrap_or_default() {
        let Some(table) = entry.table() else { continue };
        let mounts = table.require("mounts", "mounts = [\"support\"]").and_then(|value| value.strings());
        let mounts = mounts.unwrap_or_default().into_iter().map(|(text, _)| MountName::new(text)).collect();
        out.insert(UserName::new(entry.key.as_ref()), mounts);
    }
    out
}
