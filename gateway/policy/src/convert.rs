//! Between `core`'s types and the contract's. What comes from a policy is checked here, value by value: nothing of a
//! verdict is believed.

pub(crate) mod request;
pub(crate) mod values;
pub(crate) mod verdict;
