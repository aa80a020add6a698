//! Domain types of Mountgate: what is asked (`Touch`), what may come back (`Ceiling`, `Verdict`, `Scope`),
//! who asks (`Caller`), and how a refusal is told (`Refusal`).
//!
//! This crate does no I/O and deliberately knows no SQL, no Wasm and no protocol: a store of documents must fit
//! behind the same types.

pub mod caller;
pub mod catalogue;
pub mod ceiling;
pub mod digest;
pub mod effect;
pub mod filter;
pub mod hours;
pub mod limits;
pub mod mask;
pub mod names;
pub mod practice;
pub mod refusal;
pub mod request;
pub mod scope;
pub mod standing;
pub mod touch;
pub mod value;
pub mod verdict;
pub mod weaken;
pub mod write;

pub use caller::{Caller, ClaimValue, Claims, Door, Principal};
pub use catalogue::{Catalogue, ColumnInfo, RelationInfo};
pub use ceiling::{Aggregate, Ceiling, CeilingColumn, LentColumn, RelationCeiling, Walled};
pub use digest::Digest;
pub use effect::{Effect, RowChange};
pub use filter::{CompareOp, Filter, Node};
pub use hours::Hours;
pub use limits::{Counted, Distinct, LimitKey, Limits, Rate};
pub use mask::{DatePart, Mask};
pub use names::{
    AgentName, BackendName, ClaimName, ColumnName, MinterName, MountName, PolicyName, RelationName, SessionId,
};
pub use practice::{LastDay, Practice};
pub use refusal::{Code, Kind, Refusal};
pub use request::{DecisionRequest, RequestMount, RequestTime};
pub use scope::{Scope, ScopedColumn, ScopedRelation};
pub use standing::Standing;
pub use touch::{Predicate, PredicateValue, RelationTouch, Touch, Use, Uses, Verb};
pub use value::{ColumnType, Value};
pub use verdict::{Grant, RelationGrant, Verdict};
pub use write::{Approval, ParentCeiling, WriteCeiling, WriteDeclaration};
