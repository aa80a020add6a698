//! What names resolve against: a ceiling or a scope, through one window, so that one resolver serves both.

use mountgate_core::{
    Aggregate, Ceiling, ColumnName, ColumnType, Filter, Mask, RelationCeiling, RelationInfo, RelationName, Scope,
    ScopedRelation,
};

use crate::Dialect;

/// A ceiling or a scope.
#[derive(Clone, Copy)]
pub(crate) enum View<'a> {
    Ceiling(&'a Ceiling),
    Scope(&'a Scope),
}

/// A relation of either.
#[derive(Clone, Copy)]
pub(crate) enum Rel<'a> {
    Ceiling(&'a RelationName, &'a RelationCeiling),
    Scope(&'a RelationName, &'a ScopedRelation),
}

impl<'a> View<'a> {
    /// The relation that `schema.name` (or `name` alone) means, each already under the dialect's case rule.
    pub(crate) fn find(self, dialect: Dialect, schema: Option<&str>, name: &str) -> Option<Rel<'a>> {
        if schema.is_none() {
            let direct = match self {
                Self::Ceiling(ceiling) => ceiling.relations().get_key_value(name).map(|(n, r)| Rel::Ceiling(n, r)),
                Self::Scope(scope) => scope.relations().get_key_value(name).map(|(n, r)| Rel::Scope(n, r)),
            };
            if direct.is_some() || dialect == Dialect::Postgres {
                return direct;
            }
        }
        let matches = |mount: &RelationName, store: &RelationInfo| match schema {
            None => dialect.same(mount.as_str(), name),
            Some(schema) => dialect.same(&store.schema, schema) && dialect.same(&store.name, name),
        };
        match self {
            Self::Ceiling(ceiling) => {
                ceiling.relations().iter().find(|(n, r)| matches(n, &r.store)).map(|(n, r)| Rel::Ceiling(n, r))
            }
            Self::Scope(scope) => {
                scope.relations().iter().find(|(n, r)| matches(n, &r.store)).map(|(n, r)| Rel::Scope(n, r))
            }
        }
    }
}

impl<'a> Rel<'a> {
    pub(crate) fn name(self) -> &'a RelationName {
        match self {
            Self::Ceiling(name, _) | Self::Scope(name, _) => name,
        }
    }

    /// The columns of the primary key as places among the visible columns, where all of it is visible, and as it is in
    /// the store: under a mask, a key tells rows apart no longer.
    pub(crate) fn key(self) -> Option<Vec<usize>> {
        let store = match self {
            Self::Ceiling(_, relation) => &relation.store,
            Self::Scope(_, relation) => &relation.store,
        };
        let places: Option<Vec<usize>> = store
            .key
            .iter()
            .map(|name| {
                (0..self.width())
                    .find(|at| self.column(*at).is_some_and(|(column, _, masks)| column == name && masks.is_empty()))
            })
            .collect();
        places.filter(|places| !places.is_empty())
    }

    /// The relation as the store has it.
    pub(crate) fn store(self) -> &'a RelationInfo {
        match self {
            Self::Ceiling(_, relation) => &relation.store,
            Self::Scope(_, relation) => &relation.store,
        }
    }

    pub(crate) fn width(self) -> usize {
        match self {
            Self::Ceiling(_, relation) => relation.columns.len(),
            Self::Scope(_, relation) => relation.columns.len(),
        }
    }

    /// The visible column at that place: its name, its type under the masks, the masks.
    pub(crate) fn column(self, at: usize) -> Option<(&'a ColumnName, &'a ColumnType, &'a [Mask])> {
        match self {
            Self::Ceiling(_, relation) => relation.columns.get(at).map(|c| (&c.name, &c.ty, c.masks.as_slice())),
            Self::Scope(_, relation) => relation.columns.get(at).map(|c| (&c.name, &c.ty, c.masks.as_slice())),
        }
    }

    /// The columns that every reference must fix to one value.
    pub(crate) fn required(self) -> &'a [ColumnName] {
        match self {
            Self::Ceiling(_, relation) => &relation.require,
            Self::Scope(_, relation) => &relation.require,
        }
    }

    /// That it answers with statistics only.
    pub(crate) fn aggregate(self) -> Option<&'a Aggregate> {
        match self {
            Self::Ceiling(_, relation) => relation.aggregate.as_ref(),
            Self::Scope(_, relation) => relation.aggregate.as_ref(),
        }
    }

    /// The filters that hold for every row of it, where it is a scope's.
    pub(crate) fn filters(self) -> impl Iterator<Item = &'a Filter> {
        let filters: [&[Filter]; 3] = match self {
            Self::Ceiling(..) => [&[], &[], &[]],
            Self::Scope(_, relation) => [&relation.base_filters, &relation.walled_filters, &relation.filters],
        };
        filters.into_iter().flatten()
    }

    /// Whether the visible column at that place is, in the store, text that is equal only to the same bytes.
    pub(crate) fn is_plain_text(self, at: usize) -> bool {
        let store = match self {
            Self::Ceiling(_, relation) => &relation.store,
            Self::Scope(_, relation) => &relation.store,
        };
        let info = self.column(at).and_then(|(name, _, _)| store.column(name));
        info.is_some_and(|info| {
            let bare = info.store_type.split('(').next().unwrap_or_default();
            !info.loose_equality && matches!(bare, "text" | "varchar" | "character varying")
        })
    }

    /// Whether the visible column at that place may be equal to other bytes than its own (SQLite's NOCASE).
    pub(crate) fn is_loose(self, at: usize) -> bool {
        let store = match self {
            Self::Ceiling(_, relation) => &relation.store,
            Self::Scope(_, relation) => &relation.store,
        };
        self.column(at).and_then(|(name, _, _)| store.column(name)).is_none_or(|info| info.loose_equality)
    }

    /// The place of the visible column of that name.
    pub(crate) fn find(self, dialect: Dialect, name: &str) -> Option<usize> {
        match self {
            Self::Ceiling(_, relation) => relation.columns.iter().position(|c| dialect.same(c.name.as_str(), name)),
            Self::Scope(_, relation) => relation.columns.iter().position(|c| dialect.same(c.name.as_str(), name)),
        }
    }
}
