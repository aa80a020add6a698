//! The ceiling: the whole of a mount's file, joined with what the backend says of its relations. Enforced by the
//! gateway whatever a policy says.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    AgentName, Catalogue, ColumnInfo, ColumnName, ColumnType, Filter, Hours, LimitKey, Limits, Mask, RelationInfo,
    RelationName, WriteCeiling, WriteDeclaration, write,
};

/// A column that the mount's agents may see.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CeilingColumn {
    /// The column.
    pub name: ColumnName,
    /// Its type in the store.
    pub store_type: ColumnType,
    /// Its type as agents see it, after the masks.
    pub ty: ColumnType,
    /// The masks, applied in order.
    pub masks: Vec<Mask>,
}

/// A column that policies may filter by and agents don't see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LentColumn {
    /// The column.
    pub name: ColumnName,
    /// Its type in the store.
    pub ty: ColumnType,
}

/// What a relation demands that answers with statistics only: no raw rows, and no group of too few.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Aggregate {
    /// The column that tells apart whom the rows are about. Agents need not see it.
    pub unit: ColumnName,
    /// The fewest distinct units that a group may have.
    pub min_group: u32,
}

/// A relation that the mount's agents may see, and how much of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RelationCeiling {
    /// Where it is in the store, with all of its columns, hidden ones too.
    #[serde(skip)]
    pub store: RelationInfo,
    /// The columns that agents see, in the store's order.
    pub columns: Vec<CeilingColumn>,
    /// The hidden columns that a policy's filter may name, as the store has them, in the store's order.
    pub lent: Vec<LentColumn>,
    /// The rows that agents see. It may name hidden columns: the operator wrote it.
    pub filter: Option<Filter>,
    /// Visible columns each of which every reference must fix to one value: the relation is for look-ups by key.
    pub require: Vec<ColumnName>,
    /// That it answers with statistics only.
    pub aggregate: Option<Aggregate>,
    /// What agents may write of it; none where nothing.
    pub write: Option<WriteCeiling>,
    /// Where the store's own wall shows it, if one stands.
    #[serde(skip)]
    pub wall: Option<Walled>,
}

/// A relation as the store's own wall (invariant 4) shows it: the visible columns under the ceiling's masks, the rows of
/// the ceiling's filter, whoever asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walled {
    /// The schema.
    pub schema: String,
    /// The name within the schema.
    pub name: String,
    /// The name of its like that shows [`RelationCeiling::lending`] too, for scopes that need them.
    pub lending: String,
}

impl RelationCeiling {
    /// The visible column of that name.
    pub fn column(&self, name: &ColumnName) -> Option<&CeilingColumn> {
        self.columns.iter().find(|column| &column.name == name)
    }

    /// The hidden columns that a statement of the gateway's may need all the same, in the store's order: those lent, and
    /// the unit of [`Aggregate`].
    pub fn lending(&self) -> impl Iterator<Item = &ColumnInfo> {
        self.store.columns.iter().filter(|info| {
            self.lent.iter().any(|lent| lent.name == info.name) || self.hidden_unit() == Some(&info.name)
        })
    }

    /// The unit of [`Aggregate`], where agents don't see it.
    pub fn hidden_unit(&self) -> Option<&ColumnName> {
        self.aggregate.as_ref().map(|aggregate| &aggregate.unit).filter(|unit| self.column(unit).is_none())
    }
}

/// The ceiling of a mount.
#[derive(Clone, Debug, PartialEq)]
pub struct Ceiling {
    relations: BTreeMap<RelationName, RelationCeiling>,
    /// The agents that the mount serves.
    pub agents: Vec<AgentName>,
    /// The mount's limits.
    pub limits: Limits,
    /// Whose use is counted together.
    pub per: LimitKey,
    /// When the mount serves.
    pub hours: Option<Hours>,
    /// The first moment at which it no longer serves, in milliseconds since 1970-01-01T00:00Z.
    pub expires_ms: Option<i64>,
}

/// A relation of a mount as its file declares it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RelationDeclaration {
    /// The visible columns.
    pub columns: Vec<ColumnName>,
    /// Masks of visible columns.
    pub masks: BTreeMap<ColumnName, Mask>,
    /// Hidden columns that policies may filter by.
    pub lend: Vec<ColumnName>,
    /// The rows.
    pub filter: Option<Filter>,
    /// Columns that every reference must fix to one value.
    pub require: Vec<ColumnName>,
    /// That it answers with statistics only.
    pub aggregate: Option<Aggregate>,
    /// What agents may write of it.
    pub write: Option<WriteDeclaration>,
}

