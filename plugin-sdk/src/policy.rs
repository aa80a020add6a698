//! The trait that a policy implements, and its export as a component.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    prepared,
    types::{Input, Manifest, Request, Verdict},
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
    /// put large tables in a [`prepared::Indexed`],
    /// which borrows its bytes. Types that own everything are written `type Prepared<'a> = Prepared;`.
    type Prepared<'a>: Serialize + Deserialize<'a>;

    /// Says what the policy is. Called once, when the gateway admits the component.
    fn describe() -> Manifest;

    /// Checks and prepares a mount's settings. Called once per mount and generation.
    ///
    /// # Errors
    /// What is wrong, naming the key. The mount is then not loaded.
    fn configure(settings: Self::Settings) -> Result<Self::Prepared<'static>, String>;

    /// Decides a request. It owns the request, so a grant can be made of the ceiling's own parts.
    ///
    /// # Errors
    /// A text for the operator's log. The request is denied.
    fn decide(prepared: &Self::Prepared<'_>, request: Request) -> Result<Verdict, String>;
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
pub fn configure<P: Policy>(settings: &str) -> Result<Vec<u8>, String> {
    // serde also reads a struct from a list, by position: no operator means that.
    if !settings.trim_start().starts_with('{') {
        return Err("settings: write keys and values".into());
    }
    let settings = serde_json::from_str(settings).map_err(|error| format!("settings: {error}"))?;
    prepared::encode(&P::configure(settings)?)
}

/// What the component's `decide` does.
///
/// # Errors
/// As [`Policy::decide`], and where the bytes are not those of `configure`.
pub fn decide<P: Policy>(prepared: &[u8], request: Request) -> Result<Verdict, String> {
    P::decide(&prepared::decode(prepared)?, request)
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

                fn configure(settings: String) -> Result<Vec<u8>, String> {
                    $crate::policy::configure::<$policy>(&settings)
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
