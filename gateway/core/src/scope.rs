//! The scope: what the ceiling and the verdict together leave of each touched relation.
//!
//! [`Scope::narrow`] is the only constructor, and it can only narrow.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    Aggregate, Ceiling, CeilingColumn, ColumnInfo, ColumnName, ColumnType, Filter, Grant, Mask, RelationCeiling,
    RelationGrant, RelationInfo, RelationName, Touch,
    ceiling::masked_type,
    weaken::{Defence, is_down},
};

/// A column in scope.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScopedColumn {
    /// The column.
    pub name: ColumnName,
    /// Its type in the store.
    pub store_type: ColumnType,
    /// Its type after the masks.
    pub ty: ColumnType,
    /// All masks, in order: the ceiling's, then the policy's.
    pub masks: Vec<Mask>,
    /// How many of `masks`, from the first, the store's own wall has applied already: all of the ceiling's, or none.
    #[serde(skip)]
    pub applied: usize,
}

/// A relation in scope.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScopedRelation {
    /// Where it is in the store, with all of its columns.
    #[serde(skip)]
    pub store: RelationInfo,
    /// What is read instead, where the store has a wall of its own: the ceiling's output.
    #[serde(skip)]
    pub wall: Option<RelationInfo>,
    /// Whether `wall` is the one that shows [`RelationCeiling::lending`].
    #[serde(skip)]
    pub lends: bool,
    /// The columns in scope, in the store's order.
    pub columns: Vec<ScopedColumn>,
    /// Filters over the store's own values (the ceiling's), all of which hold.
    pub base_filters: Vec<Filter>,
    /// Filters of the ceiling that the wall alone can hold, for they name what it does not show.
    pub walled_filters: Vec<Filter>,
    /// Filters over the ceiling's output (the policy's), all of which hold.
    pub filters: Vec<Filter>,
    /// Columns that every reference must fix to one value.
    pub require: Vec<ColumnName>,
    /// That it answers with statistics only.
    pub aggregate: Option<Aggregate>,
    /// What each column that `filters` may name looks like there: those visible under the ceiling with its masks, and
    /// those that it lends.
    #[serde(skip)]
    pub visible_to_filters: BTreeMap<ColumnName, (ColumnType, Vec<Mask>)>,
}

impl ScopedRelation {
    /// The column in scope of that name.
    pub fn column(&self, name: &ColumnName) -> Option<&ScopedColumn> {
        self.columns.iter().find(|column| &column.name == name)
    }

    /// Whether some rows may be out of scope.
    pub fn is_filtered(&self) -> bool {
        !self.base_filters.is_empty() || !self.walled_filters.is_empty() || !self.filters.is_empty()
    }

    /// What a statement reads: the wall's relation where there is one, else the store's own.
    pub fn read(&self) -> &RelationInfo {
        self.wall.as_ref().unwrap_or(&self.store)
    }
}

/// Why a verdict is the policy's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// A relation that the ceiling does not have.
    #[error("the policy grants relation `{0}`, which the mount's ceiling does not have")]
    Relation(RelationName),
    /// A column that the ceiling does not show.
    #[error("the policy grants column `{column}` of `{relation}`, which the mount's ceiling does not show")]
    Column {
        /// The relation.
        relation: RelationName,
        /// The column.
        column: ColumnName,
    },
    /// A filter that does not fit what policies may see.
    #[error("the policy's filter on `{relation}`: {why}")]
    Filter {
        /// The relation.
        relation: RelationName,
        /// Why.
        why: String,
    },
    /// A mask that does not fit.
    #[error("the policy's mask on `{relation}`.`{column}`: {why}")]
    Mask {
        /// The relation.
        relation: RelationName,
        /// The column.
        column: ColumnName,
        /// Why.
        why: String,
    },
    /// A column named twice.
    #[error("the policy grants column `{column}` of `{relation}` twice")]
    Twice {
        /// The relation.
        relation: RelationName,
        /// The column.
        column: ColumnName,
    },
}

/// The scope of one request. INVARIANT: every relation, column, row and value in it is within the ceiling it was
/// narrowed from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scope {
    relations: BTreeMap<RelationName, ScopedRelation>,
}

