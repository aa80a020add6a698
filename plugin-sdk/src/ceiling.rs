//! The mount's ceiling, by name, and the requests that speak of it by place.

use std::ops::Deref;

use crate::{
    narrowed::{Granted, Narrowed},
    prepared::Listed,
    types::{self, CeilingColumn, CeilingRelation, Mount, RelationGrant, RelationTouch, Uses},
};

impl Mount {
    /// The relation of that name, where the mount shows it.
    pub fn relation(&self, name: &str) -> Option<&CeilingRelation> {
        self.relations.iter().find(|relation| relation.name == name)
    }

    /// Something prepared for each relation, or for some of them; a decision asks for it by the relation touched.
    ///
    /// # Errors
    /// As `prepare`, and where a value can't be encoded.
    pub fn prepare<V: serde::Serialize + serde::de::DeserializeOwned>(
        &self,
        prepare: impl FnMut(&CeilingRelation) -> Result<Option<V>, String>,
    ) -> Result<Listed<'static, V>, String> {
        let entries: Vec<Option<V>> = self.relations.iter().map(prepare).collect::<Result<_, _>>()?;
        Listed::new(entries)
    }
}

impl CeilingRelation {
    /// The column of that name, where the ceiling shows it.
    pub fn column(&self, name: &str) -> Option<&CeilingColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether a filter may name the column: it is shown or lent.
    pub fn may_filter_by(&self, name: &str) -> bool {
        self.columns.iter().chain(&self.lent).any(|column| column.name == name)
    }

    /// The relation as the ceiling has it, to be narrowed from there.
    pub fn narrowed(&self) -> Narrowed {
        Narrowed::of(self)
    }
}

/// A request for a decision. What the contract says of it is there by [`Deref`]; relations are found by name.
#[derive(Debug)]
pub struct Request<'a> {
    asked: types::Request,
    ceiling: Option<Listed<'a, CeilingRelation>>,
}

impl Deref for Request<'_> {
    type Target = types::Request;

    fn deref(&self) -> &types::Request {
        &self.asked
    }
}

impl<'a> Request<'a> {
    pub(crate) fn new(asked: types::Request, ceiling: Option<Listed<'a, CeilingRelation>>) -> Self {
        Self { asked, ceiling }
    }

    /// The relations that the request touches.
    pub fn relations(&self) -> impl Iterator<Item = Touched<'_>> {
        let places = 0_u32..;
        places.zip(&self.asked.touch.relations).map(|(place, touch)| Touched {
            place,
            touch,
            ceiling: self.ceiling.as_ref(),
        })
    }

    /// The relation of that name, where the request touches it.
    pub fn relation(&self, name: &str) -> Option<Touched<'_>> {
        self.relations().find(|touched| touched.name() == name)
    }
}

/// A relation that a request touches.
#[derive(Clone, Copy, Debug)]
pub struct Touched<'a> {
    place: u32,
    touch: &'a RelationTouch,
    ceiling: Option<&'a Listed<'a, CeilingRelation>>,
}

impl<'a> Touched<'a> {
    /// Its name, as the mount has it.
    pub fn name(&self) -> &'a str {
        &self.touch.name
    }

    /// Its place among the mount's relations: what [`Mount::prepare`] made is found by it.
    pub fn in_mount(&self) -> u32 {
        self.touch.relation
    }

    /// What the contract says of it.
    pub fn touch(&self) -> &'a RelationTouch {
        self.touch
    }

    /// The relation under the ceiling, as `configure` saw it.
    ///
    /// # Errors
    /// Where the policy did without ([`Policy::KEEPS_CEILING`](crate::Policy::KEEPS_CEILING)), or the bytes are damaged.
    pub fn ceiling(&self) -> Result<CeilingRelation, String> {
        let ceiling = self.ceiling.ok_or("the policy keeps no ceiling: see `KEEPS_CEILING`")?;
        ceiling.get(self.in_mount())?.ok_or_else(|| format!("no ceiling of `{}` was prepared", self.name()))
    }

    /// The relation as the ceiling has it, to be narrowed from there.
    ///
    /// # Errors
    /// As [`Touched::ceiling`].
    pub fn narrowed(&self) -> Result<Narrowed, String> {
        Ok(self.ceiling()?.narrowed())
    }

    /// How the request uses a column; `None` where it does not.
    ///
    /// # Errors
    /// As [`Touched::ceiling`].
    pub fn uses(&self, column: &str) -> Result<Option<Uses>, String> {
        let ceiling = self.ceiling()?;
        let place = ceiling.columns.iter().position(|shown| shown.name == column);
        let place = place.and_then(|place| u32::try_from(place).ok());
        Ok(self.touch.columns.iter().find(|touch| Some(touch.column) == place).map(|touch| touch.uses))
    }

    /// Grants so much of it.
    pub fn grant(&self, granted: impl Into<Granted>) -> RelationGrant {
        let Granted { columns, filter } = granted.into();
        RelationGrant { relation: self.place, columns, filter }
    }
}
