//! Components written by hand: core modules in text form against the contract's own binary interface.

use std::{sync::Arc, time::Duration};

use mountgate_core::{DecisionRequest, Door, Limits, Touch, Verb};
use mountgate_policy::{Decision, Host, HostConfig, Policy, PolicyError};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The world of a policy, and one of a policy that imports some WASI.
pub(crate) const PLAIN: &str = "package test:plain; world fixture { include mountgate:policy/policy@0.1.0; }";

/// A policy whose functions have the bodies given. Addresses: 1024 `describe`'s answer, 1100 `configure`'s, 1200
/// `decide`'s, 2048 and on for scratch; texts at 16 (`fixture`), 32 (`a fixture`), 48 (`{}`), 64 (`told`).
#[derive(Default)]
pub(crate) struct Fixture<'a> {
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
}

impl Fixture<'_> {
    fn module(&self) -> String {
        let Self { imports, extra, describe, configure, decide } = self;
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
                (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
                (global.set $heap (i32.add (local.get $at) (local.get 3)))
                (if (i32.gt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536)))
                  (then (drop (memory.grow (i32.const 4)))))
                (local.get $at))
              (func (export "mountgate:policy/decisions@0.1.0#describe") (result i32) (local $i i32)
                {describe}
                (i32.store (i32.const 1024) (i32.const 16)) (i32.store (i32.const 1028) (i32.const 7))
                (i32.store (i32.const 1032) (i32.const 32)) (i32.store (i32.const 1036) (i32.const 9))
                (i32.store (i32.const 1048) (i32.const 48)) (i32.store (i32.const 1052) (i32.const 2))
                (i32.const 1024))
              (func (export "mountgate:policy/decisions@0.1.0#configure") (param i32 i32) (result i32) (local $i i32)
                {configure}
                (i32.const 1100))
              (func (export "mountgate:policy/decisions@0.1.0#decide") (param i32) (result i32) (local $i i32) (local $j i64)
                (i32.store8 (i32.const 1208) (i32.const 1))
                {decide}
                (i32.const 1200)))"#
        )
    }

    /// The component.
    pub(crate) fn component(&self, worlds: &str) -> Vec<u8> {
        let mut resolve = Resolve::default();
        resolve.push_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).unwrap();
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
        host().admit(&self.component(PLAIN)).unwrap().configure("{}")
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

pub(crate) fn request() -> DecisionRequest {
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
        touch: Arc::new(Touch { verb: Verb::Read, relations: vec![], predicates: vec![] }),
        ceiling: Arc::new(vec![]),
        limits: Arc::new(Limits::default()),
    }
}