impl Scope {
    /// The ceiling ∩ the grant, for the relations that are touched. A touched relation that is not granted is
    /// absent: resolving against the scope then refuses it as one that does not exist.
    ///
    /// # Errors
    /// Where the grant reaches past the ceiling: the policy's fault, and a deny.
    pub fn narrow(ceiling: &Ceiling, touch: &Touch, grant: &Grant) -> Result<Self, ScopeError> {
        if is_down(Defence::Ceiling) {
            return narrow_without_ceiling(ceiling, touch, grant);
        }
        let mut relations = BTreeMap::new();
        match grant {
            Grant::Narrowed(_) if is_down(Defence::Verdict) => return Ok(Self::as_ceiling(ceiling, touch)),
            Grant::Ceiling => return Ok(Self::as_ceiling(ceiling, touch)),
            Grant::Narrowed(granted) => {
                // Every relation granted is checked, the untouched too: a verdict past the ceiling is a fault
                // whatever this request asks for.
                for (name, grant) in granted {
                    let Some(relation) = ceiling.relation(name) else {
                        return Err(ScopeError::Relation(name.clone()));
                    };
                    let scoped = narrow_relation(name, relation, grant)?;
                    if touch.relations.iter().any(|touched| &touched.relation == name) {
                        relations.insert(name.clone(), scoped);
                    }
                }
            }
        }
        Ok(Self { relations })
    }

    fn as_ceiling(ceiling: &Ceiling, touch: &Touch) -> Self {
        let relations = touch
            .relations
            .iter()
            .filter_map(|touched| Some((touched.relation.clone(), as_it_is(ceiling.relation(&touched.relation)?))))
            .collect();
        Self { relations }
    }

    /// The relation of that name.
    pub fn relation(&self, name: &RelationName) -> Option<&ScopedRelation> {
        self.relations.get(name)
    }

    /// The same without the ceiling's demands of statements (keys, statistics): for the gateway's own look-ups of single
    /// rows by their keys, which tell no more than whether a row is in scope.
    #[must_use]
    pub fn for_lookups(&self) -> Self {
        let mut lookups = self.clone();
        for relation in lookups.relations.values_mut() {
            relation.require.clear();
            relation.aggregate = None;
        }
        lookups
    }

    /// Every relation in scope, by name.
    pub fn relations(&self) -> &BTreeMap<RelationName, ScopedRelation> {
        &self.relations
    }
}

/// With the ceiling down, in test builds: what the verdict says, over everything that the store has. A policy that
/// grants "the ceiling as it is" grants what it was shown.
fn narrow_without_ceiling(ceiling: &Ceiling, touch: &Touch, grant: &Grant) -> Result<Scope, ScopeError> {
    let mut relations = BTreeMap::new();
    for touched in &touch.relations {
        let Some(relation) = ceiling.relation(&touched.relation) else { continue };
        let shown = match grant {
            Grant::Ceiling => Some(RelationGrant {
                columns: relation.columns.iter().map(|c| (c.name.clone(), c.masks.clone())).collect(),
                filter: relation.filter.clone(),
            }),
            Grant::Narrowed(granted) => granted.get(&touched.relation).cloned(),
        };
        let columns = relation
            .store
            .columns
            .iter()
            .map(|column| CeilingColumn {
                name: column.name.clone(),
                store_type: column.ty.clone(),
                ty: column.ty.clone(),
                masks: vec![],
            })
            .collect();
        let open = RelationCeiling {
            store: relation.store.clone(),
            columns,
            lent: vec![],
            filter: None,
            require: vec![],
            aggregate: None,
            write: relation.write.clone(),
            wall: relation.wall.clone(),
        };
        if let Some(shown) = shown {
            relations.insert(touched.relation.clone(), narrow_relation(&touched.relation, &open, &shown)?);
        }
    }
    Ok(Scope { relations })
}

fn visible(relation: &RelationCeiling) -> BTreeMap<ColumnName, (ColumnType, Vec<Mask>)> {
    let lent = relation.lent.iter().map(|c| (c.name.clone(), (c.ty.clone(), vec![])));
    // INVARIANT: a lent column is not among `columns`; were it, its masks would stay.
    lent.chain(relation.columns.iter().map(|c| (c.name.clone(), (c.ty.clone(), c.masks.clone())))).collect()
}

