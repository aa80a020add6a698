//! The trait that a policy implements, and its export as a component.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    ceiling::Request,
    prepared::{self, Listed},
    types::{self, CeilingRelation, Input, Manifest, Mount, Verdict},
};

/// A policy.
///
/// The gateway makes a fresh instance of the component for every decision: nothing that `decide` leaves behind in
/// memory is there for the next one, whoever asks.
pub trait Policy {
    /// The mount's `settings`. Derive `Deserialize` with `#[serde(deny_unknown_fields)]`, so that a misspelt key is an
    /// error and not silence.
    type Settings: DeserializeOwned;
    /// What `configure` makes of them, handed to every decision. Its encoding is compact and decoded per decision:
    /// put large tables in a [`prepared::Listed`] (by relation) or a [`prepared::Indexed`] (by name), which borrow their
    /// bytes. Types that own everything are written `type Prepared<'a> = Prepared;`.
    type Prepared<'a>: Serialize + Deserialize<'a>;

    /// Whether decisions look at the ceiling ([`Touched::ceiling`](crate::ceiling::Touched::ceiling) and what builds on
    /// it). One whose grants are all prepared in `configure` saves the copy.
    const KEEPS_CEILING: bool = true;

    /// Says what the policy is. Called once, when the gateway admits the component.
    fn describe() -> Manifest;

    /// Checks and prepares a mount's settings against its ceiling. Called once per mount and generation.
    ///
    /// # Errors
    /// What is wrong, naming the key. The mount is then not loaded.
    fn configure(settings: Self::Settings, mount: &Mount) -> Result<Self::Prepared<'static>, String>;

    /// Decides a request.
    ///
    /// # Errors
    /// A text for the operator's log. The request is denied.
    fn decide(prepared: &Self::Prepared<'_>, request: &Request<'_>) -> Result<Verdict, String>;
}

impl Manifest {
    /// A manifest of a policy that reads no optional input and takes no settings.
    pub fn new(name: impl Into<String>, summary: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            summary: summary.into(),
            inputs: Vec::new(),
            settings_schema: r#"{"type":"object","additionalProperties":false}"#.into(),
        }
    }

    /// Declares an optional input.
    #[must_use]
    pub fn input(mut self, input: Input) -> Self {
        self.inputs.push(input);
        self
    }

    /// The JSON Schema of the settings, as JSON text.
    #[must_use]
    pub fn settings_schema(mut self, schema: impl Into<String>) -> Self {
        self.settings_schema = schema.into();
        self
    }
}

/// What the component's `configure` does.
///
/// # Errors
/// As [`Policy::configure`], and where the settings are not of the policy's shape.
pub fn configure<P: Policy>(settings: &str, mount: &Mount) -> Result<Vec<u8>, String> {
    // serde also reads a struct from a list, by position: no operator means that.
    if !settings.trim_start().starts_with('{') {
        return Err("settings: write keys and values".into());
    }
    let settings = serde_json::from_str(settings).map_err(|error| format!("settings: {error}"))?;
    let prepared = P::configure(settings, mount)?;
    let ceiling = if P::KEEPS_CEILING { Some(mount.prepare(|relation| Ok(Some(relation.clone())))?) } else { None };
    prepared::encode(&(ceiling, prepared))
}

/// What the component's `decide` does.
///
/// # Errors
/// As [`Policy::decide`], and where the bytes are not those of `configure`.
pub fn decide<P: Policy>(prepared: &[u8], request: types::Request) -> Result<Verdict, String> {
    let (ceiling, prepared): (Option<Listed<'_, CeilingRelation>>, P::Prepared<'_>) = prepared::decode(prepared)?;
    P::decide(&prepared, &Request::new(request, ceiling))
}

/// Exports a [`Policy`] as the component's. Once per crate; outside Wasm it checks the type and exports nothing.
#[macro_export]
macro_rules! export_policy {
    ($policy:ty) => {
        const _: () = {
            struct Exported;

            impl $crate::bindings::exports::mountgate::policy::decisions::Guest for Exported {
                fn describe() -> $crate::types::Manifest {
                    <$policy as $crate::Policy>::describe()
                }

                fn configure(settings: String, mount: $crate::types::Mount) -> Result<Vec<u8>, String> {
                    $crate::policy::configure::<$policy>(&settings, &mount)
                }

                fn decide(
                    prepared: Vec<u8>,
                    request: $crate::types::Request,
                ) -> Result<$crate::types::Verdict, String> {
                    $crate::policy::decide::<$policy>(&prepared, request)
                }
            }

            #[cfg(target_arch = "wasm32")]
    $crate::bindings::export_component!(Exported with_types_in $crate::bindings);
        };
    };
}