/// Why a declaration does not fit the backend. `place` is the path of the key in the mount's file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CeilingError {
    /// The key at fault, as a path: `["tables", "orders", "columns"]`.
    pub place: Vec<String>,
    /// The value at fault, where one value of a list is (for pointing at it).
    pub culprit: Option<String>,
    /// What is wrong, with the likely spelling where there is one.
    pub message: String,
}

impl Ceiling {
    /// Joins declared relations with the backend's catalogue.
    ///
    /// # Errors
    /// Every relation or column that the backend lacks, every mask and filter that does not fit.
    pub fn build(
        declared: &BTreeMap<RelationName, RelationDeclaration>,
        catalogue: &Catalogue,
        agents: Vec<AgentName>,
        limits: Limits,
        per: LimitKey,
        hours: Option<Hours>,
        expires_ms: Option<i64>,
    ) -> Result<Self, Vec<CeilingError>> {
        let mut errors = Vec::new();
        let mut relations = BTreeMap::new();
        for (name, declaration) in declared {
            let place = |tail: &[&str]| {
                ["tables", name.as_str()].iter().chain(tail).map(|part| (*part).to_owned()).collect::<Vec<_>>()
            };
            let Some(info) = catalogue.relations.get(name) else {
                errors.push(CeilingError {
                    place: place(&[]),
                    culprit: None,
                    message: format!("the backend has no relation `{name}`"),
                });
                continue;
            };
            let unknown = |column: &ColumnName, key: &str| CeilingError {
                place: place(&[key]),
                culprit: Some(column.to_string()),
                message: match likely(column.as_str(), info.columns.iter().map(|c| c.name.as_str())) {
                    Some(near) => format!("`{name}` has no column `{column}`; did you mean `{near}`?"),
                    None => format!("`{name}` has no column `{column}`"),
                },
            };
            for column in &declaration.columns {
                if info.column(column).is_none() {
                    errors.push(unknown(column, "columns"));
                }
            }
            for column in declaration.masks.keys() {
                if info.column(column).is_none() {
                    errors.push(unknown(column, "masks"));
                } else if !declaration.columns.contains(column) {
                    errors.push(CeilingError {
                        place: place(&["masks"]),
                        culprit: Some(column.to_string()),
                        message: format!("`{column}` has a mask but is not among `columns` of `{name}`: a mask of a hidden column does nothing"),
                    });
                }
            }
            for column in &declaration.lend {
                if info.column(column).is_none() {
                    errors.push(unknown(column, "lend"));
                } else if declaration.columns.contains(column) {
                    errors.push(CeilingError {
                        place: place(&["lend"]),
                        culprit: Some(column.to_string()),
                        message: format!("`{column}` is among `columns` of `{name}`: policies filter by visible columns anyway, as agents see them; keep it in one of them"),
                    });
                }
            }
            let mut misfit = |key: &str, column: &ColumnName, message: String| {
                errors.push(CeilingError { place: place(&[key]), culprit: Some(column.to_string()), message });
            };
            for column in &declaration.require {
                if info.column(column).is_none() {
                    misfit("require", column, unknown(column, "require").message);
                } else if !declaration.columns.contains(column) {
                    misfit(
                        "require",
                        column,
                        format!(
                            "`{column}` is not among `columns` of `{name}`: agents can't look rows up by what they can't name"
                        ),
                    );
                } else if declaration.masks.contains_key(column) {
                    misfit(
                        "require",
                        column,
                        format!(
                            "`{column}` of `{name}` has a mask, and many rows may be alike under a mask: take one of the two out"
                        ),
                    );
                }
            }
            if let Some(Aggregate { unit, min_group: _ }) = &declaration.aggregate {
                if info.column(unit).is_none() {
                    misfit("aggregate", unit, unknown(unit, "aggregate").message);
                } else if declaration.masks.contains_key(unit) {
                    misfit(
                        "aggregate",
                        unit,
                        format!(
                            "`{unit}` of `{name}` has a mask, under which units can't be told apart: hide it instead, or take the mask out"
                        ),
                    );
                }
            }
            let mut columns = Vec::new();
            for column in &info.columns {
                if !declaration.columns.contains(&column.name) {
                    continue;
                }
                let masks: Vec<Mask> = declaration.masks.get(&column.name).cloned().into_iter().collect();
                match masked_type(&column.ty, &masks) {
                    Ok(ty) => columns.push(CeilingColumn {
                        name: column.name.clone(),
                        store_type: column.ty.clone(),
                        ty,
                        masks,
                    }),
                    Err(error) => errors.push(CeilingError {
                        place: place(&["masks", column.name.as_str()]),
                        culprit: None,
                        message: format!("column `{}` of `{name}`: {error}", column.name),
                    }),
                }
            }
            if let Some(filter) = &declaration.filter {
                let column_type = |column: &ColumnName| info.column(column).map(|c| c.ty.clone());
                if let Err(error) = filter.check(&column_type) {
                    let message = match &error {
                        crate::filter::FilterError::Column(column) => unknown(column, "filter").message,
                        other => format!("filter of `{name}`: {other}"),
                    };
                    errors.push(CeilingError { place: place(&["filter"]), culprit: None, message });
                }
            }
            let write = declaration.write.as_ref().and_then(|declared_write| {
                write::join(name, declared, declaration, declared_write, catalogue)
                    .map_err(|found| errors.extend(found))
                    .ok()
            });
            relations.insert(
                name.clone(),
                RelationCeiling {
                    store: info.clone(),
                    columns,
                    lent: info
                        .columns
                        .iter()
                        .filter(|column| declaration.lend.contains(&column.name))
                        .map(|column| LentColumn { name: column.name.clone(), ty: column.ty.clone() })
                        .collect(),
                    filter: declaration.filter.clone(),
                    require: declaration.require.clone(),
                    aggregate: declaration.aggregate.clone(),
                    write,
                    wall: None,
                },
            );
        }
        for distinct in &limits.distinct {
            if let Err(more) = demand(&mut relations, &distinct.column) {
                errors.extend(more);
            }
        }
        if errors.is_empty() { Ok(Self { relations, agents, limits, per, hours, expires_ms }) } else { Err(errors) }
    }

