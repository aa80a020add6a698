//! Joins a declaration of writes with the store's catalogue. What could write, or tell of, what the mount does not
//! show is refused here, at load.

use std::collections::BTreeMap;

use super::{ParentCeiling, WriteCeiling, WriteDeclaration};
use crate::{
    Catalogue, ColumnName, RelationName,
    catalogue::Links,
    ceiling::{CeilingError, RelationDeclaration, likely},
};

/// The ceiling of a relation's writes.
///
/// # Errors
/// Every reason for which what is declared can't be let through.
pub(crate) fn join(
    name: &RelationName,
    declared: &BTreeMap<RelationName, RelationDeclaration>,
    declaration: &RelationDeclaration,
    write: &WriteDeclaration,
    catalogue: &Catalogue,
) -> Result<WriteCeiling, Vec<CeilingError>> {
    let mut errors = Vec::new();
    let mut reject = |culprit: Option<&str>, message: String| {
        errors.push(CeilingError {
            place: ["tables", name.as_str(), "write"].map(str::to_owned).to_vec(),
            culprit: culprit.map(str::to_owned),
            message,
        });
    };
    let none = Links::default();
    let links = catalogue.links.get(name).unwrap_or(&none);
    let Some(info) = catalogue.relations.get(name) else { return Err(errors) };
    if info.key.is_empty() {
        reject(None, format!("`{name}` has no primary key, so the rows of a write can't be told: take `write` out"));
    }
    for column in &info.key {
        if !declaration.columns.contains(column) {
            reject(None, format!("`{column}` is part of the primary key of `{name}`: writes need it among `columns`"));
        } else if declaration.masks.contains_key(column) {
            reject(
                None,
                format!(
                    "`{column}` is part of the primary key of `{name}` and has a mask, under which rows can't be told apart: take the mask or `write` out"
                ),
            );
        }
    }
    if declaration.aggregate.is_some() {
        reject(None, format!("`{name}` answers with statistics only, and a write is about rows: take `write` out"));
    }
    for (key, columns) in [("insert", &write.insert), ("update", &write.update)] {
        for column in columns {
            if info.column(column).is_none() {
                let near = likely(column.as_str(), info.columns.iter().map(|c| c.name.as_str()));
                let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                reject(Some(column.as_str()), format!("`{name}` has no column `{column}`{near}"));
            } else if !declaration.columns.contains(column) {
                reject(
                    Some(column.as_str()),
                    format!(
                        "`{column}` is in `{key}` and not among `columns` of `{name}`: agents write what they can name; show it, or take it out"
                    ),
                );
            }
        }
    }
    // What the store itself would change elsewhere, unseen.
    for dependent in &links.dependents {
        if write.delete && dependent.on_delete {
            reject(
                None,
                format!(
                    "deleting from `{name}` changes `{}` too, by its foreign key's ON DELETE: take `delete` out",
                    dependent.relation
                ),
            );
        }
        let moved = dependent.columns.iter().find(|column| write.update.contains(column));
        if let Some(column) = moved.filter(|_| dependent.on_update) {
            reject(
                Some(column.as_str()),
                format!(
                    "updating `{column}` changes `{}` too, by its foreign key's ON UPDATE: take it out of `update`",
                    dependent.relation
                ),
            );
        }
    }
    let written = |column: &ColumnName| write.insert.contains(column) || write.update.contains(column);
    let mut parents = Vec::new();
    for link in links.parents.iter().filter(|link| link.columns.iter().any(written)) {
        let found = declared.iter().find(|(other, _)| {
            catalogue.relations.get(*other).is_some_and(|info| info.schema == link.schema && info.name == link.name)
        });
        let plain = |(_, parent): &(&RelationName, &RelationDeclaration)| {
            parent.aggregate.is_none()
                && link.referred.iter().all(|c| parent.columns.contains(c) && !parent.masks.contains_key(c))
        };
        match found.filter(plain) {
            Some((relation, _)) => parents.push(ParentCeiling {
                columns: link.columns.clone(),
                relation: relation.clone(),
                referred: link.referred.clone(),
            }),
            // Whether a write succeeds would tell which rows there are of what nobody is shown.
            None => {
                let column = link.columns.iter().find(|column| written(column));
                let culprit = column.map(ColumnName::as_str);
                let referred: Vec<String> = link.referred.iter().map(|column| format!("`{column}`")).collect();
                reject(
                    culprit,
                    format!(
                        "`{}` of `{name}` refers to {} of `{}`, which the mount does not show as they are: show them, or take the column out of `write`",
                        culprit.unwrap_or_default(),
                        referred.join(", "),
                        link.name
                    ),
                );
            }
        }
    }
    if errors.is_empty() { Ok(WriteCeiling { declared: write.clone(), parents }) } else { Err(errors) }
}
