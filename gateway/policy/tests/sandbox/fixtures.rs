//! Components written by hand: core modules in text form against the contract's own binary interface.

use std::{path::Path, sync::Arc, time::Duration};

use mountgate_core::{
    ColumnType, DecisionRequest, Door, Limits, RequestMount, Touch, Verb,
    request::{RequestColumn, RequestRelation},
    touch::RelationTouch,
};
use mountgate_policy::{Contract, Decision, Host, HostConfig, Policy, PolicyError};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The world of a policy, in the version that the fixture is of.
pub(crate) const PLAIN: &str = "package test:plain; world fixture { include mountgate:policy/policy@VERSION; }";
/// Both versions of the contract: what one's sandbox holds against, the other's must.
pub(crate) const BOTH: [Contract; 2] = Contract::ALL;

/// A policy whose functions have the bodies given. Addresses: 1024 `describe`'s answer, 1100 `configure`'s, 1200
/// `decide`'s, 2048 and on for scratch; texts at 16 (`fixture`), 32 (`a fixture`), 48 (`{}`), 64 (`told`).
///
/// Verdicts of both versions have the same layout, but for what is granted.
#[derive(Clone, Copy)]
pub(crate) struct Fixture<'a> {
    /// The version of the contract.
    pub(crate) contract: Contract,
    /// Imports, as WAT.
    pub(crate) imports: &'a str,
    /// Further definitions, as WAT.
    pub(crate) extra: &'a str,
    /// Runs at the start of `describe`.
    pub(crate) describe: &'a str,
    /// Runs at the start of `configure`.
    pub(crate) configure: &'a str,
    /// Runs at the start of `decide`; unless it writes an answer of its own, the ceiling is allowed.
    pub(crate) decide: &'a str,
    /// Runs at the start of every allocation.
    pub(crate) realloc: &'a str,
    /// Runs when the gateway has read the answer of `decide`, if anything.
    pub(crate) post_return: &'a str,
}

impl Default for Fixture<'_> {
    fn default() -> Self {
        Self::of(Contract::CURRENT)
    }
}

impl Fixture<'_> {
    /// A policy of that version that allows the ceiling.
    pub(crate) fn of(contract: Contract) -> Self {
        Self { contract, imports: "", extra: "", describe: "", configure: "", decide: "", realloc: "", post_return: "" }
    }

    fn module(&self) -> String {
        let Self { contract, imports, extra, describe, configure, decide, realloc, post_return } = self;
        let version = contract.version();
        // A mount is flattened into parameters, and more than sixteen of those go through memory.
        let configured = match contract {
            Contract::V0_1 => "i32 i32",
            Contract::V0_2 => "i32",
        };
        let post_returns = if post_return.is_empty() {
            String::new()
        } else {
            format!(
                r#"(func (export "cabi_post_mountgate:policy/decisions@{version}#decide") (param i32) {post_return})"#
            )
        };
        format!(
            r#"(module
              {imports}
              (memory (export "memory") 2)
              (global $heap (mut i32) (i32.const 8192))
              (data (i32.const 16) "fixture")
              (data (i32.const 32) "a fixture")
              (data (i32.const 48) "{{}}")
              (data (i32.const 64) "told")
              {extra}
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
                {realloc}
                (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
                (global.set $heap (i32.add (local.get $at) (local.get 3)))
                (if (i32.gt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536)))
                  (then (drop (memory.grow (i32.const 4)))))
                (local.get $at))
              (func (export "mountgate:policy/decisions@{version}#describe") (result i32) (local $i i32)
                {describe}
                (i32.store (i32.const 1024) (i32.const 16)) (i32.store (i32.const 1028) (i32.const 7))
                (i32.store (i32.const 1032) (i32.const 32)) (i32.store (i32.const 1036) (i32.const 9))
                (i32.store (i32.const 1048) (i32.const 48)) (i32.store (i32.const 1052) (i32.const 2))
                (i32.const 1024))
              (func (export "mountgate:policy/decisions@{version}#configure") (param {configured}) (result i32) (local $i i32)
                {configure}
                (i32.const 1100))
              (func (export "mountgate:policy/decisions@{version}#decide") (param i32) (result i32) (local $i i32) (local $j i64)
                (i32.store8 (i32.const 1208) (i32.const 1))
                {decide}
                (i32.const 1200))
              {post_returns})"#
        )
    }

    /// The component.
    pub(crate) fn component(&self, worlds: &str) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let version = self.contract.version();
        let (minor, _) = version.rsplit_once('.').unwrap();
        resolve.push_path(wit.join(format!("v{minor}"))).unwrap();
        let worlds = worlds.replace("VERSION", version);
        let mut last = None;
        for (index, package) in worlds.split("---").enumerate() {
            last = Some(resolve.push_str(format!("{index}.wit"), package).unwrap());
        }
        let world = resolve.select_world(&[last.unwrap()], None).unwrap();
        let mut module = wat::parse_str(self.module()).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
    }

    /// The policy, on a host with small limits.
    pub(crate) fn policy(&self) -> Result<Arc<Policy>, PolicyError> {
        host().admit(&self.component(PLAIN)).unwrap().configure("{}", &mount())
    }

    /// Its decision.
    pub(crate) fn decide(&self) -> Result<Decision, PolicyError> {
        self.policy().unwrap().decide(&request())
    }
}

/// WAT that answers with a denial whose code is the text `told`, up to the byte at 68, and whose reason is empty.
pub(crate) const DENY: &str = "
    (i32.store8 (i32.const 1208) (i32.const 0))
    (i32.store (i32.const 1216) (i32.const 64)) (i32.store (i32.const 1220) (i32.const 5))
    (i32.store (i32.const 1224) (i32.const 64)) (i32.store (i32.const 1228) (i32.const 0))";

pub(crate) fn host() -> Host {
    Host::new(config()).unwrap()
}

pub(crate) fn config() -> HostConfig {
    HostConfig {
        max_instances: 16,
        ready: 2,
        max_memory: 2 << 20,
        max_output: 64 << 10,
        configure_deadline: Duration::from_millis(100),
        ..HostConfig::default()
    }
}

/// A mount that shows relation `told`, with the columns `a` and `b`, and another before it.
pub(crate) fn mount() -> Arc<RequestMount> {
    let column = |name: &str| RequestColumn { name: name.into(), ty: ColumnType::Text, key: false, masks: vec![] };
    let relation = |name: &str, columns: &[&str]| RequestRelation {
        name: name.into(),
        columns: columns.iter().copied().map(column).collect(),
        lent: vec![],
        filter: None,
    };
    let relations = vec![relation("told", &["a", "b"]), relation("other", &["c"])];
    Arc::new(RequestMount::new("m".into(), relations, Limits::default()))
}

/// A request that touches `a` of `told`.
pub(crate) fn request() -> DecisionRequest {
    let touched =
        RelationTouch { relation: "told".into(), columns: vec![("a".into(), Default::default())], references: 1 };
    DecisionRequest {
        agent: "a".into(),
        session: None,
        claims: Arc::default(),
        mount: "m".into(),
        door: Door::Http,
        purpose: None,
        time: None,
        usage: None,
        parameters: None,
        touch: Arc::new(Touch { verb: Verb::Read, relations: vec![touched], predicates: vec![] }),
        ceiling: Arc::new(vec![]),
        limits: Arc::new(Limits::default()),
    }
}
