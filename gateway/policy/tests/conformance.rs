//! The conformance cases of `plugin-sdk/conformance`, against the committed components, and against those that were
//! built when the contract was at 0.1 (`tests/fixtures/v0.1`): the same verdicts.
//!
//! `MOUNTGATE_CONFORMANCE_CEILING` and `MOUNTGATE_CONFORMANCE_TIERS` name other files to put in their place; `cargo
//! xtask plugins check` uses them for components made by another toolchain.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use mountgate_core::{
    Claims, ColumnType, DecisionRequest, Door, Filter, Limits, Mask, RequestMount, Touch, Verdict,
    request::{RequestColumn, RequestRelation},
};
use mountgate_policy::{Contract, Host, HostConfig, Policy, PolicyError, bundled};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    plugin: String,
    request: Request,
    #[serde(default)]
    cases: Vec<Case>,
    #[serde(default)]
    refused_settings: Vec<RefusedSettings>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    agent: String,
    mount: String,
    door: Door,
    touch: Touch,
    ceiling: Vec<Relation>,
    /// Relations of the mount that the request does not touch.
    #[serde(default)]
    untouched: Vec<Relation>,
    limits: Limits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Relation {
    name: String,
    columns: Vec<Column>,
    #[serde(default)]
    lent: Vec<Column>,
    filter: Option<Filter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Column {
    name: String,
    ty: ColumnType,
    #[serde(default)]
    key: bool,
    #[serde(default)]
    masks: Vec<Mask>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    about: String,
    settings: serde_json::Value,
    claims: Claims,
    /// The verdict wanted, or none where the policy must refuse: the settings, where it sees the ceiling with them, or
    /// else the request.
    verdict: Option<Verdict>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefusedSettings {
    settings: serde_json::Value,
    says: String,
}

impl Relation {
    fn shown(&self) -> RequestRelation {
        let column = |column: &Column| RequestColumn {
            name: column.name.as_str().into(),
            ty: column.ty.clone(),
            key: column.key,
            masks: column.masks.clone(),
        };
        RequestRelation {
            name: self.name.as_str().into(),
            columns: self.columns.iter().map(column).collect(),
            lent: self.lent.iter().map(column).collect(),
            filter: self.filter.clone(),
        }
    }
}

impl Request {
    fn mount(&self) -> Arc<RequestMount> {
        let relations = self.ceiling.iter().chain(&self.untouched).map(Relation::shown).collect();
        Arc::new(RequestMount::new(self.mount.as_str().into(), relations, self.limits.clone()))
    }

    fn with(&self, claims: &Claims) -> DecisionRequest {
        DecisionRequest {
            agent: self.agent.as_str().into(),
            session: None,
            claims: claims.clone().into(),
            mount: self.mount.as_str().into(),
            door: self.door,
            purpose: None,
            time: None,
            usage: None,
            parameters: None,
            touch: Arc::new(self.touch.clone()),
            ceiling: Arc::new(self.ceiling.iter().map(Relation::shown).collect()),
            limits: Arc::new(self.limits.clone()),
        }
    }
}

fn run(name: &str, contract: Contract, component: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugin-sdk/conformance");
    let plugin = Host::new(HostConfig::default()).unwrap().admit(component).unwrap();
    assert_eq!(plugin.manifest().name, name);
    assert_eq!(plugin.contract(), contract);
    let mut configured: BTreeMap<String, Arc<Policy>> = BTreeMap::new();
    let mut ran = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let file: File = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if file.plugin != name {
            continue;
        }
        let mount = file.request.mount();
        for refused in &file.refused_settings {
            match plugin.configure(&refused.settings.to_string(), &mount) {
                Err(PolicyError::Settings(text)) => assert!(text.contains(&refused.says), "{text}"),
                Err(other) => panic!("{}: {other}", refused.settings),
                Ok(_) => panic!("{} is accepted", refused.settings),
            }
            ran += 1;
        }
        for case in &file.cases {
            let settings = case.settings.to_string();
            let policy = match (configured.get(&settings), &case.verdict) {
                (Some(policy), _) => Arc::clone(policy),
                (None, wanted) => match plugin.configure(&settings, &mount) {
                    Ok(policy) => Arc::clone(configured.entry(settings).or_insert(policy)),
                    Err(PolicyError::Settings(_)) if wanted.is_none() && contract != Contract::V0_1 => {
                        ran += 1;
                        continue;
                    }
                    Err(error) => panic!("{}: {error}", case.about),
                },
            };
            let answer = policy.decide(&file.request.with(&case.claims));
            match (&case.verdict, answer) {
                (Some(wanted), Ok(decision)) => assert_eq!(&decision.verdict, wanted, "{}", case.about),
                (None, Err(PolicyError::Failed(_))) => {}
                (wanted, answer) => panic!("{}: wanted {wanted:?}, got {answer:?}", case.about),
            }
            ran += 1;
        }
    }
    assert!(ran >= 3, "only {ran} cases for {name}");
}

fn current(name: &str, bundled: &[u8]) {
    let replaced = std::env::var_os(format!("MOUNTGATE_CONFORMANCE_{}", name.to_uppercase()));
    let component = replaced.map_or_else(|| bundled.to_vec(), |path| fs::read(path).unwrap());
    run(name, Contract::CURRENT, &component);
}

#[test]
fn ceiling_meets_its_cases() {
    current("ceiling", bundled::CEILING);
}

#[test]
fn tiers_meets_its_cases() {
    current("tiers", bundled::TIERS);
}

#[test]
fn ceiling_as_built_for_0_1_meets_the_same_cases() {
    run("ceiling", Contract::V0_1, include_bytes!("../../../tests/fixtures/v0.1/ceiling.wasm"));
}

#[test]
fn tiers_as_built_for_0_1_meets_the_same_cases() {
    run("tiers", Contract::V0_1, include_bytes!("../../../tests/fixtures/v0.1/tiers.wasm"));
}
