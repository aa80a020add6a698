//! stub while sqlite is built
use crate::{Batch, Call, Rows, StoreError};
use mountgate_core::{Catalogue, RelationName};
/// c
#[derive(Clone, Debug)]
pub struct PostgresConfig;
/// s
#[derive(Clone, Debug)]
pub struct PostgresStore;
impl PostgresStore {
    /// o
    pub async fn open(_: PostgresConfig) -> Result<Self, StoreError> {
        Ok(Self)
    }
    /// c
    pub async fn catalogue(&self, _: &[RelationName]) -> Result<Catalogue, StoreError> {
        Err(StoreError::timeout())
    }
    /// s
    pub async fn stream(&self, _: Call) -> Result<Rows, StoreError> {
        Err(StoreError::timeout())
    }
}
#[derive(Debug)]
pub(crate) struct PostgresRows;
impl PostgresRows {
    pub(crate) async fn next(&mut self) -> Result<Option<Batch>, StoreError> {
        Ok(None)
    }
}
