//! The versions of the contract that the host speaks. Which one a component exports is found at admission; from there
//! on, the difference is in this file and in `convert`.

use mountgate_core::{DecisionRequest, Verdict, request::RequestMount};
use wasmtime::{Engine, Store, component::InstancePre};

use crate::{
    bindings::{v0_1, v0_2},
    convert,
    error::PolicyError,
    plugin::{Inputs, Manifest, shorten},
    state::State,
};

/// A version of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Contract {
    /// `mountgate:policy@0.1`: by name, with the ceiling in every request.
    V0_1,
    /// `mountgate:policy@0.2`: by place, with the ceiling in `configure`.
    V0_2,
}

impl Contract {
    /// Every version that is spoken, the oldest first.
    pub const ALL: [Self; 2] = [Self::V0_1, Self::V0_2];
    /// The one that new policies are built against.
    pub const CURRENT: Self = Self::V0_2;

    /// The version, as WIT writes it.
    pub fn version(self) -> &'static str {
        match self {
            Self::V0_1 => "0.1.0",
            Self::V0_2 => "0.2.0",
        }
    }

    /// The contract of that version; patch releases are compatible.
    pub(crate) fn of(version: &str) -> Option<Self> {
        let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
        Self::ALL.into_iter().find(|contract| minor(contract.version()) == minor(version))
    }
}

/// A component that is ready to be instantiated.
pub(crate) enum Ready {
    V0_1(v0_1::PolicyPre<State>),
    V0_2(v0_2::PolicyPre<State>),
}

impl Ready {
    /// # Errors
    /// Where its exports are not of the contract's types.
    pub(crate) fn new(contract: Contract, pre: InstancePre<State>) -> wasmtime::Result<Self> {
        Ok(match contract {
            Contract::V0_1 => Self::V0_1(v0_1::PolicyPre::new(pre)?),
            Contract::V0_2 => Self::V0_2(v0_2::PolicyPre::new(pre)?),
        })
    }

    pub(crate) fn engine(&self) -> &Engine {
        match self {
            Self::V0_1(pre) => pre.engine(),
            Self::V0_2(pre) => pre.engine(),
        }
    }

    /// # Errors
    /// Where it does not start.
    pub(crate) fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Bound> {
        Ok(match self {
            Self::V0_1(pre) => Bound::V0_1(pre.instantiate(store)?),
            Self::V0_2(pre) => Bound::V0_2(pre.instantiate(store)?),
        })
    }
}

/// The exports of an instance. An outer error is of the call; an inner one is the policy's own.
pub(crate) enum Bound {
    V0_1(v0_1::Policy),
    V0_2(v0_2::Policy),
}

impl Bound {
    pub(crate) fn describe(&self, store: &mut Store<State>) -> wasmtime::Result<Manifest> {
        Ok(match self {
            Self::V0_1(bound) => convert::v0_1::manifest_from(bound.mountgate_policy_decisions().call_describe(store)?),
            Self::V0_2(bound) => convert::v0_2::manifest_from(bound.mountgate_policy_decisions().call_describe(store)?),
        })
    }

    pub(crate) fn configure(
        &self,
        store: &mut Store<State>,
        settings: &str,
        mount: &RequestMount,
    ) -> wasmtime::Result<Result<Vec<u8>, String>> {
        match self {
            Self::V0_1(bound) => bound.mountgate_policy_decisions().call_configure(store, settings),
            Self::V0_2(bound) => convert::v0_2::with_mount(mount, |mount| {
                bound.mountgate_policy_decisions().call_configure(store, settings, mount)
            }),
        }
    }

    pub(crate) fn decide(
        &self,
        store: &mut Store<State>,
        prepared: &[u8],
        request: &DecisionRequest,
        mount: &RequestMount,
        inputs: Inputs,
    ) -> wasmtime::Result<Result<Verdict, PolicyError>> {
        let failed = |text| PolicyError::Failed(shorten(text));
        Ok(match self {
            Self::V0_1(bound) => {
                let asked = convert::v0_1::request_to(request, inputs);
                let answer = bound.mountgate_policy_decisions().call_decide(store, prepared, &asked)?;
                answer.map_err(failed).and_then(convert::v0_1::verdict_from)
            }
            Self::V0_2(bound) => {
                let answer = convert::v0_2::with_request(request, mount, inputs, |asked| {
                    bound.mountgate_policy_decisions().call_decide(store, prepared, asked)
                });
                match answer {
                    Ok(answer) => {
                        answer?.map_err(failed).and_then(|verdict| convert::v0_2::verdict_from(verdict, request, mount))
                    }
                    Err(error) => Err(error),
                }
            }
        })
    }
}
