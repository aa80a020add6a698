//! The shop of `fuzz`, its scope and its plans.

use mountgate_core::{ClaimName, ClaimValue, Claims, Code, ColumnName, Grant, Refusal, RelationName, Scope, Touch};

use crate::{Dialect, MaskKeys, Plan, Statement, fuzz};

pub(crate) const BOTH: [Dialect; 2] = [Dialect::Sqlite, Dialect::Postgres];

pub(crate) struct Keys;

impl MaskKeys for Keys {
    fn key(&self, _: &RelationName, _: &ColumnName) -> [u8; 32] {
        [7; 32]
    }
}

pub(super) fn touch(dialect: Dialect, sql: &str) -> Result<Touch, Refusal> {
    Statement::parse(dialect, sql)?.touch(fuzz::shop().unwrap())
}

pub(super) fn plan(dialect: Dialect, sql: &str) -> Result<Plan, Refusal> {
    let ceiling = fuzz::shop().unwrap();
    let statement = Statement::parse(dialect, sql)?;
    let touch = statement.touch(ceiling)?;
    statement.enforce(&Scope::narrow(ceiling, &touch, &Grant::Ceiling).unwrap())
}

pub(super) fn printed(dialect: Dialect, sql: &str) -> String {
    plan(dialect, sql).unwrap_or_else(|refusal| panic!("{dialect:?} {sql}: {refusal}")).sql().to_string()
}

pub(crate) fn claims() -> Claims {
    Claims::from([(ClaimName::from("tenant"), ClaimValue::Text("a".into()))])
}

pub(super) fn refused(dialect: Dialect, sql: &str) -> Code {
    match plan(dialect, sql) {
        Ok(plan) => panic!("{dialect:?} took {sql} as {}", plan.sql()),
        Err(refusal) => refusal.code,
    }
}