    /// The same ceiling, read from behind a wall in the store that shows each relation as `walled` says.
    #[must_use]
    pub fn behind(mut self, walled: impl Fn(&RelationName) -> Walled) -> Self {
        for (name, relation) in &mut self.relations {
            relation.wall = Some(walled(name));
        }
        self
    }

    /// The relation of that name.
    pub fn relation(&self, name: &RelationName) -> Option<&RelationCeiling> {
        self.relations.get(name)
    }

    /// Every relation, by name.
    pub fn relations(&self) -> &BTreeMap<RelationName, RelationCeiling> {
        &self.relations
    }
}

/// Has every relation that has the column answer look-ups by its value alone, so that these can be counted.
fn demand(
    relations: &mut BTreeMap<RelationName, RelationCeiling>,
    column: &ColumnName,
) -> Result<(), Vec<CeilingError>> {
    let mut errors = Vec::new();
    let mut found = false;
    let mut misfit = |message: String| {
        let place = ["limits", "distinct", column.as_str()].into_iter().map(str::to_owned).collect();
        errors.push(CeilingError { place, culprit: None, message });
    };
    for (name, relation) in relations {
        let Some(info) = relation.store.column(column) else { continue };
        found = true;
        match relation.column(column) {
            None => misfit(format!(
                "`{name}` has a column `{column}` and does not show it, so what is looked up there could not be counted: show it, or take `{name}` out"
            )),
            Some(shown) if !shown.masks.is_empty() => misfit(format!(
                "`{column}` of `{name}` has a mask, and many values may be alike under a mask: take one of the two out"
            )),
            // One value written down would be several in the store.
            Some(_) if info.loose_equality => misfit(format!(
                "`{column}` of `{name}` is compared by a collation under which different texts are equal, so values of it can't be counted"
            )),
            Some(_) if relation.require.contains(column) => {}
            Some(_) => relation.require.push(column.clone()),
        }
    }
    if !found {
        misfit(format!("no table of the mount has a column `{column}`: there is nothing to count"));
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// The type of a column of type `input` under the masks, in order.
///
/// # Errors
/// Where a mask does not fit.
pub fn masked_type(input: &ColumnType, masks: &[Mask]) -> Result<ColumnType, crate::mask::MaskError> {
    masks.iter().try_fold(input.clone(), |ty, mask| mask.output_type(&ty))
}

/// The candidate that `text` most likely meant, where one is near enough.
pub fn likely<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(&text.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 2.max(candidate.len() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