fn as_it_is(relation: &RelationCeiling) -> ScopedRelation {
    let mut scoped = ScopedRelation {
        store: relation.store.clone(),
        wall: None,
        lends: false,
        columns: relation
            .columns
            .iter()
            .map(|column| ScopedColumn {
                name: column.name.clone(),
                store_type: column.store_type.clone(),
                ty: column.ty.clone(),
                masks: column.masks.clone(),
                applied: 0,
            })
            .collect(),
        base_filters: relation.filter.iter().flat_map(Filter::conjuncts).collect(),
        walled_filters: vec![],
        filters: vec![],
        require: relation.require.clone(),
        aggregate: relation.aggregate.clone(),
        visible_to_filters: visible(relation),
    };
    read_behind_the_wall(relation, &mut scoped);
    scoped
}

/// Where the store has a wall: reads what it shows. What it did already is left to it where it can't be done again:
/// masks (a hash of a hash is another value), and filters that name what it does not show. The rest both walls do.
fn read_behind_the_wall(relation: &RelationCeiling, scoped: &mut ScopedRelation) {
    let Some(wall) = &relation.wall else { return };
    let hidden = |filter: &Filter| filter.columns().any(|name| relation.column(name).is_none());
    scoped.lends = relation.hidden_unit().is_some() || scoped.filters.iter().any(hidden);
    let shown = scoped.store.columns.iter().filter_map(|info| match relation.column(&info.name) {
        Some(column) => Some(ColumnInfo {
            ty: column.ty.clone(),
            store_type: if column.masks.iter().all(Mask::keeps_the_type) {
                info.store_type.clone()
            } else {
                String::new()
            },
            ..info.clone()
        }),
        None => (scoped.lends && relation.lending().any(|lent| lent.name == info.name)).then(|| info.clone()),
    });
    scoped.wall = Some(RelationInfo {
        schema: wall.schema.clone(),
        name: if scoped.lends { wall.lending.clone() } else { wall.name.clone() },
        columns: shown.collect(),
        key: scoped.store.key.clone(),
    });
    for column in &mut scoped.columns {
        column.applied = relation.column(&column.name).map_or(0, |column| column.masks.len());
    }
    for (_, masks) in scoped.visible_to_filters.values_mut() {
        masks.clear();
    }
    let plain = |name: &ColumnName| relation.column(name).is_some_and(|column| column.masks.is_empty());
    let (base, walled) =
        std::mem::take(&mut scoped.base_filters).into_iter().partition(|filter| filter.columns().all(plain));
    (scoped.base_filters, scoped.walled_filters) = (base, walled);
}

fn narrow_relation(
    name: &RelationName,
    relation: &RelationCeiling,
    grant: &RelationGrant,
) -> Result<ScopedRelation, ScopeError> {
    let mut scoped = as_it_is(&RelationCeiling { wall: None, ..relation.clone() });
    for (index, (column, _)) in grant.columns.iter().enumerate() {
        if relation.column(column).is_none() {
            return Err(ScopeError::Column { relation: name.clone(), column: column.clone() });
        }
        if grant.columns.iter().take(index).any(|(other, _)| other == column) {
            return Err(ScopeError::Twice { relation: name.clone(), column: column.clone() });
        }
    }
    let mut columns = Vec::with_capacity(grant.columns.len());
    for column in scoped.columns {
        let Some((_, masks)) = grant.columns.iter().find(|(granted, _)| granted == &column.name) else { continue };
        // The ceiling's masks come first, whatever the verdict says; what repeats them is not applied twice.
        let further = masks.strip_prefix(column.masks.as_slice()).unwrap_or(masks);
        let masks: Vec<Mask> = column.masks.iter().chain(further).cloned().collect();
        let ty = masked_type(&column.store_type, &masks).map_err(|error| ScopeError::Mask {
            relation: name.clone(),
            column: column.name.clone(),
            why: error.to_string(),
        })?;
        columns.push(ScopedColumn { ty, masks, ..column });
    }
    scoped.columns = columns;
    let seen = visible(relation);
    let column_type = |column: &ColumnName| seen.get(column).map(|(ty, _)| ty.clone());
    for conjunct in grant.filter.iter().flat_map(Filter::conjuncts) {
        // A conjunct that the ceiling's filter has too is enforced already, on the store's own values. It is not
        // checked against what policies see: a ceiling's filter may name hidden columns.
        if scoped.base_filters.contains(&conjunct) {
            continue;
        }
        conjunct
            .check(&column_type)
            .map_err(|error| ScopeError::Filter { relation: name.clone(), why: error.to_string() })?;
        scoped.filters.push(conjunct);
    }
    read_behind_the_wall(relation, &mut scoped);
    Ok(scoped)
}

#[cfg(test)]
mod tests;
