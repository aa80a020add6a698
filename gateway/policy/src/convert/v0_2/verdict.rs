//! The verdict, its places made names again. A place that does not exist reaches past the ceiling.

use std::collections::BTreeMap;

use mountgate_core::{self as core, DecisionRequest, request::RequestMount};

use super::{MAX_RELATIONS, at_most, masks_from, named_filter_from, read_verdict, wit};
use crate::error::PolicyError;

/// The verdict, checked.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn verdict_from(
    verdict: wit::Verdict,
    request: &DecisionRequest,
    mount: &RequestMount,
) -> Result<core::Verdict, PolicyError> {
    read_verdict(verdict, |grant| grant_from(grant, request, mount))
}

fn grant_from(grant: wit::Grant, request: &DecisionRequest, mount: &RequestMount) -> Result<core::Grant, PolicyError> {
    let relations = match grant {
        wit::Grant::Ceiling => return Ok(core::Grant::Ceiling),
        wit::Grant::Narrowed(relations) => relations,
    };
    at_most(MAX_RELATIONS, relations.len(), || format!("the grant has {} relations", relations.len()))
        .map_err(PolicyError::Malformed)?;
    let touched = &request.touch.relations;
    let mut granted = BTreeMap::new();
    for wit::RelationGrant { relation: place, columns, filter } in relations {
        let past = || {
            let many = touched.len();
            PolicyError::PastCeiling(format!("it grants relation {place} of a request that touches {many}"))
        };
        let name = &usize::try_from(place).ok().and_then(|place| touched.get(place)).ok_or_else(past)?.relation;
        let (_, relation) = mount.relation(name).ok_or_else(past)?;
        at_most(super::MAX_COLUMNS, columns.len(), || format!("the grant of `{name}` has {} columns", columns.len()))
            .map_err(PolicyError::Malformed)?;
        let mut out = Vec::with_capacity(columns.len());
        for wit::ColumnGrant { column: place, masks } in columns {
            let column =
                usize::try_from(place).ok().and_then(|place| relation.columns.get(place)).ok_or_else(|| {
                    let many = relation.columns.len();
                    PolicyError::PastCeiling(format!("it grants column {place} of `{name}`, which shows {many}"))
                })?;
            let masks = if masks.is_empty() { vec![] } else { masks_from(name.as_str(), column.name.as_str(), masks)? };
            out.push((column.name.clone(), masks));
        }
        let grant = core::RelationGrant { columns: out, filter: named_filter_from(name.as_str(), filter)? };
        // Twice the same relation: which of the two would hold?
        if granted.insert(name.clone(), grant).is_some() {
            return Err(PolicyError::Malformed(format!("the grant has `{name}` twice")));
        }
    }
    Ok(core::Grant::Narrowed(granted))
}
