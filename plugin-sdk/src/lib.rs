//! Write Mountgate policies in Rust.
//!
//! A policy says what an agent may see of each relation that its request touches: which columns, which of them
//! masked and how, which rows, how much and how often. It can only narrow what the mount's file (the *ceiling*)
//! shows. It is built for `wasm32-unknown-unknown`, wrapped as a component, and run by the gateway in a sandbox:
//! no files, no network, no clock of its own. The same request always gets the same verdict.
//!
//! ```
//! use mountgate_plugin_sdk::prelude::*;
//! use serde::{Deserialize, Serialize};
//!
//! struct Support;
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     /// Roles that may see e-mail addresses in part.
//!     may_see_email: Vec<String>,
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! struct Prepared {
//!     may_see_email: Vec<String>,
//! }
//!
//! impl Policy for Support {
//!     type Settings = Settings;
//!     type Prepared<'a> = Prepared;
//!
//!     fn describe() -> Manifest {
//!         Manifest::new("acme/support", "customers see their own rows; e-mail addresses by role")
//!             .settings_schema(r#"{"type":"object","required":["may_see_email"]}"#)
//!     }
//!
//!     fn configure(settings: Settings, mount: &Mount) -> Result<Prepared, String> {
//!         for relation in &mount.relations {
//!             if !relation.may_filter_by("customer_id") {
//!                 return Err(format!("`{}` has no `customer_id` to tell customers apart by", relation.name));
//!             }
//!         }
//!         Ok(Prepared { may_see_email: settings.may_see_email })
//!     }
//!
//!     fn decide(prepared: &Prepared, request: &Request<'_>) -> Result<Verdict, String> {
//!         let role = match request.claim_text("role") {
//!             Ok(role) => role,
//!             Err(error) => return Ok(Verdict::deny("no_role", error.to_string())),
//!         };
//!         let mut grants = Vec::new();
//!         for touched in request.relations() {
//!             let mut narrowed = touched.narrowed()?.filter(col("customer_id").eq(claim("customer_id")));
//!             if narrowed.has_column("email") && !prepared.may_see_email.iter().any(|other| other == role) {
//!                 narrowed = narrowed.mask("email", Mask::Hash)?;
//!             }
//!             grants.push(touched.grant(narrowed));
//!         }
//!         Ok(Verdict::allow(grants).limits(Limits::none().max_rows(100)).valid_for_ms(30_000).into())
//!     }
//! }
//!
//! export_policy!(Support);
//!
//! // The same code runs natively in tests.
//! use mountgate_plugin_sdk::testing::{self, MountBuilder};
//! let mount = MountBuilder::new("support")
//!     .relation("customers", &[("customer_id", Scalar::Integer), ("email", Scalar::Text)])
//!     .build();
//! let policy = testing::configure::<Support>(r#"{"may_see_email": ["senior"]}"#, &mount).unwrap();
//! let request = policy.request("support-bot").claim("role", "junior").claim("customer_id", 42).touch("customers");
//! let answer = policy.decide(request).unwrap();
//! let customers = answer.granted("customers").unwrap();
//! assert_eq!(customers.masks_of("email"), Some(&[Mask::Hash][..]));
//! ```
//!
//! Settings are checked against the mount's ceiling and prepared once per mount in [`Policy::configure`]; what it
//! returns comes back with every request, so a decision never parses settings. Where they are large, keep the parts that
//! a request picks from in what [`types::Mount::prepare`] makes: a decision decodes only the relations that it touches.

#[cfg(target_arch = "wasm32")]
mod arena;
#[expect(missing_docs, reason = "generated from wit/v0.2")]
pub mod bindings;
pub mod ceiling;
pub mod expr;
pub mod limits;
pub mod narrowed;
pub mod policy;
pub mod prepared;
pub mod request;
pub mod settings;
pub mod testing;
pub mod value;
pub mod verdict;

pub use policy::Policy;

/// The contract's types, as generated.
pub mod types {
    pub use crate::bindings::mountgate::policy::types::*;
}

/// What a policy usually needs.
pub mod prelude {
    pub use crate::{
        Policy,
        ceiling::{Request, Touched},
        export_policy,
        expr::{Expr, Term, all, always, any, claim, col, lit, not},
        narrowed::{Granted, Narrowed},
        prepared::{Indexed, Listed},
        request::ClaimError,
        types::{
            CeilingColumn, CeilingRelation, ClaimValue, ColumnGrant, DatePart, Grant, Input, Limits, Manifest, Mask,
            Mount, Partial, Rate, RelationGrant, Scalar, Value, Verb, Verdict,
        },
        verdict::{Allow, Hold},
    };
}
